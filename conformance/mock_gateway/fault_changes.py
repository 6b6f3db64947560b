"""What a fault is, and how it changes a `Behaviour`: the verbs that the rows of the fault tables are written in.

    Fault                   a named misbehaviour and the requirements that it breaks
    waives, crashes         a rule that is not enforced, or falls over when it is broken
    refuses                 what should be accepted is refused
    answers                 some answers are reshaped
    notifications           some notifications are reshaped, one by one
    deliveries              the notifications of a request are changed as a whole
    renames                 request_ids are chosen otherwise, in answers and notifications alike
    fails                   some transactions fail, so that a failure can be told wrongly
    together                several of these in one

A change that counts or remembers begins anew for each behaviour that it is applied to: what it knows lives in the
functions that it puts there, never in the table. The gateway answers one request at a time, so no lock is needed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import reduce
from itertools import count

from conformance.mock_gateway.behaviour import Behaviour, Delivery, Moment, Reply
from conformance.mock_gateway.fault_messages import setting

Change = Callable[[Behaviour], Behaviour]
Which = Callable[[Moment], bool]
ReplyChange = Callable[[Reply, Moment], Reply]
DeliveryChange = Callable[[Delivery, Moment], Delivery]
DeliveriesChange = Callable[[tuple[Delivery, ...], Moment], tuple[Delivery, ...]]
ChoiceOfId = Callable[[Moment], str]

# What a lawful request is refused as: a 400, which no check excuses. A 401, 402 or 403 would blame the account, and
# the words of the airtime window the past; those are not held against a gateway.
UNEXCUSED = "malformed.not-json"


@dataclass(frozen=True, slots=True)
class Fault:
    """A named single misbehaviour of the mock gateway.

    `breaks`: the ids of the requirements that fall with it, these and no others. `summary`: one line for
    `--list-faults`. `change` turns a behaviour into one that misbehaves.
    """

    name: str
    summary: str
    breaks: tuple[str, ...]
    change: Change


def nth(every: int) -> Callable[[], bool]:
    """A count of its own: True on each `every`-th call."""
    calls = count(1)
    return lambda: next(calls) % every == 0


def waives(*tags: str) -> Change:
    """The refusals with these tags are not enforced."""
    return lambda behaviour: replace(behaviour, waived=behaviour.waived | set(tags))


def crashes(*tags: str) -> Change:
    """The refusals with these tags are answered with 500."""
    return lambda behaviour: replace(behaviour, crashes=behaviour.crashes | set(tags))


def refuses(which: Which, tag: str = UNEXCUSED, every: int = 1) -> Change:
    """Each `every`-th of the requests that would be accepted and that `which` takes is refused as `tag`."""

    def change(behaviour: Behaviour) -> Behaviour:
        due = nth(every)

        def refusal(moment: Moment) -> str | None:
            return tag if which(moment) and due() else None

        return replace(behaviour, additional_refusals=(*behaviour.additional_refusals, refusal))

    return change


def answers(which: Which, reshape: ReplyChange, every: int = 1) -> Change:
    """Each `every`-th of the answers that `which` takes is reshaped."""

    def change(behaviour: Behaviour) -> Behaviour:
        due = nth(every)

        def reshaped(reply: Reply, moment: Moment) -> Reply:
            return reshape(reply, moment) if which(moment) and due() else reply

        return replace(behaviour, reply=(*behaviour.reply, reshaped))

    return change


def notifications(reshape: DeliveryChange, every: int = 1) -> Change:
    """Each `every`-th notification is reshaped."""

    def fresh() -> DeliveriesChange:
        due = nth(every)
        return lambda deliveries, moment: tuple(reshape(d, moment) if due() else d for d in deliveries)

    return deliveries(fresh)


def deliveries(fresh: Callable[[], DeliveriesChange]) -> Change:
    """The notifications of each request go through a function that `fresh` makes."""
    return lambda behaviour: replace(behaviour, deliveries=(*behaviour.deliveries, fresh()))


def renames(fresh: Callable[[], ChoiceOfId]) -> Change:
    """Each request gets the id that a function made by `fresh` chooses; its notifications carry the same."""

    def change(behaviour: Behaviour) -> Behaviour:
        choose = fresh()
        chosen: dict[int, str] = {}

        def of(moment: Moment) -> str:
            if moment.count not in chosen:
                chosen.clear()  # an answer and its notifications are made in one go: the last choice is enough
                chosen[moment.count] = choose(moment)
            return chosen[moment.count]

        def answered(reply: Reply, moment: Moment) -> Reply:
            return setting("request_id", of(moment))(reply, moment)

        def notified(sent: tuple[Delivery, ...], moment: Moment) -> tuple[Delivery, ...]:
            return tuple(setting("request_id", of(moment))(delivery, moment) for delivery in sent)

        return replace(behaviour, reply=(*behaviour.reply, answered), deliveries=(*behaviour.deliveries, notified))

    return change


def fails(rate: float) -> Change:
    """At least this part of the transactions fails."""
    return lambda behaviour: replace(behaviour, failure_rate=max(behaviour.failure_rate, rate))


def together(*changes: Change) -> Change:
    """One change after the other."""
    return lambda behaviour: reduce(lambda changed, change: change(changed), changes, behaviour)
