"""The texts of messages: alphabets that together cover Unicode, and the length of a text in SMS segments.

Every alphabet is cut down to `conformance.model.text.ASSIGNED`, so that no text holds a character that the contract
leaves open, and every text has a visible character: the contract says nothing about white space, marks and format
characters alone. Texts are made from bytes (four for a character), one cheap choice for Hypothesis, which depends
neither on the Unicode tables of the running Python nor on a cache of them.

An operator gets a message cut into segments, of septets of GSM-7 or units of UCS-2 (3GPP TS 23.038 and 23.040). The
contract does not say how a gateway cuts messages, but that it takes them, and gateways fail at the cuts.
"""

from __future__ import annotations

import string
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import accumulate
from struct import unpack

from conformance.model.text import ASSIGNED

# --- Alphabets


Range = tuple[int, int]

# Bytes that make one character: enough to reach every code point of every range evenly.
UNIT = 4

ZWJ = "\u200d"


def within(low: int, high: int) -> tuple[Range, ...]:
    """The assigned ranges between two code points, both included."""
    return tuple((max(low, first), min(high, last)) for first, last in ASSIGNED if first <= high and low <= last)


# Characters that do not show by themselves: marks, joiners, selectors, tags, fillers, white space.
_UNSEEN: tuple[Range, ...] = (
    *((0x9, 0xD), (0x20, 0x20), (0xA0, 0xA0), (0xAD, 0xAD), (0x300, 0x36F), (0x483, 0x489), (0x591, 0x5C7)),
    *((0x600, 0x605), (0x610, 0x61C), (0x64B, 0x65F), (0x6D6, 0x6ED), (0x115F, 0x1160), (0x1680, 0x1680)),
    *((0x17B4, 0x17B5), (0x180B, 0x180F), (0x1AB0, 0x1AFF), (0x1DC0, 0x1DFF), (0x2000, 0x200F), (0x2028, 0x202F)),
    *((0x205F, 0x206F), (0x20D0, 0x20FF), (0x2800, 0x2800), (0x3000, 0x3000), (0x3164, 0x3164), (0xFE00, 0xFE0F)),
    *((0xFE20, 0xFE2F), (0xFEFF, 0xFEFF), (0xFFA0, 0xFFA0), (0xFFF9, 0xFFFB), (0x1BCA0, 0x1BCA3)),
    *((0x1D165, 0x1D182), (0xE0000, 0xE0FFF)),
)
UNSEEN = frozenset(chr(point) for low, high in _UNSEEN for point in range(low, high + 1))


