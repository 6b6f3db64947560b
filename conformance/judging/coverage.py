"""The classes of payloads that a run has exercised, counted on the bytes that were sent.

There are three kinds of classes: of `valid` values (by command and member), of `broken` payloads and bodies, which have
to be refused (by the violated keyword of a member, by the JSON defect of a body), and of `open` ones. The schemas and
`conformance.payloads` define the classes; a payload counts for every class that it is in, of whatever case it is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from conformance.contract.command import Command
from conformance.contract.contract import Contract
from conformance.judging.messages import Answer
from conformance.model.traffic import Case, Kind
from conformance.model.untrusted import json_object
from conformance.payloads import json_defects
from conformance.payloads.classes import Written, classes_of_members, outside

VALID, BROKEN, OPEN = "valid", "broken", "open"
LEFT_OUT, UNKNOWN = "left out", "unknown member"

# The keywords of a schema that a value can violate.
ASSERTIONS = (
    "type",
    "minLength",
    "maxLength",
    "pattern",
    "minimum",
    "maximum",
    "multipleOf",
    "x-integer",
    "x-characters",
)

# Kind, member (None: the body as a whole) and name of a class, without its command.
Label = tuple[str, str | None, str]


@dataclass(frozen=True, slots=True)
class Covered:
    """A class `name` of `member` (None: of the body) of a command; `accepted` of the `sent` cases were accepted."""

    kind: str
    command: str
    member: str | None
    name: str
    sent: int
    accepted: int


class Coverage:
    """Counts the payloads of each class that a run sent, and how many of them were accepted."""

    def __init__(self, contract: Contract) -> None:
        self._contract = contract
        self._sent: Counter[tuple[str, Label]] = Counter()
        self._accepted: Counter[tuple[str, Label]] = Counter()

    def count(self, command: str, labels: Iterable[Label], *, accepted: bool) -> None:
        """Count a payload that is in these classes."""
        for label in labels:
            self._sent[command, label] += 1
            self._accepted[command, label] += accepted

    def add(self, other: Coverage) -> None:
        """Count all that another one counted, of other answers."""
        self._sent.update(other._sent)
        self._accepted.update(other._accepted)

    def see(self, answer: Answer) -> None:
        """Count the payload of an answer; of several answers to a case the last counts."""
        if answer.final and not answer.exchange.unsent:
            labels = classes_of_case(answer.case, answer.exchange.request.body, self._contract)
            self.count(answer.command or "", labels, accepted=answer.accepted)

    def of(self, commands: Iterable[str]) -> tuple[Covered, ...]:
        """Every class of each of these commands that has a payload, in a fixed order."""
        covered = []
        for command in (self._contract.commands[name] for name in commands):
            for label in _labels(command.folder, self._contract) if command.method != "GET" else ():
                key = command.name, label
                covered.append(
                    Covered(label[0], command.name, label[1], label[2], self._sent[key], self._accepted[key])
                )
        return tuple(covered)


def classes_of_case(case: Case, body: bytes, contract: Contract) -> tuple[Label, ...]:
    """The classes that a case with this body is in, each once; none if it is not about its payload."""
    command = contract.commands.get(case.command or "")
    measure = MEASURES.get(case.kind)
    if command is None or command.method == "GET" or measure is None:
        return ()
    return tuple(dict.fromkeys(measure(command, body, contract)))


def classes_of_call(command: Command, body: bytes, contract: Contract) -> set[Label]:
    """The classes of the parameters of a call, which a lawful client sends as `body`."""
    return set(_valid(command, body, contract))


# --- The classes there are


@cache
def _labels(folder: str, contract: Contract) -> tuple[Label, ...]:
    return (
        *_valid_labels(folder, contract),
        *_broken_labels(folder, contract),
        *((BROKEN, None, name) for name in json_defects.REFUSED),
        *_open_labels(folder, contract),
        *((OPEN, None, name) for name in (UNKNOWN, *json_defects.OPEN)),
    )


def _valid_labels(folder: str, contract: Contract) -> Iterator[Label]:
    required = contract.schemas.resolved(f"{folder}/request")["required"]
    for member, classes in classes_of_members(contract, folder).items():
        yield from ((VALID, member, each.name) for each in classes)
        if member not in required:
            yield VALID, member, LEFT_OUT


def _broken_labels(folder: str, contract: Contract) -> Iterator[Label]:
    tolerated = contract.schemas.resolved(f"{folder}/request.tolerated")
    for member in tolerated["required"]:
        yield BROKEN, member, "required"
        yield from ((BROKEN, member, keyword) for keyword in ASSERTIONS if keyword in tolerated["properties"][member])
    for (member, _), label in _outside(folder, contract).items():
        yield label[0], member, label[2]


def _open_labels(folder: str, contract: Contract) -> Iterator[Label]:
    """The keywords of a member that the tolerated schema lacks, or has with another value."""
    names = (f"{folder}/request", f"{folder}/request.tolerated")
    strict, tolerated = (contract.schemas.resolved(name)["properties"] for name in names)
    for member, rule in strict.items():
        loose = [keyword for keyword in ASSERTIONS if rule.get(keyword) != tolerated[member].get(keyword)]
        yield from ((OPEN, member, keyword) for keyword in loose if keyword in rule)


@cache
def _outside(folder: str, contract: Contract) -> Mapping[tuple[str, str], Label]:
    """Member and value just outside of an amount's range → class: broken where the range is documented, else open."""
    return {
        (member, value): (BROKEN if rule["x-integer"].get("x-documented") else OPEN, member, name)
        for member, rule in contract.schemas.resolved(f"{folder}/request")["properties"].items()
        for name, value in outside(rule).items()
    }


