"""The receiver on the open internet: junk, floods, slow senders and strangers change nothing for a gateway."""

from __future__ import annotations

import hmac
import json
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sockets import PATIENCE_S, connection, post, status

from conformance.contract.contract import statum
from conformance.model.traffic import Request
from conformance.wire import ledger as strays_module
from conformance.wire.asgi import AsgiReceiver
from conformance.wire.ledger import KEPT_BODY, MOST_BYTES_WITHOUT_ID, MOST_WITHOUT_ID, Arrival, Strays
from conformance.wire.listening import MOST_HEADERS, Address
from conformance.wire.protocol import Limits
from conformance.wire.receiver import CallbackPaths

PRODUCTS = statum().products

ANY = Address("127.0.0.1", 0)
TOKEN = "a-long-Token_42"  # noqa: S105 - of this test
NOTIFICATION = b'{"result_code": "200", "result_desc": "Success", "request_id": "R-1"}'
# So short that what is to be cut off is cut off while a test waits.
SHORT = Limits(request_within_s=0.2, connections=8)


class HandedOver:
    """What a receiver has handed over."""

    def __init__(self) -> None:
        self.arrivals: list[tuple[str | None, Request]] = []

    def __call__(self, product: str | None, request: Request, *_: float) -> None:
        """What a receiver calls."""
        self.arrivals.append((product, request))


@contextmanager
def receiving(limits: Limits | None = None, token: str | None = None) -> Iterator[tuple[AsgiReceiver, HandedOver]]:
    """A running receiver, and what it hands over."""
    taken = HandedOver()
    with AsgiReceiver(ANY, PRODUCTS, taken, token=token, limits=limits) as receiver:
        yield receiver, taken


def closed(client: socket.socket) -> bytes:
    """All that comes until the server closes; it has to."""
    received = bytearray()
    with suppress(ConnectionResetError):
        while piece := client.recv(65536):
            received += piece
    return bytes(received)


def still_takes_notifications(receiver: AsgiReceiver) -> bool:
    """Whether one is answered as ever."""
    with connection(receiver.address) as client:
        client.sendall(post(NOTIFICATION))
        return status(client) == 200


# --- Limits


@pytest.mark.parametrize(
    "begun",
    [b"", b"POST /call", b"POST /callbacks/sms HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhalf"],
    ids=["nothing", "half a head", "half a body"],
)
def test_an_unfinished_request_is_closed(begun: bytes) -> None:
    """However far it went; nothing is handed over."""
    with receiving(SHORT) as (receiver, taken), connection(receiver.address) as client:
        client.sendall(begun)
        assert b"" == closed(client)
        assert still_takes_notifications(receiver)
        assert 1 == len(taken.arrivals)


def test_dripping_bytes_does_not_gain_time() -> None:
    """A request has a time to be done in, not a pause that it may make."""
    with receiving(SHORT) as (receiver, taken), connection(receiver.address) as client:
        with suppress(OSError):
            for _ in range(1000):
                client.sendall(b"X" if taken.arrivals else b"P")
                client.settimeout(0.05)
                with suppress(TimeoutError):
                    if not client.recv(1):
                        break
        assert still_takes_notifications(receiver)
        assert 1 == len(taken.arrivals)


def test_a_connection_that_waits_between_requests_is_left_alone() -> None:
    """Gateways keep connections for their next notification."""
    with receiving(SHORT) as (receiver, taken), connection(receiver.address) as client:
        client.sendall(post(NOTIFICATION))
        assert 200 == status(client)
        waited = threading.Event()
        assert not waited.wait(3 * SHORT.request_within_s)
        client.sendall(post(NOTIFICATION))
        assert 200 == status(client)
        assert 2 == len(taken.arrivals)


def test_too_many_headers_are_refused() -> None:
    """With a status of its own; what was sent is not repeated in the answer."""
    with receiving(SHORT) as (receiver, taken), connection(receiver.address) as client:
        client.sendall(
            post(NOTIFICATION, "/callbacks/sms", *[f"X-{number}: canary42" for number in range(MOST_HEADERS + 10)])
        )
        answered = closed(client)
        assert answered.startswith(b"HTTP/1.1 431 ")
        assert b"canary42" not in answered
        assert [] == taken.arrivals


