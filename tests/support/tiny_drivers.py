"""Drivers of a few lines of Python each, for tests of what asks and ends them."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from conformance.client.driver import Driver
from conformance.client.driver_messages import DriverLog
from conformance.contract.contract import statum
from conformance.model.traffic import Direction

Line = tuple[str | None, Direction, str]
Start = Callable[..., Driver]

# Longer than any step takes on a busy machine; what shall hang hangs for longer.
PATIENCE_S = 20.0
SHORT_S = 0.3

HELLO = '{"protocol":1,"implementation":{"name":"tiny"},"commands":["sms"]}'

# A driver whose answers are lists of lines, by the message; {id} is that of the message.
LOOP = """
import json, os, signal, sys, subprocess, time
for number, line in enumerate(sys.stdin):
    message = json.loads(line)
    cmd = message["cmd"]
    ID = message.get("id", "")
    def say(*lines):
        sys.stdout.write("".join(text + "\\n" for text in lines)); sys.stdout.flush()
    if cmd == "hello":
        say('HELLO')
    elif cmd == "invoke":
        INVOKE
    elif cmd == "stop":
        STOP
"""

ACCEPTED = 'say(json.dumps({"id": ID, "outcome": "accepted"}))'


class ListedLines(DriverLog):
    """Puts the driver's lines into a list."""

    def __init__(self, lines: list[Line]) -> None:
        super().__init__(statum())
        self._lines = lines

    def record(self, case_id: str | None, direction: Direction, line: str, *, cut: bool = False) -> None:
        """List a line; one that is cut ends with `…`."""
        self._lines.append((case_id, direction, line + "…" * cut))


@pytest.fixture
def heard() -> list[Line]:
    """What the driver's lines are told to."""
    return []


@pytest.fixture
def started(tmp_path: Path, heard: list[Line]) -> Iterator[Start]:
    """Makes and starts a driver from the parts of LOOP; it is ended after the test."""
    drivers: list[Driver] = []

    def start(invoke: str = ACCEPTED, stop: str = "break", hello: str = HELLO) -> Driver:
        file = tmp_path / "driver.py"
        file.write_text(LOOP.replace("HELLO", hello).replace("INVOKE", invoke).replace("STOP", stop))
        driver = Driver((sys.executable, "-S", "-E", str(file)), ListedLines(heard), start_within_s=PATIENCE_S)
        drivers.append(driver)
        driver.start()
        return driver

    yield start
    for driver in drivers:
        driver.kill()


def invoke(number: int) -> dict[str, object]:
    """A message that asks for a call."""
    return {
        "cmd": "invoke",
        "id": f"m{number}",
        "command": "sms",
        "base_url": "http://127.0.0.1:9/api/v2",
        "consumer_key": "k",
        "consumer_secret": "s",
        "timeout_s": 1,
        "params": {},
    }


def is_gone(pid: int) -> bool:
    """Whether the process ends within PATIENCE_S; one that is dead and waits for its parent counts as gone."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        with suppress(FileNotFoundError):
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z":
                os.sched_yield()
                continue
        return True
    return False
