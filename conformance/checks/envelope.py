"""ANS, ENC, RSP: every invocation is answered, in JSON, with the three fields of the envelope.

Each rule is judged only where the one before it holds: an answer that is no JSON breaks ENC and nothing else, a field
that is missing is not also of the wrong type. Requests for a command or method that does not exist are judged by CMD.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from functools import cache
from typing import Any

from conformance.checks.evidence import ABSENT, Answer, Evidence, Outcome, Terms, is_number
from conformance.checks.judgement import (
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
    verdict_of,
)
from conformance.traffic import CLOSED_ON_REUSE, Response, header

JSON_MEDIA_TYPE = "application/json"
FIELDS = ("status_code", "description", "request_id")


def every_invocation_is_answered(evidence: Evidence, command: str | None) -> Iterator[Judgement]:
    """ANS-01. Over a network a lost answer may be the network's doing: only a gateway on loopback is failed for it.

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
ERROR = (any_answer, _not_accepted)


def _json(answer: Answer) -> bool:
    return answer.content.error is None


def is_json_object(answer: Answer) -> bool:
    """An answer whose body is a JSON object."""
    return answer.content.members is not None


@cache  # one and the same condition for all checks that have it
def _having(field: str) -> Callable[[Answer], bool]:
    return lambda answer: field in _members(answer)


def _members(answer: Answer) -> Mapping[str, Any]:
    return answer.content.members or {}


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
    """ENC-05 (RFC 8259, section 4: names within an object SHOULD be unique)."""
    if answer.content.repeated is not None:
        body = answer.response.body if answer.response else b""
        yield Finding.in_answer(
            answer, f"the member {shown(answer.content.repeated)} is there more than once", pointer="", value=body
        )


def answered(answer: Answer) -> bool:
    """Any answer at all, also to a command or method that does not exist."""
    return answer.exchange.response is not None


def nothing_beyond(answer: Answer) -> Iterator[Finding]:
    """ENC-06: an answer is the last that its request brings (RFC 9112, section 6.3)."""
    if answer.response is not None and answer.response.beyond is not None:
        sent = answer.response.beyond
        yield Finding.in_answer(answer, "the gateway sent on after the answer, on the same connection", value=sent)


def is_object(answer: Answer) -> Iterator[Finding]:
    """The JSON text is an object."""
    if answer.content.members is None:
        yield Finding.in_answer(answer, "the answer is no JSON object", pointer="", value=answer.content.value)


def has(field: str) -> AnswerRule:
    """The envelope holds `field`."""

    def rule(answer: Answer) -> Iterator[Finding]:
        if field not in _members(answer):
            yield Finding.in_answer(answer, f"{field} is missing", pointer="", value=dict(_members(answer)))

    return rule


def is_string(field: str) -> AnswerRule:
    """`field` is a JSON string."""

    def rule(answer: Answer) -> Iterator[Finding]:
        value = _members(answer)[field]
        if not isinstance(value, str):
            yield Finding.in_answer(answer, f"{field} is no string", pointer=f"/{field}", value=value)

    return rule


def not_empty(field: str) -> AnswerRule:
    """`field`, if it is a string, holds more than white space."""

    def rule(answer: Answer) -> Iterator[Finding]:
        value = _members(answer)[field]
        if isinstance(value, str) and not value.strip():
            yield Finding.in_answer(answer, f"{field} is empty", pointer=f"/{field}", value=value)

    return rule


def status_code_is_number(answer: Answer) -> Iterator[Finding]:
    """The seed's sample has a number, and so has every answer."""
    value = _members(answer)["status_code"]
    if not is_number(value):
        yield Finding.in_answer(answer, "status_code is no number", pointer="/status_code", value=value)


def status_code_in_range(answer: Answer) -> Iterator[Finding]:
    """200, 400 to 499 or 500 to 599, whole."""
    value = _members(answer)["status_code"]
    if value != answer.contract.answer.success and not (400 <= value <= 599 and value == int(value)):
        yield Finding.in_answer(
            answer, "status_code is neither 200 nor a 4xx or 5xx", pointer="/status_code", value=value
        )


