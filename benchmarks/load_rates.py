"""Requests a second of `load`: its workers against a server that does nothing, and against the mock gateway.

All requests are due at once, so the workers send as fast as they can; each request is committed before it goes out.
"""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path

from conformance.gateway.plan import Plan
from conformance.gateway.settings import MOST_RATE, Settings
from conformance.journal import Journal, Redaction
from conformance.journal.redaction import credential_text
from conformance.load.engine import LoadEngine
from conformance.load.planning import further_groups
from conformance.load.settings import LoadSettings
from conformance.mock.account import Account
from conformance.model.process import Silent

ACCOUNT = Account.sample()
CASES = 10_000

# A server with one answer for everything; about ten thousand a second on one core.
BARE = """
import asyncio
BODY = b'{"status_code":200,"description":"Operation successful.","request_id":"0d9f8c0a-4a3b-4a52-9a3b-123456789012"}'
HEAD = b"HTTP/1.1 200 OK\\r\\nContent-Type: application/json\\r\\nContent-Length: %d\\r\\n\\r\\n" % len(BODY)

class Answering(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport, self.read = transport, b""

    def data_received(self, data):
        self.read += data
        head, end, body = self.read.partition(b"\\r\\n\\r\\n")
        _, _, length = head.lower().partition(b"content-length:")
        if end and len(body) >= int(length.partition(b"\\r\\n")[0] or 0):
            self.read = b""
            self.transport.write(HEAD + BODY)

async def main():
    server = await asyncio.get_running_loop().create_server(Answering, "127.0.0.1", 0)
    print("http://127.0.0.1:%d/api/v2" % server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()

asyncio.run(main())
"""
MOCK = """
import sys
from conformance.mock.account import Account
from conformance.mock.serving import serve_mock
with serve_mock(Account.sample()) as server:
    print(server.url, flush=True)
    sys.stdin.read()
"""


@contextmanager
def _serving(script: str) -> Iterator[str]:
    """The URL of a server in a process of its own."""
    command = [sys.executable, "-c", script]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603
        assert process.stdout is not None  # noqa: S101 - for the type
        try:
            yield process.stdout.readline().strip()
        finally:
            process.kill()


def requests_per_second(script: str, workers: int, cases: int = CASES) -> float:
    """How many requests so many workers send a second."""
    with tempfile.TemporaryDirectory() as folder, _serving(script) as url:
        settings = Settings(ACCOUNT.consumer_key, ACCOUNT.consumer_secret, gateway=url, seed=1, max_examples=0)
        plan = Plan.of(settings, url)
        groups = chain.from_iterable(further_groups(settings, plan, cases))
        path = Path(folder) / "journal.sqlite"
        redaction = Redaction(
            (ACCOUNT.consumer_secret,), credential_text(ACCOUNT.consumer_key, ACCOUNT.consumer_secret)
        )
        load = LoadSettings(rate=MOST_RATE, workers=workers)
        with (
            Journal.create(path, {}, redaction) as journal,
            LoadEngine(load, settings, Path(folder) / "load", Silent()) as engine,
        ):
            journal.plan([case for group in groups for case in group])
            journal.flush()
            driven = engine.drive(path, url, journal.time_of(0.0))
            sent = sum(_sent(shard.path) for shard in driven.shards)
            engine.conclude(0)
    return sent / (driven.ended - driven.began)


def _sent(path: Path) -> int:
    """How many requests a worker recorded."""
    with sqlite3.connect(path) as connection:
        return int(connection.execute("SELECT count(*) FROM answered").fetchone()[0])


def main() -> None:
    """Print requests per second of one and of two workers."""
    for name, script in (("a bare server", BARE), ("the mock gateway", MOCK)):
        for workers in (1, 2):
            rate = requests_per_second(script, workers)
            print(
                f"{workers} worker{'s' if workers > 1 else ' '} against {name:<18}{rate:8,.0f} requests/s", flush=True
            )
