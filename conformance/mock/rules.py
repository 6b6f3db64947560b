"""The rules that the mock gateway keeps: one tag per rule, one answer per tag.

The tag of a rule that a probe breaks is the probe's name (`credential.absent`), and the words are in its row. Faults
name these tags, to waive a rule or to have the gateway crash over it. Where the contract is silent (longer messages,
other members), the gateway accepts everything.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl

from conformance.contract.command import Command
from conformance.contract.contract import Contract
from conformance.mock.account import Account
from conformance.mock.behaviour import Behaviour
from conformance.model.errors import SuiteError
from conformance.model.traffic import JSON_MEDIA_TYPE, Headers, header, media_type
from conformance.model.untrusted import lenient_object, parse_json
from conformance.payloads.members import documented_range, rules_of, texts_of

UNAUTHORIZED, VALIDATION_STATUS = 401, 422

METHOD, UNKNOWN_COMMAND = "method.*", "unknown-command.*"

# The rules that probes break, by kind of probe, as far as the mock gateway can distinguish them.
_ASPECTS: Mapping[str, str] = {
    "credential": "absent other-scheme empty not-base64 swapped other-case wrong-key wrong-secret",
    "malformed": "absent-content-type other-content-type"
    " form-encoded empty-body not-utf8 cut-short not-json array scalar",
    "broken": "missing null type empty pattern range",
}


@dataclass(frozen=True, slots=True)
class RefusalAnswer:
    """The answer to a request that breaks a rule: `status`, `description`, and headers that belong to it.

    A `status` of VALIDATION_STATUS is replaced by the status that the behaviour has for validation.
    """

    status: int
    description: str
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class BrokenRule:
    """A broken rule. `errors`: member → messages, for the rules about members. `refusal`: an answer of its own."""

    tag: str
    errors: Mapping[str, list[str]] = field(default_factory=dict)
    refusal: RefusalAnswer | None = None


# Seconds in Retry-After: the least that the header can express, and enough for the rate to recover.
RETRY_AFTER_S = 1


def challenge(contract: Contract) -> tuple[str, str]:
    """The header that a 401 has (RFC 7235, 4.1), which names the scheme of the contract."""
    charset = ', charset="UTF-8"' if contract.authentication.names_key else ""
    return "WWW-Authenticate", f'{contract.authentication.scheme} realm="{contract.title}"{charset}'


# By kind of probe, the status of refusals whose row has none.
_OF_KIND: Mapping[str, int] = {
    "credential": UNAUTHORIZED,
    "malformed": 400,
    "method": 405,
    "unknown-command": 404,
    "broken": VALIDATION_STATUS,
}

# Rules that no probe breaks: status and words, {} for the words of the contract.
_OF_ITS_OWN: Mapping[str, tuple[int, str]] = {
    "rate": (429, "{}"),
    "too-long": (VALIDATION_STATUS, "{}: a message is too long"),
    "unknown-field": (VALIDATION_STATUS, "{}: there is a field that the command does not have"),
    "window": (400, "A similar request was accepted a short while ago"),
    "unregistered": (403, "{}: a name in the request is not registered to the account"),
    "funds": (402, "{}"),
}


@cache
def refusal_of(contract: Contract, tag: str) -> RefusalAnswer:
    """The answer to a request that breaks a rule. SuiteError for an unknown tag."""
    if tag not in TAGS:
        raise SuiteError(f"the behaviour refuses with the tag {tag!r}, which is none of {', '.join(sorted(TAGS))}")
    if tag in _OF_ITS_OWN:
        status, words = _OF_ITS_OWN[tag]
        headers = (("Retry-After", str(RETRY_AFTER_S)),) if tag == "rate" else ()
        return RefusalAnswer(status, words.format(_words(contract, status)), headers)
    probe = contract.probes.get(tag)
    status = (probe and probe.status) or _OF_KIND[tag.partition(".")[0]]
    return RefusalAnswer(status, (probe and probe.reason) or _words(contract, status))


def _words(contract: Contract, status: int) -> str:
    """The words of a refusal with a status in the contract's examples, or else in HTTP."""
    roles = contract.answer
    for example in contract.schemas.schema("response.error").get("examples", ()):
        if example.get(roles.code) == status:
            return str(example[roles.reason])
    return HTTPStatus(status).phrase


_OF_PROBES = (f"{kind}.{aspect}" for kind, aspects in _ASPECTS.items() for aspect in aspects.split())
# The tags of all rules.
TAGS = frozenset((*_OF_ITS_OWN, *_OF_PROBES, METHOD, UNKNOWN_COMMAND))

