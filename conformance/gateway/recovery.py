"""Recovery of a run: cases that a network lost, cases that a run which was cut off has left, late notifications.

send_replacements   sends other cases in the place of lost ones: with other payloads they show the same
Rest                the cases that are left of a recorded run
listen_on           takes notifications into the journal of a run that is over

A request without an answer may have been carried out, so its bytes are never sent again: where they ask for money, it
might be paid twice, and where they ask for something forbidden, a gateway might take the second for a repeat. Its
replacement has the same purpose, and a payload that no other request of the run has. It is a case of its own, and
counts against every limit beside the lost one.

Nor is a sequence resumed in the middle, for the time between counts: a window may be over. Its cases are replaced.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

from conformance.contract.command import Key
from conformance.contract.contract import Contract
from conformance.gateway.case_files import FROM_FILES
from conformance.gateway.command_plan import Group, in_order, seed_for
from conformance.gateway.listening import Successes, id_at_a_glance
from conformance.gateway.plan import Plan
from conformance.gateway.request_templates import sent_again
from conformance.gateway.rig import Campaign, Rig, redaction_of, rigged
from conformance.gateway.sequences import asked
from conformance.gateway.settings import Settings
from conformance.journal import LISTENED, Journal, Record, Redaction, read_journal
from conformance.judging.evidence import BALANCE, Evidence
from conformance.judging.messages import TOO_MANY_REQUESTS, asks_for_a_wait
from conformance.model.errors import UsageError
from conformance.model.process import Progress, clear_interruption, interrupts_allowed, interrupts_deferred
from conformance.model.traffic import CLOSED_ON_REUSE, Case, Exchange, Kind, Request
from conformance.wire import Allowance
from conformance.wire.allowance import is_refused
from conformance.wire.ledger import Arrival, Strays, request_id_of

# Rounds in which lost cases are replaced. With one request in ten lost, a case that needs three answers (its twin's, an
# earlier one's, its own) fails in one round out of four, and in all of them, the first among them, once in 2,500 times.
ROUNDS = 5
# Where more than this share of a round got lost, the network is down.
MOST_LOST = 0.5
# The kinds of the notes that say how a plan is sent, and which cases are replaced.
PLANNED, REPLACED = "planned", "planned-anew"


def send_replacements(
    campaign: Campaign, groups: Sequence[Group], replaced: Collection[str] = (), rounds: int = 0
) -> None:
    """Send other cases instead of those without an answer that were cut off, or lost by the network.

    `groups`: all that was planned so far, in so many `rounds` beside the first; those `replaced` are so already.
    """
    settings, journal, listening = campaign.settings, campaign.journal, campaign.listening
    sent = [case for group in groups for case in group]
    lost = [case for case in lost_of(groups, listening.unanswered) if case.id not in replaced]
    for number in range(rounds + 1, rounds + ROUNDS + 1):
        if not lost or len(lost) > MOST_LOST * sum(map(len, groups)):
            return
        plan = Plan.of(_otherwise(settings, number), campaign.rig.gateway, windows_of(settings.contract, sent))
        answered = {case.id for case in sent} - listening.unanswered
        new = Replacements(lost, plan, f"anew-{number}", sent, answered)
        if not new.cases:
            return
        journal.plan(new.cases)
        journal.note(REPLACED, {"stands_for": new.stands_for})
        journal.flush()
        campaign.send(new.alone, new.groups)
        sent += new.cases
        groups = (*new.alone, *new.groups)
        lost = lost_of(groups, listening.unanswered)


def _otherwise(settings: Settings, number: int) -> Settings:
    """Settings that lead to other payloads: the systematic ones have the given phone numbers in turn."""
    numbers = settings.phone_numbers
    start = number * len(numbers) // (ROUNDS + 1)
    seed = seed_for(settings.seed, "anew", str(number))
    return replace(settings, seed=seed, phone_numbers=numbers[start:] + numbers[:start], corpus=None)


# --- Lost cases


def lost_of(groups: Iterable[Group], unanswered: Collection[str]) -> list[Case]:
    """The cases without an answer, and those that prove nothing without these, in the order of the plan."""
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
    """Whether it proves something only together with those before it in its group; of a burst, with all."""
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

    A case that is sent only because another builds on it replaces no lost one.
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


# --- Resuming


def history(record: Record, case: Case) -> tuple[Case, ...]:
    """The case with those that have to go before it for it to mean the same, in the order of the plan."""
    cases = tuple(record.cases)
    by_id = {each.id: each for each in cases}
    needed: set[str] = set()
    waiting = [case]
    while waiting:
        one = waiting.pop()
        if one.id not in needed:
            needed.add(one.id)
            waiting += [by_id[name] for name in (one.twin, one.earlier) if name in by_id]
            # Those before it in its group; of a burst, which goes out at once, all.
            before = cases if one.kind is Kind.BURST else cases[: cases.index(one)]
            waiting += [each for each in before if each.group == one.group]
    return (*(each for each in cases if each.id in needed and each.id != case.id), case)


@dataclass(frozen=True, slots=True)
class Rest:
    """The work that a run which was cut off has left, and the work that it has done.

    `plan`: the cases left to send. `groups`: all planned cases. `cut_off`: the ids of those that can prove nothing any
    more; `replaced`: of those that were replaced, in so many `rounds`. `exchanges`: those of the run; `notified`: the
    requests to its callbacks.
    """

    plan: Plan
    groups: tuple[Group, ...]
    cut_off: frozenset[str]
    replaced: frozenset[str]
    rounds: int
    exchanges: tuple[Exchange, ...]
    notified: tuple[Request, ...]

    @classmethod
    def of(cls, record: Record, settings: Settings, base_url: str) -> Rest:
        """The rest of a recorded run, for the gateway at `base_url`, with the credential of `settings`.

        Raises UsageError if the run came to its end, if it was cut off before anything was planned, and for cases that
        the journal keeps redacted.
        """
        planned = next((note.detail for note in record.notes if note.kind == PLANNED), None)
        if planned is None:
            raise UsageError("the run of this journal was cut off before it sent anything", "begin a new one")
        exchanges = tuple(record.exchanges)
        last = {exchange.case_id: exchange for exchange in exchanges}
        # No journal holds the credential.
        key, secret, recorded_base = settings.consumer_key, settings.consumer_secret, record.settings["gateway"]
        by_group: dict[str, list[Case]] = {}
        for recorded in record.cases:
            case = sent_again(settings.contract, recorded, recorded_base, base_url, key, secret)
            by_group.setdefault(case.group, []).append(case)
        groups = tuple(map(tuple, by_group.values()))
        rounds = [note.detail["stands_for"] for note in record.notes if note.kind == REPLACED]
        if any(note.kind == "settled" for note in record.notes):
            raise UsageError("the run of this journal came to its end", "judge it, or begin a new one")
        left = [tuple(case for case in group if _can_be_sent(case, group, last)) for group in groups]
        to_send = {case.id for group in left for case in group}
        passed_over = {case.id for group in groups for case in group} - to_send - last.keys()
        alone, late = set(planned["alone"]), set(planned["last"])
        return cls(
            Plan(
                settings.contract,
                tuple(g for g in left if g and g[0].group not in alone | late),
                alone=tuple(g for g in left if g and g[0].group in alone),
                last=tuple(g for g in left if g and g[0].group in late),
            ),
            groups,
            frozenset(passed_over | {name for name, exchange in last.items() if _is_cut_off(exchange, settings)}),
            frozenset(chain.from_iterable(stands_for.values() for stands_for in rounds)),
            len(rounds),
            exchanges,
            tuple(notification.request for notification in record.notifications),
        )

    def count_against(self, allowance: Allowance, successes: Successes) -> None:
        """Take the exchanges so far off the allowance; one without an answer counts as accepted."""
        for exchange in self.exchanges:
            refused = exchange.response is not None and is_refused(exchange.response, allowance.contract)
            allowance.count(exchange.request, refused=refused)
            successes.answered(exchange)
        for request in self.notified:
            successes.notified(request)


def ids_given(exchanges: Iterable[Exchange], contract: Contract) -> Iterator[str]:
    """The ids in the answers of these exchanges."""
    bodies = (exchange.response.body for exchange in exchanges if exchange.response is not None)
    return filter(None, (request_id_of(body, contract.answer.id) for body in bodies))


def _can_be_sent(case: Case, group: Group, sent: Mapping[str, Exchange]) -> bool:
    """Whether neither it was sent nor a case on which it builds."""
    if case.id in sent:
        return False
    return not (builds_on_its_group(case) and any(each.id in sent for each in group))


def _is_cut_off(exchange: Exchange, settings: Settings) -> bool:
    """Whether an exchange proves nothing, and the gateway is not to blame."""
    if exchange.response is not None:
        return exchange.response.status == TOO_MANY_REQUESTS or asks_for_a_wait(exchange.response)
    return exchange.failure in (None, CLOSED_ON_REUSE) or settings.network_there


def last_sign(record: Record) -> float:
    """The last moment (seconds of the journal's clock) at which the run is known to have been there."""
    exchanges = ((e.sent_at, e.answered_at or e.sent_at) for e in record.exchanges)
    others = (*(n.received_at for n in record.notifications), *(n.noted_at for n in record.notes))
    return max((*chain.from_iterable(exchanges), *others))


def check_targets(recorded: Mapping[str, str], settings: Settings, rig: Rig) -> Redaction:
    """The redaction of the run, whose notifications come to the same paths and queries as before.

    UsageError if they do not, as far as the journal tells them.
    """
    redaction = redaction_of(settings, rig)
    for product in settings.callbacks:
        target = redaction.text(rig.paths.target(product))
        if recorded.get(product, target) != target:
            raise UsageError(
                f"the callback of {product} was {recorded[product]}, and would now be {target}",
                "give --callback-url and --callback-token as the run had them",
            )
    return redaction


# --- Late notifications


@dataclass(frozen=True, slots=True)
class LateNotifications:
    """How many notifications came, and of how many accepted requests one is still missing."""

    arrived: int
    missing: int


def listen_on(path: Path, settings: Settings, progress: Progress, for_s: float | None = None) -> LateNotifications:
    """Take notifications into the journal at `path`, until interrupted or `for_s` seconds have gone by.

    `settings` are those of the run. Raises UsageError for a run against the built-in mock gateway, which is gone, and
    for callback URLs that are others than those of the run; EnvironmentFailure if the address is taken or another
    process writes to the journal.
    """
    record = read_journal(path)
    if settings.gateway is None:
        raise UsageError(
            f"{path} is of a run against the built-in mock gateway, which ended with it; nothing can come late"
        )
    targets, since = record.settings["callback_targets"], last_sign(record)
    strays = Strays()
    for request_id in ids_given(record.exchanges, settings.contract):
        strays.given(request_id)
    del record  # or its file would stay open for reading while it is written to
    arrived, counting = 0, threading.Lock()
    with interrupts_deferred(), rigged(settings) as rig:
        redaction = check_targets(targets, settings, rig)
        with Journal.reopened(path, redaction) as journal:

            def on_arrival(product: str | None, request: Request, at: float, wall: float) -> None:
                nonlocal arrived
                stored = strays.kept(Arrival(product, request, at, wall), id_at_a_glance(request, settings.contract))
                if stored is not None:
                    journal.notified(product, stored, at, wall)
                    with counting:
                        arrived += 1
                        progress.notified(arrived, 0)

            journal.note(LISTENED, {"silent_since": since, "until": journal.time_of(time.monotonic())})
            rig.intake.hand_to(on_arrival)
            rig.note_in(journal)
            progress.phase("listen", "until Ctrl-C" if for_s is None else f"for {for_s:g} s")
            if for_s is not None:
                progress.until(time.monotonic() + for_s)
            try:
                with interrupts_allowed():
                    threading.Event().wait(for_s)  # nothing but a signal ends it sooner
            except KeyboardInterrupt:
                clear_interruption()
            # Before the journal closes: a later notification would find it closed.
            rig.receiver.close()
            if strays.left_out:
                journal.note("strays", strays.described())
    evidence = Evidence.of(read_journal(path), settings.contract)
    owed = (answer for command in evidence.terms.commands for answer in evidence.owed(command))
    return LateNotifications(arrived, sum(evidence.first_about(answer) is None for answer in owed))
