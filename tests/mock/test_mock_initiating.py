"""What no request precedes, as the mock gateway starts it: the inquiry first, and notified of only if that agrees."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from urllib.parse import urlsplit

import httpx
import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request as Received
from werkzeug import Response as Given

from conformance.contract.contract import statum
from conformance.mock import serving
from conformance.mock.account import Account
from conformance.mock.control import controlled as under_control
from conformance.mock.partner import MockGateway
from conformance.mock.serving import Initiated, MockServer, serve_mock
from conformance.model.errors import UsageError

TELLING, ASKING = "/c2b", "/c2b/validation"


@dataclass
class Receiver:
    """A receiver of payments: what came to which path, in order, and how an inquiry is answered."""

    url: str
    status: int = 200
    waits_s: float = 0.0
    came: list[tuple[str, dict[str, object]]] = field(default_factory=list)

    def take(self, received: Received) -> Given:
        """Remember what came."""
        self.came.append((received.path, json.loads(received.data)))
        if received.path == ASKING:
            time.sleep(self.waits_s)  # how long it takes is what is tried
            return Given("{}", self.status)
        return Given("", 204)

    @property
    def paths(self) -> list[str]:
        """Where something came to."""
        return [path for path, _ in self.came]


@pytest.fixture
def receiver(httpserver: HTTPServer) -> Receiver:
    """One that agrees to everything."""
    there = Receiver(httpserver.url_for("").rstrip("/"))
    for path in (TELLING, ASKING):
        httpserver.expect_request(path, method="POST").respond_with_handler(there.take)
    return there


@contextmanager
def started(receiver: Receiver, *, asks: bool = True, controlled: bool = False) -> Iterator[MockServer]:
    """A mock gateway with that receiver registered for payments."""
    callbacks = {"mpesa-c2b": receiver.url + TELLING}
    if asks:
        callbacks["mpesa-c2b/validation"] = receiver.url + ASKING
    account = Account.sample(callbacks, balance=1000)
    if not controlled:
        with serve_mock(account) as server:
            yield server
        return
    with under_control(MockGateway(account)) as gateway:
        yield gateway.server


def paid(server: MockServer, **members: str) -> Initiated:
    """A customer pays."""
    return server.initiate("mpesa-c2b", members)


def test_an_inquiry_goes_before_the_notification(receiver: Receiver) -> None:
    """Both tell the same, to the callback of each, in the form of their schemas."""
    with started(receiver) as server:
        initiated = paid(server)
    (asked, inquiry), (told, notification) = receiver.came
    assert (ASKING, TELLING) == (asked, told)
    assert inquiry == notification == initiated.content
    assert initiated.went_through
    assert [] == statum().schemas.violations("mpesa-c2b/notification", notification)


def test_without_a_callback_for_it_there_is_no_inquiry(receiver: Receiver) -> None:
    """An account need not have one."""
    with started(receiver, asks=False) as server:
        initiated = paid(server)
    assert [TELLING] == receiver.paths
    assert initiated.went_through


@pytest.mark.parametrize("status", [302, 400, 404, 500])
def test_what_is_refused_is_not_notified_of(receiver: Receiver, status: int) -> None:
    """Only a 2xx lets it through; nothing else is made of the answer, whose form is not public."""
    receiver.status = status
    with started(receiver) as server:
        initiated = paid(server)
        assert (1, 0, 0) == (server.courier.refused, server.courier.delivered, server.courier.failed)
    assert [ASKING] == receiver.paths
    assert not initiated.went_through
    assert (status, None) == (initiated.inquiry and initiated.inquiry.status, initiated.notification)


def test_an_inquiry_is_not_waited_for_longer_than_the_contract_says(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then the payment does not go through."""
    make = serving.unprompted

    def impatient(*given: object) -> object:
        delivery = make(*given)  # type: ignore[arg-type] # whatever it takes
        assert delivery.inquiry is not None
        assert statum().unsolicited["mpesa-c2b"].inquiry is not None
        assert 8.0 == delivery.inquiry.within_s
        return replace(delivery, inquiry=replace(delivery.inquiry, within_s=0.05))

    monkeypatch.setattr(serving, "unprompted", impatient)
    receiver.waits_s = 0.5
    with started(receiver) as server:
        initiated = paid(server)
    assert "not answered within 0.05 s" == (initiated.inquiry and initiated.inquiry.reason)


