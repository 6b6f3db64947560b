"""The plan of a load run, cut into batches for workers: when each group is due, and who may have it.

    Schedule    the groups of a journal with their due times, read as they are needed
    Dealer      hands out batches within the limits of the run, each once

A group stays whole, so that its order and its bursts stay on one worker. Arrivals are planned: due times follow from
the rate alone, not from answers. The rate is that of requests that a conformant gateway accepts; groups that have to be
refused as a whole go beside them, spread over the same time.
"""

from __future__ import annotations

import heapq
import sqlite3
from collections import Counter, deque
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from enum import Enum, auto
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any

from conformance.contract.contract import Contract
from conformance.gateway.selection import has_to_be_refused
from conformance.journal.rows import case_of
from conformance.model.traffic import Case, Kind, Request
from conformance.wire.allowance import Allowance

# Workers get the groups of so many seconds at once: long enough that a batch costs nothing, short enough that a lost
# worker takes few with it.
SLICE_S = 0.25
# Cases in one batch: a message of some 500 kB.
MOST_IN_BATCH = 500

CaseRow = tuple[Any, ...]
"""A row of the table `cases`: number, id, command, kind, aspect, group, method, url, headers, body, member, …"""

_ID, _COMMAND, _KIND, _ASPECT, _GROUP, _EARLIER = 1, 2, 3, 4, 5, 13
# The columns that counting takes, each in its place.
_LABELS = f'number, id, command, kind, aspect, "group", {"NULL, " * 7}earlier'


@dataclass(frozen=True, slots=True)
class DueGroup:
    """The cases of a group as rows of the journal, due so many seconds after the load began."""

    due_s: float
    rows: tuple[CaseRow, ...]


@cache
def _is_refused(kind: str, aspect: str, repeats: bool) -> bool:  # noqa: FBT001 - the key of a cache
    earlier = "other" if repeats else None
    return has_to_be_refused(Case("", None, Kind(kind), aspect, "", Request("", ""), earlier=earlier))


def is_row_refused(row: CaseRow) -> bool:
    """Whether a gateway that keeps the contract refuses the case of this row."""
    return _is_refused(row[_KIND], row[_ASPECT], row[_EARLIER] is not None)


class Schedule:
    """The groups of the plan in the journal at `path`, without those `apart`, in the order of their due times.

    `rate` is that of requests to be accepted, per second. `cases`, `accepted`: how many it has in all, and how many of
    them a conformant gateway accepts. `length_s`: how long the load lasts. Raises sqlite3.Error for an unreadable file.
    """

    def __init__(self, path: Path, rate: float, apart: Collection[str] = ()) -> None:
        self._path = path
        self._rate = rate
        self._apart = frozenset(apart)
        self.cases = self.accepted = self._beside = 0
        for rows in self._groups(_LABELS):
            accepted = sum(not is_row_refused(row) for row in rows)
            self.cases += len(rows)
            self.accepted += accepted
            self._beside += 0 if accepted else len(rows)
        self.length_s = self.accepted / rate if self.accepted else self._beside / rate

    def __iter__(self) -> Iterator[DueGroup]:
        return heapq.merge(self._to_be_accepted(), self._to_be_refused(), key=lambda group: group.due_s)

    def _to_be_accepted(self) -> Iterator[DueGroup]:
        before = 0
        for rows in self._groups():
            if accepted := sum(not is_row_refused(row) for row in rows):
                yield DueGroup(before / self._rate, rows)
                before += accepted

    def _to_be_refused(self) -> Iterator[DueGroup]:
        before = 0
        for rows in self._groups():
            if all(map(is_row_refused, rows)):
                yield DueGroup(self.length_s * before / self._beside, rows)
                before += len(rows)

    def _groups(self, columns: str = "*") -> Iterator[tuple[CaseRow, ...]]:
        """The groups in the order of the plan, in which the cases of a group follow each other."""
        uri = f"{self._path.resolve().as_uri()}?mode=ro"
        # The thread that drops the last reference to the generator closes it.
        with closing(sqlite3.connect(uri, uri=True, check_same_thread=False)) as connection:
            rows = connection.execute(f"SELECT {columns} FROM cases ORDER BY number")  # noqa: S608 - from above
            for group, cases in groupby(rows, key=lambda row: row[_GROUP]):
                if group not in self._apart:
                    yield tuple(cases)


