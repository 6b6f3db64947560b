"""What requests ask of the account: the names and the number that they use, and what they cost.

    Asked               that of one request
    Payer               that of all accepted requests of a command
    sample_numbers      the recipients in the documented samples

The account is the reason of a refusal only where these bear it out (`conformance.judging.excuses`).
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from itertools import accumulate
from typing import Any, Self

from conformance.contract.contract import Contract
from conformance.payloads.sms_segments import GSM_7, UCS_2, Encoding, septets, units

# Units of money of more digits are no amount of money, whatever stands in a payload that breaks the rules.
MOST_DIGITS = 15


@dataclass(frozen=True, slots=True)
class Asked:
    """`named`: the names and the number that a request uses. `price`: what it costs, to be compared within its command.

    That is its amount, or for a message how many segments it has; 0 if it has neither, None for an amount that is none.
    """

    named: Mapping[str, str]
    price: int | None

    @classmethod
    def by(cls, command: str | None, members: Mapping[str, Any] | None, contract: Contract) -> Self:
        """What a request of the command with these members asks."""
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

    def add(self, asked: Asked, sent_at: float) -> None:
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
