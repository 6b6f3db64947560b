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
from run_records import JSON, TARGETS, Run

from conformance.contract.contract import statum
from conformance.gateway.plan import Plan
from conformance.gateway.rules.checks import GatewayFace, checks_of
from conformance.gateway.settings import Settings
from conformance.journal import Journal, Record, Redaction, read_journal
from conformance.journal.rows import Attempt
from conformance.judging.evidence import Evidence
from conformance.judging.judgement import Check, SubjectCheck
from conformance.judging.messages import ResponseSummary
from conformance.judging.verdicts import Verdict, judge_as
from conformance.model.traffic import Case, Exchange, Headers, Kind, Notification, Request, Response
from conformance.reports.result import judge
from conformance.wire.ledger import Ledger

EXCHANGES = 20_000
STRANGERS = 60
# What happens to the notification of the request with that number; the first that fits. Primes, so that they mix.
FATES = {"missing": 499, "repeated": 401, "contradicted": 797, "altered": 997}

# What a run of 100,000 exchanges with 100,000 notifications may take, all in all.
MOST_MEMORY = 300 * 1024 * 1024
LARGE = 100_000


def fate(number: int) -> str:
    """What becomes of the notification of a request."""
    return next((name for name, every in FATES.items() if number % every == 0), "told")


def given_id(number: int) -> str:
    """The request_id of a request."""
    return f"Id-{hashlib.sha256(str(number).encode()).hexdigest()[:32]}"


def told(request_id: str, code: str = "200") -> Request:
    """A notification."""
    body = json.dumps({"result_code": code, "result_desc": "Success", "request_id": request_id})
    return Request("POST", TARGETS["sms"], JSON, body.encode())


def notifications(number: int) -> Iterator[Request]:
    """What arrives for the request with that number."""
    name, request_id = fate(number), given_id(number)
    if name == "altered":
        yield told(request_id.upper())
    elif name != "missing":
        yield told(request_id)
    if name in ("repeated", "contradicted"):
        yield told(request_id, "200" if name == "repeated" else "500")


