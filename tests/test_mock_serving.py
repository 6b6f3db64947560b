"""The mock gateway over real HTTP: each form on the wire, and notifications that reach a real server."""

from __future__ import annotations

import json
import queue
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from urllib.parse import urlsplit

import httpx
import pytest
from mock_requests import ACCOUNT, RIGHT, VALID, eventually, headers
from pytest_httpserver import HTTPServer
from werkzeug import Request as Received
from werkzeug import Response as Given

from conformance.callbacks.address import Address
from conformance.errors import EnvironmentFailure
from conformance.mock_gateway import delivering
from conformance.mock_gateway.account import Account
from conformance.mock_gateway.behaviour import Behaviour, Delivery, Moment, Reply, Wire
from conformance.mock_gateway.serving import MOST_BODY, MockServer, serve_mock

ENVELOPE = {"status_code", "description", "request_id"}


@contextmanager
def served(behaviour: Behaviour | None = None, **callbacks: str) -> Iterator[tuple[MockServer, httpx.Client]]:
    """A mock gateway, and a client of it that has the right headers."""
    account = replace(ACCOUNT, callbacks=callbacks)
    with (
        serve_mock(account, behaviour) as server,
        httpx.Client(base_url=server.url, headers=headers(), trust_env=False) as client,
    ):
        yield server, client


def sms(client: httpx.Client) -> httpx.Response:
    """The answer to a valid sms request."""
    return client.post("sms", content=json.dumps(VALID["sms"]))


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
        return replace(reply, dropped=moment.count == 1)

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

    def broken(reply: Reply, moment: Moment) -> Reply:
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


# --- Notifications


class Callback:
    """A callback on a pytest-httpserver: what arrives, in order, and the answer that it gets."""

    def __init__(self, httpserver: HTTPServer) -> None:
        self.arrived: queue.Queue[Received] = queue.Queue()
        self.answer = Given("", 204)
        httpserver.expect_request("/hooks/sms").respond_with_handler(self._take)
        self.url = httpserver.url_for("/hooks/sms?token=a%20b&x")

    def _take(self, received: Received) -> Given:
        self.arrived.put(received)
        return self.answer

    def next(self) -> Received:
        """The next request to arrive; queue.Empty if none does."""
        return self.arrived.get(timeout=5)


@pytest.fixture
def callback(httpserver: HTTPServer) -> Callback:
    """A callback that takes what comes."""
    return Callback(httpserver)


def test_a_notification_arrives_at_the_registered_url(callback: Callback) -> None:
    """POST, JSON, path and query as registered, and the id of the invocation."""
    with served(sms=callback.url) as (server, client):
        answer = sms(client).json()
        arrived = callback.next()
        assert eventually(lambda: server.delivered == 1)
    assert ("POST", "application/json") == (arrived.method, arrived.content_type)
    assert urlsplit(callback.url).query.encode() == arrived.query_string
    assert urlsplit(callback.url).netloc == arrived.host
    assert {"result_code": "200", "result_desc": "Success", "request_id": answer["request_id"]} == arrived.json


def test_an_early_notification_has_arrived_before_the_answer(callback: Callback) -> None:
    """It does not have to be waited for any more."""

    def early(deliveries: tuple[Delivery, ...], moment: Moment) -> tuple[Delivery, ...]:
        return tuple(replace(delivery, before_answer=True) for delivery in deliveries)

    with served(Behaviour(deliveries=(early,)), sms=callback.url) as (server, client):
        answer = sms(client).json()
        assert 1 == server.delivered
        assert answer["request_id"] == callback.arrived.get_nowait().json["request_id"]


def test_a_late_notification_takes_its_time(callback: Callback) -> None:
    """Counted from the answer, and pending until then."""
    with served(Behaviour(notify_after_s=0.2), sms=callback.url) as (server, client):
        sms(client)
        answered = time.monotonic()
        assert eventually(lambda: server.pending == 1)
        callback.next()
        assert time.monotonic() - answered > 0.15
        assert eventually(lambda: server.pending == 0)


