"""A product's receiver under test: its address, the ids that its client knows, and notifications about them.

    ReceiverUnderTest   makes notifications, and cases of them
    Outgoing            a case and how it is written on the wire
    Known               an accepted call of the client: its case and parameters

A notification agrees with the request that it is about. Its optional members are those of one that the receiver took,
so that a receiver which needs one of them, or stumbles over one, fails for that and for nothing else.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from random import Random
from typing import Any

import httpx

from conformance.client.posting import PLAIN, Framing
from conformance.contract.command import Command, Inquiry, Notified
from conformance.contract.contract import Contract
from conformance.contract.schema_set import Violation
from conformance.mock.account import OPENING_BALANCE, TransactionOutcome, failures
from conformance.mock.transactions import Transaction, price, result, shape_of_ids, success_reason
from conformance.model.errors import SuiteError
from conformance.model.traffic import JSON_MEDIA_TYPE, Case, Headers, Kind, Request
from conformance.payloads.notifications import ALPHANUMERIC

JSON_HEADERS: Headers = (("Content-Type", JSON_MEDIA_TYPE),)

Failure = tuple[str, str]

UNSURE = "No response. The success of the transaction is not known"
"""The reason of one failure; failures have nothing in common but the outcome."""

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
    """A call that the client knows to be accepted: its case and parameters."""

    case_id: str
    params: Mapping[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class ReceiverUnderTest:
    """A product's receiver.

    `ids` are known to the client, of the usual form and in the order of their calls; `knows`: whether there were any.
    `makes_no_calls`: its client can be asked all the same, so any id will do. `known` has the call of each known id.
    `chance` makes up other ids. `left_out`: the optional members to leave out, of a success and of a failure;
    `failures`: the kinds of failure to send. `leads`: it is the first at its address. `quick`: it answered the first
    notification at once; `brisk`: the next, too. `speaks_1_0`: in HTTP/1.0. `left_alone`: nothing more is sent to it.
    `repeated`: the requests that were notified of more than once.
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
    failures: tuple[Failure, ...] = ()
    leads: bool = True
    quick: bool = True
    brisk: bool = True
    left_alone: bool = False
    repeated: list[tuple[str, Case]] = field(default_factory=list)
    speaks_1_0: bool = False
    count: int = 0

    def __post_init__(self) -> None:
        """Begin with all kinds of failure."""
        self.failures = self.failures or all_failures(self.contract, self.command)

    def unknown_id(self) -> str:
        """An id of the usual form that no client knows."""
        return shape_of_ids(self.contract).draw(self.chance)

    def next_id(self) -> str:
        """The next that the client knows; where none is left, any."""
        return self.ids.popleft() if self.ids else self.unknown_id()

    def last_id(self) -> str:
        """Like `next_id`, from the other end."""
        return self.ids.pop() if self.ids else self.unknown_id()

    @property
    def is_asked(self) -> bool:
        """Whether it gets inquiries, whose answer decides something."""
        return isinstance(self.command, Inquiry)

    @property
    def answers(self) -> bool:
        """Whether the client can be expected to know of the requests that it is notified of."""
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
        return frozenset(self._told({})) - {*required}

    @property
    def successes(self) -> tuple[str, ...]:
        """Texts of success, the usual one first."""
        return successes(self.contract, self.command)

    def allows(self, member: str, value: Any) -> bool:
        """Whether a notification of the product may have this value of a member."""
        return f"/{member}" not in {violation.pointer for violation in self._violations({member: value})}

    def _violations(self, content: Mapping[str, Any]) -> list[Violation]:
        return self.contract.schemas.violations(self.command.notification_schema, dict(content))

    def content(
        self, request_id: str, code: str, said: str, *, left_out: Iterable[str] | None = None, **extra: Any
    ) -> dict[str, Any]:
        """A notification with this code and a text of its own. `extra` members are undocumented."""
        self.count += 1
        roles = self.contract.notification
        about = self.known[request_id].params if request_id in self.known else {}
        spared = self.left_out.get(code == roles.success, frozenset()) if left_out is None else frozenset(left_out)
        word = f"{self.count}{''.join(self.chance.choices(ALPHANUMERIC, k=5))}"
        own = {roles.outcome: code, roles.reason: f"{said} [{word}]", roles.id: request_id}
        told = {name: value for name, value in self._told(about).items() if name not in {*spared, *own}}
        content = {**own, **told, **extra}
        if broken := self._violations(content):
            where = f"{broken[0].pointer} {broken[0].message}"
            raise SuiteError(f"a notification of {self.command.name} is not valid: {where}")
        return content

    def _told(self, about: Mapping[str, Any]) -> dict[str, Any]:
        """The members that a gateway sends about such a request, or the sample, each at another time."""
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
        """A request with this body. `about`: the id that it carries; `keyword`: what is special about it."""
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


def all_failures(contract: Contract, command: Notified) -> tuple[Failure, ...]:
    """Each failure outcome of the command, with a reason; none for notifications without a request."""
    if not isinstance(command, Command):
        return ()
    reasons = {each.code: each.reason for each in failures(contract, command)}
    return tuple((reasons | dict.fromkeys([*reasons][-1:], UNSURE)).items())


@cache
def successes(contract: Contract, command: Notified) -> tuple[str, ...]:
    """Texts of success: the contract's own, and one that does not sound like a success."""
    roles = contract.notification
    examples = contract.schemas.schema(command.notification_schema).get("examples", ())
    told = [example[roles.reason] for example in examples if example[roles.outcome] == roles.success]
    return (*told[:1], success_reason(contract), "Delivered after a failed attempt")


def with_headers(case: Case, headers: Headers, method: str | None = None) -> Case:
    """The case with other headers, and by another method."""
    return replace(case, request=replace(case.request, method=method or case.request.method, headers=headers))
