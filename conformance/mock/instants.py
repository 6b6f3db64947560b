"""Faults of requests that come at the same moment: by their recipient, or within a millisecond of each other.

    SameInstant     refuses all but one request to a recipient, as a memory of the gateway
    sharing_ids     requests to one recipient share an id
    swapped         two payments to one recipient are notified of under each other's id
    swapped_near    so are any two payments of a command that come within a moment, while the gateway is busy

A gateway sees no bursts, so requests are grouped by recipient. Recipients are drawn at random: requests to one of them
within `INSTANT_S` are a burst, but for the documented sample's and open payloads. Faults of bursts spare commands with
a window, where requests to one recipient are a sequence.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import replace
from typing import Any

from conformance.contract.tables import Which
from conformance.mock.behaviour import Callback, ChoiceOfId, DeliveriesChange, Moment
from conformance.mock.changes import choice, comes_in_bursts, is_payment, recipient, to_the_sample_recipient

# A burst arrives within milliseconds, later on a busy machine; nothing else comes to its recipient.
INSTANT_S = 2.0
# How long a notification is held back to be swapped with another; well within the time that runs allow.
HELD_S = 1.0
# The other has to arrive by then, or it would be too late for the one held back.
SWAPPED_WITHIN_S = 0.8
# The same where the other comes within some milliseconds or not at all.
HELD_BRIEFLY_S = 0.1


class SameInstant:
    """The last ordinary request of some commands to each recipient."""

    def __init__(self, of: Callable[[Moment], bool]) -> None:
        self._of = of
        self._last: dict[Hashable, tuple[float, bytes, Any]] = {}

    def concerns(self, moment: Moment) -> bool:
        """Whether it is an ordinary request that is accepted so far."""
        if not self._of(moment) or moment.asked is None or moment.refusal or to_the_sample_recipient(moment):
            return False
        return moment.contract.schemas.violation(f"{moment.asked.folder}/request", moment.payload) is None

    def before(self, moment: Moment, within_s: float = INSTANT_S) -> Any | None:
        """What was kept of another request to its recipient, shortly before and perhaps at the same instant."""
        at, body, kept = self._last.get((moment.command, recipient(moment)), (float("-inf"), b"", None))
        return kept if moment.now - at < within_s and body != moment.request.body else None

    def keep(self, moment: Moment, kept: Any) -> None:
        """Remember it as the last one to its recipient."""
        self._last[moment.command, recipient(moment)] = moment.now, moment.request.body, kept

    def refuses(self, moment: Moment) -> bool:
        """See `Memory`."""
        return self.concerns(moment) and self.before(moment) is not None

    def remember(self, moment: Moment) -> None:
        """See `Memory`."""
        if self.concerns(moment):
            self.keep(moment, kept="something")


def sharing_ids() -> ChoiceOfId:
    """A request gets the id of another one to its recipient that came at the same instant."""
    instants = SameInstant(comes_in_bursts)

    def choose(moment: Moment) -> str:
        if not instants.concerns(moment):
            return moment.request_id
        chosen = str(instants.before(moment) or moment.request_id)
        instants.keep(moment, chosen)
        return chosen

    return choose


def swapped() -> DeliveriesChange:
    """Two payments to one recipient at the same instant: each is notified of under the other's id."""
    instants = SameInstant(is_payment)

    def change(sent: tuple[Callback, ...], moment: Moment) -> tuple[Callback, ...]:
        if not sent or not instants.concerns(moment):
            return sent
        # Held back and not written yet, so the id can still be exchanged in it.
        contents = [dict(delivery.content) for delivery in sent]
        before = instants.before(moment, SWAPPED_WITHIN_S)
        if before is not None:
            role = moment.contract.notification.id
            for one, other in zip(before, contents, strict=True):
                one[role], other[role] = other[role], one[role]
        instants.keep(moment, contents)
        held = zip(sent, contents, strict=True)
        return tuple(replace(d, content=content, after_s=d.after_s + HELD_S) for d, content in held)

    return change


def swapped_near(within_s: float, **which: object) -> DeliveriesChange:
    """Two payments of a command within that time: each is notified of under the other's id. `which` chooses some."""
    chooses = choice(Which.from_entry({"to": "request", **which}))
    last: dict[str | None, tuple[float, dict[str, Any]]] = {}

    def change(sent: tuple[Callback, ...], moment: Moment) -> tuple[Callback, ...]:
        if len(sent) != 1 or not is_payment(moment) or moment.refusal is not None or not chooses(moment, None):
            return sent
        # Not written before it is due, so the id can still be exchanged in it.
        content = dict(sent[0].content)
        at, other = last.pop(moment.command, (float("-inf"), content))
        if moment.now - at < within_s:
            role = moment.contract.notification.id
            content[role], other[role] = other[role], content[role]
        else:
            last[moment.command] = moment.now, content
        return (replace(sent[0], content=content, after_s=sent[0].after_s + HELD_BRIEFLY_S),)

    return change
