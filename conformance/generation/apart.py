"""Keeping requests apart that would count as similar within a command's window (contract: "Idempotency").

Apart       knows the pairs of phone number and amount that are used up; .placed moves a payload to a free one
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import Any

from conformance.contract.commands import Command
from conformance.contract.schemas import resolved
from conformance.generation.labels import Members, members_of
from conformance.generation.payloads import WINDOW_MEMBERS, Constraints

# How many digits at the end of a phone number may be changed: room for all that a run can send.
TAIL = 5
# Amounts are moved by so much at most, so that they stay nearly the same.
NEAR = 1_000


class Apart:
    """The pairs that were used for one command; without a window there is nothing to keep apart.

    `used`: the bodies that were sent before, in whatever kind of case. `start`: where the changed phone numbers begin,
    so that runs in a row do not use the same ones.
    """

    def __init__(self, command: Command, constraints: Constraints, used: Iterable[bytes], start: int) -> None:
        self._windowed = command.window_s is not None
        self._numbers = constraints.phone_numbers
        self._start = start
        self._used: set[tuple[Any, ...]] = set()
        if self._windowed:
            bounds = resolved(f"{command.folder}/request")["properties"][WINDOW_MEMBERS[1]]["x-integer"]
            self._lowest, self._highest = bounds["minimum"], bounds["maximum"]
            self._used.update(_pair(members) for members in map(members_of, used) if members is not None)

    def placed(self, members: Members, kept: Collection[str]) -> Members | None:
        """The payload with a pair that is free; members in `kept` are not changed. None if there is none."""
        if not self._windowed:
            return members
        for moved in self._moves(members, kept):
            pair = _pair(moved)
            if pair not in self._used:
                self._used.add(pair)
                return moved
        return None

    def _moves(self, members: Members, kept: Collection[str]) -> Iterator[Members]:
        phone, amount = WINDOW_MEMBERS
        if phone in kept or amount in kept:
            yield members
        if phone not in kept and isinstance(members.get(phone), str):
            yield from ({**members, phone: number} for number in self._phones(members[phone]))
        if amount not in kept and isinstance(members.get(amount), str):
            for number in self._numbers or (members.get(phone),):
                held = {} if phone in kept else {phone: number}
                yield from ({**members, **held, amount: near} for near in self._amounts(members[amount]))

    def _phones(self, number: str) -> Iterator[str]:
        if self._numbers:
            yield from self._numbers
            return
        room = 10**TAIL
        if number[-TAIL:].isdigit():
            tail = int(number[-TAIL:]) + self._start
            yield from (f"{number[:-TAIL]}{(tail + step) % room:0{TAIL}}" for step in range(room))

    def _amounts(self, amount: str) -> Iterator[str]:
        if not amount.isdigit():
            return
        middle = int(amount)
        for step in range(NEAR):
            for near in (middle + step, middle - step):
                if self._lowest <= near <= self._highest:
                    yield str(near)


def _pair(members: Members) -> tuple[Any, ...]:
    return tuple(str(members.get(name)) for name in WINDOW_MEMBERS)
