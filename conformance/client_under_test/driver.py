"""The driver of a client: one process that is asked one thing at a time.

    Driver      started, asked, restarted, stopped; every line goes into the journal
    Death       what it did instead of answering

It runs in a session of its own, so that it can be ended with all that it has started. Its standard output is read by
one thread and its standard error by another; nobody polls.
"""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from enum import StrEnum
from typing import IO, Any

from conformance.client_under_test.protocol import PROTOCOL, Breach, Hello, check_protocol, told, understood
from conformance.errors import ConformanceError, EnvironmentFailure, UsageError
from conformance.traffic import Direction

# A virtual machine and its class path take a while to come up, on a busy machine a long one.
START_WITHIN_S = 30.0

# From `stop` to the end of the process, and from SIGTERM to SIGKILL.
STOP_WITHIN_S = 5.0
TERMINATE_WITHIN_S = 2.0

# Longer lines are no message of the protocol; a driver that writes without end must not fill the memory.
MOST_LINE = 1 << 20

# Lines of standard error that one process may have in the journal: a driver in a loop must not fill the disk.
MOST_STDERR = 2000

Said = Callable[[str | None, Direction, str], None]


class How(StrEnum):
    """The ways in which a driver fails a case."""

    CRASH = "crash"
    HANG = "hang"
    GARBAGE = "garbage"
    TWICE = "twice"
    STOP = "stop"


class Death(Exception):
    """A driver did something else than answer once. `case_id`: the case that it fails, None if there is none.

    `at`: when that was seen (monotonic seconds), before it was ended with all its connections.
    """

    def __init__(self, how: How, detail: str, case_id: str | None, at: float | None = None) -> None:
        super().__init__(detail)
        self.how = how
        self.detail = detail
        self.case_id = case_id
        self.at = time.monotonic() if at is None else at


