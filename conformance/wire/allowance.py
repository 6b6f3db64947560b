"""Limits on accepted requests and on shillings, whatever the gateway does, however many go out side by side.

Call `Allowance.reserve` before a request is sent, `settle` when its answer is known, `give_back` if it never left.

A faulty gateway may accept even a request that it has to refuse. So each counts before it goes out, and is taken off
again only when its answer says that it was refused, or when it surely never left. An unknown outcome (no answer, a 5xx,
an answer that cannot be read) counts as accepted. So does a refusal, once a notification has shown that this gateway
carries out requests that it refuses; until such a notification would have arrived, refusals keep their room.
"""

from __future__ import annotations

import json
import math
import re
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from conformance.contract.contract import Contract
from conformance.model.errors import UsageError
from conformance.model.traffic import Request, Response
from conformance.model.untrusted import parse_with_repeats

# The options of the limits.
ACCEPTED, SPEND = "--max-accepted", "--max-spend"

_NUMBER = re.compile(r"[0-9][0-9,]*(?:\.[0-9]*)?(?:e\+?[0-9]{1,3})?", re.IGNORECASE)

_REFUSED = range(400, 500)

# The notification of a gateway that sends it at once arrives within so many seconds, also over a slow network.
PROBATION_S = 0.5

# More than any limit that is given.
BEYOND_ALL = 10**30


