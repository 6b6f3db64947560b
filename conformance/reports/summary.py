"""`summary.md` for a merge request, and annotations, which GitHub's runner shows beside the run.

A gateway's texts are code spans, in which markup, links and mentions have no effect.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain

from conformance.contract.contract import Contract
from conformance.judging.verdicts import Conclusion, Verdict
from conformance.reports.issue import JOURNAL
from conformance.reports.problems import Shortfall, cut, shortfalls
from conformance.reports.remarks import limit_lines, not_applicable, stale_lines, stranger_lines
from conformance.reports.report import Report, ReportEntry
from conformance.reports.reproduce import repeat_command, replay_command
from conformance.reports.result import Reportable
from conformance.reports.text import fenced, for_markdown, for_terminal, plain_markdown, shortened
from conformance.reports.view import (
    SIGNS,
    Row,
    columns_of,
    counts_of,
    explained,
    kinds,
    musts,
    places_of,
    rests_on,
    rows_of,
    value_of,
)

MARKS: Mapping[str, str] = {
    Conclusion.CONFORMANT: "✅",
    Conclusion.NON_CONFORMANT: "❌",
    Conclusion.INCONCLUSIVE: "❔",
}
# With evidence; report.html has all.
SHOWN_SHORTFALLS = 10
# Of a gateway's text.
LONGEST_TEXT = 300
# GitHub's runner keeps so many annotations of a kind for each step.
MOST_OF_A_KIND = 10
KINDS: Mapping[Verdict, str] = {
    Verdict.FAIL: "error",
    Verdict.INCONCLUSIVE: "error",
    Verdict.WARN: "warning",
    Verdict.KNOWN: "notice",
}
# In the title of an annotation on requirements that were not exercised.
SHOWN_IDS = 3


def summary(result: Reportable) -> bytes:
    """Verdict, failures with their evidence, matrix, and how to reproduce them, as Markdown in UTF-8."""
    report, contract = result.report, result.contract
    rows = rows_of(report)
    failed = [row for row in rows if row.failed]
    blocks = [
        *_verdict(report, contract),
        *(["## Failures", _table(failed, columns_of(rows))] if failed else []),
        *_findings(report, contract),
        *_whole(report, rows),
        *_again(report, contract),
    ]
    return ("\n\n".join(blocks) + "\n").encode()


def _verdict(report: Report, contract: Contract) -> Iterator[str]:
    yield f"# {MARKS[report.verdict]} {report.verdict}"
    tool = f"{report.tool.name} {report.tool.version}"
    strictly = ", judged strictly" if report.settings.get("strict") else ""
    name = for_markdown(report.subject.address)
    yield f"{report.subject.kind.capitalize()} {name}, by {tool}{strictly}: {', '.join(musts(report))}."
    yield (
        f"Exchanges: {report.counts.exchanges:,} · notifications: {report.counts.notifications:,} · "
        f"seed: {report.seed} · took {report.duration_s:.1f} s · began {report.started_at}"
    )
    yield from map(for_markdown, (*limit_lines(report, contract), *stranger_lines(report)))
    for line in stale_lines(report):
        yield f"**stale expectation:** {for_markdown(line)}"


def _whole(report: Report, rows: Sequence[Row]) -> Iterator[str]:
    legend = " · ".join(f"{sign} {number:,} {verdict}" for verdict, sign, number in counts_of(report))
    yield f"<details><summary>All {len(rows)} requirements: {legend}</summary>"
    yield _table(rows, columns_of(rows))
    yield from (f"- {for_markdown(line)}" for line in not_applicable(report))
    yield "</details>"


def _table(rows: Sequence[Row], columns: Sequence[str | None]) -> str:
    heads = ["requirement", *(column or "as a whole" for column in columns)]
    lines = [heads, ["---", *[":-:"] * len(columns)]]
    for row in rows:
        name = f"**{row.first.id}** {row.first.level} {plain_markdown(row.first.title)}"
        cells = (row.cell(column) for column in columns)
        lines.append([name, *(SIGNS[entry.verdict] if entry else "" for entry in cells)])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _findings(report: Report, contract: Contract) -> Iterator[str]:
    shown, failures, more = cut(shortfalls(report), SHOWN_SHORTFALLS)
    for shortfall in shown:
        yield from _finding(shortfall, contract)
    if failures:
        yield "\n".join(f"- {plain_markdown(each.named)}" for each in failures)
    if more:
        yield f"… and {more:,} more in `report.html`."


def _finding(shortfall: Shortfall, contract: Contract) -> Iterator[str]:
    if shortfall.cause:
        yield f"**{plain_markdown(shortfall.cause)}**"
    sign = f"### {SIGNS[shortfall.verdict]} {shortfall.verdict}"
    if shortfall.verdict is Verdict.INCONCLUSIVE:
        yield f"{sign}: {_code(shortfall.title)}"
        yield f"Not exercised: {', '.join(shortfall.ids)}."
    else:
        yield f"{sign} {shortfall.ids[0]}: {plain_markdown(shortfall.title)}"
        yield "\n".join(line for entry in shortfall.entries for line in _observed(entry))
        yield f"> {plain_markdown(rests_on(shortfall.entries[0], contract))}"
    if shortfall.listed:
        yield f"Listed as known: {_code(shortfall.listed)}"
    if shortfall.finding and shortfall.finding.reproduce and not shortfall.follows:
        yield "<details><summary>Reproduce</summary>"
        yield fenced(for_terminal(shortfall.finding.reproduce), "sh")
        yield "</details>"


def _observed(entry: ReportEntry) -> Iterator[str]:
    line = f"- {entry.column}, {entry.failed:,} of {entry.observations:,}"
    for first in entry.findings[:1]:
        places = [f"{_code(first.pointer or 'the whole')} is {_code(first.value)}"] if first.value is not None else []
        places += [f"{name} {_code(value)}" for name, value in places_of(first, ("request_id", "case"))]
        line += f": {_code(first.message)}" + (f" ({', '.join(places)})" if places else "")
    yield line
    yield from (f"  - {_code(line)}" for line in chain(explained(entry), kinds(entry)))


def _again(report: Report, contract: Contract) -> Iterator[str]:
    yield "## How to reproduce"
    lines = [repeat_command(report.settings, contract)]
    failing = [found.finding for found in shortfalls(report) if found.verdict is Verdict.FAIL and found.finding]
    cases = [finding.case for finding in failing if finding.case]
    if cases and report.subject.kind == "gateway":  # a client cannot be told to send a case again
        lines.append(replay_command(cases[0], JOURNAL, report.settings))
    yield fenced("\n".join(map(for_terminal, lines)), "sh")


def _code(text: str) -> str:
    return for_markdown(shortened(text, LONGEST_TEXT))


# --- Annotations


def workflow_commands(report: Report) -> Iterator[str]:
    """Workflow commands, the gravest first; of each kind as many as the runner keeps: the last names the rest."""
    by_kind: dict[str, list[tuple[str, str]]] = {}
    for each in shortfalls(report):
        by_kind.setdefault(KINDS[each.verdict], []).append((_title(each), _message(each)))
    for line in stale_lines(report):
        by_kind.setdefault("error", []).append(("stale expectation", line))
    for kind, found in by_kind.items():
        shown = found if len(found) <= MOST_OF_A_KIND else found[: MOST_OF_A_KIND - 1]
        rest = found[len(shown) :]
        if rest:
            shown = [*shown, (f"{len(rest)} more", "; ".join(title for title, _ in rest))]
        for title, message in shown:
            escaped = _data(title).replace(":", "%3A").replace(",", "%2C")
            yield f"::{kind} title={escaped}::{_data(message)}"


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
    """`text` as the data of a workflow command."""
    return for_terminal(text).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
