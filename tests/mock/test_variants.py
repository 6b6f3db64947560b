"""The lawful variants: each does what it says, and none leaves the contract."""

from __future__ import annotations

import json
import queue
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import httpx
import pytest
from mock_rig import ACCOUNT, CALLBACKS, VALID, eventually, headers, request, with_headers
from seeded import VARIANTS

from conformance.contract.contract import statum
from conformance.mock.answering import rendered
from conformance.mock.behaviour import BUILT_IN, Behaviour, Form
from conformance.mock.gateway import Gateway, Reaction
from conformance.mock.serving import serve_mock
from conformance.model.traffic import Request, header, normalized
from conformance.wire.asgi import AsgiThread, Receive, Send
from conformance.wire.listening import Address

COMMANDS = statum().commands
SCHEMAS = statum().schemas

NAMES = [
    "ids-hex",
    "ids-uuid",
    "ids-digits",
    "status-400",
    "extra-fields",
    "charset",
    "slow-answers",
    "early-notification",
    "slow-notification",
    "out-of-order",
    "identical-repeats",
    "repeats-in-other-words",
    "failing-results",
    "failing-some",
    "coerces-numbers",
    "refuses-unknown-fields",
    "lenient-phone-numbers",
    "connection-close",
    "closes-untold",
    "closes-with-408",
    "line-break-after",
    "early-hints",
    "http-1.0",
    "chunked",
    "gzip",
    "gzip-in-members",
    "pretty-json",
    "ascii-json",
    "no-www-authenticate",
    "rate-limited",
    "foreign-notifications",
    "unsolicited",
    "unsolicited-unasked",
    "unsolicited-repeats",
    "forms-of-http",
    "probes-before-notifications",
    "no-extras",
    "extras-of-other-form",
    "amounts-less-a-fee",
    "refuses-equal-payments",
    "limited-payments",
    "one-text-for-refusals",
    "reads-undeclared-json",
    "replaces-stray-bytes",
]


def gateway(name: str, behaviour: Behaviour | None = None) -> Gateway:
    """A gateway of the variant, with every callback registered."""
    return Gateway(replace(ACCOUNT, callbacks=CALLBACKS), VARIANTS[name].change(behaviour or Behaviour()))


def answers(name: str, *asked: Request) -> list[Reaction]:
    """What one gateway of the variant answers, one after the other."""
    one = gateway(name)
    return [one.answer(each, 0.0) for each in asked]


def text(answer: Reaction, name: str) -> str:
    """The body of the answer as it goes over the wire."""
    _, body = rendered(answer.reply, VARIANTS[name].change(Behaviour()).wire, None)
    return body.decode()


# --- All of them


def test_the_variants_are_the_documented_ones() -> None:
    """A name is part of the command line; each has a line that says what it does."""
    assert sorted(NAMES) == sorted(VARIANTS)
    assert all(name == variant.name and variant.summary for name, variant in VARIANTS.items())


def test_a_variant_changes_something_and_leaves_the_rest() -> None:
    """It is built on any behaviour, which itself stays as it is."""
    before = replace(BUILT_IN)
    assert [] == [name for name in NAMES if VARIANTS[name].change(BUILT_IN) == BUILT_IN]
    assert before == BUILT_IN


@pytest.mark.parametrize("name", NAMES)
def test_a_variant_keeps_the_contract(name: str) -> None:
    """Valid requests are accepted, the others refused as they have to be; every message is valid by its schema."""
    accepted = [(command, request(command)) for command in COMMANDS]
    refused = [
        (401, with_headers(request("sms"), authorization=None)),
        (404, request("fax")),
        (400, request("sms", b"[]")),
        (VARIANTS[name].change(Behaviour()).validation_status, request("sms", message="")),
        (400, request("airtime")),
    ]
    one = gateway(name, BUILT_IN)
    ids = []
    for command, asked in accepted:
        answer = one.answer(asked, 0.0)
        schema = "account-details/response" if command == "account-details" else "response.success"
        sent = json.loads(text(answer, name))
        assert [] == SCHEMAS.violations(schema, sent), command
        assert 200 == sent["status_code"] == answer.reply.status
        ids.append(sent["request_id"])
        for delivery in (each for each in answer.deliveries if each.raw != b""):  # those with nothing only look
            content = json.loads(delivery.raw) if delivery.raw is not None else delivery.content
            assert [] == SCHEMAS.violations(f"{COMMANDS[command].folder}/notification", content)
            assert "POST" == delivery.method
            assert delivery.url == CALLBACKS[COMMANDS[command].product or ""]
    for status, asked in refused:
        answer = one.answer(asked, 0.0)
        sent = json.loads(text(answer, name))
        assert [] == SCHEMAS.violations("response.error", sent)
        assert status == sent["status_code"] == answer.reply.status
        assert () == answer.deliveries
        ids.append(sent["request_id"])
    assert len(ids) == len(set(ids))


