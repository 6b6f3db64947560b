"""Answers as the contract reads them: made when they are read, judged, and dropped again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self
from urllib.parse import parse_qsl

from conformance.contract.contract import Contract
from conformance.judging.form import NOTHING, FormResult, answer_form
from conformance.model.traffic import Case, Exchange, Kind, Request, Response
from conformance.model.untrusted import parse_json, parse_with_repeats
from conformance.wire.ledger import request_id_of
from conformance.wire.pacing import retry_after_s

UNAUTHORIZED = 401
TOO_MANY_REQUESTS = 429
UNAVAILABLE = 503

PROBES_OF_PATH = (Kind.METHOD, Kind.UNKNOWN_COMMAND)


@dataclass(frozen=True, slots=True)
class Content:
    """A body read as JSON: its `value`, or the `error` in words. `members`: the value, if it is an object.

    `repeated`: the first name that an object repeats, if that is allowed. `in_query`: read from the query of a request
    without a body.
    """

    value: Any = None
    error: str | None = None
    members: Mapping[str, Any] | None = None
    repeated: str | None = None
    in_query: bool = False

    @classmethod
    def of(cls, body: bytes) -> Self:
        """Read `body`; raises nothing."""
        return cls._read(lambda: (parse_json(body), None))

    @classmethod
    def with_repeats(cls, body: bytes) -> Self:
        """Read the body of a gateway: of a repeated member the last value counts, as in most parsers."""
        return cls._read(lambda: parse_with_repeats(body))

    @classmethod
    def of_notification(cls, request: Request, contract: Contract) -> Self | None:
        """Read a request to a callback, from its body or its query; None if it has neither a body nor an id.

        Without a body and an id it only checks whether the callback exists. A query is an error under the method of a
        notification, which needs JSON; another method is an error of its own.
        """
        if request.body:
            return cls.with_repeats(request.body)
        query, id_member = request.url.partition("?")[2], contract.notification.id
        members = dict(parse_qsl(query, keep_blank_values=True, errors="replace")) if id_member in query else {}
        if id_member not in members:
            return None
        empty = request.method == contract.notification.method
        error = "it is empty, what it tells is in the query" if empty else None
        return cls(members, error, members, in_query=True)

    @classmethod
    def _read(cls, parse: Callable[[], tuple[Any, str | None]]) -> Self:
        try:
            value, repeated = parse()
        except (ValueError, RecursionError) as error:
            return cls(error=str(error) or type(error).__name__)
        return cls(value, None, value if isinstance(value, dict) else None, repeated)


def carried_id(content: Content, body: bytes, contract: Contract) -> str | None:
    """The id of a notification as text, also if it has the wrong type, or if the body is only nearly JSON.

    For example JSON behind a byte order mark.
    """
    if content.error is not None and not content.in_query:
        return request_id_of(body, contract.notification.id)
    carried = (content.members or {}).get(contract.notification.id)
    if isinstance(carried, str):
        return carried if carried.strip() else None
    return str(carried) if is_number(carried) else None


def told_id(request: Request, contract: Contract) -> str | None:
    """The id in the body or the query of a request to a callback, by which the run knows an owed notification."""
    plainly = request_id_of(request.body, contract.notification.id)
    if plainly is not None:
        return plainly
    content = Content.of_notification(request, contract)
    return carried_id(content, request.body, contract) if content is not None else None


# A proxy answers with these if it does not reach the gateway (RFC 9110, 15.6.3 and 15.6.5).
ANSWERED_BETWEEN = frozenset({502, 504})


def as_over_a_network(exchange: Exchange) -> Exchange:
    """The exchange, without its answer if a proxy evidently gave it: a 502 or 504 outside the envelope.

    The gateway's own have a JSON object, as all of its answers have.
    """
    response = exchange.response
    if response is None or response.status not in ANSWERED_BETWEEN:
        return exchange
    if Content.with_repeats(response.body).members is not None:
        return exchange
    return replace(exchange, response=None, failure=f"answered {response.status} by what stands between")


def asks_for_a_wait(response: Response) -> bool:
    """Whether it is a 503 with a Retry-After (RFC 9110, 15.6.4)."""
    return response.status == UNAVAILABLE and retry_after_s(response.headers, 0.0) is not None


NO_ANSWER = Content(error="there is no answer")


def is_number(value: object) -> bool:
    """Whether a JSON value is a number; a boolean is not."""
    return isinstance(value, int | float) and not isinstance(value, bool)


class Answered:
    """The properties that follow from the status of an answer, read in full or summarized."""

    __slots__ = ()

    status: int | None
    request_id: str | None
    # Whether the gateway accepted the request.
    accepted: bool
    # The contract, and the case or its purpose; properties of some subclasses.
    contract: Any
    purpose: Any

    @property
    def command(self) -> str | None:
        """The command of the request; None for an unknown one."""
        command: str | None = self.purpose.command
        return command

    @property
    def kind(self) -> Kind:
        """The kind of the request."""
        kind: Kind = self.purpose.kind
        return kind

    @property
    def aspect(self) -> str:
        """The aspect of the request."""
        aspect: str = self.purpose.aspect
        return aspect

    @property
    def is_probe_of_path(self) -> bool:
        """Whether the request was for an unknown command or method, which only CMD judges."""
        return self.kind in PROBES_OF_PATH

    @property
    def rejected(self) -> bool:
        """Whether the gateway refused the request (4xx): no transaction, hence no notification."""
        return self.status is not None and 400 <= self.status <= 499

    @property
    def product(self) -> str | None:
        """The product whose callback gets the notification."""
        contract: Contract = self.contract
        return contract.product_of(self.command)

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
    contract: Contract
    final: bool = True
    _form: FormResult | None = field(default=None, init=False, repr=False, compare=False)

    @classmethod
    def of(cls, case: Case, exchange: Exchange, contract: Contract, *, final: bool = True) -> Self:
        """Read one exchange."""
        if exchange.response is None:
            return cls(case, exchange, NO_ANSWER, None, None, accepted=False, contract=contract, final=final)
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
            contract,
            final,
        )

    @property
    def case_id(self) -> str:
        """The id of its case."""
        return self.case.id

    @property
    def purpose(self) -> Case:
        """The case, which has the kind and the aspect."""
        return self.case

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
            return form
        return self._form

    @property
    def number(self) -> int:
        """The number of the exchange in the journal."""
        return self.exchange.number

    @property
    def response(self) -> Response | None:
        """The HTTP response, None if there was none."""
        return self.exchange.response

    @property
    def body(self) -> bytes:
        """The body of the response; empty if there was none."""
        return self.exchange.response.body if self.exchange.response else b""
