"""A run against the gateway with six defects, `tests/ordinary/defective_gateway.py`, each in a process of its own.

It leaves its results in `reports`.
"""

from __future__ import annotations

import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from socket import create_connection

from command_line import CHECKOUT, Called, finished, process
from sockets import quiet_port

GATEWAY = CHECKOUT / "tests" / "ordinary" / "defective_gateway.py"
LISTENS_WITHIN_S = 30.0
POLL_S = 0.05  # a program that is not ours does not say when it listens


def judge_six_defects(directory: Path) -> Called:
    """Have the command line judge the gateway, in `directory`."""
    port, callbacks = quiet_port(), f"127.0.0.1:{quiet_port()}"
    gateway = subprocess.Popen([sys.executable, "-S", "-E", GATEWAY, str(port), f"http://{callbacks}/callbacks"])
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