def test_idle_connections_make_room_for_new_ones() -> None:
    """The oldest go; one with a notification in progress does not, nor one that has carried a notification."""
    with receiving(Limits(connections=8)) as (receiver, taken), ExitStack() as until:
        used = until.enter_context(connection(receiver.address))
        used.sendall(post(NOTIFICATION))
        assert 200 == status(used)
        busy = until.enter_context(connection(receiver.address))
        busy.sendall(post(NOTIFICATION)[:-5])
        idle = [until.enter_context(connection(receiver.address)) for _ in range(40)]
        assert still_takes_notifications(receiver)
        busy.sendall(NOTIFICATION[-5:])
        used.sendall(post(NOTIFICATION))
        assert [200, 200] == [status(client) for client in (busy, used)]
        assert b"" == closed(idle[0])
        assert 4 == len(taken.arrivals)


# --- The token


STATUSES = {
    f"/callbacks/sms?token={TOKEN}": 200,
    f"/callbacks/sms?other=1&token={TOKEN}": 200,
    f"/callbacks/sms?token={TOKEN[:-1]}": 404,
    f"/callbacks/sms?token={TOKEN}x": 404,
    "/callbacks/sms?token=": 404,
    "/callbacks/sms?token=%ff%00": 404,
    "/callbacks/sms": 404,
    f"/callbacks/nothing?token={TOKEN}": 404,
}


def test_a_request_without_the_token_is_a_stray() -> None:
    """It is answered as at any unknown address."""
    with receiving(token=TOKEN) as (receiver, taken), connection(receiver.address) as client:
        found = {}
        for target in STATUSES:
            client.sendall(post(NOTIFICATION, target))
            found[target] = status(client)
    assert found == STATUSES
    assert [("sms" if status == 200 else None, target) for target, status in STATUSES.items()] == [
        (product, request.url) for product, request in taken.arrivals
    ]


