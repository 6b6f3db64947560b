"""Ctrl-C, SIGTERM and a closed terminal: a flag that is looked at before anything is sent.

    heeded              while entered, these signals ask this process to end
    wished              whether one of them came
    held_back           while entered, a signal only sets the flag: what has begun here is finished
    let_through         within `held_back`: a signal raises KeyboardInterrupt again, one that came before at once
    obeyed              the same for what tells by itself that it was interrupted: its end raises nothing
    granted             the wish was what a command waits for; from here on nothing is wished
    Closing             what is closed for whoever does not wait

A first signal raises KeyboardInterrupt in the main thread, so that no wait has to poll. The exception may get lost:
Hypothesis, a callback from C and a finalizer swallow one. The flag does not, so every client of the suite looks at it
right before it writes to a connection.

A second signal closes what is open, and a second after that the process ends, whatever it is in the middle of. A thread
of its own sees to that, for the main thread may be somewhere that it does not come back from, in a look-up of a name.
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
"""`timeout`, shells and CI runners signal a process and its group, or SIGINT and then SIGTERM: one wish, told twice."""

GRACE_S = 1.0
"""From the second signal to the end. What is there is judged and written within it, where that is possible."""

EXIT_CODE = 3
"""Inconclusive, as all that is interrupted."""

TOLD_AT_ONCE = b"error: ended at once by a second signal (hint: `judge` judges what the journal holds)\n"


class _Wishes:
    """Counts how often somebody who signals means it."""

    def __init__(self) -> None:
        self.count = 0
        self._last_at = float("-inf")

    def signalled(self) -> bool:
        """Whether a signal that comes now is a wish of its own, rather than the last one told again."""
        now = time.monotonic()
        if now - self._last_at <= SAME_WISH_S:
            return False
        self._last_at = now
        self.count += 1
        return True


class _Interruption:
    """What this process has been asked for."""

    def __init__(self) -> None:
        self.wished = False
        self.raising = True
        self._wishes = _Wishes()

    def on_signal(self, _number: int, _frame: FrameType | None) -> None:
        """What Python calls in the main thread, between two instructions."""
        if self._wishes.signalled():
            self.wished = True
            if self.raising:
                raise KeyboardInterrupt


class _Current:
    """That of this process: signals are nobody else's either. Nobody asks for anything before `heeded` is entered."""

    interruption = _Interruption()
    entered = False


class Closing:
    """Has `close` called at a second signal, in another thread, for as long as it is entered."""

    _open: dict[int, Callable[[], object]] = {}  # noqa: RUF012 - of the process

    def __init__(self, close: Callable[[], object]) -> None:
        self._close = close

    def __enter__(self) -> None:
        Closing._open[id(self)] = self._close

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        Closing._open.pop(id(self), None)

    @staticmethod
    def all() -> None:
        """Close what is open."""
        for close in list(Closing._open.values()):
            with suppress(Exception):
                close()


def wished() -> bool:
    """Whether this process was asked to end: nothing more is to be sent then."""
    return _Current.interruption.wished


def granted() -> None:
    """What was wished is done: a signal is how a command that waits for one is meant to end."""
    _Current.interruption.wished = False


def to_be_heeded() -> tuple[signal.Signals, ...]:
    """The signals by which somebody asks a process to end.

    SIGINT also where it is ignored, as a shell has it for what it starts in the background: whoever signals this
    process there means it. SIGHUP is not, for `nohup` means that.
    """
    return tuple(n for n in SIGNALS if n != _HANGUP or signal.getsignal(n) is not signal.SIG_IGN)


@contextmanager
def heeded(*, hard: bool = True, for_good: bool = False) -> Iterator[None]:
    """While entered, a signal asks this process to end; within another one this does nothing.

    Unless `hard`, a second signal closes what is open, and does not end the process. `for_good` is for a whole process:
    a signal raises only in what is `obeyed` or `let_through`, and after it signals are ignored until the process ends.
    """
    if _Current.entered or threading.current_thread() is not threading.main_thread():
        yield
        return
    interruption = _Interruption()
    interruption.raising = False  # what is begun here is to be undone as a whole
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
            # None: what was there before was not Python's.
            signal.signal(number, signal.SIG_IGN if for_good or handler is None else handler)
        if not for_good:
            over.set()
            signal.set_wakeup_fd(before_fd)
            _Current.entered, _Current.interruption = False, _Interruption()
            if numbers >= 0:
                os.close(numbers)


def _watched(over: threading.Event, *, hard: bool) -> int:
    """Where the numbers of signals are to be written, for the thread that grants second wishes.

    -1 where there is no thread or no file to be had. Then a second signal closes nothing, and raises KeyboardInterrupt
    once more.
    """
    try:
        told, numbers = os.pipe()
    except OSError:
        return -1
    os.set_blocking(numbers, False)
    try:
        threading.Thread(target=_grant_second, args=(told, over, hard), name="signals", daemon=True).start()
    except RuntimeError:
        os.close(told)
        os.close(numbers)
        return -1
    return numbers


def _grant_second(told: int, over: threading.Event, hard: bool) -> None:  # noqa: FBT001 - it is a thread that is told
    """Read the numbers of signals as they come; at a second wish close what is open, and end.

    Not once `over` is set: what is read late must not end whatever the process does by then.
    """
    wishes = _Wishes()
    while (number := os.read(told, 1)) and not over.is_set():
        if number[0] not in SIGNALS or not wishes.signalled() or wishes.count == 1:
            continue
        Closing.all()
        if hard and not over.wait(GRACE_S):
            with suppress(OSError):
                os.write(2, TOLD_AT_ONCE)
            os._exit(EXIT_CODE)
    os.close(told)


@contextmanager
def held_back() -> Iterator[None]:
    """While entered, signals set the flag and raise nothing."""
    with _Raising(now=False):
        yield


@contextmanager
def let_through() -> Iterator[None]:
    """While entered, a signal raises KeyboardInterrupt.

    So does the end of it for one whose exception was swallowed, and the beginning for one that came before.
    """
    with obeyed():
        yield
    if wished():
        raise KeyboardInterrupt


@contextmanager
def obeyed() -> Iterator[None]:
    """While entered, a signal raises KeyboardInterrupt; the beginning does so for one that came before."""
    if wished():
        raise KeyboardInterrupt
    with _Raising(now=True):
        yield


class _Raising:
    """While entered, signals raise KeyboardInterrupt, or do not."""

    def __init__(self, *, now: bool) -> None:
        self._now = now

    def __enter__(self) -> None:
        self._interruption = _Current.interruption
        self._before, self._interruption.raising = self._interruption.raising, self._now

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._interruption.raising = self._before
