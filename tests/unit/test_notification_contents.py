"""Contents of notifications: true of the request that they are about, valid, and with ids of every form."""

from __future__ import annotations

import re
from random import Random
from typing import Any

from conformance.client.deliveries import ReceiverUnderTest
from conformance.client.plan import Cases
from conformance.client.witness import SENDING
from conformance.contract.contract import statum
from conformance.payloads.probes import FORMS, NEAR, USUAL

COMMANDS = statum().commands
CASES = Cases(statum(), 7, "http://127.0.0.1:9")

ASKED = {"phone_number": "254712345149", "amount": "24024", "short_code": "600100"}


def told(command: str, about: dict[str, str], number: int = 0) -> dict[str, Any]:
    """The optional members of a notification."""
    subject = ReceiverUnderTest(statum(), COMMANDS[command], "http://127.0.0.1:9/hook", Random(number), count=number)
    subject.known["a"] = CASES.call(command, SENDING, "x", about)
    content = subject.success("a")
    return {name: content[name] for name in subject.optional if name in content}


def test_members_agree_with_the_request() -> None:
    """What was not asked for is not told."""
    payment = told("mpesa/online", ASKED)

    assert ("24024", "600100", "2547*****149") == tuple(
        payment[name] for name in ("amount", "short_code", "phone_number")
    )
    assert "bill_ref_number" not in payment
    assert "QWERT" == told("mpesa/online", {**ASKED, "bill_ref_number": "QWERT"})["bill_ref_number"]


def test_without_a_request_the_sample_is_as_good_as_any() -> None:
    """All members of it are told."""
    assert {"charge", "account_balance"} == set(told("airtime", {}))
    assert "QWERT" == told("mpesa/online", {})["bill_ref_number"]
    assert {} == told("sms", {})


def test_no_two_payments_have_one_receipt() -> None:
    """Nor the same time, though each time is well-formed."""
    payments = [told("mpesa/online", ASKED, number) for number in range(50)]

    assert 50 == len({payment["third_party_trans_id"] for payment in payments})
    assert 50 == len({payment["transaction_time"] for payment in payments})


def test_contents_are_valid_with_all_optional_members_and_without() -> None:
    """With all that may be left out, and without."""
    for command in (command for command in COMMANDS.values() if command.product):
        subject = ReceiverUnderTest(statum(), command, "http://127.0.0.1:9/hook", Random(7))
        subject.known["a"] = CASES.call(command.name, SENDING, "x", ASKED)
        whole, bare = subject.success("a"), subject.content("a", "200", "Success", left_out=subject.optional)

        assert {"request_id", "result_code", "result_desc"} == set(bare)
        assert set(whole) - set(bare) == subject.optional - {"bill_ref_number"}
        assert [] == [*statum().schemas.violations(f"{command.folder}/notification", whole)]
        assert whole["result_desc"] != bare["result_desc"]


def test_ids_are_of_every_form() -> None:
    """Some of which a column, a pattern or a conversion to a number does not take."""
    made = {what: make(Random(7)) for what, make in FORMS.items()}

    assert len(FORMS) == len(set(made.values()))
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", made["a UUID"])
    assert re.fullmatch(r"[0-9a-f]{32}", made["32 hexadecimal digits"])
    assert int(made["digits alone"]) > 2**53
    assert made["digits that begin with zeros"] != str(int(made["digits that begin with zeros"]))
    assert {6, 128} <= {len(request_id) for request_id in made.values()}
    assert re.fullmatch(r"[0-9A-Za-z]{32}", USUAL(Random(7)))


def test_pairs_of_ids_differ_in_little() -> None:
    """In case alone, in zeros that a number does not have, and behind what a column of a database holds."""
    for seed in range(100):
        one, other = NEAR["the case of its letters"](Random(seed))
        assert (one != other, one.lower()) == (True, other.lower())
    one, other = NEAR["the zeros that it begins with"](Random(7))
    assert (one != other, int(one)) == (True, int(other))
    one, other = NEAR["its last character"](Random(7))
    assert (one != other, one[:128]) == (True, other[:128])
