"""Receivers with one misbehaviour each in how they take malformed notifications (RCV)."""

from __future__ import annotations

import json
import os
from typing import Any

from flawed_clients.inbox import Inbox, Posted, Told


class StumblesOverGarbage(Inbox, breaks=("RCV-22",)):
    """Answers 500 to a body that is not JSON."""

    def malformed(self, posted: Posted) -> int:
        return 500 if posted.body else 400


class ThanksForGarbage(Inbox, breaks=("RCV-14",)):
    """Answers 200 to a body that is not JSON."""

    def malformed(self, posted: Posted) -> int:
        return 200 if posted.body else 400


class StumblesOverGaps(Inbox, breaks=("RCV-23",)):
    """Answers 500 where a member is missing or mistyped."""

    def incomplete(self, content: Any) -> int:
        return 500


class ThanksForGaps(Inbox, breaks=("RCV-15",)):
    """Answers 200 where a member is missing or mistyped."""

    def incomplete(self, content: Any) -> int:
        return 200


class StumblesOverNothing(Inbox, breaks=("RCV-24",)):
    """Answers 500 to an empty body."""

    def malformed(self, posted: Posted) -> int:
        return 400 if posted.body else 500


class StumblesOverSize(Inbox, breaks=("RCV-24",)):
    """Answers 500 to a body of a megabyte."""

    def too_large(self, posted: Posted) -> int:
        return 500


class ThanksForNothing(Inbox, breaks=("RCV-16",)):
    """Answers 200 to an empty body."""

    def malformed(self, posted: Posted) -> int:
        return 400 if posted.body else 200


class ThanksForEverything(Inbox, breaks=("RCV-14", "RCV-15", "RCV-16")):
    """Answers 200 whatever comes, to have nothing sent again."""

    thanks = 200

    def malformed(self, posted: Posted) -> int:
        return 200

    incomplete = too_large = malformed


class StumblesOverGets(Inbox, breaks=("RCV-17",)):
    """Answers 500 to GET and PUT."""

    def other_method(self, posted: Posted) -> int:
        return 500


class TakesPuts(Inbox, breaks=("RCV-17",)):
    """Takes a PUT like a POST."""

    def other_method(self, posted: Posted) -> int:
        return self.take(json.loads(posted.body)) if posted.method == "PUT" else 405


class JamsOnGarbage(Inbox, breaks=("RCV-18",)):
    """Answers 503 to everything after a body that is not JSON."""

    jammed = False

    def malformed(self, posted: Posted) -> int:
        self.jammed = True
        return 400

    def take(self, content: Told) -> int:
        return 503 if self.jammed else super().take(content)


class DiesOfGarbage(Inbox, breaks=("RCV-22",)):
    """Ends when it gets a body that is not JSON."""

    def malformed(self, posted: Posted) -> int:
        if posted.body:
            os._exit(70)
        return 400


class DiesOfNull(Inbox, breaks=("RCV-23",)):
    """Ends when it meets null where an object belongs."""

    def incomplete(self, content: Any) -> int:
        if content is None:
            os._exit(70)
        return 422
