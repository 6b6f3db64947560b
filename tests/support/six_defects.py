"""A run against a gateway with six defects, each in a process of its own: `tests/ordinary/defective_*.py`.

It leaves its results in `reports`.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from socket import create_connection

from command_line import CHECKOUT, Called, finished, process
from sockets import quiet_port

ON_HTTP_SERVER = (sys.executable, "-S", "-E", CHECKOUT / "tests" / "ordinary" / "defective_gateway.py")
LISTENS_WITHIN_S = 30.0
POLL_S = 0.05  # a program that is not ours does not say when it listens


def judge_six_defects(directory: Path, program: Sequence[str | Path] = ON_HTTP_SERVER) -> Called:
    """Have the command line judge the gateway that `program` starts, in `directory`."""
    port, callbacks = quiet_port(), f"127.0.0.1:{quiet_port()}"
    gateway = subprocess.Popen([*program, str(port), f"http://{callbacks}/callbacks"])
    try:
        _await_listener(port)
        where = ("--gateway", f"http://127.0.0.1:{port}/api/v2", "--callback-listen", callbacks)
        credential = ("--consumer-key", "key", "--consumer-secret", "secret")
        return finished(process(directory, "run", *where, *credential, "--seed", "7", "--max-examples", "0"))
    finally:
        gateway.terminate()
        gateway.wait(LISTENS_WITHIN_S)


def _await_listener(port: int) -> None:
    deadline = time.monotonic() + LISTENS_WITHIN_S
    while time.monotonic() < deadline:
        with suppress(OSError):
            create_connection(("127.0.0.1", port)).close()
            return
        time.sleep(POLL_S)
    raise AssertionError(f"nobody listens on port {port}")
