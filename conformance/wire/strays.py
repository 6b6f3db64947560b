"""What reaches a receiver without an id of the run: kept as evidence, but not without end.

    Strays      which requests are kept; counts those that are not
    Taken       a request as the receiver handed it over

Anybody can send to an address on the internet, and each piece would become a row of the journal. A notification may
come before the answer that tells its id, so what names an id is kept for longer than the rest.
"""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from conformance.model.traffic import Request

# A faulty gateway that changes every id of a large run is still told exactly.
MOST_WITH_ID = 100_000
MOST_BYTES_WITH_ID = 64 << 20
# Scanners try some hundred addresses; a gateway that forgets the id of every notification is told by fewer.
MOST_WITHOUT_ID = 1_000
MOST_BYTES_WITHOUT_ID = 16 << 20
# Enough to see what it is, where it came to no callback.
KEPT_BODY = 16 * 1024
# What a row takes beside its bytes.
A_ROW = 128
# Of those that are kept no more the last ones are remembered, until the answer is there that tells their id: it is read
# within milliseconds of the notification.
REMEMBERED = 1_000


class Taken(NamedTuple):
    """A request: product of its path, None for none; when it came, by the monotonic clock and since the epoch."""

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
    """Says which requests are kept; thread-safe. `given` has to be told of the ids that answers give."""

    def __init__(self) -> None:
        """Nothing has come yet."""
        self._with_id = _Room(MOST_WITH_ID, MOST_BYTES_WITH_ID)
        self._without_id = _Room(MOST_WITHOUT_ID, MOST_BYTES_WITHOUT_ID)
        # Digests, for a run may give hundreds of thousands.
        self._given: set[int] = set()
        self._last: deque[tuple[str, Taken]] = deque(maxlen=REMEMBERED)
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

    def given(self, request_id: str) -> Iterator[Taken]:
        """An answer gave this id: what carries it is kept from now on. What came before and was not is handed back."""
        with self._lock:
            self._given.add(hash(request_id))
            found = [each for each in self._last if each[0] == request_id] if self._last else []
            for each in found:
                self._last.remove(each)
                self._left_out_with_id -= 1
        return (taken for _, taken in found)

    def kept(self, taken: Taken, request_id: str | None) -> Request | None:
        """What is kept of a request that names `request_id`; None if there was too much of its kind."""
        request = taken.request
        with self._lock:
            if request_id is not None and hash(request_id) in self._given:
                return request
            if taken.product is None and len(request.body) > KEPT_BODY:
                request = replace(request, body=request.body[:KEPT_BODY])
            size = size_of(request)
            if (self._without_id if request_id is None else self._with_id).take(size):
                return request
            if request_id is None:
                self._left_out[taken.product] += 1
            else:
                self._left_out_with_id += 1
                if size <= KEPT_BODY:
                    self._last.append((request_id, taken))
            return None


def size_of(request: Request) -> int:
    """What a request takes in a journal, in bytes, roughly."""
    headers = sum(len(name) + len(value) for name, value in request.headers)
    return A_ROW + len(request.body) + len(request.url) + headers
