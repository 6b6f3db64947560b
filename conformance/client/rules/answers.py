"""RDG: how a client understands the answers, by its reports to its caller.

A report is compared with the last answer that the client got. A rule is judged only where those before it hold: an
error that is reported as accepted breaks RDG-05 and no rule about its details.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from operator import attrgetter
from typing import Any, Self

from conformance.client.rules.calls import AFTER, OUTLASTED, Call, ClientReport, SentRequest
from conformance.client.rules.evidence import UNHEARD, ClientCheck, ClientEvidence, ClientRule, broken, kept, one_of
from conformance.client.rules.sending import sends_again_later, waits_for_ever
from conformance.contract.contract import Contract
from conformance.contract.requirements import ACCEPTED
from conformance.judging.judgement import Inconclusive, Judgement, Reason, shown
from conformance.model.traffic import Exchange, header

# A client that has waited for nothing else goes on within this time.
PROMPT_S = 1.0

ReportRule = Callable[[Call, ClientReport, SentRequest], Iterator[str]]
Condition = Callable[[SentRequest], bool]


def each_answer(condition: Condition, rule: ReportRule, *, beside_usual: bool = False) -> ClientCheck:
    """A check of `rule` on the report of each last answer that meets the condition; it yields messages of findings.

    `beside_usual`: judge only a client that understands the usual answer, which RDG-01 is about.
    """

    def check(evidence: ClientEvidence, command: str | None) -> Iterator[Judgement]:
        understands = not beside_usual or understands_the_usual(evidence, command)
        for call in evidence.of_command(command):
            last = call.last
            if last is None or not condition(last):
                continue
            if not understands:
                yield Inconclusive(Reason.PRECONDITION, "no usual answer was reported as accepted", last.number)
            elif call.report is None:
                yield Inconclusive(Reason.PRECONDITION, "the client did not say what became of the call", last.number)
            elif came_too_late(evidence, call, call.report, last):
                yield Inconclusive(Reason.ENVIRONMENT, "the suite answered after the client's time-out", last.number)
            else:
                words = next(rule(call, call.report, last), None)
                yield kept(last) if words is None else broken(call, words, last)

    return check


def came_too_late(evidence: ClientEvidence, call: Call, report: ClientReport, last: SentRequest) -> bool:
    """Whether the client may have given up on an answer before the suite, on a busy machine, had written it."""
    ended = last.exchange.answered_at
    if report.error != "network" or last.exchange.response is None or ended is None or call.asked_at is None:
        return False
    before = [sent.exchange.answered_at for sent in call.sent[:-1]]
    since = max((at for at in before if at is not None), default=call.asked_at)
    return ended - since >= (call.timeout_s or evidence.terms.timeout_s)


def understands_the_usual(evidence: ClientEvidence, command: str | None) -> bool:
    """Whether the client ever reported an answer like the seed's sample as accepted."""
    return any(
        call.report is not None and call.report.accepted and call.last is not None and accepted_as_usual(call.last)
        for call in evidence.of_command(command)
    )


# --- Kinds of answers


@dataclass(frozen=True, slots=True)
class _Usual:
    """The usual answer of a contract: documented members, and an id and a reason as in the examples."""

    members: frozenset[str]
    reasons: frozenset[str]
    ids: re.Pattern[str]

    @classmethod
    @cache
    def of(cls, contract: Contract) -> Self:
        """Read it off the schemas of the answers."""
        roles, schemas = contract.answer, contract.schemas
        names = [name for name in schemas.names if name == ACCEPTED or name.endswith("/response")]
        answers = [schemas.resolved(name) for name in names]
        stated = [example for each in answers for example in each.get("examples", ())]
        member = schemas.resolved(ACCEPTED).get("properties", {}).get(roles.id, {})
        ids = {*member.get("examples", ()), *(example[roles.id] for example in stated if roles.id in example)}
        return cls(
            frozenset(name for each in answers for name in each.get("properties", ())),
            frozenset(example[roles.reason] for example in stated if roles.reason in example),
            re.compile("|".join(sorted(map(_like, ids)))),
        )


