"""Rules of refusals: the gateway refuses forbidden requests, as the contract says.

A refusal counts only beside a positive twin: a gateway that refuses everything does not tell right from wrong. So each
rule looks at the twin first, and yields `precondition` where the gateway did not accept that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from conformance.contract.requirements import Expected
from conformance.judging.evidence import Evidence
from conformance.judging.excuses import AFTER_REFUSAL, Excuses, unjudgeable
from conformance.judging.facts import TwinReply
from conformance.judging.judgement import (
    Check,
    Finding,
    Inconclusive,
    Judgement,
    Reason,
    RunCheck,
    answers_where,
    shown,
    verdict_of,
)
from conformance.judging.messages import ABSENT, UNAUTHORIZED, Answer, ResponseSummary
from conformance.judging.reading import envelope_problems
from conformance.model.traffic import Kind, header

# Codes that do not blame the input, but credential, funds, access, path or rate (contract: "Responses").
BLAMES_SOMETHING_ELSE = frozenset({401, 402, 403, 404, 429})
ACCESS_DENIED = 403
UNPROCESSABLE = 422

Rule = Callable[[ResponseSummary], Iterator[Finding]]


def beside_twin(kind: Kind, select: Callable[[ResponseSummary], bool], rule: Rule) -> RunCheck:
    """A check of `rule` on the selected cases of a kind whose twin, if they have one, was accepted."""

    def check(evidence: Evidence, command: str | None) -> Iterator[Judgement]:
        for answer in evidence.final_of(command, kind):
            if select(answer):
                yield from verdict_of(answer, rule(answer), unjudgeable(answer) or twin_obstacle(evidence, answer))

    return check


def twin_obstacle(evidence: Evidence, answer: ResponseSummary) -> Inconclusive | None:
    """The reason why an answer proves nothing: the request beside it that has to be accepted was not."""
    if answer.purpose.twin is None:
        return None
    twin = evidence.twin_of(answer)
    if twin is None:
        return Inconclusive(Reason.PRECONDITION, "its positive twin was not sent", answer.number)
    if not twin.accepted:
        words = f"its positive twin {answer.purpose.twin} was not accepted ({reply(twin)}), so a refusal tells nothing"
        return Inconclusive(Reason.PRECONDITION, words, answer.number)
    return None


def reply(answer: ResponseSummary | TwinReply) -> str:
    """Status and description of an answer, in words."""
    reason = f": {shown(answer.said)}" if answer.said is not None else ""
    return f"answered {answer.status}{reason}" if answer.status is not None else "no answer"


def refused_with_401(answer: ResponseSummary) -> Iterator[Finding]:
    """A wrong credential is 401, nothing else."""
    if answer.status != UNAUTHORIZED:
        yield _finding(answer, f"{_probe(answer)} was {reply(answer)}, not 401")


def refused(answer: ResponseSummary) -> Iterator[Finding]:
    """Any 4xx will do: another requirement judges whether the right credential is refused."""
    if not answer.rejected:
        yield _finding(answer, f"{_probe(answer)} was {reply(answer)}, not refused with a 4xx")


def not_accepted(answer: ResponseSummary) -> Iterator[Finding]:
    """The request was not accepted; another requirement judges a 5xx."""
    if not answer.rejected and not answer.crashed:
        yield from refused(answer)


def no_5xx(answer: ResponseSummary) -> Iterator[Finding]:
    """The gateway did not fall over."""
    if answer.crashed:
        yield _finding(answer, f"{_probe(answer)} was {reply(answer)}")


def refused_as_invalid(answer: ResponseSummary) -> Iterator[Finding]:
    """A 4xx that blames the input (contract: "any 4xx other than 401/402/403/404/429")."""
    # A name that breaks its pattern is also not registered to the account, as a 403 says.
    registered = answer.purpose.member in answer.contract.members.registered
    allowed = BLAMES_SOMETHING_ELSE - ({ACCESS_DENIED} if registered else set())
    if answer.status == UNAUTHORIZED:
        return
    if not answer.rejected or answer.status in allowed:
        yield _finding(answer, f"{_probe(answer)} was {reply(answer)}, not refused as invalid with a 4xx")


def _probe(answer: ResponseSummary) -> str:
    shows = answer.purpose
    if shows.kind is Kind.OPEN:
        return f"a payload that the contract leaves open ({shows.keyword or shows.aspect})"
    if shows.member:
        return f"{shows.member} ({shows.aspect}, breaks {shows.keyword})"
    return shows.aspect.replace("-", " ") + (f" ({shows.keyword})" if shows.keyword else "")


def _finding(answer: ResponseSummary, message: str) -> Finding:
    """A finding about the code of an answer."""
    code = answer.http_status if answer.code is ABSENT else answer.code
    return Finding.in_answer(answer, message, pointer=answer.code_pointer, value=code)


def in_envelope(answer: ResponseSummary) -> Iterator[Finding]:
    """The answer has the form of its schema, whatever its content."""
    whole = answer.whole
    if whole is None:
        return
    content, body = whole.content, whole.response.body if whole.response else b""
    if content.error is not None:
        problems = [f"the body is unreadable: {content.error}"]
    else:
        problems = envelope_problems(whole.contract, whole.command, content.value, accepted=whole.accepted)
    if problems:
        words = f"{_probe(answer)} was answered outside the envelope: {'; '.join(problems)}"
        yield Finding.in_answer(answer, words, pointer="", value=body)


def right_credential_is_not_refused(answer: Answer) -> Iterator[Finding]:
    """The gateway did not refuse the account's own request for its credential."""
    if answer.status == UNAUTHORIZED:
        words = "the right credential was refused with 401"
        yield Finding.in_answer(answer, words, pointer=answer.code_pointer, value=UNAUTHORIZED)


