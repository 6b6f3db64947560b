"""From judgements to verdicts: one per requirement × command, and one for the subject.

    judge(record)  →  Judged: the verdicts of a recorded run, in the catalogue's order, and the overall Conclusion

A record tells of a gateway or of a client; which requirements are judged, and by which checks, follows from that.
Pure: the same record gives the same verdicts, at any time and anywhere. A requirement that was not observed is never
green; what keeps a run from being conclusive is a MUST that could not be exercised.

What is listed in an expectations file changes what is said of a failure (KNOWN) and whether the run fails (the exit
code), never the conclusion: a subject that falls short is not conformant, whoever knows of it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from enum import StrEnum

from conformance.checks import CHECKS
from conformance.checks.client import CLIENT_CHECKS
from conformance.checks.client.evidence import ClientEvidence
from conformance.checks.client.terms import ClientTerms
from conformance.checks.client.unsent import coverage_of_calls, instead, left_open
from conformance.checks.coverage import Coverage, Covered
from conformance.checks.evidence import Terms
from conformance.checks.follow_ups import Causes, causes_of, run_proper
from conformance.checks.hearing import Hearing, Tally
from conformance.checks.judgement import Check, Finding, Reason, Unobserved
from conformance.checks.patterns import Pattern, told
from conformance.checks.reading import OK
from conformance.checks.watching import Watched, watch
from conformance.contract.commands import COMMANDS
from conformance.contract.requirements import Actor, Level, Requirement, catalogue
from conformance.expectations import Expectation, Expectations, Seen, Stale, known, stale
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
        """The exit code of a run that ends so, where nothing is expected but that all is well."""
        return {Conclusion.CONFORMANT: 0, Conclusion.NON_CONFORMANT: 1, Conclusion.INCONCLUSIVE: 3}[self]


@dataclass(frozen=True, slots=True)
class RequirementVerdict:
    """The verdict on one requirement × command.

    `observations` were judged, `failed` of them fell short; `findings` shows the first few of those.
    `unobserved` could not be told. `reason` and `detail` say why the verdict is inconclusive, `detail` alone why the
    requirement is not applicable. `asked_for` is False
    where the run was told to send chosen cases only, and none of them bears on the requirement. `expected`: the entries
    of the expectations file that explain the verdict; none if it was not expected. `pattern` says on what it depends
    that it fell short; findings with one cause are one, with a count.
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
    expected: tuple[Expectation, ...] = ()
    pattern: Pattern | None = None

    @property
    def hinders(self) -> bool:
        """Whether it keeps the subject from being called conformant.

        A conditional requirement whose condition never came about does not: it was kept as far as it applied.
        """
        if self.verdict in (Verdict.FAIL, Verdict.KNOWN):
            return True
        if self.verdict is not Verdict.INCONCLUSIVE or self.level is not Level.MUST or not self.asked_for:
            return False
        return not (self.requirement.condition and self.reason is Reason.NO_TRAFFIC)

    @property
    def unexpected(self) -> bool:
        """Whether it falls short without being listed: with an expectations file, worth an entry in it."""
        return (self.hinders or self.verdict is Verdict.WARN) and not self.expected


@dataclass(frozen=True, slots=True)
class Judged:
    """All verdicts of a run, how many of its requests were accepted, and what it exercised.

    `expectations` are those that it was judged by, `stale` those of them that do not hold any more. `gave_up`: the
    driver of a client could not be kept alive.
    """

    verdicts: tuple[RequirementVerdict, ...]
    conclusion: Conclusion
    accepted: int
    coverage: tuple[Covered, ...] = ()
    expectations: Expectations = field(default_factory=Expectations)
    stale: tuple[Stale, ...] = ()
    gave_up: bool = False

    def by(self, verdict: Verdict) -> list[RequirementVerdict]:
        """Those with a given verdict, in the catalogue's order."""
        return [v for v in self.verdicts if v.verdict is verdict]

    def counts(self) -> Mapping[Verdict, int]:
        """How many there are of each verdict."""
        return Counter(v.verdict for v in self.verdicts)

    @property
    def exit_code(self) -> int:
        """The exit code of the run: what is expected does not fail it, what is stale does.

        A run in which nothing was exercised is never 0.
        """
        if self.gave_up and not _broken_by_itself(self.verdicts):
            return Conclusion.INCONCLUSIVE.exit_code
        if self.stale or any(v.verdict is Verdict.FAIL for v in self.verdicts):
            return Conclusion.NON_CONFORMANT.exit_code
        exercised = any(v.verdict in (Verdict.PASS, Verdict.KNOWN) for v in self.verdicts)
        if not exercised or any(v.hinders and not v.expected for v in self.verdicts):
            return Conclusion.INCONCLUSIVE.exit_code
        return Conclusion.CONFORMANT.exit_code

    @property
    def as_expected(self) -> bool:
        """Whether the subject falls short of being conformant by nothing but what is listed."""
        return self.exit_code == 0 and self.conclusion is not Conclusion.CONFORMANT


