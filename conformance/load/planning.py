"""More cases than the plan of an ordinary run has, made in batches, so that memory does not grow with the load.

    further_groups      batches of groups behind a plan, until so many requests are to be accepted

The plan of `run` comes first, with all that it exercises. Behind it the valid payloads of that plan are sent again,
each with a recipient, or another member that a window looks at, of its own; and between them refused requests of the
plan, beside a positive twin. Which text is fresh follows from a count, so nothing has to be remembered: two cases never
have the same. The same settings give the same bytes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import cycle
from math import gcd, inf, prod
from random import Random
from typing import Any

from conformance.contract.command import Command, Key
from conformance.contract.contract import Contract
from conformance.gateway.command_plan import NEGATIVE, Group, in_order, seed_for
from conformance.gateway.plan import Plan
from conformance.gateway.selection import has_to_be_refused
from conformance.gateway.settings import Settings
from conformance.judging.evidence import BALANCE
from conformance.model.traffic import Case, Kind
from conformance.model.untrusted import json_object
from conformance.payloads.members import KINDS, amount_of, cheap_amounts, recipient_of
from conformance.payloads.probes import credential_probes
from conformance.payloads.valid import encoded
from conformance.wire.allowance import amount_of as amount_in

# Groups that are made at once: half a megabyte of them.
BATCH = 1_000
# Of so many accepted requests one goes first in a group with so many refused ones.
ACCEPTED_EACH, REFUSED_EACH = 20, 4
# The last characters of a text are changed: as many as leave ten million texts, and what names country and operator.
CHANGED = 7
# Texts in a row that the schema does not allow, before no more are looked for.
MOST_MISSES = 1_000


def further_groups(settings: Settings, plan: Plan, accepted: int) -> Iterator[Sequence[Group]]:
    """Batches of groups behind `plan`, until `accepted` requests are to be accepted in all, within the limits.

    Fewer where the limits, or the phone numbers that were given, do not suffice.
    """
    wanted = accepted - sum(not has_to_be_refused(case) for case in plan.cases)
    limit = settings.bounds.max_accepted
    if limit is not None:
        wanted = min(wanted, limit - sum(not has_to_be_refused(case) for case in plan.cases))
    spent = sum(amount_in(case.request, plan.contract) for case in plan.cases if not has_to_be_refused(case))
    room = inf if settings.bounds.max_spend is None else settings.bounds.max_spend - spent
    batch: list[Group] = []
    for group in _Repeated.of(settings, plan).groups():
        cost = sum(amount_in(case.request, plan.contract) for case in group if not has_to_be_refused(case))
        if cost > room:
            continue
        if wanted <= 0:
            break
        room -= cost
        wanted -= sum(not has_to_be_refused(case) for case in group)
        batch.append(group)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


@dataclass(slots=True)
class _Fresh:
    """Valid payloads of one command, each from one of `pool`, and no two that a window may confuse."""

    contract: Contract
    command: Command
    settings: Settings
    pool: Sequence[Case]
    taken: set[Key]
    _varied: str | None = field(init=False)
    _amount: str | None = field(init=False)
    _step: int = field(init=False)
    _first: int = field(init=False)

    def __post_init__(self) -> None:
        """Choose the member that varies: of those that a window looks at, or else the recipient."""
        rules: Mapping[str, Any] = self.contract.schemas.resolved(self.command.request_schema).get("properties", {})
        fixed = {*self.contract.members.registered, *self.settings.constraints.values(self.contract)}
        recipient = recipient_of(self.contract, self.command)
        named = self.command.window.members if self.command.window else tuple(filter(None, [recipient]))
        free = (name for name in named if name not in fixed and "x-integer" not in rules[name])
        self._varied = next(free, None)
        self._amount = amount_of(self.contract, self.command)
        chance = Random(seed_for(self.settings.seed, self.command.folder, "load"))
        self._first, self._step = chance.randrange(10**9), chance.randrange(10**6, 10**9)

    def cases(self) -> Iterator[tuple[Case, bytes]]:
        """A case of the pool, and the body in the place of its own; ends when there is no further one."""
        misses = 0
        for number, case in enumerate(cycle(self.pool)):
            members = json_object(case.request.body)
            if members is None:  # a GET
                yield case, case.request.body
                continue
            changed = self._changed(members, number)
            if changed is not None:
                misses = 0
                yield case, encoded(changed, ascii_only=case.request.body.isascii())
            elif (misses := misses + 1) == MOST_MISSES:
                return

    def _changed(self, members: Mapping[str, Any], number: int) -> Mapping[str, Any] | None:
        """The members for the case of this number; None if they are not valid, or taken."""
        changed = dict(members)
        if self._varied is not None and isinstance(text := changed.get(self._varied), str):
            changed[self._varied] = self._spelled(text, number)
        if self._amount is not None and self._amount in changed:
            amounts = cheap_amounts(self.contract)
            if self.settings.limits.max_spend is not None:
                changed[self._amount] = str(amounts[number % len(amounts)])
            elif self._varied is None:
                changed[self._amount] = str(amounts[number // len(self.pool) % len(amounts)])
        window = self.command.window
        key = None if window is None else window.key(changed)
        if key is not None and key in self.taken:
            return None
        if self.contract.schemas.violation(self.command.request_schema, changed) is not None:
            return None
        if key is not None and self._varied is None:  # else the count keeps them apart
            self.taken.add(key)
        return changed

    def _spelled(self, text: str, number: int) -> str:
        """`text` with other last characters, each of its kind; texts of one form differ for each number."""
        begin = max(0, len(text) - CHANGED)
        kinds = [next((kind for kind in KINDS if each in kind), each) for each in text[begin:]]
        size = prod(map(len, kinds))
        step = next(each for each in range(self._step, self._step + size + 1) if gcd(each, size) == 1)
        place, made = (self._first + step * number) % size, ""
        for kind in reversed(kinds):
            place, at = divmod(place, len(kind))
            made = kind[at] + made
        return text[:begin] + made


@dataclass(slots=True)
class _Repeated:
    """The cases of a plan, again and again, with ids of their own."""

    settings: Settings
    contract: Contract
    fresh: Sequence[_Fresh]
    refused: Mapping[str, Sequence[Case]]
    numbers: Counter[str]

    @classmethod
    def of(cls, settings: Settings, plan: Plan) -> _Repeated:
        contract, alone = plan.contract, {case.id for group in (*plan.alone, *plan.last) for case in group}
        numbers: Counter[str] = Counter()
        pool: dict[str, dict[bytes, Case]] = {}
        refused: dict[str, list[Case]] = {}
        taken: dict[str, set[Key]] = {name: set() for name in settings.commands}
        # With a limit to spend amounts are changed, so that none is at the end of its range.
        left_out = {BALANCE, *(["boundary"] if settings.limits.max_spend is not None else [])}
        for case in plan.cases:
            name, _, number = case.id.rpartition("/")
            if number.isdecimal():
                numbers[name] = max(numbers[name], int(number))
            command = contract.commands.get(case.command or "")
            if command is None or command.name not in taken:
                continue
            if command.window is not None and (key := command.window.key(json_object(case.request.body) or {})):
                taken[command.name].add(key)
            if case.kind in NEGATIVE:
                refused.setdefault(command.name, []).append(case)
            elif case.kind is Kind.VALID and case.id not in alone and case.aspect not in left_out:
                pool.setdefault(command.name, {}).setdefault(case.request.body, case)
        fresh = [
            _Fresh(contract, contract.commands[name], settings, tuple(cases.values()), taken[name])
            for name, cases in pool.items()
        ]
        return cls(settings, contract, fresh, refused, numbers)

    def groups(self) -> Iterator[Group]:
        """A group of each command in turn, without end unless the payloads of every command do."""
        under_way = [(fresh.command.name, fresh.cases()) for fresh in self.fresh]
        refused = {name: cycle(cases) for name, cases in self.refused.items()}
        made: Counter[str] = Counter()
        while under_way:
            for name, cases in list(under_way):
                found = next(cases, None)
                if found is None:
                    under_way.remove((name, cases))
                    continue
                twin = self._renamed(found[0], body=found[1])
                made[name] += 1
                others = []
                if made[name] % ACCEPTED_EACH == 0 and name in refused:
                    others = [self._renamed(next(refused[name]), twin=twin.id) for _ in range(REFUSED_EACH)]
                yield in_order(twin, *others)

    def _renamed(self, case: Case, *, body: bytes | None = None, twin: str | None = None) -> Case:
        """The case under the next id of its name; of a wrong credential the number says which one it is."""
        name, _, number = case.id.rpartition("/")
        if not number.isdecimal():
            name, number = case.id, "0"
        self.numbers[name] += 1
        if case.kind is Kind.CREDENTIAL:
            key, secret = self.settings.consumer_key, self.settings.consumer_secret
            probes = [each for each in credential_probes(self.contract, key, secret) if each.aspect == case.aspect]
            while (self.numbers[name] - int(number)) % len(probes):
                self.numbers[name] += 1
        request = case.request if body is None else replace(case.request, body=body)
        new = f"{name}/{self.numbers[name]}"
        return replace(case, id=new, group=new, request=request, twin=twin, earlier=None)
