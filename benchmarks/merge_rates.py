"""How fast the files of workers and receivers become one journal, and how much memory that takes.

    python -m benchmarks.merge_rates 10000,100000,1000000

Four workers and two receivers, each exchange with an answer and a notification. Each size is merged in a process of its
own, so that its memory is its own. The wait for notifications is measured on the same files.
"""

from __future__ import annotations

import json
import resource
import sqlite3
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from itertools import count
from multiprocessing import get_context
from pathlib import Path

from conformance.contract.contract import statum
from conformance.journal import Journal, Redaction
from conformance.journal.merging import ShardToMerge, merge
from conformance.journal.rows import CREATE, INSERT, Row, Rows
from conformance.load.settling import Settling
from conformance.load.shards import WorkerShard
from conformance.model.traffic import Case, Kind, Request, Response

SIZES = (10_000, 100_000)
WORKERS, RECEIVERS = 4, 2
JSON = (("Content-Type", "application/json"), ("User-Agent", "statum-conformance"), ("Accept", "application/json"))
URL = "http://127.0.0.1:8080/api/v2/sms"
ASKED = {"sender_id": "Statum", "phone_number": "254712345678"}
BATCH = 10_000


@dataclass(frozen=True)
class Figures:
    """Of one size: seconds of the wait and of the merge, the memory of the process before and after (MB)."""

    rows: int
    settle_s: float
    merge_s: float
    before_mb: float
    after_mb: float


def case(number: int) -> Case:
    """One of the planned cases."""
    body = json.dumps({**ASKED, "message": f"message {number}"}).encode()
    name = f"sms/valid/random/{number}"
    return Case(name, "sms", Kind.VALID, "random", name, Request("POST", URL, JSON, body))


def sent_by(rows: Rows, worker: int, size: int) -> Iterator[Row]:
    """The rows of a worker."""
    for number, at in enumerate(range(worker, size, WORKERS), start=1):
        one = case(at)
        body = {"status_code": 200, "description": "Request accepted", "request_id": f"{at:032x}"}
        yield rows.sent(number, one.id, 1, one.request, at / 1000, at / 1000)
        yield rows.answered(number, Response(200, JSON, json.dumps(body).encode(), "HTTP/1.1"), at / 1000 + 0.01)


def taken_by(rows: Rows, receiver: int, size: int) -> Iterator[Row]:
    """The rows of a receiver."""
    for number, at in enumerate(range(receiver, size, RECEIVERS), start=1):
        body = {"result_code": "200", "result_desc": "Success", "request_id": f"{at:032x}"}
        request = Request("POST", "/callbacks/sms", JSON, json.dumps(body).encode())
        yield rows.notified(number, "sms", request, at / 1000 + 0.05, at / 1000)


def written(path: Path, rows: Iterable[Row]) -> Path:
    """A file with these rows."""
    with closing(sqlite3.connect(path)) as connection:
        for statement in CREATE:
            connection.execute(statement)
        for table, row in rows:
            connection.execute(INSERT[table], row)
        connection.commit()
    return path


def memory_mb() -> float:
    """The most that this process took so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measured(folder: Path, size: int) -> Figures:
    """Runs in a process of its own, on files that are there."""
    workers = [folder / f"worker-{n}" for n in range(WORKERS)]
    receivers = [folder / f"receiver-{n}" for n in range(RECEIVERS)]
    with Journal.create(folder / "journal.sqlite", {}, Redaction.none()) as journal:
        for first in range(0, size, BATCH):
            journal.plan([case(number) for number in range(first, min(size, first + BATCH))])
            journal.flush()
        before = memory_mb()
        began = time.perf_counter()
        settling = Settling(folder / "settling", statum(), 10.0)
        for path in workers:
            settling.owe(WorkerShard(path.name, path))
        seconds = count(10**9)  # their time is over
        settled = settling.wait(lambda: receivers, lambda _: None, lambda: float(next(seconds)))
        if settled.missing or settled.owed != size:
            raise SystemExit(f"of {size} notifications {settled.missing} are missing")
        settling.close()
        settle_s = time.perf_counter() - began
        began = time.perf_counter()
        merge(journal, [ShardToMerge(path.name, path) for path in (*workers, *receivers)])
        return Figures(3 * size, settle_s, time.perf_counter() - began, before, memory_mb())


def main(sizes: Iterable[int] = SIZES) -> None:
    """Prints one line for each number of exchanges."""
    print(
        f"{'exchanges':>12}{'rows':>12}{'wait s':>9}{'merge s':>9}{'rows a second':>15}{'memory MB':>11}{'more MB':>9}"
    )
    for size in sizes:
        with tempfile.TemporaryDirectory() as name, ProcessPoolExecutor(1, get_context("spawn")) as process:
            folder, rows = Path(name), Rows(Redaction.none())
            for worker in range(WORKERS):
                written(folder / f"worker-{worker}", sent_by(rows, worker, size))
            for receiver in range(RECEIVERS):
                written(folder / f"receiver-{receiver}", taken_by(rows, receiver, size))
            found = process.submit(measured, folder, size).result()
        more = found.after_mb - found.before_mb
        print(
            f"{size:>12,}{found.rows:>12,}{found.settle_s:>9.1f}{found.merge_s:>9.1f}"
            f"{found.rows / found.merge_s:>15,.0f}{found.after_mb:>11.0f}{more:>6.0f}"
        )


if __name__ == "__main__":
    main([int(size) for size in sys.argv[1].split(",")] if len(sys.argv) > 1 else SIZES)
