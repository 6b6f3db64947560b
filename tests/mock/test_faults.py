"""The seeded faults: a sound table, and what each row refuses, lets pass, or does to notifications.

The rows are tried on the state machine itself, without a network (those about answers in `test_fault_answers.py`);
that the suite then fails exactly the requirements in `breaks` is for the kill matrix.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from faulty_gateway import (
    ACCEPTED,
    ACCOUNT,
    AIRTIME,
    CALLBACKS,
    ONLINE,
    REFUSED,
    SMS,
    UNAUTHORIZED,
    VALID,
    WALLET,
    asked,
    envelope,
    faulty,
    sent,
)
from seeded import FAULTS, LOAD_FAULTS, ON_LOAD, fault

from conformance.contract.contract import statum
from conformance.contract.requirements import Actor
from conformance.mock.account import Account
from conformance.mock.behaviour import UNEXCUSED, Behaviour, Callback, Moment, Reply
from conformance.mock.gateway import Gateway
from conformance.mock.rules import TAGS, refusal_of
from conformance.model.traffic import Request, header

COMMANDS = statum().commands
SCHEMAS = statum().schemas

# --- The table


def test_names_are_unique_and_in_kebab_case() -> None:
    """Each name can be typed."""
    assert [] == [name for name in FAULTS if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name)]


def test_a_summary_is_one_short_line() -> None:
    """--list-faults has a line for each."""
    wrong = [
        (name, row.summary)
        for name, row in FAULTS.items()
        if not 10 < len(row.summary) <= 110 or not row.summary.isprintable() or row.summary.endswith(".")
    ]
    assert [] == wrong


def test_a_fault_breaks_requirements_that_are_judged() -> None:
    """What a row breaks is in the catalogue, about gateways, and not excluded."""
    catalogue = statum().catalogue
    wrong = [
        (name, id_)
        for name, row in FAULTS.items()
        for id_ in row.breaks or ("nothing",)
        if id_ not in catalogue or catalogue[id_].excluded or catalogue[id_].actor is not Actor.GATEWAY
    ]
    assert [] == wrong


def test_each_judged_requirement_has_a_fault_that_breaks_it_alone() -> None:
    """Without one, nobody would know whether its check can fail."""
    judged = {
        requirement.id
        for requirement, _ in statum().catalogue.judged(
            Actor.GATEWAY, (*COMMANDS.values(), *statum().unsolicited.values())
        )
    }
    alone = {row.breaks[0] for row in FAULTS.values() if len(row.breaks) == 1}
    # Those on --slo have none: how fast is fast enough is for the user to say.
    under_load = {row.breaks[0] for row in LOAD_FAULTS.values() if len(row.breaks) == 1}
    assert judged == alone | {"LOD-03", "LOD-04", "LOD-05"} | (under_load & ON_LOAD)


def test_a_fault_names_only_refusals_that_there_are() -> None:
    """A tag that no rule has would make a fault that does nothing."""
    changed = {name: row.change(Behaviour()) for name, row in FAULTS.items()}
    assert [] == [(name, tag) for name, each in changed.items() for tag in (each.waived | each.crashes) - TAGS]
    assert UNEXCUSED in TAGS


def test_a_fault_changes_the_behaviour_and_keeps_what_was_there() -> None:
    """A fault can be laid over a variant."""

    def kept(reply: Reply, _: Moment) -> Reply:
        return reply

    def unaltered(deliveries: tuple[Callback, ...], _: Moment) -> tuple[Callback, ...]:
        return deliveries

    before = Behaviour(waived=frozenset({"rate"}), reply=(kept,), deliveries=(unaltered,), validation_status=400)
    wrong = []
    for name, row in FAULTS.items():
        after = row.change(before)
        was_there = (after.reply[0], after.deliveries[0], "rate" in after.waived, after.validation_status)
        if before == after or (kept, unaltered, True, 400) != was_there:
            wrong.append((name, after))
    assert [] == wrong


def test_what_a_fault_counts_begins_anew_with_each_gateway() -> None:
    """The table holds no state: two gateways with one fault lose the same notifications."""

    def lost() -> list[int]:
        return [n for n, answer in enumerate(sent(faulty("notifications-lost"), 9), 1) if not answer.deliveries]

    assert [3, 6, 9] == lost() == lost()


# --- Admission: what is let pass, refused or crashed over, and what is treated as ever

KEY, SECRET = ACCOUNT.consumer_key, ACCOUNT.consumer_secret


def with_credential(text: str) -> Request:
    """A request whose credential is the base64 of `text`."""
    return asked("sms", SMS, authorization="Basic " + base64.b64encode(text.encode()).decode())


WRONG: dict[str, Request] = {
    "no credential": UNAUTHORIZED,
    "wrong key": with_credential(f"x{KEY}:{SECRET}"),
    "wrong secret": with_credential(f"{KEY}:x{SECRET}"),
    "swapped": with_credential(f"{SECRET}:{KEY}"),
    "other case": with_credential(f"{KEY}:{SECRET.swapcase()}"),
    "empty": with_credential(":"),
    "not base64": asked("sms", SMS, authorization="Basic !!!!"),
    "other scheme": asked("sms", SMS, authorization="Bearer abc"),
    "no content type": asked("sms", SMS, content_type=None),
    "text/plain": asked("sms", SMS, content_type="text/plain"),
    "not json": asked("sms", b"This is not JSON."),
    "cut": asked("sms", json.dumps(SMS).encode()[:-1]),
    "empty body": asked("sms", b""),
    "array": asked("sms", b"[]"),
    "scalar": asked("sms", b"254"),
    "form": asked("sms", b"phone_number=254711000001", content_type="application/x-www-form-urlencoded"),
    "not utf-8": asked("sms", b'{"message": "\xff"}'),
    "missing": asked("sms", {name: value for name, value in SMS.items() if name != "message"}),
    "null": asked("sms", {**SMS, "message": None}),
    "type": asked("sms", {**SMS, "message": [1]}),
    "empty member": REFUSED,
    "pattern": asked("sms", {**SMS, "phone_number": "0711"}),
    "range": asked("airtime", {**AIRTIME, "amount": "4"}),
}
BODIES = {"not json", "cut", "empty body", "array", "scalar", "form", "not utf-8"}

LET_PASS: list[tuple[str, set[str], int]] = [
    ("accepts-no-credential", {"no credential"}, 200),
    ("accepts-a-wrong-key", {"wrong key"}, 200),
    ("accepts-a-wrong-secret", {"wrong secret"}, 200),
    ("accepts-a-swapped-credential", {"swapped"}, 200),
    ("accepts-another-case", {"other case"}, 200),
    ("accepts-an-empty-credential", {"empty"}, 200),
    ("accepts-no-base64", {"not base64"}, 200),
    ("crashes-on-no-base64", {"not base64"}, 500),
    ("accepts-another-scheme", {"other scheme"}, 200),
    ("accepts-no-content-type", {"no content type"}, 200),
    ("accepts-another-content-type", {"text/plain"}, 200),
    ("crashes-on-another-content-type", {"text/plain"}, 500),
    ("accepts-no-json", {"not json"}, 200),
    ("accepts-a-cut-body", {"cut"}, 200),
    ("crashes-on-a-cut-body", {"cut"}, 500),
    ("accepts-an-empty-body", {"empty body"}, 200),
    ("accepts-an-array", {"array"}, 200),
    ("crashes-on-an-array", {"array"}, 500),
    ("accepts-a-scalar", {"scalar"}, 200),
    ("accepts-a-form", {"form"}, 200),
    ("accepts-no-utf8", {"not utf-8"}, 200),
    ("crashes-on-no-utf8", {"not utf-8"}, 500),
    ("crashes-on-any-bad-body", BODIES, 500),
    ("accepts-a-missing-field", {"missing"}, 200),
    ("crashes-on-a-missing-field", {"missing"}, 500),
    ("accepts-null", {"null"}, 200),
    ("crashes-on-null", {"null"}, 500),
    ("accepts-any-type", {"type"}, 200),
    ("accepts-empty-fields", {"empty member"}, 200),
    ("accepts-any-form", {"pattern"}, 200),
    ("accepts-any-amount", {"range"}, 200),
]


def test_a_fault_lets_pass_or_crashes_over_what_it_is_about() -> None:
    """Every other wrong request is refused as ever, with a 4xx."""
    wrong = []
    for name, passed, status in LET_PASS:
        told = {kind: envelope(faulty(name).answer(request, 0.0))["status_code"] for kind, request in WRONG.items()}
        not_refused = {kind: code for kind, code in told.items() if not 400 <= code < 500}
        if dict.fromkeys(passed, status) != not_refused:
            wrong.append((name, not_refused))
    assert [] == wrong


BARE = {"user_agent": None}
SAMPLE = SCHEMAS.schema("airtime/request")["examples"][0]
LAWFUL: dict[str, Request] = {
    **{
        f"sample of {name}": asked(name, SCHEMAS.schema(f"{COMMANDS[name].folder}/request")["examples"][0])
        for name in VALID
    },
    **{name: asked(name, payload) for name, payload in VALID.items()},
    "no accept": asked("sms", SMS, accept=None, **BARE),
    "any accept": asked("sms", SMS, accept="*/*", **BARE),
    "json accept": asked("sms", SMS, **BARE),
    "bare get": asked("account-details", content_type=None),
    "digit": asked("sms", {**SMS, "phone_number": "254711000007"}),
    "digit of a payment": asked("mpesa-wallet", {**WALLET, "phone_number": "254711000007"}),
    "emoji": asked("sms", {**SMS, "message": "Habari \U0001f44b"}),
    "accents": asked("sms", {**SMS, "message": "Wanjikũ"}),
    "long": asked("sms", {**SMS, "message": "a" * 161}),
    "emoji, long": asked("sms", {**SMS, "message": "\U0001f44b" * 459}),
    "lines": asked("sms", {**SMS, "message": "Line one\nline two"}),
    "tab": asked("sms", {**SMS, "message": "one\ttwo"}),
    "five": asked("airtime", {**AIRTIME, "amount": "5"}),
    "six": asked("airtime", {**AIRTIME, "amount": "6"}),
    "ten thousand": asked("airtime", {**AIRTIME, "amount": "10000"}),
    "no reference": asked("mpesa/online", {n: v for n, v in ONLINE.items() if n != "bill_ref_number"}),
    "too long for the contract": asked("sms", {**SMS, "message": "a" * 460}),
}
REFUSES: list[tuple[str, set[str]]] = [
    ("needs-accept", {"no accept"}),
    ("refuses-any-accept", {"any accept"}),
    ("refuses-json-accept", {"json accept"}),
    ("get-needs-content-type", {"bare get"}),
    ("refuses-the-samples", {f"sample of {name}" for name in VALID if name != "account-details"}),
    ("refuses-some-phone-numbers", {"digit"}),
    ("refuses-emoji", {"emoji"}),
    ("refuses-long-messages", {"long", "emoji, long"}),
    ("refuses-line-breaks", {"lines", "tab"}),
    ("refuses-both-ends", {"five", "ten thousand"}),
    ("needs-a-reference", {"no reference"}),
]


def test_a_fault_refuses_the_lawful_requests_that_it_is_about() -> None:
    """With a 4xx that is not excused as the account's; every other lawful request is accepted."""
    wrong = []
    for name, expected in REFUSES:
        told = {kind: envelope(faulty(name).answer(request, 0.0))["status_code"] for kind, request in LAWFUL.items()}
        refused = {kind: code for kind, code in told.items() if code != 200}
        if expected != set(refused) or not set(refused.values()) <= {400, 415}:
            wrong.append((name, refused))
    assert [] == wrong


