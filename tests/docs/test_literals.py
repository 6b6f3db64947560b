"""No name or value of the Statum contract stands in the code: it is asked for by its role (docs/contract-folder.md).

    literals    the names and values that a contract folder holds, each with what it is there
    found       the string constants of `conformance/` that hold one of Statum's, docstrings left out
    EXCUSED     those that stay, each with the reason

`python tests/docs/test_literals.py [PART ...]` prints what is not excused, by module.
"""

from __future__ import annotations

import ast
import re
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from conformance.contract.contract import Contract, statum

CODE = Path(__file__).resolve().parents[2] / "conformance"

# Values are looked for within constants, too, from so many characters on; shorter ones as a whole.
SHORTEST_WITHIN = 6

# A digit or nothing at all is an example of many things.
SHORTEST = 2


@dataclass(frozen=True, slots=True)
class Literal:
    """A name or value of a contract; `of` says what it is there. `within`: it is looked for inside of constants."""

    text: str
    of: str
    within: bool


def literals(contract: Contract) -> dict[str, Literal]:
    """The names and values of a contract, by their text."""
    found: dict[str, Literal] = {}
    for text, of, within in _literals(contract):
        if len(text) >= SHORTEST:
            found.setdefault(text, Literal(text, of, within))
    return found


def _literals(contract: Contract) -> Iterator[tuple[str, str, bool]]:
    yield contract.name, "contract", True
    for name in (*contract.commands, *contract.callbacks):
        yield name, "command or product", "-" in name or "/" in name
    for part in (contract.base_url, contract.base_url.split("/")[2], contract.base_path):
        yield part, "base URL", True
    authentication = contract.authentication
    yield authentication.scheme, "credential", False
    for name in contract.schemas.names:
        schema = contract.schemas.schema(name)
        for member in _members(schema):
            yield member, "member", "_" in member
        for value in _values(schema):
            yield value, "value", len(value) >= SHORTEST_WITHIN
            yield from ((digits, "digits of a pattern", False) for digits in re.findall(r"(?<=\^)[0-9]{3,}", value))
    yield contract.notification.success, "outcome", False
    for failure in contract.behaviours.failures:
        yield failure.outcome, "outcome", False
        yield failure.reason, "reason", True
    for command in contract.commands.values():
        if command.money:
            yield command.money.currency, "currency", True


def _members(schema: Any) -> Iterator[str]:
    if isinstance(schema, list):
        for part in schema:
            yield from _members(part)
    if isinstance(schema, Mapping):
        yield from schema.get("properties", {}) if isinstance(schema.get("properties"), Mapping) else ()
        for keyword, part in schema.items():
            if keyword != "examples":
                yield from _members(part)


def _values(schema: Any) -> Iterator[str]:
    """Patterns, constants, and the texts of examples."""
    if isinstance(schema, list):
        for part in schema:
            yield from _values(part)
    if isinstance(schema, Mapping):
        for keyword, part in schema.items():
            if keyword in {"pattern", "const"} and isinstance(part, str):
                yield part
            yield from _texts(part) if keyword == "examples" else _values(part)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | Mapping):
        for part in value.values() if isinstance(value, Mapping) else value:
            yield from _texts(part)


# --- The code


@dataclass(frozen=True, slots=True)
class Found:
    """A constant of the code that holds a literal."""

    module: str
    line: int
    constant: str
    literal: Literal


