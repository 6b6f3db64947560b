"""A mock gateway in several processes: one has the state, and the others answer for it.

    MockProcesses   starts them, and answers what they ask

They share one listening socket, so the system spreads the connections. All that a request on one process must see of
one on another is in the state machine of the first: ids, balance, windows, the memory of a fault, the record of the
page. It costs a message to and fro for each request, and nothing has to be kept equal.
"""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol, TypeVar

import conformance
from conformance.mock.answering import ReadyAnswer
from conformance.mock.behaviour import Callback
from conformance.mock.delivering import Received
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
from conformance.model.errors import SuiteError, UsageError
from conformance.model.traffic import Request
from conformance.wire.asgi import new_loop
from conformance.wire.listening import Address, Unreadable, listening_socket

# The address in errors.
PURPOSE = "mock gateway"

# An interpreter takes a second to import what it needs, several at once on a busy machine more.
STARTED_WITHIN_S = 60.0
# A process drops what is pending and ends at once; the limit is for one that is stuck.
ENDED_WITHIN_S = 5.0

# The suite that this process has imported, wherever it is.
_ROOT = str(Path(conformance.__file__).parents[1])
_BEGINNING = f"import sys; sys.path.insert(0, {_ROOT!r}); from conformance.mock import front; front.main(sys.argv[1:])"

Result = TypeVar("Result")


class Answerer(Protocol):
    """The mock gateway that the processes answer for; it is called in the loop of `MockProcesses`."""

    unreadable: Any

    async def answer(self, request: Request) -> ReadyAnswer:
        """The answer to a request."""

    def sent(self, delivery: Callback, part: Callback, received: Received) -> None:
        """A process has sent `part` of a delivery, the inquiry or the notification itself."""


