"""Service-level objectives: the figures of `--slo` that a gateway under load is judged by.

    answer-p99=500ms,notification-p95=10s,errors=0.1%

SLO.parse reads that text, `str` writes it again, and journals have `SLO.recorded`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self

from conformance.model.errors import UsageError, did_you_mean

PERCENTILES: Mapping[str, float] = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99, "p99.9": 0.999, "max": 1.0}
"""The percentiles that an objective may name → the share of answers or notifications that they cover."""

ERRORS = "errors"
EXAMPLE = "answer-p99=500ms,notification-p95=10s,errors=0.1%"
# Longer than any gateway is waited for; a longer time is a slip of the pen.
LONGEST_S = 3600.0

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0}
_TIME = re.compile(r"(?P<number>\d+(\.\d+)?)(?P<unit>ms|s|m)", re.ASCII)
_SHARE = re.compile(r"(?P<number>\d+(\.\d+)?)%", re.ASCII)


class Timed(StrEnum):
    """A thing whose time an objective limits."""

    ANSWER = "answer"
    NOTIFICATION = "notification"


@dataclass(frozen=True, slots=True)
class Objective:
    """A share of all answers, or of all notifications, that may take `within_s` seconds at most."""

    of: Timed
    percentile: str
    within_s: float

    @property
    def name(self) -> str:
        """`answer-p99`."""
        return f"{self.of}-{self.percentile}"

    @property
    def share(self) -> float:
        """The share of them that has to meet it, from 0 to 1."""
        return PERCENTILES[self.percentile]

    def is_met(self, over: int, count: int) -> bool:
        """Whether it is met if of `count` times `over` were longer; by nearest rank, as the percentile is defined."""
        # Rounded, for 0.999 times 1000 is no whole number to a computer.
        return count - over >= round(self.share * count, 6)


@dataclass(frozen=True, slots=True)
class SLO:
    """All objectives of a run. `errors`: the share of requests that may fail, from 0 to 1; None: not limited."""

    objectives: tuple[Objective, ...] = ()
    errors: float | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """The objectives of `NAME=FIGURE,…`. Raises UsageError for any other text."""
        figures: dict[str, float] = {}
        for part in text.split(","):
            name, _, figure = (each.strip() for each in part.partition("="))
            if name in figures:
                raise UsageError(f"--slo gives {name} twice; expected one figure for each")
            figures[name] = _figure(name, figure)
        return cls.of(figures)

    @classmethod
    def of(cls, recorded: Mapping[str, float] | None) -> Self:
        """The objectives of recorded figures, in the order of their names; none of None."""
        figures = dict(recorded or {})
        errors = figures.pop(ERRORS, None)
        return cls(tuple(_objective(name, figures[name]) for name in NAMES if name in figures), errors)

    def recorded(self) -> dict[str, Any]:
        """As journals have them: name → seconds, or the share of errors."""
        figures: dict[str, Any] = {each.name: each.within_s for each in self.objectives}
        return figures if self.errors is None else {**figures, ERRORS: self.errors}

    def of_timed(self, of: Timed) -> tuple[Objective, ...]:
        """The objectives for answers, or for notifications."""
        return tuple(each for each in self.objectives if each.of is of)

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self.objectives) or self.errors is not None

    def __str__(self) -> str:
        """The text that `parse` reads."""
        parts = [f"{each.name}={in_time(each.within_s)}" for each in self.objectives]
        return ",".join(parts if self.errors is None else [*parts, f"{ERRORS}={in_percent(self.errors)}"])


def in_time(seconds: float) -> str:
    """`500ms`, `10s`."""
    return f"{seconds * 1000:g}ms" if seconds < 1.0 else f"{seconds:g}s"


def in_percent(share: float) -> str:
    """`0.1%`."""
    return f"{share * 100:g}%"


NAMES = (*(f"{of}-{percentile}" for of in Timed for percentile in PERCENTILES), ERRORS)
"""The names of all figures."""


def _objective(name: str, within_s: float) -> Objective:
    of, _, percentile = name.partition("-")
    return Objective(Timed(of), percentile, within_s)


def _figure(name: str, figure: str) -> float:
    if name not in NAMES:
        raise UsageError(
            f"--slo has no figure {name!r}; expected one of {', '.join(NAMES)}",
            hint=did_you_mean(name, NAMES) or f"for example {EXAMPLE}",
        )
    if name == ERRORS:
        share = _SHARE.fullmatch(figure)
        value = float(share["number"]) / 100 if share else -1.0
        if not 0.0 <= value <= 1.0:
            raise UsageError(f"--slo {name}={figure!r} is not a percentage from 0% to 100%", "for example errors=0.1%")
        return round(value, 9)
    time = _TIME.fullmatch(figure)
    seconds = float(time["number"]) * _UNITS[time["unit"]] if time else 0.0
    if not 0.0 < seconds <= LONGEST_S:
        raise UsageError(
            f"--slo {name}={figure!r} is not a time with its unit (ms, s or m), of {LONGEST_S:,.0f} s at most",
            hint=f"for example {name}=500ms",
        )
    return round(seconds, 9)
