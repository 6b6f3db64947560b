"""A receiver under test, and the cases that are sent to it; `conformance.client.examiner` decides when.

A notification agrees with the request that it is about. Its optional members are those of one that the receiver took,
so that a receiver which needs one of them, or stumbles over one, fails for that and for nothing else.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import httpx

from conformance.client.plan import PlannedCall
from conformance.client.posting import PLAIN, Framing
from conformance.contract.command import Command, Inquiry, Notified
from conformance.contract.contract import Contract
from conformance.mock.account import (
    OPENING_BALANCE,
    Transaction,
    TransactionOutcome,
    failures,
    price,
    result,
    shape_of_ids,
    success_reason,
)
from conformance.model.errors import SuiteError
from conformance.model.traffic import JSON_MEDIA_TYPE, Case, Headers, Kind, Request
from conformance.payloads.probes import ALPHANUMERIC, incomplete, unreadable
from conformance.payloads.strategies import draw, text
from conformance.payloads.texts import ALPHABETS

JSON_HEADERS: Headers = (("Content-Type", JSON_MEDIA_TYPE),)

UNSURE = "No response. The success of the transaction is not known"
"""The reason of one failure, so that failures have nothing in common but the outcome."""

# The time of the first transaction.
BEGINNING = datetime(2024, 1, 1, 8, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A case, and how it is written. `keeps`: on the connection of the one before it, if that is left open."""

    case: Case
    framing: Framing = PLAIN
    keeps: bool = False


