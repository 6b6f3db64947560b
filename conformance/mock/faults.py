"""The named behaviours of a contract: seeded faults, which break requirements, and lawful variants, which break none.

Faults come from the rows of `behaviours.toml` that are not lawful, or are derived from a requirement:

- One that the schemas judge is broken by a message that violates them at its places. The fault is the first change of a
  member there that breaks this requirement and no other in the examples of the contract.
- One that a probe judges is broken by a gateway that waives the rule of the probe, or that crashes over it where the
  requirement is to survive.

`changed_by` makes an effect of the changes of a row. A change that counts or remembers begins anew for each behaviour
that it is applied to: its state is in the functions that it adds, never in a table. The gateway answers one request at
a time, so no lock is needed.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from random import Random
from types import MappingProxyType
from typing import Any

from conformance.contract.contract import Contract
from conformance.contract.places import Message, messages_of, notified_of, places_of
from conformance.contract.requirements import (
    ACCEPTED,
    ANSWER,
    FAILED,
    SUCCEEDED,
    Actor,
    ByPlace,
    ByProbe,
    Expected,
    Requirement,
)
from conformance.contract.tables import BehaviourRow, Change, Which
from conformance.mock.behaviour import Behaviour, Callback, Effect, Moment, Reply, remembering
from conformance.mock.changes import bare, choice, of_deliveries, of_replies
from conformance.mock.message_changes import holds, path_of, reshaping
from conformance.mock.rules import TAGS
from conformance.mock.stateful import WRITTEN
from conformance.model.errors import SuiteError
from conformance.model.traffic import Request


@dataclass(frozen=True, slots=True)
class NamedBehaviour:
    """A fault or a variant: a `change` of behaviours, and a `summary` of it in one line.

    `breaks`: the ids of exactly the requirements that it breaks. `under_load`: a `run` is too short to meet it.
    """

    name: str
    summary: str
    breaks: tuple[str, ...]
    change: Effect
    under_load: bool = False


@cache
def faults(contract: Contract) -> Mapping[str, NamedBehaviour]:
    """The faults of a contract by their names: the rows of its file in their order, then derived ones.

    A requirement that no row breaks alone has a derived fault called `breaks-` and its id, where one can be derived.
    Raises SuiteError for a row without changes whose requirement has no derived fault.
    """
    rows = [_of_row(contract, row) for row in contract.behaviours.rows if not row.lawful]
    alone = {each.breaks[0] for each in rows if len(each.breaks) == 1}
    others = (each for each in contract.catalogue.requirements if each.actor is Actor.GATEWAY and each.id not in alone)
    rows += [
        NamedBehaviour(f"breaks-{each.id.lower()}", f"Breaks {each.id}: {each.title}", (each.id,), changed_by(changes))
        for each in others
        if (changes := derived(contract, each))
    ]
    return MappingProxyType({each.name: each for each in rows})


def _of_row(contract: Contract, row: BehaviourRow) -> NamedBehaviour:
    changes = row.changes or derived(contract, contract.catalogue[row.breaks[0]])
    if not changes:
        raise SuiteError(
            f"the behaviour {row.name!r} has no changes, and none follow from how {row.breaks[0]} is judged",
            hint="give it changes = [{ … }]",
        )
    return NamedBehaviour(row.name, row.summary, row.breaks, changed_by(changes), row.under_load)


@cache
def variants(contract: Contract) -> Mapping[str, NamedBehaviour]:
    """The lawful variants of a contract by their names, in the order of its file."""
    rows = (row for row in contract.behaviours.rows if row.lawful)
    return MappingProxyType(
        {row.name: NamedBehaviour(row.name, row.summary, (), changed_by(row.changes), row.under_load) for row in rows}
    )


_WAIVED = frozenset({Expected.UNAUTHORIZED, Expected.REFUSED, Expected.REFUSED_AS_INVALID, Expected.NOT_ACCEPTED})

# Unlikely values: nearly every keyword forbids one of them.
_VALUES: tuple[Any, ...] = ("", "~", 0, -1, 0.5, 10**9, [], {}, "~" * 10_000)

Actions = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class _Example:
    """A message that keeps the contract, and its `kind`."""

    kind: Message
    content: Mapping[str, Any]

    def broken_by(self, contract: Contract, actions: Actions) -> frozenset[str]:
        """The requirements that it breaks after this change."""
        moment = Moment(1, 1, _NO_REQUEST, self.kind.command, None, None, "", 0.0, contract=contract)
        reshape, kind = reshaping(actions), self.kind
        if ANSWER in kind.groups:
            changed = reshape(Reply(200, (), self.content), moment).content
        else:
            changed = reshape(Callback("", "", self.content), moment).content
            kind = _notification(contract, kind, changed)
        found = contract.schemas.violations(kind.schema, changed)
        # A value of the wrong type counts for no other keyword.
        mistyped = {each.pointer for each in found if each.keyword == "type"}
        return frozenset(
            owner
            for each in found
            if each.keyword == "type" or each.pointer not in mistyped
            for owner in kind.owners(contract.catalogue, each.pointer, each.keyword)
        )


def _notification(contract: Contract, kind: Message, content: Any) -> Message:
    """The kind of a notification by its outcome."""
    outcome = content.get(contract.notification.outcome) if isinstance(content, Mapping) else None
    succeeded = outcome == contract.notification.success if isinstance(outcome, str) else None
    product = kind.schema.rpartition("/")[0]
    return notified_of(kind.command or "", product, contract.schemas, succeeded=succeeded) or kind


_NO_REQUEST = Request("POST", "", (), b"")


@cache
def derived(contract: Contract, requirement: Requirement) -> tuple[Change, ...]:
    """The changes that break a requirement and nothing else; empty where none can be derived."""
    judge = requirement.judge
    if isinstance(judge, ByPlace):
        return tuple(_breaking(contract, requirement, judge))
    probes = [probe for probe in judge.probes if probe in TAGS] if isinstance(judge, ByProbe) else []
    if not isinstance(judge, ByProbe) or not probes:
        return ()
    if judge.expect in _WAIVED:
        return (Change.from_entry({"waive": probes}),)
    if judge.expect is Expected.NO_CRASH:
        return (Change.from_entry({"crash": probes}),)
    if judge.expect is Expected.IN_ENVELOPE:
        return (Change.from_entry({"refused": probes, "page": True}),)
    return ()


def _breaking(contract: Contract, requirement: Requirement, judge: ByPlace) -> Iterator[Change]:
    for group in judge.messages:
        kinds = [each for each in _kinds(contract) if each.command in requirement.commands]
        examples = [
            example for each in kinds if group in (*each.groups, each.schema) for example in _examples(contract, each)
        ]
        # One message of each kind and set of members is enough.
        unlike = list({(each.kind, tuple(each.content)): each for each in examples}.values())
        actions = next((each for each in _tries(contract, requirement, unlike) if each), None)
        if actions is not None:
            yield Change.from_entry({**_choosing(contract, requirement, group), **actions})


def _tries(contract: Contract, requirement: Requirement, examples: list[_Example]) -> Iterator[Actions | None]:
    """Changes that break the requirement and no other, the mildest first; None for any other change."""
    tried: set[str] = set()
    for pointer, keyword in (place for each in examples for place in _owned(contract, each.kind, requirement.id)):
        everywhere = all(holds(each.content, path_of(contract, pointer, notified=False)) for each in examples)
        for actions in _against(pointer, keyword, everywhere=everywhere):
            if (named := json.dumps(actions)) in tried:
                continue
            tried.add(named)
            yield actions if _breaks_alone(contract, requirement, examples, actions) else None


def _breaks_alone(contract: Contract, requirement: Requirement, examples: Iterable[_Example], actions: Actions) -> bool:
    broken = False
    for each in examples:
        found = each.broken_by(contract, actions)
        if found - {requirement.id}:
            return False
        broken = broken or bool(found)
    return broken


@cache
def _kinds(contract: Contract) -> tuple[Message, ...]:
    commands = contract.commands.values()
    return tuple(kind for command in commands for kind in messages_of(command, contract.schemas))


def _examples(contract: Contract, kind: Message) -> Iterator[_Example]:
    """The examples of a kind of message that keep the contract."""
    roles = contract.notification
    for content in contract.schemas.schema(kind.schema).get("examples", ()):
        succeeded = content.get(roles.outcome) == roles.success
        if (SUCCEEDED in kind.groups and not succeeded) or (FAILED in kind.groups and succeeded):
            continue
        example = _Example(kind, content)
        if not example.broken_by(contract, {}):
            yield example


@cache
def _owned(contract: Contract, kind: Message, requirement: str) -> tuple[tuple[str, str], ...]:
    """The places of a message that this requirement judges, and no other."""
    places = places_of(contract.schemas.resolved(kind.schema))
    return tuple(
        (each.pointer, each.keyword)
        for each in places
        if kind.owners(contract.catalogue, each.pointer, each.keyword) == (requirement,)
    )


def _choosing(contract: Contract, requirement: Requirement, message: str) -> dict[str, Any]:
    """Chooses the messages of a group, or of a schema, of the commands of the requirement."""
    folder, _, kind = message.rpartition("/")
    if folder:
        command = next(command.name for command in contract.commands.values() if command.folder == folder)
        return {"to": ACCEPTED if kind == ANSWER else kind, "command": [command]}
    all_of_them = [each.command for each in _kinds(contract) if message in each.groups]
    about = [name for name in dict.fromkeys(all_of_them) if name in requirement.commands]
    return {"to": message, **({"command": about} if len(about) < len(set(all_of_them)) else {})}


def _against(pointer: str, keyword: str, *, everywhere: bool) -> list[Actions]:
    """Changes by which a member may break a keyword; a member that is not `everywhere` is added."""
    if keyword == "required":
        return [{"remove": pointer}]
    if not pointer:
        return [{"wrap": True}]
    put: list[Actions] = [{"set": json.dumps({pointer: value})} for value in _VALUES]
    if keyword != "type":
        return [*({"respell": {pointer: word}} for word in ("zero", "padded", "cut")), *put]
    retyped: list[Actions] = [{"retype": {pointer: kind}} for kind in ("string", "number", "array", "object")]
    return retyped if everywhere else put


# --- Rows as effects


def changed_by(changes: Iterable[Change], texts: Mapping[str, str] | None = None) -> Effect:
    """One change after the other. `texts`: name → the text that replaces `{name}` in the values of the changes."""
    effects = [_effect(change, texts or {}) for change in changes]

    def change(behaviour: Behaviour) -> Behaviour:
        for effect in effects:
            behaviour = effect(behaviour)
        return behaviour

    return change


def _effect(change: Change, texts: Mapping[str, str]) -> Effect:
    actions: Mapping[str, Any] = _filled(change.actions, texts)
    change = replace(change, actions=actions)
    if "written" in actions:
        name = actions["written"]
        if name not in WRITTEN:
            raise SuiteError(f"there is no written behaviour {name!r}; expected one of {', '.join(sorted(WRITTEN))}")
        return WRITTEN[name](**actions.get("with", {}))
    for word, effect in _OF_GATEWAY.items():
        if word in actions:
            return lambda behaviour: replace(behaviour, **effect(behaviour, actions[word]))
    if "refuse" in actions:
        return remembering(lambda: _Refusing(change.which), actions["refuse"])
    if change.which.to.startswith("notification") or "notify" in actions:
        return lambda behaviour: replace(behaviour, deliveries=(*behaviour.deliveries, of_deliveries(change)))
    return lambda behaviour: replace(behaviour, reply=(*behaviour.reply, of_replies(change)))


def _filled(value: Any, texts: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        for name, text in texts.items():
            value = value.replace(f"{{{name}}}", text)
        return value
    if isinstance(value, Mapping):
        return {name: _filled(held, texts) for name, held in value.items()}
    return [_filled(held, texts) for held in value] if isinstance(value, list) else value


class _Refusing:
    """Refuses requests that `which` chooses by a rule that they keep.

    Ordinary requests are new and not bare: repeats, and requests whose credential was refused before, belong to other
    requirements.
    """

    def __init__(self, which: Which) -> None:
        self._ordinary = which.ordinary
        self._chooses = choice(replace(which, to="request"))
        self._seen: set[tuple[str | None, bytes]] = set()

    def refuses(self, moment: Moment) -> bool:
        if self._ordinary and ((moment.command, moment.request.body) in self._seen or bare(moment)):
            return False
        return self._chooses(moment, None)

    def remember(self, moment: Moment) -> None:
        if self._ordinary:
            self._seen.add((moment.command, moment.request.body))


_IDS: Mapping[str, Callable[[Moment, Random], str]] = {
    "hex": lambda _, random: f"{random.getrandbits(128):032x}",
    "uuid": lambda _, random: str(uuid.UUID(int=random.getrandbits(128), version=4)),
    "digits": lambda moment, _: str(999_000 + moment.count),
}

_OF_GATEWAY: Mapping[str, Callable[[Behaviour, Any], Mapping[str, Any]]] = {
    "waive": lambda behaviour, tags: {"waived": behaviour.waived | set(tags)},
    "crash": lambda behaviour, tags: {"crashes": behaviour.crashes | set(tags)},
    "ids": lambda _, form: {"new_id": _IDS.get(form, lambda _moment, _random: form)},
    "switch": lambda behaviour, switches: {
        **switches,
        "failure_rate": max(behaviour.failure_rate, switches.get("failure_rate", 0.0)),
    },
    "wire": lambda behaviour, wire: {"wire": replace(behaviour.wire, **wire)},
}
