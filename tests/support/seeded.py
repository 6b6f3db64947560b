"""The behaviours of the Statum contract, as tests name them, and some that tests make up themselves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import reduce

from conformance.contract.contract import statum
from conformance.contract.requirements import ByRule
from conformance.gateway.rules import load
from conformance.mock.account import numbers
from conformance.mock.behaviour import UNEXCUSED, Behaviour, Effect, Moment, Reply
from conformance.mock.changes import nth
from conformance.mock.faults import NamedBehaviour, faults, variants

FAULTS = {name: each for name, each in faults(statum()).items() if not each.under_load}
VARIANTS = {name: each for name, each in variants(statum()).items() if not each.under_load}
LOAD_FAULTS = {name: each for name, each in faults(statum()).items() if each.under_load}
LOAD_VARIANTS = {name: each for name, each in variants(statum()).items() if each.under_load}
NUMBERS = numbers(statum())

ON_LOAD = frozenset(id_ for rule in load.RULES for id_ in statum().catalogue.judged_by(ByRule(rule)))
"""The requirements that `load` alone judges, by their ids."""


def fault(name: str) -> NamedBehaviour:
    """The fault of that name."""
    return FAULTS[name]


def together(*changes: Effect) -> Effect:
    """One change after the other."""
    return lambda behaviour: reduce(lambda changed, change: change(changed), changes, behaviour)


def refuses(which: Callable[[Moment], bool], tag: str = UNEXCUSED, every: int = 1) -> Effect:
    """Each `every`-th of the requests that would be accepted and that `which` takes is refused as `tag`."""

    def change(behaviour: Behaviour) -> Behaviour:
        due = nth(every)
        refusing = (*behaviour.additional_refusals, lambda moment: tag if which(moment) and due() else None)
        return replace(behaviour, additional_refusals=refusing)

    return change


def answers(which: Callable[[Moment], bool], status: int, reason: str) -> Effect:
    """The answers that `which` takes have this status and reason."""

    def reshaped(reply: Reply, moment: Moment) -> Reply:
        if not which(moment):
            return reply
        return replace(reply, status=status, content={**reply.content, "status_code": status, "description": reason})

    return lambda behaviour: replace(behaviour, reply=(*behaviour.reply, reshaped))
