"""Waiting for the notifications that are owed, once for all of them, asked of the files of workers and receivers.

Which notification belongs to which request is a join on the id, in a database beside those files: memory stays flat,
whatever the load. The ledger of an ordinary run holds each id in memory, and hears each answer; here other processes
do. Each file is read once, and that of a receiver on from its last row.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from conformance.contract.contract import Contract
from conformance.load.shards import WorkerShard
from conformance.model.errors import EnvironmentFailure
from conformance.wire.ledger import MAX_QUIET_S, QUIET_WINDOW_S, Settled

# How long to wait before the files are read again although no receiver has told of more.
LOOK_AGAIN_S = 1.0

# A member of a body; NULL for a body that is no JSON object. A BLOB is not JSON to SQLite.
_MEMBER = "iif(json_valid(CAST({0} AS TEXT)), json_extract(CAST({0} AS TEXT), {1}), NULL)"
_ACCEPTED = f"""
    INSERT INTO owed SELECT id, count(*), max(due) FROM (
        SELECT CAST({_MEMBER.format("a.body", ":id")} AS TEXT) AS id, {_MEMBER.format("a.body", ":code")} AS code,
            a.status AS status, a.answered_at + :later AS due
        FROM file.answered AS a JOIN file.sent AS s USING (number)
        WHERE NOT EXISTS (SELECT 1 FROM json_each(:without) AS w WHERE s.url LIKE '%/' || w.value)
    )
    WHERE id IS NOT NULL AND iif(typeof(code) = 'integer', code, status) = :success GROUP BY id
    ON CONFLICT (id) DO UPDATE SET times = times + excluded.times, due = max(due, excluded.due)"""  # noqa: S608 - all from here
_COUNTED = f"""
    SELECT count(*) FROM (
        SELECT {_MEMBER.format("body", ":code")} AS code, status FROM file.answered
    ) WHERE iif(typeof(code) = 'integer', code, status) = :success"""  # noqa: S608 - all from here
_ARRIVED = f"""
    UPDATE owed SET times = times - come.count FROM (
        SELECT CAST({_MEMBER.format("body", ":id")} AS TEXT) AS id, count(*) AS count
        FROM file.notifications WHERE number > :begun AND number <= :last GROUP BY 1
    ) AS come WHERE come.id = owed.id"""  # noqa: S608 - all from here
_TABLES = """
    CREATE TABLE owed (id TEXT PRIMARY KEY, times INTEGER, due REAL) WITHOUT ROWID;
    CREATE INDEX outstanding ON owed (due, times) WHERE times > 0;"""


@dataclass(slots=True)
class Settling:
    """What is owed and what has come, in a database at `path`, which is made anew and removed by `close`.

    `patience_s`: for so long after its answer a notification is awaited. Times are those of the journal's clock.
    `accepted`: how many requests were, also of commands that nothing follows; `owed`, `arrived`: notifications.
    Raises EnvironmentFailure where a file cannot be read or written.
    """

    path: Path
    contract: Contract
    patience_s: float
    accepted: int = 0
    owed: int = 0
    arrived: int = 0
    _connection: sqlite3.Connection = field(init=False)
    _read_to: dict[Path, int] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        """Make the database."""
        self.path.unlink(missing_ok=True)
        with _usable(self.path):
            self._connection = sqlite3.connect(self.path, isolation_level=None)
            self._connection.execute("PRAGMA journal_mode = OFF")
            self._connection.execute("PRAGMA synchronous = OFF")
            self._connection.executescript(_TABLES)

    def close(self) -> None:
        """Remove it."""
        self._connection.close()
        self.path.unlink(missing_ok=True)

    def owe(self, shard: WorkerShard) -> None:
        """Expect a notification for each accepted request in the file of a worker that has ended."""
        answer = self.contract.answer
        given = {
            "id": f'$."{answer.id}"',
            "code": f'$."{answer.code}"',
            "success": answer.success,
            "later": shard.offset_s + self.patience_s,
            "without": json.dumps([name for name, c in self.contract.commands.items() if c.product is None]),
        }
        with self._attached(shard.path):
            self._connection.execute(_ACCEPTED, given)
            self.accepted += int(self._connection.execute(_COUNTED, given).fetchone()[0])
        self.owed = self._count("SELECT coalesce(sum(times), 0) FROM owed")

    def take(self, file: Path) -> int:
        """Take the notifications in the file of a receiver, or in the journal, beyond those taken before; how many.

        After all calls of `owe`.
        """
        begun = self._read_to.get(file, 0)
        with self._attached(file):
            last = self._count("SELECT coalesce(max(number), 0) FROM file.notifications")
            given = {"id": f'$."{self.contract.notification.id}"', "begun": begun, "last": last}
            if last > begun:
                self._connection.execute(_ARRIVED, given)
        self._read_to[file] = last
        return last - begun

    def wait(
        self,
        files: Callable[[], Sequence[Path]],
        more: Callable[[float], object],
        now: Callable[[], float],
        on_look: Callable[[int, int], object] = lambda *_: None,
    ) -> Settled:
        """Wait until all that is owed has come to one of the `files`, or its time is over; then for one quiet window.

        `more` waits until a receiver has more, for at most so many seconds; `now` is the journal's clock; `on_look` is
        called with how many have arrived and how many are outstanding.
        """
        began = last_arrival = now()
        settled_at: float | None = None
        while True:
            taken = sum(self.take(file) for file in files())
            outstanding, at = self.outstanding, now()
            self.arrived += taken
            on_look(self.arrived, outstanding)
            last_arrival = at if taken else last_arrival
            if outstanding:
                quiet_from = max(began, self.deadline)
            else:
                quiet_from = settled_at = at if settled_at is None else settled_at
            end = min(max(quiet_from, last_arrival) + QUIET_WINDOW_S, quiet_from + MAX_QUIET_S)
            if at >= end:
                return Settled(self.owed, self.owed - outstanding, outstanding, at - began)
            more(min(end - at, LOOK_AGAIN_S))

    @property
    def outstanding(self) -> int:
        """How many of the owed notifications have not come."""
        return self._count("SELECT coalesce(sum(times), 0) FROM owed WHERE times > 0")

    @property
    def deadline(self) -> float:
        """When the time of the last outstanding one is over; -inf if none is."""
        found = self._connection.execute("SELECT max(due) FROM owed WHERE times > 0").fetchone()[0]
        return float("-inf") if found is None else float(found)

    def _count(self, select: str) -> int:
        return int(self._connection.execute(select).fetchone()[0])

    @contextmanager
    def _attached(self, path: Path) -> Iterator[None]:
        with _usable(path):
            self._connection.execute("ATTACH ? AS file", (str(path),))
            try:
                yield
            finally:
                self._connection.execute("DETACH file")


@contextmanager
def _usable(path: Path) -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise EnvironmentFailure(f"{path} cannot be used: {error}", "is the disk full?") from error
