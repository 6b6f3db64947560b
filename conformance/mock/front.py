"""One of the processes that answer for a mock gateway, as `conformance.mock.processes` starts it.

It accepts connections from the listening socket that it shares with others, reads requests, asks the process that has
started it for each answer, writes it, and sends the notifications. It ends when the other side of the link has gone.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import MutableMapping, Sequence
from contextlib import suppress
from itertools import count
from socket import socket
from typing import Any

from conformance.mock.answering import AnswerProtocol, Channel, ReadyAnswer, carry_out, received
from conformance.mock.behaviour import Callback
from conformance.mock.delivering import Courier, OnSent, Received
from conformance.mock.links import (
    AnswerFailed,
    AnswerGiven,
    BytesUnread,
    DropPending,
    FrontReady,
    Link,
    Message,
    NotificationDue,
    NotificationSent,
    RequestRead,
)
from conformance.model.errors import SuiteError
from conformance.wire.asgi import AsgiThread, Receive, Send
from conformance.wire.listening import Address, Unreadable
from conformance.wire.protocol import Limits, guarded

# Stopping drops pending notifications at once; the limit is for a loop that is stuck.
STOP_WITHIN_S = 2.0


class Front:
    """Serves until the link is lost."""

    def __init__(self, link: socket, listener: socket) -> None:
        self._link_socket = link
        self._lost = threading.Event()
        self._link = Link(self._heard, self._lost.set)
        self._courier = Courier()
        self._numbers = count(1)
        self._asked: dict[int, asyncio.Future[ReadyAnswer]] = {}
        self._dropping: asyncio.Task[None] | None = None
        protocol = guarded(Limits.of_clients(), self._unread, base=AnswerProtocol)
        address = Address(*listener.getsockname()[:2])
        self._server = AsgiThread(self._application, address, http=protocol, name="mock-gateway", listener=listener)

    def serve(self) -> None:
        """Serve, and return when the link is lost."""
        with self._server:
            self._server.submit(self._connect()).result()
            self._lost.wait()
            with suppress(TimeoutError):
                self._server.submit(self._courier.close()).result(STOP_WITHIN_S)

    async def _connect(self) -> None:
        await asyncio.get_running_loop().connect_accepted_socket(lambda: self._link, self._link_socket)
        self._link.send(FrontReady())

    async def _application(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        channel = Channel(scope, receive, send)
        request = await received(channel)
        if request is None:
            return
        number = next(self._numbers)
        self._asked[number] = asyncio.get_running_loop().create_future()
        self._link.send(RequestRead(number, request))
        answer = await self._asked[number]
        await carry_out(answer, request, channel, self._courier, self._telling(number, answer.deliveries))

    def _telling(self, number: int, deliveries: tuple[Callback, ...], first: int = 0) -> OnSent:
        """Tells the other side of each that was sent; `first` is the place of the first one among all of the answer."""

        def tell(part: Callback, received: Received) -> None:
            for place, delivery in enumerate(deliveries, first):
                if part is delivery or part is delivery.inquiry:
                    self._link.send(NotificationSent(number, place, part is not delivery, received))
                    return

        return tell

    def _heard(self, message: Message) -> None:
        if isinstance(message, AnswerGiven):
            self._asked.pop(message.number).set_result(message.answer)
        elif isinstance(message, NotificationDue):
            sent = (message.delivery,)
            self._courier.dispatch(sent, self._telling(message.number, sent, message.place))
        elif isinstance(message, AnswerFailed):
            self._asked.pop(message.number).set_exception(SuiteError(message.error))
        elif isinstance(message, DropPending):
            self._dropping = asyncio.get_running_loop().create_task(self._courier.drop())

    def _unread(self, unreadable: Unreadable) -> None:
        self._link.send(BytesUnread(unreadable.error, unreadable.head, unreadable.status))


def main(arguments: Sequence[str]) -> None:
    """Serve; the arguments are the numbers of two inherited sockets, the link and the listening one."""
    link, listener = (socket(fileno=int(number)) for number in arguments)
    Front(link, listener).serve()
