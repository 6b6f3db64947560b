"""Figures of a run of `load`: rates, failures and percentiles, of the whole and over time.

    LoadFigures.of      the figures of a record, or of a part of one: all times of a request are in one part
    LoadFigures.add     adds those of another part: in any order, the sum is the same
    LoadFigures.report  as a report has them

Memory does not grow with the run. Percentiles come from buckets whose edges are fixed, WIDTH apart: they are within 1 %
of the exact ones, and the longest time is exact.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import inf
from typing import Any

from conformance.contract.contract import Contract
from conformance.gateway.selection import has_to_be_refused
from conformance.journal import Record
from conformance.judging.messages import Answer, as_over_a_network
from conformance.judging.terms import UnderLoad
from conformance.model.untrusted import lenient_object
from conformance.reports.report import LoadMoment, LoadReport, LoadTimes

# The ratio of the edges of a bucket; its middle is within 1 % of all that is in it.
WIDTH = 1.02
# The upper edge of the first bucket: shorter than the resolution of an operating system's clock.
SHORTEST_S = 0.0001
# As many points as a plot of a few hundred pixels can show.
MOST_MOMENTS = 120
# Shorter moments have too few requests at a usual rate.
SHORTEST_MOMENT_S = 1.0
DIGITS = 4

ACCEPTED, REFUSED, FAILED = "accepted", "refused", "failed"
"""Outcomes of a request: accepted; refused with a 4xx; no answer, a 5xx, or one outside the envelope."""


@dataclass(slots=True)
class TimeBuckets:
    """How many times there are in each bucket of a fixed logarithmic scale, and the longest of them in seconds."""

    counts: Counter[int] = field(default_factory=Counter)
    longest: float = 0.0

    def see(self, seconds: float) -> None:
        """Count a time; a negative one counts as 0."""
        number = 0 if seconds <= SHORTEST_S else 1 + int(math.log(seconds / SHORTEST_S) / _STEP)
        self.counts[number] += 1
        self.longest = max(self.longest, seconds)

    def add(self, other: TimeBuckets) -> None:
        """Add the times of another part."""
        self.counts.update(other.counts)
        self.longest = max(self.longest, other.longest)

    def percentile(self, share: float) -> float | None:
        """The smallest time that at least this share does not exceed, within 1 %; None without times."""
        wanted = share * self.counts.total()
        so_far = 0
        for number in sorted(self.counts):
            so_far += self.counts[number]
            if so_far >= wanted:
                return min(SHORTEST_S * math.exp(_STEP * (number - 0.5)), self.longest)
        return None

    def times(self) -> LoadTimes | None:
        """As a report has them; None without times."""
        count = self.counts.total()
        if not count:
            return None
        p50, p90, p99, p99_9 = (round(self.percentile(share) or 0.0, DIGITS) for share in (0.5, 0.9, 0.99, 0.999))
        return LoadTimes(count, p50, p90, p99, p99_9, round(self.longest, DIGITS))


_STEP = math.log(WIDTH)


@dataclass(slots=True)
class LoadSlice:
    """What began in one part of the time, and the notifications that came in it."""

    outcomes: Counter[str] = field(default_factory=Counter)
    notified: int = 0
    answers: TimeBuckets = field(default_factory=TimeBuckets)

    def add(self, other: LoadSlice) -> None:
        """Add that of another part."""
        self.outcomes.update(other.outcomes)
        self.notified += other.notified
        self.answers.add(other.answers)


@dataclass(slots=True)
class LoadFigures:
    """The figures of one part, or of all.

    `lawful`: the requests that a gateway has to accept, by which the rate counts; `first`, `last`: when the first and
    the last of them was sent.
    """

    load: UnderLoad
    outcomes: Counter[str] = field(default_factory=Counter)
    statuses: Counter[str] = field(default_factory=Counter)
    answers: TimeBuckets = field(default_factory=TimeBuckets)
    notifications: TimeBuckets = field(default_factory=TimeBuckets)
    moments: defaultdict[int, LoadSlice] = field(default_factory=lambda: defaultdict(LoadSlice))
    lawful: int = 0
    first: float = inf
    last: float = -inf

    @classmethod
    def of(cls, record: Record, contract: Contract) -> LoadFigures | None:
        """The figures of a record, or of a part of one; None for a run without load, or that has not noted it yet."""
        load = UnderLoad.of(record.settings, {note.kind: note.detail for note in record.notes})
        if load is None or load.ended == inf:
            return None
        figures = cls(load)
        answered: dict[str, float] = {}
        loopback = bool(record.settings.get("loopback", True))
        for case, exchange, _ in record.attempts():
            if not load.covers(exchange.sent_at):
                continue
            answer = Answer.of(case, exchange if loopback else as_over_a_network(exchange), contract)
            figures.see(answer)
            if answer.owes_notification and exchange.answered_at is not None:
                answered.setdefault(answer.request_id or "", exchange.answered_at)
        for notification in record.notifications if answered else ():
            members = lenient_object(notification.request.body) or {}
            since = answered.pop(str(members.get(contract.notification.id)), None)  # of repeats the first counts
            if since is not None:
                figures.notifications.see(notification.received_at - since)
                if load.covers(notification.received_at):
                    figures.moment_at(notification.received_at).notified += 1
        return figures

    def see(self, answer: Answer) -> None:
        """Count an answer to a request under load."""
        exchange, outcome = answer.exchange, outcome_of(answer)
        if not has_to_be_refused(answer.case):
            self.lawful += 1
            self.first, self.last = min(self.first, exchange.sent_at), max(self.last, exchange.sent_at)
        moment = self.moment_at(exchange.sent_at)
        for counts in (self.outcomes, moment.outcomes):
            counts[outcome] += 1
        self.statuses["none" if answer.status is None else str(answer.status)] += 1
        if answer.http_status is not None and exchange.answered_at is not None:
            for times in (self.answers, moment.answers):
                times.see(exchange.answered_at - exchange.sent_at)

    def moment_at(self, at: float) -> LoadSlice:
        """The part of the time that a moment of the journal's clock is in."""
        return self.moments[int((at - self.load.began) / self.width_s)]

    @property
    def width_s(self) -> float:
        """The length of a moment in whole seconds, so that there are MOST_MOMENTS at most."""
        return max(SHORTEST_MOMENT_S, float(math.ceil((self.load.ended - self.load.began) / (MOST_MOMENTS - 1))))

    def add(self, other: LoadFigures) -> None:
        """Add those of another part of the same run."""
        self.outcomes.update(other.outcomes)
        self.statuses.update(other.statuses)
        self.answers.add(other.answers)
        self.notifications.add(other.notifications)
        for number, moment in other.moments.items():
            self.moments[number].add(moment)
        self.lawful += other.lawful
        self.first, self.last = min(self.first, other.first), max(self.last, other.last)

    def report(self, asked: Mapping[str, Any]) -> LoadReport:
        """As a report has them; `asked`: the setting `load` of the run."""
        sent = self.outcomes.total()
        # The time that n requests at an even rate take from the first to the last is that of n - 1 intervals.
        span = self.last - self.first
        reached = (self.lawful - 1) / span if span > 0 else 0.0
        return LoadReport(
            rate=float(asked["rate"]),
            reached=round(reached, 1),
            sent_per_s=round(reached * sent / self.lawful, 1) if self.lawful else 0.0,
            seconds=round(self.load.ended - self.load.began, 1),
            workers=asked["workers"],
            receivers=asked["receivers"],
            sent=sent,
            accepted=self.outcomes[ACCEPTED],
            refused=self.outcomes[REFUSED],
            failed=self.outcomes[FAILED],
            notified=self.notifications.counts.total(),
            statuses={name: self.statuses[name] for name in sorted(self.statuses)},
            behind_s=round(self.load.behind_s, 3),
            slo=str(self.load.slo) or None,
            answers=self.answers.times(),
            notifications=self.notifications.times(),
            moment_s=self.width_s,
            moments=tuple(self._moments()),
        )

    def _moments(self) -> Sequence[LoadMoment]:
        whole = range(max(self.moments, default=-1) + 1)
        return [_reported(number * self.width_s, self.moments.get(number, LoadSlice())) for number in whole]


def _reported(at_s: float, moment: LoadSlice) -> LoadMoment:
    p50, p99 = (moment.answers.percentile(share) for share in (0.5, 0.99))
    return LoadMoment(
        at_s,
        moment.outcomes.total(),
        moment.outcomes[ACCEPTED],
        moment.outcomes[REFUSED],
        moment.outcomes[FAILED],
        moment.notified,
        None if p50 is None else round(p50, DIGITS),
        None if p99 is None else round(p99, DIGITS),
    )


def outcome_of(answer: Answer) -> str:
    """Whether a request was accepted, refused, or failed."""
    if answer.content.members is None:
        return FAILED
    return ACCEPTED if answer.accepted else REFUSED if answer.rejected else FAILED