@dataclass(slots=True)
class ReceiverUnderTest:
    """A product's receiver.

    `ids`: known to the client, of the usual form and in the order of their calls; `knows`: whether there were any.
    `makes_no_calls`: its client reports on any id without having made a call. `known`: the call of each known id.
    `chance` makes up other ids. `left_out`: the optional members to leave out, of a success and of a failure;
    `failures`: codes and reasons of failures to send; `successes`: texts of success, the usual one first.
    `leads`: it is the first at its address. `quick`: it answered the first notification at once; `brisk`: the next,
    too. `speaks_1_0`: in HTTP/1.0. `left_alone`: nothing more is sent to it. `repeated`: a notification of each request
    with several.
    """

    contract: Contract
    command: Notified
    url: str
    chance: Random
    ids: deque[str] = field(default_factory=deque)
    known: dict[str, PlannedCall] = field(default_factory=dict)
    knows: bool = False
    makes_no_calls: bool = False
    left_out: dict[bool, frozenset[str]] = field(default_factory=dict)
    failures: tuple[tuple[str, str], ...] = field(init=False)
    successes: tuple[str, ...] = field(init=False)
    leads: bool = True
    quick: bool = True
    brisk: bool = True
    left_alone: bool = False
    repeated: list[Case] = field(default_factory=list)
    speaks_1_0: bool = False
    count: int = 0

    def __post_init__(self) -> None:
        """Begin with all texts of success, and each outcome of failure, if the notifications follow a request."""
        roles = self.contract.notification
        examples = self.contract.schemas.schema(self.command.notification_schema).get("examples", ())
        stated = [example[roles.reason] for example in examples if example[roles.outcome] == roles.success]
        self.successes = (*stated[:1], success_reason(self.contract), "Delivered after a failed attempt")
        self.failures = ()
        if isinstance(self.command, Command):
            reasons = {each.code: each.reason for each in failures(self.contract, self.command)}
            self.failures = tuple((reasons | dict.fromkeys([*reasons][-1:], UNSURE)).items())

    def unknown_id(self) -> str:
        """An id of the usual form that no client knows."""
        return shape_of_ids(self.contract).draw(self.chance)

    def next_id(self) -> str:
        """The next known id; any id if none is left."""
        return self.ids.popleft() if self.ids else self.unknown_id()

    @property
    def is_asked(self) -> bool:
        """Whether it gets inquiries, whose answer counts."""
        return isinstance(self.command, Inquiry)

    @property
    def answers(self) -> bool:
        """Whether the client should know of the requests in notifications."""
        return self.knows or self.makes_no_calls

    @property
    def whole(self) -> bool:
        """Whether it gets all malformed requests, and not only some of each kind."""
        return self.leads and self.brisk

    @property
    def address(self) -> tuple[str, bytes]:
        """Scheme, host and port of its URL."""
        url = httpx.URL(self.url)
        return url.scheme, url.netloc

    @property
    def optional(self) -> frozenset[str]:
        """The names of the members that a notification of the product may lack."""
        required = self.contract.schemas.resolved(self.command.notification_schema)["required"]
        return frozenset(self._members({})) - {*required}

    def allows(self, member: str, value: Any) -> bool:
        """Whether a notification of the product may have this value of a member."""
        violations = self.contract.schemas.violations(self.command.notification_schema, {member: value})
        return f"/{member}" not in {violation.pointer for violation in violations}

    def content(
        self, request_id: str, code: str, reason: str, *, left_out: Iterable[str] | None = None, **extra: Any
    ) -> dict[str, Any]:
        """A notification with this code, and with a unique word after the reason. `extra` members are undocumented."""
        self.count += 1
        roles = self.contract.notification
        about = self.known[request_id].params if request_id in self.known else {}
        spared = self.left_out.get(code == roles.success, frozenset()) if left_out is None else frozenset(left_out)
        word = f"{self.count}{''.join(self.chance.choices(ALPHANUMERIC, k=5))}"
        own = {roles.outcome: code, roles.reason: f"{reason} [{word}]", roles.id: request_id}
        members = {name: value for name, value in self._members(about).items() if name not in {*spared, *own}}
        content = {**own, **members, **extra}
        if broken := self.contract.schemas.violation(self.command.notification_schema, content):
            where = f"{broken.pointer} {broken.message}"
            raise SuiteError(f"a notification of {self.command.name} is not valid: {where}")
        return content

    def _members(self, about: Mapping[str, Any]) -> dict[str, Any]:
        """The members of a gateway's notification of such a request, or of the sample, each at another time."""
        command, schemas = self.command, self.contract.schemas
        sample = command.request_schema if isinstance(command, Command) else command.notification_schema
        payload = about or next(iter(schemas.schema(sample)["examples"]), {})
        charge, at = price(self.command, payload), BEGINNING + timedelta(seconds=self.count)
        success = TransactionOutcome.success(self.contract)
        transaction = Transaction(self.command, payload, "", success, charge, OPENING_BALANCE - charge, at)
        return result(self.contract, transaction, self.chance)

    def id_in(self, case: Case) -> str:
        """The request_id that a notification carries."""
        carried: str = json.loads(case.request.body)[self.contract.notification.id]
        return carried

    def success(self, request_id: str) -> dict[str, Any]:
        """A usual success."""
        return self.content(request_id, self.contract.notification.success, self.successes[0])

    def failure(self, request_id: str, kind: int = 0) -> dict[str, Any]:
        """A usual failure; another `kind` has another code and reason. A success where the product has no failures."""
        if not self.failures:
            return self.success(request_id)
        return self.content(request_id, *self.failures[kind % len(self.failures)])

    def case(self, aspect: str, body: bytes, *, about: str | None = None, keyword: str | None = None) -> Case:
        """A request with this body. `about`: the id in it; `keyword`: its speciality."""
        self.count += 1
        name = f"receiver/{self.command.folder}/{aspect.replace(' ', '-')}/{self.count}"
        request = Request(self.contract.notification.method, self.url, JSON_HEADERS, body)
        case = Case(name, self.command.name, Kind.DELIVER, aspect, name, request, keyword=keyword)
        known = self.known.get(about or "")
        return replace(case, earlier=known.case.id) if known else case

    def posted(self, aspect: str, content: Mapping[str, Any], *, keyword: str | None = None) -> Case:
        """A notification."""
        body = json.dumps(content, ensure_ascii=False).encode()
        return self.case(aspect, body, about=content[self.contract.notification.id], keyword=keyword)


