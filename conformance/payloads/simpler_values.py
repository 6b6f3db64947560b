"""Values of members that are simpler than a given one: shorter and plainer texts, nearer numbers, plainer digits.

    values              simpler values, by what a value looks like: `RULES` is the table
    cost                how far a value is from a good one; less is simpler
    to_the_good_side    a value without what sets an ill one apart from a good one

All pure. A value may break the member's schema: whoever sends it proves it first.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from itertools import chain, pairwise
from typing import Any, NamedTuple

from conformance.payloads.alphabets import UNSEEN
from conformance.payloads.labels import ABSENT

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
