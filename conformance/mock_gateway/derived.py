"""Faults that follow from how requirements are judged: nobody has to write them.

    derived     for a requirement, the changes that break it and nothing else; none where it takes code to break it

A requirement that is judged by the schemas is broken by a message that breaks them at its places: of what could be done
to the members there, the first that breaks this requirement and no other in the examples of the contract. One that is
judged by a probe is broken by a gateway that does not enforce what the probe tries; one that asks for no more than that
the gateway survive the probe, by one that does not.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from conformance.checks.form import answer_form, notice_form
from conformance.contract.behaviours import Change
from conformance.contract.contract import Contract
from conformance.contract.judging import (
    ACCEPTED,
    ANSWER,
    ERROR,
    FAILED,
    NOTIFICATION,
    SUCCEEDED,
    ByPlace,
    ByProbe,
    Expected,
)
from conformance.contract.places import places_of
from conformance.contract.requirements import Requirement
from conformance.mock_gateway.behaviour import Delivery, Moment, Reply
from conformance.mock_gateway.reshaping import reshaping
from conformance.traffic import Request

_WAIVED = frozenset({Expected.UNAUTHORIZED, Expected.REFUSED, Expected.REFUSED_AS_INVALID, Expected.NOT_ACCEPTED})

# What is hardly ever taken: for one keyword or another, one of these is out of bounds.
_VALUES: tuple[Any, ...] = ("", "~", 0, -1, 0.5, 10**9, [], {}, "~" * 10_000)

Actions = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class _Example:
    """A message that keeps the contract: an answer, or a notification of a `product`."""

    to: str
    command: str
    content: Any
    product: str | None = None

    def broken_by(self, contract: Contract, actions: Actions) -> frozenset[str]:
        """The requirements that fall with it when it is changed so."""
        moment = Moment(1, 1, _NO_REQUEST, self.command, None, None, "", 0.0, contract=contract)
        if self.product is None:
            reply: Reply = reshaping(actions)(Reply(200, (), self.content), moment)
            form = answer_form(contract, self.command, reply.content, accepted=self.to == ACCEPTED)
        else:
            delivery: Delivery = reshaping(actions)(Delivery(self.product, "", self.content), moment)
            told = delivery.content
            outcome = told.get(contract.notification.outcome) if isinstance(told, Mapping) else None
            form = notice_form(contract, self.command, told, outcome if isinstance(outcome, str) else None, typed=True)
        return frozenset(form.broken)


_NO_REQUEST = Request("POST", "", (), b"")


@cache
def derived(contract: Contract, requirement: Requirement) -> tuple[Change, ...]:
    """The changes that break a requirement and nothing else; empty where none follow from how it is judged."""
    judge = requirement.judge
    if isinstance(judge, ByProbe):
        if judge.expect in _WAIVED:
            return (Change.from_entry({"waive": list(judge.probes)}),)
        return (Change.from_entry({"crash": list(judge.probes)}),) if judge.expect is Expected.NO_CRASH else ()
    if isinstance(judge, ByPlace):
        return tuple(_breaking(contract, requirement, judge))
    return ()


def _breaking(contract: Contract, requirement: Requirement, judge: ByPlace) -> Iterator[Change]:
    for message in judge.messages:
        examples = [each for each in _examples(contract) if _is_of(contract, each, message)]
        for actions in _candidates(contract, judge, examples):
            broken = [each.broken_by(contract, actions) for each in examples if each.command in requirement.commands]
            if {requirement.id} == set().union(*broken):
                yield Change.from_entry({**_choosing(contract, message), **actions})
                break


@cache
def _examples(contract: Contract) -> tuple[_Example, ...]:
    return tuple(each for each in _all_examples(contract) if not each.broken_by(contract, {}))


def _all_examples(contract: Contract) -> Iterator[_Example]:
    schemas, roles = contract.schemas, contract.notification
    for command in contract.commands.values():
        own = f"{command.folder}/response"
        for content in schemas.schema(own if own in schemas else ACCEPTED).get("examples", ()):
            yield _Example(ACCEPTED, command.name, content)
        for content in schemas.schema(ERROR).get("examples", ()):
            yield _Example(ERROR, command.name, content)
        if command.product is not None:
            for content in schemas.schema(f"{command.folder}/{NOTIFICATION}").get("examples", ()):
                succeeded = content.get(roles.outcome) == roles.success
                yield _Example(SUCCEEDED if succeeded else FAILED, command.name, content, command.product)


def _is_of(contract: Contract, example: _Example, message: str) -> bool:
    if message in (ANSWER, NOTIFICATION):
        return example.to.startswith(f"{message}.")
    folder, _, kind = message.rpartition("/")
    if not folder:
        return example.to == message
    group = ACCEPTED if kind == ANSWER else kind
    return example.to.startswith(group) and contract.commands[example.command].folder == folder


def _choosing(contract: Contract, message: str) -> dict[str, Any]:
    """What chooses the messages of a group, or of a schema."""
    folder, _, kind = message.rpartition("/")
    if not folder:
        return {"to": message}
    command = next(command.name for command in contract.commands.values() if command.folder == folder)
    return {"to": ACCEPTED if kind == ANSWER else kind, "command": [command]}


def _candidates(contract: Contract, judge: ByPlace, examples: Iterable[_Example]) -> Iterator[Actions]:
    """What could be done to the members of the places that a requirement names, or that are left to it."""
    named = [(pointer, keyword) for pointer in judge.at for keyword in judge.keywords]
    for pointer, keyword in named or _places(contract, examples):
        yield from _against(pointer, keyword)


def _places(contract: Contract, examples: Iterable[_Example]) -> Iterator[tuple[str, str]]:
    names = dict.fromkeys(_schema_of(contract, example) for example in examples)
    for name in names:
        yield from ((place.pointer, place.keyword) for place in places_of(contract.schemas.resolved(name)))


def _schema_of(contract: Contract, example: _Example) -> str:
    folder = contract.commands[example.command].folder
    if example.product is not None:
        return f"{folder}/{NOTIFICATION}"
    own = f"{folder}/{ANSWER}"
    return own if example.to == ACCEPTED and own in contract.schemas else example.to


def _against(pointer: str, keyword: str) -> Iterator[Actions]:
    if keyword == "required":
        yield {"remove": pointer}
        return
    if not pointer:
        yield {"wrap": True}
        return
    if keyword == "type":
        yield from ({"retype": {pointer: kind}} for kind in ("array", "number", "string", "object"))
        return
    yield from ({"respell": {pointer: word}} for word in ("zero", "padded", "cut"))
    yield from ({"set": json.dumps({pointer: value})} for value in _VALUES)
