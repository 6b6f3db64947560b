"""What docs/contract.md shows of the contract folder: rows of tables, made by docs/regenerate.py.

commands        each command, and what it takes
members         the members of requests: what must be accepted, and the widest that may be
answers         the members of answers
notifications   the members of notifications, those without an invocation included
owed_by         the requirements on clients, or on receivers
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from conformance.contract.contract import Contract
from conformance.contract.requirements import Actor

# ruff: noqa: INP001 - beside a script, not a module of a package

Row = tuple[str, ...]


def commands(contract: Contract) -> Iterator[Row]:
    """Command, method, callback, members, and what is special about it."""
    for command in contract.commands.values():
        request = contract.schemas.resolved(command.request_schema)
        required = request.get("required", ())
        names = [f"{'' if name in required else 'optional '}{_code(name)}" for name in request.get("properties", {})]
        more = []
        if command.window:
            same = " and ".join(map(_code, command.window.members))
            more.append(f"the same {same} again within {command.window.seconds:g} s is refused")
        if command.money:
            more.append(f"moves {_code(command.money.member)} {command.money.currency} {command.money.flow}")
        yield (
            _code(command.name),
            command.method,
            _code(command.product or "–"),
            ", ".join(names) or "none",
            "; ".join(more) or "–",
        )


def members(contract: Contract) -> Iterator[Row]:
    """Member, commands, what every gateway must accept, and the widest that one may accept."""
    rows: dict[Row, list[str]] = {}
    for command in contract.commands.values():
        strict = contract.schemas.resolved(command.request_schema).get("properties", {})
        for name, rule in strict.items():
            wide = contract.schemas.resolved(command.tolerated_schema)["properties"][name]
            rows.setdefault((name, _told(rule), _told(wide)), []).append(command.name)
    for (name, must, may), used_by in rows.items():
        yield _code(name), ", ".join(map(_code, used_by)), must, may


def answers(contract: Contract) -> Iterator[Row]:
    """Member, the answers that have it, and what it holds."""
    own = [command.answer_schema for command in contract.commands.values() if command.answer_schema in contract.schemas]
    yield from _shared(contract, {name: name for name in ("response.success", "response.error", *own)})


def notifications(contract: Contract) -> Iterator[Row]:
    """Member, the callbacks that it comes to, and what it holds."""
    at = {command.product: command.notification_schema for command in contract.commands.values() if command.product}
    at |= {name: row.schema_at(name) for row in contract.unsolicited.values() for name in row.callbacks}
    yield from _shared(contract, at)


def owed_by(contract: Contract, actor: Actor) -> Iterator[Row]:
    """Id, the requirement, its level, and what that rests on."""
    for each in contract.catalogue.requirements:
        if each.actor is actor and each.excluded is None:
            yield each.id, each.title, each.level, each.basis


def _shared(contract: Contract, schemas: Mapping[str, str]) -> Iterator[Row]:
    rows: dict[tuple[str, str], list[str]] = {}
    for where, schema in schemas.items():
        for path, rule in _each_member("", contract.schemas.resolved(schema)):
            rows.setdefault((path, _told(rule)), []).append(where)
    for (path, told), where in rows.items():
        yield _code(path), "all" if len(where) == len(schemas) else ", ".join(map(_code, where)), told


def _each_member(above: str, schema: Mapping[str, Any]) -> Iterable[tuple[str, Mapping[str, Any]]]:
    """Each member, those within objects by the path to them."""
    for name, rule in schema.get("properties", {}).items():
        path = f"{above}.{name}" if above else name
        yield path, rule
        yield from _each_member(path, rule)


def _told(rule: Mapping[str, Any]) -> str:
    kinds = rule.get("type", "any value")
    kind = kinds if isinstance(kinds, str) else " or ".join(kinds)
    return str(rule.get("description", f"{kind}."))


def _code(name: str) -> str:
    return f"`{name}`" if name != "–" else name
