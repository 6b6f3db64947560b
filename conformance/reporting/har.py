"""`traffic.har`: the HTTP traffic of a run as HAR 1.2, for the viewers that people have: browsers, proxies, editors.

    har     the file, piece by piece: a run may have hundreds of thousands of exchanges

Every exchange and every notification is an entry, in the order in which they began; what was redacted in the journal
is redacted here. Beyond HAR, an entry names its `_case` or `_notification`. A request body that is no UTF-8 stands in
base64, for which HAR has a word (`_encoding` here) only for responses. There is no date before which a request was
built, so `blocked`, `dns`, `connect` and `ssl` are -1: not known.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from heapq import merge
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from conformance import __version__
from conformance.reporting.masking import Masking
from conformance.reporting.result import Result
from conformance.traffic import Exchange, Headers, Notification, Request, Response, header

UNKNOWN = -1
# What the receiver answers: 200 at the path of a product, 404 at any other.
TAKEN, STRAY = 200, 404

_PHRASES: Mapping[int, str] = {status.value: status.phrase for status in HTTPStatus}

Entry = tuple[float, dict[str, Any]]


def har(result: Result) -> Iterator[bytes]:
    """The run as HAR 1.2 in UTF-8; the same result gives the same bytes."""
    creator = {"name": "statum-conformance", "version": __version__}
    start = json.dumps({"version": "1.2", "creator": creator, "pages": []})
    yield f'{{"log": {start[:-1]}, "entries": ['.encode()
    separator = "\n"
    for _, entry in merge(_exchanges(result), _notifications(result), key=lambda dated: dated[0]):
        yield f"{separator}{json.dumps(entry)}".encode()
        separator = ",\n"
    yield b"\n]}}\n"


def _exchanges(result: Result) -> Iterator[Entry]:
    for exchange in result.record.exchanges:
        entry = _entry(exchange.request, exchange.sent_wall, _duration_ms(exchange), result.masking)
        if exchange.response is None:
            # As browsers have it for a request that was not answered.
            entry["response"] = {**_response(Response(0), result.masking), "_error": exchange.failure or "cut off"}
        else:
            entry["response"] = _response(exchange.response, result.masking)
        yield exchange.sent_wall, {**entry, "_case": exchange.case_id}


def _notifications(result: Result) -> Iterator[Entry]:
    for notification in result.record.notifications:
        answered = Response(STRAY if notification.product is None else TAKEN)
        entry = _entry(_absolute(notification), notification.received_wall, 0.0, result.masking)
        entry["response"] = _response(answered, result.masking)
        yield notification.received_wall, {**entry, "_notification": notification.number}


def _absolute(notification: Notification) -> Request:
    """As it was sent; a receiver sees but the target of it."""
    request = notification.request
    host = header(request.headers, "Host")
    # An absolute target stays as it is; some senders write such.
    url = f"http://{host}{request.url}" if host and request.url.startswith("/") else request.url
    return Request(request.method, url, request.headers, request.body)


def _duration_ms(exchange: Exchange) -> float:
    ended = exchange.sent_at if exchange.answered_at is None else exchange.answered_at
    return round((ended - exchange.sent_at) * 1000, 3)


def _entry(request: Request, wall: float, duration_ms: float, masking: Masking) -> dict[str, Any]:
    return {
        "startedDateTime": datetime.fromtimestamp(wall, UTC).isoformat(timespec="milliseconds"),
        "time": duration_ms,
        "request": _request(request, masking),
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


def _request(request: Request, masking: Masking) -> dict[str, Any]:
    url = masking.text(request.url)
    described = {
        "method": request.method,
        "url": url,
        "httpVersion": "HTTP/1.1",
        "cookies": [],
        "headers": _headers(request.headers, masking),
        "queryString": [{"name": name, "value": value} for name, value in _query(url)],
        "headersSize": UNKNOWN,
        "bodySize": len(request.body),
    }
    if request.body:
        described["postData"] = {"mimeType": header(request.headers, "Content-Type") or "", **_posted(request, masking)}
    return described


def _query(url: str) -> list[tuple[str, str]]:
    try:
        return parse_qsl(urlsplit(url).query, keep_blank_values=True)
    except ValueError:
        return []  # anybody may send a receiver anything


def _posted(request: Request, masking: Masking) -> dict[str, Any]:
    try:
        return {"params": [], "text": masking.text(request.body.decode())}
    except UnicodeDecodeError:
        return {"params": [], "text": base64.b64encode(request.body).decode(), "_encoding": "base64"}


def _response(response: Response, masking: Masking) -> dict[str, Any]:
    return {
        "status": response.status,
        "statusText": _PHRASES.get(response.status, ""),
        "httpVersion": response.http_version,
        "cookies": [],
        "headers": _headers(response.headers, masking),
        "content": _content(response, masking),
        "redirectURL": header(response.headers, "Location") or "",
        "headersSize": UNKNOWN,
        "bodySize": UNKNOWN,
    }


def _content(response: Response, masking: Masking) -> dict[str, Any]:
    described = {"size": len(response.body), "mimeType": header(response.headers, "Content-Type") or ""}
    try:
        return {**described, "text": masking.text(response.body.decode())}
    except UnicodeDecodeError:
        return {**described, "text": base64.b64encode(response.body).decode(), "encoding": "base64"}


def _headers(headers: Headers, masking: Masking) -> list[dict[str, str]]:
    return [{"name": name, "value": masking.text(value)} for name, value in headers]
