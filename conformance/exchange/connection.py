"""One connection to a gateway: exactly the given bytes out, exactly what came back in.

    Connection      asks one request after the other; a worker has one for itself
    KeepAlive       what all connections of a run have learned about whether the gateway keeps them open
    Unanswered      there was no answer, and why

It stands on httpcore, below httpx's `Client`, which would keep cookies, look into redirects (and fail on a Location
that is no URL) and take thrice the time; nothing is added to a request but Host and Content-Length.
"""

from __future__ import annotations

import ipaddress
import selectors
import ssl
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import TracebackType
from typing import Any, Self
from urllib.request import getproxies, proxy_bypass

import httpcore
import httpx

from conformance.errors import SuiteError
from conformance.exchange.coding import CutShort, Undecodable, decoded
from conformance.exchange.failures import (
    CONNECT_TIMEOUT_S,
    FAILURES,
    incomplete,
    is_closing,
    never_left,
    no_answer,
    too_slow,
)
from conformance.exchange.wire import has_begun_to_answer, opened
from conformance.traffic import CLOSED_ON_REUSE, Headers, Request, Response, header

IDLE_S = 1.0
"""A connection that was idle for longer is not used again. Servers close idle ones after 2 s (gunicorn), 5 s (uvicorn,
Apache, Node) or more; a request that crosses such a close is lost, and must not be sent again: it may be a payment."""

TRIAL_S = 0.05
"""How long the first connection is watched after its first answer. A server that closes after each answer without
saying so (it may) does it at once; the next request would cross the close."""

MAX_BODY = 16 * 2**20
"""Bytes of an answer that are read; the contract's answers have some hundred. More is not worth the memory."""

BODY_METHODS = frozenset({"POST", "PUT", "PATCH"})
"""Methods that have Content-Length even without a body (RFC 9110, 8.6)."""

FIRST_SERVER_ERROR = 500
"""From this status on a connection is not used again. Servers close it after an error of the application, and not all
say so: uvicorn sends the 500 of a FastAPI handler and then closes. The request that crosses such a close is lost."""

_SCHEMES = ("http", "https")


class Unanswered(Exception):
    """A request without an answer; its text says why, in plain words. `never_left`: surely nobody received it."""

    def __init__(self, message: str, *, never_left: bool = False) -> None:
        super().__init__(message)
        self.never_left = never_left


@dataclass(frozen=True, slots=True)
class Certificate:
    """What a TLS connection showed of the server: the version of TLS, and its certificate as `ssl` tells it."""

    tls_version: str
    content: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """A response. `certificate`: what the server showed of itself, with the first answer of a TLS connection."""

    response: Response
    certificate: Certificate | None = None


class KeepAlive:
    """Whether connections are used again: until one was closed unannounced. Flags only ever go one way."""

    def __init__(self, *, trusted: bool = True) -> None:
        self.trusted = trusted
        self.tried = False


@dataclass(frozen=True, slots=True)
class _Address:
    """A URL taken apart, once for the many requests that go there."""

    url: httpcore.URL
    host: bytes
    proxy: str | None

    @classmethod
    def of(cls, text: str) -> Self:
        url = httpx.URL(text)
        if url.scheme not in _SCHEMES:
            raise httpx.UnsupportedProtocol(f"expected a URL with {' or '.join(_SCHEMES)}")
        target = _target(text) or url.raw_path
        where = httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=target)
        return cls(where, url.netloc, proxy_for(url))


