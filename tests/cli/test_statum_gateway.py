"""The fixture `statum_gateway`, as the tests of a client and its webhook use it."""

from __future__ import annotations

import json

import httpx
import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request as Received
from werkzeug import Response as Given

import conformance
from conformance.model.errors import UsageError
from conformance.wire.callback_server import CallbackServer

# Brings the fixture that runs pytest within pytest.
pytest_plugins = ("pytester",)

Gateway = conformance.MockGateway
SMS = {"sender_id": "Statum", "phone_number": "254712345678", "message": "Habari"}


def sent_by(gateway: Gateway, **members: str) -> str:
    """Send an sms as somebody's client does; the id in the answer."""
    content = {**SMS, **members}
    answer = httpx.post(f"{gateway.base_url}/sms", auth=gateway.credentials, json=content, trust_env=False)
    request_id: str = answer.json()["request_id"]
    return request_id


def test_requests_are_seen_as_they_came(statum_gateway: Gateway) -> None:
    """Command, payload, answer, and why one was refused; the credential is not shown."""
    request_id = sent_by(statum_gateway)
    httpx.get(f"{statum_gateway.base_url}/account-details", auth=("another", "credential"))

    accepted, refused = statum_gateway.requests
    assert ("sms", SMS, 200, request_id) == (accepted.command, accepted.payload, accepted.status, accepted.request_id)
    assert (True, "credential.wrong-key", 401) == (accepted.accepted, refused.refusal, refused.status)
    assert "Authorization" not in json.dumps([name for name, value in accepted.headers if "Sample" in value])


def test_nothing_is_notified_before_the_test_says_so(statum_gateway: Gateway, callback_server: CallbackServer) -> None:
    """Then what the gateway owes, once."""
    statum_gateway.callbacks["sms"] = callback_server.urls["sms"]
    first, second = (sent_by(statum_gateway, phone_number=each) for each in ("254712345678", "254799000500"))
    before = callback_server.arrivals
    sent = [*statum_gateway.notify_all(), *statum_gateway.notify_all()]

    assert () == before
    assert [(first, "200"), (second, "500")] == [
        (each.payload["request_id"], each.payload["result_code"]) for each in sent if each.payload
    ]
    assert [each.body for each in sent] == [each.request.body for each in callback_server.arrivals]


def test_a_webhook_is_notified_of_what_the_test_chooses(statum_gateway: Gateway, httpserver: HTTPServer) -> None:
    """The answer of the webhook is at hand; two ids may be swapped."""
    states: dict[str, str] = {}

    def hook(received: Received) -> Given:
        states[received.json["request_id"]] = received.json["result_code"]
        return Given("noted", 202)

    httpserver.expect_request("/hooks/sms").respond_with_handler(hook)
    statum_gateway.callbacks["sms"] = httpserver.url_for("/hooks/sms")
    first, second = sent_by(statum_gateway), sent_by(statum_gateway, message="Tena")
    answered = statum_gateway.notify(first, result_code="408")
    statum_gateway.notify(first, request_id=second)

    assert {first: "408", second: "200"} == states
    assert (202, True, b"noted") == (answered.status, answered.taken, answered.answer)
    assert [2, 0] == [len(each.notifications) for each in statum_gateway.requests]


def test_a_notification_may_go_through_a_test_client(statum_gateway: Gateway) -> None:
    """Made and not sent: no webhook listens anywhere."""
    made = statum_gateway.notification(sent_by(statum_gateway), kind="cut-short")

    assert ("POST", {"Content-Type": "application/json"}) == (made.method, made.headers)
    assert (b'{"result_code":"200"', None) == (made.body[:20], made.payload)
    with pytest.raises(UsageError, match="the kind repeated is 2 messages, not one"):
        statum_gateway.notification(product="sms", kind="repeated")


def test_it_notifies_by_itself_where_it_is_told_to(statum_gateway: Gateway, callback_server: CallbackServer) -> None:
    """As a gateway does: a number brings about two notifications."""
    statum_gateway.automatic = True
    statum_gateway.callbacks["sms"] = callback_server.urls["sms"]
    request_id = sent_by(statum_gateway, phone_number="254799005002")

    assert 200 == statum_gateway.wait_for_notification(request_id).status
    assert 2 == len(callback_server.wait_for_count(2))


def test_a_notification_that_does_not_come_is_explained(statum_gateway: Gateway) -> None:
    """What was sent instead, and that there is no callback."""
    request_id = sent_by(statum_gateway)
    with pytest.raises(TimeoutError, match=r"within 0.01 s; sent: nothing; sms has no callback"):
        statum_gateway.wait_for_notification(request_id, timeout_s=0.01)


@pytest.mark.parametrize(
    ("product", "url", "words"),
    [
        ("smss", "http://127.0.0.1:1/", "there is no product 'smss'"),
        ("sms", "127.0.0.1:1", "the callback URL of sms"),
    ],
)
def test_a_callback_that_cannot_be_used_is_refused(statum_gateway: Gateway, product: str, url: str, words: str) -> None:
    """When it is registered, not when nothing arrives."""
    with pytest.raises(UsageError, match=words):
        statum_gateway.callbacks[product] = url

    assert {} == dict(statum_gateway.callbacks)


def test_its_account_is_the_sample_with_money_to_set(statum_gateway: Gateway) -> None:
    """A balance of nothing is refused for lack of funds; the registered names are known."""
    statum_gateway.balance = 0
    sent_by(statum_gateway)

    assert "funds" == statum_gateway.requests[0].refusal
    assert "Statum" in statum_gateway.registered["sender_id"]


def test_a_client_meets_a_gateway_that_behaves_otherwise(statum_gateway: Gateway) -> None:
    """By the names of variants and faults; without any it is the usual one again. Balance and callbacks stay."""
    statum_gateway.balance, statum_gateway.callbacks["sms"] = 100, "http://127.0.0.1:1/"
    statum_gateway.behave("ids-digits", "success-without-description")
    strange = sent_by(statum_gateway)
    statum_gateway.behave()
    usual = sent_by(statum_gateway)

    assert (True, False) == (strange.isdigit(), usual.isdigit())
    assert [False, True] == [b"description" in each.answer for each in statum_gateway.requests]
    assert (98, ["sms"]) == (statum_gateway.balance, [*statum_gateway.callbacks])
    with pytest.raises(UsageError, match="did you mean ids-digits"):
        statum_gateway.behave("ids-digit")


def test_each_test_has_its_own(pytester: pytest.Pytester) -> None:
    """In several processes at once as well; a test that uses none does not start one."""
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.parametrize("number", range(4))
        def test_fresh(statum_gateway, number):
            assert not statum_gateway.requests and not statum_gateway.callbacks
            statum_gateway.callbacks["sms"] = "http://127.0.0.1:1/"
            assert statum_gateway.notify(product="sms").reason == "connection refused"
        """
    )
    result = pytester.runpytest_subprocess("-p", "conformance.pytest.plugin", "-n2", "-q")

    result.assert_outcomes(passed=4)
