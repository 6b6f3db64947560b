"""The file in which a worker records its requests, answers and remarks, as the journal has them.

A request is committed before its first byte goes out, so that a worker that is killed leaves no request that nobody
knows of. The planned texts of a request are those of the journal, redacted when it was planned.
"""

from __future__ import annotations

import hashlib
import sqlite3
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from conformance.journal.redaction import Redaction
from conformance.journal.rows import CREATE, INSERT, UNDECODABLE, UNSENT, Row, Rows
from conformance.model.traffic import Response

# Bytes of the file that are read at once.
PIECE = 1 << 20


class ShardFile:
    """The file of one worker; thread-safe. `clock_s` is added to this process's monotonic clock.

    Raises sqlite3.Error where the file cannot be written.
    """

    def __init__(self, path: Path, name: str, redaction: Redaction, clock_s: float) -> None:
        self.path = path
        self._rows = Rows(redaction)
        self._clock_s = clock_s
        self._lock = threading.RLock()
        self._sent = self._noted = 0
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = NORMAL")
        self._connection.execute("BEGIN IMMEDIATE")
        for statement in CREATE:
            self._connection.execute(statement)
        self._add(self._rows.setting("settings", {"shard": name}))
        self.commit()

    def sent(self, case_ids: Sequence[str], planned: Sequence[tuple[Any, ...]]) -> tuple[list[int], float]:
        """Record requests that are about to go out together; their numbers, and when (monotonic).

        `planned`: method, URL, headers and body of each, as the journal has them.
        """
        with self._lock:
            at, wall = time.monotonic(), time.time()
            numbers = []
            for case_id, request in zip(case_ids, planned, strict=True):
                self._sent += 1
                numbers.append(self._sent)
                self._add(("sent", (self._sent, case_id, 1, *request, at + self._clock_s, wall)))
            self.commit()
        return numbers, at

    def answered(self, number: int, response: Response) -> None:
        """Record the answer to a request."""
        with self._lock:
            self._add(self._rows.answered(number, response, time.monotonic() + self._clock_s))
            if response.undecodable is not None:
                self._note(UNDECODABLE, {"exchange": number, "remark": response.undecodable})

    def failed(self, number: int, failure: str, *, unsent: bool) -> None:
        """Record in words why a request has no answer; `unsent`: not a byte of it went out."""
        with self._lock:
            self._add(self._rows.failed(number, failure, time.monotonic() + self._clock_s))
            if unsent:
                self._note(UNSENT, {"exchange": number})

    def beyond(self, number: int, data: bytes) -> None:
        """Record the first of the bytes behind the answer to a request."""
        with self._lock:
            self._noted += 1
            at, wall = time.monotonic() + self._clock_s, time.time()
            self._add(self._rows.beyond(self._noted, number, data, at, wall))

    def commit(self) -> None:
        """Commit all rows so far."""
        with self._lock:
            if self._connection.in_transaction:
                self._connection.execute("COMMIT")

    def close(self) -> None:
        """Commit all rows and close the file, which is one file then."""
        with self._lock:
            self.commit()
            with suppress(sqlite3.Error):  # another process reads it
                self._connection.execute("PRAGMA journal_mode = DELETE")
            self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _note(self, kind: str, detail: dict[str, Any]) -> None:
        self._noted += 1
        self._add(self._rows.note(self._noted, kind, detail, time.monotonic() + self._clock_s, time.time()))

    def _add(self, row: Row) -> None:
        if not self._connection.in_transaction:
            self._connection.execute("BEGIN IMMEDIATE")
        table, values = row
        self._connection.execute(INSERT[table], values)


def digest_of(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal digits."""
    with path.open("rb") as file:
        digest = hashlib.sha256()
        while piece := file.read(PIECE):
            digest.update(piece)
    return digest.hexdigest()
