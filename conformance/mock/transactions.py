"""The transaction of an accepted request: its price, its outcome and its notification.

A notification has the members of its product's schema: those with a role get the value of the role, those that a
request has too the request's value, and the others that of the schema's example.
"""

from __future__ import annotations

import re
import string
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from random import Random
from typing import Any, Self

from conformance.contract.command import Command, Flow, Notified, Unsolicited
from conformance.contract.contract import Contract
from conformance.mock.account import OPENING_BALANCE, TransactionOutcome
from conformance.mock.behaviour import Callback
from conformance.model.errors import UsageError

# The price of a command without an amount, in whole units of money; the contract has no prices of messages.
FEE = 1

# An amount of more digits is not money: a payload whose form is not checked may hold anything.
MOST_DIGITS = 12


def price(command: Notified, payload: Mapping[str, Any]) -> int:
    """The price of a successful transaction; negative if it brings money in.

    An amount that is not a string of digits moves nothing; only a waived rule lets one through.
    """
    if command.money is None:
        return FEE if isinstance(command, Command) and command.product is not None else 0
    stated = payload.get(command.money.member)
    readable = isinstance(stated, str) and stated.isascii() and stated.isdigit() and len(stated) <= MOST_DIGITS
    amount = int(str(stated)) if readable else 0
    return amount if command.money.flow is Flow.OUT else -amount


@dataclass(frozen=True, slots=True)
class Transaction:
    """An accepted request: its outcome, what it cost, and the account's balance when it was over."""

    command: Notified
    payload: Mapping[str, Any]
    request_id: str
    outcome: TransactionOutcome
    charge: int
    balance: int
    at: datetime


def result(contract: Contract, transaction: Transaction, random: Random) -> dict[str, Any]:
    """The content of the notification about `transaction`, with each documented member of its product."""
    roles, payload = contract.notification, transaction.payload
    members, request, known_to_requests = _form(contract, transaction.command)
    by_role: dict[str | None, Callable[[Any], Any]] = {
        roles.id: lambda _: transaction.request_id,
        roles.outcome: lambda _: transaction.outcome.code,
        roles.reason: lambda example: transaction.outcome.reason or retold(str(example), request, payload),
        roles.charge: lambda example: _as(example, transaction.charge),
        roles.balance: lambda example: _as(example, transaction.balance),
        roles.receipt: lambda example: TextShape.of(str(example)).draw(random),
        roles.time: lambda example: spelled(transaction.at, str(example)),
    }
    content: dict[str, Any] = {}
    for member, example in members.items():
        if member in by_role:
            content[member] = by_role[member](example)
        elif member not in known_to_requests:
            content[member] = example
        elif isinstance(value := payload.get(member), str):
            content[member] = masked(value, str(example))
    return content


@cache
def _form(contract: Contract, command: Notified) -> tuple[Mapping[str, Any], Mapping[str, Any], frozenset[str]]:
    """The example of each member of a notification, the request of that example, and the members of any request."""
    roles = contract.notification
    notification = contract.schemas.resolved(command.notification_schema)
    asked = contract.schemas.resolved(command.request_schema) if isinstance(command, Command) else {}
    examples = (e for e in notification.get("examples", ()) if e.get(roles.outcome) == roles.success)
    example: Mapping[str, Any] = next(examples, {})
    members = {
        name: example[name] if name in example else next(iter(rule.get("examples", ())), None)
        for name, rule in notification.get("properties", {}).items()
        if name in example or name in notification.get("required", ())
    }
    request: Mapping[str, Any] = next(iter(asked.get("examples", ())), {})
    text = str(members.get(roles.reason, ""))
    is_told_of = retold(text, request, {}) != text
    return members, request if is_told_of else {}, frozenset(asked.get("properties", ()))


def _as(example: Any, amount: int) -> Any:
    """An amount of money as text where the example is one."""
    return str(amount) if isinstance(example, str) else amount


def unprompted(  # noqa: PLR0913, PLR0917 - its parts
    contract: Contract,
    row: Unsolicited,
    callbacks: Mapping[str, str],
    random: Random,
    members: Mapping[str, Any],
    at: datetime,
    balance: int = OPENING_BALANCE,
) -> Callback:
    """The notification of a transaction that no request precedes: these `members`, the rest as in the example.

    `balance`: the account's before it. It has an inquiry where a callback is registered for one.
    """
    example: Mapping[str, Any] = contract.schemas.schema(row.notification_schema)["examples"][0]
    roles, charge = contract.notification, price(row, {**example, **members})
    success, request_id = TransactionOutcome.success(contract), TextShape.of(example[roles.id]).draw(random)
    transaction = Transaction(row, members, request_id, success, charge, balance - charge, at)
    content = {**result(contract, transaction, random), **members}
    asked, inquiry = row.inquiry, None
    if asked is not None and asked.callback in callbacks:
        url = callbacks[asked.callback]
        inquiry = Callback(asked.callback, url, content, roles.method, within_s=asked.seconds)
    return Callback(row.product, callbacks[row.product], content, roles.method, inquiry=inquiry)


