"""The behaviours of gateways, lawful or not: the rows of `behaviours.toml` in a contract.

A change is a table such as `{to = "response.error", every = 10, remove = "reason"}`. `schemas/formats/behaviours.json`
explains its words: those of `Which` choose messages, all others change them. A member is named by its role (`reason`),
or by JSON pointer (`/operator/name`).
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class Which:
    """The messages that a change applies to: those that agree with everything given."""

    to: str = "response"
    refused: tuple[str, ...] = ()
    posted: bool = False
    moves_money: bool = False
    command: tuple[str, ...] = ()
    product: tuple[str, ...] = ()
    matches: Mapping[str, str] = field(default_factory=dict)
    lacks: tuple[str, ...] = ()
    has: str | None = None
    outcome: str | None = None
    unsolicited: bool | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    by: str | None = None
    sample: bool = False
    ordinary: bool = False
    long: bool | None = None
    start: int = 1
    end: int | None = None
    turn: tuple[int, int] | None = None
    chance: float = 1.0
    every: int = 1

    @classmethod
    def from_entry(cls, entry: Mapping[str, Any]) -> Self:
        """The words of a change that choose messages."""
        chosen = {word: value for word, value in entry.items() if word in CHOOSING}
        for word in ("refused", "command", "product", "lacks"):
            if word in chosen:
                chosen[word] = (chosen[word],) if isinstance(chosen[word], str) else tuple(chosen[word])
        if "turn" in chosen:
            chosen["turn"] = tuple(chosen["turn"])
        return cls(**chosen)


CHOOSING = tuple(each.name for each in fields(Which))


@dataclass(frozen=True, slots=True)
class Change:
    """Changes to messages: `actions` has the words that do not choose, in the order of the row."""

    which: Which
    actions: Mapping[str, Any]

    @classmethod
    def from_entry(cls, entry: Mapping[str, Any]) -> Self:
        """One table of `changes`."""
        actions = {word: value for word, value in entry.items() if word not in CHOOSING}
        return cls(Which.from_entry(entry), actions)


def _changes(row: Mapping[str, Any], which: Mapping[str, Any] | None = None) -> tuple[Change, ...]:
    return tuple(Change.from_entry({**(which or {}), **change}) for change in row.get("changes", ()))


def copies(stated: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
    """The changes of each further message that `also` or `before` sends: one table, or a list of them."""
    return (stated,) if isinstance(stated, Mapping) else stated


@dataclass(frozen=True, slots=True)
class BehaviourRow:
    """A named behaviour of a gateway: `breaks` has the requirements that it breaks, none if it is `lawful`.

    Without `changes`, the fault is derived from the way the requirement is judged.
    """

    name: str
    summary: str
    changes: tuple[Change, ...]
    lawful: bool = False
    breaks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NumberRow:
    """The behaviour of the mock gateway for a valid request to a number with this `ending`.

    It refuses the request by the rule `refuse` (`once`: only the first to each number), or accepts it, and with an
    `outcome` the transaction fails with that; then it changes the messages.
    """

    ending: str
    summary: str
    refuse: str | None = None
    once: bool = False
    outcome: str | None = None
    changes: tuple[Change, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class ScenarioRow:
    """A scenario for a client: `changes` of the answers that it gets, whatever it sends.

    `watched`: the client may send again afterwards. `recovers`: only the first request meets it, later ones are
    accepted. `waits`: it lasts for the time of Retry-After, in `seconds` or as a `date`. `reuses`: the call follows an
    accepted one at the same base URL, which has left a connection open. `once`: for one command alone. `for_payments`:
    only where money moves.
    """

    name: str
    summary: str
    changes: tuple[Change, ...] = ()
    watched: bool = False
    recovers: bool = False
    waits: str | None = None
    reuses: bool = False
    once: bool = False
    for_payments: bool = False

    @classmethod
    def from_entry(cls, entry: Mapping[str, Any]) -> Self:
        """One `[[scenario]]`."""
        which = {"to": "answer", **({"end": 1} if entry.get("recovers") else {})}
        return cls(**{**entry, "changes": _changes(entry, which)})


@dataclass(frozen=True, slots=True)
class Failure:
    """A failure of a transaction: the outcome and the reason in its notification."""

    outcome: str
    reason: str


@dataclass(frozen=True, slots=True)
class Behaviours:
    """The rows of a contract's `behaviours.toml`; a contract without the file has none."""

    failures: tuple[Failure, ...] = ()
    rows: tuple[BehaviourRow, ...] = ()
    numbers: tuple[NumberRow, ...] = ()
    scenarios: tuple[ScenarioRow, ...] = ()

    @classmethod
    def read(cls, text: str) -> Self:
        """The rows of a file."""
        stated = tomllib.loads(text)
        return cls(
            tuple(Failure(**row) for row in stated.get("failure", ())),
            tuple(
                BehaviourRow(**{**row, "changes": _changes(row), "breaks": tuple(row.get("breaks", ()))})
                for row in stated.get("behaviour", ())
            ),
            tuple(NumberRow(**{**row, "changes": _changes(row)}) for row in stated.get("number", ())),
            tuple(map(ScenarioRow.from_entry, stated.get("scenario", ()))),
        )
