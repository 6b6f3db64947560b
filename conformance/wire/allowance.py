"""Limit the number of accepted requests and the money of a run, whatever the gateway does.

Call `Allowance.reserve` before a request is sent, `settle` when its answer is known, `give_back` if it was never sent.

A faulty gateway may accept even a request that it has to refuse. So each request counts before it is sent, and stops to
count only if its answer refuses it, or if it was certainly never sent. An unknown outcome (no answer, a 5xx, an
unreadable answer) counts as accepted. So does a refusal, once a notification has shown that this gateway carries out
requests that it refuses; refusals keep their reservation until such a notification would have arrived.
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

# An immediate notification arrives within so many seconds, even over a slow network.
PROBATION_S = 0.5

# More than any limit.
BEYOND_ALL = 10**30


class Allowance:
    """The limits of a run: the number of `requests` that may be accepted, and the money to `spend`; None: no limit.

    Thread-safe. Requests in progress count as accepted, and so do refusals until `probation_s` seconds after the first.
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
        """Reserve room for all of these requests, or for none; False if they must not be sent.

        It waits while requests in progress may still be refused and make room.
        """
        with self._changed:
            while (room := self.take(*requests)) is None:
                self._changed.wait(self._probation_left() or None)
            return room

    def take(self, *requests: Request) -> bool | None:
        """As `reserve`, without waiting: None if there is no room unless a request in progress is refused."""
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
        """Count requests that are not sent for another `reason`, the name of an option."""
        with self._changed:
            self._withheld[reason] += count

    def stop(self) -> None:
        """End all waiting; no further request may be sent."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def settle(self, request: Request, *, refused: bool) -> None:
        """Count a reserved request that was answered or abandoned; `refused`: by its answer."""
        if self.requests is None and self.spend is None:
            return
        with self._changed:
            self._count(amount_of(request, self.contract), refused=refused)
            self.give_back(request)

    def give_back(self, request: Request) -> None:
        """Free the room of a reserved request that was certainly never sent."""
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
        """Count all refusals as accepted, earlier ones, too; False if they count so already."""
        with self._changed:
            first, self._refusals_count = not self._refusals_count, True
            self._changed.notify_all()
            return first

    def count_beside(self, requests: int, spend: int) -> None:
        """Set the number and the money of refused requests that may have been accepted."""
        with self._changed:
            self._beside = (requests, spend)
            self._changed.notify_all()

    @property
    def taken(self) -> int:
        """The number of requests that were accepted, or may have been."""
        with self._changed:
            return self._counted()[0] + self._under_way

    @property
    def spent(self) -> int:
        """The sum of their amounts, in KES."""
        with self._changed:
            return self._counted()[1] + self._at_risk

    @property
    def withheld(self) -> Mapping[str, int]:
        """The number of requests that were not sent, by the option that limits them."""
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
        """The requests and the money that count as accepted, without those in progress."""
        beside = (self._refused, self._refused_spend) if self._refusals_count else self._beside
        return self._taken + beside[0], self._spent + beside[1]

    def _probation_left(self) -> float:
        """The seconds until refusals lose their reservation."""
        return 0.0 if self._trusted_from is None else max(0.0, self._trusted_from - time.monotonic())

    def _exceeded(self, requests: int, spend: int) -> str | None:
        if self.requests is not None and requests > self.requests:
            return ACCEPTED
        if self.spend is not None and spend > self.spend:
            return SPEND
        return None


def check_limits(requests: int | None, spend: int | None) -> None:
    """Raise UsageError for limits that allow nothing, or are negative."""
    if requests is not None and requests < 1:
        raise UsageError(
            f"{ACCEPTED} is {requests}; expected 1 or more",
            hint="a faulty gateway may accept any request; `run --plan` sends none",
        )
    if spend is not None and spend < 0:
        raise UsageError(f"{SPEND} is {spend}; expected 0 or more")


def is_refused(response: Response, contract: Contract) -> bool:
    """Whether an answer refuses the request: its code, or else its HTTP status, is a 4xx."""
    try:
        said = parse_with_repeats(response.body)[0] if response.undecodable is None else None
    except (ValueError, RecursionError):
        said = None
    code = said.get(contract.answer.code) if isinstance(said, dict) else None
    status = code if isinstance(code, int | float) and not isinstance(code, bool) else response.status
    return status in _REFUSED


def amount_of(request: Request, contract: Contract) -> int:
    """The highest amount that a reader could find in the request, in whole units of money; 0 without any.

    Each member counts that is an amount in any command of the contract, also if its name repeats. Malformed amounts
    count as the most lenient reader understands them: "10,000", 12.5, -50, "1e3".
    """
    body, names = request.body, _money_members(contract)
    if not names or len(body) < min(map(len, names)):
        return 0
    try:
        # As lenient as common readers; each member counts, also if its name repeats.
        value = json.loads(body, strict=False, object_pairs_hook=_Members)
    except (ValueError, RecursionError):
        text = body.replace(b"\0", b"").decode("latin-1")
        return max((_read(found[1]) for found in _named(names).finditer(text)), default=0)
    return max(_amounts_in(value, names), default=0)


@cache
def _money_members(contract: Contract) -> frozenset[str]:
    """The members with amounts, in lower case."""
    return frozenset(command.money.member.lower() for command in contract.commands.values() if command.money)


@cache
def _named(names: frozenset[str]) -> re.Pattern[str]:
    """A pattern of amounts in text that is not JSON, but may be to a more lenient reader."""
    either = "|".join(map(re.escape, sorted(names)))
    return re.compile(rf"(?:{either})[^0-9]{{0,12}}([0-9][0-9.,]*(?:e\+?[0-9]{{1,3}})?)", re.IGNORECASE)


class _Members(list[tuple[str, Any]]):
    """All members of a JSON object, with repeated names."""


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
    """All numbers that a reader may find in the value of an amount."""
    if isinstance(value, bool) or value is None:
        yield 0
    elif isinstance(value, int | float):
        yield _whole(abs(value))
    elif isinstance(value, str):
        # Some readers accept digits of other scripts.
        text = "".join(str(int(each)) if each.isdecimal() else each for each in value)
        yield max((_read(found[0]) for found in _NUMBER.finditer(text)), default=0)
    elif isinstance(value, _Members):
        for _, member in value:
            yield from _numbers(member)
    elif isinstance(value, list):
        for member in value:
            yield from _numbers(member)


def _read(text: str) -> int:
    """The greater of both readings of "1,000": a thousand, or one."""
    try:
        return _whole(float(text.replace(",", "").rstrip(".")))
    except ValueError:  # several points
        digits = re.sub("[^0-9]", "", text)
        return min(int(digits[:40] or "0"), BEYOND_ALL)


def _whole(number: float) -> int:
    if math.isnan(number):  # nobody can pay it
        return 0
    return math.ceil(number) if number < BEYOND_ALL else BEYOND_ALL
