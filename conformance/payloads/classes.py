"""The classes of values that a campaign must send, made from the schema of a member.

Every string has a shortest and a longest value, a pattern its variants (`conformance.payloads.patterns`), an amount its
boundaries. Coverage is measured on the bytes that went out, of whatever case. Fixed ranges recognise characters, not
the Unicode tables of the running Python, so every machine agrees.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from random import Random
from typing import Any

from conformance.contract.contract import Contract
from conformance.model.errors import SuiteError
from conformance.model.text import ASSIGNED, ecma_pattern
from conformance.payloads.patterns import Alternatives, matching, parsed, variants, written
from conformance.payloads.texts import (
    ALPHABETS,
    GSM_7,
    GSM_EXTENSION,
    LINE_BREAKS,
    PLAIN,
    UCS_2,
    UNIT,
    ZWJ,
    Encoding,
    Speller,
    crosses,
    septets,
    spell,
    units,
)

Schema = Mapping[str, Any]

# Values at the ends of an amount's range and just outside: name of the class, end, distance from it.
BOUNDARIES = (
    ("minimum", "minimum", 0),
    ("minimum + 1", "minimum", 1),
    ("maximum - 1", "maximum", -1),
    ("maximum", "maximum", 0),
)
OUTSIDE = (("minimum - 1", "minimum", -1), ("maximum + 1", "maximum", 1))

# The most random matches to try for one of a given length; the patterns of the schemas need a few dozen.
MOST_TRIES = 10_000


@cache
def classes_of_members(contract: Contract, folder: str) -> Mapping[str, tuple[ValueClass, ...]]:
    """The classes of each member that the strict request schema in `folder` knows."""
    properties = contract.schemas.resolved(f"{folder}/request").get("properties", {})
    return {member: classes_of(rule) for member, rule in properties.items()}


def classes_of(rule: Schema) -> tuple[ValueClass, ...]:
    """The classes of a string member with that schema; the schema takes some value of each."""
    if "x-characters" in rule:
        return text_classes(max(1, rule.get("minLength", 1)), rule.get("maxLength"))
    if "pattern" in rule:
        boundaries = (_exactly(name, value) for name, value in _amounts(rule, BOUNDARIES).items())
        return (*_of_pattern(parsed(rule["pattern"]), rule.get("maxLength")), *boundaries)
    return ()


def outside(rule: Schema) -> dict[str, str]:
    """The values just outside of an amount's range, by the names of their classes; none for other members."""
    return _amounts(rule, OUTSIDE)


def _amounts(rule: Schema, places: Iterable[tuple[str, str, int]]) -> dict[str, str]:
    bounds = rule.get("x-integer")
    return {name: str(bounds[end] + distance) for name, end, distance in places} if bounds else {}


def _exactly(name: str, value: str) -> ValueClass:
    return ValueClass(name, lambda sent: sent.text == value, lambda _: value)


def _of_pattern(tree: Alternatives, most: int | None) -> Iterator[ValueClass]:
    longest = min((length for length in (tree.longest, most) if length is not None), default=None)
    yield _of_length("shortest", tree, tree.shortest)
    if longest is not None:
        yield _of_length("longest", tree, longest)
    several = variants(tree)
    if len(several) > 1:
        yield from (_variant(variant, longest) for variant in several)


def _of_length(name: str, tree: Alternatives, length: int) -> ValueClass:
    def make(chance: Random) -> str:
        for _ in range(MOST_TRIES):
            if len(text := _match(tree, length, chance)) == length:
                return text
        raise SuiteError(f"no match of {written(tree)!r} with {length} characters is found")

    return ValueClass(name, lambda sent: len(sent.text) == length, make)


def _variant(tree: Alternatives, longest: int | None) -> ValueClass:
    source = written(tree)
    expression = ecma_pattern(f"^{source}$")
    return ValueClass(
        f"pattern {source}",
        lambda sent: expression.search(sent.text) is not None,
        lambda chance: _match(tree, longest, chance),
    )


def _match(tree: Alternatives, longest: int | None, chance: Random) -> str:
    return matching(tree, longest, iter(lambda: chance.getrandbits(32), None))


Maker = Callable[[Random], str]

