"""The mock gateway over real HTTP, in a thread of its own.

An ASGI application under uvicorn, on the protocol class of `answering`.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Mapping, MutableMapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, Self

from conformance.mock.account import Account, price, unprompted
from conformance.mock.answering import AnswerProtocol, Channel, put, received
from conformance.mock.behaviour import Behaviour, Reply, Wire
from conformance.mock.delivering import Courier, Delivered
from conformance.mock.gateway import JSON_HEADER, Gateway
from conformance.model.errors import UsageError
from conformance.model.traffic import Request
from conformance.model.untrusted import parse_json
from conformance.wire.asgi import AsgiThread, Receive, Send
from conformance.wire.listening import Address, Unreadable
from conformance.wire.protocol import Limits, guarded
from conformance.wire.receiver import MOST_UNREAD

ANY_PORT = Address("127.0.0.1", 0)

# Stopping drops pending notifications at once; the limit is for a loop that is stuck.
STOP_WITHIN_S = 2.0

# A POST to PRODUCT below this path starts a transaction that no request precedes.
CONTROL = "/unsolicited/"


@dataclass(frozen=True, slots=True)
class Initiated:
    """A transaction that no request preceded: the members of its notification, and how the callbacks answered."""

    content: Mapping[str, Any]
    delivered: Delivered

    @property
    def went_through(self) -> bool:
        """Whether the notification was sent: there was no inquiry, or it was accepted."""
        return self.delivered.notification is not None

    @property
    def in_words(self) -> str:
        """The outcome in one line."""
        asked, notified = self.delivered.inquiry, self.delivered.notification
        inquiry = "" if asked is None else f"inquiry {asked.in_words}, "
        return inquiry + ("refused" if notified is None else f"notification {notified.in_words}")


class Initiator:
    """Starts transactions that no request precedes, for the account of `gateway`; `seed` determines their values."""

    def __init__(self, gateway: Gateway, courier: Courier, seed: int) -> None:
        self._gateway = gateway
        self._contract = gateway.contract
        self._callbacks = gateway.account.callbacks
        self._courier = courier
        self._random = Random(f"{seed}/unsolicited")

    async def start(self, product: str, members: Mapping[str, Any] | None = None) -> Initiated:
        """Start one whose notification has these `members`, and wait for its end.

        Raises UsageError for a product without unsolicited notifications, one without a callback, and members that make
        the notification invalid.
        """
        row = self._contract.unsolicited.get(product)
        if row is None:
            known = ", ".join(self._contract.unsolicited) or "none in this contract"
            raise UsageError(f"nothing comes to {product!r} without a request; expected {known}")
        if product not in self._callbacks:
            raise UsageError(f"{product} has no callback", hint=f"register one with --callback {product}=URL")
        at, balance = datetime.now(UTC), self._gateway.balance
        delivery = unprompted(self._contract, row, self._callbacks, self._random, members or {}, at, balance)
        for callback, part in zip(row.callbacks, (delivery, delivery.inquiry), strict=False):
            if part is not None and (broken := self._contract.schemas.violation(row.schema_at(callback), part.content)):
                raise UsageError(f"{broken.pointer} of the notification: {broken.message}")
        initiated = Initiated(delivery.content, await self._courier.tell(delivery))
        if initiated.went_through:
            self._gateway.balance -= price(row, initiated.content)
        return initiated

    async def answer(self, request: Request) -> Reply:
        """Answer a POST below `CONTROL`: start a transaction of the product, with the members in its body."""
        product = request.url.partition("?")[0].removeprefix(CONTROL)
        if request.method != "POST":
            return Reply(405, (JSON_HEADER, ("Allow", "POST")), {"error": f"expected a POST, not a {request.method}"})
        try:
            members = parse_json(request.body) if request.body.strip() else {}
        except (ValueError, RecursionError):
            members = None
        if not isinstance(members, dict):
            return _reply(400, {"error": "the body is no JSON object; expected the members to tell, or nothing"})
        try:
            initiated = await self.start(product, members)
        except UsageError as error:
            return _reply(422, {"error": error.message, "hint": error.hint})
        content = {"went_through": initiated.went_through, "content": initiated.content}
        return _reply(200, {**content, **asdict(initiated.delivered)})


def _reply(status: int, content: Mapping[str, Any]) -> Reply:
    return Reply(status, (JSON_HEADER,), content)


class MockServer:
    """A `gateway` served on the address `listen`; a context manager. `url` is the base URL, `requests` counts.

    `unreadable`: the last bytes that could not be read as a request, and why.

    `courier` counts notifications. `controlled`: clients may start transactions that no request precedes (`CONTROL`),
    with values determined by `seed`.
    Raises EnvironmentFailure on construction if the address cannot be had, and SuiteError on entering if serving fails.
    """

    def __init__(
        self, gateway: Gateway, listen: Address | tuple[str, int] = ANY_PORT, seed: int = 0, *, controlled: bool = False
    ) -> None:
        self.gateway = gateway
        self.requests = 0
        self._controlled = controlled
        self.unreadable: deque[Unreadable] = deque(maxlen=MOST_UNREAD)
        self.courier = Courier()
        self._initiator = Initiator(gateway, self.courier, seed)
        self._thread = AsgiThread(
            self._application,
            listen if isinstance(listen, Address) else Address(*listen),
            http=guarded(Limits.of_clients(), self.unreadable.append, base=AnswerProtocol),
            name="mock-gateway",
            purpose="mock gateway",
        )

    @property
    def url(self) -> str:
        """The base URL, such as `http://HOST:PORT/api/v2`."""
        return self._thread.address.url + self.gateway.contract.base_path

    @property
    def errors(self) -> tuple[Exception, ...]:
        """Errors of the behaviour's own functions: bugs in them."""
        return self._thread.errors

    def initiate(self, product: str, members: Mapping[str, Any] | None = None) -> Initiated:
        """Start a transaction that no request precedes, and wait for its end; see `Initiator.start`."""
        return self._thread.submit(self._initiator.start(product, members)).result()

    def start(self) -> None:
        """Serves from here on."""
        self._thread.start()

    def stop(self) -> None:
        """Stops serving and drops pending notifications. Once stopped, does nothing."""
        try:
            with suppress(RuntimeError):  # it does not serve any more, or never did
                self._thread.submit(self.courier.close()).result(STOP_WITHIN_S)
        finally:
            self._thread.stop()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    async def _application(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        channel = Channel(scope, receive, send)
        request = await received(channel)
        if request is None:
            return
        if self._controlled and request.url.startswith(CONTROL):
            await put(await self._initiator.answer(request), Wire(), request, channel)
            return
        self.requests += 1
        answer = self.gateway.answer(request, time.monotonic())
        early = [delivery for delivery in answer.deliveries if delivery.before_answer]
        if early:
            await self.courier.deliver(early)
        behaviour = self.gateway.behaviour
        if (after_s := behaviour.answer_after_s + answer.reply.after_s) > 0:
            await asyncio.sleep(after_s)
        await put(answer.reply, behaviour.wire, request, channel)
        self.courier.dispatch(delivery for delivery in answer.deliveries if not delivery.before_answer)


def serve_mock(
    account: Account,
    behaviour: Behaviour | None = None,
    listen: Address | tuple[str, int] = ANY_PORT,
    seed: int = 0,
    *,
    controlled: bool = False,
) -> MockServer:
    """A mock gateway for `account`, to be used in a `with`; its transactions have the current time."""
    epoch = datetime.now(UTC) - timedelta(seconds=time.monotonic())
    return MockServer(Gateway(account, behaviour, seed, epoch), listen, seed, controlled=controlled)
