"""`schemas/formats/journal.json` describes the rows that the journal really writes."""

from __future__ import annotations

import base64
import json
import sqlite3
from pathlib import Path
from typing import Any

from conformance.contract.schemas import FORMATS
from conformance.journal import Journal, Redaction
from conformance.model.traffic import Case, Direction, Kind, Request, Response

# Kind of row → its table.
TABLES = {"case": "cases", "request": "sent", "answer": "answered", "notification": "notifications", "note": "notes"}
TABLES["message"] = "messages"
IN_JSON = {"headers", "detail"}


def rows_of(journal: Path, table: str) -> list[dict[str, Any]]:
    """The rows of a table as `schemas/formats/journal.json` has them: BLOBs in base64, JSON columns as values."""
    with sqlite3.connect(journal) as connection:
        cursor = connection.execute(f"SELECT * FROM {table}")  # noqa: S608 - the names stand above
        names = [column[0] for column in cursor.description]
        rows = [dict(zip(names, row, strict=True)) for row in cursor]
    connection.close()
    return [{name: as_in_json(name, value) for name, value in row.items()} for row in rows]


def as_in_json(name: str, value: Any) -> Any:
    """A column's value as JSON."""
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return json.loads(value) if name in IN_JSON and value is not None else value


def test_rows_of_a_journal_are_valid(tmp_path: Path) -> None:
    """The journal that is written is the one that `schemas/formats/journal.json` describes."""
    path = tmp_path / "journal.sqlite"
    request = Request("POST", "http://127.0.0.1/sms", (("Content-Type", "application/json"),), b"{}")
    case = Case("sms-1", "sms", Kind.BROKEN, "missing", "sms", request, member="message", keyword="required")
    with Journal.create(path, {}, Redaction.of(secret="", consumer_key="")) as journal:
        journal.plan([case])
        first, second = (journal.sent("sms-1", attempt, request, 1.0, 2.0) for attempt in (1, 2))
        journal.failed(first, "connection refused", 1.5)
        journal.answered(second, Response(422, (("Content-Type", "application/json"),), b"\xff"), 1.5)
        journal.notified(None, request, 3.0, 4.0)
        journal.note("phase", {"name": "sending"})
        journal.said("sms-1", Direction.TO, "{}")

    for kind, table in TABLES.items():
        rows = rows_of(path, table)
        assert rows
        assert [] == [violation for row in rows for violation in FORMATS.violations("journal", {kind: row})]
