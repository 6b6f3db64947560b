"""Sockets for tests: free ports, connections, and servers that answer with any bytes."""

from __future__ import annotations

import atexit
import itertools
import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from functools import cache
from socket import create_server
from typing import Self

from conformance.journal import Journal, read_journal
from conformance.model.traffic import Case, Exchange, Headers, Kind, Request
from conformance.wire import Pace, Sender
from conformance.wire.listening import Address
from conformance.wire.sender import Manners

# Each process that runs tests has a range of ports, which it claims by listening on the first for as long as it lives.
# The ranges lie below the ports that the system gives to clients, so that no connection takes one in between.
FIRST, BEHIND_LAST = 20_000, 32_700
PORTS_OF_A_PROCESS = 400


def quiet_port() -> int:
    """A port of 127.0.0.1 at which nobody listens, and that no other test is given, also of another pytest."""
    for port in itertools.islice(_own(), PORTS_OF_A_PROCESS):
        try:
            with closing(create_server(("127.0.0.1", port))):
                return port
        except OSError:
            continue
    raise AssertionError("somebody listens on every port of this process")


@cache
def _own() -> Iterator[int]:
    for first in range(FIRST, BEHIND_LAST - PORTS_OF_A_PROCESS, PORTS_OF_A_PROCESS):
        try:
            claim = create_server(("127.0.0.1", first))
        except OSError:
            continue
        atexit.register(claim.close)
        return itertools.cycle(range(first + 1, first + PORTS_OF_A_PROCESS))
    raise AssertionError("other processes that run tests have every range of ports")


# What is waited for comes in milliseconds; the limit is for a machine on which much else runs.
PATIENCE_S = 20.0


@contextmanager
def connection(address: Address) -> Iterator[socket.socket]:
    """A connection to a server at that address."""
    with socket.create_connection((address.host, address.port), timeout=PATIENCE_S) as client:
        yield client


def post(body: bytes, target: str = "/callbacks/sms", *headers: str) -> bytes:
    """The bytes of a POST."""
    lines = [f"POST {target} HTTP/1.1", "Host: here", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def status(client: socket.socket) -> int:
    """Reads one whole answer, which has a Content-Length, and gives its status."""
    answer = _more(client)
    while b"\r\n\r\n" not in answer:
        answer += _more(client)
    head, _, body = answer.partition(b"\r\n\r\n")
    length = re.search(rb"content-length: *(\d+)", head, re.IGNORECASE)
    assert length is not None, head
    while len(body) < int(length[1]):
        body += _more(client)
    return int(head.split()[1])


def _more(client: socket.socket) -> bytes:
    received = client.recv(65536)
    assert received, "the connection was closed before the answer was whole"
    return received


# Less than any time-out for a single read.
DRIP_EVERY_S = 0.02

Handler = Callable[[socket.socket], None]


@contextmanager
def serving(handle: Handler) -> Iterator[int]:
    """The port of a server; each connection is closed once `handle` is done with it."""
    open_now: list[socket.socket] = []

    def serve(connection: socket.socket) -> None:
        with suppress(OSError), connection:
            connection.settimeout(PATIENCE_S)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            handle(connection)

    def accept() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listening.accept()
                open_now.append(connection)
                threading.Thread(target=serve, args=(connection,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0), backlog=128) as listening:
        threading.Thread(target=accept, daemon=True).start()
        try:
            yield listening.getsockname()[1]
        finally:
            with suppress(OSError):
                listening.shutdown(socket.SHUT_RDWR)
            for connection in open_now:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)


def drip(connection: socket.socket, piece: bytes = b"x") -> None:
    """`piece` again and again; ends when the other side has closed the connection."""
    waiting = threading.Event()
    while not waiting.wait(DRIP_EVERY_S):
        connection.sendall(piece)


def request_read(connection: socket.socket) -> bytes:
    """One whole request, as far as it has a Content-Length; b"" at the end."""
    data = b""
    while b"\r\n\r\n" not in data:
        received = connection.recv(65536)
        if not received:
            return b""
        data += received
    head, _, body = data.partition(b"\r\n\r\n")
    lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    length = int(lengths[0].partition(b":")[2]) if lengths else 0
    while len(body) < length:
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
NO_ANSWER = b""

Answering = Callable[[bytes, int], bytes]


class RawServer:
    """Records the bytes of each request and writes back the bytes that `answer` gives for it.

    `answer` is called with the request and its number from 1. A connection is closed after the answer if `closes`, and
    if there was none.
    """

    port: int
    url: str

    def __init__(self, answer: Answering, *, closes: bool = False) -> None:
        self._answer, self._closes = answer, closes
        self._lock, self._serving = threading.Lock(), serving(self._serve)
        self.requests: list[bytes] = []
        self.connections = 0

    def __enter__(self) -> Self:
        self.port = self._serving.__enter__()
        self.url = f"http://127.0.0.1:{self.port}"
        return self

    def __exit__(self, *raised: object) -> None:
        self._serving.__exit__(*raised)

    def _serve(self, connection: socket.socket) -> None:
        with self._lock:
            self.connections += 1
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
