"""Changes of messages, applied: to the answers and the notifications that they are about.

of_replies      a function of answers
of_deliveries   a function of the notifications of a request
on_number       the messages of one request to a number that has a row
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from conformance.contract.behaviours import Change, copies
from conformance.mock.account import failures
from conformance.mock.behaviour import Delivery, Moment, Reply
from conformance.mock.choosing import choice
from conformance.mock.reshaping import Reshape, reshaping, success_told
from conformance.mock.verbs import DeliveriesChange, ReplyChange


def of_replies(change: Change) -> ReplyChange:
    """A function of answers that does to those meant what `change` says, with a count of its own."""
    chooses, reshape = choice(change.which), reshaping(change.actions)
    return lambda reply, moment: reshape(reply, moment) if chooses(moment, reply) else reply


def of_deliveries(change: Change) -> DeliveriesChange:
    """The same of the notifications of one request, which may become more or fewer."""
    if "notify" in change.actions:
        return _notifying(change)
    chooses, reshape = choice(change.which), reshaping(change.actions)
    also, before = (_reshapings(change.actions.get(word, ())) for word in ("also", "before"))
    drop = bool(change.actions.get("drop"))

    def changed(sent: tuple[Delivery, ...], moment: Moment) -> tuple[Delivery, ...]:
        chosen = [chooses(moment, delivery) for delivery in sent]
        meant = [delivery for delivery, is_chosen in zip(sent, chosen, strict=True) if is_chosen]
        kept = [
            reshape(delivery, moment) if is_chosen else delivery
            for delivery, is_chosen in zip(sent, chosen, strict=True)
            if not (is_chosen and drop)
        ]
        first = [make(delivery, moment) for delivery in meant for make in before]
        again = [make(delivery, moment) for delivery in meant for make in also]
        # What follows a notification does not come before the answer, though the notification may.
        return (*first, *kept, *(replace(delivery, before_answer=False) for delivery in again))

    return changed


def _reshapings(stated: Any) -> list[Reshape]:
    return [reshaping(actions) for actions in copies(stated)]


def _notifying(change: Change) -> DeliveriesChange:
    """A refused request is notified of all the same."""
    chooses = choice(change.which)

    def changed(sent: tuple[Delivery, ...], moment: Moment) -> tuple[Delivery, ...]:
        product = moment.asked.product if moment.asked else None
        if product is None or product not in moment.callbacks or not chooses(moment, None):
            return sent
        roles = moment.contract.notification
        told = success_told(moment)
        if change.actions["notify"] == "failure" and moment.asked:
            failure = failures(moment.contract, moment.asked)[0]
            told = {roles.outcome: failure.code, roles.reason: failure.reason}
        content = {**told, roles.id: moment.request_id}
        return (*sent, Delivery(product, moment.callbacks[product], content, roles.method))

    return changed


def on_number(
    changes: Iterable[Change], moment: Moment, reply: Reply, sent: tuple[Delivery, ...]
) -> tuple[Reply, tuple[Delivery, ...]]:
    """The answer to a request and its notifications as `changes` have them."""
    for change in changes:
        if change.which.to.startswith("notification"):
            sent = of_deliveries(change)(sent, moment)
        else:
            reply = of_replies(change)(reply, moment)
    return reply, sent
