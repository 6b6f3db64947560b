"""Values in the form of the examples that a contract gives of them.

Shape           texts like one example: ids, receipts
shape_of_ids    the shape of the ids of a contract, which its schema takes
success_reason  what an accepted request is answered in words
masked          a value with a part of it hidden where the example has asterisks
spelled         a time as the example spells one
retold          a text about one request, about another one
"""

from __future__ import annotations

import re
import string
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from random import Random
from typing import Any, Self

from conformance.contract.contract import Contract
from conformance.model.errors import UsageError

_CLASSES = (string.digits, string.ascii_uppercase, string.ascii_lowercase)
_MASK = "*"

# So many texts of a shape are tried before all of them count as valid.
TRIED = 50


@dataclass(frozen=True, slots=True)
class Shape:
    """Texts of one length: at each of `places` a character of `alphabet`, elsewhere those of `example`."""

    example: str
    alphabet: str
    places: tuple[int, ...]

    @classmethod
    def of(cls, example: str, classes: tuple[str, ...] = _CLASSES) -> Self:
        """What is of one of the `classes` is drawn, out of all classes that the example has characters of.

        They are in the order of their first characters, so that one seed draws the same of equal examples.
        """
        firsts = {first: one for one in classes if (first := _first(example, one)) is not None}
        alphabet = "".join(firsts[first] for first in sorted(firsts))
        return cls(example, alphabet, tuple(place for place, c in enumerate(example) if c in alphabet))

    def draw(self, random: Random) -> str:
        """Another text of the shape."""
        return self._filled(random.choices(self.alphabet, k=len(self.places)))

    def numbered(self, number: int) -> str:
        """The text of the shape that has the digits of `number` in its last places, and zeros before them."""
        return self._filled(list(f"{number:0{len(self.places)}}"))

    def _filled(self, drawn: list[str]) -> str:
        if len(drawn) == len(self.example):
            return "".join(drawn)
        text = list(self.example)
        for place, character in zip(self.places, drawn, strict=True):
            text[place] = character
        return "".join(text)


def _first(example: str, characters: str) -> int | None:
    return next((place for place, c in enumerate(example) if c in characters), None)


@cache
def shape_of_ids(contract: Contract) -> Shape:
    """The shape of a contract's ids: as its example has them, with as much drawn as its schema takes.

    Raises UsageError where the schema of an answer has no example, or takes nothing of the shape of its example.
    """
    member = contract.answer.id
    stated = contract.schemas.resolved("response.success").get("properties", {}).get(member, {})
    examples = [each for each in stated.get("examples", ()) if isinstance(each, str)]
    answer: Mapping[str, Any] = next(iter(contract.schemas.schema("response.success").get("examples", ())), {})
    # First whatever is a letter or a digit, and then, where some letters have to stay as they are, the digits alone.
    for classes in (_CLASSES, _CLASSES[:1]):
        for shape in (Shape.of(example, classes) for example in examples):
            trial = Random(0)
            drawn = (shape.draw(trial) for _ in range(TRIED))
            if shape.places and not any(_breaks(contract, {**answer, member: each}, member) for each in drawn):
                return shape
    raise UsageError(
        f"no ids can be made for {contract.source}: {member} has no example whose letters or digits may be others",
        f"give {member} `examples` in the schemas of the contract, such as an id that the gateway has given",
    )


def _breaks(contract: Contract, answer: Mapping[str, Any], member: str) -> bool:
    return any(v.pointer == f"/{member}" for v in contract.schemas.violations("response.success", answer))


def masked(value: str, example: str) -> str:
    """`value` itself, or where the example has asterisks as much of its beginning and end as that shows."""
    if _MASK not in example:
        return value
    first, last = example.index(_MASK), example.rindex(_MASK)
    shown = len(example) - last - 1
    return f"{value[:first]}{example[first : last + 1]}{value[len(value) - shown :]}"


def spelled(at: datetime, example: str) -> str:
    """`at` in the form of ISO 8601 that the example has: with a T or a blank, with an offset or without."""
    try:
        shown = datetime.fromisoformat(example)
    except ValueError:
        return example
    in_utc = example.endswith("Z")
    at = at.astimezone(UTC) if in_utc else at
    whole = at if shown.tzinfo and not in_utc else at.replace(tzinfo=None)
    return whole.isoformat(sep=example[len("YYYY-MM-DD")], timespec="seconds") + "Z" * in_utc


def retold(text: str, before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """A text that holds values of the request `before`, with those of the request `now` in their place."""
    values = {str(value): str(now.get(name, "")) for name, value in before.items() if str(value)}
    if not values:
        return text
    longest_first = sorted(values, key=len, reverse=True)
    pattern = "|".join(rf"(?<!\w){re.escape(value)}(?!\w)" for value in longest_first)
    return re.sub(pattern, lambda found: values[found[0]], text)


@cache
def success_reason(contract: Contract) -> str:
    """What an accepted request is answered in words: as in the example of such an answer."""
    stated = contract.schemas.resolved("response.success")
    roles = contract.answer
    examples = (*stated.get("examples", ()), {roles.reason: "Accepted"})
    return next(str(example[roles.reason]) for example in examples if roles.reason in example)
