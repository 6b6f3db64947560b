"""The seeded faults of answers: which answers each one touches, and how; all others are as ever."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

import pytest
from faulty_gateway import (
    ACCEPTED,
    ASKED_FOR_ACCOUNT,
    OVER_LONG,
    REFUSED,
    SMS,
    UNAUTHORIZED,
    UNKNOWN,
    WRONG_METHOD,
    asked,
    envelope,
    faulty,
    sent,
)

from conformance.mock.behaviour import Ending, Reply
from conformance.model.traffic import Request, header

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


def test_a_fault_reshapes_the_answers_that_it_is_about_and_no_others() -> None:
    """Everything that another requirement judges is answered as ever."""
    lawful = {kind: faulty().answer(request, 0.0).reply for kind, request in EVERY.items()}
    wrong = []
    for name, touched, told, expected in TOUCHED:
        replies = {kind: faulty(name).answer(request, 0.0).reply for kind, request in EVERY.items()}
        changed = {kind for kind in EVERY if replies[kind] != lawful[kind]}
        seen = {kind: told(replies[kind]) for kind in touched | changed}
        if touched != changed or dict.fromkeys(touched, expected) != seen:
            wrong.append((name, seen))
    assert [] == wrong


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
    assert [9, 19] == [n for n, answer in enumerate(answers) if answer.reply.ending is Ending.BEFORE]
    assert 20 == sum(len(answer.deliveries) for answer in answers)
    gateway = faulty("drops-some-refusals")
    assert [False, False, False, False, True] == [
        gateway.answer(REFUSED, 0.0).reply.ending is Ending.BEFORE for _ in range(5)
    ]


def test_cuts_one_answer_in_ten() -> None:
    """A body that lacks its end is not JSON, whatever it answers."""
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
