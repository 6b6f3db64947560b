"""The sender puts exactly the planned bytes on the wire, records what comes of it, and sends nothing twice unasked."""

from __future__ import annotations

import gzip
import signal
import socket
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

from conformance.errors import EnvironmentFailure, SuiteError
from conformance.exchange import Pace, Sender
from conformance.exchange import connection as connecting
from conformance.exchange.sender import MAX_ATTEMPTS
from conformance.journal import Journal, Redaction, read_journal
from conformance.traffic import Case, Exchange, Headers, Kind, Request, Response

PATIENCE_S = 20.0
"""How long anything here is waited for before it counts as stuck, on the busiest machine."""

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
NO_ANSWER = b""

Answering = Callable[[bytes, int], bytes]


class RawServer:
    """Records the bytes of each request and writes back the bytes that `answer` gives for it.

    `answer` is called with the request and its number from 1. A connection is closed after the answer if `closes`, and
    if there was none.
    """

    def __init__(self, answer: Answering, *, closes: bool = False) -> None:
        self._answer = answer
        self._closes = closes
        self._lock = threading.Lock()
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=128)
        self._open: list[socket.socket] = []
        self.port: int = self._listening.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.requests: list[bytes] = []
        self.connections = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        for connection in self._open:
            connection.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            self._open.append(connection)
            self.connections += 1
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while request := self._read(connection):
                with self._lock:
                    self.requests.append(request)
                    number = len(self.requests)
                answer = self._answer(request, number)
                connection.sendall(answer)
                if self._closes or answer == NO_ANSWER:
                    break
        except OSError:
            return
        finally:
            connection.close()

    @staticmethod
    def _read(connection: socket.socket) -> bytes:
        data = b""
        while b"\r\n\r\n" not in data:
            received = connection.recv(65536)
            if not received:
                return b""
            data += received
        head, _, body = data.partition(b"\r\n\r\n")
        lengths = [line.split(b":")[1] for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
        length = int(lengths[0]) if lengths else 0
        while len(body) < length:
            body += connection.recv(65536)
        return head + b"\r\n\r\n" + body


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    """Where the senders under test record."""
    with Journal.create(tmp_path / "journal.sqlite", {}, Redaction.none()) as journal:
        yield journal


class Waved(Pace):
    """A pace that never waits and remembers what it was told."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[float | None] = []

    def told_to_slow_down(self, retry_after_s: float | None, now: float, sent_at: float | None = None) -> None:
        """Remembers, and does nothing about it."""
        assert sent_at is not None
        assert sent_at <= now
        self.asked.append(retry_after_s)


def _case(case_id: str, url: str, method: str = "POST", headers: Headers = (), body: bytes = b"{}") -> Case:
    return Case(case_id, "sms", Kind.VALID, "sample", "group", Request(method, url, headers, body))


def _sent(journal: Journal, *cases: Case, timeout_s: float = PATIENCE_S, pace: Pace | None = None) -> list[Exchange]:
    """What becomes of `cases`, sent one after the other; as told while sending, and as the journal has it."""
    told: list[Exchange] = []
    sender = Sender(journal, pace or Pace(), timeout_s=timeout_s, on_exchange=lambda _, exchange: told.append(exchange))
    sender.send([cases])
    journal.flush()
    assert told == list(read_journal(journal.path).exchanges)
    return told


def _response(journal: Journal, answer: bytes, method: str = "POST", *, closes: bool = False) -> Response:
    with RawServer(lambda *_: answer, closes=closes) as server:
        (exchange,) = _sent(journal, _case("a", server.url + "/", method))
    assert exchange.failure is None
    assert exchange.response is not None
    return exchange.response


# --- What goes out


def test_sends_exactly_the_bytes_of_the_case(journal: Journal) -> None:
    """Headers in their order and spelling, twice if given twice; to them only Host and Content-Length are added."""
    headers = (("content-TYPE", "application/json"), ("X-Twice", "1"), ("X-Odd", "caf\xe9 \xff"), ("X-Twice", "2"))
    body = b'{"message": "\xe2\x82\xac"}\x00\xff'
    with RawServer(lambda *_: OK) as server:
        _sent(journal, _case("a", f"{server.url}/api/../v2/sms%2f%2F;'x'?a=%7e&b=[1]|{{}}#part", "POST", headers, body))
        host = b"127.0.0.1:%d" % server.port
        expected = (
            b"POST /api/../v2/sms%2f%2F;'x'?a=%7e&b=[1]|{} HTTP/1.1\r\nHost: " + host + b"\r\n"
            b"content-TYPE: application/json\r\nX-Twice: 1\r\nX-Odd: caf\xe9 \xff\r\nX-Twice: 2\r\n"
            b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
        )
    assert [expected] == server.requests


@pytest.mark.parametrize(
    ("method", "body", "framing"),
    [
        ("GET", b"", b""),
        ("DELETE", b"", b""),
        ("OPTIONS", b"", b""),
        ("POST", b"", b"Content-Length: 0\r\n"),
        ("PUT", b"", b"Content-Length: 0\r\n"),
        ("PATCH", b"x", b"Content-Length: 1\r\n"),
        ("GET", b"{}", b"Content-Length: 2\r\n"),
    ],
)
def test_frames_a_body_as_http_needs(journal: Journal, method: str, body: bytes, framing: bytes) -> None:
    """No User-Agent, Accept or Accept-Encoding is made up; Content-Length where there is a body, or might be."""
    with RawServer(lambda *_: OK) as server:
        _sent(journal, _case("a", server.url, method, (), body))
    assert [b"%b / HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n%b\r\n%b" % (method.encode(), server.port, framing, body)] == (
        server.requests
    )


def test_takes_the_cases_own_host_and_length(journal: Journal) -> None:
    """What the case says itself is not said twice. Host goes first, wherever it stands: h11 has it so."""
    with RawServer(lambda *_: OK) as server:
        _sent(journal, _case("a", server.url, "POST", (("content-length", "2"), ("host", "other.test")), b"{}"))
    assert [b"POST / HTTP/1.1\r\nhost: other.test\r\ncontent-length: 2\r\n\r\n{}"] == server.requests


def test_remembers_nothing_between_requests(journal: Journal) -> None:
    """No cookie is kept and no redirect followed, not even one to nowhere."""
    answer = b"HTTP/1.1 302 Found\r\nLocation: http://[::1/\r\nSet-Cookie: a=b; Path=/\r\nContent-Length: 0\r\n\r\n"
    with RawServer(lambda *_: answer) as server:
        exchanges = _sent(journal, _case("a", server.url, "GET", (), b""), _case("b", server.url, "GET", (), b""))
    assert [302, 302] == [exchange.response and exchange.response.status for exchange in exchanges]
    assert [server.requests[0]] * 2 == server.requests


@pytest.mark.parametrize(
    ("scheme", "method", "value"),
    [
        pytest.param("http://", "POST", "line\nbreak", id="line-break"),
        pytest.param("http://", "POST", "\u20ac", id="not-latin-1"),
        pytest.param("", "POST", "x", id="no-scheme"),
        pytest.param("http://", "GE T", "x", id="method"),
    ],
)
def test_what_http_cannot_say_is_the_suites_fault(journal: Journal, scheme: str, method: str, value: str) -> None:
    """Such a case ought not to be planned; it is no failure of the gateway."""
    with RawServer(lambda *_: OK) as server:
        case = _case("a", server.url.replace("http://", scheme), method, (("X", value),))
        with pytest.raises(SuiteError, match="cannot be sent"):
            Sender(journal, Pace()).send([[case]])
    assert [] == server.requests


def test_goes_through_the_proxy_of_the_environment(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests to elsewhere go to the proxy that the environment names; those to this machine never do."""
    with RawServer(lambda *_: OK) as proxy, RawServer(lambda *_: OK) as server:
        for name in ("http_proxy", "HTTP_PROXY", "no_proxy", "NO_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("http_proxy", f"127.0.0.1:{proxy.port}")
        _sent(journal, _case("a", "http://gateway.test/api?a=%2f"), _case("b", server.url))
    assert [b"POST http://gateway.test/api?a=%2f HTTP/1.1"] == [r.split(b"\r\n")[0] for r in proxy.requests]
    assert 1 == len(server.requests)


# --- What comes back


def test_records_the_answer_as_it_came(journal: Journal) -> None:
    """Status, headers with their order and spelling, body, and times that enclose it."""
    answer = b"HTTP/1.1 422 Whatever\r\nx-One: caf\xe9\r\nX-one: 2\r\nContent-Length: 4\r\n\r\n\x00\xff{}"
    with RawServer(lambda *_: answer) as server:
        before, wall = time.monotonic(), time.time()
        (exchange,) = _sent(journal, _case("a", server.url))
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


@pytest.mark.parametrize(
    ("encoding", "encode"),
    [(b"gzip", gzip.compress), (b"deflate", zlib.compress), (b"GZIP", gzip.compress), (b"identity", bytes)],
)
def test_decodes_a_body(journal: Journal, encoding: bytes, encode: Callable[[bytes], bytes]) -> None:
    """The body is what the gateway meant; the header still says how it came."""
    body = encode(b'{"status_code": 200}')
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: %b\r\nContent-Length: %d\r\n\r\n" % (encoding, len(body))
    response = _response(journal, head + body)
    assert b'{"status_code": 200}' == response.body
    assert ("Content-Encoding", encoding.decode()) == response.headers[0]


def test_a_body_that_cannot_be_decoded_is_still_an_answer(journal: Journal) -> None:
    """It is kept as it came, so that what is judged is what was sent; a note says why."""
    answer = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 8\r\n\r\nnot gzip"
    assert b"not gzip" == _response(journal, answer).body
    (note,) = read_journal(journal.path).notes
    assert ("undecodable", 1) == (note.kind, note.detail["exchange"])
    assert note.detail["remark"].startswith("the body cannot be decoded as 'gzip': ")


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
        return port


def test_says_that_the_connection_was_refused(journal: Journal) -> None:
    """Where nobody listens."""
    (exchange,) = _sent(journal, _case("a", f"http://127.0.0.1:{_free_port()}/"))
    assert (None, "connection refused") == (exchange.response, exchange.failure)


def test_says_that_there_is_no_such_host(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the name leads nowhere."""

    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    (exchange,) = _sent(journal, _case("a", "http://gateway.invalid/"))
    assert "host name not found: Name or service not known" == exchange.failure


def test_says_that_there_is_no_tls(journal: Journal) -> None:
    """Where a server that speaks plain HTTP is asked for TLS."""

    def answer_in_plain() -> None:
        connection, _ = listening.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(OK)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = threading.Thread(target=answer_in_plain)
        server.start()
        (exchange,) = _sent(journal, _case("a", f"https://127.0.0.1:{listening.getsockname()[1]}/"))
        server.join(PATIENCE_S)
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
        (exchange,) = _sent(journal, _case("a", server.url), timeout_s=PATIENCE_S if closes else 0.2)
    assert exchange.response is None
    assert (exchange.failure or "").startswith(words)
    assert 1 == len(server.requests)


def test_gives_up_an_answer_that_never_ends(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither one that trickles nor one without end holds a worker for ever."""
    monkeypatch.setattr(connecting, "MAX_BODY", 1000)
    endless = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"fff\r\n%b\r\n" % (b"x" * 0xFFF)
    with RawServer(lambda *_: endless) as server:
        (exchange,) = _sent(journal, _case("a", server.url))
    assert "the body of a 200 is longer than 1000 bytes" == exchange.failure


def test_gives_up_an_answer_that_trickles(journal: Journal) -> None:
    """Each byte comes in time, but the whole does not."""
    done = threading.Event()

    def trickle() -> None:
        connection, _ = listening.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
            while not done.wait(0.02):
                connection.sendall(b"x")

    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = threading.Thread(target=trickle)
        server.start()
        (exchange,) = _sent(journal, _case("a", f"http://127.0.0.1:{listening.getsockname()[1]}/"), timeout_s=0.3)
        done.set()
        server.join(PATIENCE_S)
    assert (exchange.failure or "").startswith("no complete answer within 0.3 s")


# --- Slowing down


def _refusing(times: int, answer: bytes) -> Answering:
    return lambda _, number: answer if number <= times else OK


TOO_MANY = b"HTTP/1.1 429 Too Many Requests\r\nContent-Length: 0\r\n\r\n"
TOO_MANY_FOR_3_S = b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 3\r\nContent-Length: 0\r\n\r\n"
UNAVAILABLE = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"
UNAVAILABLE_FOR_3_S = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 3\r\nContent-Length: 0\r\n\r\n"


@pytest.mark.parametrize(
    ("answer", "statuses", "asked"),
    [
        (TOO_MANY, [429, 429, 200], [None, None]),
        (TOO_MANY_FOR_3_S, [429, 429, 200], [3.0, 3.0]),
        (UNAVAILABLE_FOR_3_S, [503, 503, 200], [3.0, 3.0]),
        (UNAVAILABLE, [503], []),
    ],
    ids=["429", "429-retry-after", "503-retry-after", "503"],
)
def test_a_refusal_for_now_is_tried_again(
    journal: Journal, answer: bytes, statuses: list[int], asked: list[float | None]
) -> None:
    """The same bytes, as the next attempt at the same case; a plain 503 is an answer like any other."""
    pace = Waved()
    with RawServer(_refusing(2, answer)) as server:
        exchanges = _sent(journal, _case("a", server.url), pace=pace)
    assert statuses == [exchange.response and exchange.response.status for exchange in exchanges]
    assert list(range(1, len(statuses) + 1)) == [exchange.attempt for exchange in exchanges]
    assert [server.requests[0]] * len(statuses) == server.requests
    assert asked == pace.asked


def test_waits_as_long_as_the_gateway_asks(journal: Journal) -> None:
    """Between the refusal and the next attempt lies what Retry-After says."""
    answer = b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 0.25\r\nContent-Length: 0\r\n\r\n"
    with RawServer(_refusing(1, answer)) as server:
        first, second = _sent(journal, _case("a", server.url))
    assert second.sent_at - (first.answered_at or 0.0) >= 0.25


def test_a_case_that_is_always_refused_is_left(journal: Journal) -> None:
    """After a number of attempts its last refusal stands, and the cases behind it get their turn."""

    def refuse_a(request: bytes, _: int) -> bytes:
        return TOO_MANY if b"/a" in request else OK

    with RawServer(refuse_a) as server:
        exchanges = _sent(journal, _case("a", server.url + "/a"), _case("b", server.url + "/b"), pace=Waved())
    assert ["a"] * MAX_ATTEMPTS + ["b"] == [exchange.case_id for exchange in exchanges]


def test_a_gateway_that_refuses_everything_ends_the_run(journal: Journal) -> None:
    """It is the surroundings that do not let the run go on; the user is told what was seen."""

    class Refused(Waved):
        @property
        def refused_in_a_row(self) -> int:
            return len(self.asked)

    with RawServer(lambda *_: TOO_MANY) as server, pytest.raises(EnvironmentFailure, match=r"8 requests in a row.*429"):
        Sender(journal, Refused(), concurrency=1).send([[_case(str(number), server.url)] for number in range(20)])
    assert 8 == len(server.requests)


def test_a_failure_is_not_tried_again(journal: Journal) -> None:
    """A request whose answer was lost may have been taken: sending it again could pay twice."""
    with RawServer(lambda _, number: NO_ANSWER if number == 2 else OK) as server:
        exchanges = _sent(journal, *(_case(name, server.url + "/" + name) for name in "abc"))
    assert [("a", None), ("b", "connection closed without an answer"), ("c", None)] == [
        (exchange.case_id, exchange.failure) for exchange in exchanges
    ]
    assert 3 == len(server.requests)


# --- Side by side


def test_keeps_the_order_within_a_group(journal: Journal) -> None:
    """Each case is sent when the one before it was answered, however many groups there are."""
    with RawServer(lambda *_: OK) as server:
        groups = [[_case(f"{group}-{place}", server.url) for place in range(10)] for group in range(12)]
        Sender(journal, Pace(), concurrency=4).send(groups)
    journal.flush()
    exchanges = read_journal(journal.path).exchanges
    assert 120 == len(exchanges)
    for group in range(12):
        own = [exchange for exchange in exchanges if exchange.case_id.startswith(f"{group}-")]
        assert [f"{group}-{place}" for place in range(10)] == [exchange.case_id for exchange in own]
        assert all((one.answered_at or 0) <= other.sent_at for one, other in pairwise(own))


def test_sends_as_many_at_once_as_it_may(journal: Journal) -> None:
    """Each answer waits until three requests are there: that is reached, and never exceeded."""
    together = threading.Barrier(3)
    under_way, most, lock = 0, 0, threading.Lock()

    def answer(_: bytes, __: int) -> bytes:
        nonlocal under_way, most
        with lock:
            under_way += 1
            most = max(most, under_way)
        together.wait(PATIENCE_S)
        with lock:
            under_way -= 1
        return OK

    with RawServer(answer) as server:
        Sender(journal, Pace(), concurrency=3).send([[_case(str(number), server.url)] for number in range(12)])
    assert (12, 3) == (len(server.requests), most)


def test_begins_groups_in_the_order_given(journal: Journal) -> None:
    """So that what the plan wants to see early is seen early."""
    with RawServer(lambda *_: OK) as server:
        Sender(journal, Pace(), concurrency=1).send([[_case(str(number), server.url)] for number in range(20)])
    journal.flush()
    assert [str(number) for number in range(20)] == [e.case_id for e in read_journal(journal.path).exchanges]


def test_records_a_request_before_it_goes_out(journal: Journal) -> None:
    """When the gateway has it, the journal has it: a run that is killed then shows what was sent."""
    seen: list[tuple[str, Response | None]] = []

    def answer(*_: object) -> bytes:
        journal.flush()
        seen.extend((exchange.case_id, exchange.response) for exchange in read_journal(journal.path).exchanges)
        return OK

    with RawServer(answer) as server:
        _sent(journal, _case("a", server.url))
    assert [("a", None)] == seen


def test_uses_connections_again(journal: Journal) -> None:
    """One connection for each worker, not one for each request."""
    with RawServer(lambda *_: OK) as server:
        Sender(journal, Pace(), concurrency=2).send([[_case(str(number), server.url)] for number in range(50)])
    assert 50 == len(server.requests)
    assert server.connections <= 2


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}", id="announced"),
        pytest.param(OK, id="unannounced"),
        pytest.param(b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n{}", id="http-1.0"),
        pytest.param(b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\n{}", id="broken-promise"),
    ],
)
def test_a_server_that_closes_after_each_answer_loses_nothing(journal: Journal, answer: bytes) -> None:
    """Closing is lawful, whether it was announced or not: no request crosses it, so that none fails."""
    with RawServer(lambda *_: answer, closes=True) as server:
        Sender(journal, Pace(), concurrency=8).send([[_case(str(number), server.url)] for number in range(200)])
    journal.flush()
    assert [None] * 200 == [exchange.failure for exchange in read_journal(journal.path).exchanges]
    assert 200 == len(server.requests) == server.connections


def test_does_not_use_a_connection_that_was_idle(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a pause the server may be about to close it."""
    monkeypatch.setattr(connecting, "IDLE_S", 0.0)
    with RawServer(lambda *_: OK) as server:
        _sent(journal, _case("a", server.url), _case("b", server.url))
    assert 2 == server.connections


# --- Ending


def test_stop_ends_after_what_is_under_way(journal: Journal) -> None:
    """Requests that went out get their answers; nothing more is sent."""
    stopped = threading.Event()

    def answer(*_: object) -> bytes:
        assert stopped.wait(PATIENCE_S)
        return OK

    with RawServer(answer) as server:
        sender = Sender(journal, Pace(), concurrency=2)
        sending = threading.Thread(target=sender.send, args=([[_case(str(n), server.url)] * 3 for n in range(9)],))
        sending.start()
        _until(lambda: len(server.requests) == 2)
        sender.stop()
        stopped.set()
        sending.join(PATIENCE_S)
    assert not sending.is_alive()
    journal.flush()
    assert [200, 200] == [e.response and e.response.status for e in read_journal(journal.path).exchanges]
    assert 2 == len(server.requests)


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline
        threading.Event().wait(0.005)


def test_an_interrupt_ends_the_workers(journal: Journal) -> None:
    """Ctrl-C in the main thread: what is under way is finished and recorded, then it is raised."""

    def interrupt(case: Case, _: Exchange) -> None:
        if case.id == "3":
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    with RawServer(lambda *_: OK) as server:
        pace = Pace(rate_per_s=50)
        sender = Sender(journal, pace, concurrency=2, on_exchange=interrupt)
        with pytest.raises(KeyboardInterrupt):
            sender.send([[_case(str(number), server.url)] for number in range(1000)])
    journal.flush()
    exchanges = read_journal(journal.path).exchanges
    assert 4 <= len(exchanges) == len(server.requests) < 1000
    assert all(exchange.response is not None for exchange in exchanges)


def test_an_error_in_a_worker_is_raised_where_sending_was_asked_for(journal: Journal) -> None:
    """It ends the other workers too; nothing is swallowed."""

    def fail(case: Case, _: Exchange) -> None:
        if case.id == "5":
            raise ZeroDivisionError(case.id)

    with RawServer(lambda *_: OK) as server, pytest.raises(ZeroDivisionError, match="5"):
        Sender(journal, Pace(), concurrency=2, on_exchange=fail).send(
            [[_case(str(number), server.url)] for number in range(500)]
        )
    assert 6 <= len(server.requests) < 500


def test_a_journal_that_cannot_be_written_ends_the_sending(journal: Journal) -> None:
    """Nothing goes out that cannot be recorded."""
    journal.plan([_case("a", "http://127.0.0.1:9/")] * 2)
    with pytest.raises(SuiteError, match="cannot take a row"):
        journal.flush()
    with RawServer(lambda *_: OK) as server, pytest.raises(SuiteError, match="cannot take a row"):
        Sender(journal, Pace()).send([[_case("b", server.url)]])
    assert [] == server.requests
    with pytest.raises(SuiteError):
        journal.close()


def test_sends_nothing_when_there_is_nothing(journal: Journal) -> None:
    """No groups, and groups without cases, are done at once."""
    Sender(journal, Pace()).send([])
    Sender(journal, Pace()).send([[], []])
    journal.flush()
    assert () == read_journal(journal.path).exchanges


def test_what_is_told_is_not_redacted_but_what_is_written_is(tmp_path: Path) -> None:
    """The run itself works with what was said, whatever the secret is; the journal never has it."""
    told: list[Exchange] = []
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\nechoed-canary"[:-1]
    headers: Mapping[str, str] = {"Authorization": "Basic a2V5OmVjaG9lZC1jYW5hcg=="}
    redaction = Redaction.of("echoed-canar", "key")
    with RawServer(lambda *_: answer) as server, Journal.create(tmp_path / "journal.sqlite", {}, redaction) as journal:
        case = _case("a", server.url, headers=tuple(headers.items()))
        Sender(journal, Pace(), on_exchange=lambda _, exchange: told.append(exchange)).send([[case]])
    assert b"Authorization: Basic a2V5OmVjaG9lZC1jYW5hcg==\r\n" in server.requests[0]
    assert [b"echoed-canar"] == [exchange.response and exchange.response.body for exchange in told]
    (written,) = read_journal(tmp_path / "journal.sqlite").exchanges
    assert (("Authorization", "Basic $STATUM_AUTHORIZATION"),) == written.request.headers
    assert b"[REDACTED]" == (written.response and written.response.body)
