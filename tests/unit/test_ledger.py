"""The ledger: what is owed, and how long the one wait for it lasts, on a clock that jumps from event to event."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.wire.ledger import MAX_QUIET_S, QUIET_WINDOW_S, Ledger, Settled, request_id_of

NOTIFY_WITHIN = 10.0


class Script(threading.Condition):
    """Stands in for the condition that a ledger waits on: waiting jumps to the next event of the script, or the end."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0
        self._events: list[tuple[float, Callable[[float], None]]] = []

    def clock(self) -> float:
        """The time, in seconds."""
        return self.now

    def at(self, time_s: float, event: Callable[[float], None]) -> None:
        """Has `event` happen at that time, given in seconds after the start; it is called with the clock's time."""
        self._events.append((1000.0 + time_s, event))
        self._events.sort(key=lambda entry: entry[0])

    def wait(self, timeout: float | None = None) -> bool:
        """Moves the clock."""
        assert timeout is not None
        if self._events and self._events[0][0] <= self.now + timeout:
            self.now, event = self._events.pop(0)
            event(self.now)
            return True
        self.now += timeout
        return False


@pytest.fixture
def script() -> Script:
    """A clock at 1000 s and what happens on it."""
    return Script()


@pytest.fixture
def ledger(script: Script) -> Ledger:
    """A ledger on the scripted clock."""
    return Ledger(NOTIFY_WITHIN, clock=script.clock, condition=script)


def arrival(ledger: Ledger, request_id: str | None, product: str | None = "sms") -> Callable[[float], None]:
    """An event of a script: a notification arrives."""
    return lambda now: ledger.arrived(product, request_id, now)


def test_the_deadline_is_that_of_the_last_that_is_owed(script: Script, ledger: Ledger) -> None:
    """Which need not be the one that was told last; before anything is owed there is none."""
    assert float("-inf") == ledger.deadline
    for request_id, since in (("a", script.now), ("b", script.now + 3.0), ("c", script.now + 1.0)):
        ledger.owe("sms", request_id, since)

    assert script.now + 3.0 + NOTIFY_WITHIN == ledger.deadline


# How long a wait lasts that began as the only notification became owed, which does not arrive.
IN_VAIN = NOTIFY_WITHIN + QUIET_WINDOW_S
OTHERS = [(number / 8, "of another") for number in range(1, 800)]

# The ids that are owed at the start, those that arrive after so many seconds, and how the wait ends.
WAITS: dict[str, tuple[list[str], list[tuple[float, str]], Settled]] = {
    "the last has arrived": (["a", "b"], [(1.0, "a"), (2.0, "b")], Settled(2, 2, 0, 2.0 + QUIET_WINDOW_S)),
    "nothing is owed": ([], [], Settled(0, 0, 0, QUIET_WINDOW_S)),
    "one is missing": (["a", "b"], [(1.0, "a")], Settled(2, 1, 1, IN_VAIN)),
    "all are missing": ([*map(str, range(1000))], [], Settled(1000, 0, 1000, IN_VAIN)),
    "one of two with an id": (["a", "a"], [(1.0, "a")], Settled(2, 1, 1, IN_VAIN)),
    "with another id": (["a"], [(1.0, "A"), (1.5, "")], Settled(1, 0, 1, IN_VAIN)),
    "late": (["a"], [(NOTIFY_WITHIN + 0.25, "a")], Settled(1, 1, 0, NOTIFY_WITHIN + 0.25 + QUIET_WINDOW_S)),
    "repeated": (["a"], [(1.0, "a"), (1.25, "a")], Settled(1, 1, 0, 1.25 + QUIET_WINDOW_S)),
    "others never stop": (["a"], [(0.0, "a"), *OTHERS], Settled(1, 1, 0, MAX_QUIET_S)),
    "others, and late": (
        ["a"], [*OTHERS, (NOTIFY_WITHIN + MAX_QUIET_S - 1, "a")], Settled(1, 1, 0, NOTIFY_WITHIN + MAX_QUIET_S),
    ),
}  # fmt: skip


