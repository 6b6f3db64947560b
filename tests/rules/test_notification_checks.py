"""What counts as a notification, what it tells of its transaction, and what contradicts it, on records made by hand."""

from __future__ import annotations

import json
from typing import Any

import pytest
from run_records import Run, failures, verdict

from conformance.contract.contract import statum
from conformance.judging.transactions import AGREE, comparable
from conformance.judging.verdicts import RequirementVerdict, Verdict
from conformance.model.traffic import Kind


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "POST"])
def test_a_look_whether_the_callback_is_there_excuses_nothing(method: str) -> None:
    """It is not a notification; the finding about a missing one names it."""
    run = Run()
    for request_id in ("a" * 32, "b" * 32):
        run.invoke(request_id)
        run.notify(raw=b"", method=method)
    run.notify("a" * 32)
    assert {"NTF-01"} == failures(run)
    assert ["case-2"] == [f.case for f in verdict(run, "NTF-01").findings]
    assert "2 requests without a body" in verdict(run, "NTF-01").findings[0].message


def test_hundreds_of_thousands_of_repeats_are_read_in_linear_time() -> None:
    """Each name is looked at once."""
    repeated = b", ".join(b'"x": 1' for _ in range(400_000))
    run = Run()
    run.invoke(raw=b'{"status_code": 200, "description": "OK", "request_id": "a", ' + repeated + b"}")
    run.notify("a")
    assert {"ENC-05"} == failures(run)


COMMAND, PRODUCT, ID = "mpesa/online", "mpesa-online", "e" * 32
TOLD = {
    "amount": "50",
    "charge": 48.5,
    "phone_number": "2547*****149",
    "customer_name": "Wanjiku Achieng",
    "short_code": "174379",
    "bill_ref_number": "QWERT",
    "third_party_trans_id": "RKTQDM7W6S",
    "transaction_time": "2026-11-22 12:00:00",
    "account_balance": "1000",
}


def notified_of(request_id: str, *told: dict[str, Any], asked: bytes | None = None) -> Run:
    """A payment, and a notification with each of these members."""
    run = Run(commands=(COMMAND,))
    run.invoke(request_id, command=COMMAND, payload=asked)
    for members in told:
        run.notify(request_id, PRODUCT, **members)
    return run


def told_twice(**changes: Any) -> Run:
    """A payment that is notified of twice, the second time with changes."""
    return notified_of(ID, TOLD, {**TOLD, **changes})


def test_results_of_different_transactions_contradict_each_other() -> None:
    """In whichever member; the second is shown, with what the first had there."""
    rows: list[tuple[str, Any]] = [
        ("amount", "500"),
        ("amount", 51),
        ("charge", 49),
        ("phone_number", "2547*****150"),
        ("customer_name", "Otieno"),
        ("short_code", "174380"),
        ("bill_ref_number", "QWERTY"),
        ("third_party_trans_id", "RKTQDM7W6T"),
        ("transaction_time", "2026-11-22 12:00:01"),
    ]
    found = [verdict(told_twice(**{member: value}), "NTF-19", COMMAND) for member, value in rows]

    assert [(Verdict.FAIL, 2, f"/{member}") for member, _ in rows] == [
        (each.verdict, finding.notification, finding.pointer) for each in found for finding in each.findings
    ]


def test_a_repeated_result_may_have_another_form() -> None:
    """A balance or an unknown member contradicts nothing."""
    rows: list[dict[str, Any]] = [
        {},
        {"amount": "KES 50.00", "charge": "48.50", "customer_name": "WANJIKU ACHIENG"},
        {"phone_number": "254712345149"},
        {"phone_number": "*****49"},
        {"customer_name": "W******* A******"},
        {"transaction_time": "2026-11-22T12:00:00+03:00"},
        {"account_balance": "950", "result_desc": "Processed", "attempt": 2},
        {"amount": None, "third_party_trans_id": ["RKTQDM7W6S"]},
    ]

    assert [] == [row for row in rows if verdict(told_twice(**row), "NTF-19", COMMAND).verdict is not Verdict.PASS]


def test_a_member_of_only_one_result_contradicts_nothing() -> None:
    """A third is compared with all before it."""
    run = notified_of(ID, {"amount": "50"}, {"short_code": "174379"})
    assert Verdict.PASS is verdict(run, "NTF-19", COMMAND).verdict

    run.notify(ID, PRODUCT, amount="60", short_code="174379")
    (finding,) = verdict(run, "NTF-19", COMMAND).findings
    assert (3, 'amount "60" contradicts "50", sent before') == (finding.notification, finding.message)


# --- What it tells of its transaction


ASKED = {"phone_number": "254721553149", "amount": "5000", "short_code": "174379", "bill_ref_number": "Qwert1"}

