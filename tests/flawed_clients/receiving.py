"""Receivers of notifications with one misbehaviour each (RCV)."""

from __future__ import annotations

import os
import threading
import time
from typing import Any

from flawed_clients.client import Client
from flawed_clients.inbox import Inbox, Posted, Told

# Longer than the 5 seconds that a receiver has.
TOO_LONG_S = 5.5
# So long that what comes at the same moment is in between.
A_MOMENT_S = 0.05
# Fewer than come at once.
FEW = 50


class _Receiving(Client):
    commands = ("sms",)
    features = ("callback", "results")


class RefusesNotifications(_Receiving):
    """Answers 500 to every notification."""

    breaks = ("RCV-01",)

    class inbox(Inbox):
        def take(self, content: Told) -> int:
            super().take(content)
            return 500


class RedirectsNotifications(_Receiving):
    """Answers 302 to every notification, as a page behind a login does."""

    breaks = ("RCV-01",)

    class inbox(Inbox):
        def take(self, content: Told) -> int:
            super().take(content)
            return 302


class WorksFirst(_Receiving):
    """Answers a notification only after work of more than 5 s."""

    breaks = ("RCV-02",)

    class inbox(Inbox):
        def take(self, content: Told) -> int:
            status = super().take(content)
            time.sleep(TOO_LONG_S)
            return status


class StrictNotifications(_Receiving):
    """Refuses a notification with an unknown field."""

    breaks = ("RCV-03",)

    class inbox(Inbox):
        def complete(self, content: Any) -> bool:
            return super().complete(content) and len(content) == 3


class SeesSuccess(_Receiving):
    """Takes every result for a success."""

    breaks = ("RCV-04",)

    class inbox(Inbox):
        def state(self, content: Told) -> str:
            return "succeeded"


class ReadsTheText(_Receiving):
    """Takes a result for a success whose text says so."""

    breaks = ("RCV-04",)

    class inbox(Inbox):
        def state(self, content: Told) -> str:
            return "failed" if "fail" in content["result_desc"].lower() else "succeeded"


class GivesNoReason(_Receiving):
    """Tells that a request failed, and not why."""

    breaks = ("RCV-05",)

    class inbox(Inbox):
        def reason(self, content: Told) -> str:
            return "" if self.state(content) == "failed" else super().reason(content)


class GivesOwnReason(_Receiving):
    """Tells every failure in the same words."""

    breaks = ("RCV-05",)

    class inbox(Inbox):
        def reason(self, content: Told) -> str:
            return "it failed" if self.state(content) == "failed" else super().reason(content)


class RefusesRepeats(_Receiving):
    """Answers 409 to a notification that came before."""

    breaks = ("RCV-06",)

    class inbox(Inbox):
        def take(self, content: Told) -> int:
            with self.lock:
                if self.told.get(content["request_id"]) == content:
                    return 409
            return super().take(content)


class AppliesRepeats(_Receiving):
    """Applies a notification as often as it comes, if not at the same moment."""

    breaks = ("RCV-07",)

    class inbox(Inbox):
        def __init__(self) -> None:
            self.last: dict[str, float] = {}
            super().__init__()

        def apply(self, request_id: str, content: Told) -> None:
            if self.told.get(request_id) == content and time.monotonic() - self.last[request_id] > A_MOMENT_S:
                self.applied[request_id] += 1
            self.last[request_id] = time.monotonic()
            super().apply(request_id, content)


class Races(_Receiving):
    """Looks whether a notification came before, and notes that it did only a moment later."""

    breaks = ("RCV-08",)

    class inbox(Inbox):
        def take(self, content: Told) -> int:
            request_id = content["request_id"]
            if request_id not in self.told:
                time.sleep(A_MOMENT_S)
                with self.lock:
                    self.told.setdefault(request_id, content)
                    self.applied[request_id] = self.applied.get(request_id, 0) + 1
            return self.thanks


class LastOneWins(_Receiving):
    """Lets a contradicting notification change the outcome."""

    breaks = ("RCV-09",)

    class inbox(Inbox):
        def apply(self, request_id: str, content: Told) -> None:
            super().apply(request_id, content)
            self.told[request_id] = content


class FirstComeFirstServed(_Receiving):
    """Takes notifications to come in the order of the requests."""

    breaks = ("RCV-10",)

    class inbox(Inbox):
        def apply(self, request_id: str, content: Told) -> None:
            if request_id in self.known and request_id not in self.told:
                open_ones = [known for known in self.known if known not in self.told]
                newest = self.known.index(request_id)
                recent = [known for known in open_ones if newest - self.known.index(known) < 5]
                request_id = recent[0]
            super().apply(request_id, content)


class ForgetsAll(_Receiving):
    """Thanks for every notification and knows of none."""

    breaks = ("RCV-10",)

    class inbox(Inbox):
        def apply(self, request_id: str, content: Told) -> None:
            pass


