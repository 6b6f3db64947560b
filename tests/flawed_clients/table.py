"""The varieties by name.

Variety     a client class: its name, what it is told by, and what it breaks
FLAWS       those with one misbehaviour each
LAWFUL      those that the contract allows
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from types import ModuleType

from flawed_clients import (
    drivers,
    lawful,
    lawful_paid,
    lawful_receivers,
    malformed,
    paid,
    reading,
    receiving,
    refusing,
    resending,
    results,
    sending,
)
from flawed_clients.client import Client


@dataclass(frozen=True)
class Variety:
    """A kind of client; the name is that of its class."""

    name: str
    client: type[Client]

    @property
    def breaks(self) -> tuple[str, ...]:
        """The ids of the requirements that fall short."""
        return self.client.breaks

    @property
    def summary(self) -> str:
        """One sentence on it."""
        return (self.client.__doc__ or "").partition("\n")[0]


def _varieties(*modules: ModuleType) -> dict[str, Variety]:
    classes = [
        held
        for module in modules
        for name, held in vars(module).items()
        if isinstance(held, type)
        and issubclass(held, Client)
        and held.__module__ == module.__name__
        and held.__doc__
        and name[0] != "_"
    ]
    names = [re.sub(r"(?<!^)(?=[A-Z])", "-", held.__name__).lower() for held in classes]
    return {name: Variety(name, held) for name, held in zip(names, classes, strict=True)}


FLAWS = _varieties(sending, refusing, reading, resending, receiving, results, malformed, paid, drivers)
LAWFUL = _varieties(lawful, lawful_receivers, lawful_paid)
VARIETIES = {**FLAWS, **LAWFUL}
