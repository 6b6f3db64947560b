"""Which schema a message has, and which requirements judge the places of it.

Message         one kind of message of one command
answer_to       the answer to an accepted request of a command, or to another
notified_of     the notification of a product
without_idle    a catalogue whose requirements that take the rest are judged only where something is left
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from conformance.contract.command import Command
from conformance.contract.judging import ACCEPTED, ANSWER, ERROR, FAILED, NOTIFICATION, SUCCEEDED, ByPlace
from conformance.contract.places import places_of
from conformance.contract.requirements import Actor, Catalogue
from conformance.contract.schema_set import SchemaSet


@dataclass(frozen=True, slots=True)
class Message:
    """One kind of message that is judged under `command`: its schema, and the groups that it belongs to."""

    command: str | None
    schema: str
    groups: tuple[str, ...]

    def owners(self, catalogue: Catalogue, pointer: str, keyword: str) -> tuple[str, ...]:
        """The ids of the requirements that judge this keyword there: those that name it, else those that take the rest.

        What is judged by the outcome belongs to nobody where a notification tells none.
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
    """The answer to an accepted request of a command (None: of what is none), or to another."""
    group, own = (ACCEPTED, ANSWER) if accepted else (ERROR, ERROR)
    if command is None:
        return Message(None, group, (ANSWER, group))
    schema = f"{command.folder}/{own}"
    return Message(command.name, schema if schema in schemas else group, (ANSWER, group))


def notified_of(command: str, product: str, schemas: SchemaSet, *, succeeded: bool | None) -> Message | None:
    """The notification of a product, which is judged under `command`; `succeeded`: None where it tells no outcome."""
    schema = f"{product}/{NOTIFICATION}"
    if schema not in schemas:
        return None
    outcomes = {True: (SUCCEEDED,), False: (FAILED,), None: ()}[succeeded]
    return Message(command, schema, (NOTIFICATION, *outcomes))


def without_idle(catalogue: Catalogue, commands: Mapping[str, Command], schemas: SchemaSet) -> Catalogue:
    """The catalogue, but requirements that take the rest are judged for those commands alone where there is a rest."""
    left = {
        (owner, name)
        for name, command in commands.items()
        for message in _messages_of(command, schemas)
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


def _messages_of(command: Command, schemas: SchemaSet) -> Iterator[Message]:
    yield from (answer_to(command, schemas, accepted=accepted) for accepted in (True, False))
    if command.product is not None:
        told = (notified_of(command.name, command.product, schemas, succeeded=it) for it in (True, False))
        yield from filter(None, told)
