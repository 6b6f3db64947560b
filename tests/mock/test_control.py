"""The mock gateway as a development partner, over HTTP: its record, its control API, and its page."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from typing import Any

import httpx
import pytest
from mock_rig import ACCOUNT, COMMANDS, VALID, eventually, request, served
from other_contracts import parcel

from conformance.contract.schemas import FORMATS
from conformance.mock.account import Account
from conformance.mock.control import controlled
from conformance.mock.gateway import Gateway
from conformance.mock.partner import MockGateway
from conformance.mock.recent import MOST_BYTES, MOST_EXCHANGES, MOST_NOTIFICATIONS
from conformance.wire.callback_server import CallbackServer

SMS = VALID["sms"]
EVIL = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\u202e"
Api = httpx.Client


@pytest.fixture
def gateway() -> Iterator[MockGateway]:
    """One under control, which notifies by itself."""
    with controlled(MockGateway(Account.sample())) as started:
        yield started


@pytest.fixture
def api(gateway: MockGateway) -> Iterator[Api]:
    """A client of its control API."""
    with httpx.Client(base_url=gateway.root_url, trust_env=False) as client:
        yield client


def sms(gateway: MockGateway, **members: str) -> str:
    """Send an sms; the id in the answer."""
    answer = httpx.post(f"{gateway.base_url}/sms", auth=gateway.credentials, json={**SMS, **members}, trust_env=False)
    request_id: str = answer.json()["request_id"]
    return request_id


def valid(name: str, answer: httpx.Response) -> Any:
    """The content of an answer, which keeps its schema."""
    content = answer.json()
    assert [] == FORMATS.violations(f"control#{name}", content)
    return content


# --- The record


def test_an_exchange_is_recorded_with_the_notification_that_followed(
    gateway: MockGateway, api: Api, callback_server: CallbackServer
) -> None:
    """Request, answer, notification, and how the callback answered."""
    gateway.callbacks["sms"] = callback_server.urls["sms"]
    request_id = sms(gateway)
    gateway.wait_for_notification(request_id)

    (told,) = valid("exchanges", api.get("/_exchanges"))["exchanges"]
    assert ("POST", "/api/v2/sms", "sms", None) == (
        *(told["request"][name] for name in ("method", "path")),
        told["command"],
        told["refusal"],
    )
    assert (SMS, request_id, 200) == (json.loads(told["request"]["body"]), told["request_id"], told["answer"]["status"])
    (sent,) = told["notifications"]
    assert (request_id, 200, None) == (json.loads(sent["body"])["request_id"], sent["status"], sent["reason"])


def test_what_is_not_answered_is_recorded_with_the_reason(gateway: MockGateway, api: Api) -> None:
    """A number of the contract has the connection closed."""
    with pytest.raises(httpx.RemoteProtocolError):
        sms(gateway, phone_number="254799002001")

    (told,) = valid("exchanges", api.get("/_exchanges"))["exchanges"]
    assert (None, "the connection was closed before the answer") == (told["answer"]["status"], told["answer"]["reason"])


def test_exchanges_are_chosen_by_id_or_by_number(gateway: MockGateway, api: Api) -> None:
    """Both in the query."""
    first, second = sms(gateway), sms(gateway, message="Tena")
    by_id = valid("exchanges", api.get("/_exchanges", params={"request_id": second}))["exchanges"]
    numbers = [each["number"] for each in valid("exchanges", api.get("/_exchanges"))["exchanges"]]
    after = valid("exchanges", api.get("/_exchanges", params={"after": numbers[0]}))["exchanges"]

    assert [second] == [each["request_id"] for each in by_id]
    assert first != second
    assert numbers[1:] == [each["number"] for each in after]
    assert 422 == api.get("/_exchanges", params={"after": "x"}).status_code


def test_the_record_is_bounded() -> None:
    """So many exchanges and notifications, and the beginning of each body."""
    gateway = MockGateway(ACCOUNT)
    inner = Gateway(ACCOUNT)
    asked = replace(request("sms"), body=b"x" * 1_000_000)
    for _ in range(MOST_EXCHANGES + 5):
        gateway.answered(asked, inner.answer(asked, 0.0))
    gateway.stop()

    assert MOST_EXCHANGES == len(gateway.requests)
    assert {(MOST_BYTES, 1_000_000)} == {(len(each.body), each.size) for each in gateway.requests}
    assert 6 == gateway.requests[0].number


def test_notifications_of_one_request_are_bounded(gateway: MockGateway, callback_server: CallbackServer) -> None:
    """The last ones are sent all the same."""
    gateway.automatic = False
    gateway.callbacks["sms"] = callback_server.urls["sms"]
    request_id = sms(gateway)
    for _ in range(MOST_NOTIFICATIONS + 2):
        assert 200 == gateway.notify(request_id).status

    assert MOST_NOTIFICATIONS == len(gateway.requests[0].notifications)


def test_neither_record_nor_page_shows_a_secret() -> None:
    """Wherever a client puts it, and the tokens of callbacks."""
    account = replace(ACCOUNT, consumer_secret="canary-of-the-account")  # noqa: S106 - invented
    callbacks = {"sms": "http://127.0.0.1:1/hooks/k7Qp2xVt9LmNcanary?token=canary-token"}
    with controlled(MockGateway(replace(account, callbacks=callbacks))) as gateway:
        httpx.post(
            f"{gateway.base_url}/sms?key={account.consumer_secret}",
            auth=gateway.credentials,
            headers={"X-Key": account.consumer_secret},
            json={**SMS, "consumer_secret": account.consumer_secret},
        )
        httpx.get(f"{gateway.base_url}/account-details", auth=("of-production", "canary-of-another"))
        assert eventually(lambda: bool(gateway.notifications))
        shown = "".join(httpx.get(f"{gateway.root_url}{path}").text for path in ("/", "/_exchanges", "/_callbacks"))
    another = b64encode(b"of-production:canary-of-another").decode()

    assert [] == [found for found in ("canary", another) if found in shown]
    assert "$STATUM_CONFORMANCE_CONSUMER_SECRET" in shown


# --- Notifications on demand


def test_a_notification_is_sent_on_demand(gateway: MockGateway, api: Api, callback_server: CallbackServer) -> None:
    """Of a recorded request with other members; the answer says how the callback answered."""
    gateway.automatic = False
    gateway.callbacks["airtime"] = callback_server.urls["airtime"]
    answer = httpx.post(f"{gateway.base_url}/airtime", auth=gateway.credentials, json=VALID["airtime"]).json()
    asked = {"request_id": answer["request_id"], "members": {"result_code": "404", "till": 3}}
    told = valid("sent", api.post("/_notify", json=asked))

    arrived = json.loads(callback_server.arrivals[0].request.body)
    assert told["taken"]
    assert json.loads(told["notifications"][0]["body"]) == arrived
    assert (answer["request_id"], "404", 3) == tuple(arrived[name] for name in ("request_id", "result_code", "till"))
    assert "The subscriber is not known to the operator" == arrived["result_desc"]
    assert COMMANDS["airtime"].product == told["notifications"][0]["product"]


def test_a_notification_needs_no_request(gateway: MockGateway, api: Api, callback_server: CallbackServer) -> None:
    """A product and a URL are enough; it belongs to no exchange. A kind may be several messages."""
    asked = {"product": "sms", "url": callback_server.urls["sms"], "kind": ["repeated", "charset"]}
    told = valid("sent", api.post("/_notify", json=asked))

    assert 2 == len(told["notifications"]) == len(callback_server.arrivals)
    assert 2 == len(valid("exchanges", api.get("/_exchanges"))["notifications"])
    assert () == gateway.requests


REFUSED: tuple[tuple[str, Any, int, str, str | None], ...] = (
    ("/_notify", {"product": "smss"}, 422, "there is no product 'smss'", "did you mean sms?"),
    ("/_notify", {"product": "sms"}, 422, "sms has no callback", "register one, or give the URL"),
    ("/_notify", {"request_id": "unknown"}, 422, "no request has the id 'unknown'", "the products are sms"),
    ("/_notify", {"product": "sms", "url": "ftp://x"}, 422, "the callback URL 'ftp://x'", "such as"),
    ("/_notify", {"product": "sms", "url": "http://127.0.0.1:1", "kind": "failur"}, 422, "no kind", "mean failure"),
    ("/_notify", {"product": "mpesa-c2b", "url": "http://127.0.0.1:1", "kind": "failure"}, 422, "a failure", None),
    ("/_notify", {"product": "sms", "url": "http://127.0.0.1:1", "changes": {"status": 3}}, 422, "/changes", None),
    ("/_notify", {"product": "sms", "url": "http://h", "changes": {"remove": "charg"}}, 422, "'charg'", None),
    ("/_notify", {"produkt": "sms"}, 422, "/produkt", "did you mean product?"),
    ("/_notify", [], 400, "the body is not a JSON object", None),
    ("/_callbacks", {"sms": "nowhere"}, 422, "the callback URL of sms", "such as"),
    ("/_callbacks", {"sms": 3}, 422, "/sms", None),
    ("/_notfy", {}, 404, "there is no /_notfy", "did you mean /_notify?"),
)


def test_what_cannot_be_done_is_answered_with_the_reason(api: Api) -> None:
    """What was given, what is expected, and a hint; nothing is sent."""
    wrong = []
    for path, body, status, error, hint in REFUSED:
        answer = api.post(path, json=body)
        told = valid("error", answer)
        if answer.status_code != status or error not in told["error"] or (hint or "") not in (told["hint"] or ""):
            wrong.append((path, body, answer.status_code, told))

    assert [] == wrong
    assert 405 == api.get("/_notify").status_code
    assert "POST" == api.get("/_reset").headers["allow"]


def test_every_kind_is_listed(api: Api) -> None:
    """With what a lawful gateway may do, and a line about it."""
    told = valid("kinds", api.get("/_kinds"))
    assert {"lawful": True, "name": "success", "summary": "the transaction succeeded"} == told[0]


# --- Callbacks and reset


def test_callbacks_are_registered_while_it_serves(
    gateway: MockGateway, api: Api, callback_server: CallbackServer
) -> None:
    """And removed; of a body that cannot be used, nothing is registered."""
    registered = valid("callbacks", api.post("/_callbacks", json={"sms": callback_server.urls["sms"]}))
    request_id = sms(gateway)
    gateway.wait_for_notification(request_id)
    refused = api.post("/_callbacks", json={"airtime": "http://127.0.0.1:1/x", "smss": "http://127.0.0.1:1/"})
    without = valid("callbacks", api.post("/_callbacks", json={"sms": None}))

    assert callback_server.urls["sms"] == registered["sms"]
    assert 422 == refused.status_code
    assert {None} == set(without.values())
    assert {*without} == {*gateway.server.gateway.contract.callbacks}


def test_a_reset_returns_to_the_start(api: Api, gateway: MockGateway) -> None:
    """No exchanges, the first callbacks and balance, no window; ids are not given again."""
    airtime = {"auth": gateway.credentials, "json": VALID["airtime"]}
    gateway.callbacks["sms"] = "http://127.0.0.1:1/"
    balance = gateway.balance
    answers = [httpx.post(f"{gateway.base_url}/airtime", **airtime) for _ in range(2)]
    forgotten = valid("reset", api.post("/_reset"))
    answers.append(httpx.post(f"{gateway.base_url}/airtime", **airtime))

    assert [200, 400, 200] == [answer.status_code for answer in answers]
    assert {"forgotten": 2} == forgotten
    assert (1, {}, balance - 50) == (len(gateway.requests), dict(gateway.callbacks), gateway.balance)
    assert 3 == len({answer.json()["request_id"] for answer in answers})


# --- The page


def test_what_a_request_says_is_not_run(gateway: MockGateway, api: Api) -> None:
    """It is escaped wherever it may be, and the policy of the page would not run it either."""
    httpx.request(
        EVIL[2:8],
        f"{gateway.root_url}/api/v2/{EVIL}",
        content=json.dumps({**SMS, "message": EVIL}),
        headers={"X-Evil": EVIL[:-1]},
        auth=gateway.credentials,
    )
    sms(gateway, message=EVIL)
    answer = api.get("/")
    styles, scripts = (re.findall(rf"<{tag}>(.*?)</{tag}>", answer.text, re.DOTALL) for tag in ("style", "script"))
    policy = answer.headers["content-security-policy"]

    assert "&lt;script&gt;alert(1)" in answer.text
    assert [] == [found for found in ("<script>alert", "<img", "\u202e") if found in answer.text]
    assert (1, 1) == (len(styles), len(scripts))
    for text in (*styles, *scripts):
        assert f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'" in policy
    assert "default-src 'none'" in policy
    assert [] == re.findall(r"""(?:src|href)=["'](?!data:,|/_exchanges)""", answer.text)