def test_a_token_is_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is compared whole, by the function that is made for it."""
    compared: list[tuple[bytes, bytes]] = []

    def compare(one: bytes, other: bytes) -> bool:
        compared.append((one, other))
        return one == other

    monkeypatch.setattr(hmac, "compare_digest", compare)
    paths = CallbackPaths("", "", PRODUCTS, TOKEN)
    tokens = (TOKEN, TOKEN[:-1], "", "x")
    assert ["sms", None, None, None] == [paths.product_of(f"/callbacks/sms?token={token}") for token in tokens]
    assert [(token.encode(), TOKEN.encode()) for token in tokens] == compared


def test_the_token_is_in_the_urls_to_register() -> None:
    """Behind a query that is there already."""
    paths = CallbackPaths.of_url("https://example.org/hooks?a=b", ("sms",), TOKEN)
    assert f"/hooks/callbacks/sms?a=b&token={TOKEN}" == paths.target("sms")
    assert "sms" == paths.product_of(paths.target("sms"))


# --- Strays


def taken(request: Request, product: str | None = None) -> Arrival:
    """A request as the receiver hands it over."""
    return Arrival(product, request, 0.0, 0.0)


@pytest.mark.parametrize("product", [None, "sms"])
def test_few_requests_without_an_id_are_kept(product: str | None) -> None:
    """And counted beyond it, to whatever address it came."""
    strays = Strays()
    junk = [strays.kept(taken(Request("POST", "/x", (), b"{"), product), None) for _ in range(MOST_WITHOUT_ID + 5)]
    assert (MOST_WITHOUT_ID, 5) == (sum(kept is not None for kept in junk), strays.left_out)
    assert {"left_out": 5, "with_id": 0, "without_id": {product: 5} if product else {}} == strays.described()


def test_the_bytes_of_strays_are_bounded_too() -> None:
    """Wherever they are: in the body, a header or the target."""
    for large in (
        Request("POST", "/x", (), b"x" * (1 << 20)),
        Request("GET", "/x", (("X-Large", "x" * 60_000),)),
        Request("GET", "/" + "x" * 60_000),
    ):
        strays = Strays()
        kept = [strays.kept(taken(large, "sms"), None) for _ in range(MOST_WITHOUT_ID)]
        size = sum(
            len(each.body) + len(each.url) + sum(map(len, each.headers[0])) for each in kept if each and each.headers
        )
        assert size <= MOST_BYTES_WITHOUT_ID
        assert strays.left_out > 0


def test_a_request_with_an_id_of_the_run_is_always_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """After any number of others; one that came before its answer is handed back when that gives its id."""
    monkeypatch.setattr(strays_module, "MOST_WITH_ID", 3)
    strays = Strays()
    others = [strays.kept(taken(Request("POST", "/x"), "sms"), f"R-{number}") for number in range(5)]
    early = taken(Request("POST", "/callbacks/sms", (), NOTIFICATION), "sms")
    assert strays.kept(early, "R-early") is None
    assert [3, 3] == [sum(kept is not None for kept in others), strays.described()["with_id"]]

    assert [early] == list(strays.given("R-early"))
    assert early.request == strays.kept(early, "R-early")
    assert 2 == strays.described()["with_id"]


def test_of_a_large_stray_only_the_beginning_is_kept() -> None:
    """Enough to see what it is; of what came to a callback all, for it is judged."""
    large = Request("POST", "/x", (), b"x" * (KEPT_BODY + 1))
    kept = [Strays().kept(taken(large, product), None) for product in (None, "sms")]
    assert [KEPT_BODY, KEPT_BODY + 1] == [len(each.body) for each in kept if each is not None]


# --- Fuzz and flood

PIECES = st.one_of(
    st.binary(max_size=200),
    st.sampled_from(
        [
            post(NOTIFICATION),
            b"POST /callbacks/sms HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n",
            b"5\r\nhello\r\n",
            b"ffffffffffffffff\r\n",
            b"0\r\n\r\n",
            b"GET / HTTP/9.9\r\n\r\n",
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            b"Content-Length: -1\r\n",
            b"Content-Length: 99999999999999999999\r\n\r\n",
            b"Connection: upgrade\r\nUpgrade: websocket\r\n\r\n",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
            b"\r\n\r\n",
        ]
    ),
)


@pytest.fixture(scope="module")
def fuzzed() -> Iterator[AsgiReceiver]:
    """A receiver that all of it goes to."""
    with receiving() as (receiver, _):
        yield receiver


@given(pieces=st.lists(PIECES, max_size=6))
@settings(max_examples=150)
def test_no_bytes_stop_it(fuzzed: AsgiReceiver, pieces: list[bytes]) -> None:
    """Whatever is sent, in whatever pieces: what is answered is HTTP, and the next notification is taken."""
    with connection(fuzzed.address) as client:
        with suppress(OSError):  # it may hang up at any point
            for piece in pieces:
                client.sendall(piece)
            client.shutdown(socket.SHUT_WR)
        answered = closed(client)
    assert answered == b"" or answered.startswith(b"HTTP/1.1 ")
    assert still_takes_notifications(fuzzed)
    assert () == fuzzed.errors


def test_a_flood_of_junk_does_not_hold_up_notifications() -> None:
    """Two thousand requests of every bad kind side by side with two hundred notifications: none of those is lost."""
    junk = [
        post(b"x" * 2000, "/wp-login.php"),
        post(b"{", "/callbacks/sms"),
        b"GET /callbacks/sms HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\x00\x01\x02 nonsense\r\n\r\n",
    ]

    with receiving() as (receiver, taken):

        def flood(number: int) -> None:
            with suppress(OSError), connection(receiver.address) as client:
                client.sendall(junk[number % len(junk)])
                client.recv(1)

        def notify(number: int) -> int:
            body = json.dumps({"result_code": "200", "result_desc": "Success", "request_id": f"R-{number}"})
            url = f"{receiver.address.url}/callbacks/airtime"
            return httpx.post(url, content=body, timeout=PATIENCE_S, verify=False).status_code  # noqa: S501 - plain HTTP

        with ThreadPoolExecutor(16) as flooding, ThreadPoolExecutor(4) as notifying:
            flooded = [flooding.submit(flood, number) for number in range(2000)]
            statuses = list(notifying.map(notify, range(200)))
            for one in flooded:
                one.result()

        assert [200] * 200 == statuses
        arrived = [
            json.loads(request.body)["request_id"] for product, request in taken.arrivals if product == "airtime"
        ]
        assert sorted(f"R-{number}" for number in range(200)) == sorted(arrived)
        assert () == receiver.errors
