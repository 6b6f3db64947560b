"""Receivers with one misbehaviour each in what they make of notifications (RCV)."""

from __future__ import annotations

import threading
import time
from typing import Any

from flawed_clients.client import Receiving
from flawed_clients.inbox import Inbox, Told

# So long that what comes at the same moment is in between.
A_MOMENT_S = 0.05


class SeesSuccess(Receiving):
    """Takes every result for a success."""

    breaks = ("RCV-04",)

    class inbox(Inbox):
        def state(self, content: Told) -> str:
            return "succeeded"


class ReadsTheText(Receiving):
    """Takes a result for a success whose text says so."""

    breaks = ("RCV-04",)

    class inbox(Inbox):
        def state(self, content: Told) -> str:
            return "failed" if "fail" in content["result_desc"].lower() else "succeeded"


class ReadsTheFirstDigit(Receiving):
    """Takes every result_code for a success that begins with a 2."""

    breaks = ("RCV-04",)

    class inbox(Inbox):
        def state(self, content: Told) -> str:
            return "succeeded" if content["result_code"].startswith("2") else "failed"


class ReadsIdsAsNumbers(Receiving):
    """Takes ids of digits for numbers."""

    breaks = ("RCV-10",)

    class inbox(Inbox):
        def number(self, request_id: str) -> str:
            """The id without the zeros that it begins with."""
            return str(int(request_id)) if request_id.isdecimal() else request_id

        def apply(self, request_id: str, content: Told) -> None:
            super().apply(self.number(request_id), content)

        def result(self, request_id: str) -> Told:
            return super().result(self.number(request_id))


class CutsIdsShort(Receiving):
    """Keeps the first 64 characters of an id, as a column of that width does."""

    breaks = ("RCV-10",)

    class inbox(Inbox):
        def apply(self, request_id: str, content: Told) -> None:
            super().apply(request_id[:64], content)

        def result(self, request_id: str) -> Told:
            return super().result(request_id[:64])


class GivesNoReason(Receiving):
    """Tells that a request failed, and not why."""

    breaks = ("RCV-05",)

    class inbox(Inbox):
        def reason(self, content: Told) -> str:
            return "" if self.state(content) == "failed" else super().reason(content)


class GivesOwnReason(Receiving):
    """Tells every failure in the same words."""

    breaks = ("RCV-05",)

    class inbox(Inbox):
        def reason(self, content: Told) -> str:
            return "it failed" if self.state(content) == "failed" else super().reason(content)


class AppliesRepeats(Receiving):
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


class Races(Receiving):
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


class AppliesRepeatsLater(Receiving):
    """Thanks first, and applies a notification as often as it comes, a little later."""

    breaks = ("RCV-07",)

    class inbox(Inbox):
        def apply(self, request_id: str, content: Told) -> None:
            later = threading.Timer(A_MOMENT_S, self.count, (request_id, content))
            later.daemon = True
            later.start()

        def count(self, request_id: str, content: Told) -> None:
            """Applies it."""
            with self.lock:
                self.told.setdefault(request_id, content)
                self.applied[request_id] = self.applied.get(request_id, 0) + 1


class RacesABit(Receiving):
    """Looks whether a notification came before, and lets others run before it notes that it did."""

    breaks = ("RCV-08",)

    class inbox(Inbox):
        def take(self, content: Told) -> int:
            request_id = content["request_id"]
            if request_id not in self.told:
                time.sleep(0)
                self.told[request_id] = content
                with self.lock:
                    self.applied[request_id] = self.applied.get(request_id, 0) + 1
            return self.thanks


class LastOneWins(Receiving):
    """Lets a contradicting notification change the outcome."""

    breaks = ("RCV-09",)

    class inbox(Inbox):
        def apply(self, request_id: str, content: Told) -> None:
            super().apply(request_id, content)
            self.told[request_id] = content


class FirstComeFirstServed(Receiving):
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


class MixesUpCases(Receiving):
    """Compares ids without regard to the case of their letters."""

    breaks = ("RCV-10",)

    class inbox(Inbox):
        def take(self, content: Told) -> int:
            return super().take({**content, "request_id": content["request_id"].lower()})

        def result(self, request_id: str) -> Told:
            return super().result(request_id.lower())


class ForgetsAll(Receiving):
    """Thanks for every notification and knows of none."""

    breaks = ("RCV-10",)

    class inbox(Inbox):
        def apply(self, request_id: str, content: Told) -> None:
            pass


class ForgetsEarlyOnes(Receiving):
    """Forgets a notification whose request_id it does not know yet."""

    breaks = ("RCV-11",)

    class inbox(Inbox):
        def apply(self, request_id: str, content: Told) -> None:
            if request_id in self.known:
                super().apply(request_id, content)


class GivesUnknownOnesAway(Receiving):
    """Applies a notification with an unknown request_id to the latest request that is open."""

    breaks = ("RCV-13",)

    class inbox(Inbox):
        def apply(self, request_id: str, content: Told) -> None:
            if request_id not in self.known and not self.in_flight:
                request_id = next((known for known in reversed(self.known) if known not in self.told), request_id)
            super().apply(request_id, content)


class AppliesBeforeItLooks(Receiving):
    """Applies what has no result_code as a success, and answers 422 then."""

    breaks = ("RCV-25",)

    class inbox(Inbox):
        def incomplete(self, content: Any) -> int:
            if isinstance(content, dict) and isinstance(content.get("request_id"), str):
                self.take({"result_desc": "", **content, "result_code": "200"})
            return 422


class TakesNumbers(Receiving):
    """Takes the number 200 for the result_code "200"."""

    breaks = ("RCV-15", "RCV-25")

    class inbox(Inbox):
        def incomplete(self, content: Any) -> int:
            if isinstance(content, dict) and content.get("result_code") == 200:
                read = {**content, "result_code": "200"}
                return self.take(read) if self.complete(read) else 422
            return 422


class _Alone(Receiving):
    """Makes no calls."""

    commands = ()
    notified = ("sms",)


class ReceiverAloneSeesSuccess(_Alone):
    """Makes no calls, and takes every result for a success."""

    breaks = ("RCV-04",)

    class inbox(SeesSuccess.inbox):
        pass


class ReceiverAloneIgnoresCase(_Alone):
    """Makes no calls, and looks results up without regard to the case of letters."""

    breaks = ("RCV-10",)

    class inbox(Inbox):
        def apply(self, request_id: str, content: Told) -> None:
            super().apply(request_id.lower(), content)

        def result(self, request_id: str) -> Told:
            return super().result(request_id.lower())


class ReceiverAloneRaces(_Alone):
    """Makes no calls, and notes only a moment later that a notification came."""

    breaks = ("RCV-08",)

    class inbox(Races.inbox):
        pass


class ReceiverAloneTakesNumbers(_Alone):
    """Makes no calls, and takes the number 200 for the result_code "200"."""

    breaks = ("RCV-15", "RCV-25")

    class inbox(TakesNumbers.inbox):
        pass
