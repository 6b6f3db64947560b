"""Shrinking a failing payload: simpler candidates, each proved to count as the same kind of payload.

Simplicity is measured against the `good` payload, which passed: the fewer members differ from it the simpler, then the
smaller the difference (`conformance.payloads.simplicity`). `conformance.payloads.labels` proves each candidate.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice, zip_longest
from typing import Any

from conformance.contract.command import Command
from conformance.contract.contract import Contract
from conformance.payloads.addressees import Constraints
from conformance.payloads.labels import ABSENT, Label, Members, rules_of
from conformance.payloads.simplicity import SIMPLEST, Measure, cost, to_the_good_side, values
from conformance.payloads.valid import encoded

# The amount that is the plainest, if the schema takes it.
PLAIN_AMOUNT = 10

Cost = tuple[int, tuple[Measure, ...]]


def plain_members(contract: Contract, command: Command, constraints: Constraints) -> dict[str, Any]:
    """The plainest valid payload: required members alone, each as plain as the given values allow."""
    schema = contract.schemas.resolved(command.request_schema)
    sample = schema["examples"][0]
    given = constraints.values(contract)
    plain = {name: given[name][0] if name in given else sample[name] for name in schema["required"]}
    for name in plain:
        if name not in given:
            plain[name] = _plainest(contract, command, plain, name)
    return plain


def _plainest(contract: Contract, command: Command, members: Members, name: str) -> str:
    rule = rules_of(contract, command)[name]
    if "x-characters" in rule:
        return SIMPLEST
    if "x-integer" in rule:
        return str(max(PLAIN_AMOUNT, rule["x-integer"]["minimum"]))
    value = str(members[name])
    for length in range(len(value)):
        zeros = value[:length] + "0" * (len(value) - length)
        if value.isdigit() and not contract.schemas.violations(command.request_schema, {**members, name: zeros}):
            return zeros
    return value


@dataclass(slots=True)
class Simpler:
    """Offers payloads that are simpler than one with `label`, measured against the `good` one.

    `fixed`: members whose values are given (registered names, phone numbers). `ascii_only`: whether characters beyond
    ASCII are escaped, as in the first payload. `known`: members to blame for other failures, and maybe for this one.
    """

    label: Label
    good: Members
    fixed: frozenset[str]
    ascii_only: bool
    known: Sequence[Members] = ()
    _tried: set[bytes] = field(default_factory=set)
    _passed: dict[tuple[str, ...], set[str]] = field(default_factory=dict)

    def body(self, members: Members) -> bytes:
        """The members as bytes."""
        return encoded(members, ascii_only=self.ascii_only)

    def record(self, members: Members, *, passed: bool) -> None:
        """Do not offer this candidate again; if it passed, offer no value that lies before its own."""
        self._tried.add(self.body(members))
        if passed:
            for name in self.differing(members):
                self._passed.setdefault(self._beside(members, name), set()).add(str(members.get(name)))

    def _beside(self, members: Members, name: str) -> tuple[str, ...]:
        """A member and those that differ beside it: several may fail only together."""
        return name, *sorted(self.differing(members))

    def differing(self, members: Members) -> list[str]:
        """The members in which a payload differs from the good one."""
        names = dict.fromkeys((*members, *self.good))
        return [name for name in names if members.get(name, ABSENT) != self.good.get(name, ABSENT)]

    def differences(self, members: Members) -> Members:
        """Those members with their values; ABSENT for one that is left out."""
        return {name: members.get(name, ABSENT) for name in self.differing(members)}

    def cost(self, members: Members) -> Cost:
        """The distance from the good payload; less is simpler."""
        names = sorted({*members, *self.good})
        each = tuple(cost(members.get(name, ABSENT), self.good.get(name, ABSENT)) for name in names)
        return len(self.differing(members)), each

    def candidates(self, members: Members, most: int) -> list[Members]:
        """At most `most` payloads simpler than `members`, the simplest first; none at a fixed point.

        First come members to blame for other failures, and fewer members; without the former also simpler values of
        each member alone, for mostly one is to blame. Then come simpler values of each member.
        """
        below = self.cost(members)
        known = self._new(self._blamed_elsewhere(members), below)
        offered = self._new(chain(known, self._fewer_members(members)), below)
        if offered and not known:
            offered = self._new(chain(offered, islice(self._alone(members), most - len(offered))), below)
        for stage in () if offered else self._simpler_values(members):
            if not offered:
                offered = self._new(stage, below)
        return offered[:most]

    def _new(self, offered: Iterable[Members], below: Cost) -> list[Members]:
        found: dict[bytes, Members] = {}
        for members in offered:
            body = self.body(members)
            if body in self._tried or body in found or not self.cost(members) < below:
                continue
            if self.label.holds(body):
                found[body] = members
        return sorted(found.values(), key=self.cost)

    def _blamed_elsewhere(self, members: Members) -> Iterator[Members]:
        for known in self.known:
            # Only if the payload has the same fault: a payload with it may fail for another cause.
            sides = ((members.get(name, ABSENT), ill, self.good.get(name, ABSENT)) for name, ill in known.items())
            if all(to_the_good_side(value, ill, good) != value for value, ill, good in sides):
                changed = {**self.good, **known}
                yield {name: value for name, value in changed.items() if value is not ABSENT}

    def _fewer_members(self, members: Members) -> Iterator[Members]:
        differing = self.differing(members)
        if len(differing) > 1:
            for name in differing:
                yield self._alone_with(members, name)
        for name in differing:
            yield _changed(members, name, self.good.get(name, ABSENT))

    def _alone(self, members: Members) -> Iterator[Members]:
        """Simpler values of one member with all others as in the good payload, of each member in turn."""
        differing = self.differing(members)
        if len(differing) > 1:
            stages = [
                self._new(next(self._simpler_values(self._alone_with(members, name)), ()), self.cost(members))
                for name in differing
            ]
            yield from filter(None, chain.from_iterable(zip_longest(*stages)))

    def _alone_with(self, members: Members, name: str) -> Members:
        return _changed(self.good, name, members.get(name, ABSENT))

    def _simpler_values(self, members: Members) -> Iterator[list[Members]]:
        """The stages of all members that may be changed, side by side."""
        stages: list[list[Members]] = []
        for name in self.differing(members):
            if name in members and name not in self.fixed:
                passed = self._passed.get(self._beside(members, name), set())
                for place, offered in enumerate(values(members[name], self.good.get(name, ABSENT), passed)):
                    stages += [[]] * (place == len(stages))
                    stages[place] = stages[place] + [_changed(members, name, value) for value in offered]
        yield from stages


def _changed(members: Members, name: str, value: Any) -> Members:
    changed = {**members, name: value}
    if value is ABSENT:
        del changed[name]
    return changed


def as_plain_as(label: Label, members: Members, good: Members) -> Members:
    """The payload with as many members of the good one as leave it the label."""
    for name in dict.fromkeys((*members, *good)):
        changed = _changed(members, name, good.get(name, ABSENT))
        if label.holds(encoded(changed, ascii_only=True)):
            members = changed
    return members


def without(members: Members, minimal: Members, good: Members) -> Members:
    """`members` without the fault of `minimal`, as far as its differences from `good` show it.

    If the payload then passes, it failed by that fault. Returns an equal payload if it does not have the fault.
    """
    for name in dict.fromkeys((*minimal, *good)):
        ill, well = minimal.get(name, ABSENT), good.get(name, ABSENT)
        if ill != well:
            members = _changed(members, name, to_the_good_side(members.get(name, ABSENT), ill, well))
    return members
