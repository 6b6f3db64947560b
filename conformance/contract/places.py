"""The places of schemas, each a keyword at a pointer, and the requirements that judge them in each kind of message.

places_of       the places of a schema
Message         one kind of message, and the requirements that judge a place of it
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from conformance.contract.command import Command
from conformance.contract.requirements import (
    ACCEPTED,
    ANSWER,
    ERROR,
    FAILED,
    NOTIFICATION,
    SUCCEEDED,
    Actor,
    ByPlace,
    Catalogue,
)
from conformance.contract.schemas import ContractValidator, SchemaSet, compiled

# Keywords that lead to places, and those that do not restrict the value.
_LEADING = frozenset({"properties", "items", "allOf", "if", "then", "else"})
_SAYING_NOTHING = frozenset({"title", "description", "examples", "$comment"})
# The types that keywords about members or items judge; all others judge a value of any type.
_HOLDER: Mapping[str, type] = {
    **dict.fromkeys(("required", "additionalProperties", "propertyNames", "minProperties", "maxProperties"), dict),
    **dict.fromkeys(("minItems", "maxItems", "uniqueItems", "contains"), list),
}

Step = str | frozenset[str]  # down to a member, or to any member or item except these


@dataclass(frozen=True, slots=True)
class Condition:
    """The `if` of a schema: whether the value at `steps` has to meet it, or not."""

    steps: tuple[Step, ...]
    asked: Callable[[Any], bool]
    holds: bool

    def met_by(self, message: Any) -> bool:
        """Whether this message meets the condition."""
        return any(self.asked(value) is self.holds for value in _reached(message, self.steps))


@dataclass(frozen=True, slots=True)
class SchemaPlace:
    """A keyword of a schema at `pointer`, where `*` is any item or member; `rule` is its value.

    For `required` the pointer is that of one member, and `rule` its name. `steps` lead to the judged value.
    """

    pointer: str
    keyword: str
    rule: Any
    steps: tuple[Step, ...]
    conditions: tuple[Condition, ...] = ()

    def had_occasion(self, message: Any) -> bool:
        """Whether the message could break it: it has a value for this keyword, and meets the conditions."""
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
    others = (*steps, frozenset(schema.get("properties", ())))
    yield from _places(schema.get("additionalProperties"), f"{pointer}/*", others)
    yield from _places(schema.get("items"), f"{pointer}/*", (*steps, frozenset()))
    for each in schema.get("allOf", ()):
        yield from _places(each, pointer, steps)
    if "if" in schema:
        yield from _conditional(schema, pointer, steps)


def _conditional(schema: Mapping[str, Any], pointer: str, steps: tuple[Step, ...]) -> Iterator[SchemaPlace]:
    asked = compiled(schema["if"]) or ContractValidator(schema["if"]).is_valid
    for keyword, holds in (("then", True), ("else", False)):
        condition = Condition(steps, asked, holds)
        for place in _places(schema.get(keyword), pointer, steps):
            yield replace(place, conditions=(condition, *place.conditions))


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


@dataclass(frozen=True, slots=True)
class Message:
    """One kind of message that is judged under `command`: its schema, and the groups that it belongs to."""

    command: str | None
    schema: str
    groups: tuple[str, ...]

    def owners(self, catalogue: Catalogue, pointer: str, keyword: str) -> tuple[str, ...]:
        """The ids of the requirements that judge this keyword there: those that name it, else those for the rest.

        None for a place judged by the outcome, in a notification without one.
        """
        judges = [
            (each.id, each.judge)
            for each in catalogue.requirements
            if each.actor is Actor.GATEWAY and isinstance(each.judge, ByPlace) and self.command in each.commands
        ]
        own = {*self.groups, self.schema}
        mine = [(id_, judge) for id_, judge in judges if not own.isdisjoint(judge.messages)]
        if naming := tuple(id_ for id_, judge in mine if judge.names(pointer, keyword)):
            return naming
        by_outcome = (judge for _, judge in judges if not {SUCCEEDED, FAILED}.isdisjoint(judge.messages))
        if NOTIFICATION in self.groups and any(judge.names(pointer, keyword) for judge in by_outcome):
            return ()
        return tuple(id_ for id_, judge in mine if judge.takes_the_rest)


def answer_to(command: Command | None, schemas: SchemaSet, *, accepted: bool) -> Message:
    """The answer to an accepted request of a command, or to a refused one; None: an unknown command."""
    group, own = (ACCEPTED, ANSWER) if accepted else (ERROR, ERROR)
    if command is None:
        return Message(None, group, (ANSWER, group))
    schema = f"{command.folder}/{own}"
    return Message(command.name, schema if schema in schemas else group, (ANSWER, group))


def notified_of(command: str, product: str, schemas: SchemaSet, *, succeeded: bool | None) -> Message | None:
    """The notification of a product, judged under `command`; `succeeded`: None if it has no outcome."""
    schema = f"{product}/{NOTIFICATION}"
    if schema not in schemas:
        return None
    outcomes = {True: (SUCCEEDED,), False: (FAILED,), None: ()}[succeeded]
    return Message(command, schema, (NOTIFICATION, *outcomes))


def without_idle(catalogue: Catalogue, commands: Mapping[str, Command], schemas: SchemaSet) -> Catalogue:
    """The catalogue, with requirements for the rest only for those commands that leave a rest."""
    left = {
        (owner, name)
        for name, command in commands.items()
        for message in messages_of(command, schemas)
        for place in places_of(schemas.resolved(message.schema))
        for owner in message.owners(catalogue, place.pointer, place.keyword)
    }
    return Catalogue(
        tuple(
            replace(each, commands=tuple(name for name in each.commands if (each.id, name) in left))
            if isinstance(each.judge, ByPlace) and each.judge.takes_the_rest and each.actor is Actor.GATEWAY
            else each
            for each in catalogue.requirements
        ),
        catalogue.digest,
    )


def messages_of(command: Command, schemas: SchemaSet) -> Iterator[Message]:
    """The kinds of messages that are judged under a command."""
    yield from (answer_to(command, schemas, accepted=accepted) for accepted in (True, False))
    if command.product is not None:
        messages = (notified_of(command.name, command.product, schemas, succeeded=it) for it in (True, False))
        yield from filter(None, messages)
