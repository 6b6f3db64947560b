"""Connections to a host: streams of bytes over TCP or TLS, direct or through the proxy that the environment names.

    Deadline        the one time limit of an exchange
    Stream          an open connection
    Route           where a URL leads; opens a stream to there
    client_tls      whom a TLS connection trusts
    close_all       ends every connection of this process

A proxy relays requests for an http URL, and opens a tunnel for an https URL (RFC 9110, 9.3.6); a SOCKS proxy opens a
tunnel for both (RFC 1928). The timeout of a socket is for one call, so a peer that sends a byte in time, again and
again, never exceeds it. Each call here takes what is left of the one deadline.
"""

from __future__ import annotations

import base64
import errno
import ipaddress
import select
import socket
import ssl
import struct
import threading
import time
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol, Self
from urllib.request import getproxies, proxy_bypass

import h11
import httpx

from conformance.model.errors import EnvironmentFailure, UsageError

# Bytes read at once.
READ = 64 << 10
# Bytes in one record of TLS, the most that it may hold (RFC 8446, 5.1).
SLICE = 16 << 10

# The timeout of a socket may exceed the time left by this share. Setting it is a system call, which an exchange of
# milliseconds can do without.
SLACK = 0.05

# Errors for lack of a resource of this machine, for which no peer is to blame.
_OURS = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL})

_open: set[socket.socket] = set()


