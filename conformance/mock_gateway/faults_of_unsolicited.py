"""What no request precedes, while a run goes on: lawful, and told wrongly.

unasked_for                 such a thing happens each so many accepted requests, and is told as one likes
FAULTS_OF_UNSOLICITED       the faults
happening                   the same as the change of a variant
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from conformance.mock_gateway.behaviour import Behaviour, Delivery, Moment
from conformance.mock_gateway.fault_changes import DeliveriesChange, Fault, deliveries, nth
from conformance.mock_gateway.initiating import unprompted

# Each so many accepted requests: several in the smallest run, and few beside what is asked for.
EVERY = 5

# When the first of them happened; the day is nobody's business.
EPOCH = datetime(2024, 1, 1, 9, tzinfo=UTC)

Telling = Callable[[Delivery, Moment], tuple[Delivery, ...]]
"""What is sent in the place of a delivery that keeps the contract."""


def unasked_for(tell: Telling) -> Callable[[], DeliveriesChange]:
    """Each `EVERY`-th accepted request something else happens, of every product that has a callback for it."""

    def fresh() -> DeliveriesChange:
        due = nth(EVERY)

        def change(sent: tuple[Delivery, ...], moment: Moment) -> tuple[Delivery, ...]:
            if moment.refusal is not None or not due():
                return sent
            random, at = Random(moment.request_id), EPOCH + timedelta(seconds=moment.accepted)
            rows = [row for product, row in moment.contract.unsolicited.items() if product in moment.callbacks]
            happened = (unprompted(moment.contract, row, moment.callbacks, random, {}, at) for row in rows)
            return (*sent, *(each for delivery in happened for each in tell(delivery, moment)))

        return change

    return fresh


def as_it_is(delivery: Delivery, moment: Moment) -> tuple[Delivery, ...]:
    """By the contract: its inquiry, and then itself."""
    return (delivery,)


def without_inquiry(delivery: Delivery, moment: Moment) -> tuple[Delivery, ...]:
    """Nobody is asked first."""
    return (replace(delivery, inquiry=None),)


def told_twice(delivery: Delivery, moment: Moment) -> tuple[Delivery, ...]:
    """And once more, as it was."""
    return (delivery, replace(delivery, inquiry=None))


# --- Told wrongly


def _without(role: str) -> Telling:
    """The notification lacks the member with that role."""

    def tell(delivery: Delivery, moment: Moment) -> tuple[Delivery, ...]:
        member = getattr(moment.contract.notification, role)
        content = {name: value for name, value in delivery.content.items() if name != member}
        return (replace(delivery, content=content),)

    return tell


def _as_number(delivery: Delivery, moment: Moment) -> tuple[Delivery, ...]:
    """The amount of the notification is a number."""
    return _with_amount(delivery, moment, lambda amount: {amount: int(delivery.content[amount])})


def _without_amount(delivery: Delivery, moment: Moment) -> tuple[Delivery, ...]:
    """The notification does not tell how much it is about."""
    row = moment.contract.unsolicited[delivery.product]
    content = {name: value for name, value in delivery.content.items() if not row.money or name != row.money.member}
    return (replace(delivery, content=content),)


def _with_amount(delivery: Delivery, moment: Moment, told: Callable[[str], dict[str, Any]]) -> tuple[Delivery, ...]:
    money = moment.contract.unsolicited[delivery.product].money
    return (replace(delivery, content={**delivery.content, **told(money.member)}) if money else delivery,)


def _more_than_asked(delivery: Delivery, moment: Moment) -> tuple[Delivery, ...]:
    """The notification tells of another amount than the inquiry before it."""
    return _with_amount(delivery, moment, lambda amount: {amount: f"{delivery.content[amount]}0"})


def _contradicted(delivery: Delivery, moment: Moment) -> tuple[Delivery, ...]:
    """It is told again with another amount."""
    (again,) = _more_than_asked(replace(delivery, inquiry=None, after_s=0.1), moment)
    return (delivery, again)


def _by_put(delivery: Delivery, moment: Moment) -> tuple[Delivery, ...]:
    return (replace(delivery, method="PUT"),)


def _asked_in_an_array(delivery: Delivery, moment: Moment) -> tuple[Delivery, ...]:
    """The inquiry is wrapped in an array."""
    asked = delivery.inquiry
    return (replace(delivery, inquiry=replace(asked, content=[asked.content]) if asked else None),)


def _to_a_product(delivery: Delivery, moment: Moment) -> tuple[Delivery, ...]:
    """It comes to the callback of a product whose notifications follow requests."""
    url = next((moment.callbacks[product] for product in moment.contract.products), delivery.url)
    return (replace(delivery, url=url),)


def _results_among_them(every: int) -> Callable[[], DeliveriesChange]:
    """Each `every`-th result goes to where what no request precedes comes to."""

    def fresh() -> DeliveriesChange:
        due = nth(every)

        def misdirected(delivery: Delivery, moment: Moment) -> Delivery:
            urls = (moment.callbacks[name] for name in moment.contract.unsolicited if name in moment.callbacks)
            return replace(delivery, url=next(urls, delivery.url)) if due() else delivery

        return lambda sent, moment: tuple(misdirected(delivery, moment) for delivery in sent)

    return fresh


def happening(tell: Telling) -> Callable[[Behaviour], Behaviour]:
    """The change of a variant."""
    return deliveries(unasked_for(tell))


FAULTS_OF_UNSOLICITED: tuple[Fault, ...] = (
    Fault(
        "unsolicited-without-id",
        "What no request precedes is told without a request_id",
        ("UNS-01",),
        happening(_without("id")),
    ),
    Fault(
        "unsolicited-without-reason",
        "What no request precedes is told without a result_desc",
        ("UNS-01",),
        happening(_without("reason")),
    ),
    Fault(
        "unsolicited-by-put",
        "What no request precedes is told with PUT",
        ("UNS-01",),
        happening(_by_put),
    ),
    Fault(
        "inquiry-in-an-array",
        "The inquiry before what no request precedes is wrapped in an array",
        ("UNS-01",),
        happening(_asked_in_an_array),
    ),
    Fault(
        "unsolicited-without-amount",
        "What no request precedes is told without the amount",
        ("UNS-02",),
        happening(_without_amount),
    ),
    Fault(
        "unsolicited-amount-as-number",
        "What no request precedes is told with the amount as a number",
        ("UNS-02",),
        happening(_as_number),
    ),
    Fault(
        "unsolicited-contradicts-inquiry",
        "What no request precedes is told with another amount than the inquiry before it",
        ("UNS-03",),
        happening(_more_than_asked),
    ),
    Fault(
        "unsolicited-contradicted",
        "What no request precedes is told again with another amount",
        ("UNS-03",),
        happening(_contradicted),
    ),
    Fault(
        "unsolicited-to-a-product",
        "What no request precedes is told at the callback of a product whose notifications follow requests",
        ("NTF-21",),
        happening(_to_a_product),
    ),
    Fault(
        "result-to-unsolicited",
        "One result in five goes to the callback of what no request precedes",
        ("NTF-17",),
        deliveries(_results_among_them(5)),
    ),
)
