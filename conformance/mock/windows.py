"""What a faulty gateway does with a request because of those before it, or of those that come at the same instant.

A gateway sees no groups and no bursts; the functions here tell by the recipient what belongs together. Recipients are
drawn, so requests to one of them within `INSTANT_S` are those of a burst, but for the documented sample's and for what
the contract leaves open. Commands with a window are left alone there: within it requests to one are a sequence.

    WINDOWS     name → the function that makes the change, for rows that have it as `written`
"""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from conformance.contract.command import Flow
from conformance.mock.behaviour import (
    UNEXCUSED,
    Behaviour,
    Callback,
    ChoiceOfId,
    DeliveriesChange,
    Effect,
    Moment,
    Reply,
    anew,
    notifying,
    remembering,
    renaming,
)
from conformance.mock.choosing import member, nth, to_the_sample_recipient

# A burst is there within milliseconds; on a busy machine it may take longer, and nothing else comes to its recipient.
INSTANT_S = 2.0
# So long a gateway takes to note a request down; a burst is there before that, and nobody else. Of small change, which
# sequences move, so that not every answer takes so long.
LOOKING_S = 0.3
SMALL_CHANGE = frozenset(map(str, range(12, 412)))
# A notification waits so long for another one to be taken for; well within the time that runs allow.
HELD_S = 1.0
# The other has to be there by then, or it would be too late for the one that waits.
SWAPPED_WITHIN_S = 0.8

WINDOW = "window"

Texts = tuple[str, ...]


def _has_window(moment: Moment) -> bool:
    return moment.asked is not None and moment.asked.window is not None


def _is_payment(moment: Moment) -> bool:
    return moment.asked is not None and moment.asked.moves_money and moment.asked.window is None


def _comes_in_bursts(moment: Moment) -> bool:
    command = moment.asked
    if command is None or command.product is None or command.window is not None:
        return False
    return command.money is None or command.money.flow is Flow.OUT


def _similar(moment: Moment) -> Texts:
    """What makes two requests of a command with a window similar; the recipient first, if it is part of that."""
    names = moment.asked.window.members if moment.asked and moment.asked.window else ()
    recipient = moment.contract.members.recipient
    return tuple(member(moment, name) for name in sorted(names, key=lambda name: name != recipient))


def _recipient_and_amount(moment: Moment) -> Texts:
    money = moment.asked.money if moment.asked else None
    return member(moment, moment.contract.members.recipient or ""), member(moment, money.member if money else "")


# --- The window


def _alike(spelling: str) -> Effect:
    """A request is refused, in the words for a repeat, if one that looks the same in that spelling was accepted."""
    spell = _SPELLINGS[spelling]

    def make() -> Effect:
        known: dict[Hashable, Texts] = {}

        def key(moment: Moment) -> Hashable:
            first, *others = _similar(moment)
            return moment.command, spell(first), *others

        def refuses(moment: Moment) -> bool:
            before = known.get(key(moment)) if _has_window(moment) else None
            return before is not None and before != _similar(moment)

        def remember(moment: Moment) -> None:
            if _has_window(moment) and moment.refusal is None:
                known[key(moment)] = _similar(moment)

        return remembering(refuses, remember, WINDOW)

    return anew(make)


_SPELLINGS: Mapping[str, Callable[[str], Hashable]] = {
    "masked": lambda text: (text[:4], text[-3:]),
    "without the last character": lambda text: text[:-1],
}


def _only_the_last() -> Effect:
    """Of each recipient only the request that was accepted last is known."""

    def make() -> Effect:
        last: dict[Hashable, Texts] = {}

        def refuses(moment: Moment) -> bool:
            return _has_window(moment) and last.get((moment.command, _similar(moment)[0])) == _similar(moment)

        def remember(moment: Moment) -> None:
            if _has_window(moment) and moment.refusal is None:
                last[moment.command, _similar(moment)[0]] = _similar(moment)

        return remembering(refuses, remember, WINDOW)

    return anew(make)