class Allowance:
    """Limits of a run, all its sendings together: how many `requests` may be accepted, and `spend`; None: no limit.

    Thread-safe. A request under way counts as accepted, and so do refusals until `probation_s` seconds after the first.
    """

    def __init__(
        self, contract: Contract, requests: int | None = None, spend: int | None = None, probation_s: float = 0.0
    ) -> None:
        self.contract = contract
        self.requests = requests
        self.spend = spend
        self._changed = threading.Condition()
        self._taken = 0
        self._spent = 0
        self._under_way = 0
        self._at_risk = 0
        self._refused = 0
        self._refused_spend = 0
        self._refusals_count = False
        self._beside = (0, 0)
        self._probation_s = probation_s
        self._trusted_from: float | None = None
        self._withheld: Counter[str] = Counter()
        self._stopped = False

    def reserve(self, *requests: Request) -> bool:
        """Take what these need if all are accepted, together or not at all; False if they may not be sent.

        Waits while requests that are under way may still be refused and make room.
        """
        with self._changed:
            while (room := self.take(*requests)) is None:
                self._changed.wait(self._probation_left() or None)
            return room

    def take(self, *requests: Request) -> bool | None:
        """As `reserve`, without waiting: None if there is no room until a request under way is refused."""
        if self.requests is None and self.spend is None:
            return True
        count, amount = len(requests), sum(amount_of(request, self.contract) for request in requests)
        with self._changed:
            if self._stopped:
                return False
            taken, spent = self._counted()
            reason = self._exceeded(taken + count, spent + amount)
            if reason is not None:
                self._withheld[reason] += count
                return False
            held = (self._refused, self._refused_spend) if self._probation_left() else (0, 0)
            if self._exceeded(taken + self._under_way + held[0] + count, spent + self._at_risk + held[1] + amount):
                return None
            self._under_way += count
            self._at_risk += amount
            return True

    def withhold(self, reason: str, count: int) -> None:
        """Counts requests that are not sent for another `reason`: an option."""
        with self._changed:
            self._withheld[reason] += count

    def stop(self) -> None:
        """Ends all waiting: nothing more may be sent."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def settle(self, request: Request, *, refused: bool) -> None:
        """A reserved request was answered, or given up; `refused`: its answer says so."""
        if self.requests is None and self.spend is None:
            return
        with self._changed:
            self._count(amount_of(request, self.contract), refused=refused)
            self.give_back(request)

    def give_back(self, request: Request) -> None:
        """A reserved request surely never left."""
        if self.requests is None and self.spend is None:
            return
        with self._changed:
            self._under_way -= 1
            self._at_risk -= amount_of(request, self.contract)
            self._changed.notify_all()

    def count(self, request: Request, *, refused: bool) -> None:
        """Count a request that was sent before the run was resumed."""
        with self._changed:
            self._count(amount_of(request, self.contract), refused=refused)

    def distrust_refusals(self) -> bool:
        """From now on a refusal counts as accepted, as do those that were; False if they do so already."""
        with self._changed:
            first, self._refusals_count = not self._refusals_count, True
            self._changed.notify_all()
            return first

    def count_beside(self, requests: int, spend: int) -> None:
        """So many of the refused requests may have been accepted, and moved so much."""
        with self._changed:
            self._beside = (requests, spend)
            self._changed.notify_all()

    @property
    def taken(self) -> int:
        """How many requests were accepted, or may have been."""
        with self._changed:
            return self._counted()[0] + self._under_way

    @property
    def spent(self) -> int:
        """The amounts of these, in KES."""
        with self._changed:
            return self._counted()[1] + self._at_risk

    @property
    def withheld(self) -> Mapping[str, int]:
        """How many requests were not sent, by the option that limits them."""
        with self._changed:
            return dict(self._withheld)

    def _count(self, amount: int, *, refused: bool) -> None:
        if not refused:
            self._taken += 1
            self._spent += amount
            return
        self._refused += 1
        self._refused_spend += amount
        if self._trusted_from is None:
            self._trusted_from = time.monotonic() + self._probation_s

    def _counted(self) -> tuple[int, int]:
        """Requests and shillings that count as accepted, those under way aside."""
        beside = (self._refused, self._refused_spend) if self._refusals_count else self._beside
        return self._taken + beside[0], self._spent + beside[1]

    def _probation_left(self) -> float:
        """For how many seconds more refusals keep their room."""
        return 0.0 if self._trusted_from is None else max(0.0, self._trusted_from - time.monotonic())

    def _exceeded(self, requests: int, spend: int) -> str | None:
        if self.requests is not None and requests > self.requests:
            return ACCEPTED
        if self.spend is not None and spend > self.spend:
            return SPEND
        return None


def check_limits(requests: int | None, spend: int | None) -> None:
    """UsageError for limits under which nothing could be sent, or that make no sense."""
    if requests is not None and requests < 1:
        raise UsageError(
            f"{ACCEPTED} is {requests}; expected 1 or more",
            hint="every request may be accepted by a gateway at fault; `run --plan` sends none",
        )
    if spend is not None and spend < 0:
        raise UsageError(f"{SPEND} is {spend}; expected 0 or more")


def is_refused(response: Response, contract: Contract) -> bool:
    """Whether an answer says that the request was refused: its code, or else its HTTP status, is a 4xx."""
    try:
        said = parse_with_repeats(response.body)[0] if response.undecodable is None else None
    except (ValueError, RecursionError):
        said = None
    code = said.get(contract.answer.code) if isinstance(said, dict) else None
    status = code if isinstance(code, int | float) and not isinstance(code, bool) else response.status
    return status in _REFUSED


def amount_of(request: Request, contract: Contract) -> int:
    """The most that a reader of the request could take for its amount, in whole units of money; 0 if it names none.

    Every member counts that holds an amount in some command of the contract, also the first of two with one name.
    Broken amounts count as the most lenient reader takes them: "10,000", 12.5, -50, "1e3".
    """
    body, names = request.body, _money_members(contract)
    if not names or len(body) < min(map(len, names)):
        return 0
    try:
        # As lenient as widespread readers are; every pair counts, also of a name that comes twice.
        value = json.loads(body, strict=False, object_pairs_hook=_Members)
    except (ValueError, RecursionError):
        text = body.replace(b"\0", b"").decode("latin-1")
        return max((_read(found[1]) for found in _named(names).finditer(text)), default=0)
    return max(_amounts_in(value, names), default=0)


@cache
def _money_members(contract: Contract) -> frozenset[str]:
    """The members that hold amounts, in small letters."""
    return frozenset(command.money.member.lower() for command in contract.commands.values() if command.money)


@cache
def _named(names: frozenset[str]) -> re.Pattern[str]:
    """A pattern of amounts in text that is not JSON to us, but may be to a more lenient reader."""
    either = "|".join(map(re.escape, sorted(names)))
    return re.compile(rf"(?:{either})[^0-9]{{0,12}}([0-9][0-9.,]*(?:e\+?[0-9]{{1,3}})?)", re.IGNORECASE)


class _Members(list[tuple[str, Any]]):
    """The members of a JSON object, all of them."""


def _amounts_in(value: Any, names: frozenset[str]) -> Iterator[int]:
    if isinstance(value, _Members):
        for name, member in value:
            if name.strip().lower() in names:
                yield from _numbers(member)
            elif isinstance(member, list):
                yield from _amounts_in(member, names)
    elif isinstance(value, list):
        for member in value:
            yield from _amounts_in(member, names)


def _numbers(value: Any) -> Iterator[int]:
    """Whatever may be read as a number in the value of an amount."""
    if isinstance(value, bool) or value is None:
        yield 0
    elif isinstance(value, int | float):
        yield _whole(abs(value))
    elif isinstance(value, str):
        # Digits of other scripts are digits to some.
        text = "".join(str(int(each)) if each.isdecimal() else each for each in value)
        yield max((_read(found[0]) for found in _NUMBER.finditer(text)), default=0)
    elif isinstance(value, _Members):
        for _, member in value:
            yield from _numbers(member)
    elif isinstance(value, list):
        for member in value:
            yield from _numbers(member)


def _read(text: str) -> int:
    """The greater of both readings of "1,000": a thousand, or one and a bit."""
    try:
        return _whole(float(text.replace(",", "").rstrip(".")))
    except ValueError:  # several points
        digits = re.sub("[^0-9]", "", text)
        return min(int(digits[:40] or "0"), BEYOND_ALL)


def _whole(number: float) -> int:
    if math.isnan(number):  # nobody can pay it
        return 0
    return math.ceil(number) if number < BEYOND_ALL else BEYOND_ALL
