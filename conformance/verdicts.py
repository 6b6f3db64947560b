"""From judgements to verdicts: one per requirement × command, and one for the subject.

    judge(record)  →  Judged: the verdicts of a recorded run, in the catalogue's order, and the overall Conclusion

Pure: the same record gives the same verdicts, at any time and anywhere. A requirement that was not observed is never
green; what keeps a run from being conclusive is a MUST that could not be exercised.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from conformance.checks import CHECKS
from conformance.checks.coverage import Covered, covered
from conformance.checks.evidence import Evidence, Terms
from conformance.checks.follow_ups import Cause, causes_of, run_proper
from conformance.checks.judgement import Check, Finding, Judgement, Kept, Minimal, Reason, Unobserved
from conformance.checks.patterns import Dependence, Observation, Pattern, observed, told_by_journal, told_by_numbers
from conformance.contract.commands import COMMANDS
from conformance.contract.requirements import Actor, Level, Requirement, catalogue
from conformance.journal import Record

# How many findings of one verdict are kept whole; the number of all is in `failed`, the evidence in the journal.
KEPT_FINDINGS = 10


class Verdict(StrEnum):
    """What is said of one requirement × command."""

    PASS = "PASS"
    FAIL = "FAIL"
    WARN = "WARN"
    KNOWN = "KNOWN"
    NOT_APPLICABLE = "NOT_APPLICABLE"
    INCONCLUSIVE = "INCONCLUSIVE"


class Conclusion(StrEnum):
    """What is said of the subject."""

    CONFORMANT = "conformant"
    NON_CONFORMANT = "non-conformant"
    INCONCLUSIVE = "inconclusive"

    @property
    def exit_code(self) -> int:
        """The exit code of a run that ends so."""
        return {Conclusion.CONFORMANT: 0, Conclusion.NON_CONFORMANT: 1, Conclusion.INCONCLUSIVE: 3}[self]


@dataclass(frozen=True, slots=True)
class RequirementVerdict:
    """The verdict on one requirement × command.

    `observations` were judged, `failed` of them fell short; `findings` shows the first KEPT_FINDINGS of those.
    `unobserved` could not be told. `reason` and `detail` say why the verdict is inconclusive. `asked_for` is False
    where the run was told to send chosen cases only, and none of them bears on the requirement. `pattern` says on what
    it depends that it fell short; findings with one cause are one, with a count.
    """

    requirement: Requirement
    command: str | None
    level: Level
    verdict: Verdict
    observations: int = 0
    failed: int = 0
    unobserved: int = 0
    findings: tuple[Finding, ...] = ()
    reason: Reason | None = None
    detail: str | None = None
    asked_for: bool = True
    pattern: Pattern | None = None

    @property
    def hinders(self) -> bool:
        """Whether it keeps the subject from being called conformant.

        A conditional requirement whose condition never came about does not: it was kept as far as it applied.
        """
        if self.verdict is Verdict.FAIL:
            return True
        if self.verdict is not Verdict.INCONCLUSIVE or self.level is not Level.MUST or not self.asked_for:
            return False
        return not (self.requirement.condition and self.reason is Reason.NO_TRAFFIC)


@dataclass(frozen=True, slots=True)
class Judged:
    """All verdicts of a run, how many of its requests were accepted, and what it exercised."""

    verdicts: tuple[RequirementVerdict, ...]
    conclusion: Conclusion
    accepted: int
    coverage: tuple[Covered, ...] = ()

    def by(self, verdict: Verdict) -> list[RequirementVerdict]:
        """Those with a given verdict, in the catalogue's order."""
        return [v for v in self.verdicts if v.verdict is verdict]

    def counts(self) -> Mapping[Verdict, int]:
        """How many there are of each verdict."""
        return Counter(v.verdict for v in self.verdicts)


def judge(
    record: Record, checks: Mapping[str, Check] = CHECKS, scope: Callable[[Record], Record] = run_proper
) -> Judged:
    """Judge a recorded run of a gateway by the catalogue; `scope` is the part of the record that is judged.

    Raises SuiteError if the catalogue cannot be read, KeyError if a judged requirement has no check.
    """
    evidence = Evidence.of(scope(record))
    known = _Known.of(record)
    commands = tuple(COMMANDS[name] for name in evidence.terms.commands)
    verdicts = tuple(
        _verdict(requirement, command, evidence, checks[requirement.id], known)
        for requirement, command in catalogue().judged(Actor.GATEWAY, commands)
    )
    if record.settings.get("cases"):
        verdicts = tuple(replace(verdict, asked_for=verdict.reason is not Reason.NO_TRAFFIC) for verdict in verdicts)
    accepted = sum(answer.accepted for answer in evidence.final.values())
    return Judged(verdicts, conclude(verdicts), accepted, covered(evidence))


def conclude(verdicts: tuple[RequirementVerdict, ...]) -> Conclusion:
    """The verdict on the subject; never conformant if nothing was seen to pass."""
    if any(v.verdict is Verdict.FAIL for v in verdicts):
        return Conclusion.NON_CONFORMANT
    if any(v.hinders for v in verdicts) or not any(v.verdict is Verdict.PASS for v in verdicts):
        return Conclusion.INCONCLUSIVE
    return Conclusion.CONFORMANT


