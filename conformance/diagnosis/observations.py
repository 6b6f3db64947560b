"""A second look at failures: the observations of a check, exchange by exchange, and its findings gathered.

Only for checks that found something: the first pass through a run only counts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from conformance.contract.contract import Contract
from conformance.diagnosis.follow_ups import Cause
from conformance.diagnosis.grouping import AnswerSignature, alike, gathered, grouped
from conformance.diagnosis.traits import Observation
from conformance.journal import Record
from conformance.judging.evidence import Evidence
from conformance.judging.judgement import (
    Check,
    Finding,
    Inconclusive,
    Judgement,
    Minimal,
    Rule,
    RunCheck,
    SubjectCheck,
)
from conformance.judging.reading import Answer
from conformance.judging.single_pass import KEPT_FINDINGS, SinglePass
from conformance.judging.summaries import Notice, ResponseSummary
from conformance.judging.terms import Terms

# So many observations show the pattern of a failure, if it has one; all of a large run would fill the memory.
MOST_OBSERVED = 10_000
# So many findings are compared with each other; the others are counted.
MOST_GATHERED = 1_000


class ObservedCheck:
    """A check of one command whose observations are kept; `causes`: the known causes of its failures.

    `among`: whether to keep the observation of a case, by its id.
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
        # The findings that are compared, in the order in which they were made.
        self.found: list[Finding] = []
        self._count = 0

    @property
    def observations(self) -> tuple[Observation, ...]:
        """Each exchange once, in the order of sending; the first MOST_OBSERVED.

        A notification that nobody asked for belongs to no exchange, and is left out.
        """
        return tuple(self._observed[number] for number in sorted(self._observed))

    @property
    def numbers(self) -> set[int]:
        """The exchanges that findings are about, as far as they are compared, and those of the simplest requests."""
        minimal = (cause.exchange for cause in self.causes)
        return {each for each in (*(finding.exchange for finding in self.found), *minimal) if each is not None}

    def groups(self, signatures: Mapping[int, AnswerSignature], area: str) -> list[list[Finding]]:
        """The findings of one cause, then those whose answers are alike.

        Those whose simplest form is known come first; the first of each group holds it.
        """
        of_cause: dict[int | None, list[Finding]] = {}
        for finding in self.found:
            cause = self._cause_of.get(finding.case or "")
            of_cause.setdefault(None if cause is None else self.causes.index(cause), []).append(finding)
        groups = [
            [replace(first, minimal=self._minimal_of(first, place, signatures)), *others]
            for place, found in of_cause.items()
            for first, *others in grouped(found, signatures, area)
        ]
        return sorted(groups, key=lambda group: group[0].minimal is None)

    def _minimal_of(
        self, finding: Finding, place: int | None, signatures: Mapping[int, AnswerSignature]
    ) -> Minimal | None:
        """The simplest request of its cause, if that was answered in the same way."""
        cause = None if place is None else self.causes[place]
        if cause is None or cause.minimal is None:
            return None
        same = alike(signatures.get(finding.exchange or 0), signatures.get(cause.exchange or 0))
        return Minimal(cause.minimal, cause.differs or {}, cause.finished, cause.exchange) if same else None

    def findings(self, groups: Sequence[Sequence[Finding]]) -> tuple[Finding, ...]:
        """One for each of these groups, at most KEPT_FINDINGS."""
        alone = self._count if len(groups) == 1 else None
        return tuple(gathered(group, alone) for group in groups[:KEPT_FINDINGS])

    # --- Watching

    def _watching(self, check: Check) -> Check:
        if not isinstance(check, SubjectCheck):
            return self._on_run(check)

        def rule_under(terms: Terms) -> Rule[Any]:
            rule: Rule[Any] = check.rule_under(terms)

            def watching(subject: Answer | Notice) -> Iterator[Finding | Inconclusive]:
                judgements = list(rule(subject))
                if isinstance(subject, Notice):
                    self._saw(subject.answer, judgements, subject.outcome)
                else:
                    self._saw(subject, judgements)
                yield from judgements

            return watching

        return replace(check, rule_under=rule_under, of_form=None)

    def _on_run(self, check: RunCheck) -> RunCheck:
        def watching(evidence: Evidence, command: str | None) -> Iterator[Judgement]:
            answers = {answer.number: answer for answer in evidence.outcomes}
            for judgement in check(evidence, command):
                judgements = [judgement] if isinstance(judgement, Finding | Inconclusive) else []
                answer = answers.get(judgement.exchange or 0)
                arrival = evidence.first_about(answer) if answer is not None else None
                self._saw(answer, judgements, arrival.outcome if arrival else None)
                yield judgement

        return watching

    def _saw(
        self,
        answer: Answer | ResponseSummary | None,
        judgements: Sequence[Finding | Inconclusive],
        outcome: str | None = None,
    ) -> None:
        findings = [each for each in judgements if isinstance(each, Finding)]
        self._count += len(findings)
        self.found += findings[: MOST_GATHERED - len(self.found)]
        if answer is None or (judgements and not findings) or not self._among(answer.case_id):
            return
        before = self._observed.get(answer.number)
        if before is None and len(self._observed) >= MOST_OBSERVED:
            return
        if before is not None and before.fell_short and not findings:
            return
        about = answer.purpose
        self._observed[answer.number] = Observation(
            answer.number,
            answer.case_id,
            about.kind,
            about.aspect,
            about.member,
            bool(findings),
            about.keyword,
            about.command,
            answer.http_status,
            outcome,
        )


def observe(record: Record, contract: Contract, checks: Iterable[ObservedCheck]) -> Evidence:
    """Have checks judge a record while their observations are kept; return the evidence."""
    return SinglePass.of(record, contract, [(watched.check, watched.command) for watched in checks]).evidence
