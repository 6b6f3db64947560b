"""Reading a journal back: while its run goes on, after it, or after it was killed.

    read_journal    the file as a Record, whose rows stay in the file until somebody goes through them
    read_evidence   the same of a file that anybody may have made
    Stored          one kind of rows as a sequence
    opened          the file, or a copy of it, if it has the tables that the suite makes and nothing else

A file may hold views in place of tables, triggers, computed columns: programs, which SQLite would run for whoever reads
them. So nothing is read but SQLite's own list of what is in the file, until that list is exactly the suite's.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
import tempfile
import weakref
from collections import Counter
from collections.abc import Callable, Collection, Container, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from copy import copy
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Generic, TypeVar, overload
from urllib.parse import quote

from conformance.contract.contract import Contract
from conformance.journal.record import UNDECODABLE, UNSENT, Attempt, Record
from conformance.journal.rows import (
    APPLICATION_ID,
    BEYOND,
    READABLE,
    VERSION,
    Note,
    attempt_of,
    case_of,
    exchange_of,
    layout,
    message_of,
    note_of,
    notification_of,
    value_of,
)
from conformance.journal.shapes import ROW_OF, check_settings
from conformance.model.errors import UsageError
from conformance.model.traffic import Case, Exchange

HINT = "name the journal.sqlite in the report directory of a run"

LONGEST_VALUE = 32 << 20
"""Bytes of a value, and of a row: twice what a body may have, for a redacted one may be longer than it was."""

LONGEST_SQL = 50_000
"""Bytes of a statement, in the file or ours; the longest that makes a table has some 300."""

_STEPS_FOR_STRUCTURE = 5_000
"""Steps of SQLite's machine within which it has read the list of what is in a file; that of a journal takes 300."""

_LIMITS = {
    sqlite3.SQLITE_LIMIT_LENGTH: LONGEST_VALUE,
    sqlite3.SQLITE_LIMIT_SQL_LENGTH: LONGEST_SQL,
    sqlite3.SQLITE_LIMIT_ATTACHED: 0,
}

# Of a file that somebody else made SQLite is to trust nothing; each of these it ignores where it does not know it.
_DISTRUST = ("trusted_schema = OFF", "cell_size_check = ON", "query_only = ON", "mmap_size = 0")

# Files of SQLite beside a database that is open, or was when its program was killed.
BESIDE = ("-wal", "-shm", "-journal")


@dataclass(frozen=True, slots=True)
class Opened:
    """A connection to a journal that has the structure of its `version`; it shows one moment of it."""

    connection: sqlite3.Connection
    version: int


def opened(path: Path, until: ExitStack) -> Opened:
    """The journal at `path`, which `until` closes.

    Beside a journal that was left open by a killed run SQLite needs a file of its own, which it cannot make in a
    read-only directory: then a copy is read. Raises UsageError for what is no journal that this version can read, and
    sqlite3.Error or OSError for what cannot be read at all.
    """
    _check_files(path)
    connection = until.enter_context(closing(_connected(path)))
    try:
        connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    except sqlite3.OperationalError as error:
        connection.close()
        if "interrupted" in str(error):
            raise UsageError(f"{path} holds far more tables than a journal has", HINT) from error
        connection = _copied(path, until)
    connection.execute("BEGIN")  # one moment for all tables, also while a run is writing
    version = _version(connection, path)
    _check_structure(connection, version, path)
    connection.set_progress_handler(None, 0)
    return Opened(connection, version)


def check_whole(connection: sqlite3.Connection, path: Path) -> None:
    """UsageError unless every page of the file belongs to one place; takes a second for each gigabyte.

    Pages that several tables share, or a page that is below itself, would make rows without end of a small file.
    """
    ((found,),) = connection.execute("PRAGMA quick_check(1)")
    if found != "ok":
        raise UsageError(f"the journal {path} is damaged: {' '.join(str(found).split())}", HINT)


