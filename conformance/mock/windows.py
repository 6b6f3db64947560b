"""Faults that depend on similar requests before, or on requests at the same instant.

A gateway sees no groups and no bursts; the functions here group requests by recipient. Recipients are drawn at random,
so requests to one of them within `INSTANT_S` are a burst, but for the documented sample's and open payloads. Faults of
the instant spare commands with a window: there, requests to one recipient are a sequence.
"""

from __future__ import annotations

import json
import operator
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
    notifying,
    remembering,
    renaming,
)
from conformance.mock.choosing import member, nth, recipient, to_the_sample_recipient

# A burst arrives within milliseconds, later on a busy machine; nothing else comes to its recipient.
INSTANT_S = 2.0
# How long a gateway takes to note a request down: the rest of a burst arrives before that, and nobody else. It does so
# only with small amounts, which sequences move, so that not every answer takes so long.
LOOKING_S = 0.3
SMALL_CHANGE = frozenset(map(str, range(12, 412)))
# How long a notification is held back to be swapped with another; well within the time that runs allow.
HELD_S = 1.0
# The other has to arrive by then, or it would be too late for the one held back.
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
    """The members that make requests of a command with a window similar, the recipient first if it is one of them."""
    names = moment.asked.window.members if moment.asked and moment.asked.window else ()
    first = moment.contract.members.recipient
    return tuple(member(moment, name) for name in sorted(names, key=lambda name: name != first))


def _recipient_and_amount(moment: Moment) -> Texts:
    money = moment.asked.money if moment.asked else None
    return recipient(moment), member(moment, money.member if money else "")


# --- The window


class _LastOfKey:
    """Refuses a request if the one that was accepted last under the same key `clashes` with it."""

    def __init__(self, key: Callable[[Texts], Hashable], clashes: Callable[[Texts, Texts], bool]) -> None:
        self._key, self._clashes = key, clashes
        self._last: dict[Hashable, Texts] = {}

    def refuses(self, moment: Moment) -> bool:
        if not _has_window(moment):
            return False
        similar = _similar(moment)
        before = self._last.get((moment.command, self._key(similar)))
        return before is not None and self._clashes(before, similar)

    def remember(self, moment: Moment) -> None:
        if _has_window(moment) and moment.refusal is None:
            similar = _similar(moment)
            self._last[moment.command, self._key(similar)] = similar


def _alike(spelling: str) -> Effect:
    """Refuses a request, in the words for a repeat, if one that looks the same in that spelling was accepted."""
    spell = _SPELLINGS[spelling]
    return remembering(lambda: _LastOfKey(lambda texts: (spell(texts[0]), *texts[1:]), operator.ne), WINDOW)


_SPELLINGS: Mapping[str, Callable[[str], Hashable]] = {
    "masked": lambda text: (text[:4], text[-3:]),
    "without the last character": lambda text: text[:-1],
}


def _noted_too_late(behaviour: Behaviour) -> Behaviour:
    """Notes a request of a small amount down only as its answer leaves, a while after checking it.

    So it accepts requests that come at the same moment; a client that waits for the answer is not that quick.
    """
    noted: dict[Hashable, float] = {}

    def refusal(moment: Moment) -> str | None:
        at = noted.get((moment.command, _similar(moment)))
        return WINDOW if _has_window(moment) and at is not None and at <= moment.now else None

    def noting(reply: Reply, moment: Moment) -> Reply:
        if not _has_window(moment) or moment.refusal is not None:
            return reply
        late = not (moment.asked and moment.asked.money) or _recipient_and_amount(moment)[1] in SMALL_CHANGE
        after_s = LOOKING_S if late else 0.0
        noted.setdefault((moment.command, _similar(moment)), moment.now + after_s)
        return replace(reply, after_s=after_s)

    refusing = (*behaviour.additional_refusals, refusal)
    return replace(behaviour, additional_refusals=refusing, reply=(*behaviour.reply, noting))


class _Rejected:
    """Refuses a request if a similar one was refused with one of the tags."""

    def __init__(self, refused: list[str]) -> None:
        self._refused = refused
        self._rejected: set[Hashable] = set()

    def refuses(self, moment: Moment) -> bool:
        return _has_window(moment) and _likeness(moment) in self._rejected

    def remember(self, moment: Moment) -> None:
        if _has_window(moment) and moment.refusal in self._refused:
            self._rejected.add(_likeness(moment))


def _likeness(moment: Moment) -> Hashable:
    """The key of similar requests, from the body: one that was refused unread is not in the payload."""
    try:
        members, _ = json.JSONDecoder().raw_decode(moment.request.body.decode())
    except (ValueError, RecursionError):
        return moment.request.body
    if not isinstance(members, dict) or moment.asked is None or moment.asked.window is None:
        return moment.request.body
    return json.dumps([members.get(name) for name in moment.asked.window.members])


