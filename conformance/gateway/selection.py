"""The choice of cases for a run with limits: those that exercise most come first.

A gateway that keeps the contract accepts some cases and refuses the others; only the first are paid for. So all
refusals are sent, each beside its positive twin, and the twins of a command are one and the same request. The rest of
the limit goes to accepted requests, step by step to the one that exercises most for each accepted request that it takes
(a greedy set cover over the areas). Nothing is drawn: the same plan gives the same choice.

Groups are cut where that does no harm. A request on its own may be left out anywhere; of those that build on each other
(a sequence, a repeat) only the last ones, and of those that go out at once all or none.

A refusal needs room as well, for a gateway at fault may accept it. So refusals go out first, while there is room, and
the requests to be accepted after them (`Selected.last`); one of these takes the last place.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import chain, groupby, zip_longest

from conformance.contract.contract import Contract
from conformance.contract.requirements import ByRule
from conformance.gateway.case_files import FROM_FILES
from conformance.gateway.command_plan import GROUP_SIZE, NEGATIVE, Group, in_order
from conformance.gateway.rules.answers import EQUAL
from conformance.gateway.rules.checks import requirements_of_probe
from conformance.gateway.settings import RunLimits
from conformance.judging.evidence import BALANCE
from conformance.model.traffic import Case, Kind
from conformance.wire.allowance import ACCEPTED, SPEND, amount_of

Area = tuple[str, str | None]

# The first accepted request of a command also exercises the form of the answer, its id and the notification: some
# twenty requirements, against one for most other areas.
FIRST_ACCEPTED, CASE_FILE, LEFT_OPEN = "accepted", "case file", "open/open"
WEIGHTS: Mapping[str, float] = {FIRST_ACCEPTED: 20.0, CASE_FILE: 5.0, LEFT_OPEN: 0.5}

AT_ONCE, WITHIN_WINDOW, ONE_INSTANT = (
    "accepted-at-once",
    "repeat-within-the-window-is-refused",
    "ids-are-unique-at-the-same-instant",
)
RULES: Mapping[tuple[Kind, str], tuple[str, ...]] = {
    (Kind.REPEAT, "equal"): ("equal-requests-get-ids-of-their-own",),
    (Kind.REPEAT, "window"): (WITHIN_WINDOW,),
    (Kind.REPEAT, "other-amount"): ("similar-in-part-is-accepted",),
    (Kind.REPEAT, "other-phone"): ("similar-in-part-is-accepted",),
    (Kind.REPEAT, "after-rejection"): ("accepted-after-a-rejection",),
    (Kind.REPEAT, "other-product"): ("accepted-beside-another-product",),
    (Kind.REPEAT, "after-refusal"): ("refused-credential-has-no-effect",),
    (Kind.BURST, "same-product"): (AT_ONCE, ONE_INSTANT),
    (Kind.BURST, "all-products"): (AT_ONCE, ONE_INSTANT),
    (Kind.BURST, EQUAL): (AT_ONCE, WITHIN_WINDOW),
    (Kind.VALID, BALANCE): ("refusals-spend-nothing",),
}
"""The written rules that a case is there for, by its kind and aspect; the catalogue has those of probes."""


@dataclass(frozen=True, slots=True)
class Selected:
    """`alone`, `groups` and `last` are sent one after the other; `left_out`: how many cases, by the option's name."""

    groups: tuple[Group, ...]
    alone: tuple[Group, ...] = ()
    last: tuple[Group, ...] = ()
    left_out: Mapping[str, int] = field(default_factory=dict)


def selected(contract: Contract, alone: Sequence[Group], groups: Sequence[Group], limits: RunLimits) -> Selected:
    """The cases that are sent within the limits; all of them, unchanged, if there is room."""
    cost = sum(not has_to_be_refused(case) for group in (*alone, *groups) for case in group)
    within = limits.max_accepted is None or cost < limits.max_accepted
    if within and limits.max_spend is None:
        return Selected(tuple(groups), tuple(alone))
    return _Selection(contract, BudgetUnits(contract, alone, groups), limits).made()


# --- Areas


