"""How long a message is to an operator: in septets of GSM-7 or units of UCS-2, cut into segments.

    septets(text)       its length in GSM-7, None if it has a character that GSM-7 lacks
    units(text)         its length in UCS-2
    GSM_7, UCS_2        the two ways, each with what fits into one segment and into each of several
    Encoding.limits     the lengths at which a message takes one segment more

The figures are those of 3GPP TS 23.038 and 23.040. How a gateway cuts messages is not contract, that it takes them is:
where it counts is where it goes wrong.
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
        """What just fits into one segment, two, three …, and one more each, up to `longest`."""
        full = (self.single, *range(2 * self.part, longest + 1, self.part))
        yield from (length for most in full for length in (most, most + 1) if length <= longest)


GSM_7 = Encoding("GSM-7", 160, 153)
UCS_2 = Encoding("UCS-2", 70, 67)


def septets(text: str) -> int | None:
    """How many septets `text` takes; None if it cannot be said in GSM-7."""
    return len(text) + sum(map(text.count, GSM_EXTENSION)) if _GSM.issuperset(text) else None


def units(text: str) -> int:
    """How many units of 16 bits `text` takes; a character above U+FFFF takes two."""
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
