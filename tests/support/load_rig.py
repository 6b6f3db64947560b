"""What tests of load share: a plan in a journal, a server that keeps the bytes of requests, and workers at work."""

from __future__ import annotations

import os
import socketserver
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from conformance.contract.contract import statum
from conformance.gateway.plan import Plan
from conformance.gateway.request_templates import ordinary_headers
from conformance.gateway.settings import Settings
from conformance.journal import Journal, Redaction
from conformance.journal.redaction import credential_text
from conformance.load.channel import WorkerTerms
from conformance.load.engine import LoadEngine
from conformance.load.settings import LoadSettings
from conformance.load.shards import Driven
from conformance.mock.account import Account
from conformance.model.process import Silent
from conformance.model.traffic import Case, Kind, Request

ACCOUNT = Account.sample()
KEY, SECRET = ACCOUNT.consumer_key, ACCOUNT.consumer_secret
ACCEPTED = (
    b'{"status_code":200,"description":"Operation successful.","request_id":"6f8f8d1e-0000-4000-8000-000000000001"}'
)


def case(number: int, group: str = "", url: str = "http://127.0.0.1:9/api/v2", **attributes: object) -> Case:
    """A valid case of sms, changed by `attributes`, in a group of its own unless one is named."""
    case_id = f"sms/valid/sample/{number}"
    body = b'{"phone_number":"2547%08d","sender_id":"Statum","message":"Hello"}' % number
    headers = ordinary_headers(statum(), statum().authentication.value(KEY, SECRET))
    labels = {"command": "sms", "kind": Kind.VALID, "aspect": "sample", "id": case_id, **attributes}
    return Case(group=group or case_id, request=Request("POST", f"{url}/sms", headers, body), **labels)  # type: ignore[arg-type]


def settings_for(url: str, folder: Path, max_examples: int = 2) -> Settings:
    """The settings of a small run against a gateway on this machine."""
    return Settings(KEY, SECRET, gateway=url, seed=7, max_examples=max_examples, report_dir=folder)


def terms_for(url: str, shard: Path, **attributes: object) -> WorkerTerms:
    """What a worker on this machine needs."""
    terms = {
        "name": "worker-1",
        "shard": str(shard),
        "contract": None,
        "gateway": url,
        "consumer_key": KEY,
        "consumer_secret": SECRET,
        "protected": (SECRET,),
        "registered": {},
        "phone_numbers": (),
        "ca_file": None,
        "timeout_s": 5.0,
        "connect_timeout_s": 5.0,
        "keep_alive": True,
        **attributes,
    }
    return WorkerTerms(**terms)  # type: ignore[arg-type]


@contextmanager
def planned(path: Path, cases: Sequence[Case]) -> Iterator[Journal]:
    """A journal with these cases, open for writing."""
    redaction = Redaction((SECRET,), credential_text(KEY, SECRET))
    with closing(Journal.create(path, {}, redaction)) as journal:
        journal.plan(cases)
        journal.flush()
        yield journal


def ordinary_plan(settings: Settings) -> Plan:
    """The plan of `run` for these settings."""
    return Plan.of(settings, settings.gateway or "")


@dataclass
class Recorder:
    """A server that keeps the bytes of each request, in the order of their arrival, and accepts it.

    `on_request` is called before the answer goes out.
    """

    on_request: Callable[[bytes], object] = lambda _: None
    taken: list[bytes] = field(default_factory=list)
    url: str = ""

    @contextmanager
    def serving(self) -> Iterator[Recorder]:
        """Serve on a free port while entered."""
        recorder = self

        class Reading(socketserver.StreamRequestHandler):
            disable_nagle_algorithm = True

            def handle(self) -> None:
                while request := _request_of(self.rfile):
                    recorder.taken.append(request)
                    recorder.on_request(request)
                    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
                    self.wfile.write(head % len(ACCEPTED) + ACCEPTED)

        with Threading(("127.0.0.1", 0), Reading) as server:
            self.url = f"http://127.0.0.1:{server.server_address[1]}/api/v2"
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
            thread.start()
            yield self
            server.shutdown()
            thread.join()


class Threading(socketserver.ThreadingTCPServer):
    """A thread for each connection, of which many may wait."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 256


def _request_of(stream: object) -> bytes:
    """The bytes of the next request; none at the end of the stream."""
    read = stream.readline  # type: ignore[attr-defined]
    lines = []
    while (line := read()) not in (b"\r\n", b""):
        lines.append(line)
    if not lines:
        return b""
    lengths = [int(line.partition(b":")[2]) for line in lines if line.lower().startswith(b"content-length:")]
    body = stream.read(lengths[0]) if lengths else b""  # type: ignore[attr-defined]
    return b"".join(lines) + b"\r\n" + body


def is_running(pid: int) -> bool:
    """Whether there is such a process."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def rows_of(driven: Driven, question: str) -> list[tuple[Any, ...]]:
    """The answers of all workers' files to a question in SQL."""
    rows = []
    for shard in driven.shards:
        with closing(sqlite3.connect(shard.path)) as connection:
            rows += connection.execute(question).fetchall()
    return rows


def sent_in(path: Path) -> int:
    """How many requests one worker sent."""
    with closing(sqlite3.connect(path)) as connection:
        return int(connection.execute("SELECT count(*) FROM sent").fetchone()[0])


@contextmanager
def engine_in(folder: Path, url: str, progress: Silent | None = None, **load: Any) -> Iterator[LoadEngine]:
    """An engine of two workers."""
    settings = LoadSettings(**{"rate": 200.0, "for_s": 1.0, "workers": 2, **load})
    with LoadEngine(settings, settings_for(url, folder), folder / "load", progress or Silent()) as engine:
        yield engine
