"""The callback receiver on pytest-httpserver for users' own tests, behind the `callback_server` fixture.

By default, pytest-httpserver serves one connection at a time, queues 128, closes each and logs every request. Here each
connection has a thread of its own, is kept alive, and its requests are handed over instead of logged.
"""

from __future__ import annotations

import socket
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, suppress
from functools import partial
from http.client import HTTPMessage
from io import BytesIO
from typing import Any
from urllib.parse import urlsplit

from pytest_httpserver import HTTPServer
from werkzeug import Request as WerkzeugRequest
from werkzeug import Response as WerkzeugResponse
from werkzeug.datastructures import Headers
from werkzeug.serving import ThreadedWSGIServer, WSGIRequestHandler
from werkzeug.test import run_wsgi_app

from conformance.contract.contract import Contract, statum
from conformance.model.traffic import Request
from conformance.wire.ledger import Arrival, request_id_of
from conformance.wire.listening import (
    BACKLOG,
    KEEP_ALIVE_S,
    Address,
    Event,
    Head,
    RequestReader,
    Unreadable,
    listening_socket,
)
from conformance.wire.receiver import MAX_BODY, Intake, OnArrival, OnUnread, Receiver, request_of

# The interval at which the accepting thread checks whether to stop: closing takes as long; a shorter one wastes time.
_ACCEPT_POLL_S = 0.02

# The time that requests in progress have to finish when the receiver stops; then their connections are closed.
GRACE_S = 0.5

# The time limit for a request, from its first byte, or from the opening of the connection, to its last byte.
REQUEST_WITHIN_S = 30.0

# The time that a thread has to end after its connection was closed; one that hangs in a user's handler is abandoned.
_CUT_OFF_S = 0.1

# A notification arrives in one piece, a larger body in several.
_RECEIVED_AT_ONCE = 64 * 1024

# The key of the WSGI environment that hands the status of the intake to `_Recorder.dispatch`.
_STATUS = "conformance.status"


class _Handler(WSGIRequestHandler):
    """One connection. It reads each request completely before the answer, so that the connection can be reused."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # head and body of an answer are one write
    server: _ConnectionServer
    _at: float
    _wall: float
    _head: Head

    def setup(self) -> None:
        super().setup()
        self._reader = RequestReader()
        self._until = time.monotonic() + REQUEST_WITHIN_S

    def finish(self) -> None:
        # Closing flushes, which fails if the client has disconnected; the rest has to be closed all the same.
        with closing(self.rfile), suppress(OSError):
            super().finish()

    def handle_one_request(self) -> None:
        """Read one request of any method, and answer it."""
        try:
            event = self._next_event()
            if not isinstance(event, Head):
                self.close_connection = True
                return
            self._begin(event)
            pieces = self._body()
            body = bytearray()
            for piece in pieces:
                body += piece
                if len(body) > MAX_BODY:
                    break
        except Unreadable as unreadable:
            self._refuse(unreadable)
            return
        kept = bytes(body[:MAX_BODY])
        request = request_of(self._head, kept)
        status = self.server.intake.take(request, self._at, self._wall, whole=len(body) <= MAX_BODY)
        self._respond(status, kept)
        try:
            for _ in pieces:
                """Skip the rest of a body that is too long, to get to the next request."""
        except Unreadable:
            self.close_connection = True
        self._until = time.monotonic() + KEEP_ALIVE_S

    def _next_event(self) -> Event | None:
        """The next event; None at the end of the connection. Raises Unreadable, also for an incomplete request."""
        while (event := self._reader.next_event()) is None:
            waited_for = self._reader.in_request
            try:
                data = self._received()
            except OSError:
                data = b""
            if data:
                self._until = self._until if waited_for else time.monotonic() + REQUEST_WITHIN_S
                self._reader.receive(data)
            elif (broken_off := self._reader.broken_off()) is not None:
                raise broken_off
            else:
                return None
        return event

    def _received(self) -> bytes:
        """The next bytes. Raises OSError, also if a request is not complete in time, or no request comes in time."""
        left = self._until - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self.connection.settimeout(left)
        try:
            data: bytes = self.connection.recv(_RECEIVED_AT_ONCE)
            return data
        finally:
            self.connection.settimeout(REQUEST_WITHIN_S)  # for a client that does not read the answer

    def _begin(self, head: Head) -> None:
        """Set the attributes in which the base classes expect the head."""
        self._at, self._wall, self._head = time.monotonic(), time.time(), head
        self.command, self.path = head.method.decode(), head.target.decode()
        self.request_version = f"HTTP/{head.version.decode()}"
        self.requestline = f"{self.command} {self.path} {self.request_version}"
        self.headers = HTTPMessage()
        for name, value in head.headers:
            self.headers[name.decode()] = value.decode("latin-1")
        self.close_connection = not head.keeps_alive
        if head.awaits_100:
            self.handle_expect_100()
            self.wfile.flush()  # the client waits for it

    def _body(self) -> Iterator[bytes]:
        while isinstance(event := self._next_event(), bytes):
            yield event

    def _refuse(self, unreadable: Unreadable) -> None:
        self.server.intake.refused(unreadable)
        self.close_connection = True
        with suppress(OSError):
            self.request_version = self.protocol_version
            self.send_response_only(unreadable.status)
            self.send_header("Content-Length", "0")
            self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.flush()

    def _respond(self, status: int, body: bytes) -> None:
        """Answer with the response of the application."""
        try:
            content, line, headers = run_wsgi_app(self.server.app, self._environ(status, body), buffered=True)
        except Exception as error:  # noqa: BLE001 - of a user's handler; the connection stays open
            self.server.intake.failed(error)
            content, line, headers = [], "500 Internal Server Error", Headers()
        code, _, reason = line.partition(" ")
        answer = b"".join(content)
        self.send_response_only(int(code), reason)
        for name, value in headers:
            if name.lower() != "content-length":
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer)))
        if self.close_connection:
            self.send_header("Connection", "close")
        elif self.request_version == "HTTP/1.0":
            self.send_header("Connection", "keep-alive")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer)
        self.wfile.flush()

    def _environ(self, status: int, body: bytes) -> dict[str, Any]:
        try:
            urlsplit(self.path)
        except ValueError:  # `make_environ` would fail; the target has been recorded as it is
            self.path = "/"
        environ = self.make_environ()
        environ.pop("HTTP_TRANSFER_ENCODING", None)
        return {**environ, "wsgi.input": BytesIO(body), "CONTENT_LENGTH": str(len(body)), _STATUS: status}

    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Log nothing: werkzeug would write a line for each request."""


