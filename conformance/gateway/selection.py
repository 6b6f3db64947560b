"""Which cases of a plan are sent where only so many may be accepted: those that exercise most come first.

    selected    groups of cases → those within the limits, in the order of their sending, and how many are left out

A gateway that keeps the contract accepts some cases and refuses the others; only the first are paid for. So all that
has to be refused is sent, each beside its positive twin, and the twins of a command are one and the same request: what
is left goes to what is to be accepted, step by step to whatever exercises most for each accepted request that it takes
(a greedy set cover over the areas that `areas_of` names). Nothing here is drawn: the same plan gives the same choice.

A refusal needs room as well, for a gateway at fault may accept what it should refuse. So what has to be refused goes
out first, while there is some, and what has to be accepted after it (`Selected.last`); one of these takes the last
place.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, zip_longest

from conformance.contract.contract import Contract
from conformance.gateway.command_plan import Group, in_order
from conformance.gateway.limits import Limits
from conformance.gateway.pieces import WEIGHTS, Area, Piece, Pieces, areas_of, has_to_be_refused
from conformance.model.traffic import Case, Kind
from conformance.wire.allowance import ACCEPTED, SPEND, amount_of

# Cases that stand for themselves and follow each other on one connection.
GROUP_SIZE = 8


@dataclass(frozen=True, slots=True)
class Selected:
    """`alone`, `groups` and `last` are sent one after the other; `left_out`: how many cases, by the option's name."""

    groups: tuple[Group, ...]
    alone: tuple[Group, ...] = ()
    last: tuple[Group, ...] = ()
    left_out: Mapping[str, int] = field(default_factory=dict)


def selected(contract: Contract, alone: Sequence[Group], groups: Sequence[Group], limits: Limits) -> Selected:
    """The cases that are sent within the limits; all of them, as they are, if that is no question."""
    cost = sum(not has_to_be_refused(case) for group in (*alone, *groups) for case in group)
    within = limits.max_accepted is None or cost < limits.max_accepted
    if within and limits.max_spend is None:
        return Selected(tuple(groups), tuple(alone))
    return _Choice(contract, Pieces.of(contract, alone, groups), limits).made()


