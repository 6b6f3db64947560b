"""Strangers who hold connections and send junk while a run goes on, and drivers that write without end.

crowded     a process that may open 256 files, and 1,000 connections of strangers that never send
posted      junk to the callbacks themselves, as fast as it is taken, from an address that anybody may know
noisy       a driver that floods its standard error and leaves a process of its own session behind
"""

from __future__ import annotations

import multiprocessing
import os
import resource
import shlex
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing.sharedctypes import Synchronized
from multiprocessing.synchronize import Event
from pathlib import Path
from threading import Thread

from campaigns import registered, settings, shortfalls
from command_line import CHECKOUT, CONSOLE_SCRIPT
from sockets import post

from benchmarks.chaos.figures import Figures
from conformance.gateway import campaign
from conformance.journal import read_journal
from conformance.judging.verdicts import Conclusion
from conformance.mock.account import Account
from conformance.mock.behaviour import BUILT_IN
from conformance.mock.serving import MockServer, serve_mock
from conformance.reports.result import judge
from conformance.wire.listening import Address

FILES = 256
CROWD = 1_000
CROWD_GATHERS_WITHIN_S = 30.0
RUN_WITHIN_S = 120.0

FLOODERS = 2
# So many requests leave in one write.
IN_ONE_WRITE = 20
JUNK = (
    post(b"x" * 2000),
    post(b'{"hello": "world"}'),
    post(b"[1, 2, 3]", "/callbacks/airtime"),
    post(b'{"request_id": "of nobody", "result_code": "200", "result_desc": "Success"}', "/callbacks/airtime"),
    post(b"{" * 200, "/callbacks/sms", "X-Large: " + "x" * 8000),
)

# What a journal may hold of strangers, and beside it the run itself.
MOST_JOURNAL = 112 << 20

STDERR_LINES = 2_000
STDERR_LINE = 1 << 20
MOST_DRIVER_JOURNAL = 32 << 20
NOISY = f"""
import json, os, sys, subprocess, time
for _ in range({STDERR_LINES}):
    sys.stderr.write("x" * {STDERR_LINE - 1} + "\\n")
subprocess.Popen(["sleep", "600"], start_new_session=True)
for line in sys.stdin:
    message = json.loads(line)
    if message["cmd"] == "hello":
        told = {{"protocol": 1, "implementation": {{"name": "noisy"}}, "commands": ["account-details"]}}
    elif message["cmd"] == "invoke":
        told = {{"id": message["id"], "outcome": "error", "error": "network"}}
    else:
        break
    print(json.dumps(told), flush=True)
"""


def crowded(figures: Figures, rounds: int) -> None:
    """The verdict is what it is without them, and every notification is there."""
    for seed in range(rounds):
        with tempfile.TemporaryDirectory() as directory, _gateway() as (told, server):
            path = Path(directory) / "reports" / campaign.JOURNAL
            arguments = [
                *("run", f"--seed={seed}", "--max-examples=40", "--product=sms", "--product=airtime"),
                *("--gateway", told["gateway"], "--callback-listen", str(told["callback_listen"])),
                *("--consumer-key", told["consumer_key"], "--consumer-secret", told["consumer_secret"]),
            ]
            with _limited(Path(directory), arguments) as running, _crowd(told["callback_listen"]) as count:
                said, complained = running.communicate(timeout=RUN_WITHIN_S)
            figures.add("runs", 1)
            figures.add("strangers' connections", len(count))
            if not path.exists():
                figures.add("false failures beside strangers", 1, f"no journal: {said}{complained}")
                continue
            _look_at(figures, path, server.courier.delivered)


def posted(figures: Figures, rounds: int) -> None:
    """What nobody asked for is bounded, and judged by nothing."""
    for seed in range(rounds):
        with tempfile.TemporaryDirectory() as directory, _gateway() as (told, server):
            path = Path(directory) / campaign.JOURNAL
            with _flood(told["callback_listen"]) as sent:
                given = settings(Path(directory), **told, products=("sms", "airtime"), max_examples=400, seed=seed)
                campaign.run(given)
            figures.add("runs", 1)
            figures.add("strangers' requests", sum(each.value for each in sent))
            _look_at(figures, path, server.courier.delivered)
            figures.add("journal bytes over the bound", max(0, path.stat().st_size - MOST_JOURNAL))


