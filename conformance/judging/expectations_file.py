"""The reader of an expectations file: TOML as `schemas/formats/expectations.json` describes it.

One line names the entry at fault: a key or verdict with a typo, an id that the catalogue lacks, a command that the
requirement is not judged for, a day that does not exist, a repeated entry.
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from conformance.contract.requirements import Catalogue, Requirement
from conformance.contract.schemas import FORMATS, Violation
from conformance.judging.expectations import Expectation, Expectations
from conformance.model.errors import UsageError, did_you_mean

SCHEMA = "expectations"
TABLE = "expectation"
YAML = (".yaml", ".yml")
GUIDE = "docs/expectations.md tells what one holds"

# The expected date in an error.
DAY = "a day such as 2027-01-31"


def read_expectations(path: Path, catalogue: Catalogue) -> Expectations:
    """Read the file at `path`, which lists requirements of `catalogue`.

    Raises UsageError, with the entry at fault and a hint.
    """
    if path.suffix.lower() in YAML:
        raise UsageError(f"expectations file {path} is YAML by its name; expected TOML", hint=GUIDE)
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise UsageError(
            f"there is no expectations file {path}",
            hint="begin with an empty one: the run prints an entry to paste for each unexpected result",
        ) from error
    except OSError as error:
        raise UsageError(f"expectations file {path} cannot be read: {error.strerror}") from error
    try:
        document = _as_json(tomllib.loads(data.decode()))
    except ValueError as error:
        raise UsageError(f"expectations file {path} is no TOML: {error}", hint=GUIDE) from error
    # A key with a typo comes first: it explains a missing one.
    for violation in sorted(
        FORMATS.violations(SCHEMA, document), key=lambda each: each.keyword != "additionalProperties"
    ):
        raise _refusal(document, violation, path, catalogue)
    entries = tuple(
        _entry(number, each, path, catalogue) for number, each in enumerate(document.get(TABLE, ()), start=1)
    )
    _check_each_once(entries, path)
    return Expectations(entries, str(path), f"sha256:{hashlib.sha256(data).hexdigest()}")


def _as_json(value: Any) -> Any:
    """A TOML value as JSON has it: dates and times as text."""
    if isinstance(value, dict):
        return {name: _as_json(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_as_json(each) for each in value]
    return value if isinstance(value, str | int | float) else value.isoformat()


def _refusal(document: Any, violation: Violation, path: Path, catalogue: Catalogue) -> UsageError:
    """The first violation of the schema, in the words of the file."""
    steps = [step.replace("~1", "/").replace("~0", "~") for step in violation.pointer.split("/")[1:]]
    first, number, key = [*steps, "", ""][:3]
    if key:
        place = f"entry {int(number) + 1} of {path}"
        return _refused_key(document[TABLE][int(number)], key, violation.keyword, place, catalogue)
    if violation.keyword == "additionalProperties":
        return UsageError(
            f"{first!r} in {path} is no table of an expectations file; expected [[{TABLE}]]",
            hint=did_you_mean(first, [TABLE]),
        )
    return UsageError(f"{TABLE} in {path} is no list of tables", hint=f"begin each entry with [[{TABLE}]]")


def _refused_key(entry: Mapping[str, Any], key: str, keyword: str, place: str, catalogue: Catalogue) -> UsageError:
    """The error in one key of an entry."""
    known = FORMATS.schema(f"{SCHEMA}#{TABLE}")
    if keyword == "additionalProperties":
        keys = list(known["properties"])
        return UsageError(
            f"{key!r} in {place} is no key of an entry; expected {', '.join(keys)}", hint=did_you_mean(key, keys)
        )
    if keyword == "required":
        return UsageError(f"{key} is missing in {place}", hint=f"each entry has {', '.join(known['required'])}")
    if key == "requirement" and isinstance(entry[key], str):
        return _unknown_requirement(entry[key], place, catalogue)
    expected, hint = _expected(key, entry[key], known["properties"][key])
    return UsageError(f"{key} in {place} is {entry[key]!r}; expected {expected}", hint)


def _expected(key: str, value: Any, rule: Mapping[str, Any]) -> tuple[str, str | None]:
    """The expected value of a key, in words, and a close match."""
    if "enum" in rule:
        return f"one of {', '.join(rule['enum'])}", did_you_mean(str(value).upper(), rule["enum"])
    return DAY if key == "expires" else "a text that is not empty", None


def _entry(number: int, members: dict[str, Any], path: Path, catalogue: Catalogue) -> Expectation:
    place = f"entry {number} of {path}"
    id_, command = members["requirement"], members.get("command")
    if id_ not in catalogue:
        raise _unknown_requirement(id_, place, catalogue)
    requirement = catalogue[id_]
    if requirement.excluded is not None:
        raise UsageError(f"{id_} in {place} is not judged: {requirement.excluded}", hint="remove the entry")
    if command is not None and command not in requirement.commands:
        raise _unknown_command(command, requirement, place)
    try:
        return Expectation.of(number, members)
    except ValueError:
        raise UsageError(
            f"expires in {place} is {members['expires']!r}, which no calendar has; expected {DAY}"
        ) from None


def _unknown_requirement(id_: str, place: str, catalogue: Catalogue) -> UsageError:
    judged = [requirement.id for requirement in catalogue.requirements if requirement.excluded is None]
    return UsageError(
        f"there is no requirement {id_!r} ({place}); expected an id that `requirements` lists",
        hint=did_you_mean(id_.upper(), judged),
    )


def _unknown_command(command: str, requirement: Requirement, place: str) -> UsageError:
    names = [name for name in requirement.commands if name]
    if not names:
        return UsageError(f"{requirement.id} belongs to no command, and {place} names {command!r}", "leave it out")
    return UsageError(
        f"{requirement.id} is not judged for a command {command!r} ({place}); expected {', '.join(names)}",
        hint=did_you_mean(command, names),
    )


def _check_each_once(entries: Sequence[Expectation], path: Path) -> None:
    """Raise UsageError for two entries about the same command whose messages do not differ."""
    for later in entries:
        for earlier in entries[: later.number - 1]:
            same_command = later.command == earlier.command or None in (later.command, earlier.command)
            same_message = later.message == earlier.message or None in (later.message, earlier.message)
            if later.requirement == earlier.requirement and same_command and same_message:
                raise UsageError(
                    f"entries {earlier.number} and {later.number} of {path} both list {later.subject}",
                    hint="keep one of them, or tell them apart by message",
                )
