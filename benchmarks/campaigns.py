"""What a campaign costs, against doing the same by hand; the mock gateway runs in a process of its own.

overhead    judged exchanges per second of a whole run, to a bare httpx loop that sends the very same requests
waiting     a campaign of 500 sms whose notifications take a second, to waiting for each in turn
"""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path

import httpx

from conformance.callbacks.address import Address
from conformance.callbacks.asgi import AsgiReceiver
from conformance.callbacks.ledger import request_id_of
from conformance.contract.commands import PRODUCTS
from conformance.errors import SuiteError
from conformance.exchange.sender import CONCURRENCY
from conformance.gateway_under_test import campaign
from conformance.gateway_under_test.plan import Plan
from conformance.gateway_under_test.settings import Settings
from conformance.journal import Record, read_journal
from conformance.mock_gateway.account import Account
from conformance.mock_gateway.behaviour import Behaviour
from conformance.mock_gateway.serving import serve_mock
from conformance.traffic import Request
from conformance.verdicts import Conclusion, judge

KEY, SECRET = "BenchKey", "BenchSecret"
# Valid payloads for each command in the measured run: enough that start and end do not count for much.
EXAMPLES = 400
# The campaign of the second measurement, and how many of its messages are waited for in turn to know what one takes.
MESSAGES, IN_TURN = 500, 5
LATENCY_S = 1.0
ROUNDS = 3
PATIENCE_S = 10.0


def _serve(pipe: Connection, callbacks: dict[str, str], behaviour: Behaviour) -> None:
    account = replace(Account.sample(callbacks), consumer_key=KEY, consumer_secret=SECRET)
    with serve_mock(account, behaviour) as server:
        pipe.send(server.url)
        pipe.recv()


@contextmanager
def gateway(callbacks: dict[str, str], behaviour: Behaviour) -> Iterator[str]:
    """The mock gateway in a process of its own; yields its base URL."""
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, callbacks, behaviour), daemon=True)
    process.start()
    theirs.close()
    url = ours.recv()
    try:
        yield url
    finally:
        ours.send(None)
        process.join()


@dataclass(frozen=True)
class Timed:
    """A run of the suite, and how long all of it took: planning, sending, listening, judging."""

    record: Record
    took_s: float


def free_address() -> Address:
    """An address on loopback that nobody has."""
    receiver = AsgiReceiver(Address("127.0.0.1", 0), PRODUCTS, lambda *_: None)
    with receiver:
        return receiver.address


def _run(behaviour: Behaviour, **options: object) -> tuple[Timed, str]:
    """A whole run against a gateway in another process, that behaves so."""
    address = free_address()
    callbacks = {product: f"{address.url}/callbacks/{product}" for product in PRODUCTS}
    with tempfile.TemporaryDirectory() as directory, gateway(callbacks, behaviour) as url:
        settings = Settings(KEY, SECRET, gateway=url, callback_listen=address, seed=7, report_dir=Path(directory))
        settings = replace(settings, **options)  # type: ignore[arg-type]  # options are fields of Settings
        begun = time.perf_counter()
        record = read_journal(campaign.run(settings))
        judged = judge(record)
        took = time.perf_counter() - begun
        if judged.conclusion is not Conclusion.CONFORMANT:
            raise SuiteError(f"the lawful mock gateway was found {judged.conclusion}")
        return Timed(record, took), url


def _bare(requests: Sequence[Request]) -> float:
    """Seconds that a bare loop of httpx clients takes for the same requests, answers read and thrown away."""
    rest = iter(requests)
    lock = threading.Lock()

    def work() -> None:
        with httpx.Client() as client:
            while True:
                with lock:
                    request = next(rest, None)
                if request is None:
                    return
                client.send(
                    httpx.Request(request.method, request.url, headers=list(request.headers), content=request.body)
                )

    begun = time.perf_counter()
    with ThreadPoolExecutor(CONCURRENCY) as pool:
        for future in [pool.submit(work) for _ in range(CONCURRENCY)]:
            future.result()
    return time.perf_counter() - begun


def overhead() -> None:
    """The first measurement."""
    ratios = []
    for _ in range(ROUNDS):
        timed, _ = _run(Behaviour(), max_examples=EXAMPLES)
        count = len(timed.record.exchanges)
        settings = Settings(KEY, SECRET, seed=7, max_examples=EXAMPLES)
        with gateway({}, Behaviour()) as url:
            bare = _bare([case.request for case in Plan.of(settings, url).cases])
        ratios.append((count / timed.took_s) / (count / bare))
        print(
            f"overhead    suite {count / timed.took_s:6.0f} judged exchanges/s · bare httpx {count / bare:6.0f}/s "
            f"· {count} exchanges, {CONCURRENCY} connections · ratio {ratios[-1]:.2f}"
        )
    print(f"overhead    median ratio {sorted(ratios)[len(ratios) // 2]:.2f} (aim: 0.5 and more)")


def waiting() -> None:
    """The second measurement."""
    timed, _ = _run(Behaviour(notify_after_s=LATENCY_S), products=("sms",), max_examples=MESSAGES)
    accepted = len(timed.record.notifications)
    in_turn = _in_turn() / IN_TURN * accepted
    print(
        f"waiting     {accepted} sms with {LATENCY_S:g} s to the notification: {timed.took_s:.1f} s · one after the "
        f"other {in_turn:.0f} s (measured with {IN_TURN}) · {in_turn / timed.took_s:.0f} times faster (aim: 100)"
    )


def _in_turn() -> float:
    """Seconds for IN_TURN messages, each sent after the notification of the one before."""
    arrived: dict[str | None, float] = {}
    changed = threading.Condition()

    def on_arrival(_: str | None, request: Request, at: float, __: float) -> None:
        with changed:
            arrived[request_id_of(request.body)] = at
            changed.notify_all()

    receiver = AsgiReceiver(Address("127.0.0.1", 0), PRODUCTS, on_arrival)
    body = {"sender_id": "Statum", "phone_number": "254712345678", "message": "one at a time"}
    with (
        receiver,
        gateway(dict(receiver.urls), Behaviour(notify_after_s=LATENCY_S)) as url,
        httpx.Client(auth=(KEY, SECRET)) as client,
    ):
        begun = time.perf_counter()
        for _ in range(IN_TURN):
            request_id = client.post(f"{url}/sms", json=body).json()["request_id"]
            with changed:
                if not changed.wait_for(lambda wanted=request_id: wanted in arrived, PATIENCE_S):
                    raise SuiteError(f"no notification within {PATIENCE_S:g} s")
        return time.perf_counter() - begun