def test_the_built_in_behaviour_lets_some_transactions_fail() -> None:
    """Otherwise a run without a gateway would see no failure's notification."""
    one = Gateway(replace(ACCOUNT, callbacks=CALLBACKS), BUILT_IN)
    codes = {one.answer(request("sms"), 0.0).deliveries[0].content["result_code"] for _ in range(100)}
    assert codes > {"200"}


# --- Ids, content and headers: seen in the state machine


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("ids-hex", r"[0-9a-f]{32}"),
        ("ids-uuid", r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"),
        ("ids-digits", r"[0-9]{6,7}"),
    ],
)
def test_ids_are_of_another_alphabet(name: str, form: str) -> None:
    """And still each is given once."""
    one = gateway(name)
    ids = [one.answer(request("sms"), 0.0).reply.content["request_id"] for _ in range(1500)]
    assert all(re.fullmatch(form, each) for each in ids)
    assert 1500 == len(set(ids))


def test_status_400_is_for_invalid_input() -> None:
    """Without validation_errors, which belong to 422."""
    (answer,) = answers("status-400", request("sms", message=""))
    assert 400 == answer.reply.status
    assert "validation_errors" not in answer.reply.content


def test_extra_fields_are_everywhere() -> None:
    """In successes, errors, the organization and all that it holds, and notifications."""
    plain, extended = (
        [
            one.answer(request("account-details"), 0.0).reply.content,
            one.answer(request("sms", b""), 0.0).reply.content,
            one.answer(request("sms"), 0.0).deliveries[0].content,
        ]
        for one in (Gateway(replace(ACCOUNT, callbacks=CALLBACKS)), gateway("extra-fields"))
    )
    organization, with_more = plain[0]["organization"], extended[0]["organization"]
    pairs = [
        *zip(plain, extended, strict=True),
        (organization, with_more),
        (organization["details"], with_more["details"]),
        *zip(organization["accounts"], with_more["accounts"], strict=True),
    ]
    assert all(set(few) < set(more) for few, more in pairs)


def test_the_charset_is_named() -> None:
    """Once, in answers of both kinds and in notifications."""
    accepted, refused = answers("charset", request("sms"), request("sms", b""))
    for given in (accepted.reply.headers, refused.reply.headers, accepted.deliveries[0].headers):
        assert ["application/json; charset=utf-8"] == [value for key, value in given if key == "Content-Type"]


def test_every_result_fails_with_a_reason() -> None:
    """A failing transaction is no failing request."""
    for answer in answers("failing-results", *(request(command) for command in VALID)):
        assert 200 == answer.reply.status
        assert re.fullmatch(r"[45][0-9][0-9]", answer.deliveries[0].content["result_code"])
        assert "Success" != answer.deliveries[0].content["result_desc"]


def test_some_results_fail() -> None:
    """About three in ten."""
    results = [answer.deliveries[0].content for answer in answers("failing-some", *[request("sms")] * 300)]
    assert 60 < sum(each["result_code"] != "200" for each in results) < 120


OPEN: list[tuple[str, Request, int, int]] = [
    ("coerces-numbers", request("airtime", amount=50), 422, 200),
    ("refuses-unknown-fields", request("sms", extra="x"), 200, 422),
    ("lenient-phone-numbers", request("sms", phone_number="+254712345678"), 422, 200),
    ("lenient-phone-numbers", request("sms", phone_number="0712345678"), 422, 200),
]


