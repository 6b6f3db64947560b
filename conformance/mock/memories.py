"""Faults that depend on earlier requests: ids given again, repeats refused, money spent.

Only requests with the same outcome ever share an id: a notification for an accepted request must not look like one for
a refused request.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Callable, Hashable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random

from conformance.contract.tables import Which
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
from conformance.mock.choosing import ABSENT, choice, edited, member, nth, path_of, recipient, to_the_sample_recipient
from conformance.mock.transactions import shape_of_ids, unprompted

# A repeated id was given so many accepted requests ago: the last one would be the easiest to notice.
BACK = 5
# More requests than are ever on their way together.
NOT_AT_ONCE = 40
# Each command counts so many numbers behind the one that came first before it.
LATER_BY = 2
SPENT_ON_A_REFUSAL = 1  # whole units of money
# The time of the first unsolicited transaction; any day will do.
EPOCH = datetime(2024, 1, 1, 9, tzinfo=UTC)


def _is_accepted(moment: Moment) -> bool:
    """An accepted request of a command with a notification."""
    return moment.refusal is None and moment.asked is not None and moment.asked.product is not None


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
        request = moment.request
        key = moment.command, request.method, request.url, request.body, moment.refusal
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


# --- Equals


class _Known:
    """Refuses a request that has the same `members`, or the same body, as one that was accepted `times` before.

    Spares those to the recipient of the documented sample, which serve other requirements.
    """

    def __init__(self, members: list[str] | None, times: int, which: Which, *, spares_sample: bool) -> None:
        self._members, self._times, self._spares_sample = members, times, spares_sample
        self._chooses = choice(which)
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


def _refuses_known(
    members: list[str] | None = None,
    times: int = 1,
    refuse: str = UNEXCUSED,
    *,
    spares_sample: bool = True,
    **which: object,
) -> Effect:
    chosen = Which.from_entry({"to": "request", **which})
    return remembering(lambda: _Known(members, times, chosen, spares_sample=spares_sample), refuse)


# --- The balance


def _spends(refused: list[str]) -> Effect:
    """The account pays for each request that is refused with one of the tags, as its balance shows."""

    def effect(behaviour: Behaviour) -> Behaviour:
        spent = 0

        def shown(reply: Reply, moment: Moment) -> Reply:
            nonlocal spent
            if moment.refusal is not None:
                spent += SPENT_ON_A_REFUSAL if moment.refusal in refused else 0
                return reply
            account = moment.contract.account
            if account is None or account.balance is None or moment.command != account.command:
                return reply
            path = path_of(moment.contract, account.balance, notified=False)
            less = edited(reply.content, path, lambda left: left if left is ABSENT else left - spent)
            return replace(reply, content=less)

        return replace(behaviour, reply=(*behaviour.reply, shown))

    return effect


# --- Unsolicited notifications


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


MEMORIES: Mapping[str, Callable[..., Effect]] = {
    "repeating-ids": lambda every: renaming(lambda: _repeating(every)),
    "same-ids-for-equals": lambda: renaming(_same_for_equals),
    "telling-the-recipient": lambda: renaming(lambda: _from_recipient),
    "numbered-per-command": lambda every: renaming(lambda: _numbered_per_command(every)),
    "refuses-known": _refuses_known,
    "spends": _spends,
    "unsolicited": lambda every: notifying(lambda: _unasked_for(every)),
}
