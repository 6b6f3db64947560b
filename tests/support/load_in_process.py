"""Load in the process of a test: an engine whose workers are threads, and settings for it."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Collection
from contextlib import closing
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any

from conformance.contract.contract import Contract
from conformance.gateway.request_templates import sent_again
from conformance.gateway.settings import Settings
from conformance.journal import Journal, Redaction
from conformance.journal.rows import case_of
from conformance.load.campaign import WORK
from conformance.load.shards import Driven, WorkerShard
from conformance.model.traffic import Case
from conformance.wire import Allowance, Manners, Pace, Sender


@dataclass(frozen=True)
class SmallLoad:
    """The settings of a small load."""

    accepted: int = 60
    receivers: int = 1
    workers: int = 2

    def recorded(self) -> dict[str, Any]:
        """As the journal has it."""
        return {"rate": 100.0, "for_s": 1.0, "workers": self.workers, "receivers": self.receivers, "slo": None}


@dataclass
class ThreadedEngine:
    """Sends the groups of a plan with the ordinary sender, each worker into a file of its own.

    `meanwhile` is called when the first worker has begun. `changed`: makes other shards of those that were driven.
    """

    settings: Settings
    workers: int = 2
    meanwhile: Callable[[], object] = lambda: None
    changed: Callable[[WorkerShard], WorkerShard] = lambda shard: shard
    limits: list[tuple[int | None, int | None]] = field(default_factory=list)

    def drive(  # noqa: PLR0913 - as the engine has it
        self,
        journal_path: Path,
        base_url: str,
        clock_s: float,
        *,
        apart: Collection[str] = (),
        max_accepted: int | None = None,
        max_spend: int | None = None,
    ) -> Driven:
        """See `Drives`."""
        self.limits.append((max_accepted, max_spend))
        given, began = self.settings, time.monotonic() + clock_s
        groups = [each for each in _groups(journal_path) if each[0].group not in apart]
        allowance = Allowance(given.contract, max_accepted, max_spend)
        paths = [given.report_dir / WORK / f"worker-{n + 1}.sqlite" for n in range(self.workers)]
        threads = [
            threading.Thread(target=self._work, args=(path, groups[n :: self.workers], base_url, allowance))
            for n, path in enumerate(paths)
        ]
        for thread in threads:
            thread.start()
        self.meanwhile()
        for thread in threads:
            thread.join()
        shards = tuple(self.changed(WorkerShard(path.stem, path)) for path in paths)
        return Driven(shards, began, time.monotonic() + clock_s, 0.01, allowance.withheld)

    def _work(self, path: Path, groups: list[list[Case]], base_url: str, allowance: Allowance) -> None:
        given = self.settings
        redaction = Redaction.of(given.consumer_secret, given.consumer_key)
        with Journal.create(path, {}, redaction) as journal:
            sender = Sender(journal, Pace(), allowance=allowance, manners=Manners(concurrency=4))
            sender.send([[_whole(given.contract, case, base_url, given) for case in group] for group in groups])


def _groups(path: Path) -> list[list[Case]]:
    with closing(sqlite3.connect(path)) as connection:
        cases = [case_of(row) for row in connection.execute("SELECT * FROM cases ORDER BY number")]
    return [list(group) for _, group in groupby(cases, key=lambda case: case.group)]


def _whole(contract: Contract, case: Case, base_url: str, given: Settings) -> Case:
    return sent_again(contract, case, base_url, base_url, given.consumer_key, given.consumer_secret)
