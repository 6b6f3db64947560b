"""uvicorn's protocol for one connection, with `RequestReader` in the place of its parser.

    ReadingProtocol     what the receiver, the mock gateway and the witness of clients are served by
    protocol_of         the same for a server, which is told of what cannot be read
    AS_RECEIVED         where the application finds the `Head` of its request: scope["extensions"][AS_RECEIVED]

uvicorn has a protocol on h11, too. It would have h11 judge what the mock gateway answers, some of which is wrong on
purpose; so the way out stays that of the other one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, ClassVar, cast

from conformance.wire.request_reader import (
    END,
    LONGEST_HEAD,
    MOST_HEADERS,
    Head,
    RequestReader,
    Unreadable,
)
from conformance.wire.uvicorn_protocol import HttpToolsProtocol

# An answer takes milliseconds; an answer that never comes must not keep the connection of a client that gave up.
HALF_CLOSED_S = 1.0

AS_RECEIVED = "conformance.as_received"

OnUnreadable = Callable[[Unreadable], None]
"""Told of each request that could not be read, in the server's thread."""


def pass_over(_: Unreadable) -> None:
    """Tells nobody."""


class _Parser:
    """A `RequestReader` that calls back as httptools' parser does."""

    def __init__(self, protocol: ReadingProtocol) -> None:
        self._protocol = protocol
        self.reader = RequestReader(protocol.longest_head, protocol.most_headers)
        self.head = Head(b"", b"", b"", ())

    def feed_data(self, data: bytes) -> None:
        """Raises Unreadable."""
        self.reader.receive(data)
        while (event := self.reader.next_event()) is not None:
            if isinstance(event, Head):
                self._begin(event)
            elif event is END:
                self._protocol.on_message_complete()
            else:
                self._protocol.on_body(event)

    def _begin(self, head: Head) -> None:
        self.head = head
        self._protocol.on_message_begin()
        for name, value in head.headers:
            self._protocol.on_header(name, value)
        self._protocol.on_headers_complete()

    def get_method(self) -> bytes:
        return self.head.method

    def get_http_version(self) -> str:
        return self.head.version.decode()

    def should_keep_alive(self) -> bool:
        return self.head.keeps_alive

    def should_upgrade(self) -> bool:
        """Never: an offer that is not taken up is passed over (RFC 9110 §7.8)."""
        return False


class ReadingProtocol(HttpToolsProtocol):
    """One connection. Subclasses set what is not to be read, and who is told of what cannot be."""

    longest_head: ClassVar[int] = LONGEST_HEAD
    most_headers: ClassVar[int] = MOST_HEADERS
    on_unreadable: ClassVar[OnUnreadable] = staticmethod(pass_over)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """As uvicorn makes it."""
        super().__init__(*args, **kwargs)
        self.parser = _Parser(self)  # type: ignore[assignment] # it has what uvicorn calls
        self._told = False

    @property
    def reader(self) -> RequestReader:
        """What has been read of the connection."""
        return cast("_Parser", self.parser).reader

    def data_received(self, data: bytes) -> None:
        """Read on; what cannot be read ends the connection."""
        self._unset_keepalive_if_required()
        if self._told:
            return
        try:
            self.parser.feed_data(data)
        except Unreadable as unreadable:
            self._refuse(unreadable)

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
        """Tell of a request that was broken off."""
        self.tell_unfinished()
        super().connection_lost(exc)

    def tell_unfinished(self, why: str = "the connection ended") -> None:
        """Tell of the request whose rest has not come, if there is one that was not answered without it."""
        if not self._told and not self._is_answered and (broken_off := self.reader.broken_off(why)) is not None:
            self._tell(broken_off)

    def on_headers_complete(self) -> None:
        """Hand the head to the application as it came."""
        # A target that is no path (`OPTIONS *`) would be refused; it is in the head, so nobody need look.
        self.url = b"/"
        head: Any = cast("_Parser", self.parser).head
        self.scope["extensions"] = {AS_RECEIVED: head}
        super().on_headers_complete()

    @property
    def _is_answered(self) -> bool:
        """Whether the request at hand, of which only the rest of the body is still to come, has its answer."""
        return self.reader.in_body and self.cycle is not None and self.cycle.response_complete

    def _refuse(self, unreadable: Unreadable) -> None:
        if self._is_answered:
            self.transport.close()
            return
        self._tell(unreadable)
        if not self.reader.in_body and self.cycle is not None and not self.cycle.response_complete:
            # What stands before it is answered first, and its answer must not be taken for that of another.
            self.cycle.keep_alive = False
            return
        reason = HTTPStatus(unreadable.status).phrase
        answer = f"HTTP/1.1 {unreadable.status:d} {reason}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
        self.transport.write(answer.encode())
        self.transport.close()

    def _tell(self, unreadable: Unreadable) -> None:
        self._told = True
        type(self).on_unreadable(unreadable)


def tell_unfinished(connection: asyncio.Protocol) -> None:
    """Tell of the request of a connection whose rest has not come by now, for `AsgiThread.look`."""
    cast("ReadingProtocol", connection).tell_unfinished("nothing more came")


def protocol_of(base: type[ReadingProtocol], on_unreadable: OnUnreadable, **settings: Any) -> type[asyncio.Protocol]:
    """A protocol class for one server: uvicorn makes a protocol of nothing but its own settings."""
    return type(f"_{base.__name__}", (base,), {"on_unreadable": staticmethod(on_unreadable), **settings})
