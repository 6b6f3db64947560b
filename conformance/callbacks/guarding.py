"""What a receiver on the open internet must withstand: connections that send too much, too slowly, or nothing at all.

    Limits      how much, how slowly, and how many
    Guarded     uvicorn's protocol for one connection, which keeps to them

A gateway never comes near the limits. Whoever does is answered with a bare status or cut off, and nobody else notices.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar, cast

try:
    import resource
except ImportError:  # not on Windows, where sockets are no files
    resource = None  # type: ignore[assignment]

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

# Of the files that the process may have open, these are left to the journal, the sender and the mock gateway.
RESERVED_FILES = 256
# Fewer would be noticed by a gateway that opens one for each notification.
FEWEST_CONNECTIONS = 256
MOST_CONNECTIONS = 4096
# When there are too many, so many of the longest idle ones go at once: looking for them costs a look at all.
ROOM = 1 / 8

TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


def _affordable_connections() -> int:
    if resource is None:
        return MOST_CONNECTIONS
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    files = MOST_CONNECTIONS if soft == resource.RLIM_INFINITY else soft - RESERVED_FILES
    return max(FEWEST_CONNECTIONS, min(files, MOST_CONNECTIONS))


@dataclass(frozen=True, slots=True)
class Limits:
    """`request_within_s`: from the first byte of a request, or from the opening of its connection, to its last byte.

    `head_bytes` and `headers` bound what stands before a body; bodies are bounded by `receiver.MAX_BODY`.
    """

    request_within_s: float = 30.0
    head_bytes: int = 64 * 1024
    headers: int = 200
    connections: int = field(default_factory=_affordable_connections)


class Guarded(HttpToolsProtocol):
    """One connection, within `limits`."""

    limits: ClassVar[Limits] = Limits()
    # Many connections are made in one tick of the loop's clock.
    _numbers: ClassVar[Iterator[int]] = itertools.count()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn has it
        """Begin to watch it."""
        super().connection_made(transport)
        self._in_head, self._at_rest = True, False
        self._head, self._named_headers = 0, 0
        self._since, self._number = self.loop.time(), next(self._numbers)
        self._watch = self.loop.call_later(self.limits.request_within_s, self._look)
        if len(self.connections) > self.limits.connections:
            self._make_room()

    def connection_lost(self, exc: Exception | None) -> None:
        """Watch it no more."""
        self._watch.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on, unless what stands before a body has become too much."""
        head, self._head = self._head + len(data), 0
        began = self._since
        super().data_received(data)
        # A head that began within this data is no longer than it; the next piece is added.
        if self._in_head and not self._at_rest and not self.transport.is_closing():
            self._head = head if began == self._since else len(data)
            if self._head > self.limits.head_bytes:
                self.transport.write(TOO_LARGE)
                self.transport.close()

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        self._in_head, self._at_rest, self._named_headers = True, False, 0
        self._since = self.loop.time()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header, unless there were too many."""
        self._named_headers += 1
        if self._named_headers > self.limits.headers:
            raise ValueError("too many headers")  # the parser stops, and uvicorn answers 400
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The body follows."""
        self._in_head = False
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """A request is there in full."""
        self._at_rest = True
        self._since = self.loop.time()
        super().on_message_complete()

    def _look(self) -> None:
        """Cut off a connection whose request takes too long; else come back when it might."""
        waited = 0.0 if self._at_rest else self.loop.time() - self._since
        if waited >= self.limits.request_within_s:
            self.transport.abort()
        else:
            self._watch = self.loop.call_later(self.limits.request_within_s - waited, self._look)

    def _make_room(self) -> None:
        """Close those that have been idle for longest; those with a request at hand only if there are no others."""
        others = [cast("Guarded", other) for other in self.connections if other is not self]
        others.sort(key=Guarded.worth)
        for other in others[: max(1, int(self.limits.connections * ROOM))]:
            other.transport.abort()

    def worth(self) -> tuple[bool, float, int]:
        """The lower, the sooner it is given up: an idle one before one with a request at hand, the older first."""
        answering = self.cycle is not None and not self.cycle.response_complete
        return answering or not (self._at_rest or self._in_head), self._since, self._number
