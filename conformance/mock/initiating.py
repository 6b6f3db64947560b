"""What no request precedes: the mock gateway asks where the contract has it ask, and tells of it if it may.

Initiator       starts one, with what a caller wants it to tell
CONTROL         the path below which a client of the mock has one started, by a POST
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from random import Random
from typing import Any

from conformance.mock.behaviour import Reply
from conformance.mock.delivering import Courier, Told
from conformance.mock.gateway import Gateway
from conformance.mock.transactions import price
from conformance.mock.unprompted import unprompted
from conformance.model.errors import UsageError
from conformance.model.traffic import Request
from conformance.model.untrusted import parse_json

CONTROL = "/unsolicited/"

_JSON = (("Content-Type", "application/json"),)


@dataclass(frozen=True, slots=True)
class Initiated:
    """What was started: the members that it told, or would have told, and how the callbacks answered."""

    content: Mapping[str, Any]
    told: Told

    @property
    def went_through(self) -> bool:
        """Whether it was notified of: nobody had to be asked, or whoever was asked agreed."""
        return self.told.notification is not None

    @property
    def in_words(self) -> str:
        """How it ended, in one line."""
        asked, notified = self.told.inquiry, self.told.notification
        inquiry = "" if asked is None else f"inquiry {asked.in_words}, "
        return inquiry + ("refused" if notified is None else f"notification {notified.in_words}")


class Initiator:
    """Starts what no request precedes, for the account of `gateway`. `seed` settles what is made up."""

    def __init__(self, gateway: Gateway, courier: Courier, seed: int) -> None:
        self._gateway = gateway
        self._contract = gateway.contract
        self._callbacks = gateway.account.callbacks
        self._courier = courier
        self._random = Random(f"{seed}/unsolicited")

    async def start(self, product: str, members: Mapping[str, Any] | None = None) -> Initiated:
        """Start one that tells these `members`, and wait for what becomes of it.

        Raises UsageError for a product that is notified of requests alone, one without a callback, and members by which
        the notification would not be valid.
        """
        row = self._contract.unsolicited.get(product)
        if row is None:
            known = ", ".join(self._contract.unsolicited) or "none in this contract"
            raise UsageError(f"nothing comes to {product!r} without a request; expected {known}")
        if product not in self._callbacks:
            raise UsageError(f"{product} has no callback", hint=f"register one with --callback {product}=URL")
        at, balance = datetime.now(UTC), self._gateway.balance
        delivery = unprompted(self._contract, row, self._callbacks, self._random, members or {}, at, balance)
        for callback, part in zip(row.callbacks, (delivery, delivery.inquiry), strict=False):
            if part is not None and (broken := self._contract.schemas.violation(row.schema_at(callback), part.content)):
                raise UsageError(f"{broken.pointer} of the notification: {broken.message}")
        initiated = Initiated(delivery.content, await self._courier.tell(delivery))
        if initiated.went_through:
            self._gateway.balance -= price(row, initiated.content)
        return initiated

    async def answer(self, request: Request) -> Reply:
        """Do what a POST below `CONTROL` asks for: start one of the product, with the members in its body."""
        product = request.url.partition("?")[0].removeprefix(CONTROL)
        if request.method != "POST":
            return Reply(405, (*_JSON, ("Allow", "POST")), {"error": f"expected a POST, not a {request.method}"})
        try:
            members = parse_json(request.body) if request.body.strip() else {}
        except (ValueError, RecursionError):
            members = None
        if not isinstance(members, dict):
            return Reply(400, _JSON, {"error": "the body is no JSON object; expected the members to tell, or nothing"})
        try:
            initiated = await self.start(product, members)
        except UsageError as error:
            return Reply(422, _JSON, {"error": error.message, "hint": error.hint})
        told = asdict(initiated.told)
        return Reply(200, _JSON, {"went_through": initiated.went_through, "content": initiated.content, **told})
