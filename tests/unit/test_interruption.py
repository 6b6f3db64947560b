"""Ctrl-C, SIGTERM and a closed terminal: a flag that no swallowed exception takes away, and a second wish."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import suppress

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


@pytest.mark.parametrize("first", SIGNALS)
@pytest.mark.parametrize("second", SIGNALS)
def test_what_is_signalled_again_at_once_does_not_disturb_the_end(first: int, second: int) -> None:
    """`timeout` signals a process and its group, a CI runner SIGINT and then SIGTERM."""
    with signals_handled():
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(first)
        signal.raise_signal(second)
        signal.raise_signal(first)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each signal is a wish of its own."""
    monkeypatch.setattr(process, "REPEAT_S", -1.0)


@pytest.mark.usefixtures("impatient")
def test_a_second_wish_closes_what_is_open() -> None:
    """And raises once more. What was closed by then is left alone."""
    closed: list[str] = []
    over = threading.Event()
    with signals_handled(hard=False):
        with closed_at_second_signal(lambda: closed.append("early")):
            pass
        with closed_at_second_signal(lambda: closed.append("open")), closed_at_second_signal(over.set):
            for _ in range(2):
                with pytest.raises(KeyboardInterrupt):
                    signal.raise_signal(signal.SIGTERM)
            assert over.wait(PATIENCE_S)
    assert ["open"] == closed


@pytest.mark.usefixtures("impatient")
def test_a_second_wish_does_not_end_what_comes_after(monkeypatch: pytest.MonkeyPatch) -> None:
    """The thread that grants it may read the signals, or wait, when what was asked to end is over."""
    ended: list[int] = []
    monkeypatch.setattr(process, "GRACE_S", 0.1)
    monkeypatch.setattr("conformance.model.process.os._exit", ended.append)
    with signals_handled():
        for _ in range(2):
            with pytest.raises(KeyboardInterrupt):
                signal.raise_signal(signal.SIGTERM)
        granting = [thread for thread in threading.enumerate() if thread.name == "signals"]
    for thread in granting:
        thread.join(PATIENCE_S)
    assert [] == ended
    assert granting


@pytest.mark.usefixtures("impatient")
def test_what_cannot_be_closed_keeps_nothing_else_from_it() -> None:
    """One that raises is passed over."""
    over = threading.Event()
    with signals_handled(hard=False), closed_at_second_signal(lambda: 1 / 0), closed_at_second_signal(over.set):
        for _ in range(2):
            with pytest.raises(KeyboardInterrupt):
                signal.raise_signal(signal.SIGINT)
        assert over.wait(PATIENCE_S)


def test_who_signals_every_second_is_obeyed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The time of a wish is counted from its first signal, not from the last one."""
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


def test_a_swallowed_signal_is_raised_at_the_end_of_what_swallowed_it() -> None:
    """Hypothesis, a callback from C and a finalizer swallow what a signal raises."""
    with signals_handled(), pytest.raises(KeyboardInterrupt), interrupts_allowed(), suppress(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


def test_a_signal_that_is_held_back_is_raised_by_what_comes_next() -> None:
    """What has begun is finished; nothing new begins."""
    done = False
    with signals_handled(), interrupts_deferred():
        signal.raise_signal(signal.SIGTERM)
        with pytest.raises(KeyboardInterrupt), interrupts_allowed():
            done = True
        assert is_interrupted()
    assert not done


def test_what_waits_for_a_signal_is_not_interrupted_by_it() -> None:
    """A command that is meant to end by one goes on to its end after it."""
    with signals_handled(), interrupts_deferred():
        with pytest.raises(KeyboardInterrupt), interrupts_allowed():
            signal.raise_signal(signal.SIGINT)
        clear_interruption()
        assert not is_interrupted()


@pytest.fixture
def ignored(request: pytest.FixtureRequest) -> Iterator[signal.Signals]:
    """A signal that is ignored, as in what a shell starts in the background, or under `nohup`."""
    number: signal.Signals = request.param
    before = signal.signal(number, signal.SIG_IGN)
    yield number
    signal.signal(number, before)


@pytest.mark.parametrize("ignored", [signal.SIGINT], indirect=True)
def test_a_signal_that_was_ignored_before_is_obeyed(ignored: signal.Signals) -> None:
    """Who signals the process means it; afterwards it is ignored again."""
    with pytest.raises(KeyboardInterrupt), signals_handled():
        signal.raise_signal(ignored)
    assert signal.SIG_IGN == signal.getsignal(ignored)


@pytest.mark.parametrize("ignored", [signal.SIGHUP], indirect=True)
def test_nohup_is_respected(ignored: signal.Signals) -> None:
    """Whoever starts a run with it wants it to go on when the terminal is closed."""
    with signals_handled():
        signal.raise_signal(ignored)
        assert not is_interrupted()


def test_after_it_signals_mean_what_they_did_before() -> None:
    """Whatever ended it; and nothing is interrupted any more."""
    before = [signal.getsignal(number) for number in SIGNALS]
    with pytest.raises(KeyboardInterrupt), signals_handled():
        signal.raise_signal(signal.SIGTERM)
    assert before == [signal.getsignal(number) for number in SIGNALS]
    assert not is_interrupted()


def test_within_another_it_changes_nothing() -> None:
    """The console script heeds signals before the commands are there; they do so for whoever calls them otherwise."""
    with signals_handled():
        handlers = [signal.getsignal(number) for number in SIGNALS]
        with signals_handled():
            assert handlers == [signal.getsignal(number) for number in SIGNALS]
        assert handlers == [signal.getsignal(number) for number in SIGNALS]


def test_no_file_for_the_numbers_of_signals_keeps_none_from_being_heeded(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a limit on files or threads that is reached, the first signal counts all the same."""

    def refused(*_: object) -> None:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr("conformance.model.process.os.pipe", refused)
    with signals_handled(), pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGTERM)
