"""Signals at random moments of every command that takes a while.

signalled       SIGINT or SIGTERM, once or twice, from the first moment at which one is heeded to the end

Each command begins beside what an earlier run has left. The gateway's own log tells what was sent after a signal; the
files tell whether anything is half written, or of two runs.
"""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

from campaigns import registered
from command_line import PATIENCE_S, process
from mock_rig import eventually

from benchmarks.chaos.figures import Figures
from conformance.gateway.campaign import JOURNAL
from conformance.journal import read_journal
from conformance.mock.account import Account
from conformance.mock.behaviour import BUILT_IN, Moment, Reply
from conformance.mock.serving import MockServer, serve_mock
from conformance.model.errors import UsageError
from conformance.model.process import EXIT_CODE, GRACE_S, REPEAT_S

# Of a hundred signals so many go to each of these; a run has most to lose.
SHARES: Mapping[str, int] = {"run": 44, "certify": 20, "judge": 12, "verify": 12, "report": 12}
# What was on its way when the signal came has reached the gateway by then, also on a busy machine.
ON_ITS_WAY_S = 0.5
# What one signal leaves to be done: answers that are awaited, a driver that is stopped, reports.
ORDERLY_S = 20.0
# What a second one leaves, on a busy machine.
AT_ONCE_S = GRACE_S + 2.0

# A command that nobody interrupts, on a busy machine.
LONGEST_S = 240.0

FEW = ("--product=sms", "--max-examples=2", "--seed=5")
DRIVER = f"{sys.executable} driver.py"


@dataclass(frozen=True, slots=True)
class Command:
    """A command with what it is told, and the seconds that it takes if nobody interrupts it."""

    arguments: Sequence[str]
    takes_s: float

    @property
    def name(self) -> str:
        """What it is called."""
        return self.arguments[0]


def signalled(figures: Figures, count: int) -> None:
    """So many signals in all, each at a moment that is drawn."""
    chance = Random(1)
    with tempfile.TemporaryDirectory() as folder, _gateway() as (told, reached):
        home = Path(folder)
        for command in _commands(home, told):
            for _ in range(round(count * SHARES[command.name] / 100)):
                _signal_once(figures, home, command, chance, reached)


@contextmanager
def _gateway() -> Iterator[tuple[list[str], list[float]]]:
    """One that keeps the contract: what a run is told of it, and when requests reached it."""
    reached: list[float] = []
    servers: list[MockServer] = []

    def log(reply: Reply, _moment: Moment) -> Reply:
        reached.append(time.monotonic())
        return reply

    def started(account: Account) -> str:
        servers.append(serve_mock(account, replace(BUILT_IN, reply=(*BUILT_IN.reply, log))))
        servers[0].start()
        return servers[0].url

    told = registered(started)
    try:
        options = [f"--gateway={told['gateway']}", f"--callback-listen={told['callback_listen']}"]
        options += [f"--consumer-key={told['consumer_key']}", f"--consumer-secret={told['consumer_secret']}"]
        yield options, reached
    finally:
        servers[0].stop()


def _commands(home: Path, told: Sequence[str]) -> Iterator[Command]:
    """Each of them with what it needs, which is made first."""
    _ended(home, "keygen", "key")
    _ended(home, "init", "--driver=python")
    run = ["run", *told, *FEW, "--rate=150", "--sign-key=key", "--subject-name=gateway"]
    certify = ["certify", f"--driver={DRIVER}", *FEW, "--report-dir=client"]
    for arguments in (run, certify):
        yield _timed(home, arguments)
    _ended(home, *run)
    shutil.copytree(home / "reports", home / "whole")
    yield _timed(home, ["judge", f"whole/{JOURNAL}"])
    yield _timed(home, ["verify", "whole/certificate.json", "--key=key.pub", f"--evidence=whole/{JOURNAL}"])
    yield _timed(home, ["report", "--from=whole", "--all"])


def _timed(home: Path, arguments: Sequence[str]) -> Command:
    begun = time.monotonic()
    _ended(home, *arguments)
    return Command(arguments, time.monotonic() - begun)


