"""A worker: the bytes it sends, what it records and when, and the words for what fails."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from load_rig import Recorder, case, ordinary_plan, planned, settings_for, terms_for
from sockets import quiet_port

from conformance.contract.contract import statum
from conformance.journal import Journal, read_journal
from conformance.journal.redaction import Redaction
from conformance.load.channel import ASK, BATCH, BEGIN, DONE, END, REPORT, STOP
from conformance.load.recording import ShardFile
from conformance.load.sharding import Schedule
from conformance.load.worker import LoadWorker
from conformance.model.traffic import Case, Kind
from conformance.wire import Manners, Pace, Sender

Row = tuple[Any, ...]


def rows_of(path: Path, question: str) -> list[Row]:
    """What the file of a worker answers."""
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(question).fetchall()


def spawn(work: Callable[[], object]) -> None:
    """Run something in a thread; under Locust it is a greenlet."""
    threading.Thread(target=work, daemon=True).start()


def groups_of(path: Path, rate: float = 100_000.0) -> list[tuple[float, tuple[Row, ...]]]:
    """The groups in a journal as a batch has them."""
    return [(group.due_s, group.rows) for group in Schedule(path, rate)]


class Master:
    """The other end of a worker: hands it one batch, and keeps what it tells."""

    def __init__(self, groups: Sequence[tuple[float, Sequence[Row]]]) -> None:
        self.told: list[tuple[str, dict[str, Any]]] = []
        self.worker: LoadWorker | None = None
        self._batch = {"number": 1, "groups": groups}

    def tell(self, kind: str, data: Any) -> None:
        """Take a message of the worker."""
        self.told.append((kind, dict(data)))
        assert self.worker is not None
        if kind == ASK and [kind for kind, _ in self.told].count(ASK) == 1:
            self.worker.receive(BATCH, self._batch)
            self.worker.receive(END, {})

    @property
    def report(self) -> dict[str, Any]:
        """The report on the batch."""
        return next(data for kind, data in self.told if kind == REPORT)


@contextmanager
def worker_at(url: str, shard: Path, master: Master, **terms: object) -> Iterator[LoadWorker]:
    """A worker that has begun, but not yet to run."""
    file = ShardFile(shard, "worker-1", Redaction(()), 0.0)
    worker = master.worker = LoadWorker(terms_for(url, shard, **terms), statum(), file, master.tell, spawn)
    worker.receive(BEGIN, {"at": worker.now()})
    yield worker


def sent_by_worker(url: str, shard: Path, journal: Path, **terms: object) -> Master:
    """All groups of a journal, sent by one worker."""
    master = Master(groups_of(journal))
    with worker_at(url, shard, master, **terms) as worker:
        worker.run()
    return master


def test_the_bytes_on_the_wire_are_those_of_run(tmp_path: Path) -> None:
    """Each request of an ordinary plan, byte for byte as the ordinary sender sends it; each once."""
    with Recorder().serving() as recorder:
        plan = ordinary_plan(settings_for(recorder.url, tmp_path))
        with planned(tmp_path / "journal.sqlite", plan.cases) as journal:
            Sender(journal, Pace()).send(plan.all_groups)
            expected = sorted(recorder.taken)
            recorder.taken.clear()
            sent_by_worker(recorder.url, tmp_path / "worker.sqlite", tmp_path / "journal.sqlite")

        assert len(plan.cases) == len(recorder.taken)
        assert expected == sorted(recorder.taken)


def test_what_is_recorded_is_what_run_records(tmp_path: Path) -> None:
    """Requests and answers of each case have the same rows but for their times; no credential is among them."""
    with Recorder().serving() as recorder:
        plan = ordinary_plan(settings_for(recorder.url, tmp_path))
        with planned(tmp_path / "journal.sqlite", plan.cases) as journal:
            Sender(journal, Pace()).send(plan.all_groups)
        sent_by_worker(recorder.url, tmp_path / "worker.sqlite", tmp_path / "journal.sqlite")

    question = (
        "SELECT s.case_id, s.attempt, s.method, s.url, s.headers, s.body, a.status, a.http_version, a.headers, a.body, "
        "a.failure FROM sent s JOIN answered a USING (number) ORDER BY s.case_id"
    )
    expected = rows_of(tmp_path / "journal.sqlite", question)
    assert expected == rows_of(tmp_path / "worker.sqlite", question)
    assert len(plan.cases) == len(expected)


def test_a_request_is_committed_before_its_bytes_go_out(tmp_path: Path) -> None:
    """The gateway that reads a request finds it in the worker's file."""
    shard, missing = tmp_path / "worker.sqlite", []

    def look(request: bytes) -> None:
        body = request.partition(b"\r\n\r\n")[2]
        if not rows_of(shard, "SELECT body FROM sent").count((body,)):
            missing.append(body)

    with (
        Recorder(look).serving() as recorder,
        planned(tmp_path / "journal.sqlite", [case(each, url=recorder.url) for each in range(20)]),
    ):
        sent_by_worker(recorder.url, shard, tmp_path / "journal.sqlite")

    assert 20 == len(recorder.taken)
    assert [] == missing


