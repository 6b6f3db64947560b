"""What no request precedes, while a run goes on: it happens beside accepted requests, and is told as a row says.

happening       the notifications of a request with those of something else that has happened meanwhile
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from conformance.contract.behaviours import Change, copies
from conformance.mock_gateway.behaviour import Delivery, Moment
from conformance.mock_gateway.choosing import choice
from conformance.mock_gateway.reshaping import reshaping
from conformance.mock_gateway.unprompted import unprompted
from conformance.mock_gateway.verbs import DeliveriesChange

# When the first of them took place; the day is nobody's business.
BEGINNING = datetime(2024, 1, 1, 9, tzinfo=UTC)


def happening(change: Change) -> DeliveriesChange:
    """Of each product whose notifications no request precedes something happens, beside each request that is chosen.

    `happen` of the change has the changes of what is told of it; its `inquiry` those of what is asked before, or false
    where nobody is asked.
    """
    stated: Mapping[str, Any] = change.actions["happen"]
    chooses, reshape, asks = choice(change.which), reshaping(stated), stated.get("inquiry", {})
    reshape_inquiry = reshaping(asks or {})
    also = [reshaping(actions) for actions in copies(stated.get("also", ()))]

    def told(delivery: Delivery, moment: Moment) -> tuple[Delivery, ...]:
        asked = delivery.inquiry if asks is not False else None
        inquiry = reshape_inquiry(asked, moment) if asked is not None else None
        again = (make(replace(delivery, inquiry=None), moment) for make in also)
        return (replace(reshape(delivery, moment), inquiry=inquiry), *again)

    def changed(sent: tuple[Delivery, ...], moment: Moment) -> tuple[Delivery, ...]:
        if moment.refusal is not None or not chooses(moment, None):
            return sent
        random, at = Random(moment.request_id), BEGINNING + timedelta(seconds=moment.accepted)
        rows = [row for product, row in moment.contract.unsolicited.items() if product in moment.callbacks]
        happened = [unprompted(moment.contract, row, moment.callbacks, random, {}, at) for row in rows]
        return (*sent, *(each for delivery in happened for each in told(delivery, moment)))

    return changed
