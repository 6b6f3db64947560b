"""Posting to a receiver, in two steps, so that several requests can be released together.

`conformance.wire.connection` sends a request in one piece. Here the last byte is held back: releasing the last bytes of
eight requests in one sweep finds races that threads miss. A request may also be chunked, expect a 100, come in two
pieces or in HTTP/1.0. A receiver behind a proxy is reached through that module all the same.
"""

from __future__ import annotations

import ssl
import time
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import h11
import httpx

from conformance.model.errors import EnvironmentFailure
from conformance.model.process import is_interrupted
from conformance.model.traffic import Request, Response, header, shown_url
from conformance.wire.connection import CONNECT_TIMEOUT_S, Unanswered, cannot_connect
from conformance.wire.streams import Deadline, Route, Stream, connected, proxy_for

CONTINUE_WITHIN_S = 1.0
"""The wait for a 100 before the body goes out without it, as RFC 9110 (10.1.1) demands."""

BETWEEN_PIECES_S = 0.02
"""Between the head of a request and its body in two pieces: enough for a server to read the head alone."""

MOST_ANSWER = 256 << 10
"""Bytes of an answer's body that are read; the rest is irrelevant."""

SWITCHING = 101

CHUNK = 64


@dataclass(frozen=True, slots=True)
class Framing:
    """How a request is written on the wire. `lower_case`: the names of its headers."""

    http_1_0: bool = False
    in_pieces: bool = False
    lower_case: bool = False


PLAIN = Framing()


class Posting:
    """One connection at a time; a context manager. Raises Unanswered, with the reason, where there is no answer."""

    def __init__(self, tls: ssl.SSLContext, connect_within_s: float = CONNECT_TIMEOUT_S) -> None:
        """Make no connection before `connect`."""
        self._tls = tls
        self._connect_within_s = connect_within_s
        self._stream: Stream | None = None
        self._held_back = b""
        self._parser = h11.Connection(h11.CLIENT)
        self._early: Response | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    @property
    def reusable(self) -> bool:
        """Whether the last answer was read to its end and left the connection open, and nothing came after it."""
        if self._parser.their_state is not h11.DONE or self._parser.trailing_data[0]:
            return False
        if self._stream is not None and self._stream.at_hand() is not None:
            self.close()
        return self._stream is not None

    def connect(self, url: str) -> None:
        """Make a connection to a URL, and close the one before."""
        self.close()
        if is_interrupted():
            raise Unanswered("interrupted before it was sent", never_left=True)
        try:
            self._stream = Route.straight(httpx.URL(url)).opened(self._tls, Deadline(self._connect_within_s))
        except (OSError, UnicodeError) as error:
            raise Unanswered(cannot_connect(error, self._connect_within_s), never_left=True) from error

    def begin(self, request: Request, framing: Framing = PLAIN) -> None:
        """Send all of a request but its last byte."""
        self._early = None
        self._parser = _parser_of(request)
        head, body = _head(request, framing), _framed(request)
        expects = header(request.headers, "Expect") is not None
        if body and (expects or framing.in_pieces):
            self._send(head)
            if expects and not self._continued():
                self._held_back = b""
                return
            if framing.in_pieces:
                time.sleep(BETWEEN_PIECES_S)  # the pieces have to come apart
            head = b""
        self._send((head + body)[:-1])
        self._held_back = (head + body)[-1:]

    def release(self) -> None:
        """Send the last byte."""
        held_back, self._held_back = self._held_back, b""
        self._send(held_back)

    def answer(self, within_s: float) -> Response:
        """Read the answer to the request that was released."""
        if self._early is not None:
            return self._early
        deadline = Deadline(within_s)
        head: h11.Response | None = None
        body = bytearray()
        while True:
            event = self._next_event(deadline, within_s, head, len(body))
            if isinstance(event, h11.InformationalResponse):
                if event.status_code == SWITCHING:  # another protocol follows
                    return Response(SWITCHING, _headers(event), b"", _version(event))
            elif isinstance(event, h11.Response):
                head = event
            elif isinstance(event, h11.Data):
                body += event.data[: MOST_ANSWER - len(body)]
            elif head is not None:
                return Response(head.status_code, _headers(head), bytes(body), _version(head))
            else:
                raise Unanswered("connection closed without an answer")

    def close(self) -> None:
        """Close the connection."""
        if self._stream is not None:
            self._stream.close()
        self._stream = None

    def _continued(self) -> bool:
        """Whether the body may be sent: a 100 came, or nothing within a second. Any other answer is the final one."""
        try:
            event = self._next_event(Deadline(CONTINUE_WITHIN_S), CONTINUE_WITHIN_S, None, 0)
        except _Late:
            return True
        if isinstance(event, h11.InformationalResponse):
            return True
        if isinstance(event, h11.Response):
            self._early = Response(event.status_code, _headers(event), b"", _version(event))
        return False

    def _send(self, data: bytes) -> None:
        # A receiver that does not read all of it may have answered all the same.
        if self._stream is not None and data:
            self._stream.send(data, Deadline(self._connect_within_s))

    def _next_event(self, deadline: Deadline, within_s: float, head: h11.Response | None, length: int) -> object:
        seen = f", after the head of a {head.status_code} and {length} bytes of its body" if head else ""
        while True:
            try:
                event = self._parser.next_event()
            except h11.RemoteProtocolError as error:
                raise Unanswered(f"not an HTTP answer{seen}: {error}") from error
            if event is not h11.NEED_DATA:
                return event
            try:
                data = b"" if self._stream is None else self._stream.receive(deadline)
            except TimeoutError as error:
                words = f"no complete answer within {within_s:g} s, only{seen[7:]}" if head else None
                raise _Late(words or f"no answer within {within_s:g} s") from error
            except ConnectionResetError as error:
                raise Reset("connection closed without an answer") from error
            except OSError:
                data = b""
            if not data and (head is None or self._parser.their_state is not h11.SEND_BODY or _has_length(head)):
                where = f" in the middle of the answer{seen}" if head else " without an answer"
                raise Unanswered(f"connection closed{where}")
            self._parser.receive_data(data)


