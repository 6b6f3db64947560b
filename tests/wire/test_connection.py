"""A connection puts exactly the planned bytes on the wire, and takes whatever comes back for what it is."""

from __future__ import annotations

import gzip
import socket
import ssl
import time

import pytest
from sockets import NO_ANSWER, OK, PATIENCE_S, RawServer, a_case, quiet_port, sent_in_turn, serving

from conformance.journal import Journal, read_journal
from conformance.model.errors import SuiteError
from conformance.model.traffic import CLOSED_ON_REUSE, Response
from conformance.wire import Pace, Sender
from conformance.wire import connection as connecting
from conformance.wire.connection import Connection, KeepAlive

TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def _response(journal: Journal, answer: bytes, method: str = "POST", *, closes: bool = False) -> Response:
    with RawServer(lambda *_: answer, closes=closes) as server:
        (exchange,) = sent_in_turn(journal, a_case("a", server.url + "/", method))
    assert exchange.failure is None
    assert exchange.response is not None
    return exchange.response


# --- What goes out


def test_sends_exactly_the_bytes_of_the_case(journal: Journal) -> None:
    """Headers in their order and spelling, twice if given twice; to them only Host and Content-Length are added."""
    headers = (("content-TYPE", "application/json"), ("X-Twice", "1"), ("X-Odd", "caf\xe9 \xff"), ("X-Twice", "2"))
    body = b'{"message": "\xe2\x82\xac"}\x00\xff'
    with RawServer(lambda *_: OK) as server:
        sent_in_turn(
            journal, a_case("a", f"{server.url}/api/../v2/sms%2f%2F;'x'?a=%7e&b=[1]|{{}}#part", "POST", headers, body)
        )
        host = b"127.0.0.1:%d" % server.port
        expected = (
            b"POST /api/../v2/sms%2f%2F;'x'?a=%7e&b=[1]|{} HTTP/1.1\r\nHost: " + host + b"\r\n"
            b"content-TYPE: application/json\r\nX-Twice: 1\r\nX-Odd: caf\xe9 \xff\r\nX-Twice: 2\r\n"
            b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
        )
    assert [expected] == server.requests


FRAMING = (
    ("GET", b"", b""),
    ("DELETE", b"", b""),
    ("OPTIONS", b"", b""),
    ("POST", b"", b"Content-Length: 0\r\n"),
    ("PUT", b"", b"Content-Length: 0\r\n"),
    ("PATCH", b"x", b"Content-Length: 1\r\n"),
    ("GET", b"{}", b"Content-Length: 2\r\n"),
)


def test_frames_a_body_as_http_needs(journal: Journal) -> None:
    """No User-Agent, Accept or Accept-Encoding is made up; Content-Length where there is a body, or might be."""
    with RawServer(lambda *_: OK) as server:
        sent_in_turn(
            journal,
            *(a_case(str(number), server.url, method, (), body) for number, (method, body, _) in enumerate(FRAMING)),
        )
    assert [
        b"%b / HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n%b\r\n%b" % (method.encode(), server.port, framing, body)
        for method, body, framing in FRAMING
    ] == server.requests


def test_takes_the_cases_own_host_and_length(journal: Journal) -> None:
    """What the case says itself is not said twice. Host goes first, wherever it stands: h11 has it so."""
    with RawServer(lambda *_: OK) as server:
        sent_in_turn(journal, a_case("a", server.url, "POST", (("content-length", "2"), ("host", "other.test")), b"{}"))
    assert [b"POST / HTTP/1.1\r\nhost: other.test\r\ncontent-length: 2\r\n\r\n{}"] == server.requests


def test_remembers_nothing_between_requests(journal: Journal) -> None:
    """No cookie is kept and no redirect followed, not even one to nowhere."""
    answer = b"HTTP/1.1 302 Found\r\nLocation: http://[::1/\r\nSet-Cookie: a=b; Path=/\r\nContent-Length: 0\r\n\r\n"
    with RawServer(lambda *_: answer) as server:
        exchanges = sent_in_turn(
            journal, a_case("a", server.url, "GET", (), b""), a_case("b", server.url, "GET", (), b"")
        )
    assert [302, 302] == [exchange.response and exchange.response.status for exchange in exchanges]
    assert [server.requests[0]] * 2 == server.requests


