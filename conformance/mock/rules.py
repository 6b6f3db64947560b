"""The rules that the mock gateway keeps: one tag per rule, one answer per tag.

    credential_breaches     tags of what is wrong with the Authorization header
    content_type_breach     the tag of what is wrong with how the body is declared
    read_body               the payload, or the tag of what is wrong with the body and the best reading of it
    member_breaches         what is wrong with the members
    refusal_of              tag → RefusalAnswer

The tag of what a probe breaks is the probe's name (`credential.absent`), and the words are in its row. Faults name
these tags, to have a rule waived or to have the gateway crash over it. The best reading is for a gateway whose rule is
waived: it takes what it can get out of the body. Where the contract is silent (longer messages, other members), the
gateway takes what comes.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable, Iterator, Mapping
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
from conformance.model.traffic import Headers, header
from conformance.model.untrusted import parse_json
from conformance.payloads.valid import documented_range

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
class RefusalAnswer:
    """The answer to a request that breaks a rule: `status`, `description`, and headers that belong to it.

    A `status` of VALIDATION_STATUS stands for whatever status the behaviour has for validation.
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
def refusal_of(contract: Contract, tag: str) -> RefusalAnswer:
    """The answer to a request that breaks a rule. SuiteError for a tag that is none."""
    if tag not in TAGS:
        raise SuiteError(f"the behaviour refuses with the tag {tag!r}, which is none of {', '.join(sorted(TAGS))}")
    if tag in _OF_ITS_OWN:
        status, words = _OF_ITS_OWN[tag]
        return RefusalAnswer(status, words.format(_words(contract, status)), _HEADERS.get(tag, ()))
    status, probe = _OF_KIND[tag.partition(".")[0]], contract.probes.get(tag)
    if probe is not None:
        status = probe.status or status
    return RefusalAnswer(status, (probe and probe.reason) or _words(contract, status))


def _words(contract: Contract, status: int) -> str:
    """In which words the contract's examples refuse with a status; those of HTTP, where none does."""
    roles = contract.answer
    for example in contract.schemas.schema("response.error").get("examples", ()):
        if example.get(roles.code) == status:
            return str(example[roles.reason])
    return HTTPStatus(status).phrase


TAGS = frozenset((*_OF_ITS_OWN, *CREDENTIAL_TAGS, *TYPE_TAGS, *BODY_TAGS, *MEMBER_TAGS, METHOD, UNKNOWN_COMMAND))
"""The tags of all rules."""

CRASH = RefusalAnswer(500, "Internal error; try again later")
"""What a behaviour that crashes over a rule answers instead of the rule's own refusal."""


def credential_breaches(headers: Headers, account: Account) -> Iterator[str]:
    """The tags of what is wrong with the request's credential; nothing if it is the account's.

    A wrong key together with a wrong secret yields both tags, so that waiving one still refuses the request.
    """
    authentication = account.contract.authentication
    value = header(headers, authentication.header)
    if value is None:
        yield "credential.absent"
        return
    scheme, _, token = value.strip().partition(" ") if authentication.scheme else ("", "", value)
    token = token.strip()
    if scheme and scheme.lower() != authentication.scheme.lower():
        yield "credential.other-scheme"
    elif not token:
        yield "credential.empty"
    else:
        yield from _pair_breaches(token, account) if authentication.names_key else _secret_breaches(token, account)


def _secret_breaches(token: str, account: Account) -> Iterator[str]:
    secret = account.consumer_secret
    if token == account.consumer_key:
        yield "credential.swapped"
    elif token.lower() == secret.lower() and token != secret:
        yield "credential.other-case"
    elif token != secret:
        yield "credential.wrong-secret"


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
# Possessive, and it matches an unterminated string too: what clients send must not make it look twice at a byte.
STRING = re.compile(r'"(?:[^"\\]++|\\.)*+(")?', re.DOTALL)


@dataclass(frozen=True, slots=True)
class Body:
    """A body as read: `breach` is the tag of what is wrong with it (None: nothing), `payload` its best reading."""

    breach: str | None
    payload: Mapping[str, Any] = field(default_factory=dict)


