"""The curl line: run by a real shell and a real curl, it sends what was sent."""

from __future__ import annotations

import os
import random
import re
import shutil
import socket
import subprocess
import threading
from base64 import b64decode
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from functools import cache
from pathlib import Path
from queue import Queue

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from conformance.contract.contract import Authentication, statum
from conformance.contract.tables import Probes
from conformance.gateway.plan import Plan
from conformance.gateway.settings import Settings
from conformance.journal import Journal, Redaction
from conformance.model.traffic import Case, Kind, Request, header
from conformance.reports.reproduce import curl

KEY, SECRET = "Ufunguo42", "Siri'$(x)`\"9z"
BASE = "http://127.0.0.1:PORT/api/v2"

# For a machine on which much else runs; the commands take milliseconds.
PATIENCE_S = 30.0

needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl")

# A curl that prints the body that it was told to send.
PRINTING_CURL = """
curl() {
    while [ $# -gt 0 ]; do
        if [ "$1" = --data-binary ]; then
            if [ "$2" = @- ]; then cat; else printf %s "$2"; fi
        fi
        shift
    done
}
"""

Received = tuple[str, list[tuple[str, str]], bytes]
Sent = Callable[[Request, Case | None], Received]


def shell(line: str) -> bytes:
    """What a POSIX shell prints that runs `line`, with key and secret in its environment."""
    environment = {**os.environ, "STATUM_CONSUMER_KEY": KEY, "STATUM_CONSUMER_SECRET": SECRET, "no_proxy": "*"}
    # As its input: a line may be longer than an argument can be.
    done = subprocess.run(
        ["/bin/sh"], input=line.encode(), env=environment, capture_output=True, timeout=PATIENCE_S, check=False, cwd="/"
    )
    assert (0, b"") == (done.returncode, done.stderr), line
    return done.stdout


def read_request(client: socket.socket) -> bytes:
    """The bytes of one request, with as much body as its Content-Length says."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += client.recv(65536)
    head, _, body = data.partition(b"\r\n\r\n")
    lengths = [line.partition(b":")[2] for line in head.splitlines() if line.lower().startswith(b"content-length:")]
    while len(body) < int(lengths[0] if lengths else 0):
        body += client.recv(65536)
    return head + b"\r\n\r\n" + body


@pytest.fixture(scope="module")
def recorded() -> Iterator[Sent]:
    """Runs the curl line of a request, with the port put in; gives request line, headers and body as they arrived."""
    arrived: Queue[bytes] = Queue()
    with closing(socket.create_server(("127.0.0.1", 0))) as server:

        def serve() -> None:
            while True:
                try:
                    client, _ = server.accept()
                except OSError:
                    return
                with client:
                    arrived.put(read_request(client))
                    client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()

        def send(request: Request, case: Case | None) -> Received:
            url = request.url.replace("PORT", str(server.getsockname()[1]))
            shell(curl(replace(request, url=url), statum(), case))
            head, _, body = arrived.get(timeout=PATIENCE_S).partition(b"\r\n\r\n")
            first, *lines = head.decode("latin-1").split("\r\n")
            pairs = [line.partition(":") for line in lines]
            return first, [(name, value.strip()) for name, _, value in pairs], body

        yield send
        server.shutdown(socket.SHUT_RDWR)
    thread.join(PATIENCE_S)


def own(headers: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """The headers that are the case's affair: the others curl has to write, as any client."""
    return [pair for pair in headers if pair[0].lower() not in {"host", "content-length", "authorization"}]


def redacted(request: Request) -> Request:
    """The request as the journal keeps it."""
    redaction = Redaction.of(SECRET, KEY)
    return replace(request, headers=redaction.headers(request.headers), body=redaction.data(request.body))


@cache
def planned() -> dict[str, Case]:
    """Each kind of case that a run has, once for each aspect, and all wrong credentials."""
    settings = Settings(KEY, SECRET, products=("sms",), max_examples=2, seed=11)
    cases: dict[str, Case] = {}
    for case in Plan.of(settings, BASE).cases:
        name = case.id if case.kind is Kind.CREDENTIAL else f"{case.command}/{case.kind}/{case.aspect}"
        cases.setdefault(name, case)
    return cases


