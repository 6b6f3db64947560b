"""What judging a large journal costs: exchanges per second, and the memory of the largest process.

    python -m benchmarks judging

A real journal is multiplied: its rows are copied with fresh ids of cases and requests, at later times. Each journal is
judged in a process of its own, and the smaller ones also in one pass, which is the measure.
"""

from __future__ import annotations

import json
import resource
import sqlite3
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from hashlib import blake2b
from multiprocessing import get_context
from pathlib import Path
from typing import Any
from uuid import UUID

from benchmarks.campaigns import KEY, SECRET, callbacks_at, free_address, gateway
from benchmarks.scale import most_memory_mb
from conformance.contract.contract import statum
from conformance.gateway import campaign
from conformance.gateway.settings import Settings
from conformance.journal import read_journal
from conformance.journal.rows import CREATE, INSERT
from conformance.mock.behaviour import Behaviour
from conformance.reports.result import Result
from conformance.wire.ledger import request_id_of

SIZES = (10_000, 100_000, 1_000_000)
# Random payloads of each command in the journal that is multiplied: of some 3,500 exchanges.
EXAMPLES = 500
# One pass keeps a summary of each exchange in memory; the time for a larger journal would be known anyway.
LARGEST_IN_ONE_PASS = 100_000
MOST_MEMORY_MB = 300
# Seconds between two copies of a run.
PAUSE_S = 1.0

Row = tuple[Any, ...]
# The columns of a row of `cases` that name a case or a group.
_NAMES = (1, 5, 12, 13)


@dataclass(frozen=True)
class Judging:
    """How a journal was judged: seconds, and the memory of the largest process in MB."""

    exchanges: int
    verdict: str
    took_s: float
    memory_mb: float

    @property
    def rate(self) -> float:
        """Exchanges per second."""
        return self.exchanges / self.took_s