# The answer of a behaviour that crashes over a rule.
CRASH = RefusalAnswer(500, "Internal error; try again later")


def credential_breaches(headers: Headers, account: Account) -> Iterator[str]:
    """The tags of the rules that the request's credential breaks; nothing if it is the account's.

    A wrong key together with a wrong secret yields both tags, so that waiving one still refuses the request.
    """
    authentication = account.contract.authentication
    value = header(headers, authentication.header)
    if value is None:
        yield "credential.absent"
        return
    scheme, _, token = value.strip().partition(" ") if authentication.scheme else ("", "", value)
    token, secret = token.strip(), account.consumer_secret
    if scheme and scheme.lower() != authentication.scheme.lower():
        yield "credential.other-scheme"
    elif not token:
        yield "credential.empty"
    elif authentication.names_key:
        yield from _pair_breaches(token, account)
    elif token == account.consumer_key:
        yield "credential.swapped"
    elif token != secret:
        yield "credential.other-case" if token.lower() == secret.lower() else "credential.wrong-secret"


def _pair_breaches(token: str, account: Account) -> Iterator[str]:
    try:
        given = base64.b64decode(token, validate=True)
    except (binascii.Error, ValueError):
        yield "credential.not-base64"
        return
    key, secret = account.consumer_key.encode(), account.consumer_secret.encode()
    right = key + b":" + secret
    if given == right:
        return
    given_key, _, given_secret = given.partition(b":")
    if not given_key or (not given_secret and given_key == key):
        yield "credential.empty"
    elif given == secret + b":" + key:
        yield "credential.swapped"
    elif given.lower() == right.lower() or token.lower() == base64.b64encode(right).decode().lower():
        yield "credential.other-case"
    else:
        if given_key != key:
            yield "credential.wrong-key"
        if given_secret != secret:
            yield "credential.wrong-secret"


FORM_TYPE = "application/x-www-form-urlencoded"
FORM = re.compile(r"""[^\s{}\[\]"=&]+=[^\s{}\[\]"]*""")
# Possessive, and it matches an unterminated string too, so that no input makes it look twice at a byte.
STRING = re.compile(r'"(?:[^"\\]++|\\.)*+(")?', re.DOTALL)


def content_type_breach(headers: Headers, body: bytes) -> str | None:
    """The tag of the rule that the Content-Type breaks, None if it declares JSON.

    A form that is declared as one breaks the rule about forms; JSON declared as a form breaks that about the type.
    """
    declared = media_type(headers)
    if declared is None:
        return "malformed.absent-content-type"
    if declared == JSON_MEDIA_TYPE:
        return None
    if declared == FORM_TYPE and not body.lstrip().startswith((b"{", b"[", b'"')):
        return "malformed.form-encoded"
    return "malformed.other-content-type"


def read_body(body: bytes) -> tuple[str | None, Mapping[str, Any]]:
    """The tag of the rule that the body breaks, if any, and its best reading for a gateway that waives the rule."""
    if not body.strip():
        return "malformed.empty-body", {}
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        cut = body.lstrip().startswith(b"{") and error.reason == "unexpected end of data"
        return "malformed.cut-short" if cut else "malformed.not-utf8", lenient_object(body.decode("latin-1")) or {}
    if FORM.fullmatch(text.strip()):
        return "malformed.form-encoded", _form(text)
    try:
        value = parse_json(body)
    except (ValueError, RecursionError):
        return "malformed.cut-short" if _ends_too_soon(text) else "malformed.not-json", lenient_object(text) or {}
    if isinstance(value, dict):
        return None, value
    return "malformed.array" if isinstance(value, list) else "malformed.scalar", {}


def _ends_too_soon(text: str) -> bool:
    """Whether the text begins like an object that it never closes."""
    if not text.lstrip().startswith("{"):
        return False
    # A string that does not end counts as a brace that does not close.
    outside_strings = STRING.sub(lambda string: "" if string[1] else "{", text)
    return outside_strings.count("{") > outside_strings.count("}")


def _form(text: str) -> Mapping[str, Any]:
    try:
        return dict(parse_qsl(text, keep_blank_values=True, errors="replace", max_num_fields=100))
    except ValueError:
        return {}


# Characters. The contract has no limit, but gateways have one; this one is well above three segments (459).
LONGEST_MESSAGE = 2000

