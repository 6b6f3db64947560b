"""Sending notifications to the callbacks, beside answering and never delaying it.

It speaks HTTP/1.1 itself, on httptools in the server's event loop: 0.06 ms of CPU a notification, the receiver's part
included, where httpcore takes 0.6 and httpx 0.9, measured with eight connections to the suite's receiver. Sender,
gateway and receiver share one interpreter in a default run, so each tenth of a millisecond counts three times.
It follows no redirects and sends no refused notification again, as the contract asks for neither.
"""

from __future__ import annotations

import asyncio
import errno
import ssl
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, NamedTuple, cast

import httptools
import httpx

from conformance.mock.behaviour import Callback, Form, json_bytes
from conformance.wire.connection import cannot_connect

# The timeout of a callback, which owes a quick 2xx.
ANSWER_WITHIN_S = 5.0

# Connections to one callback address at a time: a callback that takes 0.1 s gets 640 notifications a second, and one
# that is no faster than that has not to refuse any.
MOST_CONNECTIONS = 64

# Failures that are kept; more are only counted.
MOST_FAILURES = 100

# Bytes of the body of a callback's answer that are kept: enough for the message of a framework's error.
MOST_ANSWER = 2048

_USUAL_PORTS = {"http": 80, "https": 443}
_LAST_PORT = 65535
_FIRST_FINAL_STATUS = 200
_OK = range(200, 300)


@dataclass(frozen=True, slots=True)
class FailedDelivery:
    """A delivery that its callback did not accept: the `reason` is its status, or an error in words."""

    product: str
    url: str
    reason: str


@dataclass(frozen=True, slots=True)
class Received:
    """How a callback answered: with a `status` after `took_s` seconds, or not at all for a `reason`.

    `body`: the first MOST_ANSWER bytes of the answer's body.
    """

    status: int | None
    reason: str | None
    took_s: float
    body: bytes = b""

    @property
    def taken(self) -> bool:
        """Whether it was a 2xx."""
        return self.status in _OK

    @property
    def why_not_taken(self) -> str:
        """Such as `answered 500`."""
        return f"answered {self.status}" if self.reason is None else self.reason


OnSent = Callable[[Callback, Received], None]
"""Called with each inquiry and notification that was sent, and how it was answered, in the loop of the courier."""


class _Origin(NamedTuple):
    """Where a URL leads: one pool of connections for each."""

    scheme: str
    host: str
    port: int


class _Target(NamedTuple):
    """A callback URL taken apart; `path` includes the query, `authority` is for the Host header."""

    origin: _Origin
    authority: bytes
    path: bytes


@lru_cache(maxsize=256)
def _target(url: str) -> _Target:
    """Raises ValueError if `url` is none that can be posted to."""
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise ValueError(f"not a URL: {error}") from error
    if parsed.scheme not in _USUAL_PORTS or not parsed.host:
        raise ValueError("not an http or https URL")
    port = parsed.port or _USUAL_PORTS[parsed.scheme]
    if port > _LAST_PORT:  # httpx takes any number
        raise ValueError(f"not a URL: there is no port {port}")
    return _Target(_Origin(parsed.scheme, parsed.raw_host.decode(), port), parsed.netloc, parsed.raw_path)


class _Lost(ConnectionError):
    """The connection was closed; `answered`: after part of the answer."""

    def __init__(self, *, answered: bool) -> None:
        super().__init__("the connection was closed without an answer")
        self.answered = answered


