"""The suite's own errors; a fault of the subject is a finding, never an exception.

ConformanceError                    the given value, the expected one, and a hint
├── UsageError          exit 2      an option, a file or a value that cannot be used
├── EnvironmentFailure  exit 3      the run cannot be made: unreachable, refused, port taken
└── SuiteError          exit 4      the suite contradicts itself (a bug in it)
    └── UnknownKeyword              a schema keyword that generation does not know
"""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches


class ConformanceError(Exception):
    """One clear line: `message` and, if there is one, a `hint`. `lines`: details, to be shown below it."""

    exit_code = 4

    def __init__(self, message: str, hint: str | None = None, lines: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.lines = tuple(lines)

    def __str__(self) -> str:
        return f"{self.message} (hint: {self.hint})" if self.hint else self.message


class UsageError(ConformanceError):
    """The user gave something that cannot be used."""

    exit_code = 2


class EnvironmentFailure(ConformanceError):
    """The surroundings do not let the run begin or go on."""

    exit_code = 3


class SuiteError(ConformanceError):
    """The suite is at fault."""


class UnknownKeyword(SuiteError):
    """A schema uses a keyword that generation cannot honour; generating anyway would mislabel payloads."""


def did_you_mean(name: str, known: Iterable[str]) -> str | None:
    """A hint at the names of `known` that are near; None if none is."""
    near = get_close_matches(name, list(dict.fromkeys(known)), n=2)
    return f"did you mean {' or '.join(near)}?" if near else None


_FULL = "make room, or name another directory with --report-dir"
_FILES = "raise the limit: `ulimit -n` shows it"
_PROCESSES = "raise the limit on processes and threads: `ulimit -u` shows it, in a container its pids limit"
_MEMORY = "raise the limit (`ulimit -v`, or that of the container), or ask for less with --max-examples"

# The error numbers by which an operating system reports a shortage, and the remedies.
LACKS: Mapping[int, str] = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: _FULL,
    errno.EFBIG: "raise the limit on the size of files: `ulimit -f` shows it",
    errno.EROFS: "name another directory with --report-dir",
    errno.EMFILE: _FILES,
    errno.ENFILE: _FILES,
    errno.EAGAIN: _PROCESSES,
    errno.ENOMEM: _MEMORY,
}


def lack_of(error: BaseException) -> EnvironmentFailure | None:
    """The shortage or refusal of this machine that `error` reports; None for any other error.

    Memory, threads, files, room on a disk, a stream or directory that is gone.
    """
    if isinstance(error, MemoryError):
        return EnvironmentFailure("there is not enough memory", _MEMORY)
    if isinstance(error, RuntimeError) and "can't start new thread" in str(error):
        return EnvironmentFailure("no more threads can be started", _PROCESSES)
    if isinstance(error, sqlite3.OperationalError):
        return EnvironmentFailure(
            f"a journal cannot be used: {error}", "is the disk full, or a limit on files reached?"
        )
    if isinstance(error, OSError):
        where = "" if error.filename is None else f": {error.filename}"
        message = f"the system does not let it go on: {error.strerror or error or type(error).__name__}{where}"
        hint = "is a disk full, or the reader of the output gone?"
        if error.errno == errno.ENOSPC and error.filename is None:  # a stream, as like as not
            return EnvironmentFailure(message, hint)
        return EnvironmentFailure(message, LACKS.get(error.errno or 0, hint))
    return None
