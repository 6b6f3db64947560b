"""`summary.md` for a step of a CI job and a comment on a pull request, and annotations, which GitHub's runner shows.

A gateway's texts are code spans, in which markup, links and mentions have no effect.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from conformance.contract.contract import Contract
from conformance.gateway.rules.load import behind
from conformance.judging.verdicts import Conclusion, Verdict
from conformance.reports.figures import in_words
from conformance.reports.issue import replayed
from conformance.reports.problems import (
    Shortfall,
    headline,
    in_commands,
    other_messages,
    problems,
    shortfalls,
    tally,
)
from conformance.reports.remarks import (
    in_ranges,
    limit_lines,
    not_applicable,
    percentiles,
    stale_lines,
    stranger_lines,
)
from conformance.reports.report import LoadReport, Report
from conformance.reports.reproduce import repeat_command
from conformance.reports.result import Reportable
from conformance.reports.text import fenced, for_markdown, for_terminal, plain_markdown, shortened
from conformance.reports.view import (
    SIGNS,
    Row,
    columns_of,
    counts_of,
    explained,
    kinds,
    mending,
    musts,
    rests_on,
    rows_of,
    value_of,
)

MARKS: Mapping[str, str] = {
    Conclusion.CONFORMANT: "✅",
    Conclusion.NON_CONFORMANT: "❌",
    Conclusion.INCONCLUSIVE: "❔",
}
# GitHub takes a comment of 65,536 characters, in which a few lines follow, and a step's summary of 1 MiB.
MOST_BYTES = 60_000
# With evidence; report.html has all.
SHOWN_PROBLEMS = 10
# Of a gateway's text, and of a line for a shell, which is no use when it is cut off.
LONGEST_TEXT, LONGEST_COMMAND = 300, 2_000
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
    """Verdict, problems by cause, how to repeat the run, matrix: Markdown in UTF-8, of at most MOST_BYTES."""
    report, contract = result.report, result.contract
    head = _fitting(_verdict(report, contract), MOST_BYTES // 4)
    again = _fitting([_again(report, contract)], MOST_BYTES // 8)
    # The problems leave some room for the matrix, which is shown if it fits.
    found = _problems(report, contract, MOST_BYTES * 3 // 4 - _size([*head, *again]))
    blocks = [*head, *found, *again]
    whole = "\n\n".join(_whole(report))
    blocks += _fitting([whole], MOST_BYTES - _size(blocks)) or ["All requirements are in `report.html`."]
    return ("\n\n".join(blocks) + "\n").encode()


def _size(blocks: Iterable[str]) -> int:
    """The bytes of the blocks, each with the empty line after it."""
    return sum(len(block.encode()) + 2 for block in blocks)


def _fitting(blocks: Iterable[str], room: int) -> list[str]:
    """The first blocks, as many as have room for all of their bytes."""
    shown: list[str] = []
    for block in blocks:
        if _size([*shown, block]) > room:
            break
        shown.append(block)
    return shown


def _verdict(report: Report, contract: Contract) -> Iterator[str]:
    yield f"# {MARKS[report.verdict]} {report.verdict}"
    tool = f"{report.tool.name} {report.tool.version}"
    strictly = ", judged strictly" if report.settings.get("strict") else ""
    name = _code(report.subject.address)
    yield f"{report.subject.kind.capitalize()} {name}, by {tool}{strictly}: {', '.join(musts(report))}."
    yield (
        f"Exchanges: {report.counts.exchanges:,} · notifications: {report.counts.notifications:,} · "
        f"seed: {report.seed} · took {report.duration_s:.1f} s · began {report.started_at}"
    )
    yield from map(_code, (*limit_lines(report, contract), *stranger_lines(report)))
    if report.load is not None:
        yield "\n".join(_under_load(report.load))
    for line in stale_lines(report):
        yield f"**stale expectation:** {_code(line)}"


def _under_load(load: LoadReport) -> Iterator[str]:
    """A table of the times, below the rate and what became of the requests."""
    if late := behind(load.behind_s):
        yield f"**{late}**\n"
    yield (
        f"Under load: {load.reached:,.1f} of {load.rate:,g} valid requests/s for {load.seconds:,.1f} s · "
        f"{load.sent:,} sent, {load.accepted:,} accepted, {load.refused:,} refused, {load.failed:,} failed, "
        f"{load.notified:,} notified\n"
    )
    measured = [(name, t) for name, t in (("answers", load.answers), ("notifications", load.notifications)) if t]
    for number, (name, times) in enumerate(measured):
        rows = percentiles(times)
        if not number:
            yield f"| | count | {' | '.join(percentile for percentile, _ in rows)} |"
            yield f"| --- |{' --: |' * (len(rows) + 1)}"
        yield f"| {name} | {times.count:,} | {' | '.join(in_words(seconds) for _, seconds in rows)} |"


def _problems(report: Report, contract: Contract, room: int) -> list[str]:
    """The gravest problems with their evidence, the failures among the others by name, and the number of the rest."""
    found = problems(report)
    words = headline(found)
    shown = _fitting((_problem(each, report, contract) for each in found[:SHOWN_PROBLEMS]), room - MOST_BYTES // 8)
    rest = found[len(shown) :]
    failures = [each for problem in rest for each in problem if each.verdict is Verdict.FAIL]
    names = _fitting((_named(each) for each in failures), MOST_BYTES // 8)
    more = sum(map(len, rest)) - len(names)
    return [
        *([f"## {words}"] if words else []),
        *shown,
        *(["\n".join(names)] if names else []),
        *([f"… and {more:,} more in `report.html`."] if more else []),
    ]


def _named(shortfall: Shortfall) -> str:
    return f"- {plain_markdown(shortened(shortfall.named, LONGEST_TEXT))}"


def _problem(problem: Sequence[Shortfall], report: Report, contract: Contract) -> str:
    return "\n\n".join(filter(None, _evidence(problem, report, contract)))


def _evidence(problem: Sequence[Shortfall], report: Report, contract: Contract) -> Iterator[str]:
    first, *others = problem
    finding = first.finding
    entry = next((each for each in first.entries if finding in each.findings), first.entries[0])
    sign = f"### {SIGNS[first.verdict]} {first.verdict}"
    if first.verdict is Verdict.INCONCLUSIVE:
        yield f"{sign}: {_code(first.title)}"
        yield f"Not exercised: {in_ranges(first.ids)}{in_commands(first.entries)}."
        return
    yield f"{sign} {entry.id}: {plain_markdown(first.title)}"
    yield "\n".join(map(_named, others))
    if first.listed:
        yield f"Listed as known: {_code(first.listed)}"
    if finding is None:
        return
    value = "" if finding.value is None else f" ({_code(finding.pointer or 'the whole')} is {_code(finding.value)})"
    yield f"{_code(finding.message)}{value}, {_code(tally(first.entries))}"
    lines = [*explained(entry), *kinds(entry), *([] if entry.findings[1:] else [other_messages(first)])]
    yield "\n".join(f"- {_code(line)}" for line in lines if line)
    yield f"> {plain_markdown(shortened(rests_on(entry, contract), LONGEST_TEXT))}"
    if mend := mending(entry, contract):
        yield f"How to mend it: {plain_markdown(mend)}"
    commands = [f"statum-conformance explain {entry.id}", replayed(finding, report), finding.simplest.reproduce]
    lines = [for_terminal(line) for line in commands if line and len(line) <= LONGEST_COMMAND]
    yield "<details><summary>Explain it, send it again</summary>"
    yield fenced("\n".join(lines), "sh")
    yield "</details>"


def _again(report: Report, contract: Contract) -> str:
    return f"## How to repeat the run\n\n{fenced(for_terminal(repeat_command(report.settings, contract)), 'sh')}"


def _whole(report: Report) -> Iterator[str]:
    rows = rows_of(report)
    legend = " · ".join(f"{sign} {number:,} {verdict}" for verdict, sign, number in counts_of(report))
    yield f"<details><summary>All {len(rows)} requirements: {legend}</summary>"
    yield _table(rows, columns_of(rows))
    yield from (f"- {_code(line)}" for line in not_applicable(report))
    yield "</details>"


def _table(rows: Sequence[Row], columns: Sequence[str | None]) -> str:
    heads = ["requirement", *(column or "as a whole" for column in columns)]
    lines = [heads, ["---", *[":-:"] * len(columns)]]
    for row in rows:
        name = f"**{row.first.id}** {row.first.level} {plain_markdown(row.first.title)}"
        cells = (row.cell(column) for column in columns)
        lines.append([name, *(SIGNS[entry.verdict] if entry else "" for entry in cells)])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _code(text: object) -> str:
    return for_markdown(shortened(str(text), LONGEST_TEXT))


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
