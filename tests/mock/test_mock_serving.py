"""The mock gateway over real HTTP: each form on the wire, and what a client finds at its ends."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable
from dataclasses import replace
from urllib.parse import urlsplit

import httpx
import pytest
from mock_rig import ACCOUNT, RIGHT, VALID, served, sms

from conformance.mock.answering import MOST_BODY
from conformance.mock.behaviour import Behaviour, Ending, Moment, Reply, Wire
from conformance.mock.serving import MockServer, serve_mock
from conformance.model.errors import EnvironmentFailure
from conformance.wire.listening import Address

ENVELOPE = {"status_code", "description", "request_id"}


def raw(server: MockServer, data: bytes) -> socket.socket:
    """A connection to the server on which `data` has been written."""
    host, port = urlsplit(server.url).netloc.split(":")
    connection = socket.create_connection((host, int(port)), timeout=5)
    connection.sendall(data)
    return connection


def sms_bytes(*extra: str) -> bytes:
    """A valid sms request as it goes over the wire, with extra header lines."""
    body = json.dumps(VALID["sms"])
    lines = ["POST /api/v2/sms HTTP/1.1", "Host: x", f"Authorization: {RIGHT}", "Content-Type: application/json"]
    return "\r\n".join([*lines, *extra, f"Content-Length: {len(body)}", "", body]).encode()


# --- Answers


def test_the_five_commands_are_served_below_the_base_url() -> None:
    """One after the other on one connection; the server counts them."""
    with served() as (server, client):
        posted = [client.post(command, content=json.dumps(payload)) for command, payload in VALID.items()]
        details = client.get("account-details")
        assert [200] * 5 == [answer.status_code for answer in [*posted, details]]
        assert server.url.endswith("/api/v2")
        assert 5 == server.requests


def test_an_answer_is_compact_json_in_utf_8() -> None:
    """What is not ASCII is not escaped."""
    with served() as (_, client):
        answer = client.get("account-details")
    assert "application/json" == answer.headers["content-type"]
    assert str(len(answer.content)) == answer.headers["content-length"]
    assert "–".encode() in answer.content
    assert b'{"status_code":200,"description":' == answer.content[:33]


def test_an_answer_is_written_in_one_piece() -> None:
    """Headers and body together: apart they could cost the client a delayed ACK."""
    with served() as (server, _), raw(server, sms_bytes()) as connection:
        head, _, body = connection.recv(65536).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert ENVELOPE == set(json.loads(body))


def test_a_client_may_ask_before_it_sends_the_body() -> None:
    """`Expect: 100-continue` is answered at once, and is not the answer."""
    head, _, body = sms_bytes("Expect: 100-continue").partition(b"\r\n\r\n")
    with served() as (server, _), raw(server, head + b"\r\n\r\n") as connection:
        assert b"HTTP/1.1 100 Continue\r\n\r\n" == connection.recv(65536)
        connection.sendall(body)
        assert connection.recv(65536).startswith(b"HTTP/1.1 200 OK\r\n")


def test_head_is_answered_without_a_body_and_the_connection_goes_on() -> None:
    """The 405 of the envelope, without the envelope."""
    with served() as (_, client):
        assert (405, b"") == ((answer := client.head("sms")).status_code, answer.content)
        assert 200 == sms(client).status_code


def test_the_target_is_handed_on_as_it_came() -> None:
    """Path and query are not decoded: what the gateway sees is what was sent."""
    seen: list[str] = []

    def spy(reply: Reply, moment: Moment) -> Reply:
        seen.append(moment.request.url)
        return reply

    with served(Behaviour(reply=(spy,))) as (_, client):
        client.get("account-details?a=%20b&c")
        client.get("mpesa%2Fonline")
    assert ["/api/v2/account-details?a=%20b&c", "/api/v2/mpesa%2Fonline"] == seen


@pytest.mark.parametrize("size", [1 << 17, MOST_BODY + 1, 3 * MOST_BODY])
def test_a_large_body_is_refused_and_not_kept(size: int) -> None:
    """Beyond a megabyte it is read and forgotten; either way the answer is a 4xx in the envelope."""
    body = json.dumps({**VALID["sms"], "message": "m" * size})
    with served() as (_, client):
        answer = client.post("sms", content=body)
        chunked = client.post("sms", content=iter([body[:size].encode(), body[size:].encode()]))
    for each in (answer, chunked):
        assert 400 <= each.status_code < 500
        assert set(each.json()) >= ENVELOPE


WIRES: list[tuple[Wire, Callable[[httpx.Response], bool]]] = [
    (Wire(), lambda answer: "content-length" in answer.headers and answer.http_version == "HTTP/1.1"),
    (Wire(chunked=True), lambda answer: answer.headers.get("transfer-encoding") == "chunked"),
    (Wire(chunked=True), lambda answer: "content-length" not in answer.headers),
    (Wire(gzip=True), lambda answer: answer.headers.get("content-encoding") == "gzip"),
    (Wire(gzip=True, chunked=True), lambda answer: answer.headers.get("content-encoding") == "gzip"),
    (Wire(pretty=True), lambda answer: answer.content.startswith(b'{\n  "status_code"')),
    (Wire(close=True), lambda answer: answer.headers.get("connection") == "close"),
    (Wire(http_1_0=True), lambda answer: answer.http_version == "HTTP/1.0"),
    (Wire(http_1_0=True, chunked=True), lambda answer: "transfer-encoding" not in answer.headers),
]


@pytest.mark.parametrize(("wire", "shows"), WIRES, ids=lambda value: str(value) if isinstance(value, Wire) else "")
def test_a_form_on_the_wire_shows_and_changes_nothing_else(wire: Wire, shows: Callable[[httpx.Response], bool]) -> None:
    """Successes and refusals alike, several times over."""
    with served(Behaviour(wire=wire)) as (_, client):
        for answer, status in [(sms(client), 200), (client.get("fax"), 404), (sms(client), 200)]:
            assert shows(answer), answer.headers
            assert (status, status) == (answer.status_code, answer.json()["status_code"])


@pytest.mark.parametrize("accepted", ["identity", "gzip;q=0", "deflate, br"])
def test_a_client_that_does_not_take_gzip_gets_none(accepted: str) -> None:
    """Only what Accept-Encoding names is sent compressed."""
    with served(Behaviour(wire=Wire(gzip=True))) as (_, client):
        answer = client.get("account-details", headers={"Accept-Encoding": accepted})
    assert "content-encoding" not in answer.headers
    assert 200 == answer.json()["status_code"]


@pytest.mark.parametrize(("wire", "stays"), [(Wire(), True), (Wire(close=True), False), (Wire(http_1_0=True), False)])
def test_the_connection_is_closed_by_those_who_say_so(wire: Wire, stays: bool) -> None:  # noqa: FBT001 - a column
    """Otherwise it takes the next request."""
    with served(Behaviour(wire=wire)) as (server, _), raw(server, sms_bytes()) as connection:
        assert connection.recv(65536)
        if stays:
            connection.sendall(sms_bytes())
        assert stays == bool(connection.recv(65536))


def test_a_dropped_answer_closes_the_connection() -> None:
    """Nothing comes; the next request on another connection is answered."""

    def drop_first(reply: Reply, moment: Moment) -> Reply:
        return replace(reply, ending=Ending.BEFORE) if moment.count == 1 else reply

    with served(Behaviour(reply=(drop_first,))) as (server, client):
        with pytest.raises(httpx.RemoteProtocolError, match="without sending a response"):
            sms(client)
        assert 200 == sms(client).status_code
        assert () == server.errors


def test_slow_answers_do_not_wait_for_each_other() -> None:
    """Ten at once take as long as one."""
    with served(Behaviour(answer_after_s=0.2)) as (server, client):
        began = time.monotonic()
        connections = [raw(server, sms_bytes()) for _ in range(10)]
        for connection in connections:
            assert connection.recv(65536).startswith(b"HTTP/1.1 200")
            connection.close()
        took = time.monotonic() - began
        assert client.get("fax").status_code == 404
    assert 0.2 <= took < 1.0


def test_a_behaviour_that_raises_is_reported() -> None:
    """It is a bug of the suite, so it is kept for whoever runs the server."""

    def broken(_reply: Reply, _moment: Moment) -> Reply:
        raise ZeroDivisionError

    with served(Behaviour(reply=(broken,))) as (server, client):
        assert 500 == sms(client).status_code
        assert [ZeroDivisionError] == [type(error) for error in server.errors]


def test_an_address_that_is_taken_is_told_apart() -> None:
    """As that of the mock gateway."""
    with served() as (server, _):
        taken = urlsplit(server.url).netloc
        with pytest.raises(EnvironmentFailure, match=f"mock gateway address {taken} is in use"):
            serve_mock(ACCOUNT, listen=Address.parse(taken))


def test_a_server_that_is_stopped_twice_or_never_asked_stops_all_the_same() -> None:
    """Stopping is idempotent, and does not need a request to have come."""
    server = serve_mock(ACCOUNT)
    server.start()
    server.stop()
    server.stop()
    with pytest.raises(httpx.ConnectError):
        httpx.get(server.url, trust_env=False)
