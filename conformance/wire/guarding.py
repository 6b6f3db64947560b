"""What a receiver on the open internet must withstand: connections that send too much, too slowly, or nothing at all.

    Limits      how much, how slowly, and how many
    Guarded     the protocol of one connection, which keeps to them
    guarded     the same for a server, of whatever kind

A gateway never comes near the limits. Whoever does is answered with a bare status or cut off, and nobody else notices.
"""

from __future__ import annotations

import asyncio
import itertools
import select
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self, cast

from conformance.wire.accepting import OnRefused, Refused, nobody_told, raise_limit
from conformance.wire.address import KEEP_ALIVE_S
from conformance.wire.reading_protocol import OnUnreadable, ReadingProtocol, protocol_of
from conformance.wire.request_reader import LONGEST_HEAD, MOST_HEADERS

# Of the files that the process may have open, these are left to the journal, the sender and the mock gateway; where
# there are few, a quarter. The rest is for two servers.
RESERVED_FILES = 256
RESERVED_SHARE = 4
SERVERS = 2
MOST_CONNECTIONS = 4096
# When there are too many, so many of the longest idle ones go at once: looking for them costs a look at all.
ROOM = 1 / 8


def _affordable_connections() -> int:
    files = raise_limit()
    reserved = min(RESERVED_FILES, files // RESERVED_SHARE)
    return max(1, min((files - reserved) // SERVERS, MOST_CONNECTIONS))


@dataclass(frozen=True, slots=True)
class Limits:
    """`request_within_s`: from the first byte of a request, or from the opening of its connection, to its last byte.

    `head_bytes` and `headers` bound what stands before a body; bodies are bounded by `receiver.MAX_BODY`.
    """

    request_within_s: float = 30.0
    head_bytes: int = LONGEST_HEAD
    headers: int = MOST_HEADERS
    connections: int = field(default_factory=_affordable_connections)

    @classmethod
    def of_clients(cls) -> Self:
        """For clients, which may make connections ahead: silent for as long as they are kept open between requests."""
        return cls(request_within_s=KEEP_ALIVE_S)


class Guarded(ReadingProtocol):
    """One connection, within `limits`."""

    limits: ClassVar[Limits] = Limits(connections=MOST_CONNECTIONS)
    on_refused: ClassVar[OnRefused] = staticmethod(nobody_told)
    # Many connections are made in one tick of the loop's clock.
    _numbers: ClassVar[Iterator[int]] = itertools.count()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn has it
        """Begin to watch it."""
        super().connection_made(transport)
        self._at_rest = self._has_carried = False
        self._since, self._number = self.loop.time(), next(self._numbers)
        self._watch = self.loop.call_later(self.limits.request_within_s, self._look)
        if len(self.connections) > self.limits.connections:
            self.make_room(short_of_files=False)

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
        self._at_rest = self._has_carried = True
        self._since = self.loop.time()
        super().on_message_complete()

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
        """Close those that have been idle for longest; those that a gateway seems to use only if there are no others.

        Unless it is `short_of_files`, the process has room while there are no more than the limit. What is closed
        although it was in use is told: whoever used it could not know.
        """
        all_others = (cast("Guarded", other) for other in self.connections if short_of_files or other is not self)
        others = [other for other in all_others if not other.transport.is_closing()]
        if not short_of_files and len(others) < self.limits.connections:
            return
        waiting = _with_something_to_read(others)
        others.sort(key=lambda other: other.worth(waiting))
        for other in others[: max(1, int(self.limits.connections * ROOM))]:
            if other.in_use(waiting):
                other.tell_unfinished("it was cut off to make room for other connections")
                type(self).on_refused(Refused("a connection in use was closed to make room for others"))
            other.transport.abort()

    def worth(self, waiting: Collection[int]) -> tuple[bool, bool, float, int]:
        """The lower, the sooner it is given up: one that never brought a request first, an idle one, the older first.

        `waiting`: the numbers of the sockets on which something has come that was not read yet.
        """
        return self._has_carried, self._is_busy(waiting), self._since, self._number

    def in_use(self, waiting: Collection[int]) -> bool:
        """Whether somebody may rely on it."""
        return self._has_carried or self._is_busy(waiting)

    def _is_busy(self, waiting: Collection[int]) -> bool:
        answering = self.cycle is not None and not self.cycle.response_complete
        return answering or self.reader.in_body or _number_of(self.transport) in waiting


def _number_of(transport: asyncio.BaseTransport) -> int:
    found: int = transport.get_extra_info("socket").fileno()
    return found


def _with_something_to_read(connections: Collection[Guarded]) -> frozenset[int]:
    """The numbers of the sockets on which something has come; those that were just made have not been read."""
    if not hasattr(select, "poll"):  # Windows
        return frozenset()
    looked = select.poll()
    for each in connections:
        if (number := _number_of(each.transport)) >= 0:
            looked.register(number, select.POLLIN)
    return frozenset(number for number, _ in looked.poll(0))


def guarded(
    limits: Limits,
    on_unreadable: OnUnreadable,
    on_refused: OnRefused = nobody_told,
    base: type[ReadingProtocol] = ReadingProtocol,
) -> type[asyncio.Protocol]:
    """The protocol of a server that keeps to `limits`, and otherwise does as `base` does.

    `on_refused` is told where a connection was closed although it was in use.
    """
    bounds: dict[str, Any] = {"limits": limits, "longest_head": limits.head_bytes, "most_headers": limits.headers}
    kind = Guarded if base is ReadingProtocol else type(f"Guarded{base.__name__}", (Guarded, base), {})
    return protocol_of(kind, on_unreadable, on_refused=staticmethod(on_refused), **bounds)