def content_type_breach(headers: Headers, body: bytes) -> str | None:
    """The tag of what is wrong with the Content-Type, None if the body is declared as JSON.

    A form that is declared as one breaks the rule about forms; JSON declared as a form breaks that about the type.
    """
    value = header(headers, "content-type")
    if value is None:
        return "malformed.absent-content-type"
    media_type = value.partition(";")[0].strip().lower()
    if media_type == "application/json":
        return None
    if media_type == FORM_TYPE and not body.lstrip().startswith((b"{", b"[", b'"')):
        return "malformed.form-encoded"
    return "malformed.other-content-type"


def read_body(body: bytes) -> Body:
    """The body as a payload. Raises nothing, whatever the bytes."""
    if not body.strip():
        return Body("malformed.empty-body")
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        cut = body.lstrip().startswith(b"{") and error.reason == "unexpected end of data"
        return Body("malformed.cut-short" if cut else "malformed.not-utf8", _object_in(body.decode("latin-1")))
    if FORM.fullmatch(text.strip()):
        return Body("malformed.form-encoded", _form(text))
    try:
        value = parse_json(body)
    except (ValueError, RecursionError):
        return Body("malformed.cut-short" if _ends_too_soon(text) else "malformed.not-json", _object_in(text))
    if isinstance(value, list):
        return Body("malformed.array")
    return Body(None, value) if isinstance(value, dict) else Body("malformed.scalar")


def _ends_too_soon(text: str) -> bool:
    """Whether the text begins like an object that it never closes."""
    if not text.lstrip().startswith("{"):
        return False
    # A string that does not end counts as a brace that does not close.
    outside_strings = STRING.sub(lambda string: "" if string[1] else "{", text)
    return outside_strings.count("{") > outside_strings.count("}")


