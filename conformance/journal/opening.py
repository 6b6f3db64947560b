"""A journal's file opened for reading, whoever made it: its structure is compared before a row of it is read.

    Opened          the connection, and the version of the journal
    opened          the file, or a copy of it, if it has the tables that the suite makes and nothing else
    check_whole     whether every page of it is in its place, so that going through its rows comes to an end

A file may hold views in place of tables, triggers, computed columns: programs, which SQLite would run for whoever reads
them. So nothing is read but SQLite's own list of what is in the file, until that list is exactly the suite's.
"""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from collections import Counter
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from conformance.journal.tables import APPLICATION_ID, READABLE, VERSION, layout
from conformance.model.errors import UsageError

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

# What SQLite puts beside a database that is open, or was when its program was killed.
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
    # What a table brings with it is missing, too, where it is.
    faults += [f"it lacks the {kind} {name!r}" for kind, name, *_ in sorted(expected - found, reverse=True, key=str)]
    if faults:
        raise UsageError(f"{path} is not as the suite makes a journal of version {version}: {faults[0]:.200}", HINT)
    ((encoding,),) = connection.execute("PRAGMA encoding")
    if encoding != "UTF-8":
        raise UsageError(f"{path} is not as the suite makes a journal: its texts are in {encoding}, not UTF-8", HINT)
