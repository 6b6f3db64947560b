"""Allure (npm) makes a report of `allure-results/`.

`make test-allure` installs it; without it these tests are skipped.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from campaigns import held
from made_result import RECORD, SETTINGS, VERDICTS, result_of
from seeded import fault

from conformance.journal import read_journal
from conformance.judging.verdicts import Verdict
from conformance.mock.behaviour import BUILT_IN
from conformance.reports.files import write_reports
from conformance.reports.result import Result

ALLURE = Path(__file__).parents[2] / ".ci" / "formats" / "node_modules" / ".bin" / "allure"

pytestmark = pytest.mark.skipif(not ALLURE.exists(), reason="Allure is not installed (hint: make test-allure)")

# Node reads some hundred files within two seconds on an idle machine.
PATIENCE_S = 120.0


def generated(result: Result, directory: Path) -> Path:
    """The report that Allure makes of a result, without a complaint."""
    write_reports(result, directory / "reports")
    command = (ALLURE, "generate", directory / "reports" / "allure-results", "--output", directory / "allure-report")
    done = subprocess.run(
        [*map(str, command)],
        cwd=directory,
        env={**os.environ, "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )

    assert (0, "") == (done.returncode, done.stderr), done.stdout
    assert "rror" not in done.stdout
    return directory / "allure-report"


def reported(report: Path) -> list[dict[str, Any]]:
    """The tests as the report has them."""
    return [json.loads(path.read_bytes()) for path in sorted((report / "data" / "test-results").glob("*.json"))]


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Result:
    """That of a run against a gateway that breaks one rule."""
    faulty = fault("result-code-as-number").change(BUILT_IN)
    journal = held(tmp_path_factory.mktemp("run"), faulty, products=("sms",), max_examples=0, notify_within_s=1.0)
    return Result.of(read_journal(journal))


def test_the_report_has_each_requirement(result: Result, tmp_path: Path) -> None:
    """Opened by its page, with as many tests of each status as there are verdicts."""
    report = generated(result, tmp_path)
    found = reported(report)
    failed = [test for test in found if test["status"] == "failed"]

    assert (report / "index.html").is_file()
    assert len(result.judged.verdicts) == len(found)
    assert result.judged.counts()[Verdict.PASS] == Counter(test["status"] for test in found)["passed"]
    assert ["statum.sms.NTF-08"] == [test["fullName"] for test in failed]
    assert "NTF-08" == failed[0]["groupedLabels"]["requirement"][0]


def test_the_evidence_is_attached(result: Result, tmp_path: Path) -> None:
    """One file, with the notification in it."""
    report = generated(result, tmp_path)
    (attached,) = (report / "data" / "attachments").iterdir()

    assert "--- notification " in attached.read_text(encoding="utf-8")


def test_every_verdict_is_taken(tmp_path: Path) -> None:
    """Each of them becomes a test."""
    assert len(VERDICTS) == len(reported(generated(result_of(), tmp_path)))


def test_a_later_run_is_the_same_tests(tmp_path: Path) -> None:
    """Allure makes a test's history of what it takes for its name and parameters."""
    later = replace(RECORD, settings={**SETTINGS, "started_at": "2024-07-28T14:05:09.000+00:00", "seed": 1})
    histories = []
    for record in (RECORD, later):
        histories.append({test["historyId"] for test in reported(generated(result_of(record=record), tmp_path))})
        shutil.rmtree(tmp_path / "allure-report")

    assert histories[0] == histories[1]
    assert len(VERDICTS) == len(histories[0])
