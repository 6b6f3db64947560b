"""Failures as entries of an expectations file: to paste, and as a new file that lists all of a run by cause.

entries_to_paste        what the list of a run lacks
expectations_file       a whole file, with which the same run is as expected
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta

from conformance.contract.requirements import Catalogue, Level
from conformance.judging.expectations import TABLE, Expectation, Expectations
from conformance.judging.judgement import Reason
from conformance.judging.verdicts import Judged, RequirementVerdict, Verdict, day_of
from conformance.reports.problems import Shortfall, problems
from conformance.reports.result import Result, judge
from conformance.reports.text import for_terminal

# Until the entry of an expectations file expires, unless who pastes it decides otherwise.
GRANTED = timedelta(days=30)
# To be replaced by who pastes the entry.
NO_ISSUE, NO_OWNER = "not filed yet", "nobody yet"
# The beginning of a value, a name or a number, by which a message is about one request.
_PARTICULAR = re.compile(r"""["'(\d]|[^ -~]""")
# A shorter beginning does not distinguish messages.
SHORTEST_BEGINNING = 8

NOT_THE_SUBJECT = frozenset({Reason.ENVIRONMENT, Reason.INTERRUPTED})


def entries_to_paste(judged: Judged, day: date) -> Iterator[str]:
    """Entries in TOML for the expectations file, if there is one, that list each unexpected result.

    A result that is due to the environment or an interruption is not listed.
    """
    if judged.expectations.file is None:
        return
    unexpected = [
        v for v in judged.verdicts if v.unexpected and v.reason not in (Reason.ENVIRONMENT, Reason.INTERRUPTED)
    ]
    if unexpected:
        yield f"# not expected: {len(unexpected):,}; to be known from now on, add to {judged.expectations.file}"
    for verdict in unexpected:
        same = [entry for entry in judged.expectations.entries if _in_the_way(entry, verdict)]
        if same:
            yield f"# {same[0].subject} is listed by entry {same[0].number} already, which has to be corrected"
            continue
        yield from _lines(_entry(verdict, day))


def _in_the_way(entry: Expectation, verdict: RequirementVerdict) -> bool:
    """Whether an entry for the verdict would contradict this one."""
    beginning = _beginning(verdict)
    same_message = entry.message is None or not beginning or entry.message == beginning
    return entry.concerns(verdict.requirement.id, verdict.command) and same_message


def _entry(verdict: RequirementVerdict, day: date, number: int = 0) -> Expectation:
    # A broken SHOULD is listed as WARN, which serves strict runs, too.
    fails_strictly = verdict.verdict is Verdict.FAIL and verdict.level is Level.SHOULD
    return Expectation(
        number,
        verdict.requirement.id,
        Verdict.WARN if fails_strictly else verdict.verdict,
        NO_ISSUE,
        NO_OWNER,
        day + GRANTED,
        verdict.command,
        _beginning(verdict) or None,
    )


def _lines(entry: Expectation) -> Iterator[str]:
    """The entry in TOML, and an empty line."""
    yield f"[[{TABLE}]]"
    for name, value in entry.members().items():
        yield f"{name} = {value if name == 'expires' else _text(value)}"
    yield ""


def _text(text: str) -> str:
    """A basic string of TOML: a string of JSON, in which DEL is escaped, too."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _beginning(verdict: RequirementVerdict) -> str:
    """The words that all messages begin with, up to a value, a name or a number; "" if they are too few."""
    if verdict.verdict is Verdict.INCONCLUSIVE:
        return verdict.reason.value if verdict.reason else ""
    # A prefix of the first and the last in order is one of all between them.
    messages = [finding.message for finding in verdict.findings]
    first, last = min(messages), max(messages)
    same = next((place for place, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first))
    shared = first if first == last else first[: first.rfind(" ", 0, same + 1) + 1]
    beginning = _PARTICULAR.split(shared, maxsplit=1)[0].rstrip()
    return beginning if len(beginning) >= SHORTEST_BEGINNING else ""


# --- A whole file

Places = frozenset[tuple[str, str | None]]


@dataclass(frozen=True, slots=True)
class ListedCause:
    """A problem of the run, and the entries that list it."""

    problem: tuple[Shortfall, ...]
    entries: tuple[Expectation, ...]

    def lines(self, number: int, causes: int) -> Iterator[str]:
        """A comment with the cause, and the entries."""
        first, finding = self.problem[0], self.problem[0].finding
        title = f"{first.verdict}: {first.title}" if first.verdict is Verdict.INCONCLUSIVE else first.title
        yield f"# --- {number} of {causes}: {for_terminal(title)}"
        for each in self.problem[1:]:
            yield f"#     and {for_terminal(each.title)}"
        if finding is not None:
            yield f"#     {for_terminal(finding.message)}"
        yield ""
        for entry in self.entries:
            yield from _lines(entry)


def expectations_file(result: Result) -> str:
    """A file that lists every failure of a run, by cause; entries of its own list that still apply are taken over.

    The words with which findings begin are left out of an entry that would not cover all of them.
    """
    day = day_of(result.record)
    causes = list(_causes(result, day, frozenset()))
    entries = tuple(
        replace(entry, number=number)
        for number, entry in enumerate((entry for cause in causes for entry in cause.entries), start=1)
    )
    listed, strict = Expectations(entries, "", ""), result.judged.strict
    again = judge(result.record, listed, contract=result.contract, measured=False, strict=strict)
    uncovered = frozenset((v.requirement.id, v.command) for v in again.verdicts if v.unexpected and _can_be_listed(v))
    causes = list(_causes(result, day, uncovered)) if uncovered else causes
    report = result.report
    lines = [
        f"# Known failures of {for_terminal(report.subject.name)}, by the run of {day} with seed {report.seed}.",
        "# Say for each entry where it is tracked (issue), who owns it, and until when it may last (expires).",
        "",
    ]
    for number, cause in enumerate(causes, start=1):
        lines += cause.lines(number, len(causes))
    return "\n".join(lines)


def _causes(result: Result, day: date, uncovered: Places) -> Iterator[ListedCause]:
    verdicts = {(v.requirement.id, v.command): v for v in result.judged.verdicts}
    for problem in problems(result.report):
        failed = [verdicts[entry.id, entry.command] for each in problem for entry in each.entries]
        entries: dict[Expectation, None] = {}
        for verdict in filter(_can_be_listed, failed):
            place = verdict.requirement.id, verdict.command
            own = verdict.expected or (_entry(verdict, day),)
            entries.update(dict.fromkeys(replace(each, message=None) if place in uncovered else each for each in own))
        if entries:
            yield ListedCause(problem, tuple(_without_commands(list(entries), result.contract.catalogue)))


def _can_be_listed(verdict: RequirementVerdict) -> bool:
    return (verdict.hinders or verdict.verdict is Verdict.WARN) and verdict.reason not in NOT_THE_SUBJECT


def _without_commands(entries: list[Expectation], catalogue: Catalogue) -> Iterator[Expectation]:
    """One entry without a command for several that differ only in it, where they list all of a requirement's."""
    together: dict[Expectation, list[Expectation]] = {}
    for entry in entries:
        together.setdefault(replace(entry, command=None), []).append(entry)
    for one, several in together.items():
        whole = {entry.command for entry in several} == {*catalogue[one.requirement].commands}
        yield from (one,) if whole else several
