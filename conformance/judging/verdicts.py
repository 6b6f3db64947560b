"""From judgements to verdicts: one per requirement × command, and the conclusion about the subject.

A `Face` has the record of a gateway, or of a client, judged by its checks, and explains failures. Pure: the same record
gives the same verdicts, at any time and anywhere. A requirement that was not observed is never green; a MUST that could
not be exercised makes a run inconclusive.

An entry of an expectations file changes the verdict on a failure (KNOWN) and whether the run fails (the exit code),
never the conclusion: a subject that fails is not conformant, even if the failure is known.

A strict run fails for a broken SHOULD, too. A SHOULD that was not exercised never hinders.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Protocol

from conformance.contract.contract import Contract, statum
from conformance.contract.requirements import WHOLE, Focus, Level, Requirement
from conformance.journal import Record
from conformance.judging.coverage import Covered
from conformance.judging.expectations import Expectation, Expectations, Seen, Stale, known, stale
from conformance.judging.judgement import Finding, Inconclusive, OneCause, Pattern, Reason, Tally
from conformance.judging.parts import Division
from conformance.judging.terms import Terms


class Verdict(StrEnum):
    """The verdict on one requirement × command."""

    PASS = "PASS"
    FAIL = "FAIL"
    WARN = "WARN"
    KNOWN = "KNOWN"
    NOT_APPLICABLE = "NOT_APPLICABLE"
    INCONCLUSIVE = "INCONCLUSIVE"


class Conclusion(StrEnum):
    """The conclusion about the subject."""

    CONFORMANT = "conformant"
    NON_CONFORMANT = "non-conformant"
    INCONCLUSIVE = "inconclusive"

    @property
    def exit_code(self) -> int:
        """The exit code of a run with this conclusion, without expectations."""
        return {Conclusion.CONFORMANT: 0, Conclusion.NON_CONFORMANT: 1, Conclusion.INCONCLUSIVE: 3}[self]


@dataclass(frozen=True, slots=True)
class RequirementVerdict:
    """The verdict on one requirement × command.

    Of `observations` that were judged `failed` failed; `findings` has the first few of those. `unobserved` were
    inconclusive. `reason` and `detail` explain an inconclusive verdict, `detail` alone why the requirement is not
    applicable. `asked_for` is False if only chosen cases were sent, and none of them exercises the requirement.
    `passed_in`: the number of an exchange in which it passed.
    `expected`: the entries of the expectations file that explain the verdict. `pattern`: the cause of the failure;
    findings with one cause are one, with a count. `ended_the_run`: it failed only because the driver died and ended the
    run, from which nothing follows.
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
    passed_in: int | None = None

    @property
    def hinders(self) -> bool:
        """Whether it keeps the subject from being conformant.

        A conditional requirement whose condition never occurred does not: it held as far as it applied.
        """
        if self.verdict in (Verdict.FAIL, Verdict.KNOWN):
            return True
        if self.verdict is not Verdict.INCONCLUSIVE or self.level is not Level.MUST or not self.asked_for:
            return False
        return not (self.requirement.condition and self.reason is Reason.NO_TRAFFIC)

    @property
    def unexpected(self) -> bool:
        """Whether it fails and is not listed in the expectations file."""
        return (self.hinders or self.verdict is Verdict.WARN) and not self.expected


