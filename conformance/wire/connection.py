"""One connection to a gateway: exactly the given bytes out, exactly what came back in.

`Connection` uses h11 and sockets. httpx's `Client` would keep cookies, parse the Location of redirects, begin its
timeout anew with each read, and take bytes behind an answer for the next one. It adds nothing to a request but Host and
Content-Length.

Two bounds end an exchange: `connect_timeout_s` for the connection, and `timeout_s` from the first byte of the request
to the last one of the answer.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Self

import h11
import httpx

from conformance.model.errors import SuiteError
from conformance.model.interruption import wished
from conformance.model.traffic import CLOSED_ON_REUSE, Headers, Request, Response, header
from conformance.wire.answers import (
    CONNECT_TIMEOUT_S,
    MAX_DECODED,
    CutShort,
    Undecodable,
    cannot_connect,
    decoded,
    incomplete,
    no_answer,
    no_http,
)
from conformance.wire.streams import Deadline, Route, Stream

# A connection that was idle for longer is not used again. Servers close idle ones after 2 s (gunicorn), 5 s (uvicorn,
# Apache, Node) or more; a request that crosses such a close is lost, and must not be sent again: it may be a payment.
IDLE_S = 1.0

# How long the first connection is watched after its first answer. A server that closes unannounced after each answer
# (it may) does it at once; the next request would cross the close.
TRIAL_S = 0.05

# Bytes of an answer that are read; the contract's answers have some hundred. A run has hundreds of answers, and keeps
# them all.
MAX_BODY = MAX_DECODED

# Bytes of an answer's head, interim answers included; servers send some hundred, and most clients take 8 to 64 kB.
MAX_HEAD = 100 << 10
# Methods that have Content-Length even without a body (RFC 9110, 8.6).
BODY_METHODS = frozenset({"POST", "PUT", "PATCH"})

# From this status on a connection is not used again. Servers close it after an error of the application, some of them
# unannounced: uvicorn sends the 500 of a FastAPI handler and then closes. The next request would cross the close.
FIRST_SERVER_ERROR = 500

SWITCHING = 101

# Characters of a Content-Encoding that are shown.
SHOWN_CODINGS = 80
# Heads of requests that are cached: a run has few different ones, and checking one takes a third of sending it.
REMEMBERED_HEADS = 1024

_SCHEMES = ("http", "https")

# A server may say so at any time before it closes an idle connection (RFC 9110, 15.5.9).
_TIMED_OUT = (b"HTTP/1.1 408", b"HTTP/1.0 408")


class Unanswered(Exception):
    """A request without an answer, for the reason in its text. `never_left`: surely nobody received it."""

    def __init__(self, message: str, *, never_left: bool = False) -> None:
        super().__init__(message)
        self.never_left = never_left


@dataclass(frozen=True, slots=True)
class Certificate:
    """The version of a TLS connection, and the server's certificate as `ssl` parses it."""

    tls_version: str
    content: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """A response, with the first one of a TLS connection also the server's `certificate`."""

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

    route: Route
    host: bytes
    target: bytes

    @classmethod
    def of(cls, text: str) -> Self:
        url = httpx.URL(text)
        if url.scheme not in _SCHEMES or not url.host:
            raise httpx.UnsupportedProtocol(f"expected a URL with {' or '.join(_SCHEMES)}")
        route = Route.to(url)
        target = _target(text) or url.raw_path
        if route.relayed:
            target = b"%b://%b%b" % (url.raw_scheme, url.netloc, target)
        return cls(route, url.netloc, target)


@dataclass(slots=True)
class _Open:
    """An open connection. `tag` is that of the last request whose answer was read to its end, None before."""

    stream: Stream
    route: Route
    tag: int | None = None
    idle_since: float = field(default_factory=time.monotonic)


