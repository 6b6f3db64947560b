"""The command line as tests call it: in this process, or in one of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from conformance.cli import outcome

CHECKOUT = Path(__file__).parents[2]
CONSOLE_SCRIPT = "from conformance.__main__ import main; main()"

# Longer than any command takes on a busy machine; one that hangs must not hang the build.
PATIENCE_S = 60.0


@dataclass(frozen=True, slots=True)
class Called:
    """How a call went."""

    code: int
    out: str
    err: str

    @property
    def only_line(self) -> str:
        """Standard error, which has to be exactly one line."""
        assert 1 == self.err.count("\n"), self.err
        return self.err.removesuffix("\n")


def call(capsys: pytest.CaptureFixture[str], *arguments: str) -> Called:
    """Call the command in this process."""
    capsys.readouterr()
    code = outcome(arguments)
    captured = capsys.readouterr()
    return Called(code, captured.out, captured.err)


def process(directory: Path, *arguments: str, script: str = CONSOLE_SCRIPT, **variables: str) -> subprocess.Popen[str]:
    """Start the command, or another script, in a process of its own, in `directory`; output is read by the test."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("STATUM_CONFORMANCE")}
    return subprocess.Popen(
        [sys.executable, "-c", script, *arguments],
        cwd=directory,
        env={**environment, "PYTHONPATH": str(CHECKOUT), "PYTHONUTF8": "1", **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )


def finished(running: subprocess.Popen[str]) -> Called:
    """Wait for it to end by itself."""
    out, err = running.communicate(timeout=PATIENCE_S)
    return Called(running.returncode, out, err)
