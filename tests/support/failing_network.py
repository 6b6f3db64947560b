"""A network that fails: a proxy that loses, delays, cuts, resets and repeats by a seed, and runs through it.

The proxy understands as much of HTTP as tells where a request and its answer end, and opens a connection for each.
What it does with a request follows from the seed, from what the request says, and from how often it has come, and not
from threads. What goes wrong is counted in `happened`.
"""

from __future__ import annotations

import contextlib
import random
import re
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from campaigns import free_address, settings

from conformance.contract.contract import statum
from conformance.gateway import campaign
from conformance.gateway.settings import RunLimits, Settings
from conformance.judging.verdicts import Judged, Verdict
from conformance.mock.account import Account
from conformance.mock.behaviour import BUILT_IN, Behaviour
from conformance.mock.serving import serve_mock
from conformance.model.process import Silent
from conformance.wire.listening import Address

PATIENCE_S = 30.0
LENGTH = re.compile(rb"\r\ncontent-length: *([0-9]+)", re.IGNORECASE)
CHUNKED = re.compile(rb"\r\ntransfer-encoding: *chunked", re.IGNORECASE)
BAD_GATEWAY = b"HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/html\r\nContent-Length: 16\r\n\r\n<h1>Bad gateway\n"
# What is another in each run: ports, and the tokens of canaries.
OF_A_RUN = re.compile(rb"\r\n(host|x-statum-conformance-canary):[^\r]*", re.IGNORECASE)
# Closing a socket with this sends a RST.
AT_ONCE = struct.pack("ii", 1, 0)


@dataclass(frozen=True, slots=True)
class Weather:
    """Shares of the requests, from 0 to 1.

    `dropped`: the connection is closed before anything of it was passed on. `unanswered`: it is passed on, and its
    answer is lost. `cut`: only half of its answer comes through. `cut_request`: only half of it is passed on. `reset`:
    the connection is reset, at any of these points. `bad_gateway`: a 502 of the proxy's own instead. `delayed`: by
    `delay_s` before it is passed on. `repeated`: it is passed on twice, to a way that takes notifications.
    """

    dropped: float = 0.0
    unanswered: float = 0.0
    cut: float = 0.0
    cut_request: float = 0.0
    reset: float = 0.0
    bad_gateway: float = 0.0
    delayed: float = 0.0
    delay_s: float = 0.0
    repeated: float = 0.0


