"""The groups of a plan, taken apart where they may be cut, for some of their cases to be chosen.

    Pieces          .of(groups): what can be sent or left out, what it needs, what it costs, what it exercises
    areas_of        what a case exercises

Groups are cut where that does no harm. A request that stands for itself may be left out anywhere; of those that build
on each other (a sequence, a repeat) only the last ones, and of those that go out at once all or none. The positive
twins of a command are one and the same request, so that one accepted request is enough for all that is refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from conformance.contract.contract import Contract
from conformance.gateway.case_files import FROM_FILES
from conformance.gateway.command_plan import NEGATIVE, Group
from conformance.gateway.rules.answers import EQUAL
from conformance.gateway.rules.checks import requirements_of_probe
from conformance.judging.evidence import BALANCE
from conformance.model.traffic import Case, Kind
from conformance.wire.allowance import amount_of

Area = tuple[str, str | None]

# What the first accepted request of a command exercises beside what it is there for: the answer's form, its id, the
# notification and all that is said of it. Some twenty requirements, against one for most other areas.
FIRST_ACCEPTED, CASE_FILE = "accepted", "case file"
WEIGHTS: Mapping[str, float] = {FIRST_ACCEPTED: 20.0, CASE_FILE: 5.0, "OPN-01": 0.5}

# The requirements that a case is there for, by kind and aspect; valid ones have a table of their own.
REQUIREMENTS: Mapping[tuple[Kind, str], tuple[str, ...]] = {
    (Kind.HEADERS, "no-accept"): ("HDR-01",),
    (Kind.HEADERS, "any-accept"): ("HDR-02",),
    (Kind.HEADERS, "json-accept"): ("HDR-03",),
    (Kind.HEADERS, "bare-get"): ("GET-01",),
    (Kind.REPEAT, "equal"): ("REP-01", "RID-02"),
    (Kind.REPEAT, "window"): ("IDM-01",),
    (Kind.REPEAT, "other-amount"): ("IDM-02",),
    (Kind.REPEAT, "other-phone"): ("IDM-02",),
    (Kind.REPEAT, "after-rejection"): ("IDM-04",),
    (Kind.REPEAT, "other-product"): ("IDM-05",),
    (Kind.REPEAT, "after-refusal"): ("AUT-10",),
    (Kind.BURST, "same-product"): ("CON-01", "RID-05"),
    (Kind.BURST, "all-products"): ("CON-01", "RID-05"),
    (Kind.BURST, EQUAL): ("IDM-01", "CON-01"),
    (Kind.OPEN, "over-long"): ("LEN-01",),
    (Kind.OPEN, "open"): ("OPN-01",),
    (Kind.VALID, BALANCE): ("BAL-01",),
}


def has_to_be_refused(case: Case) -> bool:
    """Whether a gateway that keeps the contract refuses it, so that it costs nothing.

    Of equal ones at the same moment it accepts one, whichever; here that counts as the first.
    """
    repeats = (case.kind is Kind.REPEAT and case.aspect == "window") or (
        case.kind is Kind.BURST and case.aspect == EQUAL and case.earlier is not None
    )
    return case.kind in NEGATIVE or repeats


def areas_of(contract: Contract, case: Case) -> Iterator[Area]:
    """What the case exercises, by command: requirements, and for what has to be refused its kind and aspect."""
    if not has_to_be_refused(case):
        yield FIRST_ACCEPTED, case.command
    if case.id.startswith(FROM_FILES):
        yield CASE_FILE, case.id
    if case.kind in NEGATIVE:
        yield f"{case.kind}/{case.aspect}", case.command
        return
    requirements = REQUIREMENTS.get((case.kind, case.aspect), ())
    if not requirements and case.kind is Kind.VALID:
        requirements = requirements_of_probe(contract, case.kind, case.aspect, case.command)
    for requirement in requirements:
        first_of_burst = requirement == "RID-05" and case.earlier is None  # with which the others are compared
        if case.command in contract.catalogue[requirement].commands and not first_of_burst:
            yield requirement, case.command


@dataclass(frozen=True, slots=True)
class Piece:
    """Cases that are sent together or not at all, and by `place` the pieces that have to be sent before it.

    `cost`: how many have to be accepted; `spend`: for how many shillings; `risk`: the most that any of the others moves
    if it is accepted all the same. `chain`: the group that it is a link of, None if it stands for itself.
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


class Pieces:
    """The pieces of a plan in `all`; `spare`: the places of positive twins that others stand for."""

    def __init__(self, contract: Contract) -> None:
        """None so far: see `of`."""
        self._contract = contract
        self.all: list[Piece] = []
        self.spare: set[int] = set()
        self._holding: dict[str, int] = {}

    @classmethod
    def of(cls, contract: Contract, alone: Sequence[Group], groups: Sequence[Group]) -> Pieces:
        """The groups taken apart; those that are sent `alone` stay whole."""
        pieces = cls(contract)
        reference = _one_twin_each((*alone, *groups))
        # Twins go before what needs them, so that what is needed has its place already.
        needed = set(reference.values())
        twins = [number for number, group in enumerate(groups) if any(case.id in needed for case in group)]
        order = [*twins, *(number for number in range(len(groups)) if number not in set(twins))]
        for number in order:
            pieces._take(groups[number], number, reference)
        for group in alone:
            pieces._add(_redirected(group, reference), None, None, alone=True)
        # Positive twins that another stands for show nothing that any other request does not show as well.
        pieces.spare = {pieces._holding[twin] for twin, other in reference.items() if twin != other}
        return pieces

    def _take(self, group: Group, number: int, reference: Mapping[str, str]) -> None:
        if not any(case.earlier for case in group):
            for case in group:
                self._add(_redirected((case,), reference), None, None)
            return
        before: int | None = None
        for _, linked in groupby(enumerate(group), key=lambda at: "at once" if at[1].kind is Kind.BURST else at[0]):
            cases = _redirected(tuple(case for _, case in linked), reference)
            before = self._add(cases, number, before)

    def _add(self, cases: Group, link: int | None, before: int | None, *, alone: bool = False) -> int:
        place = len(self.all)
        own = {case.id for case in cases}
        needs = {self._holding[case.twin] for case in cases if case.twin in self._holding and case.twin not in own}
        needs |= set() if before is None else {before}
        paid = [case for case in cases if not has_to_be_refused(case)]
        refused = [case for case in cases if has_to_be_refused(case)]
        self.all.append(
            Piece(
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
    """For each positive twin the one that stands for all of its command: the first that there is."""
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


def _redirected(cases: Group, reference: Mapping[str, str]) -> Group:
    """The cases with the one twin of the command; those of which the twin is among them keep it."""
    own = {case.id for case in cases}
    return tuple(
        case if case.twin is None or case.twin in own else replace(case, twin=reference.get(case.twin, case.twin))
        for case in cases
    )
