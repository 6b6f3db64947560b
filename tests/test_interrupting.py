"""Ctrl-C and SIGTERM: the first ends a run in an orderly way, and what is told twice is one wish."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from conformance.cli import interrupting
from conformance.cli.interrupting import SIGNALS, terminated_as_interrupted


@pytest.mark.parametrize("first", SIGNALS)
@pytest.mark.parametrize("second", SIGNALS)
def test_what_is_signalled_again_at_once_does_not_disturb_the_end(first: int, second: int) -> None:
    """`timeout` signals a process and its group, a CI runner SIGINT and then SIGTERM."""
    with terminated_as_interrupted():
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(first)
        signal.raise_signal(second)
        signal.raise_signal(first)


def test_who_signals_again_later_is_obeyed(monkeypatch: pytest.MonkeyPatch) -> None:
    """An end that hangs can be ended."""
    monkeypatch.setattr(interrupting, "SAME_WISH_S", -1.0)
    with terminated_as_interrupted():
        for _ in range(2):
            with pytest.raises(KeyboardInterrupt):
                signal.raise_signal(signal.SIGTERM)


@pytest.fixture
def ignored() -> Iterator[None]:
    """SIGINT is ignored, as in what a shell starts in the background."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("ignored")
def test_a_signal_that_was_ignored_before_is_obeyed() -> None:
    """Who signals the process means it; afterwards it is ignored again."""
    with pytest.raises(KeyboardInterrupt), terminated_as_interrupted():
        signal.raise_signal(signal.SIGINT)
    assert signal.SIG_IGN == signal.getsignal(signal.SIGINT)


def test_after_it_signals_mean_what_they_did_before() -> None:
    """Whatever ended it."""
    before = [signal.getsignal(number) for number in SIGNALS]
    with pytest.raises(KeyboardInterrupt), terminated_as_interrupted():
        signal.raise_signal(signal.SIGTERM)
    assert before == [signal.getsignal(number) for number in SIGNALS]
