"""The classes of values that a campaign has to have sent: data, made from what a schema says of a member.

    Written                 a value as it was sent: the text, and the body that it stood in
    ValueClass              a class: its name, whether a value is in it, and how one is made
    classes_of(rule)        those of a string member, by its schema
    classes_of_members      those of each member of a command's request

Every string has a shortest and a longest value, a pattern its variants (`conformance.payloads.patterns`), an amount
its boundaries, and a text what `conformance.payloads.text_classes` tells. Whether a class was exercised is measured
on the bytes that went out (`conformance.judging.coverage`), whatever they were made for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from random import Random
from typing import Any

from conformance.contract.contract import Contract
from conformance.model import ecma
from conformance.model.errors import SuiteError
from conformance.payloads.patterns import Alternatives, matching, parsed, variants, written
from conformance.payloads.text_classes import ValueClass, Written, text_classes

__all__ = ["BOUNDARIES", "OUTSIDE", "ValueClass", "Written", "classes_of", "classes_of_members", "outside"]

Schema = Mapping[str, Any]

# Values at the ends of an amount's range and just outside: what the class is called, which end, how far from it.
BOUNDARIES = (
    ("minimum", "minimum", 0),
    ("minimum + 1", "minimum", 1),
    ("maximum - 1", "maximum", -1),
    ("maximum", "maximum", 0),
)
OUTSIDE = (("minimum - 1", "minimum", -1), ("maximum + 1", "maximum", 1))

# A random match that has to be of one length is looked for among so many; the patterns of the schemas need a few dozen.
MOST_TRIES = 10_000


@cache
def classes_of_members(contract: Contract, folder: str) -> Mapping[str, tuple[ValueClass, ...]]:
    """The classes of each member that the strict request schema in `folder` knows."""
    properties = contract.schemas.resolved(f"{folder}/request").get("properties", {})
    return {member: classes_of(rule) for member, rule in properties.items()}


def classes_of(rule: Schema) -> tuple[ValueClass, ...]:
    """The classes of a string member with that schema; each is met by some value that the schema takes."""
    if "x-characters" in rule:
        return text_classes(max(1, rule.get("minLength", 1)), rule.get("maxLength"))
    if "pattern" in rule:
        return (*_of_pattern(parsed(rule["pattern"]), rule.get("maxLength")), *_boundaries(rule))
    return ()


def _boundaries(rule: Schema) -> Iterator[ValueClass]:
    if bounds := rule.get("x-integer"):
        yield from (_exactly(name, str(bounds[end] + distance)) for name, end, distance in BOUNDARIES)


def outside(rule: Schema) -> dict[str, str]:
    """The values just outside of an amount's range, by the names of their classes; none for what is no amount."""
    bounds = rule.get("x-integer")
    return {name: str(bounds[end] + distance) for name, end, distance in OUTSIDE} if bounds else {}


def _exactly(name: str, value: str) -> ValueClass:
    return ValueClass(name, lambda sent: sent.text == value, lambda _: value)


def _of_pattern(tree: Alternatives, most: int | None) -> Iterator[ValueClass]:
    lengths = [length for length in (tree.longest, most) if length is not None]
    longest = min(lengths) if lengths else None
    yield _of_length("shortest", tree, tree.shortest)
    if longest is not None:
        yield _of_length("longest", tree, longest)
    several = variants(tree)
    if len(several) > 1:
        yield from (_variant(variant, longest) for variant in several)


def _of_length(name: str, tree: Alternatives, length: int) -> ValueClass:
    def make(chance: Random) -> str:
        for _ in range(MOST_TRIES):
            if len(text := _match(tree, length, chance)) == length:
                return text
        raise SuiteError(f"no match of {written(tree)!r} with {length} characters is found")

    return ValueClass(name, lambda sent: len(sent.text) == length, make)


def _variant(tree: Alternatives, longest: int | None) -> ValueClass:
    source = written(tree)
    expression = ecma.compiled(f"^{source}$")
    return ValueClass(
        f"pattern {source}",
        lambda sent: expression.search(sent.text) is not None,
        lambda chance: _match(tree, longest, chance),
    )


def _match(tree: Alternatives, longest: int | None, chance: Random) -> str:
    return matching(tree, longest, iter(lambda: chance.getrandbits(32), None))
