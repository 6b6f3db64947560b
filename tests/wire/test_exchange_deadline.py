"""An exchange ends by its deadline, whatever the peer does and wherever it does it."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from contextlib import suppress

import pytest
from sockets import OK, PATIENCE_S, Handler, drip, request_read, serving

from conformance.client.posting import Posting
from conformance.model.errors import EnvironmentFailure
from conformance.model.traffic import Request
from conformance.wire import streams
from conformance.wire.connection import MAX_HEAD, Connection, HttpAnswer, KeepAlive, Unanswered
from conformance.wire.streams import client_tls

TIMEOUT_S = 0.3
# What a busy machine may add; a hostile peer would hold an exchange for ever.
SURELY_OVER_S = TIMEOUT_S + 5.0

NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def asked(url: str, body: bytes = b"{}", tls: ssl.SSLContext = NO_TLS) -> HttpAnswer:
    """The answer to a request, or Unanswered."""
    with Connection(TIMEOUT_S, KeepAlive(), tls, TIMEOUT_S) as connection:
        return connection.ask(Request("POST", url, (), body))


def why_unanswered(url: str, body: bytes = b"{}", tls: ssl.SSLContext = NO_TLS) -> str:
    """Why a request got no answer, which took no longer than it may."""
    began = time.monotonic()
    with pytest.raises(Unanswered) as caught:
        asked(url, body, tls)
    assert time.monotonic() - began < SURELY_OVER_S
    return str(caught.value)


def after_request(*sent: bytes, dripping: bytes) -> Handler:
    """Reads a request, sends some, and then goes on for ever."""

    def handle(connection: socket.socket) -> None:
        request_read(connection)
        for piece in sent:
            connection.sendall(piece)
        drip(connection, dripping)

    return handle


NO_ANSWER = "no answer within 0.3 s"
HALF_AN_ANSWER = "no complete answer within 0.3 s"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("handle", "why"),
    [
        pytest.param(after_request(b"HTTP/1.1 200 OK\r\nX: ", dripping=b"x"), NO_ANSWER, id="head"),
        pytest.param(after_request(dripping=b"H"), NO_ANSWER, id="status-line"),
        pytest.param(after_request(dripping=b"HTTP/1.1 100 Continue\r\n\r\n"), NO_ANSWER, id="interim-answers"),
        pytest.param(after_request(CHUNKED, dripping=b"1\r\nx\r\n"), HALF_AN_ANSWER, id="chunks"),
        pytest.param(after_request(CHUNKED, b"1;ext=", dripping=b"x"), HALF_AN_ANSWER, id="chunk-extension"),
        pytest.param(after_request(CHUNKED, b"0\r\nT: ", dripping=b"x"), HALF_AN_ANSWER, id="trailers"),
        pytest.param(after_request(b"HTTP/1.1 200 OK\r\n\r\n", dripping=b"x"), HALF_AN_ANSWER, id="body"),
    ],
)
def test_an_answer_that_never_ends_is_given_up(handle: Handler, why: str) -> None:
    """Each byte comes in time for a single read, and the whole never does."""
    with serving(handle) as port:
        assert why_unanswered(f"http://127.0.0.1:{port}/").startswith(why)


def test_a_body_that_is_read_a_byte_at_a_time_is_given_up() -> None:
    """Each byte that the server takes would set a time-out for a single write back."""

    def sip(connection: socket.socket) -> None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        waiting = threading.Event()
        while connection.recv(1024):
            waiting.wait(0.02)

    with serving(sip) as port:
        why = why_unanswered(f"http://127.0.0.1:{port}/", b"x" * (64 << 20))
    assert why.startswith("no answer within 0.3 s; only ")
    assert why.endswith(" bytes of the request could be sent")


def test_a_handshake_that_drips_is_given_up() -> None:
    """Before a byte of the request went out."""

    def handle(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(b"\x16\x03\x03\x40\x00")  # a record of 16 KiB begins
        drip(connection)

    with serving(handle) as port:
        assert "no connection within 0.3 s" == why_unanswered(f"https://127.0.0.1:{port}/", tls=client_tls())


@pytest.mark.parametrize(("scheme", "begins"), [("http", b"HTTP/1.1 200 "), ("socks5", b"")])
@pytest.mark.usefixtures("no_proxies")
def test_a_proxy_that_drips_is_given_up(scheme: str, begins: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tunnel that is never dug is no connection."""

    def handle(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(begins)
        if begins:
            drip(connection)
        connection.recv(1)

    with serving(handle) as port:
        monkeypatch.setenv("ALL_PROXY", f"{scheme}://user:secret@127.0.0.1:{port}")
        assert "no connection within 0.3 s" == why_unanswered("https://gateway.test/", tls=client_tls())


def test_a_name_without_an_answer_of_the_resolver_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """The resolver knows no time-out of ours."""
    over = threading.Event()

    def never(*_: object, **__: object) -> list[object]:
        over.wait(PATIENCE_S)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", never)
    try:
        assert "no connection within 0.3 s" == why_unanswered("http://gateway.invalid/")
    finally:
        over.set()


@pytest.mark.parametrize(
    "head",
    [
        pytest.param(b"HTTP/1.1 200 OK\r\nX: " + b"x" * (10 << 20), id="one-long-header"),
        pytest.param(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 100_000, id="many-headers"),
        pytest.param(b"HTTP/1.1 103 Early Hints\r\n\r\n" * 100_000, id="many-interim-answers"),
    ],
)
def test_a_head_has_a_size(head: bytes) -> None:
    """What is longer is no answer, and it is told why."""

    def handle(connection: socket.socket) -> None:
        request_read(connection)
        connection.sendall(head)

    with (
        serving(handle) as port,
        Connection(PATIENCE_S, KeepAlive(), NO_TLS) as connection,
        pytest.raises(Unanswered) as caught,
    ):
        connection.ask(Request("POST", f"http://127.0.0.1:{port}/"))
    assert f"the head of the answer is longer than {MAX_HEAD} bytes, interim answers included" == str(caught.value)


def test_closing_all_connections_ends_every_wait() -> None:
    """At once, not when its time is up: a second signal has nobody wait."""
    reached, ended = threading.Event(), threading.Event()
    why: list[str] = []

    def handle(connection: socket.socket) -> None:
        request_read(connection)
        reached.set()
        connection.recv(1)

    def ask() -> None:
        try:
            with Connection(PATIENCE_S * 10, KeepAlive(), NO_TLS) as connection:
                connection.ask(Request("POST", f"http://127.0.0.1:{port}/"))
        except Unanswered as unanswered:
            why.append(str(unanswered))
        ended.set()

    with serving(handle) as port:
        threading.Thread(target=ask, daemon=True).start()
        assert reached.wait(PATIENCE_S)
        streams.close_all()
        assert ended.wait(PATIENCE_S)
    assert ["connection closed without an answer"] == why


def test_a_closed_connection_is_forgotten() -> None:
    """Or a long run would remember each of them."""
    before = set(streams._open)  # noqa: SLF001 - nobody else knows
    with serving(lambda connection: connection.sendall(OK)) as port:
        asked(f"http://127.0.0.1:{port}/")
        with suppress(Unanswered):
            asked("http://127.0.0.1:9/")
    assert set() == {each for each in streams._open if each.fileno() == -1} - before  # noqa: SLF001


def test_an_exhausted_machine_is_not_the_gateways_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    """No more files: in one line that helps, instead of a finding."""

    def none_left(*_: object) -> None:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(socket, "socket", none_left)
    with pytest.raises(EnvironmentFailure, match="cannot make another connection: Too many open files"):
        asked("http://127.0.0.1:9/")


def test_a_receiver_that_answers_without_end_is_given_up() -> None:
    """Notifications go out by another client, with the same deadline."""
    for handle in (
        after_request(b"HTTP/1.1 200 OK\r\nX: ", dripping=b"x"),
        after_request(dripping=b"HTTP/1.1 100 Continue\r\n\r\n"),
        after_request(b"HTTP/1.1 200 OK\r\n\r\n", dripping=b"x"),
    ):
        began = time.monotonic()
        with serving(handle) as port, Posting(NO_TLS) as posting:
            posting.connect(f"http://127.0.0.1:{port}/")
            posting.begin(Request("POST", f"http://127.0.0.1:{port}/", (), b"{}"))
            posting.release()
            with pytest.raises(Unanswered, match=r"within 0\.3 s"):
                posting.answer(TIMEOUT_S)
        assert time.monotonic() - began < SURELY_OVER_S
