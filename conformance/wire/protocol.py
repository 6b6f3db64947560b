"""uvicorn's protocol for one connection, with `RequestReader` in the place of its parser, and limits.

    ReadingProtocol     serves the receiver, the mock gateway and the witness of clients; `guarded` makes one per server
    AS_RECEIVED         where the application finds the `Head` of its request: scope["extensions"][AS_RECEIVED]
    Limits              of size, time and number

uvicorn's protocol on h11 would refuse to send the mock gateway's answers that are wrong on purpose, so answers leave by
the one on httptools. Gateways never come near the limits. A client that exceeds them gets a bare status or is cut off,
and nobody else notices.
"""

from __future__ import annotations

import asyncio
import itertools
import select
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from importlib.metadata import PackageNotFoundError, version
from typing import Any, ClassVar, Self, cast

from conformance.model.errors import EnvironmentFailure
from conformance.wire.listening import KEEP_ALIVE_S, Head, OnRefused, Refused, RequestReader, Unreadable, raise_limit

HINT = "install the versions that the suite asks for, from where you have it: pip install --force-reinstall SOURCE"

# The methods of uvicorn's protocol that are called here or overridden.
USED = (
    "connection_made", "connection_lost", "data_received", "eof_received", "on_message_begin", "on_header",
    "on_headers_complete", "on_body", "on_message_complete", "on_response_complete", "shutdown",
    "_unset_keepalive_if_required",
)  # fmt: skip


def unusable(why: str) -> EnvironmentFailure:
    """The error for a version of uvicorn that cannot be used."""

    def installed(package: str) -> str:
        try:
            return f"{package} {version(package)}"
        except PackageNotFoundError:
            return f"{package} (not installed)"

    return EnvironmentFailure(f"{installed('uvicorn')} with {installed('httptools')} does not work here: {why}", HINT)


def check_has(protocol: type, names: Iterable[str] = USED) -> None:
    """Raises EnvironmentFailure for a class without one of these."""
    if lacking := [name for name in names if not callable(getattr(protocol, name, None))]:
        raise unusable(f"its protocol has no {', '.join(lacking)}")


try:
    from uvicorn.protocols.http.flow_control import FlowControl
    from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
except ImportError as error:
    raise unusable(str(error)) from error

check_has(HttpToolsProtocol)


# An answer takes milliseconds; one that never comes must not keep open the connection of a client that gave up.
HALF_CLOSED_S = 1.0

AS_RECEIVED = "conformance.as_received"

OnUnreadable = Callable[[Unreadable], None]
"""Called with each request that could not be read, in the server's thread."""


class _Parser:
    """A `RequestReader` that calls back as httptools' parser does."""

    def __init__(self, protocol: ReadingProtocol) -> None:
        self._protocol = protocol
        self.reader = RequestReader()
        self.head = Head(b"", b"", b"", ())

    def feed_data(self, data: bytes) -> None:
        """Raises Unreadable."""
        self.reader.receive(data)
        while (event := self.reader.next_event()) is not None:
            if isinstance(event, Head):
                self.head = event
                self._protocol.on_message_begin()
                for name, value in event.headers:
                    self._protocol.on_header(name, value)
                self._protocol.on_headers_complete()
            elif isinstance(event, bytes):
                self._protocol.on_body(event)
            else:
                self._protocol.on_message_complete()

    def get_method(self) -> bytes:
        return self.head.method

    def get_http_version(self) -> str:
        return self.head.version.decode()

    def should_keep_alive(self) -> bool:
        return self.head.keeps_alive

    def should_upgrade(self) -> bool:
        """Never: an offer that is not taken up is passed over (RFC 9110 §7.8)."""
        return False


# uvloop refuses to read and write as soon as a peer has reset a connection, and reports the loss only some ticks later.
CLOSED = "the handler is closed"


class _Flow(FlowControl):
    """uvicorn's flow control, which ignores that a reset connection cannot be read any further."""

    def resume_reading(self) -> None:
        try:
            super().resume_reading()
        except RuntimeError as error:
            if CLOSED not in str(error):
                raise


# Of the files that the process may open, these are for the journal, the sender and the mock gateway, or a quarter where
# there are few. The rest is for two servers.
RESERVED_FILES = 256
MOST_CONNECTIONS = 4096
# The share of connections that is closed at once when there are too many: finding the longest idle ones means looking
# at all.
ROOM = 1 / 8


