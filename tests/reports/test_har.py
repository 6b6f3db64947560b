"""`traffic.har`: HAR 1.2 as viewers read it, with every exchange and notification in it, and nothing that is secret."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest
from made_result import CASE, REQUEST, SETTINGS, result_of

from conformance.contract.schemas import FORMATS
from conformance.journal import Record
from conformance.model.traffic import Exchange, Headers, Notification, Request, Response
from conformance.reports.har import har

JSON = (("Content-Type", "application/json"),)
NOTIFIED = Request("POST", "/callbacks/sms?token=x", (("Host", "127.0.0.1:9001"), *JSON), b'{"request_id": "1"}')


def archive(*exchanges: Exchange, notifications: tuple[Notification, ...] = (), **settings: Any) -> dict[str, Any]:
    """The archive of a run with these exchanges, which is valid."""
    record = Record({**SETTINGS, **settings}, (CASE,), exchanges, notifications)
    read: dict[str, Any] = json.loads(b"".join(har(result_of(record=record))))
    assert [] == FORMATS.violations("har", read)
    return read


def entries(read: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Its entries."""
    yield from read["log"]["entries"]


def exchange(number: int, request: Request = REQUEST, wall: float = 10.0, **known: Any) -> Exchange:
    """An exchange that was answered after a quarter of a second, unless `known` says otherwise."""
    known = {"response": Response(200, JSON, b"{}"), "answered_at": 1.25, **known}
    return Exchange(number, CASE.id, 1, request, 1.0, wall, **known)


def test_a_run_without_traffic_is_a_valid_archive() -> None:
    """With the suite's name, and no entries."""
    read = archive()
    assert ("1.2", "statum-conformance", []) == (
        read["log"]["version"],
        read["log"]["creator"]["name"],
        read["log"]["entries"],
    )


def test_an_exchange_is_an_entry() -> None:
    """Method, address, bodies, status, and how long it took."""
    (entry,) = entries(archive(exchange(1)))
    assert "1970-01-01T00:00:10.000+00:00" == entry["startedDateTime"]
    assert (250.0, 250.0) == (entry["time"], entry["timings"]["wait"])
    assert ("POST", REQUEST.url) == (entry["request"]["method"], entry["request"]["url"])
    assert REQUEST.body.decode() == entry["request"]["postData"]["text"]
    assert (200, "OK", "{}") == (
        entry["response"]["status"],
        entry["response"]["statusText"],
        entry["response"]["content"]["text"],
    )
    assert CASE.id == entry["_case"]


def test_a_notification_is_an_entry_among_them_with_its_full_address() -> None:
    """In the order in which things began, with what the receiver answered."""
    notification = Notification(1, "sms", NOTIFIED, 2.0, 11.0)
    stray = Notification(2, None, NOTIFIED, 2.0, 11.5)
    read = archive(exchange(1), exchange(2, wall=12.0), notifications=(notification, stray))
    found = [(e["request"]["url"], e["response"]["status"], e.get("_notification")) for e in entries(read)]
    callback = "http://127.0.0.1:9001/callbacks/sms?token=x"
    assert [(REQUEST.url, 200, None), (callback, 200, 1), (callback, 404, 2), (REQUEST.url, 200, None)] == found
    assert [{"name": "token", "value": "x"}] == list(entries(read))[1]["request"]["queryString"]


def test_an_exchange_without_an_answer_says_why() -> None:
    """As browsers have it: status 0."""
    failed = exchange(1, response=None, failure="read timeout")
    cut_off = exchange(2, response=None, answered_at=None)
    found = [(e["response"]["status"], e["response"]["_error"], e["time"]) for e in entries(archive(failed, cut_off))]
    assert [(0, "read timeout", 250.0), (0, "cut off", 0.0)] == found


def test_bytes_that_are_no_text_stand_in_base64() -> None:
    """In requests and in answers."""
    binary = b"\xff\xfe{}"
    (entry,) = entries(
        archive(exchange(1, Request("POST", "http://x/", JSON, binary), response=Response(200, (), binary)))
    )
    posted, content = entry["request"]["postData"], entry["response"]["content"]
    assert [binary, binary] == [base64.b64decode(posted["text"]), base64.b64decode(content["text"])]
    assert ("base64", "base64") == (posted["_encoding"], content["encoding"])


def test_notifications_by_tls_have_addresses_of_https() -> None:
    """As the receiver was reached."""
    notification = Notification(1, "sms", NOTIFIED, 2.0, 11.0)
    (entry,) = entries(archive(notifications=(notification,), callback_tls=True))
    assert "https://127.0.0.1:9001/callbacks/sms?token=x" == entry["request"]["url"]


@pytest.mark.parametrize(
    ("target", "headers", "address"),
    [
        ("/callbacks/sms", (("host", "here:9001"),), "http://here:9001/callbacks/sms"),
        ("http://there/x", (("Host", "here:9001"),), "http://there/x"),
        ("/callbacks/sms", (), "http://unnamed.invalid/callbacks/sms"),
        ("//[::1?a=b", (), "http://unnamed.invalid//[::1?a=b"),
        ("*", (("Host", "here:9001"),), "http://here:9001/*"),
        ("http://[::1", (), "http://[::1"),
    ],
)
def test_the_address_of_what_was_received_is_whole(target: str, headers: Headers, address: str) -> None:
    """Anybody may send a receiver anything; where a client is judged, its requests are received, too."""
    request = Request("GET", target, headers)
    found = archive(exchange(1, request), notifications=(Notification(1, None, request, 2.0, 11.0),))
    assert [address, address] == [entry["request"]["url"] for entry in entries(found)]
