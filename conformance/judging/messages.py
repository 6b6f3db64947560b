"""Answers and notifications as the contract reads them, and their summaries.

Answer, Notice                        in full: made when they are read, judged, and dropped again
ResponseSummary, NotificationSummary  of a fixed size, without bodies; a run has one for each exchange, and links them
                                      while it is read, so they are not frozen
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from operator import attrgetter
from typing import Any, NamedTuple, Self

from conformance.contract.contract import Contract
from conformance.judging.reading import NOTHING, Content, FormResult, answer_form, is_number, notice_form
from conformance.judging.transactions import AccountUse, Details, Echo
from conformance.model.traffic import Case, Exchange, Kind, Notification, Response
from conformance.wire.pacing import retry_after_s

UNAUTHORIZED = 401
TOO_MANY_REQUESTS = 429
UNAVAILABLE = 503
# A proxy answers with these if it does not reach the gateway (RFC 9110, 15.6.3 and 15.6.5).
ANSWERED_BETWEEN = frozenset({502, 504})

PROBES_OF_PATH = (Kind.METHOD, Kind.UNKNOWN_COMMAND)

ABSENT = object()
"""The value of a member that an answer lacks; null is a value."""


def as_over_a_network(exchange: Exchange) -> Exchange:
    """The exchange, without its answer if a proxy evidently gave it: a 502 or 504 outside the envelope.

    The gateway's own have a JSON object, as all of its answers have.
    """
    response = exchange.response
    if response is None or response.status not in ANSWERED_BETWEEN:
        return exchange
    if Content.with_repeats(response.body).members is not None:
        return exchange
    return replace(exchange, response=None, failure=f"answered {response.status} by a proxy")


def asks_for_a_wait(response: Response) -> bool:
    """Whether it is a 503 with a Retry-After (RFC 9110, 15.6.4)."""
    return response.status == UNAVAILABLE and retry_after_s(response.headers, 0.0) is not None


class Purpose(NamedTuple):
    """The purpose of a case: the members of `Case` that many cases have in common, and the contract."""

    contract: Contract
    command: str | None
    kind: Kind
    aspect: str
    member: str | None
    keyword: str | None
    twin: str | None
    earlier: str | None

    @classmethod
    def of(cls, case: Case, contract: Contract) -> Self:
        """Of a case."""
        about = (case.command, case.kind, case.aspect, case.member, case.keyword, case.twin, case.earlier)
        return cls(contract, *about)


class Answered:
    """The properties of an answer that follow from its status, and from the purpose of its request."""

    __slots__ = ()

    status: int | None
    request_id: str | None
    # Whether the gateway accepted the request.
    accepted: bool
    purpose: Purpose

    @property
    def contract(self) -> Contract:
        """The contract."""
        return self.purpose.contract

    @property
    def command(self) -> str | None:
        """The command of the request; None for an unknown one."""
        return self.purpose.command

    @property
    def kind(self) -> Kind:
        """The kind of the request."""
        return self.purpose.kind

    @property
    def aspect(self) -> str:
        """The aspect of the request."""
        return self.purpose.aspect

    @property
    def is_probe_of_path(self) -> bool:
        """Whether the request was for an unknown command or method, which only CMD judges."""
        return self.kind in PROBES_OF_PATH

    @property
    def rejected(self) -> bool:
        """Whether the gateway refused the request (4xx): no transaction, hence no notification."""
        return self.status is not None and 400 <= self.status <= 499

    @property
    def crashed(self) -> bool:
        """Whether the gateway answered with a 5xx."""
        return self.status is not None and self.status >= 500

    @property
    def product(self) -> str | None:
        """The product whose callback gets the notification."""
        return self.contract.product_of(self.command)

    @property
    def code_pointer(self) -> str:
        """The JSON pointer of the code in an answer."""
        return f"/{self.contract.answer.code}"

    @property
    def owes_notification(self) -> bool:
        """Whether a notification with a known id must follow."""
        return self.accepted and self.request_id is not None and self.product is not None


@dataclass(frozen=True, slots=True)
class Answer(Answered):
    """One exchange as the contract reads it.

    `status` is the outcome: the code of the envelope if it is readable (seed: it "can be used to determine whether your
    API call request was successful or not"), else the HTTP status; None without a response. A 503 that asks for a wait
    counts as a 429, because both are no answer to the request. `final` is False for an attempt that the gateway asked
    to slow down, and that was repeated.
    """

    case: Case
    exchange: Exchange
    content: Content
    status: int | None
    request_id: str | None
    accepted: bool
    purpose: Purpose
    final: bool = True
    _form: FormResult | None = field(default=None, init=False, repr=False, compare=False)

    @classmethod
    def of(cls, case: Case, exchange: Exchange, contract: Contract, *, final: bool = True) -> Self:
        """Read one exchange."""
        purpose = Purpose.of(case, contract)
        if exchange.response is None:
            return cls(
                case,
                exchange,
                Content(error="there is no answer"),
                None,
                None,
                accepted=False,
                purpose=purpose,
                final=final,
            )
        unreadable = exchange.response.undecodable
        content = Content.with_repeats(exchange.response.body) if unreadable is None else Content(error=unreadable)
        members = content.members or {}
        roles = contract.answer
        code, request_id = members.get(roles.code), members.get(roles.id)
        if asks_for_a_wait(exchange.response):
            code = TOO_MANY_REQUESTS
        status = int(code) if isinstance(code, int | float) and is_number(code) else exchange.response.status
        return cls(
            case,
            exchange,
            content,
            status,
            request_id if isinstance(request_id, str) and request_id.strip() else None,
            status == roles.success,
            purpose,
            final,
        )

    @property
    def case_id(self) -> str:
        """The id of its case."""
        return self.case.id

    @property
    def http_status(self) -> int | None:
        """The HTTP status, None if there was no response."""
        return self.response.status if self.response else None

    @property
    def form(self) -> FormResult:
        """The cached result of its validation."""
        if self._form is None:
            form = NOTHING
            if self.content.error is None:
                form = answer_form(self.contract, self.case.command, self.content.value, accepted=self.accepted)
            object.__setattr__(self, "_form", form)
        return self._form or NOTHING

    @property
    def number(self) -> int:
        """The number of the exchange in the journal."""
        return self.exchange.number

    exchange_number = number

    @property
    def response(self) -> Response | None:
        """The HTTP response, None if there was none."""
        return self.exchange.response

    @property
    def body(self) -> bytes:
        """The body of the response; empty if there was none."""
        return self.response.body if self.response else b""


# --- Summaries


@dataclass(slots=True, eq=False)
class ResponseSummary(Answered):
    """Summary of an answer (see `Answer`), for rules about more than one.

    `code` and `reason`: the members of these roles in the envelope, or ABSENT. `failure`: why there is no answer.
    `identity`: equal for equal requests, whatever their headers. `whole`: the answer itself, for the few probes of
    paths and methods and the requests for the balance. `details`: those of an accepted request that its notifications
    may repeat. `account`: the use of the account by a request that was answered 402 or 403. `shared`: the group of
    answers with the same request_id, None without others. `arrivals`: the notifications with its request_id, if it is
    the first answer with it. `altered`: notifications with an altered form of its request_id. `load_sent_at`: when a
    request under load was sent, None for any other. `overloaded`: it was answered with a 5xx under load, and others of
    its kind and aspect were not, so that the load is to blame and not its content.
    """

    case_id: str
    purpose: Purpose
    number: int
    status: int | None
    request_id: str | None
    accepted: bool
    final: bool
    http_status: int | None
    code: Any
    reason: Any
    failure: str | None
    answered_at: float | None
    identity: bytes
    whole: Answer | None
    details: Details | None = None
    account: AccountUse | None = None
    shared: SharedId | None = None
    arrivals: list[NotificationSummary] | None = None
    altered: list[NotificationSummary] | None = None
    load_sent_at: float | None = None
    overloaded: bool = False

    @property
    def said(self) -> str | None:
        """Its reason, if it is a string."""
        return self.reason if isinstance(self.reason, str) else None

    @property
    def class_of_request(self) -> tuple[str | None, Kind, str]:
        """Command, kind and aspect of its request."""
        return self.command, self.kind, self.aspect

    @property
    def first(self) -> ResponseSummary:
        """The first outcome with the same request_id."""
        return self.shared.first if self.shared else self

    def notifications(self) -> Sequence[NotificationSummary]:
        """The notifications that belong to it."""
        exact = self.first.arrivals or ()
        return [*exact, *self.altered] if self.altered else exact

    def earliest(self) -> NotificationSummary | None:
        """The first of these notifications."""
        if self.shared is None:
            return min(self.notifications(), key=SOONEST, default=None)
        return min(filter(None, (self.shared.earliest, *(self.altered or ()))), key=SOONEST, default=None)

    def add(self, arrival: NotificationSummary, *, altered: bool) -> None:
        """Add a notification with its request_id, or with an altered form of it."""
        if altered:
            self.altered = self.altered or []
            self.altered.append(arrival)
            return
        self.arrivals = self.arrivals or []
        self.arrivals.append(arrival)
        if self.shared:
            self.shared.earliest = min(filter(None, (self.shared.earliest, arrival)), key=SOONEST)


@dataclass(slots=True, eq=False)
class SharedId:
    """A request_id that several answers have, first of all `first`.

    `other`: the first answer whose request is not equal to that of `first`. `several`: whether they belong to several
    cases, not only to several attempts at one. `products`: those of all answers. `earliest`: the first notification.
    """

    first: ResponseSummary
    products: set[str | None]
    other: ResponseSummary | None = None
    several: bool = False
    earliest: NotificationSummary | None = None

    def add(self, outcome: ResponseSummary) -> None:
        """Add an answer with this request_id."""
        outcome.shared = self
        self.products.add(outcome.product)
        self.several = self.several or outcome.case_id != self.first.case_id
        if self.other is None and outcome.identity != self.first.identity:
            self.other = outcome


@dataclass(slots=True, eq=False)
class NotificationSummary:
    """Summary of a notification (see `Notice`). `echo`: the details of its request that it repeats, if any.

    `telling`: equal for notifications with exactly the same details; None without any.
    """

    number: int
    product: str | None
    request_id: str | None
    received_at: float
    outcome: str | None
    answer: ResponseSummary | None
    echo: Echo | None = None
    telling: int | None = None

    @property
    def orphan(self) -> bool:
        """Whether it has an id that no answer of the run has."""
        return self.request_id is not None and self.answer is None


class Contradiction(NamedTuple):
    """A notification that contradicts those before it: `member` is `value`, and was `before`."""

    arrival: NotificationSummary
    member: str
    value: Any
    before: Any


SOONEST = attrgetter("received_at", "number")


# The first outcome under an id, and the details of its transaction.
Earlier = tuple[str | None, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Notice:
    """A notification as the contract reads it.

    `outcome`: of the transaction, as text. `answer`: the one that it belongs to, None for an orphan: the first with
    exactly its request_id, or if `altered` the one whose request_id it evidently means. `earlier`: the details of
    earlier notifications with its id, if it has no request and its sender is known.
    """

    notification: Notification
    content: Content
    request_id: str | None
    outcome: str | None
    answer: ResponseSummary | None
    altered: bool
    contract: Contract
    earlier: Earlier | None = None
    _form: FormResult | None = field(default=None, init=False, repr=False, compare=False)

    @property
    def form(self) -> FormResult:
        """The cached result of its validation."""
        if self._form is None:
            content, form = self.content, NOTHING
            if content.error is None or content.in_query:
                form = notice_form(self.contract, self.command, content.value, self.outcome, typed=not content.in_query)
            object.__setattr__(self, "_form", form)
        return self._form or NOTHING

    @property
    def number(self) -> int:
        """Its number in the journal."""
        return self.notification.number

    @property
    def exchange_number(self) -> int | None:
        """The number of the exchange that it belongs to; None for an orphan."""
        return self.answer.number if self.answer else None

    @property
    def product(self) -> str | None:
        """The product at whose callback it arrived."""
        return self.notification.product

    @property
    def command(self) -> str | None:
        """The command that it is judged under: its request's, or the one of the callback.

        A notification without a request is judged under its product. The callback also decides if requests of several
        commands got one request_id, which is another fault.
        """
        if self.answer is None and (row := self.contract.unsolicited_at(self.product)) is not None:
            return row.name
        if self.answer is None or self.product in self.owners:
            return self.contract.command_of(self.product)
        return self.answer.command

    @property
    def owners(self) -> Collection[str | None]:
        """The products of all answers that it may belong to."""
        if self.answer is None:
            return ()
        shared = None if self.altered else self.answer.shared
        return shared.products if shared else (self.answer.product,)
