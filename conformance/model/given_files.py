"""Files that somebody gave, read without trusting that they are files, or that they end.

given_bytes     the bytes of a file, or of a pipe, but no more than so many; TooLong for more
"""

from __future__ import annotations

import errno
import os
import select
import time
from pathlib import Path

PATIENCE_S = 30.0
"""How long a pipe may take to be read to its end: whoever writes to it may be a program that downloads."""

_CHUNK = 1 << 20


class TooLong(OSError):
    """There is more of it than whoever reads it can use."""


def given_bytes(path: Path, most: int) -> bytes:
    """The bytes of the file at `path`, at most `most` of them; a pipe is read for PATIENCE_S at the longest.

    Raises TooLong where there are more, and OSError for what cannot be read: also of a pipe from which nothing comes.
    """
    # Opened so, a pipe that nobody writes to is empty; otherwise it would be waited for without end.
    with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb", buffering=0) as opened:  # noqa: PTH123 - a descriptor
        content, deadline = bytearray(), time.monotonic() + PATIENCE_S
        while len(content) <= most:
            chunk = opened.read(min(_CHUNK, most + 1 - len(content)))
            if chunk is None:
                if not select.select([opened], [], [], max(0.0, deadline - time.monotonic()))[0]:
                    raise TimeoutError(errno.ETIMEDOUT, f"nothing came from it within {PATIENCE_S:g} s")
            elif chunk:
                content += chunk
            else:
                return bytes(content)
            if time.monotonic() > deadline:
                raise TimeoutError(errno.ETIMEDOUT, f"it did not end within {PATIENCE_S:g} s")
        raise TooLong(errno.EFBIG, f"it has more than {most:,} bytes")