def test_the_wait_ends_when_nothing_more_is_to_be_expected() -> None:
    """A quiet window after the last arrival, or after the deadline, which neither others' nor missing ones move."""
    ended = {}
    for name, (owed, arriving, _) in WAITS.items():
        script = Script()
        ledger = Ledger(NOTIFY_WITHIN, clock=script.clock, condition=script)
        for request_id in owed:
            ledger.owe("sms", request_id, script.now)
        for at_s, request_id in arriving:
            script.at(at_s, arrival(ledger, request_id))
        ended[name] = ledger.wait()
    assert {name: settled for name, (_, _, settled) in WAITS.items()} == ended


def test_a_wait_after_the_deadline_lasts_one_quiet_window() -> None:
    """It counts from the wait's beginning, when the last request was sent, also after the deadline."""
    for arrives in (True, False):
        script = Script()
        ledger = Ledger(NOTIFY_WITHIN, clock=script.clock, condition=script)
        ledger.owe("sms", "a", script.now)
        if arrives:
            ledger.arrived("sms", "a", script.now)
        script.now += 60
        assert Settled(1, int(arrives), int(not arrives), QUIET_WINDOW_S) == ledger.wait()


def test_one_that_came_before_the_answer_was_read_counts(script: Script, ledger: Ledger) -> None:
    """It is filed under its id and settles what is owed later."""
    ledger.arrived("sms", "a", script.now)
    assert (0, 0) == (ledger.owed, ledger.outstanding)
    ledger.owe("sms", "a", script.now)
    assert (1, 0) == (ledger.owed, ledger.outstanding)
    assert Settled(owed=1, arrived=1, missing=0, waited_s=QUIET_WINDOW_S) == ledger.wait()


def test_a_notification_elsewhere_or_without_an_id_settles_nothing(script: Script, ledger: Ledger) -> None:
    """The right one may still come: on another product's path, on none, or without an id."""
    ledger.owe("sms", "a", script.now)
    for product, request_id in (("airtime", "a"), (None, "a"), ("sms", None)):
        script.at(1.0, arrival(ledger, request_id, product))
    assert Settled(owed=1, arrived=0, missing=1, waited_s=IN_VAIN) == ledger.wait()


def test_a_notification_owed_during_the_wait_is_awaited(script: Script, ledger: Ledger) -> None:
    """With a deadline of its own."""
    script.at(0.25, lambda now: ledger.owe("sms", "a", now))
    script.at(5.0, arrival(ledger, "a"))
    assert Settled(owed=1, arrived=1, missing=0, waited_s=5.0 + QUIET_WINDOW_S) == ledger.wait()


def test_meanwhile_something_is_done_once_all_have_arrived(script: Script, ledger: Ledger) -> None:
    """As the quiet window begins, of which it takes its part; what came while it outlasted that prolongs the window."""
    ledger.owe("sms", "a", script.now)
    script.at(1.0, arrival(ledger, "a"))
    begun: list[float] = []

    def work() -> None:
        begun.append(script.now - 1000.0)
        script.now += QUIET_WINDOW_S / 2

    def long_work() -> None:
        script.now += 60
        ledger.arrived("sms", "of another", script.now)

    assert 1.0 + QUIET_WINDOW_S == ledger.wait(work).waited_s
    assert [1.0] == begun
    assert 60.0 + QUIET_WINDOW_S > ledger.wait(long_work).waited_s >= 60.0


def test_nothing_is_done_meanwhile_if_one_is_missing(script: Script, ledger: Ledger) -> None:
    """There will be something else to do."""
    ledger.owe("sms", "a", script.now)
    settled = ledger.wait(lambda: pytest.fail("it was called"))
    assert Settled(owed=1, arrived=0, missing=1, waited_s=NOTIFY_WITHIN + QUIET_WINDOW_S) == settled


