"""A server that records the bytes it is sent, and what the tests of sending share besides.

RawServer       answers with any bytes, on sockets, so that nothing about HTTP is taken for granted
a_case          a case with a given request
sent_in_turn    what becomes of cases that are sent one after the other
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

from hostile_servers import request_read

from conformance.journal import Journal, read_journal
from conformance.model.traffic import Case, Exchange, Headers, Kind, Request
from conformance.wire import Pace, Sender
from conformance.wire.sender import Manners

PATIENCE_S = 20.0
"""How long anything here is waited for before it counts as stuck, on the busiest machine."""

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
NO_ANSWER = b""

Answering = Callable[[bytes, int], bytes]


class RawServer:
    """Records the bytes of each request and writes back the bytes that `answer` gives for it.

    `answer` is called with the request and its number from 1. A connection is closed after the answer if `closes`, and
    if there was none.
    """

    def __init__(self, answer: Answering, *, closes: bool = False) -> None:
        self._answer = answer
        self._closes = closes
        self._lock = threading.Lock()
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=128)
        self._open: list[socket.socket] = []
        self.port: int = self._listening.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.requests: list[bytes] = []
        self.connections = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        for connection in self._open:
            connection.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            self._open.append(connection)
            self.connections += 1
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._closes and hasattr(socket, "TCP_CORK"):
                # The answer and the end leave together, however long this thread has to wait between them.
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
            while request := request_read(connection):
                with self._lock:
                    self.requests.append(request)
                    number = len(self.requests)
                answer = self._answer(request, number)
                connection.sendall(answer)
                if self._closes or answer == NO_ANSWER:
                    break
        except OSError:
            return
        finally:
            connection.close()


def a_case(case_id: str, url: str, method: str = "POST", headers: Headers = (), body: bytes = b"{}") -> Case:
    """A case of whatever kind, with this request."""
    return Case(case_id, "sms", Kind.VALID, "sample", "group", Request(method, url, headers, body))


def sent_in_turn(
    journal: Journal, *cases: Case, timeout_s: float = PATIENCE_S, pace: Pace | None = None
) -> list[Exchange]:
    """What becomes of `cases`, sent one after the other; as told while sending, and as the journal has it."""
    told: list[Exchange] = []
    sender = Sender(
        journal,
        pace or Pace(),
        manners=Manners(timeout_s=timeout_s),
        on_exchange=lambda _, exchange: told.append(exchange),
    )
    sender.send([cases])
    journal.flush()
    assert told == list(read_journal(journal.path).exchanges)
    return told