def test_what_is_sent_again_is_not_refused_as_ordinary() -> None:
    """A repeat, or a request whose credential was refused before, shows something else than its payload."""
    gateway = faulty("refuses-line-breaks")
    payload = {**SMS, "message": "Line one\nline two"}
    refused = gateway.answer(asked("sms", payload, authorization=None), 0.0)
    again = gateway.answer(asked("sms", payload), 1.0)
    assert [401, 200] == [envelope(answer)["status_code"] for answer in (refused, again)]


def test_right_credential_is_refused_now_and_then_but_never_for_the_account() -> None:
    """Each fifteenth request to a product; the call that every run begins with is spared."""
    gateway = faulty("right-credential-refused-at-times")
    codes = [envelope(answer)["status_code"] for answer in sent(gateway, 30)]
    assert [14, 29] == [n for n, code in enumerate(codes) if code == 401]
    assert {200} == {envelope(gateway.answer(asked("account-details"), 0.0))["status_code"] for _ in range(30)}


REPEATED: list[tuple[str, dict[str, Any], dict[str, Any], str, list[int]]] = [
    ("no-airtime-window", AIRTIME, AIRTIME, "airtime", [200, 200]),
    ("airtime-window-per-phone-number", AIRTIME, {**AIRTIME, "amount": "30"}, "airtime", [200, 400]),
    ("airtime-window-per-phone-number", AIRTIME, {**AIRTIME, "phone_number": "254711000002"}, "airtime", [200, 200]),
    ("airtime-window-per-phone-number", SAMPLE, {**SAMPLE, "amount": "5"}, "airtime", [200, 200]),
    ("refuses-an-equal-message", SMS, SMS, "sms", [200, 400]),
    ("refuses-an-equal-message", SMS, {**SMS, "message": "Salamu"}, "sms", [200, 200]),
]


