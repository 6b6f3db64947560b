"""The check of a contract folder: each thing in it that cannot be used is a fault with its place.

Each step rests on those before it: files that can be read, then tables and schemas that are well-formed, last their
references to each other (`conformance.contract.cross_checks`). So a fault is reported once, without its consequences.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from conformance.contract.cross_checks import Rules, contradictions
from conformance.contract.folder import (
    BEHAVIOURS,
    CONTRACT,
    NEEDED,
    PROBES,
    REQUIREMENTS,
    TABLES,
    ContractFolder,
    FolderFault,
    Place,
    hinted,
)
from conformance.contract.schemas import FORMATS, KEYWORDS, SCHEMA_LIST, SCHEMA_MAP, SINGLE_SCHEMA
from conformance.model.errors import SuiteError, UnknownKeyword
from conformance.model.untrusted import parse_json

Schema = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Engine:
    """The parts of the suite that a contract may name.

    `rules`: the written rules by name; None if they are unknown. `generates`: makes values of a request's schema
    (without references), or raises UnknownKeyword.
    """

    rules: Rules | None
    generates: Callable[[Schema], object]


def faults_of(folder: ContractFolder, engine: Engine | None = None) -> list[FolderFault]:
    """The faults of the folder, in the order of its files; without an `engine` rules and generation are not checked."""
    return (
        sorted({*_unreadable(folder)})
        or sorted({*_malformed(folder), *_schema_faults(folder, engine)})
        or sorted({*contradictions(folder, None if engine is None else engine.rules)})
    )


# --- Files that cannot be read


def _unreadable(folder: ContractFolder) -> Iterator[FolderFault]:
    for name in TABLES:
        if (folder.root / name).is_file():
            yield from _no_toml(folder, name)
        elif name in NEEDED:
            yield FolderFault(name, 1, "there is no such file; expected one in every contract folder")
    for name in folder.schemas.names:
        file = folder.file_of(name)
        try:
            document = parse_json((folder.root / file).read_bytes())
        except ValueError as error:
            yield FolderFault(file, _line_in(str(error)) or 1, f"{error}; expected JSON, each member named once")
            continue
        if not isinstance(document, dict):
            yield FolderFault(file, 1, "it is not an object; expected a JSON Schema")


def _no_toml(folder: ContractFolder, name: str) -> Iterator[FolderFault]:
    try:
        folder.table(name)
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        yield FolderFault(name, line, f"it holds the byte {error.object[error.start]:#04x}; expected UTF-8")
    except tomllib.TOMLDecodeError as error:
        words, _, place = str(error).partition(" (at ")
        last = (folder.root / name).read_bytes().count(b"\n") + 1
        yield FolderFault(name, _line_in(place) or last, f"{words}; expected TOML")


def _line_in(words: str) -> int | None:
    found = re.search(r"line (\d+)", words)
    return int(found[1]) if found else None


# --- Tables that are not as schemas/formats/ describes them


def _malformed(folder: ContractFolder) -> Iterator[FolderFault]:
    for file, name in ((CONTRACT, "contract"), (PROBES, "probes"), (BEHAVIOURS, "behaviours")):
        yield from _by_format(folder, file, name, (), folder.tables[file])
    entries = folder.tables[REQUIREMENTS].get("requirement")
    if not isinstance(entries, list) or not entries:
        yield folder.fault(REQUIREMENTS, (), "it has no [[requirement]]; expected at least one")
        return
    for number, entry in enumerate(entries):
        yield from _by_format(folder, REQUIREMENTS, "requirement", ("requirement", number), entry)


def _by_format(folder: ContractFolder, file: str, name: str, place: Place, table: Schema) -> Iterator[FolderFault]:
    for error in FORMATS.validator(name).iter_errors(table):
        steps = tuple(error.absolute_path)
        yield folder.fault(file, (*place, *steps), _in_words(error, steps, FORMATS.resolved(name)))


def _in_words(error: Any, steps: Place, schema: Schema) -> str:
    """A violation as the value and the expected one. The key is named as in its row: the line shows which row."""
    rows = [number for number, step in enumerate(steps) if isinstance(step, int)]
    named = ".".join(map(str, steps[rows[-1] + 1 if rows and rows[-1] + 1 < len(steps) else 0 :])) or "it"
    rule = _rule_at(schema, steps)
    if error.validator == "required":
        return f"{named} is missing; expected {rule.get('description', 'it')}"
    if error.validator == "additionalProperties":
        known = tuple(error.schema["properties"])
        expected = ", ".join(known) if len(known) <= MOST_NAMED else "a word of docs/contract-folder.md"
        return hinted(f"{named} is not a key of this table; expected {expected}", str(steps[-1]), known)
    if error.validator == "enum" and not isinstance(error.instance, dict | list):
        known = tuple(map(str, error.validator_value))
        expected = " or ".join(known) if len(known) <= FEW else f"one of {', '.join(known)}"
        return hinted(f"{named} is {error.instance!r}; expected {expected}", str(error.instance), known)
    if error.validator == "not":
        return f"{named} cannot be there; expected none beside the others of this table"
    if "description" not in rule:
        return f"{named} cannot be there as it is: {error.message}; expected as docs/contract-folder.md says"
    return f"{named} is {error.instance!r:.80}; expected {rule['description']}"


# The most values to join with "or", and the most keys in a line.
FEW, MOST_NAMED = 5, 25


def _rule_at(schema: Any, steps: Iterable[str | int]) -> Schema:
    """The part of a schema (without references) for the value there; {} if it has none."""
    for step in steps:
        if not isinstance(schema, Mapping):
            return {}
        if isinstance(step, int):
            schema = schema.get("items", {})
        else:
            schema = schema.get("properties", {}).get(step, schema.get("additionalProperties", {}))
    return schema if isinstance(schema, Mapping) else {}


# --- Schemas

_META = Draft202012Validator(Draft202012Validator.META_SCHEMA)

# Annotations and other keywords that restrict nothing by themselves.
_WITHOUT_TEST = frozenset({"$schema", "$id", "$defs", "$comment", "title", "description", "examples", "then", "else"})
_BY_NAME = SCHEMA_MAP | {"$defs", "patternProperties"}
_KNOWN = frozenset(Draft202012Validator.VALIDATORS) | KEYWORDS.keys() | _WITHOUT_TEST


def _schema_faults(folder: ContractFolder, engine: Engine | None) -> Iterator[FolderFault]:
    names = folder.schemas.names
    if faults := [folder.fault(name, *found) for name in names for found in _within(folder, name)]:
        yield from faults
        return
    for name in names:
        try:
            whole = folder.schemas.resolved(name)
        except SuiteError as error:
            text = f"{error.message}; expected a schema that can be written without references"
            yield folder.fault(name, (), text)
            continue
        yield from _examples(folder, name)
        if engine is not None and name.endswith("/request"):
            try:
                engine.generates(whole)
            except UnknownKeyword as error:
                text = f"no values can be made of it: {error.message}; expected keywords that generation knows"
                yield folder.fault(name, (), text)


def _within(folder: ContractFolder, name: str) -> Iterator[tuple[Place, str]]:
    """Keywords that are unknown or malformed, and references that lead nowhere."""
    document = folder.schemas.schema(name)
    for place, schema in _schemas(document, ()):
        for keyword, rule in schema.items():
            if keyword not in _KNOWN:
                text = f"the keyword {keyword!r} is unknown; expected one of JSON Schema or docs/contract-folder.md"
                yield (*place, keyword), hinted(text, keyword, _KNOWN)
            elif keyword == "$ref" and (nowhere := _leads_nowhere(folder, name, rule)):
                yield (*place, keyword), nowhere
    for broken in _no_schema(json.dumps(document)):
        yield tuple(broken.absolute_path), f"{broken.message:.200}; expected a schema of JSON Schema 2020-12"


@lru_cache(maxsize=256)  # a folder that is checked again has changed in one place, if at all
def _no_schema(document: str) -> tuple[ValidationError, ...]:
    return tuple(_META.iter_errors(json.loads(document)))


def _schemas(node: Any, place: Place) -> Iterator[tuple[Place, Schema]]:
    """Each schema within a schema, with its place; examples and constants are data."""
    if not isinstance(node, Mapping):
        return
    yield place, node
    for keyword, value in node.items():
        if keyword in SINGLE_SCHEMA:
            yield from _schemas(value, (*place, keyword))
        elif keyword in SCHEMA_LIST and isinstance(value, list):
            for number, each in enumerate(value):
                yield from _schemas(each, (*place, keyword, number))
        elif keyword in _BY_NAME and isinstance(value, Mapping):
            for member, each in value.items():
                yield from _schemas(each, (*place, keyword, member))


def _leads_nowhere(folder: ContractFolder, name: str, reference: Any) -> str | None:
    schemas = folder.schemas
    target, pointer = schemas.target(str(reference), name)
    if target not in schemas:
        text = f"$ref {reference!r} leads to no file of the folder; expected a path from this file"
        return hinted(text, target, schemas.names)
    found: Any = schemas.schema(target)
    for step in pointer.split("/")[1:]:
        known = found if isinstance(found, Mapping) else {}
        if step not in known:
            text = f"$ref {reference!r} leads nowhere, for {target}.json has no {step!r} there; expected a definition"
            return hinted(text, step, known)
        found = known[step]
    return None


def _examples(folder: ContractFolder, name: str) -> Iterator[FolderFault]:
    """Every message has an example, and every example keeps its schema; one of a request also the tolerated one."""
    document = folder.schemas.schema(name)
    definitions: Mapping[str, Schema] = document.get("$defs", {})
    if not document.get("examples") and not definitions:
        yield folder.fault(name, (), "it has no examples; expected at least one, for documents and the mock gateway")
    bounds = [name, *([f"{name}.tolerated"] if f"{name}.tolerated" in folder.schemas else [])]
    given: list[tuple[Place, list[str], Schema]] = [((), [] if definitions else bounds, document)]
    given += [(("$defs", key), [f"{name}#{key}"], rule) for key, rule in definitions.items()]
    for place, schemas, rule in given:
        for number, example in enumerate(rule.get("examples", ())):
            for bound in schemas:
                if (broken := folder.schemas.violation(bound, example)) is not None:
                    own = f"{bound}.json" if bound in bounds[1:] else "its schema"
                    text = f"the example breaks {own} at {broken.pointer or 'the whole'}: {broken.message}"
                    yield folder.fault(name, (*place, "examples", number), f"{text}; expected one that keeps it")
                    break
