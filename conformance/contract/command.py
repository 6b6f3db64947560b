"""What a gateway is called with, and what it notifies of: the rows of `[[command]]` and `[[unsolicited]]`.

Command         what a client calls; Window, Money and Flow tell more of it
Unsolicited     a product whose notifications no request precedes, such as a payment that a customer starts
Inquiry         what the gateway asks first, where a callback is registered for it; the answer decides
Notified        any of the three: what a callback is notified of
check_callback_paths    which product's results may arrive at which other's callback
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Self

from conformance.model.errors import UsageError, did_you_mean

# Of a request what a window looks at: the texts of its members, in their order.
Key = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Window:
    """How long an accepted request has a similar one refused, in seconds; similar is what agrees in `members`.

    The first of them says whose the request is, those behind it what is asked for.
    """

    seconds: float
    members: tuple[str, ...]

    def key(self, members: Mapping[str, Any]) -> Key | None:
        """What similar requests have in common; None for one that no window can look at, for a member is no text."""
        texts = tuple(value for name in self.members if isinstance(value := members.get(name), str))
        return texts if len(texts) == len(self.members) else None

    def joins(self, members: Mapping[str, Any], others: Mapping[str, Any]) -> bool:
        """Whether two requests are similar."""
        key = self.key(members)
        return key is not None and key == self.key(others)


class Flow(StrEnum):
    """Which way money goes, as the account sees it."""

    OUT = "out"
    IN = "in"


@dataclass(frozen=True, slots=True)
class Money:
    """What an accepted request moves: as much as `member` says, in `currency` (ISO 4217)."""

    member: str
    currency: str
    flow: Flow


@dataclass(frozen=True, slots=True)
class Command:
    """One command of the gateway.

    `name` is what follows the base URL; `product` names the callback (None: no notification follows); `source` is where
    it is documented. `window`: None where the contract knows none. `money`: None where an accepted request makes nobody
    pay an amount; a message costs a fixed fee. `repeatable`: whether the very same request again is a new one.
    """

    name: str
    method: str
    product: str | None
    source: str
    window: Window | None = None
    money: Money | None = None
    repeatable: bool = False

    @classmethod
    def from_entry(cls, entry: Mapping[str, Any]) -> Self:
        """One `[[command]]` table of a contract; KeyError, TypeError or ValueError for one that is none."""
        window, money = entry.get("window"), entry.get("money")
        return cls(
            entry["name"],
            entry["method"],
            entry.get("product"),
            entry["source"],
            None if window is None else Window(float(window["seconds"]), tuple(window["members"])),
            None if money is None else Money(money["member"], money["currency"], Flow(money["flow"])),
            entry.get("repeatable", False),
        )

    @property
    def folder(self) -> str:
        """Its folder of schemas: the product's name, or the command's own."""
        return self.product or self.name

    @property
    def request_schema(self) -> str:
        """The name of the schema of requests that every gateway must accept."""
        return f"{self.folder}/request"

    @property
    def tolerated_schema(self) -> str:
        """The name of the schema of the widest set of requests that a lawful gateway may accept."""
        return f"{self.folder}/request.tolerated"

    @property
    def answer_schema(self) -> str:
        """The name of the schema of an answer to an accepted request, where it has one of its own."""
        return f"{self.folder}/response"

    @property
    def notification_schema(self) -> str:
        """The name of the schema of the notifications that follow."""
        return f"{self.folder}/notification"

    @property
    def window_s(self) -> float | None:
        """How long a similar request is refused, in seconds."""
        return None if self.window is None else self.window.seconds

    @property
    def moves_money(self) -> bool:
        """Whether an accepted request makes somebody pay."""
        return self.money is not None


@dataclass(frozen=True, slots=True)
class Inquiry:
    """A callback whose answer counts: what of, where it comes to, and the seconds within which it is answered.

    It moves no money: what it asks about may.
    """

    product: str
    callback: str
    seconds: float
    money: None = None

    @property
    def name(self) -> str:
        """What it is judged under: its callback."""
        return self.callback

    @property
    def folder(self) -> str:
        """The folder of its schema."""
        return self.product

    @property
    def notification_schema(self) -> str:
        """The name of the schema of what is sent."""
        return f"{self.folder}/inquiry"


@dataclass(frozen=True, slots=True)
class Unsolicited:
    """A product whose notifications no request precedes.

    `source` is where it is documented. `inquiry`: None where the gateway never asks first. `money`: None where a
    notification tells of none.
    """

    product: str
    source: str
    inquiry: Inquiry | None = None
    money: Money | None = None

    @classmethod
    def from_entry(cls, entry: Mapping[str, Any]) -> Self:
        """One `[[unsolicited]]` table of a contract; KeyError, TypeError or ValueError for one that is none."""
        inquiry, money = entry.get("inquiry"), entry.get("money")
        return cls(
            entry["product"],
            entry["source"],
            None if inquiry is None else Inquiry(entry["product"], inquiry["callback"], float(inquiry["seconds"])),
            None if money is None else Money(money["member"], money["currency"], Flow(money["flow"])),
        )

    @classmethod
    def read(cls, entries: Iterable[Mapping[str, Any]]) -> Mapping[str, Unsolicited]:
        """All `[[unsolicited]]` tables of a contract, by product."""
        return MappingProxyType({row.product: row for row in map(cls.from_entry, entries)})

    @property
    def name(self) -> str:
        """What it is judged under: the product, for there is no command."""
        return self.product

    @property
    def folder(self) -> str:
        """Its folder of schemas."""
        return self.product

    @property
    def notification_schema(self) -> str:
        """The name of the schema of its notifications."""
        return f"{self.folder}/notification"

    @property
    def callbacks(self) -> tuple[str, ...]:
        """The names of its callbacks."""
        return (self.product,) if self.inquiry is None else (self.product, self.inquiry.callback)

    def schema_at(self, callback: str) -> str:
        """The name of the schema of what comes to one of its callbacks."""
        if self.inquiry is not None and callback == self.inquiry.callback:
            return self.inquiry.notification_schema
        return self.notification_schema


Notified = Command | Unsolicited | Inquiry


def all_unsolicited(rows: Mapping[str, Unsolicited]) -> Iterator[Unsolicited | Inquiry]:
    """Each of them, and its inquiry behind it: what comes to one callback each."""
    for row in rows.values():
        yield row
        if row.inquiry is not None:
            yield row.inquiry


def check_callback_paths(paths: Mapping[str, str], products: Collection[str], callbacks: Collection[str]) -> None:
    """UsageError for results of what is no product of `products`, or that go to what is none of `callbacks`.

    `paths`: product → the one at whose callback its results arrive.
    """
    for product, callback in paths.items():
        for name, known in ((product, products), (callback, callbacks)):
            if name not in known:
                raise UsageError(
                    f"--callback-path {product}={callback} names {name!r}, which is not one of {', '.join(known)}",
                    hint=did_you_mean(name, known),
                )
