"""The failures of a report by cause, in the same order and words for every format.

Shortfall       a requirement that fails for several commands, or one obstacle for many requirements
problems        the shortfalls, those of one cause together
tally           how often, where, and on what a failure depends, in a line
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from conformance.contract.requirements import Basis
from conformance.judging.judgement import Dependence, OneCause
from conformance.judging.verdicts import Verdict
from conformance.reports.report import Report, ReportedFinding, ReportEntry
from conformance.reports.text import counted
from conformance.reports.view import GRAVEST_FIRST, explained, hinders

# Of one verdict, what costs money or gives away a credential comes first.
COSTLY = frozenset({Basis.MONEY, Basis.CREDENTIALS})
# Commands in a line.
SHOWN_COMMANDS = 3
# Of the commands that a failure is explained for another one is preferred.
_VAGUE = frozenset({Dependence.UNTOLD, Dependence.INTERMITTENT, None})


@dataclass(frozen=True, slots=True)
class Shortfall:
    """Entries to look into together: a requirement that fails for several commands, or one obstacle for many.

    `title` is the requirement's, or the obstacle. `listed`: issue, owner and last day of the expectations that list it.
    `cause`: in words, that one cause breaks several requirements, in the first of them, with the `sentence` of the
    cause, if it has one; `follows`: in the others.
    """

    verdict: Verdict
    title: str
    entries: tuple[ReportEntry, ...]
    listed: str = ""
    cause: str = ""
    sentence: str = ""
    follows: bool = False

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids of the requirements."""
        return tuple(dict.fromkeys(entry.id for entry in self.entries))

    @property
    def commands(self) -> tuple[str, ...]:
        """The commands' names, each once."""
        return tuple(dict.fromkeys(entry.command for entry in self.entries if entry.command))

    @property
    def failed(self) -> int:
        """How many observations failed."""
        return sum(entry.failed for entry in self.entries)

    @property
    def finding(self) -> ReportedFinding | None:
        """The first finding of the most frequent kind; of findings that were not gathered the first."""
        kinds: Counter[str] = Counter()
        findings = [finding for entry in self.entries for finding in entry.findings]
        for finding in findings:
            kinds[finding.message] += finding.count if finding.count > 1 else 0
        return max(findings, key=lambda finding: kinds[finding.message], default=None)

    @property
    def named(self) -> str:
        """`FAIL RSP-03 sms, airtime: status_code is a JSON number.`."""
        commands = f" {', '.join(self.commands)}" if self.commands else ""
        return f"{self.verdict} {', '.join(self.ids)}{commands}: {self.title}"


def shortfalls(report: Report) -> list[Shortfall]:
    """The broken requirements, and by reason those that were not exercised although they had to be."""
    together: dict[tuple[Verdict, str, str], list[ReportEntry]] = {}
    for entry in report.requirements:
        if hinders(entry, report) or entry.verdict is Verdict.WARN:
            shared = entry.why if entry.verdict is Verdict.INCONCLUSIVE else entry.id
            together.setdefault((entry.verdict, str(shared), entry.listed), []).append(entry)
    gathered = [
        Shortfall(verdict, shared if verdict is Verdict.INCONCLUSIVE else entries[0].title, tuple(entries), listed)
        for (verdict, shared, listed), entries in together.items()
    ]
    return list(_by_cause(sorted(gathered, key=_gravity), report.one_causes))


def problems(report: Report) -> list[tuple[Shortfall, ...]]:
    """The shortfalls, those of one cause together; what is listed as known comes last."""
    together: list[list[Shortfall]] = []
    for each in shortfalls(report):
        if each.follows:
            together[-1].append(each)
        else:
            together.append([each])
    return [tuple(each) for each in together]


def cut(gathered: Sequence[Shortfall], most: int) -> tuple[list[Shortfall], list[Shortfall], int]:
    """At most so many to show in full, the failures among the others, to be named, and the number of the rest."""
    rest = gathered[most:]
    failures = [each for each in rest if each.verdict is Verdict.FAIL]
    return list(gathered[:most]), failures, len(rest) - len(failures)


