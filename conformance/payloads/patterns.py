"""Strings that match a pattern of the schemas, made from random numbers.

The parser knows the syntax of the schemas' request patterns: `^…$` around characters, classes of characters and ranges,
groups, alternatives and quantifiers. Hypothesis' `from_regex` knows all of it, but reads the Unicode tables of the
running Python, caches them in a folder, and takes five times as long.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import chain, groupby, product
from typing import ClassVar

from conformance.model.errors import SuiteError, UnknownKeyword

# The most repetitions where neither the pattern nor a maxLength bounds them: enough to see that it repeats.
OPEN_REPETITIONS = 16

# Up to so many choices or lengths are a variant each (operator ranges, digits of a short code); more of them are one
# class of characters, or one span of lengths, with nothing special inside.
FEW = 4


@dataclass(frozen=True, slots=True)
class Characters:
    """One character out of several; `choices` holds each of them once."""

    choices: str
    shortest: ClassVar[int] = 1
    longest: ClassVar[int | None] = 1


@dataclass(frozen=True, slots=True)
class Repeated:
    """An item from `least` to `most` times (None: as often as there is room)."""

    item: Characters | Alternatives
    least: int
    most: int | None

    @property
    def shortest(self) -> int:
        """The length of the shortest match."""
        return self.least * self.item.shortest

    @property
    def longest(self) -> int | None:
        """The length of the longest match; None if there is none."""
        each = self.item.longest
        return None if self.most is None or each is None else self.most * each


Sequence = tuple[Repeated, ...]


@dataclass(frozen=True, slots=True)
class Alternatives:
    """One of several sequences."""

    sequences: tuple[Sequence, ...]

    @property
    def shortest(self) -> int:
        """The length of the shortest match."""
        return min(map(_shortest, self.sequences))

    @property
    def longest(self) -> int | None:
        """The length of the longest match; None if there is none."""
        lengths = [[piece.longest for piece in sequence] for sequence in self.sequences]
        known = [[length for length in several if length is not None] for several in lengths]
        return None if known != lengths else max(map(sum, known))


def _shortest(sequence: Sequence) -> int:
    return sum(repeated.shortest for repeated in sequence)


# --- Reading


_CLASS = re.compile(r"\[((?:[A-Za-z0-9 ]-[A-Za-z0-9]|[A-Za-z0-9 _.])+)\]")
_LITERAL = re.compile(r"[A-Za-z0-9 _@#%&=:;,<>/-]|\\[.+*?()\[\]{}|^$\\/-]")
_QUANTIFIER = re.compile(r"\{([0-9]+)(,?)([0-9]*)\}|([?*+])")
_SIGNS = {"?": (0, 1), "*": (0, None), "+": (1, None)}


@cache
def parsed(pattern: str) -> Alternatives:
    """The pattern as a tree.

    Raises UnknownKeyword if it is not anchored at both ends or has an unknown part: a wrong guess would mislabel
    payloads.
    """
    if not (pattern.startswith("^") and pattern.endswith("$")):
        raise UnknownKeyword(f"the pattern {pattern!r} is not anchored at both ends", hint="write it as ^…$")
    body = pattern[1:-1]
    tree, end = _alternatives(body, 0)
    if end != len(body):
        raise _refusal(body, end)
    if len(tree.sequences) > 1:
        raise UnknownKeyword(
            f"the pattern {pattern!r} anchors only the outer ones of its alternatives", hint="write it as ^(…|…)$"
        )
    return tree


def _refusal(body: str, place: int) -> UnknownKeyword:
    return UnknownKeyword(
        f"the pattern {body!r} has at {body[place:]!r} what generation does not know",
        hint="use characters, classes, groups, alternatives and quantifiers, or extend conformance.payloads.patterns",
    )


def _alternatives(body: str, place: int) -> tuple[Alternatives, int]:
    sequences: list[Sequence] = []
    while True:
        sequence, place = _sequence(body, place)
        sequences.append(sequence)
        if place == len(body) or body[place] != "|":
            return Alternatives(tuple(sequences)), place
        place += 1


def _sequence(body: str, place: int) -> tuple[Sequence, int]:
    pieces: list[Repeated] = []
    while place < len(body) and body[place] not in "|)":
        item, place = _item(body, place)
        least, most, place = _quantity(body, place)
        pieces.append(Repeated(item, least, most))
    return tuple(pieces), place


def _item(body: str, place: int) -> tuple[Characters | Alternatives, int]:
    if body[place] == "(":
        group, end = _alternatives(body, place + 1)
        if body[end : end + 1] != ")":
            raise _refusal(body, place)
        return group, end + 1
    if found := _CLASS.match(body, place):
        return Characters(_members(found[1])), found.end()
    if found := _LITERAL.match(body, place):
        return Characters(found[0][-1]), found.end()
    raise _refusal(body, place)


def _members(content: str) -> str:
    ranges = re.findall(r"(.)-(.)|(.)", content)
    points = [range(ord(low or one), ord(high or one) + 1) for low, high, one in ranges]
    return "".join(dict.fromkeys(chr(point) for several in points for point in several))


def _quantity(body: str, place: int) -> tuple[int, int | None, int]:
    found = _QUANTIFIER.match(body, place)
    if not found:
        return 1, 1, place
    if found[4]:
        return *_SIGNS[found[4]], found.end()
    least = int(found[1])
    most = int(found[3]) if found[3] else None if found[2] else least
    return least, most, found.end()


# --- Making


def matching(tree: Alternatives, longest: int | None, numbers: Iterator[int]) -> str:
    """A string that matches, of at most `longest` characters (None: a few more than the shortest has).

    Each choice takes one of `numbers` (of 32 bits; zeros make the simplest string). Raises SuiteError if every match is
    longer.
    """
    room = tree.shortest + OPEN_REPETITIONS if longest is None else longest
    if tree.shortest > room:
        raise SuiteError(f"no match of the pattern has {longest} characters or fewer")
    return _made(tree, room, numbers)


def _made(tree: Alternatives, room: int, numbers: Iterator[int]) -> str:
    fitting = [sequence for sequence in tree.sequences if _shortest(sequence) <= room]
    sequence = fitting[_below(len(fitting), numbers)]
    owed = _shortest(sequence)
    made = ""
    for piece in sequence:
        owed -= piece.shortest
        made += _repetitions(piece, room - owed - len(made), numbers)
    return made


def _repetitions(piece: Repeated, room: int, numbers: Iterator[int]) -> str:
    most = room // max(1, piece.item.shortest)
    if piece.most is not None:
        most = min(most, piece.most)
    made = ""
    for left in range(piece.least + _below(most - piece.least + 1, numbers), 0, -1):
        if isinstance(piece.item, Characters):
            made += piece.item.choices[_below(len(piece.item.choices), numbers)]
        else:
            made += _made(piece.item, room - len(made) - (left - 1) * piece.item.shortest, numbers)
    return made


def _below(limit: int, numbers: Iterator[int]) -> int:
    return next(numbers, 0) % limit if limit > 1 else 0


# --- Telling apart


def variants(tree: Alternatives) -> tuple[Alternatives, ...]:
    """Trees that together match the same strings as `tree`, and differ in more than a character.

    One for each alternative, for each of a few characters at one place, for each of a few lengths, and two for an
    optional part.
    """
    return tuple(Alternatives((sequence,)) for whole in tree.sequences for sequence in _variants(whole))


def _variants(sequence: Sequence) -> list[Sequence]:
    return [tuple(chain.from_iterable(pieces)) for pieces in product(*map(_ways, sequence))]


def _ways(piece: Repeated) -> list[Sequence]:
    item, least, most = piece.item, piece.least, piece.most
    if least == most == 1 and isinstance(item, Alternatives):
        return [variant for sequence in item.sequences for variant in _variants(sequence)]
    if least == most == 1 and isinstance(item, Characters) and len(item.choices) <= FEW:
        return [(Repeated(Characters(choice), 1, 1),) for choice in item.choices]
    if most is not None and 0 < most - least < FEW:
        return [(Repeated(item, count, count),) if count else () for count in range(least, most + 1)]
    return [(), (Repeated(item, 1, most),)] if least == 0 else [(piece,)]


def written(tree: Alternatives) -> str:
    """The pattern that `tree` was read from, without its anchors; equal in meaning, not in every character."""
    return "|".join("".join(map(_written, sequence)) for sequence in tree.sequences)


def _written(piece: Repeated) -> str:
    item, counts = piece.item, (piece.least, piece.most)
    text = f"({written(item)})" if isinstance(item, Alternatives) else _written_characters(item.choices)
    sign = next((sign for sign, meant in _SIGNS.items() if meant == counts), None)
    if counts == (1, 1):
        return text
    if sign or piece.least == piece.most:
        return text + (sign or f"{{{piece.least}}}")
    return f"{text}{{{piece.least},{'' if piece.most is None else piece.most}}}"


def _written_characters(choices: str) -> str:
    if len(choices) == 1:
        return re.escape(choices) if re.fullmatch(r"[.+*?()\[\]{}|^$\\]", choices) else choices
    # Neighbours have the same distance between code point and place.
    placed = groupby(enumerate(choices), key=lambda pair: ord(pair[1]) - pair[0])
    runs = ["".join(choice for _, choice in run) for _, run in placed]
    return "[" + "".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else run for run in runs) + "]"
