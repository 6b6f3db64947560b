"""Clients whose receivers do what the contract allows, each in another way."""

from __future__ import annotations

import threading
import time
from queue import SimpleQueue
from typing import Any

from flawed_clients.client import Asked, Client
from flawed_clients.inbox import PAYMENTS, Inbox, Posted, Till, Told

FEW = ("sms", "airtime")
MEMBERS = ("phone_number", "amount", "short_code", "bill_ref_number")


class CallbackAlone(Inbox):
    """Has a receiver that cannot be asked for results; it answers 200 with a body."""

    commands = FEW
    features = ("callback",)
    thanks = 200


class ReceiverAlone(Inbox):
    """Makes no calls, and keeps the results of its notifications."""

    commands = ()
    notified = FEW


class ReceiverAloneThanksFirst(Inbox):
    """Makes no calls, and processes notifications a little after it has answered them."""

    commands = ()
    notified = ("sms",)

    def take(self, content: Told) -> int:
        threading.Timer(0.1, super().take, (content,)).start()
        return 202


class DoesNotCount(Inbox):
    """Reports the result of a request, not how often it was applied."""

    counts = False


class RefusesUnknownIds(Inbox):
    """Answers 404 to a request_id that it neither knows nor may be about to know."""

    def take(self, content: Told) -> int:
        if content["request_id"] not in self.known and not self.in_flight:
            return 404
        return super().take(content)


class KeepsUnknownIds(Inbox):
    """Answers 404 to a request_id that it does not know, and keeps the result in case it will."""

    def take(self, content: Told) -> int:
        super().take(content)
        return 204 if content["request_id"] in self.known else 404


class SpeaksNewerHttp(Inbox):
    """Has a receiver that speaks HTTP/1.1 and keeps connections open."""

    protocol = "HTTP/1.1"


class KnowsOnlyPost(Inbox):
    """Answers 501 to GET and PUT, as http.server does by itself."""

    def other_method(self, posted: Posted) -> int:
        return 501


class AnswersProbes(Inbox):
    """Answers 200 to GET and PUT, and does nothing then."""

    def other_method(self, posted: Posted) -> int:
        return 200


class WorksOneByOne(Inbox):
    """Deals with one notification after the other, each of which takes it a while."""

    commands = FEW

    def __init__(self) -> None:
        self.turn = threading.Lock()
        super().__init__()

    def respond(self, posted: Posted) -> int:
        with self.turn:
            time.sleep(0.06)  # the work
            return super().respond(posted)


class ThanksFirst(Inbox):
    """Has notifications processed by another thread, a little after it has answered them."""

    def __init__(self) -> None:
        self.queue: SimpleQueue[Told] = SimpleQueue()
        threading.Thread(target=self.work, daemon=True).start()
        super().__init__()

    def take(self, content: Told) -> int:
        self.queue.put(content)
        return 202

    def work(self) -> None:
        """One after the other."""
        while True:
            content = self.queue.get()
            time.sleep(0.01)  # the work, which the answer did not wait for
            super().take(content)


class ChecksWhatItIsTold(Client):
    """Refuses a result that does not agree with its request."""

    commands = ("airtime", "mpesa/online", "mpesa-wallet")
    features = ("callback", "results")

    class inbox(Inbox):
        def __init__(self) -> None:
            self.asked: dict[str, dict[str, str]] = {}
            super().__init__()

        def complete(self, content: Any) -> bool:
            return super().complete(content) and self.agrees(content, self.asked.get(content["request_id"]))

        def agrees(self, content: Told, asked: dict[str, str] | None) -> bool:
            """Whether nothing in it is untrue of the request."""
            if asked is None:
                return True
            number = asked["phone_number"]
            told = {**asked, "phone_number": f"{number[:4]}*****{number[-3:]}"}
            named = all(content[name] == told.get(name) for name in content if name in MEMBERS)
            return named and float(content.get("charge", 0)) <= float(asked["amount"])

    def call(self, asked: Asked) -> Told:
        told = super().call(asked)
        assert isinstance(self.receiver, ChecksWhatItIsTold.inbox)
        self.receiver.asked[told.get("request_id", "")] = asked.params
        return told


# --- Payments that customers start


class TakesPayments(Till):
    """Is asked before, and keeps its payments."""


class TakesPaymentsUnasked(Till):
    """Has no address for inquiries."""

    asks = False


class TakesPaymentsAndTellsNobody(Till):
    """Cannot be asked for its payments."""

    features = ("callback",)


class KeepsPaymentsToItself(Till):
    """Can be asked for results, and knows of requests alone."""

    def result(self, request_id: str) -> Told:
        return {"state": "unknown", "applied": 0}


class TakesPaymentsBesideCalls(Till):
    """Sends messages, and is paid at the address of their results."""

    commands = ("sms",)
    served = frozenset({PAYMENTS, "sms"})

    def urls(self, commands: tuple[str, ...]) -> dict[str, str]:
        urls = super().urls(commands)
        return {**urls, "sms": urls[PAYMENTS].replace(PAYMENTS, "sms")}


class HasOneAddressForPayments(Till):
    """Gets inquiries and notifications at one address, where it cannot distinguish them."""

    def urls(self, commands: tuple[str, ...]) -> dict[str, str]:
        urls = super().urls(commands)
        return dict.fromkeys(urls, urls[PAYMENTS])


class ChecksThePayment(Till):
    """Refuses an inquiry without an amount."""

    def decide(self, content: Any) -> int:
        return 200 if str(content.get("amount", "")).isdigit() else 422
