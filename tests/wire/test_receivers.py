"""The callback receivers: one contract, kept by both engines.

Clients are raw sockets where the bytes matter, and httpx where they do not.
"""

from __future__ import annotations

import gzip
import multiprocessing
import socket
import struct
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import httpx
import pytest
from sockets import PATIENCE_S, connection, post, status

from conformance.contract.contract import statum
from conformance.model.errors import EnvironmentFailure
from conformance.model.traffic import Request
from conformance.wire.asgi import AsgiReceiver
from conformance.wire.callback_server import HttpServerReceiver
from conformance.wire.ledger import Arrival
from conformance.wire.listening import Address
from conformance.wire.receiver import MAX_BODY, Receiver

PRODUCTS = statum().products
ANY = Address("127.0.0.1", 0)

Engine = type[AsgiReceiver] | type[HttpServerReceiver]


@pytest.fixture(params=[AsgiReceiver, HttpServerReceiver], ids=["asgi", "httpserver"])
def engine(request: pytest.FixtureRequest) -> Engine:
    """Each engine of the receiver."""
    return request.param  # type: ignore[no-any-return]


class Collected:
    """Keeps what arrives, and waits until there is enough of it."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self.arrivals: list[Arrival] = []

    def __call__(self, product: str | None, request: Request, at: float, wall: float) -> None:
        """What a receiver calls `on_arrival`."""
        with self._changed:
            self.arrivals.append(Arrival(product, request, at, wall))
            self._changed.notify_all()

    @property
    def bodies(self) -> list[bytes]:
        """The bodies so far."""
        return [arrival.request.body for arrival in self.arrivals]

    @property
    def targets(self) -> list[tuple[str | None, str]]:
        """The products so far, with their targets."""
        return [(arrival.product, arrival.request.url) for arrival in self.arrivals]

    def wait_for(self, count: int) -> None:
        """Return once there are `count` of them."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.arrivals) >= count, PATIENCE_S), f"{len(self.arrivals)} came"


class Holding:
    """Holds a request up, and with it its answer, until it may go on."""

    def __init__(self) -> None:
        self.seen, self.go_on = threading.Event(), threading.Event()

    def __call__(self, *_: object) -> None:
        """What a receiver calls `on_arrival`."""
        self.seen.set()
        assert self.go_on.wait(PATIENCE_S)


@pytest.fixture
def collected() -> Collected:
    """What the receiver of a test has handed over."""
    return Collected()


@pytest.fixture
def receiver(engine: Engine, collected: Collected) -> Iterator[Receiver]:
    """A running receiver on a free port."""
    with engine(ANY, PRODUCTS, collected) as running:
        yield running


# --- What is handed over


def test_each_product_has_its_own_path(receiver: Receiver, collected: Collected) -> None:
    """The path says for which product a notification is."""
    assert {product: f"{receiver.address.url}/callbacks/{product}" for product in PRODUCTS} == receiver.urls
    assert {200} == {httpx.post(url, json={}).status_code for url in receiver.urls.values()}
    assert [*PRODUCTS] == [arrival.product for arrival in collected.arrivals]


def test_prefix_and_query_are_kept(engine: Engine, collected: Collected) -> None:
    """An integrator's secret may stand in the path and in the query."""
    with engine(ANY, PRODUCTS, collected, prefix="/hooks/s3", query="token=t&x=") as receiver:
        assert f"{receiver.address.url}/hooks/s3/callbacks/sms?token=t&x=" == receiver.urls["sms"]
        assert 200 == httpx.post(receiver.urls["sms"]).status_code
        assert 404 == httpx.post(f"{receiver.address.url}/callbacks/sms?token=t&x=").status_code
    assert [("sms", "/hooks/s3/callbacks/sms?token=t&x="), (None, "/callbacks/sms?token=t&x=")] == collected.targets


