"""An expectations file that a run writes lists every failure of it, and the run with that list is as expected."""

from __future__ import annotations

import re
from pathlib import Path

from run_records import Run

from conformance.contract.contract import statum
from conformance.journal import Record
from conformance.judging.expectations import Expectations, read_expectations
from conformance.reports.expectations_file import expectations_file
from conformance.reports.result import Result


def broken_run() -> Record:
    """A run whose answers have status codes of the wrong type, of which one is missing, and whose notification too."""
    run = Run()
    for number in range(12):
        run.invoke(f"id-{number}", envelope={"status_code": "200", "description": "Well", "request_id": f"id-{number}"})
        run.notify(f"id-{number}", result_code=200 if number % 2 else "200")
    run.invoke("id-of-12", envelope={"description": "Well", "request_id": "id-of-12"})
    return run.record()


def read(path: Path, result: Result) -> Expectations:
    """What is written of a result, read as any such file."""
    path.write_text(expectations_file(result), "utf-8")
    return read_expectations(path, statum().catalogue)


def test_the_run_with_its_own_list_is_as_expected(tmp_path: Path) -> None:
    """Every failure is known, and no entry is stale."""
    record = broken_run()
    before = Result.of(record)
    after = Result.of(record, read(tmp_path / "known.toml", before))

    failed = {(v.requirement.id, v.command) for v in before.judged.verdicts if v.unexpected}
    assert {("RSP-03", "sms"), ("RSP-04", "sms"), ("NTF-08", "sms")} <= failed
    assert [] == [v.requirement.id for v in after.judged.verdicts if v.unexpected]
    assert () == after.judged.stale
    assert after.judged.as_expected


def test_entries_of_a_list_that_still_apply_are_taken_over(tmp_path: Path) -> None:
    """With their issue, owner and day; written again, nothing changes but their order."""
    record = broken_run()
    path = tmp_path / "known.toml"
    text = expectations_file(Result.of(record)).replace("not filed yet", "#17").replace("nobody yet", "us", 1)
    path.write_text(text, "utf-8")
    listed = read_expectations(path, statum().catalogue)

    again = read(tmp_path / "again.toml", Result.of(record, listed))

    assert "us" in {entry.owner for entry in again.entries}
    assert {"#17"} == {entry.issue for entry in again.entries}
    assert {(e.requirement, e.message, e.owner) for e in listed.entries} == {
        (e.requirement, e.message, e.owner) for e in again.entries
    }


def test_entries_are_grouped_by_cause() -> None:
    """Each group begins with a comment that numbers and names it."""
    text = expectations_file(Result.of(broken_run()))
    found = re.findall(r"^# --- (\d+) of (\d+): (.+)$", text, re.MULTILINE)

    assert [(str(number), str(len(found))) for number in range(1, len(found) + 1)] == [each[:2] for each in found]
    assert "status_code is a JSON number." in {title for _, _, title in found}


def test_a_written_list_of_no_failures_is_empty_and_can_be_used(tmp_path: Path) -> None:
    """It is what a run begins with that has nothing to list."""
    run = Run()
    run.invoke("id-1")
    run.notify("id-1")
    result = Result.of(run.record())
    listed = read(tmp_path / "known.toml", result)

    failed = [v for v in result.judged.verdicts if v.failed]
    assert [] == failed
    assert {"INCONCLUSIVE"} == {entry.verdict for entry in listed.entries}
