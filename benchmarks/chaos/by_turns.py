"""A gateway that is hostile in every way by turns, in front of a lawful one; and what a run makes of it.

by_turns    a run ends within its bound, needs little memory, leaks nothing, and blames only what was hostile

Every fifth answer is mistreated, each time in the next of the `ATTACKS`: heads and bodies that drip, bombs, a second
answer behind the first, members repeated without end, resets, redirects, and secrets spelled with escapes.
"""

from __future__ import annotations

import gzip
import json
import os
import re
import socket
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from command_line import process
from failing_network import AT_ONCE, FailingNetwork, Weather, message
from planted_secrets import NAMELESS, REDACTED, SECRET, TOKEN, Planted, planted

from benchmarks.chaos.figures import Figures
from conformance.gateway.campaign import JOURNAL
from conformance.journal import read_journal
from conformance.judging.verdicts import Verdict
from conformance.reports.result import judge
from conformance.wire.listening import Address

# The set-up goes through unharmed, else there is nothing to judge.
UNHARMED, EVERY = 12, 5
READ_TIMEOUT_S = 2.0
# What the documentation states: each of the answers that never end takes the read timeout, sixteen at a time.
BOUND_S = 120.0
MOST_MEMORY = 300 * 2**20
DRIP_S = 0.3
REPEATED = 400_000

Attack = Callable[[bytes], Iterator[bytes]]
"""What is sent in place of a lawful answer, piece by piece; a pause of `DRIP_S` stands behind each but the first."""


def _with_body(answer: bytes, body: bytes, *headers: bytes) -> bytes:
    status, _, _ = answer.partition(b"\r\n")
    lines = (status, b"Content-Type: application/json", b"Content-Length: %d" % len(body), *headers)
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def _dripping_head(answer: bytes) -> Iterator[bytes]:
    yield answer.partition(b"\r\n")[0] + b"\r\nX-Endless: "
    while True:
        yield b"a"


def _dripping_body(answer: bytes) -> Iterator[bytes]:
    yield _with_body(answer, b"").replace(b"Content-Length: 0", b"Content-Length: 100000") + b"{"
    while True:
        yield b" "


def _endless_interim(_: bytes) -> Iterator[bytes]:
    while True:
        yield b"HTTP/1.1 102 Processing\r\n\r\n"


def _bomb(answer: bytes) -> Iterator[bytes]:
    yield _with_body(answer, gzip.compress(b" " * (512 * 2**20), 1), b"Content-Encoding: gzip")


def _second_answer(answer: bytes) -> Iterator[bytes]:
    yield answer + _with_body(answer, b'{"status_code": 200, "description": "another", "request_id": "stray"}')


def _repeated_members(answer: bytes) -> Iterator[bytes]:
    member = b'"status_code": 200'
    yield _with_body(answer, b"{" + b", ".join([member] * REPEATED) + b"}")


def _deep(answer: bytes) -> Iterator[bytes]:
    yield _with_body(answer, b'{"description": ' + b"[" * 500_000)