def _object_in(text: str) -> Mapping[str, Any]:
    """What a parser that minds less would read: an object, or nothing."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _form(text: str) -> Mapping[str, Any]:
    try:
        return dict(parse_qsl(text, keep_blank_values=True, errors="replace", max_num_fields=100))
    except ValueError:
        return {}


LONGEST_MESSAGE = 2000
"""Characters. The contract has no limit; a gateway has one, and this one lies well above the three segments (459)
that it should accept."""

LENIENT_NUMBER = re.compile(r"\+?[0-9]+")

# Units of money that no operator has ever moved at once, in as many digits as the gateway can reckon with.
BEYOND_ANY_LIMIT = re.compile(r"[1-9][0-9]{6,11}")


@dataclass(frozen=True, slots=True)
class MemberBreach:
    """A `member` that breaks the rule `tag`, with a message for whoever sent it (the value itself is not repeated)."""

    member: str
    tag: str
    message: str


@dataclass(frozen=True, slots=True)
class _Fault:
    """A member as the schema finds it wanting: the keywords that it breaks, and its value (None also if absent)."""

    member: str
    keywords: frozenset[str]
    value: Any


Telling = Callable[[_Fault], bool]

_TAGS: tuple[tuple[str, Telling, str], ...] = (
    ("broken.missing", lambda fault: "required" in fault.keywords, "{} is required"),
    ("broken.null", lambda fault: fault.value is None, "{} must not be null"),
    ("broken.type", lambda fault: "type" in fault.keywords, "{} must be a string"),
    ("broken.empty", lambda fault: fault.value == "", "{} must not be empty"),
    (
        "broken.range",
        lambda fault: "x-integer" in fault.keywords and _is_whole_number(fault.value),
        "{} is out of range",
    ),
    ("broken.pattern", lambda _: True, "{} is not of the form that is expected"),
)
"""The first that is true names the rule that a member breaks."""


def _is_whole_number(value: Any) -> bool:
    plain = isinstance(value, str) and value.isascii() and value.isdigit()
    return plain and (value == "0" or not value.startswith("0"))


@cache
def _members(contract: Contract, command: Command) -> frozenset[str]:
    return frozenset(contract.schemas.resolved(command.request_schema).get("properties", {}))


def taken(payload: Mapping[str, Any], behaviour: Behaviour) -> Mapping[str, Any]:
    """The payload as the gateway takes it: with `coerces_numbers`, whole numbers become strings of digits."""
    if not behaviour.coerces_numbers:
        return payload
    return {member: _coerced(value) for member, value in payload.items()}


def _coerced(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    # A float beyond 15 digits is no exact number of shillings or digits of a telephone; it stays a number.
    whole = isinstance(value, int) or (value.is_integer() and abs(value) < 10**15)
    return str(int(value)) if whole else value


def member_breaches(
    contract: Contract, command: Command, payload: Mapping[str, Any], behaviour: Behaviour
) -> Iterator[MemberBreach]:
    """Every member of `payload` that breaks a rule, each once; nothing if the payload is acceptable."""
    known = _members(contract, command)
    extra = [member for member in payload if member not in known]
    if behaviour.refuses_unknown_fields:
        for member in extra:
            yield MemberBreach(member, "unknown-field", f"{command.name} has no such field")
    for member in _texts(contract, command):
        text = payload.get(member)
        if isinstance(text, str) and len(text) > LONGEST_MESSAGE:
            yield MemberBreach(member, "too-long", f"{member} must have at most {LONGEST_MESSAGE} characters")
    documented = {member: value for member, value in payload.items() if member in known}
    for fault in _faults(contract, command, documented, behaviour):
        tag, _, text = next(row for row in _TAGS if row[1](fault))
        yield MemberBreach(fault.member, tag, text.format(fault.member))


def _faults(contract: Contract, command: Command, payload: Mapping[str, Any], behaviour: Behaviour) -> Iterator[_Fault]:
    if contract.schemas.takes(f"{command.folder}/request", payload):
        return
    keywords: dict[str, set[str]] = {}
    for violation in contract.schemas.violations(command.request_schema, payload):
        member = violation.pointer[1:]
        if not _excused(contract, command, member, violation.keyword, payload.get(member), behaviour):
            keywords.setdefault(member, set()).add(violation.keyword)
    for member, broken in keywords.items():
        value = payload.get(member)
        # What is wrong with a number in digits, too, is worse than that it is a number.
        in_digits: frozenset[str] = frozenset()
        if _is_number(value):
            in_digits = _violated(contract, command, {**payload, member: str(value)}, member)
        yield _Fault(member, in_digits or frozenset(broken), str(value) if in_digits else value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _violated(contract: Contract, command: Command, payload: Mapping[str, Any], member: str) -> frozenset[str]:
    found = contract.schemas.violations(command.request_schema, payload)
    return frozenset(violation.keyword for violation in found if violation.pointer[1:] == member)


def _excused(  # noqa: PLR0913, PLR0917 - what is broken, and who it is sent to
    contract: Contract, command: Command, member: str, keyword: str, value: Any, behaviour: Behaviour
) -> bool:
    """Whether the gateway accepts what the strict schema does not: the contract is silent there."""
    if keyword == "maxLength" and member in _texts(contract, command):
        return True
    paid = command.money is not None and member == command.money.member
    rules = contract.schemas.resolved(command.request_schema)["properties"] if paid else {}
    if behaviour.unlimited_payments and paid and documented_range(rules[member]) is None:
        form = BEYOND_ANY_LIMIT
    elif behaviour.lenient_phone_numbers and member == contract.members.recipient:
        form = LENIENT_NUMBER
    else:
        return False
    found = contract.schemas.violations(command.tolerated_schema, {member: value})
    tolerated = not any(each.pointer[1:] == member for each in found)
    return isinstance(value, str) and form.fullmatch(value) is not None and tolerated


@cache
def _texts(contract: Contract, command: Command) -> frozenset[str]:
    """The members that are messages for people."""
    rules = contract.schemas.resolved(command.request_schema).get("properties", {})
    return frozenset(name for name, rule in rules.items() if "x-characters" in rule)
