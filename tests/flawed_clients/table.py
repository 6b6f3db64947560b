"""The varieties by name.

Variety     a client class: its name, its summary, and the requirements that it breaks
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
from flawed_clients.inbox import Inbox, Subject


@dataclass(frozen=True)
class Variety:
    """A kind of client; the name is that of its class."""

    name: str
    client: type[Client]

    @property
    def breaks(self) -> tuple[str, ...]:
        """The ids of the requirements that it breaks."""
        return self.client.breaks

    @property
    def summary(self) -> str:
        """One sentence on it."""
        return (self.client.__doc__ or "").partition("\n")[0]


def _varieties(*modules: ModuleType) -> dict[str, Variety]:
    found: dict[str, Variety] = {}
    for module in modules:
        for name, subject in vars(module).items():
            is_own = (
                isinstance(subject, type) and issubclass(subject, Subject) and subject.__module__ == module.__name__
            )
            if is_own and subject.__doc__ and name[0] != "_":
                dashed = re.sub(r"(?<!^)(?=[A-Z])", "-", name).lower()
                found[dashed] = Variety(dashed, _client_of(subject))
    return found


def _client_of(subject: type[Subject]) -> type[Client]:
    """The class itself, or of a receiver the client that has it."""
    if not issubclass(subject, Inbox):
        assert issubclass(subject, Client)
        return subject

    class Receiving(Client, breaks=subject.breaks):
        __doc__ = subject.__doc__
        commands, features, notified = subject.commands, subject.features, subject.notified
        inbox = subject

    return Receiving


FLAWS = _varieties(sending, refusing, reading, resending, receiving, results, malformed, paid, drivers)
LAWFUL = _varieties(lawful, lawful_receivers)
VARIETIES = {**FLAWS, **LAWFUL}
