"""From judgements to verdicts: one per requirement × command, and one for the subject.

    judge(record, contract=…)  →  Judged: the verdicts of a recorded run, in the catalogue's order, and the Conclusion

A record tells of a gateway or of a client; which requirements are judged, and by which checks, follows from that.
Pure: the same record gives the same verdicts, at any time and anywhere. A requirement that was not observed is never
green; what keeps a run from being conclusive is a MUST that could not be exercised.

What is listed in an expectations file changes what is said of a failure (KNOWN) and whether the run fails (the exit
code), never the conclusion: a subject that falls short is not conformant, whoever knows of it.

A run that is judged strictly fails for a broken SHOULD, too. A SHOULD that was not exercised never hinders.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from enum import StrEnum

from conformance.contract.contract import Contract, statum
from conformance.contract.requirements import Actor, Level, Requirement
from conformance.journal import Record
from conformance.judging import checks_of
from conformance.judging.client import client_checks
from conformance.judging.client.evidence import ClientEvidence, ClientTerms
from conformance.judging.client.unsent import coverage_of_calls, why_no_traffic
from conformance.judging.coverage import Coverage, Covered
from conformance.judging.evidence import Terms
from conformance.judging.expectations import Expectation, Expectations, Seen, Stale, known, stale
from conformance.judging.explaining import Explanation, causes_in_common, explain_client, explain_gateway
from conformance.judging.follow_ups import run_proper
from conformance.judging.hearing import Hearing, Tally
from conformance.judging.judgement import Check, Finding, Reason, Unobserved
from conformance.judging.one_cause import OneCause
from conformance.judging.patterns import Pattern

# The requirement that each death of a driver breaks.
DRIVER_LIVES = "DRV-01"


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
    that it fell short; findings with one cause are one, with a count. `ended_the_run`: it fell short by nothing but the
    deaths of a driver that ended the run, from which nothing is concluded.
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
    ended_the_run: bool = False

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
    driver of a client could not be kept alive. `strict`: a broken SHOULD counts as a failure. `one_causes`: those
    that break several requirements. `of_anybody`: how many requests to the callbacks were judged by nothing.
    """

    verdicts: tuple[RequirementVerdict, ...]
    conclusion: Conclusion
    accepted: int
    coverage: tuple[Covered, ...] = ()
    expectations: Expectations = field(default_factory=Expectations)
    stale: tuple[Stale, ...] = ()
    gave_up: bool = False
    strict: bool = False
    one_causes: tuple[OneCause, ...] = ()
    of_anybody: int = 0

    def by(self, verdict: Verdict) -> list[RequirementVerdict]:
        """Those with a given verdict, in the catalogue's order."""
        return [v for v in self.verdicts if v.verdict is verdict]

    def counts(self) -> Mapping[Verdict, int]:
        """How many there are of each verdict."""
        return Counter(v.verdict for v in self.verdicts)

    @property
    def exit_code(self) -> int:
        """The exit code of the run: what is expected does not fail it, what is stale does.

        A known failure decides, whatever else went wrong. A run in which nothing was exercised is never 0.
        """
        if self.stale or any(v.verdict is Verdict.FAIL and not v.ended_the_run for v in self.verdicts):
            return Conclusion.NON_CONFORMANT.exit_code
        if self.gave_up:
            return Conclusion.INCONCLUSIVE.exit_code
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


