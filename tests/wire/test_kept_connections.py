"""Gateways that close connections as they like: nobody is blamed for what HTTP allows, and nothing is paid twice."""

from __future__ import annotations

import itertools
import json
import socket
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

import pytest
from campaigns import free_address, settings, shortfalls
from sockets import request_read, serving

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
        for place in itertools.count(1):
            head, _, body = request_read(connection).partition(b"\r\n\r\n")
            if not head:
                return
            came.append(asked := Asked(head, body, place))
            if instead(asked):
                return
            code = status(asked)
            said = json.dumps({"status_code": code, "description": f"{code}", "request_id": f"r{next(ids)}"}).encode()
            headers = b"Content-Type: application/json\r\nContent-Length: %d" % len(said)
            connection.sendall(b"HTTP/1.1 %d X\r\n%b\r\n\r\n%b" % (code, headers, said))
            if after(asked):
                return

    with serving(serve) as port:
        yield f"http://127.0.0.1:{port}/api/v2", came


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
