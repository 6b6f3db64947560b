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

from dataclasses import dataclass, field
from enum import StrEnum

from conformance.contract.commands import COMMANDS

# Commands of which the contract says that the same request again is a new one.
REPEATABLE = frozenset({"sms"})


class Outcome(StrEnum):
    """What must become of a request; OPEN: the contract does not say."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    OPEN = "open"


class Rule(StrEnum):
    """Why: what of its history a request is there to show."""

    FIRST = "first"  # nothing before it has to do with it
    UNLAWFUL = "unlawful"  # it is refused for what it is, whatever was before
    WINDOW = "window"  # a similar one was accepted within the command's window
    AFTER_REJECTION = "after-rejection"  # a similar one was rejected, which leaves no trace
    OTHER_PRODUCT = "other-product"  # the same pair was accepted for another product, which has no part in the window
    OTHER_AMOUNT = "other-amount"  # the same phone number was accepted with another amount
    OTHER_PHONE = "other-phone"  # the same amount was accepted for another phone number
    EQUAL = "equal"  # the very same was accepted before, for a command without a window


@dataclass(frozen=True, slots=True)
class Asked:
    """A request: its `name`, and what of it matters to those that come after.

    `pair`: phone number and amount, None without them. `body` tells equal requests. `lawful`: whether it is one that
    every gateway has to accept if only nothing before it speaks against it.
    """

    name: str
    command: str
    pair: tuple[str, str] | None
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

    accepted: int = 0
    request_ids: set[str] = field(default_factory=set)
    _past: list[_Past] = field(default_factory=list)

    def forecast(self, asked: Asked, at: float) -> Forecast:
        """What must become of `asked` if it is sent at `at`, after all that was answered."""
        if not asked.lawful:
            return Forecast(Outcome.REFUSED, Rule.UNLAWFUL)
        window_s = COMMANDS[asked.command].window_s
        if window_s is not None:
            similar = self._similar(asked)
            within = [past.asked for past in similar if past.accepted and at - past.at < window_s]
            if within:
                return Forecast(Outcome.REFUSED, Rule.WINDOW, within[-1])
            rejected = [past.asked for past in similar if not past.accepted and not past.asked.lawful]
            if rejected:
                return Forecast(Outcome.ACCEPTED, Rule.AFTER_REJECTION, rejected[-1])
        return self._because_of_what_was_accepted(asked, windowed=window_s is not None)

    def _similar(self, asked: Asked) -> list[_Past]:
        return [past for past in self._past if (past.asked.command, past.asked.pair) == (asked.command, asked.pair)]

    def _because_of_what_was_accepted(self, asked: Asked, *, windowed: bool) -> Forecast:
        taken = [past.asked for past in reversed(self._past) if past.accepted]
        equal = next((t for t in taken if (t.command, t.body) == (asked.command, asked.body)), None)
        if equal is not None and not windowed:
            outcome = Outcome.ACCEPTED if asked.command in REPEATABLE else Outcome.OPEN
            return Forecast(outcome, Rule.EQUAL, equal)
        for rule, related in _RELATIONS:
            because = next((one for one in taken if related(asked, one)), None)
            if because is not None:
                return Forecast(Outcome.ACCEPTED, rule, because)
        return Forecast(Outcome.ACCEPTED, Rule.FIRST)

    def answered(self, asked: Asked, at: float, *, accepted: bool, request_id: str | None = None) -> bool:
        """The gateway has answered `asked`; whether its request_id is one that it had not given before."""
        self._past.append(_Past(asked, at, accepted))
        self.accepted += accepted
        new = request_id not in self.request_ids
        if request_id is not None:
            self.request_ids.add(request_id)
        return new


def _windowed(asked: Asked) -> bool:
    return COMMANDS[asked.command].window_s is not None


def _of_another_product(asked: Asked, other: Asked) -> bool:
    """One of the two is of a command with a window, and a window that did not look at products would join them."""
    apart = asked.command != other.command and (_windowed(asked) or _windowed(other))
    return apart and asked.pair is not None and asked.pair == other.pair


def _with_another_amount(asked: Asked, other: Asked) -> bool:
    return _half_alike(asked, other, 0)


def _to_another_phone(asked: Asked, other: Asked) -> bool:
    return _half_alike(asked, other, 1)


def _half_alike(asked: Asked, other: Asked, same: int) -> bool:
    """Both of the same command, with a window, and one half of their pairs the same."""
    if asked.command != other.command or not _windowed(asked) or asked.pair is None or other.pair is None:
        return False
    return asked.pair[same] == other.pair[same] and asked.pair != other.pair


_RELATIONS = (
    (Rule.OTHER_PRODUCT, _of_another_product),
    (Rule.OTHER_AMOUNT, _with_another_amount),
    (Rule.OTHER_PHONE, _to_another_phone),
)