@needs_curl
@pytest.mark.parametrize("name", planned())
def test_the_line_sends_what_the_case_sent(recorded: Sent, name: str) -> None:
    """Method, target, the credential, the case's headers in their order, and every byte of the body.

    The right credential comes from the variables. A wrong one is the very one that the probe sent, but for the
    character that stands for a wrong one.
    """
    case = planned()[name]

    first, headers, body = recorded(redacted(case.request), case)

    target = "/" + case.request.url.split("/", 3)[3]
    assert f"{case.request.method} {target} HTTP/1.1" == first
    assert own(list(case.request.headers)) == own(headers)
    assert case.request.body == body
    sent = comparable(case, header(case.request.headers, "Authorization"))
    assert sent == comparable(case, header(tuple(headers), "Authorization"))


def comparable(case: Case, value: str | None) -> str | None:
    """The header; of a near miss the credential, with a tilde in place of the wrong character."""
    if value is None or case.kind is not Kind.CREDENTIAL or case.aspect not in {"wrong-key", "wrong-secret"}:
        return value
    key, _, secret = b64decode(value.removeprefix("Basic ")).decode().partition(":")
    return f"{tilded(key, KEY)}:{tilded(secret, SECRET)}"


def tilded(sent: str, right: str) -> str:
    """What was sent, its last character a tilde if that is what was wrong about it."""
    return sent[:-1] + "~" if len(sent) == len(right) and sent != right else sent


def test_every_kind_of_wrong_credential_has_a_spelling() -> None:
    """No credential probe is reproduced with no credential by oversight."""
    cases = [case for case in planned().values() if case.kind is Kind.CREDENTIAL and case.aspect != "absent"]

    assert [] == [case.id for case in cases if not re.search("-u|-H .?Authorization: ", line_of(case))]


def line_of(case: Case) -> str:
    """The curl line of a case."""
    return curl(redacted(case.request), statum(), case)


WRONG_SECRET = {
    "kind": "credential",
    "aspect": "wrong-secret",
    "outcome": "refused",
    "made": [{"by": "credential", "secret": "last-changed"}, {"by": "header", "value": "Basic {token}"}],
}


def test_a_bearer_token_is_spelled_of_the_secret_alone() -> None:
    """And so is a wrong one, whatever the header is called."""
    contract = replace(
        statum(),
        authentication=Authentication("X-Token", "Bearer", "secret"),
        probes=Probes.from_table({"probe": [WRONG_SECRET]}),
    )
    request = Request("GET", "http://gateway.example/x", (("X-Token", "…"),))
    cases = [
        Case(f"x/credential/wrong-secret/{number}", "x", Kind.CREDENTIAL, "wrong-secret", "x", request)
        for number in (1, 2)
    ]

    assert '-H "X-Token: Bearer $STATUM_CONSUMER_SECRET"' in curl(request, contract)
    assert '-H "X-Token: Bearer ${STATUM_CONSUMER_SECRET%?}~"' in curl(request, contract, cases[0])
    assert '-H "X-Token: Basic $STATUM_CONSUMER_SECRET"' in curl(request, contract, cases[1])


@needs_curl
@pytest.mark.parametrize(
    "request_",
    [
        Request("POST", f"{BASE}/sms", (), b""),
        Request("POST", f"{BASE}/sms?a=[1]&b={{2,3}}&c='", (("X-Empty", ""), ("X-Odd", "'\"$HOME`"))),
        Request("PUT", f"{BASE}/../v2/./sms", (), b"@/etc/hostname"),
        Request("DELETE", f"{BASE}/sms"),
        Request("POST", f"{BASE}/sms", (("Content-Type", "application/json"),), b"x" * 300_000),
        Request(
            "POST", f"{BASE}/sms", (("Content-Type", "application/json"),), b'{"a": "%s"}' % (b"\xc3\xa9'" * 99_999)
        ),
        Request("POST", f"{BASE}/sms", (), bytes(range(256)) * 2),
        Request("GET", f"{BASE}/account-details", (("Accept", "*/*"), ("User-Agent", "me")), b"{}"),
    ],
    ids=["empty body", "odd URL and headers", "path", "no body", "large body", "repeating", "other", "GET with a body"],
)
def test_the_line_sends_odd_requests_as_they_were(recorded: Sent, request_: Request) -> None:
    """Nothing that a shell or curl would interpret is interpreted."""
    first, headers, body = recorded(request_, None)

    assert f"{request_.method} /{request_.url.split('/', 3)[3]} HTTP/1.1" == first
    assert list(request_.headers) == own(headers)
    assert request_.body == body