def has_to_be_refused(case: Case) -> bool:
    """Whether a gateway that keeps the contract refuses it, so that it costs nothing.

    Of equal ones at the same moment it accepts one, whichever; here that counts as the first.
    """
    repeats = (case.kind is Kind.REPEAT and case.aspect == "window") or (
        case.kind is Kind.BURST and case.aspect == EQUAL and case.earlier is not None
    )
    return case.kind in NEGATIVE or repeats


def areas_of(contract: Contract, case: Case) -> Iterator[Area]:
    """The areas that the case exercises, by command: requirements, or the probe of a refused or open one."""
    if not has_to_be_refused(case):
        yield FIRST_ACCEPTED, case.command
    if case.id.startswith(FROM_FILES):
        yield CASE_FILE, case.id
    if case.kind in NEGATIVE or case.kind is Kind.OPEN:
        yield f"{case.kind}/{case.aspect}", case.command
        return
    first_of_burst = case.kind is Kind.BURST and case.earlier is None
    for requirement in _requirements(contract, case.kind, case.aspect, case.command, first_of_burst=first_of_burst):
        yield requirement, case.command


@cache
def _requirements(
    contract: Contract, kind: Kind, aspect: str, command: str | None, *, first_of_burst: bool
) -> tuple[str, ...]:
    """The ids of the requirements that a case is there for; with the first of a burst the others are compared."""
    rules = set(RULES.get((kind, aspect), ())) - ({ONE_INSTANT} if first_of_burst else set())
    by_rule = [
        requirement.id
        for requirement in contract.catalogue.requirements
        if isinstance(judge := requirement.judge, ByRule)
        and judge.rule in rules
        and not judge.parameters
        and command in requirement.commands
    ]
    return (*by_rule, *requirements_of_probe(contract, kind, aspect, command))


# --- Units


@dataclass(frozen=True, slots=True)
class BudgetUnit:
    """Cases that are sent together or not at all, and by `place` the units that have to be sent before it.

    `cost`: how many have to be accepted; `spend`: for how many shillings; `risk`: the most that any of the others moves
    if it is accepted all the same. `chain`: the group that it is a link of, None if it is independent.
    """

    place: int
    cases: Group
    needs: frozenset[int]
    chain: int | None
    alone: bool
    cost: int
    spend: int
    risk: int
    areas: tuple[Area, ...]


class BudgetUnits:
    """The units of a plan in `all`; `spare`: the places of positive twins that others stand for."""

    def __init__(self, contract: Contract, alone: Sequence[Group], groups: Sequence[Group]) -> None:
        self._contract = contract
        self.all: list[BudgetUnit] = []
        self._holding: dict[str, int] = {}
        self._twins = _one_twin_each((*alone, *groups))
        # Twins go before the cases that need them, so that they have their places already.
        needed = set(self._twins.values())
        holding = [number for number, group in enumerate(groups) if any(case.id in needed for case in group)]
        for number in dict.fromkeys((*holding, *range(len(groups)))):
            self._cut(groups[number], number)
        for group in alone:
            self._add(group, alone=True)
        # Positive twins that another replaces show no more than any other request.
        self.spare = {self._holding[twin] for twin, other in self._twins.items() if twin != other}

    def _cut(self, group: Group, number: int) -> None:
        if not any(case.earlier for case in group):
            for case in group:
                self._add((case,))
            return
        before: int | None = None
        for _, linked in groupby(enumerate(group), key=lambda at: "at once" if at[1].kind is Kind.BURST else at[0]):
            before = self._add(tuple(case for _, case in linked), number, before)

    def _add(self, group: Group, link: int | None = None, before: int | None = None, *, alone: bool = False) -> int:
        place, own = len(self.all), {case.id for case in group}
        # The twin of the command in the place of each case's own, unless that is among them.
        cases = tuple(
            case if case.twin is None or case.twin in own else replace(case, twin=self._twins.get(case.twin, case.twin))
            for case in group
        )
        needs = {self._holding[case.twin] for case in cases if case.twin in self._holding and case.twin not in own}
        needs |= set() if before is None else {before}
        paid = [case for case in cases if not has_to_be_refused(case)]
        refused = [case for case in cases if has_to_be_refused(case)]
        self.all.append(
            BudgetUnit(
                place,
                cases,
                frozenset(needs),
                link,
                alone,
                len(paid),
                sum(amount_of(case.request, self._contract) for case in paid),
                max((amount_of(case.request, self._contract) for case in refused), default=0),
                tuple(dict.fromkeys(area for case in cases for area in areas_of(self._contract, case))),
            )
        )
        self._holding.update((case.id, place) for case in cases)
        return place


