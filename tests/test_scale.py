"""Large runs: nothing is lost or made up, a case costs the same however many there are, and memory does not pile up."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from conformance.callbacks.ledger import Ledger
from conformance.checks import CHECKS
from conformance.checks.evidence import Evidence
from conformance.checks.judgement import Check, SubjectCheck
from conformance.checks.remembered import Outcome
from conformance.journal import Journal, Record, Redaction, read_journal
from conformance.journal.record import Attempt
from conformance.traffic import Case, Exchange, Headers, Kind, Notification, Request, Response
from conformance.verdicts import Verdict, judge
from tests.runs import JSON, TARGETS, Run

EXCHANGES = 20_000
STRANGERS = 60
# What happens to the notification of the request with that number; the first that fits. Primes, so that they mix.
FATES = {"missing": 499, "repeated": 401, "contradicted": 797, "altered": 997}

# What a run of 100,000 exchanges with 100,000 notifications may take, all in all.
MOST_MOST_SO_FAR = """
import sys
from pathlib import Path
from conformance.cli import main
from conformance.gateway_under_test.plan import Plan
from conformance.gateway_under_test.settings import Settings
from conformance.journal import read_journal
from conformance.reporting.result import Result

def most_so_far():
    status = Path("/proc/self/status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:"))) * 1024
"""
JUDGING = """
for journal in sys.argv[1:]:
    record = Result.of(read_journal(Path(journal))).record
    print(len(record.exchanges), most_so_far())
"""
PLANNING = """
for examples in (300, 3000):
    plan = Plan.of(Settings("k", "s", products=("sms",), max_examples=examples, seed=7), "http://127.0.0.1:1")
    print(len(plan.cases), most_so_far())