def test_the_page_shows_how_to_begin_and_what_came(gateway: MockGateway, api: Api) -> None:
    """The address by which it was asked for, numbers, callbacks, exchanges; unchanged, it is not sent again."""
    before = api.get("/", headers={"Host": "mock.internal:81"})
    request_id = sms(gateway)
    after = api.get("/")
    again = api.get("/", headers={"If-None-Match": after.headers["etag"]})

    assert "curl http://mock.internal:81/api/v2/sms" in before.text
    assert [True, True, True, False] == [
        text in before.text for text in ("…99000402", "mpesa-c2b/validation", "No request has come yet", request_id)
    ]
    assert request_id in after.text
    assert (304, b"") == (again.status_code, again.content)


def test_a_page_of_another_site_may_not_use_it(api: Api, gateway: MockGateway) -> None:
    """Its own page may."""
    own, other = gateway.root_url, "http://elsewhere.example"
    codes = [api.post("/_reset", headers={"Origin": origin}).status_code for origin in (own, other)]
    codes.append(api.post("/unsolicited/mpesa-c2b", headers={"Origin": other}).status_code)

    assert [200, 403, 403] == codes


def test_a_gateway_under_test_has_neither() -> None:
    """A client may call any path of it, and is answered by the gateway."""
    with served() as (server, client):
        root = server.url.removesuffix("/api/v2")
        answers = [client.get(f"{root}{path}") for path in ("/", "/_exchanges", "/_kinds")]
        answers.append(client.post(f"{root}/_notify", json={"product": "sms"}))

    assert [404] * 4 == [answer.json()["status_code"] for answer in answers]
    assert 4 == server.requests


def test_another_contract_has_its_own_page_and_notifications(callback_server: CallbackServer) -> None:
    """By its roles."""
    contract = parcel()
    with controlled(MockGateway(Account.sample(contract=contract))) as gateway:
        page = httpx.get(gateway.root_url).text
        sent = gateway.notify(product="parcel", kind="outcome-null", url=callback_server.urls["sms"])

    assert "Duma parcel API" in page
    assert "Authorization: Bearer" in page
    assert [] == [word for word in ("Statum", "sms") if word in page]
    assert ("PUT", None) == (sent.method, (sent.payload or {"state": ""})["state"])