@pytest.mark.parametrize(("name", "first", "second", "command", "codes"), REPEATED)
def test_remembers_what_was_accepted(
    name: str, first: dict[str, Any], second: dict[str, Any], command: str, codes: list[int]
) -> None:
    """A similar request after an accepted one."""
    gateway = faulty(name)
    answers = [gateway.answer(asked(command, payload), 0.0) for payload in (first, second)]
    assert codes == [envelope(answer)["status_code"] for answer in answers]
    # A refusal in the words of the window would be put down to an earlier run.
    assert refusal_of(statum(), "window").description not in {envelope(answer)["description"] for answer in answers}


# --- Notifications


def deliveries(name: str, count: int = 20) -> list[Callback]:
    """What is delivered about that many airtime requests."""
    return [delivery for answer in sent(faulty(name), count) for delivery in answer.deliveries]


def returned(count: int = 20) -> list[str]:
    """The ids that a gateway returns to that many airtime requests."""
    return [envelope(answer)["request_id"] for answer in sent(faulty(), count)]


def of(member: str) -> Callable[[Callback], object]:
    """A member of the notification, or "absent"."""
    return lambda delivery: delivery.content.get(member, "absent")


SEEN: list[tuple[str, Callable[[Callback], object], list[object]]] = [
    ("notification-by-put", lambda d: d.method, ["PUT"] * 5),
    ("notifications-late", lambda d: d.after_s, [0.0, 0.0, 0.0, 0.0, 11.0]),
    ("notification-declared-as-text", lambda d: header(d.headers, "content-type"), ["text/plain"] * 5),
    ("notification-in-an-array", lambda d: type(d.content), [list] * 5),
    ("notification-without-result-code", of("result_code"), ["absent"] * 5),
    ("result-code-as-number", of("result_code"), [200] * 5),
    ("result-code-in-words", of("result_code"), ["OK"] * 5),
    ("result-code-of-four-digits", of("result_code"), ["0200"] * 5),
    ("notification-without-result-desc", of("result_desc"), ["absent"] * 5),
    ("result-desc-in-an-array", lambda d: type(d.content["result_desc"]), [list] * 5),
    ("success-result-without-text", of("result_desc"), [""] * 5),
    ("airtime-charge-as-string", of("charge"), ["20"] * 5),
    ("notifications-empty", lambda d: d.content, [{}] * 5),
    ("notification-without-request-id", of("request_id"), ["absent"] * 5),
    ("notification-id-in-an-array", of("request_id"), [[id_] for id_ in returned(5)]),
    ("notification-id-in-upper-case", of("request_id"), [id_.upper() for id_ in returned(5)]),
    ("notification-id-cut-short", of("request_id"), [id_[:-1] for id_ in returned(5)]),
    ("notification-id-padded", of("request_id"), [f"{id_} " for id_ in returned(5)]),
    ("notification-off-the-registered-url", lambda d: d.url, ["http://127.0.0.1:9/callbacks/airtime"] * 5),
    ("notification-to-another-product", lambda d: d.url, [CALLBACKS["airtime"]] * 4 + [CALLBACKS["sms"]]),
]


