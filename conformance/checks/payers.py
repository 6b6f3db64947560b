"""What requests ask of the account: the names and the number that they use, and what they cost.

    Asked               that of one request
    Payer               that of all accepted requests of a command
    sample_numbers      the phone numbers of the documented samples

The account is the reason of a refusal only where these bear it out (`conformance.checks.excuses`).
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from itertools import accumulate
from typing import Any, Self

from conformance.contract.commands import COMMANDS
from conformance.contract.schemas import schema
from conformance.generation.segments import GSM_7, UCS_2, Encoding, septets, units

PHONE_NUMBER = "phone_number"
# Members whose values have to be registered for the account.
REGISTERED = ("sender_id", "short_code")
NAMES = (*REGISTERED, PHONE_NUMBER)

# Shillings of more digits are no amount of money, whatever stands in a payload that breaks the rules.
MOST_DIGITS = 15


@dataclass(frozen=True, slots=True)
class Asked:
    """`named`: the names and the number that a request uses. `price`: what it costs, to be compared within its command.

    That is its amount, or for a message how many segments it has; 0 if it has neither, None for an amount that is none.
    """

    named: Mapping[str, str]
    price: int | None

    @classmethod
    def by(cls, members: Mapping[str, Any] | None) -> Self:
        """What a request with these members asks."""
        texts = {name: value for name, value in (members or {}).items() if isinstance(value, str)}
        return cls({name: texts[name] for name in NAMES if name in texts}, _price(texts))


def _price(texts: Mapping[str, str]) -> int | None:
    amount = texts.get("amount")
    if amount is not None:
        return int(amount) if amount.isascii() and amount.isdigit() and len(amount) <= MOST_DIGITS else None
    message = texts.get("message")
    return 0 if message is None else _segments(message)


def _segments(message: str) -> int:
    length = septets(message)
    return _parts(units(message), UCS_2) if length is None else _parts(length, GSM_7)


def _parts(length: int, encoding: Encoding) -> int:
    return 1 if length <= encoding.single else -(-length // encoding.part)


@dataclass(slots=True)
class Payer:
    """The accepted requests of one command. `named`: every value that one of them used, by member."""

    named: dict[str, set[str]] = field(default_factory=lambda: {name: set() for name in NAMES})
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
def sample_numbers() -> frozenset[str]:
    """The phone numbers of the documented samples, which many payloads of a run have."""
    samples = (schema(f"{c.folder}/request").get("examples", [{}])[0] for c in COMMANDS.values() if c.product)
    return frozenset(sample[PHONE_NUMBER] for sample in samples if PHONE_NUMBER in sample)
