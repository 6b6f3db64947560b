"""For the time of the move: the commands of the Statum contract."""

from __future__ import annotations

from conformance.contract.command import Command
from conformance.contract.contract import statum
from conformance.contract.requirements import Catalogue

__all__ = ["COMMANDS", "PRODUCTS", "Command", "catalogue", "commands_of"]

COMMANDS: dict[str, Command] = dict(statum().commands)
PRODUCTS: tuple[str, ...] = statum().products


def commands_of(products: tuple[str, ...]) -> tuple[Command, ...]:
    """The one of the Statum contract."""
    return statum().commands_of(products)


def catalogue() -> Catalogue:
    """The one of the Statum contract."""
    return statum().catalogue