def test_a_stray_is_handed_over_without_a_product(receiver: Receiver, collected: Collected) -> None:
    """A request to no product's path, or to no path at all, is recorded with its raw target and answered with 404."""
    strays = ["/", "/callbacks/", "/callbacks/fax", "/callbacks/sms/x", "/CALLBACKS/sms", "//callbacks/sms", "/%ff?a=b"]
    with connection(receiver.address) as client:
        for request in (*(post(b"{}", target) for target in strays), b"OPTIONS * HTTP/1.1\r\nHost: here\r\n\r\n"):
            client.sendall(request)
            assert 404 == status(client)
    assert [(None, target) for target in [*strays, "*"]] == collected.targets


def test_another_spelling_still_names_the_product(receiver: Receiver, collected: Collected) -> None:
    """The target is handed over as it was sent, for a rule to compare with the registered one."""
    path = "/callbacks/sms"
    spellings = [f"{path}/", f"{path}?x=1", f"{path}?", "/callbacks/s%6Ds", f"http://elsewhere:1{path}?a=b"]
    with connection(receiver.address) as client:
        for target in spellings:
            client.sendall(post(b"{}", target))
            assert 200 == status(client)
    assert [("sms", target) for target in spellings] == collected.targets


def test_the_body_is_handed_over_byte_for_byte(receiver: Receiver, collected: Collected) -> None:
    """Nothing is decoded, whatever Content-Encoding says."""
    bodies = [b"", bytes(range(256)) * 300, gzip.compress(b'{"result_code": "200"}')]
    for body in bodies:
        httpx.post(receiver.urls["sms"], content=body, headers={"Content-Encoding": "gzip"})
    assert bodies == collected.bodies


def test_headers_are_handed_over_in_order_and_case(receiver: Receiver, collected: Collected) -> None:
    """Repeated ones too, and bytes beyond ASCII as Latin-1."""
    sent = (("HOST", "here"), ("X-One", "a"), ("x-two", "é"), ("X_3", "c"), ("X-One", "d"), ("Content-Length", "0"))
    lines = "".join(f"{name}: {value}\r\n" for name, value in sent)
    with connection(receiver.address) as client:
        client.sendall(f"POST /callbacks/sms HTTP/1.1\r\n{lines}\r\n".encode("latin-1"))
        assert 200 == status(client)
    assert [sent] == [a.request.headers for a in collected.arrivals]


def test_a_body_beyond_the_limit_is_cut(receiver: Receiver, collected: Collected) -> None:
    """413, recorded up to the limit, and the connection goes on behind it."""
    with connection(receiver.address) as client:
        client.sendall(post(b"x" * (3 * MAX_BODY)))
        assert 413 == status(client)
        client.sendall(post(b"y" * MAX_BODY))
        assert 200 == status(client)
    assert [b"x" * MAX_BODY, b"y" * MAX_BODY] == collected.bodies


def test_times_are_those_of_the_arrival(receiver: Receiver, collected: Collected) -> None:
    """Monotonic and wall time lie between sending and the answer."""
    before, before_wall = time.monotonic(), time.time()
    httpx.post(receiver.urls["sms"])
    (arrival,) = collected.arrivals
    assert before <= arrival.at <= time.monotonic()
    assert before_wall <= arrival.wall <= time.time()


def test_it_is_handed_over_before_it_is_answered(engine: Engine) -> None:
    """So early notifications can be told from late ones."""
    hold = Holding()
    with engine(ANY, PRODUCTS, hold) as receiver, connection(receiver.address) as client:
        client.sendall(post(b"{}"))
        assert hold.seen.wait(PATIENCE_S)
        client.settimeout(0)
        with pytest.raises(BlockingIOError):
            client.recv(1)
        hold.go_on.set()
        client.settimeout(PATIENCE_S)
        assert 200 == status(client)


def test_a_failure_to_record_is_reported(engine: Engine) -> None:
    """It is answered with 500, the receiver goes on, and closing raises the error."""
    taken: list[Request] = []

    def fail_once(_product: str | None, request: Request, _at: float, _wall: float) -> None:
        taken.append(request)
        if len(taken) == 1:
            raise OSError("disk full")

    receiver = engine(ANY, PRODUCTS, fail_once)
    receiver.start()
    assert [500, 200] == [httpx.post(receiver.urls["sms"]).status_code for _ in range(2)]
    assert ["OSError('disk full')"] == [repr(e) for e in receiver.errors]
    with pytest.raises(EnvironmentFailure, match=r"^1 request .* the first error was OSError: disk full$"):
        receiver.close()


