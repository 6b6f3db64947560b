"""Keeping requests apart: no payload twice, and none that counts as similar within a command's window.

Whatever is sent again is changed where that does not matter: in digits within the phone number, in the amount, in the
letter that a plain message has, and in whatever else a window looks at. So a gateway that knows requests again treats
each as new.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator
from string import ascii_lowercase
from typing import Any

from conformance.contract.command import Command
from conformance.contract.contract import Contract
from conformance.payloads.labels import Members, members_of
from conformance.payloads.neighbours import amount_of, recipient_of, respelled
from conformance.payloads.payloads import Constraints

# Digits of a phone number that are changed: room for all that a run can send. Those before tell the operator, and the
# last one is what a gateway would pick numbers by, if it did.
MIDDLE = slice(-5, -1)
ROOM = 10**4
# Amounts are moved by so much at most, so that they stay nearly the same.
NEAR = 1_000


class Apart:
    """What was sent for one command. Within its window, what that looks at may not be used twice.

    `used`: the bodies that were sent before, in whatever kind of case. `start`: where the changed phone numbers begin,
    so that runs in a row do not use the same ones.
    """

    def __init__(
        self, contract: Contract, command: Command, constraints: Constraints, used: Iterable[bytes], start: int = 0
    ) -> None:
        self._window = command.window
        self._numbers = constraints.phone_numbers
        self._start = start if self._window else 0
        rules = contract.schemas.resolved(command.request_schema).get("properties", {})
        # Within a window, changing what it does not look at tells nothing apart.
        movable = tuple(self._window.members if self._window else rules)
        recipient, amount = recipient_of(contract, command), amount_of(contract, command)
        self._recipient = recipient if recipient in movable else None
        self._amount = amount if amount in movable else None
        fixed = {recipient, amount, *contract.members.registered}
        self._spelled = {name: rules[name] for name in movable if name not in fixed} if self._window else {}
        self._bounds = rules[self._amount]["x-integer"] if self._amount else None
        self._texts = [name for name, rule in rules.items() if "x-characters" in rule]
        self._used = {self._likeness(known) for known in map(members_of, used) if known is not None}

    def placed(self, members: Members, kept: Collection[str]) -> Members | None:
        """The payload, changed so that there is none like it; members in `kept` are not changed.

        If that cannot be: None within a window, elsewhere the payload as it is.
        """
        for moved in self._moves(members, kept):
            likeness = self._likeness(moved)
            if likeness not in self._used:
                self._used.add(likeness)
                return moved
        return None if self._window else members

    def _likeness(self, members: Members) -> int:
        # A run may have sent a hundred thousand of them.
        alike = {name: members.get(name) for name in self._window.members} if self._window else members
        return hash(json.dumps(alike, sort_keys=True))

    def _moves(self, members: Members, kept: Collection[str]) -> Iterator[Members]:
        phone, amount = self._recipient, self._amount
        if phone in kept:
            phone = None
        if not self._start or phone is None:
            yield members
        if phone is not None:
            yield from ({**members, phone: number} for number in self._phones(members.get(phone)))
        if amount is not None and amount not in kept:
            to_others: list[Members] = [{**members, phone: number} for number in self._numbers] if phone else []
            for placed in to_others or [members]:
                yield from ({**placed, amount: near} for near in self._amounts(members.get(amount)))
        for name, rule in self._spelled.items():
            if name not in kept and isinstance(text := members.get(name), str):
                yield from ({**members, name: other} for other in respelled(rule, text))
        for name in self._texts:
            if name not in kept and members.get(name) in set(ascii_lowercase):
                yield from ({**members, name: letter} for letter in ascii_lowercase)

    def _phones(self, number: Any) -> Iterator[str]:
        if self._numbers:
            yield from self._numbers
        elif isinstance(number, str) and number[MIDDLE].isdecimal():
            first = int(number[MIDDLE]) + self._start
            digits = (f"{(first + step) % ROOM:0{len(number[MIDDLE])}}" for step in range(ROOM))
            yield from (number[: MIDDLE.start] + changed + number[MIDDLE.stop :] for changed in digits)

    def _amounts(self, amount: Any) -> Iterator[str]:
        if self._bounds is None or not isinstance(amount, str) or not amount.isdecimal():
            return
        for step in range(NEAR):
            for near in (int(amount) + step, int(amount) - step):
                if self._bounds["minimum"] <= near <= self._bounds["maximum"]:
                    yield str(near)