class Connection:
    """A connection to the host of its requests; opened when it is needed, and again when it was closed."""

    def __init__(  # noqa: PLR0913 - each is a setting of its own
        self,
        timeout_s: float,
        keep_alive: KeepAlive,
        tls: ssl.SSLContext,
        connect_timeout_s: float = CONNECT_TIMEOUT_S,
        *,
        on_beyond: Callable[[int, bytes], object] = lambda *_: None,
        idle_s: float | None = None,
    ) -> None:
        """Each answer may take `timeout_s`, from the first byte sent to the last one read.

        `on_beyond` is called with the tag of a request and the bytes that the server sent behind its answer, as far as
        they were read. Then the connection is closed, for they would be taken for the next answer. It is not used again
        either once it was idle for `idle_s`.
        """
        self._timeout_s = timeout_s
        self._connect_timeout_s = connect_timeout_s
        self._keep_alive = keep_alive
        self._tls = tls
        self._on_beyond = on_beyond
        self._idle_s = IDLE_S if idle_s is None else idle_s
        self._standing: _Open | None = None
        self._address = lru_cache(maxsize=256)(_Address.of)

    def ask(self, request: Request, ready: Callable[[], object] | None = None, tag: int = 0) -> HttpAnswer:
        """Sends `request` and reads its answer; Unanswered if there is none, SuiteError if HTTP cannot express it.

        `ready` is called once there is a connection, right before the first byte of the request goes out.
        EnvironmentFailure where this machine cannot open another connection.
        """
        try:
            address = self._address(request.url)
            parser, written = _written(request, address)
        except (h11.LocalProtocolError, httpx.UnsupportedProtocol, httpx.InvalidURL, ValueError) as error:
            raise SuiteError(f"{request.method} {request.url} cannot be sent: {error}") from error
        standing = self._to(address.route)
        if ready is not None:
            ready()
        if wished():
            self.close()
            raise Unanswered("interrupted before it was sent", never_left=True)
        deadline = Deadline(self._timeout_s)
        taken = standing.stream.send(written, deadline)
        if not taken and standing.tag is not None:
            # It was closed in this moment, and not a byte went out.
            self.close()
            standing = self._to(address.route)
            deadline = Deadline(self._timeout_s)
            taken = standing.stream.send(written, deadline)
        try:
            answer = self._answer(parser, standing, deadline, _unsent(taken, len(written)))
        except Unanswered as unanswered:
            self._close()
            unanswered.never_left = not taken
            raise
        self._after(parser, standing, answer.response.status, tag)
        return answer

    def close(self) -> None:
        """Closes it; the next request opens it again."""
        standing = self._standing
        if standing is not None and standing.tag is not None and (beyond := standing.stream.at_hand()):
            self._tell(standing.tag, beyond)
        self._close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _close(self) -> None:
        if self._standing is not None:
            self._standing.stream.close()
        self._standing = None

    def _to(self, route: Route) -> _Open:
        """The open connection, if it has this route and may be used again; else a new one."""
        standing = self._standing
        if standing is not None and standing.route == route and self._may_be_used(standing):
            return standing
        self.close()
        try:
            stream = route.opened(self._tls, Deadline(self._connect_timeout_s))
        except (OSError, UnicodeError) as error:
            raise Unanswered(cannot_connect(error, self._connect_timeout_s), never_left=True) from error
        self._standing = _Open(stream, route)
        return self._standing

    def _may_be_used(self, standing: _Open) -> bool:
        if standing.tag is None:
            return True
        if not self._keep_alive.trusted or time.monotonic() - standing.idle_since > self._idle_s:
            return False
        # Bytes that came in by now belong to the request before, whatever they look like.
        beyond = standing.stream.at_hand()
        if beyond:
            self._tell(standing.tag, beyond)
        return beyond is None

    def _tell(self, tag: int, beyond: bytes) -> None:
        """Report the bytes behind an answer, unless servers lawfully send them there."""
        stray = not beyond.strip(b"\r\n")  # RFC 9112, 2.2, has clients send and servers take it
        if not stray and not any(beyond.startswith(each) or each.startswith(beyond) for each in _TIMED_OUT):
            self._on_beyond(tag, beyond)

    def _answer(self, parser: h11.Connection, standing: _Open, deadline: Deadline, unsent: str) -> HttpAnswer:
        reused = standing.tag is not None
        head = _read_head(parser, standing.stream, deadline)
        if not isinstance(head, h11.Response | h11.InformationalResponse):
            if isinstance(head, h11.RemoteProtocolError):
                raise Unanswered(no_http(head)) from head
            if reused and not isinstance(head.error, TimeoutError) and not head.begun:
                # The request may have crossed the close of a connection that was used before.
                self._keep_alive.trusted = False
                raise Unanswered(CLOSED_ON_REUSE)
            raise Unanswered(no_answer(head.error, self._timeout_s, unsent))
        shown = None if reused else standing.stream.certificate()
        raw = self._body(parser, standing.stream, deadline, head.status_code)
        return HttpAnswer(_response(head, raw), Certificate(*shown) if shown else None)

    def _body(self, parser: h11.Connection, stream: Stream, deadline: Deadline, status: int) -> bytes:
        read = bytearray()
        try:
            while True:
                event = parser.next_event()
                if isinstance(event, h11.Data):
                    read += event.data
                    if len(read) > MAX_BODY:
                        raise Unanswered(f"the body of a {status} is longer than {MAX_BODY} bytes")
                    deadline.left()
                elif event is h11.NEED_DATA:
                    parser.receive_data(stream.receive(deadline))
                else:
                    return bytes(read)
        except (OSError, h11.RemoteProtocolError) as error:
            raise Unanswered(incomplete(error, self._timeout_s, status, len(read))) from error

    def _after(self, parser: h11.Connection, standing: _Open, status: int, tag: int) -> None:
        """Keep the connection for the next request, where that may be."""
        if parser.our_state is not h11.DONE or parser.their_state is not h11.DONE:
            self._close()
            return
        beyond: bytes | None = parser.trailing_data[0]
        if not beyond and not self._keep_alive.tried:
            # After the first answer of a run: does the server keep it open, unless it announced the contrary?
            self._keep_alive.tried = True
            beyond = standing.stream.at_hand(TRIAL_S)
            if beyond == b"":
                self._keep_alive.trusted = False
        if beyond:
            self._tell(tag, beyond)
        elif self._keep_alive.trusted and status < FIRST_SERVER_ERROR:
            standing.tag, standing.idle_since = tag, time.monotonic()
            return
        self._close()


