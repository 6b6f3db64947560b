"""A worker under load: it sends the groups that it is given when they are due, and records what became of each request.

It neither plans nor judges, and knows nothing of Locust: `locustfile` gives it a way to tell the master, and to run
something beside itself. It uses `conformance.wire.connection`, as `run` does, so the bytes on the wire are the planned
ones, failures have the same words, and bytes behind an answer are seen. (Locust's own client adds headers to a request
that has few, sends GET, PUT and DELETE again when a connection is lost, and reads bytes behind an answer as the next
one; it is not faster.) A gateway that asks to slow down is not obeyed: how it behaves under load is the question.
"""

from __future__ import annotations

import queue
import ssl
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby
from typing import Any, Protocol

from conformance.contract.contract import Contract
from conformance.gateway.request_templates import sent_again
from conformance.journal.rows import case_of
from conformance.load.channel import ASK, BATCH, BEGIN, DONE, END, REPORT, STOP, Message, WorkerTerms
from conformance.load.recording import ShardFile
from conformance.model.errors import EnvironmentFailure, UsageError
from conformance.model.traffic import Case, Kind, Response
from conformance.payloads.addressees import Addressees
from conformance.payloads.members import Constraints
from conformance.wire.allowance import is_refused
from conformance.wire.connection import CONNECT_TIMEOUT_S, Connection, KeepAlive, Unanswered
from conformance.wire.streams import client_tls

# Batches that a worker holds: one that it sends, one that is due next.
AHEAD = 2
# Groups under way at once; each has a connection. Of a gateway that answers slowly no worker asks for more.
MOST_UNDER_WAY = 1_000

Spawn = Callable[[Callable[[], object]], object]
"""Runs something beside the caller: a thread, or a greenlet."""


class OnAnswer(Protocol):
    """Is called after each request: with its method, command, milliseconds, bytes of the answer, and the failure."""

    def __call__(self, method: str, name: str, milliseconds: float, length: int, failure: str | None) -> None:
        """Note it."""


@dataclass(frozen=True, slots=True)
class _Sendable:
    """A case with its bytes, and its request as the journal has it."""

    case: Case
    planned: tuple[Any, ...]


@dataclass(slots=True)
class _Taken:
    """A batch that is being sent: how many groups are left, and what its report will say."""

    number: int
    left: int
    sent: int = 0
    accepted: int = 0
    behind_s: float = 0.0
    refused: list[str] = field(default_factory=list)
    unsent: list[str] = field(default_factory=list)

    def report(self) -> Message:
        """The report to the master."""
        return {
            "batch": self.number,
            "sent": self.sent,
            "accepted": self.accepted,
            "behind_s": self.behind_s,
            "refused": self.refused,
            "unsent": self.unsent,
        }


