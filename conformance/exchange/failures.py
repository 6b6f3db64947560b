"""Why there is no answer, in plain words: what the user reads in a finding.

FAILURES            what stands for it in httpcore
never_left          whether nothing was sent
is_closing          whether the other side closed the connection
cannot_connect      before anything was sent
no_answer           sent, but no answer began
incomplete          an answer began and did not end
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable

import httpcore

CONNECT_TIMEOUT_S = 5.0
"""For a connection: long enough for one lost packet (sent again after 1 s, then after 3 s)."""

ANSWER_TIMEOUT_S = 10.0
"""For a whole answer: the contract gives no limit; a gateway that relays to an operator may well take seconds."""

FAILURES = (httpcore.TimeoutException, httpcore.NetworkError, httpcore.RemoteProtocolError, httpcore.ProxyError)
"""What httpcore raises where a network or a peer is to blame, and not who asked."""

_DISCONNECTED = "Server disconnected without sending a response."
_CUT_SHORT = "peer closed connection"

_CANNOT_CONNECT: tuple[tuple[type[OSError], Callable[[OSError], str]], ...] = (
    (ConnectionRefusedError, lambda _: "connection refused"),
    (socket.gaierror, lambda error: f"host name not found: {error.strerror}"),
    (ssl.SSLError, lambda error: f"no TLS connection: {error}"),
)


def never_left(error: Exception) -> bool:
    """Whether there was no connection, so that not a byte of the request can have been received."""
    return isinstance(error, (httpcore.ConnectError, httpcore.ConnectTimeout, httpcore.ProxyError))


def is_closing(error: Exception) -> bool:
    """Whether the connection was closed or reset, and not a byte came that is no HTTP."""
    if isinstance(error, httpcore.RemoteProtocolError):
        return str(error) == _DISCONNECTED
    return isinstance(error, (httpcore.ReadError, httpcore.WriteError))


def cannot_connect(error: Exception, connect_timeout_s: float = CONNECT_TIMEOUT_S) -> str:
    """Words for a ConnectError, ConnectTimeout or ProxyError."""
    if isinstance(error, httpcore.ConnectTimeout):
        return f"no connection within {connect_timeout_s:g} s"
    if isinstance(error, httpcore.ProxyError):
        return f"the proxy did not connect: {error}"
    cause = _operating_system_error(error)
    for kind, words in _CANNOT_CONNECT:
        if isinstance(cause, kind):
            return words(cause)
    return f"no connection: {(cause.strerror if cause else None) or error}"


def no_answer(error: Exception, timeout_s: float, connect_timeout_s: float = CONNECT_TIMEOUT_S) -> str:
    """Words for what went wrong before an answer was seen."""
    if never_left(error):
        return cannot_connect(error, connect_timeout_s)
    if isinstance(error, httpcore.TimeoutException):
        return f"no answer within {timeout_s:g} s"
    if isinstance(error, httpcore.RemoteProtocolError) and str(error) != _DISCONNECTED:
        return f"not an HTTP answer: {error}"
    return "connection closed without an answer"


def incomplete(error: Exception, timeout_s: float, status: int, length: int) -> str:
    """Words for what went wrong after the head of an answer (`status`) and `length` bytes of its body."""
    seen = f"after the head of a {status} and {length} bytes of its body"
    if isinstance(error, httpcore.TimeoutException):
        return too_slow(timeout_s, status, length)
    if isinstance(error, httpcore.RemoteProtocolError) and not str(error).startswith(_CUT_SHORT):
        return f"not an HTTP answer, {seen}: {error}"
    return f"connection closed in the middle of the answer, {seen}"


def too_slow(timeout_s: float, status: int, length: int) -> str:
    """Words for an answer that began and went on for too long."""
    return f"no complete answer within {timeout_s:g} s, only the head of a {status} and {length} bytes of its body"


def _operating_system_error(error: BaseException) -> OSError | None:
    """The error of the operating system that lies behind what the libraries made of it."""
    seen: BaseException | None = error
    while seen is not None and not isinstance(seen, OSError):
        seen = seen.__cause__ or seen.__context__
    return seen
