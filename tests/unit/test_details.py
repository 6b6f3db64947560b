"""What a notification tells of its transaction: read leniently, and told from what another request asked for."""

from __future__ import annotations

import json
from typing import Any

from run_verdicts import failures, verdict
from runs import Run

from conformance.contract.contract import statum
from conformance.judging.transactions import AGREE, comparable
from conformance.judging.verdicts import RequirementVerdict, Verdict
from conformance.model.traffic import Kind

COMMAND, PRODUCT = "mpesa/online", "mpesa-online"
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
    run = Run(commands=(COMMAND,))
    run.invoke("a" * 32, command=COMMAND, payload=json.dumps(asked_of(1)).encode())
    run.notify("a" * 32, PRODUCT, **asked_of(1))
    run.notify("a" * 32, PRODUCT, **asked_of(1))

    found = verdict(run, "NTF-23", COMMAND)
    assert (Verdict.PASS, 2) == (found.verdict, found.observations)


def test_requests_that_share_an_id_are_not_compared() -> None:
    """That is the fault of the one who gave it."""
    run = Run(commands=(COMMAND,))
    for n in (1, 2):
        run.invoke("a" * 32, command=COMMAND, kind=Kind.BURST, payload=json.dumps(asked_of(n)).encode())
        run.notify("a" * 32, PRODUCT, **asked_of(n))

    assert "NTF-23" not in failures(run)
