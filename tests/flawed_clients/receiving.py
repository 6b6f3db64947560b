"""Receivers with one misbehaviour each in how they answer valid notifications (RCV)."""

from __future__ import annotations

import os
import re
import threading
import time
from dataclasses import replace
from typing import Any

from flawed_clients.inbox import Inbox, Posted, Told

# Longer than the 30 seconds that a receiver has, and than the 5 that it should take.
TOO_LONG_S = 30.2
LONG_S = 5.3
# Requests at once are counted: those since the last time that none was open. Unknown ones, as most of a crowd are, and
# those beside more than a few others are held until the crowd is there, at most for so long.
A_FEW = 4
GATHERS_WITHIN_S = 0.4
# Fewer than come at once: more than the smaller crowd of 20, and more than the eight repeats of one moment.
MANY, FEW = 25, 10


class RefusesNotifications(Inbox, breaks=("RCV-01",)):
    """Answers 500 to every notification."""

    def take(self, content: Told) -> int:
        super().take(content)
        return 500


class RedirectsNotifications(Inbox, breaks=("RCV-01",)):
    """Answers 302 to every notification, as a page behind a login does."""

    def take(self, content: Told) -> int:
        super().take(content)
        return 302


class RefusesFailures(Inbox, breaks=("RCV-01",)):
    """Answers 400 to failures of a result_code that it does not know."""

    def complete(self, content: Any) -> bool:
        return super().complete(content) and content["result_code"] in {"200", "500"}


class NeedsTheCharge(Inbox, breaks=("RCV-01",)):
    """Answers 422 to a notification without the member charge, which it may lack."""

    commands = ("airtime",)

    def complete(self, content: Any) -> bool:
        return super().complete(content) and "charge" in content


class CannotReadTheBalance(Inbox, breaks=("RCV-01",)):
    """Answers 422 to a notification with the member account_balance, which it may have."""

    commands = ("mpesa/online",)

    def complete(self, content: Any) -> bool:
        return super().complete(content) and "account_balance" not in content


class KnowsOneFormOfIds(Inbox, breaks=("RCV-01",)):
    """Answers 422 to a request_id that is not 32 letters and digits."""

    def complete(self, content: Any) -> bool:
        return super().complete(content) and re.fullmatch("[0-9A-Za-z]{32}", content["request_id"]) is not None


class HasShortColumns(Inbox, breaks=("RCV-01",)):
    """Answers 500 to a request_id of more than 64 characters."""

    def take(self, content: Told) -> int:
        return 500 if len(content["request_id"]) > 64 else super().take(content)


class DiesOfSigns(Inbox, breaks=("RCV-01",)):
    """Ends when it meets a request_id with a slash in it."""

    def take(self, content: Told) -> int:
        if "/" in content["request_id"]:
            os._exit(70)
        return super().take(content)


class ComparesContentTypes(Inbox, breaks=("RCV-01",)):
    """Answers 415 where there is a charset in the Content-Type."""

    def respond(self, posted: Posted) -> int:
        if posted.method == "POST" and posted.declared != "application/json":
            return 415
        return super().respond(posted)


class CannotReadChunks(Inbox, breaks=("RCV-01",)):
    """Reads no body without a Content-Length, although it speaks HTTP/1.1."""

    protocol = "HTTP/1.1"
    deaf = True


class RefusesOldHttp(Inbox, breaks=("RCV-01",)):
    """Answers 400 to a request in HTTP/1.0."""

    def respond(self, posted: Posted) -> int:
        return 400 if posted.version == "HTTP/1.0" else super().respond(posted)


class LosesBodiesBehindOffers(Inbox, breaks=("RCV-27",)):
    """Reads no body of a request that offers an upgrade."""

    def respond(self, posted: Posted) -> int:
        return super().respond(replace(posted, body=b"") if posted.offers_upgrade else posted)


class WorksForTooLong(Inbox, breaks=("RCV-02",)):
    """Answers its first notification only after work of more than 30 s."""

    works_s = TOO_LONG_S

    def take(self, content: Told) -> int:
        works_s, self.works_s = self.works_s, 0.0
        status = super().take(content)
        time.sleep(works_s)  # the flaw itself
        return status


class WorksFirst(WorksForTooLong, breaks=("RCV-20",)):
    """Answers its first notification only after work of more than 5 s."""

    works_s = LONG_S


class StrictNotifications(Inbox, breaks=("RCV-03",)):
    """Refuses a notification with an unknown field."""

    def complete(self, content: Any) -> bool:
        return super().complete(content) and len(content) == 3


class RefusesRepeats(Inbox, breaks=("RCV-06",)):
    """Answers 409 to a notification that came before."""

    def take(self, content: Told) -> int:
        with self.lock:
            if self.told.get(content["request_id"]) == content:
                return 409
        return super().take(content)


class StumblesOverRepeats(Inbox, breaks=("RCV-21",)):
    """Answers 500 to a notification that came before."""

    def take(self, content: Told) -> int:
        with self.lock:
            if self.told.get(content["request_id"]) == content:
                return 500
        return super().take(content)


class StumblesOverUnknownOnes(Inbox, breaks=("RCV-12",)):
    """Answers 500 to a request_id that it does not know and is not waiting for."""

    def take(self, content: Told) -> int:
        if content["request_id"] not in self.known and not self.in_flight:
            return 500
        return super().take(content)


class DiesOfRepeats(Inbox, breaks=("RCV-21",)):
    """Ends when it meets a notification that came before."""

    def take(self, content: Told) -> int:
        with self.lock:
            if content == self.told.get(content["request_id"]):
                os._exit(70)
        return super().take(content)


class TurnsCrowdsAway(Inbox, breaks=("RCV-19",)):
    """Answers 503 when some notifications come at once."""

    places = FEW

    def __init__(self) -> None:
        self.open = self.arrived = 0
        super().__init__()
        self.crowd = threading.Condition(self.lock)

    def take(self, content: Told) -> int:
        with self.crowd:
            self.open += 1
            self.arrived += 1
            self.crowd.notify_all()
            held = self.arrived > A_FEW or content["request_id"] not in self.known
            crowded = self.crowd.wait_for(lambda: self.arrived > self.places, GATHERS_WITHIN_S if held else 0.0)
        try:
            return self.full(content) if crowded else super().take(content)
        finally:
            with self.crowd:
                self.open -= 1
                if not self.open:
                    self.arrived = 0

    def full(self, content: Told) -> int:
        """For a notification that is one too many."""
        return 503


class TurnsThrongsAway(TurnsCrowdsAway, breaks=("RCV-26",)):
    """Answers 503 when very many notifications come at once."""

    places = MANY


class LosesCrowds(TurnsCrowdsAway, breaks=("RCV-19",)):
    """Answers 2xx to notifications that come at once, and forgets some of them."""

    def full(self, content: Told) -> int:
        return self.thanks


class LosesThrongs(LosesCrowds, breaks=("RCV-26",)):
    """Answers 2xx to very many notifications that come at once, and forgets some of them."""

    places = MANY
