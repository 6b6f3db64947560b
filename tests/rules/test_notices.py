"""What counts as a notification, how it is read, and which two contradict each other, on records made by hand."""

from __future__ import annotations

from typing import Any

import pytest
from run_verdicts import failures, verdict
from runs import Run

from conformance.judging.verdicts import Verdict


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


def told_twice(**changes: Any) -> Run:
    """A payment that is notified of twice, the second time with changes."""
    run = Run(commands=("mpesa/online",))
    run.invoke("e" * 32, command="mpesa/online")
    run.notify("e" * 32, product="mpesa-online", **TOLD)
    run.notify("e" * 32, product="mpesa-online", **{**TOLD, **changes})
    return run


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("amount", "500"),
        ("amount", 51),
        ("charge", 49),
        ("phone_number", "2547*****150"),
        ("customer_name", "Otieno"),
        ("short_code", "174380"),
        ("bill_ref_number", "QWERTY"),
        ("third_party_trans_id", "RKTQDM7W6T"),
        ("transaction_time", "2026-11-22 12:00:01"),
    ],
)
def test_results_of_different_transactions_contradict_each_other(member: str, value: Any) -> None:
    """In whichever member; the second is shown, with what the first had there."""
    run = told_twice(**{member: value})
    assert {"NTF-19"} <= failures(run)
    (finding,) = verdict(run, "NTF-19", "mpesa/online").findings
    assert (2, f"/{member}") == (finding.notification, finding.pointer)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"amount": "KES 50.00", "charge": "48.50", "customer_name": "WANJIKU ACHIENG"},
        {"phone_number": "254712345149"},
        {"phone_number": "*****49"},
        {"customer_name": "W******* A******"},
        {"transaction_time": "2026-11-22T12:00:00+03:00"},
        {"account_balance": "950", "result_desc": "Processed", "attempt": 2},
        {"amount": None, "third_party_trans_id": ["RKTQDM7W6S"]},
    ],
)
def test_a_repeated_result_may_have_another_form(changes: dict[str, Any]) -> None:
    """A balance or an unknown member contradicts nothing."""
    assert Verdict.PASS is verdict(told_twice(**changes), "NTF-19", "mpesa/online").verdict


def test_a_member_of_only_one_result_contradicts_nothing() -> None:
    """A third is compared with all before it."""
    run = Run(commands=("mpesa/online",))
    run.invoke("e" * 32, command="mpesa/online")
    run.notify("e" * 32, product="mpesa-online", amount="50")
    run.notify("e" * 32, product="mpesa-online", short_code="174379")
    assert Verdict.PASS is verdict(run, "NTF-19", "mpesa/online").verdict

    run.notify("e" * 32, product="mpesa-online", amount="60", short_code="174379")
    (finding,) = verdict(run, "NTF-19", "mpesa/online").findings
    assert (3, 'amount "60" contradicts "50", sent before') == (finding.notification, finding.message)
