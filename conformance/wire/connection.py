"""One connection to a gateway: exactly the given bytes out, exactly what came back in.

    Connection      sends a request and reads its answer
    Unanswered      there is no answer, for a reason in words
    decoded         a body without its content coding (RFC 9110, 8.4.1)

`Connection` uses h11 and sockets. httpx's `Client` would keep cookies, parse the Location of redirects, begin its
timeout anew with each read, and take bytes behind an answer for the next one. It adds nothing to a request but Host and
Content-Length. Two bounds end an exchange: `connect_timeout_s` for the connection, and `timeout_s` from the first byte
of the request to the last one of the answer.
"""

from __future__ import annotations

import re
import socket
import ssl
import time
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Self

import h11
import httpx

from conformance.model.errors import SuiteError
from conformance.model.process import is_interrupted
from conformance.model.traffic import CLOSED_ON_REUSE, Headers, Request, Response, header
from conformance.wire.streams import Deadline, ProxyRefused, Route, Stream

# For a connection, with all that it takes: name, TLS, the tunnel through a proxy. Long enough for one lost packet
# (sent again after 1 s, then after 3 s).
CONNECT_TIMEOUT_S = 5.0

# For a whole answer: the contract gives no limit; a gateway that relays to an operator may well take seconds.
ANSWER_TIMEOUT_S = 10.0

# A connection that was idle for longer is not used again. Servers close idle ones after 2 s (gunicorn), 5 s (uvicorn,
# Apache, Node) or more; a request that crosses such a close is lost, and must not be sent again: it may be a payment.
IDLE_S = 1.0

# How long the first connection is watched after its first answer. A server that closes unannounced after each answer
# (it may) does it at once; the next request would cross the close.
TRIAL_S = 0.05

# Bytes of an answer's body, also when decoded: a few kB may hold gigabytes. The contract's answers have some hundred,
# and a run keeps hundreds of answers.
MAX_BODY = 1 << 20
# Bytes of an answer's head, interim answers included; servers send some hundred, and most clients take 8 to 64 kB.
MAX_HEAD = 100 << 10
# Bytes that are decoded at once: zlib copies the bytes behind the end of a stream, and there may be many streams.
PIECE = 4096
# Methods that have Content-Length even without a body (RFC 9110, 8.6).
BODY_METHODS = frozenset({"POST", "PUT", "PATCH"})

# From this status on a connection is not used again. Servers close it after an error of the application, some of them
# unannounced: uvicorn sends the 500 of a FastAPI handler and then closes. The next request would cross the close.
FIRST_SERVER_ERROR = 500

SWITCHING = 101

# Characters of a Content-Encoding in a message.
SHOWN_CODINGS = 80
# Heads of requests that are cached: a run has few different ones, and checking one takes a third of sending it.
REMEMBERED_HEADS = 1024

_SCHEMES = ("http", "https")
_TARGET = re.compile(r".*?://[^/?#]*([^#]*)", re.DOTALL)

# A server may send it at any time before it closes an idle connection (RFC 9110, 15.5.9).
_TIMED_OUT = (b"HTTP/1.1 408", b"HTTP/1.0 408")

# h11's words for a body without its end.
_CUT_SHORT = "peer closed connection"
# Window bits by which zlib tells the formats apart.
_GZIP, _ZLIB, _RAW_DEFLATE = 31, 15, -15


class Unanswered(Exception):
    """A request without an answer, for the reason in its text. `never_left`: surely nobody received it."""

    def __init__(self, message: str, *, never_left: bool = False) -> None:
        super().__init__(message)
        self.never_left = never_left


