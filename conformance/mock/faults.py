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

from conformance.contract.behaviours import BehaviourRow
from conformance.contract.contract import Contract
from conformance.contract.requirements import Actor
from conformance.mock.changes import changed_by
from conformance.mock.derived import derived
from conformance.mock.verbs import Effect
from conformance.model.errors import SuiteError, UsageError


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
    """The faults of a contract by their names: the rows of its file, in their order, and what else can be derived.

    A requirement that no row breaks alone, and that a fault follows from, has one called `breaks-` and its id.
    Raises SuiteError for a row without changes that none follow for.
    """
    rows = [_of_row(contract, row) for row in contract.behaviours.rows if not row.lawful]
    alone = {each.breaks[0] for each in rows if len(each.breaks) == 1}
    others = (each for each in contract.catalogue.requirements if each.actor is Actor.GATEWAY and each.id not in alone)
    rows += [
        Fault(f"breaks-{each.id.lower()}", f"Breaks {each.id}: {each.title}", (each.id,), changed_by(changes))
        for each in others
        if (changes := derived(contract, each))
    ]
    return MappingProxyType({each.name: each for each in rows})


def _of_row(contract: Contract, row: BehaviourRow) -> Fault:
    changes = row.changes or derived(contract, contract.catalogue[row.breaks[0]])
    if not changes:
        raise SuiteError(
            f"the behaviour {row.name!r} has no changes, and none follow from how {row.breaks[0]} is judged",
            hint="give it changes = [{ … }]",
        )
    return Fault(row.name, row.summary, row.breaks, changed_by(changes))


def fault(name: str, contract: Contract) -> Fault:
    """The fault called `name`; UsageError, with the nearest names as its hint, if there is none."""
    known = faults(contract)
    if name in known:
        return known[name]
    near = get_close_matches(name, known, n=3)
    hint = f"did you mean {' or '.join(near)}?" if near else "--list-faults shows them all"
    raise UsageError(f"there is no fault {name!r}; expected is the name of a fault", hint)
