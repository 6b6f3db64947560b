"""The seeded faults of a contract: each a named single misbehaviour, with the requirements that it breaks.

Fault       one of them
faults      name → Fault, the rows of a contract's `behaviours.toml` that are not lawful
fault       the one with a name, or a UsageError that says which may have been meant
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from types import MappingProxyType

from conformance.contract.contract import Contract
from conformance.errors import UsageError
from conformance.mock_gateway.changes import changed_by
from conformance.mock_gateway.verbs import Effect


@dataclass(frozen=True, slots=True)
class Fault:
    """A named single misbehaviour of the mock gateway.

    `breaks`: the ids of the requirements that fall with it, these and no others. `summary`: one line for
    `--list-faults`. `change` turns a behaviour into one that misbehaves.
    """

    name: str
    summary: str
    breaks: tuple[str, ...]
    change: Effect


@cache
def faults(contract: Contract) -> Mapping[str, Fault]:
    """The faults of a contract by their names, in the order of its file."""
    rows = (row for row in contract.behaviours.rows if not row.lawful)
    return MappingProxyType(
        {row.name: Fault(row.name, row.summary, row.breaks, changed_by(row.changes)) for row in rows}
    )


def fault(name: str, contract: Contract) -> Fault:
    """The fault called `name`; UsageError, with the nearest names as its hint, if there is none."""
    known = faults(contract)
    if name in known:
        return known[name]
    near = get_close_matches(name, known, n=3)
    hint = f"did you mean {' or '.join(near)}?" if near else "--list-faults shows them all"
    raise UsageError(f"there is no fault {name!r}; expected is the name of a fault", hint)
