"""Campaigns against a mock gateway in a process of its own, and what waiting once for all notifications is worth.

gateway     one mock gateway; `gateways` several in one process
held        a whole run against one: planned, sent, listened, judged and reported
waiting     a campaign of 500 sms whose notifications take a second, to waiting for each in turn
"""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import httpx

from conformance.contract.contract import statum
from conformance.gateway import campaign
from conformance.gateway.settings import Settings
from conformance.journal import read_journal
from conformance.judging.verdicts import Conclusion
from conformance.mock.account import Account
from conformance.mock.behaviour import Behaviour
from conformance.mock.serving import serve_mock
from conformance.model.errors import SuiteError
from conformance.model.traffic import Request
from conformance.reports.files import write_reports
from conformance.reports.result import Result
from conformance.wire.asgi import AsgiReceiver
from conformance.wire.ledger import request_id_of
from conformance.wire.listening import Address

PRODUCTS = statum().products

KEY, SECRET = "BenchKey", "BenchSecret"
# The campaign of the measurement, and how many of its messages are waited for in turn to know what one takes.
MESSAGES, IN_TURN = 500, 5
LATENCY_S = 1.0
PATIENCE_S = 10.0


Callbacks = Mapping[str, str]


def _serve(pipe: Connection, registered: Sequence[Callbacks], behaviour: Behaviour) -> None:
    with ExitStack() as stack:
        accounts = [replace(Account.sample(each), consumer_key=KEY, consumer_secret=SECRET) for each in registered]
        pipe.send([stack.enter_context(serve_mock(account, behaviour)).url for account in accounts])
        pipe.recv()


@contextmanager
def gateways(registered: Sequence[Callbacks], behaviour: Behaviour) -> Iterator[list[str]]:
    """A mock gateway for each of these callbacks (product → URL), all in one process; yields their base URLs."""
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, registered, behaviour), daemon=True)
    process.start()
    theirs.close()
    urls = ours.recv()
    try:
        yield urls
    finally:
        ours.send(None)
        process.join()


@contextmanager
def gateway(callbacks: Callbacks, behaviour: Behaviour) -> Iterator[str]:
    """The mock gateway in a process of its own; yields its base URL."""
    with gateways([callbacks], behaviour) as (url,):
        yield url


@dataclass(frozen=True)
class Timed:
    """A run of the suite, and how long all of it took: planning, sending, listening, judging, writing the reports."""

    exchanges: int
    notifications: int
    took_s: float


def free_address() -> Address:
    """An address on loopback that nobody has."""
    receiver = AsgiReceiver(Address("127.0.0.1", 0), PRODUCTS, lambda *_: None)
    with receiver:
        return receiver.address


def callbacks_at(address: Address) -> dict[str, str]:
    """The callback URLs of a receiver that listens there."""
    return {product: f"{address.url}/callbacks/{product}" for product in PRODUCTS}


def held(url: str, address: Address, **options: Any) -> Timed:
    """A whole run against the gateway at `url`, which notifies `address`; `options` are fields of Settings.

    SuiteError if the gateway, which is lawful, is not found conformant.
    """
    with tempfile.TemporaryDirectory() as directory:
        settings = Settings(
            KEY, SECRET, gateway=url, callback_listen=address, **{"seed": 7, "report_dir": Path(directory), **options}
        )
        begun = time.perf_counter()
        result = Result.of(read_journal(campaign.run(settings)))
        write_reports(result, settings.report_dir)
        took = time.perf_counter() - begun
        if result.conclusion is not Conclusion.CONFORMANT:
            raise SuiteError(f"the lawful mock gateway was found {result.conclusion}")
        return Timed(len(result.record.exchanges), len(result.record.notifications), took)


def waiting() -> None:
    """Prints how much faster a campaign is than sending each message after the notification of the one before."""
    address = free_address()
    with gateway(callbacks_at(address), Behaviour(notify_after_s=LATENCY_S)) as url:
        timed = held(url, address, products=("sms",), max_examples=MESSAGES)
    accepted = timed.notifications
    in_turn = _in_turn() / IN_TURN * accepted
    print(
        f"waiting     {accepted} sms with {LATENCY_S:g} s to the notification: {timed.took_s:.1f} s · one after the "
        f"other {in_turn:.0f} s (measured with {IN_TURN}) · {in_turn / timed.took_s:.0f} times faster (aim: 100)"
    )


def _in_turn() -> float:
    """Seconds for IN_TURN messages, each sent after the notification of the one before."""
    arrived: dict[str | None, float] = {}
    member = statum().notification.id
    changed = threading.Condition()

    def on_arrival(_: str | None, request: Request, at: float, __: float) -> None:
        with changed:
            arrived[request_id_of(request.body, member)] = at
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
