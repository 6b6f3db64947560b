"""The pace keeps to what a gateway asks for, and drives one that limits its rate close below the limit."""

from __future__ import annotations

import heapq
import math
import threading
import time
from collections.abc import Callable
from itertools import count

import pytest

from conformance.wire.pacing import (
    CATCH_UP_S,
    DECREASE,
    FIRST_PAUSE_S,
    JITTER,
    LONGEST_S,
    MAX_PAUSE_S,
    MAX_PAUSED_S,
    MAX_REFUSED,
    MIN_RATE,
    Pace,
    retry_after_s,
)

# 12:00 on 22 November 2024.
NOON_WALL = 1732276800.0


class Clock:
    """A clock that only waiting moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """The time."""
        return self.now

    def wait(self, _: threading.Condition, seconds: float) -> None:
        """Lets time pass instead of waiting."""
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    """The clock of the paces under test."""
    return Clock()


def _pace(clock: Clock, rate_per_s: float | None = None, jitter: float = 0.0) -> Pace:
    return Pace(rate_per_s, clock=clock, wait=clock.wait, jitter=lambda: jitter)


def _waited(pace: Pace, clock: Clock) -> float:
    began = clock.now
    assert pace.await_turn()
    return clock.now - began


def test_holds_nothing_back_without_a_limit(clock: Clock) -> None:
    """Until a gateway refuses, each turn comes at once."""
    pace = _pace(clock)
    assert [0.0] * 1000 == [_waited(pace, clock) for _ in range(1000)]
    assert pace.rate_per_s is None


def test_keeps_to_the_users_own_limit(clock: Clock) -> None:
    """Turns are evenly spaced, and time that was lost between them is not caught up in a burst."""
    pace = _pace(clock, rate_per_s=20)
    assert [0.0, *[0.05] * 99] == pytest.approx([_waited(pace, clock) for _ in range(100)])
    clock.now += 10
    assert [0.0, 0.05, 0.05] == pytest.approx([_waited(pace, clock) for _ in range(3)])


def test_waits_as_long_as_asked(clock: Clock) -> None:
    """At least for Retry-After, and not much longer; a Retry-After of a day does not hold the run for a day."""
    asked = {0.2: 0.2, 1.0: 1.0, 30.0: 30.0}
    cut = dict.fromkeys((61.0, 86400.0, 1e18), MAX_PAUSE_S)
    for jitter, rows in ((0.0, asked), (1.0, {each: each * (1 + JITTER) for each in asked}), (1.0, cut)):
        for asked_s, expected in rows.items():
            pace = _pace(clock, jitter=jitter)
            pace.told_to_slow_down(asked_s, clock.now)
            assert pytest.approx(expected) == _waited(pace, clock)


@pytest.mark.parametrize("asked", [None, 0.0])
def test_backs_off_further_each_time(clock: Clock, asked: float | None) -> None:
    """Without a Retry-After that says anything, pauses double until a request goes through."""
    pace = _pace(clock)
    pauses = []
    for _ in range(10):
        pace.told_to_slow_down(asked, clock.now)
        pauses.append(_waited(pace, clock))
    assert [min(FIRST_PAUSE_S * 2**n, MAX_PAUSE_S) for n in range(10)] == pytest.approx(pauses)
    assert 10 == pace.refused_in_a_row
    pace.went_through(clock.now)
    assert 0 == pace.refused_in_a_row
    pace.told_to_slow_down(None, clock.now)
    assert pytest.approx(FIRST_PAUSE_S) == _waited(pace, clock)


def test_refusals_of_one_burst_count_once(clock: Clock) -> None:
    """What was on its way when the first refusal came lowers the rate no further, but its pause is kept."""
    pace = _pace(clock)
    for _ in range(20):
        pace.went_through(clock.now)
    for _ in range(16):
        pace.told_to_slow_down(1.0, clock.now, sent_at=clock.now - 0.01)
    assert 1 == pace.refused_in_a_row
    assert pytest.approx(20 * DECREASE) == pace.rate_per_s
    began = clock.now
    assert pytest.approx(1.0) == _waited(pace, clock)
    pace.told_to_slow_down(3.0, clock.now, sent_at=began - 0.01)
    assert 1 == pace.refused_in_a_row
    assert pytest.approx(3.0) == _waited(pace, clock)


def test_never_gets_stuck_at_nothing(clock: Clock) -> None:
    """A refusal before anything went through leaves a rate that gets on, and that grows."""
    pace = _pace(clock)
    pace.told_to_slow_down(0.0, clock.now)
    assert MIN_RATE == pace.rate_per_s
    clock.now += 5
    assert (pace.rate_per_s or 0.0) > 10 * MIN_RATE


def test_grows_no_further_than_the_users_own_limit(clock: Clock) -> None:
    """What is learned from refusals stays below what the user set."""
    pace = _pace(clock, rate_per_s=30)
    for _ in range(25):
        pace.went_through(clock.now)
    pace.told_to_slow_down(None, clock.now)
    assert pytest.approx(25 * DECREASE) == pace.rate_per_s
    clock.now += 3600
    assert 30 == pace.rate_per_s


def test_turns_are_held_for_another_reason(clock: Clock) -> None:
    """As long as it lasts, and no longer."""
    pace = Pace(held_until=lambda: 1003.0, clock=clock, wait=clock.wait)
    assert [3.0, 0.0, 0.0] == [_waited(pace, clock) for _ in range(3)]


def test_a_held_worker_continues_as_soon_as_the_reason_is_gone() -> None:
    """Long before the time that was told at first."""
    held = [math.inf]
    asked = threading.Event()

    def held_until() -> float:
        asked.set()
        return min(held[0], time.monotonic() + MAX_PAUSE_S)

    pace = Pace(held_until=held_until)
    turns: list[bool] = []
    thread = threading.Thread(target=lambda: turns.append(pace.await_turn()))
    thread.start()
    assert asked.wait(10)
    held[0] = -math.inf
    pace.look_again()
    thread.join(timeout=10)
    assert [True] == turns


def test_stop_wakes_those_who_wait() -> None:
    """A worker in the middle of a long pause goes home at once, and so do those behind it."""
    pace = Pace()
    pace.told_to_slow_down(MAX_PAUSE_S, time.monotonic())
    turns: list[bool] = []
    waiting = [threading.Thread(target=lambda: turns.append(pace.await_turn())) for _ in range(4)]
    for thread in waiting:
        thread.start()
    pace.stop()
    for thread in waiting:
        thread.join(timeout=10)
    assert [False] * 4 == turns
    assert not pace.await_turn()


def test_threads_share_one_pace() -> None:
    """However many wait, turns come at the rate, each to one of them."""
    pace, rate, turns = Pace(rate_per_s=200), 200, []

    def take() -> None:
        while len(turns) < 40 and pace.await_turn():
            turns.append(time.monotonic())

    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=10)
    assert 40 <= len(turns) < 48
    assert max(turns) - min(turns) >= (len(turns) - 1) / rate - CATCH_UP_S


class Bucket:
    """A gateway with a token bucket: `burst` at once, then `rate` per second."""

    def __init__(self, rate: float, burst: float) -> None:
        self.rate, self.burst, self.tokens, self.at = rate, burst, burst, 0.0

    def takes(self, now: float) -> bool:
        """Whether a request at `now` is taken."""
        self.tokens = min(self.burst, self.tokens + (now - self.at) * self.rate)
        self.at = now
        taken = self.tokens >= 1
        self.tokens -= taken
        return taken


class Window:
    """A gateway that counts anew each second."""

    def __init__(self, rate: float) -> None:
        self.rate, self.second, self.seen = rate, 0, 0

    def takes(self, now: float) -> bool:
        """Whether a request at `now` is taken."""
        if int(now) != self.second:
            self.second, self.seen = int(now), 0
        self.seen += 1
        return self.seen <= self.rate


def _campaign(takes: Callable[[float], bool], requests: int, retry_after: float | None) -> tuple[float, int, int]:
    """Seconds, refusals and most attempts at one request: 16 workers, answers after 3 ms, 0.6 ms of work for each."""
    clock, order = Clock(), count()
    on_their_way: list[tuple[float, int, bool, float, int]] = []
    to_send = [1] * requests
    refused, most = 0, 0

    def answers_until(moment: float) -> None:
        nonlocal refused, most
        while on_their_way and on_their_way[0][0] <= moment:
            at, _, taken, sent_at, attempt = heapq.heappop(on_their_way)
            clock.now = max(clock.now, at)
            if taken:
                pace.went_through(at)
                continue
            pace.told_to_slow_down(retry_after, at, sent_at)
            to_send.append(attempt + 1)
            refused, most = refused + 1, max(most, attempt + 1)

    def wait(condition: threading.Condition, seconds: float) -> None:
        moment = clock.now + seconds
        if on_their_way:
            moment = min(moment, max(clock.now, on_their_way[0][0]))
        clock.now = moment
        condition.release()
        answers_until(moment)
        condition.acquire()

    pace = Pace(clock=clock, wait=wait, jitter=lambda: 0.5)
    began = clock.now
    while to_send or on_their_way:
        if not to_send or len(on_their_way) == 16:
            answers_until(on_their_way[0][0])
            continue
        assert pace.await_turn()
        sent = (clock.now + 0.003, next(order), takes(clock.now), clock.now, to_send.pop())
        heapq.heappush(on_their_way, sent)
        clock.now += 0.0006
        answers_until(clock.now)
    return clock.now - began, refused, most


@pytest.mark.parametrize("retry_after", [1.0, 0.05, None])
@pytest.mark.parametrize(
    ("limit", "gateway"),
    [
        pytest.param(20, lambda: Bucket(20, 20), id="bucket"),
        pytest.param(20, lambda: Bucket(20, 5), id="small-bucket"),
        pytest.param(20, lambda: Bucket(20, 1), id="no-burst"),
        pytest.param(20, lambda: Window(20), id="window"),
        pytest.param(5, lambda: Window(5), id="slow-window"),
        pytest.param(200, lambda: Bucket(200, 200), id="fast-bucket"),
    ],
)
def test_drives_a_limited_gateway_close_to_its_limit(
    limit: float, gateway: Callable[[], Bucket | Window], retry_after: float | None
) -> None:
    """A long campaign gets three quarters or more of what is allowed; few requests are refused, none for long."""
    requests = 1000
    seconds, refused, most_attempts = _campaign(gateway().takes, requests, retry_after)
    assert requests / seconds >= 0.75 * limit
    assert refused <= 0.03 * requests
    assert most_attempts <= 3


def test_reads_retry_after() -> None:
    """Seconds, or a date relative to the answer's own clock; what cannot be read is as good as none."""
    rows: list[tuple[str, float | None]] = [
        ("3", 3.0),
        (" 120 ", 120.0),
        ("0.5", 0.5),
        ("0", 0.0),
        *((unreadable, None) for unreadable in ("-1", "soon", "", "inf", "1e3", "٣")),
        ("9" * 500, LONGEST_S),
        ("Mon, 20 Nov 9999999999 12:00:00 +0000", None),
        ("Fri, 22 Nov 2024 12:00:00 GMT", 0.0),
        ("Fri, 22 Nov 2024 12:00:07 GMT", 7.0),
        ("Friday, 22-Nov-24 12:00:07 GMT", 7.0),
        ("Fri, 22 Nov 2024 11:59:00 GMT", 0.0),
        ("Fri, 99 Nov 2024 12:00:07 GMT", None),
    ]
    for name in ("Retry-After", "retry-after"):
        assert rows == [(value, retry_after_s(((name, value),), NOON_WALL)) for value, _ in rows]
    assert retry_after_s((), NOON_WALL) is None
    # the answer's own clock, unless it cannot be read
    for after, date in (("13:00:07", "Fri, 22 Nov 2024 13:00:00 GMT"), ("12:00:07", "today")):
        dated = (("Retry-After", f"Fri, 22 Nov 2024 {after} GMT"), ("Date", date))
        assert 7.0 == retry_after_s(dated, NOON_WALL)


