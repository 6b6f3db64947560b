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
from conformance.gateway.settings import RunLimits
from conformance.journal import read_journal
from conformance.judging.verdicts import Judged, Verdict
from conformance.load import campaign as load_campaign
from conformance.load.campaign import WORK, run_load, scaled_plan
from conformance.load.receivers import Receivers
from conformance.load.shards import WorkerShard
from conformance.mock.account import Account
from conformance.mock.behaviour import BUILT_IN, Behaviour
from conformance.mock.serving import serve_mock
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
    assert settled["owed"] == settled["arrived"] == load["accepted"] >= 60
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


def test_the_plan_grows_with_the_load(tmp_path: Path) -> None:
    """About so many requests are to be accepted, and no more than the limits allow."""
    given = settings(tmp_path, products=("sms", "airtime"))
    accepted = [_accepted(scaled_plan(given, "http://127.0.0.1:1", n)) for n in (200, 1000)]
    limited = replace(given, limits=RunLimits(max_accepted=50))

    assert [200, 1000] == pytest.approx(accepted, rel=0.02)
    assert 50 >= _accepted(scaled_plan(limited, "http://127.0.0.1:1", 1000))


def _accepted(plan: Any) -> int:
    return sum(not load_campaign.has_to_be_refused(case) for case in plan.cases)
