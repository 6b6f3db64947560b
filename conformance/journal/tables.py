"""The journal's file: its tables, and what marks it as ours. `schemas/formats/journal.json` tells what a row means.

    meta            settings of the run, and when it began
    cases           what was planned, in order
    sent            a request, before its bytes went out
    answered        what became of it, under the same number: an answer or a failure
    notifications   what reached the receiver
    notes           what else happened: phases, preflight, end of run
    messages        lines to and from the driver of a client (since version 2)

Rows are only ever added; triggers make the file itself refuse anything else.
"""

from __future__ import annotations

from collections.abc import Iterator

APPLICATION_ID = int.from_bytes(b"StCo", "big")
"""SQLite's mark for whose file it is; any number that nobody else has registered will do."""

VERSION = 2
"""SQLite's `user_version`; raised whenever the meaning of a row changes."""

READABLE = frozenset({1, 2})
"""The versions whose rows mean what they mean today; the first one had no messages."""

_REQUEST = ("method TEXT", "url TEXT", "headers TEXT", "body BLOB")

_TABLES: dict[str, tuple[str, ...]] = {
    "meta": ("key TEXT PRIMARY KEY", "value TEXT"),
    "cases": (
        "number INTEGER PRIMARY KEY",
        "id TEXT UNIQUE",
        "command TEXT",
        "kind TEXT",
        "aspect TEXT",
        '"group" TEXT',
        *_REQUEST,
        "member TEXT",
        "keyword TEXT",
        "twin TEXT",
        "earlier TEXT",
    ),
    "sent": (
        "number INTEGER PRIMARY KEY",
        "case_id TEXT",
        "attempt INTEGER",
        *_REQUEST,
        "sent_at REAL",
        "sent_wall REAL",
    ),
    "answered": (
        "number INTEGER PRIMARY KEY",
        "status INTEGER",
        "http_version TEXT",
        "headers TEXT",
        "body BLOB",
        "failure TEXT",
        "answered_at REAL",
    ),
    "notifications": (
        "number INTEGER PRIMARY KEY",
        "product TEXT",
        *_REQUEST,
        "received_at REAL",
        "received_wall REAL",
    ),
    "notes": ("number INTEGER PRIMARY KEY", "kind TEXT", "detail TEXT", "noted_at REAL", "noted_wall REAL"),
    "messages": (
        "number INTEGER PRIMARY KEY",
        "case_id TEXT",
        "direction TEXT",
        "line TEXT",
        "said_at REAL",
        "said_wall REAL",
    ),
}

# The tables that a journal has only from some version on; all others were always as they are.
_SINCE = {"messages": 2}


def _tables_of(version: int) -> dict[str, str]:
    """The statements that make the tables of a version."""
    return {
        table: f"CREATE TABLE {table} ({', '.join(columns)})"
        for table, columns in _TABLES.items()
        if _SINCE.get(table, 0) <= version
    }


def _triggers_of(version: int) -> dict[str, tuple[str, str]]:
    """Its triggers: the table of each, and the statement that makes it."""
    refusal = "BEGIN SELECT RAISE(ABORT, 'a journal is only ever added to'); END"
    return {
        (name := f"{table}_keeps_{verb}"): (table, f"CREATE TRIGGER {name} BEFORE {verb} ON {table} {refusal}")
        for table in _tables_of(version)
        for verb in ("UPDATE", "DELETE")
    }


def layout(version: int) -> Iterator[tuple[str, str, str, str | None]]:
    """What SQLite lists of a journal of a version: kind, name, table and statement.

    The indexes are those that it makes by itself where a column has to be unique.
    """
    yield from (("table", table, table, sql) for table, sql in _tables_of(version).items())
    yield from (("trigger", name, table, sql) for name, (table, sql) in _triggers_of(version).items())
    yield from (("index", f"sqlite_autoindex_{table}_1", table, None) for table in ("meta", "cases"))


CREATE: tuple[str, ...] = (
    f"PRAGMA application_id = {APPLICATION_ID}",
    f"PRAGMA user_version = {VERSION}",
    *_tables_of(VERSION).values(),
    *(sql for _, sql in _triggers_of(VERSION).values()),
)

INSERT: dict[str, str] = {
    table: f"INSERT INTO {table} VALUES ({', '.join('?' * len(columns))})"  # noqa: S608 - the names stand above
    for table, columns in _TABLES.items()
}
