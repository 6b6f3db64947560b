"""Junk that is sent to the receiver while a run goes on.

junk        requests of every bad kind side by side with the notifications of a run, which all come through
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event

from campaigns import registered, settings, shortfalls
from sockets import connection, post

from benchmarks.chaos.figures import Figures
from conformance.gateway import campaign
from conformance.journal import read_journal
from conformance.judging.verdicts import Conclusion
from conformance.mock.account import Account
from conformance.mock.behaviour import BUILT_IN
from conformance.mock.serving import MockServer, serve_mock
from conformance.reports.result import judge
from conformance.wire.listening import Address

KINDS = (
    post(b"x" * 2000, "/wp-login.php"),
    post(b"{", "/callbacks/elsewhere"),
    b"GET /callbacks/smss HTTP/1.1\r\nHost: x\r\n\r\n",
    b"\x00\x01\x02 nonsense\r\n\r\n",
    b"POST /callbacks/sms HTTP/1.1\r\nHost: x\r\nContent-Length: 500\r\n\r\nand no more",
    b"GET / HTTP/1.1\r\n" + b"X-Many: 1\r\n" * 300 + b"\r\n",
)
SENDERS = 4


def junk(figures: Figures, rounds: int) -> None:
    """The verdict is what it is without, and every notification is there."""
    for seed in range(rounds):
        servers: list[MockServer] = []

        def started(account: Account, servers: list[MockServer] = servers) -> str:
            servers.append(serve_mock(account, BUILT_IN))
            servers[0].start()
            return servers[0].url

        told = registered(started)
        with tempfile.TemporaryDirectory() as directory, _flooded(told["callback_listen"]) as count:
            given = settings(Path(directory), **told, products=("sms", "airtime"), max_examples=100, seed=seed)
            record = read_journal(campaign.run(given))
            delivered = servers[0].courier.delivered
            servers[0].stop()
            judgement = judge(record)
            came = len({n.request.body for n in record.notifications if n.product is not None})
        figures.add("runs", 1)
        figures.add("notifications lost", max(0, delivered - came))
        well = judgement.conclusion is Conclusion.CONFORMANT
        row = "junk requests survived" if well else "junk requests not survived"
        figures.add(row, sum(count), shortfalls(judgement))


@contextmanager
def _flooded(address: Address) -> Iterator[list[int]]:
    """Junk for as long as it lasts; how much each sender has sent."""
    over, sent = Event(), [0] * SENDERS

    def flood(number: int) -> None:
        while not over.is_set():
            with suppress(OSError), connection(address) as client:
                client.settimeout(0.2)
                client.sendall(KINDS[(sent[number] + number) % len(KINDS)])
                sent[number] += 1
                client.recv(1)

    with ThreadPoolExecutor(SENDERS) as senders:
        for number in range(SENDERS):
            senders.submit(flood, number)
        try:
            yield sent
        finally:
            over.set()