# --- Requests that got lost


def test_lost_requests_make_everybody_pause_longer_each_time_until_one_goes_through(clock: Clock) -> None:
    """Those that were lost at the same time count once; the rate stays what it was."""
    pace = _pace(clock, rate_per_s=1000.0)
    pauses = []
    for _ in range(4):
        sent_at = clock.now
        for earlier_s in (0.0, 0.1, 0.2):
            pace.lost(clock.now, sent_at - earlier_s)
        pauses.append(_waited(pace, clock))

    assert [0.5, 1.0, 2.0, 4.0] == pytest.approx(pauses)
    assert 4 == pace.lost_in_a_row
    pace.went_through(clock.now)
    assert (0, 1000.0) == (pace.lost_in_a_row, pace.rate_per_s)


# --- Waiting has an end


def test_a_gateway_that_asks_for_one_pause_after_the_other_is_not_waited_for_without_end(clock: Clock) -> None:
    """Each of them is lawful, and a request goes through in between."""
    pace = _pace(clock)
    began = clock.now
    while pace.in_vain is None:
        assert pace.await_turn()
        pace.told_to_slow_down(MAX_PAUSE_S, clock.now, clock.now)
        assert pace.await_turn()
        pace.went_through(clock.now)
    assert "the run had to wait for more than 10 minutes in all" == pace.in_vain
    assert clock.now - began <= MAX_PAUSED_S + MAX_PAUSE_S + 11 / MIN_RATE


