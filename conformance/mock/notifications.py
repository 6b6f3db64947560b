"""Notifications on demand: of any kind, lawful or not, about a request that was accepted or about an invented one.

    kinds           the kinds by their names, from notification_kinds.toml
    Transacted      the request that a notification is about, as far as it is known
    Order           the notification that somebody wants
    deliveries_of   both → what goes over the wire, in order; mostly one message

An order changes a message in the words of behaviours.toml (`conformance.mock.message_changes`).
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from random import Random
from types import MappingProxyType
from typing import Any, Self

from conformance.contract.command import Command, Notified
from conformance.contract.contract import Contract
from conformance.contract.schemas import FORMATS
from conformance.contract.tables import Change
from conformance.mock.account import (
    OPENING_BALANCE,
    Transaction,
    TransactionOutcome,
    failures,
    price,
    result,
    shape_of_ids,
)
from conformance.mock.behaviour import Callback, Moment
from conformance.mock.changes import of_deliveries
from conformance.model.errors import UsageError, did_you_mean
from conformance.model.traffic import Request

TABLE = Path(__file__).with_name("notification_kinds.toml")

# Where an order has an outcome that no documented failure has, and no reason for it.
UNNAMED_FAILURE = "The transaction failed"

# The schema of the changes that an order may have.
CHANGES = "control#changes"


@dataclass(frozen=True, slots=True)
class NotificationKind:
    """A kind of notifications; `summary` says in a line how it differs. `fails`: it is about a failed transaction."""

    name: str
    summary: str
    lawful: bool = False
    fails: bool = False
    changes: tuple[Change, ...] = ()

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Self:
        """A `[[kind]]` of the table."""
        changes = tuple(Change.from_entry({"to": "notification", **change}) for change in row.get("changes", ()))
        return cls(**{**row, "changes": changes})

    @property
    def described(self) -> str:
        """Its summary, and whether a gateway that keeps the contract may send it."""
        return f"{'lawful' if self.lawful else 'unlawful'}: {self.summary}"


@cache
def kinds() -> Mapping[str, NotificationKind]:
    """All kinds by their names, in the order of the table."""
    rows = tomllib.loads(TABLE.read_text(encoding="utf-8"))["kind"]
    return MappingProxyType({row["name"]: NotificationKind.from_row(row) for row in rows})


def kind_of(name: str) -> NotificationKind:
    """The kind of that name. Raises UsageError for an unknown one."""
    if name not in kinds():
        hint = did_you_mean(name, kinds()) or "`statum-conformance notify --list` lists all"
        raise UsageError(f"there is no kind of notification {name!r}", hint)
    return kinds()[name]


@dataclass(frozen=True, slots=True)
class Transacted:
    """A request that notifications are about: its `payload`, and the content that the gateway had for it.

    `content`: None where the gateway made no notification of it. `balance`: the account's after the request.
    """

    request_id: str
    payload: Mapping[str, Any] = field(default_factory=dict)
    content: Mapping[str, Any] | None = None
    balance: int = OPENING_BALANCE

    @classmethod
    def invented(cls, contract: Contract, random: Random) -> Self:
        """The documented sample, under an id of the usual form that nobody has seen."""
        return cls(shape_of_ids(contract).draw(random))


@dataclass(frozen=True, slots=True)
class Order:
    """The notification that somebody wants sent to `url`, the callback of `product`.

    `kinds`: applied in their order. `members`: values by the names of the contract. `changes`: further words of a
    change, applied last. `after_s`: seconds to wait before it goes.
    """

    product: str
    url: str
    kinds: tuple[str, ...] = ()
    members: Mapping[str, Any] = field(default_factory=dict)
    changes: Mapping[str, Any] = field(default_factory=dict)
    after_s: float = 0.0


def deliveries_of(contract: Contract, order: Order, about: Transacted, random: Random) -> tuple[Callback, ...]:
    """The messages that `order` asks for, in the order in which they go.

    Raises UsageError for an unknown kind or product, a change that cannot be made, and a failure of a product that has
    none.
    """
    if (broken := FORMATS.violation(CHANGES, order.changes)) is not None:
        raise UsageError(f"changes{broken.pointer}: {broken.message}", "docs/contract-folder.md has the words")
    chosen = [kind_of(name) for name in order.kinds]
    notified = notified_at(contract, order.product)
    content = _content(contract, notified, order, about, random)
    for member, value in order.members.items():
        content = {**content, member: value}
    command = notified.name if isinstance(notified, Command) else None
    asked = Request(contract.notification.method, "", (), b"")
    callbacks = {order.product: order.url}
    moment = Moment(1, 1, asked, command, None, about.payload, about.request_id, 0.0, callbacks, contract)
    usual = Callback(order.product, order.url, content, contract.notification.method, after_s=order.after_s)
    sent: tuple[Callback, ...] = (usual,)
    further = (Change.from_entry({"to": "notification", **order.changes}),) if order.changes else ()
    for change in (*(each for kind in chosen for each in kind.changes), *further):
        sent = of_deliveries(change)(sent, moment)
    return sent


def notified_at(contract: Contract, product: str) -> Notified:
    """The command, or the row without a request, whose notifications go to the callback `product`.

    Raises UsageError for a product that the contract does not have.
    """
    if product not in contract.callbacks:
        expected = ", ".join(contract.callbacks)
        raise UsageError(
            f"there is no product {product!r}; expected one of {expected}", did_you_mean(product, contract.callbacks)
        )
    return contract.notified(contract.command_of(product) or product)


def _content(
    contract: Contract, notified: Notified, order: Order, about: Transacted, random: Random
) -> Mapping[str, Any]:
    """The content before any change: the gateway's own where it has the outcome that is asked for, else a new one."""
    roles = contract.notification
    code, reason = order.members.get(roles.outcome), order.members.get(roles.reason)
    fails = any(kind_of(name).fails for name in order.kinds)
    ways = failures(contract, notified) if isinstance(notified, Command) else ()
    if not isinstance(code, str):
        if fails and not ways:
            raise UsageError(f"no notification of {order.product} is about a failure")
        code = ways[0].code if fails else (about.content or {}).get(roles.outcome, roles.success)
    if about.content is not None and about.content.get(roles.outcome) == code:
        return about.content
    outcome = TransactionOutcome.success(contract)
    if code != roles.success:
        documented = next((way.reason for way in ways if way.code == code), UNNAMED_FAILURE)
        outcome = TransactionOutcome(str(code), reason if isinstance(reason, str) and reason else documented)
    payload = about.payload or _sample(contract, notified)
    charge = price(notified, payload) if outcome.succeeded else 0
    at = datetime.now(UTC)
    balance = about.balance - charge
    return result(contract, Transaction(notified, payload, about.request_id, outcome, charge, balance, at), random)


def _sample(contract: Contract, notified: Notified) -> Mapping[str, Any]:
    """The documented sample of a request; of a notification where no request precedes it."""
    name = notified.request_schema if isinstance(notified, Command) else notified.notification_schema
    examples = contract.schemas.schema(name).get("examples", ())
    sample: Mapping[str, Any] = next(iter(examples), {})
    return sample
