"""Limit the rate of requests to what the gateway accepts.

Call `Pace.await_turn` before a request, and `went_through`, `told_to_slow_down` or `lost` after it.

`Pace` stays just below the rate limit of a gateway. It estimates the limit by the requests of the last second before a
refusal, continues a little more slowly, and increases the rate until the gateway refuses again: quickly at first,
slowly after a few refusals. Without a refusal there is no limit.
"""

from __future__ import annotations

import math
import random
import re
import threading
import time
from collections import deque
from collections.abc import Callable
from email.utils import parsedate_to_datetime

from conformance.model.traffic import Headers, header

# Limits are stated as requests per second, so the requests of the last second show the limit.
LEARNED_OVER_S = 1.0

# Of the rate that passed: little enough to lose hardly any time, and enough for the next request to fit.
DECREASE = 0.9
# Of the rate tried, if a refusal comes within its first second: it was far too high.
REPEATED_DECREASE = 0.5

# Per second, compound: the rate doubles each second after the first refusal, which may come after very few requests.
FIRST_GROWTH = 0.7
# Of the growth, with each further refusal: the better the limit is known, the more slowly the rate approaches it.
GROWTH_KEPT = 0.25
# Per second: from 90 % back to a known limit in some ten seconds, as each refusal costs a pause.
LEAST_GROWTH = 0.005
# If there is no refusal for so long, the limit has changed, and the growth accelerates.
GROWTH_DOUBLES_IN_S = 20.0
# A factor of a million amounts to no limit, and does not overflow.
MOST_GROWN = math.log(1e6)

# Requests/s; below one in two seconds a run would seem to hang.
MIN_RATE = 0.5

# A turn that is taken late by less than this does not delay the next ones: threads wake up late on busy cores. Unused
# turns expire, so that no burst follows an idle time.
CATCH_UP_S = 0.05

# The pause after a refusal without Retry-After; it doubles with each further one, until a request goes through.
FIRST_PAUSE_S = 0.5
# The longest pause, whatever Retry-After says: a mistake there must not stop a run for a day.
MAX_PAUSE_S = 60.0

# All pauses of a run together, and all waits at the rate CRAWL; a gateway that needs more cannot be judged.
MAX_PAUSED_S = 600.0

# Requests/s; the rate at a gateway that refuses every other request, however long the pauses. At this rate, no run
# ends within a day.
CRAWL = 1.2 * MIN_RATE

# Refusals minus the requests that went through: if more than half are refused, slowing down does not help.
MAX_REFUSED = 100

# The random part of a pause, so that several runs against one gateway do not continue at the same time.
JITTER = 0.25

# The digits of a Retry-After that a float can hold, and the seconds that count as for ever.
MOST_DIGITS = 300
LONGEST_S = 1e12


