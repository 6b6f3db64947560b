"""Serve an ASGI application with uvicorn in a thread; the callback receiver of `run` and `certify`.

AsgiThread     an application that is served in a thread
AsgiReceiver   the callback receiver; another process may accept from its socket for a while
"""

from __future__ import annotations

import asyncio
import ssl
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable, MutableMapping
from concurrent.futures import Future
from contextlib import ExitStack
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from socket import socket
from typing import Any, Self, TypeVar

import uvicorn

from conformance.model.errors import EnvironmentFailure, SuiteError, UsageError, lack_of
from conformance.wire.listening import (
    BACKLOG,
    KEEP_ALIVE_S,
    Address,
    OnRefused,
    Refused,
    Unreadable,
    listening_socket,
    raise_limit,
)
from conformance.wire.protocol import AS_RECEIVED, Limits, guarded, tell_unfinished
from conformance.wire.receiver import MAX_BODY, OnArrival, OnUnread, Receiver, request_of
from conformance.wire.uvicorn_server import GRACE_S, PromptServer

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Result = TypeVar("Result")
AsgiApp = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

# Files that a run has open beside connections, and room for a handful of connections.
LEAST_FILES = 64


@dataclass(frozen=True, slots=True)
class Tls:
    """The files of a server's certificate (with its chain) and private key."""

    certificate: Path
    key: Path

    @classmethod
    def of(cls, certificate: Path, key: Path) -> Tls:
        """Check that the files can be read and fit each other. Raises UsageError if not."""
        for path in (certificate, key):
            if not path.is_file():
                raise UsageError(f"there is no file {path}; expected a certificate and its key in PEM")
        try:
            ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(certificate, key, password=_no_password)
        except (OSError, ValueError) as error:
            reason = getattr(error, "reason", None) or error
            raise UsageError(
                f"certificate {certificate} and key {key} cannot be used: {reason}",
                hint="both in PEM, the key without a passphrase, and the one that the certificate was made for",
            ) from error
        return cls(certificate, key)


def _no_password() -> str:
    """Refuse the key, where OpenSSL would ask for its passphrase on the terminal. Raises ValueError."""
    raise ValueError("the key has a passphrase")


