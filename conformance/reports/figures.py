"""Latencies and result codes of a run, and their plots in SVG.

Times are seconds, rounded to tenths of a millisecond. A notification's latency counts from the moment when the answer
was read, so one that overtook the answer has 0.

A plot says the same in words for whoever does not see it. Its colours are variables of the page, for both themes.
"""

from __future__ import annotations

import json
import math
from array import array
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from markupsafe import Markup

from conformance.contract.contract import Contract
from conformance.journal import Record
from conformance.judging.facts import Share
from conformance.judging.parts import Division
from conformance.judging.terms import Terms
from conformance.model.untrusted import lenient_object
from conformance.reports.report import Latency, Measured
from conformance.wire.ledger import request_id_of

# As many as a plot of a few hundred pixels can show.
BINS = 40
# Shorter than the resolution of an operating system's clock.
SHORTEST_S = 0.0001
# The others are counted as "other": a faulty gateway may invent a code for each notification.
MOST_CODES = 20
# Whatever is longer is not a code.
LONGEST_CODE = 12
DIGITS = 4

QUANTILES: Mapping[str, float] = {"p50": 0.5, "p95": 0.95, "p99": 0.99}


@dataclass(slots=True)
class Series:
    """Latencies, each with its begin in seconds since the first exchange."""

    began: array[float] = field(default_factory=lambda: array("d"))
    took: array[float] = field(default_factory=lambda: array("d"))

    def add(self, began: float, took: float) -> None:
        """Add a latency; a negative one counts as 0."""
        self.began.append(began)
        self.took.append(max(took, 0.0))

    def merge(self, other: Series) -> None:
        """Add all of another one."""
        self.began.extend(other.began)
        self.took.extend(other.took)

    def described(self) -> Latency:
        """Their number and quantiles. There must be at least one."""
        ordered = sorted(self.took)
        quantiles = {name: round(quantile(ordered, share), DIGITS) for name, share in QUANTILES.items()}
        return Latency(len(ordered), **quantiles, max=round(ordered[-1], DIGITS))

    def histogram(self) -> list[tuple[float, int]]:
        """Bins of equal width on a logarithmic scale, from the shortest to the longest: lower edge and count."""
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
        """Each part of the run in which something began: its middle, the median and the longest latency."""
        first, last = min(self.began), max(self.began)
        width = (last - first) / BINS or 1.0
        parts: dict[int, list[float]] = defaultdict(list)
        for at, seconds in zip(self.began, self.took, strict=True):
            parts[min(int((at - first) / width), BINS - 1)].append(seconds)
        in_order = [(number, sorted(parts[number])) for number in sorted(parts)]
        return [(first + (number + 0.5) * width, quantile(took, 0.5), took[-1]) for number, took in in_order]


def quantile(ordered: Sequence[float], share: float) -> float:
    """The smallest of the ordered values that at least this share of them does not exceed: by nearest rank."""
    rank = max(1, -(-len(ordered) * share // 1))
    return ordered[int(rank) - 1]


@dataclass(slots=True)
class Timings:
    """The latencies and result codes of a run, or of a part of it; those of all parts add up, in any order."""

    answers: dict[str, Series] = field(default_factory=lambda: defaultdict(Series))
    notifications: dict[str, Series] = field(default_factory=lambda: defaultdict(Series))
    codes: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))

    @classmethod
    def of(cls, record: Record, contract: Contract, start: float) -> Timings:
        """Measure a record; `start`: when the first exchange of the run was sent."""
        timings = cls()
        commands = {case.id: case.command for case in record.cases}
        answered: dict[str, float] = {}
        for exchange in record.exchanges:
            if exchange.answered_at is None or exchange.response is None:
                continue
            took = exchange.answered_at - exchange.sent_at
            timings.answers[commands.get(exchange.case_id) or "none"].add(exchange.sent_at - start, took)
            if (request_id := request_id_of(exchange.response.body, contract.answer.id)) is not None:
                answered.setdefault(request_id, exchange.answered_at)
        for notification in record.notifications:
            product, members = notification.product, lenient_object(notification.request.body)
            if product is None or members is None:
                continue
            timings.codes[product][_code(members, contract.notification.outcome)] += 1
            since = answered.pop(str(members.get(contract.notification.id)), None)  # of repeats the first counts
            if since is not None:
                timings.notifications[product].add(since - start, notification.received_at - since)
        return timings

    def merge(self, other: Timings) -> None:
        """Add those of another part."""
        for mine, its in ((self.answers, other.answers), (self.notifications, other.notifications)):
            for name, series in its.items():
                mine[name].merge(series)
        for product, codes in other.codes.items():
            self.codes[product].update(codes)


