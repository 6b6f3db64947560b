"""Requests read to their end, and answers written as the mock gateway means them, which may be wrong on purpose.

    AnswerProtocol  the protocol class of uvicorn for such servers
    received, put   read a request to its end, and write the answer to it as its `Ending` and `Wire` say
    ReadyAnswer     an answer that is ready to be written, and the notifications to be sent around it
    carry_out       writes it, and sends them

The mock gateway and the witness of clients use the first two. ASGI cannot close a connection instead of answering, nor
answer in another version of HTTP, so `AnswerProtocol` puts the connection itself into the state of the scope.
"""

from __future__ import annotations

import asyncio
import gzip
import socket
import struct
import time
from collections.abc import MutableMapping
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

from conformance.mock.behaviour import Callback, Ending, Reply, Wire, json_bytes
from conformance.mock.delivering import Courier, OnSent
from conformance.model.traffic import Request, header, normalized
from conformance.wire.asgi import Receive, Send
from conformance.wire.protocol import AS_RECEIVED, ReadingProtocol

# Bytes of a body that are kept; the rest is read and dropped. The largest lawful body has a few kilobytes.
MOST_BODY = 1 << 20

_WIRE = "wire"

_EARLY_HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n"
_TIMED_OUT = b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
# Blanks before a JSON text change nothing.
_DROP = b" "

# SO_LINGER with no time: closing drops unsent bytes, and resets the connection.
_RESETTING = struct.pack("ii", 1, 0)


class _WholeAnswers:
    """A transport that holds an answer's headers back until its body is there, and writes both at once.

    uvicorn writes them apart: two system calls, two wake-ups of the client. `version` replaces uvicorn's in the status
    line. `answers` counts the whole ones on this connection. `held`: nothing more is written to it until its client
    leaves. `before` and `beyond` go out with the next answer, around it.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self.version = b"HTTP/1.1"
        self.answers = 0
        self.held = False
        self.before = self.beyond = b""
        self._held = b""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        if data.startswith(b"HTTP/1.1 ") and not data.startswith(b"HTTP/1.1 100"):
            self._held += self.version + data[len(b"HTTP/1.1") :]
        else:
            self._transport.write(self.before + self._held + data + self.beyond)
            self._held = self.before = self.beyond = b""

    def flush(self) -> None:
        if self._held:
            self.write(b"")

    def close(self) -> None:
        self.flush()
        self._transport.close()

    def end(self, *, resetting: bool) -> None:
        """Close, or have the other side read an error instead of an end."""
        if not resetting:
            self.close()
            return
        self._transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESETTING)
        self._transport.abort()


class AnswerProtocol(ReadingProtocol):
    """The protocol over `_WholeAnswers`, which the application finds in the scope's state."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn has it
        """Put ours between uvicorn and the transport."""
        self._whole = _WholeAnswers(transport)
        super().connection_made(cast("asyncio.Transport", self._whole))

    def eof_received(self) -> bool:  # type: ignore[override] # uvicorn's gives nothing
        """Close at the end of a held connection, whose client waits for no answer any more."""
        return not self._whole.held and super().eof_received()

    def on_message_begin(self) -> None:
        """Hand ours to the application."""
        super().on_message_begin()
        self.scope["state"] = {_WIRE: self._whole}

    def on_response_complete(self) -> None:
        """Let nothing be held back."""
        self._whole.flush()  # an answer to HEAD has no body to wait for
        super().on_response_complete()


class Channel(NamedTuple):
    """The arguments of an ASGI application."""

    scope: MutableMapping[str, Any]
    receive: Receive
    send: Send


async def received(channel: Channel) -> Request | None:
    """The request, its `url` being its target in the usual spelling; None if the client has gone away before."""
    scope, receive, _ = channel
    message = await receive()
    body: bytes = message.get("body", b"")
    while message.get("more_body"):
        message = await receive()
        if len(body) < MOST_BODY:
            body += message.get("body", b"")
    if message["type"] == "http.disconnect":
        return None
    target = normalized(scope["extensions"][AS_RECEIVED].target.decode("latin-1"))
    headers = tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"])
    return Request(scope["method"], target, headers, body[:MOST_BODY])


def was_used(channel: Channel) -> bool:
    """Whether the connection had carried a whole answer before the request at hand."""
    connection: _WholeAnswers = channel.scope["state"][_WIRE]
    return connection.answers > 0


