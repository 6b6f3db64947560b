"""The account that the mock gateway serves, and its transactions: price, outcome and notification.

    Account         credential, registered values, balance and callback URLs of an integrator
    number_row      recipients whose number has a known outcome
    result          the notification of a transaction
    unprompted      the notification of a transaction that no request precedes
    TextShape       texts like an example, such as ids

A notification has the members of its product's schema. A member with a role gets the value of the role, one that the
request has too the value of the request, and any other that of the schema's example. Accounts, prices and outcomes are
not contract: they differ between gateways, and operators decide on outcomes.
"""

from __future__ import annotations

import copy
import re
import string
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from random import Random
from typing import Any, Self

from conformance.contract.command import Command, Flow, Notified, Unsolicited
from conformance.contract.contract import Contract, statum
from conformance.contract.tables import NumberRow
from conformance.mock.behaviour import Callback
from conformance.model.errors import UsageError

# Whole units of money: enough for dozens of runs with the dearest payments (70 000 each).
OPENING_BALANCE = 100_000_000

# The price of a command without an amount, in whole units of money; the contract has no prices of messages.
FEE = 1

# An amount of more digits is not money: a payload whose form is not checked may hold anything.
MOST_DIGITS = 12

# All texts of a shape count as valid if so many of them are.
TRIED = 50

_CLASSES = (string.digits, string.ascii_uppercase, string.ascii_lowercase)
_MASK = "*"


@dataclass(frozen=True, slots=True)
class Account:
    """One integrator's account with the gateway of a contract.

    `registered`: member of requests → the values that belong to the account, spelled exactly; any other is refused.
    `balance` is the opening balance in whole units of money. `callbacks` maps a product to the callback URL registered
    for it; a product without one gets no notification.
    """

    consumer_key: str
    consumer_secret: str
    registered: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    balance: int = OPENING_BALANCE
    callbacks: Mapping[str, str] = field(default_factory=dict)
    contract: Contract = field(default_factory=statum)

    @classmethod
    def sample(
        cls,
        callbacks: Mapping[str, str] | None = None,
        balance: int = OPENING_BALANCE,
        contract: Contract | None = None,
    ) -> Account:
        """An account with the examples of its contract as registered values.

        Key and secret hold letters of both cases, so that a credential in another case is another credential.
        """
        contract = contract or statum()
        key, secret = "Sample2be989703d6dKey", "Sample3P0R4qSecret"
        return cls(key, secret, contract.members.registered, balance, dict(callbacks or {}), contract)

    @property
    def names(self) -> str:
        """The registered values in words: `sender ids Statum, 20880; short codes 174379`."""
        named = ((member.replace("_", " "), values) for member, values in self.registered.items())
        return "; ".join(f"{kind}s {', '.join(values)}" for kind, values in named)

    def details(self, balance: int) -> dict[str, Any]:
        """The members that only an answer about the account has."""
        roles, answer, schemas = self.contract.account, self.contract.answer, self.contract.schemas
        if roles is None:
            return {}
        name = f"{self.contract.commands[roles.command].folder}/response"
        examples = schemas.schema(name).get("examples", ()) if name in schemas else ()
        content: dict[str, Any] = copy.deepcopy(dict(next(iter(examples), {})))
        for member in (answer.id, answer.code, answer.reason):
            content.pop(member, None)
        if roles.balance:
            *path, last = roles.balance.split("/")[1:]
            holder = content
            for step in path:
                holder = holder[step]
            holder[last] = balance
        return content


@dataclass(frozen=True, slots=True)
class TransactionOutcome:
    """How a transaction ended: `code` as it is in the notification, and for a failure the operator's `reason`."""

    code: str
    reason: str = ""
    succeeded: bool = False

    @classmethod
    def success(cls, contract: Contract) -> TransactionOutcome:
        """The transaction took effect."""
        return cls(contract.notification.success, succeeded=True)


@cache
def failures(contract: Contract, command: Command) -> tuple[TransactionOutcome, ...]:
    """How a transaction of `command` may fail: as the contract lists, or as the examples of its notifications do."""
    listed = contract.behaviours.failures
    if listed:
        return tuple(TransactionOutcome(failure.outcome, failure.reason) for failure in listed)
    roles = contract.notification
    examples = contract.schemas.schema(f"{command.folder}/notification").get("examples", ())
    return tuple(
        TransactionOutcome(e[roles.outcome], e[roles.reason]) for e in examples if e[roles.outcome] != roles.success
    )


@cache
def numbers(contract: Contract) -> Mapping[str, NumberRow]:
    """The outcome of requests to some numbers, by the last characters of the number."""
    return {row.ending: row for row in contract.behaviours.numbers}


@cache
def _lengths(contract: Contract) -> tuple[int, ...]:
    """The lengths of these endings, the longest first."""
    return tuple(sorted({len(ending) for ending in numbers(contract)}, reverse=True))


def number_row(contract: Contract, recipient: object) -> NumberRow | None:
    """The row for the longest ending of the number that has one, or None."""
    if not isinstance(recipient, str):
        return None
    rows = numbers(contract)
    return next((rows[recipient[-n:]] for n in _lengths(contract) if recipient[-n:] in rows), None)


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
    members, request, of_requests = _form(contract, transaction.command)

    def amount(example: Any, money: int) -> Any:
        return str(money) if isinstance(example, str) else money

    by_role: dict[str | None, Callable[[Any], Any]] = {
        roles.id: lambda _: transaction.request_id,
        roles.outcome: lambda _: transaction.outcome.code,
        roles.reason: lambda example: transaction.outcome.reason or retold(str(example), request, payload),
        roles.charge: lambda example: amount(example, transaction.charge),
        roles.balance: lambda example: amount(example, transaction.balance),
        roles.receipt: lambda example: TextShape.of(str(example)).draw(random),
        roles.time: lambda example: spelled(transaction.at, str(example)),
    }
    content: dict[str, Any] = {}
    for member, example in members.items():
        if member in by_role:
            content[member] = by_role[member](example)
        elif member not in of_requests:
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
    is_quoted = retold(text, request, {}) != text
    return members, request if is_quoted else {}, frozenset(asked.get("properties", ()))


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
        alphabet = "".join(dict.fromkeys(one for character in example for one in classes if character in one))
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