def constants(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and text of each string constant but docstrings, whether of a module, class, function or attribute."""
    told = {
        id(node.value)
        for parent in ast.walk(tree)
        if isinstance(parent, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        for node in parent.body
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in told:
            yield node.lineno, node.value


@dataclass(frozen=True, slots=True)
class Detector:
    """Finds the literals of a contract in constants."""

    known: Mapping[str, Literal]
    within: re.Pattern[str]

    @classmethod
    def of(cls, contract: Contract) -> Detector:
        """The one for a contract: of what overlaps the longest is found."""
        known = literals(contract)
        longest_first = sorted((text for text, each in known.items() if each.within), key=len, reverse=True)
        words = "|".join(map(re.escape, longest_first))
        # Neither the suite's own name nor that of its variables is a name of the contract.
        return cls(known, re.compile(rf"(?<![A-Za-z0-9_-])(?:{words})(?![A-Za-z0-9_]|[-_](?i:conformance|consumer))"))

    def found_in(self, constant: str) -> list[Literal]:
        """What the constant is, or has as words of their own."""
        if constant in self.known:
            return [self.known[constant]]
        return [self.known[match[0]] for match in self.within.finditer(constant)]


@cache
def found() -> tuple[Found, ...]:
    """All that is of the Statum contract, module by module."""
    detector = Detector.of(statum())
    return tuple(
        Found(path.relative_to(CODE).as_posix(), line, constant, literal)
        for path in sorted(CODE.rglob("*.py"))
        for line, constant in constants(ast.parse(path.read_text("utf-8")))
        for literal in detector.found_in(constant)
    )


# What stays: module, or folder of modules → literal → why.
EXCUSED: Mapping[str, Mapping[str, str]] = {
    "": {
        "message": "a word of logs, errors and reports",
        "name": "a word of JSON documents",
        "description": "a keyword of JSON Schema",
        "location": "a word of reports",
        "account": "a table of contract.toml",
        "amount": "a kind of telling in contract.toml, and a member of plans",
        "charge": "a role in contract.toml",
    },
    "judging/reading.py": {"\\S": "the pattern that asks for a character that is no white space, told as “is empty”"},
    "gateway/listening.py": {"request_id": "a word of the journal's notes"},
    "payloads/invalid.py": {"Habari": "a greeting around characters of doubt, which any text would do for"},
    "model/text.py": {"\\S": "an escape of regular expressions"},
    "contract/contract.py": {"statum": "which folder is built in", "Basic": "the scheme of RFC 7617"},
    "client/rules/calls.py": {
        "result_desc": "a word of the driver protocol, fixed in interfaces.md",
        "status_code": "a word of the driver protocol, fixed in interfaces.md",
        "request_id": "a word of the driver protocol, fixed in interfaces.md",
    },
    "client/rules/evidence.py": {"request_id": "a word of the driver protocol, fixed in interfaces.md"},
    "client/calling.py": {"request_id": "a word of the driver protocol, fixed in interfaces.md"},
    "client/examination.py": {"request_id": "a word of the driver protocol, fixed in interfaces.md"},
    "cli/notify.py": {"request_id": "the option --request-id, the same for every contract"},
    "mock/control.py": {"request_id": "a member of the control API, the same for every contract"},
    "journal/redaction.py": {"statum": "a word of the suite's own reports"},
    "pytest/plugin.py": {"Statum": "the heading of the options"},
    "reports/": {
        "request_id": "a member of the findings of report.json",
        "status_code": "a member of the driver protocol",
    },
    "pytest/test_gateway.py": {"request_id": "a member of the findings of report.json"},
}


def is_excused(each: Found) -> bool:
    """Whether it may stay."""
    places = ("", each.module, *(f"{parent.as_posix()}/" for parent in Path(each.module).parents))
    return any(each.literal.text in EXCUSED.get(place, {}) for place in places)


def left() -> dict[str, list[Found]]:
    """What is not excused, by module."""
    modules: dict[str, list[Found]] = defaultdict(list)
    for each in found():
        if not is_excused(each):
            modules[each.module].append(each)
    return modules


def test_no_literal_of_the_contract_stands_in_the_code() -> None:
    """But for those that are excused, each with a reason."""
    told = [
        f"{module}:{each.line}: {each.literal.text!r} ({each.literal.of})"
        for module, those in left().items()
        for each in those
    ]
    assert [] == told


def test_every_excuse_is_needed() -> None:
    """One for what is gone would let it come back."""
    needed = {(place, each.literal.text) for each in found() for place in EXCUSED if each.module.startswith(place)}
    assert [] == [(place, text) for place, texts in EXCUSED.items() for text in texts if (place, text) not in needed]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ('x = "request_id"', ["request_id"]),
        ('x = f"its {a} request_id is"', ["request_id"]),
        ('"""request_id"""\nx = 1', []),
        ('def f():\n    """request_id"""', []),
        ('x = "a message of others"', []),
        ('x = "statum-conformance"', []),
        ('x = "174379"', ["174379"]),
        ('x = "STATUM_CONFORMANCE_GATEWAY"', []),
    ],
)
def test_a_literal_is_found_where_it_stands(source: str, expected: list[str]) -> None:
    """In constants and parts of formatted ones, and not in docstrings, other words and prose."""
    detector = Detector.of(statum())
    assert expected == [
        literal.text for _, constant in constants(ast.parse(source)) for literal in detector.found_in(constant)
    ]


if __name__ == "__main__":
    parts = tuple(sys.argv[1:]) or ("",)
    total = 0
    for name, those in left().items():
        if name.startswith(parts):
            total += len(those)
            print(name)  # noqa: T201 - what it is for
            for one in those:
                print(f"  {one.line}: {one.literal.text!r} ({one.literal.of}) in {one.constant[:60]!r}")  # noqa: T201
    print(f"{total} in {len(left())} modules")  # noqa: T201
