"""HTTP over a bare socket, for tests in which the bytes and the connection matter.

connection      a connection to a server
post            the bytes of a request
status          reads one answer
"""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager

from conformance.wire.listening import Address

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
