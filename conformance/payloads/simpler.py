"""Payloads simpler than one that a gateway fails at, so that the simplest that it fails at can be found.

    plain_members   the plainest valid payload of a command
    as_plain_as     the plainest payload that counts as the same as another one
    Simpler         .candidates(members): simpler ones, in the order of simplicity; .told(…): what became of one
    without         a payload without what another one shows to be at fault

Simplicity is measured against a payload that went well, the `good` one: the fewer members differ from it the simpler,
then the smaller the difference (`conformance.payloads.simpler_values`). Each candidate is proved to count as what it
was made from (`conformance.payloads.labels`).
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
from conformance.payloads.simpler_values import Measure, cost, simplest_text, to_the_good_side, values
from conformance.payloads.valid import encoded

# Nearest to this among those that every gateway takes.
PLAIN_AMOUNT = 10

Cost = tuple[int, tuple[Measure, ...]]


def plain_members(contract: Contract, command: Command, constraints: Constraints) -> dict[str, Any]:
    """The plainest payload that is valid: required members alone, each as plain as the given values allow."""
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
        return simplest_text()
    if "x-integer" in rule:
        return str(max(PLAIN_AMOUNT, rule["x-integer"]["minimum"]))
    value = str(members[name])
    for kept in range(len(value)):
        zeros = value[:kept] + "0" * (len(value) - kept)
        if value.isdigit() and not contract.schemas.violations(command.request_schema, {**members, name: zeros}):
            return zeros
    return value


@dataclass(slots=True)
class Simpler:
    """Offers payloads that are simpler than one with `label`, measured against the `good` one.

    `fixed`: members that may have no other values than those in use (registered names, given phone numbers).
    `ascii_only`: whether characters beyond ASCII are escaped, as they were in the payload that it begins with.
    `known`: members that were to blame elsewhere, which may be the same here.
    """

    label: Label
    good: Members
    fixed: frozenset[str]
    ascii_only: bool
    known: Sequence[Members] = ()
    _tried: set[bytes] = field(default_factory=set)
    _held: dict[tuple[str, ...], set[str]] = field(default_factory=dict)

    def body(self, members: Members) -> bytes:
        """The members as bytes."""
        return encoded(members, ascii_only=self.ascii_only)

    def told(self, members: Members, *, held: bool) -> None:
        """What became of a candidate; where a value held, the search goes on beyond it."""
        self._tried.add(self.body(members))
        if held:
            for name in self.differing(members):
                self._held.setdefault(self._beside(members, name), set()).add(str(members.get(name)))

    def _beside(self, members: Members, name: str) -> tuple[str, ...]:
        """A member and those that differ beside it: where several matter together, one of them alone shows nothing."""
        return name, *sorted(self.differing(members))

    def differing(self, members: Members) -> list[str]:
        """The members in which a payload is not like the good one."""
        names = dict.fromkeys((*members, *self.good))
        return [name for name in names if members.get(name, ABSENT) != self.good.get(name, ABSENT)]

    def differences(self, members: Members) -> Members:
        """The same with their values; ABSENT for one that is left out."""
        return {name: members.get(name, ABSENT) for name in self.differing(members)}

    def cost(self, members: Members) -> Cost:
        """How far from simple; less is simpler."""
        names = sorted({*members, *self.good})
        each = tuple(cost(members.get(name, ABSENT), self.good.get(name, ABSENT)) for name in names)
        return len(self.differing(members)), each

    def candidates(self, members: Members, most: int) -> list[Members]:
        """At most `most` payloads simpler than `members`, the simplest first; none are left at a fixed point.

        What was to blame elsewhere is tried first, with which members matter; if there is nothing of that kind, with
        simpler values of each member alone, for mostly it is one. Then each value is made simpler.
        """
        below = self.cost(members)
        known = self._new(self._by_experience(members), below)
        offered = self._new(chain(known, self._by_member(members)), below)
        if offered and not known:
            offered = self._new(chain(offered, islice(self._alone(members), most - len(offered))), below)
        for stage in () if offered else self._by_value(members):
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

    def _by_experience(self, members: Members) -> Iterator[Members]:
        for known in self.known:
            # Whether it has in it what was to blame elsewhere: else a payload with that fails for another cause.
            sides = ((members.get(name, ABSENT), ill, self.good.get(name, ABSENT)) for name, ill in known.items())
            if all(to_the_good_side(value, ill, good) != value for value, ill, good in sides):
                changed = {**self.good, **known}
                yield {name: value for name, value in changed.items() if value is not ABSENT}

    def _by_member(self, members: Members) -> Iterator[Members]:
        differing = self.differing(members)
        if len(differing) > 1:
            for name in differing:
                yield self._alone_with(members, name)
        for name in differing:
            yield _changed(members, name, self.good.get(name, ABSENT))

    def _alone(self, members: Members) -> Iterator[Members]:
        """Simpler values of one member, with all others as they are in the good one: of each member in turn."""
        differing = self.differing(members)
        if len(differing) > 1:
            stages = [
                self._new(next(self._by_value(self._alone_with(members, name)), ()), self.cost(members))
                for name in differing
            ]
            yield from filter(None, chain.from_iterable(zip_longest(*stages)))

    def _alone_with(self, members: Members, name: str) -> Members:
        return _changed(self.good, name, members.get(name, ABSENT))

    def _by_value(self, members: Members) -> Iterator[list[Members]]:
        """The stages of all members that may be changed, side by side."""
        stages: list[list[Members]] = []
        for name in self.differing(members):
            if name in members and name not in self.fixed:
                held = self._held.get(self._beside(members, name), set())
                for place, offered in enumerate(values(members[name], self.good.get(name, ABSENT), held)):
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
    """`members` without what `minimal` has and `good` has not, as far as that can be told from the two.

    If the payload then goes well, what ails `minimal` is what ailed it, too. The same as `members` if it has nothing of
    that kind.
    """
    for name in dict.fromkeys((*minimal, *good)):
        ill, well = minimal.get(name, ABSENT), good.get(name, ABSENT)
        if ill != well:
            members = _changed(members, name, to_the_good_side(members.get(name, ABSENT), ill, well))
    return members