def is_client(record: Record) -> bool:
    """Whether it is a client that a record tells of, or its receiver, and not a gateway."""
    return record.settings.get("subject_kind") == "client"


def judge(
    record: Record,
    checks: Mapping[str, Check] = CHECKS,
    expectations: Expectations | None = None,
    scope: Callable[[Record], Record] = run_proper,
    *,
    measured: bool = True,
) -> Judged:
    """Judge a recorded run by the catalogue: that of a gateway by `checks`, or the certification of a client.

    Nothing is expected to fall short without `expectations`. `scope` is the part of a gateway's run that is judged.
    What it exercised is counted if it is to be `measured`: that takes about as long as judging.
    Raises SuiteError if the catalogue cannot be read, KeyError if a judged requirement has no check.
    """
    expectations = expectations or Expectations()
    day = day_of(record) if expectations.entries else date.min
    part = record if is_client(record) else scope(record)
    if is_client(record):
        heard = _hear_client(record, expectations, day)
    else:
        heard = _hear(part, checks, expectations, day, measured=measured)
    verdicts = heard.verdicts
    chosen = bool(record.settings.get("cases"))
    if chosen:
        verdicts = tuple(replace(verdict, asked_for=verdict.reason is not Reason.NO_TRAFFIC) for verdict in verdicts)
    seen = [_seen(*each, expectations) for each in zip(verdicts, heard.tallies, strict=True)]
    verdicts = tuple(_as_known(*each, expectations, day) for each in zip(verdicts, seen, strict=True))
    if not is_client(record):
        listed = {(v.requirement.id, v.command) for v in verdicts if expectations.on(v.requirement.id, v.command, day)}
        verdicts = _looked_into(verdicts, part, checks, causes_of(record), listed)
    whole = heard.terms.settled_at is not None and heard.terms.obstacle is None and not chosen
    return Judged(
        verdicts,
        Conclusion.INCONCLUSIVE if heard.gave_up and not _broken_by_itself(verdicts) else conclude(verdicts),
        heard.accepted,
        heard.coverage,
        expectations,
        tuple(stale(expectations.entries, seen, day, whole=whole)),
        heard.gave_up,
    )


@dataclass(frozen=True, slots=True)
class _Heard:
    """What the checks said of a run, before it is held against what is expected."""

    terms: Terms
    verdicts: tuple[RequirementVerdict, ...]
    tallies: tuple[Tally, ...]
    accepted: int
    coverage: tuple[Covered, ...] = ()
    gave_up: bool = False


def _hear(
    record: Record, checks: Mapping[str, Check], expectations: Expectations, day: date, *, measured: bool
) -> _Heard:
    """The run of a gateway."""
    terms = Terms.of(record)
    pairs = catalogue().judged(Actor.GATEWAY, tuple(COMMANDS[name] for name in terms.commands))
    coverage = Coverage()
    hearing = Hearing.of(
        record,
        [(checks[r.id], command) for r, command in pairs],
        witnesses=[coverage.see] if measured else [],
        listed=[_beginnings(expectations, r, command, terms, day) for r, command in pairs],
    )
    verdicts = tuple(
        _verdict(requirement, command, terms, tally)
        for (requirement, command), tally in zip(pairs, hearing.tallies, strict=True)
    )
    accepted = sum(outcome.accepted for outcome in hearing.evidence.final.values())
    return _Heard(terms, verdicts, hearing.tallies, accepted, coverage.of(terms.commands) if measured else ())


def _hear_client(record: Record, expectations: Expectations, day: date) -> _Heard:
    """The certification of a client: what it does not offer is not applicable to it."""
    evidence = ClientEvidence.of(record)
    terms = _as_terms(evidence.terms)
    commands = tuple(COMMANDS[name] for name in terms.commands)
    pairs = [pair for actor in (Actor.CLIENT, Actor.RECEIVER) for pair in catalogue().judged(actor, commands)]
    verdicts, tallies = [], []
    for requirement, command in pairs:
        tally = Tally(_beginnings(expectations, requirement, command, terms, day))
        why = _not_applicable(requirement, command, evidence)
        if why is None:
            tally.add_all(CLIENT_CHECKS[requirement.id](evidence, command))
            verdicts.append(_explained(_verdict(requirement, command, terms, tally), evidence))
        else:
            level, not_applicable = requirement.level, Verdict.NOT_APPLICABLE
            verdicts.append(RequirementVerdict(requirement, command, level, not_applicable, detail=why))
        tallies.append(tally)
    accepted = sum(any(seen.agreed == OK for seen in call.seen) for call in evidence.calls)
    coverage = coverage_of_calls(evidence)
    # A driver that cannot be kept alive has shown too little of its client to conclude that it keeps the contract.
    return _Heard(terms, tuple(verdicts), tuple(tallies), accepted, coverage, evidence.terms.gave_up is not None)


