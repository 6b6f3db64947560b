"""What a notification tells of its transaction: read leniently, and told from what another request asked for."""

from __future__ import annotations

import json
from typing import Any

from runs import Run

from conformance.contract.contract import statum
from conformance.judging.transactions import AGREE, comparable
from conformance.judging.verdicts import RequirementVerdict, Verdict
from conformance.model.traffic import Kind
from conformance.reports.result import judge

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


def test_a_member_agrees_contradicts_or_tells_nothing() -> None:
    """Its form is not contract."""
    groups: dict[bool | None, list[tuple[str, Any]]] = {True: AGREEING, False: CONTRADICTING, None: TELLING_NOTHING}
    wrong = [
        (member, value, found)
        for expected, rows in groups.items()
        for member, value in rows
        if (found := AGREE[statum().notification.transaction[member]](value, ASKED[member])) is not expected
    ]

    assert [] == wrong


def test_what_can_be_compared_follows_from_the_schemas() -> None:
    """What the request asks for, and its notification may tell."""
    assert ("amount", "phone_number", "short_code", "bill_ref_number") == comparable("mpesa/online", statum())
    assert ("amount", "phone_number", "short_code") == comparable("mpesa-wallet", statum())
    assert not any(comparable(command, statum()) for command in ("sms", "airtime", "account-details", None))


def payments(*told: dict[str, Any], **changes: Any) -> RequirementVerdict:
    """NTF-23 on as many payments, of amounts 100, 200 … to other numbers; each is told what stands there."""
    run = Run(commands=(COMMAND,))
    for n, _ in enumerate(told, 1):
        run.invoke(f"{n:032}", command=COMMAND, payload=json.dumps({**asked_of(n), **changes}).encode())
    for n, members in enumerate(told, 1):
        run.notify(f"{n:032}", PRODUCT, **members)
    verdicts = judge(run.record()).verdicts
    return next(v for v in verdicts if v.requirement.id == "NTF-23")


def asked_of(n: int) -> dict[str, str]:
    """What the nth payment asks for."""
    return {"phone_number": f"254711{n:06}", "amount": f"{n}00", "short_code": "174379", "bill_ref_number": f"R{n}"}


def test_two_that_are_swapped_are_found_whatever_the_others_do() -> None:
    """Each tells all that the other asked for."""
    verdict = payments(asked_of(2), asked_of(1))

    assert (Verdict.FAIL, 2) == (verdict.verdict, verdict.failed)
    assert "what case-2 asked for" in verdict.findings[0].message


def test_one_member_is_enough_where_the_others_are_told_right() -> None:
    """A run that may call one number only has no more than the amount."""
    told = [{"amount": f"{n}00"} for n in (1, 2, 3, 5, 4, 6, 7)]

    assert 2 == payments(*told).failed


def test_amounts_less_a_fee_are_no_fault_though_they_are_others_amounts() -> None:
    """Each is what another request asked for, and none is told right."""
    verdict = payments(*({"amount": str(n * 100 - 100)} for n in range(1, 8)))

    assert (Verdict.INCONCLUSIVE, 0, False) == (verdict.verdict, verdict.failed, verdict.hinders)


def test_what_nobody_asked_for_is_no_fault() -> None:
    """It may be of a form that is not known."""
    told = [asked_of(1), asked_of(2), {"amount": "77", "phone_number": "2547*****999"}]

    assert (Verdict.PASS, 2) == (payments(*told).verdict, payments(*told).observations)


def test_without_such_members_it_does_not_apply() -> None:
    """And does not stand in the way of a verdict."""
    verdict = payments({}, {})

    assert (Verdict.INCONCLUSIVE, False) == (verdict.verdict, verdict.hinders)


def test_a_repeated_notification_is_told_right_twice() -> None:
    """It may come more than once."""
    run = Run(commands=(COMMAND,))
    run.invoke("a" * 32, command=COMMAND, payload=json.dumps(asked_of(1)).encode())
    run.notify("a" * 32, PRODUCT, **asked_of(1))
    run.notify("a" * 32, PRODUCT, **asked_of(1))

    verdict = next(v for v in judge(run.record()).verdicts if v.requirement.id == "NTF-23")
    assert (Verdict.PASS, 2) == (verdict.verdict, verdict.observations)


def test_requests_that_share_an_id_are_not_told_apart() -> None:
    """That is the fault of the one who gave it."""
    run = Run(commands=(COMMAND,))
    for n in (1, 2):
        run.invoke("a" * 32, command=COMMAND, kind=Kind.BURST, payload=json.dumps(asked_of(n)).encode())
        run.notify("a" * 32, PRODUCT, **asked_of(n))

    assert "NTF-23" not in {v.requirement.id for v in judge(run.record()).verdicts if v.verdict is Verdict.FAIL}