class _AcrossProducts:
    """Refuses a request with a window after a payment to its recipient of its amount, and the other way round."""

    def __init__(self) -> None:
        self._known: dict[bool, set[Texts]] = {True: set(), False: set()}

    def refuses(self, moment: Moment) -> bool:
        moves = moment.asked is not None and moment.asked.moves_money
        return moves and _recipient_and_amount(moment) in self._known[not _has_window(moment)]

    def remember(self, moment: Moment) -> None:
        if moment.asked is not None and moment.asked.moves_money and moment.refusal is None:
            self._known[_has_window(moment)].add(_recipient_and_amount(moment))


# --- At the same instant


@dataclass(slots=True)
class _LastRequest:
    """A request to a recipient: its time, its body, and anything to remember of it."""

    at: float
    body: bytes
    kept: Any


class _Instants:
    """The last ordinary request of some commands to each recipient."""

    def __init__(self, of: Callable[[Moment], bool]) -> None:
        self._of = of
        self._last: dict[Hashable, _LastRequest] = {}

    def concerns(self, moment: Moment) -> bool:
        """Whether it is an ordinary request that is accepted so far."""
        if not self._of(moment) or moment.asked is None or moment.refusal is not None:
            return False
        if to_the_sample_recipient(moment):
            return False
        return moment.contract.schemas.violation(f"{moment.asked.folder}/request", moment.payload) is None

    def before(self, moment: Moment, within_s: float = INSTANT_S) -> _LastRequest | None:
        """Another request to its recipient, so shortly before that it may have been at the same instant."""
        last = self._last.get((moment.command, recipient(moment)))
        near = last is not None and moment.now - last.at < within_s and last.body != moment.request.body
        return last if near else None

    def keep(self, moment: Moment, kept: Any) -> None:
        """Remember it as the last one to its recipient."""
        self._last[moment.command, recipient(moment)] = _LastRequest(moment.now, moment.request.body, kept)

    def refuses(self, moment: Moment) -> bool:
        return self.concerns(moment) and self.before(moment) is not None

    def remember(self, moment: Moment) -> None:
        if self.concerns(moment):
            self.keep(moment, None)


def _sharing_ids() -> ChoiceOfId:
    """A request gets the id of another one to its recipient that came at the same instant."""
    instants = _Instants(_comes_in_bursts)

    def choose(moment: Moment) -> str:
        if not instants.concerns(moment):
            return moment.request_id
        before = instants.before(moment)
        chosen = before.kept if before else moment.request_id
        instants.keep(moment, chosen)
        return str(chosen)

    return choose


def _swapped() -> DeliveriesChange:
    """Two payments to one recipient at the same instant: each is notified of under the other's id."""
    instants = _Instants(_is_payment)

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
        instants.keep(moment, contents)
        held = zip(sent, contents, strict=True)
        return tuple(replace(d, content=content, after_s=d.after_s + HELD_S) for d, content in held)

    return change


def _of_the_payment_before(every: int) -> DeliveriesChange:
    """Each `every`-th notification of a payment has the content of the one before, under its own id."""
    due = nth(every)
    last: dict[str, Any] = {}

    def mistaken(delivery: Callback, role: str) -> Callback:
        before, last[delivery.product] = last.get(delivery.product), delivery.content
        if not due() or before is None:
            return delivery
        return replace(delivery, content={**before, role: delivery.content[role]})

    def change(sent: tuple[Callback, ...], moment: Moment) -> tuple[Callback, ...]:
        if not _is_payment(moment) or moment.refusal is not None:
            return sent
        return tuple(mistaken(delivery, moment.contract.notification.id) for delivery in sent)

    return change


def _to_the_product_before() -> DeliveriesChange:
    """A notification goes to the product that its recipient was last asked for, an instant ago."""
    last: dict[str, tuple[float, str]] = {}

    def change(sent: tuple[Callback, ...], moment: Moment) -> tuple[Callback, ...]:
        to = recipient(moment)
        if not sent or not to:
            return sent
        at, product = last.get(to, (float("-inf"), ""))
        last[to] = moment.now, sent[0].product
        url = moment.callbacks.get(product)
        return tuple(replace(d, url=url) for d in sent) if url and moment.now - at < INSTANT_S else sent

    return change


WINDOWS: Mapping[str, Callable[..., Effect]] = {
    "window-alike": _alike,
    "window-of-the-last": lambda: remembering(lambda: _LastOfKey(lambda texts: texts[0], operator.eq), WINDOW),
    "window-noted-too-late": lambda: _noted_too_late,
    "window-of-rejected": lambda refused: remembering(lambda: _Rejected(refused), WINDOW),
    "window-across-products": lambda: remembering(_AcrossProducts, WINDOW),
    "one-at-a-time": lambda: remembering(lambda: _Instants(_comes_in_bursts), UNEXCUSED),
    "sharing-ids-at-once": lambda: renaming(_sharing_ids),
    "swapped-at-once": lambda: notifying(_swapped),
    "of-the-payment-before": lambda every: notifying(lambda: _of_the_payment_before(every)),
    "to-the-product-before": lambda: notifying(_to_the_product_before),
}
