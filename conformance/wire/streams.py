"""Bytes over a socket or TLS, every call within the deadline of its exchange.

The timeout of a socket is for one call: a peer that sends a byte in time, again and again, is never late for it. So
each call here takes the rest of the one deadline.
"""

from __future__ import annotations

import errno
import ipaddress
import select
import socket
import ssl
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

import httpx

from conformance.model.errors import EnvironmentFailure, UsageError

# Bytes that are taken in at once.
READ = 64 << 10
# Bytes in one record of TLS, the most that it may hold (RFC 8446, 5.1).
SLICE = 16 << 10

# The timeout of a socket may be longer than the time left by this part of it. Setting it is a system call, which an
# exchange of milliseconds can do without.
SLACK = 0.05

# Errors for lack of a resource of this machine: no peer is to blame for them.
_OURS = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL})

_open: set[socket.socket] = set()


def close_all() -> None:
    """End every connection of this process; threads that wait at one go on at once. Safe from any thread."""
    for each in list(_open):
        with suppress(OSError):  # it may be closed by now, or not yet be connected
            each.shutdown(socket.SHUT_RDWR)


class Deadline:
    """A moment so many `seconds` from now."""

    __slots__ = ("_at",)

    def __init__(self, seconds: float) -> None:
        self._at = time.monotonic() + seconds

    def left(self) -> float:
        """The seconds that are left; TimeoutError if there are none."""
        left = self._at - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left


class Stream(Protocol):
    """An open connection. Every failure is an OSError, a deadline that has passed a TimeoutError."""

    def send(self, data: bytes, deadline: Deadline) -> int:
        """Send `data`; how many bytes of it were taken. Fewer than all: the peer takes no more, or not in time."""

    def receive(self, deadline: Deadline) -> bytes:
        """The next bytes, b"" at the end."""

    def at_hand(self, wait_s: float = 0.0) -> bytes | None:
        """Bytes that are there, or come within `wait_s`: b"" at the end, None if there are none."""

    def certificate(self) -> tuple[str, dict[str, Any]] | None:
        """The version of TLS and the peer's certificate; None without TLS."""

    def close(self) -> None:
        """Close the connection."""


class _Plain:
    """A stream over a connected socket."""

    def __init__(self, connected_socket: socket.socket) -> None:
        self._socket = connected_socket
        self._timeout_s = 0.0
        self._poll = select.poll()
        self._poll.register(connected_socket, select.POLLIN)

    def send(self, data: bytes, deadline: Deadline) -> int:
        # Data that fits into the buffers of the operating system goes out in one call.
        rest = memoryview(data)
        with suppress(OSError):  # it may have been answered all the same
            while rest:
                self._limit(deadline)
                rest = rest[self._socket.send(rest) :]
        return len(data) - len(rest)

    def receive(self, deadline: Deadline) -> bytes:
        self._limit(deadline)
        return self._socket.recv(READ)

    def at_hand(self, wait_s: float = 0.0) -> bytes | None:
        if not self._poll.poll(wait_s * 1000):
            return None
        try:
            return self._socket.recv(READ)
        except OSError:
            return b""

    def certificate(self) -> None:
        return None

    def close(self) -> None:
        _open.discard(self._socket)
        self._socket.close()

    def _limit(self, deadline: Deadline) -> None:
        left = deadline.left()
        if not left <= self._timeout_s <= left * (1 + SLACK):
            self._socket.settimeout(left)
            self._timeout_s = left


