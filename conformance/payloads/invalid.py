"""Payloads that are not valid: broken ones, which every gateway refuses, and open ones, where either answer will do.

The probes of the contract choose the new value of a member from the tables `SYSTEMATIC`, `AT_RANDOM` and `OPEN`, by its
schemas, never by its name or command. A table may offer more than the schemas forbid, for each payload is proved: its
bytes are parsed and validated, and the tolerated schema has to fault that one member by a keyword of the probe.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import cycle, islice
from random import Random
from typing import Any, NamedTuple

from conformance.contract.command import Command
from conformance.contract.contract import Contract
from conformance.contract.tables import Probe
from conformance.model.errors import SuiteError
from conformance.model.untrusted import parse_json
from conformance.payloads.addressees import ZEROS
from conformance.payloads.json_defects import UNKNOWN_MEMBER
from conformance.payloads.members import ABSENT, Members, documented_range, rules_of
from conformance.payloads.texts import ALPHABETS, UNIT, spell
from conformance.payloads.valid import encoded

# The lengths to try for those that a schema refuses: more than any of its members allows.
LENGTHS = range(1, 41)

# The subscriber's part of a phone number, which is too short for the whole.
SUBSCRIBER_DIGITS = 9

# The most random candidates for each payload, before an error.
MOST_TRIES = 200

# One character more than the contract's longest text, and enough to overflow a column or a buffer.
OVER_LONG = (460, 2000)

LETTERS = "abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True, slots=True)
class BrokenPayload:
    """A body in which only `member` is wrong: it violates `keyword` of the tolerated schema."""

    aspect: str
    member: str
    keyword: str
    body: bytes


class OpenPayload(NamedTuple):
    """A body that a gateway may accept or refuse; `aspect` is `over-long` or `open`."""

    aspect: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Subject:
    """A member of a command's request to change: its two schemas, and its `valid` value."""

    contract: Contract
    command: Command
    name: str
    strict: Mapping[str, Any]
    tolerated: Mapping[str, Any]
    valid: str

    @property
    def range(self) -> tuple[int, int] | None:
        """Its documented range; None for none, or a cautious one."""
        return documented_range(self.strict)

    @property
    def is_patterned(self) -> bool:
        """Whether every gateway refuses some texts that are not empty."""
        return not {"pattern", "maxLength"}.isdisjoint(self.tolerated)

    @property
    def is_amount(self) -> bool:
        """Whether its text is a number."""
        return "x-integer" in self.strict

    @property
    def is_text(self) -> bool:
        """Whether it is a message for people."""
        return "x-characters" in self.strict

    def of_length(self, length: int) -> str:
        """The valid value, repeated or cut to that length."""
        return "".join(islice(cycle(self.valid), length))


def _subjects(contract: Contract, command: Command, base: Members) -> list[Subject]:
    """The members of `base`; SuiteError if it is not valid."""
    schemas = contract.schemas
    tolerated = schemas.resolved(command.tolerated_schema)["properties"]
    if faults := schemas.violations(command.request_schema, base):
        raise SuiteError(f"a valid {command.name} payload is needed to begin with, got {base!r}: {faults[0].message}")
    return [
        Subject(contract, command, name, rule, tolerated[name], base[name])
        for name, rule in rules_of(contract, command).items()
        if name in base
    ]


# --- Broken payloads


def broken_payloads(  # noqa: PLR0913, PLR0917 - the payload, the number, and the limits
    contract: Contract,
    command: Command,
    base: Members,
    random_count: int,
    seed: int,
    harmless: Callable[[bytes], bool] | None = None,
) -> list[BrokenPayload]:
    """Every required member of the valid `base` broken in every way, then `random_count` more.

    `harmless` says whether a real account may send a body: with it all random payloads are harmless, and systematic
    ones that are not have others beside them. A GET has none. Raises SuiteError if `base` is not valid, if no value
    breaks a member in some way, and if there are too few random ones.
    """
    if command.method == "GET":
        return []
    chance = Random(f"{command.name} broken {seed}")
    required = contract.schemas.resolved(command.tolerated_schema)["required"]
    subjects = [each for each in _subjects(contract, command, base) if each.name in required]
    breaker = _Breaker(contract, command, base, subjects, chance, harmless)
    systematic = list(breaker.systematic())
    return [*systematic, *islice(breaker.at_random({each.body for each in systematic}), random_count)]


