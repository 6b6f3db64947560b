"""Contracts beside Statum's: the invented one in `tests/contracts/parcel/`, and changed copies of a contract folder."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib.resources import as_file
from pathlib import Path
from typing import Any

from conformance.contract.contract import Contract
from conformance.contract.folder import ContractFolder
from conformance.contract.schemas import built_in

PARCEL = Path(__file__).parents[1] / "contracts" / "parcel"


@cache
def parcel() -> Contract:
    """The contract, read once."""
    return Contract.load(PARCEL)


# A value of another type than any that a message has there.
ANOTHER_TYPE = {"string": "boolean", "number": "string", "object": "array", "array": "object", "boolean": "string"}
UNHEARD_OF = "never_heard_of"
NUMBERS = {"minimum": 10**9, "maximum": -(10**9), "multipleOf": 10**9 + 7}


def uncrossed(folder: Path) -> Contract:
    """The contract in a folder whose examples need not be messages by what was changed in it."""
    return Contract._made(ContractFolder.at(folder))  # noqa: SLF001 - what `load` does once all is well


def copied(directory: Path, folder: Path | None = None) -> Path:
    """A copy of `folder`, or else of Statum's contract, below `directory`; made once."""
    with as_file(built_in("statum")) as statum:
        source = folder or statum
        copy = directory / source.name
        return copy if copy.exists() else shutil.copytree(source, copy)


def renamed(directory: Path, names: Mapping[str, str], folder: Path | None = None) -> Path:
    """A copy in whose files each word of `names` is replaced by another one."""
    copy = copied(directory, folder)
    word = re.compile(rf"\b({'|'.join(map(re.escape, names))})\b")
    for file in copy.rglob("*"):
        if file.suffix in {".json", ".toml"}:
            file.write_text(word.sub(lambda found: names[found[0]], file.read_text(encoding="utf-8")), encoding="utf-8")
    return copy


@dataclass(frozen=True, slots=True)
class Place:
    """A keyword in the schema `message`, and a value of it that no message of a lawful gateway keeps to.

    `path` leads to the schema that has the keyword. `pointer`: where in a message it is broken, with `*` for any item.
    """

    message: str
    path: tuple[str | int, ...]
    pointer: str
    keyword: str
    value: Any

    def __str__(self) -> str:
        return f"{self.message} {self.pointer} {self.keyword}"

    def changed(self, folder: Path, contract: Contract) -> None:
        """Make the change in a copy of the folder of `contract`, in this message's file and in no other one."""
        schema = contract.schemas.resolved(self.message)
        node = schema
        for step in self.path:
            node = node[step]
        node[self.keyword] = self.value
        (folder / f"{self.message}.json").write_text(json.dumps(schema), encoding="utf-8")

    def is_named_by(self, pointer: str | None, message: str) -> bool:
        """Whether a finding with that pointer and message names this place, or lacks the member in it."""
        wanted = self.pointer.split("/")
        if self.keyword == "required":
            wanted = wanted[:-1]
            if UNHEARD_OF not in message:
                return False
        steps = (pointer or "").split("/")
        return len(steps) == len(wanted) and all(w in ("*", s) for w, s in zip(wanted, steps, strict=True))


def places(contract: Contract, message: str) -> Iterator[Place]:
    """Every keyword of that message's schema that could be broken, and some that could be added, changed so that it is.

    Where an object allows further members of a form, as where it names them, what is within is gone through as well.
    """
    yield from _places(message, contract.schemas.resolved(message), (), "")


def _places(message: str, schema: Mapping[str, Any], path: tuple[str | int, ...], pointer: str) -> Iterator[Place]:
    for keyword, value, below in _stricter(schema):
        yield Place(message, path, pointer + below, keyword, value)
    for member, rule in schema.get("properties", {}).items():
        yield from _places(message, rule, (*path, "properties", member), f"{pointer}/{member}")
    for keyword in ("items", "additionalProperties"):
        if isinstance(schema.get(keyword), dict):
            yield from _places(message, schema[keyword], (*path, keyword), f"{pointer}/*")


def _stricter(schema: Mapping[str, Any]) -> Iterator[tuple[str, Any, str]]:
    """Keyword, a value of it that nothing keeps to, and where below the value at hand that is broken."""
    if "type" in schema:
        yield "type", ANOTHER_TYPE[schema["type"]], ""
    if schema.get("type") == "object":
        yield "required", [*schema.get("required", ()), UNHEARD_OF], f"/{UNHEARD_OF}"
    if schema.get("type") == "string":
        yield "pattern", f"^{UNHEARD_OF}$", ""
        yield "maxLength", 0, ""
    if "minLength" in schema:
        yield "minLength", 10_000, ""
    for keyword, value in NUMBERS.items():
        if keyword in schema or (keyword == "maximum" and schema.get("type") == "number"):
            yield keyword, value, ""
    if "const" in schema:
        yield "const", UNHEARD_OF, ""
    if schema.get("type") == "array":
        yield "minItems", 10_000, ""


@contextmanager
def edited(folder: Path, file: str, content: bytes | str | None) -> Iterator[None]:
    """Has a file of the folder hold that, or (None) not be there, for a while."""
    path = folder / file
    before = path.read_bytes()
    path.unlink()
    if content is not None:
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    yield
    path.write_bytes(before)


def json_edited(directory: Path, file: str, change: Callable[[dict[str, Any]], Mapping[str, Any]]) -> Path:
    """A copy whose `file` holds what `change` makes of it, laid out as it was."""
    folder = copied(directory)
    (folder / file).write_text(changed_json(folder / file, change), "utf-8")
    return folder


def changed_json(path: Path, change: Callable[[dict[str, Any]], Mapping[str, Any]]) -> str:
    """What `change` makes of a file, laid out as it was."""
    return json.dumps(change(json.loads(path.read_text("utf-8"))), indent=2, ensure_ascii=False)


def text_edited(directory: Path, file: str, words: str, others: str) -> Path:
    """A copy whose `file` has `others` where it first had `words`."""
    folder = copied(directory)
    (folder / file).write_text(with_others(folder / file, words, others), "utf-8")
    return folder


def with_others(path: Path, words: str, others: str) -> str:
    """The text of a file, with `others` where it first has `words`."""
    text = path.read_text("utf-8")
    assert words in text, f"{path} does not hold {words!r}"
    return text.replace(words, others, 1)