@given(st.binary(max_size=200) | st.text(max_size=60).map(lambda text: text.encode("utf-8", "surrogatepass")))
@example(b"-n")
@example(b"@file")
@example(b"%s\\n'\0\x80")
@example("Habari 🇰🇪 – \u202e".encode())
def test_every_byte_of_a_body_survives_the_shell(body: bytes) -> None:
    """Whatever the body, the shell hands curl exactly its bytes."""
    line = curl(Request("POST", "http://127.0.0.1:9/", (), body), statum())

    assert body == shell(PRINTING_CURL + line)


@given(st.binary(max_size=200), st.text(max_size=20))
def test_the_line_is_one_line_of_visible_text(body: bytes, text: str) -> None:
    """It can be copied out of any report, whatever was sent."""
    line = curl(Request("POST", f"http://127.0.0.1:9/{text}", (), body), statum())

    assert line.isprintable()


@pytest.mark.parametrize(
    "body",
    [
        b'{"message": "%s"}' % (b"a" * (1 << 20)),
        b"[" * 50_000 + b"]" * 50_000,
        b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
        random.Random(8).randbytes(1 << 20),
        b"".join(b"%d-" % n for n in range(200_000)),
    ],
    ids=["one character", "nested arrays", "nested objects", "anything", "numbers"],
)
def test_a_long_body_is_not_in_the_line(body: bytes) -> None:
    """A report that shows a hundred such findings can still be read."""
    assert len(curl(Request("POST", f"{BASE}/sms", (), body), statum(), None, 17)) < 1_000


def test_a_long_body_comes_from_the_journal_where_it_does_not_repeat_itself(tmp_path: Path) -> None:
    """Byte for byte; also where the journal is elsewhere."""
    body = random.Random(8).randbytes(5_000)
    journal = Journal.create(tmp_path / "journal.sqlite", {}, Redaction.of("none", "none"))
    with journal:
        case = Case("c", "sms", Kind.MALFORMED, "no-json", "c", Request("POST", f"{BASE}/sms", (), body))
        journal.plan([case])
        number = journal.sent(case.id, 1, case.request, 0.0, 0.0)

    line = curl(case.request, statum(), case, number)

    assert body == shell(f"export STATUM_JOURNAL={tmp_path}/journal.sqlite; {PRINTING_CURL}\n{line}")


@given(st.lists(st.tuples(st.binary(min_size=1, max_size=9), st.integers(1, 40)), min_size=1, max_size=30))
def test_a_body_that_repeats_itself_is_made_to_the_byte(parts: list[tuple[bytes, int]]) -> None:
    """Whatever repeats itself in it, and whatever stands between."""
    body = b"".join(unit * times for unit, times in parts)

    assert body == shell(PRINTING_CURL + curl(Request("POST", "http://127.0.0.1:9/", (), body), statum()))


def test_the_secret_is_a_variable() -> None:
    """The line names the variables, as the issue tracker of a gateway may show it."""
    case = next(case for case in planned().values() if case.kind is Kind.VALID)

    assert '-u "$STATUM_CONSUMER_KEY:$STATUM_CONSUMER_SECRET"' in curl(redacted(case.request), statum(), case)


def test_https_is_spoken_as_the_suite_does() -> None:
    """Over TLS curl would choose HTTP/2."""
    assert "--http1.1" in curl(Request("GET", "https://gateway.example/api/v2/account-details"), statum())
