"""The mock gateway in several processes: one state, whichever of them a request comes to."""

from __future__ import annotations

import json
import os
import signal
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass
from http.client import HTTPConnection
from urllib.parse import urlsplit

import httpx
import pytest
from mock_rig import ACCOUNT, VALID, eventually, headers
from pytest_httpserver import HTTPServer

from conformance.contract.tables import Change
from conformance.mock.account import Account
from conformance.mock.behaviour import BUILT_IN
from conformance.mock.control import controlled
from conformance.mock.faults import changed_by
from conformance.mock.partner import WITHOUT_CHANCE, MockGateway
from conformance.mock.serving import MockServer, serve_mock
from conformance.model.errors import EnvironmentFailure
from conformance.wire.listening import Address

# Connections at a time; enough for each process to accept one of some hundreds.
AT_ONCE = 8
# An interpreter that imports the suite, on a busy machine.
PATIENCE_S = 20.0


@dataclass(frozen=True)
class ShortAnswer:
    """Status and id of an answer."""

    status: int
    request_id: str


def sent(base_url: str, command: str, numbers: range) -> list[ShortAnswer]:
    """Answers to requests to that many phone numbers, each on a connection of its own, some at a time."""
    parts = urlsplit(base_url)

    def answer(number: int) -> ShortAnswer:
        payload = json.dumps({**VALID[command], "phone_number": f"2547{number:08}"})
        with closing(HTTPConnection(parts.netloc, timeout=PATIENCE_S)) as connection:
            connection.request("POST", f"{parts.path}/{command}", payload, headers())
            response = connection.getresponse()
            return ShortAnswer(response.status, json.load(response)["request_id"])

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(answer, numbers))


@pytest.fixture(scope="module")
def gateway() -> Iterator[MockGateway]:
    """A mock gateway of two processes, with its control API."""
    with controlled(MockGateway(ACCOUNT, processes=2)) as started:
        yield started


@pytest.fixture(autouse=True)
def _as_at_the_start(gateway: MockGateway) -> None:
    gateway.reset()


def until_both_answer(gateway: MockGateway) -> list[ShortAnswer]:
    """Accepted requests for sms, some of which each process has read."""
    answers: list[ShortAnswer] = []

    def both() -> bool:
        before = gateway.server.counts
        answers.extend(sent(gateway.base_url, "sms", range(len(answers), len(answers) + 50)))
        return all(now > then for now, then in zip(gateway.server.counts, before, strict=True))

    assert eventually(both, PATIENCE_S)
    return answers


def test_both_processes_answer_and_no_id_is_given_twice(gateway: MockGateway) -> None:
    """The ids come from one state."""
    answers = until_both_answer(gateway)
    assert {200} == {answer.status for answer in answers}
    assert len(answers) == len({answer.request_id for answer in answers})


def test_the_balance_counts_what_both_have_accepted(gateway: MockGateway) -> None:
    """A message costs one."""
    before = gateway.balance
    answers = until_both_answer(gateway)
    assert before - len(answers) == gateway.balance


def test_a_window_holds_whichever_process_a_request_comes_to(gateway: MockGateway) -> None:
    """Of equal airtime requests one is accepted."""
    until_both_answer(gateway)
    answers = [answer for _ in range(20) for answer in sent(gateway.base_url, "airtime", range(1))]
    assert 1 == [answer.status for answer in answers].count(200)


def test_all_is_in_the_one_record(gateway: MockGateway, httpserver: HTTPServer) -> None:
    """Requests to either process, with their notifications; the control API answers on both."""
    httpserver.expect_request("/hooks/sms", method="POST").respond_with_data(status=204)
    gateway.callbacks["sms"] = httpserver.url_for("/hooks/sms")
    answers = sent(gateway.base_url, "sms", range(40))
    assert eventually(lambda: len(gateway.notifications) == len(answers), PATIENCE_S)
    assert {answer.request_id for answer in answers} == {each.request_id for each in gateway.requests}
    assert {204} == {each.status for request in gateway.requests for each in request.notifications}
    for _ in range(AT_ONCE):
        page = httpx.get(f"{gateway.root_url}/_exchanges", trust_env=False).json()
        assert len(answers) == len(page["exchanges"])


def test_deliveries_are_counted_in_one_place(httpserver: HTTPServer) -> None:
    """Taken, and not taken with the reason."""
    httpserver.expect_request("/hooks/sms").respond_with_data(status=204)
    urls = {"sms": httpserver.url_for("/hooks/sms"), "airtime": httpserver.url_for("/hooks/airtime")}
    with serve_mock(Account.sample(urls), BUILT_IN, processes=2) as server:
        for command in ("sms", "airtime"):
            sent(server.url, command, range(10))
        courier = server.courier
        assert eventually(lambda: courier.delivered + courier.failed == 20, PATIENCE_S)
        assert (10, 10) == (courier.delivered, courier.failed)
        assert {("airtime", "answered 500")} == {(each.product, each.reason) for each in courier.failures}
        assert () == server.errors


def test_what_cannot_be_read_is_reported(gateway: MockGateway) -> None:
    """As by one process."""
    with socket.create_connection((urlsplit(gateway.root_url).hostname, urlsplit(gateway.root_url).port)) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.1 400 ")
    assert eventually(lambda: "Content-Length" in "".join(each.error for each in gateway.server.unreadable))


def test_the_end_of_a_process_is_an_error_and_the_other_goes_on() -> None:
    """Nothing is refused: the socket that they share stays open."""
    with serve_mock(ACCOUNT, WITHOUT_CHANCE, processes=2) as server:
        os.kill(_children(server)[0], signal.SIGKILL)
        assert eventually(lambda: len(server.errors) == 1, PATIENCE_S)
        assert [200] * 20 == [answer.status for answer in sent(server.url, "sms", range(20))]


def test_the_processes_end_with_the_server() -> None:
    """And the port is free again."""
    with ExitStack() as stack:
        server = stack.enter_context(serve_mock(ACCOUNT, processes=2))
        children, address = _children(server), Address.parse(httpx.URL(server.url).netloc.decode())
    assert [] == [each for each in children if _is_alive(each)]
    with serve_mock(ACCOUNT, listen=address):
        pass


def test_a_taken_address_is_an_error_of_its_own() -> None:
    """Before anything is started."""
    with serve_mock(ACCOUNT) as first, pytest.raises(EnvironmentFailure, match="is in use by another program"):
        serve_mock(ACCOUNT, listen=Address.parse(httpx.URL(first.url).netloc.decode()), processes=2)


def _children(server: MockServer) -> tuple[int, ...]:
    assert server.processes is not None
    return server.processes.numbers


def _is_alive(number: int) -> bool:
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_notification_that_is_held_back_may_still_change(httpserver: HTTPServer) -> None:
    """Two payments within a moment have each other's notification, as in one process."""
    httpserver.expect_request("/hooks/pay").respond_with_data(status=204)
    row = {"written": "swapped-near", "with": {"within_s": PATIENCE_S}}
    behaviour = changed_by([Change.from_entry(row)])(WITHOUT_CHANCE)
    account = Account.sample({"mpesa-online": httpserver.url_for("/hooks/pay")})
    with serve_mock(account, behaviour, processes=2) as server:
        answers = {number: sent(server.url, "mpesa/online", range(number, number + 1))[0] for number in (1, 2)}
        assert eventually(lambda: server.courier.delivered == 2, PATIENCE_S)
    said = {each["request_id"]: each["phone_number"][-3:] for each in (request.json for request, _ in httpserver.log)}
    assert {answers[1].request_id: "002", answers[2].request_id: "001"} == said
