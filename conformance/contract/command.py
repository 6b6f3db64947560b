"""Commands, notifications without a request, and what a request means after earlier ones.

    Command, Unsolicited    a row of `[[command]]`, and of `[[unsolicited]]` with its Inquiry
    Window, Money           for how long a similar request is refused, and the amount that one moves
    History                 a model of the gateway's state: forecasts the outcome of a request after those before it

A planner can ask for a forecast before anything is sent, and a test can compare it with a gateway step by step. Times
are seconds of any clock that goes forward. The contract promises little: a gateway refuses a similar airtime request
within five minutes of an accepted one, but not an equal message; a rejected request has no transaction, so it blocks no
other and costs nothing; a request_id is given once. The contract does not say whether a payment may be repeated.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Self

from conformance.model.errors import UsageError, did_you_mean

# The part of a request that a window looks at: the texts of its members, in their order.
Key = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Window:
    """For so many `seconds` after an accepted request, the gateway refuses one with equal `members`.

    The first member names the person, the others the wanted goods.
    """

    seconds: float
    members: tuple[str, ...]

    def key(self, members: Mapping[str, Any]) -> Key | None:
        """Equal for similar requests; None for a request whose member is not a text."""
        texts = tuple(value for name in self.members if isinstance(value := members.get(name), str))
        return texts if len(texts) == len(self.members) else None

    def joins(self, members: Mapping[str, Any], others: Mapping[str, Any]) -> bool:
        """Whether two requests are similar."""
        key = self.key(members)
        return key is not None and key == self.key(others)


class Flow(StrEnum):
    """The direction of money, as the account sees it."""

    OUT = "out"
    IN = "in"


@dataclass(frozen=True, slots=True)
class Money:
    """The money that an accepted request moves: the value of `member`, in `currency` (ISO 4217)."""

    member: str
    currency: str
    flow: Flow


@dataclass(frozen=True, slots=True)
class Command:
    """One command of the gateway.

    `name` follows the base URL; `product` names the callback (None: no notification follows); `source` is its
    documentation. `money`: None if an accepted request moves no amount; a message costs a fixed fee. `repeatable`:
    whether an equal request is a new one.
    """

    name: str
    method: str
    product: str | None
    source: str
    window: Window | None = None
    money: Money | None = None
    repeatable: bool = False

    @classmethod
    def from_entry(cls, entry: Mapping[str, Any]) -> Self:
        """One `[[command]]` table of a contract; KeyError, TypeError or ValueError for a malformed one."""
        window, money = entry.get("window"), entry.get("money")
        return cls(
            entry["name"],
            entry["method"],
            entry.get("product"),
            entry["source"],
            None if window is None else Window(float(window["seconds"]), tuple(window["members"])),
            None if money is None else Money(money["member"], money["currency"], Flow(money["flow"])),
            entry.get("repeatable", False),
        )

    @property
    def folder(self) -> str:
        """Its folder of schemas: the product's name, or the command's own."""
        return self.product or self.name

    @property
    def request_schema(self) -> str:
        """The name of the schema of requests that every gateway must accept."""
        return f"{self.folder}/request"

    @property
    def tolerated_schema(self) -> str:
        """The name of the schema of all requests that a lawful gateway may accept."""
        return f"{self.folder}/request.tolerated"

    @property
    def answer_schema(self) -> str:
        """The name of the command's own schema of an answer to an accepted request, if it has one."""
        return f"{self.folder}/response"

    @property
    def notification_schema(self) -> str:
        """The name of the schema of the notifications that follow."""
        return f"{self.folder}/notification"

    @property
    def window_s(self) -> float | None:
        """How long a similar request is refused, in seconds."""
        return None if self.window is None else self.window.seconds

    @property
    def moves_money(self) -> bool:
        """Whether an accepted request moves an amount of money."""
        return self.money is not None


@dataclass(frozen=True, slots=True)
class Inquiry:
    """A callback by which the gateway asks first, and whose answer decides, within so many `seconds`.

    It moves no money itself.
    """

    product: str
    callback: str
    seconds: float
    money: None = None

    @property
    def name(self) -> str:
        """The name of its verdicts: its callback."""
        return self.callback

    @property
    def folder(self) -> str:
        """The folder of its schema."""
        return self.product

    @property
    def notification_schema(self) -> str:
        """The name of the schema of the inquiry."""
        return f"{self.folder}/inquiry"


