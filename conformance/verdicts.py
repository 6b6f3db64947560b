"""From judgements to verdicts: one per requirement × command, and one for the subject.

    judge(record)  →  Judged: the verdicts of a recorded run, in the catalogue's order, and the overall Conclusion

Pure: the same record gives the same verdicts, at any time and anywhere. A requirement that was not observed is never
green; what keeps a run from being conclusive is a MUST that could not be exercised.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from conformance.checks import CHECKS
from conformance.checks.coverage import Coverage, Covered
from conformance.checks.evidence import Terms
from conformance.checks.follow_ups import Causes, causes_of, run_proper
from conformance.checks.hearing import Hearing, Tally
from conformance.checks.judgement import Check, Finding, Reason, Unobserved
from conformance.checks.patterns import Pattern, told
from conformance.checks.watching import Watched, watch
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
    commands = tuple(COMMANDS[name] for name in Terms.of(record).commands)
    pairs = catalogue().judged(Actor.GATEWAY, commands)
    coverage = Coverage()
    part = scope(record)
    hearing = Hearing.of(part, [(checks[r.id], command) for r, command in pairs], witnesses=[coverage.see])
    verdicts = tuple(
        _verdict(requirement, command, hearing.evidence.terms, tally)
        for (requirement, command), tally in zip(pairs, hearing.tallies, strict=True)
    )
    verdicts = _looked_into(verdicts, part, checks, causes_of(record))
    if record.settings.get("cases"):
        verdicts = tuple(replace(verdict, asked_for=verdict.reason is not Reason.NO_TRAFFIC) for verdict in verdicts)
    accepted = sum(outcome.accepted for outcome in hearing.evidence.final.values())
    return Judged(verdicts, conclude(verdicts), accepted, coverage.of(hearing.evidence.terms.commands))


def _looked_into(
    verdicts: tuple[RequirementVerdict, ...], part: Record, checks: Mapping[str, Check], causes: Causes
) -> tuple[RequirementVerdict, ...]:
    """The verdicts, those that fell short with what can be said of it."""
    watched = {
        place: Watched(checks[v.requirement.id], v.command, causes.get((v.requirement.id, v.command), ()))
        for place, v in enumerate(verdicts)
        if v.failed
    }
    if not watched:
        return verdicts
    watch(part, watched.values())
    looked_into = list(verdicts)
    for place, seen in watched.items():
        verdict = verdicts[place]
        pattern = told(seen.causes, seen.observations, verdict.failed, verdict.observations)
        findings = seen.findings(one_cause=pattern.is_one_cause)
        looked_into[place] = replace(verdict, pattern=pattern, findings=findings)
    return tuple(looked_into)


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