@pytest.mark.parametrize(("name", "asked", "otherwise", "here"), OPEN, ids=[row[0] for row in OPEN])
def test_what_the_contract_leaves_open_is_decided_the_other_way(
    name: str, asked: Request, otherwise: int, here: int
) -> None:
    """The same request with and without the variant."""
    assert otherwise == Gateway(ACCOUNT).answer(asked, 0.0).reply.status
    assert here == answers(name, asked)[0].reply.status


def test_no_challenge_is_sent() -> None:
    """The 401 itself stays."""
    (answer,) = answers("no-www-authenticate", with_headers(request("sms"), authorization=None))
    assert (401, None) == (answer.reply.status, header(answer.reply.headers, "WWW-Authenticate"))


def test_the_rate_is_sixty_a_second() -> None:
    """And 429 says when to come back."""
    given = answers("rate-limited", *[request("sms")] * 61)
    assert [200] * 60 + [429] == [answer.reply.status for answer in given]
    assert "1" == header(given[-1].reply.headers, "Retry-After")


def test_json_is_indented() -> None:
    """Answers and notifications."""
    (answer,) = answers("pretty-json", request("sms"))
    assert text(answer, "pretty-json").startswith("{\n")
    assert (answer.deliveries[0].raw or b"").startswith(b"{\n")


def test_json_is_ascii() -> None:
    """There is something to escape in every message, and it is escaped."""
    accepted, refused = answers("ascii-json", request("sms"), request("sms", b""))
    for sent in (
        text(accepted, "ascii-json"),
        text(refused, "ascii-json"),
        (accepted.deliveries[0].raw or b"").decode(),
    ):
        assert sent.isascii()
        assert r"\u" in sent
    assert "–" in json.loads(text(accepted, "ascii-json"))["description"]


# --- Times and repeats: seen over real HTTP


@dataclass
class Seen:
    """What a real receiver saw: each notification with the time of its arrival."""

    arrived: queue.Queue[tuple[float, Any]] = field(default_factory=queue.Queue)

    async def application(self, _scope: Any, receive: Receive, send: Send) -> None:
        """The receiver: takes what comes."""
        message = await receive()
        self.arrived.put((time.monotonic(), json.loads(message["body"])))
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    def next(self, count: int) -> list[Any]:
        """The next notifications to arrive; queue.Empty if they do not."""
        return [self.arrived.get(timeout=5)[1] for _ in range(count)]


@contextmanager
def running(name: str) -> Iterator[tuple[httpx.Client, Seen]]:
    """A served gateway of the variant, a client of it, and a receiver of its sms notifications."""
    seen = Seen()
    with AsgiThread(seen.application, Address("127.0.0.1", 0)) as receiver:
        account = replace(ACCOUNT, callbacks={"sms": receiver.address.url + "/sms"})
        with (
            serve_mock(account, VARIANTS[name].change(Behaviour())) as server,
            httpx.Client(base_url=server.url, headers=headers(), trust_env=False) as client,
        ):
            yield client, seen
            assert () == server.errors
            assert () == tuple(server.courier.failures)


def sms(client: httpx.Client) -> str:
    """The id of a new sms request."""
    answer = client.post("sms", content=json.dumps(VALID["sms"])).json()
    assert 200 == answer["status_code"]
    return str(answer["request_id"])


WIRES: dict[str, Callable[[httpx.Response], bool]] = {
    "connection-close": lambda answer: answer.headers.get("connection") == "close",
    "http-1.0": lambda answer: answer.http_version == "HTTP/1.0",
    "chunked": lambda answer: answer.headers.get("transfer-encoding") == "chunked",
    "gzip": lambda answer: answer.headers.get("content-encoding") == "gzip",
    "pretty-json": lambda answer: answer.text.count("\n") > 3,
    "slow-answers": lambda answer: answer.elapsed.total_seconds() >= 0.05,
}


@pytest.mark.parametrize("name", WIRES)
def test_the_form_on_the_wire_is_that_of_the_variant(name: str) -> None:
    """Seen by a real client, on a success and on an error."""
    with running(name) as (client, _):
        for answer in (client.get("account-details"), client.get("fax")):
            assert WIRES[name](answer), answer.headers
            assert answer.status_code == answer.json()["status_code"]


