"""How fast requests go out: as fast as the gateway takes them, and slower when it says so.

Call `Pace.await_turn` before a request, and `went_through`, `told_to_slow_down` or `lost` after it.

`Pace` stays close below the limit of a gateway that has one. It takes the requests of the last second before a refusal
for the limit, tries a little less, then more until the gateway refuses again: fast while little is known of the limit,
slowly when it has been met a few times. Without a refusal it holds nothing back.
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

# Of the rate that passed: so little less that hardly anything is lost, so much less that the next request fits.
DECREASE = 0.9
# Of the rate tried, where a refusal came before a second had passed at it: it was far off.
REPEATED_DECREASE = 0.5

# Per second, compound: the rate doubles each second after the first refusal, which may have come after very few.
FIRST_GROWTH = 0.7
# Of the growth, with each refusal that follows: the better the limit is known, the more slowly it is approached.
GROWTH_KEPT = 0.25
# Per second: from 90 % back to a known limit in some ten seconds, as each refusal costs a pause.
LEAST_GROWTH = 0.005
# Without a refusal for so long, the limit has changed, and the rate grows faster and faster.
GROWTH_DOUBLES_IN_S = 20.0
# A million times the rate is as good as no limit, and no overflow.
MOST_GROWN = math.log(1e6)

# Requests/s; below one in two seconds a run would seem to hang.
MIN_RATE = 0.5

# A turn that was taken late by less does not move the ones after it: threads wake up late on busy cores. Time in which
# nobody wanted a turn is lost, so that no burst follows it.
CATCH_UP_S = 0.05

# The pause after a refusal without Retry-After; doubled with each one that follows without anything let through.
FIRST_PAUSE_S = 0.5
# No pause is longer, whatever Retry-After says: a typing error there must not hold a run for a day.
MAX_PAUSE_S = 60.0

# All pauses of a run together, and all waits at a crawl; a gateway that needs more is not up to a run.
MAX_PAUSED_S = 600.0

# Requests/s; a gateway that refuses every other request, however long the pauses, brings the rate down to this. At such
# a limit no run ends within a day.
CRAWL = 1.2 * MIN_RATE

# Refusals beyond the requests that went through: where more than half are refused, slowing down does not help.
MAX_REFUSED = 100

# The part of a pause by which it varies, so that several runs against one gateway do not come back together.
JITTER = 0.25

# Of a number of seconds in Retry-After, as many as a float can hold; and the seconds that count as for ever.
MOST_DIGITS = 300
LONGEST_S = 1e12


class Pace:
    """Gives out turns to send; thread-safe, shared by all workers of a run.

    `rate_per_s` is an upper limit of the user's own (None: no limit). No turn is given before the moment that
    `held_until` returns, for reasons other than the gateway's rate; call `look_again` after it has changed.
    `clock` gives seconds; `wait` waits on a condition for so many seconds at most, and may return earlier.

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
        """Waits until a request may go out. False if there will be no more turns because of `stop`."""
        # One thread waits for the moment and all others for that thread: no herd wakes up for each turn.
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
        """Has the threads that wait for a turn ask `held_until` once more."""
        with self._changed:
            self._changed.notify_all()

    def stop(self) -> None:
        """Ends all waiting: no turn is given any more."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def went_through(self, now: float) -> None:
        """The gateway took a request, whatever it answered."""
        with self._changed:
            self.refused_in_a_row = self.lost_in_a_row = 0
            self._refusals_ahead -= 1
            self._passed.append(now)
            self._forget(now)

    def told_to_slow_down(self, retry_after_s: float | None, now: float, sent_at: float | None = None) -> float | None:
        """The gateway refused a request because there were too many: all workers pause, and go on more slowly.

        `retry_after_s`: the pause it asked for; None if none, as is 0, to which many limiters round down. `sent_at`:
        when the refused request went out. One that went out before the last refusal was known says nothing new about
        the rate; its pause is kept all the same. Returns the seconds of a new pause, None where there is none.
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
            else:  # the pause it asked for is enough once; a gateway that refuses again did not mean it
                pause = max(retry_after_s, backed_off if self.refused_in_a_row > 1 else 0.0)
            self._learned_at = now
            self._pause(now, pause * (1.0 + JITTER * self._jitter()))
            return pause

    def lost(self, now: float, sent_at: float) -> None:
        """A request got lost on its way: all workers pause, twice as long each time until one goes through again.

        Those that were under way at the same time say nothing new; the rate stays as it is.
        """
        with self._changed:
            if sent_at < self._lost_at:
                return
            self.lost_in_a_row += 1
            self._lost_at = now
            self._pause(now, _backed_off(self.lost_in_a_row) * (1.0 + JITTER * self._jitter()))

    @property
    def in_vain(self) -> str | None:
        """The reason to wait for the gateway no longer, in words; None as long as there is none."""
        with self._changed:
            if self._paused_s + self._crawled_s > MAX_PAUSED_S:
                return f"the run had to wait for more than {MAX_PAUSED_S / 60:g} minutes in all"
            if self._refusals_ahead > MAX_REFUSED:
                return "more than half of the requests were refused, however slowly they went out"
        return None

    @property
    def rate_per_s(self) -> float | None:
        """The rate at which turns are given now; None if without limit."""
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
    """The seconds that a Retry-After header asks to wait from now on; None if there is none that can be read.

    It may hold seconds or a date (RFC 9110, 10.2.3). A date is taken relative to the answer's own Date, if it has
    one, so that a clock that is wrong on either side does no harm; else to `wall`.
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
    """The moment that a Date or Retry-After header names, in seconds since the epoch; None if it names none."""
    try:
        return parsedate_to_datetime(date).timestamp()
    except (ValueError, TypeError, OverflowError, IndexError, OSError):  # its errors for text that is not a date
        return None
