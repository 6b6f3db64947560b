"""The members of payloads: their schemas and given values, the label of a payload, and what makes payloads unique.

Constraints         the values that a run may use
rules_of, texts_of, recipient_of, amount_of     the members of a command's requests, by their schemas and roles
Label               valid, broken in one member by one keyword, or left open: proved on the bytes of a payload
UniquePayloads      no payload is sent twice, and none that is similar to another within a command's window
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from hashlib import blake2b
from itertools import islice
from math import prod
from string import ascii_lowercase, ascii_uppercase, digits
from typing import Any, Final

from conformance.contract.command import Command
from conformance.contract.contract import Contract
from conformance.model.text import ecma_pattern
from conformance.model.traffic import Case, Kind
from conformance.model.untrusted import json_object

Members = Mapping[str, Any]


class _Absent:
    def __repr__(self) -> str:
        return "absent"


ABSENT: Final = _Absent()
"""The value of a member that is left out."""

# The aspect of a valid payload with nothing unusual in it.
PLAIN = "random"
# The characters of one SMS; anything longer is a long message.
SINGLE_SMS = 160

# Four times the bytes of the contract's longest message with each character escaped.
LARGEST = 4 * 459 * len("\\ud83d\\udc4b")


@dataclass(frozen=True, slots=True)
class Constraints:
    """The values that a run may use (empty: any valid one).

    `registered`: by member, those that belong to the account. `phone_numbers`: of people who agreed to be reached.
    """

    registered: Mapping[str, tuple[str, ...]] = field(default_factory=dict, hash=False)
    phone_numbers: tuple[str, ...] = ()

    def values(self, contract: Contract) -> dict[str, tuple[str, ...]]:
        """The given values by member."""
        recipient = contract.members.recipient
        given = {**self.registered, **({recipient: self.phone_numbers} if recipient else {})}
        return {member: values for member, values in given.items() if values}


LABELLED = frozenset({Kind.VALID, Kind.BROKEN, Kind.OPEN})
"""The kinds of cases that are about their payload."""


@dataclass(frozen=True, slots=True)
class Label:
    """The label of a payload of `command`.

    The broken `member` violates `keyword`; `open_at` are the places (JSON pointers) where the contract is silent.
    """

    contract: Contract
    command: Command
    kind: Kind
    aspect: str
    member: str | None = None
    keyword: str | None = None
    open_at: frozenset[str] = frozenset()

    @classmethod
    def of(cls, case: Case, contract: Contract) -> Label | None:
        """The label of a case; None if the case is not about its payload, or if its bytes do not prove the label."""
        members = members_of(case.request.body)
        if case.kind not in LABELLED or case.command is None or members is None:
            return None
        command = contract.commands[case.command]
        label = cls(contract, command, case.kind, case.aspect, case.member, case.keyword)
        if case.kind is Kind.OPEN:
            label = replace(label, open_at=label._open_places(members))
        return label if label.holds(case.request.body) else None

    def holds(self, body: bytes) -> bool:
        """Whether `body` has this label."""
        members = members_of(body)
        return members is not None and self._is_proved_by(members)

    def _is_proved_by(self, members: Members) -> bool:
        schemas, tolerated = self.contract.schemas, self.command.tolerated_schema
        if self.kind is Kind.BROKEN:
            # That member alone breaks the tolerated schema, by that keyword and others of the probe.
            faults = schemas.violations(tolerated, members)
            probe = self.contract.probes.get(f"{self.kind}.{self.aspect}")
            allowed = probe.keywords if probe else frozenset()
            same = self.keyword in {fault.keyword for fault in faults}
            return same and all(f.pointer == f"/{self.member}" and f.keyword in allowed for f in faults)
        open_at = self._open_places(members)
        return open_at == self.open_at and (self.kind is Kind.VALID or schemas.takes(tolerated, members))

    def _open_places(self, members: Members) -> frozenset[str]:
        """Where the payload breaks the strict schema."""
        violations = self.contract.schemas.violations(self.command.request_schema, members)
        return frozenset(violation.pointer for violation in violations)


def members_of(body: bytes, largest: int = LARGEST) -> Members | None:
    """The members of a body; None if it is not a JSON object, or larger than `largest`."""
    return None if len(body) > largest else json_object(body)


# --- Members of valid payloads


def aspect_of(contract: Contract, command: Command, members: Mapping[str, Any]) -> str:
    """The aspect of a valid payload, by its members: PLAIN if it has nothing unusual.

    So a gateway that fails at emoji, say, fails that requirement in whatever case they turn up.
    """
    if not members:
        return PLAIN
    for name, member in rules_of(contract, command).items():
        if name not in members:
            return "optional"
        aspect = _aspect_of_member(member, members[name])
        if aspect is not None:
            return aspect
    return PLAIN


@cache
def rules_of(contract: Contract, command: Command) -> Mapping[str, Mapping[str, Any]]:
    """The strict schema of each member of a command's requests."""
    rules: Mapping[str, Mapping[str, Any]] = contract.schemas.resolved(command.request_schema).get("properties", {})
    return rules


@cache
def texts_of(contract: Contract, command: Command) -> tuple[str, ...]:
    """The members of a command's requests that are messages for people."""
    return tuple(name for name, rule in rules_of(contract, command).items() if "x-characters" in rule)


