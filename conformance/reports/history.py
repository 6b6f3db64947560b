"""The history of verdicts over earlier reports of the same subject: how often each requirement failed, and since when.

A verdict is flaky if it went back and forth: passed and failed in turn, at least twice. A single change is a fix or a
regression.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from typing import Self

from conformance.judging.verdicts import Verdict
from conformance.reports.report import Report, ReportEntry
from conformance.reports.text import counted

# The verdicts of entries that were exercised: whether the requirement was broken.
_BROKEN: Mapping[Verdict, bool] = {
    Verdict.PASS: False,
    Verdict.FAIL: True,
    Verdict.KNOWN: True,
    Verdict.WARN: True,
}
# With fewer changes between passed and failed it is a fix or a regression.
FEWEST_CHANGES = 2
# Of a strip of verdicts: the last ones.
SHOWN_VERDICTS = 20

Key = tuple[str, str | None]


@dataclass(frozen=True, slots=True)
class VerdictHistory:
    """The verdicts on one requirement × command, the oldest first and that of the report itself last, with the days."""

    verdicts: tuple[Verdict, ...]
    days: tuple[str, ...]

    @property
    def shown(self) -> tuple[tuple[Verdict, str], ...]:
        """The last verdicts, each with its day."""
        return tuple(zip(self.verdicts, self.days, strict=True))[-SHOWN_VERDICTS:]

    @property
    def is_flaky(self) -> bool:
        """Whether it passed and failed in turn."""
        broken = [_BROKEN[verdict] for verdict in self.verdicts if verdict in _BROKEN]
        return sum(one != other for one, other in pairwise(broken)) >= FEWEST_CHANGES

    @property
    def in_words(self) -> str:
        """`failed in 2 of 6 runs, flaky`, `failed in the last 3 of 6 runs, since 2026-11-28`; "" if not exercised."""
        seen = [(verdict, day) for verdict, day in zip(self.verdicts, self.days, strict=True) if verdict in _BROKEN]
        if not seen:
            return ""
        broken = [_BROKEN[verdict] for verdict, _ in seen]
        runs = counted(len(seen), "run")
        if self.is_flaky:
            return f"failed in {sum(broken):,} of {runs}, flaky"
        words = "failed" if broken[-1] else "passed"
        if all(each == broken[-1] for each in broken):
            return f"{words} in all of {runs}"
        begun = broken.index(broken[-1])
        return f"{words} in the last {len(seen) - begun:,} of {runs}, since {seen[begun][1]}"


@dataclass(frozen=True, slots=True)
class ReportHistory:
    """The histories of all entries of a report; `begun` are the days of all runs, the oldest first."""

    begun: tuple[str, ...] = ()
    by_entry: Mapping[Key, VerdictHistory] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, report: Report, earlier: Iterable[Report]) -> Self:
        """The history of a report; none without earlier ones. One that is given among its earlier ones counts once."""
        reports = {datetime.fromisoformat(each.started_at): each for each in earlier}
        reports.pop(datetime.fromisoformat(report.started_at), None)
        if not reports:
            return cls()
        runs: Sequence[Report] = [*(each for _, each in sorted(reports.items())), report]
        days = [each.started_at[:10] for each in runs]
        verdicts: dict[Key, list[tuple[Verdict, str]]] = {}
        for run, day in zip(runs, days, strict=True):
            for entry in run.requirements:
                verdicts.setdefault((entry.id, entry.command), []).append((entry.verdict, day))
        return cls(
            tuple(days),
            {key: VerdictHistory(*map(tuple, zip(*seen, strict=True))) for key, seen in verdicts.items()},
        )

    def __getitem__(self, entry: ReportEntry) -> VerdictHistory | None:
        """The history of an entry; None without earlier reports."""
        return self.by_entry.get((entry.id, entry.command))