class ForgetsEarlyOnes(_Receiving):
    """Forgets a notification whose request_id it does not know yet."""

    breaks = ("RCV-11",)

    class inbox(Inbox):
        def apply(self, request_id: str, content: Told) -> None:
            if request_id in self.known:
                super().apply(request_id, content)


class StumblesOverUnknownOnes(_Receiving):
    """Answers 500 to a request_id that it does not know and is not waiting for."""

    breaks = ("RCV-12",)

    class inbox(Inbox):
        def take(self, content: Told) -> int:
            if content["request_id"] not in self.known and not self.in_flight:
                return 500
            return super().take(content)


class GivesUnknownOnesAway(_Receiving):
    """Applies a notification with an unknown request_id to the latest request that is open."""

    breaks = ("RCV-13",)

    class inbox(Inbox):
        def apply(self, request_id: str, content: Told) -> None:
            if request_id not in self.known and not self.in_flight:
                request_id = next((known for known in reversed(self.known) if known not in self.told), request_id)
            super().apply(request_id, content)


class StumblesOverGarbage(_Receiving):
    """Answers 500 to what is no JSON."""

    breaks = ("RCV-14",)

    class inbox(Inbox):
        def malformed(self, posted: Posted) -> int:
            return 500 if posted.body else 400


class ThanksForGarbage(_Receiving):
    """Answers 200 to what is no JSON."""

    breaks = ("RCV-14",)

    class inbox(Inbox):
        def malformed(self, posted: Posted) -> int:
            return 200 if posted.body else 400


class StumblesOverGaps(_Receiving):
    """Answers 500 where a member is missing or mistyped."""

    breaks = ("RCV-15",)

    class inbox(Inbox):
        def incomplete(self, content: Any) -> int:
            return 500


class ThanksForGaps(_Receiving):
    """Answers 200 where a member is missing or mistyped."""

    breaks = ("RCV-15",)

    class inbox(Inbox):
        def incomplete(self, content: Any) -> int:
            return 200


class StumblesOverNothing(_Receiving):
    """Answers 500 to an empty body."""

    breaks = ("RCV-16",)

    class inbox(Inbox):
        def malformed(self, posted: Posted) -> int:
            return 400 if posted.body else 500


class StumblesOverSize(_Receiving):
    """Answers 500 to a body of a megabyte."""

    breaks = ("RCV-16",)

    class inbox(Inbox):
        def too_large(self, posted: Posted) -> int:
            return 500


class StumblesOverTypes(_Receiving):
    """Answers 500 to another media type."""

    breaks = ("RCV-16",)

    class inbox(Inbox):
        def other_media_type(self, posted: Posted) -> int:
            return 500


class KnowsOnlyPost(_Receiving):
    """Answers 501 to GET and PUT, as http.server does by itself."""

    breaks = ("RCV-17",)

    class inbox(Inbox):
        def other_method(self, posted: Posted) -> int:
            return 501


class TakesPuts(_Receiving):
    """Takes a PUT like a POST."""

    breaks = ("RCV-17",)

    class inbox(Inbox):
        def other_method(self, posted: Posted) -> int:
            return 200 if posted.method == "PUT" else 405


class JamsOnGarbage(_Receiving):
    """Answers 503 to everything after it has met what is no JSON."""

    breaks = ("RCV-18",)

    class inbox(Inbox):
        jammed = False

        def malformed(self, posted: Posted) -> int:
            self.jammed = True
            return 400

        def take(self, content: Told) -> int:
            return 503 if self.jammed else super().take(content)


class DiesOfGarbage(_Receiving):
    """Ends when it meets what is no JSON."""

    breaks = ("DRV-01", "RCV-14", "RCV-18")

    class inbox(Inbox):
        def malformed(self, posted: Posted) -> int:
            os._exit(70)


class TurnsCrowdsAway(_Receiving):
    """Answers 503 when many notifications come at once."""

    breaks = ("RCV-19",)

    class inbox(Inbox):
        def __init__(self) -> None:
            self.places = threading.Semaphore(FEW)
            super().__init__()

        def take(self, content: Told) -> int:
            if not self.places.acquire(blocking=False):
                return 503
            try:
                time.sleep(A_MOMENT_S)
                return super().take(content)
            finally:
                self.places.release()


class LosesCrowds(_Receiving):
    """Answers 2xx to many notifications at once, and forgets some of them."""

    breaks = ("RCV-19",)

    class inbox(Inbox):
        def __init__(self) -> None:
            self.places = threading.Semaphore(FEW)
            super().__init__()

        def take(self, content: Told) -> int:
            if not self.places.acquire(blocking=False):
                return self.thanks
            try:
                time.sleep(A_MOMENT_S)
                return super().take(content)
            finally:
                self.places.release()
