"""What a gateway may do, lawful or not: the rows of `behaviours.toml` in a contract.

Behaviours      all of them
Failure         a way in which a transaction fails
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, slots=True)
class Failure:
    """How a transaction fails: the outcome and the reason that its notification tells."""

    outcome: str
    reason: str


@dataclass(frozen=True, slots=True)
class Behaviours:
    """The rows of a contract's `behaviours.toml`; a contract without the file has none."""

    failures: tuple[Failure, ...] = ()

    @classmethod
    def read(cls, text: str) -> Self:
        """The rows of a file; ValueError, KeyError or TypeError for what is none."""
        stated = tomllib.loads(text)
        return cls(tuple(Failure(**row) for row in stated.get("failure", ())))
