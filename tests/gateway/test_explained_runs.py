"""Whole runs against mock gateways: what a failure depends on, its kinds, and one cause of several failures."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from campaigns import SMS, astral, failures, refusing, result_of_run, with_short_waits
from rich.console import Console
from seeded import FAULTS, answers, together

from conformance.contract.contract import statum
from conformance.contract.schemas import FORMATS
from conformance.diagnosis.follow_ups import is_follow_up, run_proper
from conformance.gateway.campaign import JOURNAL
from conformance.gateway.case_files import failing_cases
from conformance.gateway.rules.checks import judged_alone
from conformance.gateway.settings import RunLimits
from conformance.journal import read_journal
from conformance.judging.verdicts import Verdict
from conformance.mock.behaviour import BUILT_IN
from conformance.model.traffic import Kind
from conformance.reports.result import Result
from conformance.reports.summary import summary
from conformance.reports.terminal import show_observed

LARGE = 100_000


@pytest.fixture(autouse=True, scope="module")
def in_a_hurry() -> Iterator[None]:
    """Waits of a second take a part of one."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        with_short_waits(monkeypatch)
        yield


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


def test_a_reason_missing_at_one_result_code_is_explained_without_requests(tmp_path: Path) -> None:
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
        (("success-without-description", "error-without-description"), [["RSP-09", "RSP-10"]]),
        (("status-code-as-string", "request-id-as-number"), []),
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
        (line,) = (line for line in shown(result).splitlines() if "one cause, " in line)
        assert ids == sorted(re.findall(r"[A-Z]{3}-\d\d", line)), "the most frequent one comes first"
    assert (len(causes) or len(faults)) == len(
        re.findall("^### . (?:FAIL|WARN) ", summary(result).decode(), re.MULTILINE)
    )
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


# --- One run whose failures were investigated

# No notification is late on a busy machine, so no run investigates lateness, with requests that another would not send.
UNHURRIED: dict[str, Any] = SMS | {"notify_within_s": 10.0}


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the run has its reports."""
    return tmp_path_factory.mktemp("astral")


@pytest.fixture(scope="module")
def result(directory: Path) -> Result:
    """Of a run against a gateway that refuses characters above U+FFFF."""
    return result_of_run(directory, refusing(astral), **UNHURRIED)


def test_cases_of_one_cause_are_one_finding(result: Result) -> None:
    """With their number, and the others by id."""
    entry = failures(result)["ACC-03", "sms"]

    (finding,) = entry["findings"]
    assert entry["failed"] == finding["count"] > 5
    assert finding["count"] - 1 == len(finding["others"])
    assert finding["case"] not in finding["others"]


def test_the_same_seed_investigates_with_the_same_bytes(result: Result, tmp_path: Path) -> None:
    """As long as the gateway answers in the same way."""
    again = result_of_run(tmp_path, refusing(astral), **UNHURRIED)
    first, second = (
        {exchange.case_id: exchange.request.body for exchange in each.record.exchanges} for each in (result, again)
    )

    assert first == second
    assert any(map(is_follow_up, first))


def test_the_same_journal_gives_the_same_report(result: Result, directory: Path) -> None:
    """Offline, and as often as one likes."""
    again = Result.of(read_journal(directory / JOURNAL)).document

    assert again == result.document
    assert [] == FORMATS.violations("report", again)


def test_the_run_proper_ends_before_the_follow_ups(result: Result) -> None:
    """Its sequences are as long as the run was; none of them is made into a tuple for that."""
    whole, proper = result.record, run_proper(result.record, statum())
    exchanges = [exchange for exchange in whole.exchanges if not is_follow_up(exchange.case_id)]

    assert len(exchanges) == len(proper.exchanges) < len(whole.exchanges)
    assert exchanges == list(proper.exchanges)
    assert exchanges[-1] == proper.exchanges[-1]
    assert tuple(exchanges[2:5]) == proper.exchanges[2:5]
    assert exchanges == [exchange for _, exchange, _ in proper.attempts()]
    assert isinstance(iter(proper.exchanges), Iterator)
    assert not any(isinstance(rows, tuple) for rows in (proper.cases, proper.exchanges, proper.notifications))


def test_follow_ups_are_known_by_their_ids(result: Result) -> None:
    """They name command and requirement, and are numbered."""
    record = result.record
    ids = [case.id for case in record.cases if is_follow_up(case.id)]

    assert {"sms/shrink/ACC-03/1", "sms/shrink/ACC-04/1"} <= set(ids)
    assert len(ids) == len(set(ids))
    assert {case.kind for case in record.cases if is_follow_up(case.id)} == {Kind.VALID}


def test_the_simplest_case_is_saved_and_can_be_replayed(result: Result) -> None:
    """It is in the journal like any other case, and judged like one when it is sent again."""
    minimal = failures(result)["ACC-03", "sms"]["findings"][0]["minimal"]

    (kept,) = failing_cases(result.record, result.judged, statum())
    alone = judged_alone(statum(), result.record, minimal["case"])

    assert ({"message": "👋"}, True) == (minimal["differs"], minimal["finished"])
    assert "👋" == json.loads(kept.step.body)["message"]
    assert "unicode" == kept.step.aspect
    assert {("ACC-03", 1)} == {(v.requirement.id, v.failed) for v in alone if v.verdict is Verdict.FAIL}


def test_limits_of_the_run_hold_for_its_follow_ups(result: Result, tmp_path: Path) -> None:
    """No more is accepted than the run may cause; the search stays unfinished."""
    most = result.document["counts"]["accepted"] + 3
    limited = result_of_run(tmp_path, refusing(astral), limits=RunLimits(max_accepted=most), **UNHURRIED)
    accepted = [e for e in limited.record.exchanges if e.response is not None and e.response.status == 200]

    assert len([e for e in accepted if e.request.method == "POST"]) <= most
    assert not any(f["minimal"] and f["minimal"]["finished"] for f in failures(limited)["ACC-03", "sms"]["findings"])
