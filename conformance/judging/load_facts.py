"""The times and failures of requests under load, added up over the parts of a run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from conformance.judging.objectives import Objective


class Exemplar(NamedTuple):
    """An answer that a finding about the whole run shows."""

    case_id: str
    number: int
    request_id: str | None


@dataclass(slots=True)
class TimesUnderLoad:
    """How many answers or notifications under load there were, how many were `over` each objective, and the slowest."""

    count: int = 0
    over: Counter[str] = field(default_factory=Counter)
    slowest: tuple[float, int, Exemplar] | None = None

    def add(self, took: float, of: Exemplar, objectives: Iterable[Objective]) -> None:
        """Count one; of several that took as long the first is kept."""
        self.count += 1
        self.over.update(each.name for each in objectives if took > each.within_s)
        self.slowest = max(filter(None, (self.slowest, (took, -of.number, of))))

    def merge(self, other: TimesUnderLoad) -> None:
        """Add those of another part."""
        self.count += other.count
        self.over.update(other.over)
        self.slowest = max(filter(None, (self.slowest, other.slowest)), default=None)


@dataclass(slots=True)
class LoadFacts:
    """The times of requests under load, how many of the `requests` `failed`, and the first of these."""

    answers: TimesUnderLoad = field(default_factory=TimesUnderLoad)
    notifications: TimesUnderLoad = field(default_factory=TimesUnderLoad)
    requests: int = 0
    failed: int = 0
    first_failed: tuple[int, Exemplar] | None = None

    def merge(self, other: LoadFacts) -> None:
        """Add those of another part."""
        self.answers.merge(other.answers)
        self.notifications.merge(other.notifications)
        self.requests += other.requests
        self.failed += other.failed
        self.first_failed = min(filter(None, (self.first_failed, other.first_failed)), default=None)