def judge(  # noqa: PLR0913 - a record is judged by all of them
    record: Record,
    checks: Mapping[str, Check] | None = None,
    expectations: Expectations | None = None,
    scope: Callable[[Record, Contract], Record] = run_proper,
    *,
    contract: Contract | None = None,
    measured: bool = True,
    strict: bool | None = None,
) -> Judged:
    """Judge a recorded run of a gateway, or the certification of a client, by the catalogue of its contract.

    `contract`: the one that the run was about; the built-in one unless named. `checks`: by id, instead of its own.
    Nothing is expected to fall short without `expectations`. `scope` is the part of a gateway's run that is judged.
    What it exercised is counted if it is to be `measured`: that takes about as long as judging. `strict`: whether a
    broken SHOULD counts as a failure; None: as the run was told.
    Raises SuiteError if the catalogue cannot be read, KeyError if a judged requirement has no check.
    """
    contract = contract or statum()
    checks = checks or checks_of(contract)
    strict = bool(record.settings.get("strict")) if strict is None else strict
    listed_as_written = expectations or Expectations()
    expectations = listed_as_written.read_strictly() if strict else listed_as_written
    day = day_of(record) if expectations.entries else date.min
    part = record if is_client(record) else scope(record, contract)
    standard = _Standard(expectations, day, strict)
    if is_client(record):
        heard = _hear_client(record, contract, standard)
    else:
        heard = _hear(part, contract, checks, standard, measured=measured)
    verdicts = heard.verdicts
    chosen = bool(record.settings.get("cases"))
    if chosen:
        verdicts = tuple(replace(verdict, asked_for=verdict.reason is not Reason.NO_TRAFFIC) for verdict in verdicts)
    seen = [_seen(*each, expectations) for each in zip(verdicts, heard.tallies, strict=True)]
    verdicts = tuple(_as_known(*each, expectations, day) for each in zip(verdicts, seen, strict=True))
    listed = {(v.requirement.id, v.command) for v in verdicts if expectations.on(v.requirement.id, v.command, day)}
    short = {number: verdict for number, verdict in enumerate(verdicts) if verdict.failed}
    if is_client(record):
        explained = explain_client(short, record, contract, heard.found, listed)
    else:
        explained = explain_gateway(short, record, part, contract, checks, listed)
    verdicts = tuple(_explained(each, explained.get(number)) for number, each in enumerate(verdicts))
    fell_short = (Verdict.FAIL, Verdict.WARN)
    broken = ((verdicts[n], told) for n, told in explained.items() if verdicts[n].verdict in fell_short)
    whole = heard.terms.settled_at is not None and heard.terms.obstacle is None and not chosen
    as_written = {entry.number: entry for entry in listed_as_written.entries}
    outdated = stale(expectations.entries, seen, day, contract.catalogue, whole=whole)
    return Judged(
        verdicts,
        conclude(verdicts, gave_up=heard.gave_up),
        heard.accepted,
        heard.coverage,
        listed_as_written,
        tuple(replace(each, expectation=as_written[each.expectation.number]) for each in outdated),
        heard.gave_up,
        strict,
        causes_in_common(broken, contract),
        heard.of_anybody,
    )


def _explained(verdict: RequirementVerdict, told: Explanation | None) -> RequirementVerdict:
    return verdict if told is None else replace(verdict, pattern=told.pattern, findings=told.findings)


# Findings by the place of their verdict among all.
Found = Mapping[int, Sequence[Finding]]


@dataclass(frozen=True, slots=True)
class _Standard:
    """What a run is judged by, beside the catalogue: what is listed on its day, and whether a SHOULD fails it."""

    expectations: Expectations
    day: date
    strict: bool

    def broken(self, level: Level) -> Verdict:
        """What is said of a requirement that was seen to be broken, by how binding it is."""
        return Verdict.FAIL if self.strict or level is Level.MUST else Verdict.WARN

    def beginnings(self, requirement: Requirement, command: str | None, terms: Terms) -> tuple[str, ...]:
        """How the findings that are listed begin, for one requirement × command."""
        broken = self.broken(requirement.level_for(exclusive_account=terms.exclusive_account))
        listed = self.expectations.on(requirement.id, command, self.day)
        return tuple(entry.beginning for entry in listed if entry.verdict == broken)


@dataclass(frozen=True, slots=True)
class _Heard:
    """What the checks said of a run, before it is held against what is expected. `found`: all findings of a client."""

    terms: Terms
    verdicts: tuple[RequirementVerdict, ...]
    tallies: tuple[Tally, ...]
    accepted: int
    coverage: tuple[Covered, ...] = ()
    gave_up: bool = False
    found: Found = field(default_factory=dict)
    of_anybody: int = 0


def _hear(
    record: Record, contract: Contract, checks: Mapping[str, Check], standard: _Standard, *, measured: bool
) -> _Heard:
    """The run of a gateway."""
    terms = Terms.of(record, contract)
    # A run that ended before it sent anything: what came in meanwhile is nothing to hold against the gateway.
    unproven = terms.obstacle is not None and terms.settled_at is None and not record.exchanges
    judged = [contract.notified(name) for name in (*terms.commands, *contract.unsolicited)]
    pairs = contract.catalogue.judged(Actor.GATEWAY, judged)
    coverage = Coverage(contract)
    hearing = Hearing.of(
        record,
        contract,
        [(checks[r.id], command) for r, command in pairs],
        witnesses=[coverage.see] if measured else [],
        listed=[standard.beginnings(r, command, terms) for r, command in pairs],
    )
    tallies = tuple(Tally() for _ in pairs) if unproven else hearing.tallies
    verdicts = tuple(
        _verdict(requirement, command, terms, tally, standard)
        for (requirement, command), tally in zip(pairs, tallies, strict=True)
    )
    accepted = sum(outcome.accepted for outcome in hearing.evidence.final.values())
    classes = coverage.of(terms.commands) if measured else ()
    return _Heard(terms, verdicts, tallies, accepted, classes, of_anybody=hearing.evidence.of_anybody.total())


