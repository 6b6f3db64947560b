"""The mock gateway over HTTP, in a thread of its own or in several processes.

    MockServer      the mock gateway on an address; it also starts transactions that no request precedes
    serve_mock      one for an account

With one process an ASGI application under uvicorn reads requests, asks the state machine, answers and notifies. With
several, `conformance.mock.processes` does all but the asking in processes of their own.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Coroutine, Mapping, MutableMapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, Protocol, Self, TypeVar

from conformance.mock.account import Account, price, unprompted
from conformance.mock.answering import AnswerProtocol, Channel, ReadyAnswer, carry_out, received
from conformance.mock.behaviour import Behaviour, Callback, Reply, Wire
from conformance.mock.delivering import Courier, OnSent, Received
from conformance.mock.gateway import Gateway, Reaction
from conformance.mock.processes import PURPOSE, MockProcesses
from conformance.model.errors import UsageError
from conformance.model.traffic import Request
from conformance.wire.asgi import AsgiThread, Receive, Send
from conformance.wire.listening import Address, Unreadable
from conformance.wire.protocol import Limits, guarded
from conformance.wire.receiver import MOST_UNREAD

Result = TypeVar("Result")

ANY_PORT = Address("127.0.0.1", 0)

# It has no body, and names no length.
NOT_MODIFIED = 304

# Stopping drops pending notifications at once; the limit is for a loop that is stuck.
STOP_WITHIN_S = 2.0


class Companion(Protocol):
    """Accompanies a mock gateway that people develop against (`conformance.mock.partner`); a run has none.

    It is called in the loop of the server.
    """

    async def aside(self, request: Request) -> Reply | None:
        """The answer to a request that is not for the gateway; None for one that is."""

    def answered(self, request: Request, reaction: Reaction) -> tuple[Callback, ...]:
        """Take note of a request and its answer; the notifications that the server is to send."""


@dataclass(frozen=True, slots=True)
class Initiated:
    """A transaction that no request preceded: the members of its notification, and how the callbacks answered.

    `inquiry` is None if there was none, `notification` if it was not sent because of the answer to the inquiry.
    """

    content: Mapping[str, Any]
    inquiry: Received | None
    notification: Received | None

    @property
    def went_through(self) -> bool:
        """Whether the notification was sent: there was no inquiry, or it was accepted."""
        return self.notification is not None


class MockServer:
    """A `gateway` served on the address `listen`; a context manager. `url` is the base URL, `requests` counts.

    `unreadable`: the last bytes that could not be read as a request, and why. `courier` counts notifications, and calls
    `on_sent` with each. `seed` determines the values of transactions that no request precedes. With several
    `processes`, that many read, answer and notify, and ask this one `gateway`; the attribute is None for one.
    Raises EnvironmentFailure on construction if the address cannot be had, UsageError for several processes where the
    system has no such thing, and SuiteError on entering if serving fails.
    """

    def __init__(  # noqa: PLR0913 - each is a setting of its own
        self,
        gateway: Gateway,
        listen: Address | tuple[str, int] = ANY_PORT,
        seed: int = 0,
        *,
        companion: Companion | None = None,
        on_sent: OnSent = lambda *_: None,
        processes: int = 1,
    ) -> None:
        self.gateway = gateway
        self.requests = 0
        self._companion = companion
        self.unreadable: deque[Unreadable] = deque(maxlen=MOST_UNREAD)
        self.courier = Courier(on_sent)
        self._on_sent = on_sent
        self._random = Random(f"{seed}/unsolicited")
        address = listen if isinstance(listen, Address) else Address(*listen)
        self.processes = None if processes == 1 else MockProcesses(self, address, processes)
        self._thread = self.processes or AsgiThread(
            self._application,
            address,
            http=guarded(Limits.of_clients(), self.unreadable.append, base=AnswerProtocol),
            name="mock-gateway",
            purpose=PURPOSE,
        )

    @property
    def url(self) -> str:
        """The base URL, such as `http://HOST:PORT/api/v2`."""
        return self._thread.address.url + self.gateway.contract.base_path

    @property
    def errors(self) -> tuple[Exception, ...]:
        """Errors of the behaviour's own functions: bugs in them."""
        return self._thread.errors

    @property
    def counts(self) -> tuple[int, ...]:
        """How many requests each process has read."""
        return (self.requests,) if self.processes is None else self.processes.counts

    def initiate(self, product: str, members: Mapping[str, Any] | None = None) -> Initiated:
        """Start a transaction that no request precedes, whose notification has these `members`, and wait for its end.

        Raises UsageError for a product without unsolicited notifications, one without a callback, and members that make
        the notification invalid.
        """
        return self.wait_for(self.initiated(product, members or {}))

    def wait_for(self, coroutine: Coroutine[Any, Any, Result]) -> Result:
        """Run a coroutine in the loop of the server, from another thread; its result. RuntimeError if it is stopped."""
        return self._thread.submit(coroutine).result()

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
        if request is not None:
            await carry_out(await self.answer(request), request, channel, self.courier)

    async def answer(self, request: Request) -> ReadyAnswer:
        """The answer to a request, from the companion or from the state machine, which has then changed."""
        companion = self._companion
        if companion is not None and (aside := await companion.aside(request)) is not None:
            return ReadyAnswer(aside, Wire(chunked=aside.status == NOT_MODIFIED))
        self.requests += 1
        answer = self.gateway.answer(request, time.monotonic())
        deliveries = answer.deliveries if companion is None else companion.answered(request, answer)
        behaviour = self.gateway.behaviour
        return ReadyAnswer(answer.reply, behaviour.wire, behaviour.answer_after_s + answer.reply.after_s, deliveries)

    def sent(self, delivery: Callback, part: Callback, received: Received) -> None:
        """Another process has sent `part` of a delivery, the inquiry or the notification itself."""
        if part is delivery:
            self.courier.count(delivery, received)
        else:
            self.courier.count_inquiry(received)
        self._on_sent(part, received)

    async def drop_notifications(self) -> None:
        """Drop pending notifications."""
        await self.courier.drop()
        if self.processes is not None:
            self.processes.drop_notifications()

    async def initiated(self, product: str, members: Mapping[str, Any]) -> Initiated:
        """As `initiate`, within the loop of the server."""
        gateway, contract, callbacks = self.gateway, self.gateway.contract, self.gateway.account.callbacks
        row = contract.unsolicited.get(product)
        if row is None:
            known = ", ".join(contract.unsolicited) or "none in this contract"
            raise UsageError(f"nothing comes to {product!r} without a request; expected {known}")
        if product not in callbacks:
            raise UsageError(f"{product} has no callback", hint=f"register one with --callback {product}=URL")
        delivery = unprompted(contract, row, callbacks, self._random, members, datetime.now(UTC), gateway.balance)
        for callback, part in zip(row.callbacks, (delivery, delivery.inquiry), strict=False):
            if part is not None and (broken := contract.schemas.violation(row.schema_at(callback), part.content)):
                raise UsageError(f"{broken.pointer} of the notification: {broken.message}")
        initiated = Initiated(delivery.content, *await self.courier.tell(delivery))
        if initiated.went_through:
            gateway.balance -= price(row, initiated.content)
        return initiated


def serve_mock(  # noqa: PLR0913 - each is a setting of its own
    account: Account,
    behaviour: Behaviour | None = None,
    listen: Address | tuple[str, int] = ANY_PORT,
    seed: int = 0,
    *,
    on_sent: OnSent = lambda *_: None,
    processes: int = 1,
) -> MockServer:
    """A mock gateway for `account`, to be used in a `with`; its transactions have the current time."""
    return MockServer(gateway_of_today(account, behaviour, seed), listen, seed, on_sent=on_sent, processes=processes)


def gateway_of_today(account: Account, behaviour: Behaviour | None = None, seed: int = 0) -> Gateway:
    """A gateway whose clock is the monotonic one, and whose transactions have the current time."""
    return Gateway(account, behaviour, seed, datetime.now(UTC) - timedelta(seconds=time.monotonic()))
