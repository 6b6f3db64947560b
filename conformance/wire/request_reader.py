"""Reading requests off a connection, in every form that HTTP/1.1 allows (RFC 9110, RFC 9112); without I/O.

It uses h11. httptools takes a body behind an `Upgrade` header, which the JDK's HTTP client sends with every request,
for another protocol, and refuses two equal Content-Lengths, unknown methods, and line ends without CR.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from http import HTTPStatus
from typing import Literal

import h11

# Clients and gateways send far smaller heads; common servers stop at 8 KiB for a line.
LONGEST_HEAD = 64 * 1024
MOST_HEADERS = 200

# Bytes that are kept of an unreadable request: enough to redact a long header before it is cut for the journal.
KEPT_BYTES = 4096

_LINE_ENDS = b"\r\n"
_TLS_HANDSHAKE = b"\x16\x03"


class Unreadable(ValueError):
    """Bytes that are not a request. `head`: the first of them; `status`: of the answer, if there is one."""

    def __init__(self, error: str, head: bytes, status: int = HTTPStatus.BAD_REQUEST) -> None:
        super().__init__(error)
        self.error = error
        self.head = head
        self.status = status


@dataclass(frozen=True, slots=True)
class Head:
    """Request line and headers; header names in the case in which they were sent."""

    method: bytes
    target: bytes
    version: bytes
    headers: tuple[tuple[bytes, bytes], ...]

    @property
    def keeps_alive(self) -> bool:
        """Whether the client expects another request to follow on the connection."""
        options = self.options("connection")
        return "keep-alive" in options if self.version == b"1.0" else "close" not in options

    @property
    def awaits_100(self) -> bool:
        """Whether the client sends the body only after a 100 Continue."""
        return self.version != b"1.0" and "100-continue" in self.options("expect")

    def options(self, name: str) -> set[str]:
        """The elements of a header that is a list, in lower case."""
        values = (value.decode("latin-1") for given, value in self.headers if given.decode("latin-1").lower() == name)
        return {option.strip().lower() for value in values for option in value.split(",")}


class _End(Enum):
    END = "the request is there in full"


END: Literal[_End.END] = _End.END

Event = Head | bytes | Literal[_End.END]
"""A head, a piece of a body, or the end of a request."""


class RequestReader:
    """Reads the requests of one connection, one after the other; after an Unreadable there is nothing more to read."""

    def __init__(self, longest_head: int = LONGEST_HEAD, most_headers: int = MOST_HEADERS) -> None:
        self._longest_head = longest_head
        self._most_headers = most_headers
        self._begin(b"")

    @property
    def in_request(self) -> bool:
        """Whether a request has begun that is not over."""
        return bool(self._first)

    @property
    def in_body(self) -> bool:
        """Whether the head of that request is there."""
        return self._head_read

    def receive(self, data: bytes) -> None:
        """Bytes have come, to be read with `next_event`."""
        if not self._first:
            data = data.lstrip(_LINE_ENDS)  # empty lines before a request are passed over (RFC 9112 §2.2)
        if not data:
            return
        if len(self._first) < KEPT_BYTES:
            self._first += data[: KEPT_BYTES - len(self._first)]
        self._connection.receive_data(data)

    def next_event(self) -> Event | None:
        """The next head, piece of a body, or end of a request; None if more bytes are needed. Raises Unreadable."""
        if not self._first:
            return None
        try:
            event = self._connection.next_event()
        except h11.RemoteProtocolError as error:
            raise Unreadable(self._in_words(error), self._first, error.error_status_hint) from error
        if isinstance(event, h11.Request):
            return self._head(event)
        if isinstance(event, h11.Data):
            self._body_read += len(event.data)
            return bytes(event.data)
        if isinstance(event, h11.EndOfMessage):
            # The bytes after it are the next request: an offered Upgrade is not taken up.
            self._begin(self._connection.trailing_data[0])
            return END
        return None

    def broken_off(self, why: str = "the connection ended") -> Unreadable | None:
        """The request that is not there in full, if nothing more comes; None if there is none."""
        if not self._first:
            return None
        where = f"after {self._body_read} bytes of its body" if self._head_read else "before its head was whole"
        return Unreadable(f"{why} {where}", self._first)

    def _begin(self, data: bytes) -> None:
        self._connection = h11.Connection(h11.SERVER, max_incomplete_event_size=self._longest_head)
        self._first = b""
        self._head_read, self._body_read = False, 0
        self.receive(data)

    def _head(self, request: h11.Request) -> Head:
        if not request.http_version.startswith(b"1."):
            words = f"HTTP/{request.http_version.decode()} was spoken to it without asking"
            raise Unreadable(words, self._first, HTTPStatus.HTTP_VERSION_NOT_SUPPORTED)
        if len(request.headers) > self._most_headers:
            raise Unreadable(
                f"more than {self._most_headers} headers", self._first, HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
            )
        self._head_read = True
        named = tuple((bytes(name), bytes(value)) for name, value in request.headers.raw_items())
        return Head(bytes(request.method), bytes(request.target), bytes(request.http_version), named)

    def _in_words(self, error: h11.RemoteProtocolError) -> str:
        if self._first.startswith(_TLS_HANDSHAKE):
            return "TLS was spoken to its plain HTTP port"
        # h11 may quote a credential; the first bytes are kept, and redacted, elsewhere.
        return str(error).partition(": bytearray")[0]