# --- Measuring


def _valid(command: Command, body: bytes, contract: Contract) -> Iterator[Label]:
    members = json_object(body)
    if members is None:
        return
    for member, classes in classes_of_members(contract, command.folder).items():
        value = members.get(member)
        if isinstance(value, str):
            written = Written(value, body)
            yield from ((VALID, member, each.name) for each in classes if each.holds(written))
        elif member not in members:
            yield VALID, member, LEFT_OUT


def _broken(command: Command, body: bytes, contract: Contract) -> Iterator[Label]:
    members = json_object(body)
    if members is None:
        return
    for violation in contract.schemas.violations(f"{command.folder}/request.tolerated", members):
        yield BROKEN, violation.pointer[1:], violation.keyword
    yield from _just_outside(command, members, contract)


def _malformed(_command: Command, body: bytes, _: Contract) -> Iterator[Label]:
    yield from ((BROKEN, None, name) for name in json_defects.defects_of(body) if name in json_defects.REFUSED)


def _open(command: Command, body: bytes, contract: Contract) -> Iterator[Label]:
    yield from ((OPEN, None, name) for name in json_defects.defects_of(body))
    members = json_object(body) if len(body) < json_defects.HUGE else None
    if members is None:
        return
    for violation in contract.schemas.violations(f"{command.folder}/request", members):
        known = violation.keyword != "additionalProperties"
        yield (OPEN, violation.pointer[1:], violation.keyword) if known else (OPEN, None, UNKNOWN)
    yield from _just_outside(command, members, contract)


def _just_outside(command: Command, members: Mapping[str, Any], contract: Contract) -> Iterator[Label]:
    for (member, value), label in _outside(command.folder, contract).items():
        if members.get(member) == value:
            yield label


MEASURES: Mapping[Kind, Callable[[Command, bytes, Contract], Iterator[Label]]] = {
    Kind.VALID: _valid,
    Kind.HEADERS: _valid,
    Kind.BROKEN: _broken,
    Kind.MALFORMED: _malformed,
    Kind.OPEN: _open,
}
"""Kind of a case → the function that finds its classes. A case that is not about its payload exercises no class."""
