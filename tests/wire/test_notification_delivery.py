"""Notifications on the wire: their bytes, connections and answers, with a server on a socket."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sockets import Handler, serving

from conformance.client.posting import PLAIN, Framing, Posting, Reset, listening
from conformance.model.traffic import Headers, Request, Response
from conformance.wire.connection import Unanswered

JSON: Headers = (("Content-Type", "application/json"),)
BODY = b'{"request_id": "' + b"a" * 80 + b'"}'
THANKS = b"HTTP/1.1 204 No Content\r\nX-Kind: plain\r\n\r\n"
TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


@contextmanager
def served(behave: Handler) -> Iterator[str]:
    """The URL of a server that treats each connection like that, and then closes it."""
    with serving(behave) as port:
        yield f"http://127.0.0.1:{port}/hook?token=a%2Fb"


def answering(*answers: bytes) -> Handler:
    """Answers one request after the other."""

    def behave(connection: socket.socket) -> None:
        for answer in answers:
            until(connection, BODY)
            connection.sendall(answer)

    return behave


def until(connection: socket.socket, end: bytes) -> bytes:
    """What comes up to that end."""
    read = b""
    while not read.endswith(end):
        read += connection.recv(1 << 16)
    return read


def posted(request: Request, form: Framing = PLAIN, *, within_s: float = 5) -> Response:
    """The answer to it."""
    with Posting(TLS) as posting:
        posting.connect(request.url)
        posting.begin(request, form)
        posting.release()
        return posting.answer(within_s)


def sent(headers: Headers, form: Framing = PLAIN, *, end: bytes = BODY) -> bytes:
    """The bytes of a request with these headers; it is answered."""
    heard: list[bytes] = []

    def behave(connection: socket.socket) -> None:
        heard.append(until(connection, end))
        connection.sendall(THANKS)

    with served(behave) as url:
        assert 204 == posted(Request("POST", url, headers, BODY), form).status
    return heard[0]


def test_a_plain_request_has_host_and_length() -> None:
    """With Host and Content-Length, and the target as it stands in the URL."""
    head, _, body = sent(JSON).partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")

    assert BODY == body
    assert b"POST /hook?token=a%2Fb HTTP/1.1" == lines[0]
    assert [b"Content-Type: application/json", b"Content-Length: %d" % len(BODY)] == lines[2:]
    assert lines[1].startswith(b"Host: 127.0.0.1:")


def test_a_request_can_be_framed_in_each_form() -> None:
    """The version, the case of header names, chunks."""
    chunked = sent((*JSON, ("Transfer-Encoding", "chunked")), end=b"0\r\n\r\n")

    assert b" HTTP/1.0\r\n" in sent(JSON, Framing(http_1_0=True))
    assert b"\r\ncontent-type: application/json\r\ncontent-length: " in sent(JSON, Framing(lower_case=True))
    assert b"\r\n\r\n40\r\n" + BODY[:64] + b"\r\n" in chunked
    assert b"Content-Length" not in chunked
    assert BODY in sent(JSON, Framing(in_pieces=True))


def test_the_last_byte_waits_for_its_release() -> None:
    """Everything before it has arrived by then."""
    arrived, finished = threading.Event(), threading.Event()

    def behave(connection: socket.socket) -> None:
        until(connection, BODY[:-1])
        arrived.set()
        assert BODY[-1:] == connection.recv(10)
        finished.set()
        connection.sendall(THANKS)

    with served(behave) as url, Posting(TLS) as posting:
        posting.connect(url)
        posting.begin(Request("POST", url, JSON, BODY))
        assert arrived.wait(5)
        assert not finished.is_set()
        posting.release()
        assert 204 == posting.answer(5).status
        assert finished.is_set()


@pytest.mark.parametrize("says", [b"HTTP/1.1 100 Continue\r\n\r\n", b""], ids=["told to go on", "told nothing"])
def test_the_body_follows_a_100_or_its_time_out(says: bytes) -> None:
    """A server need not send one."""

    def behave(connection: socket.socket) -> None:
        assert b"Expect: 100-continue" in until(connection, b"\r\n\r\n")
        connection.sendall(says)
        assert BODY == until(connection, BODY)
        connection.sendall(THANKS)

    with served(behave) as url:
        assert 204 == posted(Request("POST", url, (*JSON, ("Expect", "100-continue")), BODY)).status


def test_a_refusal_in_place_of_a_100_is_the_answer() -> None:
    """The body is not sent."""

    def behave(connection: socket.socket) -> None:
        until(connection, b"\r\n\r\n")
        connection.sendall(b"HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\n\r\n")

    with served(behave) as url:
        assert 417 == posted(Request("POST", url, (*JSON, ("Expect", "100-continue")), BODY)).status


ANSWERS = {
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK": (200, b"OK", "HTTP/1.1"),
    b"HTTP/1.0 200 OK\r\n\r\nOK": (200, b"OK", "HTTP/1.0"),
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nOK\r\n0\r\n\r\n": (200, b"OK", "HTTP/1.1"),
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n": (101, b"", "HTTP/1.1"),
}


def test_answers_are_read() -> None:
    """However they end."""
    found = {}
    for answer in ANSWERS:
        with served(answering(answer)) as url:
            response = posted(Request("POST", url, (*JSON, ("Connection", "Upgrade"), ("Upgrade", "h2c")), BODY))
        found[answer] = (response.status, response.body, response.http_version)
    assert found == ANSWERS


def test_the_reason_for_a_missing_answer_is_given() -> None:
    """In words."""
    reasons = {
        b"": "connection closed without an answer",
        b"220 mail.example ESMTP\r\n\r\n": "not an HTTP answer",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nOK": "closed in the middle of the answer, after the head",
    }
    for answer, words in reasons.items():
        with served(answering(answer)) as url, pytest.raises(Unanswered, match=words):
            posted(Request("POST", url, JSON, BODY))


def test_an_answer_has_a_time_out() -> None:
    """The error names it."""
    over = threading.Event()
    with served(lambda _: over.wait(5) and None) as url:
        with pytest.raises(Unanswered, match=r"no answer within 0\.05 s"):
            posted(Request("POST", url, JSON, BODY), within_s=0.05)
        over.set()


def test_a_reset_has_an_error_of_its_own() -> None:
    """A full queue resets connections."""

    def behave(connection: socket.socket) -> None:
        until(connection, BODY)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")

    with served(behave) as url, pytest.raises(Reset):
        posted(Request("POST", url, JSON, BODY))


def test_a_connection_is_used_again_if_it_was_left_open() -> None:
    """And only then."""
    closing = b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"
    with served(answering(THANKS, closing)) as url, Posting(TLS) as posting:
        reusable = []
        posting.connect(url)
        for _ in range(2):
            posting.begin(Request("POST", url, JSON, BODY))
            posting.release()
            posting.answer(5)
            reusable.append(posting.reusable)

    assert [True, False] == reusable


def test_a_refused_connection_has_an_error_of_its_own() -> None:
    """The request never left."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/hook"
        assert listening(url)
    assert not listening(url)
    with pytest.raises(Unanswered, match="connection refused") as refused:
        Posting(TLS).connect(url)
    assert refused.value.never_left