class Connection:
    """A connection to whatever its requests name; made when it is needed, and again when it was closed."""

    def __init__(
        self,
        timeout_s: float,
        keep_alive: KeepAlive,
        tls: ssl.SSLContext,
        connect_timeout_s: float = CONNECT_TIMEOUT_S,
    ) -> None:
        """Each answer may take `timeout_s`, from the first byte sent to the last one read."""
        self._timeout_s = timeout_s
        self._connect_timeout_s = connect_timeout_s
        self._keep_alive = keep_alive
        self._tls = tls
        self._standing: httpcore.ConnectionInterface | None = None
        self._goes_to: tuple[httpcore.Origin, str | None] | None = None
        self._used = False
        self._stream: httpcore.NetworkStream | None = None
        self._address = lru_cache(maxsize=256)(_Address.of)
        self._timeouts = {"timeout": {"connect": connect_timeout_s, "read": timeout_s, "write": timeout_s}}

    def ask(self, request: Request, ready: Callable[[], object] | None = None) -> Answer:
        """Sends `request` and reads its answer; Unanswered if there is none, SuiteError if HTTP cannot say it.

        `ready` is called once the connection stands, right before the first byte of the request goes out.
        """
        extensions: Mapping[str, Any] = self._timeouts
        if ready is not None:
            extensions = {**extensions, "trace": _before_sending(ready)}
        try:
            address = self._address(request.url)
            outgoing = _outgoing(request, address, extensions)
            deadline = time.monotonic() + self._timeout_s
            incoming = self._to(address).handle_request(outgoing)
        except (httpcore.LocalProtocolError, httpx.UnsupportedProtocol, httpx.InvalidURL, UnicodeError) as error:
            raise SuiteError(f"{request.method} {request.url} cannot be sent: {error}") from error
        except FAILURES as error:
            why = no_answer(error, self._timeout_s, self._connect_timeout_s)
            if self._used and is_closing(error) and not has_begun_to_answer(self._stream):
                # The request may have crossed the close of a connection that was used before.
                self._keep_alive.trusted = False
                why = CLOSED_ON_REUSE
            self.close()  # a tunnel that was dug, and then trusted by nobody, would be taken to be in use
            raise Unanswered(why, never_left=never_left(error)) from error
        self._stream = incoming.extensions["network_stream"]
        certificate = None if self._used else _certificate(self._stream)
        raw = self._body(incoming, deadline)
        self._used = True
        self._try_keep_alive(incoming)
        if not self._keep_alive.trusted or incoming.status >= FIRST_SERVER_ERROR:
            self.close()
        return Answer(_response(incoming, raw), certificate)

    def close(self) -> None:
        """Closes it; the next request opens it again."""
        if self._standing is not None:
            self._standing.close()
        self._standing, self._goes_to, self._used, self._stream = None, None, False, None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _to(self, address: _Address) -> httpcore.ConnectionInterface:
        """The connection that stands, if it goes there and may be used again; else a new one."""
        goes_to = (address.url.origin, address.proxy)
        standing = self._standing
        if standing is None or self._goes_to != goes_to or not self._may_be_used(standing):
            self.close()
            standing = opened(*goes_to, self._tls, IDLE_S)
            self._standing, self._goes_to = standing, goes_to
        return standing

    def _may_be_used(self, standing: httpcore.ConnectionInterface) -> bool:
        distrusted = self._used and not self._keep_alive.trusted
        return not (distrusted or standing.is_closed() or standing.has_expired())

    def _body(self, incoming: httpcore.Response, deadline: float) -> bytes:
        read = bytearray()
        status = incoming.status
        try:
            stream = incoming.stream
            if not isinstance(stream, Iterable):
                raise SuiteError("httpcore gave an answer that cannot be read in a thread")
            for chunk in stream:
                read += chunk
                if len(read) > MAX_BODY:
                    raise Unanswered(f"the body of a {status} is longer than {MAX_BODY} bytes")
                if time.monotonic() > deadline:
                    raise Unanswered(too_slow(self._timeout_s, status, len(read)))
        except FAILURES as error:
            raise Unanswered(incomplete(error, self._timeout_s, status, len(read))) from error
        finally:
            incoming.close()
        return bytes(read)

    def _try_keep_alive(self, incoming: httpcore.Response) -> None:
        """After the first answer of a run, sees whether the connection stays open, as far as it was not announced."""
        if self._keep_alive.tried:
            return
        connected = incoming.extensions["network_stream"].get_extra_info("socket")
        if connected is None or connected.fileno() == -1:
            return
        with selectors.DefaultSelector() as selector:
            selector.register(connected, selectors.EVENT_READ)
            if selector.select(TRIAL_S):  # there is nothing more to be read but the end
                self._keep_alive.trusted = False
        self._keep_alive.tried = True


def _before_sending(ready: Callable[[], object]) -> Callable[[str, Any], None]:
    """A trace for httpcore that calls `ready` when the request is about to be written."""

    def trace(event: str, _: Any) -> None:
        if event.endswith("send_request_headers.started"):
            ready()

    return trace


def _outgoing(request: Request, address: _Address, extensions: Mapping[str, Any]) -> httpcore.Request:
    """The request as httpcore has it."""
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in request.headers]
    if header(request.headers, "Host") is None:
        headers.insert(0, (b"Host", address.host))
    framed = header(request.headers, "Content-Length") or header(request.headers, "Transfer-Encoding")
    if framed is None and (request.body or request.method in BODY_METHODS):
        headers.append((b"Content-Length", b"%d" % len(request.body)))
    method = request.method.encode("ascii")
    return httpcore.Request(method, address.url, headers=headers, content=request.body, extensions=dict(extensions))


def _response(incoming: httpcore.Response, raw: bytes) -> Response:
    headers = tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in incoming.headers)
    version = incoming.extensions["http_version"].decode("latin-1")
    codings = ", ".join(value for name, value in headers if name.lower() == "content-encoding")
    body, remark = raw, None
    if codings and raw:
        try:
            body = decoded(raw, codings)
        except Undecodable as error:
            if isinstance(error, CutShort) and not _tells_its_length(headers):
                raise Unanswered(f"connection closed in the middle of the answer, a {incoming.status}") from error
            remark = f"it cannot be decoded as {codings!r}: {error}"
    return Response(incoming.status, headers, body, version, remark)


def _tells_its_length(headers: Headers) -> bool:
    """Whether the end of the body is told otherwise than by the end of its connection."""
    return header(headers, "Content-Length") is not None or header(headers, "Transfer-Encoding") is not None


def _certificate(stream: httpcore.NetworkStream) -> Certificate | None:
    tls = stream.get_extra_info("ssl_object")
    content = None if tls is None else tls.getpeercert()
    return Certificate(tls.version() or "TLS", content) if content else None


def _target(url: str) -> bytes | None:
    """The path and query just as they stand in `url`, not normalised; None if they cannot stand on a request line."""
    _, _, behind_scheme = url.partition("://")
    without_fragment, _, _ = behind_scheme.partition("#")
    starts = [at for at in (without_fragment.find("/"), without_fragment.find("?")) if at >= 0]
    target = without_fragment[min(starts) :] if starts else ""
    if not target.startswith("/"):
        target = "/" + target
    return target.encode() if target.isascii() and target.isprintable() and " " not in target else None


def proxy_for(url: httpx.URL) -> str | None:
    """The proxy that the environment names for `url`; never one for this very machine."""
    if url.host == "localhost" or _is_loopback(url.host) or proxy_bypass(url.host):
        return None
    named = getproxies()
    proxy = named.get(url.scheme) or named.get("all")
    return proxy if proxy is None or "://" in proxy else f"http://{proxy}"


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
