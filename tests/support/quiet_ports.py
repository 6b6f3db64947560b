"""Ports that a test may name before anybody listens on them.

Each process that runs tests has a range of its own and goes through it in turn, so that no two tests are given the same
one, be they workers of one pytest-xdist or of two that run at the same time. A range is claimed by listening on its
first port for as long as the process lives. Ranges lie below the ports that the system gives to clients, so that no
connection takes one in between.
"""

from __future__ import annotations

import atexit
import itertools
from collections.abc import Iterator
from contextlib import closing
from functools import cache
from socket import create_server

FIRST, BEHIND_LAST = 20_000, 32_700
PORTS_OF_A_PROCESS = 400


def quiet_port() -> int:
    """A port of 127.0.0.1 at which nobody listens, and that no other test is given."""
    for port in itertools.islice(_own(), PORTS_OF_A_PROCESS):
        try:
            with closing(create_server(("127.0.0.1", port))):
                return port
        except OSError:
            continue
    raise AssertionError("somebody listens on every port of this process")


@cache
def _own() -> Iterator[int]:
    for first in range(FIRST, BEHIND_LAST - PORTS_OF_A_PROCESS, PORTS_OF_A_PROCESS):
        try:
            claim = create_server(("127.0.0.1", first))
        except OSError:
            continue
        atexit.register(claim.close)
        return itertools.cycle(range(first + 1, first + PORTS_OF_A_PROCESS))
    raise AssertionError("other processes that run tests have every range of ports")
