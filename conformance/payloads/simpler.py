"""Payloads simpler than one that a gateway fails at, so that the simplest that it fails at can be found.

    plain_members   the plainest valid payload of a command
    as_plain_as     the plainest payload that counts as the same as another one
    Simpler         .candidates(members): simpler ones, in the order of simplicity; .told(…): what became of one
    without         a payload without what another one shows to be at fault

Simplicity is measured against a payload that went well, the `good` one: the fewer members differ from it the simpler,
then the smaller the difference: shorter and plainer texts, nearer numbers, plainer digits. Each candidate is proved to
count as what it was made from (`conformance.payloads.labels`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice, pairwise, zip_longest
from typing import Any, NamedTuple

from conformance.contract.command import Command
from conformance.contract.contract import Contract
from conformance.payloads.addressees import Constraints
from conformance.payloads.alphabets import UNSEEN
from conformance.payloads.labels import ABSENT, Label, Members, rules_of
from conformance.payloads.valid import encoded

# Nearest to this among those that every gateway takes.
PLAIN_AMOUNT = 10

# Where gateways count: the ends of one to three segments in GSM-7 and in UCS-2, and of the contract's messages.
TELLING_LENGTHS = (70, 71, 134, 135, 153, 154, 160, 161, 201, 202, 306, 307, 459, 460)
# Into how many parts a range is cut in each round: each round may have to wait for notifications, so rounds are dear,
# and any amount of the contract is found in four or five.
PARTS = 12
# Texts up to this length are looked at character by character.
SHORT = 24
# What a value of another type is replaced by.
SMALL_VALUES: tuple[Any, ...] = (True, 0, [], {})


class Measure(NamedTuple):
    """How far a value is from simple, the weightiest first."""

    size: int = -1
    strangeness: int = 0
    irregular: int = 0
    text: str = ""


Cost = tuple[int, tuple[Measure, ...]]


# --- Payloads


def plain_members(contract: Contract, command: Command, constraints: Constraints) -> dict[str, Any]:
    """The plainest payload that is valid: required members alone, each as plain as the given values allow."""
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
        return simplest_text()
    if "x-integer" in rule:
        return str(max(PLAIN_AMOUNT, rule["x-integer"]["minimum"]))
    value = str(members[name])
    for kept in range(len(value)):
        zeros = value[:kept] + "0" * (len(value) - kept)
        if value.isdigit() and not contract.schemas.violations(command.request_schema, {**members, name: zeros}):
            return zeros
    return value


@dataclass(slots=True)
class Simpler:
    """Offers payloads that are simpler than one with `label`, measured against the `good` one.

    `fixed`: members that may have no other values than those in use (registered names, given phone numbers).
    `ascii_only`: whether characters beyond ASCII are escaped, as they were in the payload that it begins with.
    `known`: members that were to blame elsewhere, which may be the same here.
    """

    label: Label
    good: Members
    fixed: frozenset[str]
    ascii_only: bool
    known: Sequence[Members] = ()
    _tried: set[bytes] = field(default_factory=set)
    _held: dict[tuple[str, ...], set[str]] = field(default_factory=dict)

    def body(self, members: Members) -> bytes:
        """The members as bytes."""
        return encoded(members, ascii_only=self.ascii_only)

    def told(self, members: Members, *, held: bool) -> None:
        """What became of a candidate; where a value held, the search goes on beyond it."""
        self._tried.add(self.body(members))
        if held:
            for name in self.differing(members):
                self._held.setdefault(self._beside(members, name), set()).add(str(members.get(name)))

    def _beside(self, members: Members, name: str) -> tuple[str, ...]:
        """A member and those that differ beside it: where several matter together, one of them alone shows nothing."""
        return name, *sorted(self.differing(members))

    def differing(self, members: Members) -> list[str]:
        """The members in which a payload is not like the good one."""
        names = dict.fromkeys((*members, *self.good))
        return [name for name in names if members.get(name, ABSENT) != self.good.get(name, ABSENT)]

    def differences(self, members: Members) -> Members:
        """The same with their values; ABSENT for one that is left out."""
        return {name: members.get(name, ABSENT) for name in self.differing(members)}

    def cost(self, members: Members) -> Cost:
        """How far from simple; less is simpler."""
        names = sorted({*members, *self.good})
        each = tuple(cost(members.get(name, ABSENT), self.good.get(name, ABSENT)) for name in names)
        return len(self.differing(members)), each

    def candidates(self, members: Members, most: int) -> list[Members]:
        """At most `most` payloads simpler than `members`, the simplest first; none are left at a fixed point.

        What was to blame elsewhere is tried first, with which members matter; if there is nothing of that kind, with
        simpler values of each member alone, for mostly it is one. Then each value is made simpler.
        """
        below = self.cost(members)
        known = self._new(self._by_experience(members), below)
        offered = self._new(chain(known, self._by_member(members)), below)
        if offered and not known:
            offered = self._new(chain(offered, islice(self._alone(members), most - len(offered))), below)
        for stage in () if offered else self._by_value(members):
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

    def _by_experience(self, members: Members) -> Iterator[Members]:
        for known in self.known:
            # Whether it has in it what was to blame elsewhere: else a payload with that fails for another cause.
            sides = ((members.get(name, ABSENT), ill, self.good.get(name, ABSENT)) for name, ill in known.items())
            if all(to_the_good_side(value, ill, good) != value for value, ill, good in sides):
                changed = {**self.good, **known}
                yield {name: value for name, value in changed.items() if value is not ABSENT}

    def _by_member(self, members: Members) -> Iterator[Members]:
        differing = self.differing(members)
        if len(differing) > 1:
            for name in differing:
                yield self._alone_with(members, name)
        for name in differing:
            yield _changed(members, name, self.good.get(name, ABSENT))

    def _alone(self, members: Members) -> Iterator[Members]:
        """Simpler values of one member, with all others as they are in the good one: of each member in turn."""
        differing = self.differing(members)
        if len(differing) > 1:
            stages = [
                self._new(next(self._by_value(self._alone_with(members, name)), ()), self.cost(members))
                for name in differing
            ]
            yield from filter(None, chain.from_iterable(zip_longest(*stages)))

    def _alone_with(self, members: Members, name: str) -> Members:
        return _changed(self.good, name, members.get(name, ABSENT))

    def _by_value(self, members: Members) -> Iterator[list[Members]]:
        """The stages of all members that may be changed, side by side."""
        stages: list[list[Members]] = []
        for name in self.differing(members):
            if name in members and name not in self.fixed:
                held = self._held.get(self._beside(members, name), set())
                for place, offered in enumerate(values(members[name], self.good.get(name, ABSENT), held)):
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
    """`members` without what `minimal` has and `good` has not, as far as that can be told from the two.

    If the payload then goes well, what ails `minimal` is what ailed it, too. The same as `members` if it has nothing of
    that kind.
    """
    for name in dict.fromkeys((*minimal, *good)):
        ill, well = minimal.get(name, ABSENT), good.get(name, ABSENT)
        if ill != well:
            members = _changed(members, name, to_the_good_side(members.get(name, ABSENT), ill, well))
    return members


# --- Characters

# One of each rank, the simplest first: what texts are made of that are as simple as can be.
REPRESENTATIVES = ("a", "0", "!", "\n", "é", "中", "👋")
_PLAIN, _ALPHANUMERIC, _SIGN, _CONTROL, _TWO_BYTES, _BMP, _ASTRAL = range(len(REPRESENTATIVES))
_BY_BYTES = {2: _TWO_BYTES, 3: _BMP, 4: _ASTRAL}


def simplest_text() -> str:
    """The text that says nothing."""
    return REPRESENTATIVES[_PLAIN]


def rank(character: str) -> int:
    """How unusual a character is: its place in REPRESENTATIVES, where each kind has one."""
    if not character.isascii():
        return _BY_BYTES[len(character.encode("utf-8", "surrogatepass"))]
    if character == REPRESENTATIVES[_PLAIN]:
        return _PLAIN
    if character.isalnum():
        return _ALPHANUMERIC
    return _SIGN if character.isprintable() else _CONTROL


def _uniform(text: str) -> bool:
    return set(text) == {simplest_text()}


# --- Texts


def texts(value: str, good: Any, held: Collection[str]) -> Iterator[Iterator[str]]:
    """Shorter ones and plainer ones: by kind of character and by length, then part by part."""
    plain = simplest_text()
    if _uniform(value):
        # Lengths between the longest that held and this one; the first time, telling ones too.
        well = max((len(text) for text in held if _uniform(text) and len(text) < len(value)), default=0)
        ladder = (each for each in _ladder(len(value)) if each > well)
        yield (plain * length for length in (*ladder, *_between(well, len(value))))
    else:
        # What white space and marks are worth alone is not contract.
        for offered in (chain(_with_digits_of(value, good), _by_kind(value)), _part_by_part(value)):
            yield (text for text in offered if UNSEEN.issuperset(value) or not UNSEEN.issuperset(text))


def _with_digits_of(value: str, good: Any) -> Iterator[str]:
    """The digits of the good one with the signs of this one, which may be all that matters (`+254…`)."""
    signs = [character for character in value if not character.isdecimal()]
    if _digits_alone(good) and len(value) - len(signs) == len(good):
        rest = iter(good)
        yield "".join(next(rest) if character.isdecimal() else character for character in value)


def _by_kind(value: str) -> Iterator[str]:
    plain = simplest_text()
    first = {rank(character): character for character in reversed(value)}
    yield from map(_visible, first.values())
    yield from (plain * length for length in _ladder(len(value)))
    yield plain * len(value)
    for kind in first:
        yield "".join(plain if rank(character) == kind else character for character in value)
        yield _visible("".join(character for character in value if rank(character) == kind))


def _part_by_part(value: str) -> Iterator[str]:
    count = 2
    while count <= min(len(value), SHORT):  # halves, quarters …: each alone, and what is left without it
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
    """What cannot be seen has something beside it."""
    return simplest_text() + text if UNSEEN.issuperset(text) else text


def _ladder(length: int) -> list[int]:
    powers = (2**exponent for exponent in range(length.bit_length()))
    return sorted({each for each in (*powers, *TELLING_LENGTHS) if each < length})


def _between(low: int, high: int) -> list[int]:
    """Numbers that cut what lies between two others, neither included, into PARTS."""
    return sorted({low + (high - low) * part // PARTS for part in range(1, PARTS)} - {low, high})


def _text_cost(value: str, _good: Any) -> Measure:
    irregular = sum(character not in REPRESENTATIVES for character in value)
    return Measure(len(value), sum(map(rank, value)), irregular, value)


# --- Numbers


def numbers(value: str, good: str, held: Collection[str]) -> Iterator[Iterator[str]]:
    """Whole numbers between this one and the good one; beyond the nearest that held."""
    ill, near = int(value), int(good)
    for text in held:
        if text.isdigit() and min(near, ill) < int(text) < max(near, ill):
            near = int(text)
    neighbour = ill - 1 if near < ill else ill + 1
    yield (str(number) for number in (*_between(min(near, ill), max(near, ill)), neighbour))


def _number_cost(value: str, good: str) -> Measure:
    return Measure(abs(int(value) - int(good)), 0, 0, value)


# --- Digits in a row


def digits(value: str, good: str, _held: Collection[str]) -> Iterator[Iterator[str]]:
    """Fewer digits that are not those of the good one: one alone, those up to one, all but one; then lower digits."""
    differing = [index for index, digit in enumerate(value) if digit != good[index]]
    if len(differing) > 1:
        yield (good[:index] + value[index] + good[index + 1 :] for index in differing)
        yield (text for index in differing for text in (value[:index] + good[index:], good[:index] + value[index:]))
        yield (value[:index] + good[index] + value[index + 1 :] for index in differing)
    yield (value[:index] + str(lower) + value[index + 1 :] for index in differing for lower in range(int(value[index])))


def _digits_cost(value: str, good: str) -> Measure:
    return Measure(sum(a != b for a, b in zip(value, good, strict=True)), 0, 0, value)


# --- Anything else


def others(value: Any, _good: Any, _held: Collection[str]) -> Iterator[Iterator[Any]]:
    """The smallest values that JSON has."""
    yield (small for small in SMALL_VALUES if small is not value)


def _other_cost(value: Any, _good: Any) -> Measure:
    return Measure(len(repr(value)), 0, 0, repr(value))


# --- Which rule goes with which value


class Simplification(NamedTuple):
    """How values of a kind are made simpler, and how far they are from simple."""

    applies: Callable[[Any, Any], bool]
    values: Callable[[Any, Any, Collection[str]], Iterator[Iterator[Any]]]
    cost: Callable[[Any, Any], Measure]


def _digits_alone(value: Any) -> bool:
    return isinstance(value, str) and value.isascii() and value.isdigit()


# Longer ones are numbers of a telephone, not amounts; both are strings of digits.
LONGEST_AMOUNT = 7


def _is_number(value: Any, good: Any) -> bool:
    return _digits_alone(value) and _digits_alone(good) and max(len(value), len(good)) <= LONGEST_AMOUNT


def _is_row_of_digits(value: Any, good: Any) -> bool:
    return _digits_alone(value) and _digits_alone(good) and len(value) == len(good)


RULES: tuple[Simplification, ...] = (
    Simplification(_is_number, numbers, _number_cost),
    Simplification(_is_row_of_digits, digits, _digits_cost),
    Simplification(lambda value, _: isinstance(value, str), texts, _text_cost),
    Simplification(lambda *_: True, others, _other_cost),
)


def _rule(value: Any, good: Any) -> Simplification:
    return next(rule for rule in RULES if rule.applies(value, good))


def values(value: Any, good: Any, held: Collection[str]) -> list[list[Any]]:
    """Values that may be simpler than `value`, in stages: a later one is worth trying if none of those before will do.

    `held` are values, as text, that a gateway did well with.
    """
    return [list(stage) for stage in _rule(value, good).values(value, good, held)]


def cost(value: Any, good: Any) -> Measure:
    """How far `value` is from the good one; the good one itself is the simplest, then a member that is left out."""
    if value is ABSENT:
        return Measure() if good is ABSENT else Measure(0)
    return Measure() if value == good else _rule(value, good).cost(value, good)


def to_the_good_side(value: Any, ill: Any, good: Any) -> Any:
    """`value` without what makes `ill` differ from `good`: strange characters, too great a length or amount."""
    if ABSENT in (value, ill, good) or not all(isinstance(each, str) for each in (value, ill, good)):
        return good
    if _is_number(ill, good) and _digits_alone(value):
        edge = int(ill) - 1 if int(ill) > int(good) else int(ill) + 1
        beyond = int(value) >= int(ill) if int(ill) > int(good) else int(value) <= int(ill)
        return str(edge) if beyond else value
    if _is_row_of_digits(ill, good):
        # The digits that set it apart are those of the good one, if `value` has all of them.
        apart = [index for index, digit in enumerate(ill) if digit != good[index]]
        if not _is_row_of_digits(value, ill) or any(value[index] != ill[index] for index in apart):
            return value
        return "".join(good[index] if index in apart else digit for index, digit in enumerate(value))
    if _uniform(ill):
        return value[: max(1, len(ill) - 1)]
    strange = {rank(character) for character in ill} - {_PLAIN}
    # Beyond ASCII, what is wrong with a character of two bytes is most likely wrong with one of four.
    if min(strange, default=_PLAIN) >= _TWO_BYTES:
        strange = set(range(min(strange), _ASTRAL + 1))
    return "".join(simplest_text() if rank(character) in strange else character for character in value)