LENIENT_NUMBER = re.compile(r"\+?[0-9]+")

# More money than any operator moves at once, in as many digits as the gateway can calculate with.
BEYOND_ANY_LIMIT = re.compile(r"[1-9][0-9]{6,11}")


@dataclass(frozen=True, slots=True)
class MemberBreach:
    """A `member` that breaks the rule `tag`, with a message for its sender, which does not repeat the value."""

    member: str
    tag: str
    message: str


def _tag_and_words(keywords: Collection[str], value: Any) -> tuple[str, str]:
    """The rule that a member breaks by those keywords of its schema, and the message; None for an absent value, too."""
    if "required" in keywords:
        return "broken.missing", "is required"
    if value is None:
        return "broken.null", "must not be null"
    if "type" in keywords:
        return "broken.type", "must be a string"
    if value == "":
        return "broken.empty", "must not be empty"
    if "x-integer" in keywords and isinstance(value, str) and re.fullmatch("0|[1-9][0-9]*", value):
        return "broken.range", "is out of range"
    return "broken.pattern", "is not of the form that is expected"


def taken(payload: Mapping[str, Any], behaviour: Behaviour) -> Mapping[str, Any]:
    """The payload as the gateway takes it: with `coerces_numbers`, whole numbers become strings of digits."""
    if not behaviour.coerces_numbers:
        return payload

    def coerced(value: Any) -> Any:
        if isinstance(value, bool) or not isinstance(value, int | float):
            return value
        # A float beyond 15 digits is not an exact number of shillings or a telephone number; it stays a number.
        whole = isinstance(value, int) or (value.is_integer() and abs(value) < 10**15)
        return str(int(value)) if whole else value

    return {member: coerced(value) for member, value in payload.items()}


def member_breaches(
    contract: Contract, command: Command, payload: Mapping[str, Any], behaviour: Behaviour
) -> Iterator[MemberBreach]:
    """Every member of `payload` that breaks a rule, each once; nothing if the payload is acceptable."""
    known = rules_of(contract, command)
    if behaviour.refuses_unknown_fields:
        for member in (each for each in payload if each not in known):
            yield MemberBreach(member, "unknown-field", f"{command.name} has no such field")
    for member in texts_of(contract, command):
        text = payload.get(member)
        if isinstance(text, str) and len(text) > LONGEST_MESSAGE:
            yield MemberBreach(member, "too-long", f"{member} must have at most {LONGEST_MESSAGE} characters")
    documented = {member: value for member, value in payload.items() if member in known}
    if contract.schemas.takes(command.request_schema, documented):
        return
    for member, keywords in _violated(contract, command.request_schema, documented).items():
        value = documented.get(member)
        broken = {each for each in keywords if not _excused(contract, command, member, each, value, behaviour)}
        if isinstance(value, int | float) and not isinstance(value, bool) and broken:
            # A rule that the digits of a number break, too, comes before the one about its type.
            in_digits = _violated(contract, command.request_schema, {**documented, member: str(value)}).get(member)
            broken, value = (in_digits, str(value)) if in_digits else (broken, value)
        if broken:
            tag, words = _tag_and_words(broken, value)
            yield MemberBreach(member, tag, f"{member} {words}")


def _violated(contract: Contract, schema: str, payload: Mapping[str, Any]) -> dict[str, set[str]]:
    """By member, the keywords of a schema that a payload violates."""
    keywords: dict[str, set[str]] = {}
    for violation in contract.schemas.violations(schema, payload):
        keywords.setdefault(violation.pointer[1:], set()).add(violation.keyword)
    return keywords


def _excused(  # noqa: PLR0913, PLR0917 - the breach and its circumstances
    contract: Contract, command: Command, member: str, keyword: str, value: Any, behaviour: Behaviour
) -> bool:
    """Whether the contract is silent about a value that the strict schema rejects, so that the gateway accepts it."""
    if keyword == "maxLength" and member in texts_of(contract, command):
        return True
    paid = command.money is not None and member == command.money.member
    if behaviour.unlimited_payments and paid and documented_range(rules_of(contract, command)[member]) is None:
        form = BEYOND_ANY_LIMIT
    elif behaviour.lenient_phone_numbers and member == contract.members.recipient:
        form = LENIENT_NUMBER
    else:
        return False
    tolerated = member not in _violated(contract, command.tolerated_schema, {member: value})
    return isinstance(value, str) and form.fullmatch(value) is not None and tolerated
