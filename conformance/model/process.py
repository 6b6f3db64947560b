"""The process and whoever watches it: signals that interrupt it, its standard streams, and the progress of a run.

A first signal (Ctrl-C, SIGTERM, a closed terminal) sets a flag and raises KeyboardInterrupt in the main thread, so that
no wait has to poll. The exception may get lost: Hypothesis, a callback from C and a finalizer swallow one. The flag
does not, so every client of the suite checks `is_interrupted` right before it writes to a connection. A second signal
closes all connections, and the process ends a second later, whatever it is doing. A separate thread does this, because
the main thread may be stuck, in a look-up of a name for example.

    signals_handled         handle signals as described
    interrupts_deferred     finish some work first; interrupts_allowed: a part of it that may be interrupted
    set_up_streams          standard output and error, so that their faults are not taken for others
    Progress                what a run reports; Silent: nothing
"""

from __future__ import annotations

import io
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from types import FrameType
from typing import Protocol

# --- Signals

SIGNALS = tuple(signal.Signals[name] for name in ("SIGINT", "SIGTERM", "SIGHUP") if name in signal.Signals.__members__)

_HANGUP = getattr(signal, "SIGHUP", None)

REPEAT_S = 2.0
"""Signals this close together count as one: `timeout`, shells and CI runners signal a process and its group, or send
SIGINT and then SIGTERM."""

GRACE_S = 1.0
"""From the second signal to the end: time to judge the journal and to write the reports."""

EXIT_CODE = 3
"""Inconclusive, like every interrupted run."""

ENDED_AT_ONCE = b"error: ended at once by a second signal (hint: `judge` judges what the journal holds)\n"


class _SignalCounter:
    """Counts signals, without those that repeat an earlier one."""

    def __init__(self) -> None:
        self.count = 0
        self._counted_at = float("-inf")

    def is_new(self) -> bool:
        """Count a signal that comes now; False if it only repeats the last one that counted."""
        now = time.monotonic()
        if now - self._counted_at <= REPEAT_S:
            return False
        self._counted_at = now
        self.count += 1
        return True


class _Interruption:
    """Whether a signal came, and whether signals raise KeyboardInterrupt."""

    def __init__(self) -> None:
        self.requested = False
        self.raising = True
        self._signals = _SignalCounter()

    def on_signal(self, _number: int, _frame: FrameType | None) -> None:
        """Handle a signal; Python calls this in the main thread, between two instructions."""
        if self._signals.is_new():
            self.requested = True
            if self.raising:
                raise KeyboardInterrupt


class _Current:
    """The interruption of this process; `handled`: whether `signals_handled` is entered."""

    interruption = _Interruption()
    handled = False


_close_at_second_signal: dict[object, Callable[[], object]] = {}


@contextmanager
def closed_at_second_signal(close: Callable[[], object]) -> Iterator[None]:
    """While entered, another thread calls `close` at a second signal."""
    key = object()
    _close_at_second_signal[key] = close
    try:
        yield
    finally:
        del _close_at_second_signal[key]


def is_interrupted() -> bool:
    """Whether a signal asked this process to end: then it sends nothing more."""
    return _Current.interruption.requested


def clear_interruption() -> None:
    """Reset the flag: the command waited for this signal, which is its regular end."""
    _Current.interruption.requested = False


def ending_signals() -> tuple[signal.Signals, ...]:
    """The signals by which somebody asks a process to end.

    SIGINT even if it is ignored, as a shell sets it for background processes: whoever sends it means this process. Not
    SIGHUP if it is ignored, for that is the purpose of `nohup`.
    """
    return tuple(n for n in SIGNALS if n != _HANGUP or signal.getsignal(n) is not signal.SIG_IGN)


@contextmanager
def signals_handled(*, hard: bool = True, for_good: bool = False) -> Iterator[None]:
    """While entered, a signal asks this process to end; does nothing within another one.

    Unless `hard`, a second signal only closes connections and does not end the process. `for_good` is for a whole
    process: a signal raises only within `interrupts_allowed`, and at the exit signals are ignored for good.
    """
    if _Current.handled or threading.current_thread() is not threading.main_thread():
        yield
        return
    interruption = _Interruption()
    interruption.raising = False  # the set-up below must be undone as a whole
    _Current.handled, _Current.interruption = True, interruption
    over = threading.Event()
    numbers = _watched(over, hard=hard)
    before_fd = signal.set_wakeup_fd(numbers, warn_on_full_buffer=False)
    handlers = {number: signal.signal(number, interruption.on_signal) for number in ending_signals()}
    try:
        with nullcontext() if for_good else interrupts_allowed(raise_at_end=False):
            yield
    finally:
        interruption.raising = False
        for number, handler in handlers.items():
            # None: the handler before was not Python's.
            signal.signal(number, signal.SIG_IGN if for_good or handler is None else handler)
        if not for_good:
            over.set()
            signal.set_wakeup_fd(before_fd)
            _Current.handled, _Current.interruption = False, _Interruption()
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
        threading.Thread(target=_act_on_second, args=(reading, over, hard), name="signals", daemon=True).start()
    except RuntimeError:
        os.close(reading)
        os.close(numbers)
        return -1
    return numbers