class AsgiThread:
    """An ASGI application that is served in a thread; a context manager that starts and stops it.

    The constructor binds the address (`address` then has the actual port); clients that connect before `start()` wait
    in the kernel's queue. `http` is uvicorn's: "auto", "httptools", "h11" or a protocol class. `purpose`
    names the address in errors ("callback address …"). `on_no_tls` is called with the reason why a TLS handshake
    failed, `on_refused` when a client was turned away through no fault of its own. `listener`: a socket that listens at
    `address` already, of another process or an earlier server.

    An error of the application is answered with 500 and collected in `errors`; `stop()` does not raise it.
    The constructor raises EnvironmentFailure if the address is not available.
    """

    def __init__(  # noqa: PLR0913 - each is a setting of its own
        self,
        app: AsgiApp,
        address: Address,
        *,
        http: str | type[asyncio.Protocol] = "auto",
        name: str = "asgi",
        purpose: str = "listen",
        tls: Tls | None = None,
        on_no_tls: Callable[[str], None] | None = None,
        on_refused: OnRefused = lambda _: None,
        listener: socket | None = None,
    ) -> None:
        self._app = app
        self._on_refused = on_refused
        self._errors: list[Exception] = []
        self._failure: BaseException | None = None
        self._begun = threading.Event()
        self._stopped = False
        self._socket, self.address = (listener, address) if listener else listening_socket(address, purpose)
        self._scheme = "https" if tls else "http"
        self._server = PromptServer(_config(self._guarded, http, tls, on_no_tls), self._begun.set, on_refused)
        self._thread = threading.Thread(target=self._serve, name=name, daemon=True)

    @property
    def url(self) -> str:
        """The address for clients on this machine, `http(s)://HOST:PORT`."""
        return self._scheme + self.address.url.removeprefix("http")

    @property
    def errors(self) -> tuple[Exception, ...]:
        """Errors of the application so far, oldest first, then the error that ended the server, if any."""
        return (*self._errors, *([self._failure] if isinstance(self._failure, Exception) else []))

    def start(self) -> None:
        """Start to serve; return when the server accepts requests.

        Raises SuiteError if it does not start, EnvironmentFailure if this machine does not allow it.
        """
        with ExitStack() as unless_begun:
            unless_begun.callback(self.stop)
            if (files := raise_limit()) < LEAST_FILES:  # with few, uvloop ends the process
                raise EnvironmentFailure(
                    f"this process may have {files} files and connections open; expected {LEAST_FILES} or more",
                    "raise the limit: `ulimit -n` shows it",
                )
            self._thread.start()
            self._begun.wait()
            if self._failure is not None:
                if (lack := lack_of(self._failure)) is not None:
                    raise lack from self._failure
                raise SuiteError(f"the server on {self.address} did not start: {self._failure!r}") from self._failure
            unless_begun.pop_all()

    def look(self, at: Callable[[asyncio.Protocol], None]) -> None:
        """Call `at` with the protocol of each open connection, in the server's thread, and wait for that."""
        looked = threading.Event()

        def look() -> None:
            for connection in list(self._server.server_state.connections):
                at(connection)
            looked.set()

        if (loop := self._server.loop) is not None and loop.is_running():
            loop.call_soon_threadsafe(look)
            looked.wait(GRACE_S)

    @property
    def listener(self) -> socket:
        """The socket that listens, for another process to inherit."""
        return self._socket

    def accept(self, *, on: bool) -> None:
        """Accept no more connections, or again; open ones are served all the time. RuntimeError unless it serves."""

        async def accept() -> None:
            self._server.accept(on=on)

        self.submit(accept()).result()

    def drain(self, within_s: float) -> None:
        """Wait until no connection is open, for at most so many seconds. RuntimeError if it is not running."""
        self.submit(self._server.drained(within_s)).result()

    def submit(self, coroutine: Coroutine[Any, Any, Result]) -> Future[Result]:
        """Run a coroutine in the server's loop. Raises RuntimeError if the server is not running."""
        if (loop := self._server.loop) is None or not loop.is_running():
            coroutine.close()
            raise RuntimeError("the server is not running")
        return asyncio.run_coroutine_threadsafe(coroutine, loop)

    def stop(self) -> None:
        """Stop and free the port, after at most `GRACE_S` for requests in progress. A second call does nothing."""
        if self._stopped:
            return
        self._stopped = True
        if self._thread.ident is not None:
            self._server.stop()
            self._thread.join()
        self._socket.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _serve(self) -> None:
        try:
            self._server.run(sockets=[self._socket])
        except BaseException as error:  # noqa: BLE001 - SystemExit is uvicorn's way to say that it cannot start
            self._failure = error
            if self._begun.is_set() and not self._stopped:
                self._socket.close()  # refuses new clients, which would wait otherwise
                self._on_refused(Refused(f"the server has ended: {error!r}", lasting=True))
        finally:
            self._begun.set()

    async def _guarded(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        try:
            await self._app(scope, receive, send)
        except Exception as error:
            self._errors.append(error)
            raise


def new_loop() -> asyncio.AbstractEventLoop:
    """An event loop as the servers here have it: that of uvloop, where it is installed."""
    return (uvicorn.Config("").get_loop_factory() or asyncio.new_event_loop)()


def _explained(tell: Callable[[str], None]) -> type[ssl.SSLObject]:
    """A TLS connection that reports why its handshake failed; the event loop closes it without a word."""

    class Explained(ssl.SSLObject):
        def do_handshake(self) -> None:
            try:
                super().do_handshake()
            except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
                raise
            except ssl.SSLError as error:
                reason = error.reason or str(error)
                plain = "plain HTTP on a TLS port"
                words = f"its TLS handshake failed: {reason.lower().replace('_', ' ')}"
                tell(plain if reason == "HTTP_REQUEST" else words)
                raise

    return Explained


def _config(
    app: AsgiApp, http: str | type[asyncio.Protocol], tls: Tls | None, on_no_tls: Callable[[str], None] | None
) -> uvicorn.Config:
    config = uvicorn.Config(
        app,
        http=http,
        ws="none",
        interface="asgi3",
        lifespan="off",
        proxy_headers=False,
        server_header=False,
        date_header=False,
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE_S,
        log_config=None,
        log_level="critical",
        access_log=False,
        ssl_certfile=str(tls.certificate) if tls else None,
        ssl_keyfile=str(tls.key) if tls else None,
    )
    if tls is not None and on_no_tls is not None:
        config.load()
        if config.ssl is not None:
            config.ssl.sslobject_class = _explained(on_no_tls)
    return config


# The most bytes of incomplete bodies in memory, on all connections together; small bodies are always accepted.
MOST_HELD = 64 << 20
SMALL_BODY = 64 << 10


class AsgiReceiver(Receiver):
    """The callback receiver on uvicorn; see `Receiver`. Several may live in one process."""

    def __init__(  # noqa: PLR0913 - each is a setting of its own
        self,
        listen: Address,
        products: Iterable[str],
        on_arrival: OnArrival,
        prefix: str = "",
        query: str = "",
        *,
        token: str | None = None,
        tls: Tls | None = None,
        limits: Limits | None = None,
        on_unread: OnUnread = lambda _: None,
        on_refused: OnRefused = lambda _: None,
        listener: socket | None = None,
    ) -> None:
        super().__init__(products, on_arrival, prefix, query, token, on_unread)
        self._on_refused = on_refused
        self._held = 0
        self._paused = False
        self._server = server = AsgiThread(
            self._app,
            listen,
            http=guarded(limits or Limits(), self.intake.refused, on_refused),
            name="callback-receiver",
            purpose="callback",
            tls=tls,
            on_no_tls=lambda words: self.intake.refused(Unreadable(words, b"")),
            on_refused=on_refused,
            listener=listener,
        )
        self.address, self.url = server.address, server.url

    @property
    def errors(self) -> tuple[Exception, ...]:
        """See `Receiver`."""
        return (*super().errors, *self._server.errors)

    def start(self) -> None:
        """See `Receiver`."""
        self._server.start()

    @property
    def listener(self) -> socket:
        """The socket that listens, for another process to inherit."""
        return self._server.listener

    def pause(self) -> None:
        """Accept no more connections, so that another process does from the same socket; RuntimeError unless it serves.

        Each open connection ends behind its next answer, so that its client opens another one. None is cut off.
        """
        self._paused = True
        self._server.accept(on=False)

    def resume(self) -> None:
        """Accept connections again."""
        self._paused = False
        self._server.accept(on=True)

    def drain(self, within_s: float) -> None:
        """After `pause`: wait until no connection is open, for at most so many seconds."""
        self._server.drain(within_s)

    def tell_unfinished(self) -> None:
        """Report incomplete requests as unreadable."""
        self._server.look(tell_unfinished)

    def stop(self) -> None:
        """See `Receiver`. It takes at most `GRACE_S`."""
        self._server.stop()

    async def _app(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        at, wall = time.monotonic(), time.time()
        body = bytearray()
        try:
            is_complete = await self._read(receive, body)
        finally:
            self._held -= len(body)
        if is_complete is None:
            return
        if not is_complete:
            self._on_refused(Refused(f"more than {MOST_HELD >> 20} MiB of unfinished requests came at once"))
            await _answer(send, HTTPStatus.SERVICE_UNAVAILABLE, last=self._paused)
            return
        request = request_of(scope["extensions"][AS_RECEIVED], bytes(body[:MAX_BODY]))
        await _answer(send, self.intake.take(request, at, wall, whole=len(body) <= MAX_BODY), last=self._paused)

    async def _read(self, receive: Receive, body: bytearray) -> bool | None:
        """Read a whole body, or a little more than `MAX_BODY` bytes of it; uvicorn skips the rest.

        None if the client disconnects: an incomplete request is none (RFC 9112 §8). False if there is no memory for it.
        """
        while len(body) <= MAX_BODY:
            message = await receive()
            if message["type"] == "http.disconnect":
                return None
            body += message["body"]
            self._held += len(message["body"])
            if not message["more_body"]:
                break
            if self._held > MOST_HELD and len(body) > SMALL_BODY:
                return False
        return True


async def _answer(send: Send, status: int, *, last: bool) -> None:
    """Answer without a body; the `last` answer of a connection says so, and closes it."""
    headers = [(b"content-length", b"0"), *([(b"connection", b"close")] if last else [])]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b""})
