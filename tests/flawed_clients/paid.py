"""Receivers of payments that customers start, with one misbehaviour each (RCV)."""

from __future__ import annotations

import time

from flawed_clients.inbox import Till, Told

# Longer than the 8 seconds for which the operator waits.
TOO_LONG_S = 8.2


class LooksForTheRequestOfAPayment(Till, breaks=("RCV-01",)):
    """Answers 404 to a payment of a customer, because it has made no request with that request_id."""

    def take(self, content: Told) -> int:
        return super().take(content) if content["request_id"] in self.known else 404


class CreditsPaymentsTwice(Till, breaks=("RCV-07",)):
    """Credits a payment of a customer each time that it is notified of it."""

    def apply(self, request_id: str, content: Told) -> None:
        self.told[request_id] = content
        self.applied[request_id] = self.applied.get(request_id, 0) + 1


class DiesOfMalformedPayments(Till, breaks=("RCV-22",)):
    """Answers 500 to a body that is not JSON at the address for payments."""

    def malformed(self, posted: object) -> int:
        return 500


class RefusesInquiries(Till, breaks=("RCV-28",)):
    """Answers 404 to inquiries."""

    def decide(self, content: Told) -> int:
        return 404


class AnswersInquiriesWithNothing(Till, breaks=("RCV-29",)):
    """Answers 204 to inquiries, which decides nothing."""

    def decide(self, content: Told) -> int:
        return 204


class LongInquiries(Till, breaks=("RCV-30",)):
    """Needs longer for its first inquiry than the operator waits."""

    hurries = False

    def decide(self, content: Told) -> int:
        if not self.hurries:
            self.hurries = True
            time.sleep(TOO_LONG_S)  # the flaw itself: the answer comes after the operator has given up
        return super().decide(content)


class TakesInquiriesForPayments(Till, breaks=("RCV-31",)):
    """Credits a payment when it is asked whether it may go through."""

    def decide(self, content: Told) -> int:
        return self.take(content)