def _hear_client(record: Record, contract: Contract, standard: _Standard) -> _Heard:
    """The certification of a client: what it does not offer is not applicable to it."""
    evidence = ClientEvidence.of(record, contract)
    terms = _as_terms(evidence.terms, contract)
    commands = [contract.notified(name) for name in (*terms.commands, *evidence.terms.unsolicited)]
    pairs = [pair for actor in (Actor.CLIENT, Actor.RECEIVER) for pair in contract.catalogue.judged(actor, commands)]
    checks = client_checks(contract)
    verdicts: list[RequirementVerdict] = []
    tallies: list[Tally] = []
    found: dict[int, list[Finding]] = {}
    for requirement, command in pairs:
        tally = Tally(standard.beginnings(requirement, command, terms))
        why = _not_applicable(requirement, command, evidence)
        if why is None:
            judgements = list(checks[requirement.id](evidence, command))
            tally.add_all(judgements)
            found[len(verdicts)] = [each for each in judgements if isinstance(each, Finding)]
            verdict = _with_what_came_instead(_verdict(requirement, command, terms, tally, standard), evidence)
            verdicts.append(replace(verdict, ended_the_run=_ended_the_run(verdict, evidence)))
        else:
            level, not_applicable = requirement.level, Verdict.NOT_APPLICABLE
            verdicts.append(RequirementVerdict(requirement, command, level, not_applicable, detail=why))
        tallies.append(tally)
    accepted = sum(any(sent.agreed == contract.answer.success for sent in call.sent) for call in evidence.calls)
    # A driver that cannot be kept alive has shown too little of its client to call it conformant.
    gave_up = evidence.terms.gave_up is not None
    return _Heard(terms, tuple(verdicts), tuple(tallies), accepted, coverage_of_calls(evidence), gave_up, found)


def _with_what_came_instead(verdict: RequirementVerdict, evidence: ClientEvidence) -> RequirementVerdict:
    """The verdict; where no traffic bears on it, with what happened instead."""
    happened = why_no_traffic(evidence, verdict.command) if verdict.reason is Reason.NO_TRAFFIC else None
    return verdict if happened is None else replace(verdict, reason=happened[0], detail=happened[1])


def _not_applicable(requirement: Requirement, command: str | None, evidence: ClientEvidence) -> str | None:
    """In words, what the requirement needs and the client does not offer; None if it applies."""
    if evidence.terms.obstacle is not None:
        return None
    return next(filter(None, (evidence.lacking(offer, command) for offer in sorted(requirement.needs))), None)


def _ended_the_run(verdict: RequirementVerdict, evidence: ClientEvidence) -> bool:
    """Whether nothing fell short but what ended the run: the last deaths of a driver that was given up."""
    given_up = next((note.detail for note in evidence.notes if note.kind == "gave-up"), None)
    if given_up is None or not verdict.failed:
        return False
    deaths = [note.detail["case"] for note in evidence.notes if note.kind == "death"][-given_up["deaths"] :]
    return (
        verdict.requirement.id == DRIVER_LIVES
        and verdict.failed <= len(deaths)
        and all(finding.case in deaths for finding in verdict.findings)
    )


def _as_terms(terms: ClientTerms, contract: Contract) -> Terms:
    """What verdicts on both faces depend on."""
    obstacle = terms.obstacle or (terms.gave_up and f"the driver failed again and again: {terms.gave_up}")
    return Terms(contract, commands=terms.commands, settled_at=terms.settled_at, obstacle=obstacle)


def day_of(record: Record) -> date:
    """The day of the run, in UTC: what has expired by then does not count."""
    return datetime.fromisoformat(record.settings["started_at"]).astimezone(UTC).date()


def conclude(verdicts: tuple[RequirementVerdict, ...], *, gave_up: bool = False) -> Conclusion:
    """The verdict on the subject; never conformant if nothing was seen to pass, or its driver was given up."""
    if any(v.verdict in (Verdict.FAIL, Verdict.KNOWN) and not v.ended_the_run for v in verdicts):
        return Conclusion.NON_CONFORMANT
    if gave_up or any(v.hinders for v in verdicts) or not any(v.verdict is Verdict.PASS for v in verdicts):
        return Conclusion.INCONCLUSIVE
    return Conclusion.CONFORMANT


def _verdict(
    requirement: Requirement, command: str | None, terms: Terms, tally: Tally, standard: _Standard
) -> RequirementVerdict:
    level = requirement.level_for(exclusive_account=terms.exclusive_account)
    if tally.failed:
        verdict, reason, detail = standard.broken(level), None, None
    elif tally.unsettled is not None:
        verdict, reason, detail = Verdict.INCONCLUSIVE, tally.unsettled.reason, tally.unsettled.detail
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


# --- What is expected


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