async def put(
    reply: Reply, wire: Wire, request: Request, channel: Channel, hold_s: float | None = None
) -> float | None:
    """Write `reply` to `request` in the form of `wire`, as far as its ending lets it.

    A connection that stays open without a whole answer is closed after `hold_s`. Returns the monotonic seconds of that
    if the client was still waiting, else None.
    """
    scope, receive, send = channel
    ending = reply.ending
    connection = scope["state"][_WIRE]
    if ending is Ending.WHOLE:
        headers, content = rendered(reply, wire, header(request.headers, "accept-encoding"))
        connection.version = b"HTTP/1.0" if wire.http_1_0 else b"HTTP/1.1"
        connection.answers += 1
        await send({"type": "http.response.start", "status": reply.status, "headers": headers})
        connection.before = _EARLY_HINTS if wire.early_hints else b""
        connection.beyond = reply.beyond + b"\r\n" * wire.line_break + _TIMED_OUT * wire.closes_with_408
        await send({"type": "http.response.body", "body": content})
        if wire.closes_untold or wire.closes_with_408:
            connection.close()
        return None
    if ending not in {Ending.BEFORE, Ending.RESET, Ending.NEVER}:
        headers, content = rendered(reply, wire, None)
        if ending in {Ending.MIDDLE, Ending.STALLED}:
            content = content[: len(content) // 2]  # less than its Content-Length
        else:
            # In chunks: all of it without the last one, that would mark the end, or its first byte.
            headers = [pair for pair in headers if pair[0] != b"content-length"]
            content = _DROP if ending is Ending.DRIPPING else content
        await send({"type": "http.response.start", "status": reply.status, "headers": headers})
        await send({"type": "http.response.body", "body": content, "more_body": True})
    connection.held = ending.stays_open
    # A return before the connection is closed counts as a failure of the application in uvicorn.
    closed = asyncio.ensure_future(_closed(receive))
    try:
        pace_s = reply.drip_every_s if ending is Ending.DRIPPING else None
        left = ending.stays_open and await _left(closed, send, hold_s, pace_s)
        at = time.monotonic()
        if not left:
            connection.end(resetting=ending is Ending.RESET)
        await closed
    finally:
        closed.cancel()
    return at if ending.stays_open and not left else None


async def _closed(receive: Receive) -> None:
    """Return once the connection is closed."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def _left(closed: asyncio.Future[None], send: Send, hold_s: float | None, every_s: float | None) -> bool:
    """Wait until the client has left, or `hold_s` have passed; meanwhile a byte goes out each `every_s`."""
    try:
        async with asyncio.timeout(hold_s):
            while not closed.done():
                await asyncio.wait({closed}, timeout=every_s)
                if not closed.done():
                    await send({"type": "http.response.body", "body": _DROP, "more_body": True})
    except TimeoutError:
        return False
    return True


RawHeaders = list[tuple[bytes, bytes]]


def rendered(reply: Reply, wire: Wire, accept_encoding: str | None) -> tuple[RawHeaders, bytes]:
    """Headers and body of `reply` as ASGI takes them. Without a Content-Length the server sends chunks."""
    body = reply.raw if reply.raw is not None else json_bytes(reply.content, pretty=wire.pretty)
    headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in reply.headers]
    if wire.gzip or wire.gzip_in_members:
        headers.append((b"vary", b"accept-encoding"))
        if _takes_gzip(accept_encoding):
            middle = len(body) // 2 if wire.gzip_in_members else 0
            parts = (body[:middle], body[middle:]) if middle else (body,)
            body = b"".join(gzip.compress(part, compresslevel=1, mtime=0) for part in parts)
            headers.append((b"content-encoding", b"x-gzip" if wire.gzip_in_members else b"gzip"))
    if not wire.chunked or wire.http_1_0:  # HTTP/1.0 has no chunks
        headers.append((b"content-length", b"%d" % len(body)))
    if wire.close or wire.http_1_0:
        headers.append((b"connection", b"close"))
    elif wire.upgrade:
        headers += [(b"upgrade", b"h2c"), (b"connection", b"Upgrade")]
    return headers, body


def _takes_gzip(accept_encoding: str | None) -> bool:
    """Whether an Accept-Encoding names gzip and does not rule it out (RFC 2616 §14.3)."""
    for coding in (accept_encoding or "").lower().split(","):
        name, _, weight = (part.strip() for part in coding.partition(";"))
        if name in {"gzip", "x-gzip"}:
            return weight.replace(" ", "") not in {"q=0", "q=0.0", "q=0.00", "q=0.000"}
    return False


@dataclass(frozen=True, slots=True)
class ReadyAnswer:
    """An answer that leaves after `after_s` seconds in the form of `wire`, and the notifications of its request."""

    reply: Reply
    wire: Wire
    after_s: float = 0.0
    deliveries: tuple[Callback, ...] = ()


async def carry_out(
    answer: ReadyAnswer, request: Request, channel: Channel, courier: Courier, on_sent: OnSent | None = None
) -> None:
    """Write the answer; its notifications go out before it or after it, and `on_sent` is called with each."""
    early = [delivery for delivery in answer.deliveries if delivery.before_answer]
    if early:
        await courier.deliver(early, on_sent)
    if answer.after_s > 0:
        await asyncio.sleep(answer.after_s)
    await put(answer.reply, answer.wire, request, channel)
    courier.dispatch((delivery for delivery in answer.deliveries if not delivery.before_answer), on_sent)
