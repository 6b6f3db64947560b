"""What is left to do of a run that was cut off, read off its journal.

    Rest            .of(record, …): the cases that were never sent, and those that cannot be sent any more
    last_sign       when the run was seen for the last time
    check_targets   whether the receiver that was started is where the notifications of the run go

A case whose request stands in the journal is not sent again: it may have been received, answered or not. Nor does a
sequence go on in the middle, for the time between counts: a window may be over. What is thereby lost is planned anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import chain

from conformance.gateway.anew import builds_on_its_group
from conformance.gateway.command_plan import Group
from conformance.gateway.plan import Plan
from conformance.gateway.request_templates import sent_again
from conformance.gateway.settings import Settings
from conformance.gateway.successes import Successes
from conformance.journal import Record
from conformance.judging.reading import TOO_MANY_REQUESTS, asks_for_a_wait
from conformance.model.errors import UsageError
from conformance.model.traffic import CLOSED_ON_REUSE, Case, Exchange, Request
from conformance.wire import Allowance
from conformance.wire.allowance import is_refused

# The kind of the note that says how a plan is sent.
PLANNED = "planned"


@dataclass(frozen=True, slots=True)
class Rest:
    """`plan`: what is left to send. `groups`: all that was planned. `cut_off`: of these, what shows nothing any more.

    `replaced`: the ids of cases that others stand for; `rounds`: how often it was planned anew. `exchanges`: all that
    was sent, `notified` what has reached the callbacks.
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
        groups = tuple(_grouped(_ready(record, settings, base_url)))
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
        """Take off what was sent so far from what may be accepted; what has no answer counts as accepted."""
        for exchange in self.exchanges:
            refused = exchange.response is not None and is_refused(exchange.response, allowance.contract)
            allowance.count(exchange.request, refused=refused)
            successes.answered(exchange)
        for request in self.notified:
            successes.notified(request)


def _ready(record: Record, settings: Settings, base_url: str) -> Iterable[Case]:
    """The cases as they are sent: with the credential, which no journal holds."""
    recorded_base = record.settings["gateway"]
    for case in record.cases:
        yield sent_again(
            settings.contract, case, recorded_base, base_url, settings.consumer_key, settings.consumer_secret
        )


def _grouped(cases: Iterable[Case]) -> Iterable[Group]:
    groups: dict[str, list[Case]] = {}
    for case in cases:
        groups.setdefault(case.group, []).append(case)
    return map(tuple, groups.values())


def _can_be_sent(case: Case, group: Group, sent: Mapping[str, Exchange]) -> bool:
    """Whether it was not sent, and none was on which it builds."""
    if case.id in sent:
        return False
    return not (builds_on_its_group(case) and any(each.id in sent for each in group))


def _is_cut_off(exchange: Exchange, settings: Settings) -> bool:
    """Whether an exchange shows nothing, and not by the gateway's doing."""
    if exchange.response is not None:
        return exchange.response.status == TOO_MANY_REQUESTS or asks_for_a_wait(exchange.response)
    return exchange.failure in (None, CLOSED_ON_REUSE) or settings.network_there


def last_sign(record: Record) -> float:
    """The last moment (seconds of the journal's clock) at which the run is known to have been there."""
    exchanges = ((e.sent_at, e.answered_at or e.sent_at) for e in record.exchanges)
    others = (*(n.received_at for n in record.notifications), *(n.noted_at for n in record.notes))
    return max((*chain.from_iterable(exchanges), *others))


def check_targets(recorded: Mapping[str, str], targets: Mapping[str, str]) -> None:
    """UsageError unless notifications come to the same paths and queries as before, as far as the journal tells them.

    `targets`: those of now, redacted as the journal is.
    """
    for product, target in targets.items():
        if recorded.get(product, target) != target:
            raise UsageError(
                f"the callback of {product} was {recorded[product]}, and would now be {target}",
                "give --callback-url and --callback-token as the run had them",
            )
