"""Requests as HTTP lets people write them, put before all four servers; and what is refused, which is told.

FORMS holds what RFC 9110 and RFC 9112 allow a sender, or tell a recipient to put up with; REFUSED what a server has to
refuse, or may. SMS stands for the path of the server's own address for sms, HERE for its host and port.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest
from mock_rig import eventually
from sockets import PATIENCE_S, connection, post, status
from wire_servers import SERVERS, Served

from conformance.model.traffic import header, normalized

BODY = b'{"phone_number": "254712345678", "message": "Habari \xe2\x98\x80"}'
LENGTH = b"Content-Length: %d\r\n" % len(BODY)
CHUNKED = b"Transfer-Encoding: chunked\r\n"
CHUNKS = b"5\r\n%b\r\n%x\r\n%b\r\n0\r\n\r\n" % (BODY[:5], len(BODY) - 5, BODY[5:])
JDK_OFFER = (
    b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
    b"HTTP2-Settings: AAEAAEAAAAIAAAAAAAMAAAAAAAQBAAAAAAUAAEAABgAGAAA\r\n"
)


def posted(headers: bytes = LENGTH, body: bytes = BODY, target: bytes = b"SMS", version: bytes = b"1.1") -> bytes:
    """A POST with these headers beside Host."""
    return b"POST %b HTTP/%b\r\nHost: HERE\r\n%b\r\n%b" % (target, version, headers, body)


# What is sent, and the methods and bodies of the requests that it is.
FORMS: dict[str, tuple[bytes, list[tuple[str, bytes]]]] = {
    # Offers that nobody has to take up (RFC 9110 §7.8)
    "upgrade to h2c, as the JDK offers it": (posted(JDK_OFFER + LENGTH), [("POST", BODY)]),
    "upgrade to h2c, in chunks": (posted(JDK_OFFER + CHUNKED, CHUNKS), [("POST", BODY)]),
    "upgrade to h2c, and another request": (posted(JDK_OFFER + LENGTH) + posted(), [("POST", BODY)] * 2),
    "upgrade to h2c, no body": (b"GET SMS HTTP/1.1\r\nHost: HERE\r\n" + JDK_OFFER + b"\r\n", [("GET", b"")]),
    "upgrade to a websocket": (
        posted(b"Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n" + LENGTH),
        [("POST", BODY)],
    ),
    "upgrade to TLS": (posted(b"Connection: Upgrade\r\nUpgrade: TLS/1.3, h2c\r\n" + LENGTH), [("POST", BODY)]),
    "upgrade, not named in Connection": (posted(b"Upgrade: h2c\r\n" + LENGTH), [("POST", BODY)]),
    "several Connection headers": (
        posted(b"Connection: TE\r\nConnection: keep-alive, X-Trace\r\nX-Trace: 1\r\nTE: trailers\r\n" + LENGTH),
        [("POST", BODY)],
    ),
    # Framing (RFC 9112 §6, §7)
    "chunks": (posted(CHUNKED, CHUNKS), [("POST", BODY)]),
    "chunks with extensions": (
        posted(CHUNKED, b'%x;name=value;other="a;b"\r\n%b\r\n0;last\r\n\r\n' % (len(BODY), BODY)),
        [("POST", BODY)],
    ),
    "chunks with trailers": (
        posted(b"Trailer: Digest, X-T\r\n" + CHUNKED, CHUNKS[:-2] + b"Digest: sha-256=x\r\nX-T: t\r\n\r\n"),
        [("POST", BODY)],
    ),
    "chunk sizes with zeros in front and in capitals": (
        posted(b"Transfer-Encoding: Chunked\r\n", b"00%X\r\n%b\r\n000\r\n\r\n" % (len(BODY), BODY)),
        [("POST", BODY)],
    ),
    "chunks and a length": (posted(b"Content-Length: 3\r\n" + CHUNKED, CHUNKS), [("POST", BODY)]),
    "one byte a chunk": (
        posted(CHUNKED, b"".join(b"1\r\n%c\r\n" % byte for byte in BODY) + b"0\r\n\r\n"),
        [("POST", BODY)],
    ),
    "two equal lengths": (posted(LENGTH + LENGTH), [("POST", BODY)]),
    "a list of equal lengths": (posted(LENGTH[:-2] + b", %d\r\n" % len(BODY)), [("POST", BODY)]),
    "no body and no length": (b"POST SMS HTTP/1.1\r\nHost: HERE\r\n\r\n", [("POST", b"")]),
    "a body of a GET": (b"GET SMS HTTP/1.1\r\nHost: HERE\r\n" + LENGTH + b"\r\n" + BODY, [("GET", BODY)]),
    "expects 100-continue": (posted(b"Expect: 100-continue\r\n" + LENGTH), [("POST", BODY)]),
    "expects 100-Continue, in chunks": (posted(b"Expect: 100-Continue\r\n" + CHUNKED, CHUNKS), [("POST", BODY)]),
    # Versions and connections
    "HTTP/1.0": (posted(version=b"1.0"), [("POST", BODY)]),
    "HTTP/1.0 without Host": (b"POST SMS HTTP/1.0\r\n" + LENGTH + b"\r\n" + BODY, [("POST", BODY)]),
    "HTTP/1.0 that keeps alive": (posted(b"Connection: Keep-Alive\r\n" + LENGTH, version=b"1.0"), [("POST", BODY)]),
    "the connection is closed": (posted(b"Connection: close\r\n" + LENGTH), [("POST", BODY)]),
    "three requests at once": (posted() + posted(CHUNKED, CHUNKS) + posted(), [("POST", BODY)] * 3),
    # Targets (RFC 9112 §3.2, RFC 3986 §6.2.2)
    "the whole URL": (posted(target=b"http://HERESMS"), [("POST", BODY)]),
    "the whole URL, in capitals": (posted(target=b"HTTP://HERESMS"), [("POST", BODY)]),
    "an unreserved character escaped": (posted(target=b"ESCAPED"), [("POST", BODY)]),
    # Heads (RFC 9112 §2.2, §5)
    "empty lines before it": (b"\r\n\r\n" + posted(), [("POST", BODY)]),
    "empty lines between": (posted() + b"\r\n" + posted(), [("POST", BODY)] * 2),
    "header names in odd case": (
        b"POST SMS HTTP/1.1\r\nhOST: HERE\r\ncONTENT-lENGTH: %d\r\n\r\n" % len(BODY) + BODY,
        [("POST", BODY)],
    ),
    "white space around values": (
        b"POST SMS HTTP/1.1\r\nHost:\t HERE \t\r\nContent-Length:%d  \r\nX-Empty:\r\n\r\n" % len(BODY) + BODY,
        [("POST", BODY)],
    ),
    "a folded header": (posted(b"X-Folded: one\r\n two\r\n" + LENGTH), [("POST", BODY)]),
    "lines that end without CR": (posted().replace(b"\r\n", b"\n"), [("POST", BODY)]),
    "header values beyond ASCII": (posted(b"User-Agent: Caf\xe9 \xe2\x98\x80\r\n" + LENGTH), [("POST", BODY)]),
    "unusual header names": (posted(b"X_Y: 1\r\n!#$%&'*+.^`|~: 2\r\n" + LENGTH), [("POST", BODY)]),
    "a head of 40 KiB": (posted(b"Cookie: " + b"c" * 40_000 + b"\r\n" + LENGTH), [("POST", BODY)]),
    "a hundred headers": (posted(b"".join(b"X-%d: %d\r\n" % (n, n) for n in range(100)) + LENGTH), [("POST", BODY)]),
    # Methods
    "HEAD": (b"HEAD SMS HTTP/1.1\r\nHost: HERE\r\n\r\n", [("HEAD", b"")]),
    "OPTIONS": (b"OPTIONS SMS HTTP/1.1\r\nHost: HERE\r\n\r\n", [("OPTIONS", b"")]),
    "a method that nobody knows": (posted().replace(b"POST", b"NOTIFY-ME", 1), [("NOTIFY-ME", BODY)]),
    "a method in small letters": (posted().replace(b"POST", b"post", 1), [("post", BODY)]),
}

# What is sent, and the words for why it is no request.
REFUSED: dict[str, tuple[bytes, str]] = {
    "TLS": (
        b"\x16\x03\x01\x00\xf4\x01\x00\x00\xf0\x03\x03" + b"\x5a" * 200,
        "a TLS handshake on a plain HTTP port",
    ),
    "HTTP/2 at once": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "HTTP/2.0 instead of HTTP/1.1"),
    "two different lengths": (posted(b"Content-Length: 3\r\n" + LENGTH), "conflicting Content-Length"),
    "a length that is not a number": (posted(b"Content-Length: many\r\n"), "bad Content-Length"),
    "white space before a colon": (posted(b"X-Odd : 1\r\n" + LENGTH), "illegal header line"),
    "a header broken over two lines": (
        posted(b"Authorization: Basic " + b"a" * 76 + b"\n" + b"b" * 20 + b"\r\n" + LENGTH),
        "illegal header line",
    ),
    "no request line": (b"Habari\r\n\r\n", "illegal request line"),
    "HTTP/0.9": (b"GET SMS\r\n\r\n", "illegal request line"),
    "a space in the target": (posted(target=b"SMS?a=b c"), "illegal request line"),
    "no Host": (b"POST SMS HTTP/1.1\r\n" + LENGTH + b"\r\n" + BODY, "Missing mandatory Host: header"),
    "an unknown coding": (posted(b"Transfer-Encoding: gzip, chunked\r\n", CHUNKS), "Only Transfer-Encoding: chunked"),
    "a chunk without its size": (posted(CHUNKED, b"zz\r\n"), "illegal chunk header"),
    "a head of 100 KiB": (b"POST SMS HTTP/1.1\r\nX-Long: " + b"a" * 100_000, "Receive buffer too long"),
    "a thousand headers": (posted(b"X: 1\r\n" * 1000 + LENGTH), "more than 200 headers"),
}

# What is sent before the connection is closed, and the words for how far it came.
BROKEN_OFF: dict[str, tuple[bytes, str]] = {
    "in the request line": (b"POST SM", "the connection ended before its head was complete"),
    "in the head": (posted()[:40], "the connection ended before its head was complete"),
    "in the body": (posted(body=BODY[:-2]), f"the connection ended after {len(BODY) - 2} bytes of its body"),
    "in the chunks": (posted(CHUNKED, CHUNKS[:8]), "the connection ended after 5 bytes of its body"),
    "before the body": (posted(body=b""), "the connection ended after 0 bytes of its body"),
}


@pytest.fixture(params=SERVERS)
def served(request: pytest.FixtureRequest) -> Iterator[Served]:
    """Each of the servers."""
    with SERVERS[request.param]() as running:
        yield running


def written(form: bytes, served: Served) -> bytes:
    """The form for a server."""
    path = served.path.encode()
    escaped = path[:-1] + b"%%%02X" % path[-1]
    return form.replace(b"ESCAPED", escaped).replace(b"SMS", path).replace(b"HERE", str(served.address).encode())


def misread(served: Served, cut: Callable[[bytes], list[bytes]]) -> dict[str, object]:
    """The forms of which another request arrives than the one meant, or that are not answered; each sent as `cut`."""
    wrong: dict[str, object] = {}
    for name, (form, expected) in FORMS.items():
        before = len(served.taken())
        with connection(served.address) as client:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for piece in cut(written(form, served)):
                client.sendall(piece)
            answer = client.recv(7)
            eventually(lambda: len(served.taken()) >= before + len(expected), PATIENCE_S)  # noqa: B023 - called here
        found = [(each.method, normalized(each.url), each.body) for each in served.taken()[before:]]
        if not answer.startswith(b"HTTP/1.") or found != [(method, served.path, body) for method, body in expected]:
            wrong[name] = answer, found
    return wrong


def test_each_lawful_form_is_read(served: Served) -> None:
    """Method, target and body arrive as they were meant, and something is answered."""
    assert {} == misread(served, lambda form: [form])
    assert [] == served.unread()


def test_each_lawful_form_may_come_byte_by_byte(served: Served) -> None:
    """Wherever the network cuts it: at each of the places where a reader has to decide something."""
    assert {} == misread(served, lambda form: re.split(rb"(?<=[\r\n;:,])", form))


def test_each_refusal_is_reported(served: Served) -> None:
    """With the reason and its first bytes; nothing is taken, and what comes next is."""
    wrong = {}
    for name, (form, words) in REFUSED.items():
        sent, before = written(form, served), len(served.unread())
        with connection(served.address) as client, suppress(ConnectionError):
            client.sendall(sent)  # it may hang up before all of it is there
            assert client.recv(9) in (b"HTTP/1.1 ", b"")
        eventually(lambda: len(served.unread()) > before, PATIENCE_S)  # noqa: B023 - called here
        told = served.unread()[before:]
        right = [e.startswith(words) and "bytearray" not in e and sent[:200] == h[:200] for e, h in told]
        if right != [True]:
            wrong[name] = told
    assert {} == wrong
    assert [] == served.taken()
    with connection(served.address) as client:
        client.sendall(post(BODY, served.path))
        assert status(client) > 0
    assert [BODY] == [request.body for request in served.taken()]


def test_each_request_that_is_broken_off_is_reported(served: Served) -> None:
    """It is no request, and may be one that somebody misses."""
    for number, (form, words) in enumerate(BROKEN_OFF.values(), 1):
        with connection(served.address) as client:
            client.sendall(written(form, served))
        assert eventually(lambda: len(served.unread()) == number, PATIENCE_S), words  # noqa: B023 - called here
        error, head = served.unread()[-1]
        assert words == error
        assert written(form, served).startswith(head)
    assert [] == served.taken()


def test_a_refusal_does_not_take_the_place_of_an_answer(served: Served) -> None:
    """What stands before the nonsense is answered first."""
    with connection(served.address) as client:
        client.sendall(post(BODY, served.path) + b"\x00 nonsense\r\n\r\n")
        answered = b""
        while piece := client.recv(65536):
            answered += piece
    (first, *_) = re.findall(rb"HTTP/1\.1 (\d+)", answered)
    assert b"400" != first
    assert [BODY] == [request.body for request in served.taken()]
    assert ["illegal request line"] == [error for error, _ in served.unread()]


def test_a_client_that_waits_for_100_gets_it(served: Served) -> None:
    """Also where it offers an upgrade beside."""
    whole = written(posted(JDK_OFFER + b"Expect: 100-continue\r\n" + LENGTH), served)
    with connection(served.address) as client:
        client.sendall(whole[: -len(BODY)])
        assert b"HTTP/1.1 100 Continue\r\n\r\n" == client.recv(25, socket.MSG_WAITALL)
        client.sendall(BODY)
        assert status(client) > 100
    assert [BODY] == [request.body for request in served.taken()]


@pytest.mark.parametrize("count", [1, 3])
def test_a_client_that_has_said_all_gets_its_answers(served: Served, count: int) -> None:
    """It closes its half of the connection, as `nc -N` does, and reads until the end."""
    with connection(served.address) as client:
        client.sendall(post(BODY, served.path) * count)
        client.shutdown(socket.SHUT_WR)
        answered = b""
        while piece := client.recv(65536):
            answered += piece
    assert count == len(re.findall(rb"HTTP/1\.1 \d+", answered))
    assert [BODY] * count == [request.body for request in served.taken()]


def test_headers_arrive_as_they_were_sent(served: Served) -> None:
    """Folded ones in one line, the offer of an upgrade among them, and no trailer."""
    headers = JDK_OFFER + b"X-Folded: one\r\n\ttwo\r\nTrailer: X-T\r\n" + CHUNKED
    with connection(served.address) as client:
        client.sendall(written(posted(headers, CHUNKS[:-2] + b"X-T: t\r\n\r\n"), served))
        assert status(client) > 0
    (request,) = served.taken()
    assert ["h2c", "one two", None] == [header(request.headers, name) for name in ("Upgrade", "X-Folded", "X-T")]
