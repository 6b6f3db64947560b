"""The checks of sequences, bursts and balances, on records made by hand: what is found, and what is not concluded."""

from __future__ import annotations

from typing import Any

import pytest
import run_records
from run_records import Run

from conformance.judging.judgement import Reason
from conformance.judging.verdicts import RequirementVerdict, Verdict
from conformance.model.traffic import Kind

OPEN = (Verdict.INCONCLUSIVE, Reason.PRECONDITION)


def verdict(run: Run, id_: str, command: str = "airtime") -> RequirementVerdict:
    """The verdict on one requirement × command."""
    return run_records.verdict(run, id_, command)


# --- IDM-04, IDM-05


def after(aspect: str, earlier: int, status: int, twin: int = 200, other: str = "airtime") -> Run:
    """A twin, an earlier request, and the one that follows it; each with that status."""
    run = Run(commands=("airtime", other))
    first = run.invoke("a" * 32, twin, command="airtime")
    before = run.invoke("b" * 32, earlier, command=other, kind=Kind.MALFORMED)
    run.invoke("c" * 32, status, command="airtime", kind=Kind.REPEAT, aspect=aspect, twin=first.id, earlier=before.id)
    return run


@pytest.mark.parametrize(
    ("id_", "aspect", "earlier", "other"),
    [("IDM-04", "after-rejection", 415, "airtime"), ("IDM-05", "other-product", 200, "mpesa-wallet")],
)
def test_a_request_after_a_refused_or_unrelated_one_is_accepted(
    id_: str, aspect: str, earlier: int, other: str
) -> None:
    """Accepted: passed. Refused: failed. Without its condition, for funds, or after another run: open."""
    refused_before = 400 if earlier == 200 else 200
    rows = [
        (earlier, 200, 200, (Verdict.PASS, None)),
        (earlier, 400, 200, (Verdict.FAIL, None)),
        (refused_before, 400, 200, OPEN),
        (earlier, 402, 200, OPEN),
        (earlier, 400, 400, OPEN),
    ]
    found = [verdict(after(aspect, before, status, twin, other), id_) for before, status, twin, _ in rows]

    assert [expected for *_, expected in rows] == [(each.verdict, each.reason) for each in found]


# --- CON-01, RID-05


def burst(*answers: tuple[str, int]) -> Run:
    """A burst of messages with these ids and statuses."""
    run = Run()
    first = None
    for request_id, status in answers:
        case = run.invoke(
            request_id * 32, status, kind=Kind.BURST, aspect="same-product", earlier=first.id if first else None
        )
        first = first or case
    return run


def test_each_of_a_burst_is_accepted() -> None:
    """All are valid. If ordinary requests are refused as well it is inconclusive: it may be the phone number of all."""
    assert Verdict.PASS is verdict(burst(("a", 200), ("b", 200)), "CON-01", "sms").verdict
    assert 1 == verdict(burst(("a", 200), ("b", 409)), "CON-01", "sms").failed
    run = burst(("a", 422), ("b", 422))
    refused = verdict(run, "CON-01", "sms")
    assert (Verdict.FAIL, 2) == (refused.verdict, refused.failed)

    run.invoke("c" * 32, 422)
    refused = verdict(run, "CON-01", "sms")
    assert (*OPEN, 0) == (refused.verdict, refused.reason, refused.failed)


def equal_burst(*statuses: int, after: int = 400) -> Run:
    """Equal airtime requests at the same moment, answered so, and one more after them."""
    run, body = Run(commands=("airtime",)), b'{"phone_number": "254712345678", "amount": "50"}'
    known: dict[str, Any] = {"command": "airtime", "payload": body}
    first = None
    for number, status in enumerate(statuses):
        named = {"kind": Kind.BURST, "aspect": "equal", "earlier": first.id if first else None}
        case = run.invoke(f"{number:032}", status, **known, **named)
        first = first or case
    assert first is not None
    run.invoke("f" * 32, after, kind=Kind.REPEAT, aspect="window", earlier=first.id, **known)
    return run


def test_of_equal_requests_at_the_same_moment_one_is_accepted() -> None:
    """Whichever; the others are refused, and so is one after them."""
    for statuses in ((200, 400), (400, 200), (409, 422, 200, 400)):
        run = equal_burst(*statuses)
        once = verdict(run, "IDM-01")

        assert (Verdict.PASS, len(statuses)) == (once.verdict, once.observations)
        assert Verdict.PASS is verdict(run, "CON-01").verdict
        assert 1 == verdict(equal_burst(*statuses, after=200), "IDM-01").failed


