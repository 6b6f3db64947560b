"""Content codings of an answer (RFC 9110, 8.4.1): its body as the gateway meant it, or why nobody can read it.

decoded     the body behind a Content-Encoding
Undecodable its text says why there is no such body
CutShort    the same, for a body that ends before its coding does
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping

MAX_DECODED = 16 * 2**20
"""Bytes that a body may be decoded to. The contract's answers have some hundred, and a few kB may hold gigabytes."""

MOST_CODINGS = 4
"""Each one costs as much memory as a body; more than two are not seen in the field."""

_GZIP, _ZLIB, _RAW_DEFLATE = 31, 15, -15
"""Window bits by which zlib tells the formats apart."""


class Undecodable(Exception):
    """A body that is not what its Content-Encoding says."""


class CutShort(Undecodable):
    """A body that is what its Content-Encoding says, and lacks the end."""


def decoded(body: bytes, codings: str) -> bytes:
    """`body` without the `codings` that a Content-Encoding names, which were applied in that order.

    Raises Undecodable, also for a coding that nobody asked for and we do not know, and for more than MAX_DECODED bytes.
    """
    names = [name.strip().lower() for name in codings.split(",") if name.strip()]
    if len(names) > MOST_CODINGS:
        raise Undecodable(f"it was encoded {len(names)} times")
    for name in reversed(names):
        decode = _DECODERS.get(name)
        if decode is None:
            raise Undecodable("the coding is unknown")
        body = decode(body)
    return body


def _gunzipped(body: bytes) -> bytes:
    """The members of a gzip file, one after the other (RFC 1952, 2.2); zeros behind them are padding."""
    whole = bytearray()
    rest = body
    while rest.strip(b"\0"):
        member, rest = _inflated(rest, _GZIP, MAX_DECODED - len(whole))
        whole += member
    return bytes(whole)


def _undeflated(body: bytes) -> bytes:
    """The zlib format, or the bare one that some servers send by the same name."""
    try:
        return _inflated(body, _ZLIB, MAX_DECODED)[0]
    except CutShort:
        raise
    except Undecodable:
        return _inflated(body, _RAW_DEFLATE, MAX_DECODED)[0]


def _inflated(body: bytes, window_bits: int, most: int) -> tuple[bytes, bytes]:
    """What one compressed stream holds, and what follows it; a bomb is not unpacked beyond `most` bytes."""
    stream = zlib.decompressobj(window_bits)
    try:
        inflated = stream.decompress(body, most + 1)
    except zlib.error as error:
        raise Undecodable(str(error)) from error
    if len(inflated) > most:
        raise Undecodable(f"it holds more than {MAX_DECODED} bytes")
    if not stream.eof:
        raise CutShort("its end is missing")
    return inflated, stream.unused_data


def _as_it_is(body: bytes) -> bytes:
    return body


_DECODERS: Mapping[str, Callable[[bytes], bytes]] = {
    "gzip": _gunzipped,
    "x-gzip": _gunzipped,
    "deflate": _undeflated,
    "identity": _as_it_is,
}
