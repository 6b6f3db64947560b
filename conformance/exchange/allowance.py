"""How much may be accepted: requests and shillings, whatever the gateway does, however many go out side by side.

    Allowance       .reserve before sending, .settle when it is known what became of it
    amount_of       what a request would move if it were accepted, in KES
    is_refused      whether an answer says that nothing was accepted

Every request may be accepted: one that has to be refused, too, by a gateway at fault. So each is counted before it goes
out, and taken off again only when its answer says that it was refused, or when it surely never left. What is not known
(no answer, a 5xx, an answer that cannot be read) counts as accepted.
"""

from __future__ import annotations

import json
import math
import re
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from conformance.contract.schemas import parse_with_repeats
from conformance.errors import UsageError
from conformance.traffic import Request, Response

AMOUNT = "amount"

# Which limit stood in the way.
ACCEPTED, SPEND = "--max-accepted", "--max-spend"

# What a reader that is more lenient than ours may take for an amount, in whatever is no JSON to us.
_NAMED = re.compile(r"amount[^0-9]{0,12}([0-9][0-9.,]*(?:e\+?[0-9]{1,3})?)", re.IGNORECASE)
_NUMBER = re.compile(r"[0-9][0-9,]*(?:\.[0-9]*)?(?:e\+?[0-9]{1,3})?", re.IGNORECASE)

_REFUSED = range(400, 500)

# More than any limit that is given.
BEYOND_ALL = 10**30


class Allowance:
    """What may be accepted of a run, all its sendings together: `requests` and `spend` (KES); None: without limit.

    Thread-safe. A request that is under way holds its place, so that at no time more can come to be accepted than may.
    """

    def __init__(self, requests: int | None = None, spend: int | None = None) -> None:
        self.requests = requests
        self.spend = spend
        self._changed = threading.Condition()
        self._taken = 0
        self._spent = 0
        self._under_way = 0
        self._at_risk = 0
        self._withheld: Counter[str] = Counter()
        self._stopped = False

    def reserve(self, *requests: Request) -> bool:
        """Take what these need if all are accepted, together or not at all; False if they may not be sent.

        Waits while requests that are under way may still be refused and make room.
        """
        with self._changed:
            while (room := self.take(*requests)) is None:
                self._changed.wait()
            return room

    def take(self, *requests: Request) -> bool | None:
        """What `reserve` does, without waiting: None if there is no room as long as none under way is refused."""
        if self.requests is None and self.spend is None:
            return True
        count, amount = len(requests), sum(map(amount_of, requests))
        with self._changed:
            if self._stopped:
                return False
            reason = self._exceeded(self._taken + count, self._spent + amount)
            if reason is not None:
                self._withheld[reason] += count
                return False
            if self._exceeded(self._taken + self._under_way + count, self._spent + self._at_risk + amount):
                return None
            self._under_way += count
            self._at_risk += amount
            return True

    def stop(self) -> None:
        """Ends all waiting: nothing more may be sent."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def settle(self, request: Request, *, refused: bool) -> None:
        """A request that was reserved for is answered, or given up; `refused`: surely nothing came of it."""
        if self.requests is None and self.spend is None:
            return
        amount = amount_of(request)
        with self._changed:
            self._under_way -= 1
            self._at_risk -= amount
            if not refused:
                self._taken += 1
                self._spent += amount
            self._changed.notify_all()

    @property
    def taken(self) -> int:
        """How many requests were accepted, or may have been."""
        with self._changed:
            return self._taken + self._under_way

    @property
    def spent(self) -> int:
        """The amounts of these, in KES."""
        with self._changed:
            return self._spent + self._at_risk

    @property
    def withheld(self) -> Mapping[str, int]:
        """How many requests were not let out, by the option that limits them."""
        with self._changed:
            return dict(self._withheld)

    def _exceeded(self, requests: int, spend: int) -> str | None:
        if self.requests is not None and requests > self.requests:
            return ACCEPTED
        if self.spend is not None and spend > self.spend:
            return SPEND
        return None


def check_limits(requests: int | None, spend: int | None) -> None:
    """UsageError for limits under which nothing could be sent, or that are none."""
    if requests is not None and requests < 1:
        raise UsageError(
            f"{ACCEPTED} is {requests}; expected 1 or more",
            hint="every request may be accepted by a gateway at fault; `run --plan` sends none",
        )
    if spend is not None and spend < 0:
        raise UsageError(f"{SPEND} is {spend}; expected 0 or more shillings")


def is_refused(response: Response) -> bool:
    """Whether an answer says that the request was refused: its status_code, or else its HTTP status, is a 4xx.

    (Seed: the status_code "can be used to determine whether your API call request was successful or not".)
    """
    try:
        said = parse_with_repeats(response.body)[0] if response.undecodable is None else None
    except (ValueError, RecursionError):
        said = None
    code = said.get("status_code") if isinstance(said, dict) else None
    status = code if isinstance(code, int | float) and not isinstance(code, bool) else response.status
    return status in _REFUSED


def amount_of(request: Request) -> int:
    """The most that a reader of the request could take for its amount, in whole KES; 0 if it names none.

    Broken ones count, too: "10,000", 12.5, -50 and "1e3" are what somebody may make of them, and so does the first of
    two members of that name.
    """
    body = request.body
    if len(body) < len(AMOUNT):
        return 0
    try:
        # As lenient as widespread readers are; every pair counts, also of a name that comes twice.
        value = json.loads(body, strict=False, object_pairs_hook=_Pairs)
    except (ValueError, RecursionError):
        text = body.replace(b"\0", b"").decode("latin-1")
        return max((_read(found[1]) for found in _NAMED.finditer(text)), default=0)
    return max(_amounts_in(value), default=0)


class _Pairs(list[tuple[str, Any]]):
    """The members of a JSON object, all of them."""


def _amounts_in(value: Any) -> Iterator[int]:
    if isinstance(value, _Pairs):
        for name, member in value:
            if name.strip().lower() == AMOUNT:
                yield from _numbers(member)
            elif isinstance(member, list):
                yield from _amounts_in(member)
    elif isinstance(value, list):
        for member in value:
            yield from _amounts_in(member)


def _numbers(value: Any) -> Iterator[int]:
    """Whatever may be read as a number in the value of an amount."""
    if isinstance(value, bool) or value is None:
        yield 0
    elif isinstance(value, int | float):
        yield _whole(abs(value))
    elif isinstance(value, str):
        # Digits of other scripts are digits to some.
        text = "".join(_digit(character) for character in value)
        yield max((_read(found[0]) for found in _NUMBER.finditer(text)), default=0)
    elif isinstance(value, _Pairs):
        for _, member in value:
            yield from _numbers(member)
    elif isinstance(value, list):
        for member in value:
            yield from _numbers(member)


def _digit(character: str) -> str:
    return str(int(character)) if character.isdecimal() else character


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