def noisy(figures: Figures, rounds: int) -> None:
    """Its words are bounded, and nothing of it is left."""
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as directory:
            driver = Path(directory) / "noisy.py"
            driver.write_text(NOISY)
            reports = Path(directory) / "reports"
            given = ["certify", "--driver", shlex.join([sys.executable, str(driver)]), f"--report-dir={reports}"]
            with _limited(Path(directory), given, files=1024) as running:
                said, complained = running.communicate(timeout=RUN_WITHIN_S)
            figures.add("runs", 1)
            journal = reports / campaign.JOURNAL
            size = journal.stat().st_size if journal.exists() else MOST_DRIVER_JOURNAL + 1
            figures.add("journal bytes over the bound", max(0, size - MOST_DRIVER_JOURNAL), f"{said}{complained}")
            figures.add("processes of drivers left", _left_of(driver.parent))


def _look_at(figures: Figures, path: Path, delivered: int) -> None:
    record = read_journal(path)
    judgement = judge(record)
    came = len({n.request.body for n in record.notifications if b'"result_desc"' in n.request.body} - set(JUNK))
    figures.add("notifications lost", max(0, delivered - came), f"{delivered} delivered, {came} recorded")
    well = judgement.conclusion is Conclusion.CONFORMANT
    figures.add("false failures beside strangers", not well, shortfalls(judgement))


@contextmanager
def _gateway() -> Iterator[tuple[dict[str, object], MockServer]]:
    servers: list[MockServer] = []

    def started(account: Account) -> str:
        servers.append(serve_mock(account, BUILT_IN))
        servers[0].start()
        return servers[0].url

    told = registered(started)
    try:
        yield told, servers[0]
    finally:
        servers[0].stop()


@contextmanager
def _limited(directory: Path, arguments: list[str], files: int = FILES) -> Iterator[subprocess.Popen[str]]:
    """The command in a process that may open so many files, and no more if it asks for them."""
    shell = ["sh", "-c", f'ulimit -n {files} && exec "$@"', "sh", sys.executable, "-c", CONSOLE_SCRIPT, *arguments]
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT), "HOME": str(directory)}
    with subprocess.Popen(  # noqa: S603 - the command itself
        shell, cwd=directory, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as running:
        try:
            yield running
        finally:
            running.kill()


@contextmanager
def _crowd(address: Address) -> Iterator[list[socket.socket]]:
    """Connections that never send, from the moment when somebody listens; closed ones are opened again."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 4 * CROWD)), hard))
    held: list[socket.socket] = []
    over = False

    def gather() -> None:
        until = time.monotonic() + CROWD_GATHERS_WITHIN_S
        while not over and len(held) < CROWD and time.monotonic() < until:
            try:
                held.append(socket.create_connection((address.host, address.port), timeout=1))
            except OSError:
                time.sleep(0.02)  # nobody announces that it listens

    gathering = Thread(target=gather, daemon=True)
    gathering.start()
    try:
        yield held
    finally:
        over = True
        gathering.join()
        for each in held:
            each.close()


@contextmanager
def _flood(address: Address) -> Iterator[list[Synchronized[int]]]:
    """Junk from processes of its own for as long as it lasts; how much each has sent."""
    context = multiprocessing.get_context("spawn")
    over, sent = context.Event(), [context.Value("q", 0) for _ in range(FLOODERS)]
    flooders = [context.Process(target=_flooding, args=(address, over, each), daemon=True) for each in sent]
    for each in flooders:
        each.start()
    try:
        yield sent
    finally:
        over.set()
        for each in flooders:
            each.join()


def _flooding(address: Address, over: Event, sent: Synchronized[int]) -> None:
    os.nice(10)
    batch = b"".join(JUNK[number % len(JUNK)] for number in range(IN_ONE_WRITE))
    while not over.is_set():
        with suppress(OSError), socket.create_connection((address.host, address.port), timeout=5) as client:
            while not over.is_set():
                client.sendall(batch)
                answers = 0
                while answers < IN_ONE_WRITE and (piece := client.recv(65536)):
                    answers += piece.count(b"HTTP/1.1 ")
                sent.value += IN_ONE_WRITE


def _left_of(directory: Path) -> int:
    """Processes that were started in a directory and are still there; they are ended."""
    left = 0
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if (process / "cwd").resolve() == directory.resolve() and int(process.name) != os.getpid():
                left += 1
                os.kill(int(process.name), 9)
    return left