def cannot_connect(error: Exception, connect_timeout_s: float = CONNECT_TIMEOUT_S) -> str:
    """Why there is no connection."""
    match error:
        case TimeoutError():
            return f"no connection within {connect_timeout_s:g} s"
        case ConnectionRefusedError():
            return "connection refused"
        case socket.gaierror():
            return f"host name not found: {error.strerror}"
        case ssl.SSLError():
            return f"no TLS connection: {error}"
        case ProxyRefused():
            return f"the proxy did not connect: {error}"
    return f"no connection: {getattr(error, 'strerror', None) or error}"


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
        self._open: _Open | None = None
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
        opened = self._to(address.route)
        if ready is not None:
            ready()
        if is_interrupted():
            self.close()
            raise Unanswered("interrupted before it was sent", never_left=True)
        deadline = Deadline(self._timeout_s)
        taken = opened.stream.send(written, deadline)
        if not taken and opened.tag is not None:
            # It was closed in this moment, and not a byte went out.
            self.close()
            opened = self._to(address.route)
            deadline = Deadline(self._timeout_s)
            taken = opened.stream.send(written, deadline)
        try:
            answer = self._answer(parser, opened, deadline, _unsent(taken, len(written)))
        except Unanswered as unanswered:
            self._close()
            unanswered.never_left = not taken
            raise
        self._after(parser, opened, answer.response.status, tag)
        return answer

    def close(self) -> None:
        """Closes it; the next request opens it again."""
        opened = self._open
        if opened is not None and opened.tag is not None and (beyond := opened.stream.at_hand()):
            self._tell(opened.tag, beyond)
        self._close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _close(self) -> None:
        if self._open is not None:
            self._open.stream.close()
        self._open = None

    def _to(self, route: Route) -> _Open:
        """The open connection, if it has this route and may be used again; else a new one."""
        opened = self._open
        if opened is not None and opened.route == route and self._may_be_used(opened):
            return opened
        self.close()
        try:
            stream = route.opened(self._tls, Deadline(self._connect_timeout_s))
        except (OSError, UnicodeError) as error:
            raise Unanswered(cannot_connect(error, self._connect_timeout_s), never_left=True) from error
        self._open = _Open(stream, route)
        return self._open

    def _may_be_used(self, opened: _Open) -> bool:
        if opened.tag is None:
            return True
        if not self._keep_alive.trusted or time.monotonic() - opened.idle_since > self._idle_s:
            return False
        # Bytes that came in by now belong to the request before, whatever they look like.
        beyond = opened.stream.at_hand()
        if beyond:
            self._tell(opened.tag, beyond)
        return beyond is None

    def _tell(self, tag: int, beyond: bytes) -> None:
        """Report the bytes behind an answer, unless servers lawfully send them there."""
        stray = not beyond.strip(b"\r\n")  # RFC 9112, 2.2, has clients send and servers take it
        if not stray and not any(beyond.startswith(each) or each.startswith(beyond) for each in _TIMED_OUT):
            self._on_beyond(tag, beyond)

    def _answer(self, parser: h11.Connection, opened: _Open, deadline: Deadline, unsent: str) -> HttpAnswer:
        """The final answer, or one that switches to another protocol; other interim answers are passed over."""
        reused, stream = opened.tag is not None, opened.stream
        head: h11.Response | h11.InformationalResponse | None = None
        body, received = bytearray(), 0
        try:
            while True:
                event = parser.next_event()
                if event is h11.NEED_DATA:
                    data = stream.receive(deadline) if head else _bytes_of_head(stream, deadline, received)
                    received += len(data)
                    parser.receive_data(data)
                elif isinstance(event, h11.Response | h11.InformationalResponse):
                    head = event if isinstance(event, h11.Response) or event.status_code == SWITCHING else None
                elif head is not None and isinstance(event, h11.Data):
                    body += event.data
                    if len(body) > MAX_BODY:
                        raise Unanswered(f"the body of a {head.status_code} is longer than {MAX_BODY} bytes")
                    deadline.left()
                elif head is not None:
                    certificate = None if reused else stream.certificate()
                    return HttpAnswer(_response(head, bytes(body)), Certificate(*certificate) if certificate else None)
        except (OSError, h11.RemoteProtocolError) as error:
            if reused and not received and not isinstance(error, TimeoutError):
                # The request may have crossed the close of a connection that was used before.
                self._keep_alive.trusted = False
                raise Unanswered(CLOSED_ON_REUSE) from error
            seen = f"the head of a {head.status_code} and {len(body)} bytes of its body" if head else ""
            raise Unanswered(_cut_short(error, self._timeout_s, seen, unsent)) from error

    def _after(self, parser: h11.Connection, opened: _Open, status: int, tag: int) -> None:
        """Keep the connection for the next request, where that may be."""
        if parser.our_state is not h11.DONE or parser.their_state is not h11.DONE:
            self._close()
            return
        beyond: bytes | None = parser.trailing_data[0]
        if not beyond and not self._keep_alive.tried:
            # After the first answer of a run: does the server keep it open, unless it announced the contrary?
            self._keep_alive.tried = True
            beyond = opened.stream.at_hand(TRIAL_S)
            if beyond == b"":
                self._keep_alive.trusted = False
        if beyond:
            self._tell(tag, beyond)
        elif self._keep_alive.trusted and status < FIRST_SERVER_ERROR:
            opened.tag, opened.idle_since = tag, time.monotonic()
            return
        self._close()