def test_a_gateway_that_refuses_whatever_the_pace_is_given_up(clock: Clock) -> None:
    """Of sixteen requests side by side nine are too many, each time."""
    pace = _pace(clock)
    rounds = 0
    while pace.in_vain is None:
        rounds += 1
        assert pace.await_turn()
        sent_at, clock.now = clock.now, clock.now + 0.02
        for _ in range(9):
            pace.told_to_slow_down(0.0, clock.now, sent_at)
        for _ in range(7):
            pace.went_through(clock.now)
    assert "more than half of the requests were refused, although they were sent slowly" == pace.in_vain
    assert rounds <= MAX_REFUSED / 2 + 1


def test_a_gateway_that_refuses_every_other_request_for_ever_is_given_up(clock: Clock) -> None:
    """It takes each request the second time, and asks for no wait: the run would crawl for an hour."""
    pace = _pace(clock)
    began = clock.now
    for number in count():
        if pace.in_vain is not None:
            break
        assert pace.await_turn()
        clock.now += 0.02
        if number % 2:
            pace.went_through(clock.now)
        else:
            pace.told_to_slow_down(0.0, clock.now, clock.now - 0.02)
    assert "the run had to wait for more than 10 minutes in all" == pace.in_vain
    assert clock.now - began <= MAX_PAUSED_S + 2 * MAX_PAUSE_S


def test_a_gateway_that_limits_its_rate_is_waited_for(clock: Clock) -> None:
    """However many requests there are: few of them are refused once the limit is known."""
    pace = _pace(clock)
    taken: list[float] = []
    for _ in range(3000):
        assert pace.await_turn()
        taken = [at for at in taken if at > clock.now - 1.0]
        if len(taken) < 5:
            taken.append(clock.now)
            pace.went_through(clock.now)
        else:
            pace.told_to_slow_down(0.0, clock.now, clock.now)
        clock.now += 0.001
    assert pace.in_vain is None
