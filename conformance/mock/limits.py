"""What the gateway remembers in order to refuse: how fast requests come, and which were accepted a short while ago.

    Rate        a token bucket
    Window      similar requests (contract: "Idempotency")

Times are seconds of any monotonic clock; only their differences count.
"""

from __future__ import annotations

from collections.abc import Hashable


class Rate:
    """A second's worth of requests at once, and `per_s` per second after that."""

    def __init__(self, per_s: float) -> None:
        self._per_s = per_s
        self._most = max(1.0, per_s)
        self._tokens = self._most
        self._filled_at: float | None = None

    def take(self, now: float) -> bool:
        """Whether a request at `now` is within the rate; it is counted only if so."""
        since = 0.0 if self._filled_at is None else max(0.0, now - self._filled_at)
        self._tokens = min(self._most, self._tokens + since * self._per_s)
        self._filled_at = now
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True


class Window:
    """The requests that were accepted lately, each known by what makes two of them similar."""

    def __init__(self) -> None:
        self._accepted_at: dict[Hashable, float] = {}

    def holds(self, similar: Hashable, now: float, length_s: float) -> bool:
        """Whether a similar request was accepted less than `length_s` before `now`."""
        at = self._accepted_at.get(similar)
        return at is not None and now - at < length_s

    def add(self, similar: Hashable, now: float, length_s: float) -> None:
        """A request was accepted at `now`; those that were accepted `length_s` before are forgotten."""
        self._accepted_at.pop(similar, None)
        self._accepted_at[similar] = now
        # In order of acceptance, so what has run out is at the front: served for days, it keeps five minutes.
        while now - self._accepted_at[oldest := next(iter(self._accepted_at))] >= length_s:
            del self._accepted_at[oldest]
