"""The mock gateway over real HTTP, in a thread of its own.

    MockServer      serves a `Gateway` and sends the notifications that its answers lead to
    serve_mock      the same from an account and a behaviour, for a `with`

An ASGI application under uvicorn, with the protocol class of `answering` beneath.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Mapping, MutableMapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Any, Self

from conformance.mock.account import Account
from conformance.mock.answering import AnswerProtocol, Channel, put, received
from conformance.mock.behaviour import Behaviour, Wire
from conformance.mock.delivering import Courier, FailedDelivery
from conformance.mock.gateway import Gateway
from conformance.mock.initiating import CONTROL, Initiated, Initiator
from conformance.wire.address import Address
from conformance.wire.asgi_thread import AsgiThread, Receive, Send
from conformance.wire.guarding import Limits, guarded
from conformance.wire.receiver import MOST_UNREAD
from conformance.wire.request_reader import Unreadable

ANY_PORT = Address("127.0.0.1", 0)

# Pending notifications are dropped at the end, which takes no time; the bound is for a loop that is stuck.
STOP_WITHIN_S = 2.0


class MockServer:
    """A `gateway` served on the address `listen`; a context manager. `url` is the base URL, `requests` counts.

    `seed` settles what is made up of what no request precedes; `controlled`: whoever reaches it may have such a thing
    started (`initiating.CONTROL`).
    Raises EnvironmentFailure on construction if the address cannot be had, and SuiteError on entering if serving fails.
    """

    def __init__(
        self,
        gateway: Gateway,
        listen: Address | tuple[str, int] = ANY_PORT,
        seed: int = 0,
        *,
        controlled: bool = False,
    ) -> None:
        self.gateway = gateway
        self.requests = 0
        self._controlled = controlled
        self._unreadable: deque[Unreadable] = deque(maxlen=MOST_UNREAD)
        self._courier = Courier()
        self._initiator = Initiator(gateway, self._courier, seed)
        self._thread = AsgiThread(
            self._application,
            listen if isinstance(listen, Address) else Address(*listen),
            http=guarded(Limits.of_clients(), self._unreadable.append, base=AnswerProtocol),
            name="mock-gateway",
            purpose="mock gateway",
        )

    @property
    def url(self) -> str:
        """The base URL, such as `http://HOST:PORT/api/v2`."""
        return self._thread.address.url + self.gateway.contract.base_path

    @property
    def delivered(self) -> int:
        """Notifications that a callback has taken."""
        return self._courier.delivered

    @property
    def failed(self) -> int:
        """Notifications that a callback has not taken."""
        return self._courier.failed

    @property
    def refused(self) -> int:
        """Notifications that were not sent, for the answer to the inquiry before them was no 2xx in time."""
        return self._courier.refused

    @property
    def failures(self) -> tuple[FailedDelivery, ...]:
        """The last of those that failed, and why."""
        return tuple(self._courier.failures)

    @property
    def pending(self) -> int:
        """Notifications on their way, or waiting for their time."""
        return self._courier.pending

    @property
    def unreadable(self) -> tuple[Unreadable, ...]:
        """The last of what came and is no request, and why."""
        return tuple(self._unreadable)

    @property
    def errors(self) -> tuple[Exception, ...]:
        """What the behaviour's own functions have raised: a bug in one of them."""
        return self._thread.errors

    def initiate(self, product: str, members: Mapping[str, Any] | None = None) -> Initiated:
        """Start what no request precedes, and wait for what becomes of it; see `Initiator.start`."""
        return self._thread.submit(self._initiator.start(product, members)).result()

    def start(self) -> None:
        """Serves from here on."""
        self._thread.start()

    def stop(self) -> None:
        """Stops serving; notifications that are still pending are dropped. Once stopped, does nothing."""
        try:
            with suppress(RuntimeError):  # it does not serve any more, or never did
                self._thread.submit(self._courier.close()).result(STOP_WITHIN_S)
        finally:
            self._thread.stop()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
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
            await self._courier.deliver(early)
        behaviour = self.gateway.behaviour
        if (after_s := behaviour.answer_after_s + answer.reply.after_s) > 0:
            await asyncio.sleep(after_s)
        await put(answer.reply, behaviour.wire, request, channel)
        self._courier.dispatch(delivery for delivery in answer.deliveries if not delivery.before_answer)


def serve_mock(
    account: Account,
    behaviour: Behaviour | None = None,
    listen: Address | tuple[str, int] = ANY_PORT,
    seed: int = 0,
    *,
    controlled: bool = False,
) -> MockServer:
    """A mock gateway for `account`, to be used in a `with`; its transactions carry the present time."""
    epoch = datetime.now(UTC) - timedelta(seconds=time.monotonic())
    return MockServer(Gateway(account, behaviour, seed, epoch), listen, seed, controlled=controlled)
