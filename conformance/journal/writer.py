"""Writing the journal while the run goes on: callers hand things over, one thread commits them.

A row is handed over before the caller goes on (`sent`: before the request's bytes go out) and committed within
milliseconds, many rows at a time. A process that is killed loses the rows that were not committed by then.
"""

from __future__ import annotations

import itertools
import queue
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Self

from conformance.journal.earlier import holds_a_run, remove_results
from conformance.journal.locking import JournalLock
from conformance.journal.reader import read_journal
from conformance.journal.redaction import Redaction
from conformance.journal.rows import CREATE, INSERT, UNDECODABLE, UNSENT, VERSION, Row, Rows
from conformance.model.errors import ConformanceError, EnvironmentFailure, SuiteError, UsageError
from conformance.model.traffic import Case, Direction, Notification, Request, Response

# Rows per commit: enough to make its cost nothing, few enough to be committed within some ten milliseconds.
MAX_BATCH = 1000
# How long a commit waits for another program that locks the journal.
BUSY_TIMEOUT_S = 5.0

# The tables with numbers of their own, in the order of `Journal`'s counters.
NUMBERED = ("cases", "sent", "notifications", "notes", "messages")

_Entry = tuple[Callable[..., Row], tuple[Any, ...]]
"""Makes a row, and its arguments."""


@dataclass(slots=True)
class _Work:
    """Something else that is done with the file, between two commits."""

    do: Callable[[sqlite3.Connection], object]
    done: threading.Event = field(default_factory=threading.Event)
    error: BaseException | None = None


