"""Reading the body of an HTTP/1.1 request from a stream, for the engine on pytest-httpserver.

    body_pieces     the body in pieces, by its Content-Length or its chunks, without a byte of the next request

werkzeug's own reader of chunks knows no trailers and takes a body that is cut off for a whole one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from email.message import Message
from io import BufferedIOBase

# Pieces are small beside the limit on a body, so that not much more than it is ever in memory.
_PIECE = 64 * 1024

# A chunk's size line or a trailer; a longer one is no honest client's.
_LONGEST_LINE = 8 * 1024

_DIGITS = re.compile(r"[0-9]+")
_CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]+)[ \t]*(?:;.*)?\r?\n")


def body_pieces(headers: Message, stream: BufferedIOBase) -> Iterator[bytes]:
    """The body that follows `headers` on `stream` (RFC 9112 §6).

    Raises ValueError if its framing is broken, EOFError if the stream ends before it.
    """
    if "chunked" in headers.get("Transfer-Encoding", "").lower():
        yield from _chunked(stream)
        return
    lengths = {value.strip() for value in headers.get_all("Content-Length", ["0"])}
    length = lengths.pop()
    if lengths or not _DIGITS.fullmatch(length):
        raise ValueError("Content-Length is not one number")
    yield from _counted(stream, int(length))


def _counted(stream: BufferedIOBase, length: int) -> Iterator[bytes]:
    while length:
        piece = stream.read(min(length, _PIECE))
        if not piece:
            raise EOFError
        length -= len(piece)
        yield piece


def _chunked(stream: BufferedIOBase) -> Iterator[bytes]:
    while True:
        size = _CHUNK_SIZE.fullmatch(_line(stream))
        if size is None:
            raise ValueError("a chunk does not begin with its size")
        length = int(size[1], 16)
        if not length:
            break
        yield from _counted(stream, length)
        if _line(stream).strip(b"\r\n"):
            raise ValueError("a chunk is longer than its size")
    while _line(stream).strip(b"\r\n"):
        """Trailers go by."""


def _line(stream: BufferedIOBase) -> bytes:
    line = stream.readline(_LONGEST_LINE)
    if not line:
        raise EOFError
    if not line.endswith(b"\n"):
        raise ValueError("a line within a chunked body is too long or cut off")
    return line
