"""Runs against gateways that hang, swell and answer twice: they end, and what they say is true."""

from __future__ import annotations

import gzip
import itertools
import json
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from campaigns import free_address, settings
from sockets import drip, request_read, serving

from conformance.gateway import campaign, listening
from conformance.gateway.settings import RunLimits
from conformance.journal import Record, read_journal
from conformance.judging.verdicts import Conclusion, Verdict
from conformance.reports.result import judge
from conformance.wire import sender

BOMB = gzip.compress(bytes(8 << 20))


def written(members: dict[str, object], more: bytes = b"") -> bytes:
    """An answer, with further headers."""
    body = json.dumps(members).encode()
    length = b"Content-Length: %d\r\n" % len(body)
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n" + length + more + b"\r\n" + body


class Gateway:
    """Answers account-details as it should be; what it does to other requests is up to `act`."""

    def __init__(self, act: Callable[[socket.socket, int, bytes], None]) -> None:
        self._act = act
        self._numbers = itertools.count(1)

    def __call__(self, connection: socket.socket) -> None:
        """Serves a connection."""
        while request := request_read(connection):
            number = next(self._numbers)
            right = {"status_code": 200, "description": "Done", "request_id": f"request-{number:08}"}
            if b"account-details" in request.partition(b"\r\n")[0]:
                connection.sendall(written({**right, "organization": {"name": "Duka"}}))
            else:
                self._act(connection, number, written(right))


def held(directory: Path, act: Callable[[socket.socket, int, bytes], None]) -> Record:
    """A run against such a gateway."""
    with serving(Gateway(act)) as port:
        given = settings(
            directory,
            gateway=f"http://127.0.0.1:{port}/api/v2",
            callback_listen=free_address(),
            notify_within_s=0.1,
            shrink_requests=0,
            products=("sms",),
            limits=RunLimits(read_timeout_s=0.3),
        )
        return read_journal(campaign.run(given))


def test_a_gateway_that_hangs_ends_the_run_and_has_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After so many in a row nothing else is to be expected; ANS-01 is broken all the same."""
    monkeypatch.setattr(listening, "MOST_HANGING", 8)
    monkeypatch.setattr(listening, "HANGING_S", 0.1)

    def hang(connection: socket.socket, _number: int, _right: bytes) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nX: ")
        drip(connection)

    record = held(tmp_path, hang)
    (obstacle,) = [note.detail["message"] for note in record.notes if note.kind == "obstacle"]
    judgement = judge(record)

    assert "the gateway answers no more: 8 requests in a row are without an answer, the last one: no answer within" in (
        obstacle
    )
    assert ["ANS-01"] == [v.requirement.id for v in judgement.by(Verdict.FAIL) if v.command == "sms"]
    assert Conclusion.NON_CONFORMANT == judgement.conclusion
    assert len(record.exchanges) < len(record.cases)


def test_second_answers_break_nothing_but_their_requirement(tmp_path: Path) -> None:
    """Each request keeps its own answer."""

    def answer_twice(connection: socket.socket, number: int, right: bytes) -> None:
        second = {"status_code": 500, "description": "Another", "request_id": f"second-{number:08}"}
        connection.sendall(right + written(second))

    record = held(tmp_path, answer_twice)
    answers = [exchange.response.body for exchange in record.exchanges if exchange.response is not None]

    assert ("ENC-06", "sms") in {(v.requirement.id, v.command) for v in judge(record).by(Verdict.FAIL)}
    assert not [body for body in answers if b"second-" in body]
    assert len(answers) == len(record.exchanges)


def test_bombs_stay_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What they would hold is counted while they are decoded; what is kept is counted over the whole run."""
    monkeypatch.setattr(sender, "MOST_KEPT", 20 * len(BOMB))
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(BOMB)
    record = held(tmp_path, lambda connection, *_: connection.sendall(head + BOMB))
    kept = [exchange.response for exchange in record.exchanges if exchange.response is not None]
    (obstacle,) = [note.detail["message"] for note in record.notes if note.kind == "obstacle"]

    assert "it cannot be decoded as 'gzip': it holds more than 1048576 bytes" in {each.undecodable for each in kept}
    assert obstacle.startswith("the gateway's answers are too large to be kept: ")
    assert Conclusion.NON_CONFORMANT == judge(record).conclusion