class _ConnectionServer(ThreadedWSGIServer):
    """A server with a thread for each connection, which closes idle connections when it stops."""

    request_queue_size = BACKLOG

    def __init__(self, listener: socket.socket, app: Any, intake: Intake) -> None:
        host, port = listener.getsockname()[:2]
        super().__init__(host, port, app, _Handler, fd=listener.fileno())
        self.intake = intake
        self._lock = threading.Lock()
        self._connections: dict[threading.Thread, socket.socket] = {}

    def process_request(self, request: Any, client_address: Any) -> None:
        thread = threading.Thread(target=self.process_request_thread, args=(request, client_address), daemon=True)
        with self._lock:
            self._connections[thread] = request
        try:
            thread.start()
        except RuntimeError:  # no thread is available; the base class reports it and closes the connection
            self._forget(thread)
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._forget(threading.current_thread())

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002
        """Report the error of a connection to the intake, instead of printing it."""
        error = sys.exc_info()[1]
        if isinstance(error, Exception):
            self.intake.failed(error)

    def cut_off(self) -> None:
        """Close every connection: idle ones at once, those with a request in progress after at most `GRACE_S`."""
        with self._lock:
            connections = dict(self._connections)
        for connection in connections.values():
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RD)
        deadline = time.monotonic() + GRACE_S
        for thread, connection in connections.items():
            thread.join(max(0.0, deadline - time.monotonic()))
            if thread.is_alive():
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
                thread.join(_CUT_OFF_S)

    def _forget(self, thread: threading.Thread) -> None:
        with self._lock:
            self._connections.pop(thread, None)


class _Recorder(HTTPServer):
    """pytest-httpserver, which answers with the status of the intake unless a user has set expectations."""

    def __init__(self, listener: socket.socket, address: Address, intake: Intake) -> None:
        super().__init__(address.host, address.port, threaded=True)
        self._listener = listener
        self._intake = intake

    def start(self) -> None:
        application = WerkzeugRequest.application(self.application)
        self.server = self._connection_server = _ConnectionServer(self._listener, application, self._intake)
        serve = partial(self._connection_server.serve_forever, poll_interval=_ACCEPT_POLL_S)
        self.server_thread = threading.Thread(target=serve, name="callback-receiver", daemon=True)
        self.server_thread.start()

    def stop(self) -> None:
        super().stop()
        self._connection_server.cut_off()

    def application(self, request: WerkzeugRequest) -> WerkzeugResponse:
        # The base class would store every request and response.
        return self.dispatch(request)

    def dispatch(self, request: WerkzeugRequest) -> WerkzeugResponse:
        if self.ordered_handlers or self.oneshot_handlers or self.handlers:
            return super().dispatch(request)
        return WerkzeugResponse(status=request.environ[_STATUS])


