"""Messages between the process that has the state of a mock gateway and the processes that answer for it.

    Link                                      the messages of one stream socket, in both directions
    FrontReady, RequestRead, BytesUnread,     from a process that answers
    NotificationSent
    AnswerGiven, AnswerFailed,                to it
    NotificationDue, DropPending

A message is pickled, which is safe between a process and the children that it has started over a socket of their own.
"""

from __future__ import annotations

import asyncio
import copyreg
import io
import pickle
import struct
from collections.abc import Callable
from dataclasses import dataclass, fields
from operator import attrgetter
from typing import Any, cast

from conformance.mock.answering import ReadyAnswer
from conformance.mock.behaviour import Callback, Reply, Wire
from conformance.mock.delivering import Received
from conformance.model.traffic import Request

_LENGTH = struct.Struct("!I")


@dataclass(frozen=True, slots=True)
class FrontReady:
    """The process accepts connections."""


@dataclass(frozen=True, slots=True)
class RequestRead:
    """A request, by a number of the process that has read it."""

    number: int
    request: Request


@dataclass(frozen=True, slots=True)
class NotificationSent:
    """The notification at `place` in the answer to a request, or its inquiry, was sent."""

    number: int
    place: int
    is_inquiry: bool
    received: Received


@dataclass(frozen=True, slots=True)
class BytesUnread:
    """Bytes that are not a request; see `conformance.wire.listening.Unreadable`."""

    error: str
    head: bytes
    status: int


@dataclass(frozen=True, slots=True)
class AnswerGiven:
    """The answer to a request."""

    number: int
    answer: ReadyAnswer


@dataclass(frozen=True, slots=True)
class NotificationDue:
    """A notification of an earlier answer is to be sent now."""

    number: int
    place: int
    delivery: Callback


@dataclass(frozen=True, slots=True)
class AnswerFailed:
    """There is no answer to a request because of an error, in words."""

    number: int
    error: str


@dataclass(frozen=True, slots=True)
class DropPending:
    """Drop pending notifications."""


Message = (
    FrontReady
    | RequestRead
    | NotificationSent
    | BytesUnread
    | AnswerGiven
    | NotificationDue
    | AnswerFailed
    | DropPending
)


def _by_fields(cls: type[Any]) -> Callable[[Any], tuple[Any, ...]]:
    values = attrgetter(*(each.name for each in fields(cls)))
    return lambda each: (cls, values(each))


# As calls with all fields: the way of frozen dataclasses with slots takes three times as long.
_REDUCED = copyreg.dispatch_table | {
    each: _by_fields(each)
    for each in (
        RequestRead,
        NotificationSent,
        AnswerGiven,
        NotificationDue,
        Request,
        ReadyAnswer,
        Reply,
        Wire,
        Callback,
        Received,
    )
}


def _pickled(message: Message) -> bytes:
    written = io.BytesIO()
    pickler = pickle.Pickler(written, pickle.HIGHEST_PROTOCOL)
    pickler.dispatch_table = _REDUCED
    pickler.dump(message)
    return written.getvalue()


class Link(asyncio.Protocol):
    """Calls `on_message` with each message, and `on_lost` when the other side has gone. It belongs to one loop."""

    def __init__(self, on_message: Callable[[Message], None], on_lost: Callable[[], None]) -> None:
        self._on_message = on_message
        self._on_lost = on_lost
        self._read = bytearray()
        self._unwritten: list[bytes] = []
        self._transport: asyncio.WriteTransport | None = None

    def send(self, message: Message) -> None:
        """Send a message, with all others of this turn of the loop; once the other side has gone, do nothing."""
        if not self._unwritten:
            asyncio.get_running_loop().call_soon(self._write)
        data = _pickled(message)
        self._unwritten += (_LENGTH.pack(len(data)), data)

    def close(self) -> None:
        """Close the link, with all that was sent."""
        self._write()
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast("asyncio.WriteTransport", transport)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's
        """The other side has gone, or this one closes."""
        self._transport = None
        self._on_lost()

    def data_received(self, data: bytes) -> None:
        """Some messages, the last one maybe in part."""
        self._read += data
        begin = 0
        while (body := begin + _LENGTH.size) <= len(self._read):
            (length,) = _LENGTH.unpack_from(self._read, begin)
            if body + length > len(self._read):
                break
            begin = body + length
            self._on_message(pickle.loads(self._read[body:begin]))  # noqa: S301 - written by our own child or parent
        del self._read[:begin]

    def _write(self) -> None:
        if self._transport is not None and self._unwritten:
            self._transport.write(b"".join(self._unwritten))
        self._unwritten.clear()
