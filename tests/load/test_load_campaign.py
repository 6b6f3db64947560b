"""Whole runs under load, with threads for workers and processes for receivers."""

from __future__ import annotations

import os
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from campaigns import free_address, settings, shortfalls
from load_in_process import SmallLoad, ThreadedEngine
from seeded import fault

from conformance.contract.contract import statum
from conformance.gateway.campaign import resume
from conformance.gateway.settings import RunLimits
from conformance.journal import Journal, Redaction, read_journal
from conformance.judging.verdicts import Judged, Verdict
from conformance.load import campaign as load_campaign
from conformance.load.campaign import WORK, run_load
from conformance.load.receivers import Receivers
from conformance.load.shards import WorkerShard
from conformance.mock.account import Account
from conformance.mock.behaviour import BUILT_IN, Behaviour
from conformance.mock.serving import serve_mock
from conformance.model.errors import EnvironmentFailure, UsageError
from conformance.model.traffic import LOST_WITH_ITS_SENDER
from conformance.reports.result import judge

SMALL = SmallLoad()
SMS: dict[str, Any] = {"products": ("sms",)}
BAD = (Verdict.FAIL, Verdict.WARN)


def _held(
    folder: Path, behaviour: Behaviour = BUILT_IN, load: SmallLoad = SMALL, *, engine: Any = None, **changes: Any
) -> tuple[Path, Judged]:
    given = settings(folder, **{**SMS, **changes})
    path = run_load(given, load, engine or ThreadedEngine(given, load.workers), behaviour=behaviour)
    return path, judge(read_journal(path))


def _notes(path: Path, kind: str) -> list[dict[str, Any]]:
    return [note.detail for note in read_journal(path).notes if note.kind == kind]


def test_two_workers_and_two_receivers_give_the_verdict_of_one(tmp_path: Path) -> None:
    """Every notification is attributed, and the journal is an ordinary one; its shards are gone."""
    path, one = _held(tmp_path / "one", load=SmallLoad(workers=1))
    _, two = _held(tmp_path / "two", load=SmallLoad(workers=2, receivers=2))

    assert [] == [v.requirement.id for v in one.verdicts if v.verdict in BAD], shortfalls(one)
    assert [(v.requirement.id, v.command, v.verdict) for v in one.verdicts] == [
        (v.requirement.id, v.command, v.verdict) for v in two.verdicts
    ]
    assert {"worker-1": True, "worker-2": False, "receiver-1": True} == {
        name: name in {note["name"] for note in _notes(path, "shard")}
        for name in ("worker-1", "worker-2", "receiver-1")
    }
    (load,), (settled,) = _notes(path, "load"), _notes(path, "settled")
    assert 0 == settled["missing"]
    assert 60 <= settled["owed"] == settled["arrived"] <= load["accepted"]
    assert load["began"] < load["ended"] < settled["at"]
    assert [] == [*(tmp_path / "one" / WORK).glob("*.sqlite")]


def test_a_lost_notification_is_found(tmp_path: Path) -> None:
    """As in a run, and nothing else."""
    behaviour = fault("one-notification-in-twenty-lost").change(BUILT_IN)

    path, judged = _held(tmp_path, behaviour, notify_within_s=1.0)

    assert ["NTF-01"] == [v.requirement.id for v in judged.verdicts if v.verdict in BAD]
    (settled,) = _notes(path, "settled")
    assert settled["missing"] == sum(v.failed for v in judged.verdicts if v.requirement.id == "NTF-01") > 0


