"""What a driver writes to its standard error, kept within bounds: it may write without end.

    Stderr      reads it to its end, and says which lines are kept

The first lines of a process are kept, and its last ones, for they mostly say why it died. What lies between is counted.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import IO

from conformance.journal.rows import LONGEST_STDERR
from conformance.model.traffic import SHOWN_LINES

# Lines of standard error that one process may have in the journal, beside its last ones.
MOST_LINES = 2_000
# Bytes that a driver may have there, however often it is started: those of its first lines, and those of its last.
MOST_FIRST_BYTES = 4 << 20
MOST_LAST_BYTES = 4 << 20

_AT_ONCE = 1 << 16


class Stderr:
    """The standard error of one driver, process after process."""

    def __init__(self) -> None:
        """Nothing was written yet."""
        self._first_bytes = MOST_FIRST_BYTES
        self._last_bytes = MOST_LAST_BYTES

    def read(self, stream: IO[bytes], tell: Callable[[bytes], None]) -> None:
        """Read a stream to its end; `tell` is called with each line that is kept, cut at `LONGEST_STDERR`."""
        lines = left_out = dropped = 0
        last: deque[bytes] = deque(maxlen=SHOWN_LINES)
        while line := stream.readline(LONGEST_STDERR):
            if not line.endswith(b"\n"):
                dropped += _passed_over(stream)
            if lines < MOST_LINES and len(line) <= self._first_bytes:
                lines += 1
                self._first_bytes -= len(line)
                tell(line)
            else:
                left_out += 1
                if len(last) == last.maxlen:
                    dropped += len(last[0])
                last.append(line)
        while last and sum(map(len, last)) > self._last_bytes:
            dropped += len(last.popleft())
        self._last_bytes -= sum(map(len, last))
        if dropped:
            told = f"[{left_out - len(last):,} lines and {dropped:,} bytes were too many, and are left out here]"
            tell(told.encode())
        for line in last:
            tell(line)


def _passed_over(stream: IO[bytes]) -> int:
    """How much of a line was still to come."""
    count = 0
    while rest := stream.readline(_AT_ONCE):
        count += len(rest)
        if rest.endswith(b"\n"):
            break
    return count
