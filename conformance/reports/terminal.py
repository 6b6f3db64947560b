"""The result on a terminal: failures with their evidence, a table of them, and one line of verdict.

    show                    all of that
    show_verdict            its end: stale expectations, and the line of the verdict
    show_verdict_alone      that line alone
    show_observed           what -v adds: every requirement with its observations, slow notifications, repeats

Whatever a gateway said is escaped: no markup, no control characters.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from heapq import nlargest
from itertools import chain
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from conformance.contract.contract import Contract
from conformance.contract.requirements import Level
from conformance.diagnosis.follow_ups import run_proper
from conformance.journal import Record
from conformance.judging.evidence import Evidence
from conformance.judging.judgement import Dependence
from conformance.judging.verdicts import Conclusion, Verdict, day_of
from conformance.reports.console import print_line, print_prose
from conformance.reports.escaping import for_terminal
from conformance.reports.faces import is_client
from conformance.reports.remarks import (
    about_client,
    coverage_lines,
    entries_to_paste,
    limit_lines,
    not_applicable,
    stranger_lines,
    told_stale,
)
from conformance.reports.reproduce import repeat_command, replay_command, resume_command, was_cut_off
from conformance.reports.result import Result
from conformance.reports.view import Shortfall, cut, explained, kinds, named, rests_on, shortfalls

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

# With fewer columns a table of four would cut the longest words of a title.
NARROW = 80


def _unexercised(result: Result) -> Iterator[str]:
    """What does not stand in the way of the verdict, but was not seen either: a line for each reason."""
    reasons: dict[str, list[str]] = {}
    for verdict in result.judged.by(Verdict.INCONCLUSIVE):
        if not verdict.hinders and verdict.asked_for:
            where = f"{verdict.requirement.id} {verdict.command or ''}".rstrip()
            reasons.setdefault(verdict.detail or "", []).append(where)
    for detail, ids in reasons.items():
        yield f"not exercised: {', '.join(ids)} ({for_terminal(detail)})"


def show(result: Result, console: Console, report: Path | None = None, journal: Path | None = None) -> None:
    """Print the result; `report` is where it can be read in full, `journal` where a failing case can be replayed from.

    The last line is the verdict.
    """
    fell_short = shortfalls(result.document)
    _show_shortfalls(fell_short, console, report)
    for line in chain(_unexercised(result), not_applicable(result.document), coverage_lines(result.document)):
        print_prose(console, line)
    print_prose(console, _counts(result))
    to_paste = entries_to_paste(result.judged, day_of(result.record))
    left_out = chain(
        _not_looked_into(result), _left_out(result), limit_lines(result.document), stranger_lines(result.document)
    )
    for line in chain(about_client(result.document), left_out):
        print_prose(console, line)
    for line in to_paste:
        print_line(console, line)
    print_line(console, f"repeat with: {repeat_command(result.document['settings'], result.contract)}")
    if journal is not None and was_cut_off(result.record):
        print_line(console, f"go on with: {resume_command(journal, result.document['settings'])}")
    if journal is not None and not is_client(result.record):  # a client cannot be told to send a case again
        for case_id in _failing_cases(fell_short)[:SHOWN_REPLAYS]:
            print_line(console, f"replay with: {replay_command(case_id, journal, result.document['settings'])}")
    show_verdict(result, console, report)


def _show_shortfalls(fell_short: list[Shortfall], console: Console, report: Path | None) -> None:
    shown, failures, more = cut(fell_short, SHOWN_SHORTFALLS)
    for shortfall in shown:
        _show_evidence(shortfall, console)
    if shown:
        console.print(_table(shown, narrow=console.width < NARROW))
        console.print()
    for failure in failures:
        print_prose(console, named(failure))
    if more:
        print_prose(console, f"… and {more} more in {report or 'report.json'}")


def _left_out(result: Result) -> Iterator[str]:
    """Cases that were planned and not sent, and why."""
    for note in result.record.notes:
        if note.kind == "left-out":
            yield f"left out {note.detail['case']}: {note.detail['why']}"


def show_verdict(result: Result, console: Console, report: Path | None = None) -> None:
    """Print the verdict on the subject, and what it rests on, as one line; before it one for each stale expectation."""
    for line in told_stale(result.document):
        print_prose(console, f"stale: {line}", STYLES[Verdict.FAIL])
    show_verdict_alone(result, console, report)


def show_verdict_alone(result: Result, console: Console, report: Path | None = None) -> None:
    """Print that one line, in its colour."""
    style = STYLES[Verdict.KNOWN if result.judged.as_expected else result.conclusion]
    print_prose(console, verdict_line(result, report), style)


def verdict_line(result: Result, report: Path | None = None) -> str:
    """`conformant: 312 of 312 MUST passed, 0 warnings · 1,204 exchanges, 310 notifications · seed 4711 · PATH`."""
    counts = result.document["counts"]
    parts = [
        f"{_conclusion(result)}: {_musts(result)}",
        f"{_counted(counts['exchanges'], 'exchange')}, {_counted(counts['notifications'], 'notification')}",
        f"seed {result.document['seed']}",
        *([f"watched {waited:.1f} s"] if (waited := result.document.get("client", {}).get("waited_s")) else []),
        *(["strict"] if result.judged.strict else []),
        *([f"only {cases}"] if (cases := result.record.settings.get("cases")) else []),
        *([str(report)] if report else []),
    ]
    return " · ".join(parts)


def _conclusion(result: Result) -> str:
    """The verdict in words, and what the expectations file makes of it."""
    if result.judged.as_expected:
        return f"{result.conclusion.value} as expected, exit code {result.exit_code}"
    if stale := len(result.judged.stale):
        return f"{result.conclusion.value} with {_counted(stale, 'stale expectation')}"
    return result.conclusion.value


def _musts(result: Result) -> str:
    binding = [v for v in result.judged.verdicts if v.level is Level.MUST]
    passed = sum(v.verdict is Verdict.PASS for v in binding)
    failed = sum(v.verdict is Verdict.FAIL for v in binding)
    known = sum(v.verdict is Verdict.KNOWN for v in binding)
    unexercised = sum(v.hinders and v.verdict is Verdict.INCONCLUSIVE for v in binding)
    warnings = len(result.judged.by(Verdict.WARN))
    told = [f"{passed:,} of {passed + failed + known + unexercised:,} MUST passed"]
    told += [f"{failed:,} failed"] if failed else []
    told += [f"{known:,} known to fail"] if known else []
    told += [f"{unexercised:,} not exercised"] if unexercised else []
    # Only where it was judged strictly.
    shoulds = [v.verdict for v in result.judged.verdicts if v.level is Level.SHOULD]
    told += [f"{n:,} SHOULD failed"] if (n := shoulds.count(Verdict.FAIL)) else []
    told += [f"{n:,} SHOULD known to fail"] if (n := shoulds.count(Verdict.KNOWN)) else []
    told += [_counted(warnings, "warning")]
    return ", ".join(told)


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _counts(result: Result) -> str:
    counts = result.judged.counts()
    return " · ".join(f"{counts[verdict]:,} {verdict.value}" for verdict in Verdict if counts.get(verdict))


def _not_looked_into(result: Result) -> Iterator[str]:
    """What was not looked into, where that could have been."""
    untold = sum(entry.get("depends_on") == Dependence.UNTOLD for entry in result.document["requirements"])
    search = result.document["shrinking"]
    if untold and not search["budget"]:
        why = "" if result.document["settings"].get("loopback") else ", and may cost money here"
        yield (
            f"the causes of {_counted(untold, 'failure')} were not looked into: that takes requests{why} "
            "(--shrink-requests N allows N of them)"
        )
    elif search["stopped"]:
        yield f"looking into failures was cut short: {search['stopped']}"
    elif untold and search["requests"] >= search["budget"]:
        yield (
            f"the causes of {_counted(untold, 'failure')} are not told: the {search['budget']} requests for that were "
            "used up (--shrink-requests N allows N of them)"
        )


def _table(fell_short: list[Shortfall], *, narrow: bool) -> Table:
    """A row for each; where it is `narrow`, the command stands below what fell short instead of in a column."""
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("verdict", no_wrap=True)
    table.add_column("id", no_wrap=True)
    if not narrow:
        table.add_column("command", no_wrap=True)
    table.add_column("what fell short", ratio=1, overflow="fold")
    for shortfall in fell_short:
        title, command = Text(for_terminal(shortfall.title)), _first(shortfall.commands)
        if narrow and command:
            title.append(f"\n{command}", "dim")
        columns = (title,) if narrow else (command, title)
        table.add_row(_verdict(shortfall), _first(shortfall.ids), *columns)
    return table


def _first(names: tuple[str, ...]) -> str:
    """The first name, and how many more there are: the evidence above the table has all."""
    return " +".join([*names[:1], *([str(len(names) - 1)] if len(names) > 1 else [])])


def _verdict(shortfall: Shortfall) -> Text:
    return Text(shortfall.verdict.value, STYLES[shortfall.verdict])


def _show_evidence(shortfall: Shortfall, console: Console) -> None:
    if shortfall.cause:
        print_prose(console, shortfall.cause, "bold")
    title = Text(f" {for_terminal(shortfall.title)}")
    if shortfall.verdict is Verdict.INCONCLUSIVE:
        console.print(_verdict(shortfall) + title)
        commands = f" ({', '.join(shortfall.commands)})" if shortfall.commands else ""
        console.print(_indented(Text(f"{', '.join(shortfall.ids)}{commands}")))
    else:
        console.print(_verdict(shortfall) + Text(f" {shortfall.ids[0]}", "bold") + title)
        console.print(_indented(_observed(shortfall)))
    if shortfall.follows:  # the first of the same cause has what they rest on
        console.print()
        return
    for line in _finding(shortfall):
        console.print(_indented(Text(for_terminal(line))))
    if shortfall.listed:
        print_line(console, " " * INDENT + f"listed: {shortfall.listed}")
    simplest = shortfall.finding and (shortfall.finding["minimal"] or shortfall.finding)
    if simplest and simplest["reproduce"]:
        print_line(console, " " * INDENT + simplest["reproduce"], "dim")
    console.print()


def _failing_cases(fell_short: list[Shortfall]) -> list[str]:
    """The first failing case of each shortfall that is a failure, or the simplest that shows it, each once."""
    failures = [shortfall.finding for shortfall in fell_short if shortfall.verdict is Verdict.FAIL]
    shown = ((finding["minimal"] or finding)["case"] for finding in failures if finding)
    return list(dict.fromkeys(case_id for case_id in shown if case_id))


def _indented(content: Text | Table) -> Padding:
    return Padding(content, (0, 0, 0, INDENT))


def _observed(shortfall: Shortfall) -> Table:
    """One row for each command: how many observations fell short, and what was seen first."""
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(no_wrap=True)
    grid.add_column(no_wrap=True, justify="right")
    grid.add_column(ratio=1, overflow="fold")
    for entry in shortfall.entries:
        message = entry["findings"][0]["message"] if entry["findings"] else ""
        tally = f"{entry['failed']:,} of {entry['observations']:,}"
        grid.add_row(entry["command"] or "", tally, Text(for_terminal(message)))
        for line in chain(explained(entry), kinds(entry)):
            grid.add_row("", "", Text(for_terminal(line), "italic"))
    return grid


def _finding(shortfall: Shortfall) -> Iterator[str]:
    finding = shortfall.finding
    if finding:
        yield " · ".join(_places(finding))
        yield rests_on(shortfall.entries[0])


def _places(finding: Mapping[str, Any]) -> Iterator[str]:
    if finding["value"] is not None:
        yield f"{finding['pointer'] or 'the whole'}: {finding['value']}"
    elif finding["pointer"] is not None:
        yield f"at {finding['pointer'] or 'the whole'}"
    for name in ("request_id", "case", "exchange", "notification"):
        if finding[name] is not None:
            yield f"{name} {finding[name]}"


# Enough to see what kind of request is slow.
SHOWN_SLOWEST = 5
# A gateway that asks for less speed does so hundreds of times.
SHOWN_REPEATS = 20


def show_observed(result: Result, console: Console) -> None:
    """Print the table of all requirements, the slowest notifications, and what was sent again or in another's stead."""
    console.print(_observed_table(result.document["requirements"]))
    console.print()
    record = run_proper(result.record, result.contract)
    lines = chain(
        () if is_client(record) else _slowest(record, result.contract), _sent_again(record), _in_its_stead(record)
    )
    for line in lines:
        print_prose(console, result.masking.text(line))


