"""Runs against gateways that hang, swell, answer twice or close connections: they end, and blame nobody wrongly."""

from __future__ import annotations

import gzip
import itertools
import json
import socket
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest
from campaigns import free_address, settings, shortfalls
from sockets import drip, request_read, serving

from conformance.gateway import campaign, listening
from conformance.gateway.settings import RunLimits
from conformance.journal import Record, read_journal
from conformance.judging.verdicts import Conclusion, Verdict
from conformance.model.traffic import CLOSED_ON_REUSE
from conformance.reports.result import judge
from conformance.wire import sender

BOMB = gzip.compress(bytes(8 << 20))


@dataclass(frozen=True)
class Asked:
    """A request: its bytes, its number, and which one of its connection it is, from 1."""

    head: bytes
    body: bytes
    number: int
    place: int

    @property
    def reads(self) -> bool:
        """Whether it asks for account-details alone."""
        return b"account-details" in self.head.partition(b"\r\n")[0]

    def answer(self, status: int = 200, *, name: str = "request") -> bytes:
        """The answer of a lawful gateway."""
        members = {"status_code": status, "description": "Done", "request_id": f"{name}-{self.number:08}"}
        body = json.dumps(members | ({"organization": {"name": "Duka"}} if self.reads else {})).encode()
        headers = b"Content-Type: application/json\r\nContent-Length: %d" % len(body)
        return b"HTTP/1.1 %d X\r\n%b\r\n\r\n%b" % (status, headers, body)


# Answers a request or not; whether the connection goes on.
Act = Callable[[socket.socket, Asked], bool]


def held(directory: Path, act: Act, **changes: Any) -> tuple[Record, list[Asked]]:
    """A run against a gateway that acts so, and what that was asked."""
    came: list[Asked] = []
    numbers = itertools.count(1)

    def serve(connection: socket.socket) -> None:
        for place in itertools.count(1):
            head, _, body = request_read(connection).partition(b"\r\n\r\n")
            if not head:
                return
            came.append(Asked(head, body, next(numbers), place))
            if not act(connection, came[-1]):
                return

    with serving(serve) as port:
        given = {"products": ("sms",), "notify_within_s": 0.1, "shrink_requests": 0, **changes}
        gateway = f"http://127.0.0.1:{port}/api/v2"
        run = settings(directory, gateway=gateway, callback_listen=free_address(), **given)
        return read_journal(campaign.run(run)), came


def but_for_reading(act: Callable[[socket.socket, Asked], object]) -> Act:
    """Acts so, and answers account-details as it should."""

    def acting(connection: socket.socket, asked: Asked) -> bool:
        if asked.reads:
            connection.sendall(asked.answer())
        else:
            act(connection, asked)
        return True

    return acting


def obstacle_of(record: Record) -> str:
    """What ended the run."""
    (obstacle,) = [note.detail["message"] for note in record.notes if note.kind == "obstacle"]
    return str(obstacle)


