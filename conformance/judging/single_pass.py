"""Judging a recorded run in one pass: each answer and notification is read once, for all checks.

The cost of an answer does not grow with the run, and checks share their conditions: those of one kind of message form a
tree, in which each condition is tried once on the way.
"""

from __future__ import annotations

from bisect import insort
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, repeat
from operator import itemgetter
from typing import Generic, Self

from conformance.contract.contract import Contract
from conformance.journal import Record
from conformance.judging.evidence import Evidence
from conformance.judging.judgement import (
    AnswerCheck,
    Check,
    Finding,
    Inconclusive,
    Judgement,
    NoticeCheck,
    Passed,
    Reason,
    Rule,
    Subject,
    SubjectCheck,
)
from conformance.judging.reading import Answer
from conformance.judging.terms import Terms

# The most findings of one verdict; `failed` is the number of all, the journal has the evidence.
KEPT_FINDINGS = 10

_WEIGHTS = {reason: weight for weight, reason in enumerate(Reason)}


@dataclass(slots=True)
class Tally:
    """How many observations of one check on one command passed (`kept`), failed, and were inconclusive.

    `weightiest`: the first inconclusive one with the weightiest reason; `unsettled`: the first that no passed
    observation makes up for. `listed` are beginnings of expected messages: `beginnings` are those of them that were
    seen, `others` counts the findings that begin with none.
    """

    listed: tuple[str, ...] = ()
    kept: int = 0
    failed: int = 0
    unobserved: int = 0
    weightiest: Inconclusive | None = None
    unsettled: Inconclusive | None = None
    beginnings: set[str] = field(default_factory=set)
    others: int = 0
    _findings: list[tuple[tuple[bool, int], Finding]] = field(default_factory=list)

    @property
    def observations(self) -> int:
        """How many observations could be judged."""
        return self.kept + self.failed

    @property
    def findings(self) -> tuple[Finding, ...]:
        """The first KEPT_FINDINGS; unlisted ones come first."""
        return tuple(finding for _, finding in self._findings)

    def add(self, judgement: Judgement, place: int = 0) -> None:
        """Count one judgement; those of one place stay in their order."""
        if isinstance(judgement, Finding):
            self.failed += 1
            insort(self._findings, ((self._is_listed(judgement), place), judgement), key=itemgetter(0))
            del self._findings[KEPT_FINDINGS:]
        elif isinstance(judgement, Inconclusive):
            self.unobserved += 1
            if judgement.unsettled and self.unsettled is None:
                self.unsettled = judgement
            if self.weightiest is None or _WEIGHTS[judgement.reason] > _WEIGHTS[self.weightiest.reason]:
                self.weightiest = judgement
        else:
            self.kept += 1

    def _is_listed(self, finding: Finding) -> bool:
        seen = [beginning for beginning in self.listed if finding.message.startswith(beginning)]
        self.beginnings.update(seen)
        self.others += not seen
        return bool(seen)

    def add_all(self, judgements: Iterable[Judgement]) -> None:
        """Count all judgements of a check."""
        for judgement in judgements:
            if type(judgement) is Passed:  # nearly all
                self.kept += 1
            else:
                self.add(judgement)


def _always(_: object) -> bool:
    return True


@dataclass(slots=True)
class _Branch(Generic[Subject]):
    """The rules for a subject that meets all conditions so far, and the branches for further conditions."""

    rules: list[tuple[Rule[Subject], Tally]] = field(default_factory=list)
    branches: dict[Callable[[Subject], bool], _Branch[Subject]] = field(default_factory=dict)

    def grow(self, check: SubjectCheck[Subject], terms: Terms, tally: Tally) -> None:
        """Put a check where its conditions lead."""
        branch = self
        for condition in check.conditions or (_always,):
            branch = branch.branches.setdefault(condition, _Branch())
        branch.rules.append((check.rule_under(terms), tally))


class _Bench(Generic[Subject]):
    """Judges one kind of subject by the checks for its command."""

    def __init__(self, checks: Iterable[tuple[SubjectCheck[Subject], str | None, Tally]], terms: Terms) -> None:
        self._trees: dict[str | None, _Branch[Subject]] = defaultdict(_Branch)
        # By command and requirement: the rule for the form of messages, and the condition under which it applies.
        self._of_form: dict[str | None, dict[str, tuple[Rule[Subject], Tally]]] = defaultdict(dict)
        self._has_form: Callable[[Subject], bool] = _always
        for check, command, tally in checks:
            if check.of_form is not None:
                self._of_form[command][check.of_form] = (check.rule_under(terms), tally)
                self._has_form = check.conditions[0]
            else:
                self._trees[command].grow(check, terms, tally)

    def judge(self, subject: Subject) -> None:
        """Judge the subject by every rule whose conditions it meets."""
        command = subject.command
        of_form = self._of_form.get(command)
        if of_form and self._has_form(subject):
            self._judge_form(subject, of_form)
        tree = self._trees.get(command)
        met = [] if tree is None else [tree]
        for branch in met:
            for condition, beneath in branch.branches.items():
                if not condition(subject):
                    continue
                if beneath.branches:
                    met.append(beneath)
                for rule, tally in beneath.rules:
                    judgements = rule(subject)
                    first = next(judgements, None)
                    if first is None:
                        tally.kept += 1
                        continue
                    for judgement in chain((first,), judgements):
                        tally.add(judgement, subject.number)

    @staticmethod
    def _judge_form(subject: Subject, of_form: Mapping[str, tuple[Rule[Subject], Tally]]) -> None:
        """Judge the subject by the form requirements that it could have broken."""
        form = subject.form
        for requirement in form.occasions:
            if requirement not in of_form:
                continue
            rule, tally = of_form[requirement]
            if requirement not in form.broken:
                tally.kept += 1
                continue
            for judgement in rule(subject):
                tally.add(judgement, subject.number)


@dataclass(frozen=True, slots=True)
class SinglePass:
    """A judged run. `tallies` are in the order in which the checks were given."""

    evidence: Evidence
    tallies: tuple[Tally, ...]

    @classmethod
    def of(
        cls,
        record: Record,
        contract: Contract,
        checks: Iterable[tuple[Check, str | None]],
        witnesses: Sequence[Callable[[Answer], None]] = (),
        listed: Sequence[tuple[str, ...]] = (),
    ) -> Self:
        """Go through a record and have each check judge it for the command beside the check.

        Each of the `witnesses` gets every answer in full, too. `listed`: for each check, in their order, the beginnings
        of its expected messages; none by default.
        """
        evidence = Evidence(Terms.of(record, contract))
        beginnings = chain(listed, repeat(()))
        asked = [
            (check, command, Tally(expected)) for (check, command), expected in zip(checks, beginnings, strict=False)
        ]
        of_answers = _Bench([(c, m, t) for c, m, t in asked if isinstance(c, AnswerCheck)], evidence.terms)
        for answer in evidence.answers(record):
            of_answers.judge(answer)
            for witness in witnesses:
                witness(answer)
        of_notices = _Bench([(c, m, t) for c, m, t in asked if isinstance(c, NoticeCheck)], evidence.terms)
        for notice in evidence.notices(record):
            of_notices.judge(notice)
        for check, command, tally in asked:
            if not isinstance(check, SubjectCheck):
                tally.add_all(check(evidence, command))
        return cls(evidence, tuple(tally for _, _, tally in asked))
