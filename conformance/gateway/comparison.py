"""A failing payload beside a plain one: how often each fell short, and whether it is the payload.

Tally           k of n
Comparison      two of them; NOTHING is that of no requests
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from conformance.diagnosis.chance import ERROR_RATE, ERROR_RATE_OF_A_ROW, above, split

# Where chance would show it less often than this, it is worth some requests to find out whether it is the payload.
HUNCH = 0.05


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

    def suggests(self, run: Tally) -> bool:
        """Whether it may be the payload: it fell short each time, the plain one never. `run`: how often in the run."""
        return self.well.of > 1 and self._chance(run) <= HUNCH

    def shows(self, run: Tally) -> bool:
        """Whether it is the payload, beyond what chance would show; also where the plain one could not be told."""
        return self._chance(run) <= ERROR_RATE

    def _chance(self, run: Tally) -> float:
        apart = self.ill.always and not self.well.short
        return split(self.ill.of, self.well.of, run.short, run.of) if apart else 1.0

    @property
    def told(self) -> bool:
        """Whether anything at all could be told of either."""
        return bool(self.ill.of or self.well.of)

    @property
    def whatever(self) -> str:
        """In words, what it has to do with the payload where it is seen now and then; no more than was seen."""
        if self.well.short:
            return ", whatever the payload"
        both = self.ill + self.well
        more = above(self.ill.short, self.ill.of, both.short, both.of) <= ERROR_RATE_OF_A_ROW if both.of else False
        return ", with such a payload" if more else ""

    @property
    def in_words(self) -> str:
        """With the numbers; of what could not be told nothing is said."""
        told = [
            f"{name} {tally}"
            for name, tally in (("the failing payload", self.ill), ("a plain one", self.well))
            if tally.of
        ]
        return f"sent again, {', '.join(told)}" if told else "sent again, nothing could be told"


NOTHING = Comparison(Tally(0, 0), Tally(0, 0))
"""Nothing was told of either."""