class Secured:
    """TLS with `host` over `below`. Raises OSError if the handshake fails, ssl.SSLError for a reason of TLS."""

    def __init__(self, below: Stream, tls: ssl.SSLContext, host: str, deadline: Deadline) -> None:
        self._below = below
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = tls.wrap_bio(self._in, self._out, server_hostname=host)
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                self._flush(deadline)
                self._take(below.receive(deadline))
            except ssl.SSLError:
                with suppress(OSError):
                    self._flush(deadline)  # why, in an alert
                raise
            else:
                break
        self._flush(deadline)

    def send(self, data: bytes, deadline: Deadline) -> int:
        """See `Stream`. The peer cannot read an incomplete record: none of it counts."""
        for at in range(0, len(data), SLICE):
            self._tls.write(data[at : at + SLICE])
            if not self._flush(deadline):
                return at
        return len(data)

    def receive(self, deadline: Deadline) -> bytes:
        """See `Stream`."""
        while (data := self._read()) is None:
            self._take(self._below.receive(deadline))
        return data

    def at_hand(self, wait_s: float = 0.0) -> bytes | None:
        """See `Stream`. Records of TLS itself count as nothing."""
        while (data := self._read()) is None:
            taken = self._below.at_hand(wait_s)
            if taken is None:
                return None
            self._take(taken)
        return data

    def certificate(self) -> tuple[str, dict[str, Any]] | None:
        """See `Stream`."""
        content = self._tls.getpeercert()
        return (self._tls.version() or "TLS", content) if content else None

    def close(self) -> None:
        """See `Stream`."""
        self._below.close()

    def _read(self) -> bytes | None:
        try:
            return self._tls.read(READ)
        except ssl.SSLWantReadError:
            return None
        except (ssl.SSLEOFError, ssl.SSLZeroReturnError):
            return b""

    def _take(self, data: bytes) -> None:
        if data:
            self._in.write(data)
        else:
            self._in.write_eof()

    def _flush(self, deadline: Deadline) -> bool:
        """Whether all went out."""
        data = self._out.read()
        return self._below.send(data, deadline) == len(data)


def connected(host: str, port: int, deadline: Deadline) -> Stream:
    """A plain connection, on which small writes go out at once.

    Raises OSError if there is none (socket.gaierror for an unknown host), TimeoutError if not in time, and
    EnvironmentFailure where this machine cannot open another one.
    """
    error = OSError("the host has no address")
    addresses = _resolved(host, port, deadline)
    for number, (family, kind, protocol, _, address) in enumerate(addresses):
        try:
            made = socket.socket(family, kind, protocol)
        except OSError as refused:
            raise _ours(refused) from refused
        _open.add(made)
        try:
            # One address that nobody answers at leaves time for the others.
            made.settimeout(deadline.left() / (len(addresses) - number))
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            made.connect(address)
        except OSError as refused:
            _open.discard(made)
            made.close()
            if refused.errno in _OURS:
                raise _ours(refused) from refused
            error = refused
        else:
            return _Plain(made)
    raise error


def _ours(error: OSError) -> EnvironmentFailure:
    return EnvironmentFailure(
        f"this machine cannot make another connection: {error.strerror or error}",
        "is the limit of open files (ulimit -n) low, or much else running?",
    )


def ip_address_of(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The address that `host` is; None for a name."""
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def is_this_machine(host: str) -> bool:
    """Whether a host, an address or `localhost`, is this machine, so that no network lies between."""
    address = ip_address_of(host)
    return host == "localhost" if address is None else address.is_loopback


def _resolved(host: str, port: int, deadline: Deadline) -> list[Any]:
    """The addresses of a host. The resolver takes no timeout, so it runs in a thread that may be abandoned."""
    if ip_address_of(host) is not None:
        return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    found: list[Any] = []
    failed: list[Exception] = []
    over = threading.Event()

    def resolve() -> None:
        try:
            found.extend(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except (OSError, UnicodeError) as error:
            failed.append(error)
        finally:
            over.set()

    threading.Thread(target=resolve, name="resolver", daemon=True).start()
    if not over.wait(deadline.left()):
        raise TimeoutError
    if failed:
        raise failed[0]
    return found


def client_tls(ca_file: Path | None = None) -> ssl.SSLContext:
    """A context that trusts the usual authorities and those in `ca_file` (PEM); it takes 20 ms to make.

    Verification is never off.

    Raises UsageError for a file that cannot be read or holds no certificate.
    """
    context = httpx.create_ssl_context()
    if ca_file is None:
        return context
    try:
        context.load_verify_locations(ca_file)
    except ssl.SSLError as error:
        raise UsageError(f"--ca-file {ca_file} holds no certificate; expected some in PEM") from error
    except OSError as error:
        raise UsageError(f"--ca-file {ca_file} cannot be read: {error.strerror}") from error
    return context
