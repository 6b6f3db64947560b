"""The classes of texts: what in a message makes gateways stumble.

    Written         a value as it was sent, and what is read off it
    ValueClass      a class of values: whether one is in it, and how one is made
    text_classes    the classes of texts of given lengths: a table each for content, encodings and segments

Characters are told by fixed ranges, not by the Unicode tables of the running Python, so that every machine measures
alike.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from random import Random

from conformance.model.characters import ASSIGNED
from conformance.payloads.alphabets import ALPHABETS, LINE_BREAKS, PLAIN, UNIT, ZWJ, Speller, spell
from conformance.payloads.segments import GSM_7, GSM_EXTENSION, UCS_2, crosses, septets, units

Maker = Callable[[Random], str]

# Scripts that are all in the basic plane and not in GSM-7, so that each character is one unit of UCS-2.
WIDE_SCRIPTS = ("arabic", "hebrew", "devanagari", "ethiopic", "thai", "cjk", "hangul")

# What a message of one class has beside the characters that it is there for.
SAMPLE = 24


@dataclass(frozen=True)
class Written:
    """A value as it was sent: the `text`, and the `body` that it stood in."""

    text: str
    body: bytes = b""

    @cached_property
    def septets(self) -> int | None:
        """Its length in GSM-7, None if GSM-7 cannot say it."""
        return septets(self.text)

    @cached_property
    def units(self) -> int:
        """Its length in UCS-2."""
        return units(self.text)

    @cached_property
    def planes(self) -> frozenset[int]:
        """The planes of Unicode that its characters are of."""
        return frozenset(ord(character) >> 16 for character in set(self.text))


@dataclass(frozen=True, slots=True)
class ValueClass:
    """A class of values: its `name`, whether a value `holds`, and how one is made (valid if the schema can say it)."""

    name: str
    holds: Callable[[Written], bool]
    make: Maker


def text_classes(least: int, most: int | None) -> tuple[ValueClass, ...]:
    """The classes of texts of `least` to `most` code points (None: no limit, so there is no longest)."""
    longest = 3 * GSM_7.part if most is None else most
    ends = [("shortest", least)] if most is None else [("shortest", least), ("longest", most)]
    return (
        *(_of_length(name, length) for name, length in ends),
        *_planes(),
        *CONTENT,
        *WRITINGS,
        *(each for room, each in CROSSINGS if room <= longest),
        *(_septets(length) for length in GSM_7.limits(longest)),
        *(_units(length) for length in UCS_2.limits(longest)),
    )


def _of_length(name: str, length: int) -> ValueClass:
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
"""What a text has in it. JSON has to escape the quote, the backslash, the tab and the line breaks."""


# --- How JSON writes it


def _escaped(sent: Written) -> bool:
    return sent.body.isascii() and not sent.text.isascii()


def _unescaped(sent: Written) -> bool:
    return not sent.body.isascii() and not sent.text.isascii()


WRITINGS = (
    ValueClass("written as escapes", _escaped, spelled(ALPHABETS["cjk"], SAMPLE)),
    ValueClass("written in UTF-8", _unescaped, spelled(ALPHABETS["cjk"], SAMPLE)),
    ValueClass(
        "written as pairs of escapes",
        lambda sent: _escaped(sent) and sent.planes != {0},
        spelled(ALPHABETS["mathematical"], SAMPLE),
    ),
    ValueClass(
        "written in UTF-8 of four bytes",
        lambda sent: _unescaped(sent) and sent.planes != {0},
        spelled(ALPHABETS["mathematical"], SAMPLE),
    ),
)
"""Escapes and UTF-8 mean the same in JSON, and some readers know only one of them."""


# --- Segments


def _septets(length: int) -> ValueClass:
    return ValueClass(f"GSM-7, {length} septets", lambda sent: sent.septets == length, spelled(PLAIN, length))


def _units(length: int) -> ValueClass:
    # In another script from limit to limit: what fails in one script only is not taken for the length.
    alphabet = ALPHABETS[WIDE_SCRIPTS[length % len(WIDE_SCRIPTS)]]
    return ValueClass(
        f"UCS-2, {length} units",
        lambda sent: sent.septets is None and sent.units == length,
        spelled(alphabet, length),
    )


def _straddling(before: int, wide: str, behind: int, alphabet: Speller) -> Maker:
    """Makes texts with `wide`, which counts double, between so many characters that count once."""
    return lambda chance: (
        spelled(alphabet, before)(chance) + wide + (spelled(alphabet, behind)(chance) if behind else "")
    )


def _extended(sent: Written) -> bool:
    return sent.septets is not None and sent.septets > len(sent.text)


def _brackets(chance: Random) -> str:
    return _among("".join(c for c in GSM_EXTENSION if c.isascii()))(chance)


_THAI = ALPHABETS["thai"]

CROSSINGS = (
    (
        SAMPLE + len(GSM_EXTENSION),
        ValueClass("GSM-7, characters of two septets", _extended, _brackets),
    ),
    (
        GSM_7.single,
        ValueClass(
            f"GSM-7, {GSM_7.single + 1} septets in {GSM_7.single} characters",
            lambda sent: sent.septets == GSM_7.single + 1 and len(sent.text) == GSM_7.single,
            _straddling(GSM_7.single - 1, "{", 0, PLAIN),
        ),
    ),
    (
        2 * GSM_7.part,
        ValueClass(
            f"GSM-7, a character across septet {GSM_7.part}",
            lambda sent: (sent.septets or 0) > GSM_7.single and crosses(sent.text, GSM_7.part, encoding=GSM_7),
            _straddling(GSM_7.part - 1, "€", GSM_7.part - 1, PLAIN),
        ),
    ),
    (
        UCS_2.single + 1,
        ValueClass(
            f"UCS-2, a character across unit {UCS_2.single}",
            lambda sent: sent.units == UCS_2.single + 1 and crosses(sent.text, UCS_2.single, encoding=UCS_2),
            _straddling(UCS_2.single - 1, "\U0001f44b", 0, _THAI),
        ),
    ),
    (
        2 * UCS_2.part,
        ValueClass(
            f"UCS-2, a character across unit {UCS_2.part}",
            lambda sent: sent.units > UCS_2.single and crosses(sent.text, UCS_2.part, encoding=UCS_2),
            _straddling(UCS_2.part - 1, "\U0001f44b", UCS_2.part - 1, _THAI),
        ),
    ),
)
"""Characters that count double, also where a message is cut; the number is the room that the made one needs."""
