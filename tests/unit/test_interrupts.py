"""Ctrl-C, SIGTERM and a closed terminal: a flag that survives a swallowed exception, and a second signal."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import product
from typing import Any

import pytest

from conformance.model import process
from conformance.model.process import (
    SIGNALS,
    clear_interruption,
    closed_at_second_signal,
    interrupts_allowed,
    interrupts_deferred,
    is_interrupted,
    signals_handled,
)

PATIENCE_S = 10.0


def test_a_repeated_signal_does_not_disturb_the_end() -> None:
    """`timeout` signals a process and its group, a CI runner SIGINT and then SIGTERM."""
    for first, second in product(SIGNALS, repeat=2):
        with signals_handled():
            with pytest.raises(KeyboardInterrupt):
                signal.raise_signal(first)
            signal.raise_signal(second)
            signal.raise_signal(first)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each signal counts."""
    monkeypatch.setattr(process, "REPEAT_S", -1.0)


@pytest.mark.usefixtures("impatient")
def test_a_second_signal_closes_connections() -> None:
    """And raises once more. One that was closed before is left alone; an error at closing does not stop the others."""
    closed: list[str] = []
    over = threading.Event()
    with signals_handled(hard=False):
        with closed_at_second_signal(lambda: closed.append("early")):
            pass
        with (
            closed_at_second_signal(lambda: closed.append("open")),
            closed_at_second_signal(lambda: 1 / 0),
            closed_at_second_signal(over.set),
        ):
            for _ in range(2):
                with pytest.raises(KeyboardInterrupt):
                    signal.raise_signal(signal.SIGTERM)
            assert over.wait(PATIENCE_S)
    assert ["open"] == closed


@pytest.mark.usefixtures("impatient")
def test_a_second_signal_does_not_end_later_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """The thread that acts on it may still read signals, or wait, when the interrupted work is over."""
    ended: list[int] = []
    monkeypatch.setattr(process, "GRACE_S", 0.1)
    monkeypatch.setattr("conformance.model.process.os._exit", ended.append)
    with signals_handled():
        for _ in range(2):
            with pytest.raises(KeyboardInterrupt):
                signal.raise_signal(signal.SIGTERM)
        acting = [thread for thread in threading.enumerate() if thread.name == "signals"]
    for thread in acting:
        thread.join(PATIENCE_S)
    assert [] == ended
    assert acting


def test_a_signal_every_second_counts_every_other_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Repetitions are measured from the last signal that counted."""
    now = 100.0
    monkeypatch.setattr("conformance.model.process.time.monotonic", lambda: now)
    raised = 0
    with signals_handled(hard=False):
        for _ in range(4):
            try:
                signal.raise_signal(signal.SIGINT)
            except KeyboardInterrupt:
                raised += 1
            now += 1.0
    assert 2 == raised


def test_a_swallowed_interrupt_is_raised_at_the_end() -> None:
    """Hypothesis, a callback from C and a finalizer swallow what a signal raises."""
    with signals_handled(), pytest.raises(KeyboardInterrupt), interrupts_allowed(), suppress(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


def test_a_deferred_interrupt_is_raised_by_the_next_step() -> None:
    """The work in hand is finished; nothing new begins."""
    done = False
    with signals_handled(), interrupts_deferred():
        signal.raise_signal(signal.SIGTERM)
        with pytest.raises(KeyboardInterrupt), interrupts_allowed():
            done = True
        assert is_interrupted()
    assert not done


def test_a_command_that_waits_for_a_signal_goes_on() -> None:
    """It ends in its regular way."""
    with signals_handled(), interrupts_deferred():
        with pytest.raises(KeyboardInterrupt), interrupts_allowed():
            signal.raise_signal(signal.SIGINT)
        clear_interruption()
        assert not is_interrupted()


@pytest.fixture
def ignoring() -> Iterator[Callable[[signal.Signals], None]]:
    """Has a signal ignored, as in what a shell starts in the background, or under `nohup`."""
    before: dict[signal.Signals, Any] = {}
    yield lambda number: before.update({number: signal.signal(number, signal.SIG_IGN)})
    for number, handler in before.items():
        signal.signal(number, handler)


def test_an_ignored_sigint_interrupts_and_nohup_is_respected(ignoring: Callable[[signal.Signals], None]) -> None:
    """Whoever sends a SIGINT means this process; who starts it with nohup wants it to go on without a terminal."""
    ignoring(signal.SIGINT)
    ignoring(signal.SIGHUP)
    with pytest.raises(KeyboardInterrupt), signals_handled():
        signal.raise_signal(signal.SIGINT)
    assert signal.SIG_IGN == signal.getsignal(signal.SIGINT)
    with signals_handled():
        signal.raise_signal(signal.SIGHUP)
        assert not is_interrupted()


def test_handlers_are_restored() -> None:
    """Whatever ended the block; and the flag is reset."""
    before = [signal.getsignal(number) for number in SIGNALS]
    with pytest.raises(KeyboardInterrupt), signals_handled():
        signal.raise_signal(signal.SIGTERM)
    assert before == [signal.getsignal(number) for number in SIGNALS]
    assert not is_interrupted()


def test_within_another_it_changes_nothing() -> None:
    """The console script handles signals before the commands are imported; the commands do so for other callers."""
    with signals_handled():
        handlers = [signal.getsignal(number) for number in SIGNALS]
        with signals_handled():
            assert handlers == [signal.getsignal(number) for number in SIGNALS]
        assert handlers == [signal.getsignal(number) for number in SIGNALS]


def test_the_first_signal_counts_without_a_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    """A limit on files or threads may be reached."""

    def refused(*_: object) -> None:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr("conformance.model.process.os.pipe", refused)
    with signals_handled(), pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGTERM)
