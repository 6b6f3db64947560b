"""The details of requests, compared with those of their notifications, and the use of the account.

All details in a notification are optional: the contract documents the members, not their presence or exact form. So
each is read as leniently as possible, and an unreadable one is ignored: an amount may have decimals, separators or a
currency, a phone number may be masked in any way that leaves its last digits.

The account is the reason of a refusal only if its use supports that (`conformance.judging.excuses`).
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from functools import cache
from typing import Any, Self

from conformance.contract.contract import Contract, Telling
from conformance.judging.facts import Staircase
from conformance.judging.reading import is_number
from conformance.payloads.texts import GSM_7, UCS_2, septets, units

# The values of the `comparable` members of a request, in their order, "" for a missing one: in one string, because the
# evidence keeps it for each accepted request.
Details = str
SEPARATOR = "\x1f"

# A currency before or behind an amount, by its code or its local spelling.
CURRENCY = re.compile(r"^[^\W\d_]{2,4}\.?\s*|\s*[^\W\d_]{2,4}\.?$")
MASKED = re.compile(r"\+?[0-9]*[*xX•#._-]+(?P<shown>[0-9]*)\Z")
# The fewest digits of a masked number to compare: one or two may agree by chance.
SHOWN_DIGITS = 3
TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}")
MASK = "*"


def _amounts_agree(notified: Any, asked: str) -> bool | None:
    amount, wanted = _decimal(notified), _decimal(asked)
    return None if amount is None or wanted is None else amount == wanted


def _decimal(value: Any) -> Decimal | None:
    if not isinstance(value, str) and not is_number(value):
        return None
    try:
        amount = Decimal(CURRENCY.sub("", str(value).strip()).replace(",", ""))
    except InvalidOperation:
        return None
    return amount if amount.is_finite() else None


def _phone_numbers_agree(notified: Any, asked: str) -> bool | None:
    text = str(notified) if isinstance(notified, int) else notified
    if not isinstance(text, str):
        return None
    text = re.sub(r"[ ()]", "", text)
    masked = MASKED.match(text)
    shown = masked["shown"] if masked else text.lstrip("+").lstrip("0")
    if len(shown) < SHOWN_DIGITS or not (shown.isascii() and shown.isdigit()):
        return None
    return asked.endswith(shown)


def _names_agree(notified: Any, asked: str) -> bool | None:
    text = str(notified) if isinstance(notified, int) else notified
    if not isinstance(text, str) or not text.strip() or MASK in text:
        return None
    return text.strip().casefold() == asked.strip().casefold()


def _times_agree(notified: Any, other: str) -> bool | None:
    """Compare times of the documented form; another form may have another time zone."""
    if not isinstance(notified, str) or not TIME.fullmatch(notified.strip()) or not TIME.fullmatch(other.strip()):
        return None
    return notified.strip() == other.strip()


AGREE: Mapping[Telling, Callable[[Any, str], bool | None]] = {
    Telling.AMOUNT: _amounts_agree,
    Telling.NUMBER: _phone_numbers_agree,
    Telling.NAME: _names_agree,
    Telling.MOMENT: _times_agree,
}
"""Type of a member → whether two values of it agree; None if they cannot be compared."""


def telling_of(members: Mapping[str, Any], contract: Contract) -> Mapping[str, Any]:
    """The members of a notification with details of its transaction, without the outcome.

    Not the balance of the account, which is that of the moment of sending; not the text of the result, which may vary;
    no undocumented member, whose meaning is unknown.
    """
    return {name: members[name] for name in contract.notification.transaction if members.get(name) is not None}


def contradiction(one: Mapping[str, Any], other: Mapping[str, Any], contract: Contract) -> str | None:
    """The first member in which two notifications contradict each other; None if there is none.

    A member that only one of them has contradicts nothing.
    """
    how = contract.notification.transaction
    return next((name for name in one if name in other and _differ(how[name], one[name], other[name])), None)


def _differ(how: Telling, one: Any, other: Any) -> bool:
    """Compare in both directions: one of them may be masked, and have fewer digits than the other."""
    return _agree(how, one, other) is False and _agree(how, other, one) is False


def _agree(how: Telling, notified: Any, other: Any) -> bool | None:
    text = json.dumps(other) if is_number(other) else other
    return AGREE[how](notified, text) if isinstance(text, str) else None


@cache
def comparable(command: str | None, contract: Contract) -> tuple[str, ...]:
    """The members that requests of the command and their notifications have in common, and that can be compared."""
    product = contract.product_of(command)
    if product is None:
        return ()
    schemas = (contract.schemas.resolved(f"{product}/{name}") for name in ("request", "notification"))
    asked, notified = (schema.get("properties", {}) for schema in schemas)
    return tuple(name for name in contract.notification.transaction if name in asked and name in notified)


def details_of(command: str | None, members: Mapping[str, Any] | None, contract: Contract) -> Details | None:
    """The details of a request; None if it has no `comparable` member."""
    names = comparable(command, contract)
    if not names or members is None:
        return None
    values = [value if isinstance(value := members.get(name), str) else "" for name in names]
    return SEPARATOR.join(values) if any(values) and not any(SEPARATOR in value for value in values) else None


@dataclass(frozen=True, slots=True)
class Echo:
    """The details of a notification, compared with those of its own request.

    `values`: those of its `comparable` members; empty if none contradicts. `agreeing` and `contradicting`: how many of
    them agree with the request, or contradict it.
    """

    values: tuple[Any, ...]
    agreeing: int
    contradicting: int

    @classmethod
    def of(cls, command: str | None, details: Details, members: Mapping[str, Any], contract: Contract) -> Echo | None:
        """Compare a notification with its request; None if it has no comparable value."""
        values = tuple(members.get(name) for name in comparable(command, contract))
        agreeing, contradicting = compared(command, values, details, contract)
        if contradicting:
            return cls(values, agreeing, contradicting)
        return _faithful(agreeing) if agreeing else None


@cache  # nearly all notifications are faithful, and there may be hundreds of thousands
def _faithful(agreeing: int) -> Echo:
    return Echo((), agreeing, 0)


def compared(command: str | None, values: tuple[Any, ...], details: Details, contract: Contract) -> tuple[int, int]:
    """The number of members of a notification that agree with the request, and of those that contradict it."""
    how = contract.notification.transaction
    agree = [
        AGREE[how[name]](value, wanted)
        for name, value, wanted in zip(comparable(command, contract), values, details.split(SEPARATOR), strict=True)
        if value is not None and wanted
    ]
    return agree.count(True), agree.count(False)


def amount_in(command: str | None, values: Sequence[Any], contract: Contract) -> Decimal | None:
    """The amount among the values of the `comparable` members; None without a readable one."""
    how = contract.notification.transaction
    named = zip(comparable(command, contract), values, strict=True)
    return next((_decimal(value) for name, value in named if how[name] is Telling.AMOUNT), None)


# More digits are not an amount of money, but a payload that breaks the rules.
MOST_DIGITS = 15


@dataclass(frozen=True, slots=True)
class AccountUse:
    """The use of the account by a request: the names and the number that it has, and its price within its command.

    `price` is the amount, or the number of segments of a message; 0 without either, None for a malformed amount.
    """

    named: Mapping[str, str]
    price: int | None

    @classmethod
    def by(cls, command: str | None, members: Mapping[str, Any] | None, contract: Contract) -> Self:
        """The use by a request of the command with these members."""
        texts = {name: value for name, value in (members or {}).items() if isinstance(value, str)}
        named = {name: texts[name] for name in names_of(contract) if name in texts}
        return cls(named, _price(command, texts, contract))


@cache
def names_of(contract: Contract) -> tuple[str, ...]:
    """The members whose values may be denied to an account: the registered ones, and the recipient."""
    recipient = contract.members.recipient
    return (*contract.members.registered, *(() if recipient is None else (recipient,)))


def _price(command: str | None, texts: Mapping[str, str], contract: Contract) -> int | None:
    money = contract.money_of(command)
    amount = texts.get(money.member) if money is not None else None
    if amount is not None:
        return int(amount) if amount.isascii() and amount.isdigit() and len(amount) <= MOST_DIGITS else None
    text = texts.get(contract.members.text or "")
    if text is None:
        return 0
    length, encoding = septets(text), GSM_7
    if length is None:
        length, encoding = units(text), UCS_2
    return 1 if length <= encoding.single else -(-length // encoding.part)


@dataclass(slots=True)
class Payer:
    """The accepted requests of one command. `named`: every value that one of them used, by member."""

    named: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    dearest: Staircase = field(default_factory=Staircase)

    def add(self, asked: AccountUse, sent_at: float) -> None:
        """Add one accepted request."""
        for member, value in asked.named.items():
            self.named[member].add(value)
        if asked.price is not None:
            self.dearest.add(sent_at, asked.price)


@cache
def sample_numbers(contract: Contract) -> frozenset[str]:
    """The recipients in the documented samples, which many payloads of a run have."""
    folders = (command.folder for command in contract.commands.values() if command.product)
    samples = (contract.schemas.schema(f"{folder}/request").get("examples", [{}])[0] for folder in folders)
    recipient = contract.members.recipient
    return frozenset(sample[recipient] for sample in samples if recipient in sample)
