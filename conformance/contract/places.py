"""The places of a schema: every keyword that a message can break, and where.

SchemaPlace     a keyword at a pointer; whether a message had occasion to break it
places_of       those of a schema without references
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from conformance.contract.compiled import compiled
from conformance.contract.keywords import ContractValidator

# Keywords that lead to places rather than being one, and those that say nothing of the value.
_LEADING = frozenset({"properties", "items", "allOf", "if", "then", "else"})
_SAYING_NOTHING = frozenset({"title", "description", "examples", "$comment"})
# What has to be there for keywords that are about members or items; all others judge any value that is there.
_HOLDER: Mapping[str, type] = {
    **dict.fromkeys(("required", "additionalProperties", "propertyNames", "minProperties", "maxProperties"), dict),
    **dict.fromkeys(("minItems", "maxItems", "uniqueItems", "contains"), list),
}

# A step down: a member, or any but these: any item of an array has none to leave out.
Step = str | frozenset[str]
EACH: Step = frozenset()


@dataclass(frozen=True, slots=True)
class Condition:
    """A value on the way holds, or does not, what an `if` asks."""

    steps: tuple[Step, ...]
    asked: Callable[[Any], bool]
    holds: bool

    def met_by(self, message: Any) -> bool:
        """Whether it is so in this message."""
        return any(self.asked(value) is self.holds for value in _reached(message, self.steps))


@dataclass(frozen=True, slots=True)
class SchemaPlace:
    """A keyword of a schema at `pointer`, where `*` is any item or member; `rule` is what it says.

    For `required` the pointer is that of one member, and `rule` its name. `steps` lead to the value that is judged.
    """

    pointer: str
    keyword: str
    rule: Any
    steps: tuple[Step, ...]
    conditions: tuple[Condition, ...] = ()

    def had_occasion(self, message: Any) -> bool:
        """Whether the message could break it: what it judges is there.

        A value of another type than it is about counts too: that it has the wrong type is broken elsewhere.
        """
        holder = _HOLDER.get(self.keyword, object)
        there = any(isinstance(value, holder) for value in _reached(message, self.steps))
        return there and all(condition.met_by(message) for condition in self.conditions)


def places_of(schema: Mapping[str, Any]) -> tuple[SchemaPlace, ...]:
    """Every place of a schema without references, in its order."""
    return tuple(_places(schema, "", ()))


def _places(schema: Any, pointer: str, steps: tuple[Step, ...]) -> Iterator[SchemaPlace]:
    if not isinstance(schema, Mapping):
        return
    for keyword, rule in schema.items():
        if keyword == "required":
            yield from (SchemaPlace(_below(pointer, name), keyword, name, steps) for name in rule)
        elif keyword == "additionalProperties":
            if rule is False:
                yield SchemaPlace(f"{pointer}/*", keyword, rule, steps)
        elif keyword not in _LEADING | _SAYING_NOTHING:
            yield SchemaPlace(pointer, keyword, rule, steps)
    for name, rule in schema.get("properties", {}).items():
        yield from _places(rule, _below(pointer, name), (*steps, name))
    named = frozenset(schema.get("properties", ()))
    yield from _places(schema.get("additionalProperties"), f"{pointer}/*", (*steps, named))
    yield from _places(schema.get("items"), f"{pointer}/*", (*steps, EACH))
    for each in schema.get("allOf", ()):
        yield from _places(each, pointer, steps)
    if "if" in schema:
        yield from _conditional(schema, pointer, steps)


def _conditional(schema: Mapping[str, Any], pointer: str, steps: tuple[Step, ...]) -> Iterator[SchemaPlace]:
    asked = compiled(schema["if"]) or ContractValidator(schema["if"]).is_valid
    for keyword, holds in (("then", True), ("else", False)):
        yield from _under(_places(schema.get(keyword), pointer, steps), Condition(steps, asked, holds))


def _under(places: Iterable[SchemaPlace], condition: Condition) -> Iterator[SchemaPlace]:
    return (replace(place, conditions=(condition, *place.conditions)) for place in places)


def _below(pointer: str, name: str) -> str:
    return f"{pointer}/{name.replace('~', '~0').replace('/', '~1')}"


def _reached(value: Any, steps: tuple[Step, ...]) -> Iterator[Any]:
    if not steps:
        yield value
        return
    step, *further = steps
    rest = tuple(further)
    if isinstance(step, str):
        if isinstance(value, dict) and step in value:
            yield from _reached(value[step], rest)
    elif isinstance(value, dict):
        for name, each in value.items():
            if name not in step:
                yield from _reached(each, rest)
    elif isinstance(value, list):
        for each in value:
            yield from _reached(each, rest)


def value_at(message: Any, pointer: str) -> Any:
    """What is at `pointer` of a message; KeyError, IndexError or TypeError if nothing is."""
    value = message
    for step in pointer.split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        value = value[int(name)] if isinstance(value, list) else value[name]
    return value