"""

measured = pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="the most that a process had is told by Linux only"
)


def memory_of_a_large_run(script: str, *arguments: object) -> float:
    """What LARGE cases would take, from what a few and many of them take in one process of its own."""
    ended = subprocess.run(
        [sys.executable, "-c", MOST_SO_FAR + script, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
        cwd=Path(__file__).parents[1],
    )
    (few, before), (many, after) = (map(int, line.split()) for line in ended.stdout.splitlines())
    return before + (LARGE - few) * (after - before) / (many - few)


@measured
def test_judging_leaves_memory_for_a_run_five_times_as_large(journal: Path, tmp_path: Path) -> None:
    """An exchange with its notification takes 5 KB in the journal: they are not in memory all at once."""
    small = journal_of(tmp_path / "small" / "journal.sqlite", EXCHANGES // 20)
    assert memory_of_a_large_run(JUDGING, small, journal) < MOST_MEMORY


@measured
def test_planning_leaves_memory_for_a_large_run() -> None:
    """What is planned is there as a whole, before anything is sent, and little beside it."""
    assert memory_of_a_large_run(PLANNING) < MOST_MEMORY


def test_the_ledger_keeps_nothing_of_what_is_settled() -> None:
    """However many notifications came, what is kept are those that are still under way."""

    def traced(rounds: range) -> int:
        for number in rounds:
            ledger.owe("sms", given_id(number), 0.0)
            ledger.arrived("sms", given_id(number), 0.0)
        return tracemalloc.get_traced_memory()[0]

    ledger = Ledger(10.0)
    tracemalloc.start()
    try:
        few, many = traced(range(100)), traced(range(100, 5_000))
    finally:
        tracemalloc.stop()
    assert 5_000 == ledger.owed
    assert many - few < 10_000, "less than two bytes for each"


# --- What judging takes, counted


@dataclass(frozen=True, slots=True)
class CountedRecord(Record):
    """A record that tells how much of it was read."""

    def attempts(self) -> Iterator[Attempt]:
        """As Record has it."""
        for attempt in Record.attempts(self):
            Steps.taken += 1
            yield attempt


class Steps:
    """Counts what judging does: conditions and rules that are tried, and what checks go through."""

    taken = 0

    @classmethod
    @cache
    def of(cls, function: Callable[..., Any]) -> Callable[..., Any]:
        """The same function, each call and each thing that it gives a step."""

        def counting(*given: Any) -> Any:
            cls.taken += 1
            result = function(*given)
            return cls.through(result) if isinstance(result, Iterator) else result

        return counting

    @classmethod
    def through(cls, things: Iterator[Any]) -> Iterator[Any]:
        """The same things, each a step."""
        for thing in things:
            cls.taken += 1
            yield thing

    @classmethod
    def check(cls, check: Check) -> Check:
        """The same check, counted."""
        if not isinstance(check, SubjectCheck):
            return cls.of(check)
        return type(check)(tuple(map(cls.of, check.conditions)), lambda terms: cls.of(check.rule_under(terms)))


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> type[Steps]:
    """The count of what checks go through, also of what they ask the evidence for."""
    of_command, heard = Evidence.of_command, Outcome.heard

    def counted_heard(outcome: Outcome) -> Any:
        arrivals = heard(outcome)
        Steps.taken += 1 + len(arrivals)
        return arrivals

    monkeypatch.setattr(Evidence, "of_command", lambda *given: Steps.through(iter(of_command(*given))))
    monkeypatch.setattr(Outcome, "heard", counted_heard)
    return Steps


def steps_for(record: Record) -> int:
    """How many steps it takes to judge a record."""
    Steps.taken = 0
    judge(
        CountedRecord(record.settings, record.cases, record.exchanges, record.notifications, record.notes),
        {requirement: Steps.check(check) for requirement, check in CHECKS.items()},
    )
    return Steps.taken


def run_of(count: int, request_id: Callable[[int], str], carried: Callable[[int], str | None], **case: Any) -> Record:
    """A run of so many requests with these ids, each followed by a notification with that one, if any."""
    run = Run()
    for number in range(count):
        run.invoke(request_id(number), **case)
        if (told_id := carried(number)) is not None:
            run.notify(told_id)
    return run.record()


def twice(record: Record) -> Record:
    """The same run, each request sent two times, which got the same answer."""
    return replace(
        record,
        exchanges=tuple(
            replace(exchange, number=2 * exchange.number + attempt, attempt=attempt)
            for exchange in record.exchanges
            for attempt in (1, 2)
        ),
    )


def same(_: int) -> str:
    """One id for all."""
    return "the-one-id-of-this-gateway"


LARGE_RUNS: dict[str, Callable[[int], Record]] = {
    "ordinary": lambda count: run_of(count, given_id, given_id),
    "one id for different requests": lambda count: run_of(count, same, same),
    "one id for equal requests": lambda count: run_of(count, same, same, payload=b"{}"),
    "one id for all that is refused": lambda count: run_of(count, same, same, status=422),
    "no notification": lambda count: run_of(count, given_id, lambda _: None),
    "altered ids": lambda count: run_of(count, given_id, lambda number: given_id(number)[:-1]),
    "nobody's ids": lambda count: run_of(count, given_id, lambda number: f"stranger {number}"),
    "one notification for all": lambda count: run_of(count, given_id, lambda _: given_id(0)),
    "repeated attempts": lambda count: twice(run_of(count, given_id, given_id)),
    "repeated attempts, one id": lambda count: twice(run_of(count, same, same)),
}


@pytest.mark.parametrize("name", LARGE_RUNS)
@pytest.mark.usefixtures("steps")
def test_a_case_takes_as_many_steps_in_a_large_run(name: str) -> None:
    """Ten times the cases take ten times the steps, whatever the gateway does: nothing is compared with everything."""
    few, many = 150, 1500
    small, large = (steps_for(LARGE_RUNS[name](count)) for count in (few, many))
    assert large / many <= 1.05 * small / few


def test_a_record_is_gone_through_once(journal: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many checks there are, each exchange is read once; notifications once more if an id is unknown."""
    record = read_journal(journal)
    read: list[str] = []
    rows = type(record.notifications).__iter__

    def counted(stored: Any) -> Iterator[Exchange | Notification | Case]:
        for value in rows(stored):
            read.append(type(value).__name__)
            yield value

    monkeypatch.setattr(type(record.notifications), "__iter__", counted)
    judge(record)
    assert {"Notification"} == set(read)
    assert 2 * len(record.notifications) == len(read)