def _explained(verdict: RequirementVerdict, evidence: ClientEvidence) -> RequirementVerdict:
    """The verdict; where no traffic bears on it, with what happened instead."""
    if verdict.reason is not Reason.NO_TRAFFIC or evidence.terms.observed:
        return verdict
    happened = instead(evidence, verdict.command) or left_open(evidence, verdict.command)
    if happened is None and evidence.terms.out_of_time is not None:
        happened = Reason.INTERRUPTED, evidence.terms.out_of_time
    return verdict if happened is None else replace(verdict, reason=happened[0], detail=happened[1])


def _not_applicable(requirement: Requirement, command: str | None, evidence: ClientEvidence) -> str | None:
    """In words, what the requirement needs and the client does not offer; None if it applies."""
    if evidence.terms.obstacle is not None:
        return None
    return next(filter(None, (evidence.lacking(offer, command) for offer in sorted(requirement.needs))), None)


def _as_terms(terms: ClientTerms) -> Terms:
    """What verdicts on both faces depend on."""
    obstacle = terms.obstacle or (terms.gave_up and f"the driver failed again and again: {terms.gave_up}")
    return Terms(commands=terms.commands, settled_at=terms.settled_at, obstacle=obstacle)


def day_of(record: Record) -> date:
    """The day of the run, in UTC: what has expired by then does not count."""
    return datetime.fromisoformat(record.settings["started_at"]).astimezone(UTC).date()


DRIVER_LIVES = "DRV-01"

# What is said of a requirement that was seen to be broken, by how binding it is.
_BROKEN = {Level.MUST: Verdict.FAIL, Level.SHOULD: Verdict.WARN}


def conclude(verdicts: tuple[RequirementVerdict, ...]) -> Conclusion:
    """The verdict on the subject; never conformant if nothing was seen to pass."""
    if any(v.verdict in (Verdict.FAIL, Verdict.KNOWN) for v in verdicts):
        return Conclusion.NON_CONFORMANT
    if any(v.hinders for v in verdicts) or not any(v.verdict is Verdict.PASS for v in verdicts):
        return Conclusion.INCONCLUSIVE
    return Conclusion.CONFORMANT


def _broken_by_itself(verdicts: Iterable[RequirementVerdict]) -> bool:
    """Whether a MUST is known to be broken, other than by the deaths of a driver that could not be kept alive."""
    return any(v.verdict in (Verdict.FAIL, Verdict.KNOWN) and v.requirement.id != DRIVER_LIVES for v in verdicts)


def _verdict(requirement: Requirement, command: str | None, terms: Terms, tally: Tally) -> RequirementVerdict:
    level = requirement.level_for(exclusive_account=terms.exclusive_account)
    if tally.failed:
        verdict, reason, detail = _BROKEN[level], None, None
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


# --- On what it depends


def _looked_into(
    verdicts: tuple[RequirementVerdict, ...],
    part: Record,
    checks: Mapping[str, Check],
    causes: Causes,
    listed: Collection[tuple[str, str | None]],
) -> tuple[RequirementVerdict, ...]:
    """The verdicts, those that fell short with what can be said of it.

    Where findings are `listed`, they are not gathered: one that is not listed must not go under among those that are.
    """
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
        gathered = () if (verdict.requirement.id, verdict.command) in listed else seen.findings(pattern.is_one_cause)
        looked_into[place] = replace(verdict, pattern=pattern, findings=gathered or verdict.findings)
    return tuple(looked_into)


# --- What is expected


def _beginnings(
    expectations: Expectations, requirement: Requirement, command: str | None, terms: Terms, day: date
) -> tuple[str, ...]:
    """How the findings that are listed begin, for one requirement × command."""
    broken = _BROKEN[requirement.level_for(exclusive_account=terms.exclusive_account)]
    return tuple(e.beginning for e in expectations.on(requirement.id, command, day) if e.verdict == broken)


def _seen(verdict: RequirementVerdict, tally: Tally, expectations: Expectations) -> Seen:
    """What was seen, as far as expectations speak of it."""
    if verdict.verdict is not Verdict.INCONCLUSIVE:
        example = verdict.findings[0].message if verdict.findings else None
        return Seen(verdict.requirement.id, verdict.command, verdict.verdict, tally.beginnings, tally.others, example)
    told = f"{verdict.reason}: {verdict.detail}"
    listed = (e.beginning for e in expectations.entries if e.concerns(verdict.requirement.id, verdict.command))
    return Seen(
        verdict.requirement.id,
        verdict.command,
        verdict.verdict,
        [beginning for beginning in listed if told.startswith(beginning)],
        example=told,
        attributable=verdict.reason not in (Reason.ENVIRONMENT, Reason.INTERRUPTED),
    )


def _as_known(verdict: RequirementVerdict, seen: Seen, expectations: Expectations, day: date) -> RequirementVerdict:
    """The verdict with what explains it; a failure that is explained in full is KNOWN."""
    expected = known(seen, expectations.on(seen.requirement, seen.command, day))
    if not expected:
        return verdict
    what = Verdict.KNOWN if verdict.verdict is Verdict.FAIL else verdict.verdict
    return replace(verdict, verdict=what, expected=expected)