def test_an_error_of_the_receiver_does_not_hide_another(engine: Engine) -> None:
    """The receiver's error is a note on it."""

    def fail(*_: object) -> None:
        raise OSError("disk full")

    def use_it() -> None:
        with engine(ANY, PRODUCTS, fail) as receiver:
            httpx.post(receiver.urls["sms"])
            raise KeyError("mine")

    with pytest.raises(KeyError) as caught:
        use_it()
    assert "disk full" in "".join(caught.value.__notes__)


# --- Load


def test_parallel_posts_are_all_handed_over(receiver: Receiver, collected: Collected) -> None:
    """200 notifications from 16 senders: each once."""
    with httpx.Client() as client, ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda n: client.post(receiver.urls["sms"], content=b"%d" % n).status_code, range(200)))
    assert [200] * 200 == answers
    assert sorted(b"%d" % n for n in range(200)) == sorted(collected.bodies)


def test_a_burst_of_connections_is_taken_whole(receiver: Receiver, collected: Collected) -> None:
    """500 connections are open before the first of them sends: none is refused, none lost."""
    with ExitStack() as stack:
        clients = [stack.enter_context(connection(receiver.address)) for _ in range(500)]
        for number, client in enumerate(clients):
            client.sendall(post(b"%d" % number))
        assert {200} == {status(client) for client in clients}
    assert sorted(b"%d" % n for n in range(500)) == sorted(collected.bodies)


def test_a_client_that_resets_its_connection_is_served(receiver: Receiver, collected: Collected) -> None:
    """Some gateways reset the connection once they have sent; the notification counts."""
    for number in range(50):
        with connection(receiver.address) as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.sendall(post(b"%d" % number))
            collected.wait_for(number + 1)
    assert () == receiver.errors


@pytest.mark.parametrize(("version", "asked"), [("1.0", "X-None: 1"), ("1.1", "Connection: close")])
def test_a_connection_is_closed_when_the_client_wants_it(receiver: Receiver, version: str, asked: str) -> None:
    """HTTP/1.0 or `Connection: close`: the end of the connection follows the answer."""
    with connection(receiver.address) as client:
        client.sendall(post(b"{}", "/callbacks/sms", asked).replace(b"HTTP/1.1", f"HTTP/{version}".encode(), 1))
        assert 200 == status(client)
        assert b"" == client.recv(1)


def test_idle_connections_delay_no_request(receiver: Receiver) -> None:
    """Neither silent ones nor one that stops in the middle of a request."""
    with ExitStack() as stack:
        clients = [stack.enter_context(connection(receiver.address)) for _ in range(20)]
        clients[0].sendall(b"POST /callbacks/sms HT")
        clients[1].sendall(post(b"{}")[:-1])
        assert 200 == httpx.post(receiver.urls["sms"], timeout=PATIENCE_S).status_code


def _send_many(url: str, count: int) -> None:
    with httpx.Client(timeout=PATIENCE_S) as client:
        for number in range(count):
            client.post(url, content=b"%d" % number).raise_for_status()


def test_it_answers_while_the_main_thread_is_busy(receiver: Receiver, collected: Collected) -> None:
    """A thread that computes without pause takes most of the interpreter's lock, and no notification."""
    sender = multiprocessing.get_context("spawn").Process(target=_send_many, args=(receiver.urls["sms"], 50))
    sender.start()
    deadline = time.monotonic() + PATIENCE_S
    while len(collected.arrivals) < 50 and time.monotonic() < deadline:
        sum(range(20_000))
    sender.join(PATIENCE_S)
    assert 0 == sender.exitcode
    assert [b"%d" % n for n in range(50)] == collected.bodies


# --- Address, start and close


