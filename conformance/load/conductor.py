"""The part of Locust's master: hands out the plan to workers, keeps the limits, notes what became of each worker.

It knows nothing of Locust: `locustfile` gives it messages and takes what it says to workers and to the suite. A worker
that was lost gets nothing more, and what it was handed is never handed out again: it may have been sent.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from conformance import __version__
from conformance.load.channel import (
    ASK,
    BATCH,
    BEGIN,
    DONE,
    END,
    HELLO,
    PART,
    PING,
    PONG,
    REPORT,
    STOP,
    WELCOME,
    MasterTerms,
    Message,
)
from conformance.load.recording import digest_of
from conformance.load.sharding import Dealer, Nothing, Schedule, WorkerBatch

# Pings by which the clock of another machine is compared: of several the fastest says most.
ROUNDS = 8
# From the decision to begin until the first request is due: the message reaches every worker by then.
LEAD_S = 0.3
# Without a sign of life for so long a worker is lost; Locust's workers give one each second.
LOST_AFTER_S = 10.0


@dataclass(slots=True)
class KnownWorker:
    """What the master knows of one worker.

    `offset_s` is added to times of its clock to have the journal's, which holds within `within_s` seconds. `answer_s`:
    of its fastest ping. `out`: its batches that are not reported.
    """

    client: str
    name: str
    is_local: bool
    seen: float
    offset_s: float = 0.0
    within_s: float = 0.0
    answer_s: float = float("inf")
    pings: int = 0
    is_ready: bool = False
    is_done: bool = False
    lost_since: float | None = None
    out: dict[int, WorkerBatch] = field(default_factory=dict)
    handed: Counter[str] = field(default_factory=Counter)
    is_shipping: bool = False

    @property
    def is_there(self) -> bool:
        """Whether it takes part."""
        return self.lost_since is None and not self.is_done


class Conductor:
    """Leads a load run. `send` sends a message to a worker by its client id, `tell` one to the suite; both may block.

    `finished` is set when all workers are done or lost. Thread-safe.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - each is a part of its own
        self,
        terms: MasterTerms,
        schedule: Schedule,
        dealer: Dealer,
        send: Callable[[str, str, Message], object],
        tell: Callable[[Message], object],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._terms = terms
        self._schedule = schedule
        self._dealer = dealer
        self._send = send
        self._tell = tell
        self._clock = clock
        self._lock = threading.RLock()
        self._workers: dict[str, KnownWorker] = {}
        self._asking: list[KnownWorker] = []
        self._began: float | None = None
        self._ended: float | None = None
        self._is_over = self._is_stopped = False
        self._behind_s = 0.0
        self._sent = self._accepted = 0
        self.finished = threading.Event()

    # --- Messages of workers

    def receive(self, client: str, kind: str, data: Message) -> None:
        """Take a message of a worker."""
        with self._lock:
            if kind == HELLO:
                self._welcome(client, data)
            elif (worker := self._workers.get(client)) is not None:
                worker.seen = self._clock()
                if worker.lost_since is not None:
                    self._send(client, STOP, {})
                else:
                    self._take(worker, kind, data)

    def seen(self, client: str) -> None:
        """A sign of life of a worker."""
        with self._lock:
            if client in self._workers:
                self._workers[client].seen = self._clock()

    def _take(self, worker: KnownWorker, kind: str, data: Message) -> None:
        if kind == PONG:
            self._compare_clocks(worker, data)
        elif kind == ASK:
            self._asking.append(worker)
            self._serve()
        elif kind == REPORT:
            self._settle(worker, data)
        elif kind == PART:
            self._append(worker, data)
        elif kind == DONE:
            self._end(worker, data)

    def _welcome(self, client: str, data: Message) -> None:
        if client in self._workers:
            return
        name: str | None = data["name"]
        is_local = name in self._terms.local and all(each.name != name for each in self._workers.values())
        if not is_local:
            joined = sum(not worker.is_local for worker in self._workers.values())
            if (why := self._refusal(joined, data)) is not None:
                self._send(client, WELCOME, {"refused": why})
                return
            name = f"worker-{len(self._terms.local) + joined + 1}"
        worker = KnownWorker(client, name or "", is_local, self._clock(), self._terms.clock_s)
        self._workers[client] = worker
        self._send(client, WELCOME, {"name": worker.name})
        if is_local:
            self._ready(worker)
        else:
            self._ping(worker)

    def _refusal(self, joined: int, data: Message) -> str | None:
        """Why a worker of another machine cannot take part; None if it can."""
        if data["version"] != __version__:
            return f"it is of version {data['version']}, and the run of {__version__}"
        if data["gateway"] != self._terms.gateway:
            return f"it sends to {data['gateway']}, and the run is about {self._terms.gateway}"
        if joined >= self._terms.expected or self._is_over or self._began is not None:
            return "no further worker is expected"
        return None

    # --- The clocks of other machines

    def _ping(self, worker: KnownWorker) -> None:
        worker.pings += 1
        self._send(worker.client, PING, {"at": self._clock()})

    def _compare_clocks(self, worker: KnownWorker, data: Message) -> None:
        """The answer tells when it was sent by the other clock; by ours that was between question and answer."""
        now = self._clock()
        took = now - data["at"]
        if took < worker.answer_s:
            worker.answer_s, worker.within_s = took, took / 2
            worker.offset_s = data["at"] + took / 2 - data["here"] + self._terms.clock_s
        if worker.pings < ROUNDS:
            self._ping(worker)
        else:
            self._ready(worker)

    def _ready(self, worker: KnownWorker) -> None:
        worker.is_ready = True
        ready = sum(each.is_ready for each in self._workers.values())
        expected = len(self._terms.local) + self._terms.expected
        self._tell({"joined": ready, "expected": expected})
        if ready == expected and self._began is None and not self._is_stopped:
            self._began = self._clock() + LEAD_S
            for each in self._workers.values():
                offset_s = each.offset_s - self._terms.clock_s
                self._send(each.client, BEGIN, {"at": self._began - offset_s})
            self._tell({"began": self._began, "length_s": self._schedule.length_s, "cases": self._schedule.cases})

    # --- Batches

    def _serve(self) -> None:
        """Hand a batch to each worker that asks, as far as there are any; else the end."""
        while self._asking:
            worker = self._asking[0]
            if not worker.is_there:
                self._asking.pop(0)
                continue
            batch = self._dealer.hand_out(sum(each.is_there for each in self._workers.values()))
            if batch is Nothing.YET:
                return
            if batch is Nothing.LEFT:
                self._finish_handing_out()
                return
            self._asking.pop(0)
            worker.out[batch.number] = batch
            worker.handed.update(self._dealer.by_product(batch.rows))
            groups = [(group.due_s, group.rows) for group in batch.groups]
            self._send(worker.client, BATCH, {"number": batch.number, "groups": groups})

    def look_again(self) -> None:
        """Serve the workers that wait for room within the limits; notice those of other machines that are lost."""
        with self._lock:
            self._serve()
            for worker in list(self._workers.values()):
                if worker.is_there and not worker.is_local and self._clock() - worker.seen > LOST_AFTER_S:
                    self._lose(worker)

    def _settle(self, worker: KnownWorker, report: Message) -> None:
        worker.out.pop(report["batch"], None)
        self._dealer.reported(report["batch"], set(report["refused"]), set(report["unsent"]))
        self._sent += report["sent"]
        self._accepted += report["accepted"]
        self._behind_s = max(self._behind_s, report["behind_s"])
        self._tell({"sent": self._sent, "accepted": self._accepted, "behind_s": self._behind_s})
        self._serve()

    def _finish_handing_out(self) -> None:
        """Tell every worker that there is nothing more."""
        self._asking.clear()
        if not self._is_over:
            self._is_over = True
            for worker in self._workers.values():
                if worker.is_there:
                    self._send(worker.client, END, {})
        self._conclude()

    def stop(self) -> None:
        """Begin nothing more: every worker ends what is under way."""
        with self._lock:
            self._is_stopped = self._is_over = True
            self._dealer.stop()
            for worker in self._workers.values():
                if worker.is_there:
                    self._send(worker.client, STOP, {})
            self._conclude()

    # --- The end of workers

    def lose(self, name: str) -> None:
        """The worker of this name is gone."""
        with self._lock:
            for worker in self._workers.values():
                if worker.name == name and worker.is_there:
                    self._lose(worker)

    def _lose(self, worker: KnownWorker) -> None:
        worker.lost_since = min(worker.seen, self._clock()) + self._terms.clock_s
        self._tell({"lost": worker.name})
        self._serve()
        self._conclude()

    def _append(self, worker: KnownWorker, data: Message) -> None:
        """A part of the file of a worker on another machine."""
        with self._path_of(worker).open("ab" if worker.is_shipping else "wb") as file:
            file.write(data["bytes"])
        worker.is_shipping = True

    def _end(self, worker: KnownWorker, data: Message) -> None:
        path = self._path_of(worker)
        if not worker.is_local and (not worker.is_shipping or digest_of(path) != data["sha256"]):
            self._lose(worker)
            return
        worker.is_done = True
        self._conclude()

    def _conclude(self) -> None:
        if self.finished.is_set() or not self._workers or any(each.is_there for each in self._workers.values()):
            return
        self._ended = self._clock()
        began = self._began if self._began is not None else self._ended
        clock_s = self._terms.clock_s
        self._tell(
            {
                "driven": [self._described(worker) for worker in self._workers.values()],
                "began": began + clock_s,
                "ended": self._ended + clock_s,
                "behind_s": self._behind_s,
                "withheld": dict(self._dealer.allowance.withheld),
            }
        )
        self.finished.set()

    def _path_of(self, worker: KnownWorker) -> Path:
        return Path(self._terms.folder) / f"{worker.name}.sqlite"

    def _described(self, worker: KnownWorker) -> Mapping[str, Any]:
        """A shard, as `Engine` makes it."""
        is_known = worker.is_local or worker.is_done
        return {
            "name": worker.name,
            "offset_s": 0.0 if worker.is_local else worker.offset_s,
            "within_s": worker.within_s,
            "lost_since": worker.lost_since,
            "handed_out": {} if is_known else dict(worker.handed),
        }
