"""RID: a request_id names one request, also among equal ones, and tells nothing of the payload."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator

from conformance.checks.envelope import any_answer
from conformance.checks.evidence import Answer, Evidence
from conformance.checks.judgement import KEPT, Check, Finding, Judgement, answers_where
from conformance.traffic import Request

# A member shorter than this may stand in an id by chance (an amount of "50"), a phone number does not.
TELLING_LENGTH = 10
NUMBER = re.compile(rb"[0-9]{%d,}" % TELLING_LENGTH)
# A digest cut shorter than this may agree with an id by chance.
DIGEST_LENGTH = 16


def _earlier(evidence: Evidence, answer: Answer) -> Iterator[Answer]:
    """The answers with the same id that were asked for before, attempts of other cases only."""
    for other in evidence.by_request_id.get(answer.request_id or "", ()):
        if other.exchange.number < answer.exchange.number and other.case.id != answer.case.id:
            yield other


def _given_before(answer: Answer, first: Answer) -> Finding:
    return Finding.in_answer(
        answer,
        f"request_id was given before, to {first.case.id}",
        pointer="/request_id",
        value=answer.request_id,
    )


def unique_among_different(evidence: Evidence, command: str | None) -> Iterator[Judgement]:
    """RID-01: no id is given to two different requests."""
    for answer in evidence.of_command(command):
        if answer.request_id is not None:
            other = next((o for o in _earlier(evidence, answer) if o.identity != answer.identity), None)
            yield KEPT if other is None else _given_before(answer, other)


def unique_among_equal(evidence: Evidence, command: str | None) -> Iterator[Judgement]:
    """RID-02: equal requests (same method, address and body) get different ids."""
    first_ids: dict[tuple[str | None, str, str, bytes], dict[str, Answer]] = {}
    for answer in evidence.of_command(command):
        if answer.request_id is None:
            continue
        ids = first_ids.setdefault(answer.identity, {})
        if answer.request_id in ids:
            yield _given_before(answer, ids[answer.request_id])
        elif ids:
            yield KEPT
        ids.setdefault(answer.request_id, answer)


def _digests(request: Request) -> Iterator[tuple[str, str]]:
    for name in ("md5", "sha1", "sha256", "sha512"):
        digest = hashlib.new(name, request.body, usedforsecurity=False).digest()
        yield name, digest.hex()
        yield name, base64.urlsafe_b64encode(digest).decode()


def not_derived(answer: Answer) -> Iterator[Finding]:
    """RID-03: the id holds no phone number of the payload and is no digest of it."""
    request_id = answer.request_id or ""
    bare = request_id.replace("-", "").casefold()
    for name, digest in _digests(answer.exchange.request):
        if len(bare) >= DIGEST_LENGTH and digest.casefold().replace("-", "").startswith(bare):
            yield Finding.in_answer(
                answer, f"request_id is the {name} of the body", pointer="/request_id", value=request_id
            )
            return
    for digits in NUMBER.findall(answer.exchange.request.body):
        number = digits.decode("ascii")
        if number in request_id:
            yield Finding.in_answer(
                answer, f"request_id holds {number} of the payload", pointer="/request_id", value=request_id
            )
            return


CHECKS: dict[str, Check] = {
    "RID-01": unique_among_different,
    "RID-02": unique_among_equal,
    "RID-03": answers_where(lambda a: any_answer(a) and a.accepted and a.request_id is not None, not_derived),
}
