"""Why the mock gateway refuses a request: one tag per rule, one answer per tag.

    Refusal     the answer: status code and description
    REFUSALS    tag → Refusal
    Breach      a rule that the request at hand breaks: its tag, and which members are at fault

Faults name these tags, to have a rule waived or to have the gateway crash over it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

VALIDATION_STATUS = 422


@dataclass(frozen=True, slots=True)
class Refusal:
    """The answer to a request that breaks a rule: `status`, `description`, and headers that belong to it.

    A `status` of VALIDATION_STATUS stands for whatever status the behaviour has for validation.
    """

    status: int
    description: str
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Breach:
    """A broken rule. `errors`: member → messages, for the rules about members. `refusal`: an answer of its own."""

    tag: str
    errors: Mapping[str, list[str]] = field(default_factory=dict)
    refusal: Refusal | None = None


RETRY_AFTER_S = 1
"""Seconds that a client is told to wait: the least that the header can say, and enough for the rate to recover."""

CHALLENGE = ("WWW-Authenticate", 'Basic realm="Statum gateway", charset="UTF-8"')


def _unauthorized(description: str) -> Refusal:
    return Refusal(401, f"Authentication failed: {description}", (CHALLENGE,))


def _invalid(description: str) -> Refusal:
    return Refusal(VALIDATION_STATUS, f"Validation failed: {description}")


REFUSALS: dict[str, Refusal] = {
    "rate": Refusal(429, "Too many requests; slow down", (("Retry-After", str(RETRY_AFTER_S)),)),
    "unknown-command": Refusal(404, "There is no such command"),
    "method": Refusal(405, "The command does not have this method"),
    "auth-absent": _unauthorized("there is no Authorization header"),
    "auth-scheme": _unauthorized("the scheme is not Basic"),
    "auth-empty": _unauthorized("the credential is empty"),
    "auth-not-base64": _unauthorized("the credential is not base64"),
    "auth-swapped": _unauthorized("consumer key or secret is wrong"),
    "auth-case": _unauthorized("consumer key or secret is wrong"),
    "auth-key": _unauthorized("consumer key or secret is wrong"),
    "auth-secret": _unauthorized("consumer key or secret is wrong"),
    "content-type-absent": Refusal(415, "The body has no Content-Type; application/json is expected"),
    "content-type-other": Refusal(415, "The Content-Type is not application/json"),
    "form-encoded": Refusal(415, "The body is form-encoded; JSON is expected"),
    "body-empty": Refusal(400, "The body is empty; a JSON object is expected"),
    "body-not-utf8": Refusal(400, "The body is not UTF-8"),
    "body-cut": Refusal(400, "The body ends before its JSON object does"),
    "body-not-json": Refusal(400, "The body is not JSON"),
    "body-array": Refusal(400, "The body is a JSON array; an object is expected"),
    "body-scalar": Refusal(400, "The body is a JSON scalar; an object is expected"),
    "missing": _invalid("a required field is missing"),
    "null": _invalid("a field is null"),
    "type": _invalid("a field is not of its type"),
    "empty": _invalid("a field is empty"),
    "pattern": _invalid("a field is not of its form"),
    "range": _invalid("an amount is out of range"),
    "too-long": _invalid("a message is too long"),
    "unknown-field": _invalid("there is a field that the command does not have"),
    "window": Refusal(400, "A similar request was accepted within the last five minutes"),
    "unregistered": Refusal(403, "Access denied: the sender id or short code is not registered to the account"),
    "funds": Refusal(402, "Insufficient funds"),
}

CRASH = Refusal(500, "Internal error; try again later")
"""What a behaviour that crashes over a rule answers instead of the rule's own refusal."""
