"""The notifications that are owed, the one wait for all of them, and a limit for requests that nobody owes.

    Ledger          counts owed notifications and arrivals, and waits for the rest
    Strays          decides which requests without an id of the run are kept; counts the others

The ledger decides how long to wait and nothing else: it matches by product and request_id, takes each arrival once, and
leaves lateness, repeats and contradictions to the checks, which read them from the journal. Anybody can send to an
address on the internet, and each request would become a row of the journal. A notification may come before the answer
that tells its id, so requests that name an id are kept for longer than the rest.
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

# After the last notification that is owed, a wrong gateway may send it again or take it back. Gateways that do so do it
# at once; half a second sees them without delaying a run noticeably.
QUIET_WINDOW_S = 0.5

# An account that others use may never be quiet. Ten windows are enough to see repeats between their notifications.
MAX_QUIET_S = 5.0


@dataclass(frozen=True, slots=True)
class Settled:
    """How the wait ended, in numbers of notifications; `waited_s` is part of a verdict on missing ones."""

    owed: int
    arrived: int
    missing: int
    waited_s: float


class Ledger:
    """Accounts of owed notifications; every method may be called from any thread, and each event costs the same.

    `notify_within`: seconds that a notification may take. `quiet`: seconds without an arrival that end the wait once
    nothing is owed any more, or after the deadline; arrivals prolong it, up to `MAX_QUIET_S`. `clock` and `condition`
    are there for tests. `on_change(outstanding)` is called after each event, in the thread that reported it.

    `owed`: how many notifications were ever owed; `outstanding`: how many of them have not arrived yet; `deadline`: of
    the last of them, in seconds of the clock, -inf if none was ever owed.
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
        # Owed less arrived, for each product and request_id: negative while an arrival is ahead of what it settles.
        # Settled ones are removed, so it is no larger than the number under way.
        self._balances: dict[tuple[str, str], int] = {}
        # The deadlines of outstanding ones, in the order in which they were owed. The first is found at once, where a
        # dict would go through the places of all that were taken out before it.
        self._due: OrderedDict[tuple[str, str], float] = OrderedDict()
        self._late: set[str] = set()
        self.owed = 0
        self.outstanding = 0
        self.deadline = float("-inf")
        self._last_arrival = float("-inf")
        self._settled_at = float("-inf")

    def missing(self) -> frozenset[str]:
        """The products of which notifications are owed and have not arrived."""
        with self._changed:
            return frozenset(product for (product, _), balance in self._balances.items() if balance > 0)

    def late(self) -> frozenset[str]:
        """The products of which notifications arrived after they were waited for."""
        with self._changed:
            return frozenset(self._late)

    def owe(self, product: str, request_id: str, since: float) -> None:
        """A request was accepted at `since` (seconds of the clock): a notification is owed within `notify_within`.

        One that arrived before settles it at once: it came ahead of the answer.
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
        """A request reached the receiver at `at`; None for a stray's product and for an id that cannot be read."""
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
        """When one more may be owed if no notification comes until then; -inf if fewer than `most` are awaited now.

        Those whose time is over are not awaited any more: a gateway that never notifies is not waited for without end.
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
        """Blocks until nothing more needs to be waited for; called when everything has been sent.

        That is a quiet window after the last owed notification has arrived, or after the deadline of the one that was
        owed last. Ctrl-C interrupts it at once. `meanwhile` is called as the window begins, if all have arrived.
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
        """When the wait that began at `began` ends if nothing happens until then."""
        decided = self.deadline if self.outstanding else min(self.deadline, self._settled_at)
        quiet_from = max(began, decided)
        return min(max(quiet_from, self._last_arrival) + self._quiet, quiet_from + self._max_quiet)


def request_id_of(body: bytes, member: str) -> str | None:
    """The id in `member` of a body, read leniently; None if there is no such string in it."""
    request_id = (lenient_object(body) or {}).get(member)
    return request_id if isinstance(request_id, str) else None


# Enough to report exactly on a faulty gateway that changes every id of a large run.
MOST_WITH_ID = 100_000
MOST_BYTES_WITH_ID = 64 << 20
# Scanners try some hundred addresses; fewer show a gateway that forgets the id of every notification.
MOST_WITHOUT_ID = 1_000
MOST_BYTES_WITHOUT_ID = 16 << 20
# Bytes of the body of a stray that are kept: enough to recognise it.
KEPT_BODY = 16 * 1024
# Bytes that a row takes beside its content.
A_ROW = 128
# The last requests beyond the limits are remembered until the answer with their id is read, within milliseconds.
REMEMBERED = 1_000


class Arrival(NamedTuple):
    """A request to the receiver: product of its path, None for a stray; monotonic and epoch seconds of its arrival."""

    product: str | None
    request: Request
    at: float
    wall: float


@dataclass(slots=True)
class _Room:
    """How much more is kept."""

    requests: int
    bytes: int

    def take(self, size: int) -> bool:
        if self.requests < 1 or self.bytes < size:
            return False
        self.requests -= 1
        self.bytes -= size
        return True


class Strays:
    """Decides which requests are kept; thread-safe. Call `given` with each id that an answer gives."""

    def __init__(self) -> None:
        self._with_id = _Room(MOST_WITH_ID, MOST_BYTES_WITH_ID)
        self._without_id = _Room(MOST_WITHOUT_ID, MOST_BYTES_WITHOUT_ID)
        # Digests, for a run may give hundreds of thousands.
        self._given: set[int] = set()
        self._last: deque[tuple[str, Arrival]] = deque(maxlen=REMEMBERED)
        self._left_out: Counter[str | None] = Counter()
        self._left_out_with_id = 0
        self._lock = threading.Lock()

    @property
    def left_out(self) -> int:
        """How many requests were not kept."""
        with self._lock:
            return self._left_out.total() + self._left_out_with_id

    def described(self) -> Mapping[str, Any]:
        """The same for a note: how many, how many of them with an id, and by product those without."""
        with self._lock:
            by_product = {product: count for product, count in self._left_out.items() if product is not None}
            total = self._left_out.total() + self._left_out_with_id
            return {"left_out": total, "with_id": self._left_out_with_id, "without_id": by_product}

    def given(self, request_id: str) -> Iterator[Arrival]:
        """An answer gave this id: requests with it are kept from now on. Gives back earlier ones that were not kept."""
        with self._lock:
            self._given.add(hash(request_id))
            found = [each for each in self._last if each[0] == request_id] if self._last else []
            for each in found:
                self._last.remove(each)
                self._left_out_with_id -= 1
        return (arrival for _, arrival in found)

    def kept(self, arrival: Arrival, request_id: str | None) -> Request | None:
        """The part of a request with this `request_id` that is kept; None if there were too many of its kind."""
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
    """The size of a request in a journal, in bytes, roughly."""
    headers = sum(len(name) + len(value) for name, value in request.headers)
    return A_ROW + len(request.body) + len(request.url) + headers
