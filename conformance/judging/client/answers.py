"""RDG: what a client makes of the answers, told by what it says to its caller.

What it says is held against the last answer that it was given. A rule is judged only where those before it hold: an
error that is reported as accepted breaks RDG-05 and no rule about its details.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from operator import attrgetter
from typing import Any, Self

from conformance.contract.contract import Contract
from conformance.contract.requirements import ACCEPTED
from conformance.judging.client.evidence import Call, ClientEvidence, Said, Seen
from conformance.judging.client.judging import UNHEARD, ClientCheck, Rule, broken, kept, one_of
from conformance.judging.client.sending import sends_again_later, waits_for_ever
from conformance.judging.judgement import Judgement, Reason, Unobserved, shown
from conformance.model.traffic import Exchange, header

# Within this time a client goes on that has waited for nothing else.
PROMPT_S = 1.0

SayingRule = Callable[[Call, Said, Seen], Iterator[str]]


def each_answer(condition: Callable[[Seen], bool], rule: SayingRule, *, beside_usual: bool = False) -> ClientCheck:
    """A check of `rule` on what was said of each last answer that meets the condition; its words are findings.

    `beside_usual`: it says something only of a client that understands the usual answer, for which RDG-01 is.
    """

    def check(evidence: ClientEvidence, command: str | None) -> Iterator[Judgement]:
        understands = not beside_usual or understands_the_usual(evidence, command)
        for call in evidence.of_command(command):
            last = call.last
            if last is None or not condition(last):
                continue
            if not understands:
                yield Unobserved(Reason.PRECONDITION, "no usual answer was reported as accepted", last.number)
            elif call.said is None:
                yield Unobserved(Reason.PRECONDITION, "the client did not say what became of the call", last.number)
            elif came_too_late(evidence, call, call.said, last):
                yield Unobserved(Reason.ENVIRONMENT, "the suite answered after the client's time-out", last.number)
            else:
                words = next(rule(call, call.said, last), None)
                yield kept(last) if words is None else broken(call, words, last)

    return check


def came_too_late(evidence: ClientEvidence, call: Call, said: Said, last: Seen) -> bool:
    """Whether the client may have given up on an answer before the suite, on a busy machine, had written it."""
    ended = last.exchange.answered_at
    if said.error != "network" or last.exchange.response is None or ended is None or call.asked_at is None:
        return False
    before = [seen.exchange.answered_at for seen in call.seen[:-1]]
    since = max((at for at in before if at is not None), default=call.asked_at)
    return ended - since >= (call.timeout_s or evidence.terms.timeout_s)


def understands_the_usual(evidence: ClientEvidence, command: str | None) -> bool:
    """Whether an answer like the seed's sample was once reported as accepted."""
    return any(
        call.said is not None and call.said.accepted and call.last is not None and accepted_as_usual(call.last)
        for call in evidence.of_command(command)
    )


# --- Which answers


@dataclass(frozen=True, slots=True)
class _Usual:
    """What a usual answer of a contract consists of: documented members, and an id and a reason as in the examples."""

    members: frozenset[str]
    reasons: frozenset[str]
    ids: re.Pattern[str]

    @classmethod
    @cache
    def of(cls, contract: Contract) -> Self:
        """Read it from the schemas of the answers."""
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
    kept = "".join(kind for kind, has in kinds.items() if any(map(has, example)))
    others = {character for character in example if not any(has(character) for has in kinds.values())}
    return f"[{kept}{re.escape(''.join(sorted(others)))}]{{{len(example)}}}"


def _usual_id(seen: Seen) -> bool:
    return _Usual.of(seen.contract).ids.fullmatch(seen.answer.request_id or "") is not None


def _usual_content(seen: Seen) -> bool:
    usual = _Usual.of(seen.contract)
    return seen.members.keys() <= usual.members and seen.members.get(seen.roles.reason) in usual.reasons