def _one_twin_each(groups: Iterable[Group]) -> Mapping[str, str]:
    """For each positive twin the first of its command, which replaces it."""
    cases = {case.id: case for group in groups for case in group}
    twins = dict.fromkeys(case.twin for case in cases.values() if case.twin in cases)
    # The first of a repeat is an ordinary request like any twin, and is sent anyway.
    repeated = [case.earlier for case in cases.values() if case.kind is Kind.REPEAT and case.earlier in cases]
    first: dict[str | None, str] = {}
    for name in (*repeated, *twins):
        twin = cases[name or ""]
        if twin.kind is Kind.VALID and twin.earlier is None:
            first.setdefault(twin.command, twin.id)
    return {name: first.get(cases[name].command, name) for name in twins if name is not None}


# --- Choosing


class _Selection:
    """Units that are chosen one by one, each with the units that it needs, and with those that it makes free."""

    def __init__(self, contract: Contract, units: BudgetUnits, limits: RunLimits) -> None:
        self._contract = contract
        self._units = units.all
        self._spare = units.spare
        self._limits = limits
        self._chosen: set[int] = set()
        self._covered: set[Area] = set()
        self._cost = 0
        self._spend = 0
        self._for_nothing: dict[int, list[BudgetUnit]] = defaultdict(list)
        for unit in self._units:
            if unit.cost == 0:
                for need in unit.needs or {-1}:
                    self._for_nothing[need].append(unit)

    def made(self) -> Selected:
        """The choice: the units that exercise most, then any for which there is room, then one for the last place."""
        room = None if self._limits.max_accepted is None else self._limits.max_accepted - 1
        self._take_free((-1,))
        while (best := self._best(room)) is not None:
            self._take(best)
        # Then units that exercise nothing new: in the plan's order, those that a gateway may refuse last.
        for unit in sorted(self._units, key=lambda unit: any(case.kind is Kind.OPEN for case in unit.cases)):
            wanted = unit.cost and unit.place not in self._chosen and unit.place not in self._spare
            if wanted and self._affordable(self._closure(unit), room):
                self._take(unit)
        if room is not None:
            last = [
                unit
                for unit in self._units
                if unit.chain is None and not unit.alone and unit.cost and unit.place not in self._spare
                if unit.place not in self._chosen and unit.needs <= self._chosen and self._affordable((unit,), None)
            ]
            if last:
                self._take(max(last, key=lambda unit: (self._gain((unit,)), -unit.spend, -unit.place)))
        return self._arranged()

    def _best(self, room: int | None) -> BudgetUnit | None:
        """The unit that exercises most for its cost; None if none exercises anything new."""

        def rank(unit: BudgetUnit) -> tuple[float, int, int] | None:
            closure = self._closure(unit)
            if not self._affordable(closure, room):
                return None
            gain = self._gain(closure) / sum(each.cost for each in closure)
            return gain, -sum(each.spend for each in closure), -unit.place

        # Where its areas are covered, and no others go out for nothing beside it, a unit exercises nothing new.
        wanted = (
            unit
            for unit in self._units
            if unit.cost and unit.place not in self._chosen
            if unit.place in self._for_nothing or not self._covered.issuperset(unit.areas)
        )
        gain, _, place = max(filter(None, map(rank, wanted)), default=(0.0, 0, 0))
        return self._units[-place] if gain > 0 else None

    def _closure(self, unit: BudgetUnit) -> tuple[BudgetUnit, ...]:
        """The unit and all units that have to be sent before it and are not chosen yet."""
        found: dict[int, BudgetUnit] = {}
        waiting = [unit]
        while waiting:
            one = waiting.pop()
            if one.place not in self._chosen and one.place not in found:
                found[one.place] = one
                waiting += [self._units[need] for need in one.needs]
        return tuple(found.values())

    def _affordable(self, units: Sequence[BudgetUnit], room: int | None) -> bool:
        cost = self._cost + sum(unit.cost for unit in units)
        spend = self._spend + sum(unit.spend for unit in units)
        risk = max((unit.risk for unit in units), default=0)
        enough = self._limits.max_spend is None or spend + risk <= self._limits.max_spend
        return enough and (room is None or cost <= room)

    def _gain(self, units: Sequence[BudgetUnit]) -> float:
        coming = [*units, *self._beside(unit.place for unit in units)]
        areas = {area for unit in coming for area in unit.areas}
        return sum(WEIGHTS.get(area[0], 1.0) for area in areas - self._covered)

    def _beside(self, places: Iterable[int]) -> list[BudgetUnit]:
        """The units that cost nothing and can be sent once these are."""
        new = set(places)
        sent = self._chosen | new
        waiting = {unit.place: unit for place in sorted(new) for unit in self._for_nothing.get(place, ())}
        return [
            unit
            for unit in waiting.values()
            if unit.needs <= sent and unit.place not in sent and self._affordable((unit,), None)
        ]

    def _take(self, unit: BudgetUnit) -> None:
        closure = self._closure(unit)
        self._choose(closure)
        self._take_free(one.place for one in closure)

    def _take_free(self, places: Iterable[int]) -> None:
        taken = list(places)
        while beside := self._beside(taken):
            self._choose(beside)
            taken = [one.place for one in beside]

    def _choose(self, units: Iterable[BudgetUnit]) -> None:
        for unit in units:
            self._chosen.add(unit.place)
            self._covered.update(unit.areas)
            self._cost += unit.cost
            self._spend += unit.spend

    # --- Arranging

    def _arranged(self) -> Selected:
        chosen = [unit for unit in self._units if unit.place in self._chosen]
        chains: dict[int, list[Case]] = defaultdict(list)
        for unit in chosen:
            if unit.chain is not None:
                chains[unit.chain] += unit.cases
        single = [unit for unit in chosen if unit.chain is None and not unit.alone]
        linked = [*map(tuple, chains.values()), *(unit.cases for unit in single if unit.cost)]
        twins = {case.twin for unit in chosen for case in unit.cases if case.twin is not None}
        first = [group for group in linked if any(case.id in twins for case in group)]
        others = [group for group in linked if not any(case.id in twins for case in group)]
        refusing = [group for group in others if any(map(has_to_be_refused, group))]
        accepted = [group for group in others if not any(map(has_to_be_refused, group))]
        free = [unit for unit in single if unit.cost == 0]
        if self._limits.max_spend is not None:
            # While they are sent, the first groups and those sent alone may have been accepted.
            paid = (case for group in (*first, *refusing) for case in group if not has_to_be_refused(case))
            spared = self._limits.max_spend - sum(amount_of(case.request, self._contract) for case in paid)
            spared -= sum(unit.spend for unit in chosen if unit.alone)
            self._chosen -= {unit.place for unit in free if unit.risk > spared}
        for_themselves = [case for unit in free if unit.place in self._chosen for case in unit.cases]
        return Selected(
            tuple(in_order(*group) for group in (*first, *_by_command(self._contract, for_themselves), *refusing)),
            tuple(unit.cases for unit in chosen if unit.alone),
            tuple(in_order(*group) for group in accepted),
            self._left_out(),
        )

    def _left_out(self) -> Mapping[str, int]:
        spend = self._limits.max_spend
        counted: Counter[str] = Counter()
        for unit in self._units:
            if unit.place not in self._chosen:
                too_dear = spend is not None and max(unit.spend, unit.risk) > spend - self._spend
                counted[SPEND if too_dear else ACCEPTED] += len(unit.cases)
        return dict(counted)


def _by_command(contract: Contract, cases: Sequence[Case]) -> Iterator[Group]:
    """Groups of independent cases, of each command in turn; those that exercise something new go first."""
    seen: set[Area] = set()
    new: dict[str | None, list[Case]] = defaultdict(list)
    more: dict[str | None, list[Case]] = defaultdict(list)
    for case in cases:
        areas = set(areas_of(contract, case))
        (more if areas <= seen else new)[case.command].append(case)
        seen |= areas
    parts = []
    for command in dict.fromkeys(case.command for case in cases):
        own = [*new[command], *more[command]]
        parts.append([tuple(own[start : start + GROUP_SIZE]) for start in range(0, len(own), GROUP_SIZE)])
    yield from filter(None, chain.from_iterable(zip_longest(*parts, fillvalue=())))
