"""The length of a message to an operator: in septets of GSM-7 or units of UCS-2, cut into segments.

The figures are those of 3GPP TS 23.038 and 23.040. The contract does not say how a gateway cuts messages, but that it
takes them, and gateways fail at the cuts.
"""

from __future__ import annotations

import string
from collections.abc import Iterator
from dataclasses import dataclass

# Without the form feed of the extension table, which is no text.
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