def usual_http(exchange: Exchange) -> bool:
    """Whether an answer is HTTP/1.1 without anything that a simple client may not know."""
    response = exchange.response
    if response is None:
        return False
    rare = ("transfer-encoding", "content-encoding", "connection", "upgrade")
    plain = response.http_version == "HTTP/1.1" and not any(header(response.headers, name) for name in rare)
    return plain and ";" not in (header(response.headers, "content-type") or "")


def accepted_as_usual(seen: Seen) -> bool:
    """Accepted, in all as the seed's sample."""
    return seen.accepts and _usual_id(seen) and _usual_content(seen) and usual_http(seen.exchange)


def accepted_with_other_content(seen: Seen) -> bool:
    """Accepted, with fields or a description that nobody documented."""
    return seen.accepts and not _usual_content(seen)


def accepted_with_other_id(seen: Seen) -> bool:
    """Accepted, with a request_id unlike the sample."""
    return seen.accepts and not _usual_id(seen)


def accepted_in_other_http(seen: Seen) -> bool:
    """Accepted, in HTTP that is lawful and less common."""
    return seen.accepts and not usual_http(seen.exchange)


def refused(seen: Seen) -> bool:
    """An error in the envelope."""
    return seen.agreed is not None and seen.agreed >= 400


def unusable(seen: Seen) -> bool:
    """An answer from which nothing can be told: lost before its end, or no envelope. A redirect is none of them.

    An envelope that is declared as something else than JSON is not judged: some clients read it, some do not.
    """
    if seen.lost:
        return not seen.whole_body
    return seen.exchange.response is not None and not seen.redirects and not seen.usable


def success_that_says_otherwise(seen: Seen) -> bool:
    """The HTTP status says success, and status_code something else."""
    return seen.succeeded and seen.says is not None and seen.says != seen.http_status


def error_that_says_success(seen: Seen) -> bool:
    """The HTTP status says error, and status_code success."""
    return seen.http_status is not None and seen.http_status >= 400 and seen.says == seen.roles.success


# --- What is said


def said_accepted(_: Call, said: Said, __: Seen) -> Iterator[str]:
    """RDG-01, RDG-09, RDG-10, RDG-11."""
    if not said.accepted:
        yield f"the gateway accepted the request, the client says {said.in_words}"


def not_said_accepted(_: Call, said: Said, seen: Seen) -> Iterator[str]:
    """RDG-05, RDG-06, RDG-07, RDG-13."""
    if said.accepted:
        yield f"{_told(seen)}, and the client says accepted"


def _told(seen: Seen) -> str:
    if seen.lost:
        return str(seen.exchange.failure)
    if seen.agreed is not None:
        return f"the gateway answered {seen.agreed}"
    if seen.usable:
        return f"the HTTP status is {seen.http_status}, {seen.roles.code} is {shown(seen.code)}"
    return f"the answer is no envelope ({seen.answer.content.error or shown(seen.answer.content.value)})"


def same_request_id(call: Call, said: Said, seen: Seen) -> Iterator[str]:
    """RDG-02: of several that the call was given, any (that there are several is for SND-09)."""
    given = {each.answer.request_id for each in call.here if each.accepts}
    if said.accepted and said.request_id not in given:
        yield f"{seen.roles.id} is {shown(seen.answer.request_id)}, the client hands back {shown(said.request_id)}"


def code_is_told(_: Call, said: Said, seen: Seen) -> Iterator[str]:
    """RDG-03: where it is reported as an error at all."""
    yield from _is_told(seen.roles.code, said.status_code, said, seen)


def reason_is_told(_: Call, said: Said, seen: Seen) -> Iterator[str]:
    """RDG-04: likewise."""
    yield from _is_told(seen.roles.reason, said.description, said, seen)


def _is_told(member: str, told: Any, said: Said, seen: Seen) -> Iterator[str]:
    if not said.accepted and told != seen.members.get(member):
        yield f"{member} is {shown(seen.members.get(member))}, the client tells {shown(told)}"