class _Choice:
    """Pieces that are chosen one by one, each with what it needs, and with what costs nothing beside it."""

    def __init__(self, contract: Contract, pieces: Pieces, limits: Limits) -> None:
        self._contract = contract
        self._pieces = pieces.all
        self._spare = pieces.spare
        self._limits = limits
        self._chosen: set[int] = set()
        self._covered: set[Area] = set()
        self._cost = 0
        self._spend = 0
        self._for_nothing: dict[int, list[Piece]] = defaultdict(list)
        for piece in self._pieces:
            if piece.cost == 0:
                for need in piece.needs or {-1}:
                    self._for_nothing[need].append(piece)

    def made(self) -> Selected:
        """The choice: what exercises most, then whatever there is room for, then one more for the last place."""
        room = None if self._limits.max_accepted is None else self._limits.max_accepted - 1
        self._take_free((-1,))
        while (best := self._best(room)) is not None:
            self._take(best)
        self._fill(room)
        if room is not None:
            spare = self._spare
            free_standing = [
                p for p in self._pieces if p.chain is None and not p.alone and p.cost and p.place not in spare
            ]
            last = [p for p in free_standing if p.place not in self._chosen and p.needs <= self._chosen]
            affordable = [p for p in last if self._affordable((p,), None)]
            if affordable:
                self._take(max(affordable, key=lambda p: (self._gain((p,)), -p.spend, -p.place)))
        return self._arranged()

    # --- Choosing

    def _best(self, room: int | None) -> Piece | None:
        """The piece that exercises most for what it costs; None if none exercises anything new."""
        best: tuple[float, int, int] = (0.0, 0, 0)
        found: Piece | None = None
        for piece in self._pieces:
            if piece.cost == 0 or piece.place in self._chosen or not self._has_news(piece):
                continue
            closure = self._closure(piece)
            if not self._affordable(closure, room):
                continue
            gain = self._gain(closure) / sum(each.cost for each in closure)
            rank = (gain, -sum(each.spend for each in closure), -piece.place)
            if gain > 0 and (found is None or rank > best):
                best, found = rank, piece
        return found

    def _has_news(self, piece: Piece) -> bool:
        """Whether it exercises anything new, or something may that comes with it."""
        return bool(set(piece.areas) - self._covered) or piece.place in self._for_nothing

    def _fill(self, room: int | None) -> None:
        """With what exercises nothing that is not exercised already, but once more: in the plan's order."""
        for piece in sorted(self._pieces, key=_is_open):  # those last: a gateway may refuse them
            if piece.cost and piece.place not in self._chosen and piece.place not in self._spare:
                closure = self._closure(piece)
                if self._affordable(closure, room):
                    self._take(piece)

    def _closure(self, piece: Piece) -> tuple[Piece, ...]:
        """The piece and all that has to be sent before it and is not chosen yet."""
        found: dict[int, Piece] = {}
        waiting = [piece]
        while waiting:
            one = waiting.pop()
            if one.place not in self._chosen and one.place not in found:
                found[one.place] = one
                waiting += [self._pieces[need] for need in one.needs]
        return tuple(found.values())

    def _affordable(self, pieces: Sequence[Piece], room: int | None) -> bool:
        cost = self._cost + sum(piece.cost for piece in pieces)
        spend = self._spend + sum(piece.spend for piece in pieces)
        risk = max((piece.risk for piece in pieces), default=0)
        enough = self._limits.max_spend is None or spend + risk <= self._limits.max_spend
        return enough and (room is None or cost <= room)

    def _gain(self, pieces: Sequence[Piece]) -> float:
        coming = [*pieces, *self._beside(piece.place for piece in pieces)]
        areas = {area for piece in coming for area in piece.areas}
        return sum(WEIGHTS.get(area[0], 1.0) for area in areas - self._covered)

    def _beside(self, places: Iterable[int]) -> list[Piece]:
        """The pieces that cost nothing and can be sent once these are."""
        new = set(places)
        sent = self._chosen | new
        waiting = [p for place in sorted(new) for p in self._for_nothing.get(place, ())]
        found = {
            p.place: p for p in waiting if p.needs <= sent and p.place not in sent and self._affordable((p,), None)
        }
        return list(found.values())

    def _take(self, piece: Piece) -> None:
        closure = self._closure(piece)
        for one in closure:
            self._choose(one)
        self._take_free(one.place for one in closure)

    def _take_free(self, places: Iterable[int]) -> None:
        taken = list(places)
        while beside := self._beside(taken):
            for one in beside:
                self._choose(one)
            taken = [one.place for one in beside]

    def _choose(self, piece: Piece) -> None:
        self._chosen.add(piece.place)
        self._covered.update(piece.areas)
        self._cost += piece.cost
        self._spend += piece.spend

    # --- Arranging

    def _arranged(self) -> Selected:
        kept = [piece for piece in self._pieces if piece.place in self._chosen]
        chains: dict[int, list[Piece]] = defaultdict(list)
        for piece in kept:
            if piece.chain is not None:
                chains[piece.chain].append(piece)
        linked = [tuple(chain.from_iterable(piece.cases for piece in pieces)) for pieces in chains.values()]
        single = [piece.cases for piece in kept if piece.chain is None and not piece.alone and piece.cost]
        twins = {case.twin for piece in kept for case in piece.cases if case.twin is not None}
        first = [group for group in (*linked, *single) if _is_needed(group, twins)]
        others = [group for group in (*linked, *single) if not _is_needed(group, twins)]
        refusing = [group for group in others if any(map(has_to_be_refused, group))]
        accepted = [group for group in others if not any(map(has_to_be_refused, group))]
        free = [piece for piece in kept if piece.chain is None and piece.cost == 0 and not piece.alone]
        spared = self._limits.max_spend
        if spared is not None:
            # While they are sent, this much may have been accepted of what goes first, and of what has gone out alone.
            paid = (case for group in (*first, *refusing) for case in group if _is_paid(case))
            spared -= sum(amount_of(case.request, self._contract) for case in paid)
            spared -= sum(piece.spend for piece in kept if piece.alone)
        for piece in free:
            if spared is not None and piece.risk > spared:
                self._chosen.discard(piece.place)
        for_themselves = [case for piece in free if piece.place in self._chosen for case in piece.cases]
        return Selected(
            tuple(in_order(*group) for group in (*first, *_by_command(self._contract, for_themselves), *refusing)),
            tuple(piece.cases for piece in kept if piece.alone),
            tuple(in_order(*group) for group in accepted),
            self._left_out(),
        )

    def _left_out(self) -> Mapping[str, int]:
        spend = self._limits.max_spend
        counted: Counter[str] = Counter()
        for piece in self._pieces:
            if piece.place not in self._chosen:
                too_dear = spend is not None and max(piece.spend, piece.risk) > spend - self._spend
                counted[SPEND if too_dear else ACCEPTED] += len(piece.cases)
        return dict(counted)


def _is_open(piece: Piece) -> bool:
    return any(case.kind is Kind.OPEN for case in piece.cases)


def _is_paid(case: Case) -> bool:
    return not has_to_be_refused(case)


def _is_needed(group: Group, twins: set[str]) -> bool:
    return any(case.id in twins for case in group)


def _by_command(contract: Contract, cases: Sequence[Case]) -> Iterator[Group]:
    """Groups of cases that stand for themselves, of each command in turn; what exercises something new goes first."""
    seen: set[Area] = set()
    new: dict[str | None, list[Case]] = defaultdict(list)
    more: dict[str | None, list[Case]] = defaultdict(list)
    for case in cases:
        areas = set(areas_of(contract, case))
        (more if areas <= seen else new)[case.command].append(case)
        seen |= areas
    parts = [
        list(_in_parts([*new[command], *more[command]])) for command in dict.fromkeys(case.command for case in cases)
    ]
    yield from filter(None, chain.from_iterable(zip_longest(*parts, fillvalue=())))


def _in_parts(cases: Sequence[Case]) -> Iterator[Group]:
    for start in range(0, len(cases), GROUP_SIZE):
        yield tuple(cases[start : start + GROUP_SIZE])