def test_head_and_body_go_out_in_one_piece(journal: Journal) -> None:
    """One call of the operating system, so that senders are less in each other's way."""
    pieces: list[bytes] = []

    def answer(connection: socket.socket) -> None:
        pieces.append(connection.recv(65536))
        connection.sendall(OK)

    with serving(answer) as port:
        sent_in_turn(journal, a_case("a", f"http://127.0.0.1:{port}/", "POST", (), b"x" * 1000))
    (piece,) = pieces
    assert piece.endswith(b"\r\n\r\n" + b"x" * 1000)


def test_an_early_answer_to_a_long_request_counts(journal: Journal) -> None:
    """A gateway may refuse a body for its length, and close the connection, while it is still being sent."""

    def refuse(connection: socket.socket) -> None:
        connection.recv(1024)
        connection.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

    with serving(refuse) as port:
        case = a_case("a", f"http://127.0.0.1:{port}/", "POST", (), b"x" * (12 << 20))
        (exchange,) = sent_in_turn(journal, case)
    assert 413 == (exchange.response and exchange.response.status), exchange.failure
    assert not exchange.unsent


@pytest.mark.parametrize(
    ("scheme", "method", "value"),
    [
        ("http://", "POST", "line\nbreak"),
        ("http://", "POST", "\u20ac"),
        ("", "POST", "x"),
        ("ftp://", "POST", "x"),
        ("http://", "GE T", "x"),
    ],
)
def test_a_case_that_http_cannot_express_is_an_error_of_the_suite(
    journal: Journal, scheme: str, method: str, value: str
) -> None:
    """It is no failure of the gateway."""
    with RawServer(lambda *_: OK) as server:
        case = a_case("a", server.url.replace("http://", scheme), method, (("X", value),))
        with pytest.raises(SuiteError, match="cannot be sent"):
            Sender(journal, Pace()).send([[case]])
    assert [] == server.requests


