"""The commands of a gateway: the rows of `[[command]]` in a contract."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class Window:
    """How long an accepted request has a similar one refused, in seconds; similar is what agrees in `members`."""

    seconds: float
    members: tuple[str, ...]


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
    def window_s(self) -> float | None:
        """How long a similar request is refused, in seconds."""
        return None if self.window is None else self.window.seconds

    @property
    def moves_money(self) -> bool:
        """Whether an accepted request makes somebody pay."""
        return self.money is not None
