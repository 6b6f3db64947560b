"""What the reports say of strangers."""

from __future__ import annotations

from dataclasses import replace

from made_result import result_of
from run_records import Run

from conformance.journal import Note
from conformance.judging.terms import REFUSED_HERE
from conformance.reports.remarks import stranger_lines
from conformance.reports.report import Strangers
from conformance.reports.result import strangers_of

WHY = "a connection had to wait: Too many open files"

REPORT = result_of().report


def test_nothing_is_said_where_there_were_none() -> None:
    """Nor is it in the document."""
    assert strangers_of(Run().record(), 0) is None
    assert [] == list(stranger_lines(REPORT))


def test_each_kind_is_told_once() -> None:
    """What was not judged, what was not kept, and what was not taken."""
    record = Run().record()
    refused = [Note(n, REFUSED_HERE, {"why": WHY, "lasting": False}, 1.0, 1.0) for n in range(3)]
    strays = Note(9, "strays", {"left_out": 1234, "with_id": 0, "without_id": {"sms": 1234}}, 1.0, 1.0)
    told = strangers_of(replace(record, notes=(*record.notes, *refused, strays)), 1000)

    assert Strangers(1000, 1234, (WHY,)) == told
    lines = list(stranger_lines(replace(REPORT, strangers=told)))
    assert 3 == len(lines)
    assert lines[0].startswith("1,000 requests to the callbacks carry no id of the run and may be anybody's")
    assert lines[1].startswith("1,234 more requests")
    assert (
        f"the suite itself did not take everything: {WHY}; what is missing for that is held against nobody" == lines[2]
    )