@dataclass(frozen=True, slots=True)
class _Breaker:
    contract: Contract
    command: Command
    base: Members
    subjects: list[Subject]
    chance: Random
    harmless: Callable[[bytes], bool] | None

    def systematic(self) -> Iterator[BrokenPayload]:
        for subject in self.subjects:
            for probe in self.contract.probes.of("broken"):
                values = [value for making in probe.made for value in SYSTEMATIC[making.by](subject)]
                if self.harmless is not None and any(making.by == "other-texts" for making in probe.made):
                    values += _other_texts_with_all_of_it(subject)
                broken = [self._broken(probe, subject, value) for value in values]
                if values and not any(broken):
                    raise SuiteError(f"no {probe.aspect} {subject.name} of {self.command.name} is refused: {values!r}")
                yield from filter(None, broken)

    def at_random(self, taken: set[bytes]) -> Iterator[BrokenPayload]:
        """Without end, none twice."""
        ways = [
            (probe, subject, AT_RANDOM[making.by])
            for subject in self.subjects
            for probe in self.contract.probes.of("broken")
            for making in probe.made
            if probe.at_random and making.by in AT_RANDOM
            if (making.by != "other-texts" or subject.is_patterned) and (making.by != "out-of-range" or subject.range)
        ]
        while ways:
            for _ in range(MOST_TRIES):
                probe, subject, made = self.chance.choice(ways)
                broken = self._broken(probe, subject, made(subject, self.chance))
                if broken and broken.body not in taken and (self.harmless is None or self.harmless(broken.body)):
                    taken.add(broken.body)
                    yield broken
                    break
            else:
                raise SuiteError(f"no more random broken payloads of {self.command.name} are found beside {len(taken)}")

    def _broken(self, probe: Probe, subject: Subject, value: object) -> BrokenPayload | None:
        """The payload with that value; None if its bytes do not prove the probe."""
        changed = {**self.base, subject.name: value}
        if value is ABSENT:
            del changed[subject.name]
        body = encoded(changed, ascii_only=self.chance.random() < 1 / 2)
        faults = self.contract.schemas.violations(self.command.tolerated_schema, parse_json(body))
        proved = faults and all(
            fault.pointer == f"/{subject.name}" and fault.keyword in probe.keywords for fault in faults
        )
        return BrokenPayload(probe.aspect, subject.name, faults[0].keyword, body) if proved else None


# --- Values that break a member


def _other_texts(subject: Subject) -> Iterator[str]:
    """Letters and signs instead of digits, lengths next to the allowed ones, characters beyond ASCII.

    Without digits of other scripts: the contract does not say whether they are digits.
    """
    if not subject.is_patterned:
        return
    valid = subject.valid
    yield LETTERS[: len(valid)]
    yield valid[:-1] + "x"
    if not subject.is_amount:
        yield from map(subject.of_length, _refused_lengths(subject))
    yield valid[:-1] + "é"
    yield f"-{valid}"
    yield f"{valid}.5"


def _other_texts_with_all_of_it(subject: Subject) -> Iterator[str]:
    """Wrong texts without another number than the valid one, for real accounts."""
    if subject.is_patterned and not subject.is_amount:
        valid = subject.valid
        yield from (f"{valid}x", f"x{valid}", valid[:2])
        if len(valid) > SUBSCRIBER_DIGITS and valid.isdigit():
            yield from (valid[-SUBSCRIBER_DIGITS:], f"{ZEROS}{valid}")


def _other_numbers(subject: Subject) -> Iterator[int | float]:
    """JSON numbers, for gateways that take them: a fraction of a shilling, and a negative amount."""
    if subject.is_amount:
        yield from (int(subject.valid) + 1 / 2, -int(subject.valid))


def _refused_lengths(subject: Subject) -> Iterator[int]:
    """The lengths just below and just above the tolerated ones."""
    tolerated = {length for length in LENGTHS if _tolerates(subject, subject.of_length(length))}
    yield from (length for length in LENGTHS if length not in tolerated and {length - 1, length + 1} & tolerated)


def _tolerates(subject: Subject, value: object) -> bool:
    return not _faults(subject, subject.command.tolerated_schema, value)


def _faults(subject: Subject, schema: str, value: object) -> bool:
    faults = subject.contract.schemas.violations(schema, {subject.name: value})
    return any(fault.pointer == f"/{subject.name}" for fault in faults)


# Beyond 64 bits; a reader of doubles takes it for a power of two.
BEYOND_64_BITS = 10**20


def _outside(subject: Subject) -> Iterator[str | int]:
    if subject.range:
        low, high = subject.range
        yield from map(str, (low - 1, 0, high + 1, 100 * high))
        yield from (low - 1, high + 1, BEYOND_64_BITS)  # JSON numbers, for gateways that take them


SYSTEMATIC: dict[str, Callable[[Subject], Iterable[object]]] = {
    "absent": lambda _: [ABSENT],
    "null": lambda _: [None],
    "other-types": lambda subject: [[subject.valid], {"value": subject.valid}, True],
    "empty": lambda _: [""],
    "other-texts": _other_texts,
    "other-numbers": _other_numbers,
    "out-of-range": _outside,
}
"""The values with which each maker of a row breaks a member."""


def _random_type(subject: Subject, chance: Random) -> object:
    scalars: list[object] = [None, True, False, chance.randrange(10**6), subject.valid, ""]
    several = chance.sample(scalars, chance.randrange(4))
    return chance.choice([several, dict(zip(LETTERS, several, strict=False)), [several], chance.random() < 1 / 2])