def http_status_agrees(answer: Answer) -> Iterator[Finding]:
    """The status_code is that of the HTTP status line."""
    value = _members(answer)["status_code"]
    if answer.response is not None and value != answer.response.status:
        yield Finding.in_answer(
            answer,
            f"status_code is {shown(value)}, the HTTP status is {answer.response.status}",
            pointer="/status_code",
            value=value,
        )


def _numbered(answer: Answer) -> bool:
    return is_number(_members(answer).get("status_code"))


def error_is_not_described_as_success(evidence: Evidence, command: str | None) -> Iterator[Judgement]:
    """RSP-14: no error carries a description that the same gateway gives to accepted requests."""
    for outcome in evidence.of_command(command):
        if not outcome.accepted and outcome.reason is not ABSENT and not outcome.is_probe_of_path:
            yield from verdict_of(outcome, _not_described_as(evidence.said_of_success, outcome))


def _not_described_as(texts: Collection[str], outcome: Outcome) -> Iterator[Finding]:
    if outcome.said is not None and outcome.said in texts:
        yield Finding.in_answer(
            outcome, "the description of the error is the one of a success", pointer="/description", value=outcome.said
        )


def envelope_problems(answer: Answer) -> list[str]:
    """In words, all that keeps an answer from being in the envelope; empty if it is (CMD-02, CMD-04)."""
    members = answer.content.members
    if members is None:
        return [
            f"the body is unreadable: {answer.content.error}" if answer.content.error else "the body is no JSON object"
        ]
    problems = [f"{field} is missing" for field in FIELDS if field not in members]
    if "status_code" in members and not is_number(members["status_code"]):
        problems.append("status_code is no number")
    problems += [
        f"{field} is no string or empty"
        for field in ("description", "request_id")
        if field in members and not (isinstance(members[field], str) and members[field].strip())
    ]
    return problems


CHECKS: dict[str, Check] = {
    "ANS-01": every_invocation_is_answered,
    "ENC-01": AnswerCheck(SUCCESS, json_body_under),
    "ENC-02": AnswerCheck(ERROR, json_body_under),
    "ENC-03": answers_where(*SUCCESS, rule=declared_as_json),
    "ENC-04": answers_where(*ERROR, rule=declared_as_json),
    "ENC-05": answers_where(any_answer, _json, rule=names_members_once),
    "ENC-06": answers_where(answered, rule=nothing_beyond),
    "RSP-01": answers_where(*SUCCESS, _json, rule=is_object),
    "RSP-02": answers_where(*ERROR, _json, rule=is_object),
    "RSP-03": answers_where(any_answer, _having("status_code"), rule=status_code_is_number),
    "RSP-04": answers_where(*SUCCESS, is_json_object, rule=has("status_code")),
    "RSP-05": answers_where(*ERROR, is_json_object, rule=has("status_code")),
    "RSP-06": answers_where(any_answer, _numbered, rule=status_code_in_range),
    "RSP-07": answers_where(*SUCCESS, _numbered, rule=http_status_agrees),
    "RSP-08": answers_where(*ERROR, _numbered, rule=http_status_agrees),
    "RSP-09": answers_where(*SUCCESS, is_json_object, rule=has("description")),
    "RSP-10": answers_where(*ERROR, is_json_object, rule=has("description")),
    "RSP-11": answers_where(any_answer, _having("description"), rule=is_string("description")),
    "RSP-12": answers_where(*SUCCESS, _having("description"), rule=not_empty("description")),
    "RSP-13": answers_where(*ERROR, _having("description"), rule=not_empty("description")),
    "RSP-14": error_is_not_described_as_success,
    "RSP-15": answers_where(*SUCCESS, is_json_object, rule=has("request_id")),
    "RSP-16": answers_where(*ERROR, is_json_object, rule=has("request_id")),
    "RSP-17": answers_where(any_answer, _having("request_id"), rule=is_string("request_id")),
    "RSP-18": answers_where(any_answer, _having("request_id"), rule=not_empty("request_id")),
}
