"""Ctrl-C, SIGTERM and a closed terminal: a flag that every client of the suite checks before it sends anything.

A first signal raises KeyboardInterrupt in the main thread, so that no wait has to poll. The exception may get lost:
Hypothesis, a callback from C and a finalizer swallow one. The flag does not, so every client of the suite checks it
right before it writes to a connection.

A second signal closes all connections, and the process ends a second later, whatever it is doing. A separate thread
does this, because the main thread may be stuck, in a look-up of a name for example.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from types import FrameType, TracebackType

SIGNALS = tuple(signal.Signals[name] for name in ("SIGINT", "SIGTERM", "SIGHUP") if name in signal.Signals.__members__)

_HANGUP = getattr(signal, "SIGHUP", None)

SAME_WISH_S = 2.0
"""`timeout`, shells and CI runners signal a process and its group, or SIGINT and then SIGTERM: one wish, sent twice."""

GRACE_S = 1.0
"""From the second signal to the end: time to judge the journal and to write the reports."""

EXIT_CODE = 3
"""Inconclusive, like every interrupted run."""

TOLD_AT_ONCE = b"error: ended at once by a second signal (hint: `judge` judges what the journal holds)\n"


class _Wishes:
    """Counts the signals, those that repeat the last one left out."""

    def __init__(self) -> None:
        self.count = 0
        self._last_at = float("-inf")

    def signalled(self) -> bool:
        """Whether a signal that comes now is a new wish, rather than the last one sent again."""
        now = time.monotonic()
        if now - self._last_at <= SAME_WISH_S:
            return False
        self._last_at = now
        self.count += 1
        return True


class _Interruption:
    """Whether somebody asked this process to end, and whether signals raise KeyboardInterrupt."""

    def __init__(self) -> None:
        self.wished = False
        self.raising = True
        self._wishes = _Wishes()

    def on_signal(self, _number: int, _frame: FrameType | None) -> None:
        """Handle a signal; Python calls this in the main thread, between two instructions."""
        if self._wishes.signalled():
            self.wished = True
            if self.raising:
                raise KeyboardInterrupt


class _Current:
    """The interruption of this process. Nobody can ask for it before `heeded` is entered."""

    interruption = _Interruption()
    entered = False


class Closing:
    """While entered, another thread calls `close` at a second signal."""

    _open: dict[int, Callable[[], object]] = {}  # noqa: RUF012 - of the process

    def __init__(self, close: Callable[[], object]) -> None:
        self._close = close

    def __enter__(self) -> None:
        Closing._open[id(self)] = self._close

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        Closing._open.pop(id(self), None)

    @staticmethod
    def all() -> None:
        """Call `close` of all that are entered."""
        for close in list(Closing._open.values()):
            with suppress(Exception):
                close()


def wished() -> bool:
    """Whether this process was asked to end: then it sends nothing more."""
    return _Current.interruption.wished


def granted() -> None:
    """Reset the flag: the command waited for this signal, which is its regular end."""
    _Current.interruption.wished = False


def to_be_heeded() -> tuple[signal.Signals, ...]:
    """The signals by which somebody asks a process to end.

    SIGINT even if it is ignored, as a shell sets it for background processes: whoever sends it means this process. Not
    SIGHUP if it is ignored, for that is the purpose of `nohup`.
    """
    return tuple(n for n in SIGNALS if n != _HANGUP or signal.getsignal(n) is not signal.SIG_IGN)


@contextmanager
def heeded(*, hard: bool = True, for_good: bool = False) -> Iterator[None]:
    """While entered, a signal asks this process to end; does nothing within another one.

    Unless `hard`, a second signal only closes connections and does not end the process. `for_good` is for a whole
    process: a signal raises only within `obeyed` or `let_through`, and at the exit signals are ignored for good.
    """
    if _Current.entered or threading.current_thread() is not threading.main_thread():
        yield
        return
    interruption = _Interruption()
    interruption.raising = False  # the set-up below must be undone as a whole
    _Current.entered, _Current.interruption = True, interruption
    over = threading.Event()
    numbers = _watched(over, hard=hard)
    before_fd = signal.set_wakeup_fd(numbers, warn_on_full_buffer=False)
    handlers = {number: signal.signal(number, interruption.on_signal) for number in to_be_heeded()}
    try:
        with nullcontext() if for_good else obeyed():
            yield
    finally:
        interruption.raising = False
        for number, handler in handlers.items():
            # None: the handler before was not Python's.
            signal.signal(number, signal.SIG_IGN if for_good or handler is None else handler)
        if not for_good:
            over.set()
            signal.set_wakeup_fd(before_fd)
            _Current.entered, _Current.interruption = False, _Interruption()
            if numbers >= 0:
                os.close(numbers)


def _watched(over: threading.Event, *, hard: bool) -> int:
    """A pipe for the numbers of signals, and a thread that reads it.

    -1 if the machine has no more threads or files. Then a second signal closes nothing and raises KeyboardInterrupt
    once more.
    """
    try:
        reading, numbers = os.pipe()
    except OSError:
        return -1
    os.set_blocking(numbers, False)
    try:
        threading.Thread(target=_grant_second, args=(reading, over, hard), name="signals", daemon=True).start()
    except RuntimeError:
        os.close(reading)
        os.close(numbers)
        return -1
    return numbers


def _grant_second(reading: int, over: threading.Event, hard: bool) -> None:  # noqa: FBT001 - the arguments of a thread
    """Read the numbers of signals as they come; at a second wish close all connections and end the process.

    Not once `over` is set: a late number must not end a process that has left `heeded`.
    """
    wishes = _Wishes()
    while (number := os.read(reading, 1)) and not over.is_set():
        if number[0] not in SIGNALS or not wishes.signalled() or wishes.count == 1:
            continue
        Closing.all()
        if hard and not over.wait(GRACE_S):
            with suppress(OSError):
                os.write(2, TOLD_AT_ONCE)
            os._exit(EXIT_CODE)
    os.close(reading)


@contextmanager
def held_back() -> Iterator[None]:
    """While entered, signals set the flag and raise nothing, so that the work inside is finished."""
    with _raising(now=False):
        yield


@contextmanager
def let_through() -> Iterator[None]:
    """While entered, also within `held_back`, a signal raises KeyboardInterrupt.

    The beginning raises it for a signal that came before, the end for one whose exception was swallowed.
    """
    with obeyed():
        yield
    if wished():
        raise KeyboardInterrupt


@contextmanager
def obeyed() -> Iterator[None]:
    """As `let_through`, but its end raises nothing."""
    if wished():
        raise KeyboardInterrupt
    with _raising(now=True):
        yield


@contextmanager
def _raising(*, now: bool) -> Iterator[None]:
    """While entered, signals raise KeyboardInterrupt, or do not."""
    interruption = _Current.interruption
    before, interruption.raising = interruption.raising, now
    try:
        yield
    finally:
        interruption.raising = before
