"""A second look at failures: the observations of a check, exchange by exchange, and its findings in groups.

Only for checks that found something: the first pass through a run only counts.

Findings are grouped by the answer: status, shape of the body and message, so that two different crashes are two. The
texts of a gateway contain numbers, ids and values of the request. So texts are compared without numbers and ids; if
that makes too many groups, without quotations; and if there are still too many, not at all.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, partial
from typing import Any

from conformance.contract.contract import Contract
from conformance.diagnosis.follow_ups import Cause
from conformance.diagnosis.patterns import CRASHED, Observation, exchanges_of
from conformance.journal import Record
from conformance.judging.evidence import Evidence
from conformance.judging.judgement import (
    KEPT_FINDINGS,
    Check,
    Finding,
    Inconclusive,
    Judgement,
    Minimal,
    Rule,
    RunCheck,
    SubjectCheck,
    numbered,
)
from conformance.judging.messages import Answer, Notice, ResponseSummary
from conformance.judging.passage import SinglePass
from conformance.judging.reading import Content
from conformance.judging.terms import Terms
from conformance.model.traffic import Exchange, media_type

# Where a failure has more kinds than this, its text repeats parts of the request, and they count as one.
MOST_KINDS = 5
# Of the cases that are like the one that is shown, so many are named, beside their number.
NAMED_CASES = 50
# A page of errors names the error well before this.
LONGEST_TEXT = 2_000
# So many observations show the pattern of a failure, if it has one; all of a large run would fill the memory.
MOST_OBSERVED = 10_000
# At most so many findings are compared with each other; the others are only counted.
MOST_GATHERED = 1_000

_QUOTED = re.compile(r"\"[^\"]*\"|'[^']*'|“[^”]*”|`[^`]*`")
# Numbers, also of memory, and ids: letters and digits mixed, of eight characters or more.
_PARTICULARS = re.compile(r"0x[0-9a-f]+|\b(?=[\w-]*\d)[\w-]{8,}\b|\d+", re.IGNORECASE)

Key = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class AnswerSignature:
    """HTTP status, kind and text of a body. `strange`: its members that the envelope does not have."""

    status: int | None
    shape: str
    text: str
    is_object: bool
    strange: tuple[str, ...]

    @classmethod
    def of(cls, exchange: Exchange, contract: Contract) -> AnswerSignature:
        """By an exchange."""
        response = exchange.response
        if response is None:
            return cls(None, "no answer", exchange.failure or "", is_object=False, strange=())
        members = Content.with_repeats(response.body).members
        if members is None:
            text = response.body[:LONGEST_TEXT].decode("utf-8", "replace")
            return cls(response.status, media_type(response.headers) or "", text, is_object=False, strange=())
        strange = tuple(sorted(set(members) - _documented(contract)))
        texts = {name: value for name, value in members.items() if isinstance(value, str)}
        described = (value for name, value in texts.items() if name != contract.answer.id)
        return cls(response.status, ", ".join(sorted(members)), " ".join(described), is_object=True, strange=strange)


@cache
def _documented(contract: Contract) -> frozenset[str]:
    answers = (contract.schemas.resolved(f"response.{name}") for name in ("success", "error"))
    return frozenset().union(*(answer.get("properties", {}) for answer in answers))


def signatures_of(record: Record, numbers: Collection[int], contract: Contract) -> dict[int, AnswerSignature]:
    """The signatures of the answers of these exchanges."""
    return {exchange.number: AnswerSignature.of(exchange, contract) for _, exchange in exchanges_of(record, numbers)}


def grouped(
    findings: Sequence[Finding], signatures: Mapping[int, AnswerSignature], *, is_of_form: bool
) -> list[list[Finding]]:
    """The findings of one requirement × command that are alike, in the order in which the first of each was made.

    If the requirement is about the form of a message, its status and description do not matter, unless the contract
    knows nothing of the body.
    """

    def answer_to(finding: Finding) -> AnswerSignature | None:
        return signatures.get(finding.exchange or 0) if finding.notification is None else None

    def by_shape(finding: Finding) -> Key:
        answer = answer_to(finding)
        if answer is None:
            return (finding.pointer,)
        if not is_of_form:
            return (finding.pointer, answer.status, answer.shape)
        return (finding.pointer, answer.strange if answer.is_object else answer.shape)

    def by_text(plain: Callable[[str], str], finding: Finding) -> Key:
        answer = answer_to(finding)
        text = "" if answer is None or (is_of_form and answer.is_object) else answer.text
        return plain(finding.message), plain(text)

    groups = _parted(findings, by_shape)
    for plain in (without_particulars, partial(_PARTICULARS.sub, "…")):
        groups = [part for group in groups for part in _parted_by_texts(group, partial(by_text, plain))]
    order = {id(finding): place for place, finding in enumerate(findings)}
    return sorted(groups, key=lambda group: order[id(group[0])])


def alike(one: AnswerSignature | None, other: AnswerSignature | None) -> bool:
    """Whether two answers are of one kind, as far as both are known."""
    if one is None or other is None:
        return True
    if one.is_object and other.is_object and (one.status or 0) < CRASHED and (other.status or 0) < CRASHED:
        return one.strange == other.strange
    same = (one.status, one.shape) == (other.status, other.shape)
    return same and without_particulars(one.text) == without_particulars(other.text)


def gathered(group: Sequence[Finding], count: int | None = None) -> Finding:
    """A group as its first finding, with the number of all and the cases of the others."""
    others = dict.fromkeys(finding.case for finding in group[1:] if finding.case is not None)
    return replace(group[0], count=count or len(group), others=tuple(others)[:NAMED_CASES])


def without_particulars(text: str) -> str:
    """A text without numbers, ids and quotations."""
    return _PARTICULARS.sub("…", _QUOTED.sub("…", text))


def _parted(group: Sequence[Finding], key: Callable[[Finding], Key]) -> list[list[Finding]]:
    parts: dict[Key, list[Finding]] = {}
    for finding in group:
        parts.setdefault(key(finding), []).append(finding)
    return list(parts.values())


def _parted_by_texts(group: Sequence[Finding], key: Callable[[Finding], Key]) -> list[list[Finding]]:
    parts = _parted(group, key)
    if len(parts) <= MOST_KINDS:
        return parts
    # Texts that recur are kinds of their own, unless those are many, too; the others repeat parts of the request.
    recurring = [part for part in parts if len(part) > 1]
    single = [finding for part in parts if len(part) == 1 for finding in part]
    return [*recurring, single] if single and len(recurring) < MOST_KINDS else [list(group)]


# --- Observations


@dataclass(slots=True)
class Observed:
    """The observations of a check, and its findings; those of the parts of a run add up, in any order.

    `observations`: by exchange, the MOST_OBSERVED with the lowest numbers. `findings`: the MOST_GATHERED that come
    first by the numbers of notification and exchange; `count` is the number of all.
    """

    observations: dict[int, Observation] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    count: int = 0

    def add(self, observation: Observation) -> None:
        """Add what was observed of an exchange; that it failed prevails."""
        before = self.observations.get(observation.number)
        if before is not None and before.failed and not observation.failed:
            return
        self.observations[observation.number] = observation
        if len(self.observations) > 2 * MOST_OBSERVED:
            self.limit()

    def found(self, findings: Sequence[Finding]) -> None:
        """Add findings."""
        self.count += len(findings)
        self.findings += findings
        if len(self.findings) > 2 * MOST_GATHERED:
            self.limit()

    def merge(self, other: Observed) -> None:
        """Add all of another part."""
        self.count += other.count
        self.findings += other.findings
        self.observations |= other.observations
        self.limit()

    def limit(self) -> None:
        """Put both in their order, and leave out what is beyond their limits."""
        self.findings = sorted(self.findings, key=numbered)[:MOST_GATHERED]
        if len(self.observations) > MOST_OBSERVED:
            self.observations = dict(sorted(self.observations.items())[:MOST_OBSERVED])


class ObservedCheck:
    """A check of one command that records its observations; `causes`: the known causes of its failures.

    `among`: whether to record the observation of a case, by its id.
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
        # The place of the first cause of each case.
        self._cause_of = {case: place for place in reversed(range(len(causes))) for case in causes[place].cases}
        self.observed = Observed()

    @property
    def observations(self) -> tuple[Observation, ...]:
        """Each exchange once, in the order of sending; the first MOST_OBSERVED.

        A notification that nobody asked for belongs to no exchange, and is left out.
        """
        self.observed.limit()
        return tuple(observation for _, observation in sorted(self.observed.observations.items()))

    @property
    def found(self) -> list[Finding]:
        """The findings that are compared, by the numbers of their notifications and exchanges."""
        self.observed.limit()
        return self.observed.findings

    @property
    def numbers(self) -> set[int]:
        """The exchanges that findings are about, as far as they are compared, and those of the simplest requests."""
        minimal = (cause.exchange for cause in self.causes)
        return {each for each in (*(finding.exchange for finding in self.found), *minimal) if each is not None}

    def groups(self, signatures: Mapping[int, AnswerSignature], *, is_of_form: bool) -> list[list[Finding]]:
        """The findings of one cause, then those whose answers are alike.

        Those whose simplest form is known come first; the first of each group holds it.
        """
        of_cause: dict[int | None, list[Finding]] = {}
        for finding in self.found:
            of_cause.setdefault(self._cause_of.get(finding.case or ""), []).append(finding)
        groups = [
            [replace(first, minimal=self._minimal_of(first, place, signatures)), *others]
            for place, found in of_cause.items()
            for first, *others in grouped(found, signatures, is_of_form=is_of_form)
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
        alone = self.observed.count if len(groups) == 1 else None
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
        self.observed.found(findings)
        if answer is None or (judgements and not findings) or not self._among(answer.case_id):
            return
        about = answer.purpose
        observation = Observation(
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
        self.observed.add(observation)


def observe(record: Record, contract: Contract, checks: Iterable[ObservedCheck]) -> Evidence:
    """Have checks judge a record and record their observations; return the evidence."""
    return SinglePass.of(record, contract, [(watched.check, watched.command) for watched in checks]).evidence
