"""What a receiver on the open internet must withstand: connections that send too much, too slowly, or nothing at all.

    Limits      how much, how slowly, and how many
    Guarded     the protocol of one connection, which keeps to them
    guarded     the same for a server

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

from conformance.callbacks.reading_protocol import OnUnreadable, ReadingProtocol, protocol_of
from conformance.callbacks.request_reader import LONGEST_HEAD, MOST_HEADERS

# Of the files that the process may have open, these are left to the journal, the sender and the mock gateway.
RESERVED_FILES = 256
# Fewer would be noticed by a gateway that opens one for each notification.
FEWEST_CONNECTIONS = 256
MOST_CONNECTIONS = 4096
# When there are too many, so many of the longest idle ones go at once: looking for them costs a look at all.
ROOM = 1 / 8


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
    head_bytes: int = LONGEST_HEAD
    headers: int = MOST_HEADERS
    connections: int = field(default_factory=_affordable_connections)


class Guarded(ReadingProtocol):
    """One connection, within `limits`."""

    limits: ClassVar[Limits] = Limits()
    # Many connections are made in one tick of the loop's clock.
    _numbers: ClassVar[Iterator[int]] = itertools.count()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn has it
        """Begin to watch it."""
        super().connection_made(transport)
        self._at_rest = False
        self._since, self._number = self.loop.time(), next(self._numbers)
        self._watch = self.loop.call_later(self.limits.request_within_s, self._look)
        if len(self.connections) > self.limits.connections:
            self._make_room()

    def connection_lost(self, exc: Exception | None) -> None:
        """Watch it no more."""
        self._watch.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on; the time of a request begins with its first byte."""
        if self._at_rest:
            self._since = self.loop.time()
        super().data_received(data)
        self._at_rest = self._at_rest and not self.reader.in_request

    def on_message_complete(self) -> None:
        """A request is there in full."""
        self._at_rest = True
        self._since = self.loop.time()
        super().on_message_complete()

    def _look(self) -> None:
        """Cut off a connection whose request takes too long; else come back when it might."""
        waited = 0.0 if self._at_rest else self.loop.time() - self._since
        if waited >= self.limits.request_within_s:
            self.tell_unfinished(f"nothing more came within {self.limits.request_within_s:g} s")
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
        return answering or self.reader.in_body, self._since, self._number


def guarded(limits: Limits, on_unreadable: OnUnreadable) -> type[asyncio.Protocol]:
    """The protocol of a server that keeps to `limits`."""
    bounds = {"limits": limits, "longest_head": limits.head_bytes, "most_headers": limits.headers}
    return protocol_of(Guarded, on_unreadable, **bounds)
