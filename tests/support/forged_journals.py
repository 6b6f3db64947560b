"""Journals that no run has made: a good one, changed behind the suite's back."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from made_result import ANSWER, CASE, HEADERS, REQUEST, SETTINGS

from conformance.journal import Journal, Redaction
from conformance.model.traffic import Direction, Request

ENDLESS = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n)"
_SENT = "number, 'a' AS case_id, 1 AS attempt, 'GET' AS method, '/' AS url, '[]' AS headers"
_REST = "{body} AS body, 1.0 AS sent_at, 1.0 AS sent_wall"
_VIEW = f"CREATE VIEW sent AS {ENDLESS} SELECT x AS {_SENT}, {_REST} FROM n"  # noqa: S608 - a test's own words
_INSTEAD = "DROP TABLE sent;"
DEEP = 100_000

Change = Callable[[Path], None]


@contextmanager
def _written(path: Path) -> Iterator[sqlite3.Connection]:
    """The file, to be changed at once; nobody waits for the disk."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("BEGIN")
        yield connection
        connection.execute("COMMIT")


def good_journal(path: Path) -> Path:
    """A journal of a run that came to its end, with a row of each kind."""
    with Journal.create(path, SETTINGS, Redaction.none()) as journal:
        journal.plan([CASE])
        journal.answered(journal.sent(CASE.id, 1, REQUEST, 1.0, 1.0), ANSWER, 1.1)
        journal.failed(journal.sent(CASE.id, 2, REQUEST, 1.0, 1.0), "connection refused", 1.1)
        journal.sent(CASE.id, 3, REQUEST, 1.0, 1.0)
        journal.notified("sms", Request("POST", "/callbacks/sms", HEADERS, b"{}"), 1.2, 1.2)
        journal.said(None, Direction.STDERR, "a line")
        journal.note("finished", {"duration_s": 1.5})
    return path


def run_in(*scripts: str) -> Change:
    """A change made of SQL; the schema may be written, and no trigger keeps rows from being changed."""

    def change(path: Path) -> None:
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            for script in scripts:
                connection.executescript(script)

    return change


def _schema(statement: str, *values: object) -> Change:
    """A change of SQLite's own table of tables."""

    def change(path: Path) -> None:
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.execute("PRAGMA writable_schema = ON")
            connection.execute(statement, values)

    return change


def without_triggers(connection: sqlite3.Connection) -> list[str]:
    """Drop the triggers that keep rows from being changed; how they are made again."""
    found = connection.execute("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'").fetchall()
    for name, _ in found:
        connection.execute(f"DROP TRIGGER {name}")
    return [sql for _, sql in found]


def no_trigger(path: Path) -> None:
    """Nothing keeps its rows from being changed any more."""
    with _written(path) as connection:
        without_triggers(connection)


def changed(table: str, column: str, value: object, where: str = "true") -> Change:
    """A change of rows that leaves the file's structure as it was; `value` may be SQL, as a tuple of one text."""

    def change(path: Path) -> None:
        with _written(path) as connection:
            triggers = without_triggers(connection)
            expression, given = (value[0], ()) if isinstance(value, tuple) else ("?", (value,))
            connection.execute(f'UPDATE {table} SET "{column}" = {expression} WHERE {where}', given)  # noqa: S608 - a test's own words
            for statement in triggers:
                connection.execute(statement)

    return change


def settings_changed(change_of: Callable[[dict[str, Any]], None]) -> Change:
    """A change of the settings of the run."""

    def change(path: Path) -> None:
        with closing(sqlite3.connect(path)) as connection:
            ((text,),) = connection.execute("SELECT value FROM meta")
        settings = json.loads(text)
        change_of(settings)
        changed("meta", "value", json.dumps(settings))(path)

    return change


def _patched(offset: int, content: bytes) -> Change:
    def change(path: Path) -> None:
        with path.open("r+b") as file:
            file.seek(offset)
            file.write(content)

    return change


def pages_shared(path: Path) -> None:
    """Every page below the root of a table is the same one, on as many levels as there are pages: rows without end."""
    with closing(sqlite3.connect(path)) as connection:
        ((size,),) = connection.execute("PRAGMA page_size")
        ((root,),) = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'messages'")
        ((count,),) = connection.execute("PRAGMA page_count")
    levels, data = 12, bytearray(path.read_bytes())
    leaf = count + levels
    for level in range(levels):
        page = root if level == 0 else count + level
        below = count + level + 1
        data[len(data) :] = bytes(max(0, page * size - len(data)))
        data[(page - 1) * size : page * size] = _interior(size, below)
    row = _record(b"a", b"to", b"{}")
    data += bytes(max(0, leaf * size - len(data)))
    data[(leaf - 1) * size : leaf * size] = _leaf(size, row)
    data[28:32] = leaf.to_bytes(4, "big")
    path.write_bytes(data)


def _interior(size: int, below: int) -> bytes:
    cells = (size - 12) // 8
    page = bytearray(size)
    page[0] = 5
    page[3:5] = cells.to_bytes(2, "big")
    page[8:12] = below.to_bytes(4, "big")
    start = size - cells * 6
    page[5:7] = start.to_bytes(2, "big")
    for cell in range(cells):
        at = start + cell * 6
        page[12 + cell * 2 : 14 + cell * 2] = at.to_bytes(2, "big")
        page[at : at + 6] = below.to_bytes(4, "big") + b"\x01\x00"
    return bytes(page)