def _ended(home: Path, *arguments: str) -> None:
    running = process(home, *arguments)
    said = running.communicate(timeout=LONGEST_S)
    if running.returncode != 0:
        raise RuntimeError(f"{arguments[0]} ended with {running.returncode}: {said}")


def _signal_once(figures: Figures, home: Path, command: Command, chance: Random, reached: list[float]) -> None:
    first, second = chance.choice((signal.SIGINT, signal.SIGTERM)), chance.random() < 0.25  # noqa: PLR2004 - one in four
    after_s = chance.random() * command.takes_s
    moment = f"{command.name}, {first.name}{' twice' if second else ''} after {after_s:.2f} s"
    with process(home, *command.arguments) as running:
        heeds = eventually(lambda: running.poll() is not None or _heeds(running.pid), PATIENCE_S)
        ended_before = _waited(running, after_s)
        running.send_signal(first)
        signalled_at = time.monotonic()
        bound_s = ORDERLY_S
        if second and not _waited(running, REPEAT_S + 0.1):
            running.send_signal(first)
            signalled_at, bound_s = time.monotonic(), AT_ONCE_S
        in_time = _waited(running, bound_s)
        took_s = time.monotonic() - signalled_at
        if not in_time:
            running.kill()
        out, err = running.communicate(timeout=PATIENCE_S)
    if ended_before or not heeds:
        figures.add("signals that came too late", 1)
        return
    figures.add("signals", 1)
    figures.add("signals not obeyed in time", not in_time, f"{moment}: {took_s:.1f} s: {err}")
    sent_after = sum(at > signalled_at + ON_ITS_WAY_S for at in reached)
    reached.clear()
    figures.add("requests sent after a signal", sent_after, moment)
    wrong = in_time and _wrong_code(running.returncode, out, took_s)
    figures.add("wrong exit codes after a signal", bool(wrong), f"{moment}: {running.returncode}: {out}{err}")
    for name in ("reports", "client", "whole"):
        if told := _half_written(home / name):
            figures.add("files half written, or of two runs", 1, f"{moment}: {told}")


def _wrong_code(code: int, out: str, took_s: float) -> bool:
    """Whether the exit code is none that a signal leads to: 3, or that of a command that was done by then."""
    was_done = out.endswith("\n") and took_s < AT_ONCE_S
    return code != EXIT_CODE and not (code == 0 and was_done)


def _half_written(directory: Path) -> str | None:
    """What is not whole, or not of the same run as the journal, in words."""
    if not directory.exists():
        return None
    read: Mapping[str, Callable[[Path], object]] = {
        "*.json": lambda path: json.loads(path.read_bytes()),
        "*.sarif": lambda path: json.loads(path.read_bytes()),
        "*.har": lambda path: json.loads(path.read_bytes()),
        "*.xml": lambda path: ET.fromstring(path.read_bytes()),  # noqa: S314 - our own
    }
    for pattern, reader in read.items():
        for path in directory.rglob(pattern):
            try:
                reader(path)
            except (ValueError, ET.ParseError) as error:
                return f"{path.name}: {error}"
    try:
        begun = read_journal(directory / JOURNAL).settings["started_at"]
    except UsageError as error:
        return str(error)
    report = directory / "report.json"
    others = [path.name for path in directory.iterdir() if path.suffix in {".xml", ".html", ".sarif", ".har", ".md"}]
    if not report.exists():
        return f"{others} without a report.json" if others and not (directory / "certificate.json").exists() else None
    of_run = json.loads(report.read_bytes())["started_at"]
    return None if begun == of_run else f"the report is of {of_run}, the journal of {begun}"


def _waited(running: subprocess.Popen[str], seconds: float) -> bool:
    """Whether it has ended within so many seconds."""
    try:
        running.wait(seconds)
    except subprocess.TimeoutExpired:
        return False
    return True


def _heeds(pid: int) -> bool:
    """Whether the process has a handler for SIGTERM, as Linux tells it; until then Python itself is starting."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    except OSError:
        return False
    caught = next(int(line.split()[1], 16) for line in status.splitlines() if line.startswith("SigCgt:"))
    return bool(caught >> (signal.SIGTERM - 1) & 1)
