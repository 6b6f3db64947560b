"""The mock gateway's notifications, on their way to real servers of every temper."""

from __future__ import annotations

import calendar
import json
import queue
import re
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from urllib.parse import urlsplit

import pytest
from mock_rig import VALID, eventually, served, sms
from pytest_httpserver import HTTPServer
from sockets import Handler, serving
from werkzeug import Request as Received
from werkzeug import Response as Given

from conformance.mock import delivering
from conformance.mock.account import Account
from conformance.mock.behaviour import Behaviour, Callback, Moment


class CallbackSite:
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
def callback(httpserver: HTTPServer) -> CallbackSite:
    """A callback that takes what comes."""
    return CallbackSite(httpserver)


def test_a_notification_arrives_at_the_registered_url(callback: CallbackSite) -> None:
    """POST, JSON, path and query as registered, and the id of the invocation."""
    with served(sms=callback.url) as (server, client):
        answer = sms(client).json()
        arrived = callback.next()
        assert eventually(lambda: server.courier.delivered == 1)
    assert ("POST", "application/json") == (arrived.method, arrived.content_type)
    assert urlsplit(callback.url).query.encode() == arrived.query_string
    assert urlsplit(callback.url).netloc == arrived.host
    assert {"result_code": "200", "result_desc": "Success", "request_id": answer["request_id"]} == arrived.json


def test_an_early_notification_has_arrived_before_the_answer(callback: CallbackSite) -> None:
    """It does not have to be waited for any more."""

    def early(deliveries: tuple[Callback, ...], _: Moment) -> tuple[Callback, ...]:
        return tuple(replace(delivery, before_answer=True) for delivery in deliveries)

    with served(Behaviour(deliveries=(early,)), sms=callback.url) as (server, client):
        answer = sms(client).json()
        assert 1 == server.courier.delivered
        assert answer["request_id"] == callback.arrived.get_nowait().json["request_id"]


def test_a_late_notification_takes_its_time(callback: CallbackSite) -> None:
    """Counted from the answer, and pending until then."""
    with served(Behaviour(notify_after_s=0.2), sms=callback.url) as (server, client):
        sms(client)
        answered = time.monotonic()
        assert eventually(lambda: server.courier.pending == 1)
        callback.next()
        assert time.monotonic() - answered > 0.15
        assert eventually(lambda: server.courier.pending == 0)


def test_raw_bytes_and_other_methods_go_out_as_they_are(callback: CallbackSite) -> None:
    """What a fault makes of a delivery reaches the callback."""

    def odd(deliveries: tuple[Callback, ...], _: Moment) -> tuple[Callback, ...]:
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
def test_what_a_callback_refuses_is_counted_and_not_sent_again(
    callback: CallbackSite, given: Given, reason: str
) -> None:
    """Redirects are not followed either."""
    callback.answer = given
    with served(sms=callback.url) as (server, client):
        assert 200 == sms(client).status_code
        assert eventually(lambda: server.courier.failed == 1)
        (failure,) = server.courier.failures
        assert 200 == sms(client).status_code
        assert eventually(lambda: server.courier.failed == 2)
    assert ("sms", callback.url, reason) == (failure.product, failure.url, failure.reason)
    assert 2 == callback.arrived.qsize()
    assert 0 == server.courier.delivered


def unused_port() -> int:
    """A port that nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://127.0.0.1:{port}/x", "refused|Connect"),
        ("ftp://127.0.0.1/x", "not an http"),
        ("http://127.0.0.1:99999/x", "not a URL"),
        ("http://127.0.0.1:port/x", "not a URL"),
    ],
    ids=["refused", "scheme", "no-port", "no-url"],
)
def test_a_callback_that_cannot_be_reached_is_counted(url: str, reason: str) -> None:
    """And the answer is the same."""
    with served(sms=url.format(port=unused_port())) as (server, client):
        assert 200 == sms(client).status_code
        assert eventually(lambda: server.courier.failed == 1)
        assert re.search(reason, server.courier.failures[0].reason)
        assert () == server.errors


def test_failures_are_kept_within_bounds() -> None:
    """All are counted, the last hundred kept."""
    with served(sms=f"http://127.0.0.1:{unused_port()}/x") as (server, client):
        for _ in range(delivering.MOST_FAILURES + 5):
            sms(client)
        assert eventually(lambda: server.courier.failed == delivering.MOST_FAILURES + 5)
        assert delivering.MOST_FAILURES == len(server.courier.failures)


@contextmanager
def listening(serve: Handler) -> Iterator[str]:
    """The URL of a server that hands each connection to `serve`, and then closes it."""
    with serving(serve) as port:
        yield f"http://127.0.0.1:{port}/x"


def hanging(connection: socket.socket) -> None:
    """Takes the request, and answers nothing until the client leaves."""
    while connection.recv(65536):
        """Nothing."""


def test_a_callback_that_hangs_is_given_up_and_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Answers go on while it hangs, and so does the callback of another product."""
    monkeypatch.setattr(delivering, "ANSWER_WITHIN_S", 1.0)
    with listening(hanging) as url, served(sms=url) as (server, client):
        began = time.monotonic()
        for _ in range(5):
            assert 200 == sms(client).status_code
        assert time.monotonic() - began < 1.0
        assert eventually(lambda: server.courier.failed == 5)
        assert {"not answered within 1 s"} == {failure.reason for failure in server.courier.failures}


