"""Whole runs under load with Locust's processes: what was sent is judged, whoever is killed in the middle."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from threading import Thread
from typing import Any

from campaigns import settings, shortfalls

from conformance.journal import read_journal
from conformance.judging.verdicts import Judged, Verdict
from conformance.load.campaign import WORK, run_load
from conformance.load.engine import LoadEngine
from conformance.load.settings import LoadSettings
from conformance.model.process import Silent
from conformance.reports.result import judge

BAD = (Verdict.FAIL, Verdict.WARN)
LOAD = LoadSettings(rate=40.0, for_s=4.0, workers=2, receivers=1)


class _KillingOne(Silent):
    """Kills a worker when some requests were sent."""

    def __init__(self) -> None:
        self.engine: LoadEngine | None = None
        self.killed: str | None = None

    def exchanged(self, done: int, planned: int) -> None:  # noqa: ARG002
        """Called while requests are sent."""
        if self.killed is None and self.engine is not None and done > 40 and self.engine.worker_pids:
            self.killed, pid = next(iter(self.engine.worker_pids.items()))
            Thread(target=os.kill, args=(pid, signal.SIGKILL)).start()


def _held(folder: Path, progress: Any = None) -> tuple[Path, Judged]:
    given = settings(folder, products=("sms",), exclusive_account=True)
    progress = progress or Silent()
    with LoadEngine(LOAD, given, folder / WORK, progress) as engine:
        progress.engine = engine
        path = run_load(given, LOAD, engine, progress)
        assert 0 == engine.conclude(0)
    return path, judge(read_journal(path))


def _notes(path: Path, kind: str) -> list[dict[str, Any]]:
    return [note.detail for note in read_journal(path).notes if note.kind == kind]


def test_a_run_with_locust_is_judged_as_any_run(tmp_path: Path) -> None:
    """Each planned case was sent once, each accepted one has its notification, and nothing fails."""
    path, judged = _held(tmp_path)

    record = read_journal(path)
    assert [] == [v.requirement.id for v in judged.verdicts if v.verdict in BAD], shortfalls(judged)
    assert sorted(case.id for case in record.cases) == sorted(exchange.case_id for exchange in record.exchanges)
    (settled,), (load,) = _notes(path, "settled"), _notes(path, "load")
    assert 60 <= settled["owed"] == settled["arrived"] <= load["accepted"]
    assert {"worker-1", "worker-2", "receiver-1"} == {note["name"] for note in _notes(path, "shard")}


def test_a_worker_that_is_killed_fails_nothing_and_nothing_is_sent_twice(tmp_path: Path) -> None:
    """What it recorded is in the journal; what it was handed goes to nobody else."""
    progress = _KillingOne()

    path, judged = _held(tmp_path, progress)

    assert progress.killed is not None
    assert [] == [v.requirement.id for v in judged.verdicts if v.verdict in BAD], shortfalls(judged)
    sent = [exchange.case_id for exchange in read_journal(path).exchanges]
    assert len(set(sent)) == len(sent)
    (lost,) = _notes(path, "lost")
    assert ("worker", progress.killed, True) == (lost["what"], lost["name"], lost["shipped"])
    assert {progress.killed} < {note["name"] for note in _notes(path, "shard")}
