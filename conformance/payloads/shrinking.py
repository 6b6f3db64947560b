"""Shrinking a failing payload: simpler candidates, each proved to count as the same kind of payload.

Simplicity is measured against a good payload, which passed: the fewer members differ from it the simpler, then the
smaller the difference. Texts are simpler if they are shorter and of plainer characters, numbers if they are nearer to
the good one, digits in a row if fewer of them differ. `conformance.payloads.members` proves each candidate.

    Shrinker            offers candidates and records how they fared
    plain_members       the plainest valid payload
    as_plain_as, without    a payload nearer to the good one, and without a known fault
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice, pairwise, zip_longest
from typing import Any, NamedTuple

from conformance.contract.command import Command
from conformance.contract.contract import Contract
from conformance.payloads.members import ABSENT, Constraints, Label, Members, rules_of
from conformance.payloads.texts import UNSEEN
from conformance.payloads.valid import encoded

# --- Values


# Where gateways count: the ends of one to three segments in GSM-7 and in UCS-2, and of the contract's messages.
SPECIAL_LENGTHS = (70, 71, 134, 135, 153, 154, 160, 161, 201, 202, 306, 307, 459, 460)
# Each round cuts a range into so many parts. A round may have to wait for notifications, so rounds are dear; four or
# five find any amount of the contract.
PARTS = 12
# Texts up to this length are tried character by character.
SHORT = 24
# The replacements for a value of another type.
SMALL_VALUES: tuple[Any, ...] = (True, 0, [], {})
# Longer digits are a phone number, not an amount.
LONGEST_AMOUNT = 7


class Measure(NamedTuple):
    """The distance of a value from simple, the weightiest first."""

    size: int = -1
    strangeness: int = 0
    irregular: int = 0
    text: str = ""


# --- Characters

# One of each rank, the simplest first.
SIMPLEST = "a"
REPRESENTATIVES = (SIMPLEST, "0", "!", "\n", "é", "中", "👋")
_PLAIN, _ALPHANUMERIC, _SIGN, _CONTROL, _TWO_BYTES, _BMP, _ASTRAL = range(len(REPRESENTATIVES))
_BY_BYTES = {2: _TWO_BYTES, 3: _BMP, 4: _ASTRAL}


def rank(character: str) -> int:
    """The place of a character's kind in REPRESENTATIVES: the higher, the more unusual."""
    if not character.isascii():
        return _BY_BYTES[len(character.encode("utf-8", "surrogatepass"))]
    if character == SIMPLEST:
        return _PLAIN
    if character.isalnum():
        return _ALPHANUMERIC
    return _SIGN if character.isprintable() else _CONTROL


def _uniform(text: str) -> bool:
    return set(text) == {SIMPLEST}


# --- Texts


def _texts(value: str, good: Any, passed: Collection[str]) -> Iterator[Iterator[str]]:
    """Shorter and plainer texts: by kind of character and by length, then part by part."""
    if _uniform(value):
        # Lengths between the longest that passed and this one; the first time, special ones too.
        well = max((len(text) for text in passed if _uniform(text) and len(text) < len(value)), default=0)
        ladder = (each for each in _ladder(len(value)) if each > well)
        yield (SIMPLEST * length for length in (*ladder, *_between(well, len(value))))
    else:
        # The contract does not say whether white space and marks alone are a text.
        for offered in (chain(_with_digits_of(value, good), _by_kind(value)), _part_by_part(value)):
            yield (text for text in offered if UNSEEN.issuperset(value) or not UNSEEN.issuperset(text))


def _with_digits_of(value: str, good: Any) -> Iterator[str]:
    """The digits of the good one with the signs of this one, which may be the fault (`+254…`)."""
    signs = [character for character in value if not character.isdecimal()]
    if _digits_alone(good) and len(value) - len(signs) == len(good):
        rest = iter(good)
        yield "".join(next(rest) if character.isdecimal() else character for character in value)


def _by_kind(value: str) -> Iterator[str]:
    first = {rank(character): character for character in reversed(value)}
    yield from map(_visible, first.values())
    yield from (SIMPLEST * length for length in _ladder(len(value)))
    yield SIMPLEST * len(value)
    for kind in first:
        yield "".join(SIMPLEST if rank(character) == kind else character for character in value)
        yield _visible("".join(character for character in value if rank(character) == kind))