@dataclass(frozen=True, slots=True)
class Judged:
    """All verdicts of a run, the number of accepted requests, and the coverage.

    `focus`: the requirements that the run was limited to. `stale`: the outdated ones of `expectations`. `gave_up`: the
    driver of a client died too often. `strict`: a broken SHOULD counts as a failure. `one_causes`: causes that break
    several requirements. `of_anybody`: the number of requests to the callbacks that no check judged.
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
    focus: Focus = WHOLE

    def by(self, verdict: Verdict) -> list[RequirementVerdict]:
        """Those with a given verdict, in the catalogue's order."""
        return [v for v in self.verdicts if v.verdict is verdict]

    def counts(self) -> Mapping[Verdict, int]:
        """How many there are of each verdict."""
        return Counter(v.verdict for v in self.verdicts)

    @property
    def exit_code(self) -> int:
        """The exit code of the run: expected failures do not fail it, stale entries do.

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
        """Whether only listed failures keep the subject from being conformant."""
        return self.exit_code == 0 and self.conclusion is not Conclusion.CONFORMANT and not self.passed_in_part

    @property
    def passed_in_part(self) -> bool:
        """Whether all that the run was limited to has passed, which says nothing about the rest."""
        return bool(self.focus) and self.exit_code == 0 and not any(v.hinders for v in self.verdicts)


@dataclass(frozen=True, slots=True)
class Standard:
    """The standard of a run beside the catalogue: the expectations of its day, and whether a SHOULD fails it."""

    expectations: Expectations
    day: date
    strict: bool

    def broken(self, level: Level) -> Verdict:
        """The verdict on a broken requirement of that level."""
        return Verdict.FAIL if self.strict or level is Level.MUST else Verdict.WARN

    def beginnings(self, requirement: Requirement, command: str | None, terms: Terms) -> tuple[str, ...]:
        """The beginnings of listed findings, for one requirement × command."""
        broken = self.broken(requirement.level_for(exclusive_account=terms.exclusive_account))
        listed = self.expectations.on(requirement.id, command, self.day)
        return tuple(entry.beginning for entry in listed if entry.verdict == broken)


Verdicts = tuple[RequirementVerdict, ...]
Listed = Collection[tuple[str, str | None]]
"""Requirement and command of which some findings are listed as known."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The verdicts of the checks on a run, before they are compared with the expectations.

    `explain`: adds the causes of failures to verdicts, and returns the causes that break several requirements.
    """

    terms: Terms
    verdicts: Verdicts
    tallies: tuple[Tally, ...]
    accepted: int
    explain: Callable[[Verdicts, Listed], tuple[Verdicts, tuple[OneCause, ...]]]
    coverage: tuple[Covered, ...] = ()
    gave_up: bool = False
    of_anybody: int = 0


class Face(Protocol):
    """A gateway or a client: whose requirements are judged, by which checks, and how failures are explained."""

    def evaluate(
        self,
        record: Record,
        contract: Contract,
        standard: Standard,
        *,
        measured: bool,
        division: Division | None = None,
    ) -> Evaluation:
        """Have the checks judge a record; its coverage is counted only if it is to be `measured`.

        `division`: its parts, if it is to be judged in parts.
        """


def judge_as(  # noqa: PLR0913 - a record is judged by all of them
    face: Face,
    record: Record,
    expectations: Expectations | None = None,
    *,
    contract: Contract | None = None,
    measured: bool = True,
    strict: bool | None = None,
    division: Division | None = None,
) -> Judged:
    """Judge a recorded run of a gateway, or the certification of a client, by the catalogue of its contract.

    `contract`: that of the run; the built-in one by default. `measured`: whether to count coverage, which takes about
    as long as judging. `strict`: whether a broken SHOULD counts as a failure; None: as in the settings of the run.
    `division`: the parts of a large run, to be judged one by one; None: it is judged in one pass.
    Raises SuiteError if the catalogue cannot be read, KeyError if a judged requirement has no check.
    """
    contract = contract or statum()
    strict = bool(record.settings.get("strict")) if strict is None else strict
    listed_as_written = expectations or Expectations()
    expectations = listed_as_written.read_strictly() if strict else listed_as_written
    day = day_of(record) if expectations.entries else date.min
    evaluation = face.evaluate(
        record, contract, Standard(expectations, day, strict), measured=measured, division=division
    )
    verdicts = evaluation.verdicts
    chosen, focus = bool(record.settings.get("cases")), Focus.of(record.settings.get("only"))
    if chosen:
        verdicts = tuple(replace(verdict, asked_for=verdict.reason is not Reason.NO_TRAFFIC) for verdict in verdicts)
    seen = [_seen(*each, expectations) for each in zip(verdicts, evaluation.tallies, strict=True)]
    verdicts = tuple(_as_known(*each, expectations, day) for each in zip(verdicts, seen, strict=True))
    listed = {(v.requirement.id, v.command) for v in verdicts if expectations.on(v.requirement.id, v.command, day)}
    verdicts, one_causes = evaluation.explain(verdicts, listed)
    whole = evaluation.terms.settled_at is not None and evaluation.terms.obstacle is None and not chosen and not focus
    as_written = {entry.number: entry for entry in listed_as_written.entries}
    outdated = stale(expectations.entries, seen, day, contract.catalogue, whole=whole)
    return Judged(
        verdicts,
        conclude(verdicts, gave_up=evaluation.gave_up, focus=focus),
        evaluation.accepted,
        evaluation.coverage,
        listed_as_written,
        tuple(replace(each, expectation=as_written[each.expectation.number]) for each in outdated),
        evaluation.gave_up,
        strict,
        one_causes,
        evaluation.of_anybody,
        focus,
    )


def day_of(record: Record) -> date:
    """The day of the run, in UTC, by which entries expire."""
    return datetime.fromisoformat(record.settings["started_at"]).astimezone(UTC).date()


def conclude(verdicts: Verdicts, *, gave_up: bool = False, focus: Focus = WHOLE) -> Conclusion:
    """The conclusion about the subject.

    Never conformant if nothing passed, if its driver died too often, or if only a part of the catalogue was judged.
    """
    if any(v.verdict in (Verdict.FAIL, Verdict.KNOWN) and not v.ended_the_run for v in verdicts):
        return Conclusion.NON_CONFORMANT
    if focus or gave_up or any(v.hinders for v in verdicts) or not any(v.verdict is Verdict.PASS for v in verdicts):
        return Conclusion.INCONCLUSIVE
    return Conclusion.CONFORMANT


def verdict_on(
    requirement: Requirement, command: str | None, terms: Terms, tally: Tally, standard: Standard
) -> RequirementVerdict:
    """The verdict on one requirement × command, from the tally of its check."""
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
        passed_in=tally.passed_in,
    )


def _why(requirement: Requirement, weightiest: Inconclusive | None, terms: Terms) -> tuple[Reason, str]:
    if terms.obstacle is not None:
        return Reason.ENVIRONMENT, terms.obstacle
    if weightiest is not None:
        return weightiest.reason, weightiest.detail
    if terms.settled_at is None:
        return Reason.INTERRUPTED, "the run was cut off before this was exercised"
    if requirement.condition:
        return Reason.NO_TRAFFIC, f"applies where {requirement.condition}; that did not happen"
    return Reason.NO_TRAFFIC, "nothing in the run's traffic bears on it"


# --- Expectations


def _seen(verdict: RequirementVerdict, tally: Tally, expectations: Expectations) -> Seen:
    """The result to compare with the expectations."""
    if verdict.verdict is not Verdict.INCONCLUSIVE:
        example = verdict.findings[0].message if verdict.findings else None
        return Seen(verdict.requirement.id, verdict.command, verdict.verdict, tally.beginnings, tally.others, example)
    reason = f"{verdict.reason}: {verdict.detail}"
    listed = (e.beginning for e in expectations.entries if e.concerns(verdict.requirement.id, verdict.command))
    return Seen(
        verdict.requirement.id,
        verdict.command,
        verdict.verdict,
        [beginning for beginning in listed if reason.startswith(beginning)],
        example=reason,
        attributable=verdict.reason not in (Reason.ENVIRONMENT, Reason.INTERRUPTED),
    )


def _as_known(verdict: RequirementVerdict, seen: Seen, expectations: Expectations, day: date) -> RequirementVerdict:
    """The verdict with the entries that explain it; a fully explained failure is KNOWN."""
    expected = known(seen, expectations.on(seen.requirement, seen.command, day))
    if not expected:
        return verdict
    what = Verdict.KNOWN if verdict.verdict is Verdict.FAIL else verdict.verdict
    return replace(verdict, verdict=what, expected=expected)
