"""The checks of a catalogue: each requirement of a gateway is judged as its `judge = …` says."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any

from conformance.contract.contract import Contract
from conformance.contract.requirements import (
    ANY,
    FAILED,
    NOTIFICATION,
    SUCCEEDED,
    Actor,
    ByPlace,
    ByProbe,
    ByRule,
    Expected,
    Requirement,
)
from conformance.gateway.rules import acceptance, answers, notifications, refusals, unsolicited
from conformance.gateway.rules.acceptance import must_be_accepted
from conformance.gateway.rules.answers import any_answer
from conformance.gateway.rules.notifications import attributed, to_a_product
from conformance.gateway.rules.refusals import EXPECTED, beside_twin
from conformance.judging.evidence import Evidence
from conformance.judging.judgement import (
    AnswerCheck,
    Check,
    Finding,
    Judgement,
    NoticeCheck,
    RunCheck,
    answers_where,
    notices_where,
)
from conformance.judging.reading import Answer
from conformance.judging.summaries import Notice, ResponseSummary
from conformance.model.errors import SuiteError
from conformance.model.traffic import Kind

RULES: Mapping[str, Callable[..., Check]] = {
    **answers.RULES,
    **refusals.RULES,
    **acceptance.RULES,
    **notifications.RULES,
    **unsolicited.RULES,
}
"""The written rules by their names in catalogues, each made with the parameters beside its name there."""


@cache
def checks_of(contract: Contract) -> Mapping[str, Check]:
    """The check of each requirement that a gateway is judged by.

    Raises SuiteError for one without a way to be judged, or with an unknown rule or parameters.
    """
    return {
        requirement.id: _check(requirement, contract)
        for requirement in contract.catalogue.requirements
        if requirement.actor is Actor.GATEWAY and requirement.excluded is None
    }


def _check(requirement: Requirement, contract: Contract) -> Check:
    match requirement.judge:
        case ByPlace() as judge:
            return _by_place(requirement.id, judge, contract)
        case ByProbe() as judge:
            return _by_probe(requirement, judge, contract)
        case ByRule() as judge:
            return _by_rule(requirement.id, judge)
        case None:
            raise SuiteError(f"requirement {requirement.id} does not say how it is judged; expected judge = …")


def _by_rule(requirement: str, judge: ByRule) -> Check:
    make = RULES.get(judge.rule)
    if make is None:
        known = ", ".join(RULES)
        raise SuiteError(f"requirement {requirement} is judged by the rule {judge.rule!r}, which is none of {known}")
    try:
        return make(**judge.parameters)
    except (TypeError, KeyError) as error:
        raise SuiteError(f"requirement {requirement}: the rule {judge.rule!r} does not take this: {error}") from error


# --- By place


def _by_place(requirement: str, judge: ByPlace, contract: Contract) -> Check:

    def had_occasion(message: Answer | Notice) -> bool:
        return requirement in message.form.occasions

    if all(_is_of_notifications(message) for message in judge.messages):
        rule = _broken_places(requirement, Finding.in_notice)
        if judge.names("", "type") or judge.names(f"/{contract.notification.id}", "required"):
            # Without these it cannot be attributed, so they are required whoever sent it.
            return notices_where(to_a_product, had_occasion, rule=rule)
        return NoticeCheck((attributed, had_occasion), lambda _: rule, requirement)
    rule = _broken_places(requirement, Finding.in_answer)
    if judge.kinds:
        return answers_where(any_answer, _of_kinds(judge.kinds), had_occasion, rule=rule)
    return AnswerCheck((any_answer, had_occasion), lambda _: rule, requirement)


def _is_of_notifications(message: str) -> bool:
    return message in (NOTIFICATION, SUCCEEDED, FAILED) or message.endswith(f"/{NOTIFICATION}")


@cache
def _of_kinds(kinds: tuple[str, ...]) -> Callable[[Answer], bool]:
    wanted = frozenset(map(Kind, kinds))
    return lambda answer: answer.final and answer.kind in wanted


def _broken_places(requirement: str, finding: Callable[..., Finding]) -> Callable[[Any], Iterator[Finding]]:
    """A rule that finds the places of an answer, or of a notification, that break the requirement."""

    def rule(message: Answer | Notice) -> Iterator[Finding]:
        for breach in message.form.broken.get(requirement, ()):
            yield finding(message, breach.words, pointer=breach.pointer, value=breach.value)

    return rule


# --- By probe


def _by_probe(requirement: Requirement, judge: ByProbe, contract: Contract) -> Check:
    aspects: dict[str, set[str]] = {}
    for probe in judge.probes:
        kind, _, aspect = probe.partition(".")
        aspects.setdefault(kind, set()).add(aspect)
    checks = [_of_kind(Kind(kind), frozenset(named), requirement, judge, contract) for kind, named in aspects.items()]
    if len(checks) == 1:
        return checks[0]

    def check(evidence: Evidence, command: str | None) -> Iterator[Judgement]:
        for each in checks:
            yield from each(evidence, command)

    return check


def _of_kind(
    kind: Kind, named: frozenset[str], requirement: Requirement, judge: ByProbe, contract: Contract
) -> RunCheck:
    def select(answer: ResponseSummary) -> bool:
        return answer.aspect in named or (
            ANY in named and requirement.id in requirements_of_probe(contract, kind, answer.aspect, answer.command)
        )

    if judge.expect is Expected.ACCEPTED:
        return must_be_accepted(kind, select)
    return beside_twin(kind, select, EXPECTED[judge.expect])


@cache
def requirements_of_probe(contract: Contract, kind: Kind, aspect: str, command: str | None) -> tuple[str, ...]:
    """The ids of the requirements that judge the answers to a probe, in the order of the catalogue.

    Of those that expect the same of it, one that names its aspect comes before one that takes any.
    """
    judges = [
        (requirement.id, judge)
        for requirement in contract.catalogue.requirements
        if isinstance(judge := requirement.judge, ByProbe) and command in requirement.commands
    ]
    naming = [(id_, judge.expect) for id_, judge in judges if f"{kind}.{aspect}" in judge.probes]
    expected = {expect for _, expect in naming}
    taking_any = [id_ for id_, judge in judges if f"{kind}.{ANY}" in judge.probes and judge.expect not in expected]
    found = {*(id_ for id_, _ in naming), *taking_any}
    return tuple(id_ for id_, _ in judges if id_ in found)


# --- Kinds of requirements


def asks_for_acceptance(requirement: Requirement) -> bool:
    """Whether refusing a valid request breaks it."""
    judge = requirement.judge
    if isinstance(judge, ByProbe):
        return judge.expect is Expected.ACCEPTED
    return isinstance(judge, ByRule) and judge.rule in acceptance.OF_ACCEPTANCE


def is_about_notifications(requirement: Requirement) -> bool:
    """Whether it can only be judged after notifications have come."""
    judge = requirement.judge
    if isinstance(judge, ByPlace):
        return all(map(_is_of_notifications, judge.messages))
    return isinstance(judge, ByRule) and judge.rule in {*notifications.RULES, *ALSO_ABOUT_NOTIFICATIONS}


def is_of_form(requirement: Requirement) -> bool:
    """Whether it judges the form of messages, their ids or notifications, whatever the outcome of the request."""
    if requirement.actor is not Actor.GATEWAY:
        return False
    judge = requirement.judge
    return judge.rule in OF_FORM if isinstance(judge, ByRule) else isinstance(judge, ByPlace)


def is_about_lateness(requirement: Requirement) -> bool:
    """Whether a notification breaks it by when it comes."""
    return isinstance(requirement.judge, ByRule) and requirement.judge.rule == LATENESS


# Rules of refusals that wait for notifications, too; and the rule about the time of notifications.
ALSO_ABOUT_NOTIFICATIONS = frozenset({"refused-credential-has-no-effect"})
LATENESS = "notified-in-time"
OF_FORM = {*answers.RULES, *notifications.RULES, "tells-of-its-own-request"} - {"every-request-is-answered"}
