"""The driver of a client: one process that answers one message at a time.

It runs in its own session, so that it can be ended with all that it has started. One thread reads its standard output,
another its standard error, and a third waits for its end, because a process that it has left behind may keep both open.

A process that it has started leaves the session with `setsid`, and loses its parent by the death of the one in between;
it keeps its environment, unless somebody takes care to change that. So the suite finds it by a mark there, or by its
parents. It reads /proc for this, which only Linux has.
"""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import threading
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from secrets import token_hex
from typing import IO, Any

from conformance.client.driver_messages import (
    PROTOCOL,
    DriverLog,
    Hello,
    ProtocolError,
    Stderr,
    beginning,
    encoded,
    parsed,
    read_lines,
    write,
)
from conformance.journal.rows import LONGEST_STDERR
from conformance.model.errors import LACKS, ConformanceError, EnvironmentFailure, UsageError, lack_of
from conformance.model.process import interrupts_deferred, is_interrupted
from conformance.model.traffic import Direction

# A virtual machine and its class path take a while to come up, on a busy machine a long one.
START_WITHIN_S = 30.0

# From `stop` to the end of the process, and from SIGTERM to SIGKILL.
STOP_WITHIN_S = 5.0
TERMINATE_WITHIN_S = 2.0

# Variables that begin so are for the suite: a gateway's credential, the passphrase of a signing key.
OPTIONS = "STATUM_CONFORMANCE_"

# Output that a process wrote before its end is read by then.
READ_WITHIN_S = 0.5

# `os.waitid` waits for a process without reaping it, which would free its number for another one. macOS has it from
# Python 3.13 on; without it, the suite waits by reaping (`_signal_session`).
CAN_WAIT = hasattr(os, "waitid")


# The variable with the mark of a driver and of the processes that it starts.
MARK = "STATUM_DRIVER_OF"

# A process may start another one while it is being ended.
ROUNDS = 5
# Between a SIGKILL and the end of a process that does not wait for a disk.
ENDS_WITHIN_S = 1.0
POLL_S = 0.005

# Arguments and characters of a command line that are shown.
SHOWN_ARGUMENTS = 3
LONGEST_SHOWN = 200


class How(StrEnum):
    """The ways in which a driver fails a case."""

    CRASH = "crash"
    HANG = "hang"
    GARBAGE = "garbage"
    TWICE = "twice"
    STOP = "stop"


class Death(Exception):
    """A driver did not answer exactly once, which fails the case `case_id`.

    `at`: when that was noticed (monotonic seconds), before the driver was killed with all its connections.
    """

    def __init__(self, how: How, detail: str, case_id: str | None, at: float | None = None) -> None:
        super().__init__(detail)
        self.how = how
        self.detail = detail
        self.case_id = case_id
        self.at = time.monotonic() if at is None else at


