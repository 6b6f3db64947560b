"""The way to a host: direct, or through the proxy that the environment names.

A proxy relays requests where a URL begins with http, and opens a tunnel where it begins with https (RFC 9110, 9.3.6); a
SOCKS proxy opens a tunnel for both (RFC 1928).
"""

from __future__ import annotations

import base64
import ssl
import struct
from dataclasses import dataclass, replace
from typing import Self
from urllib.request import getproxies, proxy_bypass

import h11
import httpx

from conformance.wire.streams import Deadline, Secured, Stream, connected, is_this_machine

# The schemes of proxies that can be spoken to, and their usual ports.
PORTS = {"http": 80, "https": 443, "socks5": 1080, "socks5h": 1080}
# Bytes of a proxy's answer to CONNECT.
MOST_HEAD = 16 << 10

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
    """The proxy that the environment names for `url`; never one for this very machine."""
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
        """Has the proxy open a tunnel."""
        authority = f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"
        parser = h11.Connection(h11.CLIENT, max_incomplete_event_size=MOST_HEAD)
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
    """Has a SOCKS proxy open a tunnel, to the name of the host, not to an address."""
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
