"""The four servers of the suite behind one interface, for tests of what they read off the wire."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from mock_rig import ACCOUNT

from conformance.client.rules.calls import STRAY
from conformance.client.witness import Stage, Witness
from conformance.contract.contract import statum
from conformance.journal import UNREADABLE, Journal, Redaction, read_journal
from conformance.mock.account import Account
from conformance.mock.behaviour import Behaviour, Moment, Reply
from conformance.mock.gateway import Gateway
from conformance.mock.serving import serve_mock
from conformance.model.traffic import Case, Kind, Request
from conformance.wire.asgi import AsgiReceiver
from conformance.wire.callback_server import HttpServerReceiver
from conformance.wire.listening import Address
from conformance.wire.receiver import Unread

ANY = Address("127.0.0.1", 0)
NONCE = "00c0ffee00c0ffee"


@dataclass(frozen=True)
class Served:
    """A server: its `address`, the `path` that belongs to sms, the requests `taken`, and words for what it refused."""

    address: Address
    path: str
    taken: Callable[[], list[Request]]
    unread: Callable[[], list[tuple[str, bytes]]]

    @property
    def url(self) -> str:
        """The address of sms."""
        return f"{self.address.url}{self.path}"


def _receiver(engine: type[AsgiReceiver | HttpServerReceiver]) -> Callable[[], AbstractContextManager[Served]]:
    @contextmanager
    def served() -> Iterator[Served]:
        taken: list[Request] = []
        unread: list[Unread] = []

        def take(_product: str | None, request: Request, _at: float, _wall: float) -> None:
            taken.append(request)

        with engine(ANY, statum().products, take, on_unread=unread.append) as receiver:
            yield Served(
                receiver.address, "/callbacks/sms", lambda: taken, lambda: [(each.error, each.head) for each in unread]
            )
            assert () == receiver.errors

    return served


@contextmanager
def _mock() -> Iterator[Served]:
    taken: list[Request] = []

    def keep(reply: Reply, moment: Moment) -> Reply:
        taken.append(moment.request)
        return reply

    with serve_mock(ACCOUNT, Behaviour(reply=(keep,))) as server:
        host, port = server.url.removeprefix("http://").removesuffix("/api/v2").split(":")
        yield Served(
            Address(host, int(port)),
            "/api/v2/sms",
            lambda: taken,
            lambda: [(each.error, each.head) for each in server.unreadable],
        )
        assert () == server.errors


@contextmanager
def _witness() -> Iterator[Served]:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "journal.sqlite"
        with Journal.create(path, {}, Redaction.of_values()) as journal:
            for name in (STRAY, "case-1"):
                journal.plan([Case(name, "sms", Kind.INVOKE, "x", name, Request("POST", "http://x/"))])
            with Witness(journal, statum()) as witness:
                witness.open(NONCE, Stage("case-1", Gateway(Account("key", "secret"), Behaviour())))

                def taken() -> list[Request]:
                    journal.flush()
                    return [exchange.request for exchange in read_journal(path).exchanges]

                def unread() -> list[tuple[str, bytes]]:
                    journal.flush()
                    notes = [note.detail for note in read_journal(path).notes if note.kind == UNREADABLE]
                    assert {"witness"} >= {detail["where"] for detail in notes}
                    return [(detail["error"], detail["head"].encode("latin-1")) for detail in notes]

                address = Address.parse(witness.url.removeprefix("http://"))
                yield Served(address, f"/n/{NONCE}/api/v2/sms", taken, unread)
                assert () == witness.errors


SERVERS: Mapping[str, Callable[[], AbstractContextManager[Served]]] = {
    "asgi": _receiver(AsgiReceiver),
    "httpserver": _receiver(HttpServerReceiver),
    "mock": _mock,
    "witness": _witness,
}