def _affordable_connections() -> int:
    files = raise_limit()
    reserved = min(RESERVED_FILES, files // 4)
    return max(1, min((files - reserved) // 2, MOST_CONNECTIONS))


@dataclass(frozen=True, slots=True)
class Limits:
    """`request_within_s`: from the first byte of a request, or from the opening of its connection, to its last byte.

    `listening` bounds the head of a request, `receiver.MAX_BODY` its body.
    """

    request_within_s: float = 30.0
    connections: int = field(default_factory=_affordable_connections)

    @classmethod
    def of_clients(cls) -> Self:
        """For clients, which may open connections ahead: these may be silent for as long as between two requests."""
        return cls(request_within_s=KEEP_ALIVE_S)


class ReadingProtocol(HttpToolsProtocol):
    """One connection, within `limits`."""

    limits: ClassVar[Limits] = Limits(connections=MOST_CONNECTIONS)
    on_unreadable: ClassVar[OnUnreadable] = staticmethod(lambda _: None)
    on_refused: ClassVar[OnRefused] = staticmethod(lambda _: None)
    # Many connections are made in one tick of the loop's clock.
    _numbers: ClassVar[Iterator[int]] = itertools.count()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Take what uvicorn passes."""
        super().__init__(*args, **kwargs)
        self.parser = _Parser(self)  # type: ignore[assignment] # it has the methods that uvicorn calls
        self._reported = False
        self._cycles: list[RequestResponseCycle] = []
        self.app = partial(self._served, self.app)

    @property
    def reader(self) -> RequestReader:
        """The reader of this connection."""
        return cast("_Parser", self.parser).reader

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn has it
        """Begin to read, and to watch the clock."""
        super().connection_made(transport)
        self.flow = _Flow(transport)
        self._at_rest = self._has_carried = False
        self._since, self._number = self.loop.time(), next(self._numbers)
        self._watch = self.loop.call_later(self.limits.request_within_s, self._look)
        if len(self.connections) > self.limits.connections:
            self.make_room(short_of_files=False)

    def data_received(self, data: bytes) -> None:
        """Read on; the time of a request begins with its first byte. Bytes that cannot be read end the connection."""
        if self._at_rest:
            self._since = self.loop.time()
        self._unset_keepalive_if_required()
        if not self._reported:
            try:
                self.parser.feed_data(data)
            except Unreadable as unreadable:
                self._refuse(unreadable)
        self._at_rest = self._at_rest and not self.reader.in_request

    def on_message_complete(self) -> None:
        """A request is complete."""
        self._at_rest = self._has_carried = True
        self._since = self.loop.time()
        super().on_message_complete()

    def eof_received(self) -> bool:  # type: ignore[override] # uvicorn's gives nothing
        """Answer a client that has closed its half after a whole request; TLS knows no half-closed connections.

        One that has gone away altogether looks the same, so the answer is not waited for long.
        """
        if self.scheme == "https" or self.reader.in_request or self.cycle is None or self.cycle.response_complete:
            return False
        self.cycle.keep_alive = False
        self.loop.call_later(HALF_CLOSED_S, self.transport.close)
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        """Report a request that was broken off."""
        self._watch.cancel()
        self.tell_unfinished()
        self._let_go()
        super().connection_lost(exc)

    def _let_go(self) -> None:
        """Mark every open request as disconnected; uvicorn marks only the last of several pipelined ones."""
        for cycle in self._cycles:
            cycle.disconnected = not cycle.response_complete
            cycle.message_event.set()

    async def _served(self, app: Callable[..., Awaitable[None]], scope: Any, receive: Any, send: Any) -> None:
        """Serve a complete request even if its sender has reset the connection since."""

        async def send_if_open(message: Any) -> None:
            try:
                await send(message)
            except RuntimeError as error:
                if CLOSED not in str(error):
                    raise
                self._let_go()

        await app(scope, receive, send_if_open)

    def tell_unfinished(self, why: str = "the connection ended") -> None:
        """Report the incomplete request, if there is one that was not answered without its rest."""
        if not self._reported and not self._is_answered and (broken_off := self.reader.broken_off(why)) is not None:
            self._report(broken_off)

    def on_headers_complete(self) -> None:
        """Hand the head to the application as it came."""
        # uvicorn would refuse a target that is not a path (`OPTIONS *`); the application finds it in the head.
        self.url = b"/"
        head: Any = cast("_Parser", self.parser).head
        self.scope["extensions"] = {AS_RECEIVED: head}
        super().on_headers_complete()
        self._cycles = [each for each in (*self._cycles, self.cycle) if not each.response_complete]

    @property
    def _is_answered(self) -> bool:
        """Whether the current request, of which only the rest of the body is missing, was answered."""
        return self.reader.in_body and self.cycle is not None and self.cycle.response_complete

    def _refuse(self, unreadable: Unreadable) -> None:
        if self._is_answered:
            self.transport.close()
            return
        self._report(unreadable)
        if not self.reader.in_body and self.cycle is not None and not self.cycle.response_complete:
            # The request before it is answered first, and that answer must not be taken for this one's.
            self.cycle.keep_alive = False
            return
        reason = HTTPStatus(unreadable.status).phrase
        answer = f"HTTP/1.1 {unreadable.status:d} {reason}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
        self.transport.write(answer.encode())
        self.transport.close()

    def _report(self, unreadable: Unreadable) -> None:
        self._reported = True
        type(self).on_unreadable(unreadable)

    def _look(self) -> None:
        """Cut off a connection whose request takes too long; else come back when it might."""
        unread = self._at_rest and cast("asyncio.WriteTransport", self.transport).get_write_buffer_size() > 0
        waited = 0.0 if self._at_rest and not unread else self.loop.time() - self._since
        if waited >= self.limits.request_within_s:
            self.tell_unfinished(f"nothing more came within {self.limits.request_within_s:g} s")
            self.transport.abort()
        else:
            self._watch = self.loop.call_later(self.limits.request_within_s - waited, self._look)

    def make_room(self, *, short_of_files: bool = True) -> None:
        """Close the connections that have been idle for longest, and connections in use only if there are no others.

        If it is not `short_of_files`, the process has room up to the limit. A connection that was in use is reported:
        its client could not know.
        """
        all_others = (
            cast("ReadingProtocol", other) for other in self.connections if short_of_files or other is not self
        )
        others = [other for other in all_others if not other.transport.is_closing()]
        if not short_of_files and len(others) < self.limits.connections:
            return
        waiting = _with_something_to_read(others)
        others.sort(key=lambda other: other.worth(waiting))
        for other in others[: max(1, int(self.limits.connections * ROOM))]:
            if any(other.worth(waiting)[:2]):  # its client may rely on it
                other.tell_unfinished("it was closed to make room for other connections")
                type(self).on_refused(Refused("a connection in use was closed to make room for others"))
            other.transport.abort()

    def worth(self, waiting: Collection[int]) -> tuple[bool, bool, float, int]:
        """The lower, the sooner it is closed: without a request so far, idle, older.

        `waiting`: the numbers of the sockets on which unread bytes have come.
        """
        answering = self.cycle is not None and not self.cycle.response_complete
        is_busy = answering or self.reader.in_body or _number_of(self.transport) in waiting
        return self._has_carried, is_busy, self._since, self._number


def _number_of(transport: asyncio.BaseTransport) -> int:
    found: int = transport.get_extra_info("socket").fileno()
    return found


def _with_something_to_read(connections: Collection[ReadingProtocol]) -> frozenset[int]:
    """The numbers of the sockets with unread bytes: new connections have not been read."""
    if not hasattr(select, "poll"):  # Windows
        return frozenset()
    looked = select.poll()
    for each in connections:
        if (number := _number_of(each.transport)) >= 0:
            looked.register(number, select.POLLIN)
    return frozenset(number for number, _ in looked.poll(0))


def tell_unfinished(connection: asyncio.Protocol) -> None:
    """Report the incomplete request of a connection, for `AsgiThread.look`."""
    cast("ReadingProtocol", connection).tell_unfinished("nothing more came")


def guarded(
    limits: Limits,
    on_unreadable: OnUnreadable,
    on_refused: OnRefused = lambda _: None,
    base: type[ReadingProtocol] = ReadingProtocol,
) -> type[asyncio.Protocol]:
    """The protocol class of one server, to which uvicorn gives nothing but its own settings.

    `on_refused` is called where a connection was closed although it was in use.
    """
    callbacks = {"on_unreadable": staticmethod(on_unreadable), "on_refused": staticmethod(on_refused)}
    return type(f"_{base.__name__}", (base,), {"limits": limits, **callbacks})
