"""Cases whose answers got lost on a network, planned anew: with other payloads, to show the same.

    windows_of      what a window might have meet them
    lost_of         the cases of a plan of which nothing can be said because an answer is missing
    Anew            .of(lost, plan): stand-ins out of a plan with another seed

A request without an answer may have been carried out, so its bytes are never sent again: where they ask for money, it
might be paid twice, and where they ask for something forbidden, a gateway might take the second for a repeat. What goes
out instead is of the same purpose, with a payload that no other request of the run has, as a case of its own: it counts
against every limit, and so does the one that was lost.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from conformance.contract.command import Key
from conformance.contract.contract import Contract
from conformance.gateway.case_files import FROM_FILES
from conformance.gateway.command_plan import Group, in_order
from conformance.gateway.plan import Plan
from conformance.gateway.sequences import asked
from conformance.judging.evidence import BALANCE
from conformance.model.traffic import Case, Kind

# So often what got lost is planned anew. With one request in ten lost, what needs three answers (a twin, what it builds
# on, its own) fails in one round out of four, and in all of them, the first among them, once in 2,500 times.
ROUNDS = 5
# Where more than this share of a round got lost, it is no network that now and then loses something.
MOST_LOST = 0.5

_Purpose = tuple[object, ...]


def lost_of(groups: Iterable[Group], unanswered: Collection[str]) -> list[Case]:
    """The cases that have no answer, or show nothing without one that has none, in the order of the plan."""
    found: dict[str, Case] = {}
    for group in groups:
        broken = False
        for case in group:
            rests_on = {case.twin, case.earlier} & {*found, *unanswered} if builds_on_its_group(case) else ()
            if case.id in unanswered or rests_on or (broken and _needs_its_whole_group(case)):
                found[case.id] = case
            broken = broken or case.id in unanswered
    return list(found.values())


def _needs_its_whole_group(case: Case) -> bool:
    """Whether each before it matters: for what was there at the same moment, and for what may have been spent since."""
    return case.kind is Kind.BURST or case.aspect == BALANCE


def windows_of(contract: Contract, cases: Iterable[Case]) -> frozenset[Key]:
    """What was sent, as far as similar requests are refused within a window of it."""
    return frozenset(key for case in cases if (key := _windowed(contract, case)) is not None)


def builds_on_its_group(case: Case) -> bool:
    """Whether it shows nothing but together with those before it in its group; of a burst, with all."""
    return case.kind in (Kind.REPEAT, Kind.BURST) or (case.aspect == BALANCE and case.earlier is not None)


@dataclass(frozen=True, slots=True)
class Anew:
    """The groups to send, first those that are sent `alone`; `stands_for`: the id of each case → that of the lost one.

    A case that is there only because another builds on it stands for none.
    """

    groups: tuple[Group, ...]
    alone: tuple[Group, ...]
    stands_for: Mapping[str, str]

    @classmethod
    def of(cls, lost: Sequence[Case], plan: Plan, label: str, sent: Iterable[Case], answered: Collection[str]) -> Anew:
        """Stand-ins for what got lost, out of a `plan` with a seed of its own.

        `label` makes their ids new ones. `sent`: all that was planned so far, whose payloads a window might confuse
        with theirs. `answered`: the ids of the cases that have an answer, beside which others may stand. What has no
        like in the plan, and what came from a case file, has no stand-in.
        """
        return _Choice(plan, label, sent, answered).made(lost)

    @property
    def cases(self) -> tuple[Case, ...]:
        """All of them, in the order of their sending."""
        return tuple(case for group in (*self.alone, *self.groups) for case in group)


class _Choice:
    def __init__(self, plan: Plan, label: str, sent: Iterable[Case], answered: Collection[str]) -> None:
        self._label = label
        self._alone = plan.alone
        self._groups = (*plan.groups, *plan.last)
        self._group_of = {case.id: group for group in (*self._alone, *self._groups) for case in group}
        self._by_id = {case.id: case for case in plan.cases}
        before = {case.id: case for case in sent}
        self._contract = plan.contract
        self._taken = windows_of(plan.contract, before.values())
        self._bodies = {case.request.body for case in before.values()}
        self._twins = {name for name in answered if name in before and before[name].kind is Kind.VALID}
        self._like: dict[_Purpose, list[Case]] = defaultdict(list)
        for case in reversed(plan.cases):
            if not case.id.startswith(FROM_FILES):
                self._like[_purpose(case)].append(case)

    def made(self, lost: Sequence[Case]) -> Anew:
        stands_for: dict[str, str] = {}
        needed: dict[str, Case] = {}
        for case in lost:
            like = self._like[_purpose(case)]
            if not like:
                continue
            chosen = like.pop()
            wanted = [each for each in self._with_all_before(chosen) if each.id not in needed]
            if any(self._meets_what_was_sent(each) for each in wanted):
                continue
            needed.update((each.id, each) for each in wanted)
            stands_for[chosen.id] = case.id
        for twin in self._missing_twins(needed):
            needed[twin.id] = twin
        return Anew(
            tuple(self._kept(self._groups, needed)),
            tuple(self._kept(self._alone, needed)),
            {self._renamed(new): old for new, old in stands_for.items()},
        )

    def _with_all_before(self, case: Case) -> Iterator[Case]:
        """The case after what it builds on: of a burst all, of what depends on its group all that goes before."""
        if not builds_on_its_group(case):
            yield case
            return
        for each in self._group_of[case.id]:
            yield each
            if each.id == case.id and case.kind is not Kind.BURST:
                return

    def _meets_what_was_sent(self, case: Case) -> bool:
        """Whether a gateway might lawfully refuse it as similar to an earlier one, or pay the same once more for it."""
        pair = _windowed(self._contract, case)
        same = case.request.body in self._bodies and _asks_for_money(self._contract, case)
        return same or (pair is not None and pair in self._taken)

    def _missing_twins(self, needed: Mapping[str, Case]) -> list[Case]:
        """The positive twins that are not there yet, and were not answered in the first place."""
        names = dict.fromkeys(case.twin for case in needed.values() if case.twin is not None)
        return [self._by_id[name] for name in names if name not in needed and name not in self._twins]

    def _kept(self, groups: Iterable[Group], needed: Collection[str]) -> Iterator[Group]:
        for group in groups:
            kept = [self._anew(case, needed) for case in group if case.id in needed]
            if kept:
                yield in_order(*kept)

    def _anew(self, case: Case, needed: Collection[str]) -> Case:
        """The case under its new name; where its twin is not among them, it stands beside that of the first plan."""
        twin = self._renamed(case.twin) if case.twin in needed else case.twin
        earlier = self._renamed(case.earlier) if case.earlier else None
        return replace(case, id=self._renamed(case.id), twin=twin, earlier=earlier)

    def _renamed(self, case_id: str | None) -> str:
        return f"{self._label}/{case_id}"


def _purpose(case: Case) -> _Purpose:
    """Equal for cases that show the same."""
    request = case.request
    return case.command, case.kind, case.aspect, case.member, case.keyword, request.method, request.url


def _windowed(contract: Contract, case: Case) -> Key | None:
    """What makes a similar request refused within the window of this one; None if there is none."""
    command = contract.commands.get(case.command or "")
    return None if command is None or command.window is None else command.window.key(asked(case).members)


def _asks_for_money(contract: Contract, case: Case) -> bool:
    """Whether it names whom to pay and how much, so that somebody might pay the same once more for it."""
    command = contract.commands.get(case.command or "")
    if command is None or command.money is None:
        return False
    members, names = asked(case).members, (contract.members.recipient, command.money.member)
    return all(isinstance(members.get(name), str) for name in names if name is not None)
