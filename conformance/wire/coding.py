"""Content codings of an answer (RFC 9110, 8.4.1): its body as the gateway meant it, or why nobody can read it.

decoded     the body behind a Content-Encoding
Undecodable its text says why there is no such body
CutShort    the same, for a body that ends before its coding does; TooMuch, for one that holds more than is read
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping

MAX_DECODED = 1 << 20
"""Bytes that a body may be decoded to. The contract's answers have some hundred, and a few kB may hold gigabytes."""

PIECE = 4096
"""Bytes that are decoded at once: what lies behind the end of a stream is copied, and there may be many streams."""

_GZIP, _ZLIB, _RAW_DEFLATE = 31, 15, -15
"""Window bits by which zlib tells the formats apart."""


class Undecodable(Exception):
    """A body that is not what its Content-Encoding says."""


class CutShort(Undecodable):
    """A body that is what its Content-Encoding says, and lacks the end."""


class TooMuch(Undecodable):
    """A body that holds more than is read."""


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
    """Add to `whole` what the compressed stream holds that begins `at`, piece by piece; where it ends."""
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


_DECODERS: Mapping[str, Callable[[bytes], bytes]] = {
    "gzip": _gunzipped,
    "x-gzip": _gunzipped,
    "deflate": _undeflated,
}
