"""One journal judged whole, in parts and in several processes gives one report.

The kill matrix judges the journal of each seeded fault so (`tests/kill/test_kill_matrix.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from campaigns import held
from load_records import loaded
from run_records import Run
from seeded import FAULTS

from conformance.contract.contract import statum
from conformance.gateway import judging_process
from conformance.gateway.cutting import cut
from conformance.gateway.division import divided
from conformance.journal import Record, read_journal
from conformance.judging.terms import Terms
from conformance.mock.behaviour import BUILT_IN
from conformance.model.errors import EnvironmentFailure
from conformance.model.traffic import Kind
from conformance.reports.result import Result

REQUESTS = 40


def named(number: int) -> str:
    """An id, long enough for an altered one to be recognised."""
    return f"request-id-with-number-{number:03d}"


def run_of(carried: Callable[[int], str | None], given: Callable[[int], str] = named) -> Record:
    """A run of requests that were given these ids, and the notifications that carry those."""
    run = Run()
    for number in range(REQUESTS):
        run.invoke(given(number), payload=b'{"message": "%d"}' % (number % 7))
    for number in range(REQUESTS):
        if (request_id := carried(number)) is not None:
            run.notify(request_id)
    return run.record()


SLO = {"answer-p99": 0.05, "notification-p50": 0.5, "errors": 0.01}

RECORDS: dict[str, Record] = {
    "under load, with objectives": loaded([200, 503, 200, 429, 500] * 8, slo=SLO).record(),
    "all as it should be": run_of(named),
    "some notifications are missing": run_of(lambda number: named(number) if number % 3 else None),
    "ids are altered": run_of(lambda number: named(number).upper() if number % 2 else named(number)[:-2]),
    "nobody was given the ids": run_of(lambda number: f"stranger {number}"),
    "one id for all": run_of(lambda _: "the one id", lambda _: "the one id"),
    "equal requests share ids": run_of(named, lambda number: named(number % 5)),
    "one notification for all": run_of(lambda _: named(0)),
}


@pytest.mark.parametrize("name", RECORDS)
def test_a_record_in_parts_gives_the_report_of_the_whole(name: str) -> None:
    """However many parts there are."""
    record = RECORDS[name]
    whole = Result.of(record).document
    for parts in (2, 7, REQUESTS):
        assert whole == Result.of(record, parts=parts).document


def test_each_message_is_in_one_part() -> None:
    """No exchange or notification is judged twice, or left out."""
    record = RECORDS["ids are altered"]
    parts = cut(record, Terms.of(record, statum()), 8)
    assert sorted(n for part in parts for n in part.exchanges) == [each.number for each in record.exchanges]
    assert sorted(n for part in parts for n in part.notifications) == [each.number for each in record.notifications]
    assert [True] == [part.share.leads for part in parts if not part.exchanges]


def test_a_group_is_in_one_part() -> None:
    """A repeat is judged by the request that it repeats."""
    run = Run()
    for number in range(20):
        first = run.invoke(named(number))
        run.invoke(named(number + 100), kind=Kind.REPEAT, aspect="window", earlier=first.id)
    record = run.record()
    together = [set(part.exchanges) for part in cut(record, Terms.of(record, statum()), 20)]
    assert all({n, n + 1} <= next(part for part in together if n in part) for n in range(1, 40, 2))


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The journal of a run that has failures of several kinds."""
    behaviour = FAULTS["notification-id-in-upper-case"].change(FAULTS["accepts-null"].change(BUILT_IN))
    return held(tmp_path_factory.mktemp("run"), behaviour, notify_within_s=1.0, shrink_requests=0, products=("sms",))


def test_other_processes_give_the_same_report(journal: Path) -> None:
    """They read the journal themselves."""
    record = read_journal(journal)
    assert Result.of(record).document == Result.of(record, parts=5, processes=2).document


def test_a_process_that_ends_too_early_is_told(journal: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The report would lack its parts."""
    monkeypatch.setattr(judging_process, "_PROGRAM", "raise SystemExit(1)")
    with pytest.raises(EnvironmentFailure, match="ended too early"):
        Result.of(read_journal(journal), parts=2, processes=1)


def test_a_small_run_is_not_cut(journal: Path) -> None:
    """It is judged in one pass, in this process."""
    with divided(read_journal(journal), statum()) as division:
        assert division is None
