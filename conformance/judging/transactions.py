"""What requests ask for, compared with what their notifications say, and what they ask of the account.

    Details             what a request asked for, of that which notifications of its product may repeat
    comparable          command → the members that both the request and the notification have in their schemas
    Echo                what a notification says of its transaction, and whether that is what its request asked for
    contradiction       in which member two notifications of one request say different things
    AccountUse          the names, the number and the price of one request
    Payer               those of all accepted requests of a command
    sample_numbers      the recipients in the documented samples

All that a notification repeats is optional: documented are the members, not that they are there, nor their exact form.
So each is read as leniently as it can be, and what cannot be read says nothing: an amount may have decimals, separators
or a currency, a phone number may be masked in any way that leaves its last digits.

The account is the reason of a refusal only where its use bears it out (`conformance.judging.excuses`).
"""

from __future__ import annotations

import json
import re
from array import array
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from functools import cache
from itertools import accumulate
from typing import Any, Self

from conformance.contract.contract import Contract, Telling
from conformance.judging.reading import is_number
from conformance.payloads.sms_segments import GSM_7, UCS_2, Encoding, septets, units

# What a request asked for, member by member in the order of `comparable`, nothing where it did not say: in one string,
# for it is kept for each accepted request.
Details = str
SEPARATOR = "\x1f"

# A currency before or behind an amount, by its code or as it is written where it is used.
CURRENCY = re.compile(r"^[^\W\d_]{2,4}\.?\s*|\s*[^\W\d_]{2,4}\.?$")
MASKED = re.compile(r"\+?[0-9]*[*xX•#._-]+(?P<shown>[0-9]*)\Z")
# A last digit or two may agree by chance, and one that is masked nearly whole tells no more than that.
SHOWN_DIGITS = 3
TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}")
MASK = "*"


def _amounts_agree(told: Any, asked: str) -> bool | None:
    amount, wanted = _decimal(told), _decimal(asked)
    return None if amount is None or wanted is None else amount == wanted


def _decimal(told: Any) -> Decimal | None:
    if not isinstance(told, str) and not is_number(told):
        return None
    try:
        amount = Decimal(CURRENCY.sub("", str(told).strip()).replace(",", ""))
    except InvalidOperation:
        return None
    return amount if amount.is_finite() else None


def _phone_numbers_agree(told: Any, asked: str) -> bool | None:
    text = str(told) if isinstance(told, int) else told
    if not isinstance(text, str):
        return None
    text = re.sub(r"[ ()]", "", text)
    masked = MASKED.match(text)
    shown = masked["shown"] if masked else text.lstrip("+").lstrip("0")
    if len(shown) < SHOWN_DIGITS or not (shown.isascii() and shown.isdigit()):
        return None
    return asked.endswith(shown)


def _names_agree(told: Any, asked: str) -> bool | None:
    text = str(told) if isinstance(told, int) else told
    if not isinstance(text, str) or not text.strip() or MASK in text:
        return None
    return text.strip().casefold() == asked.strip().casefold()


def _times_agree(told: Any, other: str) -> bool | None:
    """Of the documented form; another may be that of another time zone."""
    if not isinstance(told, str) or not TIME.fullmatch(told.strip()) or not TIME.fullmatch(other.strip()):
        return None
    return told.strip() == other.strip()


AGREE: Mapping[Telling, Callable[[Any, str], bool | None]] = {
    Telling.AMOUNT: _amounts_agree,
    Telling.NUMBER: _phone_numbers_agree,
    Telling.NAME: _names_agree,
    Telling.MOMENT: _times_agree,
}
"""How a member is read → whether two values of it tell the same; None if that cannot be said."""


def telling_of(members: Mapping[str, Any], contract: Contract) -> Mapping[str, Any]:
    """The members of a notification that tell of its transaction, beside the outcome.

    Not the balance of the account, which is that of the moment of sending; nor the text of the result, which may be put
    in other words; nor what is not documented, of which nobody knows what it tells.
    """
    return {name: members[name] for name in contract.notification.transaction if members.get(name) is not None}


def contradiction(one: Mapping[str, Any], other: Mapping[str, Any], contract: Contract) -> str | None:
    """The first member by which two notifications tell of different transactions; None if there is none.

    What only one of them tells contradicts nothing.
    """
    how = contract.notification.transaction
    return next((name for name in one if name in other and _differ(how[name], one[name], other[name])), None)


def _differ(how: Telling, one: Any, other: Any) -> bool:
    """Either way round: one of them may be masked, and tell less than the other."""
    return _tells(how, one, other) is False and _tells(how, other, one) is False


def _tells(how: Telling, told: Any, other: Any) -> bool | None:
    text = json.dumps(other) if is_number(other) else other
    return AGREE[how](told, text) if isinstance(text, str) else None


@cache
def comparable(command: str | None, contract: Contract) -> tuple[str, ...]:
    """The members that a request of the command has, that its notifications may tell, and that can be compared."""
    product = contract.product_of(command)
    if product is None:
        return ()
    schemas = (contract.schemas.resolved(f"{product}/{name}") for name in ("request", "notification"))
    asked, told = (schema.get("properties", {}) for schema in schemas)
    return tuple(name for name in contract.notification.transaction if name in asked and name in told)