@dataclass(frozen=True, slots=True)
class TimePart:
    """Measures a part of a run, which began at `start`."""

    start: float

    def __call__(self, record: Record, terms: Terms, share: Share) -> Timings:  # noqa: ARG002 - as PartTask has it
        """Its timings."""
        timings = Timings.of(record, terms.contract, self.start)
        return Timings(dict(timings.answers), dict(timings.notifications), dict(timings.codes))


@dataclass(frozen=True, slots=True)
class Figures:
    """Latencies of answers by command and of notifications by product, and how often each result code came."""

    answers: Mapping[str, Series]
    notifications: Mapping[str, Series]
    result_codes: Mapping[str, Mapping[str, int]]

    @classmethod
    def of(cls, record: Record, contract: Contract, division: Division | None = None) -> Figures:
        """Measure a record, or its parts. A notification has a latency where an answer gave its request_id."""
        start = next((exchange.sent_at for exchange in record.exchanges[:1]), 0.0)
        if division is None:
            timings = Timings.of(record, contract, start)
        else:
            timings, task = Timings(), TimePart(start)
            for measured in division.each((part, task) for part in (*division.others, division.leading)):
                timings.merge(measured)
        answers, notifications, codes = timings.answers, timings.notifications, timings.codes
        return cls(
            {name: answers[name] for name in sorted(answers)},
            {name: notifications[name] for name in contract.callbacks if name in notifications},
            {name: _commonest(codes[name]) for name in contract.callbacks if name in codes},
        )

    def measured(self) -> Measured:
        """The figures as a report holds them."""
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
    common = dict(sorted(sorted(codes.items(), key=lambda each: (-each[1], each[0]))[:MOST_CODES]))
    rest = sum(codes.values()) - sum(common.values())
    return {**common, **({"other": common.get("other", 0) + rest} if rest else {})}


# --- Plots

WIDTH, HEIGHT = 340, 150
# The space above is for a row with name and value of each quantile.
LEFT, RIGHT, TOP, BOTTOM = 8, 8, 40, 22
ROW = 11
# Shorter times are shown with a second digit.
FINE_BELOW_MS = 10
# Of a bar chart: height of a row, and width of the names and numbers beside the bars.
BAR_ROW, BAR_LEFT, BAR_RIGHT = 18, 96, 64
SPACE = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM


def in_words(seconds: float) -> str:
    """A duration as `0.42 ms`, `37 ms`, `1.3 s`."""
    if seconds >= 1:
        return f"{seconds:.1f} s"
    ms = seconds * 1000
    return f"{ms:.0f} ms" if ms >= FINE_BELOW_MS else f"{ms:.2g} ms"


def latency_plot(title: str, series: Series) -> Markup:
    """A histogram of latencies on a logarithmic scale, with p50, p95 and p99."""
    bins, described = series.histogram(), series.described()
    highest = max(number for _, number in bins)
    least, most = bins[0][0], max(described.max, bins[-1][0])
    width = SPACE[0] / len(bins)
    bars = Markup("").join(
        _rectangle(LEFT + at * width, number / highest, width - 0.5) for at, (_, number) in enumerate(bins) if number
    )
    took = {name: getattr(described, name) for name in (*QUANTILES, "max")}
    labels = {name: f"{name} {in_words(seconds)}" for name, seconds in took.items()}
    lines = Markup("").join(
        _quantile_line(labels[name], LEFT + _place(took[name], least, most) * SPACE[0], row)
        for row, name in enumerate(QUANTILES)
    )
    words = f"{title}: {described.count} latencies, {', '.join(labels.values())}"
    return _figure(words, bars + lines + _edges(in_words(least), in_words(most)), "how many, by how long they took")


def run_plot(title: str, series: Series) -> Markup:
    """Latencies over the run: the median as a line, the longest of each moment as dots."""
    rows = series.over_run()
    first, last = rows[0][0], rows[-1][0]
    highest = max(longest for _, _, longest in rows) or 1.0
    span = (last - first) or 1.0
    places = [LEFT + (at - first) / span * SPACE[0] for at, _, _ in rows]
    medians = (f"{x:.1f},{_height(value / highest):.1f}" for x, (_, value, _) in zip(places, rows, strict=True))
    dots = Markup("").join(
        Markup('<circle cx="{:.1f}" cy="{:.1f}" r="1.8" class="dot"/>').format(x, _height(longest / highest))
        for x, (_, _, longest) in zip(places, rows, strict=True)
    )
    line = Markup('<polyline points="{}" class="median"/>').format(" ".join(medians))
    top = Markup('<text x="{}" y="{}" class="label">up to {}</text>').format(LEFT, TOP - 5, in_words(highest))
    words = f"{title} over {last - first:.1f} s: the longest took {in_words(highest)}"
    content = line + dots + _edges("0 s", f"{last - first:.1f} s into the run") + top
    return _figure(words, content, "over the run: the line is the median, dots are the longest")


