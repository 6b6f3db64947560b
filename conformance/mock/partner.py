"""The mock gateway as a development partner: it remembers what came, and notifies when somebody asks for it.

    MockGateway             a server with a record of its exchanges, for the command `mock` and the pytest fixture
    RegisteredCallbacks     its callback URLs, which may change while it serves
    NotificationMessage     a notification that was made and not sent

The mock gateway that `run` and `certify` start has nothing of this: a client under test may call any path.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from random import Random
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from conformance.journal.redaction import Redaction
from conformance.mock.account import Account
from conformance.mock.behaviour import BUILT_IN, Behaviour, Callback, Reply, json_bytes
from conformance.mock.delivering import OnSent, Received
from conformance.mock.faults import faults, variants
from conformance.mock.gateway import Reaction
from conformance.mock.notifications import Order, Transacted, deliveries_of, notified_at
from conformance.mock.recent import RecentExchanges, RecordedRequest, SentNotification, without_token
from conformance.mock.serving import ANY_PORT, Initiated, MockServer, gateway_of_today
from conformance.model.errors import UsageError, did_you_mean
from conformance.model.traffic import Request, check_http_url
from conformance.model.untrusted import json_object
from conformance.wire.listening import Address

# A notification over loopback takes milliseconds; this is for a busy machine.
PATIENCE_S = 5.0

# Between the seeds of a gateway before a reset and after it: the ids of the one are not given again by the other.
SEEDS_APART = 1_000_003

Aside = Callable[[Request], Awaitable[Reply | None]]
"""Answers a request that is not for the gateway; None for any other."""

# No transaction fails by chance: a first request that fails teaches nothing.
WITHOUT_CHANCE = replace(BUILT_IN, failure_rate=0.0)


@dataclass(frozen=True, slots=True)
class NotificationMessage:
    """A notification that was not sent, for the test client of a web framework."""

    method: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def payload(self) -> Mapping[str, Any] | None:
        """The object in its body; None if there is none."""
        return json_object(self.body)


class RegisteredCallbacks(MutableMapping[str, str]):
    """Product → the URL that its notifications go to. Raises UsageError for an unknown product, or no URL."""

    def __init__(self, server: Callable[[], MockServer]) -> None:
        self._server = server

    def __getitem__(self, product: str) -> str:
        return self._server().gateway.account.callbacks[product]

    def __iter__(self) -> Iterator[str]:
        return iter(self._server().gateway.account.callbacks)

    def __len__(self) -> int:
        return len(self._server().gateway.account.callbacks)

    def __setitem__(self, product: str, url: str) -> None:
        self.change({product: url})

    def __delitem__(self, product: str) -> None:
        self.change({product: None})

    def change(self, urls: Mapping[str, str | None]) -> None:
        """Register some and, for None, remove others; all of them or, with the UsageError, none."""
        for product, url in urls.items():
            notified_at(self._server().gateway.contract, product)
            if url is not None:
                check_http_url(url, f"the callback URL of {product}", f"such as http://127.0.0.1:8080/hooks/{product}")
        changed = {**self, **urls}
        gateway = self._server().gateway
        gateway.account = replace(gateway.account, callbacks={name: url for name, url in changed.items() if url})

    def __repr__(self) -> str:
        return repr({product: without_token(url) for product, url in self.items()})


class MockGateway:
    """A mock gateway with a record; a context manager that serves it on a free port of this machine.

        gateway.base_url, gateway.credentials       what a client needs; the latter are consumer key and secret
        gateway.callbacks["sms"] = url              registers the callback URL of a product
        gateway.requests                            what came, and how it was answered
        gateway.notify(request_id)                  sends the notification of a request, or any other
        gateway.notifications                       what was sent, and how the callbacks answered

    `automatic`: the gateway notifies by itself, right after an answer; otherwise each notification waits for `notify`
    or `notify_all`. It may be changed at any time. All else may be called from any thread but the server's own.
    """

    def __init__(  # noqa: PLR0913 - each is a setting of its own
        self,
        account: Account | None = None,
        behaviour: Callable[[], Behaviour] = lambda: WITHOUT_CHANCE,
        listen: Address | tuple[str, int] = ANY_PORT,
        seed: int = 0,
        *,
        automatic: bool = True,
        on_sent: OnSent = lambda *_: None,
        processes: int = 1,
    ) -> None:
        """`behaviour` makes the behaviour, now and after each reset. `on_sent`, `processes`: see `MockServer`."""
        self._account = account or Account.sample()
        self._behaviour = behaviour
        self._seed = seed
        self._on_sent = on_sent
        self._random = Random(f"{seed}/notifications")
        self.automatic = automatic
        self.aside_by: Aside | None = None
        redaction = Redaction.of(self._account.consumer_secret, self._account.consumer_key)
        self.record = RecentExchanges(self._account.contract, redaction)
        gateway = gateway_of_today(self._account, behaviour(), seed)
        self.server = MockServer(gateway, listen, seed, companion=self, on_sent=self._sent, processes=processes)
        self.callbacks = RegisteredCallbacks(lambda: self.server)

    # --- What clients and tests need

    @property
    def base_url(self) -> str:
        """The base URL of the commands, such as `http://127.0.0.1:40123/api/v2`."""
        return self.server.url

    @property
    def root_url(self) -> str:
        """Where its page and the control API are, without a slash at the end."""
        parts = urlsplit(self.server.url)
        return f"{parts.scheme}://{parts.netloc}"

    @property
    def credentials(self) -> tuple[str, str]:
        """Consumer key and secret."""
        return self._account.consumer_key, self._account.consumer_secret

    @property
    def registered(self) -> Mapping[str, tuple[str, ...]]:
        """The values that belong to the account, such as its sender ids, by the member of requests."""
        return self._account.registered

    @property
    def balance(self) -> int:
        """The account's balance in whole units of money; it may be set."""
        return self.server.gateway.balance

    @balance.setter
    def balance(self, amount: int) -> None:
        self.server.gateway.balance = amount

    @property
    def requests(self) -> tuple[RecordedRequest, ...]:
        """The last requests, oldest first."""
        return self.record.requests

    @property
    def notifications(self) -> tuple[SentNotification, ...]:
        """The last notifications, oldest first."""
        return self.record.notifications

    def notify(  # noqa: PLR0913 - each is a part of the notification
        self,
        request_id: str | None = None,
        /,
        *,
        kind: str | Sequence[str] = (),
        product: str | None = None,
        url: str | None = None,
        changes: Mapping[str, Any] | None = None,
        after_s: float = 0.0,
        **members: Any,
    ) -> SentNotification:
        """Send a notification, and wait until it is answered; the last one, where the kind is several.

        Without anything else it is the one that the gateway owes for the request. `members` have other values, `kind`
        names deviations (`statum-conformance notify --list`), `changes` has words of behaviours.toml. Without a
        request_id it is about an invented request. Raises UsageError for what cannot be sent.
        """
        order = self.order(request_id, kind, product, url, changes or {}, members, after_s)
        return self.server.wait_for(self.send(request_id, order))[-1]

    def notification(
        self,
        request_id: str | None = None,
        /,
        *,
        kind: str | Sequence[str] = (),
        product: str | None = None,
        changes: Mapping[str, Any] | None = None,
        **members: Any,
    ) -> NotificationMessage:
        """Make a notification as `notify` does, and do not send it.

        Raises UsageError also for a kind that is several messages.
        """
        order = self.order(request_id, kind, product, self.root_url, changes or {}, members)
        found = self.record.find(request_id) if request_id is not None else None
        made = self._deliveries(request_id, order, found)
        if len(made) > 1:
            raise UsageError(
                f"the kind {' '.join(order.kinds)} is {len(made)} messages, not one", "make each of them, or use notify"
            )
        body = made[0].raw if made[0].raw is not None else json_bytes(made[0].content)
        return NotificationMessage(made[0].method, dict(made[0].headers), body)

    def notify_all(self) -> tuple[SentNotification, ...]:
        """Send each notification that an accepted request is owed and that was not sent yet; in order, one by one."""
        due = [each for each in self.requests if each.owed and not each.notifications] if not self.automatic else []
        return tuple(sent for each in due for sent in self.server.wait_for(self._deliver(each.owed, each)))

    def wait_for_notification(self, request_id: str, *, timeout_s: float = PATIENCE_S) -> SentNotification:
        """Wait until a notification of the request was sent and answered; the first one.

        Raises TimeoutError, which says what else was sent.
        """

        def sent() -> list[SentNotification]:
            found = self.record.find(request_id)
            return found.notifications if found else []

        if not self.record.wait_until(lambda: bool(sent()), timeout_s):
            known = ", ".join(f"{each.product} to {each.url}" for each in self.notifications) or "nothing"
            found = self.record.find(request_id)
            why = "" if found is None or found.product in self.callbacks else f"; {found.product} has no callback"
            raise TimeoutError(f"no notification of {request_id!r} within {timeout_s:g} s; sent: {known}{why}")
        return sent()[0]

    def initiate(self, product: str, **members: Any) -> Initiated:
        """Start a transaction that no request precedes, such as a customer's payment; see `MockServer.initiate`."""
        return self.server.initiate(product, members)

    def behave(self, *names: str) -> None:
        """Differ in these lawful ways, or break the contract by these faults, also after a reset; as usual without any.

        The names are those of `statum-conformance mock --list-variants` and `--list-faults`. Windows and what faults
        count begin anew. Raises UsageError for an unknown name.
        """
        known = {**variants(self._account.contract), **faults(self._account.contract)}
        for name in names:
            if name not in known:
                hint = did_you_mean(name, known) or "`statum-conformance mock --list-faults` lists them"
                raise UsageError(f"there is no variant or fault {name!r}", hint)
        self._behaviour = lambda: reduce(lambda made, name: known[name].change(made), names, WITHOUT_CHANCE)
        self._seed += SEEDS_APART
        before = self.server.gateway
        gateway = gateway_of_today(before.account, self._behaviour(), self._seed)
        gateway.balance = before.balance
        self.server.gateway = gateway

    def reset(self) -> None:
        """Return to the state at the start: callbacks, balance, windows; drop the record and pending notifications."""
        self.server.wait_for(self.restart())

    # --- Within the loop of the server

    def order(  # noqa: PLR0913, PLR0917 - the parts of a notification
        self,
        request_id: str | None,
        kind: str | Sequence[str],
        product: str | None,
        url: str | None,
        changes: Mapping[str, Any],
        members: Mapping[str, Any],
        after_s: float = 0.0,
    ) -> Order:
        """The order for a notification. Raises UsageError where its product or its URL is not known."""
        found = self.record.find(request_id) if request_id is not None else None
        product = product or (found.product if found else None)
        if product is None:
            about = "no request is named" if request_id is None else f"no request has the id {request_id!r}"
            expected = ", ".join(self._account.contract.callbacks)
            raise UsageError(f"{about}, and no product; expected one of them", f"the products are {expected}")
        notified_at(self._account.contract, product)
        url = url or self.callbacks.get(product)
        if url is None:
            raise UsageError(f"{product} has no callback", "register one, or give the URL")
        check_http_url(url, "the callback URL", "such as http://127.0.0.1:8080/hooks")
        return Order(product, url, (kind,) if isinstance(kind, str) else tuple(kind), members, changes, after_s)

    async def send(self, request_id: str | None, order: Order) -> list[SentNotification]:
        """Send what an order asks for. Raises UsageError if it cannot be made."""
        found = self.record.find(request_id) if request_id is not None else None
        return await self._deliver(self._deliveries(request_id, order, found), found)

    async def restart(self) -> None:
        """As `reset`."""
        await self.server.drop_notifications()
        self._seed += SEEDS_APART
        self.server.gateway = gateway_of_today(self._account, self._behaviour(), self._seed)
        self.record.clear()

    async def aside(self, request: Request) -> Reply | None:
        """See `conformance.mock.serving.Companion`."""
        return None if self.aside_by is None else await self.aside_by(request)

    def answered(self, request: Request, reaction: Reaction) -> tuple[Callback, ...]:
        """See `conformance.mock.serving.Companion`."""
        self.record.add(request, reaction, self.server.gateway.balance)
        return reaction.deliveries if self.automatic else ()

    def _deliveries(self, request_id: str | None, order: Order, found: RecordedRequest | None) -> tuple[Callback, ...]:
        contract = self._account.contract
        about = Transacted.invented(contract, self._random) if request_id is None else Transacted(request_id)
        return deliveries_of(contract, order, found.transacted if found else about, self._random)

    async def _deliver(
        self, deliveries: Sequence[Callback], recorded: RecordedRequest | None
    ) -> list[SentNotification]:
        gone = self.record.begin(deliveries, recorded)
        try:
            for delivery in deliveries:
                await asyncio.sleep(delivery.after_s)
                await self.server.courier.tell(delivery)
        finally:
            self.record.end(deliveries)
        return gone

    def _sent(self, delivery: Callback, received: Received) -> None:
        self.record.sent(delivery, received)
        self._on_sent(delivery, received)

    # --- Serving

    def start(self) -> None:
        """Serve from here on."""
        self.server.start()

    def stop(self) -> None:
        """Stop serving, and drop pending notifications. Once stopped, do nothing."""
        self.server.stop()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()
