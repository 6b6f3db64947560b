"""`traffic.har`: the HTTP traffic of a run as HAR 1.2, for browsers, proxies and editors.

Every exchange and every notification is an entry, in the order in which they began, redacted as in the journal and with
given phone numbers masked. HAR needs whole URLs: the target of a received request is completed by its Host. Beyond HAR,
an entry names its `_case` or `_notification`, and a request body that is not UTF-8 is base64 with an `_encoding`, which
HAR has only for responses. `blocked`, `dns`, `connect` and `ssl` are -1: not known.
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
# The receiver answers 200 at the path of a product, 404 at any other.
TAKEN, STRAY = 200, 404
# The host of a request without one, as in HTTP/1.0; `.invalid` is reserved by RFC 2606.
UNNAMED = "unnamed.invalid"

_WHOLE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_PHRASES: Mapping[int, str] = {status.value: status.phrase for status in HTTPStatus}

Entry = tuple[float, dict[str, Any]]


def har(result: Reportable) -> Iterator[bytes]:
    """The run as HAR 1.2 in UTF-8, piece by piece; the same result gives the same bytes.

    Raises UsageError without a record.
    """
    tool = result.report.tool
    if result.record is None:
        raise UsageError("the HTTP traffic stands in the journal alone, which is not there")
    return _pieces(result.record, result.masking, {"name": tool.name, "version": tool.version})


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
        ended = exchange.sent_at if exchange.answered_at is None else exchange.answered_at
        if exchange.response is None:  # as browsers write it for a request without an answer
            response = {**_response(Response(0)), "_error": masking.text(exchange.failure or "cut off")}
        else:
            response = _response(masking.response(exchange.response))
        request = masking.request(_whole(exchange.request))
        entry = _entry(request, response, exchange.sent_wall, round((ended - exchange.sent_at) * 1000, 3))
        yield exchange.sent_wall, {**entry, "_case": exchange.case_id}


def _notifications(record: Record, masking: Masking) -> Iterator[Entry]:
    scheme = "https" if record.settings.get("callback_tls") else "http"
    for notification in record.notifications:
        request = masking.request(_whole(notification.request, scheme))
        response = _response(Response(STRAY if notification.product is None else TAKEN))
        entry = _entry(request, response, notification.received_wall, 0.0)
        yield notification.received_wall, {**entry, "_notification": notification.number}


def _whole(request: Request, scheme: str = "http") -> Request:
    """The request with its whole URL, of which a receiver sees only the target."""
    if _WHOLE.match(request.url):  # as the suite and some senders write it
        return request
    host = header(request.headers, "Host") or UNNAMED
    return replace(request, url=f"{scheme}://{host}/{request.url.removeprefix('/')}")


def _entry(request: Request, response: Mapping[str, Any], wall: float, duration_ms: float) -> dict[str, Any]:
    return {
        "startedDateTime": datetime.fromtimestamp(wall, UTC).isoformat(timespec="milliseconds"),
        "time": duration_ms,
        "request": _request(request),
        "response": response,
        "cache": {},
        "timings": {
            **dict.fromkeys(("blocked", "dns", "connect", "ssl"), UNKNOWN),
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
        return []  # a stranger's request


def _text(body: bytes, encoding: str) -> dict[str, str]:
    """The body as text, or as base64 with a member `encoding`."""
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
