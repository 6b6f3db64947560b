"""`traffic.har`: the HTTP traffic of a run as HAR 1.2, for the viewers that people have: browsers, proxies, editors.

    har     the file, piece by piece: a run may have hundreds of thousands of exchanges

Every exchange and every notification is an entry, in the order in which they began; what was redacted in the journal
is redacted here, and phone numbers that were given are masked. HAR wants whole addresses: of a request that was
received, the target is completed by its Host. Beyond HAR, an entry names its `_case` or `_notification`. A request body
that is no UTF-8 stands in base64, for which HAR has a word (`_encoding` here) only for responses. There is no date
before which a request was built, so `blocked`, `dns`, `connect` and `ssl` are -1: not known.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from heapq import merge
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from conformance.journal import Record
from conformance.model.errors import UsageError
from conformance.model.traffic import Headers, Request, Response, header
from conformance.reports.result import Reportable
from conformance.reports.text import Masking

UNKNOWN = -1
# What the receiver answers: 200 at the path of a product, 404 at any other.
TAKEN, STRAY = 200, 404
# The host of a request that names none, as HTTP/1.0 has it; `.invalid` is nobody's, by RFC 2606.
UNNAMED = "unnamed.invalid"

_WHOLE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_PHRASES: Mapping[int, str] = {status.value: status.phrase for status in HTTPStatus}

Entry = tuple[float, dict[str, Any]]


def har(result: Reportable) -> Iterator[bytes]:
    """The run as HAR 1.2 in UTF-8; the same result gives the same bytes.

    Raises UsageError where the record is gone: all of it is traffic.
    """
    if result.record is None:
        raise UsageError("the HTTP traffic stands in the journal alone, which is not there")
    return _pieces(
        result.record, result.masking, {"name": result.report.tool.name, "version": result.report.tool.version}
    )


def _pieces(record: Record, masking: Masking, creator: Mapping[str, str]) -> Iterator[bytes]:
    start = json.dumps({"version": "1.2", "creator": creator, "pages": []})
    yield f'{{"log": {start[:-1]}, "entries": ['.encode()
    separator = "\n"
    for _, entry in merge(_exchanges(record, masking), _notifications(record, masking), key=lambda dated: dated[0]):
        yield f"{separator}{json.dumps(entry)}".encode()
        separator = ",\n"
    yield b"\n]}}\n"


def _exchanges(record: Record, masking: Masking) -> Iterator[Entry]:
    for exchange in record.exchanges:
        request = masking.request(_whole(exchange.request))
        ended = exchange.sent_at if exchange.answered_at is None else exchange.answered_at
        entry = _entry(request, exchange.sent_wall, round((ended - exchange.sent_at) * 1000, 3))
        if exchange.response is None:
            # As browsers have it for a request that was not answered.
            entry["response"] = {**_response(Response(0)), "_error": masking.text(exchange.failure or "cut off")}
        else:
            entry["response"] = _response(masking.response(exchange.response))
        yield exchange.sent_wall, {**entry, "_case": exchange.case_id}


def _notifications(record: Record, masking: Masking) -> Iterator[Entry]:
    scheme = "https" if record.settings.get("callback_tls") else "http"
    for notification in record.notifications:
        answered = Response(STRAY if notification.product is None else TAKEN)
        entry = _entry(masking.request(_whole(notification.request, scheme)), notification.received_wall, 0.0)
        entry["response"] = _response(answered)
        yield notification.received_wall, {**entry, "_notification": notification.number}


def _whole(request: Request, scheme: str = "http") -> Request:
    """The request with its whole address, of which a receiver sees the target alone."""
    # Some senders write whole addresses, and so does the suite.
    if _WHOLE.match(request.url):
        return request
    host = header(request.headers, "Host") or UNNAMED
    return replace(request, url=f"{scheme}://{host}/{request.url.removeprefix('/')}")


def _entry(request: Request, wall: float, duration_ms: float) -> dict[str, Any]:
    return {
        "startedDateTime": datetime.fromtimestamp(wall, UTC).isoformat(timespec="milliseconds"),
        "time": duration_ms,
        "request": _request(request),
        "response": {},
        "cache": {},
        "timings": {
            "blocked": UNKNOWN,
            "dns": UNKNOWN,
            "connect": UNKNOWN,
            "ssl": UNKNOWN,
            "send": 0,
            "wait": duration_ms,
            "receive": 0,
        },
    }


def _request(request: Request) -> dict[str, Any]:
    described = {
        "method": request.method,
        "url": request.url,
        "httpVersion": "HTTP/1.1",
        "cookies": [],
        "headers": _headers(request.headers),
        "queryString": [{"name": name, "value": value} for name, value in _query(request.url)],
        "headersSize": UNKNOWN,
        "bodySize": len(request.body),
    }
    if request.body:
        mime_type = header(request.headers, "Content-Type") or ""
        described["postData"] = {"mimeType": mime_type, "params": [], **_text(request.body, "_encoding")}
    return described


def _query(url: str) -> list[tuple[str, str]]:
    try:
        return parse_qsl(urlsplit(url).query, keep_blank_values=True)
    except ValueError:
        return []  # anybody may send a receiver anything


def _text(body: bytes, encoding: str) -> dict[str, str]:
    """The body as text, or in base64 with a member `encoding` that says so."""
    try:
        return {"text": body.decode()}
    except UnicodeDecodeError:
        return {"text": base64.b64encode(body).decode(), encoding: "base64"}


def _response(response: Response) -> dict[str, Any]:
    return {
        "status": response.status,
        "statusText": _PHRASES.get(response.status, ""),
        "httpVersion": response.http_version,
        "cookies": [],
        "headers": _headers(response.headers),
        "content": {
            "size": len(response.body),
            "mimeType": header(response.headers, "Content-Type") or "",
            **_text(response.body, "encoding"),
        },
        "redirectURL": header(response.headers, "Location") or "",
        "headersSize": UNKNOWN,
        "bodySize": UNKNOWN,
    }


def _headers(headers: Headers) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in headers]