def _check_files(path: Path) -> None:
    """UsageError unless it is a file, and what is beside it, too: nobody waits for a pipe, or reads a device."""
    if path.is_dir():
        raise UsageError(f"{path} is a directory, expected a journal", HINT)
    if not path.is_file():
        what = "is no file, expected a journal" if path.exists() else None
        raise UsageError(f"{path} {what}" if what else f"there is no journal {path}", HINT)
    for suffix in BESIDE:
        beside = path.with_name(path.name + suffix)
        if beside.exists() and not beside.is_file():
            raise UsageError(f"{beside} is no file; SQLite would read it as a part of the journal {path}", HINT)


def _copied(path: Path, until: ExitStack) -> sqlite3.Connection:
    copy = Path(until.enter_context(tempfile.TemporaryDirectory()), path.name)
    for suffix in ("", "-wal"):
        beside = path.with_name(path.name + suffix)
        if beside.exists():
            shutil.copyfile(beside, copy.with_name(copy.name + suffix))
    return until.enter_context(closing(_connected(copy)))


def _connected(path: Path) -> sqlite3.Connection:
    # Whichever thread drops the last reference closes it.
    connection = sqlite3.connect(f"file:{quote(str(path.absolute()))}?mode=ro", uri=True, check_same_thread=False)
    for limit, most in _LIMITS.items():
        connection.setlimit(limit, most)
    # The list itself may be without end; returning something true ends the statement.
    connection.set_progress_handler(lambda: 1, _STEPS_FOR_STRUCTURE)
    for pragma in _DISTRUST:
        connection.execute(f"PRAGMA {pragma}")
    return connection


def _version(connection: sqlite3.Connection, path: Path) -> int:
    """The journal's version; UsageError if it is none that can be read."""
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if application != APPLICATION_ID:
        raise UsageError(f"{path} is an SQLite file, but no journal of statum-conformance", HINT)
    if version not in READABLE:
        raise UsageError(
            f"{path} is a journal of version {version}, this version of statum-conformance reads version {VERSION}",
            "judge it with the version that wrote it",
        )
    return int(version)


def _check_structure(connection: sqlite3.Connection, version: int, path: Path) -> None:
    """UsageError unless the file holds the tables and triggers of that version, word for word, and nothing else."""
    found = Counter(connection.execute("SELECT type, name, tbl_name, sql FROM sqlite_schema"))
    expected = Counter(layout(version))
    known = {name for _, name, *_ in expected}
    faults = [
        f"the {kind} {name!r} is not the suite's" if name in known else f"it has the {kind} {name!r}"
        for kind, name, *_ in sorted(found - expected, key=str)
    ]
    # Where a table is missing, so are its triggers and indexes.
    faults += [f"it lacks the {kind} {name!r}" for kind, name, *_ in sorted(expected - found, reverse=True, key=str)]
    if faults:
        raise UsageError(f"{path} is not as the suite makes a journal of version {version}: {faults[0]:.200}", HINT)
    ((encoding,),) = connection.execute("PRAGMA encoding")
    if encoding != "UTF-8":
        raise UsageError(f"{path} is not as the suite makes a journal: its texts are in {encoding}, not UTF-8", HINT)


T = TypeVar("T")
Row = tuple[Any, ...]

_EXCHANGES = "sent LEFT JOIN answered USING (number)"
# Columns as `attempt_of` reads them.
_ATTEMPTS = """
    SELECT sent.*, status, http_version, answered.headers, answered.body, failure, answered_at, cases.*
    FROM sent LEFT JOIN answered USING (number) LEFT JOIN cases ON cases.id = sent.case_id"""
# The exchanges that were followed by another attempt at the same case.
_SUPERSEDED = """
    SELECT number FROM (SELECT number, max(number) OVER (PARTITION BY case_id) AS last FROM sent) WHERE number < last"""
MOST_NOTED = 2_000_000
"""Values in all notes of a journal; those of a run of 100,000 exchanges have some ten thousand."""
# Beyond a number, or of certain cases, whose ids are given as a JSON array.
_WHICH = "(number > ? OR {case} IN (SELECT value FROM json_each(?)))"


@dataclass(frozen=True, slots=True)
class Held:
    """How much a journal held at some moment: the numbers of its last rows."""

    cases: int = 0
    exchanges: int = 0
    notifications: int = 0


_ALL = Held()