class _Connection(asyncio.Protocol):
    """A connection to a callback: one request at a time, each answered with its status.

    `body`: the first MOST_ANSWER bytes of the last answer's body.
    """

    def __init__(self) -> None:
        self.body = b""
        self._transport: asyncio.WriteTransport | None = None
        self._parser: httptools.HttpResponseParser | None = None
        self._answer: asyncio.Future[int] | None = None
        self._heard = self._headers_read = self.reusable = False

    def request(self, data: bytes) -> asyncio.Future[int]:
        """Sends `data`, a whole request; the future is the status of its answer. It raises _Lost or ValueError."""
        self._parser = httptools.HttpResponseParser(self)
        self._answer = asyncio.get_running_loop().create_future()
        self.body = b""
        self._heard = self._headers_read = self.reusable = False
        if self._transport is None or self._transport.is_closing():
            self._answer.set_exception(_Lost(answered=False))
        else:
            self._transport.write(data)
        return self._answer

    def close(self) -> None:
        self.reusable = False
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.WriteTransport", transport)  # uvloop's transports are no subclasses of it

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's
        """An answer may also end with its connection."""
        self._transport = None
        self.reusable = False
        if self._answer is None or self._answer.done():
            return
        status = self._parser.get_status_code() if self._parser and self._headers_read else 0
        if status >= _FIRST_FINAL_STATUS:
            self._answer.set_result(status)
        else:
            self._answer.set_exception(_Lost(answered=self._heard))

    def data_received(self, data: bytes) -> None:
        self._heard = True
        if self._parser is None:
            self.close()
            return
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            if self._answer is not None and not self._answer.done():
                self._answer.set_exception(ValueError(f"the answer is not HTTP: {error}"))
            self.close()

    def on_headers_complete(self) -> None:
        self._headers_read = True

    def on_body(self, data: bytes) -> None:
        if len(self.body) < MOST_ANSWER:
            self.body += data[: MOST_ANSWER - len(self.body)]

    def on_message_complete(self) -> None:
        """Interim answers (1xx) are passed over."""
        if self._parser is None or self._answer is None or self._parser.get_status_code() < _FIRST_FINAL_STATUS:
            return
        self.reusable = self._parser.should_keep_alive()
        if not self._answer.done():
            self._answer.set_result(self._parser.get_status_code())


class _Pool:
    """The connections to one origin."""

    def __init__(self, origin: _Origin) -> None:
        self._origin = origin
        self._tls = ssl.create_default_context() if origin.scheme == "https" else None
        self._free = asyncio.Semaphore(MOST_CONNECTIONS)
        self._idle: list[_Connection] = []
        self._all: set[_Connection] = set()

    async def post(self, data: bytes, within_s: float) -> tuple[int, bytes]:
        """Status of the answer to `data`, a whole request, and the beginning of its body.

        Raises OSError (TimeoutError too) or ValueError.
        """
        async with self._free, asyncio.timeout(within_s):
            while self._idle:
                connection = self._idle.pop()
                if not connection.reusable:
                    self._all.discard(connection)
                    continue
                try:
                    return await self._post_on(connection, data)
                except _Lost as lost:
                    # Closed for being idle, before the request was seen: that does not refuse it.
                    if lost.answered:
                        raise
            _, connection = await asyncio.get_running_loop().create_connection(
                _Connection, self._origin.host, self._origin.port, ssl=self._tls
            )
            self._all.add(connection)
            return await self._post_on(connection, data)

    async def _post_on(self, connection: _Connection, data: bytes) -> tuple[int, bytes]:
        try:
            return await connection.request(data), connection.body
        finally:
            if connection.reusable:
                self._idle.append(connection)
            else:
                connection.close()
                self._all.discard(connection)

    def close(self) -> None:
        for connection in self._all:
            connection.close()
        self._all.clear()
        self._idle.clear()