# Scripts that are all in the basic plane and not in GSM-7, so that each character is one unit of UCS-2.
WIDE_SCRIPTS = ("arabic", "hebrew", "devanagari", "ethiopic", "thai", "cjk", "hangul")

# The length of a message around the characters of its class.
SAMPLE = 24


@dataclass(frozen=True)
class Written:
    """A value as it was sent: the `text`, and the `body` with it."""

    text: str
    body: bytes = b""

    @cached_property
    def septets(self) -> int | None:
        """Its length in GSM-7, None if GSM-7 lacks a character."""
        return septets(self.text)

    @cached_property
    def units(self) -> int:
        """Its length in UCS-2."""
        return units(self.text)

    @cached_property
    def planes(self) -> frozenset[int]:
        """The Unicode planes of its characters."""
        return frozenset(ord(character) >> 16 for character in set(self.text))


@dataclass(frozen=True, slots=True)
class ValueClass:
    """A class of values: its `name`, whether a value `holds`, and how to make one (valid if the schema can say it)."""

    name: str
    holds: Callable[[Written], bool]
    make: Maker


def text_classes(least: int, most: int | None) -> tuple[ValueClass, ...]:
    """The classes of texts of `least` to `most` code points (None: no limit, so there is no longest)."""
    longest = 3 * GSM_7.part if most is None else most
    ends = [("shortest", least)] if most is None else [("shortest", least), ("longest", most)]
    return (
        *(_of_text_length(name, length) for name, length in ends),
        *_planes(),
        *CONTENT,
        *WRITINGS,
        *(each for room, each in CROSSINGS if room <= longest),
        *(_septets(length) for length in GSM_7.limits(longest)),
        *(_units(length) for length in UCS_2.limits(longest)),
    )


def _of_text_length(name: str, length: int) -> ValueClass:
    return ValueClass(name, lambda sent: len(sent.text) == length, spelled(PLAIN, length))


def spelled(alphabet: Speller, length: int) -> Maker:
    """Makes texts of an alphabet, that many code points long."""
    return lambda chance: spell(alphabet, chance.randbytes(UNIT * length))


