"""Faults that need a memory of earlier requests: ids given again, repeats refused, windows, and mix-ups of a burst.

`WRITTEN` has them by the names in `written` of behaviours.toml. Only requests with the same outcome ever share an id: a
notification for an accepted request must not look like one for a refused request.

Those of requests that come at the same moment are in `conformance.mock.instants`.
"""

from __future__ import annotations

import itertools
import json
import operator
from collections import defaultdict
from collections.abc import Callable, Hashable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from conformance.contract.command import Window
from conformance.contract.tables import Which
from conformance.mock.account import shape_of_ids, unprompted
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
from conformance.mock.changes import (
    choice,
    comes_in_bursts,
    is_payment,
    member,
    moves_money,
    nth,
    recipient,
    to_the_sample_recipient,
    window_of,
)
from conformance.mock.instants import INSTANT_S, SameInstant, sharing_ids, swapped, swapped_near
from conformance.mock.message_changes import ABSENT, edited, path_of

# A repeated id was given so many accepted requests ago: the last one would be the easiest to notice.
BACK = 5
# More requests than are ever on their way together.
NOT_AT_ONCE = 40
# Each command counts so many numbers behind the one that came first before it.
LATER_BY = 2
SPENT_ON_A_REFUSAL = 1  # whole units of money
# The time of the first unsolicited transaction; any day will do.
EPOCH = datetime(2024, 1, 1, 9, tzinfo=UTC)
# How long a gateway takes to note a request down: the rest of a burst arrives before that, and nobody else. It does so
# only with small amounts, which sequences move, so that not every answer takes so long.
LOOKING_S = 0.3
SMALL_CHANGE = frozenset(map(str, range(12, 412)))

WINDOW = "window"

Texts = tuple[str, ...]


def _is_accepted(moment: Moment) -> bool:
    """An accepted request of a command with a notification."""
    return moment.refusal is None and moment.asked is not None and moment.asked.product is not None


def _similar(moment: Moment, window: Window) -> Texts:
    """The members that make requests of a command with a window similar, the recipient first if it is one of them."""
    first = moment.contract.members.recipient
    return tuple(member(moment, name) for name in sorted(window.members, key=lambda name: name != first))


def _recipient_and_amount(moment: Moment) -> Texts:
    money = moment.asked.money if moment.asked else None
    return recipient(moment), member(moment, money.member if money else "")


# --- Ids


def _repeating(every: int) -> ChoiceOfId:
    """Each `every`-th accepted request gets the id of an earlier one of its command, one with another payload."""
    due = nth(every)
    holders: dict[str | None, dict[str, set[bytes]]] = defaultdict(dict)

    def choose(moment: Moment) -> str:
        if not _is_accepted(moment):
            return moment.request_id
        given, body = holders[moment.command], moment.request.body
        chosen = moment.request_id
        if due():
            foreign = [request_id for request_id, bodies in given.items() if body not in bodies]
            chosen = foreign[-BACK:][0] if foreign else chosen
        given.setdefault(chosen, set()).add(body)
        return chosen

    return choose


def _same_for_equals() -> ChoiceOfId:
    """Equal requests with the same outcome get the same id."""
    first: dict[Hashable, str] = {}
    chooses = choice(Which("response"))

    def choose(moment: Moment) -> str:
        if not chooses(moment, None):
            return moment.request_id
        key = moment.command, moment.request.method, moment.request.url, moment.request.body, moment.refusal
        return first.setdefault(key, moment.request_id)

    return choose


def _from_recipient(moment: Moment) -> str:
    """The id is the recipient of the payload and a counter."""
    named = recipient(moment)
    return f"{named}-{moment.count:06}" if named else moment.request_id


def _numbered_per_command(every: int) -> ChoiceOfId:
    """Each `every`-th accepted request of a command gets its number there as its id, so that commands share ids.

    Each command counts some numbers behind the one before, and no number is given again among requests that may have
    come at the same instant: sharing an id at once is another fault.
    """
    counts: dict[str | None, int] = {}
    given: dict[int, int] = {}
    places = itertools.count()

    def choose(moment: Moment) -> str:
        if not _is_accepted(moment):
            return moment.request_id
        number = counts.get(moment.command, -len(counts) * LATER_BY * every) + 1
        counts[moment.command] = number
        place = next(places)
        if number < 1 or number % every or place - given.get(number, -NOT_AT_ONCE) < NOT_AT_ONCE:
            return moment.request_id
        given[number] = place
        return shape_of_ids(moment.contract).numbered(number)

    return choose