class HttpServerReceiver(Receiver):
    """The callback receiver on pytest-httpserver; see `Receiver`.

    `on_arrival` is called before the answer, in one thread per connection, so for several requests at once. If a user
    sets expectations on `server`, they decide all answers; a request that matches none is answered with 500.
    """

    def __init__(  # noqa: PLR0913 - each is a setting of its own
        self,
        listen: Address,
        products: Iterable[str],
        on_arrival: OnArrival,
        prefix: str = "",
        query: str = "",
        *,
        on_unread: OnUnread = lambda _: None,
    ) -> None:
        super().__init__(products, on_arrival, prefix, query, on_unread=on_unread)
        self._socket, self.address = listening_socket(listen, "callback")
        self.url = self.address.url
        self.server: HTTPServer = _Recorder(self._socket, self.address, self.intake)

    def start(self) -> None:
        """See `Receiver`."""
        self.server.start()

    def stop(self) -> None:
        """See `Receiver`. It takes at most `GRACE_S`."""
        if self.server.is_running():
            self.server.stop()
        self._socket.close()


# A notification of a gateway on the same machine takes milliseconds; this allows for a busy machine.
PATIENCE_S = 5.0

ANY_FREE_PORT = Address("127.0.0.1", 0)


class CallbackServer(HttpServerReceiver):
    """A callback receiver that collects all arrivals.

        callback_server.urls["sms"]                 the address to register for a product
        callback_server.wait_for(request_id)        the notification with that id, as an `Arrival`
        callback_server.arrivals                    all arrivals with strays, oldest first
        callback_server.server                      the pytest-httpserver, to set other answers

    Each product has its own path, `/callbacks/PRODUCT` behind `prefix`, with `?query` kept.
    """

    def __init__(
        self,
        listen: Address = ANY_FREE_PORT,
        products: Iterable[str] | None = None,
        prefix: str = "",
        query: str = "",
        contract: Contract | None = None,
    ) -> None:
        """Without `products`, those of the `contract`; without a `contract`, that of Statum."""
        self.contract = contract or statum()
        super().__init__(listen, self.contract.products if products is None else products, self._keep, prefix, query)
        self._arrivals: list[Arrival] = []
        self._kept = threading.Condition()

    @property
    def arrivals(self) -> tuple[Arrival, ...]:
        """The requests that arrived since the start or the last `clear`, oldest first."""
        with self._kept:
            return tuple(self._arrivals)

    def clear(self) -> None:
        """Remove all arrivals, and the expectations of `server`."""
        with self._kept:
            self._arrivals.clear()
        self.server.clear()

    def wait_for(self, request_id: str, *, product: str | None = None, timeout_s: float = PATIENCE_S) -> Arrival:
        """Wait for the first arrival with that request_id (and on the path of `product`, if given).

        Raises TimeoutError, which lists the arrivals.
        """

        def wanted(arrival: Arrival) -> bool:
            of_product = product is None or arrival.product == product
            return of_product and request_id_of(arrival.request.body, self.contract.notification.id) == request_id

        where = "" if product is None else f" for {product}"
        return self._wait(lambda kept: [a for a in kept if wanted(a)][:1], f"{request_id!r}{where}", timeout_s)[0]

    def wait_for_count(self, count: int, *, timeout_s: float = PATIENCE_S) -> tuple[Arrival, ...]:
        """Wait for the first `count` arrivals. Raises TimeoutError, which lists the arrivals."""

        def enough(kept: list[Arrival]) -> list[Arrival]:
            return kept[:count] if len(kept) >= count else []

        return tuple(self._wait(enough, f"{count} of them", timeout_s)) if count else ()

    def _wait(self, wanted: Callable[[list[Arrival]], list[Arrival]], words: str, timeout_s: float) -> list[Arrival]:
        with self._kept:
            found = self._kept.wait_for(lambda: wanted(self._arrivals), timeout_s)
            if not found:
                arrived = ", ".join(
                    f"{a.product or a.request.url} {request_id_of(a.request.body, self.contract.notification.id)!r}"
                    for a in self._arrivals
                )
                raise TimeoutError(f"waited {timeout_s:g} s for {words}; arrived: {arrived or 'nothing'}")
            return found

    def _keep(self, product: str | None, request: Request, at: float, wall: float) -> None:
        with self._kept:
            self._arrivals.append(Arrival(product, request, at, wall))
            self._kept.notify_all()