def _among(text: str, alphabet: Speller = PLAIN) -> Maker:
    """Makes texts of an alphabet with `text` in the middle."""

    def make(chance: Random) -> str:
        around = spelled(alphabet, SAMPLE)(chance)
        return around[: SAMPLE // 2] + text + around[SAMPLE // 2 :]

    return make


# --- Content

# The first character of each plane that has any, beside private ones.
_PLANES = {first >> 16: chr(first) for first, _ in reversed(ASSIGNED)}


def _planes() -> Iterator[ValueClass]:
    for plane, character in sorted(_PLANES.items()):
        yield ValueClass(
            f"plane {plane}",
            lambda sent, plane=plane: plane in sent.planes,  # type: ignore[misc] # bound now, not when it is called
            _among(character if plane else "a"),
        )


def _found(name: str, expression: str, make: Maker) -> ValueClass:
    compiled = re.compile(expression)
    return ValueClass(name, lambda sent: compiled.search(sent.text) is not None, make)


_MARKS = "[\u0300-\u036f\u0483-\u0489\u0591-\u05bd\u064b-\u065f\u1ab0-\u1ace\u1dc0-\u1dff\u20d0-\u20f0\ufe20-\ufe2f]"
_RIGHT_TO_LEFT = "[\u05d0-\u08c9\ufb1d-\ufdff\ufe70-\ufefc\U00010800-\U00010ffb\U0001e800-\U0001eef1]"
_PICTURE = "[\u2600-\u27bf\U0001f300-\U0001faff]"
_MODIFIER = "[\ufe0f\U0001f3fb-\U0001f3ff]"

CONTENT = (
    _found("combining marks", rf"\w{_MARKS}", _among("n\u0303e\u0301", ALPHABETS["combining"])),
    _found("right-to-left", _RIGHT_TO_LEFT, spelled(ALPHABETS["arabic"], SAMPLE)),
    _found("ZWJ emoji", f"{_PICTURE}{_MODIFIER}?{ZWJ}{_PICTURE}", _among(f"\U0001f469\U0001f3fe{ZWJ}\U0001f4bb")),
    _found("digits only", r"\A[0-9]+\Z", spelled(ALPHABETS["digits"], SAMPLE)),
    _found("quote", '"', _among('"')),
    _found("backslash", r"\\", _among("\\")),
    _found("tab", "\t", _among("\t", LINE_BREAKS)),
    _found("line feed", "(?<!\r)\n", _among("a\n", LINE_BREAKS)),
    _found("carriage return", "\r(?!\n)", _among("\ra", LINE_BREAKS)),
    _found("carriage return and line feed", "\r\n", _among("\r\n", LINE_BREAKS)),
)
"""The content of a text. JSON has to escape the quote, the backslash, the tab and the line breaks."""


# --- How JSON writes it


def _written_as(name: str, alphabet: str, *, escaped: bool, astral: bool = False) -> ValueClass:
    def holds(sent: Written) -> bool:
        beyond = not sent.text.isascii() and (not astral or sent.planes != {0})
        return beyond and sent.body.isascii() is escaped

    return ValueClass(f"written {name}", holds, spelled(ALPHABETS[alphabet], SAMPLE))


WRITINGS = (
    _written_as("as escapes", "cjk", escaped=True),
    _written_as("in UTF-8", "cjk", escaped=False),
    _written_as("as pairs of escapes", "mathematical", escaped=True, astral=True),
    _written_as("in UTF-8 of four bytes", "mathematical", escaped=False, astral=True),
)
"""Escapes and UTF-8 mean the same in JSON, and some readers know only one of them."""


# --- Segments


def _septets(length: int) -> ValueClass:
    return ValueClass(f"GSM-7, {length} septets", lambda sent: sent.septets == length, spelled(PLAIN, length))


def _units(length: int) -> ValueClass:
    # Another script at each limit, so that a failure of one script does not look like one of a length.
    alphabet = ALPHABETS[WIDE_SCRIPTS[length % len(WIDE_SCRIPTS)]]
    return ValueClass(
        f"UCS-2, {length} units",
        lambda sent: sent.septets is None and sent.units == length,
        spelled(alphabet, length),
    )


def _straddling(before: int, wide: str, behind: int, alphabet: Speller) -> Maker:
    """Makes texts with `wide`, which counts double, between `before` and `behind` characters that count once."""
    return lambda chance: (
        spelled(alphabet, before)(chance) + wide + (spelled(alphabet, behind)(chance) if behind else "")
    )


def _extended(sent: Written) -> bool:
    return sent.septets is not None and sent.septets > len(sent.text)


def _across(encoding: Encoding, place: int, behind: int) -> ValueClass:
    """Texts in which a character that counts double lies across a cut."""

    def holds(sent: Written) -> bool:
        size = sent.septets if encoding is GSM_7 else sent.units
        long = (size or 0) > encoding.single if behind else size == encoding.single + 1
        return long and crosses(sent.text, place, encoding=encoding)

    named, wide, alphabet = ("septet", "€", PLAIN) if encoding is GSM_7 else ("unit", "\U0001f44b", ALPHABETS["thai"])
    made = _straddling(place - 1, wide, behind, alphabet)
    return ValueClass(f"{encoding.name}, a character across {named} {place}", holds, made)


CROSSINGS = (
    (
        SAMPLE + len(GSM_EXTENSION),
        ValueClass("GSM-7, characters of two septets", _extended, _among(GSM_EXTENSION.rstrip("€"))),
    ),
    (
        GSM_7.single,
        ValueClass(
            f"GSM-7, {GSM_7.single + 1} septets in {GSM_7.single} characters",
            lambda sent: sent.septets == GSM_7.single + 1 and len(sent.text) == GSM_7.single,
            _straddling(GSM_7.single - 1, "{", 0, PLAIN),
        ),
    ),
    (2 * GSM_7.part, _across(GSM_7, GSM_7.part, GSM_7.part - 1)),
    (UCS_2.single + 1, _across(UCS_2, UCS_2.single, 0)),
    (2 * UCS_2.part, _across(UCS_2, UCS_2.part, UCS_2.part - 1)),
)
"""Characters that count double, also across a cut; the number is the length that the made text needs."""
