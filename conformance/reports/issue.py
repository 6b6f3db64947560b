"""A failure as a Markdown issue, for the tracker of the team that mends it.

A subject's texts are code, in which markup, links and mentions have no effect.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from conformance.contract.contract import Contract
from conformance.reports.problems import tally
from conformance.reports.report import Report, ReportedFinding, ReportEntry
from conformance.reports.reproduce import replay_command
from conformance.reports.text import code_spans, fenced, for_markdown, for_terminal, plain_markdown, shortened
from conformance.reports.view import explained, mending, places_of, rests_on

# Of a subject's text.
LONGEST_TEXT = 300
# The default of --report-dir.
JOURNAL = Path("reports") / "journal.sqlite"


def issue(
    entries: Sequence[ReportEntry],
    finding: ReportedFinding,
    report: Report,
    contract: Contract,
    others: Sequence[ReportEntry] = (),
) -> str:
    """One finding of the entries of a requirement, with the `others` that fail for the same cause; Markdown."""
    return "\n\n".join(_blocks(entries, finding, report, contract, others))


def _blocks(
    entries: Sequence[ReportEntry],
    finding: ReportedFinding,
    report: Report,
    contract: Contract,
    others: Sequence[ReportEntry],
) -> Iterator[str]:
    first = entries[0]
    yield f"**{first.id}: {plain_markdown(first.title)}**"
    value = "" if finding.value is None else f", {_code(finding.pointer or 'the whole')} is {_code(finding.value)}"
    yield f"{_code(finding.message)}{value}"
    yield f"{first.level} · {plain_markdown(tally(entries))}"
    if len(entries) > 1:
        yield "\n".join(f"- {plain_markdown(f'{each.column}: {line}')}" for each in entries for line in explained(each))
    if others:
        yield "The same cause breaks:"
        yield "\n".join(f"- {each.id}: {plain_markdown(each.title)}" for each in others)
    yield f"> {plain_markdown(rests_on(first, contract))}"
    if mend := mending(first, contract):
        words = "".join(for_markdown(part) if is_code else plain_markdown(part) for part, is_code in code_spans(mend))
        yield f"How to mend it: {words}"
    again = [finding.simplest.reproduce, replayed(finding, report)]
    if lines := [for_terminal(line) for line in again if line]:
        yield "Send it again:"
        yield fenced("\n".join(lines), "sh")
    places = [f"{name} {_code(text)}" for name, text in places_of(finding, ("case", "request_id"))]
    run = f"found by statum-conformance {report.tool.version}, {report.started_at[:10]}, seed {report.seed}"
    yield " · ".join([*places, run])


def replayed(finding: ReportedFinding, report: Report) -> str | None:
    """The line for a shell that sends the case of a finding again; None for a client, which nobody can tell to."""
    case = finding.simplest.case
    return replay_command(case, JOURNAL, report.settings) if case and report.client is None else None


def _code(text: object) -> str:
    return for_markdown(shortened(str(text), LONGEST_TEXT))