def _leaf(size: int, record: bytes) -> bytes:
    cell = bytes([len(record), 1]) + record
    page = bytearray(size)
    page[0] = 13
    page[3:5] = (1).to_bytes(2, "big")
    page[5:7] = (size - len(cell)).to_bytes(2, "big")
    page[8:10] = (size - len(cell)).to_bytes(2, "big")
    page[size - len(cell) :] = cell
    return bytes(page)


def _record(*texts: bytes) -> bytes:
    """A row of `messages`: the number is the row's own, the times are 0."""
    header = bytes([0, *(13 + 2 * len(text) for text in texts), 8, 8])
    header = bytes([len(header) + 1]) + header
    return header + b"".join(texts)


def _instead(make: Change) -> Change:
    def change(path: Path) -> None:
        path.unlink()
        make(path)

    return change


def _many_tables(path: Path) -> None:
    with _written(path) as connection:
        for number in range(2_000):
            connection.execute(f"CREATE TABLE t{number} (a)")


def _beside(suffix: str, make: Change) -> Change:
    return lambda path: make(path.with_name(path.name + suffix))


STRUCTURE: Mapping[str, Change] = {
    "a view without end": run_in(_INSTEAD + _VIEW.format(body="x''")),
    "a view of large values": run_in(_INSTEAD + _VIEW.format(body="zeroblob(900000000)")),
    "a virtual table": _schema(
        "INSERT INTO sqlite_schema VALUES ('table', 'v', 'v', 0, 'CREATE VIRTUAL TABLE v USING fts5(a)')"
    ),
    "one more table": run_in("CREATE TABLE more (a)"),
    "one more index": run_in("CREATE INDEX more ON sent (case_id)"),
    "one more trigger": run_in("CREATE TRIGGER more AFTER INSERT ON sent BEGIN SELECT 1; END"),
    "no trigger": no_trigger,
    "one more column": run_in("ALTER TABLE notes ADD COLUMN more TEXT"),
    "a generated column": run_in("ALTER TABLE notes ADD COLUMN more TEXT AS (hex(zeroblob(9000000)))"),
    "a column missing": _schema(
        "UPDATE sqlite_schema SET sql = replace(sql, ', answered_at REAL', '') WHERE name = 'answered'"
    ),
    "a column of another type": _schema(
        "UPDATE sqlite_schema SET sql = replace(sql, 'body BLOB', 'body TEXT') WHERE name = 'sent'"
    ),
    "a table missing": run_in("DROP TABLE notes"),
    "settings missing": changed("meta", "key", "other"),
    "two tables in one place": _schema(
        "UPDATE sqlite_schema SET rootpage = (SELECT rootpage FROM sqlite_schema WHERE name = 'sent') "
        "WHERE name = 'messages'"
    ),
    "a table in no place": _schema("UPDATE sqlite_schema SET rootpage = 99999 WHERE name = 'messages'"),
    "SQL that is none": _schema("UPDATE sqlite_schema SET sql = 'CREATE TABLE (' WHERE name = 'sent'"),
    "two thousand tables": _many_tables,
    "pages shared": pages_shared,
    "the older version": run_in("PRAGMA user_version = 1"),
    "no page size": _patched(16, b"\0\0"),
    "another encoding": _patched(56, (2).to_bytes(4, "big")),
    "random bytes": _patched(0, bytes(range(256)) * 64),
    "a pipe": _instead(os.mkfifo),
    "a device": _instead(lambda path: path.symlink_to("/dev/zero")),
    "a link to itself": _instead(lambda path: path.symlink_to(path.name)),
    "a pipe as log": _beside("-wal", os.mkfifo),
    "a pipe as rollback journal": _beside("-journal", os.mkfifo),
    "a device as log": _beside("-wal", lambda path: path.symlink_to("/dev/zero")),
}

HUGE: Mapping[str, Change] = {
    "ten gigabytes of nothing": lambda path: os.truncate(path, 10 << 30),
    "a row of 40 MB": changed("answered", "body", ("zeroblob(40000000)",), "number = 1"),
}


COLUMNS: Mapping[str, tuple[str, ...]] = {
    "meta": ("value",),
    "cases": ("id", "command", "kind", "aspect", "group", "method", "url", "headers", "body", "member", "twin"),
    "sent": ("number", "case_id", "attempt", "method", "url", "headers", "body", "sent_at", "sent_wall"),
    "answered": ("number", "status", "http_version", "headers", "body", "failure", "answered_at"),
    "notifications": ("number", "product", "method", "url", "headers", "body", "received_at", "received_wall"),
    "notes": ("number", "kind", "detail", "noted_at", "noted_wall"),
    "messages": ("number", "case_id", "direction", "line", "said_at", "said_wall"),
}

FOREIGN_VALUES: Mapping[str, object] = {
    "nothing": None,
    "a text": "text",
    "an empty text": "",
    "bytes": b"\x00\xff",
    "a number": 7,
    "a negative number": -1,
    "the largest number": 2**63 - 1,
    "a fraction": 0.5,
    "infinity": ("9e999",),
    "a time beyond all": 1e300,
    "no UTF-8": ("CAST(X'EDA080' AS TEXT)",),
    "JSON of another kind": "[1, [2], {}]",
    "an object": '{"a": {"b": [null]}}',
    "pairs that are none": '[["a"], ["b", "c", "d"]]',
    "pairs of no texts": '[[1, {}], ["a", null]]',
    "half a character": r'[["a", "\ud800"]]',
    "no number": "[NaN]",
    "JSON that is deep": "[" * DEEP + "]" * DEEP,
    "half of JSON": '{"a": ',
}
