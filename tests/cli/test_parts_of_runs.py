"""`--only` and `--last-failed`, report directories by a pattern, and `history`."""

from __future__ import annotations

import json
import os
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from command_line import Called, call
from made_result import LISTED, SETTINGS, result_of, unexercised, verdict

from conformance.judging.judgement import Finding, Reason
from conformance.judging.verdicts import Verdict
from conformance.reports.files import REPORT_JSON, write_reports
from conformance.reports.folders import folder_of, latest_folder

Capsys = pytest.CaptureFixture[str]

WRONG = Finding("wrong", case="sms/valid/random/1")


def saved(folder: Path, *verdicts: Any) -> Path:
    """The reports of an earlier run; their folder."""
    write_reports(result_of(verdicts), folder)
    return folder


def planned(capsys: Capsys, *arguments: str) -> set[tuple[str, str, str]]:
    """Command, kind and aspect of the cases that a run would send."""
    called = call(capsys, "run", "--plan", "--format", "json", "--max-examples", "0", *arguments)
    assert 0 == called.code, called.err
    return {(case["command"], case["kind"], case["aspect"]) for case in json.loads(called.out)["cases"]}


def test_a_run_sends_only_what_a_requirement_needs(here: Path, capsys: Capsys) -> None:  # noqa: ARG001 - the folder
    """The probe beside its positive twin, for every command or for one."""
    assert {("sms", "valid", "random"), ("sms", "broken", "pattern")} == planned(capsys, "--only", "VAL-05:sms")
    assert {"sms", "airtime"} < {command for command, _, _ in planned(capsys, "--only", "VAL-05")}


def test_a_run_sends_what_failed_in_the_last_one(here: Path, capsys: Capsys) -> None:
    """A broken SHOULD, too, and what is known; not what passed."""
    saved(
        here / "reports",
        verdict("VAL-05", "sms", Verdict.FAIL, WRONG),
        verdict("CTY-01", "airtime", Verdict.WARN, WRONG),
        verdict("BOD-01", "sms", Verdict.KNOWN, WRONG, expected=(LISTED,)),
        verdict("BOD-02", "sms", Verdict.PASS),
    )

    negative = {each for each in planned(capsys, "--last-failed") if each[1] != "valid"}

    assert {
        ("sms", "broken", "pattern"),
        ("airtime", "malformed", "absent-content-type"),
        ("sms", "malformed", "not-json"),
    } == negative


def test_of_a_failure_of_every_case_one_of_each_kind_is_sent(here: Path, capsys: Capsys) -> None:
    """With what it is compared with; of a failure that the report names whole, all cases of its kind."""
    everywhere = Finding("wrong", "sms/malformed/not-json/2", count=90, others=("sms/malformed/array/1",))
    few = Finding("wrong", "airtime/malformed/array/1", count=1)
    verdicts = verdict("ENC-02", "sms", Verdict.FAIL, everywhere), verdict("ENC-02", "airtime", Verdict.FAIL, few)
    saved(here / "reports", *verdicts)

    called = call(capsys, "run", "--plan", "--format", "json", "--max-examples", "0", "--last-failed")
    sent = {case["id"] for case in json.loads(called.out)["cases"] if case["kind"] == "malformed"}

    named = {"sms/malformed/not-json/2", "sms/malformed/array/1"}
    named |= {"airtime/malformed/array/1", "airtime/malformed/array/2"}
    # The positive twins are of sequences, which a malformed request precedes.
    assert (set(), 2) == (named - sent, len(sent - named))


def test_what_was_not_exercised_waits_for_what_failed(here: Path, capsys: Capsys) -> None:
    """A gateway that breaks much hides much; without any failure it is what is sent again."""
    hidden = unexercised("VAL-05", "sms", Reason.PRECONDITION, "nothing was accepted")
    saved(here / "reports", verdict("BOD-01", "sms", Verdict.FAIL, WRONG), hidden)
    assert ("sms", "broken", "pattern") not in planned(capsys, "--last-failed")

    saved(here / "reports", hidden)
    assert ("sms", "broken", "pattern") in planned(capsys, "--last-failed")


def refused(capsys: Capsys, *arguments: str) -> str:
    """The line in which a command line is refused."""
    called: Called = call(capsys, *arguments)
    assert (2, "", 1) == (called.code, called.out, called.err.count("\n"))
    return called.err