class _Snapshot:
    """A journal as it was at one moment, read without being changed; closed when nobody refers to it any more."""

    def __init__(self, path: Path, *, whole: bool) -> None:
        self._path = path
        until = ExitStack()
        self._close = weakref.finalize(self, until.close)
        try:
            with self.readable():
                journal = opened(path, until)
                self._connection, self.version = journal.connection, journal.version
                if whole:
                    check_whole(self._connection, path)
        except BaseException:
            self._close()
            raise

    def rows(self, select: str, *parameters: object) -> Iterator[Row]:
        """The rows of a statement, one at a time; UsageError where the file turns out to be damaged."""
        with self.readable():
            yield from self._connection.execute(select, parameters)

    @contextmanager
    def readable(self) -> Iterator[None]:
        """UsageError for whatever shows that the file cannot be read as a journal."""
        try:
            yield
        except sqlite3.Error as error:
            raise UsageError(f"{self._path} cannot be read as a journal: {error}", HINT) from error
        except (ValueError, TypeError) as error:
            raise UsageError(f"the journal {self._path} is damaged: {error}", HINT) from error
        except OSError as error:
            raise UsageError(f"the journal {self._path} cannot be read: {error.strerror}", HINT) from error


class Stored(Sequence[T], Generic[T]):
    """The rows of one kind, or a slice of them, made into values each time that they are gone through, in their order.

    Equal to any sequence of equal values. A single one is found by counting from the first.
    """

    def __init__(
        self, snapshot: _Snapshot, table: str, value_of: Callable[[Row], T], which: str, *given: object
    ) -> None:
        self._snapshot = snapshot
        rows = f"FROM {table} WHERE {which}"  # the words stand below
        self._select = f"SELECT * {rows} ORDER BY number"
        self._given = given
        self._value_of = value_of
        ((length,),) = snapshot.rows(f"SELECT count(*) {rows}", *given)
        self._places = range(length)

    def __len__(self) -> int:
        return len(self._places)

    def __iter__(self) -> Iterator[T]:
        return self._values(self._places)

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[T]: ...
    def __getitem__(self, index: int | slice) -> T | Sequence[T]:
        places = self._places[index]
        if isinstance(places, int):
            return next(self._values(range(places, places + 1)))
        if places.step != 1:
            return tuple(self)[index]
        part = copy(self)
        part._places = places  # noqa: SLF001 - a copy of its own
        return part

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence) or len(self) != len(other):
            return NotImplemented
        return all(mine == its for mine, its in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment]  # what it is equal to may be a list

    def __repr__(self) -> str:
        return f"<{len(self)} rows of a journal>"

    def _values(self, places: range) -> Iterator[T]:
        select = f"{self._select} LIMIT {len(places)} OFFSET {places.start}"
        with self._snapshot.readable():
            yield from map(self._value_of, self._snapshot.rows(select, *self._given))


@dataclass(frozen=True, slots=True, eq=False)
class _StoredRecord(Record):
    """A Record that has the database find what belongs together."""

    snapshot: _Snapshot = field(kw_only=True)
    which: tuple[int, str] = field(kw_only=True, default=(0, "[]"))
    restored: Callable[[Exchange], Exchange] = field(kw_only=True)
    commands: Container[str] | None = field(kw_only=True, default=None)

    def attempts(self) -> Iterator[Attempt]:
        """As Record has it; UsageError, too, for a case that was never planned."""
        superseded = frozenset(number for (number,) in self.snapshot.rows(_SUPERSEDED))
        with self.snapshot.readable():
            which = _WHICH.format(case="sent.case_id").replace("number", "sent.number")
            for row in self.snapshot.rows(f"{_ATTEMPTS} WHERE {which} ORDER BY sent.number", *self.which):
                exchange, case = attempt_of(row, self.commands)
                if case is None:
                    raise ValueError(f"exchange {exchange.number} is of {exchange.case_id!r}, which was never planned")
                yield case, self.restored(exchange), exchange.number not in superseded

    def exchanges_numbered(self, numbers: Collection[int]) -> dict[int, tuple[Case | None, Exchange]]:
        """As Record has it."""
        with self.snapshot.readable():
            found = (
                row for n in sorted(numbers) for row in self.snapshot.rows(f"{_ATTEMPTS} WHERE sent.number = ?", n)
            )
            attempts = (attempt_of(row, self.commands) for row in found)
            return {exchange.number: (case, self.restored(exchange)) for exchange, case in attempts}


