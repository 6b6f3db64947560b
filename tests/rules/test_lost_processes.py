"""What processes of the suite that were lost leave open, and clocks of two machines: never a failure of the gateway.

What the rest of the run shows still fails.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from run_records import Run

from conformance.contract.contract import statum
from conformance.contract.requirements import ByRule
from conformance.journal import Note
from conformance.judging.judgement import Reason
from conformance.judging.verdicts import RequirementVerdict, Verdict
from conformance.model.traffic import LOST_WITH_ITS_SENDER
from conformance.reports.result import judge, strangers_of

FOLLOWS, IN_TIME, ORPHANS, ANSWERED = (
    next(iter(statum().catalogue.judged_by(ByRule(rule))))
    for rule in (
        "each-accepted-request-is-notified",
        "notified-in-time",
        "none-that-nobody-asked-for",
        "every-request-is-answered",
    )
)
OPEN, FAIL, PASS = Verdict.INCONCLUSIVE, Verdict.FAIL, Verdict.PASS


def lost(what: str, **detail: Any) -> Note:
    """A note on a process that was lost."""
    given = {"what": what, "name": f"{what}-1", "since": 5.0, "until": 5.2, "handed_out": {}, "shipped": True, **detail}
    return Note(100, "lost", given, 200.0, 200.0)


def verdict(run: Run, requirement: str, *notes: Note) -> RequirementVerdict:
    """The verdict on a requirement for sms, with further notes."""
    record = run.record()
    judged = judge(replace(record, notes=(*notes, *record.notes)))
    return next(v for v in judged.verdicts if v.requirement.id == requirement and v.command in (None, "sms"))


def test_a_notification_may_have_been_lost_with_its_receiver() -> None:
    """As in an outage: if it was due while the receiver may not have recorded what came."""
    run = Run()
    run.invoke("a")

    assert FAIL is verdict(run, FOLLOWS).verdict
    found = verdict(run, FOLLOWS, lost("receiver"))
    assert OPEN is found.verdict
    assert "receiver-1 was lost" in (found.detail or "")


def test_a_notification_that_was_due_at_another_time_is_missing_all_the_same() -> None:
    """A lost receiver excuses no more than may have been lost with it."""
    run = Run()
    run.invoke("a")

    assert FAIL is verdict(run, FOLLOWS, lost("receiver", since=50.0, until=50.2)).verdict


def test_a_request_whose_worker_was_lost_is_open_and_its_notification_is_no_orphan() -> None:
    """Nor is the missing answer the gateway's fault, though no network lies between; another orphan is."""
    run = Run(exclusive_account=True)
    run.invoke("a")
    run.notify("a")
    run.invoke(failure=LOST_WITH_ITS_SENDER)
    run.notify("unknown-1")

    found = verdict(run, ANSWERED, lost("worker"))
    assert (PASS, 1) == (found.verdict, found.unobserved)
    assert PASS is verdict(run, ORPHANS, lost("worker")).verdict
    run.notify("unknown-2")
    assert FAIL is verdict(run, ORPHANS, lost("worker")).verdict


def test_nothing_is_shown_by_requests_that_were_all_lost() -> None:
    """Silence is never green."""
    run = Run()
    run.invoke(failure=LOST_WITH_ITS_SENDER)

    found = verdict(run, ANSWERED, lost("worker"))

    assert (OPEN, Reason.ENVIRONMENT, LOST_WITH_ITS_SENDER) == (found.verdict, found.reason, found.detail)


def test_notifications_of_requests_that_nobody_knows_of_any_more_are_no_orphans() -> None:
    """As many as the lost worker may have sent, by product."""
    run = Run(exclusive_account=True)
    run.invoke("a")
    run.notify("a")
    run.notify("unknown-1")
    run.notify("unknown-2")

    assert PASS is verdict(run, ORPHANS, lost("worker", handed_out={"sms": 2}, shipped=False)).verdict
    assert FAIL is verdict(run, ORPHANS, lost("worker", handed_out={"sms": 1}, shipped=False)).verdict
    assert FAIL is verdict(run, ORPHANS, lost("worker", handed_out={"airtime": 2}, shipped=False)).verdict


@pytest.mark.parametrize(("took_s", "within_s", "expected"), [(2.4, 0.5, OPEN), (3.0, 0.5, FAIL), (2.4, 0.0, FAIL)])
def test_lateness_within_the_bound_of_the_clocks_is_not_judged(
    took_s: float, within_s: float, expected: Verdict
) -> None:
    """The bound is that of the canaries by which the clock of another machine was compared."""
    run = Run(notify_within_s=2.0)
    run.invoke("a")
    run.notify("a", at=1.1 + took_s)
    clock = Note(99, "clock", {"shard": "worker-1", "offset_s": 3.0, "within_s": within_s}, 200.0, 200.0)

    found = verdict(run, IN_TIME, clock)

    assert (expected, Reason.ENVIRONMENT if expected is OPEN else None) == (found.verdict, found.reason)


def test_the_report_names_what_was_lost() -> None:
    """Nobody takes a run that lost a process for a whole one."""
    run = Run()
    run.invoke("a")
    run.notify("a")
    record = run.record()

    found = strangers_of(replace(record, notes=(*record.notes, lost("worker"), lost("receiver"))), 0)

    assert found is not None
    assert ("worker-1 was lost", "receiver-1 was lost") == found.refused