def _act_on_second(reading: int, over: threading.Event, hard: bool) -> None:  # noqa: FBT001 - the arguments of a thread
    """Read the numbers of signals as they come; at a second one close all connections and end the process.

    Not once `over` is set: a late number must not end a process that has left `signals_handled`.
    """
    signals = _SignalCounter()
    while (number := os.read(reading, 1)) and not over.is_set():
        if number[0] not in SIGNALS or not signals.is_new() or signals.count == 1:
            continue
        for close in list(_close_at_second_signal.values()):
            with suppress(Exception):
                close()
        if hard and not over.wait(GRACE_S):
            with suppress(OSError):
                os.write(2, ENDED_AT_ONCE)
            os._exit(EXIT_CODE)
    os.close(reading)


@contextmanager
def interrupts_deferred() -> Iterator[None]:
    """While entered, signals set the flag and raise nothing, so that the work inside is finished."""
    with _raising(now=False):
        yield


@contextmanager
def interrupts_allowed(*, raise_at_end: bool = True) -> Iterator[None]:
    """While entered, also within `interrupts_deferred`, a signal raises KeyboardInterrupt.

    The beginning raises it for a signal that came before, the end (`raise_at_end`) for one whose exception was
    swallowed.
    """
    if is_interrupted():
        raise KeyboardInterrupt
    with _raising(now=True):
        yield
    if raise_at_end and is_interrupted():
        raise KeyboardInterrupt


@contextmanager
def _raising(*, now: bool) -> Iterator[None]:
    """While entered, signals raise KeyboardInterrupt, or do not."""
    interruption = _Current.interruption
    before, interruption.raising = interruption.raising, now
    try:
        yield
    finally:
        interruption.raising = before


# --- Standard streams


INPUT, OUTPUT, ERROR = 0, 1, 2


class _LossyFile(io.FileIO):
    """A file that drops the data it cannot write."""

    def write(self, data: bytes | bytearray | memoryview, /) -> int:  # type: ignore[override] # FileIO takes any buffer
        """Write `data`, or leave it; its length."""
        with suppress(OSError):
            return super().write(data)
        return len(data)


def set_up_streams() -> bool:
    """Have both streams take everything printed; False if this process was started with standard output closed.

    A character that the terminal's encoding lacks becomes an escape. A closed stream is opened onto the null device:
    else the next file to be opened, a journal maybe, would get its number, and every print would go to it. A closed
    terminal or a full log behind standard error does not end a run; a result that cannot be written to standard output
    does.
    """
    was_open = _open_closed_streams()
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115 - until the process ends
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    encoding = getattr(sys.stderr, "encoding", None) or "utf-8"
    sys.stderr = io.TextIOWrapper(
        io.BufferedWriter(_LossyFile(ERROR, "w", closefd=False)),
        encoding=encoding,
        errors="backslashreplace",
        line_buffering=True,
        write_through=True,
    )
    return was_open


def _open_closed_streams() -> bool:
    """Open those of the three that are closed onto the null device; whether standard output was open."""
    was_open = True
    for number in (INPUT, OUTPUT, ERROR):
        try:
            os.fstat(number)
        except OSError:
            was_open = was_open and number != OUTPUT
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number
    return was_open


def flush_output() -> None:
    """Flush standard output. Raises OSError, once: the rest is dropped."""
    try:
        sys.stdout.flush()
    except OSError:
        # Else the interpreter tries again at its end, and complains.
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), OUTPUT)
        raise


# --- Progress


class Progress(Protocol):
    """How a run reports its progress: the terminal shows it, tests collect it.

    The threads of a run call these methods often; they must be quick and must not raise.
    """

    def phase(self, name: str, detail: str = "") -> None:
        """A phase begins: `prepare`, `preflight`, `send`, `listen`, `shrink`, `judge`.

        Of a client also `deliver` (notifications are sent to it) and `observe`.
        """

    def until(self, at: float) -> None:
        """The phase ends at `at` (seconds of `time.monotonic`) at the latest."""

    def exchanged(self, done: int, planned: int) -> None:
        """`done` of the `planned` cases have their answer."""

    def notified(self, arrived: int, outstanding: int) -> None:
        """`arrived` notifications came, and `outstanding` are still owed."""

    def remark(self, text: str) -> None:
        """A message for the person who watches, such as the reason of a pause."""


class Silent:
    """Reports nothing."""

    def phase(self, name: str, detail: str = "") -> None:
        """Do nothing."""

    def until(self, at: float) -> None:
        """Do nothing."""

    def exchanged(self, done: int, planned: int) -> None:
        """Do nothing."""

    def notified(self, arrived: int, outstanding: int) -> None:
        """Do nothing."""

    def remark(self, text: str) -> None:
        """Do nothing."""
