"""The measurements of a run beside its verdicts: latencies and result codes.

Times are seconds, rounded to tenths of a millisecond. A notification's latency counts from the moment when the answer
was read, so one that overtook the answer has 0.
"""

from __future__ import annotations

import json
from array import array
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from conformance.contract.contract import Contract
from conformance.journal import Record
from conformance.model.untrusted import lenient_object
from conformance.reports.report import Latency, Measured
from conformance.wire.ledger import request_id_of

# As many as a plot of a few hundred pixels can show.
BINS = 40
# Shorter than any clock of an operating system tells apart.
SHORTEST_S = 0.0001
# What is rarer than this is told as "other": a faulty gateway may invent a code for each notification.
MOST_CODES = 20
# Longer ones are no codes.
LONGEST_CODE = 12
DIGITS = 4


QUANTILES: Mapping[str, float] = {"p50": 0.5, "p95": 0.95, "p99": 0.99}


@dataclass(slots=True)
class Series:
    """Latencies with the time at which each began, in seconds since the first exchange."""

    began: array[float] = field(default_factory=lambda: array("d"))
    took: array[float] = field(default_factory=lambda: array("d"))

    def add(self, began: float, took: float) -> None:
        """One more."""
        self.began.append(began)
        self.took.append(max(took, 0.0))

    def described(self) -> Latency:
        """How many, and how long they took; of at least one."""
        ordered = sorted(self.took)
        quantiles = {name: round(quantile(ordered, share), DIGITS) for name, share in QUANTILES.items()}
        return Latency(len(ordered), **quantiles, max=round(ordered[-1], DIGITS))

    def histogram(self) -> list[tuple[float, int]]:
        """Bins of equal width on a logarithmic scale, from the shortest to the longest: lower edge and how many."""
        ordered = sorted(self.took)
        least, most = max(ordered[0], SHORTEST_S), max(ordered[-1], SHORTEST_S)
        if most <= least:
            return [(least, len(ordered))]
        ratio = (most / least) ** (1 / BINS)
        counts = [0] * BINS
        at = 0
        for value in ordered:
            while at < BINS - 1 and value >= least * ratio ** (at + 1):
                at += 1
            counts[at] += 1
        return [(least * ratio**number, count) for number, count in enumerate(counts)]

    def over_run(self) -> list[tuple[float, float, float]]:
        """For each part of the run in which something began: its middle, and the median and longest latency in it."""
        first, last = min(self.began), max(self.began)
        width = (last - first) / BINS or 1.0
        parts: dict[int, list[float]] = defaultdict(list)
        for at, seconds in zip(self.began, self.took, strict=True):
            parts[min(int((at - first) / width), BINS - 1)].append(seconds)
        in_order = [(number, sorted(parts[number])) for number in sorted(parts)]
        return [(first + (number + 0.5) * width, quantile(took, 0.5), took[-1]) for number, took in in_order]


def quantile(ordered: Sequence[float], share: float) -> float:
    """The smallest of the ordered values that at least this share of them does not exceed (nearest rank)."""
    rank = max(1, -(-len(ordered) * share // 1))
    return ordered[int(rank) - 1]


@dataclass(frozen=True, slots=True)
class Figures:
    """Latencies of answers by command and of notifications by product, and how often each result code came."""

    answers: Mapping[str, Series]
    notifications: Mapping[str, Series]
    result_codes: Mapping[str, Mapping[str, int]]

    @classmethod
    def of(cls, record: Record, contract: Contract) -> Figures:
        """What a record tells; a notification is counted where its request_id is one that an answer gave."""
        commands = {case.id: case.command for case in record.cases}
        answers: dict[str, Series] = defaultdict(Series)
        notifications: dict[str, Series] = defaultdict(Series)
        codes: dict[str, Counter[str]] = defaultdict(Counter)
        answered: dict[str, float] = {}
        start = 0.0
        for exchange in record.exchanges:
            start = start or exchange.sent_at
            if exchange.answered_at is None or exchange.response is None:
                continue
            took = exchange.answered_at - exchange.sent_at
            answers[commands.get(exchange.case_id) or "none"].add(exchange.sent_at - start, took)
            if (request_id := request_id_of(exchange.response.body, contract.answer.id)) is not None:
                answered.setdefault(request_id, exchange.answered_at)
        for notification in record.notifications:
            product, members = notification.product, lenient_object(notification.request.body)
            if product is None or members is None:
                continue
            codes[product][_code(members, contract.notification.outcome)] += 1
            since = answered.pop(str(members.get(contract.notification.id)), None)  # of repeats the first counts
            if since is not None:
                notifications[product].add(since - start, notification.received_at - since)
        return cls(
            {name: answers[name] for name in sorted(answers)},
            {name: notifications[name] for name in contract.callbacks if name in notifications},
            {name: _commonest(codes[name]) for name in contract.callbacks if name in codes},
        )

    def measured(self) -> Measured:
        """As a report has them."""
        return Measured(
            {name: series.described() for name, series in self.answers.items()},
            {name: series.described() for name, series in self.notifications.items()},
            {name: dict(codes) for name, codes in self.result_codes.items()},
        )


def _code(members: Mapping[str, Any], outcome: str) -> str:
    if outcome not in members:
        return "none"
    code = members[outcome]
    text = code if isinstance(code, str) else json.dumps(code)
    return text if len(text) <= LONGEST_CODE else "other"


def _commonest(codes: Counter[str]) -> dict[str, int]:
    common = dict(sorted(codes.most_common(MOST_CODES)))
    rest = sum(codes.values()) - sum(common.values())
    return {**common, **({"other": common.get("other", 0) + rest} if rest else {})}