def test_raw_bytes_and_other_methods_go_out_as_they_are(callback: Callback) -> None:
    """What a fault makes of a delivery reaches the callback."""

    def odd(deliveries: tuple[Delivery, ...], moment: Moment) -> tuple[Delivery, ...]:
        return tuple(replace(each, method="PUT", raw=b"\xff{", headers=(("X-Odd", "é"),)) for each in deliveries)

    with served(Behaviour(deliveries=(odd,)), sms=callback.url) as (_, client):
        sms(client)
        arrived = callback.next()
    assert ("PUT", b"\xff{", None) == (arrived.method, arrived.data, arrived.content_type)


FAILING: list[tuple[Given, str]] = [
    (Given("", 500), "answered 500"),
    (Given("", 301, headers={"Location": "/hooks/sms"}), "answered 301"),
]


@pytest.mark.parametrize(("given", "reason"), FAILING, ids=["5xx", "redirect"])
def test_what_a_callback_refuses_is_counted_and_not_sent_again(callback: Callback, given: Given, reason: str) -> None:
    """Redirects are not followed either."""
    callback.answer = given
    with served(sms=callback.url) as (server, client):
        assert 200 == sms(client).status_code
        assert eventually(lambda: server.failed == 1)
        (failure,) = server.failures
        assert 200 == sms(client).status_code
        assert eventually(lambda: server.failed == 2)
    assert ("sms", callback.url, reason) == (failure.product, failure.url, failure.reason)
    assert 2 == callback.arrived.qsize()
    assert 0 == server.delivered


def unused_port() -> int:
    """A port that nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.parametrize(
    ("url", "reason"),
    [("http://127.0.0.1:{port}/x", "refused|Connect"), ("ftp://127.0.0.1/x", "not an http"), ("http://[", "not a URL")],
    ids=["refused", "scheme", "no-url"],
)
def test_a_callback_that_cannot_be_reached_is_counted(url: str, reason: str) -> None:
    """And the answer is the same."""
    with served(sms=url.format(port=unused_port())) as (server, client):
        assert 200 == sms(client).status_code
        assert eventually(lambda: server.failed == 1)
        assert pytest.RaisesExc(Exception, match=reason).matches(Exception(server.failures[0].reason))
        assert () == server.errors


def test_failures_are_kept_within_bounds() -> None:
    """All are counted, the last hundred kept."""
    with served(sms=f"http://127.0.0.1:{unused_port()}/x") as (server, client):
        for _ in range(delivering.MOST_FAILURES + 5):
            sms(client)
        assert eventually(lambda: server.failed == delivering.MOST_FAILURES + 5)
        assert delivering.MOST_FAILURES == len(server.failures)


@contextmanager
def listening(serve: Callable[[socket.socket], None]) -> Iterator[str]:
    """The URL of a server that hands each connection to `serve`, in a thread of its own."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                threading.Thread(target=serve, args=(connection,), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/x"
        listener.shutdown(socket.SHUT_RDWR)


