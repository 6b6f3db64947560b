"""The times and failures of requests under load, and which failures the load explains, for a run or parts of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple, Self

from conformance.judging.objectives import Objective
from conformance.model.traffic import Kind

# So unlikely is it that every request of a class got a 5xx for the load alone that what it asks for is to blame.
BY_CHANCE = 1e-6

# The lowest status of a gateway that failed.
LEAST_CRASH = 500

RequestClass = tuple[str | None, Kind, str]
"""Command, kind and aspect of requests."""


@dataclass(slots=True)
class CrashCounts:
    """How often requests of a class `crashed`: were answered with a 5xx; and were `served`: answered otherwise."""

    crashed: Counter[RequestClass] = field(default_factory=Counter)
    served: Counter[RequestClass] = field(default_factory=Counter)

    @classmethod
    def of(cls, answers: Iterable[tuple[RequestClass, int | None]]) -> Self:
        """Those of answers, each by its class and status."""
        counts = cls()
        for of_class, status in answers:
            counts.see(of_class, status)
        return counts

    def see(self, of_class: RequestClass, status: int | None) -> None:
        """Count an answer by its status; None: there is none."""
        if status is not None:
            (self.crashed if status >= LEAST_CRASH else self.served)[of_class] += 1

    def explained_by_load(self) -> frozenset[RequestClass]:
        """The classes whose answers of 5xx under load the load explains.

        Others of the class had none; or it has so few requests that all of them may have had one by chance, as many
        requests of other classes had.
        """
        of_served = sum(self.crashed[each] for each in self.served)
        share = of_served / (of_served + self.served.total()) if self.served else 0.0
        few = (each for each, count in self.crashed.items() if share**count > BY_CHANCE)
        return frozenset(self.served).union(few)


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
