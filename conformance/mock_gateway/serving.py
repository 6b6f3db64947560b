"""The mock gateway over real HTTP, in a thread of its own.

    MockServer      serves a `Gateway` and sends the notifications that its answers lead to
    serve_mock      the same from an account and a behaviour, for a `with`

An ASGI application under uvicorn, with one protocol class of ours beneath: answers are written in one piece, can be
HTTP/1.0, and a connection can be closed instead of answered, for which ASGI has no word.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import MutableMapping
from datetime import datetime, timedelta, timezone
from types import TracebackType
from typing import Any, Self, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from conformance.callbacks.address import Address
from conformance.callbacks.asgi_thread import AsgiThread, Receive, Send
from conformance.mock_gateway.account import Account
from conformance.mock_gateway.behaviour import Behaviour
from conformance.mock_gateway.delivering import Courier, FailedDelivery
from conformance.mock_gateway.gateway import BASE_PATH, Gateway
from conformance.mock_gateway.rendering import rendered
from conformance.traffic import Request, header

ANY_PORT = Address("127.0.0.1", 0)

# Bytes of a body that are looked at. The largest lawful body has a few kilobytes; what lies beyond is read and
# forgotten, so that the body counts as cut.
MOST_BODY = 1 << 20

# Pending notifications are dropped at the end, which takes no time; the bound is for a loop that is stuck.
STOP_WITHIN_S = 2.0

# Transactions carry the operators' local time: East Africa Time has no daylight saving.
NAIROBI = timezone(timedelta(hours=3))

_HANG_UP = "hang_up"


class _WholeAnswers:
    """A transport that holds an answer's headers back until its body is there, and writes both at once.

    uvicorn writes them apart: two system calls, two wake-ups of the client. `version` replaces that of the status line.
    """

    def __init__(self, transport: asyncio.Transport, version: bytes) -> None:
        self._transport = transport
        self._version = version
        self._held = b""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        if data.startswith(b"HTTP/1.1 ") and not data.startswith(b"HTTP/1.1 100"):
            self._held += self._version + data[len(b"HTTP/1.1") :]
        else:
            self._transport.write(self._held + data)
            self._held = b""

    def flush(self) -> None:
        if self._held:
            self.write(b"")

    def close(self) -> None:
        self.flush()
        self._transport.close()


class _Protocol(HttpToolsProtocol):
    """uvicorn's protocol over `_WholeAnswers`; the application finds a way to hang up in the scope's state."""

    version = b"HTTP/1.1"

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn has it
        self._whole = _WholeAnswers(transport, self.version)
        super().connection_made(cast("asyncio.Transport", self._whole))

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["state"] = {_HANG_UP: self._whole.close}

    def on_response_complete(self) -> None:
        self._whole.flush()  # an answer to HEAD has no body to wait for
        super().on_response_complete()


class _Protocol10(_Protocol):
    version = b"HTTP/1.0"


class MockServer:
    """A `gateway` served on the address `listen`; a context manager. `url` is the base URL, `requests` counts.

    Raises EnvironmentFailure on construction if the address cannot be had, and SuiteError on entering if serving fails.
    """

    def __init__(self, gateway: Gateway, listen: Address | tuple[str, int] = ANY_PORT) -> None:
        self.gateway = gateway
        self.requests = 0
        self._courier = Courier()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = AsgiThread(
            self._application,
            listen if isinstance(listen, Address) else Address(*listen),
            http=_Protocol10 if gateway.behaviour.wire.http_1_0 else _Protocol,
            name="mock-gateway",
            purpose="mock gateway",
        )

    @property
    def url(self) -> str:
        """The base URL: `http://HOST:PORT/api/v2`."""
        return self._thread.address.url + BASE_PATH

    @property
    def delivered(self) -> int:
        """Notifications that a callback has taken."""
        return self._courier.delivered

    @property
    def failed(self) -> int:
        """Notifications that a callback has not taken."""
        return self._courier.failed

    @property
    def failures(self) -> tuple[FailedDelivery, ...]:
        """The last of those that failed, and why."""
        return tuple(self._courier.failures)

    @property
    def pending(self) -> int:
        """Notifications on their way, or waiting for their time."""
        return self._courier.pending

    @property
    def errors(self) -> tuple[Exception, ...]:
        """What the behaviour's own functions have raised: a bug in one of them."""
        return self._thread.errors

    def start(self) -> None:
        """Serves from here on."""
        self._thread.start()

    def stop(self) -> None:
        """Stops serving; notifications that are still pending are dropped. Once stopped, does nothing."""
        loop, self._loop = self._loop, None
        try:
            if loop is not None and loop.is_running():
                asyncio.run_coroutine_threadsafe(self._courier.close(), loop).result(STOP_WITHIN_S)
        finally:
            self._thread.stop()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    async def _application(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        self._loop = asyncio.get_running_loop()
        body = await _body(receive)
        if body is None:
            return
        self.requests += 1
        request = _request(scope, body)
        answer = self.gateway.answer(request, time.monotonic())
        early = [delivery for delivery in answer.deliveries if delivery.before_answer]
        if early:
            await self._courier.deliver(early)
        behaviour = self.gateway.behaviour
        if behaviour.answer_after_s:
            await asyncio.sleep(behaviour.answer_after_s)
        if answer.reply.dropped:
            scope["state"][_HANG_UP]()
            # uvicorn takes a return before the connection is gone for a failure of the application.
            while (await receive())["type"] != "http.disconnect":
                pass
        else:
            headers, content = rendered(answer.reply, behaviour.wire, header(request.headers, "accept-encoding"))
            await send({"type": "http.response.start", "status": answer.reply.status, "headers": headers})
            await send({"type": "http.response.body", "body": content})
        self._courier.dispatch(delivery for delivery in answer.deliveries if not delivery.before_answer)


async def _body(receive: Receive) -> bytes | None:
    """The request's body, None if the client has gone away before its end."""
    message = await receive()
    body: bytes = message.get("body", b"")
    while message.get("more_body"):
        message = await receive()
        if len(body) < MOST_BODY:
            body += message.get("body", b"")
    return None if message["type"] == "http.disconnect" else body[:MOST_BODY]


def _request(scope: MutableMapping[str, Any], body: bytes) -> Request:
    target = scope["raw_path"].decode("latin-1")
    if scope["query_string"]:
        target += "?" + scope["query_string"].decode("latin-1")
    headers = tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"])
    return Request(scope["method"], target, headers, body)


def serve_mock(
    account: Account,
    behaviour: Behaviour | None = None,
    listen: Address | tuple[str, int] = ANY_PORT,
    seed: int = 0,
) -> MockServer:
    """A mock gateway for `account`, to be used in a `with`; its transactions carry the present time."""
    epoch = datetime.now(NAIROBI) - timedelta(seconds=time.monotonic())
    return MockServer(Gateway(account, behaviour, seed, epoch), listen)