def test_a_fault_reshapes_notifications() -> None:
    """Each still leaves the answer alone, and there are as many as ever."""
    seen = [(name, [told(delivery) for delivery in deliveries(name, 5)]) for name, told, _ in SEEN]
    assert [] == [each for each, (*_, expected) in zip(seen, SEEN, strict=True) if each[1] != expected]
    lawful = [answer.reply for answer in sent(faulty(), 5)]
    assert [] == [name for name, *_ in SEEN if lawful != [answer.reply for answer in sent(faulty(name), 5)]]


def test_a_callback_without_a_query_gets_one() -> None:
    """The fault shows whether the callback has a query or not."""
    account = Account.sample({"sms": "http://127.0.0.1:9/callbacks/sms"})
    gateway = Gateway(account, fault("notification-off-the-registered-url").change(Behaviour()))
    (delivery,) = gateway.answer(ACCEPTED, 0.0).deliveries
    assert "http://127.0.0.1:9/callbacks/sms?source=gateway" == delivery.url


@pytest.mark.parametrize(("name", "every"), [("notifications-lost", 3), ("one-notification-in-twenty-lost", 20)])
def test_loses_some_notifications(name: str, every: int) -> None:
    """One in so many, beginning with the first so many."""
    lost = [n for n, answer in enumerate(sent(faulty(name), 40), 1) if not answer.deliveries]
    assert list(range(every, 41, every)) == lost