def documented_range(rule: Mapping[str, Any]) -> tuple[int, int] | None:
    """The range that the contract documents for a member with that schema; None if it has none, or a cautious one."""
    bounds = rule.get("x-integer", {})
    return (bounds["minimum"], bounds["maximum"]) if bounds.get("x-documented") else None


def _aspect_of_member(schema: Mapping[str, Any], value: str) -> str | None:
    if "x-characters" in schema:
        if not {*"\n\r\t"}.isdisjoint(value):
            return "line-breaks"
        if len(value) > SINGLE_SMS:
            return "long"
        return None if value.isascii() else "unicode"
    ends = documented_range(schema)
    return "boundary" if ends and int(value) in ends else None


# --- Uniqueness


# The digits of a phone number that may change: room for all that a run can send. The digits before them name the
# operator, and a gateway that picks numbers by a digit would use the last one.
MIDDLE = slice(-5, -1)
ROOM = 10**4
# An amount moves by so much at most, so that it stays nearly the same.
NEAR = 1_000


def likeness(command: Command, members: Members) -> bytes:
    """Equal for payloads of which a run sends only one: those that agree in the members of the window, or in all.

    A digest, for a run may keep a hundred thousand of them.
    """
    alike = {name: members.get(name) for name in command.window.members} if command.window else members
    return blake2b(json.dumps(alike, sort_keys=True).encode(), digest_size=16).digest()


class UniquePayloads:
    """Changes payloads of one command until each differs from all that were sent.

    `used`: the bodies that were sent before, of whatever kind of case. `start`: the first of the changed phone numbers,
    so that runs in a row do not use the same ones.
    """

    def __init__(
        self, contract: Contract, command: Command, constraints: Constraints, used: Iterable[bytes], start: int = 0
    ) -> None:
        self._command = command
        self._window = command.window
        self._numbers = constraints.phone_numbers
        self._start = start if self._window else 0
        rules = rules_of(contract, command)
        # Within a window, a change of another member makes no difference.
        movable = tuple(self._window.members if self._window else rules)
        recipient, amount = recipient_of(contract, command), amount_of(contract, command)
        self._recipient = recipient if recipient in movable else None
        self._amount = amount if amount in movable else None
        fixed = {recipient, amount, *contract.members.registered}
        self._spelled = {name: rules[name] for name in movable if name not in fixed} if self._window else {}
        self._bounds = rules[self._amount]["x-integer"] if self._amount else None
        self._texts = texts_of(contract, command)
        self._used = {likeness(command, known) for known in map(members_of, used) if known is not None}

    def placed(self, members: Members, kept: Collection[str]) -> Members | None:
        """The payload, changed so that it is unique; members in `kept` do not change.

        If that is impossible: None within a window, elsewhere the payload unchanged.
        """
        for moved in self._moves(members, kept):
            digest = likeness(self._command, moved)
            if digest not in self._used:
                self._used.add(digest)
                return moved
        return None if self._window else members

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


# A text is counted up by its last characters, each among the characters of its kind.
KINDS = (digits, ascii_uppercase, ascii_lowercase)
COUNTED, MOST = 4, 10_000

# Enough different amounts to tell requests apart.
AMOUNTS = 400


def respelled(rule: Mapping[str, Any], text: str) -> Iterator[str]:
    """Other texts that `rule`, the schema of a string, allows: `ORDER4712` follows `ORDER4711`.

    At most MOST, none twice; none for a text without a letter or digit among its last characters.
    """
    pattern = ecma_pattern(rule.get("pattern", ""))
    begin = max(0, len(text) - COUNTED)
    kinds = [next((kind for kind in KINDS if c in kind), c) for c in text[begin:]]
    for step in range(1, min(prod(map(len, kinds)), MOST)):
        other = text[:begin] + _counted(text[begin:], kinds, step)
        if pattern.search(other):
            yield other


def _counted(text: str, kinds: list[str], step: int) -> str:
    """`text` plus `step`, the text read as a number whose digits are of these kinds."""
    made = ""
    for character, kind in zip(reversed(text), reversed(kinds), strict=True):
        step, place = divmod(kind.index(character) + step, len(kind))
        made = kind[place] + made
    return made


def near(rule: Mapping[str, Any], text: str) -> Iterator[str]:
    """The neighbours of a value: the number before and after it, or the next texts of its form."""
    if "x-integer" in rule:
        yield from (str(int(text) + 1), str(int(text) - 1))
    else:
        yield from islice(respelled(rule, text), 2)


def recipient_of(contract: Contract, command: Command) -> str | None:
    """The member of a command's requests that names a person; None where none does."""
    recipient = contract.members.recipient
    return recipient if recipient in rules_of(contract, command) else None


def amount_of(contract: Contract, command: Command) -> str | None:
    """The member with the amount of money that a request moves, if it is a whole number; None for others."""
    amount = command.money.member if command.money else None
    return amount if "x-integer" in rules_of(contract, command).get(amount or "", {}) else None


@cache
def cheap_amounts(contract: Contract) -> range:
    """The smallest amounts that each command which moves money takes, without the ends of any range.

    Cases of their own try the ends.
    """
    amounts = ((command, amount_of(contract, command)) for command in contract.commands.values())
    bounds = [rules_of(contract, command)[amount]["x-integer"] for command, amount in amounts if amount]
    least = max((each["minimum"] for each in bounds), default=0) + 2
    return range(least, min((each["maximum"] - 1 for each in bounds), default=least + AMOUNTS))[:AMOUNTS]