def _like(example: str) -> str:
    """An expression for ids of the length of an example, with the kinds of characters that it has."""
    kinds = {"0-9": str.isdigit, "A-Z": str.isupper, "a-z": str.islower}
    ranges = "".join(kind for kind, has in kinds.items() if any(map(has, example)))
    others = {character for character in example if not any(has(character) for has in kinds.values())}
    return f"[{ranges}{re.escape(''.join(sorted(others)))}]{{{len(example)}}}"


def _usual_id(sent: SentRequest) -> bool:
    return _Usual.of(sent.answer.contract).ids.fullmatch(sent.answer.request_id or "") is not None


def _usual_content(sent: SentRequest) -> bool:
    usual = _Usual.of(sent.answer.contract)
    return sent.members.keys() <= usual.members and sent.members.get(sent.roles.reason) in usual.reasons


def usual_http(exchange: Exchange) -> bool:
    """Whether an answer is HTTP/1.1 that even a simple client understands."""
    response = exchange.response
    if response is None:
        return False
    rare = ("transfer-encoding", "content-encoding", "connection", "upgrade")
    plain = response.http_version == "HTTP/1.1" and not any(header(response.headers, name) for name in rare)
    return plain and ";" not in (header(response.headers, "content-type") or "")


def accepted_as_usual(sent: SentRequest) -> bool:
    """Accepted, like the seed's sample in every way."""
    return sent.accepts and _usual_id(sent) and _usual_content(sent) and usual_http(sent.exchange)


def refused(sent: SentRequest) -> bool:
    """An error in the envelope."""
    return sent.agreed is not None and sent.agreed >= 400


def unusable(sent: SentRequest) -> bool:
    """An answer that was lost before its end, or has no envelope.

    Redirects do not count, nor do envelopes with another media type: some clients read them, some do not. Some clients
    can tell, too, that the body was whole.
    """
    if sent.lost:
        return not (sent.exchange.failure or "").startswith(AFTER)
    return sent.exchange.response is not None and not sent.redirects and not sent.usable


# --- Rules on reports


def said_accepted(_: Call, report: ClientReport, __: SentRequest) -> Iterator[str]:
    """RDG-01, RDG-09, RDG-10, RDG-11."""
    if not report.accepted:
        yield f"the gateway accepted the request, the client says {report.in_words}"


def not_said_accepted(_: Call, report: ClientReport, sent: SentRequest) -> Iterator[str]:
    """RDG-05, RDG-06, RDG-07, RDG-13."""
    if report.accepted:
        yield f"{_in_words(sent)}, and the client says accepted"


def _in_words(sent: SentRequest) -> str:
    if sent.lost:
        return str(sent.exchange.failure)
    if sent.agreed is not None:
        return f"the gateway answered {sent.agreed}"
    if sent.usable:
        return f"the HTTP status is {sent.http_status}, {sent.roles.code} is {shown(sent.code)}"
    return f"the answer is no envelope ({sent.answer.content.error or shown(sent.answer.content.value)})"


def same_request_id(call: Call, report: ClientReport, sent: SentRequest) -> Iterator[str]:
    """RDG-02: any id of the call will do; SND-09 judges a call with several requests."""
    given = {each.answer.request_id for each in call.here if each.accepts}
    if report.accepted and report.request_id not in given:
        yield f"{sent.roles.id} is {shown(sent.answer.request_id)}, the client hands back {shown(report.request_id)}"


def code_is_told(_: Call, report: ClientReport, sent: SentRequest) -> Iterator[str]:
    """RDG-03, of reported errors."""
    return _is_reported(sent.roles.code, report.status_code, report, sent)


def reason_is_told(_: Call, report: ClientReport, sent: SentRequest) -> Iterator[str]:
    """RDG-04, of reported errors."""
    return _is_reported(sent.roles.reason, report.description, report, sent)


def _is_reported(member: str, reported: Any, report: ClientReport, sent: SentRequest) -> Iterator[str]:
    if not report.accepted and reported != sent.members.get(member):
        yield f"{member} is {shown(sent.members.get(member))}, the client tells {shown(reported)}"


