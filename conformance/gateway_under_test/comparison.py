"""A failing payload beside a plain one: how often each fell short, and whether it is the payload.

Tally           k of n
Comparison      two of them; NOTHING is that of no requests
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from conformance.checks.patterns import ENOUGH


@dataclass(frozen=True, slots=True)
class Tally:
    """How often a payload fell short, of how often that could be told."""

    short: int
    of: int

    @classmethod
    def among(cls, outcomes: Iterable[bool | None]) -> Tally:
        """Of outcomes."""
        told = [outcome for outcome in outcomes if outcome is not None]
        return cls(sum(told), len(told))

    @property
    def always(self) -> bool:
        """Each time, and more than once."""
        return self.of > 1 and self.short == self.of

    def __add__(self, other: Tally) -> Tally:
        return Tally(self.short + other.short, self.of + other.of)

    def __str__(self) -> str:
        return f"{self.short} of {self.of}"


@dataclass(frozen=True, slots=True)
class Comparison:
    """A failing payload beside a plain one: `ill` fell short, `well` did not."""

    ill: Tally
    well: Tally

    @property
    def depends(self) -> bool:
        """Whether it is the payload."""
        return self.ill.always and self.well.of > 1 and not self.well.short

    @property
    def told(self) -> bool:
        """Whether anything at all could be told of either."""
        return bool(self.ill.of or self.well.of)

    @property
    def whatever(self) -> str:
        """In words, what it has to do with the payload where it is seen now and then; no more than was seen."""
        if self.well.short:
            return ", whatever the payload"
        if self.ill.short >= ENOUGH:
            return ", with such a payload"
        return "" if self.ill.short else ", not seen again"

    @property
    def in_words(self) -> str:
        """With the numbers."""
        return f"sent again, the failing payload {self.ill}, a plain one {self.well}"


NOTHING = Comparison(Tally(0, 0), Tally(0, 0))
"""Nothing was told of either."""
