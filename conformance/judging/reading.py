"""Messages as the contract reads them: content, form, and answers.

Content     a body as JSON, and the id that a notification carries
FormResult  the violations of a message, by the requirements that they belong to
Answer      an exchange: made when it is read, judged, and dropped again

The schemas decide on the form. A message is validated once. A violation that no requirement names belongs to the
catch-all requirement of that message. A message passes only the requirements that it could have broken: an absent
member passes none.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any, Self
from urllib.parse import parse_qsl

from conformance.contract.contract import Contract
from conformance.contract.requirements import ANSWER, ByPlace, Message, SchemaPlace, answer_to, notified_of, places_of
from conformance.contract.schemas import Violation, value_at
from conformance.model.traffic import Case, Exchange, Kind, Request, Response
from conformance.model.untrusted import parse_json, parse_with_repeats
from conformance.wire.ledger import request_id_of
from conformance.wire.pacing import retry_after_s

# The most violations to read: a message may break its schema a million times.
MOST_VIOLATIONS = 50
# The most shapes of valid messages whose results are cached.
MOST_SHAPES = 1_000
# The most members or items, in one object or array, of a shape that may come again.
MOST_PARTS = 32
# The pattern for a character other than white space.
NOT_BLANK = r"\S"

UNAUTHORIZED = 401
TOO_MANY_REQUESTS = 429
UNAVAILABLE = 503
# A proxy answers with these if it does not reach the gateway (RFC 9110, 15.6.3 and 15.6.5).
ANSWERED_BETWEEN = frozenset({502, 504})

PROBES_OF_PATH = (Kind.METHOD, Kind.UNKNOWN_COMMAND)

_NESTED = frozenset({dict, list})


@dataclass(frozen=True, slots=True)
class Breach:
    """A violation of a schema by a message: in words, with the place and its value."""

    words: str
    pointer: str
    value: Any


@dataclass(frozen=True, slots=True)
class FormResult:
    """The requirements that a message could have broken (`occasions`), and how it broke some of them."""

    occasions: frozenset[str]
    broken: Mapping[str, tuple[Breach, ...]] = field(default_factory=dict)


NOTHING = FormResult(frozenset())


class _Rulebook:
    """One kind of message of one command: its schema, and the requirements of each place."""

    def __init__(self, contract: Contract, message: Message) -> None:
        self._schemas, self._catalogue, self._message = contract.schemas, contract.catalogue, message
        self._called = "the answer" if ANSWER in message.groups else "the notification"
        self.places = places_of(contract.schemas.resolved(message.schema))
        self._of: dict[str, list[SchemaPlace]] = {}
        for place in self.places:
            for owner in message.owners(contract.catalogue, place.pointer, place.keyword):
                self._of.setdefault(owner, []).append(place)
        self._conditions = tuple(dict.fromkeys(c for place in self.places for c in place.conditions))
        self._shapes: dict[Any, FormResult] = {}

    def result(self, message: Any, *, typed: bool = True) -> FormResult:
        """Validate a message; unless it is `typed`, all its values are text, and types are not judged."""
        if not self._schemas.takes(self._message.schema, message):
            return FormResult(self._occasions(message), self._broken(message, typed=typed))
        shape = _shape(message, MOST_PARTS)
        if shape is None:
            return FormResult(self._occasions(message))
        key = (shape, *(each.met_by(message) for each in self._conditions)) if self._conditions else shape
        known = self._shapes.get(key)
        if known is None:
            if len(self._shapes) >= MOST_SHAPES:
                self._shapes.clear()
            known = self._shapes[key] = FormResult(self._occasions(message))
        return known

    def _occasions(self, message: Any) -> frozenset[str]:
        of = self._of.items()
        return frozenset(id_ for id_, places in of if any(place.had_occasion(message) for place in places))

    def _broken(self, message: Any, *, typed: bool) -> Mapping[str, tuple[Breach, ...]]:
        broken: dict[str, list[Breach]] = {}
        for violation in self.violations(message):
            if violation.keyword == "type" and not typed:
                continue
            breach = self.breach(violation, message)
            for owner in self._message.owners(self._catalogue, violation.pointer, violation.keyword):
                broken.setdefault(owner, []).append(breach)
        return {id_: tuple({each.words: each for each in breaches}.values()) for id_, breaches in broken.items()}

    def violations(self, message: Any) -> list[Violation]:
        """The violations of a message; for a value of the wrong type, only that one."""
        found = self._schemas.violations(self._message.schema, message, MOST_VIOLATIONS)
        mistyped = {each.pointer for each in found if each.keyword == "type"}
        return [each for each in found if each.keyword == "type" or each.pointer not in mistyped]

    def breach(self, violation: Violation, message: Any) -> Breach:
        """A violation in words; a missing member is located at the object that lacks it."""
        missing = violation.keyword == "required"
        pointer = violation.pointer.rpartition("/")[0] if missing else violation.pointer
        return Breach(self._words(violation), pointer, value_at(message, pointer))

    def _words(self, violation: Violation) -> str:
        name = _name(violation.pointer) or self._called
        at = (violation.pointer, violation.keyword)
        rule = next((p.rule for p in self.places if ByPlace((), (p.pointer,), (p.keyword,)).names(*at)), None)
        match violation.keyword:
            case "required":
                return f"{name} is missing"
            case "type":
                kinds = " or ".join([rule] if isinstance(rule, str) else rule or ["such value"])
                return f"{name} is no {f'JSON {kinds}' if not violation.pointer else kinds}"
            case "minLength" if rule == 1:
                return f"{name} is empty"
            case "pattern" if rule == NOT_BLANK:
                return f"{name} is empty"
            case "const":
                return f"{name} is not {json.dumps(rule, ensure_ascii=False)}"
        return f"{name}: {violation.message}"


def _shape(value: Any, most: int) -> Any:
    """Equal for messages with the same members of the same types; None for one with too many."""
    if type(value) is dict:
        if len(value) > most:
            return None
        kinds = tuple(map(type, value.values()))
        if _NESTED.isdisjoint(kinds):
            return (*value, *kinds)
        shapes = [_shape(each, most // 2) for each in value.values()]
        return None if None in shapes else (*value, *shapes)
    if type(value) is list:
        if len(value) > most:
            return None
        items = {_shape(each, most // 2) for each in value}
        return None if None in items else frozenset(items)
    return type(value)


def _name(pointer: str) -> str:
    """The member at a pointer, with the number of the item in an array."""
    steps = pointer.split("/")[1:]
    last = max((place for place, step in enumerate(steps) if not step.isdigit()), default=0)
    return "/".join(steps[last:])


def answer_form(contract: Contract, command: str | None, message: Any, *, accepted: bool) -> FormResult:
    """Validate the JSON of an answer to a request of the command; None: of no command."""
    return _of_answers(contract, command, accepted).result(message)


def notice_form(
    contract: Contract, command: str | None, message: Any, outcome: str | None, *, typed: bool
) -> FormResult:
    """Validate the members of a notification; `outcome`: of the transaction, if it has one.

    Unless it is `typed`, it comes in a query, and all values are text.
    """
    book = _of_notifications(contract, command, None if outcome is None else outcome == contract.notification.success)
    return NOTHING if book is None else book.result(message, typed=typed)


def envelope_problems(contract: Contract, command: str | None, message: Any, *, accepted: bool) -> list[str]:
    """The violations of its schema by the JSON of an answer, in words, without those for some kinds of requests."""
    book = _of_answers(contract, command, accepted)
    some = [r.judge for r in contract.catalogue.requirements if isinstance(r.judge, ByPlace) and r.judge.kinds]
    found = (v for v in book.violations(message) if not any(judge.names(v.pointer, v.keyword) for judge in some))
    return list(dict.fromkeys(book.breach(violation, message).words for violation in found))


@cache
def _of_answers(contract: Contract, command: str | None, accepted: bool) -> _Rulebook:  # noqa: FBT001 - a key
    known = contract.commands.get(command or "")
    return _Rulebook(contract, answer_to(known, contract.schemas, accepted=accepted))


@cache
def _of_notifications(contract: Contract, command: str | None, succeeded: bool | None) -> _Rulebook | None:  # noqa: FBT001
    product = contract.product_of(command)
    if command is None or product is None:
        return None
    message = notified_of(command, product, contract.schemas, succeeded=succeeded)
    return None if message is None else _Rulebook(contract, message)


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
        notification, which needs JSON; another method is an error in itself.
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


# --- Answers


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
            no_answer = Content(error="there is no answer")
            return cls(case, exchange, no_answer, None, None, accepted=False, contract=contract, final=final)
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
        return self._form or NOTHING

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
        return self.response.body if self.response else b""