def _noted_too_late() -> Effect:
    """A request of small change is noted down only as its answer leaves, a while after it was looked for.

    Which requests came at the same moment is told by that while: nobody who waits for the answer is that quick.
    """

    def make() -> Effect:
        noted: dict[Hashable, float] = {}

        def late(moment: Moment) -> bool:
            return (
                moment.asked is None or moment.asked.money is None or _recipient_and_amount(moment)[1] in SMALL_CHANGE
            )

        def refuses(moment: Moment) -> bool:
            at = noted.get((moment.command, _similar(moment)))
            return _has_window(moment) and at is not None and at <= moment.now

        def noting(reply: Reply, moment: Moment) -> Reply:
            if not _has_window(moment) or moment.refusal is not None:
                return reply
            after_s = LOOKING_S if late(moment) else 0.0
            noted.setdefault((moment.command, _similar(moment)), moment.now + after_s)
            return replace(reply, after_s=after_s)

        def effect(behaviour: Behaviour) -> Behaviour:
            refusing = (*behaviour.additional_refusals, lambda moment: WINDOW if refuses(moment) else None)
            return replace(behaviour, additional_refusals=refusing, reply=(*behaviour.reply, noting))

        return effect

    return anew(make)


def _rejected_too(refused: list[str]) -> Effect:
    """A request is refused if a similar one was refused with one of the tags."""

    def make() -> Effect:
        rejected: set[Hashable] = set()

        def refuses(moment: Moment) -> bool:
            return _has_window(moment) and _likeness(moment) in rejected

        def remember(moment: Moment) -> None:
            if _has_window(moment) and moment.refusal in refused:
                rejected.add(_likeness(moment))

        return remembering(refuses, remember, WINDOW)

    return anew(make)


def _likeness(moment: Moment) -> Hashable:
    """What is the same for similar requests; a body that was refused unread is not in the payload."""
    try:
        members, _ = json.JSONDecoder().raw_decode(moment.request.body.decode())
    except (ValueError, RecursionError):
        return moment.request.body
    if not isinstance(members, dict) or moment.asked is None or moment.asked.window is None:
        return moment.request.body
    return json.dumps([members.get(name) for name in moment.asked.window.members])


def _across_products() -> Effect:
    """A request with a window is refused after a payment to its recipient of its amount, and the other way round."""

    def make() -> Effect:
        known: dict[bool, set[Texts]] = {True: set(), False: set()}

        def concerns(moment: Moment) -> bool:
            return moment.asked is not None and moment.asked.moves_money

        def refuses(moment: Moment) -> bool:
            return concerns(moment) and _recipient_and_amount(moment) in known[not _has_window(moment)]

        def remember(moment: Moment) -> None:
            if concerns(moment) and moment.refusal is None:
                known[_has_window(moment)].add(_recipient_and_amount(moment))

        return remembering(refuses, remember, WINDOW)

    return anew(make)


# --- At the same instant


@dataclass(slots=True)
class _Seen:
    """A request to a recipient: when it came, its body, and whatever is kept of it."""

    at: float
    body: bytes
    kept: Any


class Instants:
    """The last ordinary request of some commands to each recipient."""

    def __init__(self, of: Callable[[Moment], bool]) -> None:
        self._of = of
        self._last: dict[Hashable, _Seen] = {}

    def concerns(self, moment: Moment) -> bool:
        """Whether it is an ordinary request that is accepted so far."""
        if not self._of(moment) or moment.asked is None or moment.refusal is not None:
            return False
        if to_the_sample_recipient(moment):
            return False
        return moment.contract.schemas.violation(f"{moment.asked.folder}/request", moment.payload) is None

    def before(self, moment: Moment, within_s: float = INSTANT_S) -> _Seen | None:
        """Another request to its recipient, so shortly before that it may have been at the same instant."""
        seen = self._last.get(self._key(moment))
        near = seen is not None and moment.now - seen.at < within_s and seen.body != moment.request.body
        return seen if near else None

    def remember(self, moment: Moment, kept: Any = None) -> None:
        """Take it for the last one to its recipient."""
        self._last[self._key(moment)] = _Seen(moment.now, moment.request.body, kept)

    def _key(self, moment: Moment) -> Hashable:
        return moment.command, member(moment, moment.contract.members.recipient or "")


