"""Phone numbers of people in reports: those that a run was told to use are shown as `2547*****678`, by value.

    Masking.of      of the settings of a recorded run
    .text  .value   text, and anything that JSON can say, without the middle of those numbers

The journal keeps them, for it is what can be replayed; reports are what is passed around. Numbers that nobody gave are
made up by the suite and shown whole.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Self

# What a subscriber's number has in common in all its spellings (+254…, 254…, 0…): its last nine digits.
SUBSCRIBER_DIGITS = 9
SHOWN_AT_FRONT, SHOWN_AT_END = 1, 3


class Masking:
    """Replaces the middle of each of the `numbers` by asterisks, wherever it stands and however it begins."""

    def __init__(self, numbers: Iterable[str] = ()) -> None:
        ends = {number[-SUBSCRIBER_DIGITS:] for number in numbers}
        self._numbers = re.compile("|".join(map(re.escape, sorted(ends)))) if ends else None

    @classmethod
    def of(cls, settings: Mapping[str, Any], *, shown: bool | None = None) -> Self:
        """As recorded `settings` have it; `shown` overrules whether numbers are to be seen whole."""
        whole = settings.get("show_phone_numbers", False) if shown is None else shown
        return cls(() if whole else settings["phone_numbers"])

    def text(self, text: str) -> str:
        """`text` with each of the numbers masked."""
        return text if self._numbers is None else self._numbers.sub(_masked, text)

    def value(self, value: Any) -> Any:
        """The same for what is made of mappings, lists, text and plain values; keys stay as they are."""
        if self._numbers is None:
            return value
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {key: self.value(member) for key, member in value.items()}
        if isinstance(value, list | tuple):
            return [self.value(element) for element in value]
        return value


def _masked(found: re.Match[str]) -> str:
    number = found[0]
    hidden = "*" * (len(number) - SHOWN_AT_FRONT - SHOWN_AT_END)
    return number[:SHOWN_AT_FRONT] + hidden + number[-SHOWN_AT_END:]
