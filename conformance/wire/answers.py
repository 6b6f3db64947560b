"""A body without its content coding (RFC 9110, 8.4.1), or the reason in words why there is no answer."""

from __future__ import annotations

import socket
import ssl
import zlib
from collections.abc import Callable, Mapping

import h11

from conformance.wire.streams import ProxyRefused

# Bytes that a body may be decoded to. The contract's answers have some hundred, and a few kB may hold gigabytes.
MAX_DECODED = 1 << 20
# Bytes that are decoded at once: zlib copies the bytes behind the end of a stream, and there may be many streams.
PIECE = 4096
# Window bits by which zlib tells the formats apart.
_GZIP, _ZLIB, _RAW_DEFLATE = 31, 15, -15


class Undecodable(Exception):
    """A body that its Content-Encoding does not describe."""


class CutShort(Undecodable):
    """A body whose encoding lacks the end."""


class TooMuch(Undecodable):
    """A body that decodes to more than MAX_DECODED bytes."""


def decoded(body: bytes, codings: str) -> bytes:
    """`body` without the coding that a Content-Encoding names.

    Raises Undecodable, also for a coding that nobody asked for and we do not know, for several of them (each could hold
    as much again; nobody encodes twice), and for more than MAX_DECODED bytes.
    """
    names = [name for each in codings.split(",") if (name := each.strip().lower()) and name != "identity"]
    if len(names) > 1:
        raise Undecodable(f"it was encoded {len(names)} times, and is not read")
    if not names:
        return body
    decode = _DECODERS.get(names[0])
    if decode is None:
        raise Undecodable("the coding is unknown")
    return decode(body)


def _gunzipped(body: bytes) -> bytes:
    """The members of a gzip file, one after the other (RFC 1952, 2.2); zeros behind them are padding."""
    whole = bytearray()
    at, end = 0, len(body.rstrip(b"\0"))
    while at < end:
        at = _inflated(body, at, _GZIP, whole)
    return bytes(whole)


def _undeflated(body: bytes) -> bytes:
    """The zlib format, or the bare one that some servers send by the same name."""
    whole = bytearray()
    try:
        _inflated(body, 0, _ZLIB, whole)
    except (CutShort, TooMuch):
        raise
    except Undecodable:
        whole.clear()
        _inflated(body, 0, _RAW_DEFLATE, whole)
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
        try:
            whole += stream.decompress(piece, MAX_DECODED + 1 - len(whole))
        except zlib.error as error:
            raise Undecodable(str(error)) from error
        if len(whole) > MAX_DECODED:
            raise TooMuch(f"it holds more than {MAX_DECODED} bytes")
    return at - len(stream.unused_data)


_DECODERS: Mapping[str, Callable[[bytes], bytes]] = {"gzip": _gunzipped, "x-gzip": _gunzipped, "deflate": _undeflated}


# For a connection, with all that it takes: name, TLS, the tunnel through a proxy. Long enough for one lost packet
# (sent again after 1 s, then after 3 s).
CONNECT_TIMEOUT_S = 5.0

# For a whole answer: the contract gives no limit; a gateway that relays to an operator may well take seconds.
ANSWER_TIMEOUT_S = 10.0

_CUT_SHORT = "peer closed connection"

_CANNOT_CONNECT: tuple[tuple[type[OSError], Callable[[OSError], str]], ...] = (
    (ConnectionRefusedError, lambda _: "connection refused"),
    (socket.gaierror, lambda error: f"host name not found: {error.strerror}"),
    (ssl.SSLError, lambda error: f"no TLS connection: {error}"),
    (ProxyRefused, lambda error: f"the proxy did not connect: {error}"),
)


def cannot_connect(error: Exception, connect_timeout_s: float = CONNECT_TIMEOUT_S) -> str:
    """Why there is no connection."""
    if isinstance(error, TimeoutError):
        return f"no connection within {connect_timeout_s:g} s"
    for kind, words in _CANNOT_CONNECT:
        if isinstance(error, kind):
            return words(error)
    return f"no connection: {getattr(error, 'strerror', None) or error}"


def no_answer(error: Exception | None, timeout_s: float, unsent: str = "") -> str:
    """Why no answer began; `unsent` says that the request did not go out whole."""
    if isinstance(error, TimeoutError):
        return f"no answer within {timeout_s:g} s{unsent}"
    return f"connection closed without an answer{unsent}"


def no_http(error: h11.RemoteProtocolError, seen: str = "") -> str:
    """Why bytes are not an HTTP answer; `seen` describes the part that was."""
    if seen and str(error).startswith(_CUT_SHORT):
        return f"connection closed in the middle of the answer{seen}"
    return f"not an HTTP answer{seen}: {error}"


def incomplete(error: Exception, timeout_s: float, status: int, length: int) -> str:
    """Why an answer did not end, after its head (`status`) and `length` bytes of its body."""
    if isinstance(error, TimeoutError):
        return f"no complete answer within {timeout_s:g} s, only the head of a {status} and {length} bytes of its body"
    seen = f", after the head of a {status} and {length} bytes of its body"
    if isinstance(error, h11.RemoteProtocolError):
        return no_http(error, seen)
    return f"connection closed in the middle of the answer{seen}"