AGREEING = [
    ("amount", "5000"),
    ("amount", "5000.00"),
    ("amount", "5,000"),
    ("amount", "KES 5,000.00"),
    ("amount", "Ksh. 5000"),
    ("amount", 5000),
    ("amount", 5000.0),
    ("phone_number", "254721553149"),
    ("phone_number", 254721553149),
    ("phone_number", "+254 721 553 149"),
    ("phone_number", "0721553149"),
    ("phone_number", "2547*****149"),
    ("phone_number", "07xx xxx 149"),
    ("phone_number", "*********149"),
    ("short_code", " 174379 "),
    ("short_code", 174379),
    ("bill_ref_number", "QWERT1"),
]
CONTRADICTING = [
    ("amount", "4999"),
    ("amount", "50"),
    ("amount", 0),
    ("phone_number", "2547*****148"),
    ("phone_number", "254721553140"),
    ("short_code", "600100"),
    ("bill_ref_number", "Qwert2"),
]
TELLING_NOTHING = [
    ("amount", "five thousand"),
    ("amount", ""),
    ("amount", True),
    ("amount", "NaN"),
    ("amount", [5000]),
    ("phone_number", "2547********"),
    ("phone_number", "25472155****"),
    ("phone_number", "*49"),
    ("phone_number", "Wanjiku"),
    ("phone_number", None),
    ("short_code", "17****"),
    ("short_code", ""),
    ("bill_ref_number", {"ref": "Qwert1"}),
]


def test_a_member_agrees_contradicts_or_is_ignored() -> None:
    """Its form is not contract."""
    groups: dict[bool | None, list[tuple[str, Any]]] = {True: AGREEING, False: CONTRADICTING, None: TELLING_NOTHING}
    wrong = [
        (member, value, found)
        for expected, rows in groups.items()
        for member, value in rows
        if (found := AGREE[statum().notification.transaction[member]](value, ASKED[member])) is not expected
    ]

    assert [] == wrong


def test_comparable_members_follow_from_the_schemas() -> None:
    """Members of the request that its notification may repeat."""
    assert ("amount", "phone_number", "short_code", "bill_ref_number") == comparable("mpesa/online", statum())
    assert ("amount", "phone_number", "short_code") == comparable("mpesa-wallet", statum())
    assert not any(comparable(command, statum()) for command in ("sms", "airtime", "account-details", None))


def payments(*told: dict[str, Any]) -> RequirementVerdict:
    """NTF-23 on as many payments, of amounts 100, 200 … to other numbers; their notifications have these members."""
    run = Run(commands=(COMMAND,))
    for n, _ in enumerate(told, 1):
        run.invoke(f"{n:032}", command=COMMAND, payload=json.dumps(asked_of(n)).encode())
    for n, members in enumerate(told, 1):
        run.notify(f"{n:032}", PRODUCT, **members)
    return verdict(run, "NTF-23", COMMAND)


def asked_of(n: int) -> dict[str, str]:
    """The members of the nth payment."""
    return {"phone_number": f"254711{n:06}", "amount": f"{n}00", "short_code": "174379", "bill_ref_number": f"R{n}"}


def amounts(*hundreds: int) -> tuple[dict[str, str], ...]:
    """Members of notifications with these amounts alone."""
    return tuple({"amount": str(100 * each)} for each in hundreds)


SWAPPED = (asked_of(2), asked_of(1))
UNKNOWN = {"amount": "77", "phone_number": "2547*****999"}

# The members of notifications; of NTF-23 the verdict, the numbers of failed and of judged ones, and whether it hinders.
PAYMENTS: dict[str, tuple[tuple[dict[str, str], ...], tuple[Verdict, int, int, bool]]] = {
    "each has all details of the other": (SWAPPED, (Verdict.FAIL, 2, 2, True)),
    "of the amounts alone, two are swapped": (amounts(1, 2, 3, 5, 4, 6, 7), (Verdict.FAIL, 2, 7, True)),
    "amounts less a fee, which are others' amounts": (amounts(*range(7)), (Verdict.INCONCLUSIVE, 0, 0, False)),
    "one has details of no request": ((asked_of(1), asked_of(2), UNKNOWN), (Verdict.PASS, 0, 2, False)),
    "none has any details": (({}, {}), (Verdict.INCONCLUSIVE, 0, 0, False)),
}


def test_details_of_another_request_are_found_beside_right_ones() -> None:
    """Details that belong to no request, or to others throughout, may have a form or a fee that is not known."""
    found = {name: payments(*told) for name, (told, _) in PAYMENTS.items()}

    assert {name: expected for name, (_, expected) in PAYMENTS.items()} == {
        name: (v.verdict, v.failed, v.observations, v.hinders) for name, v in found.items()
    }
    assert "what case-2 asked for" in payments(*SWAPPED).findings[0].message


def test_a_repeated_notification_counts_twice() -> None:
    """It may come more than once."""
    run = notified_of(ID, asked_of(1), asked_of(1), asked=json.dumps(asked_of(1)).encode())

    found = verdict(run, "NTF-23", COMMAND)
    assert (Verdict.PASS, 2) == (found.verdict, found.observations)


def test_requests_that_share_an_id_are_not_compared() -> None:
    """That is the fault of the one who gave it."""
    run = Run(commands=(COMMAND,))
    for n in (1, 2):
        run.invoke("a" * 32, command=COMMAND, kind=Kind.BURST, payload=json.dumps(asked_of(n)).encode())
        run.notify("a" * 32, PRODUCT, **asked_of(n))

    assert "NTF-23" not in failures(run)