def test_equal_requests_at_the_same_moment_are_not_accepted_twice() -> None:
    """Nor does the gateway crash; one of them is accepted all the same."""
    for statuses, failed in (((200, 200), 1), ((200, 400, 200, 200), 2), ((200, 500), 1)):
        run = equal_burst(*statuses)
        twice = verdict(run, "IDM-01")

        assert (Verdict.FAIL, failed) == (twice.verdict, twice.failed)
        assert Verdict.PASS is verdict(run, "CON-01").verdict
        shared = {verdict(run, id_).verdict for id_ in ("RID-01", "RID-02", "RID-05")}
        assert {Verdict.PASS, Verdict.INCONCLUSIVE} >= shared


def test_equal_requests_of_which_none_is_accepted_break_the_rule_for_bursts() -> None:
    """Unless ordinary ones are refused in the same words, or the account is the reason."""
    run = equal_burst(400, 400)
    assert (Verdict.FAIL, 1) == (verdict(run, "CON-01").verdict, verdict(run, "CON-01").failed)
    judged = verdict(run, "IDM-01")
    assert (Verdict.INCONCLUSIVE, Reason.PRECONDITION) == (judged.verdict, judged.reason)

    run.invoke("c" * 32, 400, command="airtime")
    assert Verdict.INCONCLUSIVE is verdict(run, "CON-01").verdict
    assert Verdict.INCONCLUSIVE is verdict(equal_burst(402, 402), "CON-01").verdict


def test_an_id_shared_in_a_burst_breaks_one_requirement() -> None:
    """An id from outside of it another one, RID-01."""
    run = burst(("a", 200), ("a", 200), ("b", 200))
    shared = verdict(run, "RID-05", "sms")
    assert (1, 2) == (shared.failed, shared.observations)
    assert Verdict.PASS is verdict(run, "RID-01", "sms").verdict

    run = burst(("a", 200), ("b", 200))
    run.invoke("b" * 32)
    assert Verdict.PASS is verdict(run, "RID-05", "sms").verdict
    assert 1 == verdict(run, "RID-01", "sms").failed


# --- BAL


def account(balance: Any) -> dict[str, Any]:
    """An answer of account-details."""
    organization = {"name": "n", "details": {"available_balance": balance}}
    return {"status_code": 200, "description": "OK", "request_id": f"{balance}", "organization": organization}


def looked(before: Any, after: Any, *statuses: int, exclusive: bool = True) -> Run:
    """Two looks at the balance, and requests with these statuses between them."""
    run = Run(commands=("sms", "account-details"), exclusive_account=exclusive)
    first = run.invoke(command="account-details", aspect="balance", envelope=account(before))
    for n, status in enumerate(statuses):
        run.invoke(f"{n:032}", status, kind=Kind.MALFORMED)
    run.invoke(command="account-details", aspect="balance", envelope=account(after), earlier=first.id)
    return run


def test_a_balance_is_judged_if_nothing_was_accepted() -> None:
    """And nobody else uses the account; refusals for funds have a requirement of their own."""
    rows = [
        (looked(100, 100, 415, 422), "BAL-01", Verdict.PASS),
        (looked(100, 99.5, 415, 422), "BAL-01", Verdict.FAIL),
        (looked(100, 120, 415), "BAL-01", Verdict.PASS),
        (looked(100, 99, 415, 200), "BAL-01", Verdict.INCONCLUSIVE),
        (looked(100, 99, 415, 500), "BAL-01", Verdict.INCONCLUSIVE),
        (looked("100", "99", 415), "BAL-01", Verdict.INCONCLUSIVE),
        (looked(100, 99), "BAL-01", Verdict.INCONCLUSIVE),
        (looked(100, 99, 402), "BAL-01", Verdict.INCONCLUSIVE),
        (looked(100, 99, 402), "BAL-02", Verdict.FAIL),
        (looked(100, 100, 402), "BAL-02", Verdict.PASS),
        (looked(100, 99, 415), "BAL-02", Verdict.INCONCLUSIVE),
    ]
    shared = verdict(looked(100, 99, 415, exclusive=False), "BAL-01", "account-details")

    assert rows == [(run, id_, verdict(run, id_, "account-details").verdict) for run, id_, _ in rows]
    assert (Verdict.INCONCLUSIVE, False) == (shared.verdict, shared.hinders)
    assert "--exclusive-account" in (shared.detail or "")