def read_journal(path: Path, after: Held = _ALL, beside: Collection[str] = ()) -> Record:
    """The content of the journal at `path` at this moment; the file is not changed.

    Or only what it holds beyond `after`, and the exchanges of the cases with the ids `beside`.

    The rows are read, each time, when they are gone through; what is added to the file later, or put in its place, does
    not show. UsageError, with what is there instead, if it is no journal that this version can read; also from going
    through rows that prove to be damaged.
    """
    return _recorded(path, after, beside)


def read_evidence(path: Path, contract: Contract) -> Record:
    """As `read_journal`, of a file that somebody else may have made: UsageError, too, for what a run never leaves.

    Each page of the file is looked at once, so that its rows are no more than it has room for; and the settings are all
    there that judging rests on. UsageError for the journal of a run by another contract: it can be read by that alone.
    """
    return _recorded(path, _ALL, (), contract)


def _recorded(path: Path, after: Held, beside: Collection[str], contract: Contract | None = None) -> Record:
    whole = contract is not None
    snapshot = _Snapshot(path, whole=whole)
    ids = json.dumps(list(beside))
    with snapshot.readable():
        settings = _settings(snapshot, whole=whole)
        commands = None if contract is None else frozenset(contract.names)
        if contract is not None:
            contract.check_recorded(settings, f"the journal {path}")
            if unknown := next((name for name in settings["commands"] if name not in (commands or ())), None):
                raise ValueError(f"its run exercised the command {unknown!r:.40}, which there is not")
        notes = tuple(Stored(snapshot, "notes", _counting_notes(), "true"))
        restored = _restoring(notes)
        return _StoredRecord(
            settings=settings,
            cases=Stored(
                snapshot, "cases", lambda row: case_of(row, commands), _WHICH.format(case="id"), after.cases, ids
            ),
            exchanges=Stored(
                snapshot,
                _EXCHANGES,
                lambda row: restored(exchange_of(row)),
                _WHICH.format(case="case_id"),
                after.exchanges,
                ids,
            ),
            notifications=Stored(snapshot, "notifications", notification_of, "number > ?", after.notifications),
            notes=notes,
            messages=Stored(snapshot, "messages", message_of, "true") if snapshot.version > 1 else (),
            snapshot=snapshot,
            which=(after.exchanges, ids),
            restored=restored,
            commands=commands,
        )


def _counting_notes() -> Callable[[Row], Note]:
    """As `note_of`; ValueError once all notes, the only rows that are all in memory at once, hold too many values."""
    values = 0

    def counted(row: Row) -> Note:
        nonlocal values
        note = note_of(row)
        values += row[2].count(",") + 1
        if values > MOST_NOTED:
            raise ValueError(f"its notes hold more than {MOST_NOTED:,} values")
        return note

    return counted


def _settings(snapshot: _Snapshot, *, whole: bool) -> dict[str, Any]:
    rows = list(snapshot.rows("SELECT key, value FROM meta WHERE key = 'settings' LIMIT 2"))
    if len(rows) != 1:
        raise ValueError(f"it has the settings of {len(rows)} runs")
    ROW_OF["setting"].check(rows[0])
    settings: dict[str, Any] = value_of(rows[0][1])
    check_settings(settings, whole=whole)
    return settings


def _restoring(notes: Sequence[Note]) -> Callable[[Exchange], Exchange]:
    """Gives an exchange back what the notes tell of it."""
    remarks = {note.detail["exchange"]: note.detail["remark"] for note in notes if note.kind == UNDECODABLE}
    beyond = {note.detail["exchange"]: note.detail["sent"] for note in notes if note.kind == BEYOND}
    unsent = {note.detail["exchange"] for note in notes if note.kind == UNSENT}

    def restored(exchange: Exchange) -> Exchange:
        if exchange.number in unsent:
            return replace(exchange, unsent=True)
        remark, more = remarks.get(exchange.number), beyond.get(exchange.number)
        if exchange.response is None or (remark is None and more is None):
            return exchange
        return replace(exchange, response=replace(exchange.response, undecodable=remark, beyond=more))

    return restored
