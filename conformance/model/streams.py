"""Standard output and standard error, set up so that their faults are not taken for faults of anything else.

Standard error is a courtesy: a closed terminal or a full log does not end a run. A result that cannot be written to
standard output does.
"""

from __future__ import annotations

import io
import os
import sys
from contextlib import suppress

INPUT, OUTPUT, ERROR = 0, 1, 2


class Courtesy(io.FileIO):
    """A file that drops the data it cannot write."""

    def write(self, data: bytes | bytearray | memoryview, /) -> int:  # type: ignore[override] # FileIO takes any buffer
        """Write `data`, or leave it; its length."""
        with suppress(OSError):
            return super().write(data)
        return len(data)


def settled() -> bool:
    """Have both streams take everything printed; False if this process was started with standard output closed.

    A character that the terminal's encoding lacks becomes an escape. A closed stream is opened onto the null device:
    else the next file to be opened, a journal maybe, would get its number, and every print would go to it.
    """
    was_open = _keep_numbers()
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115 - until the process ends
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    encoding = getattr(sys.stderr, "encoding", None) or "utf-8"
    sys.stderr = io.TextIOWrapper(
        io.BufferedWriter(Courtesy(ERROR, "w", closefd=False)),
        encoding=encoding,
        errors="backslashreplace",
        line_buffering=True,
        write_through=True,
    )
    return was_open


def _keep_numbers() -> bool:
    """Whether standard output is open; of the three, closed ones are opened onto the null device."""
    open_ = True
    for number in (INPUT, OUTPUT, ERROR):
        try:
            os.fstat(number)
        except OSError:
            open_ = open_ and number != OUTPUT
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number
    return open_


def flushed() -> None:
    """Flush standard output. Raises OSError, once: the rest is dropped."""
    try:
        sys.stdout.flush()
    except OSError:
        # Else the interpreter tries again at its end, and complains.
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), OUTPUT)
        raise