_RANDOM_CHARACTERS = ("0123456789", LETTERS, "0123456789" + LETTERS, "0123456789 -_./()#*")


def _random_text(subject: Subject, chance: Random) -> str:
    """Digits, letters or other signs of any length; for an amount never a number, which `out-of-range` makes."""
    length = chance.choice(LENGTHS)
    if chance.random() < 1 / 4:
        alphabet = ALPHABETS[chance.choice(("latin", "greek-cyrillic", "hebrew", "cjk", "emoji"))]
        return spell(alphabet, chance.randbytes(UNIT * length))
    text = "".join(chance.choices(chance.choice(_RANDOM_CHARACTERS), k=length))
    return text + chance.choice(LETTERS) if subject.is_amount else text


def _random_number(subject: Subject, chance: Random) -> str:
    low, high = subject.range or (0, 0)
    return str(
        chance.choice([chance.randrange(low), chance.randint(high + 1, 2 * high), chance.randint(high, 100 * high)])
    )


AT_RANDOM: dict[str, Callable[[Subject, Random], object]] = {
    "other-types": _random_type,
    "other-texts": _random_text,
    "out-of-range": _random_number,
}
"""The same at random, for rows with `at_random`."""


# --- Open payloads


def _other_spellings(subject: Subject) -> Iterator[str]:
    yield from (f"+{subject.valid}", f" {subject.valid} ")
    if subject.is_amount:
        yield from (f"0{subject.valid}", f"{subject.valid}.0")


def _open_lengths(subject: Subject) -> Iterator[str]:
    """The shortest and the longest texts between the strict and the tolerated schema."""
    if subject.is_amount or subject.is_text or "pattern" not in subject.tolerated:
        return
    texts = [text for text in map(subject.of_length, LENGTHS) if _tolerates(subject, text)]
    between = [text for text in texts if _faults(subject, subject.command.request_schema, text)]
    yield from between[:1] + between[-1:]


def _beyond_caution(subject: Subject) -> Iterator[str]:
    """Just outside a range that is only cautious."""
    if subject.is_amount and subject.range is None:
        bounds = subject.strict["x-integer"]
        yield from map(str, (bounds["minimum"] - 1, bounds["maximum"] + 1))


def _open_texts(subject: Subject) -> Iterator[str]:
    """White space alone, control, private and unassigned characters, and halves of surrogate pairs."""
    if subject.is_text:
        yield from (" ", "\t\r\n")
        yield from (f"Habari{character}yako" for character in "\x00\x07\x1b\x7f\x85\ue000\ufdd0\U0010ffff")
        yield from (f"Habari{half}yako" for half in ("\ud83d", "\udc4b", "\udc4b\ud83d"))


OPEN: dict[str, Callable[[Subject], Iterable[object]]] = {
    "as-number": lambda subject: [int(subject.valid) if subject.valid.isdigit() else 254],
    "other-spellings": _other_spellings,
    "open-lengths": _open_lengths,
    "beyond-caution": _beyond_caution,
    "open-texts": _open_texts,
    "long-texts": lambda subject: map(subject.of_length, OVER_LONG if subject.is_text else ()),
}
"""The values with which each maker of a row replaces a member."""

# If a gateway accepts one, it might reach a number or take an amount that nobody agreed to.
COSTLY = frozenset({"open-lengths", "beyond-caution"})


def open_payloads(contract: Contract, command: Command, base: Members, *, careful: bool = False) -> list[OpenPayload]:
    """Payloads that the contract leaves open, each the valid `base` with one member changed or one more.

    A gateway may accept them, so `base` must be used for nothing else: within an idempotency window they are similar to
    it. `careful`, for real accounts, leaves out those that would call another number or spend more than `base`. A GET
    has none. Raises SuiteError if `base` is not valid or if there are none.
    """
    if command.method == "GET":
        return []
    makings = [making for probe in contract.probes.of("open") for making in probe.made]
    changed = [
        (making.aspect, {**base, subject.name: value})
        for subject in _subjects(contract, command, base)
        for making in makings
        if making.by in OPEN and not (careful and making.by in COSTLY)
        for value in OPEN[making.by](subject)
    ]
    further = {**base, UNKNOWN_MEMBER: "Nobody asked for this member."}
    every = [*changed, *((making.aspect, further) for making in makings if making.by == "unknown-member")]
    found = {encoded(members, ascii_only=True): aspect for aspect, members in every}
    violations = contract.schemas.violations
    payloads = [
        OpenPayload(aspect, body)
        for body, aspect in found.items()
        if violations(command.request_schema, value := parse_json(body))
        and not violations(command.tolerated_schema, value)
    ]
    if makings and not payloads:
        raise SuiteError(f"nothing lies between the strict and the tolerated schema of {command.name}")
    return payloads
