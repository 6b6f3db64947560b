"""Bytes after an answer are never taken for the answer to another request, and are reported."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sockets import OK, PATIENCE_S, RawServer, a_case, request_read, serving

from conformance.client.posting import Posting
from conformance.journal import Journal, Redaction, read_journal
from conformance.journal.rows import MOST_BEYOND
from conformance.model.traffic import Case, Request
from conformance.wire import Pace, Sender
from conformance.wire.connection import Connection, KeepAlive

NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
FIRST = b"HTTP/1.1 201 First\r\nContent-Length: 2\r\n\r\n{}"
SECOND = b"HTTP/1.1 202 Second\r\nContent-Length: 2\r\n\r\n[]"
TIMED_OUT = b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    """Where the senders under test record."""
    with Journal.create(tmp_path / "journal.sqlite", {}, Redaction.of_values("hush-hush")) as journal:
        yield journal


def recorded(journal: Journal, cases: list[Case]) -> list[tuple[int, str | None]]:
    """The status of each answer as the journal has it, and what was sent beyond it."""
    Sender(journal, Pace()).send([cases])
    journal.flush()
    responses = [exchange.response for exchange in read_journal(journal.path).exchanges]
    return [(response.status, response.beyond) for response in responses if response is not None]


def three(answer: Callable[[bytes, int], bytes]) -> tuple[list[int], list[str | None], int]:
    """Three requests in a row: the status of each, what was sent beyond it, and how many connections they took."""
    with RawServer(answer) as server:
        told: list[tuple[int, bytes]] = []
        request = Request("POST", server.url)
        with Connection(PATIENCE_S, KeepAlive(), NO_TLS, on_beyond=lambda *beyond: told.append(beyond)) as connection:
            statuses = [connection.ask(request, tag=tag).response.status for tag in range(3)]
        beyond = dict(told)
        shown = [beyond[tag].decode("latin-1") if tag in beyond else None for tag in range(3)]
        return statuses, shown, server.connections


def test_a_second_answer_is_not_that_of_the_next_request() -> None:
    """The connection is closed instead, and it is told under which request it came."""
    statuses, shown, connections = three(lambda _, number: FIRST + SECOND if number == 1 else OK)

    assert [201, 200, 200] == statuses
    assert [SECOND.decode(), None, None] == shown
    assert 2 == connections


def test_lawful_bytes_after_an_answer_are_not_reported() -> None:
    """The connection is closed all the same; after `Connection: close` nobody takes them for the next answer."""
    last = FIRST.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    for answer in (FIRST + b"\r\n", FIRST + b"\n\n", FIRST + TIMED_OUT, FIRST + TIMED_OUT[:7], last + SECOND):
        assert ([201] * 3, [None] * 3, 3) == three(lambda *_: answer)  # noqa: B023 - called here


def test_other_bytes_after_an_answer_are_reported() -> None:
    """A longer body than its Content-Length says, part of an answer, or anything else."""
    for beyond in (b"{", b"\r\nHTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.1 200 OK", b"\0"):
        assert beyond.decode("latin-1") == three(lambda *_: FIRST + beyond)[1][0]  # noqa: B023 - called here


def test_a_body_behind_the_answer_to_head_is_not_read_as_an_answer(journal: Journal) -> None:
    """It has none, whatever its length says (RFC 9110, 9.3.2)."""
    with RawServer(lambda *_: FIRST) as server:
        cases = [a_case("a", server.url, "HEAD", (), b""), a_case("b", server.url, "GET", (), b"")]
        assert [(201, "{}"), (201, None)] == recorded(journal, cases)


class Delayed:
    """Sends on after its first answer, once it is told to; and says when that is on its way."""

    def __init__(self) -> None:
        self.now, self.sent = threading.Event(), threading.Event()
        self._first = threading.Lock()

    def __call__(self, connection: socket.socket) -> None:
        """Serves a connection."""
        first = self._first.acquire(blocking=False)
        while request_read(connection):
            connection.sendall(FIRST if first else OK)
            if first:
                self.now.wait(PATIENCE_S)
                connection.sendall(SECOND)
                self.sent.set()


@pytest.mark.parametrize("again", [True, False], ids=["before the next request", "before the end"])
def test_later_bytes_belong_to_the_request_before(again: bool) -> None:  # noqa: FBT001
    """It is looked for right before the next one is written, and when the connection is closed."""
    told: list[tuple[int, bytes]] = []
    server = Delayed()
    keep_alive = KeepAlive()
    keep_alive.tried = True  # else it would be watched for a while after the first answer
    with serving(server) as port:
        request = Request("POST", f"http://127.0.0.1:{port}/")
        with Connection(
            PATIENCE_S, keep_alive, NO_TLS, on_beyond=lambda *beyond: told.append(beyond), idle_s=PATIENCE_S
        ) as connection:
            assert 201 == connection.ask(request, tag=7).response.status
            server.now.set()
            assert server.sent.wait(PATIENCE_S)
            if again:
                assert 200 == connection.ask(request, tag=8).response.status
    assert [(7, SECOND)] == told


def test_the_journal_has_it_beside_the_answer_without_secrets(journal: Journal) -> None:
    """As a note, so that whoever judges the journal finds it with the response."""
    extra = b"HTTP/1.1 200 OK\r\nX: hush-hush\r\nContent-Length: 0\r\n\r\n"
    with RawServer(lambda _, number: OK + extra if number == 2 else OK) as server:
        found = recorded(journal, [a_case(name, server.url) for name in "abc"])
    assert [(200, None), (200, "HTTP/1.1 200 OK\r\nX: [REDACTED]\r\nContent-Length: 0\r\n\r\n"), (200, None)] == found


def test_no_part_of_a_secret_is_left_where_it_is_cut(journal: Journal) -> None:
    """It is redacted first: half a secret is none that could be found."""
    begin = b"HTTP/1.1 200 OK\r\nX: "
    extra = begin + b"x" * (MOST_BEYOND - len(begin) - 4) + b"hush-hush\r\n\r\n"
    with RawServer(lambda _, number: OK + extra if number == 1 else OK) as server:
        ((_, beyond),) = recorded(journal, [a_case("a", server.url)])
    assert beyond is not None
    assert (MOST_BEYOND, "x[RED") == (len(beyond), beyond[-5:])


def test_early_bytes_are_no_answer_to_a_notification() -> None:
    """What came on a connection before a notification was written is no answer to it."""
    server = Delayed()
    with serving(server) as port:
        url = f"http://127.0.0.1:{port}/"
        with Posting(NO_TLS) as posting:
            posting.connect(url)
            posting.begin(Request("POST", url, (), b"{}"))
            posting.release()
            assert 201 == posting.answer(PATIENCE_S).status
            assert posting.reusable
            server.now.set()
            assert server.sent.wait(PATIENCE_S)
            assert not posting.reusable
