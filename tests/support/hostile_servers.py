"""Servers on sockets that do what no server should, for tests of the suite as a client.

serving     a server that hands each of its connections to a function, in a thread of its own
drip        bytes one by one, until nobody reads them any more
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

DRIP_EVERY_S = 0.02
"""Less than any time-out for a single read."""

READ_S = 20.0
"""How long a server waits for its client, on the busiest machine."""

Handler = Callable[[socket.socket], None]


@contextmanager
def serving(handle: Handler) -> Iterator[int]:
    """The port of a server; each connection is closed once `handle` is done with it."""
    open_now: list[socket.socket] = []

    def serve(connection: socket.socket) -> None:
        with suppress(OSError), connection:
            connection.settimeout(READ_S)
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