def test_a_connection_that_went_idle_and_was_closed_loses_no_notification() -> None:
    """A receiver may close a kept connection at any time; the request that meets it is sent on a new one."""
    arrived: queue.Queue[bytes] = queue.Queue()

    def once(connection: socket.socket) -> None:
        data = connection.recv(65536)
        arrived.put(data)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    with listening(once) as url, served(sms=url) as (server, client):
        for number in range(1, 20):
            sms(client)
            arrived.get(timeout=5)
            assert eventually(lambda number=number: server.courier.delivered == number)
        assert 0 == server.courier.failed


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

    with listening(serve) as url, served(sms=url) as (server, client):
        sms(client)
        assert eventually(lambda: server.courier.pending == 0 and server.courier.delivered + server.courier.failed == 1)
        assert (taken, not taken) == (bool(server.courier.delivered), bool(server.courier.failed)), (
            server.courier.failures
        )


def test_a_callback_over_tls_has_to_speak_it(callback: CallbackSite) -> None:
    """A notification for an https URL is not sent in the clear."""
    with served(sms=callback.url.replace("http:", "https:")) as (server, client):
        sms(client)
        assert eventually(lambda: server.courier.failed == 1)
        assert re.search("(?i)ssl", server.courier.failures[0].reason)
    assert callback.arrived.empty()


def test_stopping_drops_what_is_pending_at_once() -> None:
    """Neither a notification that is due in an hour nor a callback that hangs holds the end up."""

    def also_late(deliveries: tuple[Callback, ...], _: Moment) -> tuple[Callback, ...]:
        return (*deliveries, *(replace(delivery, after_s=3600) for delivery in deliveries))

    with listening(hanging) as url:
        with served(Behaviour(deliveries=(also_late,)), sms=url) as (server, client):
            sms(client)
            assert eventually(lambda: server.courier.pending == 2)
            began = time.monotonic()
        assert time.monotonic() - began < 1.0
        assert 0 == server.courier.pending


def test_transactions_carry_the_present_time(callback: CallbackSite) -> None:
    """To the second, and in UTC, for no time zone is documented."""
    with served(**{"mpesa-online": callback.url}) as (_, client):
        client.post("mpesa/online", content=json.dumps(VALID["mpesa/online"]))
        text = callback.next().json["transaction_time"]
    told = time.strptime(text, "%Y-%m-%d %H:%M:%S")
    assert abs(calendar.timegm(told) - time.time()) < 10


def test_many_notifications_at_once_all_arrive() -> None:
    """Two hundred from four connections, to a receiver with a short queue."""
    arrived: queue.Queue[str] = queue.Queue()

    def serve(connection: socket.socket) -> None:
        with connection.makefile("rb") as lines:
            while lines.readline():
                length = 0
                while (line := lines.readline().strip()) and line:
                    name, _, value = line.partition(b": ")
                    length = int(value) if name == b"Content-Length" else length
                arrived.put(json.loads(lines.read(length))["request_id"])
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    with listening(serve) as url, served(sms=url) as (server, client):
        asked = [sms(client).json()["request_id"] for _ in range(200)]
        assert eventually(lambda: server.courier.delivered == 200)
        assert (0, 0) == (server.courier.failed, server.courier.pending)
    assert sorted(asked) == sorted(arrived.get_nowait() for _ in range(200))


def test_an_account_without_callbacks_sends_nothing() -> None:
    """There is nowhere to send it."""
    with served() as (server, client):
        assert 200 == sms(client).status_code
        assert (0, 0, 0) == (server.courier.pending, server.courier.delivered, server.courier.failed)
    assert {} == Account.sample().callbacks