class FailingNetwork:
    """A proxy on loopback before `behind`; `url` is where it listens. What it does is drawn from `seed`."""

    def __init__(self, behind: Address, weather: Weather, seed: int = 0) -> None:
        self.happened: Counter[str] = Counter()
        self.weather = weather
        self._behind = behind
        self._seed = seed
        self._came: Counter[bytes] = Counter()
        self._lock = threading.Lock()
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.address = Address("127.0.0.1", self._listening.getsockname()[1])
        self.url = self.address.url
        self._open: set[socket.socket] = set()

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        with self._lock:
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            with self._lock:
                self._open.add(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        connection.settimeout(PATIENCE_S)
        with contextlib.suppress(OSError), connection:
            while self.serve_one(connection):
                pass
        with self._lock:
            self._open.discard(connection)

    def serve_one(self, connection: socket.socket) -> bool:
        """One request and its answer; False if the connection is over."""
        request = b"".join(message(connection, has_body=None))
        if not request:
            return False
        fate, delayed, repeated, reset = self._drawn(request)
        if delayed:
            time.sleep(self.weather.delay_s)
        answer = self._answer(request, fate)
        if repeated:
            self.passed_on(request)
        connection.sendall(answer)
        if fate not in ("well", "bad_gateway") and reset:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
        whole = LENGTH.search(answer) or CHUNKED.search(answer)
        return whole is not None and fate in ("well", "bad_gateway")

    def _answer(self, request: bytes, fate: str) -> bytes:
        """What of an answer comes through."""
        if fate == "bad_gateway":
            return BAD_GATEWAY
        if fate == "cut_request":
            with self._connected() as behind:
                behind.sendall(request[: len(request) // 2])
        if fate in ("dropped", "cut_request"):
            return b""
        answer = self.passed_on(request)
        return b"" if fate == "unanswered" else answer[: len(answer) // 2] if fate == "cut" else answer

    def _drawn(self, request: bytes) -> tuple[str, bool, bool, bool]:
        said = OF_A_RUN.sub(b"", request)
        with self._lock:
            self._came[said] += 1
            chance = random.Random(f"{self._seed} {self._came[said]} {said.hex()}")
            weather, roll = self.weather, chance.random()
            delayed, repeated, reset = (
                chance.random() < share for share in (weather.delayed, weather.repeated, weather.reset)
            )
            fate = "well"
            for name in ("dropped", "unanswered", "cut", "cut_request", "bad_gateway"):
                share: float = getattr(weather, name)
                if 0 <= roll < share:
                    fate = name
                roll -= share
            self.happened.update([fate, *["delayed"] * delayed, *["repeated"] * (repeated and fate == "well")])
        return fate, delayed, repeated and fate == "well", reset

    def _connected(self) -> socket.socket:
        return socket.create_connection((self._behind.host, self._behind.port), timeout=PATIENCE_S)

    def passed_on(self, request: bytes) -> bytes:
        """The answer, whole or as far as it went."""
        with contextlib.suppress(OSError), self._connected() as behind:
            behind.sendall(request)
            return b"".join(message(behind, has_body=not request.startswith(b"HEAD ")))
        return b""


def message(connection: socket.socket, *, has_body: bool | None) -> Iterator[bytes]:
    """The pieces of one HTTP message; `has_body` is None for a request, which has none unless it says so."""
    head = b""
    while b"\r\n\r\n" not in head and (piece := connection.recv(65536)):
        head += piece
    yield head
    fields, end, body = head.partition(b"\r\n\r\n")
    if end and has_body is not False and not fields.startswith((b"HTTP/1.1 204", b"HTTP/1.1 304")):
        yield from _rest_of_body(connection, fields, body, to_the_end=bool(has_body))


def _rest_of_body(connection: socket.socket, fields: bytes, body: bytes, *, to_the_end: bool) -> Iterator[bytes]:
    length = LENGTH.search(fields)
    if length is not None:
        missing = int(length[1]) - len(body)
        while missing > 0 and (piece := connection.recv(65536)):
            missing -= len(piece)
            yield piece
    elif CHUNKED.search(fields):
        while not body.endswith(b"0\r\n\r\n") and (piece := connection.recv(65536)):
            body = (body + piece)[-1024:]
            yield piece
    elif to_the_end:
        while piece := connection.recv(65536):
            yield piece


FAIR = Weather()
# More than any window meets, so that what got lost can be planned anew.
PHONE_NUMBERS = tuple(f"2547110{number:05}" for number in range(100, 140))
# Beyond this machine a run has limits; these are none.
UNLIMITED = RunLimits(max_accepted=10_000, max_spend=10_000_000, rate_per_s=10_000.0)


@dataclass
class Through:
    """A run that was held: its journal, what happened on the way there and back.

    `delivered`: how many notifications the gateway was told were taken.
    """

    journal: Path
    there: Mapping[str, int] = field(default_factory=dict)
    back: Mapping[str, int] = field(default_factory=dict)
    delivered: int = 0


def held_through(  # noqa: PLR0913 - what may differ
    directory: Path,
    there: Weather = FAIR,
    back: Weather = FAIR,
    behaviour: Behaviour = BUILT_IN,
    *,
    seed: int = 1,
    hold: Callable[[Settings, FailingNetwork, FailingNetwork], Path] = lambda given, *_: campaign.run(given),
    **changes: Any,
) -> Through:
    """A run whose requests go through one such network and whose notifications come through another.

    `hold` is given the settings and both of them, there and back.
    """
    listen = free_address()
    with ExitStack() as stack:
        way_back = stack.enter_context(FailingNetwork(listen, back, seed))
        token = f"?token={changes['callback_token']}" if "callback_token" in changes else ""
        account = Account.sample(
            {product: f"{way_back.url}/callbacks/{product}{token}" for product in statum().products}
        )
        server = stack.enter_context(serve_mock(account, behaviour, seed=1))
        host, _, rest = server.url.removeprefix("http://").partition("/")
        way_there = stack.enter_context(FailingNetwork(Address.parse(host), there, seed + 1))
        given = {
            "gateway": f"{way_there.url}/{rest}",
            "callback_listen": listen,
            "callback_url": way_back.url,
            "consumer_key": account.consumer_key,
            "consumer_secret": account.consumer_secret,
            "phone_numbers": PHONE_NUMBERS,
            "limits": UNLIMITED,
            "over_network": True,
            "products": ("sms", "airtime"),
        }
        journal = hold(settings(directory, **{**given, **changes}), way_there, way_back)
        return Through(journal, way_there.happened, way_back.happened, server.courier.delivered)


def told(judgement: Judged) -> dict[tuple[str, str | None], Verdict]:
    """Each verdict that is no PASS."""
    return {(v.requirement.id, v.command): v.verdict for v in judgement.verdicts if v.verdict is not Verdict.PASS}


class Cut(Silent):
    """Has `network` let nothing through between so many answers and so many."""

    def __init__(self, network: FailingNetwork, begin: int, end: int) -> None:
        self._network, self._begin, self._end = network, begin, end
        self._fair = network.weather

    def exchanged(self, done: int, planned: int) -> None:  # noqa: ARG002 - the protocol's
        """Some answers are there."""
        if done == self._begin:
            self._network.weather = Weather(dropped=1.0)
        elif done == self._end:
            self._network.weather = self._fair