def test_early_notifications_are_there_before_the_answer() -> None:
    """Nothing has to be waited for."""
    with running("early-notification") as (client, seen):
        for _ in range(5):
            request_id = sms(client)
            assert request_id == seen.arrived.get_nowait()[1]["request_id"]


def test_slow_notifications_take_a_second() -> None:
    """Each for itself: five take as long as one."""
    with running("slow-notification") as (client, seen):
        began = time.monotonic()
        asked = {sms(client) for _ in range(5)}
        assert asked == {each["request_id"] for each in seen.next(5)}
        assert 1.0 <= time.monotonic() - began < 2.0


def test_notifications_overtake_each_other() -> None:
    """All arrive, in another order than they were asked for."""
    with running("out-of-order") as (client, seen):
        asked = [sms(client) for _ in range(10)]
        arrived = [each["request_id"] for each in seen.next(10)]
    assert sorted(asked) == sorted(arrived)
    assert asked != arrived
    assert arrived.index(asked[3]) < arrived.index(asked[0])


def test_notifications_come_twice_or_three_times_and_are_identical() -> None:
    """The same content each time."""
    with running("identical-repeats") as (client, seen):
        asked = [sms(client) for _ in range(3)]
        arrived = seen.next(7)
        assert not eventually(lambda: not seen.arrived.empty(), within_s=0.2)
    counts = [sum(each["request_id"] == request_id for each in arrived) for request_id in asked]
    assert [2, 2, 3] == counts
    assert 3 == len({json.dumps(each) for each in arrived})


def test_another_integrators_notifications_come_beside_ones_own() -> None:
    """Well-formed, to the same callback, with ids that were never given out here."""
    with running("foreign-notifications") as (client, seen):
        asked = {sms(client) for _ in range(5)}
        arrived = seen.next(10)
    foreign = [each for each in arrived if each["request_id"] not in asked]
    assert 5 == len({each["request_id"] for each in foreign})
    assert asked == {each["request_id"] for each in arrived if each not in foreign}
    assert all([] == SCHEMAS.violations("sms/notification", each) for each in foreign)


def test_notifications_take_each_form_of_http_in_turn() -> None:
    """To the registered URL, which some of them spell in another way."""
    sent = [answer.deliveries[0] for answer in answers("forms-of-http", *[request("sms")] * 7)]
    assert {*Form} == {delivery.form for delivery in sent}
    assert {normalized(CALLBACKS["sms"])} == {normalized(delivery.url) for delivery in sent}
    assert ["http://127.0.0.1:1/sm%73?token=%74"] == [each.url for each in sent if each.url != CALLBACKS["sms"]]


def told_of_a_payment(name: str) -> dict[str, Any]:
    """The notification of a payment."""
    (delivery,) = answers(name, request("mpesa/online"))[0].deliveries
    content: dict[str, Any] = delivery.content
    return content


def test_what_is_told_of_a_payment_has_other_forms_or_is_not_told() -> None:
    """As far as the members are documented, which their presence and their form are not."""
    assert {"result_code", "result_desc", "request_id"} == told_of_a_payment("no-extras").keys()
    assert "47" == told_of_a_payment("amounts-less-a-fee")["amount"]
    other = told_of_a_payment("extras-of-other-form")
    assert ("KES 50.00", "xxxxxx678") == (other["amount"], other["phone_number"])


def test_equal_payments_are_refused_and_nothing_else() -> None:
    """The contract does not say whether a payment may be repeated."""
    payment, message = request("mpesa-wallet"), request("sms")
    statuses = [a.reply.status for a in answers("refuses-equal-payments", payment, payment, message, message)]

    assert [200, 400, 200, 200] == statuses


def test_an_unaffordable_payment_is_refused_for_its_funds_or_its_amount() -> None:
    """The built-in gateway has no limit, so that it shows a 402."""
    unaffordable = request("mpesa-wallet", amount="999999999999")
    limited = Gateway(ACCOUNT, VARIANTS["limited-payments"].change(BUILT_IN)).answer(unaffordable, 0.0)

    assert 402 == Gateway(ACCOUNT, BUILT_IN).answer(unaffordable, 0.0).reply.status
    assert 422 == limited.reply.status
