"""What written behaviours are made of: the places of a `Behaviour` that their functions are put into.

remembering     refuses by what it remembers of the requests before
renaming        chooses request ids otherwise, in answers and notifications alike
anew            a memory of its own for each behaviour that a change is applied to
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from conformance.mock.behaviour import Behaviour, Delivery, Moment, Reply

Effect = Callable[[Behaviour], Behaviour]
ReplyChange = Callable[[Reply, Moment], Reply]
DeliveriesChange = Callable[[tuple[Delivery, ...], Moment], tuple[Delivery, ...]]
ChoiceOfId = Callable[[Moment], str]

# What a lawful request is refused as: a 400, which no check excuses. A 401, 402 or 403 would blame the account, and
# the words of a window the past; those are not held against a gateway.
UNEXCUSED = "malformed.not-json"


def anew(make: Callable[[], Effect]) -> Effect:
    """A change with a memory of its own for each behaviour that it is applied to."""

    def effect(behaviour: Behaviour) -> Behaviour:
        begun = make()
        return begun(behaviour)

    return effect


def remembering(refuses: Callable[[Moment], bool], remember: Callable[[Moment], None], tag: str) -> Effect:
    """Lawful requests of which `refuses` says so are refused; every request is shown to `remember` afterwards."""

    def remembered(reply: Reply, moment: Moment) -> Reply:
        remember(moment)
        return reply

    def effect(behaviour: Behaviour) -> Behaviour:
        refusing = (*behaviour.additional_refusals, lambda moment: tag if refuses(moment) else None)
        return replace(behaviour, additional_refusals=refusing, reply=(*behaviour.reply, remembered))

    return effect


def notifying(fresh: Callable[[], DeliveriesChange]) -> Effect:
    """The notifications of each request go through a function that `fresh` makes."""
    return lambda behaviour: replace(behaviour, deliveries=(*behaviour.deliveries, fresh()))


def renaming(fresh: Callable[[], ChoiceOfId]) -> Effect:
    """Each request gets the id that a function made by `fresh` chooses; its notifications carry the same."""

    def effect(behaviour: Behaviour) -> Behaviour:
        choose = fresh()
        chosen: dict[int, str] = {}

        def of(moment: Moment) -> str:
            if moment.count not in chosen:
                chosen.clear()  # an answer and its notifications are made in one go: the last choice is enough
                chosen[moment.count] = choose(moment)
            return chosen[moment.count]

        def answered(reply: Reply, moment: Moment) -> Reply:
            if reply.raw is not None or not isinstance(reply.content, dict):
                return reply
            return replace(reply, content={**reply.content, moment.contract.answer.id: of(moment)})

        def notified(sent: tuple[Delivery, ...], moment: Moment) -> tuple[Delivery, ...]:
            role = moment.contract.notification.id
            return tuple(
                replace(d, content={**d.content, role: of(moment)}) if isinstance(d.content, dict) else d for d in sent
            )

        return replace(behaviour, reply=(*behaviour.reply, answered), deliveries=(*behaviour.deliveries, notified))

    return effect