def gives_up(evidence: ClientEvidence, command: str | None) -> Iterator[Judgement]:
    """RDG-08: the client gives up on an answer that never ends, or never begins."""
    for call in evidence.of_command(command):
        if not any(sent.unanswered for sent in call.sent):
            continue
        endless = [death for death in call.deaths if waits_for_ever(call, death)]
        outlasting = next((sent for sent in call.sent if (sent.exchange.failure or "").endswith(OUTLASTED)), None)
        if endless:
            failure = next(sent.exchange.failure for sent in call.sent if sent.unanswered)
            yield broken(call, f"{failure}, and the client waits: {endless[0]['detail']}")
        elif outlasting is not None and _goes_on_with(call, outlasting):
            open_s = (outlasting.exchange.answered_at or 0.0) - outlasting.exchange.sent_at
            yield broken(call, f"{outlasting.exchange.failure}, after {open_s:.1f} s", outlasting)
        elif call.report is None and not any(sends_again_later(call, death) for death in call.deaths):
            yield _still_waiting(evidence, call)
        else:
            yield kept(call.sent[0])


def _still_waiting(evidence: ClientEvidence, call: Call) -> Inconclusive:
    """Why nobody knows whether a client would have given up."""
    late = evidence.terms.out_of_time
    waited = [s.exchange.answered_at - s.exchange.sent_at for s in call.sent if s.unanswered and s.exchange.answered_at]
    if late is None or not waited or call.deaths:
        return Inconclusive(Reason.PRECONDITION, "the client did not say what became of the call")
    return Inconclusive(
        Reason.INTERRUPTED, f"the client had waited for {max(waited):.0f} s, and had not given up, when {late}"
    )


def _goes_on_with(call: Call, sent: SentRequest) -> bool:
    """Whether the client did nothing until the suite closed the connection, and then went on.

    A client that gives up on an answer may leave its connection open, but then it reports or sends again before that,
    or goes on after a pause of its own.
    """
    ended = sent.exchange.answered_at
    later = [each.exchange.sent_at for each in call.sent if each.number > sent.number]
    later += [] if call.report is None else [call.report.at]
    return ended is not None and bool(later) and 0.0 <= min(later) - ended < PROMPT_S


_ACCEPTANCES: Mapping[str, Condition] = {
    "usual": accepted_as_usual,
    "other-content": lambda sent: sent.accepts and not _usual_content(sent),
    "other-id": lambda sent: sent.accepts and not _usual_id(sent),
    "other-http": lambda sent: sent.accepts and not usual_http(sent.exchange),
}
_OTHERS: Mapping[str, Condition] = {
    "error": refused,
    "unusable": unusable,
    "success-that-says-otherwise": lambda sent: sent.succeeded and sent.says not in {None, sent.http_status},
    "error-that-says-success": lambda sent: (sent.http_status or 0) >= 400 and sent.says == sent.roles.success,
}


def told_as_accepted(*, answer: str) -> ClientCheck:
    """An accepted request is reported as accepted where its answer is of that kind."""
    condition = one_of(_ACCEPTANCES, "answer", answer)
    return each_answer(condition, said_accepted, beside_usual=condition is not accepted_as_usual)


def never_told_as_accepted(*, answer: str) -> ClientCheck:
    """A request with such an answer is not reported as accepted."""
    return each_answer(one_of(_OTHERS, "answer", answer), not_said_accepted, beside_usual=True)


RULES: Mapping[str, ClientRule] = {
    "told-as-accepted": ClientRule(told_as_accepted, UNHEARD),
    "never-told-as-accepted": ClientRule(never_told_as_accepted, UNHEARD),
    "id-is-handed-back": ClientRule.plain(each_answer(attrgetter("accepts"), same_request_id), UNHEARD),
    "code-of-an-error-is-told": ClientRule.plain(each_answer(refused, code_is_told), UNHEARD),
    "reason-of-an-error-is-told": ClientRule.plain(each_answer(refused, reason_is_told), UNHEARD),
    "gives-up": ClientRule.plain(gives_up, UNHEARD),
}