# arguments → the beginning of the refusal
REFUSALS = {
    ("run", "--only", "VAL-5"): "error: there is no requirement 'VAL-5'; expected a name that",
    ("run", "--only", "EXC-01"): "error: --only EXC-01 is not judged: What the gateway does behind itself",
    (
        "run",
        "--only",
        "VAL-06:sms",
    ): "error: --only VAL-06:sms: VAL-06 is not judged for a command 'sms'",
    ("run", "--only", "RCV-01"): "error: RCV-01 is about a receiver; this command judges a gateway",
    (
        "certify",
        "--driver",
        "true",
        "--only",
        "RSP-03",
    ): "error: RSP-03 is about a gateway; this command judges",
    ("run", "--only", "RSP-03", "--last-failed"): "error: --only and --last-failed are both given",
    ("run", "--last-failed"): "error: there is no report.json of an earlier run in reports",
    ("run", "--last-failed", "--report-dir", "well"): "error: nothing failed in the run of well, so nothing is sent",
    (
        "run",
        "--last-failed",
        "--report-dir",
        "of/{seed}",
    ): "error: there is no report.json of an earlier run in of/",
    ("run", "--report-dir", "of/{sed}"): "error: --report-dir of/{sed} has the placeholder {sed}; expected {started}",
    (
        "run",
        "--write-expectations",
        "well/report.json",
    ): "error: --write-expectations well/report.json is there",
    ("history", "nowhere"): "error: there is no report.json in nowhere, nor in a folder in it",
    ("explain", "VAL-5"): "error: there is no requirement 'VAL-5'; expected a name that",
}


def test_unusable_parts_are_refused_before_anything_is_sent(here: Path, capsys: Capsys) -> None:
    """In one line, with the given value and the expected one."""
    saved(here / "well", verdict("RSP-03", "sms", Verdict.PASS))
    said = {arguments: refused(capsys, *arguments) for arguments in REFUSALS}
    beginnings = {arguments: line[: len(REFUSALS[arguments])] for arguments, line in said.items()}

    assert REFUSALS == beginnings


def test_the_reports_of_a_part_leave_those_of_the_whole_run(here: Path, capsys: Capsys) -> None:
    """They are in a folder of their own, and say that they are of a part, on the screen and in report.json."""
    whole = (saved(here / "reports", verdict("AUT-02", None, Verdict.FAIL, WRONG)) / REPORT_JSON).read_bytes()

    called = call(capsys, "run", "--only", "AUT-02:account-details", "--product", "sms", "--seed", "7", "-q")

    assert whole == (here / "reports" / REPORT_JSON).read_bytes()
    report = json.loads((here / "reports" / "part" / REPORT_JSON).read_text("utf-8"))
    assert (0, "inconclusive", ["AUT-02:account-details"]) == (
        called.code,
        report["verdict"],
        report["settings"]["only"],
    )
    assert [("AUT-02", "account-details", "PASS")] == [
        (each["id"], each["command"], each["verdict"]) for each in report["requirements"]
    ]
    assert called.out.startswith("inconclusive about the rest, exit code 0: 1 of 1 MUST passed")
    assert "only 1 requirement" in called.out


# pattern, subject → the directory
FOLDERS = {
    ("reports", "any"): "reports",
    ("r/{started}", "any"): "r/2026-11-30T09-05-00Z",
    ("r/{subject}/{seed}", "https://api.example:8443/v2"): "r/api.example-8443/7",
    ("{subject}", "python ../driver.py --x"): "python-..-driver.py---x",
    ("{subject}", "../.."): "subject",
}


def test_a_pattern_names_a_directory() -> None:
    """Whatever the subject's name holds, it stays one directory."""
    at = datetime(2026, 11, 30, 9, 5, tzinfo=UTC)

    assert FOLDERS == {given: str(folder_of(Path(given[0]), given[1], 7, at)) for given in FOLDERS}


def test_the_latest_directory_of_a_pattern_is_the_one_with_the_newest_report(tmp_path: Path) -> None:
    """A directory without placeholders is itself."""
    for number, name in enumerate(("b", "a")):
        folder = tmp_path / name
        folder.mkdir()
        (folder / REPORT_JSON).touch()
        os.utime(folder / REPORT_JSON, (number, number))

    assert tmp_path / "a" == latest_folder(tmp_path / "{started}")
    assert tmp_path == latest_folder(tmp_path)


def test_history_lists_the_results_of_a_folder(here: Path, capsys: Capsys) -> None:
    """The oldest first; for scripts as JSON. What cannot be read is warned of."""
    saved(here / "reports" / "one", verdict("RSP-03", "sms", Verdict.FAIL, WRONG))
    saved(here / "reports" / "two", verdict("RSP-03", "sms", Verdict.PASS))
    (here / "reports" / "three").mkdir()
    (here / "reports" / "three" / REPORT_JSON).write_text("{}", "utf-8")

    listed = call(capsys, "history")
    rows = json.loads(call(capsys, "history", "--format", "json").out)

    began = f"{datetime.fromisoformat(SETTINGS['started_at']):%Y-%m-%d %H:%M:%S}"
    assert {
        f"{began}  non-conformant  0 of 1 MUST passed, 1 failed · seed 4711 · reports/one",
        f"{began}  conformant      1 of 1 MUST passed · seed 4711 · reports/two",
    } == set(listed.out.splitlines())
    assert re.match(r"warning: reports/three/report.json is not a report", listed.err)
    assert {("reports/one", "non-conformant", 0, 1), ("reports/two", "conformant", 1, 0)} == {
        (row["folder"], row["verdict"], row["must"]["passed"], row["must"]["failed"]) for row in rows
    }