def test_cuts_one_notification_in_ten() -> None:
    """Its body is not JSON."""
    bodies = [delivery.raw for delivery in deliveries("one-notification-in-ten-cut-short", 20)]
    assert [9, 19] == [n for n, body in enumerate(bodies) if body is not None]
    with pytest.raises(ValueError, match="delimiter"):
        json.loads(bodies[9] or b"")


def test_failures_lose_their_reason_and_successes_keep_their_text() -> None:
    """Some transactions fail, or nothing would be seen."""
    told = {
        (d.content["result_code"] == "200", d.content["result_desc"] == "")
        for d in deliveries("failure-result-without-reason", 60)
    }
    assert {(True, False), (False, True)} == told


def test_contradicts_one_notification_in_five() -> None:
    """The second comes a little later, under the same id, with the opposite code and a reason."""
    sent_ones = deliveries("notification-contradicted", 5)
    first, second = sent_ones[-2:]
    assert 6 == len(sent_ones)
    assert first.content["request_id"] == second.content["request_id"]
    assert ("200", "500") == (first.content["result_code"], second.content["result_code"])
    assert second.content["result_desc"]
    assert first.after_s < second.after_s < 0.5


def test_adds_notifications_that_nobody_asked_for() -> None:
    """Their ids were given to nobody, and have nothing of one that was."""
    told = [delivery.content["request_id"] for delivery in deliveries("notification-nobody-asked-for", 20)]
    ids = set(returned(20))
    assert 24 == len(set(told))
    assert 4 == len([id_ for id_ in told if id_ not in ids])


AFTER_REFUSAL = [("notification-after-a-refusal", REFUSED, 5), ("acts-without-credential", UNAUTHORIZED, 1)]


@pytest.mark.parametrize(("name", "refused", "every"), AFTER_REFUSAL)
def test_tells_of_a_refused_request(name: str, refused: Request, every: int) -> None:
    """Under the id of the refusal, to the callback of its product; other refusals stay without."""
    gateway = faulty(name)
    answers = [gateway.answer(refused, 0.0) for _ in range(every)]
    (delivery,) = answers[-1].deliveries
    assert [] == [answer for answer in answers[:-1] if answer.deliveries]
    assert (CALLBACKS["sms"], envelope(answers[-1])["request_id"]) == (delivery.url, delivery.content["request_id"])
    other = UNAUTHORIZED if refused is REFUSED else REFUSED
    assert () == tuple(d for _ in range(every) for d in gateway.answer(other, 0.0).deliveries)
