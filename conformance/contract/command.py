"""The commands of a gateway: the rows of `[[command]]` in a contract."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self

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