def _sharing_ids() -> ChoiceOfId:
    """A request gets the id of another one to its recipient that came at the same instant."""
    instants = Instants(_comes_in_bursts)

    def choose(moment: Moment) -> str:
        if not instants.concerns(moment):
            return moment.request_id
        before = instants.before(moment)
        chosen = before.kept if before else moment.request_id
        instants.remember(moment, chosen)
        return str(chosen)

    return choose


def _one_at_a_time() -> Effect:
    """A request is refused if another one to its recipient came at the same instant."""

    def make() -> Effect:
        instants = Instants(_comes_in_bursts)

        def refuses(moment: Moment) -> bool:
            return instants.concerns(moment) and instants.before(moment) is not None

        def remember(moment: Moment) -> None:
            if instants.concerns(moment):
                instants.remember(moment)

        return remembering(refuses, remember, UNEXCUSED)

    return anew(make)


def _swapped() -> DeliveriesChange:
    """Two payments to one recipient at the same instant: each is notified of under the other's id."""
    instants = Instants(_is_payment)

    def change(sent: tuple[Callback, ...], moment: Moment) -> tuple[Callback, ...]:
        if not sent or not instants.concerns(moment):
            return sent
        # Held back and not written yet, so the id can still be exchanged in it.
        contents = [dict(delivery.content) for delivery in sent]
        before = instants.before(moment, SWAPPED_WITHIN_S)
        if before is not None:
            role = moment.contract.notification.id
            for one, other in zip(before.kept, contents, strict=True):
                one[role], other[role] = other[role], one[role]
        instants.remember(moment, contents)
        held = zip(sent, contents, strict=True)
        return tuple(replace(d, content=content, after_s=d.after_s + HELD_S) for d, content in held)

    return change


def _of_the_payment_before(every: int) -> Effect:
    """Each `every`-th notification of a payment has the content of the one before, under its own id."""

    def fresh() -> DeliveriesChange:
        due = nth(every)
        last: dict[str, Any] = {}

        def change(sent: tuple[Callback, ...], moment: Moment) -> tuple[Callback, ...]:
            if not _is_payment(moment) or moment.refusal is not None:
                return sent
            return tuple(mistaken(delivery, moment) for delivery in sent)

        def mistaken(delivery: Callback, moment: Moment) -> Callback:
            role = moment.contract.notification.id
            before, last[delivery.product] = last.get(delivery.product), delivery.content
            if not due() or before is None:
                return delivery
            return replace(delivery, content={**before, role: delivery.content[role]})

        return change

    return notifying(fresh)


def _to_the_product_before() -> DeliveriesChange:
    """A notification goes to the product that its recipient was last asked for, an instant ago."""
    last: dict[str, tuple[float, str]] = {}

    def change(sent: tuple[Callback, ...], moment: Moment) -> tuple[Callback, ...]:
        recipient = member(moment, moment.contract.members.recipient or "")
        if not sent or not recipient:
            return sent
        at, product = last.get(recipient, (float("-inf"), ""))
        last[recipient] = moment.now, sent[0].product
        url = moment.callbacks.get(product)
        return tuple(replace(d, url=url) for d in sent) if url and moment.now - at < INSTANT_S else sent

    return change


WINDOWS: Mapping[str, Callable[..., Effect]] = {
    "window-alike": _alike,
    "window-of-the-last": _only_the_last,
    "window-noted-too-late": _noted_too_late,
    "window-of-rejected": _rejected_too,
    "window-across-products": _across_products,
    "one-at-a-time": _one_at_a_time,
    "sharing-ids-at-once": lambda: renaming(_sharing_ids),
    "swapped-at-once": lambda: notifying(_swapped),
    "of-the-payment-before": _of_the_payment_before,
    "to-the-product-before": lambda: notifying(_to_the_product_before),
}
