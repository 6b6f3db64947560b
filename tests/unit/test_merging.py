"""Merging of shards into one journal: order, numbers, clocks, cut files, and files that do not belong there."""

from __future__ import annotations

import hashlib
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import pytest
from shards import ROWS, add, shard

from conformance.journal import Journal, Redaction, read_journal
from conformance.journal.merging import ShardToMerge, merge
from conformance.journal.rows import BEYOND, CREATE, Row
from conformance.model.errors import EnvironmentFailure
from conformance.model.traffic import LOST_WITH_ITS_SENDER, Case, Kind, Request, Response

ASKED = Request("POST", "http://gateway.invalid/sms", (("Content-Type", "application/json"),), b"{}")
ANSWER = Response(200, (), b'{"request_id": "id"}', "HTTP/1.1")
CASES = tuple(Case(f"sms/valid/{n}", "sms", Kind.VALID, "plain", f"g{n}", ASKED) for n in range(6))


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    """A journal with planned cases, one exchange of its own and one notification."""
    with Journal.create(tmp_path / "journal.sqlite", {}, Redaction.none()) as journal:
        journal.plan(CASES)
        journal.answered(journal.sent(CASES[0].id, 1, ASKED, 1.0, 1.0), ANSWER, 1.5)
        journal.notified("sms", ASKED, 1.7, 1.7)
        journal.note("load", {"began": 1.0, "ended": 1.0, "sent": 0, "accepted": 0, "behind_s": 0, "withheld": 0})
        yield journal


def _exchange(number: int, case: int, at: float) -> list[Row]:
    return [ROWS.sent(number, CASES[case].id, 1, ASKED, at, at), ROWS.answered(number, ANSWER, at + 0.5)]


def test_rows_are_ordered_by_time_over_all_shards_and_numbers_go_on(journal: Journal, tmp_path: Path) -> None:
    """As if one process had sent all of them; an answer stays with its request."""
    one = shard(tmp_path / "one", [*_exchange(1, 1, 10.0), *_exchange(2, 2, 30.0)])
    two = shard(tmp_path / "two", [*_exchange(1, 3, 20.0), ROWS.notified(1, "sms", ASKED, 25.0, 25.0)])

    merge(journal, [ShardToMerge("worker-1", one), ShardToMerge("worker-2", two)])
    later = journal.sent(CASES[4].id, 1, ASKED, 40.0, 40.0)
    journal.flush()

    record = read_journal(journal.path)
    assert [(n + 1, CASES[n].id) for n in (0, 1)] + [(3, CASES[3].id), (4, CASES[2].id), (5, CASES[4].id)] == [
        (exchange.number, exchange.case_id) for exchange in record.exchanges
    ]
    assert [1.5, 10.5, 20.5, 30.5, None] == [exchange.answered_at for exchange in record.exchanges]
    assert [(1, 1.7), (2, 25.0)] == [(each.number, each.received_at) for each in record.notifications]
    assert 5 == later


def test_times_are_moved_to_the_clock_of_the_journal(journal: Journal, tmp_path: Path) -> None:
    """Those of another machine's clock, all of a shard by as much."""
    far = shard(tmp_path / "far", [*_exchange(1, 1, 1010.0), ROWS.note(1, "way", {}, 1011.0, 1.0)])
    near = shard(tmp_path / "near", _exchange(1, 2, 12.0))

    merge(journal, [ShardToMerge("worker-1", far, offset_s=-1000.0), ShardToMerge("worker-2", near)])
    journal.flush()

    record = read_journal(journal.path)
    assert [(1.0, 1.5), (10.0, 10.5), (12.0, 12.5)] == [(e.sent_at, e.answered_at) for e in record.exchanges]
    assert 11.0 == record.notes[-1].noted_at


def test_a_note_on_an_exchange_has_the_new_number_of_it(journal: Journal, tmp_path: Path) -> None:
    """The bytes behind an answer stay with that answer; other notes are kept as they are."""
    notes = [ROWS.beyond(1, 2, b"more", 31.0, 31.0), ROWS.note(2, "free", {"a": [1, "ü"]}, 32.0, 32.0)]
    one = shard(tmp_path / "one", [*_exchange(1, 1, 10.0), *_exchange(2, 2, 30.0), *notes])
    two = shard(tmp_path / "two", _exchange(1, 3, 20.0))

    merge(journal, [ShardToMerge("worker-1", one), ShardToMerge("worker-2", two)])
    journal.flush()

    record = read_journal(journal.path)
    *_, about, free = record.notes
    assert (BEYOND, {"exchange": 4, "sent": "more"}) == (about.kind, about.detail)
    assert {"a": [1, "ü"]} == free.detail
    assert "more" == record.exchanges[3].response.beyond  # type: ignore[union-attr]


