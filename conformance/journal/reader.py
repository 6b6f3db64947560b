"""Reading a journal back: while its run goes on, after it, or after it was killed."""

from __future__ import annotations

import json
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

from conformance.errors import UsageError
from conformance.journal.rows import Note, case_of, exchange_of, note_of, notification_of
from conformance.journal.tables import APPLICATION_ID, VERSION
from conformance.traffic import Case, Exchange, Notification

T = TypeVar("T")

_HINT = "name the journal.sqlite in the report directory of a run"


@dataclass(frozen=True, slots=True)
class Record:
    """What a journal holds, each kind in the order in which it was told; redacted when it was written."""

    settings: Mapping[str, Any]
    cases: tuple[Case, ...] = ()
    exchanges: tuple[Exchange, ...] = ()
    notifications: tuple[Notification, ...] = ()
    notes: tuple[Note, ...] = ()


def read_journal(path: Path) -> Record:
    """What the journal at `path` holds at this moment; the file is not changed.

    UsageError, with what is there instead, if it is no journal that this version can read.
    """
    if path.is_dir():
        raise UsageError(f"{path} is a directory, expected a journal", _HINT)
    if not path.is_file():
        raise UsageError(f"there is no journal {path}", _HINT)
    try:
        with ExitStack() as until:
            return _record(_opened(path, until), path)
    except sqlite3.Error as error:
        raise UsageError(f"{path} cannot be read as a journal: {error}", _HINT) from error
    except (ValueError, TypeError) as error:
        raise UsageError(f"the journal {path} is damaged: {error}", _HINT) from error
    except OSError as error:
        raise UsageError(f"the journal {path} cannot be read: {error.strerror}", _HINT) from error


def _opened(path: Path, until: ExitStack) -> sqlite3.Connection:
    """A connection to the file or to a copy of it, that `until` closes.

    Beside a journal that was left open by a killed run SQLite needs a file of its own, which it cannot make in a
    read-only directory.
    """
    connection = until.enter_context(closing(_connected(path)))
    try:
        connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    except sqlite3.OperationalError:
        connection.close()
        return _copied(path, until)
    return connection


def _copied(path: Path, until: ExitStack) -> sqlite3.Connection:
    copy = Path(until.enter_context(tempfile.TemporaryDirectory()), path.name)
    for suffix in ("", "-wal"):
        beside = path.with_name(path.name + suffix)
        if beside.exists():
            shutil.copyfile(beside, copy.with_name(copy.name + suffix))
    return until.enter_context(closing(_connected(copy)))


def _connected(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{quote(str(path.absolute()))}?mode=ro", uri=True)


def _record(connection: sqlite3.Connection, path: Path) -> Record:
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if application != APPLICATION_ID:
        raise UsageError(f"{path} is an SQLite file, but no journal of statum-conformance", _HINT)
    if version != VERSION:
        raise UsageError(
            f"{path} is a journal of version {version}, this version of statum-conformance reads version {VERSION}",
            "judge it with the version that wrote it",
        )
    connection.execute("BEGIN")  # one moment for all tables, also while a run is writing
    (settings,) = connection.execute("SELECT value FROM meta WHERE key = 'settings'").fetchone()
    return Record(
        settings=json.loads(settings),
        cases=_all(connection, "cases", case_of),
        exchanges=_all(connection, "sent LEFT JOIN answered USING (number)", exchange_of),
        notifications=_all(connection, "notifications", notification_of),
        notes=_all(connection, "notes", note_of),
    )


def _all(connection: sqlite3.Connection, table: str, value_of: Callable[[tuple[Any, ...]], T]) -> tuple[T, ...]:
    rows = connection.execute(f"SELECT * FROM {table} ORDER BY number")  # noqa: S608 - the names stand above
    return tuple(map(value_of, rows))