class Driver:
    """The process of a command line; `log` records every line. Not thread-safe: one thread asks."""

    def __init__(self, arguments: tuple[str, ...], log: DriverLog, start_within_s: float = START_WITHIN_S) -> None:
        self._arguments = arguments
        self._log = log
        self._start_within_s = start_within_s
        self._process: subprocess.Popen[bytes] | None = None
        self._lines: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._readers: tuple[threading.Thread, ...] = ()
        self._stderr = Stderr()
        self._ended = threading.Event()
        self._mark = ""
        self._left: list[Left] = []
        self._case_id: str | None = None
        self._last: tuple[str, str | None] | None = None

    @property
    def running(self) -> bool:
        """Whether there is a process, as far as the suite knows."""
        return self._process is not None

    @property
    def exited(self) -> bool:
        """Whether the process has ended, by itself or by `kill`."""
        return self._process is None or self._ends(self._process, 0.0)

    @property
    def left_behind(self) -> Sequence[Left]:
        """The processes that outlived its own, in sessions of theirs."""
        return tuple(self._left)

    def start(self, within_s: float | None = None) -> Hello:
        """Start the process and greet it; it has `within_s` to say hello, if that is less than usual.

        Raises UsageError if it cannot be started or speaks another version, Death if it does not say hello.
        """
        self._case_id = self._last = None
        with interrupts_deferred():  # or a signal could leave a process behind that nobody knows of
            self._begin()
        if is_interrupted():
            raise KeyboardInterrupt
        start_within_s = self._start_within_s if within_s is None else min(self._start_within_s, within_s)
        line = self._exchange({"cmd": "hello", "protocol": PROTOCOL}, start_within_s)
        try:
            return Hello.of(self._parsed("hello", line), self._log.contract)
        except UsageError:
            self.kill()
            raise

    def _begin(self) -> None:
        """Start the process and its readers. Raises UsageError if it cannot be started."""
        lines: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        ended = threading.Event()
        self._lines, self._ended, self._mark = lines, ended, token_hex(16)
        # The client under test must not hold the secrets of the suite.
        environment = {name: value for name, value in os.environ.items() if not name.startswith(OPTIONS)}
        try:
            process = subprocess.Popen(  # noqa: S603 - what the user gave, without a shell
                self._arguments,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
                env={**environment, MARK: self._mark},
            )
        except OSError as error:
            if error.errno in LACKS:
                raise lack_of(error) or error from error
            raise UsageError(
                f"driver {self._arguments[0]} cannot be started: {error.strerror or error}",
                hint="is it a program for this machine, with #! in its first line if it is a script?",
            ) from error
        self._process = process
        if process.stdout is None or process.stderr is None:
            raise EnvironmentFailure("the driver has no pipes")
        self._readers = (
            threading.Thread(target=read_lines, args=(process.stdout, lines), name="driver", daemon=True),
            threading.Thread(target=self._read_stderr, args=(process.stderr,), name="driver-stderr", daemon=True),
        )
        for reader in self._readers:
            reader.start()
        if CAN_WAIT:  # else its end shows when its output ends, or time is over
            waiting = (process.pid, ended, self._readers[0], lines)
            threading.Thread(target=_await_end, args=waiting, name="driver-end", daemon=True).start()

    def ask(self, message: Mapping[str, Any], case_id: str | None, within_s: float) -> dict[str, Any]:
        """Have it answer an `invoke` or a `result`. Raises Death, after ending it, if it does anything else."""
        self._case_id = case_id
        answer = self._parsed(message["cmd"], self._exchange(message, within_s))
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
            self._send({"cmd": "stop"}, within_s)
            if not self._ends(process, within_s):
                raise self._died(How.STOP, f"it did not end within {within_s:g} s of stop")
            self._left += end_all(self._mark, (), process.pid)  # or its output would go on
            _signal_session(process, signal.SIGKILL)
            code = process.wait()
            for reader in self._readers:
                reader.join(TERMINATE_WITHIN_S)
            with suppress(queue.Empty):
                while (line := self._lines.get_nowait()) is not None:
                    self._record_bad(line)
                    raise self._died(
                        How.TWICE, f"it wrote {beginning(line, self._log.redacted)!r} although nothing was asked"
                    )
            if code != 0:
                raise self._died(How.STOP, f"it ended with {_in_words(code)} on stop, not with exit code 0")
        finally:
            self.kill()

    def kill(self) -> None:
        """End the process and all that it has started; does nothing if there is none."""
        process, self._process = self._process, None
        if process is None:
            return
        family = family_of(process.pid)
        _signal_session(process, signal.SIGTERM)
        self._ends(process, TERMINATE_WITHIN_S)
        _signal_session(process, signal.SIGKILL)  # also processes that it has left behind
        process.wait()
        self._left += end_all(self._mark, family, process.pid)
        with suppress(OSError):
            if process.stdin:
                process.stdin.close()
        for reader in self._readers:
            reader.join(TERMINATE_WITHIN_S)

    def end_at_once(self) -> None:
        """End the process and its session without waiting for anything; `kill` has yet to be called."""
        process = self._process
        if process is not None:
            _signal_session(process, signal.SIGKILL)

    def _ends(self, process: subprocess.Popen[bytes], within_s: float) -> bool:
        """Whether the process ends in time. It is not reaped, so that its number still names its session."""
        if CAN_WAIT:
            return self._ended.wait(within_s)
        with suppress(subprocess.TimeoutExpired):
            process.wait(within_s)
        return process.returncode is not None

    def _exchange(self, message: Mapping[str, Any], within_s: float) -> bytes:
        until = time.monotonic() + within_s
        self._send(message, within_s)
        try:
            line = self._lines.get(timeout=max(0.0, until - time.monotonic()))
        except queue.Empty:
            raise self._died(How.HANG, f"it did not answer {message['cmd']} within {within_s:g} s") from None
        if line is None:
            raise self._died(How.CRASH, f"it ended {self._end()} instead of answering {message['cmd']}")
        return line

    def _parsed(self, cmd: str, line: bytes) -> dict[str, Any]:
        """Record a line and parse the answer in it. Raises Death if there is none."""
        try:
            answer = parsed(cmd, line, self._log.redacted)
        except ProtocolError as error:
            self._record_bad(line)
            raise self._died(How.GARBAGE, str(error)) from error
        except UsageError:
            self._record_bad(line)
            raise
        self._log.record(self._case_id, Direction.FROM, _text(line))
        return answer

    def _record_bad(self, line: bytes) -> None:
        """Record the beginning of an invalid line."""
        cut = len(line) > LONGEST_STDERR
        self._log.record(self._case_id, Direction.FROM, _text(line[:LONGEST_STDERR] if cut else line), cut=cut)

    def _send(self, message: Mapping[str, Any], within_s: float) -> None:
        line = encoded(message)
        self._log.record(self._case_id, Direction.TO, line)
        process = self._process
        if process is None or process.stdin is None:
            raise self._died(How.CRASH, "it is not running")
        try:
            written = write(process.stdin, line.encode() + b"\n", within_s)
        except OSError:  # it has ended; that shows when its output ends
            return
        if not written:
            raise self._died(How.HANG, f"it did not read {message['cmd']} within {within_s:g} s")

    def _end(self) -> str:
        process = self._process
        if process is None:
            return "before"
        if not self._ends(process, TERMINATE_WITHIN_S):
            return "its output"
        _signal_session(process, signal.SIGKILL)
        return f"with {_in_words(process.wait())}"

    def _died(self, how: How, detail: str) -> Death:
        at = time.monotonic()
        self.kill()
        return Death(how, detail, self._case_id, at)

    def _read_stderr(self, stream: IO[bytes]) -> None:
        def keep(line: bytes) -> None:
            with suppress(ConformanceError):  # a process that was left behind may still write after the end
                self._log.record(self._case_id, Direction.STDERR, _text(line), cut=len(line) >= LONGEST_STDERR)

        with stream:
            self._stderr.read(stream, keep)