def test_the_digest_is_that_of_the_file_and_the_counts_are_those_of_its_rows(journal: Journal, tmp_path: Path) -> None:
    """So that whoever keeps the file can show that it is the one that was merged."""
    one = shard(tmp_path / "one", [*_exchange(1, 1, 10.0), ROWS.notified(1, "sms", ASKED, 25.0, 25.0)])

    (merged,) = merge(journal, [ShardToMerge("worker-1", one)])

    assert hashlib.sha256(one.read_bytes()).hexdigest() == merged.sha256
    assert ("worker-1", 1, 1) == (merged.name, merged.exchanges, merged.notifications)


def test_a_shard_that_was_cut_by_a_kill_is_read_with_all_that_it_committed(journal: Journal, tmp_path: Path) -> None:
    """Its rows may be in the WAL beside it; a request without an answer has lost it with its sender."""
    cut = tmp_path / "cut"
    with closing(sqlite3.connect(tmp_path / "open")) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        for statement in CREATE:
            connection.execute(statement)
        add(connection, [*_exchange(1, 1, 10.0), ROWS.sent(2, CASES[2].id, 1, ASKED, 11.0, 11.0)])
        for suffix in ("", "-wal"):
            shutil.copyfile(tmp_path / f"open{suffix}", tmp_path / f"cut{suffix}")
    assert (tmp_path / "cut-wal").stat().st_size > 0

    merge(journal, [ShardToMerge("worker-1", cut, lost_at=13.0)])
    journal.flush()

    _, answered, lost = read_journal(journal.path).exchanges
    assert (ANSWER, None) == (answered.response, answered.failure)
    assert (None, LOST_WITH_ITS_SENDER, 13.0) == (lost.response, lost.failure, lost.answered_at)


def test_a_request_without_an_answer_in_the_file_of_a_process_that_lived_stays_without(
    journal: Journal, tmp_path: Path
) -> None:
    """The run ended before its answer came."""
    one = shard(tmp_path / "one", [ROWS.sent(1, CASES[2].id, 1, ASKED, 11.0, 11.0)])

    merge(journal, [ShardToMerge("worker-1", one)])
    journal.flush()

    last = read_journal(journal.path).exchanges[-1]
    assert (None, None) == (last.response, last.failure)


def _cut_short(path: Path) -> Path:
    shard(path, (row for n in range(200) for row in _exchange(n + 1, n % 6, float(n))))
    path.write_bytes(path.read_bytes()[:20_000])
    return path


def _text(path: Path) -> Path:
    path.write_text("not a database, whatever it says" * 50, encoding="utf-8")
    return path


def _with_a_view(path: Path) -> Path:
    with closing(sqlite3.connect(shard(path))) as connection:
        connection.execute("CREATE VIEW more AS SELECT 1")
    return path


UNUSABLE = {
    "cut short": (_cut_short, "malformed"),
    "text": (_text, "not a database"),
    "of another program": (_with_a_view, "it has the view 'more'"),
    "missing": (lambda path: path, "there is no journal"),
    "of another run": (
        lambda path: shard(path, [ROWS.sent(1, "sms/other/1", 1, ASKED, 1.0, 1.0)]),
        "it has a request of 'sms/other/1', which was never planned",
    ),
    "answers alone": (lambda path: shard(path, [ROWS.answered(7, ANSWER, 1.0)]), "an answer to request 7"),
    "no times": (
        lambda path: shard(path, [ROWS.sent(1, CASES[1].id, 1, ASKED, "soon", 1.0)]),  # type: ignore[arg-type]
        "request 1 has no time",
    ),
}


@pytest.mark.parametrize("kind", UNUSABLE)
def test_a_file_that_does_not_belong_there_is_one_line_and_nothing_is_added(
    kind: str, journal: Journal, tmp_path: Path
) -> None:
    """Not even the rows of the good shards beside it; the journal goes on."""
    make, said = UNUSABLE[kind]
    good = shard(tmp_path / "good", _exchange(1, 1, 10.0))

    with pytest.raises(EnvironmentFailure) as raised:
        merge(journal, [ShardToMerge("worker-1", good), ShardToMerge("worker-2", make(tmp_path / "bad"))])

    assert raised.value.message.startswith("the file of worker-2 cannot be merged: ")
    assert said in raised.value.message
    assert "\n" not in raised.value.message
    journal.sent(CASES[5].id, 1, ASKED, 50.0, 50.0)
    journal.flush()
    assert [CASES[0].id, CASES[5].id] == [exchange.case_id for exchange in read_journal(journal.path).exchanges]


def test_numbers_stay_in_order_though_others_write_meanwhile(journal: Journal, tmp_path: Path) -> None:
    """Twenty shards, more than SQLite attaches at once; no number is given twice."""
    files = [
        shard(tmp_path / f"s{n}", (row for i in range(50) for row in _exchange(i + 1, i % 6, 2.0 + n + 20.0 * i)))
        for n in range(20)
    ]

    merge(journal, [ShardToMerge(f"worker-{n}", file) for n, file in enumerate(files)])
    journal.flush()

    exchanges = tuple(read_journal(journal.path).exchanges)
    assert 1001 == len(exchanges)
    assert [*range(1, 1002)] == [exchange.number for exchange in exchanges]
    assert all(one.sent_at <= other.sent_at for one, other in pairwise(exchanges))