def with_headers(case: Case, headers: Headers, method: str | None = None) -> Case:
    """The case with other headers, and by another method."""
    return replace(case, request=replace(case.request, method=method or case.request.method, headers=headers))


# --- Cases

MEBIBYTE = 1 << 20

EXTRA_FIELDS: tuple[dict[str, Any], ...] = (
    {"x_operator": {"name": "Mfano", "codes": [1, None, True]}, "x_balance": 12.5},
    {"x_status_code": 500, "x_note": "karibu – 👋", "x_empty": {}, "x_null": None},
)

OTHER_TEXTS = (
    "Ombi limepokelewa 👍 – asante",
    "Malipo yamekamilika. " * 25,
    'Sent: "<b>50</b>" & more\nSecond line',
)

# Notifications on one connection, one after the other.
KEPT_ALIVE = 3

# Junk of each kind for a receiver that got all of it at another product's URL.
FEW_OF_A_KIND = 4
FEW_CLAIMS = 3


# --- Valid ones


def basic_cases(receiver: ReceiverUnderTest) -> Iterator[Case]:
    """Successes and failures: with all of their optional members, with none, and with some."""
    roles, optional = receiver.contract.notification, sorted(receiver.optional)
    forms: list[list[str]] = [[]]
    if optional:
        chosen = receiver.chance.sample(optional, len(optional) // 2)
        forms += [optional, chosen, [name for name in optional if name not in chosen]]
    for number, left_out in enumerate(forms):
        reason = receiver.successes[number % len(receiver.successes)]
        content = receiver.content(receiver.next_id(), roles.success, reason, left_out=left_out)
        yield receiver.posted("success", content, keyword=_lacking(left_out))
    if not optional:
        for reason in receiver.successes[1:]:
            yield receiver.posted("success", receiver.content(receiver.next_id(), roles.success, reason))
    failures = [(each, optional if number % 2 else []) for number, each in enumerate(receiver.failures)]
    failures += [(each, optional) for each in receiver.failures[:1] if optional]
    for (code, reason), left_out in failures:
        content = receiver.content(receiver.next_id(), code, reason, left_out=left_out)
        words = ", ".join(filter(None, (f'{roles.outcome} "{code}"', _lacking(left_out))))
        yield receiver.posted("failure", content, keyword=words)


def _lacking(left_out: list[str]) -> str | None:
    return f"without {', '.join(left_out)}" if left_out else None


def unusual_cases(receiver: ReceiverUnderTest, seed: int) -> Iterator[Case]:
    """Unknown fields, and other texts."""
    whole, roles = receiver.leads, receiver.contract.notification
    for extra in EXTRA_FIELDS if whole else EXTRA_FIELDS[:1]:
        yield receiver.posted(
            "extra fields", receiver.content(receiver.next_id(), roles.success, receiver.successes[0], **extra)
        )
    texts = draw(text(ALPHABETS.values(), 1, 60), 2, seed)
    for reason in (*OTHER_TEXTS, *texts) if whole else (*OTHER_TEXTS[:1], texts[0]):
        yield receiver.posted("other text", receiver.content(receiver.next_id(), roles.success, reason))
    content = receiver.content(receiver.next_id(), roles.success, "Opération terminée")
    escaped = json.dumps(content, ensure_ascii=True).encode()
    yield receiver.case("other text", escaped, about=content[roles.id], keyword="a letter as \\u00e9")
    for code, _ in receiver.failures[:1]:
        yield receiver.posted("other text", receiver.content(receiver.next_id(), code, texts[0]))


def id_cases(
    receiver: ReceiverUnderTest, ids: Mapping[str, str], near: Mapping[str, tuple[str, str]]
) -> Iterator[Case]:
    """One notification for each form of ids; a success and a failure for each two that are nearly equal."""
    member = receiver.contract.notification.id
    for form, request_id in ids.items():
        yield receiver.posted("id", receiver.success(request_id), keyword=f"a {member} of {form}")
    for difference, (one, other) in near.items():
        words = f"a {member} that differs from another in {difference}"
        yield receiver.posted("id", receiver.success(one), keyword=words)
        yield receiver.posted("id", receiver.failure(other), keyword=words)


@dataclass(frozen=True, slots=True)
class _Wire:
    """A way to write a notification: its `headers`, and how its JSON is dumped."""

    name: str
    headers: Headers = JSON_HEADERS
    framing: Framing = PLAIN
    dump: Mapping[str, Any] | None = None
    reverse: bool = False
    needs_1_1: bool = False


_WIRES: tuple[_Wire, ...] = (
    _Wire("charset=utf-8 in Content-Type", (("Content-Type", "application/json; charset=utf-8"),)),
    _Wire("its members in another order", reverse=True),
    _Wire(
        "an offer to upgrade to h2c, as the JDK's client makes it",
        (
            *JSON_HEADERS,
            ("Connection", "Upgrade, HTTP2-Settings"),
            ("Upgrade", "h2c"),
            ("HTTP2-Settings", "AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA"),
        ),
    ),
    _Wire('charset="UTF-8" in Content-Type', (("Content-Type", 'application/json;charset="UTF-8"'),)),
    # A sender has to know that the server speaks HTTP/1.1 (RFC 9112, 6.1).
    _Wire("a chunked body", (*JSON_HEADERS, ("Transfer-Encoding", "chunked")), needs_1_1=True),
    _Wire("Expect: 100-continue", (*JSON_HEADERS, ("Expect", "100-continue"))),
    _Wire("HTTP/1.0", framing=Framing(http_1_0=True)),
    _Wire("its head and its body in two pieces", framing=Framing(in_pieces=True)),
    _Wire("header names in lower case", framing=Framing(lower_case=True)),
    _Wire("indented JSON", dump={"indent": "\t", "separators": (" ,", " : ")}),
)

# The first of them are written to every receiver, the others to one at each address.
FOR_ALL = 3


def wire_cases(receiver: ReceiverUnderTest) -> Iterator[Outgoing]:
    """Usual notifications, written in other ways."""
    roles = receiver.contract.notification
    for wire in _WIRES if receiver.leads else _WIRES[:FOR_ALL]:
        if wire.needs_1_1 and receiver.speaks_1_0:
            continue
        content = receiver.success(receiver.next_id())
        members = dict(reversed(content.items())) if wire.reverse else content
        body = json.dumps(members, ensure_ascii=False, **(wire.dump or {})).encode()
        case = receiver.case("wire", body, about=content[roles.id], keyword=wire.name)
        yield Outgoing(with_headers(case, wire.headers), wire.framing)
    if not receiver.leads:
        return
    reason = f"{receiver.successes[0]} / Sawa"
    content = receiver.content(receiver.next_id(), roles.success, reason)
    spelled = f"\\u{ord(reason[0]):04x}{reason[1:]}".replace("/", "\\/")
    escaped = json.dumps(content).replace(reason, spelled).encode()
    yield Outgoing(receiver.case("wire", escaped, about=content[roles.id], keyword="escapes in its JSON"))


def kept_alive_cases(receiver: ReceiverUnderTest) -> Iterator[Outgoing]:
    """Several on one connection."""
    for number in range(KEPT_ALIVE):
        content = receiver.success(receiver.next_id())
        words = "the connection of the notification before" if number else None
        yield Outgoing(receiver.posted("wire", content, keyword=words), keeps=number > 0)


def repeated_cases(receiver: ReceiverUnderTest, *, contradicted: bool) -> Iterator[tuple[Case, Case]]:
    """Pairs: a notification and the same again; or a contradiction of it, if the client reports on it."""
    content = receiver.success(receiver.next_id())
    yield receiver.posted("first", content), receiver.posted("repeat", content)
    if contradicted and receiver.answers and receiver.failures:
        for before, after in ((receiver.success, receiver.failure), (receiver.failure, receiver.success)):
            request_id = receiver.next_id()
            yield receiver.posted("first", before(request_id)), receiver.posted("contradiction", after(request_id))


# --- Junk


def kinds_of_junk(receiver: ReceiverUnderTest) -> dict[str, list[Case]]:
    """By kind: malformed JSON, JSON of something else, an empty and a large body, and other methods."""

    def content() -> dict[str, Any]:
        return receiver.success(receiver.unknown_id())

    no_json = [
        receiver.case("no JSON", body, keyword=name)
        for name, body in unreadable(receiver.contract, receiver.command, content)
    ]
    gaps = [
        receiver.case("incomplete", body, keyword=name)
        for name, body in incomplete(receiver.contract, receiver.command, content)
    ]
    if not receiver.whole:
        no_json, gaps = _spread(no_json), _spread(gaps)
    bodies = [
        receiver.case("empty", b"", keyword="nothing"),
        receiver.case("large", b'{"x_padding": "' + b"x" * MEBIBYTE + b'"}', keyword="a mebibyte"),
    ]
    methods = [
        with_headers(receiver.case("get", b"", keyword="GET"), (), "GET"),
        with_headers(receiver.case("head", b"", keyword="HEAD"), (), "HEAD"),
    ]
    return {"no JSON": no_json, "incomplete": gaps, "body": bodies, "method": methods}


def _spread(cases: list[Case]) -> list[Case]:
    """Some of them, from the first to the last."""
    step = max(1, (len(cases) - 1) // (FEW_OF_A_KIND - 1))
    return [*cases[:-1:step][: FEW_OF_A_KIND - 1], cases[-1]]


def claims(receiver: ReceiverUnderTest) -> Iterator[tuple[str, Case]]:
    """Requests that a client must not take for a result, each with a known id: the id and the case."""
    roles, chosen = receiver.contract.notification, _mistakes(receiver)
    for name, change in chosen if receiver.whole else chosen[:FEW_CLAIMS]:
        request_id = receiver.next_id()
        members = receiver.success(request_id)
        if change is None:
            cut = json.dumps({role: members[role] for role in (roles.id, roles.outcome, roles.reason)})[:-1].encode()
            yield request_id, receiver.case("no JSON", cut, about=request_id, keyword=name)
        else:
            del members[roles.outcome]
            body = json.dumps({**members, **change}).encode()
            yield request_id, receiver.case("incomplete", body, about=request_id, keyword=name)
    request_id = receiver.next_id()
    body = json.dumps(receiver.success(request_id)).encode()
    other = OTHER_METHODS[receiver.contract.notification.method == OTHER_METHODS[0]]
    yield (
        request_id,
        with_headers(receiver.case(other.lower(), body, about=request_id, keyword=other), JSON_HEADERS, other),
    )


OTHER_METHODS = ("PUT", "POST")
"""Other methods for a notification; most contracts do not use the first one."""


def _mistakes(receiver: ReceiverUnderTest) -> list[tuple[str, Mapping[str, Any] | None]]:
    """Replacements of the outcome that no schema allows and no success has. None: JSON cut short."""
    outcome, success = receiver.contract.notification.outcome, receiver.contract.notification.success
    as_number = [int(success)] if success.isdecimal() else []
    nearly = (str(as_number[0] + 1) if as_number else success.swapcase(), f"{success}0", f"un{success}")
    near_miss = next(text for text in nearly if not receiver.allows(outcome, text))
    mistyped: list[tuple[str, Mapping[str, Any] | None]] = []
    for value in (near_miss, None, True, *as_number, [success]):
        shown = f"the number {value}" if type(value) is int else json.dumps(value)
        mistyped.append((f"{outcome} is {shown}", {outcome: value}))
    return [(f"without {outcome}", {}), mistyped[0], ("JSON that is cut short", None), *mistyped[1:]]