class Pace:
    """Turns to send, which all workers of a run share. Thread-safe.

    `rate_per_s` is the upper limit that the user sets (None: no limit). There is no turn before the time that
    `held_until` returns, for reasons other than the rate of the gateway; call `look_again` when it has changed.
    `clock` returns seconds; `wait` waits for a condition for at most so many seconds, and may return earlier.

    `refused_in_a_row`, `lost_in_a_row`: the pauses for refused and for lost requests since one last went through.
    """

    def __init__(
        self,
        rate_per_s: float | None = None,
        *,
        held_until: Callable[[], float] = lambda: -math.inf,
        clock: Callable[[], float] = time.monotonic,
        wait: Callable[[threading.Condition, float], object] = threading.Condition.wait,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._most = rate_per_s
        self._held_until = held_until
        self._clock = clock
        self._wait = wait
        self._jitter = jitter
        self._turnstile = threading.Lock()
        self._changed = threading.Condition()
        self._stopped = False
        self._learned: float | None = None  # the rate after the last refusal; None before the first
        self._learned_at = float("-inf")
        self._growth = FIRST_GROWTH / GROWTH_KEPT
        self._next_turn = float("-inf")
        self._paused_until = float("-inf")
        self._resumed_at = float("-inf")
        self._passed: deque[float] = deque()
        self.refused_in_a_row = 0
        self.lost_in_a_row = 0
        self._lost_at = float("-inf")
        self._paused_s = 0.0
        self._crawled_s = 0.0
        self._refusals_ahead = 0

    def await_turn(self) -> bool:
        """Wait for the next turn. False if there are no more turns, because of `stop`."""
        # One thread waits for the time, and all others for that thread, so that each turn wakes one thread only.
        with self._turnstile, self._changed:
            while not self._stopped:
                now = self._clock()
                due = max(self._next_turn, self._paused_until, self._held_until())
                if due <= now:
                    if (rate := self._rate(now)) is not None:
                        planned = self._next_turn if now - self._next_turn < CATCH_UP_S else now
                        self._next_turn = planned + 1.0 / rate
                    return True
                crawls = due > self._paused_until and self._learned is not None and (self._rate(now) or 0.0) <= CRAWL
                self._wait(self._changed, due - now)
                self._crawled_s += self._clock() - now if crawls else 0.0
        return False

    def look_again(self) -> None:
        """Make the waiting threads call `held_until` again."""
        with self._changed:
            self._changed.notify_all()

    def stop(self) -> None:
        """End all waiting; there are no more turns."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def went_through(self, now: float) -> None:
        """Note that the gateway processed a request, whatever it answered."""
        with self._changed:
            self.refused_in_a_row = self.lost_in_a_row = 0
            self._refusals_ahead -= 1
            self._passed.append(now)
            self._forget(now)

    def told_to_slow_down(self, retry_after_s: float | None, now: float, sent_at: float | None = None) -> float | None:
        """Note that the gateway refused a request as one too many: all workers pause, and continue more slowly.

        `retry_after_s`: the pause that it asked for; None or 0, to which many limiters round down, for none. `sent_at`:
        the time of the refused request. One that was sent before the last refusal says nothing new about the rate, but
        its pause counts. Returns the seconds of a new pause; None without one.
        """
        with self._changed:
            self._refusals_ahead += 1
            if now < self._paused_until or (sent_at is not None and sent_at < self._learned_at):
                self._pause(now, retry_after_s or 0.0)
                return None
            self.refused_in_a_row += 1
            self._learned = self._lower_rate(now)
            self._growth = max(self._growth * GROWTH_KEPT, LEAST_GROWTH)
            backed_off = _backed_off(self.refused_in_a_row)
            if not retry_after_s:
                pause = backed_off
            else:  # the requested pause is trusted once; if the gateway refuses again, it was too short
                pause = max(retry_after_s, backed_off if self.refused_in_a_row > 1 else 0.0)
            self._learned_at = now
            self._pause(now, pause * (1.0 + JITTER * self._jitter()))
            return pause

    def lost(self, now: float, sent_at: float) -> None:
        """Note that the network lost a request: all workers pause, each time twice as long until one goes through.

        Other requests in progress at that time say nothing new. The rate does not change.
        """
        with self._changed:
            if sent_at < self._lost_at:
                return
            self.lost_in_a_row += 1
            self._lost_at = now
            self._pause(now, _backed_off(self.lost_in_a_row) * (1.0 + JITTER * self._jitter()))

    @property
    def in_vain(self) -> str | None:
        """The reason to stop waiting for the gateway, in words; None if there is none."""
        with self._changed:
            if self._paused_s + self._crawled_s > MAX_PAUSED_S:
                return f"the run had to wait for more than {MAX_PAUSED_S / 60:g} minutes in all"
            if self._refusals_ahead > MAX_REFUSED:
                return "more than half of the requests were refused, although they were sent slowly"
        return None

    @property
    def rate_per_s(self) -> float | None:
        """The current rate of turns; None without a limit."""
        with self._changed:
            return self._rate(self._clock())

    def _rate(self, now: float) -> float | None:
        if self._learned is None:
            return self._most
        since = max(0.0, now - self._resumed_at)
        grown = self._growth * since * (1.0 + since / GROWTH_DOUBLES_IN_S)
        return min(self._learned * math.exp(min(grown, MOST_GROWN)), self._most or math.inf)

    def _lower_rate(self, now: float) -> float:
        self._forget(now)
        tried = self._rate(now)
        passed = len(self._passed) / LEARNED_OVER_S
        if self._learned is None:
            lower = DECREASE * (passed if tried is None else min(passed, tried))
        elif now - self._resumed_at < LEARNED_OVER_S:
            lower = REPEATED_DECREASE * self._learned
        else:
            lower = DECREASE * min(passed, tried or passed)
        return max(lower, MIN_RATE)

    def _pause(self, now: float, pause_s: float) -> None:
        until = max(self._paused_until, now + min(max(pause_s, 0.0), MAX_PAUSE_S))
        self._paused_s += until - max(self._paused_until, now) if until > now else 0.0
        self._paused_until = until
        self._next_turn = self._resumed_at = self._paused_until

    def _forget(self, now: float) -> None:
        while self._passed and self._passed[0] <= now - LEARNED_OVER_S:
            self._passed.popleft()


def _backed_off(in_a_row: int) -> float:
    return FIRST_PAUSE_S * 2.0 ** min(in_a_row - 1, 10)


def retry_after_s(headers: Headers, wall: float) -> float | None:
    """The seconds from now on that a Retry-After header asks to wait; None without a readable one.

    It may hold seconds or a date (RFC 9110, 10.2.3). A date is relative to the Date of the answer, if there is one, so
    that wrong clocks do not matter, else to `wall`.
    """
    value = (header(headers, "Retry-After") or "").strip()
    if re.fullmatch(r"\d+(\.\d*)?", value, re.ASCII):
        return min(float(value[:MOST_DIGITS]), LONGEST_S)
    until = timestamp_of(value)
    if until is None:
        return None
    sent = timestamp_of(header(headers, "Date") or "")
    return max(0.0, until - (wall if sent is None else sent))


def timestamp_of(date: str) -> float | None:
    """The time in a Date or Retry-After header, in seconds since the epoch; None if there is none."""
    try:
        return parsedate_to_datetime(date).timestamp()
    except (ValueError, TypeError, OverflowError, IndexError, OSError):  # for a text that is not a date
        return None