def close_all() -> None:
    """End every connection of this process, and every wait on one. Safe from any thread."""
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
        """Send `data`; how many bytes of it were taken: fewer than all if the peer stopped or was too slow."""

    def receive(self, deadline: Deadline) -> bytes:
        """The next bytes, b"" at the end."""

    def at_hand(self, wait_s: float = 0.0) -> bytes | None:
        """Bytes that have come, or come within `wait_s`: b"" at the end, None if there are none."""

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
                    self._flush(deadline)  # an alert names the reason
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
    failure = OSError("the host has no address")
    addresses = _resolved(host, port, deadline)
    for number, (family, kind, protocol, _, address) in enumerate(addresses):
        made = None
        try:
            made = socket.socket(family, kind, protocol)
            _open.add(made)
            # One address that nobody answers at leaves time for the others.
            made.settimeout(deadline.left() / (len(addresses) - number))
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            made.connect(address)
        except OSError as error:
            if made is not None:
                _open.discard(made)
                made.close()
            if made is None or error.errno in _OURS:
                raise EnvironmentFailure(
                    f"this machine cannot make another connection: {error.strerror or error}",
                    "is the limit of open files (ulimit -n) low, or much else running?",
                ) from error
            failure = error
        else:
            return _Plain(made)
    raise failure


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
    answer: Future[list[Any]] = Future()

    def resolve() -> None:
        try:
            answer.set_result(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except (OSError, UnicodeError) as error:
            answer.set_exception(error)

    threading.Thread(target=resolve, name="resolver", daemon=True).start()
    return answer.result(deadline.left())


# The schemes of URLs and of proxies, and their usual ports.
PORTS = {"http": 80, "https": 443, "socks5": 1080, "socks5h": 1080}
# Bytes of a proxy's answer to CONNECT.
MOST_PROXY_HEAD = 16 << 10

_SUCCESS = range(200, 300)
_SOCKS = 5
_NO_AUTHENTICATION, _BY_PASSWORD = 0, 2
_GRANTED = 0
_REFUSALS = {
    1: "general failure", 2: "not allowed", 3: "network unreachable", 4: "host unreachable", 5: "connection refused",
    6: "expired", 7: "unknown command", 8: "unknown kind of address",
}  # fmt: skip
_LENGTHS = {1: 4, 4: 16}


class ProxyRefused(OSError):
    """The proxy does not connect, for the reason in the text."""


def proxy_for(url: httpx.URL) -> str | None:
    """The proxy that the environment names for `url`; never one for this machine."""
    if is_this_machine(url.host) or proxy_bypass(url.host):
        return None
    named = getproxies()
    proxy = named.get(url.scheme) or named.get("all")
    return proxy if proxy is None or "://" in proxy else f"http://{proxy}"


@dataclass(frozen=True, slots=True)
class Route:
    """A way to `host` and `port`; `secure`: by TLS."""

    secure: bool
    host: str
    port: int
    proxy: httpx.URL | None = None

    @classmethod
    def to(cls, url: httpx.URL) -> Self:
        """Where `url` leads. ValueError for a proxy that cannot be spoken to."""
        straight, named = cls.straight(url), proxy_for(url)
        if named is None:
            return straight
        proxy = httpx.URL(named)
        if proxy.scheme not in PORTS:
            raise ValueError(f"Unknown scheme for proxy URL {str(proxy.copy_with(userinfo=b''))!r}")
        return replace(straight, proxy=proxy)

    @classmethod
    def straight(cls, url: httpx.URL) -> Self:
        """Where `url` leads, through no proxy."""
        return cls(url.scheme == "https", url.raw_host.decode("ascii"), url.port or PORTS[url.scheme])

    @property
    def relayed(self) -> bool:
        """Whether a proxy takes the requests themselves, and not the bytes of a tunnel."""
        return self.proxy is not None and not self.secure and self.proxy.scheme in {"http", "https"}

    @property
    def proxy_headers(self) -> list[tuple[bytes, bytes]]:
        """The headers for the proxy, sent with each request."""
        if self.proxy is None or not self.proxy.userinfo:
            return []
        credential = f"{self.proxy.username}:{self.proxy.password}".encode()
        return [(b"Proxy-Authorization", b"Basic " + base64.b64encode(credential))]

    def opened(self, tls: ssl.SSLContext, deadline: Deadline) -> Stream:
        """A stream to there. Raises the errors of `connected`, and ProxyRefused."""
        proxy, host, port = self.proxy, self.host, self.port
        if proxy is not None:
            host, port = proxy.raw_host.decode("ascii"), proxy.port or PORTS[proxy.scheme]
        stream: Stream = connected(host, port, deadline)
        try:
            if proxy is not None and proxy.scheme.startswith("socks"):
                _ask_socks(stream, proxy, self.host, self.port, deadline)
            elif proxy is not None:
                if proxy.scheme == "https":
                    stream = Secured(stream, tls, host, deadline)
                if self.secure:
                    self._ask_tunnel(stream, deadline)
            if self.secure:
                stream = Secured(stream, tls, self.host, deadline)
        except BaseException:
            stream.close()
            raise
        return stream

    def _ask_tunnel(self, stream: Stream, deadline: Deadline) -> None:
        """Have the proxy open a tunnel."""
        authority = f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"
        parser = h11.Connection(h11.CLIENT, max_incomplete_event_size=MOST_PROXY_HEAD)
        headers = [(b"Host", authority.encode()), (b"Accept", b"*/*"), *self.proxy_headers]
        asked = parser.send(h11.Request(method=b"CONNECT", target=authority.encode(), headers=headers))
        stream.send((asked or b"") + (parser.send(h11.EndOfMessage()) or b""), deadline)
        while True:
            try:
                event = parser.next_event()
            except h11.RemoteProtocolError as error:
                raise ProxyRefused(f"not an HTTP answer: {error}") from error
            if event is h11.NEED_DATA:
                data = stream.receive(deadline)
                if not data:
                    raise ProxyRefused("connection closed without an answer")
                parser.receive_data(data)
            elif isinstance(event, h11.Response):
                if event.status_code not in _SUCCESS:
                    raise ProxyRefused(f"{event.status_code} {event.reason.decode('latin-1')}".strip())
                return


def _ask_socks(stream: Stream, proxy: httpx.URL, host: str, port: int, deadline: Deadline) -> None:
    """Have a SOCKS proxy open a tunnel, to the name of the host, not to an address."""
    received = bytearray()

    def read(count: int) -> bytes:
        while len(received) < count:
            data = stream.receive(deadline)
            if not data:
                raise ProxyRefused("connection closed without an answer")
            received.extend(data)
        taken = bytes(received[:count])
        del received[:count]
        return taken

    way = _BY_PASSWORD if proxy.userinfo else _NO_AUTHENTICATION
    stream.send(bytes((_SOCKS, 1, way)), deadline)
    if read(2) != bytes((_SOCKS, way)):
        raise ProxyRefused("it does not take this kind of authentication")
    if way == _BY_PASSWORD:
        user, password = proxy.username.encode(), proxy.password.encode()
        stream.send(b"\x01%c%b%c%b" % (len(user), user, len(password), password), deadline)
        if read(2)[1] != _GRANTED:
            raise ProxyRefused("it does not accept the user and password of its URL")
    name = host.encode("ascii")
    stream.send(struct.pack("!BBBBB", _SOCKS, 1, 0, 3, len(name)) + name + struct.pack("!H", port), deadline)
    _, reply, _, kind = read(4)
    if reply != _GRANTED:
        raise ProxyRefused(_REFUSALS.get(reply, f"reply {reply}"))
    read((_LENGTHS.get(kind) or read(1)[0]) + 2)


def client_tls(ca_file: Path | None = None) -> ssl.SSLContext:
    """A context that verifies by the usual authorities and those in `ca_file` (PEM); it takes 20 ms to make.

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
