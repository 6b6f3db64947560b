"""How a gateway is judged: by the check of each requirement in a catalogue, as its `judge = …` says.

RULES                   the written rules
checks_of               a contract → the check of each requirement: by place in a schema, by probe, by written rule
GATEWAY                 judges a whole run in one pass
judged_alone            judges one case of a run by itself
window_of               the window within which a gateway may lawfully refuse a case that is sent again
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from conformance.contract.command import Window
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
    Focus,
    Requirement,
)
from conformance.diagnosis.explanation import Explained, explain_gateway
from conformance.diagnosis.follow_ups import is_follow_up, run_proper
from conformance.gateway.rules import acceptance, answers, load, notifications, refusals
from conformance.gateway.rules.acceptance import LAWFUL, must_be_accepted
from conformance.gateway.rules.answers import any_answer
from conformance.gateway.rules.notifications import attributed, to_a_product
from conformance.gateway.rules.partwise import DividedPass
from conformance.gateway.rules.refusals import EXPECTED, beside_twin
from conformance.journal import Record
from conformance.judging.coverage import Coverage
from conformance.judging.evidence import Evidence
from conformance.judging.judgement import (
    AnswerCheck,
    Check,
    Finding,
    Inconclusive,
    Judgement,
    NoticeCheck,
    Reason,
    RunCheck,
    SubjectCheck,
    Tally,
    answers_where,
    notices_where,
)
from conformance.judging.messages import ABSENT, Answer, Notice, ResponseSummary
from conformance.judging.parts import Division
from conformance.judging.passage import SinglePass
from conformance.judging.terms import Terms
from conformance.judging.verdicts import (
    Evaluation,
    Listed,
    RequirementVerdict,
    Standard,
    Verdict,
    Verdicts,
    judge_as,
    verdict_on,
)
from conformance.model.errors import SuiteError
from conformance.model.traffic import Case, Kind
from conformance.model.untrusted import json_object

RULES: Mapping[str, Callable[..., Check]] = {
    **answers.RULES,
    **refusals.RULES,
    **acceptance.RULES,
    **notifications.RULES,
    **notifications.UNSOLICITED,
    **load.RULES,
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


def _asks_for_acceptance(requirement: Requirement) -> bool:
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


# --- A whole run


@dataclass(frozen=True, slots=True)
class GatewayFace:
    """`checks`: contract → the check of each requirement by its id; `scope`: the part of a record that is judged."""

    checks: Callable[[Contract], Mapping[str, Check]] = checks_of
    scope: Callable[[Record, Contract], Record] = run_proper

    def evaluate(
        self,
        record: Record,
        contract: Contract,
        standard: Standard,
        *,
        measured: bool,
        division: Division | None = None,
    ) -> Evaluation:
        """Judge the run of a gateway in one pass, or in the parts of its `division`."""
        part, checks = self.scope(record, contract), self.checks(contract)
        terms = Terms.of(part, contract)
        # A run that ended before it sent anything: notifications of that time do not count against the gateway.
        unproven = terms.obstacle is not None and terms.settled_at is None and not part.exchanges
        judged = [contract.notified(name) for name in (*terms.commands, *contract.unsolicited)]
        pairs = contract.catalogue.judged(Actor.GATEWAY, judged, Focus.of(record.settings.get("only")))
        listed = [standard.beginnings(r, command, terms) for r, command in pairs]
        coverage, look = Coverage(contract), None
        if division is None:
            asked = [(checks[r.id], command) for r, command in pairs]
            passage = SinglePass.of(part, contract, asked, [coverage.see] if measured else [], listed)
            tallies, facts = passage.tallies, passage.evidence.facts
        else:
            names = tuple((r.id, command) for r, command in pairs)
            divided = DividedPass.of(division, terms, self.checks, names, listed, measured=measured)
            tallies, facts, coverage, look = divided.tallies, divided.facts, divided.coverage, divided.look
        if unproven:
            tallies = tuple(Tally() for _ in pairs)

        def explain(verdicts: Verdicts, listed: Listed) -> Explained:
            return explain_gateway(verdicts, listed, record, part, contract, checks, is_of_form, look)

        return Evaluation(
            terms,
            tuple(_verdict_on(*pair, terms, tally, standard) for pair, tally in zip(pairs, tallies, strict=True)),
            tallies,
            facts.accepted,
            explain,
            coverage.of(terms.commands) if measured else (),
            of_anybody=sum(facts.of_anybody.values()),
        )

    is_about_notifications = staticmethod(is_about_notifications)
    is_about_lateness = staticmethod(is_about_lateness)


def _verdict_on(
    requirement: Requirement, command: str | None, terms: Terms, tally: Tally, standard: Standard
) -> RequirementVerdict:
    """The verdict on one requirement × command: not applicable if it is on load and the run had none."""
    why = load.not_applicable(requirement, terms)
    if why is None:
        return verdict_on(requirement, command, terms, tally, standard)
    return RequirementVerdict(requirement, command, requirement.level, Verdict.NOT_APPLICABLE, detail=why)


GATEWAY = GatewayFace()


# --- One case alone


@dataclass(frozen=True, slots=True)
class WindowExcuse:
    """Why a refusal may be lawful: a similar request was accepted `ago_s` seconds before, or refused in `words`.

    `words`: status and description with which the gateway has refused a repeated request; None if it has not.
    """

    command: str
    window: Window
    ago_s: float | None
    words: tuple[int | None, Any] | None

    @property
    def in_words(self) -> str:
        """One line for people."""
        if self.ago_s is None:
            return (
                f"{self.command}: refused in the words for a request that is repeated within {self.window.seconds:g} s"
            )
        names = " and ".join(name.replace("_", " ") for name in self.window.members)
        return (
            f"{self.command}: the same {names} were accepted {self.ago_s:.0f} s ago, and within "
            f"{self.window.seconds:g} s a gateway refuses them lawfully; wait, or run with another seed"
        )

    def excuses(self, answer: ResponseSummary) -> bool:
        """Whether the answer is a refusal that the window explains."""
        if not answer.rejected or answer.command != self.command:
            return False
        reason = None if answer.reason is ABSENT else answer.reason
        return self.ago_s is not None or (self.words is not None and (answer.status, reason) == self.words)


def window_of(
    contract: Contract, case: Case, cases: Iterable[Case], records: Iterable[Record], now: float
) -> WindowExcuse | None:
    """The window that may have `case` refused if `cases` are sent `now` (wall clock), judging by earlier `records`.

    None for a command without one. `case` is the one that is replayed; any of the others may be similar to an earlier
    request, too, since its history has to be accepted for it to mean the same.
    """
    command = contract.commands.get(case.command or "")
    if command is None or (window := command.window) is None:
        return None

    def key(case: Case) -> object:
        return window.key(json_object(case.request.body) or {})

    # A negative case is refused anyway.
    wanted = {key(each) for each in cases if each.command == command.name and each.kind in LAWFUL}
    ago_s: float | None = None
    words: tuple[int | None, Any] | None = None
    for record in records:
        of_command = {each.id: each for each in record.cases if each.command == command.name}
        for exchange in record.exchanges:
            if exchange.case_id not in of_command:
                continue
            answer = Answer.of(of_command[exchange.case_id], exchange, contract)
            seconds = now - exchange.sent_wall
            if answer.accepted and key(answer.case) in wanted and 0 <= seconds < window.seconds:
                ago_s = seconds if ago_s is None else min(ago_s, seconds)
            if answer.case.kind is Kind.REPEAT and answer.case.aspect == "window" and answer.rejected:
                words = answer.status, (answer.content.members or {}).get(contract.answer.reason)
    return WindowExcuse(command.name, window, ago_s, words)


def judged_alone(
    contract: Contract, record: Record, case_id: str, window: WindowExcuse | None = None
) -> tuple[RequirementVerdict, ...]:
    """The verdicts to which one case of a record contributes; its answer is compared with the others all the same.

    With a `window`, the refusal of a request that should be accepted is an unmet precondition, not a failure.
    """
    checks = {id_: _about(case_id, check) for id_, check in checks_of(contract).items()}
    scope = (lambda whole, _: whole) if is_follow_up(case_id) else run_proper
    if window is not None:
        lawful = [id_ for id_ in checks if _asks_for_acceptance(contract.catalogue[id_])]
        checks |= {id_: _excused(checks[id_], window) for id_ in lawful}
    judged = judge_as(GatewayFace(lambda _: checks, scope), record, contract=contract)
    return tuple(v for v in judged.verdicts if v.observations or v.unobserved)


def _about(case_id: str, check: Check) -> Check:
    """The check of one case alone."""
    if isinstance(check, AnswerCheck):
        return AnswerCheck((lambda answer: answer.case_id == case_id, *check.conditions), check.rule_under)
    if isinstance(check, NoticeCheck):
        conditions = (lambda notice: notice.answer is not None and notice.answer.case_id == case_id, *check.conditions)
        return NoticeCheck(conditions, check.rule_under)

    def about(evidence: Evidence, command: str | None) -> Iterator[Judgement]:
        own = {outcome.number for outcome in evidence.outcomes if outcome.case_id == case_id}
        return (judgement for judgement in check(evidence, command) if judgement.exchange in own)

    return about


def _excused(check: Check, window: WindowExcuse) -> Check:
    if isinstance(check, SubjectCheck):
        return check  # judges how an answer is made, not whether it is a refusal

    def excused(evidence: Evidence, command: str | None) -> Iterator[Judgement]:
        final = {outcome.number: outcome for outcome in evidence.final.values()}
        for judgement in check(evidence, command):
            answer = final.get(judgement.exchange or 0) if isinstance(judgement, Finding) else None
            if answer is not None and window.excuses(answer):
                yield Inconclusive(Reason.PRECONDITION, window.in_words, answer.number)
            else:
                yield judgement

    return excused
