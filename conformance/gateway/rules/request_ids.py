"""Rules of ids: one names one request, also among equal ones, and tells nothing of the payload."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Iterator, Mapping

from conformance.gateway.rules.envelope import SUCCESS
from conformance.judging.evidence import Answer, Evidence, Outcome
from conformance.judging.judgement import Check, Finding, Judgement, Kept, answers_where
from conformance.model.traffic import Kind

# A member shorter than this may stand in an id by chance (an amount of "50"), a phone number does not.
TELLING_LENGTH = 10
NUMBER = re.compile(rb"[0-9]{%d,}" % TELLING_LENGTH)
LIKE_A_NUMBER = re.compile(f"[0-9]{{{TELLING_LENGTH}}}")
# A digest cut shorter than this may agree with an id by chance.
DIGEST_LENGTH = 16
# With the length in base64: what is longer, and not hexadecimal, is not one of these.
DIGESTS = {
    "md5": (hashlib.md5, 24),
    "sha1": (hashlib.sha1, 28),
    "sha256": (hashlib.sha256, 44),
    "sha512": (hashlib.sha512, 88),
}
HEX = re.compile("[0-9a-f]*")


# The aspect of a burst of equal requests within a command's window: of them, one is accepted.
EQUAL = "equal"


def _given_before(answer: Outcome, first: Outcome) -> Finding:
    return Finding.in_answer(
        answer,
        f"{answer.contract.answer.id} was given before, to {first.case_id}",
        pointer=f"/{answer.contract.answer.id}",
        value=answer.request_id,
    )


def unique_among_different(evidence: Evidence, command: str | None) -> Iterator[Judgement]:
    """No id is given to two different requests. Those that were made at the same instant have a rule of their own."""
    for answer in evidence.of_command(command):
        if answer.request_id is not None:
            other = _different(answer)
            if other is None or burst_of(other) != burst_of(answer):
                yield Kept(answer.number) if other is None else _given_before(answer, other)


def unique_at_the_same_instant(evidence: Evidence, command: str | None) -> Iterator[Judgement]:
    """Of the requests of a burst, each has an id of its own."""
    for answer in evidence.final_of(command, Kind.BURST):
        if answer.request_id is None or answer.purpose.earlier is None or answer.aspect == EQUAL:
            continue  # the first of a burst is what the others are compared with; equal ones have a rule of their own
        other = _different(answer)
        if other is None:
            yield Kept(answer.number)
        elif burst_of(other) == burst_of(answer):
            yield _given_before(answer, other)


def burst_of(answer: Outcome) -> str:
    """The name of the burst that a request belongs to; of any other its own."""
    return (answer.purpose.earlier if answer.kind is Kind.BURST else None) or answer.case_id


def _different(answer: Outcome) -> Outcome | None:
    """The first that was given the same id before, for a request that is not equal."""
    shared = answer.shared
    if shared is None:
        return None
    if shared.first.identity != answer.identity:
        return shared.first
    return shared.other if shared.other is not None and shared.other.number < answer.number else None


def unique_among_equal(evidence: Evidence, command: str | None) -> Iterator[Judgement]:
    """Equal requests (same method, address and body) get different ids."""
    first: dict[bytes, Outcome] = {}
    # For each request that was sent more than once: its ids, and who was given each first.
    ids_of: dict[bytes, dict[str, Outcome]] = {}
    for answer in evidence.of_command(command):
        if answer.request_id is None:
            continue
        before = first.setdefault(answer.identity, answer)
        if before is answer:
            continue
        ids = ids_of.setdefault(answer.identity, {before.request_id or "": before})
        yield _given_before(answer, ids[answer.request_id]) if answer.request_id in ids else Kept(answer.number)
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
    """The id holds no phone number of the payload and is no digest of it."""
    request_id = answer.request_id or ""
    bare = request_id.replace("-", "").casefold()
    pointer, digest = f"/{answer.contract.answer.id}", len(bare) >= DIGEST_LENGTH
    name = _digest_that_begins_with(bare, answer.exchange.request.body) if digest else None
    if name is not None:
        told = f"{pointer[1:]} is the {name} of the body"
        yield Finding.in_answer(answer, told, pointer=pointer, value=request_id)
        return
    for digits in NUMBER.findall(answer.exchange.request.body) if LIKE_A_NUMBER.search(request_id) else ():
        number = digits.decode("ascii")
        if number in request_id:
            told = f"{pointer[1:]} holds {number} of the payload"
            yield Finding.in_answer(answer, told, pointer=pointer, value=request_id)
            return


def _with_id(answer: Answer) -> bool:
    return answer.request_id is not None


RULES: Mapping[str, Callable[..., Check]] = {
    "ids-are-unique": lambda: unique_among_different,
    "ids-are-unique-at-the-same-instant": lambda: unique_at_the_same_instant,
    "equal-requests-get-ids-of-their-own": lambda: unique_among_equal,
    "ids-tell-nothing-of-the-request": lambda: answers_where(*SUCCESS, _with_id, rule=not_derived),
}