@dataclass(frozen=True, slots=True)
class Alphabet:
    """A class of code points, as ranges, and sequences that belong together (emoji joined to one).

    Half of the characters are drawn range by range, so that a small block is seen beside a large one.
    """

    name: str
    ranges: tuple[Range, ...]
    offsets: tuple[int, ...]
    visible: str
    sequences: tuple[str, ...] = ()

    @classmethod
    def of(cls, name: str, *blocks: Range, visible: str, sequences: Iterable[str] = ()) -> Alphabet:
        """The assigned code points of `blocks`."""
        ranges = tuple(part for low, high in blocks for part in within(low, high))
        offsets = tuple(accumulate((high - low + 1 for low, high in ranges), initial=0))
        return cls(name, ranges, offsets, visible, tuple(sequences))

    def characters(self, unit: int) -> str:
        """The character that `unit` (32 bits) encodes; one time in four a sequence, if there are any."""
        by_range, unit = unit & 1, unit >> 1
        if self.sequences:
            joined, unit = unit & 1, unit >> 1
            if joined:
                return self.sequences[unit % len(self.sequences)]
        if by_range:
            low, high = self.ranges[unit % len(self.ranges)]
            return chr(low + unit // len(self.ranges) % (high - low + 1))
        index = unit % self.offsets[-1]
        place = bisect_right(self.offsets, index) - 1
        return chr(self.ranges[place][0] + index - self.offsets[place])


@dataclass(frozen=True, slots=True)
class Mixture:
    """Each character from a class of its own: scripts of both directions, planes and widths side by side."""

    name: str
    alphabets: tuple[Alphabet, ...]
    visible: str = "a"

    def characters(self, unit: int) -> str:
        """The character that `unit` (32 bits) encodes."""
        return self.alphabets[unit % len(self.alphabets)].characters(unit // len(self.alphabets))


Speller = Alphabet | Mixture
"""Makes texts out of numbers of 32 bits; `visible` replaces the first character of an invisible text."""


def spell(speller: Speller, data: bytes) -> str:
    """The text that `data` encodes: one code point for each four bytes, at least one of them visible.

    A sequence at the end may be cut to that length; its first characters are assigned, too.
    """
    size = len(data) // UNIT
    units = unpack(f"<{size}I", data[: size * UNIT])
    text = "".join(map(speller.characters, units))[:size]
    return speller.visible + text[1:] if UNSEEN.issuperset(text) else text


# With joiners, selectors, a skin tone, a flag, a keycap and tags: seen as one character, counted as many.
_JOINED_EMOJI = (
    f"\U0001f468{ZWJ}\U0001f469{ZWJ}\U0001f467{ZWJ}\U0001f466",
    f"\U0001f469\U0001f3fe{ZWJ}\U0001f4bb",
    f"\U0001f3f3\ufe0f{ZWJ}\U0001f308",
    "\U0001f44b\U0001f3ff",
    "\U0001f1f0\U0001f1ea",
    "2\ufe0f\u20e3",
    "\u2764\ufe0f",
    "\U0001f3f4\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f",
)

_LETTERS: tuple[Range, ...] = ((0x61, 0x7A), (0x41, 0x5A))
_GSM_EXTRAS = tuple((ord(c), ord(c)) for c in "@£$¥èéùìòÇØøÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ¤¡ÄÖÑÜ§¿äöñüà^{}\\[~]|€")

_BREAKS: tuple[Range, ...] = ((0x9, 0xA), (0xD, 0xD))
PLAIN = Alphabet.of("plain", *_LETTERS, (0x30, 0x39), (0x20, 0x21), (0x2C, 0x2E), (0x3F, 0x3F), visible="a")
LINE_BREAKS = Alphabet.of("line-breaks", *_LETTERS, *_BREAKS, *_BREAKS, visible="a", sequences=("\r\n", "\n\n", "\t"))

# Code points by block, from the Unicode character database; `visible` is a letter or sign that people know.
_CLASSES = (
    Alphabet.of("latin", *_LETTERS, (0x20, 0x20), (0x27, 0x27), (0xC0, 0x17F), visible="a"),
    Alphabet.of("gsm-7", *_LETTERS, (0x20, 0x3F), *_GSM_EXTRAS, visible="@"),
    Alphabet.of("greek-cyrillic", (0x391, 0x3C9), (0x400, 0x52F), visible="Ж"),
    Alphabet.of("arabic", (0x620, 0x64A), (0x64B, 0x652), (0x660, 0x6D3), (0xFE70, 0xFEFC), visible="س"),
    Alphabet.of("hebrew", (0x5D0, 0x5EA), (0x591, 0x5C7), (0xFB1D, 0xFB4F), visible="ש"),
    Alphabet.of("devanagari", (0x900, 0x97F), visible="न"),
    Alphabet.of("ethiopic", (0x1200, 0x139F), (0x2D80, 0x2DDE), visible="ሰ"),
    Alphabet.of("thai", (0xE01, 0xE5B), visible="ก"),
    Alphabet.of("cjk", (0x4E00, 0x9FFF), (0x3400, 0x4DBF), (0x3001, 0x30FF), (0xF900, 0xFAD9), visible="中"),
    Alphabet.of("hangul", (0xAC00, 0xD7A3), (0x1100, 0x11FF), (0x3131, 0x318E), visible="한"),
    Alphabet.of("combining", (0x61, 0x7A), (0x300, 0x36F), (0x1AB0, 0x1ACE), (0x20D0, 0x20F0), visible="e"),
    Alphabet.of(
        "emoji", (0x1F300, 0x1F64F), (0x1F680, 0x1F6FC), (0x1F900, 0x1FAF6), visible="👋", sequences=_JOINED_EMOJI
    ),
    Alphabet.of("symbols", (0x2190, 0x27BF), (0x20A0, 0x20C0), (0xA1, 0xBF), (0x2900, 0x2BFF), visible="✓"),
    Alphabet.of("mathematical", (0x1D400, 0x1D7FF), visible="\U0001d4e2"),
    Alphabet.of("cjk-extension-b", (0x20000, 0x2A6DF), visible="𠮷"),
    Alphabet.of("cjk-extension-g", (0x30000, 0x3134A), visible="\U0003106c"),
    Alphabet.of("variation-selectors", (0x8FBA, 0x8FBC), (0xFE00, 0xFE0F), (0xE0100, 0xE01EF), visible="辻"),
    Alphabet.of(
        "json-specials",
        *((0x22, 0x22), (0x5C, 0x5C), (0x2F, 0x2F), (0x2028, 0x2029), (0x7B, 0x7D)),
        visible='"',
        sequences=("\\n", "\\u0041", '\\"', "</script>", "${x}", "%00", "&amp;"),
    ),
    Alphabet.of("digits", (0x30, 0x39), visible="0"),
)

_ANY = Alphabet.of("any", (0x20, 0x10FFFF), visible="a")

SCRIPTS: tuple[Speller, ...] = (*_CLASSES, _ANY, Mixture("mixed", (*_CLASSES, _ANY)))
ALPHABETS: dict[str, Speller] = {alphabet.name: alphabet for alphabet in (PLAIN, LINE_BREAKS, *SCRIPTS)}


# --- Segments


# Without the form feed of the extension table, which is not text.
_GSM_BASIC = (
    "@£$¥èéùìòÇØøÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./:;<=>?¡ÄÖÑÜ§¿äöñüà\n\r" + string.digits + string.ascii_letters
)
GSM_EXTENSION = "^{}\\[~]|€"
"""Characters that take two septets: an escape and another one."""

_GSM = frozenset(_GSM_BASIC + GSM_EXTENSION)


@dataclass(frozen=True, slots=True)
class Encoding:
    """A way of putting text into segments: `single` fit into one, `part` into each of several."""

    name: str
    single: int
    part: int

    def limits(self, longest: int) -> Iterator[int]:
        """The most that fits into one segment, two, three …, and one more each, up to `longest`."""
        full = (self.single, *range(2 * self.part, longest + 1, self.part))
        yield from (length for most in full for length in (most, most + 1) if length <= longest)


GSM_7 = Encoding("GSM-7", 160, 153)
UCS_2 = Encoding("UCS-2", 70, 67)


def septets(text: str) -> int | None:
    """The number of septets of `text`; None if GSM-7 lacks a character of it."""
    return len(text) + sum(map(text.count, GSM_EXTENSION)) if _GSM.issuperset(text) else None


def units(text: str) -> int:
    """The number of units of 16 bits of `text`; a character above U+FFFF takes two."""
    return len(text) + sum(character >= "\U00010000" for character in text)


def crosses(text: str, place: int, *, encoding: Encoding) -> bool:
    """Whether a character that takes two septets or units has one before `place` and one behind it."""
    at = 0
    for character in text:
        wide = character in GSM_EXTENSION if encoding is GSM_7 else character >= "\U00010000"
        if at == place - 1:
            return wide
        at += 1 + wide
        if at >= place:
            return False
    return False