class LoadWorker:
    """Sends batches until there are no more; `tell` sends a message to the master, `spawn` runs groups side by side.

    `on_answer` is called after each request. Call `run` once; `ended` is set when all is recorded.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - each is a part of its own
        self,
        terms: WorkerTerms,
        contract: Contract,
        file: ShardFile,
        tell: Callable[[str, Message], object],
        spawn: Spawn,
        on_answer: OnAnswer = lambda *_: None,
    ) -> None:
        self._terms = terms
        self._contract = contract
        self._file = file
        self._tell = tell
        self._spawn = spawn
        self._on_answer = on_answer
        self._addressees = Addressees.of(contract, Constraints(terms.registered, terms.phone_numbers), terms.gateway)
        self._batches: queue.SimpleQueue[Message | None] = queue.SimpleQueue()
        self._begun = threading.Event()
        self._stopped = threading.Event()
        self._began_at = 0.0
        self._room = threading.Semaphore(MOST_UNDER_WAY)
        self._changed = threading.Condition()
        self._under_way = 0
        self._free: deque[Connection] = deque()
        self._keep_alive = KeepAlive(trusted=terms.keep_alive)
        secure = terms.gateway.startswith("https:")
        ca_file = terms.ca_path
        self._tls = client_tls(ca_file) if secure else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self.ended = threading.Event()

    # --- Messages

    def receive(self, kind: str, data: Message) -> None:
        """Take a message of the master."""
        if kind == BEGIN:  # at a moment of this process's monotonic clock
            self._began_at = data["at"]
            self._begun.set()
        elif kind == BATCH:  # its number, and its groups, each the seconds when it is due and its rows of cases
            self._batches.put(data)
        elif kind == END:
            self._batches.put(None)
        elif kind == STOP:
            self.stop()

    def stop(self) -> None:
        """Begin nothing more; requests under way may end."""
        self._stopped.set()
        self._begun.set()
        self._batches.put(None)

    @staticmethod
    def now() -> float:
        """The time by this process's clock."""
        return time.monotonic()

    # --- Sending

    def run(self) -> None:
        """Send what comes until `end` or `stop`, then record the rest and say so."""
        self._begun.wait()
        for _ in range(AHEAD):
            self._tell(ASK, {})
        while (batch := self._batches.get()) is not None:
            self._send_batch(batch)
            if not self._stopped.is_set():
                self._tell(ASK, {})
        with self._changed:
            self._changed.wait_for(lambda: not self._under_way)
        while self._free:
            self._free.pop().close()
        self._file.close()
        self._tell(DONE, {})
        self.ended.set()

    def _send_batch(self, batch: Message) -> None:
        groups: Sequence[tuple[float, Sequence[tuple[Any, ...]]]] = batch["groups"]
        taken = _Taken(batch["number"], len(groups))
        for due_s, rows in groups:
            due = self._began_at + due_s
            group = self._prepared(rows, taken)
            if not self._is_stopped_before(due):
                self._room.acquire()
                with self._changed:
                    self._under_way += 1
                self._spawn(partial(self._send_group, group, due, taken))
                # Behind its time it would begin all at once, each on a new connection, before it reads an answer.
                time.sleep(0)
            else:
                taken.unsent += [each.case.id for each in group]
                self._group_ended(taken)

    def _is_stopped_before(self, due: float) -> bool:
        """Wait until `due`; whether it was stopped."""
        left = due - time.monotonic()
        return self._stopped.wait(left) if left > 0 else self._stopped.is_set()

    def _prepared(self, rows: Sequence[tuple[Any, ...]], taken: _Taken) -> list[_Sendable]:
        """The cases with their credential, without those that may not be sent and those that build on them."""
        terms, withheld = self._terms, set[str | None]()
        made = []
        for row in rows:
            case = case_of(tuple(row), self._contract.commands)
            try:
                whole = sent_again(
                    self._contract, case, terms.gateway, terms.gateway, terms.consumer_key, terms.consumer_secret
                )
            except UsageError:  # its bytes are not known, for the journal has redacted them
                whole = None
            if (
                whole is None
                or {case.twin, case.earlier} & withheld
                or self._addressees.stranger_in(whole.request) is not None
            ):
                withheld.add(case.id)
                taken.unsent.append(case.id)
            else:
                made.append(_Sendable(whole, tuple(row[6:10])))
        return made

    def _send_group(self, group: Sequence[_Sendable], due: float, taken: _Taken) -> None:
        try:
            taken.behind_s = max(taken.behind_s, time.monotonic() - due)
            for at_once, each in groupby(group, key=lambda sendable: sendable.case.kind is Kind.BURST):
                cases = tuple(each)
                for together in (cases,) if at_once else ((case,) for case in cases):
                    if self._stopped.is_set():
                        taken.unsent += [sendable.case.id for sendable in together]
                    else:
                        self._send(together, taken)
        finally:
            self._room.release()
            self._group_ended(taken)
            with self._changed:
                self._under_way -= 1
                self._changed.notify_all()

    def _group_ended(self, taken: _Taken) -> None:
        with self._changed:
            taken.left -= 1
            last = not taken.left
        if last:
            self._file.commit()
            self._tell(REPORT, taken.report())

    def _send(self, together: Sequence[_Sendable], taken: _Taken) -> None:
        """Send cases at the same moment, each on a connection of its own."""
        numbers, at = self._file.sent([each.case.id for each in together], [each.planned for each in together])
        if len(together) == 1:
            self._exchange(together[0], numbers[0], at, taken, None)
            return
        start = threading.Barrier(len(together))
        ended = [threading.Event() for _ in together]

        def work(each: _Sendable, number: int, done: threading.Event) -> None:
            try:
                self._exchange(each, number, at, taken, start)
            finally:
                start.abort()  # releases cases that still wait for this one
                done.set()

        for each, number, done in zip(together, numbers, ended, strict=True):
            self._spawn(partial(work, each, number, done))
        for done in ended:
            done.wait()

    def _exchange(
        self, each: _Sendable, number: int, at: float, taken: _Taken, start: threading.Barrier | None
    ) -> None:
        request, response, failure = each.case.request, None, None
        never_left = False
        try:
            with self._connection() as connection:
                response = connection.ask(request, None if start is None else partial(_await, start), number).response
        except Unanswered as unanswered:
            failure, never_left = str(unanswered), unanswered.never_left
        except EnvironmentFailure as lack:  # this machine has no more connections
            failure, never_left = lack.message, True
        if response is not None:
            self._file.answered(number, response)
        else:
            self._file.failed(number, failure or "", unsent=never_left)
        self._count(each.case, response, taken, never_left=never_left)
        milliseconds = (time.monotonic() - at) * 1000
        length = len(response.body) if response is not None else 0
        self._on_answer(request.method, each.case.command or "unknown command", milliseconds, length, failure)

    def _count(self, case: Case, response: Response | None, taken: _Taken, *, never_left: bool) -> None:
        with self._changed:
            if never_left:
                taken.unsent.append(case.id)
                return
            taken.sent += 1
            if response is not None and is_refused(response, self._contract):
                taken.refused.append(case.id)
            elif response is not None:
                taken.accepted += 1

    @contextmanager
    def _connection(self) -> Any:
        """A free connection, or else a new one; the one that was used last is the first to be used again."""
        try:
            connection = self._free.pop()
        except IndexError:
            connection = Connection(
                self._terms.timeout_s,
                self._keep_alive,
                self._tls,
                self._terms.connect_timeout_s,
                on_beyond=self._file.beyond,
            )
        try:
            yield connection
        finally:
            self._free.append(connection)


def _await(start: threading.Barrier) -> None:
    """Wait for the others of a burst, at most for the time that they have to connect."""
    try:
        start.wait(CONNECT_TIMEOUT_S)
    except threading.BrokenBarrierError:
        return