def has_www_authenticate(answer: Answer) -> Iterator[Finding]:
    """RFC 2616, 10.4.2."""
    if answer.response is not None and header(answer.response.headers, "www-authenticate") is None:
        yield Finding.in_answer(answer, "the 401 carries no WWW-Authenticate")


def refused_credential_has_no_effect(evidence: Evidence, command: str | None) -> Iterator[Judgement]:
    """No notification for a request refused with 401, and the same request is accepted afterwards."""
    excuses = Excuses(evidence, command)
    for answer in evidence.final_of(command, Kind.CREDENTIAL, Kind.REPEAT):
        if answer.kind is Kind.CREDENTIAL and answer.status == UNAUTHORIZED and answer.request_id is not None:
            words = f"a request refused for its credential ({answer.aspect}) was followed by a notification"
            arrivals = () if evidence.shares_id(answer) else evidence.arrivals_about(answer)
            yield from verdict_of(answer, (Finding.in_notice(arrival, words) for arrival in arrivals))
        elif answer.kind is Kind.REPEAT and answer.aspect == AFTER_REFUSAL:
            probe = evidence.earlier_of(answer)
            obstacle = unjudgeable(answer) or twin_obstacle(evidence, answer)
            if obstacle:
                yield obstacle
            elif probe is None or probe.status != UNAUTHORIZED:
                words = "the credential probe before it was not refused with 401"
                yield Inconclusive(Reason.PRECONDITION, words, answer.number)
            else:
                obstacle = excuses.of_account(answer) or excuses.as_ordinary_ones(answer, crashes=True)
                again = f"{reply(answer)} when sent with the right one"
                words = f"the request that had been refused for its credential was {again}"
                yield from verdict_of(answer, () if answer.accepted else [_finding(answer, words)], obstacle)


def _unprocessable(answer: Answer) -> bool:
    return (
        answer.status == UNPROCESSABLE
        and answer.kind is Kind.BROKEN
        and answer.final
        and answer.content.members is not None
    )


def names_the_member(answer: Answer) -> Iterator[Finding]:
    """The errors of a refusal are named after members; the member at fault is among them."""
    name = answer.contract.answer.errors
    errors = (answer.content.members or {}).get(name or "")
    if isinstance(errors, dict) and answer.case.member not in errors:
        words = f"{name} does not name {answer.case.member}"
        yield Finding.in_answer(answer, words, pointer=f"/{name}", value=errors)


EXPECTED: Mapping[Expected, Rule] = {
    Expected.UNAUTHORIZED: refused_with_401,
    Expected.REFUSED: refused,
    Expected.REFUSED_AS_INVALID: refused_as_invalid,
    Expected.NOT_ACCEPTED: not_accepted,
    Expected.NO_CRASH: no_5xx,
    Expected.IN_ENVELOPE: in_envelope,
}
"""The expected fate of a probe → its rule; probes that must be accepted have excuses, and a check of their own."""

RULES: Mapping[str, Callable[..., Check]] = {
    "right-credential-is-not-refused": lambda: answers_where(
        lambda answer: answer.final and answer.status is not None and answer.kind is not Kind.CREDENTIAL,
        rule=right_credential_is_not_refused,
    ),
    "refused-credential-has-no-effect": lambda: refused_credential_has_no_effect,
    "unauthorized-names-its-scheme": lambda: answers_where(
        lambda answer: answer.status == UNAUTHORIZED and answer.kind is Kind.CREDENTIAL, rule=has_www_authenticate
    ),
    "errors-name-the-member": lambda: answers_where(_unprocessable, rule=names_the_member),
}
