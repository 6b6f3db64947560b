"""How the mock gateway behaves: the lawful way, and the places where a fault or a variant may change it.

An `Effect` is a function from a `Behaviour` to a changed one; the state machine (`conformance.mock.gateway`) only ever
reads one. Whatever it needs to know about the request at hand is in the `Moment`, so that each misbehaviour is one
small pure function. `remembering`, `notifying` and `renaming` make effects that begin anew for each behaviour.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from random import Random
from typing import Any, Protocol

from conformance.contract.command import Command
from conformance.contract.contract import Contract, statum
from conformance.model.traffic import JSON_MEDIA_TYPE, Headers, Request

# Requests whose time is known; a rate is that of so many at most.
MOST_ARRIVALS = 100_000


class Arrivals:
    """When requests came, in seconds of the gateway's clock."""

    def __init__(self) -> None:
        self._times: list[float] = []

    def add(self, now: float) -> None:
        """One came now."""
        self._times.append(now)
        if len(self._times) >= 2 * MOST_ARRIVALS:
            del self._times[:-MOST_ARRIVALS]

    def within(self, seconds: float, now: float) -> int:
        """How many came in the last `seconds`."""
        return len(self._times) - bisect_right(self._times, now - seconds)


@dataclass(frozen=True, slots=True)
class Moment:
    """The state of the mock when a request is answered.

    `count` numbers the requests since the start, from 1; `accepted` numbers the accepted ones (this one included if it
    is), from 1; `refusal` is the tag of the rule that the request breaks (None: accepted), see
    `conformance.mock.rules.TAGS`; `payload` is the body as an object, None if it is none. `callbacks`
    are the account's callback URLs by product, also where this request leads to no notification. `arrivals` has all
    requests so far, with this one.
    """

    count: int
    accepted: int
    request: Request
    command: str | None
    refusal: str | None
    payload: Mapping[str, Any] | None
    request_id: str
    now: float
    callbacks: Mapping[str, str] = field(default_factory=dict)
    contract: Contract = field(default_factory=statum)
    arrivals: Arrivals = field(default_factory=Arrivals, compare=False)

    @property
    def asked(self) -> Command | None:
        """The command that the request is for, if it is one."""
        return self.contract.commands.get(self.command or "")


class Ending(StrEnum):
    """How far an answer gets; the journal has the words as the reason why there is none."""

    WHOLE = "whole"
    BEFORE = "the connection was closed before the answer"
    RESET = "the connection was reset before the answer"
    MIDDLE = "the connection was closed in the middle of the answer's body"
    AFTER = "the connection was closed after the answer's body, before the mark of its end"
    NEVER = "the request was never answered"
    STALLED = "the answer stopped in the middle of its body, and the connection stayed open"
    DRIPPING = "the answer came a byte at a time, without an end"

    @property
    def stays_open(self) -> bool:
        """Whether the client has to end it: nothing more is to be expected, and the connection does not close."""
        return self in {Ending.NEVER, Ending.STALLED, Ending.DRIPPING}