def test_the_account_has_the_money_only_of_what_goes_through(receiver: Receiver) -> None:
    """What is paid in is seen in its balance."""
    with started(receiver) as server:
        paid(server, amount="70")
        receiver.status = 400
        paid(server, amount="900")
        assert 1070 == server.gateway.balance


def test_each_has_an_id_of_its_own(receiver: Receiver) -> None:
    """Of the documented form, and not the example's."""
    with started(receiver, asks=False) as server:
        ids = {str(paid(server).content["request_id"]) for _ in range(5)}
    example = "Rm20180307054639H4adfKDJDKQ7H"
    assert 5 == len(ids - {example})
    assert {len(example)} == {len(each) for each in ids}


def test_it_tells_what_it_is_told(receiver: Receiver) -> None:
    """Members of the schema and others."""
    with started(receiver, asks=False) as server:
        paid(server, amount="77", bill_ref_number="INV-7", till="Kibanda")
    ((_, notification),) = receiver.came
    told = ("77", "INV-7", "Kibanda")
    assert told == (notification["amount"], notification["bill_ref_number"], notification["till"])


def test_nothing_is_told_that_is_no_notification(receiver: Receiver) -> None:
    """Nor of another product, nor to nobody."""
    with started(receiver, asks=False) as server:
        for product, members, words in (
            ("mpesa-c2b", {"amount": 77}, "/amount of the notification"),
            ("sms", {}, "nothing comes to 'sms' without a request; expected mpesa-c2b"),
        ):
            with pytest.raises(UsageError, match=words):
                server.initiate(product, members)
    with serve_mock(Account.sample()) as server, pytest.raises(UsageError, match="mpesa-c2b has no callback"):
        paid(server)
    assert [] == receiver.came


# --- By HTTP


def controlled(server: MockServer, path: str = "/unsolicited/mpesa-c2b") -> str:
    """The URL by which a payment is started."""
    parts = urlsplit(server.url)
    return f"{parts.scheme}://{parts.netloc}{path}"


def test_whoever_serves_it_can_start_one_by_a_post(receiver: Receiver) -> None:
    """The answer says what was told, and how the receiver answered."""
    with started(receiver, controlled=True) as server:
        answer = httpx.post(controlled(server), json={"amount": "77"})
        plain = httpx.post(controlled(server))
    assert (200, 200) == (answer.status_code, plain.status_code)
    told = answer.json()
    assert told["went_through"]
    assert "77" == told["content"]["amount"]
    assert (200, 204) == (told["inquiry"]["status"], told["notification"]["status"])
    assert [ASKING, TELLING] * 2 == receiver.paths


def test_what_cannot_be_started_is_answered_with_the_reason(receiver: Receiver) -> None:
    """One line each."""
    with started(receiver, controlled=True) as server:
        url = controlled(server)
        answers = [
            httpx.post(url, json={"amount": 77}),
            httpx.post(url, json=[]),
            httpx.post(url, content=b"{"),
            httpx.get(url),
            httpx.post(controlled(server, "/unsolicited/sms")),
        ]
    assert [422, 400, 400, 405, 422] == [answer.status_code for answer in answers]
    assert [] == [answer for answer in answers if not answer.json()["error"]]
    assert [] == receiver.came


def test_a_gateway_under_test_has_no_such_path(receiver: Receiver) -> None:
    """Only `mock` serves it."""
    with started(receiver) as server:
        answer = httpx.post(controlled(server))
    assert 404 == answer.status_code
    assert [] == receiver.came
