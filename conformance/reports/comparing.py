"""Two reports side by side: what became of each verdict, and what is slower.

A requirement that failed and passes is fixed, and broken the other way round. One that is listed as known is muted, and
unmuted when it is taken from the list. If it could not be exercised before, its failure was newly exercised, and nobody
knows whether it is new. A MUST that became a SHOULD was relaxed, and tightened the other way round. Slower answers are
listed and make nothing worse, for two machines are seldom equally busy.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from conformance.judging.verdicts import Verdict
from conformance.reports.report import Measured, Report, ReportEntry
from conformance.reports.text import for_markdown, shortened

# What became of a requirement × command: its name, the verdicts before, and those after.
_UNSEEN = (Verdict.INCONCLUSIVE, Verdict.NOT_APPLICABLE)
_SEEN = (Verdict.PASS, Verdict.FAIL, Verdict.WARN, Verdict.KNOWN)
_BECAME: tuple[tuple[str, tuple[Verdict, ...], tuple[Verdict, ...]], ...] = (
    ("broken", (Verdict.PASS,), (Verdict.FAIL,)),
    ("tightened", (Verdict.WARN,), (Verdict.FAIL,)),
    ("unmuted", (Verdict.KNOWN,), (Verdict.FAIL, Verdict.WARN)),
    ("newly_exercised", _UNSEEN, _SEEN),
    ("no_longer_exercised", _SEEN, (Verdict.INCONCLUSIVE,)),
    ("newly_warned", (Verdict.PASS,), (Verdict.WARN,)),
    ("fixed", (Verdict.FAIL, Verdict.KNOWN), (Verdict.PASS,)),
    ("relaxed", (Verdict.FAIL,), (Verdict.WARN,)),
    ("no_longer_warned", (Verdict.WARN,), (Verdict.PASS,)),
    ("muted", (Verdict.PASS, Verdict.FAIL, Verdict.WARN), (Verdict.KNOWN,)),
)
# All of these, in the order in which they are shown.
CHANGES = (*(name for name, _, _ in _BECAME), "new", "gone")
# These make the later report worse; what was newly exercised does where it fails, and what passed and is not exercised.
_WORSE = ("broken", "tightened", "unmuted", "newly_warned")
# Smaller differences are the machine's: twice as long, and at least so much longer.
SLOWER_BY = 2.0
SLOWER_BY_S = 0.05
# A gateway's words may be as long as it likes; a comment on a merge request may not.
LONGEST_TEXT = 300

Key = tuple[str, str | None]


@dataclass(frozen=True, slots=True)
class VerdictChange:
    """What became of a requirement × command: `before` or `after` is None where it was not judged."""

    id: str
    command: str | None
    title: str
    before: str | None
    after: str | None
    message: str | None = None

    @property
    def place(self) -> str:
        """`RSP-03 sms`."""
        return " ".join(filter(None, (self.id, self.command)))


@dataclass(frozen=True, slots=True)
class Slowdown:
    """A p95 latency, in seconds, that has grown: of the `answers` or `notifications` of `name`."""

    what: str
    name: str
    before: float
    after: float


@dataclass(frozen=True, slots=True)
class ReportComparison:
    """What differs between two reports; `verdicts` are the conclusions of both, `became` has each of CHANGES."""

    verdicts: tuple[str, str]
    became: Mapping[str, Sequence[VerdictChange]]
    slower: tuple[Slowdown, ...] = ()

    @classmethod
    def of(cls, before: Report, after: Report) -> ReportComparison:
        """Compare two reports."""
        earlier, later = _by_key(before), _by_key(after)
        became: dict[str, list[VerdictChange]] = {name: [] for name in CHANGES}
        for key, entry in later.items():
            old = earlier[key].verdict if key in earlier else None
            name = _became(old, entry.verdict) if old else "new"
            if name is not None:
                became[name].append(_change(entry, old, entry.verdict))
        became["gone"] = [_change(entry, entry.verdict, None) for key, entry in earlier.items() if key not in later]
        return cls((before.verdict, after.verdict), became, tuple(_slower(before.figures, after.figures)))

    @property
    def changes(self) -> Mapping[str, Sequence[VerdictChange]]:
        """Title → what became so; those with none left out."""
        return {name.replace("_", " "): changes for name, changes in self.became.items() if changes}

    @property
    def worse(self) -> bool:
        """Whether anything fails or warns that did not, and is not known to, or is not exercised any more."""
        failing = (change.after == Verdict.FAIL for change in self.became["newly_exercised"])
        unseen = (change.before == Verdict.PASS for change in self.became["no_longer_exercised"])
        short = (change.after in (Verdict.FAIL, Verdict.WARN, Verdict.INCONCLUSIVE) for change in self.became["new"])
        return any(self.became[name] for name in _WORSE) or any(failing) or any(unseen) or any(short)

    def document(self) -> dict[str, Any]:
        """For scripts."""
        changes = {name: [asdict(change) for change in changes] for name, changes in self.became.items()}
        return {"verdicts": list(self.verdicts), **changes, "slower": [asdict(slow) for slow in self.slower]}


def _became(before: str, after: str) -> str | None:
    """The name of a change of the verdict; None for no change, and for one that does not matter."""
    if before == after:
        return None
    return next((what for what, old, new in _BECAME if before in old and after in new), None)


def _by_key(report: Report) -> dict[Key, ReportEntry]:
    return {(entry.id, entry.command): entry for entry in report.requirements}


def _change(entry: ReportEntry, before: Verdict | None, after: Verdict | None) -> VerdictChange:
    """The change of an entry, with its message if it is the later one."""
    message = entry.findings[0].message if entry.findings else entry.reason_detail
    return VerdictChange(entry.id, entry.command, entry.title, before, after, message if after else None)


def _slower(before: Measured, after: Measured) -> Iterator[Slowdown]:
    for kind, earlier, later in (
        ("answers", before.answers, after.answers),
        ("notifications", before.notifications, after.notifications),
    ):
        for name, new in later.items():
            old = earlier.get(name)
            if old and new.p95 > max(old.p95 * SLOWER_BY, old.p95 + SLOWER_BY_S):
                yield Slowdown(kind, name, old.p95, new.p95)


def in_one_line(comparison: ReportComparison) -> str:
    """`2 broken, 1 fixed, 3 new`; or that nothing differs."""
    parts = [f"{len(changes)} {title}" for title, changes in comparison.changes.items()]
    parts += [f"{len(comparison.slower)} slower"] if comparison.slower else []
    return ", ".join(parts) or "no verdict differs"


def markdown(comparison: ReportComparison) -> str:
    """The comparison for a merge request: a line for each change, and the verdicts."""
    before, after = comparison.verdicts
    lines = [f"**{before} → {after}:** {in_one_line(comparison)}"]
    for title, changes in comparison.changes.items():
        lines += ["", f"### {title.capitalize()}", ""]
        for change in changes:
            message = f": {for_markdown(shortened(change.message, LONGEST_TEXT))}" if change.message else ""
            became = f"{change.before or 'not judged'} → {change.after or 'not judged'}"
            lines.append(f"- **{change.place}** {became}{message}")
    return "\n".join(lines) + "\n"
