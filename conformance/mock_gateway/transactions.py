"""What an accepted request sets going: what it costs, how it ends, and the notification that says so.

    price           shillings that a transaction takes from the account (negative: brings in)
    Transaction     an accepted request and its outcome
    result          the content of its notification

A product without a row in the tables costs nothing and is notified of with the three members that all have.
"""

from __future__ import annotations

import string
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from random import Random
from typing import Any

from conformance.contract.commands import Command
from conformance.mock_gateway.account import Outcome

SMS_PRICE = 1
"""Shillings for a message; what a message costs is not contract."""

MOST_DIGITS = 12
"""An amount of more digits is no amount of money: a payload whose form is not checked may hold anything."""


def amount_of(payload: Mapping[str, Any]) -> int:
    """The payload's `amount` in shillings, 0 if it is not a string of digits (only where a rule is waived)."""
    amount = payload.get("amount")
    readable = isinstance(amount, str) and amount.isascii() and amount.isdigit() and len(amount) <= MOST_DIGITS
    return int(amount) if readable and amount is not None else 0


_PRICES: dict[str, Callable[[Mapping[str, Any]], int]] = {
    "sms": lambda _: SMS_PRICE,
    "airtime": amount_of,
    "mpesa-wallet": amount_of,
    "mpesa/online": lambda payload: -amount_of(payload),
}


def price(command: Command, payload: Mapping[str, Any]) -> int:
    """Shillings that the request takes from the account if it succeeds; negative if it brings money in."""
    return _PRICES[command.name](payload) if command.name in _PRICES else 0


@dataclass(frozen=True, slots=True)
class Transaction:
    """An accepted request: its outcome, what it cost, and the account's balance when it was over."""

    command: Command
    payload: Mapping[str, Any]
    request_id: str
    outcome: Outcome
    charge: int
    balance: int
    at: datetime


def result(transaction: Transaction, random: Random) -> dict[str, Any]:
    """The content of the notification about `transaction`, the documented extra members of its product included."""
    product = transaction.command.product or ""
    outcome = transaction.outcome
    return {
        "result_code": outcome.code,
        "result_desc": _SUCCESS_TEXTS.get(product, _plain_text)(transaction.payload)
        if outcome.succeeded
        else outcome.reason,
        "request_id": transaction.request_id,
        **_EXTRAS.get(product, _no_extras)(transaction, random),
    }


def _plain_text(payload: Mapping[str, Any]) -> str:
    return "Success"


def _airtime_text(payload: Mapping[str, Any]) -> str:
    return f"Airtime of Ksh {amount_of(payload)} was sent to {payload.get('phone_number')}."


_SUCCESS_TEXTS: dict[str, Callable[[Mapping[str, Any]], str]] = {"airtime": _airtime_text}


def _no_extras(transaction: Transaction, random: Random) -> dict[str, Any]:
    return {}


def _airtime_extras(transaction: Transaction, random: Random) -> dict[str, Any]:
    return {"charge": transaction.charge, "account_balance": transaction.balance}


def _payment_extras(transaction: Transaction, random: Random) -> dict[str, Any]:
    given = {
        member: value
        for member in ("amount", "short_code", "bill_ref_number")
        if isinstance(value := transaction.payload.get(member), str)
    }
    return {
        "phone_number": _masked(str(transaction.payload.get("phone_number", ""))),
        "customer_name": "Wanjikũ Achieng'",
        **given,
        "third_party_trans_id": "".join(random.choices(string.ascii_uppercase + string.digits, k=10)),
        "account_balance": str(transaction.balance),
        "transaction_time": transaction.at.strftime("%Y-%m-%d %H:%M:%S"),
    }


def _masked(phone_number: str) -> str:
    """A phone number as payments show it: the first four and the last three digits."""
    return f"{phone_number[:4]}*****{phone_number[-3:]}"


_EXTRAS: dict[str, Callable[[Transaction, Random], dict[str, Any]]] = {
    "airtime": _airtime_extras,
    "mpesa-online": _payment_extras,
    "mpesa-wallet": _payment_extras,
}