@dataclass(frozen=True, slots=True)
class WorkerBatch:
    """Groups for one worker, in the order of their due times."""

    number: int
    groups: tuple[DueGroup, ...]

    @property
    def rows(self) -> Iterator[CaseRow]:
        """The cases of all groups."""
        return (row for group in self.groups for row in group.rows)


class Nothing(Enum):
    """Why there is no batch: not YET, as the limits have no room until one is reported, or none is LEFT."""

    YET = auto()
    LEFT = auto()


@dataclass(slots=True)
class Dealer:
    """Hands out the groups of a schedule, each once, while the `allowance` has room for all cases of a batch.

    Every case counts as one that may be accepted until a report settles it. Those of a lost worker count for good.
    """

    contract: Contract
    groups: Iterable[DueGroup]
    allowance: Allowance
    _rest: Iterator[DueGroup] = field(init=False)
    _next: DueGroup | None = field(init=False, default=None)
    _cut: deque[deque[DueGroup]] = field(init=False, default_factory=deque)
    _out: dict[int, WorkerBatch] = field(init=False, default_factory=dict)
    _numbers: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        """Begin with the first group."""
        self._rest = iter(self.groups)
        self._next = next(self._rest, None)

    @property
    def is_limited(self) -> bool:
        """Whether accepted requests or money are limited."""
        return self.allowance.requests is not None or self.allowance.spend is not None

    def hand_out(self, workers: int) -> WorkerBatch | Nothing:
        """The next batch for one of so many `workers`, which share a slice of time evenly."""
        while self._cut or self._next is not None:
            if not self._cut:
                self._slice(max(1, workers))
            groups: list[DueGroup] = []
            waiting = self._cut[0]
            while waiting:
                room = self._room_for(waiting[0])
                if room is None:
                    break
                group = waiting.popleft()
                if room:
                    groups.append(group)
            if not waiting:
                self._cut.popleft()
            if groups:
                self._numbers += 1
                batch = self._out[self._numbers] = WorkerBatch(self._numbers, tuple(groups))
                return batch
            if waiting:
                return Nothing.YET
        return Nothing.LEFT

    def reported(self, number: int, refused: Collection[str], unsent: Collection[str]) -> None:
        """Settle a batch: the ids of cases that were `refused`, and of those of which not a byte went out."""
        batch = self._out.pop(number, None)
        if batch is None or not self.is_limited:
            return
        for row in batch.rows:
            if row[_ID] in unsent:
                self.allowance.give_back(self._case(row).request)
            else:
                self.allowance.settle(self._case(row).request, refused=row[_ID] in refused)

    def stop(self) -> None:
        """Hand out nothing more, and let go of the file."""
        self._cut.clear()
        self._next, self._rest, self.groups = None, iter(()), ()

    def by_product(self, rows: Iterable[CaseRow]) -> Mapping[str, int]:
        """How many of the cases are of each product."""
        products = (self.contract.product_of(row[_COMMAND]) for row in rows)
        return Counter(product for product in products if product is not None)

    def _slice(self, workers: int) -> None:
        """Cut the groups of the next slice of time, and deal them in turn."""
        hands: Sequence[deque[DueGroup]] = [deque() for _ in range(workers)]
        cases = [0] * workers
        end = self._next.due_s + SLICE_S if self._next is not None else 0.0
        while self._next is not None and self._next.due_s < end and sum(cases) < MOST_IN_BATCH * workers:
            least = cases.index(min(cases))
            hands[least].append(self._next)
            cases[least] += len(self._next.rows)
            self._next = next(self._rest, None)
        self._cut.extend(filter(None, hands))

    def _room_for(self, group: DueGroup) -> bool | None:
        if not self.is_limited:
            return True
        return self.allowance.take(*(self._case(row).request for row in group.rows))

    def _case(self, row: CaseRow) -> Case:
        return case_of(row)
