"""One run whose failures were looked into: what is told of it, and that it changes nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from campaigns import SMS, astral, failures, refusing, result_of_run, with_short_waits

from conformance.contract.contract import statum
from conformance.contract.schemas import FORMATS
from conformance.diagnosis.follow_ups import is_follow_up, run_proper
from conformance.gateway.campaign import JOURNAL
from conformance.gateway.case_files import failing_cases
from conformance.gateway.rules.checks import judged_alone
from conformance.journal import read_journal
from conformance.judging.verdicts import Verdict
from conformance.model.traffic import Kind
from conformance.reports.result import Result

# No notification is late on a busy machine, so no run looks into lateness, with requests that another would not send.
UNHURRIED: dict[str, Any] = SMS | {"notify_within_s": 10.0}


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the run has its reports."""
    return tmp_path_factory.mktemp("astral")


@pytest.fixture(scope="module")
def result(directory: Path) -> Result:
    """Of a run against a gateway that refuses characters above U+FFFF."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        with_short_waits(monkeypatch)
        return result_of_run(directory, refusing(astral), **UNHURRIED)


def test_cases_of_one_cause_are_one_finding(result: Result) -> None:
    """With their number, and the others by id."""
    entry = failures(result)["ACC-03", "sms"]

    (finding,) = entry["findings"]
    assert entry["failed"] == finding["count"] > 5
    assert finding["count"] - 1 == len(finding["others"])
    assert finding["case"] not in finding["others"]


def test_the_same_seed_looks_into_failures_with_the_same_bytes(
    result: Result, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As long as the gateway answers in the same way."""
    with_short_waits(monkeypatch)
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


def test_the_run_proper_is_gone_through_and_no_further(result: Result) -> None:
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


def test_the_simplest_case_is_what_a_corpus_keeps_and_a_replay_shows(result: Result) -> None:
    """It is in the journal like any other case, and judged like one when it is sent again."""
    minimal = failures(result)["ACC-03", "sms"]["findings"][0]["minimal"]["case"]

    (kept,) = failing_cases(result.record, result.judged, statum())
    alone = judged_alone(statum(), result.record, minimal)

    assert "👋" == json.loads(kept.step.body)["message"]
    assert "unicode" == kept.step.aspect
    assert {("ACC-03", 1)} == {(v.requirement.id, v.failed) for v in alone if v.verdict is Verdict.FAIL}
