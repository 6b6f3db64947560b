"""Bodies in a content coding: whatever HTTP allows is read, anything else is told, and no bomb fills the memory."""

from __future__ import annotations

import gzip
import time
import tracemalloc
import zlib
from collections.abc import Callable

import pytest

from conformance.wire.connection import CutShort, Undecodable, decoded

TEXT = b'{"status_code": 200, "description": "Karibu"}'


def zipped(data: bytes) -> bytes:
    """One member of gzip."""
    return gzip.compress(data, mtime=0)


def raw_deflate(data: bytes) -> bytes:
    """DEFLATE without the frame of zlib, as some servers send it."""
    stream = zlib.compressobj(wbits=-15)
    return stream.compress(data) + stream.flush()


READABLE = (
    ("gzip", zipped(TEXT)),
    ("x-gzip", zipped(TEXT)),
    ("GZip", zipped(TEXT)),
    ("gzip", zipped(TEXT[:7]) + zipped(TEXT[7:])),
    ("gzip", zipped(b"") + zipped(TEXT) + zipped(b"")),
    ("gzip", zipped(TEXT) + b"\0" * 8),
    ("deflate", zlib.compress(TEXT)),
    ("deflate", raw_deflate(TEXT)),
    ("identity", TEXT),
    ("", TEXT),
    (" , ", TEXT),
    (", ".join(["identity"] * 5), TEXT),
    ("identity ,gzip", zipped(TEXT)),
)


def test_a_body_is_read_in_each_coding() -> None:
    """One member or several, by the names of RFC 9110, 8.4.1."""
    assert [] == [(codings, body) for codings, body in READABLE if decoded(body, codings) != TEXT]


UNREADABLE = (
    ("gzip", TEXT, "incorrect header check"),
    ("gzip", zipped(TEXT) + b"more", "incorrect header check"),
    ("gzip", zipped(TEXT)[:-8] + b"\1" * 8, "incorrect data check"),
    ("deflate", TEXT, "invalid"),
    ("br", TEXT, "unknown"),
    ("utf-8", TEXT, "unknown"),
    ("deflate, gzip", zipped(zlib.compress(TEXT)), "encoded 2 times"),
    ("gzip, identity ,gzip", zipped(zipped(TEXT)), "encoded 2 times"),
)


def test_a_body_that_is_not_in_its_coding_is_refused() -> None:
    """In words; one without its end has an error of its own, for the connection may have been cut."""
    for codings, body, why in UNREADABLE:
        with pytest.raises(Undecodable, match=why):
            decoded(body, codings)
    for codings, body in (("gzip", zipped(TEXT)), ("deflate", zlib.compress(TEXT))):
        with pytest.raises(CutShort):
            decoded(body[:-3], codings)


@pytest.mark.parametrize(
    ("codings", "encode", "members"),
    [("gzip", zipped, 1), ("gzip", zipped, 40), ("deflate", zlib.compress, 1), ("deflate", raw_deflate, 1)],
)
def test_a_bomb_is_not_unpacked(codings: str, encode: Callable[[bytes], bytes], members: int) -> None:
    """Neither in one member nor in many that are small by themselves."""
    bomb = encode(bytes((64 << 20) // members)) * members
    tracemalloc.start()
    try:
        with pytest.raises(Undecodable, match="more than 1048576 bytes"):
            decoded(bomb, codings)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 16 << 20


def test_a_body_of_many_small_members_is_read_once() -> None:
    """Each of them is looked at with what stands near it, not with all that follows."""
    members = 50_000  # of 21 bytes
    began = time.process_time()
    assert decoded(zipped(b"x") * members, "gzip") == b"x" * members
    assert time.process_time() - began < 10.0  # copying all that follows takes minutes
