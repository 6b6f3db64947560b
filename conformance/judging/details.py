"""What a notification tells of its transaction, put beside what the request asked for.

    Details             what a request asked for, of that which notifications of its product may tell again
    comparable          command → the members that both the request and the notification have in their schemas
    Echo                what a notification tells, and whether that is what its own request asked for
    contradiction       in which member two notifications of one request tell of different transactions

All of it is optional: documented are the members, not that they are there, nor their exact form. So each is read as
leniently as it can be, and what cannot be read tells nothing: an amount may have decimals, separators or a currency,
a phone number may be masked in any way that leaves its last digits.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import cache
from typing import Any

from conformance.contract.contract import Contract, Telling
from conformance.judging.reading import is_number

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
    asked, told = (contract.schemas.schema(f"{product}/{name}")["properties"] for name in ("request", "notification"))
    return tuple(name for name in contract.notification.transaction if name in asked and name in told)


def details_of(command: str | None, members: Mapping[str, Any] | None, contract: Contract) -> Details | None:
    """What a request asked for; None if there is nothing that a notification may tell again."""
    names = comparable(command, contract)
    if not names or members is None:
        return None
    values = [value if isinstance(value := members.get(name), str) else "" for name in names]
    return SEPARATOR.join(values) if any(values) and not any(SEPARATOR in value for value in values) else None


@dataclass(frozen=True, slots=True)
class Echo:
    """What a notification tells of its transaction, beside what its own request asked for.

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
    """How many of the members that were told are those asked for, and how many are not."""
    how = contract.notification.transaction
    verdicts = [
        AGREE[how[name]](value, wanted)
        for name, value, wanted in zip(comparable(command, contract), told, details.split(SEPARATOR), strict=True)
        if value is not None and wanted
    ]
    return sum(v is True for v in verdicts), sum(v is False for v in verdicts)


def amount_asked(command: str | None, details: Details, contract: Contract) -> Decimal | None:
    """The amount that a request asked for; None if it has none."""
    return _amount_in(command, details.split(SEPARATOR), contract)


def amount_told(command: str | None, told: tuple[Any, ...], contract: Contract) -> Decimal | None:
    """The amount that a notification told; None if it told none that can be read."""
    return _amount_in(command, told, contract)


def _amount_in(command: str | None, values: Sequence[Any], contract: Contract) -> Decimal | None:
    how = contract.notification.transaction
    told = zip(comparable(command, contract), values, strict=True)
    return next((_decimal(value) for name, value in told if how[name] is Telling.AMOUNT), None)