class _FrontProcess:
    """A process that answers, and the notifications that it has not sent yet by the number of their request."""

    def __init__(self, owner: MockProcesses, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self.ready = asyncio.get_running_loop().create_future()
        self.link = Link(self._heard, self._lost)
        self.owed: dict[int, list[Callback | None]] = {}
        self.asked = 0
        self._owner = owner

    def _heard(self, message: Message) -> None:
        if isinstance(message, RequestRead):
            self.asked += 1
            self._owner.begin(self._answer(message))
        elif isinstance(message, NotificationSent):
            self._sent(message)
        elif isinstance(message, BytesUnread):
            unreadable = Unreadable(message.error, message.head, message.status)
            self._owner.answerer.unreadable.append(unreadable)
        elif isinstance(message, FrontReady):
            self.ready.set_result(None)

    def _lost(self) -> None:
        error = SuiteError("a process of the mock gateway has ended before the others")
        if not self.ready.done():
            self.ready.set_exception(error)
        elif not self._owner.stopping:
            self._owner.failures.append(error)

    async def _answer(self, asked: RequestRead) -> None:
        try:
            answer = await self._owner.answerer.answer(asked.request)
        except Exception as error:  # noqa: BLE001 - an error of a behaviour's own function, answered with 500
            self._owner.failures.append(error)
            self.link.send(AnswerFailed(asked.number, repr(error)))
            return
        # Those that are due later wait here: some faults still change them.
        now = [delivery for delivery in answer.deliveries if not delivery.after_s]
        later = [delivery for delivery in answer.deliveries if delivery.after_s]
        if answer.deliveries:
            self.owed[asked.number] = [*now, *later]
        self.link.send(AnswerGiven(asked.number, replace(answer, deliveries=tuple(now))))
        for place, delivery in enumerate(later, start=len(now)):
            after_s = answer.after_s + delivery.after_s
            asyncio.get_running_loop().call_later(after_s, self._due, asked.number, place)

    def _due(self, number: int, place: int) -> None:
        if (owed := self.owed.get(number)) and (delivery := owed[place]):
            self.link.send(NotificationDue(number, place, replace(delivery, after_s=0.0)))

    def _sent(self, sent: NotificationSent) -> None:
        owed = self.owed.get(sent.number)
        delivery = owed[sent.place] if owed else None
        if owed is None or delivery is None:
            return  # dropped in the meantime
        part = delivery.inquiry if sent.is_inquiry else delivery
        if part is not None:
            self._owner.answerer.sent(delivery, part, sent.received)
        if not sent.is_inquiry or not sent.received.taken:
            owed[sent.place] = None
            if not any(owed):
                del self.owed[sent.number]


class MockProcesses:
    """So many processes that answer on `address`; a thread of this one has the loop in which `answerer` is asked.

    The constructor raises EnvironmentFailure if the address cannot be had, and UsageError for a system whose processes
    cannot share a socket.
    """

    def __init__(self, answerer: Answerer, address: Address, number: int) -> None:
        if os.name != "posix":
            raise UsageError("on this system the mock gateway has one process", "leave --processes out")
        self.answerer = answerer
        self.stopping = False
        self.failures: list[Exception] = []
        self._number = number
        self._listener, self.address = listening_socket(address, PURPOSE)
        self._processes: list[_FrontProcess] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = new_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=PURPOSE, daemon=True)

    @property
    def errors(self) -> tuple[Exception, ...]:
        """Errors of the behaviour's own functions, and of processes that have ended."""
        return tuple(self.failures)

    @property
    def counts(self) -> tuple[int, ...]:
        """How many requests each process has read."""
        return tuple(each.asked for each in self._processes)

    @property
    def numbers(self) -> tuple[int, ...]:
        """The number that the system has for each process."""
        return tuple(each.process.pid for each in self._processes)

    def start(self) -> None:
        """Start the processes; return when all accept requests. Raises SuiteError if one does not start."""
        with ExitStack() as unless_begun:
            unless_begun.callback(self.stop)
            self._thread.start()
            self.submit(self._start()).result()
            unless_begun.pop_all()

    def submit(self, coroutine: Coroutine[Any, Any, Result]) -> Future[Result]:
        """Run a coroutine in the loop. Raises RuntimeError if it has stopped."""
        if self.stopping:
            coroutine.close()
            raise RuntimeError("the server is not running")
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop)

    def begin(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """Run a coroutine beside others, within the loop."""
        task = self._loop.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def drop_notifications(self) -> None:
        """Drop pending notifications, within the loop."""
        for each in self._processes:
            each.owed.clear()
            each.link.send(DropPending())

    def stop(self) -> None:
        """End the processes, and free the port. Once stopped, do nothing."""
        if self.stopping:
            return
        self.stopping = True
        if self._thread.ident is not None:
            asyncio.run_coroutine_threadsafe(self._close(), self._loop).result()
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
        self._loop.close()
        self._listener.close()
        for each in self._processes:
            try:
                each.process.wait(ENDED_WITHIN_S)
            except subprocess.TimeoutExpired:
                each.process.kill()
                each.process.wait()

    async def _start(self) -> None:
        for _ in range(self._number):
            await self._spawn()
        try:
            async with asyncio.timeout(STARTED_WITHIN_S):
                for each in self._processes:
                    await each.ready
        except TimeoutError as error:
            raise SuiteError(
                f"the processes of the mock gateway did not start within {STARTED_WITHIN_S:g} s", "try fewer of them"
            ) from error

    async def _spawn(self) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            shared = (theirs.fileno(), self._listener.fileno())
            process = _FrontProcess(
                self,
                subprocess.Popen(  # noqa: S603, ASYNC220 - this interpreter, which starts within milliseconds
                    [sys.executable, "-c", _BEGINNING, *map(str, shared)],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    pass_fds=shared,
                    process_group=0,  # Ctrl-C is for this process, which ends the others
                ),
            )
        self._processes.append(process)
        await self._loop.connect_accepted_socket(lambda: process.link, ours)

    async def _close(self) -> None:
        for each in self._processes:
            each.link.close()
        for task in list(self._tasks):
            task.cancel()
        with suppress(asyncio.CancelledError):
            await asyncio.gather(*self._tasks)
        await asyncio.sleep(0)  # the loop reports the closed links as lost