def details_of(command: str | None, members: Mapping[str, Any] | None, contract: Contract) -> Details | None:
    """The details of a request; None if there is nothing that a notification may repeat."""
    names = comparable(command, contract)
    if not names or members is None:
        return None
    values = [value if isinstance(value := members.get(name), str) else "" for name in names]
    return SEPARATOR.join(values) if any(values) and not any(SEPARATOR in value for value in values) else None


@dataclass(frozen=True, slots=True)
class Echo:
    """What a notification says of its transaction, compared with what its own request asked for.

    `told`: the members of `comparable` as they stand in it; empty if none contradicts. `agreeing` and `contradicting`:
    how many of them are, or are not, what was asked for.
    """

    told: tuple[Any, ...]
    agreeing: int
    contradicting: int

    @classmethod
    def of(cls, command: str | None, details: Details, members: Mapping[str, Any], contract: Contract) -> Echo | None:
        """Put a notification beside its request; None if it tells nothing that can be compared."""
        told = tuple(members.get(name) for name in comparable(command, contract))
        agreeing, contradicting = compared(command, told, details, contract)
        if contradicting:
            return cls(told, agreeing, contradicting)
        return _faithful(agreeing) if agreeing else None


@cache  # nearly all are, and there may be hundreds of thousands
def _faithful(agreeing: int) -> Echo:
    return Echo((), agreeing, 0)


def compared(command: str | None, told: tuple[Any, ...], details: Details, contract: Contract) -> tuple[int, int]:
    """How many members of a notification agree with the request, and how many contradict it."""
    how = contract.notification.transaction
    verdicts = [
        AGREE[how[name]](value, wanted)
        for name, value, wanted in zip(comparable(command, contract), told, details.split(SEPARATOR), strict=True)
        if value is not None and wanted
    ]
    return sum(v is True for v in verdicts), sum(v is False for v in verdicts)


def amount_in(command: str | None, values: Sequence[Any], contract: Contract) -> Decimal | None:
    """The amount among the values of the `comparable` members; None if there is none that can be read."""
    how = contract.notification.transaction
    told = zip(comparable(command, contract), values, strict=True)
    return next((_decimal(value) for name, value in told if how[name] is Telling.AMOUNT), None)


# Units of money of more digits are no amount of money, whatever stands in a payload that breaks the rules.
MOST_DIGITS = 15


@dataclass(frozen=True, slots=True)
class AccountUse:
    """`named`: the names and the number that a request uses. `price`: what it costs, to be compared within its command.

    That is its amount, or for a message how many segments it has; 0 if it has neither, None for an amount that is none.
    """

    named: Mapping[str, str]
    price: int | None

    @classmethod
    def by(cls, command: str | None, members: Mapping[str, Any] | None, contract: Contract) -> Self:
        """Of a request of the command with these members."""
        texts = {name: value for name, value in (members or {}).items() if isinstance(value, str)}
        named = {name: texts[name] for name in names_of(contract) if name in texts}
        return cls(named, _price(command, texts, contract))


@cache
def names_of(contract: Contract) -> tuple[str, ...]:
    """The members whose values an account may be denied: those that are registered for it, and the recipient."""
    recipient = contract.members.recipient
    return (*contract.members.registered, *(() if recipient is None else (recipient,)))


def _price(command: str | None, texts: Mapping[str, str], contract: Contract) -> int | None:
    money = contract.money_of(command)
    amount = texts.get(money.member) if money is not None else None
    if amount is not None:
        return int(amount) if amount.isascii() and amount.isdigit() and len(amount) <= MOST_DIGITS else None
    text = texts.get(contract.members.text or "")
    return 0 if text is None else _segments(text)


def _segments(message: str) -> int:
    length = septets(message)
    return _parts(units(message), UCS_2) if length is None else _parts(length, GSM_7)


def _parts(length: int, encoding: Encoding) -> int:
    return 1 if length <= encoding.single else -(-length // encoding.part)


@dataclass(slots=True)
class Payer:
    """The accepted requests of one command. `named`: every value that one of them used, by member."""

    named: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    _sent_at: array[float] = field(default_factory=lambda: array("d"))
    _prices: array[int] = field(default_factory=lambda: array("q"))
    _dearest: tuple[list[float], list[int]] | None = None

    def add(self, asked: AccountUse, sent_at: float) -> None:
        """One accepted request more."""
        for member, value in asked.named.items():
            self.named[member].add(value)
        if asked.price is not None:
            self._sent_at.append(sent_at)
            self._prices.append(asked.price)

    def paid_as_much_since(self, at: float, price: int) -> bool:
        """Whether one that costs as much, or more, was sent after that moment."""
        if self._dearest is None:
            ordered = sorted(zip(self._sent_at, self._prices, strict=True))
            dearest = list(accumulate((price for _, price in reversed(ordered)), max))[::-1]
            self._dearest = [sent_at for sent_at, _ in ordered], dearest
        times, dearest = self._dearest
        place = bisect_right(times, at)
        return place < len(times) and dearest[place] >= price


@cache
def sample_numbers(contract: Contract) -> frozenset[str]:
    """The recipients in the documented samples, which many payloads of a run have."""
    folders = (command.folder for command in contract.commands.values() if command.product)
    samples = (contract.schemas.schema(f"{folder}/request").get("examples", [{}])[0] for folder in folders)
    recipient = contract.members.recipient
    return frozenset(sample[recipient] for sample in samples if recipient in sample)
