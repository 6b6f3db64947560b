"""Receivers with one misbehaviour each in how they process notifications (RCV)."""

from __future__ import annotations

import threading
import time
from typing import Any

from flawed_clients.inbox import Inbox, Told

# So long that what comes at the same moment is in between.
A_MOMENT_S = 0.05


class SeesSuccess(Inbox, breaks=("RCV-04",)):
    """Takes every result for a success."""

    def state(self, content: Told) -> str:
        return "succeeded"


class ReadsTheText(Inbox, breaks=("RCV-04",)):
    """Takes a result for a success whose text says so."""

    def state(self, content: Told) -> str:
        return "failed" if "fail" in content["result_desc"].lower() else "succeeded"


class ReadsTheFirstDigit(Inbox, breaks=("RCV-04",)):
    """Takes every result_code for a success that begins with a 2."""

    def state(self, content: Told) -> str:
        return "succeeded" if content["result_code"].startswith("2") else "failed"


class ReadsIdsAsNumbers(Inbox, breaks=("RCV-10",)):
    """Takes ids of digits for numbers."""

    def number(self, request_id: str) -> str:
        """The id without the zeros that it begins with."""
        return str(int(request_id)) if request_id.isdecimal() else request_id

    def apply(self, request_id: str, content: Told) -> None:
        super().apply(self.number(request_id), content)

    def result(self, request_id: str) -> Told:
        return super().result(self.number(request_id))


class CutsIdsShort(Inbox, breaks=("RCV-10",)):
    """Keeps the first 64 characters of an id, as a column of that width does."""

    def apply(self, request_id: str, content: Told) -> None:
        super().apply(request_id[:64], content)

    def result(self, request_id: str) -> Told:
        return super().result(request_id[:64])


class GivesNoReason(Inbox, breaks=("RCV-05",)):
    """Reports that a request failed, and not why."""

    def reason(self, content: Told) -> str:
        return "" if self.state(content) == "failed" else super().reason(content)


class GivesOwnReason(Inbox, breaks=("RCV-05",)):
    """Reports every failure in the same words."""

    def reason(self, content: Told) -> str:
        return "it failed" if self.state(content) == "failed" else super().reason(content)


class AppliesRepeats(Inbox, breaks=("RCV-07",)):
    """Applies a notification as often as it comes, if not at the same moment."""

    def __init__(self) -> None:
        self.last: dict[str, float] = {}
        super().__init__()

    def apply(self, request_id: str, content: Told) -> None:
        if self.told.get(request_id) == content and time.monotonic() - self.last[request_id] > A_MOMENT_S:
            self.applied[request_id] += 1
        self.last[request_id] = time.monotonic()
        super().apply(request_id, content)


class Races(Inbox, breaks=("RCV-08",)):
    """Looks whether a notification came before, and notes that it did only a moment later."""

    def take(self, content: Told) -> int:
        request_id = content["request_id"]
        if request_id not in self.told:
            time.sleep(A_MOMENT_S)  # the flaw itself: another thread looks meanwhile
            with self.lock:
                self.told.setdefault(request_id, content)
                self.applied[request_id] = self.applied.get(request_id, 0) + 1
        return self.thanks


class AppliesRepeatsLater(Inbox, breaks=("RCV-07",)):
    """Thanks first, and applies a notification as often as it comes, a little later."""

    def apply(self, request_id: str, content: Told) -> None:
        later = threading.Timer(A_MOMENT_S, self.count, (request_id, content))
        later.daemon = True
        later.start()

    def count(self, request_id: str, content: Told) -> None:
        """Applies it."""
        with self.lock:
            self.told.setdefault(request_id, content)
            self.applied[request_id] = self.applied.get(request_id, 0) + 1


class RacesABit(Inbox, breaks=("RCV-08",)):
    """Looks whether a notification came before, and lets others run before it notes that it did."""

    def take(self, content: Told) -> int:
        request_id = content["request_id"]
        if request_id not in self.told:
            time.sleep(0)  # the flaw itself: another thread may run
            self.told[request_id] = content
            with self.lock:
                self.applied[request_id] = self.applied.get(request_id, 0) + 1
        return self.thanks


class LastOneWins(Inbox, breaks=("RCV-09",)):
    """Lets a contradicting notification change the outcome."""

    def apply(self, request_id: str, content: Told) -> None:
        super().apply(request_id, content)
        self.told[request_id] = content


class FirstComeFirstServed(Inbox, breaks=("RCV-10",)):
    """Takes notifications to come in the order of the requests."""

    def apply(self, request_id: str, content: Told) -> None:
        if request_id in self.known and request_id not in self.told:
            open_ones = [known for known in self.known if known not in self.told]
            newest = self.known.index(request_id)
            recent = [known for known in open_ones if newest - self.known.index(known) < 5]
            request_id = recent[0]
        super().apply(request_id, content)


class MixesUpCases(Inbox, breaks=("RCV-10",)):
    """Compares ids without regard to the case of their letters."""

    def take(self, content: Told) -> int:
        return super().take({**content, "request_id": content["request_id"].lower()})

    def result(self, request_id: str) -> Told:
        return super().result(request_id.lower())


class ForgetsAll(Inbox, breaks=("RCV-10",)):
    """Thanks for every notification and knows of none."""

    def apply(self, request_id: str, content: Told) -> None:
        pass


class ForgetsEarlyOnes(Inbox, breaks=("RCV-11",)):
    """Forgets a notification whose request_id it does not know yet."""

    def apply(self, request_id: str, content: Told) -> None:
        if request_id in self.known:
            super().apply(request_id, content)


class GivesUnknownOnesAway(Inbox, breaks=("RCV-13",)):
    """Applies a notification with an unknown request_id to the latest request that is open."""

    def apply(self, request_id: str, content: Told) -> None:
        if request_id not in self.known and not self.in_flight:
            request_id = next((known for known in reversed(self.known) if known not in self.told), request_id)
        super().apply(request_id, content)


class AppliesBeforeItLooks(Inbox, breaks=("RCV-25",)):
    """Applies a notification without a result_code as a success, and answers 422 then."""

    def incomplete(self, content: Any) -> int:
        if isinstance(content, dict) and isinstance(content.get("request_id"), str):
            self.take({"result_desc": "", **content, "result_code": "200"})
        return 422


class TakesNumbers(Inbox, breaks=("RCV-15", "RCV-25")):
    """Takes the number 200 for the result_code "200"."""

    def incomplete(self, content: Any) -> int:
        if isinstance(content, dict) and content.get("result_code") == 200:
            read = {**content, "result_code": "200"}
            return self.take(read) if self.complete(read) else 422
        return 422


class _Alone(Inbox):
    """Makes no calls."""

    commands = ()
    notified = ("sms",)


class ReceiverAloneSeesSuccess(_Alone, SeesSuccess, breaks=("RCV-04",)):
    """Makes no calls, and takes every result for a success."""


class ReceiverAloneIgnoresCase(_Alone, breaks=("RCV-10",)):
    """Makes no calls, and looks results up without regard to the case of letters."""

    def apply(self, request_id: str, content: Told) -> None:
        super().apply(request_id.lower(), content)

    def result(self, request_id: str) -> Told:
        return super().result(request_id.lower())


class ReceiverAloneRaces(_Alone, Races, breaks=("RCV-08",)):
    """Makes no calls, and notes only a moment later that a notification came."""


class ReceiverAloneTakesNumbers(_Alone, TakesNumbers, breaks=("RCV-15", "RCV-25")):
    """Makes no calls, and takes the number 200 for the result_code "200"."""
