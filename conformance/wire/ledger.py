"""Wait for the expected notifications, once for all of them, and limit requests that no notification explains.

    Ledger          counts expected notifications and arrivals, and waits for the rest
    Strays          decides which requests without an id of the run are recorded, and counts the others

The ledger only decides how long to wait: it matches arrivals by product and request_id, each once. Rules judge
lateness, repeats and contradictions by the journal. Anybody can send requests to an address on the internet, and each
one would become a row of the journal. A notification may arrive before the answer with its id, so there is more room
for requests with an id than for others.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from conformance.model.traffic import Request
from conformance.model.untrusted import lenient_object

# After the last expected notification, a faulty gateway may send it again or revoke it. Such gateways do it at once;
# half a second is enough to see it, and does not delay a run noticeably.
QUIET_WINDOW_S = 0.5

# An account with other users may never be quiet. Ten windows are enough to see repeats among their notifications.
MAX_QUIET_S = 5.0


class Settled(NamedTuple):
    """The result of the wait, in numbers of notifications; verdicts on missing ones state `waited_s`."""

    owed: int
    arrived: int
    missing: int
    waited_s: float


class Ledger:
    """Accounts of expected notifications. Thread-safe; each event takes constant time.

    `notify_within`: seconds that a notification may take. `quiet`: the wait ends after so many seconds without an
    arrival, once every notification has arrived or the deadline is over; arrivals prolong it, up to `MAX_QUIET_S`.
    `clock` and `condition` are for tests. `on_change(outstanding)` is called after each event, in its thread.

    `owed`: the number of notifications that were expected so far; `outstanding`: those that have not arrived;
    `deadline`: of the last one, in seconds of the clock; -inf if none was expected.
    """

    def __init__(
        self,
        notify_within: float,
        quiet: float = QUIET_WINDOW_S,
        *,
        clock: Callable[[], float] = time.monotonic,
        condition: threading.Condition | None = None,
        on_change: Callable[[int], None] | None = None,
    ) -> None:
        self._notify_within = notify_within
        self._quiet = quiet
        self._max_quiet = max(quiet, MAX_QUIET_S)
        self._clock = clock
        self._changed = condition or threading.Condition()
        self._on_change = on_change or (lambda _: None)
        # Expected minus arrived, for each product and request_id; negative while a notification is ahead of its answer.
        # Zeros are removed, so there are no more entries than requests in progress.
        self._balances: dict[tuple[str, str], int] = {}
        # The deadlines of outstanding notifications, in order. An OrderedDict finds the first one in constant time; a
        # dict would step over all removed entries.
        self._due: OrderedDict[tuple[str, str], float] = OrderedDict()
        self._late: set[str] = set()
        self.owed = 0
        self.outstanding = 0
        self.deadline = float("-inf")
        self._last_arrival = float("-inf")
        self._settled_at = float("-inf")

    def missing(self) -> frozenset[str]:
        """The products with notifications that have not arrived."""
        with self._changed:
            return frozenset(product for (product, _), balance in self._balances.items() if balance > 0)

    def late(self) -> frozenset[str]:
        """The products with notifications that arrived after their deadline."""
        with self._changed:
            return frozenset(self._late)

    def owe(self, product: str, request_id: str, since: float) -> None:
        """Expect a notification within `notify_within` of a request that was accepted at `since`, by the clock.

        It may have arrived already, before the answer.
        """
        with self._changed:
            balance = self._changed_balance((product, request_id), by=1)
            self.owed += 1
            self.deadline = max(self.deadline, since + self._notify_within)
            if balance > 0:
                self.outstanding += 1
                self._due.setdefault((product, request_id), since + self._notify_within)
            elif not self.outstanding:
                self._settled_at = max(self._settled_at, since)
            self._changed.notify_all()
            outstanding = self.outstanding
        self._on_change(outstanding)

    def arrived(self, product: str | None, request_id: str | None, at: float) -> None:
        """Count a request to the receiver at `at`; a stray has no product, and an unreadable id is None."""
        with self._changed:
            self._last_arrival = max(self._last_arrival, at)
            if product is not None and request_id is not None:
                balance = self._changed_balance((product, request_id), by=-1)
                if balance >= 0:
                    self.outstanding -= 1
                    if not balance and at > self._due.pop((product, request_id), float("-inf")):
                        self._late.add(product)
                    if not self.outstanding:
                        self._settled_at = max(self._settled_at, at)
            self._changed.notify_all()
            outstanding = self.outstanding
        self._on_change(outstanding)

    def full_until(self, most: int) -> float:
        """The time at which one more may be expected if none arrives before; -inf if fewer than `most` are outstanding.

        Overdue ones do not count, so a gateway that never notifies does not block the run.
        """
        with self._changed:
            now = self._clock()
            while len(self._due) >= most:
                first = next(iter(self._due.values()))
                if first > now:
                    return first
                self._due.popitem(last=False)
            return float("-inf")

    def wait(self, meanwhile: Callable[[], object] | None = None) -> Settled:
        """Wait for the outstanding notifications, after all requests were sent.

        The wait ends one quiet window after the last notification arrived, or after the last deadline. Ctrl-C
        interrupts it at once. `meanwhile` is called at the beginning of the window, if all have arrived.
        """
        with self._changed:
            began = self._clock()
            while meanwhile and self.outstanding and (pause := self._end(began) - self._clock()) > 0:
                self._changed.wait(pause)
            all_here = not self.outstanding
        if meanwhile and all_here:
            meanwhile()
        with self._changed:
            while (pause := self._end(began) - self._clock()) > 0:
                self._changed.wait(pause)
            return Settled(
                owed=self.owed,
                arrived=self.owed - self.outstanding,
                missing=self.outstanding,
                waited_s=self._clock() - began,
            )

    def _changed_balance(self, account: tuple[str, str], by: int) -> int:
        balance = self._balances.pop(account, 0) + by
        if balance:
            self._balances[account] = balance
        return balance

    def _end(self, began: float) -> float:
        """The end of a wait that began at `began`, unless something arrives before."""
        decided = self.deadline if self.outstanding else min(self.deadline, self._settled_at)
        quiet_from = max(began, decided)
        return min(max(quiet_from, self._last_arrival) + self._quiet, quiet_from + self._max_quiet)


def request_id_of(body: bytes, member: str) -> str | None:
    """The id in `member` of a body, which is read leniently; None if that is not a string."""
    request_id = (lenient_object(body) or {}).get(member)
    return request_id if isinstance(request_id, str) else None


# Enough for an exact report on a faulty gateway that changes every id of a large run.
MOST_WITH_ID = 100_000
MOST_BYTES_WITH_ID = 64 << 20
# Scanners try a few hundred addresses; fewer requests show a gateway that omits every id.
MOST_WITHOUT_ID = 1_000
MOST_BYTES_WITHOUT_ID = 16 << 20
# Recorded bytes of a stray's body: enough to recognise it.
KEPT_BODY = 16 * 1024
# The size of a row without its content, in bytes.
A_ROW = 128
# More than the size of any notification of the contract, in bytes.
A_NOTIFICATION = 4 * 1024
# The last requests beyond the limits wait in memory for the answer with their id, which takes milliseconds.
REMEMBERED = 1_000


class Arrival(NamedTuple):
    """A request to the receiver, with the product of its path (None: a stray), and monotonic and epoch seconds."""

    product: str | None
    request: Request
    at: float
    wall: float


@dataclass(slots=True)
class _Room:
    """The remaining room for requests of one kind."""

    requests: int
    bytes: int

    def take(self, size: int) -> bool:
        if self.requests < 1 or self.bytes < size:
            return False
        self.requests -= 1
        self.bytes -= size
        return True


class Strays:
    """Decides which requests are recorded. Thread-safe. Call `given` with the id of each answer.

    `expected`: so many more with ids that are not `given`, where another process hears the answers.
    """

    def __init__(self, expected: int = 0) -> None:
        self._with_id = _Room(MOST_WITH_ID + expected, MOST_BYTES_WITH_ID + expected * A_NOTIFICATION)
        self._without_id = _Room(MOST_WITHOUT_ID, MOST_BYTES_WITHOUT_ID)
        # Hashes, because a run may have hundreds of thousands of ids.
        self._given: set[int] = set()
        self._last: deque[tuple[str, Arrival]] = deque(maxlen=REMEMBERED)
        self._left_out: Counter[str | None] = Counter()
        self._left_out_with_id = 0
        self._lock = threading.Lock()

    @property
    def left_out(self) -> int:
        """The number of requests that were not recorded."""
        with self._lock:
            return self._left_out.total() + self._left_out_with_id

    def described(self) -> Mapping[str, Any]:
        """The numbers for a note: all, those with an id, and those without one by product."""
        with self._lock:
            by_product = {product: count for product, count in self._left_out.items() if product is not None}
            total = self._left_out.total() + self._left_out_with_id
            return {"left_out": total, "with_id": self._left_out_with_id, "without_id": by_product}

    def also(self, described: Mapping[str, Any]) -> None:
        """Add the numbers that another process has `described`."""
        with self._lock:
            self._left_out.update(described["without_id"])
            self._left_out_with_id += described["with_id"]
            self._left_out[None] += described["left_out"] - described["with_id"] - sum(described["without_id"].values())

    def given(self, request_id: str) -> Iterator[Arrival]:
        """Record all requests with the id of an answer from now on; the earlier ones that were not recorded."""
        with self._lock:
            self._given.add(hash(request_id))
            found = [each for each in self._last if each[0] == request_id] if self._last else []
            for each in found:
                self._last.remove(each)
                self._left_out_with_id -= 1
        return (arrival for _, arrival in found)

    def kept(self, arrival: Arrival, request_id: str | None) -> Request | None:
        """The part of a request to record; None if there were too many of its kind."""
        request = arrival.request
        with self._lock:
            if request_id is not None and hash(request_id) in self._given:
                return request
            if arrival.product is None and len(request.body) > KEPT_BODY:
                request = replace(request, body=request.body[:KEPT_BODY])
            size = size_of(request)
            if (self._without_id if request_id is None else self._with_id).take(size):
                return request
            if request_id is None:
                self._left_out[arrival.product] += 1
            else:
                self._left_out_with_id += 1
                if size <= KEPT_BODY:
                    self._last.append((request_id, arrival))
            return None


def size_of(request: Request) -> int:
    """The approximate size of a request in a journal, in bytes."""
    headers = sum(len(name) + len(value) for name, value in request.headers)
    return A_ROW + len(request.body) + len(request.url) + headers