@dataclass(frozen=True, slots=True)
class Bar:
    """`number` of `whole`, or of the longest bar where that is None; a `strange` bar has another colour."""

    name: str
    number: int
    whole: int | None = None
    strange: bool = False

    @property
    def label(self) -> str:
        """`93`, `55 of 55`."""
        return f"{self.number:,}" if self.whole is None else f"{self.number:,} of {self.whole:,}"


def bar_chart(title: str, bars: Sequence[Bar]) -> Markup:
    """Horizontal bars."""
    longest = max((bar.whole or bar.number for bar in bars), default=1) or 1
    rows = Markup("").join(_bar(bar, row, longest) for row, bar in enumerate(bars))
    words = f"{title}: " + ", ".join(f"{bar.name} {bar.label}" for bar in bars)
    return Markup(
        '<figure class="plot"><svg viewBox="0 0 {w} {h}" role="img" aria-label="{words}">{rows}</svg></figure>'
    ).format(w=WIDTH, h=len(bars) * BAR_ROW + 2, words=words, rows=rows)


def _bar(bar: Bar, row: int, longest: int) -> Markup:
    y = row * BAR_ROW
    scale = (WIDTH - BAR_LEFT - BAR_RIGHT) / longest
    groove = Markup('<rect x="{}" y="{}" width="{:.1f}" height="{}" class="groove"/>').format(
        BAR_LEFT, y + 4, (bar.whole or 0) * scale, BAR_ROW - 7
    )
    return Markup(
        '<text x="{}" y="{text}" text-anchor="end" class="label">{name}</text>{groove}'
        '<rect x="{x}" y="{y}" width="{width:.1f}" height="{height}" class="column{strange}"/>'
        '<text x="{end:.1f}" y="{text}" class="label">{label}</text>'
    ).format(
        BAR_LEFT - 6,
        text=y + BAR_ROW - 6,
        name=bar.name,
        groove=groove if bar.whole else "",
        x=BAR_LEFT,
        y=y + 4,
        width=max(bar.number * scale, 1.0) if bar.number else 0,
        height=BAR_ROW - 7,
        strange=" strange" if bar.strange else "",
        end=BAR_LEFT + max(bar.number, bar.whole or 0) * scale + 6,
        label=bar.label,
    )


def _figure(words: str, content: Markup, caption: str) -> Markup:
    return Markup(
        '<figure class="plot"><svg viewBox="0 0 {w} {h}" role="img" aria-label="{words}">'
        '<line x1="{l}" x2="{r}" y1="{y}" y2="{y}" class="axis"/>{content}</svg>'
        "<figcaption>{caption}</figcaption></figure>"
    ).format(
        w=WIDTH, h=HEIGHT, l=LEFT, r=WIDTH - RIGHT, y=HEIGHT - BOTTOM, words=words, content=content, caption=caption
    )


def _rectangle(x: float, share: float, width: float) -> Markup:
    height = max(share * SPACE[1], 1.0)
    return Markup('<rect x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}" class="column"/>').format(
        x, HEIGHT - BOTTOM - height, width, height
    )


def _quantile_line(name: str, x: float, row: int) -> Markup:
    anchor = "end" if x > WIDTH / 2 else "start"
    aside = -3 if anchor == "end" else 3
    return Markup(
        '<line x1="{x:.1f}" x2="{x:.1f}" y1="{top}" y2="{y}" class="quantile"/>'
        '<text x="{at:.1f}" y="{text}" text-anchor="{anchor}" class="label">{name}</text>'
    ).format(x=x, top=ROW * row + 2, y=HEIGHT - BOTTOM, at=x + aside, text=ROW * (row + 1), anchor=anchor, name=name)


def _place(value: float, least: float, most: float) -> float:
    """The position of a value on the logarithmic scale, from 0 to 1."""
    if most <= least or value <= least:
        return 0.0
    return min(math.log(value / least) / math.log(most / least), 1.0)


def _height(share: float) -> float:
    return HEIGHT - BOTTOM - share * SPACE[1]


def _edges(left: str, right: str) -> Markup:
    return Markup(
        '<text x="{}" y="{y}" class="label">{}</text><text x="{}" y="{y}" text-anchor="end" class="label">{}</text>'
    ).format(LEFT, left, WIDTH - RIGHT, right, y=HEIGHT - 6)