@dataclass(frozen=True, slots=True)
class _NoHead:
    """No answer, because of an `error` or an end. `begun`: a byte of it came."""

    error: OSError | None
    begun: bool


def _read_head(
    parser: h11.Connection, stream: Stream, deadline: Deadline
) -> h11.Response | h11.InformationalResponse | h11.RemoteProtocolError | _NoHead:
    """The head of the final answer; interim ones are passed over, unless another protocol follows."""
    received = 0
    while True:
        try:
            event = parser.next_event()
        except h11.RemoteProtocolError as error:
            return error
        if isinstance(event, h11.Response):
            return event
        if isinstance(event, h11.InformationalResponse):
            if event.status_code == SWITCHING:
                return event
            continue
        if received > MAX_HEAD:
            raise Unanswered(f"the head of the answer is longer than {MAX_HEAD} bytes, interim answers included")
        try:
            data = stream.receive(deadline)
        except OSError as error:
            return _NoHead(error, received > 0)
        if not data:
            return _NoHead(None, received > 0)
        received += len(data)
        parser.receive_data(data)


def _written(request: Request, address: _Address) -> tuple[h11.Connection, bytes]:
    """The bytes of a request, and a parser for its answer. h11.LocalProtocolError where HTTP cannot express it."""
    via = tuple(address.route.proxy_headers) if address.route.relayed else ()
    head = _head(request.method, request.headers, len(request.body), address.host, address.target, via)
    # A limit beyond ours, so that ours is met first and named in the error.
    parser = h11.Connection(h11.CLIENT, max_incomplete_event_size=2 * MAX_HEAD)
    events = (head, h11.Data(data=request.body), h11.EndOfMessage()) if request.body else (head, h11.EndOfMessage())
    return parser, b"".join(parser.send(event) or b"" for event in events)


@lru_cache(REMEMBERED_HEADS)
def _head(  # noqa: PLR0913, PLR0917 - its parts
    method: str, headers: Headers, length: int, host: bytes, target: bytes, via: tuple[tuple[bytes, bytes], ...]
) -> h11.Request:
    """The head of a request with a body of that `length`, checked by h11; `via`: the headers for a proxy."""
    named = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]
    if header(headers, "Host") is None:
        named.insert(0, (b"Host", host))
    framed = header(headers, "Content-Length") or header(headers, "Transfer-Encoding")
    if framed is None and (length or method in BODY_METHODS):
        named.append((b"Content-Length", b"%d" % length))
    return h11.Request(method=method.encode("ascii"), target=target, headers=[*via, *named])


def _unsent(taken: int, length: int) -> str:
    if taken == length:
        return ""
    return f"; {f'only {taken}' if taken else 'none'} of the {length} bytes of the request could be sent"


def _response(incoming: h11.Response | h11.InformationalResponse, raw: bytes) -> Response:
    headers = tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in incoming.headers.raw_items())
    version = f"HTTP/{incoming.http_version.decode('ascii')}"
    codings = ", ".join(value for name, value in headers if name.lower() == "content-encoding")
    body, remark = raw, None
    if codings and raw:
        try:
            body = decoded(raw, codings)
        except Undecodable as error:
            framed = header(headers, "Content-Length") or header(headers, "Transfer-Encoding")
            if isinstance(error, CutShort) and framed is None:
                raise Unanswered(f"connection closed in the middle of the answer, a {incoming.status_code}") from error
            remark = f"it cannot be decoded as {codings[:SHOWN_CODINGS]!r}: {error}"
    return Response(incoming.status_code, headers, body, version, remark)


def _target(url: str) -> bytes | None:
    """The path and query of `url`, not normalised; None if they are not allowed on a request line."""
    _, _, behind_scheme = url.partition("://")
    without_fragment, _, _ = behind_scheme.partition("#")
    starts = [at for at in (without_fragment.find("/"), without_fragment.find("?")) if at >= 0]
    target = without_fragment[min(starts) :] if starts else ""
    if not target.startswith("/"):
        target = "/" + target
    return target.encode() if target.isascii() and target.isprintable() and " " not in target else None
