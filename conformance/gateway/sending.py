"""Sending the cases of a plan within the limits of a run, and others in the stead of those that a network lost.

sending     a Sender that keeps to the limits; in the end it is noted what may have been accepted
send_anew   cases that show what those would have shown whose answers got lost
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from conformance.gateway.anew import MOST_LOST, ROUNDS, Anew, lost_of, windows_of
from conformance.gateway.command_plan import Group, seed_for
from conformance.gateway.limits import Limits
from conformance.gateway.listening import Listening
from conformance.gateway.plan import Plan
from conformance.gateway.settings import Settings
from conformance.gateway.successes import Successes
from conformance.journal import Journal
from conformance.payloads.addressees import Addressees
from conformance.wire import Allowance, Sender


@contextmanager
def sending(  # noqa: PLR0913, PLR0917 - all that a sending needs
    settings: Settings,
    gateway: str,
    journal: Journal,
    hearing: Listening,
    not_planned: Mapping[str, int],
    count: Callable[[Allowance, Successes], None] | None = None,
) -> Iterator[Sender]:
    """Sends whatever the run sends to `gateway`, within its limits; in the end it is noted what may have been accepted.

    `count` takes off what was sent before.
    """
    bounds = settings.bounds
    allowance = bounds.allowance(settings.contract)
    if bounds.any:
        hearing.successes = Successes(settings.contract, allowance, hearing.on_proof, alone=settings.exclusive_account)
        if count is not None:
            count(allowance, hearing.successes)
    try:
        yield Sender(
            journal,
            hearing.pace,
            on_exchange=hearing.on_exchange,
            on_pause=hearing.on_pause,
            ca_file=settings.ca_file,
            allowance=allowance,
            # The built-in gateway ends with its run: what was under way then is nothing to the one that comes after it.
            manners=bounds.manners(
                over_network=settings.network_there,
                recorded_first=settings.gateway is not None,
                keep_alive=settings.replaceable or settings.network_there,
            ),
            addressees=Addressees.of(settings.contract, settings.constraints, gateway),
            reading=[c.name for c in settings.contract.commands.values() if c.product is None and c.method == "GET"],
        )
    finally:
        if bounds.any or allowance.withheld:
            journal.note("allowance", _within_limits(bounds, allowance, not_planned))


def send_anew(  # noqa: PLR0913, PLR0917 - all that a sending needs
    settings: Settings,
    gateway: str,
    journal: Journal,
    hearing: Listening,
    sender: Sender,
    groups: Sequence[Group],
    replaced: Collection[str] = (),
    rounds: int = 0,
) -> None:
    """Have other cases show what those would have shown that have no answer and were cut off, or lost by the network.

    `groups`: all that was planned so far, in so many `rounds` beside the first; for those `replaced` others stand
    already.
    """
    sent = [case for group in groups for case in group]
    lost = [case for case in lost_of(groups, hearing.unanswered) if case.id not in replaced]
    for number in range(rounds + 1, rounds + ROUNDS + 1):
        if not lost or len(lost) > MOST_LOST * sum(map(len, groups)):
            return
        again = Plan.of(_otherwise(settings, number), gateway, windows_of(settings.contract, sent))
        answered = {case.id for case in sent} - hearing.unanswered
        anew = Anew.of(lost, again, f"anew-{number}", sent, answered)
        if not anew.cases:
            return
        journal.plan(anew.cases)
        journal.note("planned-anew", {"stands_for": dict(anew.stands_for)})
        journal.flush()
        hearing.expect(len(anew.cases))
        for group in anew.alone:
            sender.send([group])
        sender.send(anew.groups)
        sent += anew.cases
        groups = (*anew.alone, *anew.groups)
        lost = lost_of(groups, hearing.unanswered)


def _otherwise(settings: Settings, number: int) -> Settings:
    """Settings that lead to other payloads: the systematic ones have the given phone numbers in turn."""
    numbers = settings.phone_numbers
    start = number * len(numbers) // (ROUNDS + 1)
    seed = seed_for(settings.seed, "anew", str(number))
    return replace(settings, seed=seed, phone_numbers=numbers[start:] + numbers[:start], corpus=None)


def _within_limits(bounds: Limits, allowance: Allowance, not_planned: Mapping[str, int]) -> Mapping[str, Any]:
    """What may have been accepted, and how many cases and attempts were kept from being sent by which option."""
    return {
        "max_accepted": bounds.max_accepted,
        "max_spend": bounds.max_spend,
        "accepted_at_most": allowance.taken,
        "spent_at_most": allowance.spent,
        "not_planned": dict(not_planned),
        "withheld": dict(allowance.withheld),
    }
