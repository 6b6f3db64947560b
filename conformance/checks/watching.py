"""A second look at what fell short: what a check saw, exchange by exchange, and its findings gathered by their cause.

    Observation     one exchange that a requirement was judged by
    Watched         a check, and what it saw
    watch           has checks judge a record while they are watched

Only for checks that found something: the first pass through a run counts, and keeps next to nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from conformance.checks.evidence import Answer, Evidence, Notice, Outcome, Terms
from conformance.checks.follow_ups import Cause
from conformance.checks.hearing import KEPT_FINDINGS, Hearing
from conformance.checks.judgement import (
    AnswerCheck,
    Check,
    Finding,
    Judgement,
    Minimal,
    NoticeCheck,
    Rule,
    RunCheck,
    SubjectCheck,
    Unobserved,
)
from conformance.journal import Record
from conformance.traffic import Kind

# On what a failure depends shows in so many observations, or not at all; all of a large run would fill the memory.
MOST_OBSERVED = 10_000
# Of the cases that one cause is behind, so many are named beside the first; their number is always told.
NAMED_CASES = 50


@dataclass(frozen=True, slots=True)
class Observation:
    """An exchange, by its number in the journal, that a requirement was judged by, and what its case was to show."""

    number: int
    case_id: str
    kind: Kind
    aspect: str
    member: str | None
    fell_short: bool

    @classmethod
    def of(cls, answer: Answer | Outcome, *, fell_short: bool) -> Observation:
        """What was made on an answer, at hand in full or only remembered."""
        case = answer.case if isinstance(answer, Answer) else answer.purpose
        return cls(answer.number, answer.case_id, case.kind, case.aspect, case.member, fell_short)


@dataclass(slots=True)
class _Group:
    first: Finding
    count: int = 0
    others: list[str] = field(default_factory=list)

    def add(self, finding: Finding) -> None:
        self.count += 1
        if self.count > 1 and finding.case is not None and len(self.others) < NAMED_CASES:
            self.others.append(finding.case)

    @property
    def gathered(self) -> Finding:
        return replace(self.first, count=self.count, others=tuple(dict.fromkeys(self.others)))


class Watched:
    """A check of one command that is watched; `causes` are those that are known of what falls short.

    `among`: whether the observation of a case, by its id, is to be kept.
    """

    def __init__(
        self,
        check: Check,
        command: str | None,
        causes: Sequence[Cause] = (),
        among: Callable[[str], bool] = lambda _: True,
    ) -> None:
        self.command = command
        self._among = among
        self.causes = causes
        self.check = self._watching(check)
        self._cause_of = {case: cause for cause in reversed(causes) for case in cause.cases}
        self._observed: dict[int, Observation] = {}
        self._single: list[Finding] = []
        self._by_cause: dict[tuple[int, str | None], _Group] = {}
        self._by_place: dict[str | None, _Group] = {}

    @property
    def observations(self) -> tuple[Observation, ...]:
        """What was seen, each exchange once, in the order of sending; the first MOST_OBSERVED.

        What belongs to no exchange (a notification that nobody asked for) is left out.
        """
        return tuple(self._observed[number] for number in sorted(self._observed))

    def findings(self, one_cause: bool) -> tuple[Finding, ...]:  # noqa: FBT001 - what is asked is in the name
        """At most KEPT_FINDINGS: those of one cause at one place of the answer are one, with a count.

        `one_cause`: all of them are of one. Those whose simplest form is known come first. None if no cause is known.
        """
        if self.causes:
            found = [group.gathered for group in self._by_cause.values()]
            return tuple([*sorted(found, key=lambda finding: finding.minimal is None), *self._single][:KEPT_FINDINGS])
        if one_cause:
            return tuple(group.gathered for group in self._by_place.values())[:KEPT_FINDINGS]
        return ()

    # --- Watching

    def _watching(self, check: Check) -> Check:
        if isinstance(check, AnswerCheck):
            return AnswerCheck(check.conditions, lambda terms: self._on_answers(check, terms))
        if isinstance(check, NoticeCheck):
            return NoticeCheck(check.conditions, lambda terms: self._on_notices(check, terms))
        if isinstance(check, SubjectCheck):
            raise TypeError(f"{check!r} judges neither answers nor notifications")
        return self._on_run(check)

    def _on_answers(self, check: SubjectCheck[Answer], terms: Terms) -> Rule[Answer]:
        rule = check.rule_under(terms)

        def watching(answer: Answer) -> Iterator[Finding | Unobserved]:
            said = list(rule(answer))
            self._saw(answer, said)
            yield from said

        return watching

    def _on_notices(self, check: SubjectCheck[Notice], terms: Terms) -> Rule[Notice]:
        rule = check.rule_under(terms)

        def watching(notice: Notice) -> Iterator[Finding | Unobserved]:
            said = list(rule(notice))
            self._saw(notice.answer, said)
            yield from said

        return watching

    def _on_run(self, check: RunCheck) -> RunCheck:
        def watching(evidence: Evidence, command: str | None) -> Iterator[Judgement]:
            outcomes = {outcome.number: outcome for outcome in evidence.outcomes}
            for judgement in check(evidence, command):
                said = [judgement] if isinstance(judgement, Finding | Unobserved) else []
                self._saw(outcomes.get(judgement.exchange or 0), said)
                yield judgement

        return watching

    def _saw(self, answer: Answer | Outcome | None, said: Sequence[Finding | Unobserved]) -> None:
        found = [each for each in said if isinstance(each, Finding)]
        for finding in found:
            self._gather(finding)
        if answer is None or (said and not found) or not self._among(answer.case_id):
            return
        if answer.number in self._observed or len(self._observed) < MOST_OBSERVED:
            before = self._observed.get(answer.number)
            fell_short = bool(found) or (before is not None and before.fell_short)
            self._observed[answer.number] = Observation.of(answer, fell_short=fell_short)

    # --- Gathering

    def _gather(self, finding: Finding) -> None:
        cause = self._cause_of.get(finding.case or "")
        if cause is not None:
            key = (self.causes.index(cause), finding.pointer)
            self._by_cause.setdefault(key, _Group(replace(finding, minimal=_minimal(cause)))).add(finding)
        elif len(self._single) < KEPT_FINDINGS:
            self._single.append(finding)
        if not self.causes:
            self._by_place.setdefault(finding.pointer, _Group(finding)).add(finding)


def _minimal(cause: Cause) -> Minimal | None:
    if cause.minimal is None:
        return None
    return Minimal(cause.minimal, cause.differs or {}, cause.finished, cause.exchange)


def watch(record: Record, checks: Iterable[Watched]) -> Evidence:
    """Has checks judge a record while they are watched; the evidence that they judged by."""
    return Hearing.of(record, [(watched.check, watched.command) for watched in checks]).evidence
