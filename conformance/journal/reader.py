"""Reading a journal back: while its run goes on, after it, or after it was killed.

A file may hold views in place of tables, triggers, computed columns: programs, which SQLite would run for every reader.
So the reader first compares SQLite's own list of the file's content with that of the suite, and reads nothing else
until the two are equal.
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
from functools import partial
from pathlib import Path
from typing import Any, Generic, TypeVar, overload
from urllib.parse import quote

from conformance.contract.contract import Contract
from conformance.journal.rows import (
    APPLICATION_ID,
    BEYOND,
    READABLE,
    UNDECODABLE,
    UNSENT,
    VERSION,
    Attempt,
    Note,
    Record,
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

# Bytes of a value, and of a row: twice the limit of a body, for redaction may make one longer.
LONGEST_VALUE = 32 << 20
# Bytes of a statement, in the file or ours; the longest that makes a table has some 300.
LONGEST_SQL = 50_000
# Steps of SQLite's machine for reading the list of a file's content; that of a journal takes 300.
_STEPS_FOR_STRUCTURE = 5_000

_LIMITS = {
    sqlite3.SQLITE_LIMIT_LENGTH: LONGEST_VALUE,
    sqlite3.SQLITE_LIMIT_SQL_LENGTH: LONGEST_SQL,
    sqlite3.SQLITE_LIMIT_ATTACHED: 0,
}

# SQLite is to trust nothing in a file that somebody else made; it ignores pragmas that it does not know.
_DISTRUST = ("trusted_schema = OFF", "cell_size_check = ON", "query_only = ON", "mmap_size = 0")

# Files of SQLite beside a database that is open, or was when its program was killed.
BESIDE = ("-wal", "-shm", "-journal")


def _opened(path: Path, until: ExitStack, *, whole: bool) -> tuple[sqlite3.Connection, int]:
    """One moment of the journal at `path`, which `until` closes, and its version; `whole`: check all of its pages.

    Beside a journal that was left open by a killed run SQLite needs a file of its own, which it cannot make in a
    read-only directory: then a copy is read. Raises UsageError if it is not a journal that this version can read, and
    sqlite3.Error or OSError if the file cannot be read at all.
    """
    _check_files(path)
    connection = until.enter_context(closing(_connected(path)))
    try:
        connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    except sqlite3.OperationalError as error:
        connection.close()
        if "interrupted" in str(error):
            raise UsageError(f"{path} holds far more tables than a journal has", HINT) from error
        copied = Path(until.enter_context(tempfile.TemporaryDirectory()), path.name)
        for suffix in ("", "-wal"):
            beside = path.with_name(path.name + suffix)
            if beside.exists():
                shutil.copyfile(beside, copied.with_name(copied.name + suffix))
        connection = until.enter_context(closing(_connected(copied)))
    connection.execute("BEGIN")  # one moment for all tables, also while a run is writing
    version = _version(connection, path)
    _check_structure(connection, version, path)
    connection.set_progress_handler(None, 0)
    if whole:
        # Pages that several tables share, or a page below itself, would turn a small file into endless rows. Checking
        # takes a second for each gigabyte.
        ((found,),) = connection.execute("PRAGMA quick_check(1)")
        if found != "ok":
            raise UsageError(f"the journal {path} is damaged: {' '.join(str(found).split())}", HINT)
    return connection, version


def _check_files(path: Path) -> None:
    """UsageError unless it and the files beside it are plain files: no pipe to wait for, no device to read."""
    if path.is_dir():
        raise UsageError(f"{path} is a directory, expected a journal", HINT)
    if not path.is_file():
        what = "is not a file, expected a journal" if path.exists() else None
        raise UsageError(f"{path} {what}" if what else f"there is no journal {path}", HINT)
    for suffix in BESIDE:
        beside = path.with_name(path.name + suffix)
        if beside.exists() and not beside.is_file():
            raise UsageError(f"{beside} is not a file; SQLite would read it as a part of the journal {path}", HINT)


def _connected(path: Path) -> sqlite3.Connection:
    # The thread that drops the last reference closes it.
    connection = sqlite3.connect(f"file:{quote(str(path.absolute()))}?mode=ro", uri=True, check_same_thread=False)
    for limit, most in _LIMITS.items():
        connection.setlimit(limit, most)
    # The list itself may be endless; a true value ends the statement.
    connection.set_progress_handler(lambda: 1, _STEPS_FOR_STRUCTURE)
    for pragma in _DISTRUST:
        connection.execute(f"PRAGMA {pragma}")
    return connection


def _version(connection: sqlite3.Connection, path: Path) -> int:
    """The journal's version; UsageError if this release cannot read it."""
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
# Exchanges before another attempt at the same case, of all or of some exchanges.
_SUPERSEDED = """
    SELECT number FROM (SELECT number, max(number) OVER (PARTITION BY case_id) AS last FROM sent WHERE {among})
    WHERE number < last"""
# Values in all notes of a journal; those of a run of 100,000 exchanges have some ten thousand.
MOST_NOTED = 2_000_000
# Rows beyond a number, or of the cases whose ids are in a JSON array.
_WHICH = "(number > ? OR {case} IN (SELECT value FROM json_each(?)))"
# Rows whose numbers are in a JSON array, and the cases of the exchanges with these numbers.
_NUMBERED = "{number} IN (SELECT value FROM json_each(?))"
_OF_NUMBERED = "id IN (SELECT case_id FROM sent WHERE number IN (SELECT value FROM json_each(?)))"


@dataclass(frozen=True, slots=True)
class Held:
    """How much a journal held at some moment: the numbers of its last rows."""

    cases: int = 0
    exchanges: int = 0
    notifications: int = 0


_ALL = Held()


