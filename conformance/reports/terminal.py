"""The result on a terminal: one screen of problems and the verdict, and with -v all the evidence.

    show            what failed, by cause: what is wrong, how often and where, and how to send it again
    show_observed   for -v, before it: every requirement, every finding, the slowest notifications, what was sent again

A gateway's words are escaped. A line in a log has at most 500 characters.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
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
from conformance.reports.console import LONGEST_LINE, is_screen, print_command, print_line, print_prose
from conformance.reports.expectations_file import entries_to_paste
from conformance.reports.problems import Shortfall, headline, in_commands, other_messages, problems, shortfalls, tally
from conformance.reports.remarks import (
    client_lines,
    coverage_lines,
    in_ranges,
    limit_lines,
    load_lines,
    not_applicable,
    stale_lines,
    stranger_lines,
)
from conformance.reports.report import Report, ReportedFinding, ReportEntry, Shrinking
from conformance.reports.reproduce import explain_command, repeat_command, replay_command, resume_command, was_cut_off
from conformance.reports.result import Result
from conformance.reports.text import counted, for_terminal
from conformance.reports.view import SHOWN, alike, counts_of, explained, kinds, musts, places_of, rests_on, value_of

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

# Of the problems on the screen; some six lines of remarks follow.
MOST_LINES = 34
# So many problems are shown with an example, however many there are; then so many by their titles.
FEWEST_SHOWN, NAMED = 3, 8
# On a narrow screen a problem's title may take more than a row.
SHORTEST_NAMED = 60
# The others of one cause.
ALSO_SHOWN = 2
# With more entries to paste than these the screen has only their number.
SHOWN_ENTRIES = 2

INDENT = 2

# Enough to see what kind of request is slow.
SHOWN_SLOWEST = 5
# Of the cases of files that were not sent, on the screen.
SHOWN_LEFT_OUT = 3
# A gateway that asks for less speed does so hundreds of times.
SHOWN_REPEATS = 20


def show(result: Result, console: Console, path: Path | None = None, journal: Path | None = None) -> None:
    """Print the problems and the verdict; `path` has the result in full, cases are replayed from the `journal`."""
    report, contract = result.report, result.contract
    width = console.width if is_screen(console) else LONGEST_LINE
    # Of a gateway, only what another command judges does not apply.
    aside = () if report.client else (Verdict.NOT_APPLICABLE,)
    for text, command in problem_lines(result, path, journal, width=width):
        if command:
            print_command(console, text.plain, command)
        else:
            _print(console, text)
    for line in chain(
        list(coverage_lines(report))[-1:],
        [" · ".join(f"{number:,} {verdict}" for verdict, _, number in counts_of(report) if verdict not in aside)],
        load_lines(report),
        client_lines(report),
        _not_looked_into(report),
        _left_out(result.record, most=SHOWN_LEFT_OUT),
        limit_lines(report, contract),
        stranger_lines(report),
    ):
        print_prose(console, line)
    entries = list(entries_to_paste(result.judged, day_of(result.record)))
    for line in [f"{entries[0]}; -v prints the entries"] if _are_many(entries) else entries:
        print_line(console, line)
    broken = next((each for (each, *_) in problems(report) if each.finding and not each.listed), None)
    if broken is not None:
        print_command(console, "how to mend:", explain_command(broken.ids[0], report.settings))
    print_command(console, "repeat with:", repeat_command(report.settings, contract))
    if journal is not None and was_cut_off(result.record):
        print_command(console, "go on with:", resume_command(journal, report.settings))
    show_verdict(result, console, path)


def show_verdict(result: Result, console: Console, path: Path | None = None) -> None:
    """Print a line for each stale expectation, and the line of the verdict."""
    for line in stale_lines(result.report):
        print_prose(console, f"stale: {line}", STYLES[Verdict.FAIL])
    show_verdict_alone(result, console, path)


def show_verdict_alone(result: Result, console: Console, path: Path | None = None) -> None:
    """Print the line of the verdict, in its colour."""
    style = STYLES[Verdict.KNOWN if result.judged.as_expected else result.conclusion]
    if result.judged.passed_in_part:
        style = STYLES[Conclusion.CONFORMANT]
    print_prose(console, verdict_line(result, path), style)


def verdict_line(result: Result, path: Path | None = None) -> str:
    """`conformant: 312 of 312 MUST passed, 0 warnings · 1,204 exchanges, 310 notifications · seed 4711 · PATH`."""
    report, counts = result.report, result.report.counts
    conclusion = result.conclusion.value
    if result.judged.passed_in_part:
        conclusion += f" about the rest, exit code {result.exit_code}"
    elif result.judged.as_expected:
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
        *([f"only {counted(len(only), 'requirement')}"] if (only := result.judged.focus.entries) else []),
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


# --- Problems


Line = tuple[Text, str]
"""A line, and the command for a shell at its end; "" for none."""


def problem_lines(
    result: Result, path: Path | None = None, journal: Path | None = None, *, width: int = LONGEST_LINE
) -> Iterator[Line]:
    """As many problems as fit on a screen with an example, others by their titles, and the ids of the rest.

    `path` has the result in full, cases are replayed from the `journal`; a line takes a row for each `width`.
    """
    found = problems(result.report)
    if words := headline(found):
        yield Text(f"{result.conclusion}: {words}", STYLES[result.conclusion]), ""
        yield Text(), ""
    room = MOST_LINES
    shown = 0
    unlisted = [problem for problem in found if not problem[0].listed]
    heights = [_height(_problem(problem, result, journal), width) for problem in unlisted[:room]]
    # Without empty lines between them, if only so each has its example.
    is_dense = len(unlisted) <= room and sum(heights) <= room < sum(heights) + len(heights)
    gap = [] if is_dense else [(Text(), "")]
    for problem in found:
        lines = [*_problem(problem, result, journal), *gap]
        height = _height(lines, width)
        rest = min(len(found) - shown - 1, NAMED + 1)
        if problem[0].listed or (shown >= FEWEST_SHOWN and height + rest > room):
            break
        yield from lines
        room -= height
        shown += 1
    if is_dense:
        yield Text(), ""
    for problem in found[shown : shown + NAMED]:
        also = "".join(f" And {', '.join(each.ids)}: {each.title}" for each in problem[1:])
        listed = f" · listed: {problem[0].listed}" if problem[0].listed else ""
        finding = None if problem[0].listed else problem[0].finding
        said = f" {finding.message}{value_of(finding, SHOWN)}" if finding else ""
        # One row each, so that the room for them is known.
        line = Text(for_terminal(f"{problem[0].named}{said}{also}"))
        line.truncate(max(width - len(listed), SHORTEST_NAMED), overflow="ellipsis")
        yield line.append(for_terminal(listed)), ""
    if rest_of := found[shown + NAMED :]:
        failed = {id_ for problem in rest_of for each in problem if each.verdict is Verdict.FAIL for id_ in each.ids}
        names = f": FAIL {in_ranges(sorted(failed))}" if failed else ""
        yield Text(for_terminal(f"… and {len(rest_of):,} more in {path or 'report.json'}{names}")), ""
    if found[shown:]:
        yield Text(), ""


def _height(lines: Iterable[Line], width: int) -> int:
    return sum(max(1, -(-line.cell_len // width)) for line, _ in lines)


def _problem(problem: Sequence[Shortfall], result: Result, journal: Path | None) -> Iterator[Line]:
    """What is wrong in a sentence, how often and where, on what it depends, and how to send an example again."""
    first, finding = problem[0], problem[0].finding
    if first.verdict is Verdict.INCONCLUSIVE:
        yield _title(first), ""
        yield Text(f"  {in_ranges(first.ids)}{in_commands(first.entries)}"), ""
        return
    yield _title(first), ""
    if first.sentence:
        yield Text(for_terminal(f"  {first.sentence}")), ""
    for each in problem[1 : 1 + ALSO_SHOWN]:
        yield Text.assemble("  and ", (each.ids[0], "bold"), f" {for_terminal(each.title)}"), ""
    if others := [each.ids[0] for each in problem[1 + ALSO_SHOWN :]]:
        yield Text(f"  and {in_ranges(others)}"), ""
    if finding is None:
        return
    yield Text(for_terminal(f"  {finding.message}{value_of(finding, SHOWN)}")), ""
    if also := other_messages(first):
        yield Text(for_terminal(f"  {also}")), ""
    yield Text(for_terminal(f"  {tally(first.entries)}")), ""
    if finding.minimal:
        yield from ((Text(for_terminal(f"  {line}")), "") for line in alike(finding, name_others=False))
    case = finding.simplest.case
    if journal is not None and result.report.client is None and case:  # a client cannot be told to send a case again
        yield Text("  replay with:"), replay_command(case, journal, result.report.settings)
    elif case and not finding.minimal:  # the line of the simplest request names its case
        yield Text(for_terminal(f"  case {case}")), ""


def _title(shortfall: Shortfall) -> Text:
    """`FAIL RSP-03 status_code is a JSON number.`; `INCONCLUSIVE` with the reason."""
    ids = () if shortfall.verdict is Verdict.INCONCLUSIVE else ((f" {shortfall.ids[0]}", "bold"),)
    return Text.assemble(_verdict(shortfall.verdict), *ids, f" {for_terminal(shortfall.title)}")


def _verdict(verdict: Verdict) -> tuple[str, str]:
    return verdict.value, STYLES.get(verdict, "")


def _print(console: Console, line: Text) -> None:
    """Print a line, broken between words where it is longer than the screen, or than a line of a log may be."""
    if is_screen(console):
        indent = len(line.plain) - len(line.plain.lstrip())
        console.print(Padding(line[indent:], (0, 0, 0, indent)))
    else:
        for part in line.wrap(console, LONGEST_LINE):
            console.print(part, soft_wrap=True)


# --- All that was observed


def show_observed(result: Result, console: Console) -> None:
    """Print all requirements, the evidence of all that failed, and what else was seen: what -v adds."""
    report, record = result.report, run_proper(result.record, result.contract)
    console.print(_observed_table(report.requirements))
    console.print()
    named = _left_out(result.record, most=len(result.record.notes))
    slowest = () if report.client else _slowest(record, result.contract)
    for line in chain(slowest, _sent_again(record), _replaced(record), named):
        _print(console, Text(for_terminal(result.masking.text(line))))
    for shortfall in shortfalls(report):
        _show_evidence(shortfall, result.contract, console)
    for line in chain(_unexercised(result), not_applicable(report), list(coverage_lines(report))[:-1]):
        _print(console, Text(for_terminal(line)))
    entries = list(entries_to_paste(result.judged, day_of(result.record)))
    for line in entries if _are_many(entries) else ():
        print_line(console, line)


def _are_many(entries: Sequence[str]) -> bool:
    """Whether the entries of an expectations file take more than a screen can spare."""
    return sum(line.startswith("[[") for line in entries) > SHOWN_ENTRIES


def _show_evidence(shortfall: Shortfall, contract: Contract, console: Console) -> None:
    """Print every entry with its findings, the first place, and the sentence that the requirement rests on."""
    finding = shortfall.finding
    lines: list[str] = []
    if shortfall.cause:
        _print(console, Text(shortfall.cause, "bold"))
    _print(console, _title(shortfall))
    if shortfall.verdict is Verdict.INCONCLUSIVE:
        commands = f" ({', '.join(shortfall.commands)})" if shortfall.commands else ""
        lines.append(f"{', '.join(shortfall.ids)}{commands}")
    else:
        for entry in shortfall.entries:
            message = entry.findings[0].message if entry.findings else ""
            lines.append(f"{entry.column}: {entry.failed:,} of {entry.observations:,}: {message}".rstrip(": "))
            lines += [f"  {line}" for line in chain(explained(entry), kinds(entry))]
    if finding and not shortfall.follows:  # else the first of the same cause has what they rest on
        lines += [_places(finding), rests_on(shortfall.entries[0], contract)]
    if shortfall.listed and not shortfall.follows:
        lines.append(f"listed: {shortfall.listed}")
    for line in lines:
        _print(console, Text(" " * INDENT + for_terminal(line)))
    if finding and finding.simplest.reproduce and not shortfall.follows:
        print_command(console, " " * (INDENT - 1), finding.simplest.reproduce, "dim")
    console.print()


def _places(finding: ReportedFinding) -> str:
    places = [f"{name} {value}" for name, value in places_of(finding) if name not in ("pointer", "value")]
    if finding.value is not None:
        places.insert(0, f"{finding.pointer or 'the whole'}: {finding.value}")
    elif finding.pointer is not None:
        places.insert(0, f"at {finding.pointer or 'the whole'}")
    return " · ".join(places)


def _observed_table(entries: Sequence[ReportEntry]) -> Table:
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("verdict", no_wrap=True)
    table.add_column("id", no_wrap=True)
    table.add_column("observed", no_wrap=True, justify="right")
    table.add_column("requirement", ratio=1, overflow="fold")
    together: dict[tuple[str, Verdict], list[ReportEntry]] = {}
    for entry in entries:
        together.setdefault((entry.id, entry.verdict), []).append(entry)
    for (name, verdict), same in together.items():
        title = Text(for_terminal(same[0].title))
        commands = ", ".join(entry.command for entry in same if entry.command)
        reasons = [entry.why for entry in same] + [entry.not_applicable for entry in same]
        for line in dict.fromkeys(filter(None, (commands, *reasons))):
            title.append(f"\n{for_terminal(line)}", "dim")
        observed = sum(entry.observations for entry in same)
        table.add_row(Text(*_verdict(verdict)), name, f"{observed:,}", title)
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


def _left_out(record: Record, most: int) -> Iterator[str]:
    """Lines about the cases of files that were not sent; of more than `most` their number."""
    left_out = [note.detail for note in record.notes if note.kind == "left-out"]
    yield from (f"left out {each['case']}: {each['why']}" for each in left_out[:most])
    if more := left_out[most:]:
        yield f"left out {counted(len(more), 'more case')} of files; -v names each"


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