@pytest.mark.usefixtures("no_proxies")
def test_goes_through_the_proxy_of_the_environment(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests to elsewhere go to the proxy that the environment names; those to this machine never do."""
    with RawServer(lambda *_: OK) as proxy, RawServer(lambda *_: OK) as server:
        monkeypatch.setenv("http_proxy", f"127.0.0.1:{proxy.port}")
        sent_in_turn(journal, a_case("a", "http://gateway.test/api?a=%2f"), a_case("b", server.url))
    assert [b"POST http://gateway.test/api?a=%2f HTTP/1.1"] == [r.split(b"\r\n")[0] for r in proxy.requests]
    assert 1 == len(server.requests)


@pytest.mark.usefixtures("no_proxies")
def test_tells_the_proxy_its_credential_alone(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one that its URL names, beside what goes to the gateway; the connection is kept for the next request."""
    with RawServer(lambda *_: OK) as proxy:
        monkeypatch.setenv("http_proxy", f"http://us%20er:pass@127.0.0.1:{proxy.port}")
        sent_in_turn(journal, a_case("a", "http://gateway.test/"), a_case("b", "http://gateway.test/"))
    assert [b"Proxy-Authorization: Basic dXMgZXI6cGFzcw=="] * 2 == [
        line for request in proxy.requests for line in request.split(b"\r\n") if line.startswith(b"Proxy-")
    ]
    assert 1 == proxy.connections


def test_uses_no_connection_again_once_one_was_closed_unannounced() -> None:
    """Not that of another sender either, which was used before and stands: its next request may cross its close."""
    keep_alive = KeepAlive()
    with RawServer(lambda *_: OK) as server, Connection(PATIENCE_S, keep_alive, TLS) as connection:
        request = a_case("a", server.url).request
        connection.ask(request)
        connection.ask(request)
        kept = server.connections
        keep_alive.trusted = False
        connection.ask(request)
        connection.ask(request)
        anew = server.connections - kept

    assert (1, 2) == (kept, anew)


def test_uses_no_connection_again_after_a_server_error() -> None:
    """Servers close it then, and not all say so: the next request would cross the close."""
    connections = {200: 1, 404: 1, 500: 2, 503: 2}
    found = {}
    for status in connections:
        answer = b"HTTP/1.1 %d X\r\nContent-Length: 0\r\n\r\n" % status
        with RawServer(lambda *_: answer) as server, Connection(PATIENCE_S, KeepAlive(), TLS) as connection:  # noqa: B023
            for _ in range(2):
                connection.ask(a_case("a", server.url).request)
        found[status] = server.connections
    assert connections == found


@pytest.mark.parametrize(
    ("second", "failure"),
    [
        (NO_ANSWER, CLOSED_ON_REUSE),
        (b"HTTP/1.1 2", "connection closed without an answer"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}", "connection closed in the middle of the answer"),
        (b"SSH-2.0-OpenSSH\r\n\r\n", "not an HTTP answer"),
    ],
    ids=["closed", "head begun", "body begun", "no HTTP"],
)
def test_a_connection_closed_on_reuse_has_a_failure_of_its_own(journal: Journal, second: bytes, failure: str) -> None:
    """Unless a byte of the answer came: then the request was read."""

    def answer_and_close(connection: socket.socket) -> None:
        for answer in (OK, second):
            connection.recv(65536)
            connection.sendall(answer)

    with serving(answer_and_close) as port:
        url = f"http://127.0.0.1:{port}/"
        first, again = sent_in_turn(journal, a_case("a", url), a_case("b", url))
    assert first.response is not None
    assert (again.failure or "").startswith(failure)
    assert (failure == CLOSED_ON_REUSE) == (again.failure == CLOSED_ON_REUSE)


# --- What comes back


def test_records_the_answer_as_it_came(journal: Journal) -> None:
    """Status, headers with their order and spelling, body, and times that enclose it."""
    answer = b"HTTP/1.1 422 Whatever\r\nx-One: caf\xe9\r\nX-one: 2\r\nContent-Length: 4\r\n\r\n\x00\xff{}"
    with RawServer(lambda *_: answer) as server:
        before, wall = time.monotonic(), time.time()
        (exchange,) = sent_in_turn(journal, a_case("a", server.url))
    headers = (("x-One", "caf\xe9"), ("X-one", "2"), ("Content-Length", "4"))
    assert Response(422, headers, b"\x00\xff{}", "HTTP/1.1") == exchange.response
    assert (1, "a", 1) == (exchange.number, exchange.case_id, exchange.attempt)
    assert before <= exchange.sent_at <= (exchange.answered_at or 0.0) <= time.monotonic()
    assert wall - 1 <= exchange.sent_wall <= time.time() + 1


@pytest.mark.parametrize(
    ("answer", "closes", "body", "version"),
    [
        pytest.param(b"HTTP/1.0 200 OK\r\n\r\n{}", True, b"{}", "HTTP/1.0", id="http-1.0"),
        pytest.param(b"HTTP/1.1 200 OK\r\n\r\n{}", True, b"{}", "HTTP/1.1", id="until-close"),
        pytest.param(b"HTTP/1.1 204 No Content\r\n\r\n", False, b"", "HTTP/1.1", id="204"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", False, b"", "HTTP/1.1", id="empty"),
        pytest.param(b"HTTP/1.1 103 Early\r\nA: b\r\n\r\n" + OK, False, b"{}", "HTTP/1.1", id="interim"),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;x=y\r\n{\r\n1\r\n}\r\n0\r\nTrailer: x\r\n\r\n",
            False,
            b"{}",
            "HTTP/1.1",
            id="chunked",
        ),
    ],
)
def test_reads_each_way_to_frame_an_answer(
    journal: Journal, answer: bytes, *, closes: bool, body: bytes, version: str
) -> None:
    """Lengths, chunks, the end of the connection, or none at all."""
    response = _response(journal, answer, closes=closes)
    assert (body, version) == (response.body, response.http_version)


def test_reads_no_body_after_head(journal: Journal) -> None:
    """The answer to HEAD has a Content-Length and no body."""
    assert b"" == _response(journal, b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n", "HEAD").body


def test_decodes_a_body(journal: Journal) -> None:
    """The header still says how it came; test_content_coding.py has each coding."""
    body = gzip.compress(b'{"status_code": 200}')
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(body)
    response = _response(journal, head + body)
    assert b'{"status_code": 200}' == response.body
    assert ("Content-Encoding", "gzip") == response.headers[0]


def test_a_body_that_cannot_be_decoded_is_still_an_answer(journal: Journal) -> None:
    """It is kept as it came, so that what is judged is what was sent; a note says why."""
    answer = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 8\r\n\r\nnot gzip"
    assert b"not gzip" == _response(journal, answer).body
    (note,) = read_journal(journal.path).notes
    assert ("undecodable", 1) == (note.kind, note.detail["exchange"])
    assert note.detail["remark"].startswith("it cannot be decoded as 'gzip': ")


@pytest.mark.parametrize("framed", [True, False])
def test_a_cut_coding_is_a_lost_answer_unless_its_length_is_right(journal: Journal, framed: bool) -> None:  # noqa: FBT001
    """With a Content-Length it is what the gateway wrote."""
    body = gzip.compress(b'{"status_code": 200}')[:-4]
    length = b"Content-Length: %d\r\n" % len(body) if framed else b""
    answer = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n%b\r\n%b" % (length, body)
    with RawServer(lambda *_: answer, closes=True) as server:
        (exchange,) = sent_in_turn(journal, a_case("a", server.url))
    assert framed == (exchange.failure is None)
    assert framed or (exchange.failure or "").startswith("connection closed in the middle")
    assert framed == (exchange.response is not None and exchange.response.undecodable is not None)


def test_says_that_the_connection_was_refused(journal: Journal) -> None:
    """Where nobody listens."""
    (exchange,) = sent_in_turn(journal, a_case("a", f"http://127.0.0.1:{quiet_port()}/"))
    assert (None, "connection refused", True) == (exchange.response, exchange.failure, exchange.unsent)


def test_says_that_there_is_no_such_host(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the name leads nowhere."""

    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    (exchange,) = sent_in_turn(journal, a_case("a", "http://gateway.invalid/"))
    assert "host name not found: Name or service not known" == exchange.failure


def test_says_that_there_is_no_tls(journal: Journal) -> None:
    """Where a server that speaks plain HTTP is asked for TLS."""

    def answer_in_plain(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(OK)

    with serving(answer_in_plain) as port:
        (exchange,) = sent_in_turn(journal, a_case("a", f"https://127.0.0.1:{port}/"))
    assert (exchange.failure or "").startswith("no TLS connection: ")


@pytest.mark.parametrize(
    ("answer", "closes", "words"),
    [
        (NO_ANSWER, True, "connection closed without an answer"),
        (b"HTTP/1.1 200 O", True, "connection closed without an answer"),
        (b"SSH-2.0-OpenSSH\r\n\r\n", True, "not an HTTP answer: illegal status line: bytearray(b'SSH-2.0-OpenSSH')"),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}",
            True,
            "connection closed in the middle of the answer, after the head of a 200 and 2 bytes of its body",
        ),
        (
            b"HTTP/1.1 500 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\nmany\r\n",
            True,
            "not an HTTP answer, after the head of a 500 and 1 bytes of its body: illegal chunk header",
        ),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}",
            False,
            "no complete answer within 0.2 s, only the head of a 200 and 2 bytes of its body",
        ),
        (b"HTTP/1.1 200 ", False, "no answer within 0.2 s"),
    ],
    ids=["closed", "closed-in-head", "not-http", "cut-short", "bad-chunk", "stalled", "silent"],
)
def test_says_why_there_is_no_answer(journal: Journal, answer: bytes, *, closes: bool, words: str) -> None:
    """In words that a user understands, and never sent again."""
    with RawServer(lambda *_: answer, closes=closes) as server:
        (exchange,) = sent_in_turn(journal, a_case("a", server.url), timeout_s=PATIENCE_S if closes else 0.2)
    assert exchange.response is None
    assert (exchange.failure or "").startswith(words)
    assert 1 == len(server.requests)


def test_gives_up_an_answer_that_never_ends(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that trickles is for `test_exchange_deadline.py`."""
    monkeypatch.setattr(connecting, "MAX_BODY", 1000)
    endless = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"fff\r\n%b\r\n" % (b"x" * 0xFFF)
    with RawServer(lambda *_: endless) as server:
        (exchange,) = sent_in_turn(journal, a_case("a", server.url))
    assert "the body of a 200 is longer than 1000 bytes" == exchange.failure
