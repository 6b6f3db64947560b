"""Rules of answers: every request is answered, in JSON that is declared as such, and the code is the HTTP status.

What the JSON holds is judged by the schemas (`conformance.judging.form`); an answer that is no JSON breaks none.
Requests for a command or method that does not exist have rules of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from conformance.contract.requirements import ACCEPTED, ANSWER, ERROR
from conformance.judging.evidence import ABSENT, Answer, Evidence, Terms, is_number
from conformance.judging.judgement import (
    AnswerCheck,
    AnswerRule,
    Check,
    Finding,
    Judgement,
    Kept,
    Reason,
    Unobserved,
    answers_where,
    shown,
)
from conformance.model.traffic import CLOSED_ON_REUSE, Response, header

JSON_MEDIA_TYPE = "application/json"


def every_invocation_is_answered(evidence: Evidence, command: str | None) -> Iterator[Judgement]:
    """Over a network a lost answer may be the network's doing: only a gateway on loopback is failed for it.

    Nor is one that closed a connection that had been used before: it may do so at any time, and need not say so.
    """
    for answer in evidence.of_command(command):
        if answer.http_status is not None:
            yield Kept(answer.number)
        elif answer.failure == CLOSED_ON_REUSE:
            yield Unobserved(Reason.ENVIRONMENT, answer.failure, answer.number)
        elif answer.failure is None:
            yield Unobserved(Reason.INTERRUPTED, "the run ended before the answer came", answer.number)
        elif evidence.terms.loopback:
            yield Finding.in_answer(answer, f"there is no answer: {answer.failure}")
        else:
            yield Unobserved(
                Reason.ENVIRONMENT, f"there is no answer, maybe for the network: {answer.failure}", answer.number
            )


def any_answer(answer: Answer) -> bool:
    """Any answer to a request for a command as it is documented."""
    return answer.exchange.response is not None and not answer.is_probe_of_path


def _accepted(answer: Answer) -> bool:
    return answer.accepted


def _not_accepted(answer: Answer) -> bool:
    return not answer.accepted


# Answers that say that the request was accepted, and those that say anything else.
SUCCESS = (any_answer, _accepted)
ERRORS = (any_answer, _not_accepted)
OF_MESSAGE: Mapping[str, tuple[Callable[[Answer], bool], ...]] = {
    ANSWER: (any_answer,),
    ACCEPTED: SUCCESS,
    ERROR: ERRORS,
}
"""The answers that a message of a catalogue stands for."""


def is_json(answer: Answer) -> bool:
    """An answer whose body is JSON."""
    return answer.content.error is None


def body_is_json(answer: Answer) -> Iterator[Finding]:
    """The body is one JSON text in UTF-8 (RFC 8259)."""
    if answer.content.error is not None:
        body = answer.response.body if answer.response else b""
        yield Finding.in_answer(answer, f"the body is unreadable: {answer.content.error}", pointer="", value=body)


def json_body_under(terms: Terms) -> AnswerRule:
    """The same; but over a network a body whose end is that of its connection may have been cut on its way."""
    return body_is_json if terms.loopback else _json_or_cut


def _json_or_cut(answer: Answer) -> Iterator[Finding | Unobserved]:
    headers = answer.response.headers if answer.response else ()
    framed = header(headers, "content-length") is not None or header(headers, "transfer-encoding") is not None
    if framed:
        yield from body_is_json(answer)
    elif answer.content.error is not None:
        said = f"the body is unreadable ({answer.content.error}), and nothing tells its length: it may have been cut"
        yield Unobserved(Reason.ENVIRONMENT, said, answer.number)


def media_type_of(response: Response) -> str | None:
    """The media type of a message without its parameters, lower case; None without Content-Type."""
    value = header(response.headers, "content-type")
    return None if value is None else value.partition(";")[0].strip().lower()


def declared_as_json(answer: Answer) -> Iterator[Finding]:
    """Content-Type is application/json; parameters such as charset may follow."""
    if answer.response is not None and media_type_of(answer.response) != JSON_MEDIA_TYPE:
        declared = header(answer.response.headers, "content-type")
        yield Finding.in_answer(
            answer, f"Content-Type is {shown(declared) if declared else 'absent'}, not {JSON_MEDIA_TYPE}"
        )


def names_members_once(answer: Answer) -> Iterator[Finding]:
    """RFC 8259, section 4: names within an object SHOULD be unique."""
    if answer.content.repeated is not None:
        body = answer.response.body if answer.response else b""
        yield Finding.in_answer(
            answer, f"the member {shown(answer.content.repeated)} is there more than once", pointer="", value=body
        )


def answered(answer: Answer) -> bool:
    """Any answer at all, also to a command or method that does not exist."""
    return answer.exchange.response is not None


def nothing_beyond(answer: Answer) -> Iterator[Finding]:
    """An answer is the last that its request brings (RFC 9112, section 6.3)."""
    if answer.response is not None and answer.response.beyond is not None:
        sent = answer.response.beyond
        yield Finding.in_answer(answer, "the gateway sent on after the answer, on the same connection", value=sent)


def http_status_agrees(answer: Answer) -> Iterator[Finding]:
    """The code of the answer is that of the HTTP status line."""
    name = answer.contract.answer.code
    value = (answer.content.members or {})[name]
    if answer.response is not None and value != answer.response.status:
        yield Finding.in_answer(
            answer,
            f"{name} is {shown(value)}, the HTTP status is {answer.response.status}",
            pointer=f"/{name}",
            value=value,
        )


def _numbered(answer: Answer) -> bool:
    return is_number((answer.content.members or {}).get(answer.contract.answer.code))


def error_is_not_described_as_success(evidence: Evidence, command: str | None) -> Iterator[Judgement]:
    """No error carries a description that the same gateway gives to accepted requests."""
    name = evidence.contract.answer.reason
    for outcome in evidence.of_command(command):
        if outcome.accepted or outcome.reason is ABSENT or outcome.is_probe_of_path:
            continue
        if outcome.said is not None and outcome.said in evidence.said_of_success:
            told = f"the {name} of the error is the one of a success"
            yield Finding.in_answer(outcome, told, pointer=f"/{name}", value=outcome.said)
        else:
            yield Kept(outcome.number)


def _body_is_json(of: str) -> Check:
    return AnswerCheck(OF_MESSAGE[of], json_body_under)


def _declared_as_json(of: str) -> Check:
    return answers_where(*OF_MESSAGE[of], rule=declared_as_json)


def _members_named_once(of: str) -> Check:
    return answers_where(*OF_MESSAGE[of], is_json, rule=names_members_once)


def _code_is_the_http_status(of: str) -> Check:
    return answers_where(*OF_MESSAGE[of], _numbered, rule=http_status_agrees)


RULES: Mapping[str, Callable[..., Check]] = {
    "every-request-is-answered": lambda: every_invocation_is_answered,
    "answer-is-json": _body_is_json,
    "answer-is-declared-as-json": _declared_as_json,
    "answer-names-members-once": _members_named_once,
    "nothing-follows-an-answer": lambda: answers_where(answered, rule=nothing_beyond),
    "code-is-the-http-status": _code_is_the_http_status,
    "errors-are-not-described-as-successes": lambda: error_is_not_described_as_success,
}