# Between two bytes of an answer that drips: less than any time-out for a single read.
DRIP_EVERY_S = 0.5


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer before it is written: `content` as JSON, or `raw` bytes instead.

    `ending`: how far it gets; where it drips, a byte comes each `drip_every_s`. `after_s`: seconds that it takes beyond
    the delay of every answer. `beyond`: bytes that follow it on its connection, and belong to no request.
    """

    status: int
    headers: Headers
    content: Any
    raw: bytes | None = None
    ending: Ending = Ending.WHOLE
    drip_every_s: float = DRIP_EVERY_S
    after_s: float = 0.0
    beyond: bytes = b""


class Form(StrEnum):
    """How a notification is put on the wire; each is lawful HTTP."""

    USUAL = "HTTP/1.1 with a Content-Length"
    UPGRADE = "with an offer to upgrade to HTTP/2"
    CHUNKED = "in chunks, one of them with an extension"
    EXPECT = "with Expect: 100-continue"
    HTTP_1_0 = "HTTP/1.0"
    WHOLE_URL = "the request line has the whole URL"


@dataclass(frozen=True, slots=True)
class Callback:
    """A notification on its way: to `url`, `after_s` seconds after the answer (or before it is written).

    `inquiry`: is sent first, and only if it is answered with a 2xx there is anything to notify of. `within_s`: how long
    its own answer is waited for; None: as long as that to any notification.
    """

    product: str
    url: str
    content: Any
    method: str = "POST"
    headers: Headers = (("Content-Type", JSON_MEDIA_TYPE),)
    raw: bytes | None = None
    after_s: float = 0.0
    before_answer: bool = False
    form: Form = Form.USUAL
    inquiry: Callback | None = None
    within_s: float | None = None


def json_bytes(content: Any, *, pretty: bool = False) -> bytes:
    """`content` as JSON in UTF-8: compact, or indented.

    A lone surrogate has no UTF-8; it is written as the escape that JSON has for it, so a client's own text never fails.
    """
    layout: dict[str, Any] = {"indent": 2} if pretty else {"separators": (",", ":")}
    return json.dumps(content, ensure_ascii=False, **layout).encode("utf-8", "backslashreplace")


@dataclass(frozen=True, slots=True)
class Wire:
    """How answers are put on the wire; each is lawful HTTP."""

    chunked: bool = False
    gzip: bool = False  # only for a client that accepts it
    gzip_in_members: bool = False  # the same in several members, under its old name
    pretty: bool = False
    http_1_0: bool = False
    close: bool = False
    upgrade: bool = False  # offers another protocol (RFC 9110, 7.8), which a client need not take up
    early_hints: bool = False  # an interim answer before each (RFC 9110, 15.2)
    line_break: bool = False  # one more behind each body, as old servers wrote it (RFC 9112, 2.2)
    closes_untold: bool = False
    closes_with_408: bool = False  # tells an idle client that its time is up (RFC 9110, 15.5.9)


@dataclass(frozen=True, slots=True)
class Behaviour:
    """The switches of the state machine. The defaults are lawful.

    `new_id`: makes the id of a request; None for ids of the form that the contract gives as an example.
    `waived`: tags of refusals that are not enforced (the request goes on as if it kept the rule).
    `crashes`: tags of refusals that are answered with 500 in the envelope instead.
    `additional_refusals`: looked at before a request is accepted; a tag from one of them refuses it.
    `reply`: applied in order to each answer. `deliveries`: applied in order to the notifications that a request
    leads to (none for a refused one, so a function may also add some).
    """

    new_id: Callable[[Moment, Random], str] | None = None
    waived: frozenset[str] = frozenset()
    crashes: frozenset[str] = frozenset()
    additional_refusals: tuple[Callable[[Moment], str | None], ...] = ()
    validation_status: int = 422
    coerces_numbers: bool = False
    refuses_unknown_fields: bool = False
    lenient_phone_numbers: bool = False
    unlimited_payments: bool = False
    failure_rate: float = 0.0
    rate_per_s: float | None = None
    answer_after_s: float = 0.0
    notify_after_s: float = 0.0
    reply: tuple[Callable[[Reply, Moment], Reply], ...] = ()
    deliveries: tuple[Callable[[tuple[Callback, ...], Moment], tuple[Callback, ...]], ...] = ()
    wire: Wire = field(default_factory=Wire)


# Some transactions fail, so that a run also sees notifications of failures; and a payment of more than the balance is
# refused for lack of funds, not for its amount, so that a run sees the effect of that refusal.
BUILT_IN = Behaviour(failure_rate=0.1, unlimited_payments=True)


Effect = Callable[[Behaviour], Behaviour]
ReplyChange = Callable[[Reply, Moment], Reply]
DeliveriesChange = Callable[[tuple[Callback, ...], Moment], tuple[Callback, ...]]
ChoiceOfId = Callable[[Moment], str]

# The tag for refusing a lawful request: a 400, which no check excuses. A 401, 402 or 403 would blame the account, and
# the words of a window the past; those are not held against a gateway.
UNEXCUSED = "malformed.not-json"


class Memory(Protocol):
    """A faulty gateway's memory of its requests."""

    def refuses(self, moment: Moment) -> bool:
        """Whether a lawful request is refused because of it."""

    def remember(self, moment: Moment) -> None:
        """Take note of a request that was answered."""


def remembering(fresh: Callable[[], Memory], tag: str) -> Effect:
    """Lawful requests are refused with the tag as a memory says; each behaviour has a memory of its own."""

    def effect(behaviour: Behaviour) -> Behaviour:
        memory = fresh()

        def remembered(reply: Reply, moment: Moment) -> Reply:
            memory.remember(moment)
            return reply

        refusing = (*behaviour.additional_refusals, lambda moment: tag if memory.refuses(moment) else None)
        return replace(behaviour, additional_refusals=refusing, reply=(*behaviour.reply, remembered))

    return effect


def notifying(fresh: Callable[[], DeliveriesChange]) -> Effect:
    """The notifications of each request go through a function that `fresh` makes."""
    return lambda behaviour: replace(behaviour, deliveries=(*behaviour.deliveries, fresh()))


def renaming(fresh: Callable[[], ChoiceOfId]) -> Effect:
    """Each request gets the id that a function made by `fresh` chooses; its notifications carry the same."""

    def effect(behaviour: Behaviour) -> Behaviour:
        choose = fresh()
        chosen: dict[int, str] = {}

        def of(moment: Moment) -> str:
            if moment.count not in chosen:
                chosen.clear()  # an answer and its notifications are made in one go: the last choice is enough
                chosen[moment.count] = choose(moment)
            return chosen[moment.count]

        def answered(reply: Reply, moment: Moment) -> Reply:
            if reply.raw is not None or not isinstance(reply.content, dict):
                return reply
            return replace(reply, content={**reply.content, moment.contract.answer.id: of(moment)})

        def notified(sent: tuple[Callback, ...], moment: Moment) -> tuple[Callback, ...]:
            role = moment.contract.notification.id
            return tuple(
                replace(d, content={**d.content, role: of(moment)}) if isinstance(d.content, dict) else d for d in sent
            )

        return replace(behaviour, reply=(*behaviour.reply, answered), deliveries=(*behaviour.deliveries, notified))

    return effect