@dataclass(frozen=True)
class Original:
    """The rows of a journal by table, and the ids that its answers gave, by the number of the exchange."""

    rows: dict[str, list[Row]]
    ids: dict[int, str]

    @classmethod
    def of(cls, journal: Path) -> Original:
        """Read a small journal."""
        with closing(sqlite3.connect(journal)) as connection:
            rows = {table: list(connection.execute(f"SELECT * FROM {table}")) for table in INSERT}  # noqa: S608
        member = statum().answer.id
        given = ((row[0], request_id_of(row[4], member)) for row in rows["answered"])
        return cls(rows, {number: request_id for number, request_id in given if request_id is not None})

    @property
    def duration_s(self) -> float:
        """From the first request to the last message."""
        ended = [row[6] for row in self.rows["answered"]] + [row[6] for row in self.rows["notifications"]]
        return max(filter(None, ended)) - min(row[7] for row in self.rows["sent"])

    def multiplied(self, journal: Path, size: int) -> int:
        """Write a journal with at least so many exchanges; return how many."""
        sent = len(self.rows["sent"])
        copies = -(-size // sent)
        with closing(sqlite3.connect(journal)) as connection:
            connection.isolation_level = None
            for statement in ("PRAGMA journal_mode = OFF", "PRAGMA synchronous = OFF", *CREATE, "BEGIN"):
                connection.execute(statement)
            later = (copies - 1) * (self.duration_s + PAUSE_S)
            connection.executemany(INSERT["meta"], self.rows["meta"])
            connection.executemany(INSERT["notes"], (_noted_later(row, later) for row in self.rows["notes"]))
            for number in range(copies):
                for table, rows in self._copy(number).items():
                    connection.executemany(INSERT[table], rows)
            connection.execute("COMMIT")
        return copies * sent

    def _copy(self, copy: int) -> dict[str, Iterator[Row]]:
        """The rows of one copy more."""
        later = copy * (self.duration_s + PAUSE_S)
        fresh = {old: _fresh(old, copy) for old in set(self.ids.values())}
        first = {table: copy * len(rows) for table, rows in self.rows.items()}
        sent = first["sent"]

        def named(name: str | None) -> str | None:
            return name if name is None or not copy else f"{name}/{copy}"

        return {
            "cases": (
                (row[0] + first["cases"], *(named(v) if at in _NAMES else v for at, v in enumerate(row) if at))
                for row in self.rows["cases"]
            ),
            "sent": (
                (row[0] + sent, named(row[1]), *row[2:7], row[7] + later, row[8] + later) for row in self.rows["sent"]
            ),
            "answered": (
                (row[0] + sent, *row[1:4], _with_ids(row[4], fresh), row[5], row[6] + later)
                for row in self.rows["answered"]
            ),
            "notifications": (
                (row[0] + first["notifications"], *row[1:5], _with_ids(row[5], fresh), row[6] + later, row[7] + later)
                for row in self.rows["notifications"]
            ),
        }


def _fresh(request_id: str, copy: int) -> str:
    digest = blake2b(f"{copy} {request_id}".encode(), digest_size=16).digest()
    return request_id if not copy else str(UUID(bytes=digest))


def _with_ids(body: bytes, fresh: dict[str, str]) -> bytes:
    """The body, with the fresh id in place of its own."""
    for member in (statum().answer.id, statum().notification.id):
        old = request_id_of(body, member)
        if old in fresh:
            return body.replace(old.encode(), fresh[old].encode())
    return body


def _noted_later(row: Row, later: float) -> Row:
    number, kind, detail, at, wall = row
    if kind in {"settled", "finished"}:
        value = json.loads(detail)
        if "at" in value:
            value["at"] += later
        detail, at, wall = json.dumps(value), at + later, wall + later
    return number, kind, detail, at, wall


def made_journal(directory: Path) -> Path:
    """The journal of a run against the mock gateway."""
    address = free_address()
    with gateway(callbacks_at(address), Behaviour()) as url:
        settings = Settings(
            KEY,
            SECRET,
            gateway=url,
            callback_listen=address,
            max_examples=EXAMPLES,
            seed=7,
            report_dir=directory,
        )
        return campaign.run(settings)


def _judged(journal: Path, parts: int | None) -> Judging:
    """Runs in a process of its own."""
    began = time.perf_counter()
    result = Result.of(read_journal(journal), parts=parts)
    took = time.perf_counter() - began
    others = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    return Judging(result.report.counts.exchanges, result.conclusion.value, took, max(most_memory_mb(), others))


def judged(journal: Path, parts: int | None = None) -> Judging:
    """Judge a journal in a process that is begun for it; in so many parts, by default by its size."""
    with ProcessPoolExecutor(1, get_context("spawn")) as process:
        return process.submit(_judged, journal, parts).result()


def main(sizes: Iterable[int] = SIZES) -> None:
    """Prints a line for each journal."""
    with tempfile.TemporaryDirectory() as directory:
        original = Original.of(made_journal(Path(directory)))
        largest: Sequence[float] = [0.0]
        for size in sizes:
            journal = Path(directory) / f"{size}.sqlite"
            original.multiplied(journal, size)
            megabytes = journal.stat().st_size / (1 << 20)
            in_parts = judged(journal)
            largest = [*largest, in_parts.memory_mb]
            print(
                f"judging     {in_parts.exchanges:9,} exchanges ({megabytes:,.0f} MB): {in_parts.took_s:6.1f} s, "
                f"{in_parts.rate:6,.0f}/s, {in_parts.memory_mb:.0f} MB · {in_parts.verdict}",
                flush=True,
            )
            if size <= LARGEST_IN_ONE_PASS:
                at_once = judged(journal, parts=1)
                print(
                    f"judging     {at_once.exchanges:9,} exchanges in one pass: {at_once.took_s:6.1f} s, "
                    f"{at_once.rate:6,.0f}/s, {at_once.memory_mb:.0f} MB",
                    flush=True,
                )
            journal.unlink()
        print(f"judging     {max(largest):.0f} MB at most (aim: less than {MOST_MEMORY_MB})")