class Courier:
    """Sends deliveries from the event loop that it is used in; all but the counts belong to that loop.

    `delivered` and `failed` count, `failures` keeps the last MOST_FAILURES. `refused` counts those that were not sent
    because of the answer to their inquiry, or its absence.
    """

    def __init__(self, on_sent: OnSent = lambda *_: None) -> None:
        self._on_sent = on_sent
        self.delivered = 0
        self.failed = 0
        self.refused = 0
        self.failures: deque[FailedDelivery] = deque(maxlen=MOST_FAILURES)
        self._pools: dict[_Origin, _Pool] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False

    @property
    def pending(self) -> int:
        """How many deliveries are on their way or waiting for their time."""
        return len(self._tasks)

    def dispatch(self, deliveries: Iterable[Callback], on_sent: OnSent | None = None) -> None:
        """Sends each of `deliveries` when it is due; returns at once. `on_sent`: is called instead of the courier's."""
        for delivery in deliveries:
            task = asyncio.get_running_loop().create_task(self._deliver(delivery, delivery.after_s, on_sent))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def deliver(self, deliveries: Iterable[Callback], on_sent: OnSent | None = None) -> None:
        """Sends all of `deliveries` side by side, now, and returns when each is answered or has failed."""
        await asyncio.gather(*(self._deliver(delivery, on_sent=on_sent) for delivery in deliveries))

    async def drop(self) -> None:
        """Drops pending deliveries."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def close(self) -> None:
        """Drops pending deliveries and all later ones, and closes every connection."""
        self._closed = True
        await self.drop()
        for pool in self._pools.values():
            pool.close()

    async def tell(self, delivery: Callback, on_sent: OnSent | None = None) -> tuple[Received | None, Received | None]:
        """Sends `delivery` now, its inquiry first; how each was answered, None for one that was not sent."""
        asked, sent, on_sent = delivery.inquiry, None, on_sent or self._on_sent
        answer = None if asked is None else await self._post(asked)
        if asked is not None and answer is not None:
            self.count_inquiry(answer)
            on_sent(asked, answer)
        if (answer is None or answer.taken) and not self._closed:
            sent = await self._post(delivery)
            self.count(delivery, sent)
            on_sent(delivery, sent)
        return answer, sent

    def count_inquiry(self, answer: Received) -> None:
        """Count an inquiry that was sent."""
        self.refused += not answer.taken

    def count(self, delivery: Callback, answer: Received) -> None:
        """Count a notification that was sent, whoever sent it."""
        if answer.taken:
            self.delivered += 1
        else:
            self.failed += 1
            self.failures.append(FailedDelivery(delivery.product, delivery.url, answer.why_not_taken))

    async def _deliver(self, delivery: Callback, after_s: float = 0.0, on_sent: OnSent | None = None) -> None:
        if after_s > 0:
            await asyncio.sleep(after_s)
        if not self._closed:
            await self.tell(delivery, on_sent)

    async def _post(self, delivery: Callback) -> Received:
        within_s = ANSWER_WITHIN_S if delivery.within_s is None else delivery.within_s
        begun = asyncio.get_running_loop().time()
        status, reason, body = None, None, b""
        try:
            target = _target(delivery.url)
            if target.origin not in self._pools:
                self._pools[target.origin] = _Pool(target.origin)
            status, body = await self._pools[target.origin].post(_request(delivery, target), within_s)
        except TimeoutError:
            reason = f"not answered within {within_s:g} s"
        except (_Lost, ValueError) as error:
            reason = str(error)
        except OSError as error:
            # The loop joins the errors of several addresses into one text, such as those of `localhost`.
            refused = isinstance(error, ConnectionRefusedError) or f"[Errno {errno.ECONNREFUSED}]" in str(error)
            reason = "connection refused" if refused else cannot_connect(error)
        return Received(status, reason, round(asyncio.get_running_loop().time() - begun, 3), body)


# The offer of the JDK's HTTP client and `curl --http2` with each request to an http URL.
_OFFER: Final = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAAAAIAAAAAAAMAAAAA\r\n"

_MORE: Final = {Form.UPGRADE: _OFFER, Form.EXPECT: b"Expect: 100-continue\r\n"}


def _request(delivery: Callback, target: _Target) -> bytes:
    """The whole request, to be written at once: headers and body apart would cost a delayed ACK."""
    body = delivery.raw if delivery.raw is not None else json_bytes(delivery.content)
    headers = "".join(f"{name}: {value}\r\n" for name, value in delivery.headers)
    form = delivery.form
    origin = b"%b://%b" % (target.origin.scheme.encode(), target.authority) if form is Form.WHOLE_URL else b""
    framing = b"Content-Length: %d\r\n" % len(body)
    if form is Form.CHUNKED:
        framing, body = b"Transfer-Encoding: chunked\r\n", b"%x;of=one\r\n%b\r\n0\r\n\r\n" % (len(body), body)
    return b"".join(
        (
            delivery.method.encode(), b" ", origin, target.path,
            b" HTTP/1.0\r\n" if form is Form.HTTP_1_0 else b" HTTP/1.1\r\n",
            b"Host: ", target.authority, b"\r\n",
            _MORE.get(form, b""), framing,
            headers.encode("latin-1"), b"\r\n",
            body,
        )
    )  # fmt: skip
