"""Results of an earlier run: gone before new evidence comes, or whole."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from campaigns import held
from made_result import result_of

from conformance.certificate.issuing import CERTIFICATE
from conformance.gateway.campaign import JOURNAL
from conformance.journal import Journal, Redaction, read_journal
from conformance.journal.earlier import ALLURE_PREFIX, RESULTS
from conformance.journal.earlier import ALLURE_RESULTS as FOLDER
from conformance.model.errors import EnvironmentFailure
from conformance.reports import files
from conformance.reports.allure_results import PREFIX
from conformance.reports.files import ALLURE_RESULTS, REPORT_JSON, REPORTS, write_reports

THEN, NOW = "2026-01-01T00:00:00.000+00:00", "2026-02-01T00:00:00.000+00:00"
THEIRS = ("notes.txt", f"{ALLURE_RESULTS}/environment.properties", f"{ALLURE_RESULTS}/other-result.json")


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A report directory as an earlier run has left it, with files of other people."""
    with Journal.create(tmp_path / JOURNAL, {"started_at": THEN}, Redaction.none()):
        pass
    for name in (*RESULTS, f"{ALLURE_RESULTS}/{PREFIX}1-result.json", *THEIRS):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("earlier", encoding="utf-8")
    return tmp_path


def left_in(directory: Path) -> set[str]:
    """What is there, but for the journal."""
    found = {path.relative_to(directory).as_posix() for path in directory.rglob("*") if path.is_file()}
    return {name for name in found if not name.startswith(JOURNAL)}


def test_all_that_a_run_writes_is_known() -> None:
    """A report that nobody takes away would lie beside the next journal."""
    assert {*REPORTS, CERTIFICATE} == {*RESULTS, FOLDER}
    assert (ALLURE_RESULTS, PREFIX) == (FOLDER, ALLURE_PREFIX)


def test_they_are_gone_once_there_is_a_new_journal(directory: Path) -> None:
    """A run that is killed from here on leaves its journal alone; what others keep there stays."""
    with Journal.create(directory / JOURNAL, {"started_at": NOW}, Redaction.none()):
        assert set(THEIRS) == left_in(directory)
    assert NOW == read_journal(directory / JOURNAL).settings["started_at"]


def test_what_goes_on_leaves_them(directory: Path) -> None:
    """They are of the same run, and `listen` may hear nothing new."""
    before = left_in(directory)
    with Journal.reopened(directory / JOURNAL, Redaction.none()):
        assert before == left_in(directory)


def test_a_journal_that_cannot_be_made_leaves_all_as_it_was(directory: Path) -> None:
    """The earlier journal, too: it is replaced in one step."""
    before = left_in(directory)
    (directory / f"{JOURNAL}-new").mkdir()

    with pytest.raises(EnvironmentFailure, match="cannot be made"):
        Journal.create(directory / JOURNAL, {"started_at": NOW}, Redaction.none())

    assert before == left_in(directory)
    assert THEN == read_journal(directory / JOURNAL).settings["started_at"]


def test_reports_that_cannot_all_be_written_leave_all_as_it_was(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that gets full while the last one is written: no mixture of two runs."""

    def full(_: object) -> Iterator[bytes]:
        yield b"<html>"
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files, "REPORTS", {**REPORTS, "report.html": full})
    before = left_in(directory)

    with pytest.raises(EnvironmentFailure, match="No space left on device"):
        write_reports(result_of(), directory)

    assert before == left_in(directory)
    assert "earlier" == (directory / REPORT_JSON).read_text(encoding="utf-8")


def test_a_run_whose_directory_is_removed_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was written is gone with it: exit code 3, whatever was seen."""
    flush = Journal.flush

    def removed(journal: Journal) -> None:
        flush(journal)
        journal.path.unlink()
        monkeypatch.undo()

    monkeypatch.setattr(Journal, "flush", removed)

    with pytest.raises(EnvironmentFailure, match="is gone"):
        held(tmp_path / "reports", products=("sms",))


def test_a_written_report_is_whole(tmp_path: Path) -> None:
    """And nothing lies beside it."""
    write_reports(result_of(), tmp_path)

    assert json.loads((tmp_path / REPORT_JSON).read_bytes())
    assert set(REPORTS) == {path.name for path in tmp_path.iterdir()}
