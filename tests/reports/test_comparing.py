"""Two reports side by side: what is fixed, broken, new, gone and slower, and what `report` makes of an old one."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from command_line import call
from made_result import LOST, PASSED, SETTINGS, WRONG_TYPE, result_of, verdict

from conformance.judging.verdicts import RequirementVerdict, Verdict
from conformance.reports.comparing import ReportComparison, Slowdown, in_one_line
from conformance.reports.report import Latency, Measured, Report

Capture = pytest.CaptureFixture[str]


def made(*verdicts: RequirementVerdict, **changes: Any) -> Report:
    """A report with these verdicts beside one that passes."""
    return replace(result_of([*PASSED, *verdicts]).report, **changes)


def saved(path: Path, *verdicts: RequirementVerdict, **changes: Any) -> Path:
    """The same in a directory of its own, as a run leaves it."""
    path.mkdir()
    (path / "report.json").write_text(json.dumps(made(*verdicts, **changes).written()), encoding="utf-8")
    return path


FAILED = verdict("RSP-03", "sms", Verdict.FAIL, WRONG_TYPE)
KEPT = verdict("RSP-03", "sms", Verdict.PASS)


def judged(kind: Verdict) -> RequirementVerdict:
    """RSP-03 of sms with that verdict."""
    unseen = kind in (Verdict.INCONCLUSIVE, Verdict.NOT_APPLICABLE)
    findings = () if unseen or kind is Verdict.PASS else (WRONG_TYPE,)
    return verdict("RSP-03", "sms", kind, *findings, **({"observations": 0} if unseen else {}))


PASS, FAIL, WARN = Verdict.PASS, Verdict.FAIL, Verdict.WARN
KNOWN, INCONCLUSIVE, NOT_APPLICABLE = Verdict.KNOWN, Verdict.INCONCLUSIVE, Verdict.NOT_APPLICABLE


@pytest.mark.parametrize(
    ("before", "after", "expected", "worse"),
    [
        (PASS, FAIL, "1 broken", True),
        (FAIL, PASS, "1 fixed", False),
        (KNOWN, PASS, "1 fixed", False),
        (FAIL, FAIL, "no verdict differs", False),
        (FAIL, KNOWN, "1 muted", False),
        (PASS, KNOWN, "1 muted", False),
        (KNOWN, FAIL, "1 unmuted", True),
        (INCONCLUSIVE, FAIL, "1 newly exercised", True),
        (NOT_APPLICABLE, FAIL, "1 newly exercised", True),
        (INCONCLUSIVE, PASS, "1 newly exercised", False),
        (INCONCLUSIVE, KNOWN, "1 newly exercised", False),
        (PASS, INCONCLUSIVE, "1 no longer exercised", True),
        (FAIL, INCONCLUSIVE, "1 no longer exercised", False),
        (PASS, NOT_APPLICABLE, "no verdict differs", False),
        (INCONCLUSIVE, NOT_APPLICABLE, "no verdict differs", False),
        (PASS, WARN, "1 newly warned", True),
        (WARN, PASS, "1 no longer warned", False),
        (WARN, FAIL, "1 tightened", True),
        (FAIL, WARN, "1 relaxed", False),
    ],
)
def test_what_became_of_a_verdict(before: Verdict, after: Verdict, expected: str, worse: bool) -> None:  # noqa: FBT001 - a row of the table
    """Only what failed is fixed, only what passed is broken: a list of known failures mends nothing."""
    comparison = ReportComparison.of(made(judged(before)), made(judged(after)))

    assert (expected, worse) == (in_one_line(comparison), comparison.worse)


def test_what_only_one_report_has_is_new_or_gone() -> None:
    """A new requirement that is kept makes nothing worse, one that is broken does."""
    lost = verdict("NTF-01", "sms", Verdict.FAIL, LOST)
    comparison = ReportComparison.of(made(KEPT), made(lost))
    assert "1 new, 1 gone" == in_one_line(comparison)
    assert comparison.worse
    assert not ReportComparison.of(made(), made(KEPT)).worse


def test_a_part_is_compared_with_its_part_of_the_whole() -> None:
    """What it was not to judge is not gone, and from a part to the whole nothing is new."""
    whole, part = made(FAILED), replace(result_of([KEPT]).report, settings={**SETTINGS, "only": ["RSP-03"]})

    assert ("1 fixed", "1 broken") == (
        in_one_line(ReportComparison.of(whole, part)),
        in_one_line(ReportComparison.of(part, whole)),
    )


def test_what_takes_twice_as_long_is_slower() -> None:
    """And makes nothing worse; small differences are the machine's."""

    def measured(sms: float, airtime: float) -> Measured:
        seconds = {"sms": sms, "airtime": airtime}
        return Measured(notifications={name: Latency(9, p95, p95, p95, p95) for name, p95 in seconds.items()})

    comparison = ReportComparison.of(made(figures=measured(0.1, 0.001)), made(figures=measured(0.3, 0.004)))
    assert (Slowdown("notifications", "sms", 0.1, 0.3),) == comparison.slower
    assert not comparison.worse


def test_it_is_told_in_lines_and_by_the_exit_code(capsys: Capture, tmp_path: Path) -> None:
    """The last line has the verdicts; the page shows the same."""
    before, after = saved(tmp_path / "before", KEPT), saved(tmp_path / "after", FAILED)
    page = tmp_path / "page.html"

    called = call(capsys, "compare", str(before), str(after / "report.json"), "--html", str(page))

    assert 1 == called.code
    assert [
        f"broken RSP-03 sms PASS → FAIL {FAILED.requirement.title}: {WRONG_TYPE.message}",
        "conformant → non-conformant: 1 broken",
    ] == called.out.splitlines()
    assert "Broken: 1" in page.read_text(encoding="utf-8")
    assert 0 == call(capsys, "compare", str(after), str(before)).code


def test_a_script_gets_it_as_json_and_people_on_standard_error(capsys: Capture, tmp_path: Path) -> None:
    """The exit code stays."""
    before, after = saved(tmp_path / "before", KEPT), saved(tmp_path / "after", FAILED)

    called = call(capsys, "compare", str(before), str(after), "--format", "json")

    told = json.loads(called.out)
    assert (1, ["conformant", "non-conformant"]) == (called.code, told["verdicts"])
    assert [("RSP-03", "sms", "PASS", "FAIL")] == [
        (change["id"], change["command"], change["before"], change["after"]) for change in told["broken"]
    ]
    assert "conformant → non-conformant: 1 broken" == called.err.splitlines()[-1]


def test_a_merge_request_gets_it_as_markdown(capsys: Capture, tmp_path: Path) -> None:
    """What a gateway said stands in code."""
    before, after = saved(tmp_path / "before", KEPT), saved(tmp_path / "after", FAILED)

    called = call(capsys, "compare", str(before), str(after), "--format", "markdown")

    assert [
        "**conformant → non-conformant:** 1 broken",
        "",
        "### Broken",
        "",
        f"- **RSP-03 sms** PASS → FAIL: `{WRONG_TYPE.message}`",
    ] == called.out.splitlines()
    assert 1 == called.code