def test_a_gateway_that_hangs_ends_the_run_and_has_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After so many in a row nothing else is to be expected; ANS-01 is broken all the same."""
    monkeypatch.setattr(listening, "MOST_HANGING", 8)
    monkeypatch.setattr(listening, "HANGING_S", 0.1)

    def hang(connection: socket.socket, _: Asked) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nX: ")
        drip(connection)

    record, _ = held(tmp_path, but_for_reading(hang), limits=RunLimits(read_timeout_s=0.3))
    judgement = judge(record)

    words = "the gateway answers no more: 8 requests in a row are without an answer, the last one: no answer within"
    assert words in obstacle_of(record)
    assert ["ANS-01"] == [v.requirement.id for v in judgement.by(Verdict.FAIL) if v.command == "sms"]
    assert Conclusion.NON_CONFORMANT == judgement.conclusion
    assert len(record.exchanges) < len(record.cases)


def test_second_answers_break_nothing_but_their_requirement(tmp_path: Path) -> None:
    """Each request keeps its own answer."""
    twice = but_for_reading(lambda c, asked: c.sendall(asked.answer() + asked.answer(500, name="second")))
    record, _ = held(tmp_path, twice)
    answers = [exchange.response.body for exchange in record.exchanges if exchange.response is not None]

    assert ("ENC-06", "sms") in {(v.requirement.id, v.command) for v in judge(record).by(Verdict.FAIL)}
    assert not [body for body in answers if b"second-" in body]
    assert len(answers) == len(record.exchanges)


def test_compressed_bombs_stay_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is measured while it is decoded; the bytes that are kept are counted over the whole run."""
    monkeypatch.setattr(sender, "MOST_KEPT", 5 * len(BOMB))
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(BOMB)
    record, _ = held(tmp_path, but_for_reading(lambda connection, _: connection.sendall(head + BOMB)))
    kept = [exchange.response for exchange in record.exchanges if exchange.response is not None]

    assert "it cannot be decoded as 'gzip': it holds more than 1048576 bytes" in {each.undecodable for each in kept}
    assert obstacle_of(record).startswith("the gateway's answers are too large for the journal: ")
    assert Conclusion.NON_CONFORMANT == judge(record).conclusion


# --- Closed connections


def all_answered(record: Record) -> Verdict:
    """The verdict on whether everything was answered."""
    (verdict,) = {v.verdict for v in judge(record).verdicts if v.requirement.id == "ANS-01"}
    return verdict


def test_a_server_that_closes_after_each_error_is_not_blamed_for_the_next_request(tmp_path: Path) -> None:
    """As uvicorn does once an application has raised, without a word of it."""

    def fail_each_seventh(connection: socket.socket, asked: Asked) -> bool:
        status = 500 if crc32(asked.body) % 7 == 0 else 200
        connection.sendall(asked.answer(status))
        return status == 200

    record, _ = held(tmp_path, fail_each_seventh, products=("sms", "airtime"))
    assert Verdict.PASS is all_answered(record)
    assert [] == [exchange.failure for exchange in record.exchanges if exchange.failure is not None]


def test_requests_that_crossed_a_close_are_replaced_by_others(tmp_path: Path) -> None:
    """No request that may have been read is sent again; another one shows what it was to show."""

    def answer_once(connection: socket.socket, asked: Asked) -> bool:
        if asked.place == 1:
            connection.sendall(asked.answer())
        return asked.place == 1

    record, came = held(tmp_path, answer_once, products=("sms", "airtime"))
    lost = {exchange.case_id: exchange.failure for exchange in record.exchanges if exchange.failure is not None}
    commands = {case.id: case.command for case in record.cases}
    stands_for = [note.detail["stands_for"] for note in record.notes if note.kind == "planned-anew"]

    assert {CLOSED_ON_REUSE} == set(lost.values())
    assert Verdict.PASS is all_answered(record), shortfalls(judge(record))
    replaced = {old for each in stands_for for old in each.values()}
    assert {name for name in lost if commands[name] != "account-details"} - replaced == set()
    again = {e.case_id for e in record.exchanges if e.attempt > 1}
    assert {"account-details"} >= {commands[name] or "" for name in again}
    bodies = Counter(case.request.body for case in record.cases if case.command == "airtime")
    paid = Counter(asked.body for asked in came if b"/airtime " in asked.head and b"amount" in asked.body)
    assert all(count <= bodies[body] for body, count in paid.items())


def test_a_payload_that_ends_its_worker_fails_the_gateway(tmp_path: Path) -> None:
    """A fresh connection does not answer it either."""

    def die_of_each_fifth(connection: socket.socket, asked: Asked) -> bool:
        if asked.body != b"" and crc32(asked.body) % 5 == 0:
            return False
        connection.sendall(asked.answer())
        return True

    record, _ = held(tmp_path, die_of_each_fifth, products=("sms", "airtime"))
    assert Verdict.FAIL in {v.verdict for v in judge(record).verdicts if v.requirement.id == "ANS-01"}
