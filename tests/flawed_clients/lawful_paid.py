"""Receivers of payments that customers start, each in a way of its own that the contract allows."""

from __future__ import annotations

from typing import Any

from flawed_clients.inbox import Told
from flawed_clients.till import PAYMENTS, Paid, Till


class TakesPayments(Paid):
    """Is asked before, and keeps what it is paid."""


class TakesPaymentsUnasked(Paid):
    """Has no address for inquiries."""

    class inbox(Till):
        asks = False


class TakesPaymentsAndTellsNobody(Paid):
    """Cannot be asked what it was paid."""

    features = ("callback",)


class KeepsPaymentsToItself(Paid):
    """Can be asked for results, and knows of requests alone."""

    class inbox(Till):
        def result(self, request_id: str) -> Told:
            return {"state": "unknown", "applied": 0}


class TakesPaymentsBesideCalls(Paid):
    """Sends messages, and is paid at the address of their results."""

    commands = ("sms",)

    class inbox(Till):
        served = frozenset({PAYMENTS, "sms"})

        def urls(self, commands: tuple[str, ...]) -> dict[str, str]:
            urls = super().urls(commands)
            return {**urls, "sms": urls[PAYMENTS].replace(PAYMENTS, "sms")}


class HasOneAddressForPayments(Paid):
    """Is asked and told at one address, where it cannot know one from the other."""

    class inbox(Till):
        def urls(self, commands: tuple[str, ...]) -> dict[str, str]:
            urls = super().urls(commands)
            return dict.fromkeys(urls, urls[PAYMENTS])


class ChecksThePayment(Paid):
    """Refuses what does not tell how much was paid, where it is asked."""

    class inbox(Till):
        def decide(self, content: Any) -> int:
            return 200 if str(content.get("amount", "")).isdigit() else 422
