"""Results of an earlier run: gone before new evidence comes, or whole."""

from __future__ import annotations

import json
import shlex
import signal
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from campaigns import held
from command_line import call
from made_result import result_of

from conformance.certificate.issuing import CERTIFICATE
from conformance.client.certification import certify, observe
from conformance.client.settings import ClientSettings
from conformance.gateway.campaign import JOURNAL
from conformance.journal import Journal, Redaction, read_journal
from conformance.journal.earlier import ALLURE_PREFIX, RESULTS
from conformance.journal.earlier import ALLURE_RESULTS as FOLDER
from conformance.mock.account import Account
from conformance.model.errors import EnvironmentFailure
from conformance.model.process import Progress, Silent, signals_handled
from conformance.model.traffic import Direction
from conformance.reports import files
from conformance.reports.allure_results import PREFIX
from conformance.reports.files import ALLURE_RESULTS, REPORT_JSON, REPORTS, write_reports
from conformance.wire.listening import Address

Capsys = pytest.CaptureFixture[str]

DRIVER = Path(__file__).parents[1] / "flawed_clients" / "driver.py"

THEN, NOW = "2026-01-01T00:00:00.000+00:00", "2026-02-01T00:00:00.000+00:00"
THEIRS = ("notes.txt", f"{ALLURE_RESULTS}/environment.properties", f"{ALLURE_RESULTS}/other-result.json")


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A report directory as an earlier run has left it, with files of other people."""
    with Journal.create(tmp_path / JOURNAL, {"started_at": THEN}, Redaction.none()) as journal:
        journal.said("sms/1", Direction.TO, "{}")
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


def contents(directory: Path) -> dict[str, bytes]:
    """Every file, to the byte."""
    return {
        path.relative_to(directory).as_posix(): path.read_bytes() for path in directory.rglob("*") if path.is_file()
    }


def test_an_observation_without_traffic_leaves_them(directory: Path, capsys: Capsys) -> None:
    """To the byte, and it says so; an observation in an empty directory is reported."""
    before = contents(directory)
    observing = ("certify", "--observe", "--observe-for", "0.1", "--report-dir")

    called = call(capsys, *observing, str(directory))
    elsewhere = call(capsys, *observing, str(directory / "elsewhere"))

    assert 3 == called.code
    left = f"the results in {directory} are those of an earlier run"
    assert f"error: the client sent nothing (hint: {left})" == called.err.splitlines()[-1]
    assert 3 == elsewhere.code
    assert {REPORT_JSON, JOURNAL} < set(contents(directory / "elsewhere"))
    assert before.items() <= contents(directory).items()


def test_an_observation_replaces_them_with_its_first_request(directory: Path) -> None:
    """At once: from here on a killed process leaves its own journal alone."""
    left: list[set[str]] = []

    def ask(base_url: str, account: Account) -> None:
        left.append(left_in(directory))
        httpx.get(f"{base_url}/account-details", auth=(account.consumer_key, account.consumer_secret))
        left.append(left_in(directory))

    settings = ClientSettings(observe=Address("127.0.0.1", 0), observe_for_s=0.1, seed=7, report_dir=directory)
    record = read_journal(observe(settings, ask))

    assert [{*RESULTS, f"{FOLDER}/{PREFIX}1-result.json", *THEIRS}, set(THEIRS)] == left
    assert 1 == len(record.exchanges)


@pytest.fixture
def interrupted_at_send() -> Progress:
    """A progress during which a signal comes once the calls are planned, before the first one."""

    class Interrupting(Silent):
        def phase(self, name: str, _detail: str = "") -> None:
            if name == "send":
                signal.raise_signal(signal.SIGINT)

    return Interrupting()


def test_a_certification_interrupted_before_its_first_call_leaves_them(
    directory: Path, interrupted_at_send: Progress
) -> None:
    """Also the journal; in an empty directory it leaves one of its own."""
    before = contents(directory)
    settings = ClientSettings(driver=shlex.join((sys.executable, str(DRIVER), "lawful")), seed=7, report_dir=directory)

    with signals_handled(), pytest.raises(EnvironmentFailure) as refused:
        certify(settings, interrupted_at_send)
    with signals_handled():
        elsewhere = certify(replace(settings, report_dir=directory / "elsewhere"), interrupted_at_send)

    assert "interrupted before anything was sent" == refused.value.message
    assert before.items() <= contents(directory).items()
    assert "interrupted" in {note.kind for note in read_journal(elsewhere).notes}


def test_a_driver_that_does_not_start_leaves_them(directory: Path, capsys: Capsys) -> None:
    """It fails before there is a journal."""
    before = contents(directory)

    called = call(capsys, "certify", "--driver", "false", "--report-dir", str(directory))

    assert (3, before) == (called.code, contents(directory))


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
