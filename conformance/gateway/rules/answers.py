"""Rules of answers and their ids: every request is answered, in JSON that is declared as such; an id names one request.

The schemas judge the content of the JSON (`conformance.judging.reading`); an answer that is not JSON breaks none of
them. Requests for an unknown command or method have rules of their own.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from operator import attrgetter

from conformance.contract.requirements import ACCEPTED, ANSWER, ERROR
from conformance.judging.evidence import Evidence
from conformance.judging.facts import kept
from conformance.judging.judgement import (
    AnswerCheck,
    AnswerRule,
    Check,
    Finding,
    Inconclusive,
    Judgement,
    Passed,
    Reason,
    answers_where,
    shown,
)
from conformance.judging.messages import ABSENT, Answer, ResponseSummary
from conformance.judging.reading import is_number
from conformance.judging.terms import Terms
from conformance.model.traffic import (
    CLOSED_ON_REUSE,
    JSON_MEDIA_TYPE,
    LOST_WITH_ITS_SENDER,
    Headers,
    Kind,
    header,
    media_type,
)


def every_invocation_is_answered(evidence: Evidence, command: str | None) -> Iterator[Judgement]:
    """Over a network a lost answer may be the network's fault: only a gateway on loopback fails for it.

    A gateway may close a connection that was used before at any time, so it does not fail for that either, nor for an
    answer that the suite has lost.
    """
    for answer in evidence.of_command(command):
        if answer.http_status is not None:
            yield Passed(answer.number)
        elif answer.failure in (CLOSED_ON_REUSE, LOST_WITH_ITS_SENDER):
            yield Inconclusive(Reason.ENVIRONMENT, answer.failure, answer.number)
        elif answer.failure is None:
            yield Inconclusive(Reason.INTERRUPTED, "the run ended before the answer came", answer.number)
        elif evidence.terms.loopback:
            yield Finding.in_answer(answer, f"there is no answer: {answer.failure}")
        else:
            words = f"there is no answer, maybe for the network: {answer.failure}"
            yield Inconclusive(Reason.ENVIRONMENT, words, answer.number)


def any_answer(answer: Answer) -> bool:
    """Any answer to a request for a command as it is documented."""
    return answer.exchange.response is not None and not answer.is_probe_of_path


# Answers that accept the request, and all others.
SUCCESS = (any_answer, attrgetter("accepted"))
ERRORS = (any_answer, lambda answer: not answer.accepted)
OF_MESSAGE: Mapping[str, tuple[Callable[[Answer], bool], ...]] = {
    ANSWER: (any_answer,),
    ACCEPTED: SUCCESS,
    ERROR: ERRORS,
}
"""Message of a catalogue → the conditions of its answers."""


def is_json(answer: Answer) -> bool:
    """An answer whose body is JSON."""
    return answer.content.error is None


def body_is_json(answer: Answer) -> Iterator[Finding]:
    """The body is one JSON text in UTF-8 (RFC 8259)."""
    if answer.content.error is not None:
        words = f"the body is unreadable: {answer.content.error}"
        yield Finding.in_answer(answer, words, pointer="", value=answer.body)


def json_body_under(terms: Terms) -> AnswerRule:
    """The same; but over a network a body whose end is that of its connection may have been cut on its way."""
    return body_is_json if terms.loopback else _json_or_cut


def _json_or_cut(answer: Answer) -> Iterator[Finding | Inconclusive]:
    headers = answer.response.headers if answer.response else ()
    framed = header(headers, "content-length") is not None or header(headers, "transfer-encoding") is not None
    if framed:
        yield from body_is_json(answer)
    elif answer.content.error is not None:
        words = f"the body is unreadable ({answer.content.error}), and nothing tells its length: it may have been cut"
        yield Inconclusive(Reason.ENVIRONMENT, words, answer.number)


def declared_otherwise(headers: Headers) -> str | None:
    """A wrong Content-Type in words, whatever parameters follow; None if it is application/json."""
    if media_type(headers) == JSON_MEDIA_TYPE:
        return None
    declared = header(headers, "content-type")
    return f"Content-Type is {shown(declared) if declared else 'absent'}, not {JSON_MEDIA_TYPE}"


def declared_as_json(answer: Answer) -> Iterator[Finding]:
    """Its Content-Type is application/json."""
    if answer.response is not None and (words := declared_otherwise(answer.response.headers)) is not None:
        yield Finding.in_answer(answer, words)


def names_members_once(answer: Answer) -> Iterator[Finding]:
    """RFC 8259, section 4: names within an object SHOULD be unique."""
    if answer.content.repeated is not None:
        words = f"the member {shown(answer.content.repeated)} is there more than once"
        yield Finding.in_answer(answer, words, pointer="", value=answer.body)


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
        words = f"{name} is {shown(value)}, the HTTP status is {answer.response.status}"
        yield Finding.in_answer(answer, words, pointer=f"/{name}", value=value)


def _numbered(answer: Answer) -> bool:
    return is_number((answer.content.members or {}).get(answer.contract.answer.code))


def error_is_not_described_as_success(evidence: Evidence, command: str | None) -> Iterator[Judgement]:
    """No error carries a description that the same gateway gives to accepted requests."""
    name = evidence.contract.answer.reason
    for outcome in evidence.of_command(command):
        if outcome.accepted or outcome.reason is ABSENT or outcome.is_probe_of_path:
            continue
        if outcome.said is not None and kept(outcome.said) in evidence.facts.said_of_success:
            words = f"the {name} of the error is the one of a success"
            yield Finding.in_answer(outcome, words, pointer=f"/{name}", value=outcome.said)
        else:
            yield Passed(outcome.number)


# A shorter member may be part of an id by chance (an amount of "50"), a phone number is not.
TELLING_LENGTH = 10
NUMBER = re.compile(rb"[0-9]{%d,}" % TELLING_LENGTH)
LIKE_A_NUMBER = re.compile(f"[0-9]{{{TELLING_LENGTH}}}")
# A digest cut shorter than this may agree with an id by chance.
DIGEST_LENGTH = 16
# With the length in base64: a longer id that is not hexadecimal is none of these.
DIGESTS = {
    "md5": (hashlib.md5, 24),
    "sha1": (hashlib.sha1, 28),
    "sha256": (hashlib.sha256, 44),
    "sha512": (hashlib.sha512, 88),
}
HEX = re.compile("[0-9a-f]*")

# The aspect of a burst of equal requests within a command's window: of them, one is accepted.
EQUAL = "equal"


def _given_before(answer: ResponseSummary, first: ResponseSummary) -> Finding:
    name = answer.contract.answer.id
    words = f"{name} was given before, to {first.case_id}"
    return Finding.in_answer(answer, words, pointer=f"/{name}", value=answer.request_id)


def unique_among_different(evidence: Evidence, command: str | None) -> Iterator[Judgement]:
    """No id is given to two different requests. Those that were made at the same instant have a rule of their own."""
    for answer in evidence.of_command(command):
        if answer.request_id is not None:
            other = _different(answer)
            if other is None or burst_of(other) != burst_of(answer):
                yield Passed(answer.number) if other is None else _given_before(answer, other)


def unique_at_the_same_instant(evidence: Evidence, command: str | None) -> Iterator[Judgement]:
    """Of the requests of a burst, each has an id of its own."""
    for answer in evidence.final_of(command, Kind.BURST):
        if answer.request_id is None or answer.purpose.earlier is None or answer.aspect == EQUAL:
            continue  # the others of a burst are compared with its first; equal ones have a rule of their own
        other = _different(answer)
        if other is None:
            yield Passed(answer.number)
        elif burst_of(other) == burst_of(answer):
            yield _given_before(answer, other)


def burst_of(answer: ResponseSummary) -> str:
    """The name of the burst that a request belongs to; of any other its own."""
    return (answer.purpose.earlier if answer.kind is Kind.BURST else None) or answer.case_id


def _different(answer: ResponseSummary) -> ResponseSummary | None:
    """The first that was given the same id before, for a request that is not equal."""
    shared = answer.shared
    if shared is None:
        return None
    if shared.first.identity != answer.identity:
        return shared.first
    return shared.other if shared.other is not None and shared.other.number < answer.number else None


def unique_among_equal(evidence: Evidence, command: str | None) -> Iterator[Judgement]:
    """Equal requests (same method, address and body) get different ids."""
    first: dict[bytes, ResponseSummary] = {}
    # For each request that was sent more than once: its ids, and who was given each first.
    ids_of: dict[bytes, dict[str, ResponseSummary]] = {}
    for answer in evidence.of_command(command):
        if answer.request_id is None:
            continue
        before = first.setdefault(answer.identity, answer)
        if before is answer:
            if answer.number in evidence.share.repeated:
                yield Passed(answer.number)  # one of another id, in another part of the run
            continue
        ids = ids_of.setdefault(answer.identity, {before.request_id or "": before})
        yield _given_before(answer, ids[answer.request_id]) if answer.request_id in ids else Passed(answer.number)
        ids.setdefault(answer.request_id, answer)


def _digest_that_begins_with(bare: str, body: bytes) -> str | None:
    """The name of the digest of `body` that, written in hexadecimal or base64, begins so; None if there is none."""
    is_hex = HEX.fullmatch(bare) is not None
    for name, (digested, longest) in DIGESTS.items():
        if not is_hex and len(bare) > longest:
            continue
        digest = digested(body, usedforsecurity=False).digest()
        if digest.hex().startswith(bare):
            return name
        if base64.urlsafe_b64encode(digest).decode().lower().replace("-", "").startswith(bare):
            return name
    return None


def not_derived(answer: Answer) -> Iterator[Finding]:
    """The id contains no phone number of the payload, and is not a digest of the body."""
    request_id, member = answer.request_id or "", answer.contract.answer.id
    body = answer.exchange.request.body
    bare = request_id.replace("-", "").casefold()
    digest = _digest_that_begins_with(bare, body) if len(bare) >= DIGEST_LENGTH else None
    numbers = (digits.decode("ascii") for digits in NUMBER.findall(body)) if LIKE_A_NUMBER.search(request_id) else ()
    number = next((each for each in numbers if each in request_id), None)
    if digest is not None:
        words = f"{member} is the {digest} of the body"
        yield Finding.in_answer(answer, words, pointer=f"/{member}", value=request_id)
    elif number is not None:
        words = f"{member} holds {number} of the payload"
        yield Finding.in_answer(answer, words, pointer=f"/{member}", value=request_id)


RULES: Mapping[str, Callable[..., Check]] = {
    "every-request-is-answered": lambda: every_invocation_is_answered,
    "answer-is-json": lambda of: AnswerCheck(OF_MESSAGE[of], json_body_under),
    "answer-is-declared-as-json": lambda of: answers_where(*OF_MESSAGE[of], rule=declared_as_json),
    "answer-names-members-once": lambda of: answers_where(*OF_MESSAGE[of], is_json, rule=names_members_once),
    "nothing-follows-an-answer": lambda: answers_where(answered, rule=nothing_beyond),
    "code-is-the-http-status": lambda of: answers_where(*OF_MESSAGE[of], _numbered, rule=http_status_agrees),
    "errors-are-not-described-as-successes": lambda: error_is_not_described_as_success,
    "ids-are-unique": lambda: unique_among_different,
    "ids-are-unique-at-the-same-instant": lambda: unique_at_the_same_instant,
    "equal-requests-get-ids-of-their-own": lambda: unique_among_equal,
    "ids-tell-nothing-of-the-request": lambda: answers_where(
        *SUCCESS, lambda answer: answer.request_id is not None, rule=not_derived
    ),
}