def test_a_callback_that_hangs_is_given_up_and_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Answers go on while it hangs, and so does the callback of another product."""
    monkeypatch.setattr(delivering, "ANSWER_WITHIN_S", 0.3)
    over = threading.Event()

    def hang(connection: socket.socket) -> None:
        over.wait(10)
        connection.close()

    with listening(hang) as url, served(sms=url) as (server, client):
        began = time.monotonic()
        for _ in range(5):
            assert 200 == sms(client).status_code
        assert time.monotonic() - began < 0.25
        assert eventually(lambda: server.failed == 5)
        assert {"not answered within 0.3 s"} == {failure.reason for failure in server.failures}
        over.set()


def test_a_connection_that_went_idle_and_was_closed_loses_no_notification() -> None:
    """A receiver may close a kept connection at any time; the request that meets it is sent on a new one."""
    arrived: queue.Queue[bytes] = queue.Queue()

    def once(connection: socket.socket) -> None:
        data = connection.recv(65536)
        arrived.put(data)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        connection.close()

    with listening(once) as url, served(sms=url) as (server, client):
        for number in range(1, 20):
            sms(client)
            arrived.get(timeout=5)
            assert eventually(lambda number=number: server.delivered == number)
        assert 0 == server.failed


ODD_ANSWERS = {
    "until-close": (b"HTTP/1.1 200 OK\r\n\r\nthanks", True),
    "http-1.0": (b"HTTP/1.0 200 OK\r\n\r\n", True),
    "interim": (b"HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n", True),
    "not-http": (b"220 mail.example ESMTP\r\n", False),
    "nothing": (b"", False),
    "cut": (b"HTTP/1.1 200 O", False),
}


@pytest.mark.parametrize("name", ODD_ANSWERS)
def test_odd_answers_of_a_callback(name: str) -> None:
    """Whatever is HTTP counts as taken, also when it ends with the connection; the rest has failed."""
    answer, taken = ODD_ANSWERS[name]

    def serve(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(answer)
        connection.shutdown(socket.SHUT_WR)
        connection.recv(65536)
        connection.close()

    with listening(serve) as url, served(sms=url) as (server, client):
        sms(client)
        assert eventually(lambda: server.pending == 0 and server.delivered + server.failed == 1)
        assert (taken, not taken) == (bool(server.delivered), bool(server.failed)), server.failures


def test_stopping_drops_what_is_pending_at_once() -> None:
    """Neither a notification that is due in an hour nor a callback that hangs holds the end up."""
    over = threading.Event()

    def hang(connection: socket.socket) -> None:
        over.wait(10)
        connection.close()

    def also_late(deliveries: tuple[Delivery, ...], moment: Moment) -> tuple[Delivery, ...]:
        return (*deliveries, *(replace(delivery, after_s=3600) for delivery in deliveries))

    with listening(hang) as url:
        with served(Behaviour(deliveries=(also_late,)), sms=url) as (server, client):
            sms(client)
            assert eventually(lambda: server.pending == 2)
            began = time.monotonic()
        assert time.monotonic() - began < 1.0
        assert 0 == server.pending
        over.set()


def test_transactions_carry_the_present_time(callback: Callback) -> None:
    """Local time of the operators, to the second."""
    with served(**{"mpesa-online": callback.url}) as (_, client):
        client.post("mpesa/online", content=json.dumps(VALID["mpesa/online"]))
        text = callback.next().json["transaction_time"]
    nairobi = time.strptime(text, "%Y-%m-%d %H:%M:%S")
    expected = time.gmtime(time.time() + 3 * 3600)
    assert abs(time.mktime(expected) - time.mktime(nairobi)) < 10


def test_many_notifications_at_once_all_arrive() -> None:
    """Two hundred from four connections, to a receiver with a short queue."""
    arrived: queue.Queue[str] = queue.Queue()

    def serve(connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as lines:
            while lines.readline():
                length = 0
                while (line := lines.readline().strip()) and line:
                    name, _, value = line.partition(b": ")
                    length = int(value) if name == b"Content-Length" else length
                arrived.put(json.loads(lines.read(length))["request_id"])
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    with listening(serve) as url, served(sms=url) as (server, client):
        asked = [sms(client).json()["request_id"] for _ in range(200)]
        assert eventually(lambda: server.delivered == 200)
        assert (0, 0) == (server.failed, server.pending)
    assert sorted(asked) == sorted(arrived.get_nowait() for _ in range(200))


def test_an_account_without_callbacks_sends_nothing() -> None:
    """There is nowhere to send it."""
    with served() as (server, client):
        assert 200 == sms(client).status_code
        assert (0, 0, 0) == (server.pending, server.delivered, server.failed)
    assert {} == Account.sample().callbacks
