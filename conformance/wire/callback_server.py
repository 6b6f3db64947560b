"""What the `callback_server` fixture gives to people's own tests.

    CallbackServer      a callback receiver that keeps what arrives, and waits for it
    ANY_FREE_PORT       where it listens unless told otherwise

It is the engine on pytest-httpserver, so that people can have it answer in the ways they know.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable

from conformance.contract.contract import Contract, statum
from conformance.model.traffic import Request
from conformance.wire.address import Address
from conformance.wire.httpserver import HttpServerReceiver
from conformance.wire.ledger import request_id_of
from conformance.wire.receiver import Arrival

# A test that waits for a notification of a gateway beside it has it in milliseconds; this is for a busy machine.
PATIENCE_S = 5.0

ANY_FREE_PORT = Address("127.0.0.1", 0)


class CallbackServer(HttpServerReceiver):
    """A callback receiver that keeps what arrives.

        callback_server.urls["sms"]                 the address to register for a product
        callback_server.wait_for(request_id)        the notification with that id, as an `Arrival`
        callback_server.arrivals                    all so far, strays included, oldest first
        callback_server.server                      the pytest-httpserver inside, to have it answer otherwise

    Each product has its own path, `/callbacks/PRODUCT` behind `prefix`, with `?query` kept.
    """

    def __init__(
        self,
        listen: Address = ANY_FREE_PORT,
        products: Iterable[str] | None = None,
        prefix: str = "",
        query: str = "",
        contract: Contract | None = None,
    ) -> None:
        """`products`: those of the `contract` if None, and that is Statum's if None."""
        self.contract = contract or statum()
        super().__init__(listen, self.contract.products if products is None else products, self._keep, prefix, query)
        self._arrivals: list[Arrival] = []
        self._kept = threading.Condition()

    @property
    def arrivals(self) -> tuple[Arrival, ...]:
        """Every request that has arrived since the start or the last `clear`, oldest first."""
        with self._kept:
            return tuple(self._arrivals)

    def clear(self) -> None:
        """Forgets what has arrived and what was expected of `server`."""
        with self._kept:
            self._arrivals.clear()
        self.server.clear()

    def wait_for(self, request_id: str, *, product: str | None = None, timeout_s: float = PATIENCE_S) -> Arrival:
        """The first arrival with that request_id (and on the path of `product`, if given), waited for if need be.

        Raises TimeoutError, which tells what did arrive.
        """

        def wanted(arrival: Arrival) -> bool:
            of_product = product is None or arrival.product == product
            return of_product and request_id_of(arrival.request.body, self.contract.notification.id) == request_id

        where = "" if product is None else f" for {product}"
        return self._wait(lambda kept: [a for a in kept if wanted(a)][:1], f"{request_id!r}{where}", timeout_s)[0]

    def wait_for_count(self, count: int, *, timeout_s: float = PATIENCE_S) -> tuple[Arrival, ...]:
        """The first `count` arrivals, waited for if need be. Raises TimeoutError, which tells what did arrive."""

        def enough(kept: list[Arrival]) -> list[Arrival]:
            return kept[:count] if len(kept) >= count else []

        return tuple(self._wait(enough, f"{count} of them", timeout_s)) if count else ()

    def _wait(self, wanted: Callable[[list[Arrival]], list[Arrival]], words: str, timeout_s: float) -> list[Arrival]:
        with self._kept:
            found = self._kept.wait_for(lambda: wanted(self._arrivals), timeout_s)
            if not found:
                raise TimeoutError(f"waited {timeout_s:g} s for {words}; arrived: {self._told() or 'nothing'}")
            return found

    def _told(self) -> str:
        return ", ".join(
            f"{a.product or a.request.url} {request_id_of(a.request.body, self.contract.notification.id)!r}"
            for a in self._arrivals
        )

    def _keep(self, product: str | None, request: Request, at: float, wall: float) -> None:
        with self._kept:
            self._arrivals.append(Arrival(product, request, at, wall))
            self._kept.notify_all()
