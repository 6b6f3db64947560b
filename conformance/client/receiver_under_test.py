"""A product's receiver under test: its address, the ids that its client knows, and notifications about them.

A notification agrees with the request that it is about. Its optional members are those of one that the receiver took,
so that a receiver which needs one of them, or stumbles over one, fails for that and for nothing else.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import httpx

from conformance.client.posting import PLAIN, Framing
from conformance.contract.command import Command, Inquiry, Notified
from conformance.contract.contract import Contract
from conformance.mock.account import OPENING_BALANCE, TransactionOutcome, failures
from conformance.mock.transactions import Transaction, price, result, shape_of_ids, success_reason
from conformance.model.errors import SuiteError
from conformance.model.traffic import JSON_MEDIA_TYPE, Case, Headers, Kind, Request
from conformance.payloads.probes import ALPHANUMERIC

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


@dataclass(frozen=True, slots=True)
class Known:
    """An accepted call that the client knows of: its case and parameters."""

    case_id: str
    params: Mapping[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class ReceiverUnderTest:
    """A product's receiver.

    `ids`: known to the client, of the usual form and in the order of their calls; `knows`: whether there were any.
    `makes_no_calls`: its client reports on any id without having made a call. `known`: the call of each known id.
    `chance` makes up other ids. `left_out`: the optional members to leave out, of a success and of a failure;
    `failures`: codes and reasons of failures to send; `successes`: texts of success, the usual one first.
    `leads`: it is the first at its address. `quick`: it answered the first notification at once; `brisk`: the next,
    too. `speaks_1_0`: in HTTP/1.0. `left_alone`: nothing more is sent to it. `repeated`: the requests with more than
    one notification.
    """

    contract: Contract
    command: Notified
    url: str
    chance: Random
    ids: deque[str] = field(default_factory=deque)
    known: dict[str, Known] = field(default_factory=dict)
    knows: bool = False
    makes_no_calls: bool = False
    left_out: dict[bool, frozenset[str]] = field(default_factory=dict)
    failures: tuple[tuple[str, str], ...] = field(init=False)
    successes: tuple[str, ...] = field(init=False)
    leads: bool = True
    quick: bool = True
    brisk: bool = True
    left_alone: bool = False
    repeated: list[tuple[str, Case]] = field(default_factory=list)
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
        return replace(case, earlier=known.case_id) if known else case

    def posted(self, aspect: str, content: Mapping[str, Any], *, keyword: str | None = None) -> Case:
        """A notification."""
        body = json.dumps(content, ensure_ascii=False).encode()
        return self.case(aspect, body, about=content[self.contract.notification.id], keyword=keyword)


def with_headers(case: Case, headers: Headers, method: str | None = None) -> Case:
    """The case with other headers, and by another method."""
    return replace(case, request=replace(case.request, method=method or case.request.method, headers=headers))
