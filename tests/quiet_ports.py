"""Ports that a test may name before anybody listens on them.

Each worker of pytest-xdist has a range of its own and goes through it in turn, so that no two tests are given the same
one; the ranges lie below the ports that the system gives to clients, so that no connection takes one in between.
"""

from __future__ import annotations

import itertools
import os
from contextlib import closing
from socket import create_server

FIRST = 20_000
PORTS_OF_A_WORKER = 700
MOST_WORKERS = 16

_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % MOST_WORKERS
_OWN = itertools.cycle(range(FIRST + _WORKER * PORTS_OF_A_WORKER, FIRST + (_WORKER + 1) * PORTS_OF_A_WORKER))


def quiet_port() -> int:
    """A port of 127.0.0.1 at which nobody listens, and that no other test is given."""
    for port in itertools.islice(_OWN, PORTS_OF_A_WORKER):
        try:
            with closing(create_server(("127.0.0.1", port))):
                return port
        except OSError:
            continue
    raise AssertionError("somebody listens on every port of this worker")