def test_a_receiver_that_is_killed_in_the_middle_fails_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it wrote is in the journal; what it may have lost is open; another takes its place."""
    made: list[Receivers] = []

    def kept(*arguments: Any) -> Receivers:
        made.append(Receivers(*arguments))
        return made[-1]

    def kill() -> None:
        made[0].await_more(20, 20.0)
        os.kill(next(iter(made[0].processes.values())), signal.SIGKILL)

    monkeypatch.setattr(load_campaign, "Receivers", kept)
    given = settings(tmp_path, **SMS, notify_within_s=2.0)
    path, judged = _held(tmp_path, engine=ThreadedEngine(given, meanwhile=kill), notify_within_s=2.0)

    assert [] == [v.requirement.id for v in judged.verdicts if v.verdict in BAD], shortfalls(judged)
    (lost,) = _notes(path, "lost")
    assert ("receiver", "receiver-1", {}) == (lost["what"], lost["name"], lost["handed_out"])
    by_name = {note["name"]: note["notifications"] for note in _notes(path, "shard")}
    assert by_name["receiver-1"] >= 20
    assert by_name["receiver-2"] > 0


def _without_its_last(shard: WorkerShard) -> WorkerShard:
    """The file of a worker that was killed: the last answers are not in it, nor the last requests at all."""
    if shard.name != "worker-2":
        return shard
    with closing(sqlite3.connect(shard.path)) as connection:
        triggers = connection.execute("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'").fetchall()
        (last,) = connection.execute("SELECT max(number) FROM sent").fetchone()
        for name, _ in triggers:
            connection.execute(f"DROP TRIGGER {name}")
        gone = connection.execute("SELECT count(*) FROM sent WHERE number > ? - 10", (last,)).fetchone()[0]
        connection.execute("DELETE FROM answered WHERE number > ? - 20", (last,))
        connection.execute("DELETE FROM sent WHERE number > ? - 10", (last,))
        for _, sql in triggers:
            connection.execute(sql)
        connection.commit()
    return replace(shard, lost_since=0.0, handed_out={"sms": gone})


def test_a_worker_that_was_lost_fails_nothing(tmp_path: Path) -> None:
    """Requests without an answer are open, and notifications of requests that nobody knows of are no orphans."""
    given = settings(tmp_path, **SMS, exclusive_account=True)

    path, judged = _held(tmp_path, engine=ThreadedEngine(given, changed=_without_its_last), exclusive_account=True)

    assert [] == [v.requirement.id for v in judged.verdicts if v.verdict in BAD], shortfalls(judged)
    assert 10 == sum(exchange.failure == LOST_WITH_ITS_SENDER for exchange in read_journal(path).exchanges)
    (lost,) = _notes(path, "lost")
    assert ("worker", "worker-2", {"sms": 10}, True) == tuple(
        lost[name] for name in ("what", "name", "handed_out", "shipped")
    )


def test_a_fault_is_found_though_a_worker_was_lost(tmp_path: Path) -> None:
    """The evidence that is there fails what it shows."""
    behaviour = fault("one-notification-in-twenty-lost").change(BUILT_IN)
    given = settings(tmp_path, **SMS, notify_within_s=1.0)

    _, judged = _held(tmp_path, behaviour, engine=ThreadedEngine(given, changed=_without_its_last), notify_within_s=1.0)

    assert ["NTF-01"] == [v.requirement.id for v in judged.verdicts if v.verdict in BAD], shortfalls(judged)


@contextmanager
def _gateway(given: dict[str, Any], sent: list[Any]) -> Iterator[None]:
    """A mock gateway that was there before the run, what the run is told of it, and the notifications that it sent."""
    address = free_address()
    account = Account.sample({product: f"{address.url}/callbacks/{product}" for product in statum().products})
    with serve_mock(account, on_sent=lambda *notified: sent.append(notified)) as server:
        told = {"gateway": server.url, "consumer_key": account.consumer_key, "consumer_secret": account.consumer_secret}
        given.update({**told, "callback_listen": address})
        yield


def test_limits_hold_as_the_gateway_counts_them(tmp_path: Path) -> None:
    """Over what the coordinator sends and what the workers send."""
    given: dict[str, Any] = {**SMS, "limits": RunLimits(max_accepted=25)}
    sent: list[Any] = []
    with _gateway(given, sent):
        engine = ThreadedEngine(settings(tmp_path, **given))
        path, judged = _held(tmp_path, engine=engine, **given)

    assert [] == [v.requirement.id for v in judged.verdicts if v.verdict in BAD], shortfalls(judged)
    (allowance,) = _notes(path, "allowance")
    (settled,) = _notes(path, "settled")
    assert settled["owed"] <= allowance["accepted_at_most"] <= 25
    assert settled["owed"] == len(sent) <= 25
    (limits,) = engine.limits
    assert limits[0] is not None
    assert limits[0] <= 25


def test_as_many_are_accepted_as_the_load_asks_for(tmp_path: Path) -> None:
    """More than the plan of a run has, each with a payload of its own."""
    path, judged = _held(tmp_path, load=SmallLoad(accepted=300))

    (load,) = _notes(path, "load")
    # A gateway may refuse the cases that the contract leaves open.
    assert 300 == pytest.approx(load["accepted"], rel=0.15)
    assert [] == [v.requirement.id for v in judged.verdicts if v.verdict in BAD], shortfalls(judged)


def test_a_run_under_load_is_never_resumed(tmp_path: Path) -> None:
    """Its journal may lack what workers sent before the coordinator was killed, and nothing is sent twice."""
    given = settings(tmp_path, **SMS)
    Journal.create(tmp_path / "journal.sqlite", {"load": SMALL.recorded()}, Redaction.none()).close()

    with pytest.raises(UsageError) as raised:
        resume(tmp_path / "journal.sqlite", given)

    assert raised.value.message.endswith("is the journal of a run under load, which cannot be resumed")


def test_what_workers_recorded_is_kept_though_the_engine_fails(tmp_path: Path) -> None:
    """The run ends with an obstacle, in words; requests without an answer are open, and nothing fails."""

    def fail(shard: WorkerShard) -> WorkerShard:
        raise EnvironmentFailure(f"Locust's master has ended before the load did, after {shard.name}")

    path, judged = _held(tmp_path, engine=ThreadedEngine(settings(tmp_path, **SMS), changed=fail))

    (obstacle,) = _notes(path, "obstacle")
    assert "Locust's master has ended before the load did, after worker-1" == obstacle["message"]
    assert {"worker-1", "worker-2", "receiver-1"} == {note["name"] for note in _notes(path, "shard")}
    assert len(read_journal(path).exchanges) > 100
    assert [] == [v.requirement.id for v in judged.verdicts if v.verdict in BAD], shortfalls(judged)
    assert [] == [*(tmp_path / WORK).glob("*.sqlite*")]