def test_cases_of_a_group_go_out_in_their_order(tmp_path: Path) -> None:
    """Each after the answer to the one before it."""
    with (
        Recorder().serving() as recorder,
        planned(tmp_path / "journal.sqlite", [case(each, "g", recorder.url) for each in range(9, 0, -1)]),
    ):
        sent_by_worker(recorder.url, tmp_path / "worker.sqlite", tmp_path / "journal.sqlite")

    numbers = [each[each.index(b"2547") :][:12] for each in recorder.taken]
    assert [b"2547%08d" % each for each in range(9, 0, -1)] == numbers


def test_cases_of_a_burst_are_all_sent_before_the_first_answer(tmp_path: Path) -> None:
    """The gateway answers none until it has all of them."""
    together = threading.Barrier(4, timeout=5.0)
    with (
        Recorder(lambda _: together.wait()).serving() as recorder,
        planned(tmp_path / "journal.sqlite", [case(each, "g", recorder.url, kind=Kind.BURST) for each in range(4)]),
    ):
        master = sent_by_worker(recorder.url, tmp_path / "worker.sqlite", tmp_path / "journal.sqlite")

    assert 4 == master.report["accepted"]


def test_a_request_goes_out_when_it_is_due_and_not_when_answers_come(tmp_path: Path) -> None:
    """Ten requests at a gateway that answers none before it has the last."""
    together = threading.Barrier(10, timeout=5.0)
    with (
        Recorder(lambda _: together.wait()).serving() as recorder,
        planned(tmp_path / "journal.sqlite", [case(each, url=recorder.url) for each in range(10)]),
    ):
        master = sent_by_worker(recorder.url, tmp_path / "worker.sqlite", tmp_path / "journal.sqlite")

    assert 10 == master.report["accepted"]


@pytest.mark.parametrize("silent", [False, True])
def test_failures_have_the_words_of_run(tmp_path: Path, *, silent: bool) -> None:
    """A refused connection and a missing answer, each as the ordinary sender records them; the former never left."""
    waiting = threading.Event()
    with Recorder(lambda _: waiting.wait(2.0)).serving() as recorder:
        url = recorder.url if silent else f"http://127.0.0.1:{quiet_port()}/api/v2"
        cases = [case(1, url=url)]
        with planned(tmp_path / "journal.sqlite", cases) as journal:
            settled = _sent_by_run(journal, cases)
        master = sent_by_worker(url, tmp_path / "worker.sqlite", tmp_path / "journal.sqlite", timeout_s=0.2)
        waiting.set()

    question = "SELECT failure FROM answered"
    assert rows_of(tmp_path / "journal.sqlite", question) == rows_of(tmp_path / "worker.sqlite", question)
    assert ([] if silent else ["sms/valid/sample/1"]) == settled == master.report["unsent"]
    assert len(settled) == len(rows_of(tmp_path / "worker.sqlite", "SELECT * FROM notes WHERE kind = 'unsent'"))


def _sent_by_run(journal: Journal, cases: Sequence[Case]) -> list[str]:
    """The cases sent by the ordinary sender; the ids of those that never left."""
    from_run: list[str] = []
    sender = Sender(
        journal,
        Pace(),
        lambda case, exchange: from_run.append(case.id) if exchange.unsent else None,
        manners=Manners(timeout_s=0.2),
    )
    sender.send([cases])
    journal.flush()
    assert len(cases) == len(read_journal(journal.path).exchanges)
    return from_run


def test_a_stopped_worker_begins_nothing_more(tmp_path: Path) -> None:
    """What is due later is reported as unsent, and the file is closed."""
    with (
        Recorder().serving() as recorder,
        planned(tmp_path / "journal.sqlite", [case(each, url=recorder.url) for each in range(3)]),
    ):
        master = Master(groups_of(tmp_path / "journal.sqlite", rate=0.1))
        with worker_at(recorder.url, tmp_path / "worker.sqlite", master) as worker:
            recorder.on_request = lambda _: worker.receive(STOP, {})
            worker.run()

    assert 1 == len(recorder.taken)
    assert ["sms/valid/sample/1", "sms/valid/sample/2"] == master.report["unsent"]
    assert [DONE] == [kind for kind, _ in master.told][-1:]
    assert [(1,)] == rows_of(tmp_path / "worker.sqlite", "SELECT count(*) FROM answered")
