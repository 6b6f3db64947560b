"""Bodies in a content coding: whatever HTTP allows is read, anything else is told, and no bomb fills the memory."""

from __future__ import annotations

import gzip
import tracemalloc
import zlib

import pytest

from conformance.exchange import coding
from conformance.exchange.coding import CutShort, Undecodable, decoded

TEXT = b'{"status_code": 200, "description": "Karibu"}'


def zipped(data: bytes) -> bytes:
    """One member of gzip, which does not tell the time: ids of tests are made of it."""
    return gzip.compress(data, mtime=0)


def raw_deflate(data: bytes) -> bytes:
    """DEFLATE without the frame of zlib, as some servers send it."""
    stream = zlib.compressobj(wbits=-15)
    return stream.compress(data) + stream.flush()


@pytest.mark.parametrize(
    ("codings", "body"),
    [
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
        ("deflate, gzip", zipped(zlib.compress(TEXT))),
        ("gzip, identity ,gzip", zipped(zipped(TEXT))),
    ],
)
def test_a_body_is_read_in_each_coding(codings: str, body: bytes) -> None:
    """One member or several, one coding or more, by the names of RFC 9110, 8.4.1."""
    assert decoded(body, codings) == TEXT


@pytest.mark.parametrize(
    ("codings", "body", "why"),
    [
        ("gzip", TEXT, "incorrect header check"),
        ("gzip", zipped(TEXT) + b"more", "incorrect header check"),
        ("gzip", zipped(TEXT)[:-8] + b"\1" * 8, "incorrect data check"),
        ("deflate", TEXT, "invalid"),
        ("br", TEXT, "unknown"),
        ("gzip, zstd", TEXT, "unknown"),
        ("utf-8", TEXT, "unknown"),
        (", ".join(["identity"] * 5), TEXT, "5 times"),
    ],
)
def test_a_body_that_is_not_what_is_declared_is_told(codings: str, body: bytes, why: str) -> None:
    """In words."""
    with pytest.raises(Undecodable, match=why):
        decoded(body, codings)


@pytest.mark.parametrize("codings", ["gzip", "deflate"])
def test_a_body_without_its_end_is_told_apart(codings: str) -> None:
    """It may be the connection that was cut."""
    body = zipped(TEXT) if codings == "gzip" else zlib.compress(TEXT)
    with pytest.raises(CutShort):
        decoded(body[:-3], codings)


@pytest.mark.parametrize("members", [1, 40])
def test_a_bomb_is_not_unpacked(members: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither in one member nor in many that are small by themselves."""
    monkeypatch.setattr(coding, "MAX_DECODED", 1 << 20)
    bomb = zipped(bytes((64 << 20) // members)) * members
    tracemalloc.start()
    try:
        with pytest.raises(Undecodable, match="more than 1048576 bytes"):
            decoded(bomb, "gzip")
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 16 << 20
