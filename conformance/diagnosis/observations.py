"""A second look at failures: the observations of a check, exchange by exchange, and its findings gathered.

    Observation     one exchange that a requirement was judged by, and what a failure may depend on
    ObservedCheck   a check, and its observations
    observe         have checks judge a record while their observations are kept

Only for checks that found something: the first pass through a run counts, and keeps next to nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from conformance.contract.contract import Contract
from conformance.diagnosis.follow_ups import Cause
from conformance.diagnosis.grouping import AnswerSignature, alike, gathered, grouped
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
from conformance.model.traffic import Kind

# On what a failure depends shows in so many observations, or not at all; all of a large run would fill the memory.
MOST_OBSERVED = 10_000
# So many findings are compared with each other; the others are counted.
MOST_GATHERED = 1_000


@dataclass(frozen=True, slots=True)
class Observation:
    """An exchange that a requirement was judged by: its number in the journal, and what its case was to show.

    `status` is the HTTP status of its answer, `outcome` that of the notification that was judged, if one was.
    """

    number: int
    case_id: str
    kind: Kind
    aspect: str
    member: str | None
    fell_short: bool
    keyword: str | None = None
    command: str | None = None
    status: int | None = None
    outcome: str | None = None

    @classmethod
    def of(cls, answer: Answer | ResponseSummary, *, fell_short: bool, outcome: str | None = None) -> Observation:
        """Of an answer, in full or summarized."""
        about = answer.purpose
        return cls(
            answer.number,
            answer.case_id,
            about.kind,
            about.aspect,
            about.member,
            fell_short,
            about.keyword,
            about.command,
            answer.http_status,
            outcome,
        )


class ObservedCheck:
    """A check of one command whose observations are kept; `causes`: the known causes of its failures.

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
        self._found: list[Finding] = []
        self._count = 0

    @property
    def observations(self) -> tuple[Observation, ...]:
        """Each exchange once, in the order of sending; the first MOST_OBSERVED.

        What belongs to no exchange (a notification that nobody asked for) is left out.
        """
        return tuple(self._observed[number] for number in sorted(self._observed))

    @property
    def numbers(self) -> set[int]:
        """The exchanges that findings are about, as far as they are compared, and those of the simplest requests."""
        minimal = (cause.exchange for cause in self.causes)
        return {each for each in (*(finding.exchange for finding in self._found), *minimal) if each is not None}

    @property
    def found(self) -> Sequence[Finding]:
        """The findings that are compared, as they were made."""
        return self._found

    def groups(self, said: Mapping[int, AnswerSignature], area: str) -> list[list[Finding]]:
        """The findings of one cause, then those whose answers are alike.

        Those whose simplest form is known come first; it stands in the first of each group.
        """
        of_cause: dict[int | None, list[Finding]] = {}
        for finding in self._found:
            cause = self._cause_of.get(finding.case or "")
            of_cause.setdefault(None if cause is None else self.causes.index(cause), []).append(finding)
        groups = [
            [replace(first, minimal=self._minimal_of(first, place, said)), *others]
            for place, found in of_cause.items()
            for first, *others in grouped(found, said, area)
        ]
        return sorted(groups, key=lambda group: group[0].minimal is None)

    def _minimal_of(self, finding: Finding, place: int | None, said: Mapping[int, AnswerSignature]) -> Minimal | None:
        """The simplest request of its cause, if that was answered in the same way."""
        minimal = None if place is None else _minimal(self.causes[place])
        if minimal is None or not alike(said.get(finding.exchange or 0), said.get(minimal.exchange or 0)):
            return None
        return minimal

    def findings(self, groups: Sequence[Sequence[Finding]]) -> tuple[Finding, ...]:
        """One for each of these groups, at most KEPT_FINDINGS."""
        alone = self._count if len(groups) == 1 else None
        return tuple(gathered(group, alone) for group in groups[:KEPT_FINDINGS])

    # --- Watching

    def _watching(self, check: Check) -> Check:
        if not isinstance(check, SubjectCheck):
            return self._on_run(check)

        def rule_under(terms: Terms) -> Rule[Any]:
            return self._on_subjects(check.rule_under(terms))

        return replace(check, rule_under=rule_under, of_form=None)

    def _on_subjects(self, rule: Rule[Any]) -> Rule[Any]:
        def watching(subject: Answer | Notice) -> Iterator[Finding | Inconclusive]:
            said = list(rule(subject))
            if isinstance(subject, Notice):
                self._saw(subject.answer, said, subject.outcome)
            else:
                self._saw(subject, said)
            yield from said

        return watching

    def _on_run(self, check: RunCheck) -> RunCheck:
        def watching(evidence: Evidence, command: str | None) -> Iterator[Judgement]:
            answers = {answer.number: answer for answer in evidence.outcomes}
            for judgement in check(evidence, command):
                said = [judgement] if isinstance(judgement, Finding | Inconclusive) else []
                answer = answers.get(judgement.exchange or 0)
                arrival = evidence.first_about(answer) if answer is not None else None
                self._saw(answer, said, arrival.outcome if arrival else None)
                yield judgement

        return watching

    def _saw(
        self,
        answer: Answer | ResponseSummary | None,
        said: Sequence[Finding | Inconclusive],
        outcome: str | None = None,
    ) -> None:
        found = [each for each in said if isinstance(each, Finding)]
        self._count += len(found)
        self._found += found[: MOST_GATHERED - len(self._found)]
        if answer is None or (said and not found) or not self._among(answer.case_id):
            return
        if answer.number in self._observed or len(self._observed) < MOST_OBSERVED:
            before = self._observed.get(answer.number)
            if before is not None and before.fell_short and not found:
                return
            self._observed[answer.number] = Observation.of(answer, fell_short=bool(found), outcome=outcome)


def _minimal(cause: Cause) -> Minimal | None:
    if cause.minimal is None:
        return None
    return Minimal(cause.minimal, cause.differs or {}, cause.finished, cause.exchange)


def observe(record: Record, contract: Contract, checks: Iterable[ObservedCheck]) -> Evidence:
    """Have checks judge a record while their observations are kept; return the evidence."""
    return SinglePass.of(record, contract, [(watched.check, watched.command) for watched in checks]).evidence
