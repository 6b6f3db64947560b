"""The classes of a call's parameters, by which a person would describe the calls that a client refuses.

    ParamClass      a class: its name, and whether the parameters of a call are in it
    classes_for     the classes of a command, the broadest first; bounds are taken from the calls

Beside the classes that are counted for gateways (`conformance.payloads.classes`) there are the broader ones by which
clients validate: text that is not ASCII, the first digits of a phone number, an amount above so much.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from conformance.contract.command import Command
from conformance.contract.contract import Contract
from conformance.payloads.classes import WRITINGS, ValueClass, Written, classes_of_members

Params = Mapping[str, Any]

# Longer texts do not go into one SMS (contract, "What a client owes").
ONE_SMS = 160

# Operators are told apart by as many first digits of a phone number: 254, and one to three more.
PREFIXES = (4, 5, 6)


@dataclass(frozen=True, slots=True)
class ParamClass:
    """A class of calls by what is in their parameters; `drawn` from the values of the calls, rather than known."""

    name: str
    holds: Callable[[Params], bool]
    drawn: bool = False


def classes_for(command: Command, contract: Contract, calls: Sequence[Params]) -> list[ParamClass]:
    """The classes of a command's parameters that can tell these calls apart."""
    folder = command.folder
    request = contract.schemas.resolved(f"{folder}/request")
    found: list[ParamClass] = []
    for member, rule in request.get("properties", {}).items():
        values = [value for params in calls if isinstance(value := params.get(member), str)]
        if member not in request["required"]:
            found.append(ParamClass(f"{member} given", lambda params, member=member: member in params))  # type: ignore[misc]
            found.append(ParamClass(f"{member} left out", lambda params, member=member: member not in params))  # type: ignore[misc]
        if "x-characters" in rule:
            found += _of_text(member)
        elif "x-integer" in rule:
            found += _bounds(member, sorted({int(value) for value in values if value.isdecimal()}), "{}", int)
        else:
            found += _beginning(member, values)
        found += _counted(contract, folder, member)
        if "x-characters" in rule:
            found += _bounds(member, sorted({len(value) for value in values}), "{} characters", len)
            found += _bounds(member, sorted({_in_bytes(value) for value in values}), "{} bytes in UTF-8", _in_bytes)
    return found


_TEXTS: tuple[tuple[str, str], ...] = (
    ("with text that is not ASCII", r"[^\x00-\x7f]"),
    (f"of more than {ONE_SMS} characters", rf"(?s)\A.{{{ONE_SMS + 1}}}"),
    ("of more than 70 characters, not all ASCII", r"(?s)\A(?=.*[^\x00-\x7f]).{71}"),
    ("with characters that are not Latin-1", r"[^\x00-\xff]"),
    ("with characters beyond the basic plane", r"[\U00010000-\U0010ffff]"),
    ("with emoji", "[\u2600-\u27bf\U0001f300-\U0001faff]"),
    ("with line breaks", "[\r\n]"),
    ("with control characters (tab, line feed, carriage return)", "[\t\r\n]"),
    ("with blanks at an end", r"(?s)\A\s|\s\Z"),
    ("with quotes, apostrophes or backslashes", r"[\"'\\]"),
    ("with <, > or &", "[<>&]"),
    ("with braces, percent or dollar signs", "[{}%$]"),
    ("of digits alone", r"\A[0-9]+\Z"),
    ('that is the text "0"', r"\A0\Z"),
    ('that is the text "null"', r"\Anull\Z"),
)


def _member(name: str, member: str, holds: Callable[[str], object], *, drawn: bool = False) -> ParamClass:
    return ParamClass(name, lambda params: isinstance(value := params.get(member), str) and bool(holds(value)), drawn)


def _of_text(member: str) -> Iterator[ParamClass]:
    for name, expression in _TEXTS:
        yield _member(f"{member} {name}", member, re.compile(expression).search)


def _beginning(member: str, values: Sequence[str]) -> Iterator[ParamClass]:
    for length in PREFIXES:
        for prefix in sorted({value[:length] for value in values if len(value) > length}):
            begins = re.compile(re.escape(prefix)).match
            yield _member(f"{member} that begins with {prefix}", member, begins, drawn=True)


def _counted(contract: Contract, folder: str, member: str) -> Iterator[ParamClass]:
    """The classes that are counted, but for the ways in which JSON writes a text, which the client may choose."""
    for each in classes_of_members(contract, folder)[member]:
        if each not in WRITINGS:
            yield _member(f"{member} of the class {each.name}", member, partial(_is_of_class, each))


def _is_of_class(value_class: ValueClass, text: str) -> bool:
    return value_class.holds(Written(text))


def _bounds(member: str, values: Sequence[int], shown: str, measure: Callable[[str], int]) -> Iterator[ParamClass]:
    """Above or below each value there is: the client's limit lies between two of them."""
    for value in values[1:]:
        name = f"{member} of {shown.format(value)} or more"
        yield _member(name, member, partial(_is_at_least, measure, value), drawn=True)
    for value in values[:-1]:
        name = f"{member} of {shown.format(value)} or less"
        yield _member(name, member, partial(_is_at_most, measure, value), drawn=True)


def _is_at_least(measure: Callable[[str], int], bound: int, text: str) -> bool:
    return _measured(measure, text) >= bound


def _is_at_most(measure: Callable[[str], int], bound: int, text: str) -> bool:
    return _measured(measure, text) <= bound


def _in_bytes(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))


def _measured(measure: Callable[[str], int], text: str) -> int:
    try:
        return measure(text)
    except ValueError:
        return 0
