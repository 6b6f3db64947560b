"""How far a run is, in words: what its threads tell, kept for whoever shows it.

PHASES      the phases of a run, as they are called before people
Standing    phase, counts, what is owed and the time left
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from math import ceil

from conformance.reports.escaping import for_terminal

PHASES: Mapping[str, str] = {
    "prepare": "preparing",
    "preflight": "checking",
    "send": "sending",
    "wait": "waiting",
    "deliver": "delivering",
    "observe": "observing",
    "listen": "listening",
    "shrink": "shrinking",
    "judge": "judging",
}

# Those that wait: in them nothing of what is planned is done.
WAITING = frozenset({"listen", "observe", "wait"})
# Those that plan step by step, so that it cannot be told how much is left.
OPEN_ENDED = frozenset({"deliver", "shrink"})

# From here on seconds alone are hard to read.
SHOWN_IN_MINUTES_S = 120


class Standing:
    """How far a run is. `clock` gives seconds, as `time.monotonic` does."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.phase = self.detail = ""
        self.began = clock()
        self._ends: float | None = None
        self.done = self.planned = 0
        self._done_before = 0
        self.arrived = self.outstanding = 0
        self._heard = self._owed = False

    def begin(self, phase: str, detail: str = "") -> None:
        """A phase begins."""
        self.phase, self.detail = phase, for_terminal(detail)
        self.began, self._ends = self._clock(), None
        self._done_before = self.done

    def end_at(self, at: float) -> None:
        """The phase ends then at the latest."""
        self._ends = at

    def hear(self, arrived: int, outstanding: int) -> None:
        """So many notifications came, so many are owed."""
        self.arrived, self.outstanding = arrived, outstanding
        self._heard, self._owed = True, self._owed or outstanding > 0

    @property
    def name(self) -> str:
        """What the phase is called."""
        return PHASES.get(self.phase, for_terminal(self.phase))

    @property
    def heading(self) -> str:
        """What the phase is called, and what it is about."""
        return f"{self.name}: {self.detail}" if self.detail else self.name

    @property
    def took_s(self) -> float:
        """For how long the phase has been going on."""
        return self._clock() - self.began

    @property
    def share(self) -> tuple[int, int] | None:
        """How much is done of how much; None where that cannot be told."""
        if self.phase in WAITING:
            total = self.arrived + self.outstanding
            return (self.arrived, total) if self._owed else None
        return (self.done, self.planned) if self.planned and self.phase not in OPEN_ENDED else None

    def counts(self) -> str:
        """`928 of 1,204, 263 notified, 65 owed`, or what else can be counted in this phase; "" if nothing can."""
        return ", ".join(self._counts())

    def counts_and_time(self) -> str:
        """The same with the time left, `9 s left`, where there is an end and something is waited for."""
        left_s = self._left_s()
        return ", ".join([*self._counts(), *([f"{duration(left_s)} left"] if left_s is not None else [])])

    def _counts(self) -> Iterator[str]:
        if self.phase in OPEN_ENDED:
            yield f"{self.done - self._done_before:,} cases"
        elif self.planned and self.phase not in WAITING:
            yield f"{self.done:,} of {self.planned:,}"
        if self._heard:
            yield f"{self.arrived:,} notified, {self.outstanding:,} owed"

    def _left_s(self) -> int | None:
        """Whole seconds until what is awaited is awaited no more; None if that is not known, or nothing is owed."""
        if self._ends is None or (self._owed and not self.outstanding):
            return None
        return max(0, ceil(self._ends - self._clock()))


def duration(seconds: int) -> str:
    """`9 s`, `4 min 30 s`."""
    if seconds < SHOWN_IN_MINUTES_S:
        return f"{seconds} s"
    minutes, rest = divmod(seconds, 60)
    return f"{minutes} min {rest} s" if rest else f"{minutes} min"
