"""Going on with a recorded run: the cases that a run that was cut off has left, and late notifications.

A case whose request is in the journal is not sent again: the gateway may have received it, answered or not. Nor does a
sequence go on in the middle, for the time between counts: a window may be over. Other cases replace those lost by that.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from conformance.contract.contract import Contract
from conformance.gateway.command_plan import Group
from conformance.gateway.listening import Successes, id_at_a_glance
from conformance.gateway.plan import Plan
from conformance.gateway.replacements import builds_on_its_group
from conformance.gateway.request_templates import sent_again
from conformance.gateway.rig import Rig, redaction_of, rigged
from conformance.gateway.settings import Settings
from conformance.journal import LISTENED, Journal, Record, Redaction, read_journal
from conformance.judging.evidence import Evidence
from conformance.judging.reading import TOO_MANY_REQUESTS, asks_for_a_wait
from conformance.model.errors import UsageError
from conformance.model.process import Progress, clear_interruption, interrupts_allowed, interrupts_deferred
from conformance.model.traffic import CLOSED_ON_REUSE, Case, Exchange, Request
from conformance.wire import Allowance
from conformance.wire.allowance import is_refused
from conformance.wire.ledger import Arrival, Strays, request_id_of

# Seconds between two looks at the clock: soon enough to be felt as at once.
LOOK_S = 0.2
# The kind of the note that says how a plan is sent.
PLANNED = "planned"


@dataclass(frozen=True, slots=True)
class Rest:
    """`plan`: the cases left to send. `groups`: all that were planned. `cut_off`: those that can show nothing any more.

    `replaced`: the ids of cases that others stand for, in so many `rounds` of planning anew. `exchanges`: all that were
    made, `notified`: the requests that have reached the callbacks.
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
        """Of a recorded run, for the gateway at `base_url`, with the credential of `settings`.

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
        rounds = [note.detail["stands_for"] for note in record.notes if note.kind == "planned-anew"]
        if any(note.kind == "settled" for note in record.notes):
            raise UsageError("the run of this journal came to its end", "judge it, or begin a new one")
        left = [tuple(case for case in group if _can_be_sent(case, group, last)) for group in groups]
        alone, late = set(planned["alone"]), set(planned["last"])
        return cls(
            Plan(
                settings.contract,
                tuple(g for g in left if g and g[0].group not in alone | late),
                alone=tuple(g for g in left if g and g[0].group in alone),
                last=tuple(g for g in left if g and g[0].group in late),
            ),
            groups,
            frozenset(
                case.id
                for group in groups
                for case in group
                if (_is_cut_off(last[case.id], settings) if case.id in last else not _can_be_sent(case, group, last))
            ),
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
    """Whether an exchange shows nothing, through no fault of the gateway."""
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
class Stayed:
    """How many notifications came, and of how many accepted requests one is still missing."""

    arrived: int
    missing: int


def listen_on(path: Path, settings: Settings, progress: Progress, for_s: float | None = None) -> Stayed:
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
    arrived, over = 0, threading.Event()
    counting = threading.Lock()
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
            until = None if for_s is None else time.monotonic() + for_s
            if until is not None:
                progress.until(until)
            try:
                with interrupts_allowed():
                    while until is None or time.monotonic() < until:
                        over.wait(LOOK_S)
            except KeyboardInterrupt:
                clear_interruption()
            # Before the journal closes: a later notification would find it closed.
            rig.receiver.close()
            if strays.left_out:
                journal.note("strays", strays.described())
    evidence = Evidence.of(read_journal(path), settings.contract)
    owed = (answer for command in evidence.terms.commands for answer in evidence.owed(command))
    return Stayed(arrived, sum(evidence.first_about(answer) is None for answer in owed))