def _gravity(shortfall: Shortfall) -> tuple[bool, int, bool]:
    is_costly = any(entry.basis in COSTLY for entry in shortfall.entries)
    return bool(shortfall.listed), GRAVEST_FIRST.index(shortfall.verdict), not is_costly


def _by_cause(gathered: Sequence[Shortfall], shared: Sequence[OneCause]) -> Iterator[Shortfall]:
    """The shortfalls in their order, but those of one cause one after the other, the most frequent of them first."""
    causes = {id_: cause for cause in shared for id_ in cause.requirements}
    left = list(gathered)
    while left:
        first = left.pop(0)
        cause = causes.get(first.ids[0]) if _has_cause(first) else None
        others = [each for each in left if cause and _has_cause(each) and each.ids[0] in cause.requirements]
        if cause is None or not others:
            yield first
            continue
        for each in others:
            left.remove(each)
        lead, *others = sorted((first, *others), key=lambda each: (_gravity(each), -each.failed))
        ids = [id_ for each in (lead, *others) for id_ in each.ids]
        words = f"one cause, {len(ids)} requirements: {', '.join(ids)} ({counted(cause.exchanges, 'exchange')})"
        yield replace(lead, cause=words, sentence=cause.sentence)
        yield from (replace(each, follows=True) for each in others)


def _has_cause(shortfall: Shortfall) -> bool:
    return shortfall.verdict in (Verdict.FAIL, Verdict.WARN) and not shortfall.listed


# --- In words


def headline(found: Sequence[Sequence[Shortfall]]) -> str:
    """`6 problems, the gravest first`, of those that are not listed as known; "" for none.

    Requirements that were not exercised count only where nothing failed.
    """
    every = [problem[0].verdict for problem in found if not problem[0].listed]
    unlisted = [verdict for verdict in every if verdict is not Verdict.INCONCLUSIVE] or every
    noun = "warning" if set(unlisted) == {Verdict.WARN} else "problem"
    order = ", the gravest first" if len(unlisted) > 1 else ""
    return f"{counted(len(unlisted), noun)}{order}" if unlisted else ""


def tally(entries: Sequence[ReportEntry]) -> str:
    """`22 of 22 in sms, airtime, always`: of the entries of a requirement those that failed, and the dependence."""
    failed = [entry for entry in entries if entry.failed]
    number = f"{sum(entry.failed for entry in failed):,} of {sum(entry.observations for entry in failed):,}"
    return f"{number}{in_commands(entries)}{_dependence(failed)}"


def other_messages(shortfall: Shortfall) -> str:
    """`also: MESSAGE, and 3 other messages`: those of its findings beside the one that is shown; "" for none."""
    shown = shortfall.finding
    messages = dict.fromkeys(each.message for entry in shortfall.entries for each in entry.findings)
    others = [message for message in messages if shown and message != shown.message]
    more = f", and {counted(len(others) - 1, 'other message')}" if others[1:] else ""
    return f"also: {others[0]}{more}" if others else ""


def in_commands(entries: Sequence[ReportEntry]) -> str:
    """` in sms, airtime, mpesa/online and 2 more commands`; "" for none."""
    commands = tuple(dict.fromkeys(entry.command for entry in entries if entry.command))
    shown = commands[:SHOWN_COMMANDS]
    rest = len(commands) - len(shown)
    more = f" and {counted(rest, 'more command')}" if rest else ""
    return f" in {', '.join(shown)}{more}" if shown else ""


def _dependence(entries: Sequence[ReportEntry]) -> str:
    """`, always`, or the dependence of the first command's failure; "" where that is not known."""
    if all(entry.depends_on == Dependence.ALWAYS for entry in entries):
        words = {line.partition(":")[0] for entry in entries for line in explained(entry)}
        return f", {words.pop()}" if len(words) == 1 else ", always"
    named = [(entry, line) for entry in entries for line in explained(entry)]
    # What is known of one command is likely true of the others.
    entry, line = min(named, key=lambda each: each[0].depends_on in _VAGUE, default=(None, ""))
    command = f"{entry.column}: " if entry is not None and len(entries) > 1 else ""
    return f"; {command}{line}" if line else ""
