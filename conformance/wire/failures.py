"""Why there is no answer, in plain words: what the user reads in a finding.

cannot_connect      before anything was sent
no_answer           sent, but no answer began
incomplete          an answer began and did not end
no_http             what came is no HTTP
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable

import h11

from conformance.wire.proxies import ProxyRefused

CONNECT_TIMEOUT_S = 5.0
"""For a connection, with all that it takes: name, TLS, the tunnel through a proxy. Long enough for one lost packet
(sent again after 1 s, then after 3 s)."""

ANSWER_TIMEOUT_S = 10.0
"""For a whole answer: the contract gives no limit; a gateway that relays to an operator may well take seconds."""

_CUT_SHORT = "peer closed connection"

_CANNOT_CONNECT: tuple[tuple[type[OSError], Callable[[OSError], str]], ...] = (
    (ConnectionRefusedError, lambda _: "connection refused"),
    (socket.gaierror, lambda error: f"host name not found: {error.strerror}"),
    (ssl.SSLError, lambda error: f"no TLS connection: {error}"),
    (ProxyRefused, lambda error: f"the proxy did not connect: {error}"),
)


def cannot_connect(error: Exception, connect_timeout_s: float = CONNECT_TIMEOUT_S) -> str:
    """Words for why there is no connection."""
    if isinstance(error, TimeoutError):
        return f"no connection within {connect_timeout_s:g} s"
    for kind, words in _CANNOT_CONNECT:
        if isinstance(error, kind):
            return words(error)
    return f"no connection: {getattr(error, 'strerror', None) or error}"


def no_answer(error: Exception | None, timeout_s: float, unsent: str = "") -> str:
    """Words for what went wrong before an answer was seen; `unsent` for a request that did not go out whole."""
    if isinstance(error, TimeoutError):
        return f"no answer within {timeout_s:g} s{unsent}"
    return f"connection closed without an answer{unsent}"


def no_http(error: h11.RemoteProtocolError, seen: str = "") -> str:
    """Words for bytes that are no answer, after what was `seen` of one."""
    if seen and str(error).startswith(_CUT_SHORT):
        return f"connection closed in the middle of the answer{seen}"
    return f"not an HTTP answer{seen}: {error}"


def incomplete(error: Exception, timeout_s: float, status: int, length: int) -> str:
    """Words for what went wrong after the head of an answer (`status`) and `length` bytes of its body."""
    if isinstance(error, TimeoutError):
        return f"no complete answer within {timeout_s:g} s, only the head of a {status} and {length} bytes of its body"
    seen = f", after the head of a {status} and {length} bytes of its body"
    if isinstance(error, h11.RemoteProtocolError):
        return no_http(error, seen)
    return f"connection closed in the middle of the answer{seen}"
