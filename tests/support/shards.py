"""Files as workers and receivers write them, made by hand."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

from conformance.journal import Redaction
from conformance.journal.rows import CREATE, INSERT, Row, Rows

ROWS = Rows(Redaction.none())


def shard(path: Path, rows: Iterable[Row] = ()) -> Path:
    """A file with the tables of a journal and these rows."""
    with closing(sqlite3.connect(path)) as connection:
        for statement in CREATE:
            connection.execute(statement)
        add(connection, rows)
    return path


def add(connection: sqlite3.Connection, rows: Iterable[Row]) -> None:
    """Add rows to an open file, and commit."""
    for table, row in rows:
        connection.execute(INSERT[table], row)
    connection.commit()
