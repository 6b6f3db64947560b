"""A single pass through a run, or through a part of it, for all checks.

`SinglePass` reads each answer and notification once. The cost of an answer does not grow with the run, and checks share
their conditions: those of one kind of message form a tree, in which each condition is tried once on the way.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, repeat
from typing import Generic, Self

from conformance.contract.contract import Contract
from conformance.journal import Record
from conformance.judging.evidence import Evidence
from conformance.judging.facts import WHOLE_RUN, RunFacts, Share
from conformance.judging.gathering import amounts_of, facts_of
from conformance.judging.judgement import (
    AnswerCheck,
    Check,
    NoticeCheck,
    Rule,
    Subject,
    SubjectCheck,
    Tally,
)
from conformance.judging.messages import Answer
from conformance.judging.terms import Terms


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
                        tally.add_passed(subject.exchange_number)
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
                tally.add_passed(subject.exchange_number)
                continue
            for judgement in rule(subject):
                tally.add(judgement, subject.number)


@dataclass(frozen=True, slots=True)
class SinglePass:
    """A judged run, or a part of one. `tallies` are in the order in which the checks were given."""

    evidence: Evidence
    tallies: tuple[Tally, ...]
    _asked: tuple[tuple[Check, str | None], ...]

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
        passage = cls.through(record, Terms.of(record, contract), checks, witnesses, listed)
        found = facts_of(passage.evidence)
        passage.conclude(found.settled(passage.evidence.terms, amounts_of(passage.evidence, found.told)))
        return passage

    @classmethod
    def through(  # noqa: PLR0913, PLR0917 - as in `of`, and the share
        cls,
        record: Record,
        terms: Terms,
        checks: Iterable[tuple[Check, str | None]],
        witnesses: Sequence[Callable[[Answer], None]] = (),
        listed: Sequence[tuple[str, ...]] = (),
        share: Share = WHOLE_RUN,
    ) -> Self:
        """Go through a run, or the `share` of it that the record holds; only single messages are judged."""
        evidence = Evidence(terms, share)
        beginnings = chain(listed, repeat(()))
        asked = [
            (check, command, Tally(expected)) for (check, command), expected in zip(checks, beginnings, strict=False)
        ]
        of_answers = _Bench([(c, m, t) for c, m, t in asked if isinstance(c, AnswerCheck)], terms)
        for answer in evidence.answers(record):
            of_answers.judge(answer)
            for witness in witnesses:
                witness(answer)
        of_notices = _Bench([(c, m, t) for c, m, t in asked if isinstance(c, NoticeCheck)], terms)
        for notice in evidence.notices(record):
            of_notices.judge(notice)
        return cls(
            evidence, tuple(tally for *_, tally in asked), tuple((check, command) for check, command, _ in asked)
        )

    def conclude(self, facts: RunFacts) -> None:
        """Have the checks of the run judge it, by these facts of the whole run."""
        self.evidence.facts = facts
        for (check, command), tally in zip(self._asked, self.tallies, strict=True):
            if not isinstance(check, SubjectCheck):
                tally.add_all(check(self.evidence, command))