@dataclass(frozen=True, slots=True)
class Unsolicited:
    """A product whose notifications come without a request, such as a payment that a customer starts.

    `source` is its documentation. `inquiry`: None if the gateway never asks first. `money`: None if it moves none.
    """

    product: str
    source: str
    inquiry: Inquiry | None = None
    money: Money | None = None

    @classmethod
    def from_entry(cls, entry: Mapping[str, Any]) -> Self:
        """One `[[unsolicited]]` table of a contract; KeyError, TypeError or ValueError for a malformed one."""
        inquiry, money = entry.get("inquiry"), entry.get("money")
        return cls(
            entry["product"],
            entry["source"],
            None if inquiry is None else Inquiry(entry["product"], inquiry["callback"], float(inquiry["seconds"])),
            None if money is None else Money(money["member"], money["currency"], Flow(money["flow"])),
        )

    @property
    def name(self) -> str:
        """The name of its verdicts: the product, for there is no command."""
        return self.product

    @property
    def folder(self) -> str:
        """Its folder of schemas."""
        return self.product

    @property
    def notification_schema(self) -> str:
        """The name of the schema of its notifications."""
        return f"{self.folder}/notification"

    @property
    def callbacks(self) -> tuple[str, ...]:
        """The names of its callbacks."""
        return (self.product,) if self.inquiry is None else (self.product, self.inquiry.callback)

    def schema_at(self, callback: str) -> str:
        """The name of the schema of the requests to one of its callbacks."""
        if self.inquiry is not None and callback == self.inquiry.callback:
            return self.inquiry.notification_schema
        return self.notification_schema


Notified = Command | Unsolicited | Inquiry


def all_unsolicited(rows: Mapping[str, Unsolicited]) -> Iterator[Unsolicited | Inquiry]:
    """Each row, followed by its inquiry."""
    for row in rows.values():
        yield row
        if row.inquiry is not None:
            yield row.inquiry


def check_callback_paths(paths: Mapping[str, str], products: Collection[str], callbacks: Collection[str]) -> None:
    """Raise UsageError for a product that is not in `products`, or a callback that is not in `callbacks`.

    `paths`: product → the one at whose callback its results arrive.
    """
    for product, callback in paths.items():
        for name, known in ((product, products), (callback, callbacks)):
            if name not in known:
                raise UsageError(
                    f"--callback-path {product}={callback} names {name!r}, which is not one of {', '.join(known)}",
                    hint=did_you_mean(name, known),
                )


# --- History


class Outcome(StrEnum):
    """The outcome that the contract demands for a request; OPEN: it does not say."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    OPEN = "open"


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
class _Answered:
    asked: Asked
    at: float
    accepted: bool


@dataclass(slots=True)
class History:
    """The requests that were answered so far, and how many were `accepted`; `commands`: those of the contract."""

    commands: Mapping[str, Command]
    accepted: int = 0
    request_ids: set[str] = field(default_factory=set)
    _answered: list[_Answered] = field(default_factory=list)

    def forecast(self, asked: Asked, at: float) -> Forecast:
        """The outcome of `asked` if it is sent at `at`, after all requests so far."""
        if not asked.lawful:
            return Forecast(Outcome.REFUSED, Rule.UNLAWFUL)
        accepted = [past.asked for past in reversed(self._answered) if past.accepted]
        command = self.commands[asked.command]
        if command.window is None:
            equal = next((one for one in accepted if (one.command, one.body) == (asked.command, asked.body)), None)
            if equal is not None:
                return Forecast(Outcome.ACCEPTED if command.repeatable else Outcome.OPEN, Rule.EQUAL, equal)
        elif forecast := self._by_window(asked, at, command.window):
            return forecast
        for rule in (Rule.OTHER_PRODUCT, Rule.OTHER_AMOUNT, Rule.OTHER_PHONE):
            if related := [one for one in accepted if self._relation(asked, one) is rule]:
                return Forecast(Outcome.ACCEPTED, rule, related[0])
        return Forecast(Outcome.ACCEPTED, Rule.FIRST)

    def _by_window(self, asked: Asked, at: float, window: Window) -> Forecast | None:
        """The forecast that rests on a similar request; None without one."""
        similar = [
            past
            for past in reversed(self._answered)
            if past.asked.command == asked.command and window.joins(asked.members, past.asked.members)
        ]
        for past in similar:
            if past.accepted and at - past.at < window.seconds:
                return Forecast(Outcome.REFUSED, Rule.WINDOW, past.asked)
        for past in similar:
            if not past.accepted and not past.asked.lawful:
                return Forecast(Outcome.ACCEPTED, Rule.AFTER_REJECTION, past.asked)
        return None

    def _relation(self, asked: Asked, other: Asked) -> Rule | None:
        """How a request relates to an accepted one that is not similar: by the members of a window."""
        window = self.commands[asked.command].window
        if asked.command != other.command:
            windows = filter(None, (window, self.commands[other.command].window))
            return Rule.OTHER_PRODUCT if any(each.joins(asked.members, other.members) for each in windows) else None
        one, two = (window.key(asked.members), window.key(other.members)) if window else (None, None)
        if one is None or two is None or (one[0] == two[0]) is (one[1:] == two[1:]):
            return None
        return Rule.OTHER_AMOUNT if one[0] == two[0] else Rule.OTHER_PHONE

    def answered(self, asked: Asked, at: float, *, accepted: bool, request_id: str | None = None) -> bool:
        """Record the answer to `asked`; whether its request_id is new."""
        self._answered.append(_Answered(asked, at, accepted))
        self.accepted += accepted
        new = request_id not in self.request_ids
        if request_id is not None:
            self.request_ids.add(request_id)
        return new
