"""Cases whose answers got lost on a network are replaced: others, with other payloads, show the same.

A request without an answer may have been carried out, so its bytes are never sent again: where they ask for money, it
might be paid twice, and where they ask for something forbidden, a gateway might take the second for a repeat. Its
replacement has the same purpose, and a payload that no other request of the run has. It is a case of its own, and
counts against every limit beside the lost one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace

from conformance.contract.command import Key
from conformance.contract.contract import Contract
from conformance.gateway.case_files import FROM_FILES
from conformance.gateway.command_plan import Group, in_order, seed_for
from conformance.gateway.plan import Plan
from conformance.gateway.rig import Campaign
from conformance.gateway.sequences import asked
from conformance.gateway.settings import Settings
from conformance.judging.evidence import BALANCE
from conformance.model.traffic import Case, Kind

# So often lost cases are planned anew. With one request in ten lost, a case that needs three answers (its twin's, an
# earlier one's, its own) fails in one round out of four, and in all of them, the first among them, once in 2,500 times.
ROUNDS = 5
# Where more than this share of a round got lost, the network does not just lose something now and then.
MOST_LOST = 0.5
# The kind of the note that tells which cases are replaced.
PLANNED_ANEW = "planned-anew"


def send_replacements(
    campaign: Campaign, groups: Sequence[Group], replaced: Collection[str] = (), rounds: int = 0
) -> None:
    """Send other cases instead of those without an answer that were cut off, or lost by the network.

    `groups`: all that was planned so far, in so many `rounds` beside the first; those `replaced` are so already.
    """
    settings, journal, hearing = campaign.settings, campaign.journal, campaign.hearing
    sent = [case for group in groups for case in group]
    lost = [case for case in lost_of(groups, hearing.unanswered) if case.id not in replaced]
    for number in range(rounds + 1, rounds + ROUNDS + 1):
        if not lost or len(lost) > MOST_LOST * sum(map(len, groups)):
            return
        plan = Plan.of(_otherwise(settings, number), campaign.rig.gateway, windows_of(settings.contract, sent))
        answered = {case.id for case in sent} - hearing.unanswered
        new = Replacements(lost, plan, f"anew-{number}", sent, answered)
        if not new.cases:
            return
        journal.plan(new.cases)
        journal.note(PLANNED_ANEW, {"stands_for": new.stands_for})
        journal.flush()
        campaign.send(new.alone, new.groups)
        sent += new.cases
        groups = (*new.alone, *new.groups)
        lost = lost_of(groups, hearing.unanswered)


def _otherwise(settings: Settings, number: int) -> Settings:
    """Settings that lead to other payloads: the systematic ones have the given phone numbers in turn."""
    numbers = settings.phone_numbers
    start = number * len(numbers) // (ROUNDS + 1)
    seed = seed_for(settings.seed, "anew", str(number))
    return replace(settings, seed=seed, phone_numbers=numbers[start:] + numbers[:start], corpus=None)


# --- Lost cases


def lost_of(groups: Iterable[Group], unanswered: Collection[str]) -> list[Case]:
    """The cases that have no answer, or show nothing without one that has none, in the order of the plan."""
    found: dict[str, Case] = {}
    for group in groups:
        broken = False
        for case in group:
            rests_on = {case.twin, case.earlier} & {*found, *unanswered} if builds_on_its_group(case) else ()
            # Each before it matters: it was there at the same moment, or may have spent something since.
            needs_all = case.kind is Kind.BURST or case.aspect == BALANCE
            if case.id in unanswered or rests_on or (broken and needs_all):
                found[case.id] = case
            broken = broken or case.id in unanswered
    return list(found.values())


def builds_on_its_group(case: Case) -> bool:
    """Whether it shows nothing but together with those before it in its group; of a burst, with all."""
    return case.kind in (Kind.REPEAT, Kind.BURST) or (case.aspect == BALANCE and case.earlier is not None)


def windows_of(contract: Contract, cases: Iterable[Case]) -> frozenset[Key]:
    """The keys of the cases for which similar requests are refused within a window."""
    return frozenset(key for case in cases if (key := _windowed(contract, case)) is not None)


def _windowed(contract: Contract, case: Case) -> Key | None:
    """The key by which a similar request is refused within the window of this one; None without a window."""
    command = contract.commands.get(case.command or "")
    return None if command is None or command.window is None else command.window.key(asked(case).members)


# --- Their replacements


class Replacements:
    """The groups to send, first those that are sent `alone`; `stands_for`: the id of each case → that of the lost one.

    A case that is there only because another builds on it stands for none.
    """

    def __init__(
        self, lost: Sequence[Case], plan: Plan, label: str, sent: Iterable[Case], answered: Collection[str]
    ) -> None:
        """Take replacements of lost cases out of a `plan` with a seed of its own.

        `label` makes their ids new ones. `sent`: all that was planned so far, whose payloads a window might confuse
        with theirs. `answered`: the ids of the cases that have an answer, beside which others may stand. A case without
        a like in the plan, or from a case file, is not replaced.
        """
        self._label = label
        self._contract = plan.contract
        groups = (*plan.groups, *plan.last)
        self._group_of = {case.id: group for group in (*plan.alone, *groups) for case in group}
        before = {case.id: case for case in sent}
        self._taken = windows_of(plan.contract, before.values())
        self._bodies = {case.request.body for case in before.values()}
        like: dict[tuple[object, ...], list[Case]] = defaultdict(list)
        for case in reversed(plan.cases):
            if not case.id.startswith(FROM_FILES):
                like[_purpose(case)].append(case)
        self.stands_for: dict[str, str] = {}
        needed: dict[str, Case] = {}
        for case in lost:
            if not like[_purpose(case)]:
                continue
            chosen = like[_purpose(case)].pop()
            wanted = [each for each in self._with_all_before(chosen) if each.id not in needed]
            if not any(self._meets_a_sent_one(each) for each in wanted):
                needed.update((each.id, each) for each in wanted)
                self.stands_for[self._renamed(chosen.id)] = case.id
        # Also the positive twins that are not there yet, and were not answered in the first place.
        twins = {name for name in answered if name in before and before[name].kind is Kind.VALID}
        by_id = {case.id: case for case in plan.cases}
        missing = dict.fromkeys(case.twin for case in needed.values() if case.twin is not None)
        needed |= {name: by_id[name] for name in missing if name not in needed and name not in twins}
        self.groups = tuple(self._needed_of(groups, needed))
        self.alone = tuple(self._needed_of(plan.alone, needed))

    @property
    def cases(self) -> tuple[Case, ...]:
        """All of them, in the order of their sending."""
        return tuple(case for group in (*self.alone, *self.groups) for case in group)

    def _with_all_before(self, case: Case) -> Iterator[Case]:
        """The case after those that it builds on: all of its burst, or all that go before it in its group."""
        if not builds_on_its_group(case):
            yield case
            return
        for each in self._group_of[case.id]:
            yield each
            if each.id == case.id and case.kind is not Kind.BURST:
                return

    def _meets_a_sent_one(self, case: Case) -> bool:
        """Whether a gateway might lawfully refuse it as similar to an earlier one, or pay the same once more for it."""
        key = _windowed(self._contract, case)
        same = case.request.body in self._bodies and _asks_for_money(self._contract, case)
        return same or (key is not None and key in self._taken)

    def _needed_of(self, groups: Iterable[Group], needed: Collection[str]) -> Iterator[Group]:
        """The needed cases, under new names; one whose twin is not needed keeps that of the first plan."""
        for group in groups:
            cases = [
                replace(
                    case,
                    id=self._renamed(case.id),
                    twin=self._renamed(case.twin) if case.twin in needed else case.twin,
                    earlier=self._renamed(case.earlier) if case.earlier else None,
                )
                for case in group
                if case.id in needed
            ]
            if cases:
                yield in_order(*cases)

    def _renamed(self, case_id: str | None) -> str:
        return f"{self._label}/{case_id}"


def _purpose(case: Case) -> tuple[object, ...]:
    """Equal for cases that show the same."""
    request = case.request
    return case.command, case.kind, case.aspect, case.member, case.keyword, request.method, request.url


def _asks_for_money(contract: Contract, case: Case) -> bool:
    """Whether it names whom to pay and how much, so that somebody might pay the same once more for it."""
    command = contract.commands.get(case.command or "")
    if command is None or command.money is None:
        return False
    members, names = asked(case).members, (contract.members.recipient, command.money.member)
    return all(isinstance(members.get(name), str) for name in names if name is not None)