def _part_by_part(value: str) -> Iterator[str]:
    count = 2
    while count <= min(len(value), SHORT):  # halves, quarters …: each alone, and the rest without it
        cuts = [len(value) * part // count for part in range(count + 1)]
        for start, end in pairwise(cuts):
            yield from (value[start:end], value[:start] + value[end:])
        count *= 2
    if len(set(value)) <= SHORT:
        yield from map(_visible, set(value))
    for index, character in enumerate(value) if len(value) <= SHORT else ():
        simpler = ("", *REPRESENTATIVES[: rank(character) + 1])
        yield from (value[:index] + each + value[index + 1 :] for each in simpler)


def _visible(text: str) -> str:
    """The text, with a visible character in front if it has none."""
    return SIMPLEST + text if UNSEEN.issuperset(text) else text


def _ladder(length: int) -> list[int]:
    powers = (2**exponent for exponent in range(length.bit_length()))
    return sorted({each for each in (*powers, *SPECIAL_LENGTHS) if each < length})


def _between(low: int, high: int) -> list[int]:
    """Numbers that cut the range between two others, neither included, into PARTS."""
    return sorted({low + (high - low) * part // PARTS for part in range(1, PARTS)} - {low, high})


# --- Numbers, and digits in a row


def _numbers(value: str, good: str, passed: Collection[str]) -> Iterator[str]:
    """Whole numbers between this one and the good one, or the nearest that passed."""
    ill, near = int(value), int(good)
    for text in passed:
        if text.isdigit() and min(near, ill) < int(text) < max(near, ill):
            near = int(text)
    neighbour = ill - 1 if near < ill else ill + 1
    yield from map(str, (*_between(min(near, ill), max(near, ill)), neighbour))


def _rows_of_digits(value: str, good: str) -> Iterator[Iterator[str]]:
    """Fewer digits that differ from the good ones: one alone, those up to one, all but one; then lower digits."""
    differing = [index for index, digit in enumerate(value) if digit != good[index]]
    if len(differing) > 1:
        yield (good[:index] + value[index] + good[index + 1 :] for index in differing)
        yield (text for index in differing for text in (value[:index] + good[index:], good[:index] + value[index:]))
        yield (value[:index] + good[index] + value[index + 1 :] for index in differing)
    yield (value[:index] + str(lower) + value[index + 1 :] for index in differing for lower in range(int(value[index])))


# --- Values of any type


def _digits_alone(value: Any) -> bool:
    return isinstance(value, str) and value.isascii() and value.isdigit()


def _is_number(value: Any, good: Any) -> bool:
    return _digits_alone(value) and _digits_alone(good) and max(len(value), len(good)) <= LONGEST_AMOUNT


def _is_row_of_digits(value: Any, good: Any) -> bool:
    return _digits_alone(value) and _digits_alone(good) and len(value) == len(good)


def values(value: Any, good: Any, passed: Collection[str]) -> list[list[Any]]:
    """Values that may be simpler than `value`, in stages: a later one is for use if the earlier ones do not help.

    `passed` are values, as text, that the gateway handled well.
    """
    if _is_number(value, good):
        return [list(_numbers(value, good, passed))]
    if _is_row_of_digits(value, good):
        return [list(stage) for stage in _rows_of_digits(value, good)]
    if isinstance(value, str):
        return [list(stage) for stage in _texts(value, good, passed)]
    return [[small for small in SMALL_VALUES if small is not value]]


def cost(value: Any, good: Any) -> Measure:
    """The distance of `value` from the good one, which is the simplest, before a member that is left out."""
    if value is ABSENT:
        return Measure() if good is ABSENT else Measure(0)
    if value == good:
        return Measure()
    if _is_number(value, good):
        return Measure(abs(int(value) - int(good)), 0, 0, value)
    if _is_row_of_digits(value, good):
        return Measure(sum(a != b for a, b in zip(value, good, strict=True)), 0, 0, value)
    if isinstance(value, str):
        irregular = sum(character not in REPRESENTATIVES for character in value)
        return Measure(len(value), sum(map(rank, value)), irregular, value)
    return Measure(len(repr(value)), 0, 0, repr(value))


def to_the_good_side(value: Any, ill: Any, good: Any) -> Any:
    """`value` without the difference of `ill` from `good`: strange characters, too great a length or amount."""
    if ABSENT in (value, ill, good) or not all(isinstance(each, str) for each in (value, ill, good)):
        return good
    if _is_number(ill, good) and _digits_alone(value):
        edge = int(ill) - 1 if int(ill) > int(good) else int(ill) + 1
        beyond = int(value) >= int(ill) if int(ill) > int(good) else int(value) <= int(ill)
        return str(edge) if beyond else value
    if _is_row_of_digits(ill, good):
        # The digits that differ become those of the good one, if `value` has all of them.
        apart = [index for index, digit in enumerate(ill) if digit != good[index]]
        if not _is_row_of_digits(value, ill) or any(value[index] != ill[index] for index in apart):
            return value
        return "".join(good[index] if index in apart else digit for index, digit in enumerate(value))
    if _uniform(ill):
        return value[: max(1, len(ill) - 1)]
    strange = {rank(character) for character in ill} - {_PLAIN}
    # A gateway that fails at a character of two bytes most likely fails at one of four as well.
    if min(strange, default=_PLAIN) >= _TWO_BYTES:
        strange = set(range(min(strange), _ASTRAL + 1))
    return "".join(SIMPLEST if rank(character) in strange else character for character in value)


# --- Payloads


# The amount that is the plainest, if the schema takes it.
PLAIN_AMOUNT = 10

Cost = tuple[int, tuple[Measure, ...]]


def plain_members(contract: Contract, command: Command, constraints: Constraints) -> dict[str, Any]:
    """The plainest valid payload: required members alone, each as plain as the given values allow."""
    schema = contract.schemas.resolved(command.request_schema)
    sample = schema["examples"][0]
    given = constraints.values(contract)
    plain = {name: given[name][0] if name in given else sample[name] for name in schema["required"]}
    for name in plain:
        if name not in given:
            plain[name] = _plainest(contract, command, plain, name)
    return plain


def _plainest(contract: Contract, command: Command, members: Members, name: str) -> str:
    rule = rules_of(contract, command)[name]
    if "x-characters" in rule:
        return SIMPLEST
    if "x-integer" in rule:
        return str(max(PLAIN_AMOUNT, rule["x-integer"]["minimum"]))
    value = str(members[name])
    for length in range(len(value)):
        zeros = value[:length] + "0" * (len(value) - length)
        if value.isdigit() and not contract.schemas.violations(command.request_schema, {**members, name: zeros}):
            return zeros
    return value


@dataclass(slots=True)
class Shrinker:
    """Offers payloads that are simpler than one with `label`, measured against the `good` one.

    `fixed`: members whose values are given (registered names, phone numbers). `ascii_only`: whether characters beyond
    ASCII are escaped, as in the first payload. `known`: members to blame for other failures, and maybe for this one.
    """

    label: Label
    good: Members
    fixed: frozenset[str]
    ascii_only: bool
    known: Sequence[Members] = ()
    _tried: set[bytes] = field(default_factory=set)
    _passed: dict[tuple[str, ...], set[str]] = field(default_factory=dict)

    def body(self, members: Members) -> bytes:
        """The members as bytes."""
        return encoded(members, ascii_only=self.ascii_only)

    def record(self, members: Members, *, passed: bool) -> None:
        """Do not offer this candidate again; if it passed, offer no value that lies before its own."""
        self._tried.add(self.body(members))
        if passed:
            for name in self.differing(members):
                self._passed.setdefault(self._beside(members, name), set()).add(str(members.get(name)))

    def _beside(self, members: Members, name: str) -> tuple[str, ...]:
        """A member and those that differ beside it: several may fail only together."""
        return name, *sorted(self.differing(members))

    def differing(self, members: Members) -> list[str]:
        """The members in which a payload differs from the good one."""
        names = dict.fromkeys((*members, *self.good))
        return [name for name in names if members.get(name, ABSENT) != self.good.get(name, ABSENT)]

    def differences(self, members: Members) -> Members:
        """Those members with their values; ABSENT for one that is left out."""
        return {name: members.get(name, ABSENT) for name in self.differing(members)}

    def cost(self, members: Members) -> Cost:
        """The distance from the good payload; less is simpler."""
        names = sorted({*members, *self.good})
        each = tuple(cost(members.get(name, ABSENT), self.good.get(name, ABSENT)) for name in names)
        return len(self.differing(members)), each

    def candidates(self, members: Members, most: int) -> list[Members]:
        """At most `most` payloads simpler than `members`, the simplest first; none at a fixed point.

        First come members to blame for other failures, and fewer members; without the former also simpler values of
        each member alone, for mostly one is to blame. Then come simpler values of each member.
        """
        below = self.cost(members)
        known = self._new(self._blamed_elsewhere(members), below)
        offered = self._new(chain(known, self._fewer_members(members)), below)
        if offered and not known:
            offered = self._new(chain(offered, islice(self._alone(members), most - len(offered))), below)
        for stage in () if offered else self._simpler_values(members):
            if not offered:
                offered = self._new(stage, below)
        return offered[:most]

    def _new(self, offered: Iterable[Members], below: Cost) -> list[Members]:
        found: dict[bytes, Members] = {}
        for members in offered:
            body = self.body(members)
            if body in self._tried or body in found or not self.cost(members) < below:
                continue
            if self.label.holds(body):
                found[body] = members
        return sorted(found.values(), key=self.cost)

    def _blamed_elsewhere(self, members: Members) -> Iterator[Members]:
        for known in self.known:
            # Only if the payload has the same fault: a payload with it may fail for another cause.
            sides = ((members.get(name, ABSENT), ill, self.good.get(name, ABSENT)) for name, ill in known.items())
            if all(to_the_good_side(value, ill, good) != value for value, ill, good in sides):
                changed = {**self.good, **known}
                yield {name: value for name, value in changed.items() if value is not ABSENT}

    def _fewer_members(self, members: Members) -> Iterator[Members]:
        differing = self.differing(members)
        if len(differing) > 1:
            for name in differing:
                yield self._alone_with(members, name)
        for name in differing:
            yield _changed(members, name, self.good.get(name, ABSENT))

    def _alone(self, members: Members) -> Iterator[Members]:
        """Simpler values of one member with all others as in the good payload, of each member in turn."""
        differing = self.differing(members)
        if len(differing) > 1:
            stages = [
                self._new(next(self._simpler_values(self._alone_with(members, name)), ()), self.cost(members))
                for name in differing
            ]
            yield from filter(None, chain.from_iterable(zip_longest(*stages)))

    def _alone_with(self, members: Members, name: str) -> Members:
        return _changed(self.good, name, members.get(name, ABSENT))

    def _simpler_values(self, members: Members) -> Iterator[list[Members]]:
        """The stages of all members that may be changed, side by side."""
        stages: list[list[Members]] = []
        for name in self.differing(members):
            if name in members and name not in self.fixed:
                passed = self._passed.get(self._beside(members, name), set())
                for place, offered in enumerate(values(members[name], self.good.get(name, ABSENT), passed)):
                    stages += [[]] * (place == len(stages))
                    stages[place] = stages[place] + [_changed(members, name, value) for value in offered]
        yield from stages


def _changed(members: Members, name: str, value: Any) -> Members:
    changed = {**members, name: value}
    if value is ABSENT:
        del changed[name]
    return changed


def as_plain_as(label: Label, members: Members, good: Members) -> Members:
    """The payload with as many members of the good one as leave it the label."""
    for name in dict.fromkeys((*members, *good)):
        changed = _changed(members, name, good.get(name, ABSENT))
        if label.holds(encoded(changed, ascii_only=True)):
            members = changed
    return members


def without(members: Members, minimal: Members, good: Members) -> Members:
    """`members` without the fault of `minimal`, as far as its differences from `good` show it.

    If the payload then passes, it failed by that fault. Returns an equal payload if it does not have the fault.
    """
    for name in dict.fromkeys((*minimal, *good)):
        ill, well = minimal.get(name, ABSENT), good.get(name, ABSENT)
        if ill != well:
            members = _changed(members, name, to_the_good_side(members.get(name, ABSENT), ill, well))
    return members
