"""The commands of the gateway: one row each.

To add a product: a row here, a folder in `schemas/` (its `folder`), and its requirements' `commands` if they differ.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Command:
    """One command of the gateway (contract: "Base URL and commands").

    `name` is what follows the base URL; `product` names the callback (None: no notification follows);
    `folder` is its folder in `schemas/`. `window_s` is how long a similar accepted request makes a new one be
    refused (contract: "Idempotency"), None where the contract knows no such window. `moves_money`: whether an accepted
    request makes somebody pay; a message costs a fixed fee, and moves none.
    """

    name: str
    method: str
    product: str | None
    source: str
    window_s: float | None = None
    moves_money: bool = False

    @property
    def folder(self) -> str:
        """The folder in `schemas/`: the product's name, or the command's own."""
        return self.product or self.name


COMMANDS: dict[str, Command] = {
    command.name: command
    for command in (
        Command("sms", "POST", "sms", "seed"),
        Command("airtime", "POST", "airtime", "docs", window_s=300.0, moves_money=True),
        Command("mpesa/online", "POST", "mpesa-online", "docs", moves_money=True),
        Command("mpesa-wallet", "POST", "mpesa-wallet", "docs", moves_money=True),
        Command("account-details", "GET", None, "docs"),
    )
}

PRODUCTS: tuple[str, ...] = tuple(c.product for c in COMMANDS.values() if c.product)


def commands_of(products: tuple[str, ...]) -> tuple[Command, ...]:
    """The commands that a run over `products` exercises: theirs, and those that belong to no product."""
    return tuple(c for c in COMMANDS.values() if c.product is None or c.product in products)