def test_two_receivers_live_side_by_side(engine: Engine) -> None:
    """Each has its own port and takes its own."""
    one, other = Collected(), Collected()
    with engine(ANY, PRODUCTS, one) as first, engine(ANY, PRODUCTS, other) as second:
        assert first.address != second.address
        httpx.post(first.urls["sms"], content=b"1")
        httpx.post(second.urls["sms"], content=b"2")
    assert ([b"1"], [b"2"]) == ([a.request.body for a in one.arrivals], [a.request.body for a in other.arrivals])


def test_a_free_port_is_known_and_held_before_the_start(engine: Engine, collected: Collected) -> None:
    """A client that comes before the start is served after it."""
    receiver = engine(ANY, PRODUCTS, collected)
    assert receiver.address.port > 0
    with connection(receiver.address) as client:
        client.sendall(post(b"early"))
        with receiver:
            assert 200 == status(client)
    assert [b"early"] == collected.bodies


def test_a_taken_port_is_an_environment_failure(engine: Engine, collected: Collected) -> None:
    """One line: the address, what is wrong with it, and a way out."""
    with engine(ANY, PRODUCTS, collected) as receiver, pytest.raises(EnvironmentFailure) as caught:
        engine(receiver.address, PRODUCTS, collected)
    assert f"callback address {receiver.address} is in use by another program" == caught.value.message
    assert "choose another port, or 0 for a free one" == caught.value.hint


def test_closing_does_not_wait_for_clients_and_frees_the_port(engine: Engine, collected: Collected) -> None:
    """Idle, half-sent and kept-alive connections are cut; the same port can be had at once."""
    receiver = engine(ANY, PRODUCTS, collected)
    with receiver, ExitStack() as stack:
        clients = [stack.enter_context(connection(receiver.address)) for _ in range(3)]
        clients[1].sendall(post(b"{}")[:-1])
        clients[2].sendall(post(b"{}"))
        assert 200 == status(clients[2])
        began = time.monotonic()
        receiver.close()
        assert time.monotonic() - began < 5
        assert [b"", b""] == [client.recv(1) for client in (clients[0], clients[2])]
    with engine(receiver.address, PRODUCTS, collected) as again:
        assert 200 == httpx.post(again.urls["sms"]).status_code


def test_closing_lets_a_request_at_hand_finish(engine: Engine) -> None:
    """What has been handed over is also answered."""
    hold = Holding()
    receiver = engine(ANY, PRODUCTS, hold)
    receiver.start()
    with connection(receiver.address) as client:
        client.sendall(post(b"{}"))
        assert hold.seen.wait(PATIENCE_S)
        closing = threading.Thread(target=receiver.close)
        closing.start()
        hold.go_on.set()
        assert 200 == status(client)
        closing.join(PATIENCE_S)
        assert not closing.is_alive()


def test_a_receiver_that_was_never_started_can_be_closed(engine: Engine, collected: Collected) -> None:
    """It held its port until then; closing twice is no error."""
    receiver = engine(ANY, PRODUCTS, collected)
    receiver.close()
    receiver.close()
    engine(receiver.address, PRODUCTS, collected).close()


def test_it_listens_on_ipv6(engine: Engine, collected: Collected) -> None:
    """Where the machine has it."""
    try:
        receiver = engine(Address("::1", 0), PRODUCTS, collected)
    except EnvironmentFailure as failure:
        pytest.skip(str(failure))
    with receiver:
        assert f"http://[::1]:{receiver.address.port}/callbacks/sms" == receiver.urls["sms"]
        assert 200 == httpx.post(receiver.urls["sms"]).status_code
    assert 1 == len(collected.arrivals)


def test_every_interface_is_reached_at_loopback(engine: Engine, collected: Collected) -> None:
    """0.0.0.0 can be listened on, but is no place to send a notification to."""
    with engine(Address("0.0.0.0", 0), PRODUCTS, collected) as receiver:  # noqa: S104
        assert f"http://127.0.0.1:{receiver.address.port}/callbacks/sms" == receiver.urls["sms"]
        assert 200 == httpx.post(receiver.urls["sms"]).status_code
