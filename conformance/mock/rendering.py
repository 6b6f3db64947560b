"""A reply or a notification as bytes, and the lawful ways of HTTP to put them on the wire.

    json_bytes      any content as JSON in UTF-8
    rendered        a reply's headers and body under a `Wire`

Each `Wire` is lawful HTTP, and a client that follows the RFC sees no difference.
"""

from __future__ import annotations

import gzip
import json
from typing import Any

from conformance.mock.behaviour import Reply, Wire

RawHeaders = list[tuple[bytes, bytes]]


def json_bytes(content: Any, *, pretty: bool = False) -> bytes:
    """`content` as JSON in UTF-8: compact, or indented.

    A lone surrogate has no UTF-8; it is written as the escape that JSON has for it, so a client's own text never fails.
    """
    layout: dict[str, Any] = {"indent": 2} if pretty else {"separators": (",", ":")}
    return json.dumps(content, ensure_ascii=False, **layout).encode("utf-8", "backslashreplace")


def rendered(reply: Reply, wire: Wire, accept_encoding: str | None) -> tuple[RawHeaders, bytes]:
    """Headers and body of `reply` as ASGI takes them. Without a Content-Length the server sends chunks."""
    body = reply.raw if reply.raw is not None else json_bytes(reply.content, pretty=wire.pretty)
    headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in reply.headers]
    if wire.gzip or wire.gzip_in_members:
        headers.append((b"vary", b"accept-encoding"))
        if _takes_gzip(accept_encoding):
            middle = len(body) // 2 if wire.gzip_in_members else 0
            parts = (body[:middle], body[middle:]) if middle else (body,)
            body = b"".join(gzip.compress(part, compresslevel=1, mtime=0) for part in parts)
            headers.append((b"content-encoding", b"x-gzip" if wire.gzip_in_members else b"gzip"))
    if not wire.chunked or wire.http_1_0:  # HTTP/1.0 has no chunks
        headers.append((b"content-length", b"%d" % len(body)))
    if wire.close or wire.http_1_0:
        headers.append((b"connection", b"close"))
    elif wire.upgrade:
        headers += [(b"upgrade", b"h2c"), (b"connection", b"Upgrade")]
    return headers, body


def _takes_gzip(accept_encoding: str | None) -> bool:
    """Whether an Accept-Encoding names gzip and does not rule it out (RFC 2616 §14.3)."""
    for coding in (accept_encoding or "").lower().split(","):
        name, _, weight = (part.strip() for part in coding.partition(";"))
        if name in {"gzip", "x-gzip"}:
            return weight.replace(" ", "") not in {"q=0", "q=0.0", "q=0.00", "q=0.000"}
    return False
