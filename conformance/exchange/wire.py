"""What lies below a connection: httpcore, and how its bytes are handed to the operating system.

    opened      one way to an origin, direct or through a proxy; it connects when the first request comes
    OnePiece    a stream that sends the head and the body of a request together
    has_begun_to_answer     whether a byte came since the last request

It is httpcore and not httpx, which stands on it: a sender has one connection for itself, and has no use for a pool that
finds one for whoever asks. And threads that send side by side get in each other's way at each call of the operating
system, so there are as few of them as can be. Measured with 16 threads, each takes a third off a request's cost.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterable
from socket import socket
from typing import Any

import httpcore
import httpx

from conformance.interruption import wished


def opened(
    origin: httpcore.Origin, proxy: str | None, tls: ssl.SSLContext, idle_s: float
) -> httpcore.ConnectionInterface:
    """A connection for requests to `origin`, one after the other; it expires when it is idle for `idle_s` seconds."""
    if proxy is None:
        pool = httpcore.ConnectionPool(tls, keepalive_expiry=idle_s, network_backend=_Backend())
    else:
        pool = _through(httpx.Proxy(proxy), tls, idle_s)
    return pool.create_connection(origin)


def _through(proxy: httpx.Proxy, tls: ssl.SSLContext, idle_s: float) -> httpcore.ConnectionPool:
    url, auth = proxy.url, proxy.raw_auth
    where = httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=b"/")
    if url.scheme.startswith("socks"):
        return httpcore.SOCKSProxy(where, auth, ssl_context=tls, keepalive_expiry=idle_s)
    return httpcore.HTTPProxy(where, auth, ssl_context=tls, keepalive_expiry=idle_s)


class OnePiece(httpcore.NetworkStream):
    """A stream over a connected socket; what is written goes out together, when an answer is first read.

    Raises what the streams of httpcore do: ReadTimeout, WriteTimeout, ReadError. That a peer does not take all that is
    sent is no error: it may have answered all the same.
    """

    def __init__(self, stream: httpcore.NetworkStream) -> None:
        """In place of `stream`, which has connected."""
        self._stream = stream
        self._socket: socket = stream.get_extra_info("socket")
        self._limit_s = self._socket.gettimeout()
        self._written: list[bytes] = []
        self._write_limit_s: float | None = None
        self.answering = False
        """Whether something came in since something was last sent."""

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """What has come in, at most `max_bytes`; b"" at the end."""
        if self._written:
            self._send()
        try:
            self._limit(timeout)
            received = self._socket.recv(max_bytes)
        except TimeoutError as error:
            raise httpcore.ReadTimeout(error) from error
        except OSError as error:
            raise httpcore.ReadError(error) from error
        self.answering = self.answering or bool(received)
        return received

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Keeps `buffer` until an answer is read."""
        self._written.append(buffer)
        self._write_limit_s = timeout

    def close(self) -> None:
        """Closes the connection; what was not sent by then is not sent."""
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        """The stream of httpcore itself: where there is TLS, the network takes longer than all this."""
        return self._stream.start_tls(ssl_context, server_hostname, timeout)

    def get_extra_info(self, info: str) -> Any:
        """What httpcore's own stream tells."""
        return self._stream.get_extra_info(info)

    def _send(self) -> None:
        if wished():
            raise httpcore.ConnectError("interrupted before it was sent")
        together = b"".join(self._written)
        self._written.clear()
        self.answering = False
        try:
            self._limit(self._write_limit_s)
            self._socket.sendall(together)
        except TimeoutError as error:
            raise httpcore.WriteTimeout(error) from error
        except OSError:
            pass  # httpcore, too, then looks for an answer that came before

    def _limit(self, seconds: float | None) -> None:
        # It is a call of the operating system each time.
        if seconds != self._limit_s:
            self._socket.settimeout(seconds)
            self._limit_s = seconds


def has_begun_to_answer(stream: httpcore.NetworkStream | None) -> bool:
    """Whether an answer to the last request began; of a stream by TLS, which does not tell, that is not known."""
    return isinstance(stream, OnePiece) and stream.answering


class _Backend(httpcore.SyncBackend):
    """Connects as httpcore does."""

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> OnePiece:
        return OnePiece(super().connect_tcp(host, port, timeout, local_address, socket_options))
