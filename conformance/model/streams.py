"""Standard output and standard error, made so that nothing that is wrong with them is taken for anything else.

    settled         both streams as they are used from here on; whether there is anywhere to write results to
    flushed         what is still to be written, written; raises OSError

What is printed to standard error is a courtesy: a terminal that was closed or a log that is full does not end a run. A
result that cannot be written to standard output does.
"""

from __future__ import annotations

import io
import os
import sys
from contextlib import suppress

INPUT, OUTPUT, ERROR = 0, 1, 2


class Courtesy(io.FileIO):
    """A file of which nobody misses what it cannot take."""

    def write(self, data: bytes | bytearray | memoryview, /) -> int:  # type: ignore[override] # FileIO takes any buffer
        """Write `data`, or leave it; its length."""
        with suppress(OSError):
            return super().write(data)
        return len(data)


def settled() -> bool:
    """Have both streams take whatever is printed; False if standard output was closed by who started this process.

    What the terminal's encoding lacks is shown as an escape. A closed stream is opened onto nothing: else the next file
    that is opened, a journal maybe, would have its number, and be written to by whatever prints.
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
    """Whether standard output is open; whatever of the three is not is opened onto nothing."""
    open_ = True
    for number in (INPUT, OUTPUT, ERROR):
        try:
            os.fstat(number)
        except OSError:
            open_ = open_ and number != OUTPUT
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free
    return open_


def flushed() -> None:
    """Write what is still to be written to standard output. Raises OSError, once: the rest is dropped."""
    try:
        sys.stdout.flush()
    except OSError:
        # Else the interpreter tries again at its end, and complains.
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), OUTPUT)
        raise