def gives_up(evidence: ClientEvidence, command: str | None) -> Iterator[Judgement]:
    """RDG-08: where an answer never came to an end, or never began, the client waits for it no longer than it may."""
    for call in evidence.of_command(command):
        if not any(seen.unanswered for seen in call.seen):
            continue
        endless = [death for death in call.deaths if waits_for_ever(call, death)]
        outlasting = next((seen for seen in call.seen if seen.outlasted), None)
        if endless:
            failure = next(seen.exchange.failure for seen in call.seen if seen.unanswered)
            yield broken(call, f"{failure}, and the client waits: {endless[0]['detail']}")
        elif outlasting is not None and _goes_on_with(call, outlasting):
            open_s = (outlasting.exchange.answered_at or 0.0) - outlasting.exchange.sent_at
            yield broken(call, f"{outlasting.exchange.failure}, after {open_s:.1f} s", outlasting)
        elif call.said is None and not any(sends_again_later(call, death) for death in call.deaths):
            yield _still_waiting(evidence, call)
        else:
            yield kept(call.seen[0])


def _still_waiting(evidence: ClientEvidence, call: Call) -> Unobserved:
    """Why it is not known whether a client gives up that has not done so yet."""
    late = evidence.terms.out_of_time
    waited = [s.exchange.answered_at - s.exchange.sent_at for s in call.seen if s.unanswered and s.exchange.answered_at]
    if late is None or not waited or call.deaths:
        return Unobserved(Reason.PRECONDITION, "the client did not say what became of the call")
    return Unobserved(
        Reason.INTERRUPTED, f"the client had waited for {max(waited):.0f} s, and had not given up, when {late}"
    )


def _goes_on_with(call: Call, seen: Seen) -> bool:
    """Whether the client did nothing until the suite closed the connection, and then went on.

    One that gives up on an answer may leave its connection open: its caller is told before that, or it does not go on
    with the end of the connection, but after a pause of its own, or by sending again while it is still open.
    """
    ended = seen.exchange.answered_at
    later = [each.exchange.sent_at for each in call.seen if each.number > seen.number]
    later += [] if call.said is None else [call.said.at]
    return ended is not None and bool(later) and 0.0 <= min(later) - ended < PROMPT_S


_ACCEPTANCES: Mapping[str, Callable[[Seen], bool]] = {
    "usual": accepted_as_usual,
    "other-content": accepted_with_other_content,
    "other-id": accepted_with_other_id,
    "other-http": accepted_in_other_http,
}
_OTHERS: Mapping[str, Callable[[Seen], bool]] = {
    "error": refused,
    "unusable": unusable,
    "success-that-says-otherwise": success_that_says_otherwise,
    "error-that-says-success": error_that_says_success,
}


def told_as_accepted(*, answer: str) -> ClientCheck:
    """An accepted request is reported as one where its answer is of that kind."""
    condition = one_of(_ACCEPTANCES, "answer", answer)
    return each_answer(condition, said_accepted, beside_usual=condition is not accepted_as_usual)


def never_told_as_accepted(*, answer: str) -> ClientCheck:
    """What was answered so is not reported as accepted."""
    return each_answer(one_of(_OTHERS, "answer", answer), not_said_accepted, beside_usual=True)


RULES: Mapping[str, Rule] = {
    "told-as-accepted": Rule(told_as_accepted, UNHEARD),
    "never-told-as-accepted": Rule(never_told_as_accepted, UNHEARD),
    "id-is-handed-back": Rule.plain(each_answer(attrgetter("accepts"), same_request_id), UNHEARD),
    "code-of-an-error-is-told": Rule.plain(each_answer(refused, code_is_told), UNHEARD),
    "reason-of-an-error-is-told": Rule.plain(each_answer(refused, reason_is_told), UNHEARD),
    "gives-up": Rule.plain(gives_up, UNHEARD),
}
