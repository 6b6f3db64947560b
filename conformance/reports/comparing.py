"""Two reports compared: how each verdict changed, and what is slower; for a script, a merge request, and as a page.

A requirement that failed and passes is fixed, the reverse is broken. One that becomes listed as known is muted, the
reverse is unmuted. A failure of a requirement that was not exercised before is newly exercised, because it may be old.
A MUST that became a SHOULD is relaxed, the reverse is tightened. With a run that judged some requirements only, no
others are compared. Slower answers make nothing worse, because two
machines are seldom equally busy.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from conformance.contract.requirements import Focus
from conformance.judging.verdicts import Verdict
from conformance.reports.page import rendered
from conformance.reports.report import Measured, Report, ReportEntry
from conformance.reports.text import for_markdown, shortened

_UNSEEN = (Verdict.INCONCLUSIVE, Verdict.NOT_APPLICABLE)
_SEEN = (Verdict.PASS, Verdict.FAIL, Verdict.WARN, Verdict.KNOWN)
# Of each change: name, verdicts before, verdicts after.
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
# In the order in which they are shown.
CHANGES = (*(name for name, _, _ in _BECAME), "new", "gone")
# These make the later report worse; some of the others do for some verdicts (`ReportComparison.worse`).
_WORSE = ("broken", "tightened", "unmuted", "newly_warned")
# Slower is twice as long, and at least so much longer; machines differ by less.
SLOWER_BY = 2.0
SLOWER_BY_S = 0.05
# Of a gateway's message in a comment on a merge request.
LONGEST_TEXT = 300

Key = tuple[str, str | None]


@dataclass(frozen=True, slots=True)
class VerdictChange:
    """A requirement × command with its verdicts; `before` or `after` is None where it was not judged."""

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
    """A p95 latency in seconds that has grown, of the answers or notifications (`what`) of `name`."""

    what: str
    name: str
    before: float
    after: float


@dataclass(frozen=True, slots=True)
class ReportComparison:
    """The differences of two reports; `verdicts` are their conclusions, `became` has each of CHANGES."""

    verdicts: tuple[str, str]
    became: Mapping[str, Sequence[VerdictChange]]
    slower: tuple[Slowdown, ...] = ()

    @classmethod
    def of(cls, before: Report, after: Report) -> ReportComparison:
        """Compare two reports."""
        focuses = [Focus.of(report.settings.get("only")) for report in (before, after)]
        earlier, later = _by_key(before, focuses), _by_key(after, focuses)
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
        """Title → changes, without the empty ones."""
        return {name.replace("_", " "): changes for name, changes in self.became.items() if changes}

    @property
    def worse(self) -> bool:
        """Whether anything fails or warns unexpectedly that did not, or is no longer exercised."""
        failing = (change.after == Verdict.FAIL for change in self.became["newly_exercised"])
        unseen = (change.before == Verdict.PASS for change in self.became["no_longer_exercised"])
        short = (change.after in (Verdict.FAIL, Verdict.WARN, Verdict.INCONCLUSIVE) for change in self.became["new"])
        return any(self.became[name] for name in _WORSE) or any(failing) or any(unseen) or any(short)

    def document(self) -> dict[str, Any]:
        """For scripts."""
        changes = {name: [asdict(change) for change in changes] for name, changes in self.became.items()}
        return {"verdicts": list(self.verdicts), **changes, "slower": [asdict(slow) for slow in self.slower]}


def _became(before: str, after: str) -> str | None:
    """The name of a change; None for none, and for one that does not matter."""
    return next((what for what, old, new in _BECAME if before in old and after in new), None)


def _by_key(report: Report, focuses: Iterable[Focus]) -> dict[Key, ReportEntry]:
    """The entries on which all the runs were to judge."""
    keyed = {(entry.id, entry.command): entry for entry in report.requirements}
    return {key: entry for key, entry in keyed.items() if all(focus.covers(*key) for focus in focuses)}


def _change(entry: ReportEntry, before: Verdict | None, after: Verdict | None) -> VerdictChange:
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


def comparison_html(comparison: ReportComparison, before: Report, after: Report) -> bytes:
    """The comparison as a page in the style of the report."""
    return rendered(
        "comparison.html",
        comparison=comparison,
        meaning=in_one_line(comparison),
        reports=(("Before", before), ("After", after)),
        groups=[(title.capitalize(), _alike(changes), len(changes)) for title, changes in comparison.changes.items()],
    )


def _alike(changes: Iterable[VerdictChange]) -> list[tuple[VerdictChange, list[str]]]:
    """Changes that differ only in their commands, as one change with all of these commands."""
    together: dict[tuple[str | None, ...], tuple[VerdictChange, list[str]]] = {}
    for change in changes:
        key = change.id, change.before, change.after, change.message
        together.setdefault(key, (change, []))[1].append(change.command or "as a whole")
    return list(together.values())