def _reset(answer: bytes) -> Iterator[bytes]:
    yield answer[: len(answer) // 2]


def _redirect(_: bytes) -> Iterator[bytes]:
    yield b"HTTP/1.1 307 Temporary Redirect\r\nLocation: http://192.0.2.1/elsewhere\r\nContent-Length: 0\r\n\r\n"


def _escaped_secrets(answer: bytes) -> Iterator[bytes]:
    """The lawful answer, with all secrets in its description, each character of them as a JSON writer may escape it."""
    head, _, body = answer.partition(b"\r\n\r\n")
    said = "".join(f"\\u{ord(character):04X}" for character in f"{SECRET} {TOKEN} {NAMELESS} {REDACTED}")
    with suppress(ValueError):
        content = json.loads(body)
        content["description"] = "@"
        body = json.dumps(content).replace("@", said).encode()
    yield _with_body(head, body)


ATTACKS: Mapping[str, Attack] = {
    "a head that drips": _dripping_head,
    "a body that drips": _dripping_body,
    "interim answers without end": _endless_interim,
    "a gzip bomb": _bomb,
    "a second answer": _second_answer,
    "members repeated": _repeated_members,
    "deep nesting": _deep,
    "a reset": _reset,
    "a redirect": _redirect,
    "escaped secrets": _escaped_secrets,
}


class _Hostile(FailingNetwork):
    """Passes on what it is asked, and mistreats every fifth answer; remembers which requests that were."""

    def __init__(self, behind: Address) -> None:
        super().__init__(behind, Weather())
        self.mistreated: set[bytes] = set()
        self._turns = Counter[str]()
        self._taking_turns = threading.Lock()

    def serve_one(self, connection: socket.socket) -> bool:
        """One request and its answer; False if the connection is over."""
        request = b"".join(message(connection, has_body=None))
        if not request:
            return False
        answer = self.passed_on(request)
        attack = self._next_attack()
        if attack is None:
            connection.sendall(answer)
            return b"Connection: close" not in answer
        self.mistreated.add(identity(*_line_and_body(request)))
        self.happened[attack] += 1
        for piece in ATTACKS[attack](answer):
            connection.sendall(piece)
            if attack.startswith(("a head", "a body", "interim")):
                time.sleep(DRIP_S)  # this is the attack; its end is the other side's doing
        if attack == "a reset":
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
        return attack != "a reset"

    def _next_attack(self) -> str | None:
        with self._taking_turns:
            self._turns["requests"] += 1
            turn, rest = divmod(self._turns["requests"] - UNHARMED, EVERY)
        return list(ATTACKS)[turn % len(ATTACKS)] if turn >= 0 and rest == 0 else None


def identity(target: bytes, body: bytes) -> bytes:
    """What tells one request of a run from the others."""
    return target + b" " + body


def _line_and_body(request: bytes) -> tuple[bytes, bytes]:
    head, _, body = request.partition(b"\r\n\r\n")
    return head.split(b" ", 2)[1], body


def by_turns(figures: Figures, rounds: int) -> None:
    """Runs of a process of their own, so that their memory can be told."""
    for seed in range(rounds):
        with tempfile.TemporaryDirectory() as directory, planted() as gateway:
            _run(figures, Path(directory), gateway, seed)


def _run(figures: Figures, here: Path, gateway: Planted, seed: int) -> None:
    host, _, path = gateway.where[1].removeprefix("http://").partition("/")
    with _Hostile(Address.parse(host)) as hostile:
        where = (f"--gateway={hostile.url}/{path}", *gateway.where[2:], *gateway.secrets)
        asked = ("run", "--product=sms", "--product=airtime", f"--seed={seed}", f"--read-timeout={READ_TIMEOUT_S}")
        took, memory, code, said = _measured(here, *asked, *where, **gateway.variables)
    figures.add("runs", 1)
    figures.add("attacks by a hostile gateway", sum(hostile.happened.values()))
    figures.add("runs beyond their bound", took > BOUND_S, f"{took:.0f} s")
    figures.add("runs of more than 300 MB", memory > MOST_MEMORY, f"{memory / 2**20:.0f} MB")
    figures.add("wrong verdicts", code != 1, f"it ended with {code}: {said}")
    figures.search(here, SECRET, TOKEN, NAMELESS, REDACTED)
    _count_blamed(figures, here / "reports" / JOURNAL, hostile)


def _measured(here: Path, *asked: str, **variables: str) -> tuple[float, int, int, str]:
    """Seconds, bytes of memory at most, exit code, and standard error of a command."""
    begun = time.monotonic()
    with ThreadPoolExecutor(2) as readers, process(here, *asked, **variables) as running:
        _, err = (readers.submit(stream.read) for stream in (running.stdout, running.stderr) if stream)
        _, status, usage = os.wait4(running.pid, 0)  # unlike Popen, it tells the memory of this process alone
        running.returncode = os.waitstatus_to_exitcode(status)
        return time.monotonic() - begun, usage.ru_maxrss * 1024, running.returncode, err.result()


def _count_blamed(figures: Figures, journal: Path, hostile: _Hostile) -> None:
    """Each finding is about an answer that was mistreated; what the others broke is nothing."""
    record = read_journal(journal)
    sent = {exchange.number: exchange.request for exchange in record.exchanges}
    for verdict in judge(record).by(Verdict.FAIL):
        for finding in verdict.findings:
            request = sent.get(finding.exchange) if finding.exchange is not None else None
            target = re.sub("^https?://[^/]*", "", request.url).encode() if request else b""
            if request is None or identity(target, request.body) not in hostile.mistreated:
                figures.add("wrong verdicts", 1, f"{verdict.requirement.id}: {finding.message} ({finding.case})")
