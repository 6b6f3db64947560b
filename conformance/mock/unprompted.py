"""What no request precedes, before it is sent: the notification of it, and the inquiry that goes first."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from random import Random
from typing import Any

from conformance.contract.command import Unsolicited
from conformance.contract.contract import Contract
from conformance.mock.account import OPENING_BALANCE, Outcome
from conformance.mock.behaviour import Delivery
from conformance.mock.forms import Shape
from conformance.mock.transactions import Transaction, price, result


def unprompted(  # noqa: PLR0913, PLR0917 - what it is made of
    contract: Contract,
    row: Unsolicited,
    callbacks: Mapping[str, str],
    random: Random,
    members: Mapping[str, Any],
    at: datetime,
    balance: int = OPENING_BALANCE,
) -> Delivery:
    """One that tells these `members`, and otherwise what its schema's example tells, under an id of its own.

    `at`: when it happened; `balance`: what the account had before. The inquiry goes first where a callback is
    registered for it.
    """
    example: Mapping[str, Any] = contract.schemas.schema(row.notification_schema)["examples"][0]
    roles, charge = contract.notification, price(row, {**example, **members})
    success, request_id = Outcome.success(contract), Shape.of(example[roles.id]).draw(random)
    transaction = Transaction(row, members, request_id, success, charge, balance - charge, at)
    content = {**result(contract, transaction, random), **members}
    asked, inquiry = row.inquiry, None
    if asked is not None and asked.callback in callbacks:
        url = callbacks[asked.callback]
        inquiry = Delivery(asked.callback, url, content, roles.method, within_s=asked.seconds)
    return Delivery(row.product, callbacks[row.product], content, roles.method, inquiry=inquiry)
