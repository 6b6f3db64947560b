"""Writing the journal while the run goes on: callers hand things over, one thread commits them.

    Journal.create      a new journal in place of the one of an earlier run, whose results are taken away first
    Journal.reopened    an earlier journal, to which is added
    .plan .sent .answered .failed .notified .said .note .unreadable    what happened, in the order in which it is told
    .protect            from here on, without these values either
    .flush .close       wait until it is in the file
    JournalLock         one run at a time writes a journal

A row is handed over before the caller goes on (`sent`: before the request's bytes go out) and committed within
milliseconds, many rows at a time. A process that is killed loses what was not committed by then, nothing else.
"""

from __future__ import annotations

import fcntl
import itertools
import os
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from conformance.journal.reader import read_journal
from conformance.journal.record import UNDECODABLE, UNSENT
from conformance.journal.redaction import Redaction
from conformance.journal.rows import CREATE, INSERT, VERSION, Row, Rows
from conformance.model.errors import ConformanceError, EnvironmentFailure, SuiteError, UsageError
from conformance.model.traffic import Case, Direction, Notification, Request, Response


class JournalLock:
    """An advisory lock on the file `<journal>-lock`, which the operating system drops when its holder dies.

    A file of its own, because closing any descriptor of a database file would drop the locks that SQLite holds on it.
    """

    def __init__(self, journal: Path) -> None:
        """Takes the lock, in a directory that is made if need be.

        EnvironmentFailure if another run holds it or the directory cannot be made or written to.
        """
        self._path = journal.with_name(journal.name + "-lock")
        try:
            journal.parent.mkdir(parents=True, exist_ok=True)
            self._descriptor = self._locked(journal)
        except OSError as error:
            raise EnvironmentFailure(
                f"the report directory {journal.parent} cannot be written to: {error.strerror}",
                "name another one with --report-dir",
            ) from error

    def _locked(self, journal: Path) -> int:
        while True:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o666)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if self._is_current(descriptor):
                    return descriptor
            except BlockingIOError as error:
                os.close(descriptor)
                raise EnvironmentFailure(
                    f"another run is writing to {journal}", "wait for it, or name another directory with --report-dir"
                ) from error
            except OSError:
                os.close(descriptor)
                raise
            os.close(descriptor)

    def _is_current(self, descriptor: int) -> bool:
        """Whether the locked file is still the one by that name: a holder that ends takes its file away."""
        try:
            return os.path.samestat(self._path.stat(), os.fstat(descriptor))
        except FileNotFoundError:
            return False

    def release(self) -> None:
        """Gives the lock up and removes its file."""
        self._path.unlink(missing_ok=True)
        os.close(self._descriptor)


# By name, as whoever is to read them expects them; `conformance.reports.files` has what makes them.
RESULTS = (
    "report.json",
    "junit.xml",
    "report.sarif",
    "summary.md",
    "traffic.har",
    "report.html",
    "certificate.json",
)
# A folder that may hold what others have left for Allure, and how the names of our own files begin.
ALLURE_RESULTS = "allure-results"
ALLURE_PREFIX = "statum-conformance-"


def take_away_results(directory: Path) -> None:
    """Remove what runs have left in `directory`, but for the journal. Raises OSError for what cannot be removed."""
    for name in RESULTS:
        (directory / name).unlink(missing_ok=True)
    for path in (directory / ALLURE_RESULTS).glob(f"{ALLURE_PREFIX}*"):
        path.unlink(missing_ok=True)


MAX_BATCH = 1000
"""Rows per commit: enough to make its cost nothing, few enough to be committed within some ten milliseconds."""

BUSY_TIMEOUT_S = 5.0
"""How long a commit waits for somebody who looks at the journal with a tool that locks it."""

_Told = tuple[Callable[..., Row], tuple[Any, ...]]


