"""The seeded faults: a sound table, and each row does what it says and nothing beside.

The rows are tried on the state machine itself, without a network; that the suite then fails exactly the requirements
in `breaks` is for the kill matrix.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from conformance.contract.commands import COMMANDS, PRODUCTS
from conformance.contract.requirements import Actor, catalogue
from conformance.contract.schemas import schema
from conformance.errors import UsageError
from conformance.mock_gateway.account import Account
from conformance.mock_gateway.behaviour import Behaviour, Delivery, Moment, Reply
from conformance.mock_gateway.fault_changes import UNEXCUSED
from conformance.mock_gateway.faults import FAULTS, Fault, fault
from conformance.mock_gateway.faults_of_admission import FAULTS_OF_ADMISSION
from conformance.mock_gateway.faults_of_answers import FAULTS_OF_ANSWERS
from conformance.mock_gateway.faults_of_notifications import FAULTS_OF_NOTIFICATIONS
from conformance.mock_gateway.gateway import REFUSALS, Answer, Gateway
from conformance.traffic import Headers, Request, header

CALLBACKS = {product: f"http://127.0.0.1:9/callbacks/{product}?token=t" for product in PRODUCTS}
ACCOUNT = Account.sample(CALLBACKS)
RIGHT = "Basic " + base64.b64encode(f"{ACCOUNT.consumer_key}:{ACCOUNT.consumer_secret}".encode()).decode()
SMS = {"sender_id": "Statum", "phone_number": "254711000001", "message": "Habari"}
AIRTIME = {"phone_number": "254711000001", "amount": "20"}
ONLINE = {"short_code": "174379", "phone_number": "254711000001", "amount": "20", "bill_ref_number": "R1"}
WALLET = {"short_code": "174379", "phone_number": "254711000001", "amount": "20"}
VALID: dict[str, dict[str, Any] | None] = {
    "sms": SMS,
    "airtime": AIRTIME,
    "mpesa/online": ONLINE,
    "mpesa-wallet": WALLET,
    "account-details": None,
}


def asked(command: str, payload: Any = None, *, method: str | None = None, **headers: str | None) -> Request:
    """A request; `payload` as JSON (bytes as they are), `headers` changed or left out (None)."""
    ordinary: dict[str, str | None] = {
        "Authorization": RIGHT,
        "Content-Type": "application/json",
        "Accept": "application/json",
        "User-Agent": "tests",
    }
    for name, value in headers.items():
        ordinary[name.replace("_", "-").title()] = value
    body = payload if isinstance(payload, bytes) else b"" if payload is None else json.dumps(payload).encode()
    known = COMMANDS.get(command)
    kept: Headers = tuple((name, value) for name, value in ordinary.items() if value is not None)
    return Request(method or (known.method if known else "POST"), f"/api/v2/{command}", kept, body)


def faulty(*names: str) -> Gateway:
    """A gateway with these faults; without any, the lawful one."""
    behaviour = Behaviour()
    for name in names:
        behaviour = fault(name).change(behaviour)
    return Gateway(ACCOUNT, behaviour, seed=1)


def sent(gateway: Gateway, count: int) -> list[Answer]:
    """The answers to that many different airtime requests."""
    requests = [asked("airtime", {**AIRTIME, "phone_number": f"2547110{n:05}"}) for n in range(count)]
    return [gateway.answer(request, float(n)) for n, request in enumerate(requests)]


def envelope(answer: Answer) -> dict[str, Any]:
    """The content of an answer that is an object."""
    content: dict[str, Any] = answer.reply.content
    return content


ACCEPTED = asked("sms", SMS)
REFUSED = asked("sms", {**SMS, "message": ""})
ASKED_FOR_ACCOUNT = asked("account-details")
UNKNOWN = asked("no-such-command", {})
WRONG_METHOD = asked("sms", SMS, method="PUT")
OVER_LONG = asked("sms", {**SMS, "message": "a" * 460})
UNAUTHORIZED = asked("sms", SMS, authorization=None)


# --- The table


def test_names_are_unique_and_in_kebab_case() -> None:
    """No row hides another, and each name can be typed."""
    rows = [*FAULTS_OF_ANSWERS, *FAULTS_OF_ADMISSION, *FAULTS_OF_NOTIFICATIONS]
    assert [row.name for row in rows] == list(FAULTS)
    assert [] == [name for name in FAULTS if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name)]


@pytest.mark.parametrize("row", FAULTS.values(), ids=FAULTS.keys())
def test_summary_is_one_short_line(row: Fault) -> None:
    """--list-faults has a line for each."""
    assert 10 < len(row.summary) <= 110
    assert row.summary.isprintable()
    assert not row.summary.endswith(".")


@pytest.mark.parametrize("row", FAULTS.values(), ids=FAULTS.keys())
def test_breaks_requirements_that_are_judged(row: Fault) -> None:
    """What a row breaks is in the catalogue, about gateways, and not excluded."""
    assert row.breaks
    assert [] == [
        id_
        for id_ in row.breaks
        if id_ not in catalogue() or catalogue()[id_].excluded or catalogue()[id_].actor is not Actor.GATEWAY
    ]


def test_each_judged_requirement_has_a_fault_that_breaks_it_alone() -> None:
    """Without one, nobody would know whether its check can fail."""
    judged = {requirement.id for requirement, _ in catalogue().judged(Actor.GATEWAY, tuple(COMMANDS.values()))}
    assert judged == {row.breaks[0] for row in FAULTS.values() if len(row.breaks) == 1}


@pytest.mark.parametrize("row", FAULTS.values(), ids=FAULTS.keys())
def test_names_only_refusals_that_there_are(row: Fault) -> None:
    """A tag that no rule has would make a fault that does nothing."""
    behaviour = row.change(Behaviour())
    assert set() == (behaviour.waived | behaviour.crashes) - set(REFUSALS)
    assert UNEXCUSED in REFUSALS


@pytest.mark.parametrize("row", FAULTS.values(), ids=FAULTS.keys())
def test_changes_the_behaviour_and_keeps_what_was_there(row: Fault) -> None:
    """A fault can be laid over a variant."""

    def kept(reply: Reply, moment: Moment) -> Reply:
        return reply

    def unaltered(deliveries: tuple[Delivery, ...], moment: Moment) -> tuple[Delivery, ...]:
        return deliveries

    before = Behaviour(waived=frozenset({"rate"}), reply=(kept,), deliveries=(unaltered,), validation_status=400)
    after = row.change(before)
    assert before != after
    assert "rate" in after.waived
    assert kept is after.reply[0]
    assert unaltered is after.deliveries[0]
    assert 400 == after.validation_status


def test_an_unknown_name_is_a_usage_error_with_a_hint() -> None:
    """A typing error is told with the name that was meant."""
    with pytest.raises(UsageError, match="'notification-lost'.*did you mean notifications-lost"):
        fault("notification-lost")
    with pytest.raises(UsageError, match="--list-faults"):
        fault("zzz")


def test_what_a_fault_counts_begins_anew_with_each_gateway() -> None:
    """The table holds no state: two gateways with one fault lose the same notifications."""

    def lost() -> list[int]:
        return [n for n, answer in enumerate(sent(faulty("notifications-lost"), 9), 1) if not answer.deliveries]

    assert [3, 6, 9] == lost() == lost()


# --- Answers: which ones a fault touches, and how

LAWFUL = faulty()
EVERY: Mapping[str, Request] = {
    "success": ACCEPTED,
    "error": REFUSED,
    "account": ASKED_FOR_ACCOUNT,
    "unauthorized": UNAUTHORIZED,
    "unknown": UNKNOWN,
    "method": WRONG_METHOD,
    "over-long": OVER_LONG,
}
SUCCESSES = {"success", "account"}
ERRORS = {"error", "unauthorized"}
Told = Callable[[Reply], object]


def member(name: str) -> Told:
    """A member of the envelope, or "absent"."""
    return lambda reply: reply.content.get(name, "absent")


def media_type(reply: Reply) -> object:
    """The Content-Type of an answer."""
    return header(reply.headers, "content-type")


def raw(reply: Reply) -> object:
    """The first byte of a body that is sent as it is, and whether it is JSON."""
    if reply.raw is None:
        return None
    try:
        return json.loads(reply.raw)
    except ValueError:
        return reply.raw[:1]


TOUCHED: list[tuple[str, set[str], Told, object]] = [
    ("success-in-python-text", SUCCESSES, raw, b"{"),
    ("error-in-python-text", ERRORS, raw, b"{"),
    ("success-declared-as-html", SUCCESSES, media_type, "text/html"),
    ("error-declared-as-html", ERRORS, media_type, "text/html"),
    ("error-pages-in-html", ERRORS, raw, b"<"),
    ("success-in-an-array", SUCCESSES, lambda reply: type(reply.content), list),
    ("error-in-an-array", ERRORS, lambda reply: type(reply.content), list),
    ("status-code-as-string", SUCCESSES | ERRORS, lambda reply: type(reply.content["status_code"]), str),
    ("success-without-status-code", SUCCESSES, member("status_code"), "absent"),
    ("error-without-status-code", ERRORS, member("status_code"), "absent"),
    ("success-over-http-202", SUCCESSES, lambda reply: reply.status, 202),
    ("error-over-http-200", ERRORS, lambda reply: reply.status, 200),
    ("success-without-description", SUCCESSES, member("description"), "absent"),
    ("error-without-description", ERRORS, member("description"), "absent"),
    ("description-in-an-array", SUCCESSES | ERRORS, lambda reply: type(reply.content["description"]), list),
    ("success-with-empty-description", SUCCESSES, member("description"), ""),
    ("error-with-empty-description", ERRORS, member("description"), ""),
    ("one-description-for-all", SUCCESSES | ERRORS, member("description"), "Request processed"),
    ("success-without-request-id", SUCCESSES, member("request_id"), "absent"),
    ("error-without-request-id", ERRORS, member("request_id"), "absent"),
    ("request-id-as-number", SUCCESSES | ERRORS, lambda reply: type(reply.content["request_id"]), int),
    ("request-id-empty", SUCCESSES | ERRORS, member("request_id"), ""),
    ("no-challenge", {"unauthorized"}, lambda reply: header(reply.headers, "www-authenticate"), None),
    ("accepts-an-unknown-command", {"unknown"}, member("status_code"), 200),
    ("crashes-on-an-unknown-command", {"unknown"}, member("status_code"), 500),
    ("unknown-command-in-html", {"unknown"}, raw, b"<"),
    ("accepts-any-method", {"method"}, member("status_code"), 200),
    ("crashes-on-a-wrong-method", {"method"}, member("status_code"), 500),
    ("wrong-method-in-html", {"method"}, raw, b"<"),
    ("validation-errors-as-list", {"error"}, lambda reply: type(reply.content["validation_errors"]), list),
    ("no-validation-errors", {"error"}, member("validation_errors"), "absent"),
    ("validation-errors-misnamed", {"error"}, lambda reply: list(reply.content["validation_errors"]), ["body"]),
    ("crashes-on-over-long-messages", {"over-long"}, member("status_code"), 500),
    ("organization-without-name", {"account"}, lambda reply: "name" in reply.content["organization"], False),
    (
        "organization-without-website",
        {"account"},
        lambda reply: "website" in reply.content["organization"]["details"],
        False,
    ),
    (
        "balance-as-string",
        {"account"},
        lambda reply: type(reply.content["organization"]["details"]["available_balance"]),
        str,
    ),
    ("accounts-as-object", {"account"}, lambda reply: type(reply.content["organization"]["accounts"]), dict),
]


@pytest.mark.parametrize(("name", "touched", "told", "expected"), TOUCHED, ids=[row[0] for row in TOUCHED])
def test_reshapes_the_answers_that_it_is_about_and_no_others(
    name: str, touched: set[str], told: Told, expected: object
) -> None:
    """Everything that another requirement judges is answered as ever."""
    replies = {kind: faulty(name).answer(request, 0.0).reply for kind, request in EVERY.items()}
    lawful = {kind: faulty().answer(request, 0.0).reply for kind, request in EVERY.items()}
    assert touched == {kind for kind in EVERY if replies[kind] != lawful[kind]}
    assert {kind: expected for kind in touched} == {kind: told(replies[kind]) for kind in touched}


def test_repeated_id_goes_to_another_payload_and_its_notification() -> None:
    """Each tenth accepted request shares the id of an earlier one, with one name in answer and notification."""
    answers = sent(faulty("request-id-repeats-every-tenth-time"), 20)
    ids = [envelope(answer)["request_id"] for answer in answers]
    assert ids[9] in ids[:9]
    assert 18 == len(set(ids))
    assert ids == [delivery.content["request_id"] for answer in answers for delivery in answer.deliveries]


def test_equal_requests_share_an_id_and_different_ones_do_not() -> None:
    """A refused request never has the id of an accepted one, however equal they are."""
    gateway = faulty("request-id-equal-for-equal-requests")
    other = asked("sms", {**SMS, "message": "Salamu"})
    first, again, third = (envelope(gateway.answer(r, 0.0))["request_id"] for r in (ACCEPTED, ACCEPTED, other))
    assert first == again != third
    assert first != envelope(gateway.answer(UNAUTHORIZED, 0.0))["request_id"]


def test_telling_id_holds_the_phone_number_and_is_unique() -> None:
    """Only RID-03 falls: the counter keeps ids apart."""
    gateway = faulty("request-id-holds-phone-number")
    ids = [envelope(gateway.answer(ACCEPTED, 0.0))["request_id"] for _ in range(3)]
    assert 3 == len(set(ids))
    assert all(SMS["phone_number"] in id_ for id_ in ids)


def test_trouble_begins_after_the_fifteenth_request() -> None:
    """A gateway that is sound for a while."""
    answers = sent(faulty("success-without-description-after-fifteen-requests"), 20)
    assert list(range(15)) == [n for n, answer in enumerate(answers) if "description" in envelope(answer)]


def test_drops_answers_but_never_the_first_call() -> None:
    """The notification of a dropped answer is sent all the same."""
    answers = sent(faulty("drops-one-answer-in-ten"), 20)
    assert [9, 19] == [n for n, answer in enumerate(answers) if answer.reply.dropped]
    assert 20 == sum(len(answer.deliveries) for answer in answers)
    gateway = faulty("drops-some-refusals")
    assert [False, False, False, False, True] == [gateway.answer(REFUSED, 0.0).reply.dropped for _ in range(5)]


def test_cuts_one_answer_in_ten() -> None:
    """A body that lacks its end is no JSON, whatever it answers."""
    answers = sent(faulty("one-answer-in-ten-cut-short"), 10)
    assert [None] * 9 + [b"{"] == [raw(answer.reply) for answer in answers]


@pytest.mark.parametrize(("name", "code"), [("status-code-out-of-range", 399), ("crashes-on-a-plus-sign", 500)])
def test_an_open_payload_is_answered_with_a_code_of_its_own(name: str, code: int) -> None:
    """Nothing but the phone number behind a plus sign is touched, and the HTTP status agrees."""
    gateway = faulty(name)
    answer = gateway.answer(asked("sms", {**SMS, "phone_number": "+254711000001"}), 0.0)
    assert (code, code) == (answer.reply.status, envelope(answer)["status_code"])
    assert () == answer.deliveries
    assert [200, 422] == [envelope(gateway.answer(r, 0.0))["status_code"] for r in (ACCEPTED, REFUSED)]
