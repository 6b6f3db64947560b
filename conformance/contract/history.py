"""What the contract says of a request because of those before it: a model of the gateway's state, without a gateway.

    Asked       a request as those after it see it
    Forecast    what must become of a request, by which rule, and because of which earlier one
    History     the state: what was accepted, what was rejected, which request_ids were given

A forecast speaks of a gateway whose answers so far are known (`History.answered`), so a planner can ask it before
anything is sent, and a test can put it beside a gateway step by step. Times are seconds of any clock that goes forward.

What the contract promises of history is little: a similar airtime request within five minutes of an accepted one is
refused; an equal message is not; a rejected request has no transaction, so it stands in nobody's way and costs
nothing; a request_id is given once. Whether a payment may be repeated it does not say.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from conformance.contract.command import Key, Window
from conformance.contract.contract import Contract
from conformance.contract.probes import Outcome


class Rule(StrEnum):
    """Why: what of its history a request is there to show."""

    FIRST = "first"  # nothing before it has to do with it
    UNLAWFUL = "unlawful"  # it is refused for what it is, whatever was before
    WINDOW = "window"  # a similar one was accepted within the command's window
    AFTER_REJECTION = "after-rejection"  # a similar one was rejected, which leaves no trace
    OTHER_PRODUCT = "other-product"  # a similar one was accepted of another product, which has no part in the window
    OTHER_AMOUNT = "other-amount"  # one to the same recipient was accepted, with another amount
    OTHER_PHONE = "other-phone"  # one of the same amount was accepted, to another recipient
    EQUAL = "equal"  # the very same was accepted before, for a command without a window


@dataclass(frozen=True, slots=True)
class Asked:
    """A request: its `name`, and what of it matters to those that come after.

    `members`: those of its payload; none of what is no JSON object. `body` tells equal requests. `lawful`: whether it
    is one that every gateway has to accept if only nothing before it speaks against it.
    """

    name: str
    command: str
    members: Mapping[str, Any]
    body: bytes
    lawful: bool = True


@dataclass(frozen=True, slots=True)
class Forecast:
    """What must become of a request; `because`: the earlier one that the rule speaks of, None if there is none."""

    outcome: Outcome
    rule: Rule
    because: Asked | None = None


@dataclass(slots=True)
class _Past:
    """A request that was answered."""

    asked: Asked
    at: float
    accepted: bool


@dataclass(slots=True)
class History:
    """The requests that were answered so far. `accepted` counts; where it stood still, so must have the balance."""

    contract: Contract
    accepted: int = 0
    request_ids: set[str] = field(default_factory=set)
    _past: list[_Past] = field(default_factory=list)

    def forecast(self, asked: Asked, at: float) -> Forecast:
        """What must become of `asked` if it is sent at `at`, after all that was answered."""
        if not asked.lawful:
            return Forecast(Outcome.REFUSED, Rule.UNLAWFUL)
        window = self._window(asked)
        if window is not None:
            similar = self._similar(asked, window)
            within = [past.asked for past in similar if past.accepted and at - past.at < window.seconds]
            if within:
                return Forecast(Outcome.REFUSED, Rule.WINDOW, within[-1])
            rejected = [past.asked for past in similar if not past.accepted and not past.asked.lawful]
            if rejected:
                return Forecast(Outcome.ACCEPTED, Rule.AFTER_REJECTION, rejected[-1])
        return self._because_of_what_was_accepted(asked, window)

    def _window(self, asked: Asked) -> Window | None:
        return self.contract.commands[asked.command].window

    def _similar(self, asked: Asked, window: Window) -> list[_Past]:
        of_command = (past for past in self._past if past.asked.command == asked.command)
        return [past for past in of_command if window.joins(asked.members, past.asked.members)]

    def _because_of_what_was_accepted(self, asked: Asked, window: Window | None) -> Forecast:
        taken = [past.asked for past in reversed(self._past) if past.accepted]
        equal = next((t for t in taken if (t.command, t.body) == (asked.command, asked.body)), None)
        if equal is not None and window is None:
            repeatable = self.contract.commands[asked.command].repeatable
            return Forecast(Outcome.ACCEPTED if repeatable else Outcome.OPEN, Rule.EQUAL, equal)
        for rule, related in (
            (Rule.OTHER_PRODUCT, self._of_another_product),
            (Rule.OTHER_AMOUNT, self._to_the_same),
            (Rule.OTHER_PHONE, self._of_the_same_amount),
        ):
            because = next((one for one in taken if related(asked, one)), None)
            if because is not None:
                return Forecast(Outcome.ACCEPTED, rule, because)
        return Forecast(Outcome.ACCEPTED, Rule.FIRST)

    def _of_another_product(self, asked: Asked, other: Asked) -> bool:
        """One of the two is of a command with a window, and a window that did not look at products would join them."""
        windows = (self._window(asked), self._window(other)) if asked.command != other.command else ()
        return any(window is not None and window.joins(asked.members, other.members) for window in windows)

    def _to_the_same(self, asked: Asked, other: Asked) -> bool:
        """Both of the same command, with a window: to the same recipient, of another amount."""
        halves = self._halves(asked, other)
        return halves is not None and halves[0][0] == halves[1][0] and halves[0][1] != halves[1][1]

    def _of_the_same_amount(self, asked: Asked, other: Asked) -> bool:
        """Both of the same command, with a window: of the same amount, to another recipient."""
        halves = self._halves(asked, other)
        return halves is not None and halves[0][0] != halves[1][0] and halves[0][1] == halves[1][1]

    def _halves(self, asked: Asked, other: Asked) -> tuple[tuple[Key, Key], tuple[Key, Key]] | None:
        """Of both what the window looks at, in halves; None where it cannot look at both."""
        window = self._window(asked) if asked.command == other.command else None
        if window is None:
            return None
        one, two = window.key(asked.members), window.key(other.members)
        if one is None or two is None:
            return None
        return (one[:1], one[1:]), (two[:1], two[1:])

    def answered(self, asked: Asked, at: float, *, accepted: bool, request_id: str | None = None) -> bool:
        """The gateway has answered `asked`; whether its request_id is one that it had not given before."""
        self._past.append(_Past(asked, at, accepted))
        self.accepted += accepted
        new = request_id not in self.request_ids
        if request_id is not None:
            self.request_ids.add(request_id)
        return new
