"""A model of a gateway's state: which outcome the contract demands for a request after those before it.

A planner can ask for a forecast before anything is sent, and a test can compare it with a gateway step by step. Times
are seconds of any clock that goes forward.

The contract promises little: a gateway refuses a similar airtime request within five minutes of an accepted one, but
not an equal message; a rejected request has no transaction, so it blocks no other and costs nothing; a request_id is
given once. The contract does not say whether a payment may be repeated.
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
    """The reason of an outcome: how a request relates to the earlier ones."""

    FIRST = "first"  # no earlier request is related
    UNLAWFUL = "unlawful"  # it is refused whatever came before
    WINDOW = "window"  # a similar one was accepted within the command's window
    AFTER_REJECTION = "after-rejection"  # a similar one was rejected, which leaves no trace
    OTHER_PRODUCT = "other-product"  # a similar one was accepted of another product, which has no part in the window
    OTHER_AMOUNT = "other-amount"  # one to the same recipient was accepted, with another amount
    OTHER_PHONE = "other-phone"  # one of the same amount was accepted, to another recipient
    EQUAL = "equal"  # the very same was accepted before, for a command without a window


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as the model knows it.

    `members`: those of its payload, none if it is not a JSON object. Equal requests have equal `body`. `lawful`:
    whether every gateway has to accept it, unless an earlier request is a reason against it.
    """

    name: str
    command: str
    members: Mapping[str, Any]
    body: bytes
    lawful: bool = True


@dataclass(frozen=True, slots=True)
class Forecast:
    """The outcome of a request; `because`: the earlier one that the rule is about, None if there is none."""

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
    """The requests that were answered so far, and how many were `accepted`."""

    contract: Contract
    accepted: int = 0
    request_ids: set[str] = field(default_factory=set)
    _past: list[_Past] = field(default_factory=list)

    def forecast(self, asked: Asked, at: float) -> Forecast:
        """The outcome of `asked` if it is sent at `at`, after all requests so far."""
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
        return self._after_accepted_ones(asked, window)

    def _window(self, asked: Asked) -> Window | None:
        return self.contract.commands[asked.command].window

    def _similar(self, asked: Asked, window: Window) -> list[_Past]:
        of_command = (past for past in self._past if past.asked.command == asked.command)
        return [past for past in of_command if window.joins(asked.members, past.asked.members)]

    def _after_accepted_ones(self, asked: Asked, window: Window | None) -> Forecast:
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
        """One of the two commands has a window, whose members agree in both requests."""
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
        """The keys of both requests for the window, in halves; None if one has no key."""
        window = self._window(asked) if asked.command == other.command else None
        if window is None:
            return None
        one, two = window.key(asked.members), window.key(other.members)
        if one is None or two is None:
            return None
        return (one[:1], one[1:]), (two[:1], two[1:])

    def answered(self, asked: Asked, at: float, *, accepted: bool, request_id: str | None = None) -> bool:
        """Record the answer to `asked`; whether its request_id is new."""
        self._past.append(_Past(asked, at, accepted))
        self.accepted += accepted
        new = request_id not in self.request_ids
        if request_id is not None:
            self.request_ids.add(request_id)
        return new
