"""A contract folder, cross-checked: everything in it that cannot be used, each as a fault with its place.

    faults_of       the folder → its faults, in the order of its files; none of one that can be used
    Engine          what the suite brings that a contract may name

Each step rests on those before it: files that can be read, tables and schemas that are well-formed, and then what they
say of each other. So a fault is told once, and not with all that follows from it.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from conformance.contract import schema_checks
from conformance.contract.behaviours import ROWS, Behaviours
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
    hinted,
)
from conformance.contract.probes import Probe, Probes
from conformance.contract.requirements import judge_of
from conformance.contract.schema_set import FORMATS

Table = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Engine:
    """What the suite brings that a contract may name or rest on.

    `rules`: the written rules by name; None where they are not known. `generates`: makes values of a request's
    schema (without references), or raises UnknownKeyword for one that it cannot make values of.
    """

    rules: Rules | None
    generates: Callable[[Table], object]


def faults_of(folder: ContractFolder, engine: Engine | None = None) -> list[FolderFault]:
    """What is wrong with the folder; without an `engine` all but the rules, and what can be generated."""
    rules = None if engine is None else engine.rules
    return (
        sorted({*_unreadable(folder)})
        or sorted({*_malformed(folder, engine)})
        or sorted({*contradictions(folder, rules)})
    )


# --- Files that cannot be read


def _unreadable(folder: ContractFolder) -> Iterator[FolderFault]:
    for name in TABLES:
        if (folder.root / name).is_file():
            yield from _no_toml(folder, name)
        elif name in NEEDED:
            yield FolderFault(name, 1, "there is no such file; expected one in every contract folder")
    yield from schema_checks.unreadable(folder)


def _no_toml(folder: ContractFolder, name: str) -> Iterator[FolderFault]:
    try:
        folder.table(name)
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        yield FolderFault(name, line, f"it holds the byte {error.object[error.start]:#04x}; expected UTF-8")
    except tomllib.TOMLDecodeError as error:
        words, _, place = str(error).partition(" (at ")
        line_told = re.search(r"line (\d+)", place)
        last = (folder.root / name).read_bytes().count(b"\n") + 1
        yield FolderFault(name, int(line_told[1]) if line_told else last, f"{words}; expected TOML")


# --- Tables and schemas that are not well-formed


def _malformed(folder: ContractFolder, engine: Engine | None) -> Iterator[FolderFault]:
    yield from _by_format(folder, CONTRACT, "contract", (), folder.tables[CONTRACT])
    entries = folder.tables[REQUIREMENTS].get("requirement")
    if not isinstance(entries, list) or not entries:
        yield folder.fault(REQUIREMENTS, (), "it has no [[requirement]]; expected at least one")
    else:
        for number, entry in enumerate(entries):
            place = ("requirement", number)
            found = list(_by_format(folder, REQUIREMENTS, "requirement", place, entry))
            yield from found or _by_parser(folder, REQUIREMENTS, (*place, "judge"), judge_of, entry.get("judge"))
    yield from _rows(folder)
    yield from schema_checks.malformed(folder, None if engine is None else engine.generates)


def _by_format(
    folder: ContractFolder, file: str, name: str, place: tuple[str | int, ...], table: Table
) -> Iterator[FolderFault]:
    """Against the schema of `schemas/formats/`."""
    for broken in FORMATS.violations(name, table):
        schema, steps = FORMATS.resolved(name), _steps(broken.pointer, table)
        yield folder.fault(file, (*place, *steps), _in_words(broken.keyword, broken.message, steps, schema, table))


def _steps(pointer: str, value: Any) -> tuple[str | int, ...]:
    """A JSON pointer as the path that it is in `value`."""
    steps: list[str | int] = []
    for token in pointer.split("/")[1:]:
        name = token.replace("~1", "/").replace("~0", "~")
        step: Any = int(name) if isinstance(value, list) else name
        steps.append(step)
        value = value[step] if isinstance(value, list) else value.get(step) if isinstance(value, dict) else None
    return tuple(steps)


def _in_words(keyword: str, message: str, steps: tuple[str | int, ...], schema: Table, table: Table) -> str:
    """A violation as what is there, and what is expected."""
    parent, rule = _rule_at(schema, steps[:-1]), _rule_at(schema, steps)
    named = ".".join(map(str, steps)) or "it"
    if keyword == "required":
        return f"{named} is missing; expected {rule.get('description', 'it')}"
    if keyword == "additionalProperties":
        known = tuple(parent.get("properties", ()))
        return hinted(f"{named} is no key of this table; expected {', '.join(known)}", str(steps[-1]), known)
    value = _value_at(table, steps)
    if "enum" in rule and not isinstance(value, dict | list):
        known = tuple(map(str, rule["enum"]))
        return hinted(f"{named} is {value!r}; expected {' or '.join(known)}", str(value), known)
    if rule is False or not rule or keyword in {"if", "then", "else", "not", "allOf", "anyOf", "oneOf"}:
        return f"{named} cannot be there as it is: {message}; expected as docs/extend.md says"
    return f"{named} is {value!r:.80}; expected {rule.get('description', message)}"


def _value_at(value: Any, steps: Iterable[str | int]) -> Any:
    for step in steps:
        value = value[step]
    return value


def _rule_at(schema: Any, steps: Iterable[str | int]) -> Any:
    """What a schema (without references) says of the value there; {} where it says nothing."""
    for step in steps:
        if not isinstance(schema, Mapping):
            return {}
        if isinstance(step, int):
            schema = schema.get("items", {})
        else:
            schema = schema.get("properties", {}).get(step, schema.get("additionalProperties", {}))
    return schema if isinstance(schema, Mapping) else {}


def _by_parser(
    folder: ContractFolder, file: str, place: tuple[str | int, ...], parse: Callable[[Any], object], value: Any
) -> Iterator[FolderFault]:
    """Against what reads a row; a key that its complaint begins with is the place."""
    if value is None:
        return
    try:
        parse(value)
    except (ValueError, TypeError, KeyError) as error:
        told = f"{error.args[0]!r} is missing; expected it" if isinstance(error, KeyError) else str(error)
        key = told.split(" ", 1)[0]
        yield folder.fault(file, (*place, key) if isinstance(value, dict) and key in value else place, told)


def _rows(folder: ContractFolder) -> Iterator[FolderFault]:
    """The rows of behaviours.toml and probes.toml, read one at a time, and then together."""
    kinds = ((BEHAVIOURS, ROWS, Behaviours.read), (PROBES, {"probe": Probe.from_entry}, Probes.read))
    for file, rows, read in kinds:
        stated = folder.tables[file]
        if unknown := next((kind for kind in stated if kind not in rows), None):
            told = f"[[{unknown}]] is none of its tables; expected {', '.join(f'[[{kind}]]' for kind in rows)}"
            yield folder.fault(file, (unknown,), hinted(told, unknown, tuple(rows)))
        found = [
            fault
            for kind, parse in rows.items()
            for number, entry in enumerate(stated.get(kind, ()))
            for fault in _by_parser(folder, file, (kind, number), parse, entry)
        ]
        yield from found or _by_parser(folder, file, (), read, folder.texts[file])
