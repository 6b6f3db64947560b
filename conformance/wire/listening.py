"""Where a server of the suite listens, how it accepts connections, and how it reads requests off them.

    Address             host and port
    listening_socket    binds an address and listens on it
    Acceptor            accepts connections, and goes on when the process has run out of files
    RequestReader       reads requests in every form that HTTP/1.1 allows (RFC 9110, RFC 9112); without I/O

An address is claimed before it is served, so that a taken port is an error of its own, and a free one is known before
anything depends on it. asyncio accepts as many connections in a row as may wait, and where there are no files left it
silently accepts nothing for a second. `Acceptor` takes some at a time, closes idle ones for room, and reports it.

`RequestReader` uses h11. httptools takes a body behind an `Upgrade` header, which the JDK's HTTP client sends with
every request, for another protocol, and refuses two equal Content-Lengths, unknown methods, and line ends without CR.
"""

from __future__ import annotations

import asyncio
import errno
import os
import re
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus

import h11

from conformance.model.errors import EnvironmentFailure, UsageError

# A burst of 500 connections must wait in the kernel's queue without being refused; the kernel cuts it to its own limit.
BACKLOG = 4096

# How long a connection may be idle: a client may take its time between two requests.
KEEP_ALIVE_S = 75

# Addresses that mean "every interface": bound to, but not a place that a client can be sent to.
_REACHED_AT = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - nothing is bound here

_HOST_PORT = re.compile(r"(?:\[(?P<ipv6>[^\[\]\s]+)\]|(?P<host>[^:\[\]/\s]+)):(?P<port>[0-9]{1,5})")

# Ports have 16 bits.
_LAST_PORT = 65535


@dataclass(frozen=True, slots=True)
class Address:
    """A TCP address. `host` is a name or an IP address (IPv6 without brackets); port 0 means any free one."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Address:
        """The address written as `HOST:PORT`, an IPv6 host in brackets. Raises UsageError if it is not one."""
        form = _HOST_PORT.fullmatch(text)
        if form is None or int(form["port"]) > _LAST_PORT:
            raise UsageError(
                f"listen address {text!r} is not HOST:PORT with a port from 0 to 65535",
                hint="for example 127.0.0.1:8080, [::1]:8080, or 127.0.0.1:0 for any free port",
            )
        return cls(form["ipv6"] or form["host"], int(form["port"]))

    @property
    def url(self) -> str:
        """`http://HOST:PORT` by which a client on this machine reaches a server that listens here."""
        return f"http://{Address(_REACHED_AT.get(self.host, self.host), self.port)}"

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def listening_socket(address: Address, purpose: str = "listen") -> tuple[socket.socket, Address]:
    """The address claimed: a listening socket, and the address with the port that it really got.

    `purpose` names the address in an error ("callback": "callback address 127.0.0.1:8080 is in use").
    Raises EnvironmentFailure if it cannot be had.
    """
    try:
        family, kind, protocol, _, where = socket.getaddrinfo(
            address.host, address.port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP, flags=socket.AI_PASSIVE
        )[0]
    except (OSError, UnicodeError) as error:
        raise EnvironmentFailure(
            f"{purpose} address {address}: this machine knows no host {address.host!r}",
            hint="give an IP address of this machine, such as 127.0.0.1 or 0.0.0.0",
        ) from error
    listener = socket.socket(family, kind, protocol)
    try:
        if os.name == "posix":
            # Connections of an earlier run in TIME_WAIT do not hold the port; a server that listens still does.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Accepted sockets inherit it: an answer of two small writes does not wait 40 ms for a delayed ACK.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        listener.bind(where)
        # Only listening claims the port: two sockets that are just bound can share one.
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        other = (f"cannot be listened on: {error.strerror or error}", "choose another one")
        reason, hint = _REASONS.get(error.errno or 0, other)
        raise EnvironmentFailure(f"{purpose} address {address} {reason}", hint=hint) from error
    return listener, Address(address.host, listener.getsockname()[1])


_REASONS = {
    errno.EADDRINUSE: ("is in use by another program", "choose another port, or 0 for a free one"),
    errno.EADDRNOTAVAIL: ("is not an address of this machine", "listen on 127.0.0.1 or 0.0.0.0"),
    errno.EACCES: ("may not be listened on by this user", "choose a port above 1023, or 0 for a free one"),
}


try:
    import resource
except ImportError:  # not on Windows, where sockets are no files
    resource = None  # type: ignore[assignment]

# Connections accepted in one turn of the loop; an accept takes some ten microseconds.
AT_ONCE = 16

# A connection that was closed is gone within a turn of the loop; files held by other parts of the process take longer.
RETRY_S = 0.05

# Connections during their TLS handshake, which are not yet among the connections of the server.
MOST_OPENING = 256
OPENED_WITHIN_S = 30.0

_NOTHING_LEFT = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})

# Two servers with all their connections, and the other files of a process.
MOST_FILES = 2 * 4096 + 256


def raise_limit() -> int:
    """Let the process open as many files as it may, up to `MOST_FILES`; how many it may open now."""
    if resource is None:
        return MOST_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return MOST_FILES
    wanted = MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_FILES)
    if wanted > soft:
        with suppress(OSError, ValueError):  # a system may have a lower limit of its own
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            return wanted
    return soft


@dataclass(frozen=True, slots=True)
class Refused:
    """A client was turned away, or had to wait, through no fault of its own; `lasting`: so are all that follow."""

    why: str
    lasting: bool = False


OnRefused = Callable[[Refused], None]
"""Called for each, in the server's thread."""


