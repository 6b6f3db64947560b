"""What no request precedes, happening while requests are answered; `initiating` starts it when somebody asks for it.

unasked_for     each so many accepted requests such a thing happens, and is told
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from random import Random

from conformance.mock.behaviour import Delivery, Moment
from conformance.mock.choosing import nth
from conformance.mock.unprompted import unprompted
from conformance.mock.verbs import DeliveriesChange, Effect, notifying

# When the first of them happened; the day is nobody's business.
EPOCH = datetime(2024, 1, 1, 9, tzinfo=UTC)


def unasked_for(every: int) -> Effect:
    """Each `every`-th accepted request something else happens, of every product that has a callback for it."""

    def fresh() -> DeliveriesChange:
        due = nth(every)

        def change(sent: tuple[Delivery, ...], moment: Moment) -> tuple[Delivery, ...]:
            if moment.refusal is not None or not due():
                return sent
            random, at = Random(moment.request_id), EPOCH + timedelta(seconds=moment.accepted)
            rows = [row for product, row in moment.contract.unsolicited.items() if product in moment.callbacks]
            return (*sent, *(unprompted(moment.contract, row, moment.callbacks, random, {}, at) for row in rows))

        return change

    return notifying(fresh)
