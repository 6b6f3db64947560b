"""Parts of the page as HTML and SVG: bodies of messages, and plots.

Each plot says the same in words for whoever does not see it. Its colours are variables of the page, for both themes.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup, escape

from conformance.reports.figures import QUANTILES, Series
from conformance.reports.text import for_terminal

# A body that is longer is cut; the journal and traffic.har have it whole.
LONGEST_BODY = 6_000
# What is nested deeper is no message of the contract.
DEEPEST = 30

FOUND = Markup("<mark>")
DIFFERS = Markup('<mark class="differs">')
Marks = Mapping[str, Markup]


def body_markup(body: bytes, pointers: frozenset[str] = frozenset(), differing: frozenset[str] = frozenset()) -> Markup:
    """A body for the page, with the values at the JSON `pointers` in `<mark>`, and `differing` ones with a class.

    A value that is both is marked as the former.
    """
    if len(body) > LONGEST_BODY:  # as HTML it is longer still
        return _raw(body)
    marks = {**dict.fromkeys(differing, DIFFERS), **dict.fromkeys(pointers, FOUND)}
    try:
        value = json.loads(body)
        pretty = Markup("").join(_pretty(value, "", 0, marks))
    except (ValueError, RecursionError):
        return _raw(body)
    return pretty if len(pretty) <= LONGEST_BODY else _raw(body)


def _raw(body: bytes) -> Markup:
    shown = body[:LONGEST_BODY].decode("utf-8", "backslashreplace")
    lines = Markup("\n").join(escape(for_terminal(line)) for line in shown.split("\n"))
    cut = len(body) - LONGEST_BODY
    return lines + Markup("\n… {} bytes more").format(cut) if cut > 0 else lines


def _pretty(value: Any, pointer: str, depth: int, marks: Marks) -> Iterator[Markup]:
    mark = marks.get(pointer) if pointer else None
    if mark:
        yield mark
    if isinstance(value, dict | list) and value and depth < DEEPEST:
        members = value.items() if isinstance(value, dict) else enumerate(value)
        yield Markup("{}").format("{" if isinstance(value, dict) else "[")
        for number, (name, member) in enumerate(members):
            yield _line(depth + 1, separated=number > 0)
            if isinstance(value, dict):
                yield Markup('<span class="k">{}</span>: ').format(_text(name))
            escaped = str(name).replace("~", "~0").replace("/", "~1")
            yield from _pretty(member, f"{pointer}/{escaped}", depth + 1, marks)
        yield _line(depth) + ("}" if isinstance(value, dict) else "]")
    else:
        kind = "s" if isinstance(value, str) else "n"
        yield Markup('<span class="{}">{}</span>').format(kind, _text(value))
    if mark:
        yield Markup("</mark>")


def _line(depth: int, *, separated: bool = False) -> Markup:
    return Markup("{}\n{}").format("," if separated else "", "  " * depth)


def _text(value: Any) -> str:
    return for_terminal(json.dumps(value, ensure_ascii=False))


WIDTH, HEIGHT = 340, 150
# Above there is a row for the name and value of each quantile.
LEFT, RIGHT, TOP, BOTTOM = 8, 8, 40, 22
ROW = 11
# Shorter times are told with a second digit.
FINE_BELOW_MS = 10
# Of a bar chart: the height of a row, and the room for names and numbers beside the bars.
BAR_ROW, BAR_LEFT, BAR_RIGHT = 18, 96, 64
SPACE = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM


def in_words(seconds: float) -> str:
    """A duration with the unit that suits it: `0.42 ms`, `37 ms`, `1.3 s`."""
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
    lines = Markup("").join(
        _quantile_line(
            f"{name} {in_words(getattr(described, name))}",
            LEFT + _place(getattr(described, name), least, most) * SPACE[0],
            row,
        )
        for row, name in enumerate(QUANTILES)
    )
    quantiles = ", ".join(f"{name} {in_words(seconds)}" for name, seconds in took.items())
    words = f"{title}: {described.count} latencies, {quantiles}"
    return _figure(words, bars + lines + _edges(in_words(least), in_words(most)), "how many, by how long they took")


def run_plot(title: str, series: Series) -> Markup:
    """How latencies went over the run: the median as a line, the longest of each moment as dots."""
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
    """`number` of `whole`, or of the longest bar of the chart where there is no whole; `strange` stands out."""

    name: str
    number: int
    whole: int | None = None
    strange: bool = False

    @property
    def label(self) -> str:
        """`93`, `55 of 55`."""
        return f"{self.number:,}" if self.whole is None else f"{self.number:,} of {self.whole:,}"


def bar_chart(title: str, bars: Sequence[Bar]) -> Markup:
    """A bar for each, one below the other."""
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
    """The place of a value on the logarithmic scale, from 0 to 1."""
    if most <= least or value <= least:
        return 0.0
    return min(math.log(value / least) / math.log(most / least), 1.0)


def _height(share: float) -> float:
    return HEIGHT - BOTTOM - share * SPACE[1]


def _edges(left: str, right: str) -> Markup:
    return Markup(
        '<text x="{}" y="{y}" class="label">{}</text><text x="{}" y="{y}" text-anchor="end" class="label">{}</text>'
    ).format(LEFT, left, WIDTH - RIGHT, right, y=HEIGHT - 6)
