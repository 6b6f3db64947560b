"""Clients whose receivers do what the contract allows, each in a way of its own."""

from __future__ import annotations

import threading
import time
from queue import SimpleQueue
from typing import Any

from flawed_clients.client import Asked, Client, Told
from flawed_clients.inbox import Inbox, Posted

FEW = ("sms", "airtime")
BOTH = ("callback", "results")
MEMBERS = ("phone_number", "amount", "short_code", "bill_ref_number")


class CallbackAlone(Client):
    """Has a receiver that cannot be asked what became of a request; it answers 200 with a body."""

    commands = ("sms", "airtime")
    features = ("callback",)

    class inbox(Inbox):
        thanks = 200


class ReceiverAlone(Client):
    """Makes no calls, and keeps what it is notified of."""

    commands = ()
    notified = FEW
    features = BOTH


class ReceiverAloneThanksFirst(Client):
    """Makes no calls, and deals with notifications a little after it has thanked for them."""

    commands = ()
    notified = ("sms",)
    features = BOTH

    class inbox(Inbox):
        def take(self, content: Told) -> int:
            threading.Timer(0.1, super().take, (content,)).start()
            return 202


class DoesNotCount(Client):
    """Tells what became of a request, not how often that took effect."""

    commands = ("sms",)
    features = BOTH

    class inbox(Inbox):
        counts = False


class RefusesUnknownIds(Client):
    """Answers 404 to a request_id that it neither knows nor may be about to know."""

    commands = ("sms",)
    features = BOTH

    class inbox(Inbox):
        def take(self, content: Told) -> int:
            if content["request_id"] not in self.known and not self.in_flight:
                return 404
            return super().take(content)


class KeepsUnknownIds(Client):
    """Answers 404 to a request_id that it does not know, and keeps the result in case it will."""

    commands = ("sms",)
    features = BOTH

    class inbox(Inbox):
        def take(self, content: Told) -> int:
            super().take(content)
            return 204 if content["request_id"] in self.known else 404


class SpeaksNewerHttp(Client):
    """Has a receiver that speaks HTTP/1.1 and keeps connections open."""

    commands = ("sms",)
    features = BOTH

    class inbox(Inbox):
        protocol = "HTTP/1.1"


class KnowsOnlyPost(Client):
    """Answers 501 to GET and PUT, as http.server does by itself."""

    commands = ("sms",)
    features = BOTH

    class inbox(Inbox):
        def other_method(self, posted: Posted) -> int:
            return 501


class AnswersProbes(Client):
    """Answers 200 to GET and PUT, and does nothing then."""

    commands = ("sms",)
    features = BOTH

    class inbox(Inbox):
        def other_method(self, posted: Posted) -> int:
            return 200


class WorksOneByOne(Client):
    """Deals with one notification after the other, each of which takes it a while."""

    commands = FEW
    features = BOTH

    class inbox(Inbox):
        def __init__(self) -> None:
            self.turn = threading.Lock()
            super().__init__()

        def respond(self, posted: Posted) -> int:
            with self.turn:
                time.sleep(0.06)
                return super().respond(posted)


class ThanksFirst(Client):
    """Has notifications dealt with by a thread of its own, a little after it has thanked for them."""

    commands = ("sms",)
    features = BOTH

    class inbox(Inbox):
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
                time.sleep(0.01)
                super().take(content)


class ChecksWhatItIsTold(Client):
    """Refuses a result that does not agree with what it has asked for."""

    commands = ("airtime", "mpesa/online", "mpesa-wallet")
    features = BOTH

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