def _bytes_of_head(stream: Stream, deadline: Deadline, received: int) -> bytes:
    """More bytes after the `received` ones. Raises ConnectionError at the end, Unanswered for too many."""
    if received > MAX_HEAD:
        raise Unanswered(f"the head of the answer is longer than {MAX_HEAD} bytes, interim answers included")
    if data := stream.receive(deadline):
        return data
    raise ConnectionError


def _cut_short(error: Exception, timeout_s: float, seen: str, unsent: str) -> str:
    """Why there is no complete answer. `seen`: its part that came; `unsent`: says if the request went out in part."""
    after = f", after {seen}" if seen else ""
    if isinstance(error, TimeoutError) and seen:
        return f"no complete answer within {timeout_s:g} s, only {seen}"
    if isinstance(error, TimeoutError):
        return f"no answer within {timeout_s:g} s{unsent}"
    if isinstance(error, h11.RemoteProtocolError) and not (seen and str(error).startswith(_CUT_SHORT)):
        return f"not an HTTP answer{after}: {error}"
    return f"connection closed {f'in the middle of the answer{after}' if seen else f'without an answer{unsent}'}"


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
    found = _TARGET.match(url)
    target = found[1] if found else ""
    if not target.startswith("/"):
        target = "/" + target
    return target.encode() if target.isascii() and target.isprintable() and " " not in target else None


class Undecodable(Exception):
    """A body that its Content-Encoding does not describe."""


class CutShort(Undecodable):
    """A body whose encoding lacks the end."""


def decoded(body: bytes, codings: str) -> bytes:
    """`body` without the coding that a Content-Encoding names.

    Raises Undecodable, also for a coding that nobody asked for and we do not know, for several of them (each could hold
    as much again; nobody encodes twice), and for more than MAX_BODY bytes.
    """
    names = [name for each in codings.split(",") if (name := each.strip().lower()) and name != "identity"]
    if len(names) > 1:
        raise Undecodable(f"it was encoded {len(names)} times, and is not read")
    if not names:
        return body
    whole = bytearray()
    try:
        if names[0] in {"gzip", "x-gzip"}:
            # One member after the other (RFC 1952, 2.2); zeros behind them are padding.
            at, end = 0, len(body.rstrip(b"\0"))
            while at < end:
                at = _inflated(body, at, _GZIP, whole)
        elif names[0] == "deflate":
            try:
                _inflated(body, 0, _ZLIB, whole)
            except zlib.error:  # some servers send the bare format by the same name
                whole.clear()
                _inflated(body, 0, _RAW_DEFLATE, whole)
        else:
            raise Undecodable("the coding is unknown")
    except zlib.error as error:
        raise Undecodable(str(error)) from error
    return bytes(whole)


def _inflated(body: bytes, at: int, window_bits: int, whole: bytearray) -> int:
    """Add the content of the compressed stream that begins `at` to `whole`, piece by piece; where the stream ends."""
    stream = zlib.decompressobj(window_bits)
    while not stream.eof:
        if not (piece := stream.unconsumed_tail):
            piece = body[at : at + PIECE]
            at += len(piece)
        if not piece:
            raise CutShort("its end is missing")
        whole += stream.decompress(piece, MAX_BODY + 1 - len(whole))
        if len(whole) > MAX_BODY:
            raise Undecodable(f"it holds more than {MAX_BODY} bytes")
    return at - len(stream.unused_data)