def _observed_table(entries: Sequence[Mapping[str, Any]]) -> Table:
    """A row for each requirement × verdict: how often it was looked at, its title, its commands, why it was not."""
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("verdict", no_wrap=True)
    table.add_column("id", no_wrap=True)
    table.add_column("observed", no_wrap=True, justify="right")
    table.add_column("requirement", ratio=1, overflow="fold")
    together: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for entry in entries:
        together.setdefault((entry["id"], entry["verdict"]), []).append(entry)
    for (name, verdict), those in together.items():
        told = Text(for_terminal(those[0]["title"]))
        for line in _below(those):
            told.append(f"\n{for_terminal(line)}", "dim")
        observed = sum(entry["observations"] for entry in those)
        table.add_row(Text(verdict, STYLES.get(verdict, "")), name, f"{observed:,}", told)
    return table


def _below(entries: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Which commands it is, and each reason why it was not exercised or does not apply."""
    commands = [entry["command"] for entry in entries if entry["command"]]
    if commands:
        yield ", ".join(commands)
    yield from dict.fromkeys(f"{e['reason']}: {e['reason_detail']}" for e in entries if "reason" in e)
    yield from dict.fromkeys(entry["not_applicable"] for entry in entries if "not_applicable" in entry)


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
    """Each attempt at a case after its first, and what came of the one before."""
    outcomes: dict[str, str] = {}
    lines = []
    for exchange in record.exchanges:
        if exchange.attempt > 1:
            before = outcomes.get(exchange.case_id, "no answer")
            lines.append(f"sent again: {exchange.case_id}, attempt {exchange.attempt} after {before}")
        answer = exchange.response
        outcomes[exchange.case_id] = str(answer.status) if answer else exchange.failure or "no answer"
    yield from lines[:SHOWN_REPEATS]
    if len(lines) > SHOWN_REPEATS:
        yield f"sent again: {len(lines) - SHOWN_REPEATS:,} more"


def _in_its_stead(record: Record) -> Iterator[str]:
    """Cases that were planned anew for those that a network lost."""
    pairs = [
        (stand_in, case_id)
        for note in record.notes
        if note.kind == "planned-anew"
        for stand_in, case_id in note.detail["stands_for"].items()
    ]
    yield from (f"sent in the stead of {case_id}: {stand_in}" for stand_in, case_id in pairs[:SHOWN_REPEATS])
    if len(pairs) > SHOWN_REPEATS:
        yield f"sent in the stead of others: {len(pairs) - SHOWN_REPEATS:,} more"
