"""Lawful variants: other gateways that keep the contract too, and that the suite must not fail.

    variants    name → Variant, the lawful rows of a contract's `behaviours.toml`
    BUILT_IN    how the mock gateway behaves that a run without a gateway of its own judges

Each changes one thing that the contract leaves open, names as a MAY, or does not mention.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType

from conformance.contract.contract import Contract
from conformance.mock.behaviour import Behaviour
from conformance.mock.changes import changed_by
from conformance.mock.verbs import Effect

BUILT_IN = Behaviour(failure_rate=0.1, unlimited_payments=True)
"""Some transactions fail, so that what is required of a failure's notification is seen too; and a payment of more than
the account holds is refused for lack of funds, not for its amount, so that it is seen what that costs."""


@dataclass(frozen=True, slots=True)
class Variant:
    """A way to keep the contract: its `name`, what it does in one line, and the change that it makes."""

    name: str
    summary: str
    change: Effect


@cache
def variants(contract: Contract) -> Mapping[str, Variant]:
    """The lawful variants of a contract by their names, in the order of its file."""
    rows = (row for row in contract.behaviours.rows if row.lawful)
    return MappingProxyType({row.name: Variant(row.name, row.summary, changed_by(row.changes)) for row in rows})