class _Snapshot:
    """A journal as it was at one moment, opened for reading alone; closed when nobody refers to it any more."""

    def __init__(self, path: Path, *, whole: bool) -> None:
        self.path = path
        until = ExitStack()
        self._close = weakref.finalize(self, until.close)
        try:
            with self.readable():
                self._connection, self.version = _opened(path, until, whole=whole)
        except BaseException:
            self._close()
            raise

    def rows(self, select: str, *parameters: object) -> Iterator[Row]:
        """The rows of a statement, one at a time; UsageError where the file turns out to be damaged."""
        with self.readable():
            yield from self._connection.execute(select, parameters)

    @contextmanager
    def readable(self) -> Iterator[None]:
        """UsageError for every error that shows that the file cannot be read as a journal."""
        try:
            yield
        except sqlite3.Error as error:
            raise UsageError(f"{self.path} cannot be read as a journal: {error}", HINT) from error
        except (ValueError, TypeError) as error:
            raise UsageError(f"the journal {self.path} is damaged: {error}", HINT) from error
        except OSError as error:
            raise UsageError(f"the journal {self.path} cannot be read: {error.strerror}", HINT) from error


class Stored(Sequence[T], Generic[T]):
    """The rows of one kind, or a slice of them, in their order; each iteration reads them from the file again.

    Equal to any sequence of equal values. A single one is found by counting from the first.
    """

    def __init__(
        self, snapshot: _Snapshot, table: str, value_of: Callable[[Row], T], which: str, *given: object
    ) -> None:
        self._snapshot = snapshot
        rows = f"FROM {table} WHERE {which}"  # both from this module
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

    __hash__ = None  # type: ignore[assignment]  # it may be equal to a list

    def __repr__(self) -> str:
        return f"<{len(self)} rows of a journal>"

    def _values(self, places: range) -> Iterator[T]:
        select = f"{self._select} LIMIT {len(places)} OFFSET {places.start}"
        with self._snapshot.readable():
            yield from map(self._value_of, self._snapshot.rows(select, *self._given))


@dataclass(frozen=True, slots=True, eq=False)
class _StoredRecord(Record):
    """A Record that joins its rows in the database."""

    snapshot: _Snapshot = field(kw_only=True)
    which: tuple[str, tuple[object, ...]] = field(kw_only=True)
    among: tuple[str, tuple[object, ...]] = field(kw_only=True, default=("true", ()))
    restored: Callable[[Exchange], Exchange] = field(kw_only=True)
    commands: Container[str] | None = field(kw_only=True, default=None)

    def attempts(self) -> Iterator[Attempt]:
        """As Record has it; UsageError, too, for a case that was never planned."""
        among, given = self.among
        superseded = frozenset(n for (n,) in self.snapshot.rows(_SUPERSEDED.format(among=among), *given))
        with self.snapshot.readable():
            which, given = self.which
            for row in self.snapshot.rows(f"{_ATTEMPTS} WHERE {which} ORDER BY sent.number", *given):
                exchange, case = attempt_of(row, self.commands)
                if case is None:
                    raise ValueError(f"exchange {exchange.number} is of {exchange.case_id!r}, which was never planned")
                yield case, self.restored(exchange), exchange.number not in superseded

    @property
    def path(self) -> Path:
        """The file of the journal."""
        return self.snapshot.path

    def part(self, exchanges: Collection[int], notifications: Collection[int]) -> Record:
        """As Record has it, read from the file when it is asked for."""
        numbers, others = json.dumps([*exchanges]), json.dumps([*notifications])
        numbered = _NUMBERED.format(number="number")
        stored = partial(Stored, self.snapshot)
        return replace(
            self,
            cases=stored("cases", partial(case_of, commands=self.commands), _OF_NUMBERED, numbers),
            exchanges=stored(_EXCHANGES, lambda row: self.restored(exchange_of(row)), numbered, numbers),
            notifications=stored("notifications", notification_of, numbered, others),
            which=(_NUMBERED.format(number="sent.number"), (numbers,)),
            among=(numbered, (numbers,)),
        )

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

    Or only the rows beyond `after`, and the exchanges of the cases with the ids `beside`.

    Each iteration reads the rows from the file; later additions, or another file in its place, do not show. UsageError
    if it is not a journal that this version can read; also from an iteration over damaged rows.
    """
    return _recorded(path, after, beside)


def read_evidence(path: Path, contract: Contract) -> Record:
    """As `read_journal`, of a file that somebody else may have made: UsageError, too, for content that no run leaves.

    Checks each page of the file once, so that its rows are no more than it has room for, and that all settings are
    there that judging needs. UsageError for the journal of a run by another contract.
    """
    return _recorded(path, _ALL, (), contract)


def check_file(path: Path) -> None:
    """UsageError unless it is an undamaged file with the tables of a journal, whatever their rows."""
    _Snapshot(path, whole=True)


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
        which_case, which_exchange = _WHICH.format(case="id"), _WHICH.format(case="case_id")
        to_case = partial(case_of, commands=commands)
        return _StoredRecord(
            settings=settings,
            cases=Stored(snapshot, "cases", to_case, which_case, after.cases, ids),
            exchanges=Stored(
                snapshot, _EXCHANGES, lambda row: restored(exchange_of(row)), which_exchange, after.exchanges, ids
            ),
            notifications=Stored(snapshot, "notifications", notification_of, "number > ?", after.notifications),
            notes=notes,
            messages=Stored(snapshot, "messages", message_of, "true") if snapshot.version > 1 else (),
            snapshot=snapshot,
            which=(_WHICH.format(case="sent.case_id").replace("number", "sent.number"), (after.exchanges, ids)),
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
    """A function that completes an exchange by the notes about it."""
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
