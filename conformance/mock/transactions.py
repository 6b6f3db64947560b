"""What an accepted request sets going: what it costs, how it ends, and the notification that says so.

    price           what a transaction takes from the account (negative: brings in)
    Transaction     an accepted request and its outcome
    result          the content of its notification

A notification has the members of its product's schema: those with a role are told by it, those that a request has too
have the request's value, and the others are as in the schema's example.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from random import Random
from typing import Any

from conformance.contract.command import Command, Flow, Notified
from conformance.contract.contract import Contract
from conformance.mock.account import Outcome
from conformance.mock.forms import Shape, masked, retold, spelled

FEE = 1
"""Whole units of money for what moves none; what a message costs is not contract."""

MOST_DIGITS = 12
"""An amount of more digits is no amount of money: a payload whose form is not checked may hold anything."""


def amount_of(command: Notified, payload: Mapping[str, Any]) -> int:
    """How much it moves, 0 if that is not a string of digits (only where a rule is waived)."""
    amount = payload.get(command.money.member) if command.money else None
    readable = isinstance(amount, str) and amount.isascii() and amount.isdigit() and len(amount) <= MOST_DIGITS
    return int(amount) if readable and amount is not None else 0


def price(command: Notified, payload: Mapping[str, Any]) -> int:
    """What it takes from the account if it succeeds; negative if it brings money in."""
    if command.money is None:
        return FEE if isinstance(command, Command) and command.product is not None else 0
    amount = amount_of(command, payload)
    return amount if command.money.flow is Flow.OUT else -amount


@dataclass(frozen=True, slots=True)
class Transaction:
    """An accepted request: its outcome, what it cost, and the account's balance when it was over."""

    command: Notified
    payload: Mapping[str, Any]
    request_id: str
    outcome: Outcome
    charge: int
    balance: int
    at: datetime


def result(contract: Contract, transaction: Transaction, random: Random) -> dict[str, Any]:
    """The content of the notification about `transaction`, each member that its product documents included."""
    roles, payload = contract.notification, transaction.payload
    form = _form(contract, transaction.command)
    by_role: dict[str | None, Callable[[Any], Any]] = {
        roles.id: lambda _: transaction.request_id,
        roles.outcome: lambda _: transaction.outcome.code,
        roles.reason: lambda example: transaction.outcome.reason or form.success(str(example), payload),
        roles.charge: lambda example: _as(example, transaction.charge),
        roles.balance: lambda example: _as(example, transaction.balance),
        roles.receipt: lambda example: Shape.of(str(example)).draw(random),
        roles.time: lambda example: spelled(transaction.at, str(example)),
    }
    content: dict[str, Any] = {}
    for member, example in form.members.items():
        if member in by_role:
            content[member] = by_role[member](example)
        elif member not in form.requested:
            content[member] = example
        elif isinstance(value := payload.get(member), str):
            content[member] = masked(value, str(example))
    return content


@dataclass(frozen=True, slots=True)
class _Form:
    """What a product's notifications are made of: the example of each member, and the request that they are about.

    `requested`: the members that a request may have.
    """

    members: Mapping[str, Any]
    request: Mapping[str, Any]
    requested: frozenset[str]
    tells_of_request: bool

    def success(self, example: str, payload: Mapping[str, Any]) -> str:
        """The text of a success, about the request at hand where the example tells of the one that it is about."""
        return retold(example, self.request, payload) if self.tells_of_request else example


@cache
def _form(contract: Contract, command: Notified) -> _Form:
    roles = contract.notification
    told = contract.schemas.resolved(command.notification_schema)
    asked = contract.schemas.resolved(command.request_schema) if isinstance(command, Command) else {}
    examples = [e for e in told.get("examples", ()) if e.get(roles.outcome) == roles.success]
    example: Mapping[str, Any] = examples[0] if examples else {}
    stated: Mapping[str, Any] = told.get("properties", {})
    members = {
        name: example[name] if name in example else next(iter(stated[name].get("examples", ())), None)
        for name in stated
        if name in example or name in told.get("required", ())
    }
    request: Mapping[str, Any] = next(iter(asked.get("examples", ())), {})
    text = str(members.get(roles.reason, ""))
    return _Form(members, request, frozenset(asked.get("properties", ())), retold(text, request, {}) != text)


def _as(example: Any, amount: int) -> Any:
    """An amount of money as text where the example is one."""
    return str(amount) if isinstance(example, str) else amount
