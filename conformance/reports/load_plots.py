"""Plots over the time of a load, in SVG: rate, failures, times of answers.

    plots       one after the other, each with its title

Lines differ in their dashes as well as in colour, and each plot says the same in words. A table has the numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from markupsafe import Markup

from conformance.reports.figures import (
    BOTTOM,
    HEIGHT,
    LEFT,
    RIGHT,
    WIDTH,
    in_words,
)
from conformance.reports.report import LoadReport

# The space above is for the names of the lines, and for the highest value.
TOP = 32
SPACE = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM
# Of the sample of a line in the legend; and of one character of a label, on the average.
SAMPLE, CHARACTER = 16, 5.4


@dataclass(frozen=True, slots=True)
class TimeLine:
    """A line of a plot: its values at each moment, None where there is none. `style`: its class in the style sheet."""

    name: str
    style: str
    values: Sequence[float | None]

    @property
    def highest(self) -> float:
        """The highest value; 0 without any."""
        return max((value for value in self.values if value is not None), default=0.0)


def plots(load: LoadReport) -> Iterator[tuple[str, Markup]]:
    """Rate, failures and times of answers, each with its title; none for a run that sent nothing."""
    if not load.moments:
        return
    per_s = [
        [getattr(each, name) / load.moment_s for each in load.moments] for name in ("sent", "accepted", "notified")
    ]
    sent, accepted, notified = per_s
    rate = [
        TimeLine("sent", "line first", sent),
        TimeLine("accepted", "line second", accepted),
        TimeLine("notified", "line third", notified),
    ]
    yield "Rate", _plot("requests and notifications per second", rate, load, _per_s, "per second")
    refused, failed = ([getattr(each, name) / load.moment_s for each in load.moments] for name in ("refused", "failed"))
    unserved = [TimeLine("refused (4xx)", "line second", refused), TimeLine("failed", "line fourth", failed)]
    yield "Refusals and failures", _plot("refused and failed requests per second", unserved, load, _per_s, "per second")
    times = [
        TimeLine("p50", "line first", [each.p50 for each in load.moments]),
        TimeLine("p99", "line fourth", [each.p99 for each in load.moments]),
    ]
    yield "Times of answers", _plot("times of answers", times, load, in_words, "by when the request was sent")


def _per_s(value: float) -> str:
    return f"{value:,.0f}/s" if value >= 10 or value == int(value) else f"{value:.1f}/s"  # noqa: PLR2004 - two digits


def _plot(
    about: str, lines: Sequence[TimeLine], load: LoadReport, said: Callable[[float], str], caption: str
) -> Markup:
    highest = max(line.highest for line in lines)
    words = ", ".join(f"{line.name} up to {said(line.highest)}" for line in lines)
    content = Markup("").join(_line(line, highest or 1.0) for line in lines)
    return Markup(
        '<figure class="plot"><svg viewBox="0 0 {w} {h}" role="img" aria-label="{words}">'
        '<line x1="{l}" x2="{r}" y1="{y}" y2="{y}" class="axis"/>{legend}{content}'
        '<text x="{l}" y="{up}" class="label">up to {top}</text>'
        '<text x="{l}" y="{below}" class="label">0 s</text>'
        '<text x="{r}" y="{below}" text-anchor="end" class="label">{last}</text></svg>'
        "<figcaption>{caption}</figcaption></figure>"
    ).format(
        w=WIDTH,
        h=HEIGHT,
        words=f"{about} over {load.seconds:,.0f} s: {words}",
        l=LEFT,
        r=WIDTH - RIGHT,
        y=HEIGHT - BOTTOM,
        legend=_legend(lines),
        content=content,
        up=TOP - 5,
        top=said(highest),
        below=HEIGHT - 6,
        last=f"{load.seconds:,.0f} s",
        caption=caption,
    )


def _legend(lines: Sequence[TimeLine]) -> Markup:
    """A sample of each line, and its name."""
    parts: list[Markup] = []
    x = float(LEFT)
    for line in lines:
        parts.append(
            Markup(
                '<line x1="{x:.1f}" x2="{end:.1f}" y1="9" y2="9" class="{style}"/>'
                '<text x="{text:.1f}" y="12" class="label">{name}</text>'
            ).format(x=x, end=x + SAMPLE, text=x + SAMPLE + 4, style=line.style, name=line.name)
        )
        x += SAMPLE + 14 + CHARACTER * len(line.name)
    return Markup("").join(parts)


def _line(line: TimeLine, highest: float) -> Markup:
    """The line, broken where there is no value; a moment between two such places is a dot."""
    places = [
        None
        if value is None
        else (LEFT + (number + 0.5) / len(line.values) * SPACE[0], HEIGHT - BOTTOM - value / highest * SPACE[1])
        for number, value in enumerate(line.values)
    ]
    drawn = Markup("")
    for is_drawn, row in groupby(places, key=lambda place: place is not None):
        points = [place for place in row if place is not None]
        if is_drawn and len(points) == 1:
            drawn += Markup('<circle cx="{:.1f}" cy="{:.1f}" r="1.8" class="{} alone"/>').format(*points[0], line.style)
        elif is_drawn:
            text = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
            drawn += Markup('<polyline points="{}" class="{}"/>').format(text, line.style)
    return drawn