class Acceptor:
    """Accepts from one listening socket in the running loop; `make` gives the protocol of a connection.

    `make_room` closes some idle connections; `on_refused` is called when one could not be accepted.
    """

    def __init__(
        self,
        listener: socket.socket,
        make: Callable[[], asyncio.Protocol],
        context: ssl.SSLContext | None,
        make_room: Callable[[], None],
        on_refused: OnRefused,
    ) -> None:
        self._listener = listener
        self._make = make
        self._context = context
        self._make_room = make_room
        self._on_refused = on_refused
        self._loop = asyncio.get_running_loop()
        self._opening: dict[asyncio.Task[None], socket.socket] = {}
        self._retry: asyncio.TimerHandle | None = None
        listener.settimeout(0.0)

    def begin(self) -> None:
        """Accept from here on."""
        self._retry = None
        self._loop.add_reader(self._listener.fileno(), self._accept)

    def pause(self) -> None:
        """Accept no more until it begins again; who connects waits in the kernel's queue, or is another process's."""
        if self._retry is not None:
            self._retry.cancel()
        self._loop.remove_reader(self._listener.fileno())

    def close(self) -> None:
        """Accept no more, and drop connections that are still being opened."""
        self.pause()
        for opening in list(self._opening):
            opening.cancel()

    def _accept(self) -> None:
        for _ in range(AT_ONCE):
            try:
                connection, _ = self._listener.accept()
            except OSError as error:
                if error.errno in _NOTHING_LEFT:
                    self._on_refused(Refused(f"a connection had to wait: {os.strerror(error.errno)}"))
                    self._make_room()
                    self._loop.remove_reader(self._listener.fileno())
                    self._retry = self._loop.call_later(RETRY_S, self.begin)
                return  # other errors are about this one connection, which is gone again
            if len(self._opening) >= MOST_OPENING:
                next(iter(self._opening)).cancel()
            opening = self._loop.create_task(self._open(connection))
            self._opening[opening] = connection
            opening.add_done_callback(self._opened)

    async def _open(self, connection: socket.socket) -> None:
        connection.settimeout(0.0)
        within_s = OPENED_WITHIN_S if self._context else None
        await self._loop.connect_accepted_socket(
            self._make, connection, ssl=self._context, ssl_handshake_timeout=within_s
        )

    def _opened(self, opening: asyncio.Task[None]) -> None:
        connection = self._opening.pop(opening)
        error = None if opening.cancelled() else opening.exception()
        if opening.cancelled() or error is not None:
            connection.close()
        if error is not None and not isinstance(error, OSError):  # no TLS, or none in time: reported by the TLS engine
            self._on_refused(Refused(f"a connection could not be served: {error!r}"))


# Bytes of a head. Clients and gateways send far fewer; common servers stop at 8 KiB for a line.
LONGEST_HEAD = 64 * 1024
MOST_HEADERS = 200

# Bytes of an unreadable request in the report on it: enough to redact a long header before it is cut for the journal.
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


Event = Head | bytes | h11.EndOfMessage
"""A head, a piece of a body, or the end of a request."""


class RequestReader:
    """Reads the requests of one connection, one after the other; after an Unreadable there is nothing more to read."""

    def __init__(self) -> None:
        self._begin(b"")

    @property
    def in_request(self) -> bool:
        """Whether a request has begun and is not complete."""
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
            is_tls = self._first.startswith(_TLS_HANDSHAKE)
            # h11 may quote a credential; the first bytes are redacted elsewhere.
            words = "a TLS handshake on a plain HTTP port" if is_tls else str(error)
            raise Unreadable(words.partition(": bytearray")[0], self._first, error.error_status_hint) from error
        if isinstance(event, h11.Request):
            return self._head(event)
        if isinstance(event, h11.Data):
            self._body_read += len(event.data)
            return bytes(event.data)
        if isinstance(event, h11.EndOfMessage):
            # The bytes after it are the next request: an offered Upgrade is not taken up.
            self._begin(self._connection.trailing_data[0])
            return event
        return None

    def broken_off(self, why: str = "the connection ended") -> Unreadable | None:
        """The request that is incomplete if nothing more comes; None if there is none."""
        if not self._first:
            return None
        where = f"after {self._body_read} bytes of its body" if self._head_read else "before its head was complete"
        return Unreadable(f"{why} {where}", self._first)

    def _begin(self, data: bytes) -> None:
        self._connection = h11.Connection(h11.SERVER, max_incomplete_event_size=LONGEST_HEAD)
        self._first = b""
        self._head_read, self._body_read = False, 0
        self.receive(data)

    def _head(self, request: h11.Request) -> Head:
        if not request.http_version.startswith(b"1."):
            words = f"HTTP/{request.http_version.decode()} instead of HTTP/1.1"
            raise Unreadable(words, self._first, HTTPStatus.HTTP_VERSION_NOT_SUPPORTED)
        if len(request.headers) > MOST_HEADERS:
            too_many = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
            raise Unreadable(f"more than {MOST_HEADERS} headers", self._first, too_many)
        self._head_read = True
        named = tuple((bytes(name), bytes(value)) for name, value in request.headers.raw_items())
        return Head(bytes(request.method), bytes(request.target), bytes(request.http_version), named)
