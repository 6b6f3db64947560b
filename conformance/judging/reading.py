"""The form of messages, their content and their ids, as the contract reads them.

FormResult  the violations of a message, by the requirements that they belong to
Content     a body as JSON, and the id that a notification carries
AlteredIds  the known ids that unknown ones mean

The schemas decide on the form. A message is validated once. A violation that no requirement names belongs to the
catch-all requirement of that message. A message passes only the requirements that it could have broken: an absent
member passes none.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Generic, Self, TypeVar
from urllib.parse import parse_qsl

from conformance.contract.contract import Contract
from conformance.contract.places import Message, SchemaPlace, answer_to, notified_of, places_of
from conformance.contract.requirements import ANSWER, ByPlace
from conformance.contract.schemas import Violation, value_at
from conformance.model.traffic import Request
from conformance.model.untrusted import parse_json, parse_with_repeats
from conformance.wire.ledger import request_id_of

# The most violations to read: a message may break its schema a million times.
MOST_VIOLATIONS = 50
# The most shapes of valid messages whose results are cached.
MOST_SHAPES = 1_000
# The most members or items, in one object or array, of a shape that may come again.
MOST_PARTS = 32
# An altered request_id must keep enough characters, 12 of an alphabet of 10 or more, to rule out chance. Similar ids
# of one length (counters) are never taken for altered ones.
RECOGNISABLE = 12
# The most characters that may be cut off an id, or added.
CUT = 4
# Longer ids are compared unchanged: ids in use have some thirty characters.
LONGEST = 1_000
# The pattern for a character other than white space.
NOT_BLANK = r"\S"

_NESTED = frozenset({dict, list})

Owner = TypeVar("Owner")


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
        at = (violation.pointer, violation.keyword)
        rule = next((p.rule for p in self.places if ByPlace((), (p.pointer,), (p.keyword,)).names(*at)), None)
        match violation.keyword:
            case "required":
                return f"{name} is missing"
            case "type":
                types = " or ".join([rule] if isinstance(rule, str) else rule or ["value of that type"])
                article = "a JSON" if not violation.pointer else "an" if types[0] in "aeiou" else "a"
                return f"{name} is not {article} {types}"
            case "minLength" if rule == 1:
                return f"{name} is empty"
            case "pattern" if rule == NOT_BLANK:
                return f"{name} is empty"
            case "const":
                return f"{name} is not {json.dumps(rule, ensure_ascii=False)}"
        return f"{name}: {violation.message}"


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


def _name(pointer: str) -> str:
    """The member at a pointer, with the number of the item in an array."""
    steps = pointer.split("/")[1:]
    last = max((place for place, step in enumerate(steps) if not step.isdigit()), default=0)
    return "/".join(steps[last:])


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


@dataclass(frozen=True, slots=True)
class Content:
    """A body read as JSON: its `value`, or the `error` in words. `members`: the value, if it is an object.

    `repeated`: the first name that an object repeats, if that is allowed. `in_query`: read from the query of a request
    without a body.
    """

    value: Any = None
    error: str | None = None
    members: Mapping[str, Any] | None = None
    repeated: str | None = None
    in_query: bool = False

    @classmethod
    def of(cls, body: bytes) -> Self:
        """Read `body`; raises nothing."""
        return cls._read(lambda: (parse_json(body), None))

    @classmethod
    def with_repeats(cls, body: bytes) -> Self:
        """Read the body of a gateway: of a repeated member the last value counts, as in most parsers."""
        return cls._read(lambda: parse_with_repeats(body))

    @classmethod
    def of_notification(cls, request: Request, contract: Contract) -> Self | None:
        """Read a request to a callback, from its body or its query; None if it has neither a body nor an id.

        Without a body and an id it only checks whether the callback exists. A query is an error under the method of a
        notification, which needs JSON; another method is an error in itself.
        """
        if request.body:
            return cls.with_repeats(request.body)
        query, id_member = request.url.partition("?")[2], contract.notification.id
        members = dict(parse_qsl(query, keep_blank_values=True, errors="replace")) if id_member in query else {}
        if id_member not in members:
            return None
        empty = request.method == contract.notification.method
        error = "it is empty, what it tells is in the query" if empty else None
        return cls(members, error, members, in_query=True)

    @classmethod
    def _read(cls, parse: Callable[[], tuple[Any, str | None]]) -> Self:
        try:
            value, repeated = parse()
        except (ValueError, RecursionError) as error:
            return cls(error=str(error) or type(error).__name__)
        return cls(value, None, value if isinstance(value, dict) else None, repeated)


def is_number(value: object) -> bool:
    """Whether a JSON value is a number; a boolean is not."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def carried_id(content: Content, body: bytes, contract: Contract) -> str | None:
    """The id of a notification as text, also if it has the wrong type, or if the body is only nearly JSON.

    For example JSON behind a byte order mark.
    """
    if content.error is not None and not content.in_query:
        return request_id_of(body, contract.notification.id)
    carried = (content.members or {}).get(contract.notification.id)
    if isinstance(carried, str):
        return carried if carried.strip() else None
    return str(carried) if is_number(carried) else None


def told_id(request: Request, contract: Contract) -> str | None:
    """The id in the body or the query of a request to a callback, by which the run knows an owed notification."""
    plainly = request_id_of(request.body, contract.notification.id)
    if plainly is not None:
        return plainly
    content = Content.of_notification(request, contract)
    return carried_id(content, request.body, contract) if content is not None else None


class AlteredIds(Generic[Owner]):
    """Finds the owner of the id that an unknown id evidently means: same letters, or a few cut off or added.

    `expected`: the ids that no notification has exactly, and their owners. `unknown`: the ids to find.
    """

    def __init__(self, expected: Iterable[tuple[str | None, Owner]], unknown: Iterable[str]) -> None:
        wanted = {_bare(request_id) for request_id in unknown}
        near = wanted.union(*map(_cuts, wanted))
        self._exactly: dict[str, Owner] = {}
        self._cut: dict[str, Owner] = {}
        for request_id, owner in expected if wanted else ():
            if request_id is None:
                continue
            bare = _bare(request_id)
            if bare in near:
                self._exactly.setdefault(bare, owner)
            for part in _cuts(bare):
                if part in wanted:
                    self._cut.setdefault(part, owner)

    def meant_by(self, request_id: str) -> Owner | None:
        """The owner of the id that one of the `unknown` ids means; None if there is none."""
        bare = _bare(request_id)
        found = self._exactly.get(bare) or self._cut.get(bare)
        return found or next((self._exactly[part] for part in _cuts(bare) if part in self._exactly), None)


def _cuts(bare: str) -> Iterator[str]:
    for length in range(1, CUT + 1):
        if RECOGNISABLE <= len(bare) - length < LONGEST:
            yield bare[:-length]
            yield bare[length:]


def _bare(request_id: str) -> str:
    """The letters and digits of an id, in lower case."""
    if len(request_id) > LONGEST:
        return request_id
    return "".join(character for character in request_id.casefold() if character.isalnum())