def test_the_quiet_window_is_a_setting(script: Script) -> None:
    """Longer than the usual limit, too."""
    assert 120.0 == Ledger(NOTIFY_WITHIN, quiet=120.0, clock=script.clock, condition=script).wait().waited_s
    assert MAX_QUIET_S < 120.0


def test_progress_is_reported_after_each_event(script: Script) -> None:
    """With the number that is outstanding."""
    told: list[int] = []
    ledger = Ledger(NOTIFY_WITHIN, clock=script.clock, on_change=told.append)
    ledger.owe("sms", "a", 0.0)
    ledger.owe("sms", "b", 0.0)
    ledger.arrived("sms", "a", 0.0)
    ledger.arrived(None, None, 0.0)
    assert [1, 2, 1, 1] == told


EVENTS = st.lists(
    st.tuples(st.booleans(), st.sampled_from(["sms", "airtime"]), st.sampled_from(["a", "b", "c"])), max_size=40
)


@given(EVENTS)
def test_the_accounts_agree_with_counting(events: list[tuple[bool, str, str]]) -> None:
    """Whatever the order: owed are all that were owed, missing are those that too few arrivals carried the id of."""
    script = Script()
    ledger = Ledger(NOTIFY_WITHIN, clock=script.clock, condition=script)
    owed: Counter[tuple[str, str]] = Counter()
    came: Counter[tuple[str, str]] = Counter()
    for is_owed, product, request_id in events:
        (owed if is_owed else came)[product, request_id] += 1
        if is_owed:
            ledger.owe(product, request_id, script.now)
        else:
            ledger.arrived(product, request_id, script.now)
        missing = (owed - came).total()
        assert (owed.total(), missing) == (ledger.owed, ledger.outstanding)
    settled = ledger.wait()
    missing = (owed - came).total()
    waited = QUIET_WINDOW_S + (NOTIFY_WITHIN if missing else 0)
    assert Settled(owed.total(), owed.total() - missing, missing, waited) == settled


@given(st.lists(st.floats(0.0, 30.0), max_size=20), st.integers(0, 3))
def test_the_wait_is_bounded_whatever_arrives_when(times: list[float], owed: int) -> None:
    """At least a quiet window, at most the deadline and the longest quiet window."""
    script = Script()
    ledger = Ledger(NOTIFY_WITHIN, clock=script.clock, condition=script)
    for number in range(owed):
        ledger.owe("sms", str(number), script.now)
    for number, time_s in enumerate(times):
        script.at(time_s, arrival(ledger, str(number % 5)))
    waited = ledger.wait().waited_s
    assert QUIET_WINDOW_S <= waited + 1e-6
    assert waited <= NOTIFY_WITHIN + MAX_QUIET_S + 1e-6


def test_events_of_many_threads_are_all_counted() -> None:
    """On the real clock: the receiver and the senders report at the same time, and the last arrival ends the wait."""
    ledger = Ledger(60.0, quiet=0.01)

    def owe(start: int) -> None:
        for number in range(start, start + 250):
            ledger.owe("sms", str(number), time.monotonic())

    def arrive(start: int) -> None:
        for number in range(start, start + 250):
            ledger.arrived("sms", str(number), time.monotonic())

    ledger.owe("sms", "last", time.monotonic())
    threads = [threading.Thread(target=job, args=(start,)) for start in range(0, 1000, 250) for job in (owe, arrive)]
    threads.append(threading.Timer(0.05, lambda: ledger.arrived("sms", "last", time.monotonic())))
    for thread in threads:
        thread.start()
    for thread in threads[:-1]:
        thread.join()
    settled = ledger.wait()
    assert (1001, 1001, 0) == (settled.owed, settled.arrived, settled.missing)
    assert settled.waited_s < 30.0