class _Known:
    """Refuses a request that has the same `members`, or the same body, as one that was accepted `times` before.

    `spares_sample`: not those to the recipient of the documented sample, which serve other requirements.
    """

    def __init__(
        self, members: list[str] | None = None, times: int = 1, *, spares_sample: bool = True, **which: object
    ) -> None:
        self._members, self._times, self._spares_sample = members, times, spares_sample
        self._chooses = choice(Which.from_entry({"to": "request", **which}))
        self._accepted: dict[Hashable, int] = defaultdict(int)

    def _key(self, moment: Moment) -> Hashable:
        values = tuple(member(moment, name) for name in self._members) if self._members else moment.request.body
        return moment.command, values

    def refuses(self, moment: Moment) -> bool:
        known = self._chooses(moment, None) and self._accepted.get(self._key(moment), 0) >= self._times
        return known and not (self._spares_sample and to_the_sample_recipient(moment))

    def remember(self, moment: Moment) -> None:
        if moment.refusal is None and self._chooses(moment, None):
            self._accepted[self._key(moment)] += 1


def _spends(refused: list[str]) -> Effect:
    """The account pays for each request that is refused with one of the tags, as its balance shows."""

    def effect(behaviour: Behaviour) -> Behaviour:
        spent = 0

        def shown(reply: Reply, moment: Moment) -> Reply:
            nonlocal spent
            spent += SPENT_ON_A_REFUSAL if moment.refusal in refused else 0
            account = moment.contract.account
            if moment.refusal or account is None or account.balance is None or moment.command != account.command:
                return reply
            path = path_of(moment.contract, account.balance, notified=False)
            less = edited(reply.content, path, lambda left: left if left is ABSENT else left - spent)
            return replace(reply, content=less)

        return replace(behaviour, reply=(*behaviour.reply, shown))

    return effect


def _unasked_for(every: int) -> DeliveriesChange:
    """Adds an unsolicited notification of every product with such a callback to each `every`-th accepted request."""
    due = nth(every)

    def change(sent: tuple[Callback, ...], moment: Moment) -> tuple[Callback, ...]:
        if moment.refusal is not None or not due():
            return sent
        random, at = Random(moment.request_id), EPOCH + timedelta(seconds=moment.accepted)
        rows = [row for product, row in moment.contract.unsolicited.items() if product in moment.callbacks]
        return (*sent, *(unprompted(moment.contract, row, moment.callbacks, random, {}, at) for row in rows))

    return change


# --- The window


class _LastOfKey:
    """Refuses a request if the one that was accepted last under the same key `clashes` with it."""

    def __init__(self, key: Callable[[Texts], Hashable], clashes: Callable[[Texts, Texts], bool]) -> None:
        self._key, self._clashes = key, clashes
        self._last: dict[Hashable, Texts] = {}

    def refuses(self, moment: Moment) -> bool:
        if (window := window_of(moment)) is None:
            return False
        similar = _similar(moment, window)
        before = self._last.get((moment.command, self._key(similar)))
        return before is not None and self._clashes(before, similar)

    def remember(self, moment: Moment) -> None:
        if (window := window_of(moment)) is not None and moment.refusal is None:
            similar = _similar(moment, window)
            self._last[moment.command, self._key(similar)] = similar


_SPELLINGS: Mapping[str, Callable[[str], Hashable]] = {
    "masked": lambda text: (text[:4], text[-3:]),
    "without the last character": lambda text: text[:-1],
}


def _alike(spelling: str) -> Effect:
    """Refuses a request, in the words for a repeat, if one that looks the same in that spelling was accepted."""
    spell = _SPELLINGS[spelling]
    return remembering(lambda: _LastOfKey(lambda texts: (spell(texts[0]), *texts[1:]), operator.ne), WINDOW)


