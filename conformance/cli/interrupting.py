"""Ctrl-C and SIGTERM: what is there is judged, and whoever is impatient is obeyed.

terminated_as_interrupted   while entered, both raise KeyboardInterrupt
"""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)

# `timeout`, shells and CI runners signal a process and its group, or SIGINT and then SIGTERM: one wish, told twice.
SAME_WISH_S = 2.0


@contextmanager
def terminated_as_interrupted() -> Iterator[None]:
    """While entered, SIGTERM ends a campaign as Ctrl-C does: what is there is judged.

    Also where SIGINT was ignored, as a shell has it for what it starts in the background: whoever signals this process
    there means it. What is signalled again within SAME_WISH_S is the same wish and does not disturb that; later it ends
    at once.
    """
    told_at = float("-inf")

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        nonlocal told_at
        before, told_at = told_at, time.monotonic()
        if told_at - before > SAME_WISH_S:
            raise KeyboardInterrupt

    handlers = {number: signal.signal(number, interrupt) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