class Reset(Unanswered):
    """The connection was reset before an answer: perhaps by an operating system whose queue for it was full."""


class _Late(Unanswered):
    """The answer did not come in time."""


def listening(url: str, within_s: float = CONNECT_TIMEOUT_S) -> bool:
    """Whether something accepts connections where a URL leads."""
    route = Route.straight(httpx.URL(url))
    try:
        connected(route.host, route.port, Deadline(within_s)).close()
    except (OSError, UnicodeError):
        return False
    return True


def check_reachable(url: str, tls: ssl.SSLContext) -> None:
    """Raise EnvironmentFailure, in one line, if nothing trustworthy listens at a callback URL."""
    where, shown = httpx.URL(url), shown_url(url)
    if proxy_for(where) is not None:
        return  # the first request will show
    try:
        Route.straight(where).opened(tls, Deadline(CONNECT_TIMEOUT_S)).close()
    except TimeoutError as error:
        raise EnvironmentFailure(
            f"callback URL {shown} cannot be reached: no connection within {CONNECT_TIMEOUT_S:g} s",
            hint="is the receiver running, and may this machine connect to it?",
        ) from error
    except ssl.SSLCertVerificationError as error:
        raise EnvironmentFailure(
            f"callback URL {shown} has a certificate that is not trusted: {error.verify_message}",
            hint="give the authority that has signed it with --ca-file",
        ) from error
    except ssl.SSLError as error:
        raise EnvironmentFailure(
            f"callback URL {shown} cannot be reached: no TLS connection: {error.reason or error}",
            hint="does TLS listen at this port?",
        ) from error
    except OSError as error:
        raise EnvironmentFailure(
            f"callback URL {shown} cannot be reached: {error.strerror or error}", hint="is the receiver running?"
        ) from error


def _head(request: Request, framing: Framing) -> bytes:
    lines = [("Host", httpx.URL(request.url).netloc.decode("ascii")), *request.headers]
    framed = header(request.headers, "Content-Length") or header(request.headers, "Transfer-Encoding")
    if framed is None and (request.body or request.method in {"POST", "PUT", "PATCH"}):
        lines.append(("Content-Length", str(len(request.body))))
    version = "1.0" if framing.http_1_0 else "1.1"
    head = f"{request.method} {_target(request.url)} HTTP/{version}\r\n"
    head += "".join(f"{name.lower() if framing.lower_case else name}: {value}\r\n" for name, value in lines)
    return f"{head}\r\n".encode("latin-1")


def _target(url: str) -> str:
    """The path and query as in `url`, normalised only where a request line cannot hold them."""
    target = url.partition("#")[0].partition("://")[2]
    starts = [at for at in (target.find("/"), target.find("?")) if at >= 0]
    written = target[min(starts) :] if starts else "/"
    written = written if written.startswith("/") else f"/{written}"
    return written if written.isascii() and written.isprintable() else httpx.URL(url).raw_path.decode("ascii")


def _framed(request: Request) -> bytes:
    """The body, in chunks if a header says so, which may cut characters."""
    if (header(request.headers, "Transfer-Encoding") or "").lower() != "chunked":
        return request.body
    pieces = [request.body[at : at + CHUNK] for at in range(0, len(request.body), CHUNK)]
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


def _parser_of(request: Request) -> h11.Connection:
    """A parser that awaits the answer to this request; h11 writes nothing itself."""
    parser = h11.Connection(h11.CLIENT)
    offer = header(request.headers, "Upgrade")
    offers = [("Upgrade", offer), ("Connection", "Upgrade")] if offer else []
    parser.send(h11.Request(method=request.method, target="/", headers=[("Host", "receiver"), *offers]))
    parser.send(h11.EndOfMessage())
    return parser


def _has_length(head: h11.Response) -> bool:
    """Whether the answer ends by itself, not with the connection."""
    return not {b"content-length", b"transfer-encoding"}.isdisjoint(name for name, _ in head.headers)


def _headers(head: h11.Response | h11.InformationalResponse) -> tuple[tuple[str, str], ...]:
    return tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in head.headers.raw_items())


def _version(head: h11.Response | h11.InformationalResponse) -> str:
    return f"HTTP/{head.http_version.decode('ascii')}"
