"""From judgements to verdicts: one per requirement × command, and one for the subject.

    judge(record)  →  Judged: the verdicts of a recorded run, in the catalogue's order, and the overall Conclusion

A record tells of a gateway or of a client; which requirements are judged, and by which checks, follows from that.

Pure: the same record gives the same verdicts, at any time and anywhere. A requirement that was not observed is never
green; what keeps a run from being conclusive is a MUST that could not be exercised.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from conformance.checks import CHECKS
from conformance.checks.client import CLIENT_CHECKS
from conformance.checks.client.evidence import ClientEvidence, ClientTerms
from conformance.checks.client.judging import ClientCheck
from conformance.checks.coverage import Coverage, Covered
from conformance.checks.evidence import Terms
from conformance.checks.hearing import Hearing, Tally
from conformance.checks.judgement import Check, Finding, Reason, Unobserved
from conformance.checks.reading import OK
from conformance.contract.commands import COMMANDS
from conformance.contract.requirements import Actor, Level, Requirement, catalogue
from conformance.journal import Record


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

    `observations` were judged, `failed` of them fell short; `findings` shows the first few of those.
    `unobserved` could not be told. `reason` and `detail` say why the verdict is inconclusive, `detail` alone why the
    requirement is not applicable. `asked_for` is False
    where the run was told to send chosen cases only, and none of them bears on the requirement.
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


def is_client(record: Record) -> bool:
    """Whether it is a client that a record tells of, or its receiver, and not a gateway."""
    return record.settings.get("subject_kind") == "client"


def judge(record: Record, checks: Mapping[str, Check] = CHECKS) -> Judged:
    """Judge a recorded run by the catalogue: that of a gateway by `checks`, or the certification of a client.

    Raises SuiteError if the catalogue cannot be read, KeyError if a judged requirement has no check.
    """
    return judge_client(record) if is_client(record) else _judge_gateway(record, checks)


def judge_client(record: Record, checks: Mapping[str, ClientCheck] = CLIENT_CHECKS) -> Judged:
    """Judge the certification of a client: what it does not offer is not applicable to it."""
    evidence = ClientEvidence.of(record)
    terms = evidence.terms
    commands = tuple(COMMANDS[name] for name in terms.commands)
    pairs = [pair for actor in (Actor.CLIENT, Actor.RECEIVER) for pair in catalogue().judged(actor, commands)]
    verdicts = tuple(_of_client(requirement, command, evidence, checks) for requirement, command in pairs)
    accepted = sum(any(seen.agreed == OK for seen in call.seen) for call in evidence.calls)
    # A driver that cannot be kept alive has shown too little of its client (interfaces, "Driver protocol").
    conclusion = Conclusion.INCONCLUSIVE if terms.gave_up is not None else conclude(verdicts)
    return Judged(verdicts, conclusion, accepted)


def _of_client(
    requirement: Requirement, command: str | None, evidence: ClientEvidence, checks: Mapping[str, ClientCheck]
) -> RequirementVerdict:
    terms = evidence.terms
    if terms.obstacle is None:
        lacking = (evidence.lacking(offer, command) for offer in sorted(requirement.needs))
        if (why := next(filter(None, lacking), None)) is not None:
            return RequirementVerdict(requirement, command, requirement.level, Verdict.NOT_APPLICABLE, detail=why)
    tally = Tally()
    tally.add_all(checks[requirement.id](evidence, command))
    return _verdict(requirement, command, _as_terms(terms), tally)


def _as_terms(terms: ClientTerms) -> Terms:
    """What verdicts of both faces depend on."""
    obstacle = terms.obstacle or (terms.gave_up and f"the driver failed again and again: {terms.gave_up}")
    return Terms(commands=terms.commands, settled_at=terms.settled_at, obstacle=obstacle)


def _judge_gateway(record: Record, checks: Mapping[str, Check]) -> Judged:
    commands = tuple(COMMANDS[name] for name in Terms.of(record).commands)
    pairs = catalogue().judged(Actor.GATEWAY, commands)
    coverage = Coverage()
    hearing = Hearing.of(record, [(checks[r.id], command) for r, command in pairs], witnesses=[coverage.see])
    verdicts = tuple(
        _verdict(requirement, command, hearing.evidence.terms, tally)
        for (requirement, command), tally in zip(pairs, hearing.tallies, strict=True)
    )
    if record.settings.get("cases"):
        verdicts = tuple(replace(verdict, asked_for=verdict.reason is not Reason.NO_TRAFFIC) for verdict in verdicts)
    accepted = sum(outcome.accepted for outcome in hearing.evidence.final.values())
    return Judged(verdicts, conclude(verdicts), accepted, coverage.of(hearing.evidence.terms.commands))


def conclude(verdicts: tuple[RequirementVerdict, ...]) -> Conclusion:
    """The verdict on the subject; never conformant if nothing was seen to pass."""
    if any(v.verdict is Verdict.FAIL for v in verdicts):
        return Conclusion.NON_CONFORMANT
    if any(v.hinders for v in verdicts) or not any(v.verdict is Verdict.PASS for v in verdicts):
        return Conclusion.INCONCLUSIVE
    return Conclusion.CONFORMANT


def _verdict(requirement: Requirement, command: str | None, terms: Terms, tally: Tally) -> RequirementVerdict:
    level = requirement.level_for(exclusive_account=terms.exclusive_account)
    if tally.failed:
        verdict, reason, detail = (Verdict.FAIL if level is Level.MUST else Verdict.WARN), None, None
    elif tally.observations:
        verdict, reason, detail = Verdict.PASS, None, None
    else:
        verdict = Verdict.INCONCLUSIVE
        reason, detail = _why(requirement, tally.weightiest, terms)
    return RequirementVerdict(
        requirement,
        command,
        level,
        verdict,
        tally.observations,
        tally.failed,
        tally.unobserved,
        tally.findings,
        reason,
        detail,
    )


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
