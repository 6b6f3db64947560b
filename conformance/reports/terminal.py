"""The result on a terminal: failures with their evidence, a table of them, and one line of verdict.

Texts of a gateway are escaped: no markup, no control characters.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from heapq import nlargest
from itertools import chain
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from conformance.contract.contract import Contract
from conformance.contract.requirements import ByPlace
from conformance.diagnosis.follow_ups import run_proper
from conformance.journal import Record
from conformance.judging.evidence import Evidence
from conformance.judging.judgement import Dependence
from conformance.judging.verdicts import Conclusion, RequirementVerdict, Verdict, day_of
from conformance.reports.console import print_line, print_prose
from conformance.reports.remarks import (
    client_lines,
    coverage_lines,
    entries_to_paste,
    limit_lines,
    not_applicable,
    stale_lines,
    stranger_lines,
)
from conformance.reports.report import Report, ReportedFinding, ReportEntry, Shrinking
from conformance.reports.reproduce import repeat_command, replay_command, resume_command, was_cut_off
from conformance.reports.result import Result
from conformance.reports.text import counted, for_terminal
from conformance.reports.view import Shortfall, counts_of, cut, explained, kinds, musts, places_of, rests_on, shortfalls

STYLES: Mapping[str, str] = {
    Verdict.PASS: "green",
    Verdict.FAIL: "bold red",
    Verdict.WARN: "yellow",
    Verdict.KNOWN: "magenta",
    Verdict.INCONCLUSIVE: "cyan",
    Conclusion.CONFORMANT: "bold green",
    Conclusion.NON_CONFORMANT: "bold red",
    Conclusion.INCONCLUSIVE: "bold cyan",
}

# With more than these a screen tells no more than the first ones do; report.json has all.
# Failures are named all the same.
SHOWN_SHORTFALLS = 30

# One failing case is enough to begin with; the evidence names those of the others.
SHOWN_REPLAYS = 3

INDENT = 2

# Enough to see what kind of request is slow.
SHOWN_SLOWEST = 5
# A gateway that asks for less speed does so hundreds of times.
SHOWN_REPEATS = 20

# Column of numbers.
OBSERVED = "observed"

# With fewer columns a table of four would cut the longest words of a title.
NARROW = 80


def show(result: Result, console: Console, path: Path | None = None, journal: Path | None = None) -> None:
    """Print the result, the verdict last; `path` has it in full, the `journal` is where failing cases are replayed."""
    report, contract = result.report, result.contract
    failed = shortfalls(report)
    _show_shortfalls(failed, result, console, path)
    for line in chain(
        _unexercised(result),
        not_applicable(report),
        coverage_lines(report),
        [" · ".join(f"{number:,} {verdict}" for verdict, _, number in counts_of(report))],
        client_lines(report),
        _not_looked_into(report),
        (f"left out {n.detail['case']}: {n.detail['why']}" for n in result.record.notes if n.kind == "left-out"),
        limit_lines(report, contract),
        stranger_lines(report),
    ):
        print_prose(console, line)
    for line in entries_to_paste(result.judged, day_of(result.record)):
        print_line(console, line)
    print_line(console, f"repeat with: {repeat_command(report.settings, contract)}")
    if journal is not None and was_cut_off(result.record):
        print_line(console, f"go on with: {resume_command(journal, report.settings)}")
    if journal is not None and report.client is None:  # a client cannot be told to send a case again
        findings = (each.finding for each in failed if each.verdict is Verdict.FAIL)
        cases = dict.fromkeys(finding.simplest.case for finding in findings if finding)
        for case_id in list(filter(None, cases))[:SHOWN_REPLAYS]:
            print_line(console, f"replay with: {replay_command(case_id, journal, report.settings)}")
    show_verdict(result, console, path)


def show_verdict(result: Result, console: Console, path: Path | None = None) -> None:
    """Print a line for each stale expectation, and the line of the verdict."""
    for line in stale_lines(result.report):
        print_prose(console, f"stale: {line}", STYLES[Verdict.FAIL])
    show_verdict_alone(result, console, path)


def show_verdict_alone(result: Result, console: Console, path: Path | None = None) -> None:
    """Print the line of the verdict, in its colour."""
    style = STYLES[Verdict.KNOWN if result.judged.as_expected else result.conclusion]
    print_prose(console, verdict_line(result, path), style)


def verdict_line(result: Result, path: Path | None = None) -> str:
    """`conformant: 312 of 312 MUST passed, 0 warnings · 1,204 exchanges, 310 notifications · seed 4711 · PATH`."""
    report, counts = result.report, result.report.counts
    conclusion = result.conclusion.value
    if result.judged.as_expected:
        conclusion += f" as expected, exit code {result.exit_code}"
    elif report.stale:
        conclusion += f" with {counted(len(report.stale), 'stale expectation')}"
    warnings = sum(entry.verdict is Verdict.WARN for entry in report.requirements)
    parts = [
        f"{conclusion}: {', '.join([*musts(report), counted(warnings, 'warning')])}",
        f"{counted(counts.exchanges, 'exchange')}, {counted(counts.notifications, 'notification')}",
        f"seed {report.seed}",
        *([f"watched {report.client.waited_s:.1f} s"] if report.client and report.client.waited_s else []),
        *(["strict"] if result.judged.strict else []),
        *([f"only {cases}"] if (cases := result.record.settings.get("cases")) else []),
        *([str(path)] if path else []),
    ]
    return " · ".join(parts)


def _unexercised(result: Result) -> Iterator[str]:
    """A line for each reason why requirements were not exercised that do not hinder the verdict."""
    reasons: dict[str, list[str]] = {}
    for verdict in result.judged.by(Verdict.INCONCLUSIVE):
        if not verdict.hinders and verdict.asked_for and _can_be_brought_about(verdict, result.contract):
            name = f"{verdict.requirement.id} {verdict.command or ''}".rstrip()
            reasons.setdefault(verdict.detail or "", []).append(name)
    for detail, names in reasons.items():
        yield f"not exercised: {', '.join(names)} ({for_terminal(detail)})"


def _can_be_brought_about(verdict: RequirementVerdict, contract: Contract) -> bool:
    """Whether an option of a run could exercise it: not an unasked callback, nor an odd error of a GET."""
    judge = verdict.requirement.judge
    is_rest = isinstance(judge, ByPlace) and judge.takes_the_rest and judge.messages == ("response.error",)
    sends_nothing = contract.account is not None and verdict.command == contract.account.command
    return verdict.command not in contract.unsolicited and not (is_rest and sends_nothing)


def _not_looked_into(report: Report) -> Iterator[str]:
    """A line that says why the causes of failures are not known, where they could be."""
    unexplained = sum(entry.depends_on == Dependence.UNTOLD for entry in report.requirements)
    search = report.shrinking or Shrinking()
    if unexplained and not search.budget:
        cost = "" if report.settings.get("loopback") else ", and may cost money here"
        yield (
            f"the causes of {counted(unexplained, 'failure')} were not looked into: that takes requests{cost} "
            "(--shrink-requests N allows N of them)"
        )
    elif search.stopped:
        yield f"looking into failures was cut short: {search.stopped}"
    elif unexplained and search.requests >= search.budget:
        yield (
            f"the causes of {counted(unexplained, 'failure')} are not told: the {search.budget} requests for that "
            "were used up (--shrink-requests N allows N of them)"
        )


# --- Failures


def _show_shortfalls(failed: Sequence[Shortfall], result: Result, console: Console, path: Path | None) -> None:
    shown, failures, more = cut(failed, SHOWN_SHORTFALLS)
    for shortfall in shown:
        _show_evidence(shortfall, result.contract, console)
    if shown:
        console.print(_summary_table(shown, narrow=console.width < NARROW))
        console.print()
    for failure in failures:
        print_prose(console, failure.named)
    if more:
        print_prose(console, f"… and {more} more in {path or 'report.json'}")


def _summary_table(failed: Sequence[Shortfall], *, narrow: bool) -> Table:
    """A row for each; a `narrow` table has the command below the title instead of in a column."""
    table = _table("verdict", "id", *(() if narrow else ("command",)), "what failed")
    for shortfall in failed:
        title, command = Text(for_terminal(shortfall.title)), _first(shortfall.commands)
        if narrow and command:
            title.append(f"\n{command}", "dim")
        columns = (title,) if narrow else (command, title)
        table.add_row(_verdict(shortfall.verdict), _first(shortfall.ids), *columns)
    return table


def _table(*columns: str) -> Table:
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    for column in columns[:-1]:
        table.add_column(column, no_wrap=True, justify="right" if column == OBSERVED else "left")
    table.add_column(columns[-1], ratio=1, overflow="fold")
    return table


def _first(names: Sequence[str]) -> str:
    """The first name and the number of the others, which the evidence above the table names."""
    return " +".join([*names[:1], *([str(len(names) - 1)] if len(names) > 1 else [])])


def _verdict(verdict: Verdict) -> Text:
    return Text(verdict.value, STYLES.get(verdict, ""))


def _show_evidence(shortfall: Shortfall, contract: Contract, console: Console) -> None:
    if shortfall.cause:
        print_prose(console, shortfall.cause, "bold")
    verdict, title = _verdict(shortfall.verdict), Text(f" {for_terminal(shortfall.title)}")
    if shortfall.verdict is Verdict.INCONCLUSIVE:
        console.print(verdict + title)
        commands = f" ({', '.join(shortfall.commands)})" if shortfall.commands else ""
        console.print(_indented(Text(f"{', '.join(shortfall.ids)}{commands}")))
    else:
        console.print(verdict + Text(f" {shortfall.ids[0]}", "bold") + title)
        console.print(_indented(_observed(shortfall)))
    finding = shortfall.finding
    if not shortfall.follows:  # else the first of the same cause has what they rest on
        if finding:
            for line in (_places(finding), rests_on(shortfall.entries[0], contract)):
                console.print(_indented(Text(for_terminal(line))))
        if shortfall.listed:
            print_line(console, " " * INDENT + f"listed: {shortfall.listed}")
        if finding and finding.simplest.reproduce:
            print_line(console, " " * INDENT + finding.simplest.reproduce, "dim")
    console.print()


def _indented(content: Text | Table) -> Padding:
    return Padding(content, (0, 0, 0, INDENT))


def _observed(shortfall: Shortfall) -> Table:
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(no_wrap=True)
    grid.add_column(no_wrap=True, justify="right")
    grid.add_column(ratio=1, overflow="fold")
    for entry in shortfall.entries:
        message = entry.findings[0].message if entry.findings else ""
        tally = f"{entry.failed:,} of {entry.observations:,}"
        grid.add_row(entry.command or "", tally, Text(for_terminal(message)))
        for line in chain(explained(entry), kinds(entry)):
            grid.add_row("", "", Text(for_terminal(line), "italic"))
    return grid


def _places(finding: ReportedFinding) -> str:
    places = [f"{name} {value}" for name, value in places_of(finding) if name not in ("pointer", "value")]
    if finding.value is not None:
        places.insert(0, f"{finding.pointer or 'the whole'}: {finding.value}")
    elif finding.pointer is not None:
        places.insert(0, f"at {finding.pointer or 'the whole'}")
    return " · ".join(places)


# --- All that was observed


def show_observed(result: Result, console: Console) -> None:
    """Print the table of all requirements, the slowest notifications, and what was sent again or replaced."""
    console.print(_observed_table(result.report.requirements))
    console.print()
    record = run_proper(result.record, result.contract)
    slowest = () if result.report.client else _slowest(record, result.contract)
    for line in chain(slowest, _sent_again(record), _replaced(record)):
        print_prose(console, result.masking.text(line))


def _observed_table(entries: Sequence[ReportEntry]) -> Table:
    table = _table("verdict", "id", OBSERVED, "requirement")
    together: dict[tuple[str, Verdict], list[ReportEntry]] = {}
    for entry in entries:
        together.setdefault((entry.id, entry.verdict), []).append(entry)
    for (name, verdict), alike in together.items():
        title = Text(for_terminal(alike[0].title))
        commands = ", ".join(entry.command for entry in alike if entry.command)
        reasons = [entry.why for entry in alike] + [entry.not_applicable for entry in alike]
        for line in dict.fromkeys(filter(None, (commands, *reasons))):
            title.append(f"\n{for_terminal(line)}", "dim")
        observed = sum(entry.observations for entry in alike)
        table.add_row(_verdict(verdict), name, f"{observed:,}", title)
    return table


def _slowest(record: Record, contract: Contract) -> Iterator[str]:
    evidence = Evidence.of(record, contract)
    took = (
        (arrival.received_at - answer.answered_at, answer)
        for command in evidence.terms.commands
        for answer in evidence.owed(command)
        if answer.answered_at is not None and (arrival := evidence.first_about(answer)) is not None
    )
    for seconds, answer in nlargest(SHOWN_SLOWEST, took, key=lambda pair: pair[0]):
        yield f"slow notification: {max(seconds, 0):.3f} s after the answer to {answer.case_id}"


def _sent_again(record: Record) -> Iterator[str]:
    outcomes: dict[str, str] = {}
    lines: list[str] = []
    for exchange in record.exchanges:
        if exchange.attempt > 1:
            before = outcomes.get(exchange.case_id, "no answer")
            lines.append(f"sent again: {exchange.case_id}, attempt {exchange.attempt} after {before}")
        answer = exchange.response
        outcomes[exchange.case_id] = str(answer.status) if answer else exchange.failure or "no answer"
    yield from lines[:SHOWN_REPEATS]
    if len(lines) > SHOWN_REPEATS:
        yield f"sent again: {len(lines) - SHOWN_REPEATS:,} more"


def _replaced(record: Record) -> Iterator[str]:
    pairs = [
        (stand_in, case_id)
        for note in record.notes
        if note.kind == "planned-anew"
        for stand_in, case_id in note.detail["stands_for"].items()
    ]
    yield from (f"sent in the stead of {case_id}: {stand_in}" for stand_in, case_id in pairs[:SHOWN_REPEATS])
    if len(pairs) > SHOWN_REPEATS:
        yield f"sent in the stead of others: {len(pairs) - SHOWN_REPEATS:,} more"
