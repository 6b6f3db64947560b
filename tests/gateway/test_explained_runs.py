"""Whole runs against mock gateways: what a failure depends on, its kinds, and what breaks several requirements."""

from __future__ import annotations

import re
from collections.abc import Mapping
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from campaigns import SMS, failures, result_of_run, with_short_waits
from rich.console import Console
from seeded import FAULTS, answers, together

from conformance.mock.behaviour import BUILT_IN
from conformance.reports.result import Result
from conformance.reports.summary import summary
from conformance.reports.terminal import show_observed

LARGE = 100_000


@pytest.fixture(autouse=True)
def in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """What takes a second elsewhere takes a part of one here."""
    with_short_waits(monkeypatch)


def found(directory: Path, *faults: str, **changes: Any) -> Result:
    """The result of a run of sms against a mock gateway with these faults."""
    behaviour = together(*(FAULTS[name].change for name in faults))(BUILT_IN)
    return result_of_run(directory, behaviour, **{"max_examples": 40, **SMS, **changes})


def shown(result: Result) -> str:
    """What the terminal shows with -v."""
    file = StringIO()
    show_observed(result, Console(file=file, width=200))
    return file.getvalue()


def only(result: Result) -> Mapping[str, Any]:
    """The one requirement × command that fell short."""
    ((_, entry),) = failures(result).items()
    return entry


@pytest.mark.parametrize("budget", [0, 200])
def test_a_reason_that_is_missing_by_chance_is_intermittent(tmp_path: Path, budget: int) -> None:
    """With how often; whether or not requests may be spent on it, it depends on nothing."""
    result = found(tmp_path, "some-failure-results-without-reason", shrink_requests=budget)
    entry = only(result)

    assert "NTF-13" == entry["id"]
    assert re.match(r"intermittent.*: ", entry["pattern"])
    assert f"{entry['failed']} of {entry['observations']}" in entry["pattern"]
    assert "depends on" not in entry["pattern"]
    assert "always" not in entry["pattern"]
    assert "0 of 0" not in shown(result)


def test_a_reason_that_is_missing_at_one_result_code_is_told_so(tmp_path: Path) -> None:
    """The run itself tells it: nothing more is sent."""
    result = found(tmp_path, "internal-error-results-without-reason")
    entry = only(result)

    inside, outside = entry["failed"], entry["observations"] - entry["failed"]
    words = f"always where result_code is 500: {inside} of {inside} (0 of {outside} elsewhere)"
    assert ("always", words) == (entry["depends_on"], entry["pattern"])
    assert words in shown(result)
    assert words in summary(result).decode()
    assert 0 == result.document["shrinking"]["requests"]


def test_two_crashes_of_one_requirement_are_two_kinds(tmp_path: Path) -> None:
    """Each with its number and an example; the simplest request stands with the crash that it causes."""
    result = found(tmp_path, "crashes-on-emoji-and-on-other-planes")
    entry = only(result)
    glyph, string = sorted(entry["findings"], key=lambda finding: finding["minimal"] is None)

    assert "no such glyph" in glyph["message"]
    assert "incorrect string value" in string["message"]
    assert entry["failed"] == glyph["count"] + string["count"]
    assert {"message": "👋"} == glyph["minimal"]["differs"]
    assert glyph["pattern"].startswith("only where message is of the class “plane 1”: ")
    for finding in (glyph, string):
        assert f"{finding['count']} × {finding['message']}" in shown(result)


@pytest.mark.parametrize(
    ("faults", "together_"),
    [
        (("error-pages-in-html",), [["ENC-02", "ENC-04"]]),
        (("notifications-empty",), [["NTF-07", "NTF-10", "NTF-14"]]),
        (("success-without-description", "error-without-description"), [["RSP-09", "RSP-10"]]),
        (("status-code-as-string", "request-id-as-number"), []),
        (("refuses-emoji", "failure-result-without-reason"), []),
    ],
)
def test_one_cause_of_several_requirements_is_one(
    tmp_path: Path, faults: tuple[str, ...], together_: list[list[str]]
) -> None:
    """Their verdicts stay; two faults that have nothing in common are two."""
    result = found(tmp_path, *faults, max_examples=5)
    causes = [cause["requirements"] for cause in result.document["one_causes"]]

    assert together_ == causes
    for ids in causes:
        assert f"one cause, {len(ids)} requirements: {', '.join(ids)} (" in shown(result)
        assert f"one cause, {len(ids)} requirements: " in summary(result).decode()
    assert {id_ for name in faults for id_ in FAULTS[name].breaks} == {id_ for id_, _ in failures(result)}


def test_a_large_body_does_not_fill_a_report(tmp_path: Path) -> None:
    """The mebibyte that crashes a gateway is made by the line that sends it again."""
    large = answers(lambda moment: len(moment.request.body) > LARGE, 500, "Out of memory")
    result = result_of_run(tmp_path, large(BUILT_IN), max_examples=2, shrink_requests=0, **SMS)
    text = shown(result)

    assert failures(result)
    assert "python3 -c " in text
    assert len(text) < 100_000
    assert len(summary(result)) < 100_000
