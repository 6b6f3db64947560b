"""What -v adds: every requirement, the slowest notifications, what was sent again or in another's stead."""

from __future__ import annotations

from dataclasses import replace
from io import StringIO

from made_result import PASSED, result_of
from rich.console import Console
from runs import Run

from conformance.journal import Note, Record
from conformance.reports.terminal import SHOWN_REPEATS, SHOWN_SLOWEST, show_observed


def lines_about(record: Record) -> list[str]:
    """What is told below the table."""
    file = StringIO()
    show_observed(result_of(PASSED, record), Console(file=file, width=60))
    return file.getvalue().partition("\n\n")[2].splitlines()


def test_the_slowest_notifications_are_told_with_their_case() -> None:
    """The slowest first, and no more than anybody looks at; an answer is there 0.1 s after its request."""
    run = Run()
    for number in range(1, SHOWN_SLOWEST + 3):
        run.invoke(f"R-{number}")
        run.notify(f"R-{number}", at=number + 0.1 + number / 10)

    told = lines_about(run.record())

    assert [f"slow notification: {n / 10:.3f} s after the answer to case-{n}" for n in (7, 6, 5, 4, 3)] == told


def test_a_notification_that_overtook_its_answer_took_no_time() -> None:
    """It is no negative one."""
    run = Run()
    run.invoke("R-1")
    run.notify("R-1", at=1.01)

    assert ["slow notification: 0.000 s after the answer to case-1"] == lines_about(run.record())


def test_what_was_sent_again_is_told_with_what_came_before() -> None:
    """A 429, or no answer at all; what is endless is cut off, and counted."""
    run = Run()
    limited = run.invoke(status=429)
    run.answer_again(limited, 422, "R-1")
    lost = run.invoke(failure="connection reset")
    run.answer_again(lost, 422, "R-2")

    assert [
        "sent again: case-1, attempt 2 after 429",
        "sent again: case-2, attempt 2 after connection reset",
    ] == lines_about(run.record())

    for number in range(SHOWN_REPEATS):
        run.answer_again(run.invoke(status=429), 422, f"R-{number}")
    assert "sent again: 2 more" == lines_about(run.record())[-1]


def test_what_was_sent_in_the_stead_of_something_lost_is_told() -> None:
    """As the run noted it."""
    note = Note(1, "planned-anew", {"stands_for": {"anew-1/case-1": "case-1"}}, 0.0, 0.0)
    record = Run().record()

    assert ["sent in the stead of case-1: anew-1/case-1"] == lines_about(replace(record, notes=(*record.notes, note)))