_CLASSES = (string.digits, string.ascii_uppercase, string.ascii_lowercase)
_MASK = "*"

# All texts of a shape count as valid if so many of them are.
TRIED = 50


@dataclass(frozen=True, slots=True)
class TextShape:
    """Texts of one length: at each of `places` a character of `alphabet`, elsewhere those of `example`."""

    example: str
    alphabet: str
    places: tuple[int, ...]

    @classmethod
    def of(cls, example: str, classes: tuple[str, ...] = _CLASSES) -> Self:
        """Characters of one of the `classes` are drawn, out of all classes in the example.

        The classes are in the order of their first characters, so that one seed draws the same for equal examples.
        """
        classes_there = dict.fromkeys(one for character in example for one in classes if character in one)
        alphabet = "".join(classes_there)
        return cls(example, alphabet, tuple(place for place, c in enumerate(example) if c in alphabet))

    def draw(self, random: Random) -> str:
        """Another text of the shape."""
        return self._filled(random.choices(self.alphabet, k=len(self.places)))

    def numbered(self, number: int) -> str:
        """The text of the shape with `number` in its places, padded with zeros."""
        return self._filled(list(f"{number:0{len(self.places)}}"))

    def _filled(self, drawn: list[str]) -> str:
        if len(drawn) == len(self.example):
            return "".join(drawn)
        text = list(self.example)
        for place, character in zip(self.places, drawn, strict=True):
            text[place] = character
        return "".join(text)


@cache
def shape_of_ids(contract: Contract) -> TextShape:
    """The shape of a contract's ids: that of its example, with as many characters drawn as its schema permits.

    Raises UsageError where the schema of an answer has no example, or permits no other text of its shape.
    """
    member = contract.answer.id
    stated = contract.schemas.resolved("response.success").get("properties", {}).get(member, {})
    examples = [each for each in stated.get("examples", ()) if isinstance(each, str)]
    answer: Mapping[str, Any] = next(iter(contract.schemas.schema("response.success").get("examples", ())), {})
    # First draw all letters and digits, and then, where some letters have to stay as they are, the digits alone.
    for classes in (_CLASSES, _CLASSES[:1]):
        for shape in (TextShape.of(example, classes) for example in examples):
            trial = Random(0)
            answers = ({**answer, member: shape.draw(trial)} for _ in range(TRIED))
            broken = (each.pointer for one in answers for each in contract.schemas.violations("response.success", one))
            if shape.places and f"/{member}" not in broken:
                return shape
    raise UsageError(
        f"no ids can be made for {contract.source}: {member} has no example whose letters or digits may be others",
        f"give {member} `examples` in the schemas of the contract, such as an id that the gateway has given",
    )


def masked(value: str, example: str) -> str:
    """`value`, masked with asterisks as the example is."""
    if _MASK not in example:
        return value
    first, last = example.index(_MASK), example.rindex(_MASK)
    shown = len(example) - last - 1
    return f"{value[:first]}{example[first : last + 1]}{value[len(value) - shown :]}"


def spelled(at: datetime, example: str) -> str:
    """`at` in the form of ISO 8601 of the example: with a T or a blank, with an offset or without."""
    try:
        shown = datetime.fromisoformat(example)
    except ValueError:
        return example
    in_utc = example.endswith("Z")
    at = at.astimezone(UTC) if in_utc else at
    whole = at if shown.tzinfo and not in_utc else at.replace(tzinfo=None)
    return whole.isoformat(sep=example[len("YYYY-MM-DD")], timespec="seconds") + "Z" * in_utc


def retold(text: str, before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """A text with the values of the request `before` replaced by those of the request `now`."""
    values = {str(value): str(now.get(name, "")) for name, value in before.items() if str(value)}
    longest_first = sorted(values, key=len, reverse=True)
    pattern = "|".join(rf"(?<!\w){re.escape(value)}(?!\w)" for value in longest_first)
    return re.sub(pattern, lambda found: values[found[0]], text) if values else text


@cache
def success_reason(contract: Contract) -> str:
    """The reason in the answer to an accepted request, as in the example of such an answer."""
    stated = contract.schemas.resolved("response.success")
    roles = contract.answer
    examples = (*stated.get("examples", ()), {roles.reason: "Accepted"})
    return next(str(example[roles.reason]) for example in examples if roles.reason in example)