class Journal:
    """The journal of one run, open for writing; thread-safe, and only `flush` and `close` wait for the disk.

    Once the file cannot be written any more, every call raises EnvironmentFailure.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - the two ways to open one differ in all of these
        self,
        path: Path,
        connect: Callable[[], sqlite3.Connection],
        lock: JournalLock,
        rows: Rows,
        last: Sequence[int] = (0,) * len(NUMBERED),
        shift_s: float = 0.0,
    ) -> None:
        """Use `Journal.create` or `Journal.reopened`.

        `connect` opens the file, `last` are the last numbers of the tables `NUMBERED`, and `shift_s` is added to the
        times of this process's clock.
        """
        self.path = path
        self.spared = False
        """Whether it was closed without evidence, and left the results of an earlier run."""
        self._connect = connect
        self._connection: sqlite3.Connection | None = None
        self._lock = lock
        self._rows = rows
        self._shift_s = shift_s
        self._cases, self._exchanges, self._notifications, self._notes, self._messages = (
            itertools.count(number + 1) for number in last
        )
        self._queue: queue.SimpleQueue[_Entry | threading.Event | _Work | None] = queue.SimpleQueue()
        self._putting = threading.Lock()
        self._closed = False
        self._failure: ConformanceError | None = None
        self._written = threading.Event()

    @classmethod
    def create(
        cls, path: Path, settings: Mapping[str, Any], redaction: Redaction, *, spares_earlier: bool = False
    ) -> Self:
        """A new journal at `path`, its directory made if need be; replaces the journal and results of an earlier run.

        If it fails, these stay as they are. If it `spares_earlier`, it replaces them with the first traffic; without
        any they stay (`spared`).
        EnvironmentFailure if the directory cannot be written to or another run is writing to this journal;
        SuiteError if JSON cannot express the `settings`.
        """
        rows = Rows(redaction)
        settings_row = _checked("the settings", lambda: rows.setting("settings", settings))
        lock = JournalLock(path)
        journal = cls(path, partial(_new_database, path, settings_row), lock, rows)
        if not spares_earlier:
            try:
                journal._open()
            except BaseException:
                lock.release()
                raise
        return journal

    @classmethod
    def reopened(cls, path: Path, redaction: Redaction) -> Self:
        """An earlier journal, to be continued: numbers go on, and so do times.

        A monotonic clock begins anew with each start of the machine. So the times of this process are moved behind the
        last row with both times by as much as the wall clock has gone on. Both clocks agree unless the machine was
        started again or the wall clock set.
        UsageError if it is not a journal of this version; EnvironmentFailure as in `create`.
        """
        read_journal(path)  # its error describes a file that is not a journal
        lock = JournalLock(path)
        try:
            connection = _connected(path)
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            if version != VERSION:
                connection.close()
                lock.release()
                raise UsageError(f"{path} is a journal of version {version}, to which this version cannot add")
            numbers = [
                connection.execute(f"SELECT coalesce(max(number), 0) FROM {table}").fetchone()[0]  # noqa: S608 - constants
                for table in NUMBERED
            ]
            journal = cls(path, lambda: connection, lock, Rows(redaction), numbers, _shift(connection))
            journal._open()
        except (sqlite3.Error, OSError) as error:
            lock.release()
            raise EnvironmentFailure(
                f"the journal {path} cannot be written: {error}", "is it somebody else's, or the disk full?"
            ) from error
        return journal

    def time_of(self, at: float) -> float:
        """A moment of this process's monotonic clock as the journal has it."""
        return at + self._shift_s

    def protect(self, *values: str) -> None:
        """Redact these values, too, from here on."""
        with self._putting:
            self._rows = self._rows.protecting(*values)

    def plan(self, cases: Sequence[Case]) -> None:
        """Records the cases to be sent, in order. Ids must not have been planned before."""
        for case in cases:
            self._put_numbered(self._cases, self._rows.case, case)

    def sent(self, case_id: str, attempt: int, request: Request, at: float, wall: float) -> int:
        """Records a request that is about to go out; the number is that of the exchange from here on."""
        self._replace_earlier()
        return self._put_numbered(self._exchanges, self._rows.sent, case_id, attempt, request, self.time_of(at), wall)

    def answered(self, number: int, response: Response, at: float) -> None:
        """Records the answer to exchange `number`."""
        self._put(self._rows.answered, number, response, self.time_of(at))
        if response.undecodable is not None:
            self.note(UNDECODABLE, {"exchange": number, "remark": response.undecodable})

    def sent_beyond(self, number: int, beyond: bytes) -> None:
        """Records the beginning of the bytes that a server sent behind its answer to exchange `number`."""
        at, wall = self.time_of(time.monotonic()), time.time()
        self._put_numbered(self._notes, self._rows.beyond, number, beyond, at, wall)

    def failed(self, number: int, failure: str, at: float, *, unsent: bool = False) -> None:
        """Records in words why exchange `number` has no answer; `unsent`: its request was not sent after all."""
        self._put(self._rows.failed, number, failure, self.time_of(at))
        if unsent:
            self.note(UNSENT, {"exchange": number})

    def notified(self, product: str | None, request: Request, at: float, wall: float) -> Notification:
        """Records a request to the receiver. The value returned is not redacted: it is for the run alone."""
        self._replace_earlier()
        shifted = self.time_of(at)
        number = self._put_numbered(self._notifications, self._rows.notified, product, request, shifted, wall)
        return Notification(number, product, request, at, wall)

    def said(self, case_id: str | None, direction: Direction, line: str, *, cut: bool = False) -> None:
        """Records a line to or from the driver of a client, now; `case_id` is that of the current case, if any.

        `cut`: it is the beginning of one that was longer than `LONGEST_STDERR` bytes.
        """
        if case_id is not None:
            self._replace_earlier()
        at, wall = time.monotonic(), time.time()
        self._put_numbered(self._messages, partial(self._rows.said, cut=cut), case_id, direction, line, at, wall)

    def note(self, kind: str, detail: Mapping[str, Any]) -> None:
        """Records another event of this moment; SuiteError if JSON cannot express `detail`."""
        at, wall = self.time_of(time.monotonic()), time.time()
        _checked(f"the note {kind!r}", lambda: self._rows.note(0, kind, detail, at, wall))
        self._put_numbered(self._notes, self._rows.note, kind, dict(detail), at, wall)

    def unreadable(self, where: str, product: str | None, error: str, head: bytes) -> None:
        """Records the first bytes of an unreadable request, at the `receiver` or the `witness`, and the error."""
        self._replace_earlier()
        at, wall = self.time_of(time.monotonic()), time.time()
        detail = {"where": where, "product": product, "error": error}
        self._put_numbered(self._notes, self._rows.unreadable, detail, head, at, wall)

    def add_rows(self, more: Mapping[str, int], add: Callable[[sqlite3.Connection, Mapping[str, int]], object]) -> None:
        """Have `add` put rows of other files into tables, `more` of them by table, and wait for that.

        It gets the connection and the first number of its rows by table; rows of the run go on behind them. It commits
        by itself, in the writer's thread. Raises what `add` raises.
        """
        self._check()
        numbers = {"sent": self._exchanges, "notifications": self._notifications, "notes": self._notes}
        with self._putting:
            first = {table: next(numbers[table]) for table, count in more.items() if count}
            for table in first:
                deque(itertools.islice(numbers[table], more[table] - 1), maxlen=0)
            work = _Work(lambda connection: add(connection, first))
            self._enqueue(work)
        work.done.wait()
        if work.error is not None:
            raise work.error

    def flush(self) -> None:
        """Waits until everything recorded so far is committed."""
        self._check()
        committed = threading.Event()
        with self._putting:
            if self._closed or self._connection is None:
                return
            self._queue.put(committed)
        committed.wait()
        self._check()

    def close(self) -> None:
        """Commits all rows and closes the file; closing again does nothing. Raises as every call does."""
        with self._putting:
            if self._closed:
                return
            self._closed = True
            self.spared = self._connection is None and holds_a_run(self.path)
            try:
                if not self.spared:
                    self._open()
            except BaseException:
                self._lock.release()
                raise
            self._queue.put(None)
        if not self.spared:
            self._written.wait()
        self._lock.release()
        if self.spared:
            return
        self._check()
        if not self.path.exists():
            raise EnvironmentFailure(
                f"the journal {self.path} is gone: it was removed while the run went on",
                "name a directory that nobody tidies up with --report-dir",
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _put(self, to_row: Callable[..., Row], *arguments: Any) -> None:
        self._check()
        with self._putting:
            self._enqueue((to_row, arguments))

    def _put_numbered(self, numbers: itertools.count[int], to_row: Callable[..., Row], *arguments: Any) -> int:
        """Gives the row the next of `numbers`, so that nobody has to wait for the file."""
        self._check()
        with self._putting:
            number = next(numbers)
            self._enqueue((to_row, (number, *arguments)))
        return number

    def _enqueue(self, entry: _Entry | _Work) -> None:
        if self._closed:
            raise SuiteError(f"the journal {self.path} is closed, nothing can be added to it")
        self._queue.put(entry)

    def _replace_earlier(self) -> None:
        """Open the file, now that there is evidence to write. Raises as every call does."""
        if self._connection is None:
            with self._putting:
                self._open()

    def _open(self) -> None:
        """Open the file and start the writer, once. Raises EnvironmentFailure, as every later call does."""
        if self._connection is not None:
            return
        self._check()
        try:
            self._connection = self._connect()
        except (sqlite3.Error, OSError) as error:
            words = f"the journal {self.path} cannot be made: {error}"
            self._failure = EnvironmentFailure(words, "name another directory with --report-dir")
            raise self._failure from error
        threading.Thread(target=self._write, args=(self._connection,), name="journal", daemon=True).start()

    def _check(self) -> None:
        if self._failure is not None:
            raise type(self._failure)(self._failure.message, self._failure.hint) from self._failure.__cause__

    # From here on: the writer thread.

    def _write(self, connection: sqlite3.Connection) -> None:
        """Commits rows until the end; after a failure it only releases callers that wait."""
        try:
            with closing(connection):
                going_on = True
                while going_on:
                    going_on = self._write_batch(connection)
                # Leaves one file, which can be read in a read-only directory. Fails while another process reads it, or
                # when the disk is full.
                with suppress(sqlite3.Error):
                    connection.execute("PRAGMA journal_mode = DELETE")
        finally:
            self._written.set()

    def _write_batch(self, connection: sqlite3.Connection) -> bool:
        """Waits for the next row and commits it with all that came since; False after the last."""
        batch = [self._queue.get()]
        with suppress(queue.Empty):
            while isinstance(batch[-1], tuple | threading.Event) and len(batch) < MAX_BATCH:
                batch.append(self._queue.get_nowait())
        if self._failure is None:
            self._commit(connection, [entry for entry in batch if isinstance(entry, tuple)])
        for entry in batch:
            if isinstance(entry, threading.Event):
                entry.set()
        if isinstance(work := batch[-1], _Work):
            self._do(connection, work)
        return batch[-1] is not None  # None marks the end

    def _do(self, connection: sqlite3.Connection, work: _Work) -> None:
        try:
            if self._failure is None:
                work.do(connection)
        except BaseException as error:  # noqa: BLE001 - raised again by the caller
            connection.rollback()
            work.error = error
        finally:
            work.done.set()

    def _commit(self, connection: sqlite3.Connection, batch: Sequence[_Entry]) -> None:
        rows: dict[str, list[tuple[Any, ...]]] = {}
        try:
            for to_row, arguments in batch:
                table, row = to_row(*arguments)
                rows.setdefault(table, []).append(row)
            with connection:
                for table, added in rows.items():
                    connection.executemany(INSERT[table], added)
        except Exception as error:  # noqa: BLE001 - whatever it is, the next call raises it
            # A plain DatabaseError: the file was damaged behind our back. Its other subclasses are our own mistakes.
            if isinstance(error, (sqlite3.OperationalError, OSError)) or type(error) is sqlite3.DatabaseError:
                words = f"the journal {self.path} cannot be written: {error}"
                self._failure = EnvironmentFailure(words, "is the disk full?")
            else:
                self._failure = SuiteError(f"the journal {self.path} cannot take a row: {error!r}")
            self._failure.__cause__ = error


def _checked(subject: str, make_row: Callable[[], Row]) -> Row:
    """The row, made in the thread of the caller. SuiteError for values that JSON cannot express."""
    try:
        return make_row()
    except (TypeError, ValueError) as error:
        raise SuiteError(f"{subject} cannot be written as JSON: {error}") from error


def _new_database(path: Path, settings: Row) -> sqlite3.Connection:
    """An empty journal that holds the settings, in place of the file at `path`; the caller holds the lock.

    In WAL mode with synchronous = NORMAL a commit is handed to the operating system without waiting for the disk:
    a process that is killed loses nothing that it committed; a machine that loses power may lose the last commits,
    but never gets a broken file.
    """
    made = path.with_name(f"{path.name}-new")
    try:
        made.unlink(missing_ok=True)
        with closing(sqlite3.connect(made, isolation_level=None)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            for statement in CREATE:
                connection.execute(statement)
            table, row = settings
            connection.execute(INSERT[table], row)
            connection.execute("COMMIT")
        remove_results(path)
        made.replace(path)
    except BaseException:
        made.unlink(missing_ok=True)
        raise
    return _connected(path)


def _connected(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level="IMMEDIATE", check_same_thread=False)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
    except BaseException:
        connection.close()
        raise
    return connection


def _shift(connection: sqlite3.Connection) -> float:
    """Added to this process's monotonic clock, it goes on where that of the journal ended."""
    last = connection.execute("SELECT noted_wall - noted_at FROM notes ORDER BY number DESC LIMIT 1").fetchone()
    return float(time.time() - time.monotonic() - last[0]) if last else 0.0
