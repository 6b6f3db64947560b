"""Gateways that close connections as they like: nobody is blamed for what HTTP allows, and nothing is paid twice."""

from __future__ import annotations

import itertools
import json
import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest
from campaigns import free_address, settings, shortfalls
from recording_server import PATIENCE_S

from conformance.gateway import campaign
from conformance.journal import read_journal
from conformance.judging.verdicts import Judged, Verdict
from conformance.model.traffic import CLOSED_ON_REUSE
from conformance.reports.result import judge


@dataclass(frozen=True)
class Asked:
    """A request: its bytes, and which one of its connection it is, from 1."""

    head: bytes
    body: bytes
    place: int


# Whether the connection closes instead of an answer, and whether it closes after one.
Closing = Callable[[Asked], bool]


def never(_: Asked) -> bool:
    """It does not."""
    return False


@contextmanager
def gateway(
    instead: Closing = never, after: Closing = never, status: Callable[[Asked], int] = lambda _: 200
) -> Iterator[tuple[str, list[Asked]]]:
    """The base URL of a gateway that takes everything, and what it was asked for."""
    came: list[Asked] = []
    ids = itertools.count(1)

    def serve(connection: socket.socket) -> None:
        connection.settimeout(PATIENCE_S)
        with connection, connection.makefile("rb") as stream:
            for place in itertools.count(1):
                head = b"".join(iter(stream.readline, b"\r\n")) if stream.peek(1) else b""
                if not head:
                    return
                lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
                asked = Asked(head, stream.read(int(lengths[0].split(b":")[1])) if lengths else b"", place)
                came.append(asked)
                if instead(asked):
                    return
                code = status(asked)
                said: Mapping[str, Any] = {"status_code": code, "description": f"{code}", "request_id": f"r{next(ids)}"}
                body = json.dumps(said).encode()
                connection.sendall(
                    b"HTTP/1.1 %d X\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
                    % (code, len(body), body)
                )
                if after(asked):
                    return

    def accept() -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            threading.Thread(target=ignoring, args=(serve, connection), daemon=True).start()

    listening = socket.create_server(("127.0.0.1", 0), backlog=128)
    threading.Thread(target=accept, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/api/v2", came
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()


def ignoring(serve: Callable[[socket.socket], None], connection: socket.socket) -> None:
    """Serve it; who closes it in the meantime may."""
    with suppress(OSError):
        serve(connection)


def held(tmp_path: Path, url: str) -> Path:
    """A run of sms and airtime there."""
    return campaign.run(
        settings(
            tmp_path,
            gateway=url,
            callback_listen=free_address(),
            products=("sms", "airtime"),
            notify_within_s=0.2,
            shrink_requests=0,
        )
    )


def answered(judgement: Judged) -> set[Verdict]:
    """The verdicts on whether everything was answered."""
    return {v.verdict for v in judgement.verdicts if v.requirement.id == "ANS-01"}


def paid(came: list[Asked]) -> Counter[bytes]:
    """How often each body came that asks for airtime from somebody who may."""
    return Counter(asked.body for asked in came if b"/airtime " in asked.head and b"amount" in asked.body)


def by_error(asked: Asked) -> int:
    """Every seventh request fails, as it would in a handler that raises."""
    return 500 if crc32(asked.body) % 7 == 0 else 200


@pytest.mark.parametrize("seed", range(3))
def test_a_server_that_closes_after_each_error_is_not_blamed_for_the_next_request(tmp_path: Path, seed: int) -> None:
    """As uvicorn does once an application has raised, without a word of it."""
    with gateway(after=lambda asked: by_error(asked) == 500, status=by_error) as (url, _):
        record = read_journal(held(tmp_path / str(seed), url))
    assert {Verdict.PASS} == answered(judge(record))
    assert [] == [exchange.failure for exchange in record.exchanges if exchange.failure is not None]


def test_requests_that_crossed_a_close_are_replaced_by_others(tmp_path: Path) -> None:
    """No request that may have been read is sent again; what it was to show, another one shows."""
    with gateway(instead=lambda asked: asked.place > 1) as (url, came):
        record = read_journal(held(tmp_path, url))
    lost = {e.case_id for e in record.exchanges if e.failure is not None}
    failures = {e.failure for e in record.exchanges if e.failure is not None}
    commands = {case.id: case.command for case in record.cases}
    stands_for = [note.detail["stands_for"] for note in record.notes if note.kind == "planned-anew"]
    judgement = judge(record)

    assert {CLOSED_ON_REUSE} == failures
    assert {Verdict.PASS} == answered(judgement), shortfalls(judgement)
    replaced = {old for each in stands_for for old in each.values()}
    assert {name for name in lost if commands[name] != "account-details"} - replaced == set()
    again = {e.case_id for e in record.exchanges if e.attempt > 1}
    assert {"account-details"} >= {commands[name] or "" for name in again}
    bodies = Counter(case.request.body for case in record.cases if case.command == "airtime")
    assert all(count <= bodies[body] for body, count in paid(came).items())


def test_a_request_that_a_fresh_connection_does_not_answer_is_held_against_the_gateway(tmp_path: Path) -> None:
    """A payload that ends its worker is found out, be it on a connection that was used before."""
    with gateway(instead=lambda asked: asked.body != b"" and crc32(asked.body) % 5 == 0) as (url, _):
        judgement = judge(read_journal(held(tmp_path, url)))
    assert Verdict.FAIL in answered(judgement)
