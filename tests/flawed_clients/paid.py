"""Receivers of payments that customers start, with one misbehaviour each (RCV)."""

from __future__ import annotations

import time

from flawed_clients.inbox import Told
from flawed_clients.till import Paid, Till

# Longer than the 8 seconds for which the operator waits.
TOO_LONG_S = 8.2


class LooksForTheRequestOfAPayment(Paid):
    """Answers 404 to a payment of a customer, for no request of its own has that request_id."""

    breaks = ("RCV-01",)

    class inbox(Till):
        def take(self, content: Told) -> int:
            return super().take(content) if content["request_id"] in self.known else 404


class CreditsPaymentsTwice(Paid):
    """Credits a payment of a customer each time that it is told of it."""

    breaks = ("RCV-07",)

    class inbox(Till):
        def apply(self, request_id: str, content: Told) -> None:
            self.told[request_id] = content
            self.applied[request_id] = self.applied.get(request_id, 0) + 1


class DiesOfMalformedPayments(Paid):
    """Answers 500 to what is no JSON at the address for payments."""

    breaks = ("RCV-22",)

    class inbox(Till):
        def malformed(self, posted: object) -> int:
            return 500


class RefusesInquiries(Paid):
    """Answers 404 to inquiries."""

    breaks = ("RCV-28",)

    class inbox(Till):
        def decide(self, content: Told) -> int:
            return 404


class AnswersInquiriesWithNothing(Paid):
    """Answers 204 to inquiries, which decides nothing."""

    breaks = ("RCV-29",)

    class inbox(Till):
        def decide(self, content: Told) -> int:
            return 204


class LongInquiries(Paid):
    """Needs longer for its first inquiry than the operator waits."""

    breaks = ("RCV-30",)

    class inbox(Till):
        hurries = False

        def decide(self, content: Told) -> int:
            if not self.hurries:
                self.hurries = True
                time.sleep(TOO_LONG_S)  # the flaw itself: the answer comes after the operator has given up
            return super().decide(content)


class TakesInquiriesForPayments(Paid):
    """Credits a payment when it is asked whether it may go through."""

    breaks = ("RCV-31",)

    class inbox(Till):
        def decide(self, content: Told) -> int:
            return self.take(content)
