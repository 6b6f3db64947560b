"""Receivers with one misbehaviour each towards what is no notification (RCV)."""

from __future__ import annotations

import json
import os
from typing import Any

from flawed_clients.client import Receiving
from flawed_clients.inbox import Inbox, Posted, Told


class StumblesOverGarbage(Receiving):
    """Answers 500 to what is no JSON."""

    breaks = ("RCV-22",)

    class inbox(Inbox):
        def malformed(self, posted: Posted) -> int:
            return 500 if posted.body else 400


class ThanksForGarbage(Receiving):
    """Answers 200 to what is no JSON."""

    breaks = ("RCV-14",)

    class inbox(Inbox):
        def malformed(self, posted: Posted) -> int:
            return 200 if posted.body else 400


class StumblesOverGaps(Receiving):
    """Answers 500 where a member is missing or mistyped."""

    breaks = ("RCV-23",)

    class inbox(Inbox):
        def incomplete(self, content: Any) -> int:
            return 500


class ThanksForGaps(Receiving):
    """Answers 200 where a member is missing or mistyped."""

    breaks = ("RCV-15",)

    class inbox(Inbox):
        def incomplete(self, content: Any) -> int:
            return 200


class StumblesOverNothing(Receiving):
    """Answers 500 to an empty body."""

    breaks = ("RCV-24",)

    class inbox(Inbox):
        def malformed(self, posted: Posted) -> int:
            return 400 if posted.body else 500


class StumblesOverSize(Receiving):
    """Answers 500 to a body of a megabyte."""

    breaks = ("RCV-24",)

    class inbox(Inbox):
        def too_large(self, posted: Posted) -> int:
            return 500


class ThanksForNothing(Receiving):
    """Answers 200 to an empty body."""

    breaks = ("RCV-16",)

    class inbox(Inbox):
        def malformed(self, posted: Posted) -> int:
            return 400 if posted.body else 200


class ThanksForEverything(Receiving):
    """Answers 200 whatever comes, to have nothing sent again."""

    breaks = ("RCV-14", "RCV-15", "RCV-16")

    class inbox(Inbox):
        thanks = 200

        def malformed(self, posted: Posted) -> int:
            return 200

        incomplete = too_large = malformed


class StumblesOverGets(Receiving):
    """Answers 500 to GET and PUT."""

    breaks = ("RCV-17",)

    class inbox(Inbox):
        def other_method(self, posted: Posted) -> int:
            return 500


class TakesPuts(Receiving):
    """Takes a PUT like a POST."""

    breaks = ("RCV-17",)

    class inbox(Inbox):
        def other_method(self, posted: Posted) -> int:
            return self.take(json.loads(posted.body)) if posted.method == "PUT" else 405


class JamsOnGarbage(Receiving):
    """Answers 503 to everything after it has met what is no JSON."""

    breaks = ("RCV-18",)

    class inbox(Inbox):
        jammed = False

        def malformed(self, posted: Posted) -> int:
            self.jammed = True
            return 400

        def take(self, content: Told) -> int:
            return 503 if self.jammed else super().take(content)


class DiesOfGarbage(Receiving):
    """Ends when it meets what is no JSON."""

    breaks = ("RCV-22",)

    class inbox(Inbox):
        def malformed(self, posted: Posted) -> int:
            if posted.body:
                os._exit(70)
            return 400


class DiesOfNull(Receiving):
    """Ends when it meets null where an object belongs."""

    breaks = ("RCV-23",)

    class inbox(Inbox):
        def incomplete(self, content: Any) -> int:
            if content is None:
                os._exit(70)
            return 422