class Driver:
    """The process behind `arguments`; `said` is told every line. Not thread-safe: one thread asks."""

    def __init__(self, arguments: tuple[str, ...], said: Said, start_within_s: float = START_WITHIN_S) -> None:
        self._arguments = arguments
        self._said = said
        self._start_within_s = start_within_s
        self._process: subprocess.Popen[bytes] | None = None
        self._lines: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._readers: tuple[threading.Thread, ...] = ()
        self._case_id: str | None = None
        self._last: tuple[str, str | None] | None = None

    @property
    def running(self) -> bool:
        """Whether there is a process that was not found dead."""
        return self._process is not None

    @property
    def exited(self) -> bool:
        """Whether the process has ended, by itself or by `kill`."""
        return self._process is None or self._process.poll() is not None

    def start(self, within_s: float | None = None) -> Hello:
        """Start the process and greet it; it has `within_s` to say hello, if that is less than usual.

        Raises UsageError if it cannot be started or speaks another version, Death if it does not say hello.
        """
        self._case_id = self._last = None
        lines: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._lines = lines
        try:
            process = subprocess.Popen(  # noqa: S603 - what the user gave, without a shell
                self._arguments,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        except OSError as error:
            raise UsageError(
                f"driver {self._arguments[0]} cannot be started: {error.strerror or error}",
                hint="is it a program for this machine, with #! in its first line if it is a script?",
            ) from error
        self._process = process
        if process.stdout is None or process.stderr is None:
            raise EnvironmentFailure("the driver has no pipes")
        self._readers = (
            threading.Thread(target=_read_lines, args=(process.stdout, lines), name="driver", daemon=True),
            threading.Thread(target=self._read_stderr, args=(process.stderr,), name="driver-stderr", daemon=True),
        )
        for reader in self._readers:
            reader.start()
        start_within_s = self._start_within_s if within_s is None else min(self._start_within_s, within_s)
        line = self._exchange({"cmd": "hello", "protocol": PROTOCOL}, start_within_s)
        try:
            check_protocol(line)
            return Hello.of(understood("hello", line))
        except Breach as breach:
            raise self._died(How.GARBAGE, str(breach)) from breach
        except UsageError:
            self.kill()
            raise

    def ask(self, message: Mapping[str, Any], case_id: str | None, within_s: float) -> dict[str, Any]:
        """Have it answer an `invoke` or a `result`. Raises Death if it does anything else, and it is no more then."""
        self._case_id = case_id
        line = self._exchange(message, within_s)
        try:
            answer = understood(message["cmd"], line)
        except Breach as breach:
            raise self._died(How.GARBAGE, str(breach)) from breach
        if self._last and answer["id"] == self._last[0] != message["id"]:
            self._case_id = self._last[1]  # it is the earlier case that fails
            raise self._died(How.TWICE, "it answered the same message twice")
        if answer["id"] != message["id"]:
            raise self._died(How.GARBAGE, f"it answered {answer['id']!r} where {message['id']!r} was asked")
        self._last = (message["id"], case_id)
        return answer

    def stop(self, within_s: float = STOP_WITHIN_S) -> None:
        """Tell it to stop and wait for its end. Raises Death if it says more, or does not end by itself with 0."""
        process = self._process
        if process is None:
            return
        self._case_id = self._last[1] if self._last else None
        try:
            try:
                self._tell({"cmd": "stop"})
                code = process.wait(within_s)
            except subprocess.TimeoutExpired:
                raise self._died(How.STOP, f"it did not end within {within_s:g} s of stop") from None
            for reader in self._readers:
                reader.join(TERMINATE_WITHIN_S)
            with suppress(queue.Empty):
                while (line := self._lines.get_nowait()) is not None:
                    self._said(self._case_id, Direction.FROM, _text(line))
                    raise self._died(How.TWICE, f"it wrote {_text(line)!r} although nothing was asked")
            if code != 0:
                raise self._died(How.STOP, f"it ended with {_in_words(code)} on stop, not with exit code 0")
        finally:
            self.kill()

    def kill(self) -> None:
        """End the process and all that it has started; does nothing if there is none."""
        process, self._process = self._process, None
        if process is None:
            return
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(TERMINATE_WITHIN_S)
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)  # also what its process has left behind
        process.wait()
        with suppress(OSError):
            if process.stdin:
                process.stdin.close()
        for reader in self._readers:
            reader.join(TERMINATE_WITHIN_S)

    def _exchange(self, message: Mapping[str, Any], within_s: float) -> bytes:
        self._tell(message)
        try:
            line = self._lines.get(timeout=within_s)
        except queue.Empty:
            raise self._died(How.HANG, f"it did not answer {message['cmd']} within {within_s:g} s") from None
        if line is None:
            raise self._died(How.CRASH, f"it ended {self._end()} instead of answering {message['cmd']}")
        self._said(self._case_id, Direction.FROM, _text(line))
        return line

    def _tell(self, message: Mapping[str, Any]) -> None:
        line = told(message)
        self._said(self._case_id, Direction.TO, line)
        process = self._process
        if process is None or process.stdin is None:
            raise self._died(How.CRASH, "it is not running")
        with suppress(BrokenPipeError):  # it is gone; that shows when its output ends
            process.stdin.write(line.encode() + b"\n")
            process.stdin.flush()

    def _end(self) -> str:
        process = self._process
        if process is None:
            return "before"
        with suppress(subprocess.TimeoutExpired):
            return f"with {_in_words(process.wait(TERMINATE_WITHIN_S))}"
        return "its output"

    def _died(self, how: How, detail: str) -> Death:
        at = time.monotonic()
        self.kill()
        return Death(how, detail, self._case_id, at)

    def _read_stderr(self, stream: IO[bytes]) -> None:
        with stream:
            for number, line in enumerate(iter(lambda: stream.readline(MOST_LINE), b"")):
                if number < MOST_STDERR:
                    with suppress(ConformanceError):  # something that it has left behind still writes after the end
                        self._said(self._case_id, Direction.STDERR, _text(line))


def _read_lines(stream: IO[bytes], lines: queue.SimpleQueue[bytes | None]) -> None:
    with stream:
        while line := stream.readline(MOST_LINE):
            lines.put(line)
    lines.put(None)


def _text(line: bytes) -> str:
    return line.rstrip(b"\r\n").decode("utf-8", "backslashreplace")


def _in_words(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"signal {signal.Signals(-code).name}"
    except ValueError:
        return f"signal {-code}"