def journal_of(path: Path, exchanges: int) -> Path:
    """A journal as a run leaves it: sms with texts of all lengths, each answered, and notified as fate will have it."""
    headers: Headers = (("Authorization", "Basic abc"), *JSON, ("Accept", "application/json"))
    answered: Headers = (*JSON, ("Server", "uvicorn"), ("Date", "Sun, 22 Nov 2026 12:00:00 GMT"))
    with Journal.create(path, Run().record().settings, Redaction.of("the secret", "key")) as journal:
        for number in range(1, exchanges + 1):
            payload = {"phone_number": f"2547{number:08}", "sender_id": "Statum", "message": "häh " * (number % 40 + 1)}
            request = Request("POST", "http://gateway/api/v2/sms", headers, json.dumps(payload).encode())
            case = Case(f"sms/valid/random/{number}", "sms", Kind.VALID, "random", f"group-{number}", request)
            body = {"status_code": 200, "description": "Operation successful.", "request_id": given_id(number)}
            journal.plan([case])
            sent = journal.sent(case.id, 1, request, number / 1000, 1e9)
            journal.answered(sent, Response(200, answered, json.dumps(body).encode()), number / 1000 + 0.01)
            for notification in notifications(number):
                journal.notified("sms", notification, number / 1000 + 0.5, 1e9)
        for number in range(STRANGERS):
            journal.notified("sms", told(f"nobody was given {number}"), 99.0, 1e9)
        journal.note("settled", {"at": 1000.0})
    return path


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The journal of a large run, with a few of each thing that can go wrong between answer and notification."""
    return journal_of(tmp_path_factory.mktemp("scale") / "large" / "journal.sqlite", EXCHANGES)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The journal of a small run of the same kind."""
    return journal_of(tmp_path_factory.mktemp("scale") / "small" / "journal.sqlite", EXCHANGES // 20)


def fated(name: str) -> list[str]:
    """The cases of that fate."""
    return [f"sms/valid/random/{number}" for number in range(1, EXCHANGES + 1) if fate(number) == name]


def test_every_notification_is_put_to_its_request(journal: Path) -> None:
    """Among thousands, exactly those are missing, repeated, altered and orphaned that are."""
    evidence = Evidence.of(read_journal(journal), statum())
    owed = list(evidence.owed("sms"))
    heard = {outcome.case_id: evidence.arrivals_about(outcome) for outcome in owed}
    assert EXCHANGES == len(owed)
    assert fated("missing") == [case for case, arrivals in heard.items() if not arrivals]
    assert sorted([*fated("repeated"), *fated("contradicted")]) == sorted(c for c, a in heard.items() if len(a) == 2)
    assert fated("altered") == [outcome.case_id for outcome in owed if outcome.altered]
    assert STRANGERS == sum(arrival.orphan for arrival in evidence.arrivals)
    assert sum(map(len, heard.values())) + STRANGERS == len(evidence.arrivals)


def test_the_verdicts_count_exactly(journal: Path) -> None:
    """Each fate breaks its own requirement, as often as it came about, and nothing else is broken."""
    record = read_journal(journal)
    judged = judge(record)
    short = {v.requirement.id: v.failed for v in judged.verdicts if v.verdict in (Verdict.FAIL, Verdict.WARN)}
    assert {
        "NTF-01": len(fated("missing")),
        "NTF-16": len(fated("altered")),
        "NTF-19": len(fated("contradicted")),
        "NTF-21": STRANGERS,
    } == short
    assert (EXCHANGES, EXCHANGES) == (judged.accepted, len(record.exchanges))


JUDGING = """
import sys
from pathlib import Path
import conformance.cli
from conformance.journal import read_journal
from conformance.reports.result import Result

def most_so_far():
    status = Path("/proc/self/status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:"))) * 1024

for journal in sys.argv[1:]:
    record = Result.of(read_journal(Path(journal))).record
    print(len(record.exchanges), most_so_far())
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the most that a process had is told by Linux only")
def test_judging_leaves_memory_for_a_run_five_times_as_large(small: Path, journal: Path) -> None:
    """What a small run takes, and what each exchange of a large one takes beyond it, leave room for LARGE of them.

    An exchange with its notification takes 1.5 KB in the journal: they cannot all have been in memory at once.
    """
    judged = subprocess.run(
        [sys.executable, "-c", JUDGING, str(small), str(journal)],
        capture_output=True,
        text=True,
        check=True,
        timeout=300,  # against a hang: it judges some ten thousand exchanges, on a busy machine too
        cwd=Path(__file__).parents[2],
    )
    (few, before), (many, after) = (map(int, line.split()) for line in judged.stdout.splitlines())
    assert before + (LARGE - few) * (after - before) / (many - few) < MOST_MEMORY


def test_planned_cases_have_their_headers_in_common() -> None:
    """A plan is there as a whole before anything is sent, so what is the same for many cases is there once."""
    cases = Plan.of(Settings("key", "the secret", products=("sms",), max_examples=20, seed=7), "http://gateway").cases
    assert len({case.request.headers for case in cases}) == len({id(case.request.headers) for case in cases})


def test_the_ledger_forgets_settled_notifications() -> None:
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
        return replace(
            check,
            conditions=tuple(map(cls.of, check.conditions)),
            rule_under=lambda terms: cls.of(check.rule_under(terms)),
        )


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> type[Steps]:
    """The count of what checks go through, also of what they ask the evidence for."""
    of_command, notifications = Evidence.of_command, ResponseSummary.notifications

    def counted(outcome: ResponseSummary) -> Any:
        arrivals = notifications(outcome)
        Steps.taken += 1 + len(arrivals)
        return arrivals

    monkeypatch.setattr(Evidence, "of_command", lambda *given: Steps.through(iter(of_command(*given))))
    monkeypatch.setattr(ResponseSummary, "notifications", counted)
    return Steps


def steps_for(record: Record) -> int:
    """How many steps it takes to judge a record."""
    Steps.taken = 0
    checks = {requirement: Steps.check(check) for requirement, check in checks_of(statum()).items()}
    judge_as(
        GatewayFace(lambda _: checks),
        CountedRecord(record.settings, record.cases, record.exchanges, record.notifications, record.notes),
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


def test_a_record_is_gone_through_once(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many checks there are, each exchange is read once; notifications once more if an id is unknown.

    And all of that a second time where something fell short, to see on what it depends.
    """
    record = read_journal(small)
    read: list[str] = []
    rows = type(record.notifications).__iter__

    def counted(stored: Any) -> Iterator[Exchange | Notification | Case]:
        for value in rows(stored):
            read.append(type(value).__name__)
            yield value

    monkeypatch.setattr(type(record.notifications), "__iter__", counted)
    judge(record)
    assert {"Notification"} == set(read)
    assert 2 * 2 * len(record.notifications) == len(read)