def _await_end(
    pid: int, ended: threading.Event, reader: threading.Thread, lines: queue.SimpleQueue[bytes | None]
) -> None:
    """Announce the end of a process also where its output goes on, because a child of it still holds that.

    The process is not reaped (`Driver._ends`).
    """
    with suppress(ChildProcessError):  # it was reaped just now
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    ended.set()
    reader.join(READ_WITHIN_S)
    lines.put(None)


def _signal_session(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """Signal the process and its whole session, unless it was reaped: its number may belong to another session by now.

    Where the suite can only wait by reaping, it signals all the same: children of the driver may live on there.
    """
    if process.returncode is None or not CAN_WAIT:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, number)


def _text(line: bytes) -> str:
    return line.rstrip(b"\r\n").decode("utf-8", "backslashreplace")


def _in_words(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"signal {signal.Signals(-code).name}"
    except ValueError:
        return f"signal {-code}"


# --- Processes that a driver has left behind

_PROC = Path("/proc")
_ZOMBIE = "Z"
# Behind the name, which may hold anything: state, parent, process group, …, and when it began as the twentieth.
_STATE, _PARENT, _GROUP, _BEGAN = 0, 1, 2, 19


@dataclass(frozen=True, slots=True)
class Left:
    """A process that outlived its driver; `ended`: the suite ended it then."""

    pid: int
    command: str
    ended: bool


@dataclass(frozen=True, slots=True)
class _Process:
    """A process of this machine: numbers are used again, but not with the same start time."""

    pid: int
    began: str
    parent: int = field(compare=False)
    group: int = field(compare=False)


def can_look() -> bool:
    """Whether this system has /proc."""
    return (_PROC / "self" / "environ").exists()


def family_of(pid: int) -> frozenset[_Process]:
    """The descendants of a process, unless one in between has ended."""
    children: dict[int, list[_Process]] = {}
    for process in _processes():
        children.setdefault(process.parent, []).append(process)
    found: list[_Process] = []
    parents = [pid]
    while parents:
        born = children.pop(parents.pop(), [])
        found += born
        parents += [process.pid for process in born]
    return frozenset(found)


def end_all(mark: str, family: Collection[_Process], group: int) -> tuple[Left, ...]:
    """End the rest of a family, and the processes with `mark` in their environment.

    Returns them, except the process `group` of the driver, which is ended with it.
    """
    commands: dict[_Process, str] = {}
    for _ in range(ROUNDS):
        left = [each for each in _processes() if each in family or _bears(each.pid, mark)]
        for each in left:
            commands.setdefault(each, _command_of(each.pid))
            with suppress(ProcessLookupError, PermissionError):
                os.kill(each.pid, signal.SIGKILL)
        until = time.monotonic() + ENDS_WITHIN_S
        while not (ended := set(left).isdisjoint(_processes())) and time.monotonic() < until:
            time.sleep(POLL_S)  # only the end of a child is announced
        if not left or not ended:
            break
    alive = set(_processes()) if commands else set()
    return tuple(
        Left(each.pid, command, each not in alive) for each, command in commands.items() if each.group != group
    )


def _processes() -> Iterator[_Process]:
    """The other processes of this machine that have not ended."""
    for pid in (int(entry.name) for entry in _PROC.glob("[0-9]*")):
        fields = _file_of(pid, "stat").decode("latin-1").rpartition(")")[2].split()
        if pid != os.getpid() and len(fields) > _BEGAN and fields[_STATE] != _ZOMBIE:
            yield _Process(pid, fields[_BEGAN], int(fields[_PARENT]), int(fields[_GROUP]))


def _file_of(pid: int, name: str) -> bytes:
    """A file of a process in /proc; empty once that has ended, or if it belongs to another user."""
    try:
        return (_PROC / str(pid) / name).read_bytes()
    except OSError:
        return b""


def _bears(pid: int, mark: str) -> bool:
    return f"{MARK}={mark}".encode() in _file_of(pid, "environ").split(b"\0")


def _command_of(pid: int) -> str:
    arguments = _file_of(pid, "cmdline").decode("utf-8", "backslashreplace").split("\0")
    command = " ".join(arguments[:SHOWN_ARGUMENTS]).strip() or "?"
    return command if len(command) <= LONGEST_SHOWN else arguments[0][:LONGEST_SHOWN]
