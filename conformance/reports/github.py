"""Annotations for GitHub: workflow commands, one for each thing to look into, which its runner shows beside the run.

Nothing else that a run prints is taken for such a command: see `for_runner`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from conformance.judging.verdicts import Verdict
from conformance.reports.escaping import for_terminal
from conformance.reports.remarks import stale_lines
from conformance.reports.report import Report
from conformance.reports.view import Shortfall, shortfalls, value_of

# Of each kind the runner keeps so many of a step.
MOST_OF_A_KIND = 10
# KNOWN is no news.
KINDS: Mapping[Verdict, str] = {
    Verdict.FAIL: "error",
    Verdict.INCONCLUSIVE: "error",
    Verdict.WARN: "warning",
    Verdict.KNOWN: "notice",
}

# Of requirements that were not exercised, which are many or none.
SHOWN_IDS = 3


def workflow_commands(report: Report) -> Iterator[str]:
    """Workflow commands, one a line, the gravest first; of each kind as many as are shown, the last names the rest."""
    by_kind: dict[str, list[tuple[str, str]]] = {}
    for each in shortfalls(report):
        by_kind.setdefault(KINDS[each.verdict], []).append((_title(each), _message(each)))
    for line in stale_lines(report):
        by_kind.setdefault("error", []).append(("stale expectation", line))
    for kind, found in by_kind.items():
        shown = found if len(found) <= MOST_OF_A_KIND else found[: MOST_OF_A_KIND - 1]
        rest = found[len(shown) :]
        if rest:  # none goes without being named
            shown = [*shown, (f"{len(rest)} more", "; ".join(title for title, _ in rest))]
        for title, message in shown:
            yield f"::{kind} title={_property(title)}::{_data(message)}"


def _title(shortfall: Shortfall) -> str:
    if shortfall.verdict is Verdict.INCONCLUSIVE:
        return f"not exercised: {', '.join(shortfall.ids[:SHOWN_IDS])}{' …' if shortfall.ids[SHOWN_IDS:] else ''}"
    commands = ", ".join(shortfall.commands)
    return " ".join(filter(None, (shortfall.verdict.value, shortfall.ids[0], commands)))


def _message(shortfall: Shortfall) -> str:
    finding = shortfall.finding
    if finding is None:
        return shortfall.title
    listed = f" · {shortfall.listed}" if shortfall.listed else ""
    return f"{shortfall.title} {finding.message}{value_of(finding)}{listed}"


def _data(text: str) -> str:
    """Fit to stand behind a command: what would end it is written as the runner reads it back."""
    return for_terminal(text).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
