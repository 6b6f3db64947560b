"""Why the mock gateway refuses a request: one tag per rule, one answer per tag.

    Refusal         the answer: status code and description
    refusal_of      tag → Refusal
    Breach          a rule that the request at hand breaks: its tag, and which members are at fault

The tag of what a probe breaks is the probe's name (`credential.absent`), and the words are in its row. Faults name
these tags, to have a rule waived or to have the gateway crash over it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from http import HTTPStatus

from conformance.contract.contract import Contract
from conformance.model.errors import SuiteError

UNAUTHORIZED, VALIDATION_STATUS = 401, 422

# The rules that probes break, by the probes' names, as the mock gateway can tell them apart.
CREDENTIAL_TAGS = tuple(
    f"credential.{aspect}"
    for aspect in (
        "absent",
        "other-scheme",
        "empty",
        "not-base64",
        "swapped",
        "other-case",
        "wrong-key",
        "wrong-secret",
    )
)
BODY_TAGS = tuple(
    f"malformed.{aspect}"
    for aspect in ("form-encoded", "empty-body", "not-utf8", "cut-short", "not-json", "array", "scalar")
)
TYPE_TAGS = ("malformed.absent-content-type", "malformed.other-content-type")
MEMBER_TAGS = tuple(f"broken.{aspect}" for aspect in ("missing", "null", "type", "empty", "pattern", "range"))
METHOD, UNKNOWN_COMMAND = "method.*", "unknown-command.*"


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


def challenge(contract: Contract) -> tuple[str, str]:
    """The header that a 401 has (RFC 7235, 4.1), which names the scheme of the contract."""
    charset = ', charset="UTF-8"' if contract.authentication.names_key else ""
    return "WWW-Authenticate", f'{contract.authentication.scheme} realm="{contract.title}"{charset}'


# By kind of probe, with which status one is refused whose row does not say so.
_OF_KIND: Mapping[str, int] = {
    "credential": UNAUTHORIZED,
    "malformed": 400,
    "method": 405,
    "unknown-command": 404,
    "broken": VALIDATION_STATUS,
}

# Rules that a gateway has beside those that probes break: status and words, {} for those of the contract.
_OF_ITS_OWN: Mapping[str, tuple[int, str]] = {
    "rate": (429, "{}"),
    "too-long": (VALIDATION_STATUS, "{}: a message is too long"),
    "unknown-field": (VALIDATION_STATUS, "{}: there is a field that the command does not have"),
    "window": (400, "A similar request was accepted a short while ago"),
    "unregistered": (403, "{}: a name in the request is not registered to the account"),
    "funds": (402, "{}"),
}
_HEADERS: Mapping[str, tuple[tuple[str, str], ...]] = {"rate": (("Retry-After", str(RETRY_AFTER_S)),)}


@cache
def refusal_of(contract: Contract, tag: str) -> Refusal:
    """The answer to a request that breaks a rule. SuiteError for a tag that is none."""
    if tag not in TAGS:
        raise SuiteError(f"the behaviour refuses with the tag {tag!r}, which is none of {', '.join(sorted(TAGS))}")
    if tag in _OF_ITS_OWN:
        status, words = _OF_ITS_OWN[tag]
        return Refusal(status, words.format(_words(contract, status)), _HEADERS.get(tag, ()))
    status, probe = _OF_KIND[tag.partition(".")[0]], contract.probes.get(tag)
    if probe is not None:
        status = probe.status or status
    return Refusal(status, (probe and probe.reason) or _words(contract, status))


def _words(contract: Contract, status: int) -> str:
    """In which words the contract's examples refuse with a status; those of HTTP, where none does."""
    roles = contract.answer
    for example in contract.schemas.schema("response.error").get("examples", ()):
        if example.get(roles.code) == status:
            return str(example[roles.reason])
    return HTTPStatus(status).phrase


TAGS = frozenset((*_OF_ITS_OWN, *CREDENTIAL_TAGS, *TYPE_TAGS, *BODY_TAGS, *MEMBER_TAGS, METHOD, UNKNOWN_COMMAND))
"""The tags of all rules."""

CRASH = Refusal(500, "Internal error; try again later")
"""What a behaviour that crashes over a rule answers instead of the rule's own refusal."""