def _noted_too_late(behaviour: Behaviour) -> Behaviour:
    """Notes a request of a small amount down only as its answer leaves, a while after checking it.

    So it accepts requests that come at the same moment; a client that waits for the answer is not that quick.
    """
    noted: dict[Hashable, float] = {}

    def refusal(moment: Moment) -> str | None:
        window = window_of(moment)
        at = noted.get((moment.command, _similar(moment, window))) if window else None
        return WINDOW if at is not None and at <= moment.now else None

    def noting(reply: Reply, moment: Moment) -> Reply:
        window = window_of(moment)
        if window is None or moment.refusal is not None:
            return reply
        late = not (moment.asked and moment.asked.money) or _recipient_and_amount(moment)[1] in SMALL_CHANGE
        after_s = LOOKING_S if late else 0.0
        noted.setdefault((moment.command, _similar(moment, window)), moment.now + after_s)
        return replace(reply, after_s=after_s)

    refusing = (*behaviour.additional_refusals, refusal)
    return replace(behaviour, additional_refusals=refusing, reply=(*behaviour.reply, noting))


class _Rejected:
    """Refuses a request if a similar one was refused with one of the tags."""

    def __init__(self, refused: list[str]) -> None:
        self._refused = refused
        self._rejected: set[Hashable] = set()

    def refuses(self, moment: Moment) -> bool:
        return (window := window_of(moment)) is not None and _members_or_body(moment, window) in self._rejected

    def remember(self, moment: Moment) -> None:
        if (window := window_of(moment)) is not None and moment.refusal in self._refused:
            self._rejected.add(_members_or_body(moment, window))


def _members_or_body(moment: Moment, window: Window) -> Hashable:
    """The key of similar requests, from the body: one that was refused unread is not in the payload."""
    try:
        members, _ = json.JSONDecoder().raw_decode(moment.request.body.decode())
    except (ValueError, RecursionError):
        return moment.request.body
    if not isinstance(members, dict):
        return moment.request.body
    return json.dumps([members.get(name) for name in window.members])


class _AcrossProducts:
    """Refuses a request with a window after a payment to its recipient of its amount, and the other way round."""

    def __init__(self) -> None:
        self._known: dict[bool, set[Texts]] = {True: set(), False: set()}

    def refuses(self, moment: Moment) -> bool:
        return moves_money(moment) and _recipient_and_amount(moment) in self._known[is_payment(moment)]

    def remember(self, moment: Moment) -> None:
        if moves_money(moment) and moment.refusal is None:
            self._known[not is_payment(moment)].add(_recipient_and_amount(moment))


# --- Mixed up


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
        if not is_payment(moment) or moment.refusal is not None:
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


WRITTEN: Mapping[str, Callable[..., Effect]] = {
    "repeating-ids": lambda every: renaming(lambda: _repeating(every)),
    "same-ids-for-equals": lambda: renaming(_same_for_equals),
    "telling-the-recipient": lambda: renaming(lambda: _from_recipient),
    "numbered-per-command": lambda every: renaming(lambda: _numbered_per_command(every)),
    "refuses-known": lambda refuse=UNEXCUSED, **which: remembering(lambda: _Known(**which), refuse),
    "spends": _spends,
    "unsolicited": lambda every: notifying(lambda: _unasked_for(every)),
    "window-alike": _alike,
    "window-of-the-last": lambda: remembering(lambda: _LastOfKey(lambda texts: texts[0], operator.eq), WINDOW),
    "window-noted-too-late": lambda: _noted_too_late,
    "window-of-rejected": lambda refused: remembering(lambda: _Rejected(refused), WINDOW),
    "window-across-products": lambda: remembering(_AcrossProducts, WINDOW),
    "one-at-a-time": lambda: remembering(lambda: SameInstant(comes_in_bursts), UNEXCUSED),
    "sharing-ids-at-once": lambda: renaming(sharing_ids),
    "swapped-at-once": lambda: notifying(swapped),
    "swapped-near": lambda within_s, **which: notifying(lambda: swapped_near(within_s, **which)),
    "of-the-payment-before": lambda every: notifying(lambda: _of_the_payment_before(every)),
    "to-the-product-before": lambda: notifying(_to_the_product_before),
}
