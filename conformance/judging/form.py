"""The form of messages: the schemas decide, and each violation belongs to the requirement that names its place.

A message is validated once. A violation that no requirement names belongs to the catch-all requirement of that message.
A message passes only the requirements that it could have broken: an absent member passes none.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from conformance.contract.contract import Contract
from conformance.contract.requirements import (
    ANSWER,
    ByPlace,
    Message,
    SchemaPlace,
    answer_to,
    notified_of,
    places_of,
)
from conformance.contract.schemas import Violation, value_at

# The most violations to read: a message may break its schema a million times.
MOST_VIOLATIONS = 50
# The most shapes of valid messages whose results are cached.
MOST_SHAPES = 1_000
# The most members or items, in one object or array, of a shape that may come again.
MOST_PARTS = 32


@dataclass(frozen=True, slots=True)
class Breach:
    """A violation of a schema by a message: in words, with the place and its value."""

    words: str
    pointer: str
    value: Any


@dataclass(frozen=True, slots=True)
class FormResult:
    """The requirements that a message could have broken (`occasions`), and how it broke some of them."""

    occasions: frozenset[str]
    broken: Mapping[str, tuple[Breach, ...]] = field(default_factory=dict)


NOTHING = FormResult(frozenset())


class _Rulebook:
    """One kind of message of one command: its schema, and the requirements of each place."""

    def __init__(self, contract: Contract, message: Message) -> None:
        self._schemas, self._catalogue, self._message = contract.schemas, contract.catalogue, message
        self._called = "the answer" if ANSWER in message.groups else "the notification"
        self.places = places_of(contract.schemas.resolved(message.schema))
        self._of: dict[str, list[SchemaPlace]] = {}
        for place in self.places:
            for owner in message.owners(contract.catalogue, place.pointer, place.keyword):
                self._of.setdefault(owner, []).append(place)
        self._conditions = tuple(dict.fromkeys(c for place in self.places for c in place.conditions))
        self._shapes: dict[Any, FormResult] = {}

    def result(self, message: Any, *, typed: bool = True) -> FormResult:
        """Validate a message; unless it is `typed`, all its values are text, and types are not judged."""
        if not self._schemas.takes(self._message.schema, message):
            return FormResult(self._occasions(message), self._broken(message, typed=typed))
        shape = _shape(message, MOST_PARTS)
        if shape is None:
            return FormResult(self._occasions(message))
        key = (shape, *(each.met_by(message) for each in self._conditions)) if self._conditions else shape
        known = self._shapes.get(key)
        if known is None:
            if len(self._shapes) >= MOST_SHAPES:
                self._shapes.clear()
            known = self._shapes[key] = FormResult(self._occasions(message))
        return known

    def _occasions(self, message: Any) -> frozenset[str]:
        of = self._of.items()
        return frozenset(id_ for id_, places in of if any(place.had_occasion(message) for place in places))

    def _broken(self, message: Any, *, typed: bool) -> Mapping[str, tuple[Breach, ...]]:
        broken: dict[str, list[Breach]] = {}
        for violation in self.violations(message):
            if violation.keyword == "type" and not typed:
                continue
            breach = self.breach(violation, message)
            for owner in self._message.owners(self._catalogue, violation.pointer, violation.keyword):
                broken.setdefault(owner, []).append(breach)
        return {id_: tuple({each.words: each for each in breaches}.values()) for id_, breaches in broken.items()}

    def violations(self, message: Any) -> list[Violation]:
        """The violations of a message; for a value of the wrong type, only that one."""
        found = self._schemas.violations(self._message.schema, message, MOST_VIOLATIONS)
        mistyped = {each.pointer for each in found if each.keyword == "type"}
        return [each for each in found if each.keyword == "type" or each.pointer not in mistyped]

    def breach(self, violation: Violation, message: Any) -> Breach:
        """A violation in words; a missing member is located at the object that lacks it."""
        missing = violation.keyword == "required"
        pointer = violation.pointer.rpartition("/")[0] if missing else violation.pointer
        return Breach(self._words(violation), pointer, value_at(message, pointer))

    def _words(self, violation: Violation) -> str:
        name = _name(violation.pointer) or self._called
        place = next((p for p in self.places if _is_at(p, violation)), None)
        rule = None if place is None else place.rule
        match violation.keyword:
            case "required":
                return f"{name} is missing"
            case "type":
                kinds = " or ".join([rule] if isinstance(rule, str) else rule or ["such value"])
                return f"{name} is no {f'JSON {kinds}' if not violation.pointer else kinds}"
            case "minLength" if rule == 1:
                return f"{name} is empty"
            case "pattern" if rule == NOT_BLANK:
                return f"{name} is empty"
            case "const":
                return f"{name} is not {json.dumps(rule, ensure_ascii=False)}"
        return f"{name}: {violation.message}"


_NESTED = frozenset({dict, list})


def _shape(value: Any, most: int) -> Any:
    """Equal for messages with the same members of the same types; None for one with too many."""
    if type(value) is dict:
        if len(value) > most:
            return None
        kinds = tuple(map(type, value.values()))
        if _NESTED.isdisjoint(kinds):
            return (*value, *kinds)
        shapes = [_shape(each, most // 2) for each in value.values()]
        return None if None in shapes else (*value, *shapes)
    if type(value) is list:
        if len(value) > most:
            return None
        items = {_shape(each, most // 2) for each in value}
        return None if None in items else frozenset(items)
    return type(value)


# The pattern for a character other than white space.
NOT_BLANK = r"\S"


def _is_at(place: SchemaPlace, violation: Violation) -> bool:
    named = ByPlace((), (place.pointer,), (place.keyword,))
    return named.names(violation.pointer, violation.keyword)


def _name(pointer: str) -> str:
    """The member at a pointer, with the number of the item in an array."""
    steps = pointer.split("/")[1:]
    last = max((place for place, step in enumerate(steps) if not step.isdigit()), default=0)
    return "/".join(steps[last:])


# --- Which rulebook


def answer_form(contract: Contract, command: str | None, message: Any, *, accepted: bool) -> FormResult:
    """Validate the JSON of an answer to a request of the command; None: of no command."""
    return _of_answers(contract, command, accepted).result(message)


def notice_form(
    contract: Contract, command: str | None, message: Any, outcome: str | None, *, typed: bool
) -> FormResult:
    """Validate the members of a notification; `outcome`: of the transaction, if it has one.

    Unless it is `typed`, it comes in a query, and all values are text.
    """
    book = _of_notifications(contract, command, None if outcome is None else outcome == contract.notification.success)
    return NOTHING if book is None else book.result(message, typed=typed)


def envelope_problems(contract: Contract, command: str | None, message: Any, *, accepted: bool) -> list[str]:
    """The violations of its schema by the JSON of an answer, in words, without those for some kinds of requests."""
    book = _of_answers(contract, command, accepted)
    some = [r.judge for r in contract.catalogue.requirements if isinstance(r.judge, ByPlace) and r.judge.kinds]
    found = (v for v in book.violations(message) if not any(judge.names(v.pointer, v.keyword) for judge in some))
    return list(dict.fromkeys(book.breach(violation, message).words for violation in found))


@cache
def _of_answers(contract: Contract, command: str | None, accepted: bool) -> _Rulebook:  # noqa: FBT001 - a key
    known = contract.commands.get(command or "")
    return _Rulebook(contract, answer_to(known, contract.schemas, accepted=accepted))


@cache
def _of_notifications(contract: Contract, command: str | None, succeeded: bool | None) -> _Rulebook | None:  # noqa: FBT001
    product = contract.product_of(command)
    if command is None or product is None:
        return None
    message = notified_of(command, product, contract.schemas, succeeded=succeeded)
    return None if message is None else _Rulebook(contract, message)