def test_ctrl_c_interrupts_the_wait_at_once() -> None:
    """And the ledger can still be asked."""
    ledger = Ledger(60.0)
    ledger.owe("sms", "a", time.monotonic())
    timer = threading.Timer(0.05, lambda: os.kill(os.getpid(), signal.SIGINT))
    began = time.monotonic()
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        ledger.wait()
    timer.join()
    assert time.monotonic() - began < 30.0
    assert 1 == ledger.outstanding


# --- How much is awaited


def test_it_is_full_while_too_many_are_awaited(script: Script, ledger: Ledger) -> None:
    """Until the first of them is overdue at the latest; an arrival makes room at once."""
    for request_id, since in (("a", 1.0), ("b", 2.0)):
        ledger.owe("sms", request_id, script.now + since)
    assert float("-inf") == ledger.full_until(3)
    assert script.now + 1.0 + NOTIFY_WITHIN == ledger.full_until(2)
    ledger.arrived("sms", "a", script.now + 3.0)
    assert float("-inf") == ledger.full_until(2)
    assert script.now + 2.0 + NOTIFY_WITHIN == ledger.full_until(1)


def test_an_overdue_notification_is_no_longer_awaited(script: Script, ledger: Ledger) -> None:
    """A gateway that never notifies is not waited for again and again; it is still owed what it owes."""
    for request_id in ("a", "b"):
        ledger.owe("sms", request_id, script.now)
    script.now += NOTIFY_WITHIN
    assert float("-inf") == ledger.full_until(1)
    assert 2 == ledger.outstanding


def test_a_notification_ahead_of_its_answer_is_never_awaited(script: Script, ledger: Ledger) -> None:
    """Nor is what comes again afterwards counted twice."""
    ledger.arrived("sms", "a", script.now)
    ledger.owe("sms", "a", script.now)
    ledger.arrived("sms", "a", script.now)
    assert float("-inf") == ledger.full_until(1)


def test_requests_that_share_an_id_are_awaited_until_the_last(script: Script, ledger: Ledger) -> None:
    """The first notification does not speak for both."""
    for since in (1.0, 2.0):
        ledger.owe("sms", "a", script.now + since)
    ledger.arrived("sms", "a", script.now + 3.0)
    assert script.now + 1.0 + NOTIFY_WITHIN == ledger.full_until(1)
    ledger.arrived("sms", "a", script.now + 4.0)
    assert float("-inf") == ledger.full_until(1)


def test_the_request_id_is_read_kindly() -> None:
    """Whatever a gateway sends, reading it does not fail."""
    rows = [
        (b'{"request_id": "a", "result_code": "200"}', "a"),
        (b'{"request_id": ""}', ""),
        (b'\xef\xbb\xbf{"request_id": "a"}', "a"),
        (b'{"request_id": 1}', None),
        (b'{"request_id": null}', None),
        (b"{}", None),
        (b'["request_id"]', None),
        (b'"request_id"', None),
        (b"", None),
        (b"\xff\xfe\xfd", None),
        (b'{"request_id": "a"', None),
        (b"[" * 100_000, None),
        (b'{"a": ' + b"9" * 10_000 + b"}", None),
    ]
    assert rows == [(body, request_id_of(body, "request_id")) for body, _ in rows]


def test_products_with_late_notifications_are_known(script: Script, ledger: Ledger) -> None:
    """After it was waited for; also where it was given up before to make room for others."""
    for product in ("sms", "airtime", "mpesa-online", "mpesa-wallet"):
        ledger.owe(product, "a", script.now)
    ledger.arrived("sms", "a", script.now + NOTIFY_WITHIN)
    ledger.arrived("airtime", "a", script.now + NOTIFY_WITHIN + 0.1)
    assert {"airtime"} == ledger.late()

    script.now += NOTIFY_WITHIN + 1.0
    assert float("-inf") == ledger.full_until(1)
    ledger.arrived("mpesa-online", "a", script.now)
    assert ({"airtime", "mpesa-online"}, {"mpesa-wallet"}) == (ledger.late(), ledger.missing())