def _verdict(
    requirement: Requirement, command: str | None, evidence: Evidence, check: Check, known: _Known
) -> RequirementVerdict:
    level = requirement.level_for(exclusive_account=evidence.terms.exclusive_account)
    tally = _Tally.of(check(evidence, command))
    findings: tuple[Finding, ...] = ()
    pattern: Pattern | None = None
    if tally.failed:
        pattern = known.pattern(requirement, command) or _told(observed(check, evidence, command), tally)
        findings = _gathered(check(evidence, command), pattern, known, known.causes.get((requirement.id, command), ()))
        verdict, reason, detail = (Verdict.FAIL if level is Level.MUST else Verdict.WARN), None, None
    elif tally.observations:
        verdict, reason, detail = Verdict.PASS, None, None
    else:
        verdict = Verdict.INCONCLUSIVE
        reason, detail = _why(requirement, tally.weightiest, evidence.terms)
    return RequirementVerdict(
        requirement,
        command,
        level,
        verdict,
        tally.observations,
        tally.failed,
        tally.unobserved,
        findings,
        reason,
        detail,
        pattern=pattern,
    )


def _told(observations: tuple[Observation, ...], tally: _Tally) -> Pattern:
    if any(observation.fell_short for observation in observations):
        return told_by_journal(observations)
    return told_by_numbers(tally.failed, tally.observations)


@dataclass(frozen=True, slots=True)
class _Known:
    """What was found out about failures after the run: causes, and the cases by which."""

    causes: Mapping[tuple[str, str | None], tuple[Cause, ...]]
    bodies: Mapping[str, bytes]
    exchanges: Mapping[str, int]

    @classmethod
    def of(cls, record: Record) -> _Known:
        causes = causes_of(record)
        minimal = {cause.minimal for each in causes.values() for cause in each if cause.minimal}
        return cls(
            causes,
            {case.id: case.request.body for case in record.cases if case.id in minimal},
            {exchange.case_id: exchange.number for exchange in record.exchanges if exchange.case_id in minimal},
        )

    def pattern(self, requirement: Requirement, command: str | None) -> Pattern | None:
        """What the causes say; None without any."""
        causes = self.causes.get((requirement.id, command), ())
        if not causes:
            return None
        told = list(dict.fromkeys(cause.pattern for cause in causes))
        several = f"{len(causes)} causes{', each' if len(told) == 1 else ''}: " if len(causes) > 1 else ""
        return Pattern(Dependence(causes[0].kind), several + " | ".join(told))

    def minimal(self, cause: Cause) -> Minimal | None:
        """The simplest request that shows a cause."""
        if cause.minimal is None or cause.minimal not in self.bodies:
            return None
        return Minimal(
            cause.minimal,
            self.bodies[cause.minimal],
            cause.differs or {},
            cause.finished,
            self.exchanges.get(cause.minimal),
        )


def _gathered(
    judgements: Iterator[Judgement], pattern: Pattern, known: _Known, causes: tuple[Cause, ...]
) -> tuple[Finding, ...]:
    """The findings, those of one cause at one place as one; at most KEPT_FINDINGS."""
    cause_of = {case: cause for cause in reversed(causes) for case in cause.cases}
    first: dict[object, Finding] = {}
    others: dict[object, list[str]] = {}
    for number, finding in enumerate(judgement for judgement in judgements if isinstance(judgement, Finding)):
        cause = cause_of.get(finding.case or "")
        together = cause is not None or (pattern.is_one_cause and not causes)
        key = (causes.index(cause) if cause else None, finding.pointer) if together else number
        if key not in first:
            first[key] = replace(finding, minimal=known.minimal(cause) if cause else None)
        elif finding.case is not None:
            others.setdefault(key, []).append(finding.case)
    gathered = [
        replace(finding, count=1 + len(others.get(key, ())), others=tuple(others.get(key, ())))
        for key, finding in first.items()
    ]
    # Those that were looked into say most.
    return tuple(sorted(gathered, key=lambda finding: finding.minimal is None)[:KEPT_FINDINGS])


@dataclass(frozen=True, slots=True)
class _Tally:
    observations: int
    failed: int
    unobserved: int
    weightiest: Unobserved | None

    @classmethod
    def of(cls, judgements: Iterator[Judgement]) -> _Tally:
        kept, failed, unobserved = 0, 0, 0
        weightiest: Unobserved | None = None
        weights = list(Reason)
        for judgement in judgements:
            match judgement:
                case Kept():
                    kept += 1
                case Finding():
                    failed += 1
                case Unobserved():
                    unobserved += 1
                    if weightiest is None or weights.index(judgement.reason) > weights.index(weightiest.reason):
                        weightiest = judgement
        return cls(kept + failed, failed, unobserved, weightiest)


def _why(requirement: Requirement, weightiest: Unobserved | None, terms: Terms) -> tuple[Reason, str]:
    if terms.obstacle is not None:
        return Reason.ENVIRONMENT, terms.obstacle
    if weightiest is not None:
        return weightiest.reason, weightiest.detail
    if terms.settled_at is None:
        return Reason.INTERRUPTED, "the run was cut off before this was exercised"
    if requirement.condition:
        return Reason.NO_TRAFFIC, f"applies where {requirement.condition}; that did not happen"
    return Reason.NO_TRAFFIC, "nothing in the run's traffic bears on it"
