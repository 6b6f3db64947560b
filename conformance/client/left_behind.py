"""Find and end processes that a driver has started and left behind, in any session.

A process leaves its session with `setsid`, and loses its parent by the death of the one in between; its environment it
keeps, unless somebody takes care to change that. This reads /proc, so it works on Linux only.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

MARK = "STATUM_DRIVER_OF"

# A process may start another one while it is being ended.
ROUNDS = 5
# Between a SIGKILL and the end of a process that does not wait for a disk.
ENDS_WITHIN_S = 1.0
POLL_S = 0.005

# Arguments and characters of a command line that are shown.
SHOWN_ARGUMENTS = 3
LONGEST_SHOWN = 200

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
        left = [process for process in _processes() if process in family or _bears(process.pid, mark)]
        for process in left:
            commands.setdefault(process, _command_of(process.pid))
            with suppress(ProcessLookupError, PermissionError):
                os.kill(process.pid, signal.SIGKILL)
        if not left or not _all_end(left):
            break
    alive = set(_processes()) if commands else set()
    return tuple(
        Left(each.pid, command, each not in alive) for each, command in commands.items() if each.group != group
    )


def _all_end(processes: Collection[_Process]) -> bool:
    """Whether these end within a short time."""
    until = time.monotonic() + ENDS_WITHIN_S
    while not set(processes).isdisjoint(_processes()):
        if time.monotonic() > until:
            return False
        time.sleep(POLL_S)  # only the end of a child is announced
    return True


def _processes() -> Iterator[_Process]:
    """The other processes of this machine that have not ended."""
    own = os.getpid()
    if not can_look():
        return
    for entry in _PROC.iterdir():
        if entry.name.isdigit() and int(entry.name) != own and (process := _read(int(entry.name))) is not None:
            yield process


def _read(pid: int) -> _Process | None:
    try:
        stat = (_PROC / str(pid) / "stat").read_bytes().decode("latin-1")
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()
    if len(fields) <= _BEGAN or fields[_STATE] == _ZOMBIE:
        return None
    return _Process(pid, fields[_BEGAN], int(fields[_PARENT]), int(fields[_GROUP]))


def _bears(pid: int, mark: str) -> bool:
    try:
        environment = (_PROC / str(pid) / "environ").read_bytes()
    except OSError:  # it has ended, or belongs to another user
        return False
    return f"{MARK}={mark}".encode() in environment.split(b"\0")


def _command_of(pid: int) -> str:
    try:
        arguments = (_PROC / str(pid) / "cmdline").read_bytes().decode("utf-8", "backslashreplace").split("\0")
    except OSError:
        return "?"
    command = " ".join(arguments[:SHOWN_ARGUMENTS]).strip() or "?"
    return command if len(command) <= LONGEST_SHOWN else arguments[0][:LONGEST_SHOWN]
