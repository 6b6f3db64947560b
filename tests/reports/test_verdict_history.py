"""The history of verdicts over earlier reports, in words and on the page."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from command_line import call
from made_result import WRONG_TYPE, result_of, verdict
from test_page import Page

from conformance.judging.verdicts import Verdict
from conformance.reports.files import REPORT_HTML, REPORT_JSON, json_report
from conformance.reports.history import ReportHistory
from conformance.reports.report import Report
from conformance.reports.result import Result

VERDICTS = {"p": Verdict.PASS, "f": Verdict.FAIL, "?": Verdict.INCONCLUSIVE}


def results(letters: str) -> list[Result]:
    """A result for each letter, a day after the other: passed, failed or not exercised."""
    found = []
    for day, letter in enumerate(letters, start=1):
        kind = VERDICTS[letter]
        findings = (WRONG_TYPE,) if kind is Verdict.FAIL else ()
        result = result_of([verdict("RSP-03", "sms", kind, *findings)])
        found.append(replace(result, report=replace(result.report, started_at=f"2026-11-{day:02}T09:00:00.000+00:00")))
    return found


def history(reports: Sequence[Report]) -> str:
    """In words, of the last report."""
    *earlier, last = reports
    seen = ReportHistory.of(last, earlier)[last.requirements[0]]
    return seen.in_words if seen else ""


@pytest.mark.parametrize(
    ("letters", "words"),
    [
        ("f", ""),
        ("pp", "passed in all of 2 runs"),
        ("f?f", "failed in all of 2 runs"),
        ("??", ""),
        ("ppff", "failed in the last 2 of 4 runs, since 2026-11-03"),
        ("ffp", "passed in the last 1 of 3 runs, since 2026-11-03"),
        ("pfp", "failed in 1 of 3 runs, flaky"),
        ("fpff", "failed in 3 of 4 runs, flaky"),
    ],
)
def test_a_history_is_a_sentence(letters: str, words: str) -> None:
    """Back and forth is flaky; one change is a fix or a regression; runs that did not exercise it do not count."""
    assert words == history([result.report for result in results(letters)])


def test_earlier_reports_come_in_any_order_and_count_once() -> None:
    """The report itself may be among them."""
    one, two, three = (result.report for result in results("ppf"))
    assert ("2026-11-01", "2026-11-02", "2026-11-03") == ReportHistory.of(three, [two, three, one, two]).begun


def test_the_page_has_the_history_of_each_verdict(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """From report directories, one by one or by the folder that they are in; report.json stays as it is."""
    for name, result in zip(("runs/1", "runs/2", "now"), results("fpf"), strict=True):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / REPORT_JSON).write_bytes(json_report(result))
    pages = []
    for earlier in (["runs"], ["runs/1", f"runs/2/{REPORT_JSON}"]):
        given = [argument for name in earlier for argument in ("--earlier", str(tmp_path / name))]
        assert 0 == call(capsys, "report", "--from", str(tmp_path / "now"), *given).code
        pages.append((tmp_path / "now" / REPORT_HTML).read_bytes())

    assert pages[0] == pages[1]
    page = Page(pages[0])
    assert "Earlier reports 2, since 2026-11-01" in page.text
    assert "failed in 2 of 3 runs, flaky" in page.text


def test_an_earlier_report_of_another_kind_of_subject_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A gateway's verdicts say nothing about a client's."""
    (result,) = results("p")
    client = replace(result.report, subject=replace(result.report.subject, kind="client"))
    for name, report in (("now", result.report), ("client", client)):
        (tmp_path / name).mkdir()
        (tmp_path / name / REPORT_JSON).write_bytes(json_report(replace(result, report=report)))

    called = call(capsys, "report", "--from", str(tmp_path / "now"), "--earlier", str(tmp_path / "client"))
    assert 2 == called.code
    assert "is the report of a client; expected one of a gateway" in called.only_line


# --- show


@pytest.fixture
def opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file to which the only browser writes the addresses that it opens."""
    browser, addresses = tmp_path / "browser", tmp_path / "addresses"
    browser.write_text(f'#!/bin/sh\necho "$1" >>{addresses}\n', encoding="utf-8")
    browser.chmod(0o700)
    monkeypatch.setattr("webbrowser._tryorder", None)
    monkeypatch.setattr("webbrowser._browsers", {})
    monkeypatch.setenv("BROWSER", f"{browser} %s")
    return addresses


@pytest.mark.skipif(shutil.which("sh") is None, reason="the browser is a shell script")
def test_show_opens_the_page(tmp_path: Path, capsys: pytest.CaptureFixture[str], opened: Path) -> None:
    """That of a directory, and prints its path."""
    page = tmp_path / "reports" / REPORT_HTML
    page.parent.mkdir()
    page.write_bytes(b"<html>")
    called = call(capsys, "show", str(page.parent))

    assert (0, f"{page}\n") == (called.code, called.out)
    assert f"{page.as_uri()}\n" == opened.read_text(encoding="utf-8")


@pytest.mark.skipif(shutil.which("sh") is None, reason="the browser is a shell script")
def test_show_opens_the_newest_of_a_pattern(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], opened: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As --last-failed and `replay` take it."""
    for name, at in (("1", 200), ("2", 100)):
        (tmp_path / name).mkdir()
        (tmp_path / name / REPORT_JSON).write_bytes(json_report(results("p")[0]))
        (tmp_path / name / REPORT_HTML).write_bytes(b"<html>")
        os.utime(tmp_path / name / REPORT_JSON, (at, at))
    monkeypatch.chdir(tmp_path)

    called = call(capsys, "show", "--report-dir", "{seed}")

    assert (0, "1/report.html\n") == (called.code, called.out)
    assert (tmp_path / "1" / REPORT_HTML).as_uri() in opened.read_text(encoding="utf-8")


def test_show_says_what_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The page, and how to make it where there is a report."""
    assert f"there is no {REPORT_HTML} in {tmp_path}" in call(capsys, "show", str(tmp_path)).only_line
    (tmp_path / REPORT_JSON).write_bytes(json_report(results("p")[0]))
    called = call(capsys, "show", str(tmp_path))
    assert 2 == called.code
    assert f"`statum-conformance report --from {tmp_path}` makes it" in called.only_line


def test_show_without_a_browser_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the path of the page, which somebody may open elsewhere."""
    (tmp_path / REPORT_HTML).write_bytes(b"<html>")
    monkeypatch.setattr("webbrowser.open", lambda _: False)
    called = call(capsys, "show", str(tmp_path))
    assert (3, f"{tmp_path / REPORT_HTML}\n") == (called.code, called.out)
    assert "no browser could be started" in called.only_line