class Journal:
    """The journal of one run, open for writing; thread-safe, and only `flush` and `close` wait for the disk.

    Once the file cannot be written any more, every call raises EnvironmentFailure.
    """

    def __init__(
        self, path: Path, connection: sqlite3.Connection, lock: JournalLock, rows: Rows, shift_s: float = 0.0
    ) -> None:
        """Use `Journal.create` or `Journal.reopened`; `shift_s` is added to the times of this process's clock."""
        self.path = path
        self._connection = connection
        self._lock = lock
        self._rows = rows
        self._shift_s = shift_s
        self._cases, self._exchanges, self._notifications, self._notes, self._messages = (
            itertools.count(last + 1) for last in _last_numbers(connection)
        )
        self._queue: queue.SimpleQueue[_Told | threading.Event | None] = queue.SimpleQueue()
        self._telling = threading.Lock()
        self._closed = False
        self._failure: ConformanceError | None = None
        self._written = threading.Event()
        threading.Thread(target=self._write, name="journal", daemon=True).start()

    @classmethod
    def create(cls, path: Path, settings: Mapping[str, Any], redaction: Redaction) -> Self:
        """A new journal at `path`, its directory made if need be; the journal of an earlier run is replaced.

        What cannot be made leaves that one, and what was made of it, as they are.
        EnvironmentFailure if the directory cannot be written to or another run is writing to this journal;
        SuiteError if JSON cannot say the `settings`.
        """
        rows = Rows(redaction)
        settings_row = _sayable("the settings", lambda: rows.setting("settings", settings))
        lock = JournalLock(path)
        try:
            return cls(path, _new_database(path, settings_row), lock, rows)
        except (sqlite3.Error, OSError) as error:
            lock.release()
            raise EnvironmentFailure(
                f"the journal {path} cannot be made: {error}", "name another directory with --report-dir"
            ) from error
        except BaseException:
            lock.release()
            raise

    @classmethod
    def reopened(cls, path: Path, redaction: Redaction) -> Self:
        """An earlier journal, to which is added from here on: numbers go on, and so do times.

        A monotonic clock begins anew with each start of the machine. So what this process reads off its own is put
        where it belongs by the wall clock: behind the last row with both by as much as the wall clock has gone on. As
        long as the machine has not been started again, both clocks agree but for what somebody set.
        UsageError if it is no journal of this version; EnvironmentFailure as in `create`.
        """
        read_journal(path)  # says what is there instead
        lock = JournalLock(path)
        try:
            connection = _connected(path)
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            if version != VERSION:
                connection.close()
                lock.release()
                raise UsageError(f"{path} is a journal of version {version}, to which this version cannot add")
            return cls(path, connection, lock, Rows(redaction), _shift(connection))
        except (sqlite3.Error, OSError) as error:
            lock.release()
            raise EnvironmentFailure(
                f"the journal {path} cannot be written: {error}", "is it somebody else's, or the disk full?"
            ) from error

    def time_of(self, at: float) -> float:
        """A moment of this process's monotonic clock as the journal has it."""
        return at + self._shift_s

    def protect(self, *values: str) -> None:
        """Redact these values, too, in everything that is recorded from here on."""
        with self._telling:
            self._rows = self._rows.protecting(*values)

    def plan(self, cases: Sequence[Case]) -> None:
        """Records what is going to be sent, in order. Ids must not have been planned before."""
        for case in cases:
            self._tell_numbered(self._cases, self._rows.case, case)

    def sent(self, case_id: str, attempt: int, request: Request, at: float, wall: float) -> int:
        """Records a request that is about to go out; the number is that of the exchange from here on."""
        return self._tell_numbered(self._exchanges, self._rows.sent, case_id, attempt, request, self.time_of(at), wall)

    def answered(self, number: int, response: Response, at: float) -> None:
        """Records the answer to exchange `number`."""
        self._tell(self._rows.answered, number, response, self.time_of(at))
        if response.undecodable is not None:
            self.note(UNDECODABLE, {"exchange": number, "remark": response.undecodable})

    def sent_beyond(self, number: int, beyond: bytes) -> None:
        """Records that a server sent on after its answer to exchange `number`, and how that begins."""
        at, wall = self.time_of(time.monotonic()), time.time()
        self._tell_numbered(self._notes, self._rows.beyond, number, beyond, at, wall)

    def failed(self, number: int, failure: str, at: float, *, unsent: bool = False) -> None:
        """Records in words why exchange `number` has no answer; `unsent`: its request was not sent after all."""
        self._tell(self._rows.failed, number, failure, self.time_of(at))
        if unsent:
            self.note(UNSENT, {"exchange": number})

    def notified(self, product: str | None, request: Request, at: float, wall: float) -> Notification:
        """Records a request to the receiver. The value returned is not redacted: it is for the run alone."""
        told = product, request, self.time_of(at), wall
        number = self._tell_numbered(self._notifications, self._rows.notified, *told)
        return Notification(number, product, request, at, wall)

    def said(self, case_id: str | None, direction: Direction, line: str, *, cut: bool = False) -> None:
        """Records a line to or from the driver of a client, now; `case_id` is that of the case at hand, if any.

        `cut`: it is the beginning of one that was longer than `LONGEST_STDERR` bytes.
        """
        at, wall = time.monotonic(), time.time()
        self._tell_numbered(self._messages, partial(self._rows.said, cut=cut), case_id, direction, line, at, wall)

    def note(self, kind: str, detail: Mapping[str, Any]) -> None:
        """Records something else that happened now; SuiteError if JSON cannot say `detail`."""
        at, wall = self.time_of(time.monotonic()), time.time()
        _sayable(f"the note {kind!r}", lambda: self._rows.note(0, kind, detail, at, wall))
        self._tell_numbered(self._notes, self._rows.note, kind, dict(detail), at, wall)

    def unreadable(self, where: str, product: str | None, error: str, head: bytes) -> None:
        """Records bytes at the `receiver` or the `witness` that are not a request: why not, and the first of them."""
        at, wall = self.time_of(time.monotonic()), time.time()
        detail = {"where": where, "product": product, "error": error}
        self._tell_numbered(self._notes, self._rows.unreadable, detail, head, at, wall)

    def flush(self) -> None:
        """Waits until everything recorded so far is committed."""
        self._check()
        committed = threading.Event()
        with self._telling:
            if self._closed:
                return
            self._queue.put(committed)
        committed.wait()
        self._check()

    def close(self) -> None:
        """Commits what was recorded and closes the file; closing again does nothing. Raises as every call does."""
        with self._telling:
            if self._closed:
                return
            self._closed = True
            self._queue.put(None)
        self._written.wait()
        self._lock.release()
        self._check()
        if not self.path.exists():
            raise EnvironmentFailure(
                f"the journal {self.path} is gone: it was removed while the run went on",
                "name a directory that nobody tidies up with --report-dir",
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _tell(self, to_row: Callable[..., Row], *told: Any) -> None:
        self._check()
        with self._telling:
            self._put((to_row, told))

    def _tell_numbered(self, numbers: itertools.count[int], to_row: Callable[..., Row], *told: Any) -> int:
        """Tells it under the next of `numbers`, which is handed out here so that nobody has to wait for the file."""
        self._check()
        with self._telling:
            number = next(numbers)
            self._put((to_row, (number, *told)))
        return number

    def _put(self, told: _Told) -> None:
        if self._closed:
            raise SuiteError(f"the journal {self.path} is closed, nothing can be added to it")
        self._queue.put(told)

    def _check(self) -> None:
        if self._failure is not None:
            raise type(self._failure)(self._failure.message, self._failure.hint) from self._failure.__cause__

    # From here on: the writer thread.

    def _write(self) -> None:
        """Commits rows until the end; after a failure it only releases callers that wait."""
        try:
            with closing(self._connection):
                going_on = True
                while going_on:
                    going_on = self._write_batch()
                # One file is left, which can be read where nothing can be written. It stays as it is for somebody who
                # is reading it at this moment, or when the disk is full.
                with suppress(sqlite3.Error):
                    self._connection.execute("PRAGMA journal_mode = DELETE")
        finally:
            self._written.set()

    def _write_batch(self) -> bool:
        """Commits what has come in; False if that was the last."""
        batch = self._batch()
        if self._failure is None:
            self._commit([told for told in batch if isinstance(told, tuple)])
        for told in batch:
            if isinstance(told, threading.Event):
                told.set()
        return batch[-1] is not None

    def _batch(self) -> list[_Told | threading.Event | None]:
        """Waits for the next row and takes all that came in since. None, the end, is always the last."""
        batch = [self._queue.get()]
        with suppress(queue.Empty):
            while batch[-1] is not None and len(batch) < MAX_BATCH:
                batch.append(self._queue.get_nowait())
        return batch

    def _commit(self, batch: Sequence[_Told]) -> None:
        rows: dict[str, list[tuple[Any, ...]]] = {}
        try:
            for to_row, told in batch:
                table, row = to_row(*told)
                rows.setdefault(table, []).append(row)
            with self._connection:
                for table, added in rows.items():
                    self._connection.executemany(INSERT[table], added)
        except Exception as error:  # noqa: BLE001 - whatever it is, the next caller is told
            self._failure = self._described(error)
            self._failure.__cause__ = error

    def _described(self, error: Exception) -> ConformanceError:
        # A plain DatabaseError: the file was damaged behind our back. Its other subclasses are our own mistakes.
        if isinstance(error, (sqlite3.OperationalError, OSError)) or type(error) is sqlite3.DatabaseError:
            return EnvironmentFailure(f"the journal {self.path} cannot be written: {error}", "is the disk full?")
        return SuiteError(f"the journal {self.path} cannot take a row: {error!r}")


def _sayable(what: str, make_row: Callable[[], Row]) -> Row:
    """The row, made in the thread of the caller, who learns of values that JSON cannot say."""
    try:
        return make_row()
    except (TypeError, ValueError) as error:
        raise SuiteError(f"{what} cannot be written as JSON: {error}") from error


def _new_database(path: Path, settings: Row) -> sqlite3.Connection:
    """An empty journal that holds the settings, in place of what was at `path`; the caller holds the lock.

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
        take_away_results(path.parent)
        for suffix in ("-wal", "-shm", "-journal"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)
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


def _last_numbers(connection: sqlite3.Connection) -> list[int]:
    """The last number of each kind of rows; 0 where there are none."""
    tables = ("cases", "sent", "notifications", "notes", "messages")
    return [connection.execute(f"SELECT coalesce(max(number), 0) FROM {table}").fetchone()[0] for table in tables]  # noqa: S608 - the names stand above


def _shift(connection: sqlite3.Connection) -> float:
    """What has to be added to this process's monotonic clock so that it goes on where that of the journal ended."""
    last = connection.execute("SELECT noted_wall - noted_at FROM notes ORDER BY number DESC LIMIT 1").fetchone()
    return float(time.time() - time.monotonic() - last[0]) if last else 0.0
