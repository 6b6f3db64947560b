"""The wait for the notifications of a load, asked of files: ends when all came, or when their time is over."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from shards import ROWS, add, shard

from conformance.contract.contract import statum
from conformance.journal.rows import Row
from conformance.load.settling import Settling
from conformance.load.shards import WorkerShard
from conformance.model.errors import EnvironmentFailure
from conformance.model.traffic import Request, Response
from conformance.wire.ledger import QUIET_WINDOW_S

PATIENCE_S = 5.0
SMS = "http://gateway.invalid/api/v2/sms"
TARGET = "/callbacks/sms"


def _accepted(number: int, request_id: object, at: float, *, status: int = 200, url: str = SMS) -> list[Row]:
    body = json.dumps({"status_code": status, "description": "done", "request_id": request_id}).encode()
    request = Request("POST", url, (), b"{}")
    return [
        ROWS.sent(number, f"case-{number}", 1, request, at, at),
        ROWS.answered(number, Response(status, (), body, "HTTP/1.1"), at),
    ]


def _notified(number: int, body: bytes) -> Row:
    return ROWS.notified(number, "sms", Request("POST", TARGET, (), body), 1.0, 1.0)


def _about(request_id: object) -> bytes:
    return json.dumps({"request_id": request_id, "result_code": "200"}).encode()


@dataclass
class _Clock:
    """A clock that goes on only while somebody waits; `events` happen when it reaches their time."""

    events: list[tuple[float, Callable[[], object]]]
    at: float = 0.0
    waits: int = 0

    def now(self) -> float:
        return self.at

    def more(self, within_s: float) -> None:
        self.waits += 1
        due = [time for time, _ in self.events if time <= self.at + within_s]
        # A little more: sums of seconds are rounded.
        self.at = min(due) if due else self.at + within_s + 1e-6
        for event in [each for each in self.events if each[0] <= self.at]:
            self.events.remove(event)
            event[1]()


@pytest.fixture
def settling(tmp_path: Path) -> Iterator[Settling]:
    """With nothing owed."""
    settling = Settling(tmp_path / "settling.sqlite", statum(), PATIENCE_S)
    yield settling
    settling.close()
    assert not settling.path.exists()


def _adding(path: Path, *rows: Row) -> Callable[[], None]:
    def add_rows() -> None:
        with closing(sqlite3.connect(path)) as connection:
            add(connection, rows)

    return add_rows


def test_it_ends_one_quiet_window_after_the_last_notification(settling: Settling, tmp_path: Path) -> None:
    """Of any receiver, and some before the worker had the answer."""
    settling.owe(WorkerShard("worker-1", shard(tmp_path / "w", _accepted(1, "a", 0.0) + _accepted(2, "b", 0.0))))
    one = shard(tmp_path / "r1", [_notified(1, _about("b"))])
    two = shard(tmp_path / "r2")
    clock = _Clock([(1.5, _adding(two, _notified(1, _about("a"))))])

    settled = settling.wait(lambda: [one, two], clock.more, clock.now)

    assert (2, 2, 0) == (settled.owed, settled.arrived, settled.missing)
    assert 1.5 + QUIET_WINDOW_S == pytest.approx(clock.at, abs=1e-3)
    assert 5 >= clock.waits


def test_it_ends_when_the_time_of_the_last_missing_one_is_over(settling: Settling, tmp_path: Path) -> None:
    """By the clock of the journal, into which the offset of a worker's clock is counted."""
    settling.owe(WorkerShard("worker-1", shard(tmp_path / "w", _accepted(1, "a", 103.0)), offset_s=-100.0))
    clock = _Clock([])

    settled = settling.wait(lambda: [shard(tmp_path / f"r{clock.waits}")], clock.more, clock.now)

    assert (1, 0, 1) == (settled.owed, settled.arrived, settled.missing)
    assert 3.0 + PATIENCE_S + QUIET_WINDOW_S == pytest.approx(clock.at, abs=1e-3)
    assert 12 >= clock.waits


def test_what_owes_nothing_is_not_awaited(settling: Settling, tmp_path: Path) -> None:
    """Refused requests, answers without an id or without JSON, commands without a product."""
    rows = [
        *_accepted(1, "a", 0.0, status=422),
        *_accepted(2, None, 0.0),
        *_accepted(3, "c", 0.0, url="http://gateway.invalid/api/v2/account-details"),
        ROWS.sent(4, "case-4", 1, Request("POST", SMS, (), b"{}"), 0.0, 0.0),
        ROWS.answered(4, Response(200, (), b"<html>\xff", "HTTP/1.1"), 0.0),
        ROWS.sent(5, "case-5", 1, Request("POST", SMS, (), b"{}"), 0.0, 0.0),
        ROWS.failed(5, "refused", 0.0),
        ROWS.sent(6, "case-6", 1, Request("POST", SMS, (), b"{}"), 0.0, 0.0),
        ROWS.answered(6, Response(200, (), b"[1]", "HTTP/1.1"), 0.0),
    ]
    settling.owe(WorkerShard("worker-1", shard(tmp_path / "w", rows)))
    receiver = shard(tmp_path / "r", [_notified(1, b"\xff\xfe"), _notified(2, b"7"), _notified(3, _about(["a"]))])
    clock = _Clock([])

    settled = settling.wait(lambda: [receiver], clock.more, clock.now)

    assert (0, 0) == (settled.owed, settled.missing)
    assert 4 == settling.accepted
    assert QUIET_WINDOW_S == pytest.approx(clock.at, abs=1e-3)


def test_a_repeated_id_is_owed_twice(settling: Settling, tmp_path: Path) -> None:
    """Also if two workers got it; a third notification changes nothing."""
    settling.owe(WorkerShard("worker-1", shard(tmp_path / "w1", _accepted(1, "a", 0.0))))
    settling.owe(WorkerShard("worker-2", shard(tmp_path / "w2", _accepted(1, "a", 0.5))))
    receiver = shard(tmp_path / "r", [_notified(1, _about("a"))])
    assert 1 == settling.take(receiver)
    assert (1, 0.5 + PATIENCE_S) == (settling.outstanding, settling.deadline)

    _adding(receiver, _notified(2, _about("a")), _notified(3, _about("a")))()

    assert 2 == settling.take(receiver)
    assert (0, float("-inf")) == (settling.outstanding, settling.deadline)


def test_a_file_that_cannot_be_read_is_one_line(settling: Settling, tmp_path: Path) -> None:
    """With its name."""
    (tmp_path / "w").write_text("no database" * 100, encoding="utf-8")

    with pytest.raises(EnvironmentFailure) as raised:
        settling.owe(WorkerShard("worker-1", tmp_path / "w"))

    assert f"{tmp_path / 'w'} cannot be used: file is not a database" == raised.value.message
