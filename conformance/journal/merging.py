"""Merging: files that processes wrote at the same time become rows of one journal, as if one process had written them.

Such a file (a shard) has the tables of a journal, numbered from 1. SQLite reads it with ATTACH, one file at a time, so
that there may be any number of them and memory stays flat. Rows are ordered by time over all shards, and get numbers
that go on where those of the journal ended.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from conformance.journal.reader import check_file
from conformance.journal.writer import BUSY_TIMEOUT_S, Journal
from conformance.model.errors import EnvironmentFailure, UsageError
from conformance.model.traffic import LOST_WITH_ITS_SENDER


@dataclass(frozen=True, slots=True)
class ShardToMerge:
    """A file to be merged. `offset_s` is added to its times. `lost_at`: when its process died (journal's clock).

    A request without an answer in the file of a process that died has the failure `LOST_WITH_ITS_SENDER`.
    """

    name: str
    path: Path
    offset_s: float = 0.0
    lost_at: float | None = None


@dataclass(frozen=True, slots=True)
class MergedShard:
    """A file that was merged: its digest, and how many rows it had."""

    name: str
    sha256: str
    exchanges: int
    notifications: int


# The tables whose rows are numbered anew, and the column by which they are ordered.
_ORDERED = {"sent": "sent_at", "notifications": "received_at", "notes": "noted_at"}

# An answer has the number of its request. A note may be about an exchange, which has another number now.
_INSERT = {
    "sent": """
        INSERT INTO main.sent
        SELECT n.now, case_id, attempt, method, url, headers, body, sent_at + :offset, sent_wall
        FROM numbers AS n JOIN shard.sent AS s ON s.number = n.number
        WHERE n.kind = 'sent' AND n.shard = :shard ORDER BY n.now""",
    "answered": """
        INSERT INTO main.answered
        SELECT n.now, status, http_version, headers, body, failure, answered_at + :offset
        FROM numbers AS n JOIN shard.answered AS s ON s.number = n.number
        WHERE n.kind = 'sent' AND n.shard = :shard ORDER BY n.now""",
    "lost": """
        INSERT INTO main.answered
        SELECT n.now, NULL, NULL, '[]', x'', :failure, CAST(:lost_at AS REAL)
        FROM numbers AS n LEFT JOIN shard.answered AS s ON s.number = n.number
        WHERE n.kind = 'sent' AND n.shard = :shard AND s.number IS NULL AND :lost_at IS NOT NULL ORDER BY n.now""",
    "notifications": """
        INSERT INTO main.notifications
        SELECT n.now, product, method, url, headers, body, received_at + :offset, received_wall
        FROM numbers AS n JOIN shard.notifications AS s ON s.number = n.number
        WHERE n.kind = 'notifications' AND n.shard = :shard ORDER BY n.now""",
    "notes": """
        INSERT INTO main.notes
        SELECT n.now, s.kind, iif(e.now IS NULL, detail, json_set(detail, '$.exchange', e.now)), noted_at + :offset,
            noted_wall
        FROM numbers AS n JOIN shard.notes AS s ON s.number = n.number
        LEFT JOIN numbers AS e
            ON e.kind = 'sent' AND e.shard = :shard AND e.number = json_extract(detail, '$.exchange')
        WHERE n.kind = 'notes' AND n.shard = :shard ORDER BY n.now""",
}

# Rows that no worker of this run wrote, with words for them; each yields one value to be shown.
_FOREIGN = {
    "it has a request of {!r:.80}, which was never planned": """
        SELECT case_id FROM shard.sent WHERE case_id NOT IN (SELECT id FROM main.cases) LIMIT 1""",
    "it has an answer to request {}, which it has not": """
        SELECT number FROM shard.answered WHERE number NOT IN (SELECT number FROM shard.sent) LIMIT 1""",
    "request {} has no time": "SELECT number FROM shard.sent WHERE typeof(sent_at) <> 'real' LIMIT 1",
    "answer {} has no time": "SELECT number FROM shard.answered WHERE typeof(answered_at) <> 'real' LIMIT 1",
    "notification {} has no time": "SELECT number FROM shard.notifications WHERE typeof(received_at) <> 'real' LIMIT 1",
    "note {} has no time": "SELECT number FROM shard.notes WHERE typeof(noted_at) <> 'real' LIMIT 1",
    "note {} is not JSON": "SELECT number FROM shard.notes WHERE NOT json_valid(detail) LIMIT 1",
}


def merge(journal: Journal, shards: Sequence[ShardToMerge]) -> tuple[MergedShard, ...]:
    """Add the rows of all shards to an open journal; return when they are committed.

    A shard that a killed process left open is read as well, with all that was committed. EnvironmentFailure for one
    that is damaged, or that no process of this run wrote; then no row of any shard is added.
    """
    journal.flush()  # the planned cases are in the file
    merged = tuple(_sealed(shard) for shard in shards)
    totals = {
        "sent": sum(each.exchanges for each, _ in merged),
        "notifications": sum(each.notifications for each, _ in merged),
        "notes": sum(notes for _, notes in merged),
    }
    journal.add_rows(totals, partial(_add, journal.path, shards))
    return tuple(each for each, _ in merged)


def _sealed(shard: ShardToMerge) -> tuple[MergedShard, int]:
    """Check a file, make it one whole (without a WAL beside it), and count its rows and notes."""
    with _readable(shard):
        check_file(shard.path)
        with closing(sqlite3.connect(shard.path, timeout=BUSY_TIMEOUT_S)) as connection:
            connection.execute("PRAGMA journal_mode = DELETE")
            exchanges, notifications, notes = (
                connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]  # noqa: S608 - the names stand here
                for table in _ORDERED
            )
        with shard.path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    return MergedShard(shard.name, digest, exchanges, notifications), notes


def _add(path: Path, shards: Sequence[ShardToMerge], connection: sqlite3.Connection, first: Mapping[str, int]) -> None:
    """Number the rows of all shards, then copy them; in the writer's thread."""
    connection.execute("CREATE TEMP TABLE places (kind TEXT, shard INTEGER, number INTEGER, at REAL)")
    connection.execute(
        "CREATE TEMP TABLE numbers (kind TEXT, shard INTEGER, number INTEGER, now INTEGER, "
        "PRIMARY KEY (kind, shard, number)) WITHOUT ROWID"
    )
    try:
        for place, shard in enumerate(shards):
            with _attached(connection, shard):
                _check_rows(connection, shard)
                for table, at in _ORDERED.items():
                    connection.execute(
                        f"INSERT INTO places SELECT '{table}', ?, number, {at} + ? FROM shard.{table}",  # noqa: S608
                        (place, shard.offset_s),
                    )
                connection.commit()
        for table, number in first.items():
            connection.execute(
                "INSERT INTO numbers SELECT kind, shard, number, ? - 1 + row_number() OVER (ORDER BY at, shard, number)"
                " FROM places WHERE kind = ?",
                (number, table),
            )
        connection.commit()
        for place, shard in enumerate(shards):
            lost = {"failure": LOST_WITH_ITS_SENDER, "lost_at": shard.lost_at}
            given = {"shard": place, "offset": shard.offset_s, **lost}
            with _attached(connection, shard):
                for statement in _INSERT.values():
                    connection.execute(statement, given)
                connection.commit()
    except sqlite3.Error as error:
        connection.rollback()
        raise EnvironmentFailure(f"the journal {path} cannot be written: {error}", "is the disk full?") from error
    finally:
        connection.execute("DROP TABLE places")
        connection.execute("DROP TABLE numbers")
        connection.commit()


def _check_rows(connection: sqlite3.Connection, shard: ShardToMerge) -> None:
    for words, select in _FOREIGN.items():
        if (found := connection.execute(select).fetchone()) is not None:
            raise _unusable(shard, words.format(found[0]))


@contextmanager
def _attached(connection: sqlite3.Connection, shard: ShardToMerge) -> Iterator[None]:
    connection.execute("ATTACH ? AS shard", (str(shard.path),))
    try:
        yield
    finally:
        connection.rollback()  # of what was not committed, for a file that is in use cannot be detached
        connection.execute("DETACH shard")


@contextmanager
def _readable(shard: ShardToMerge) -> Iterator[None]:
    """EnvironmentFailure for a file that cannot be read as a shard."""
    try:
        yield
    except UsageError as error:
        raise _unusable(shard, error.message) from error
    except (sqlite3.Error, OSError) as error:
        raise _unusable(shard, str(error)) from error


def _unusable(shard: ShardToMerge, why: str) -> EnvironmentFailure:
    return EnvironmentFailure(f"the file of {shard.name} cannot be merged: {why}", f"it is {shard.path}, and is kept")
