"""The page of a contract, docs/contract.md for Statum's: all of it is made from the contract folder.

    page            the page, without its title
    HEADINGS        its sections; a requirement names one of them as its `section`

    python docs/contract_page.py DIR    prints the page of the contract in that folder

Rows say what is promised: commands and roles in contract.toml, members in the schemas, sentences and facts in
requirements.toml. What no row holds is written by hand, by heading, in `[page]` of contract.toml.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from table import table

from conformance.contract.command import Flow, Money
from conformance.contract.contract import Contract
from conformance.contract.requirements import Actor, Requirement

# ruff: noqa: INP001 - beside a script, not a module of a package

COMMANDS, HEADERS, ANSWERS, NOTIFICATIONS, SEQUENCES, LOAD, CLIENTS = HEADINGS = (
    "Base URL and commands",
    "Headers",
    "Responses",
    "Notifications",
    "Sequences",
    "Under load",
    "What a client owes",
)

LEVELS = """\
**The level follows the source.** A MUST rests on a sentence of the provider's guide, on a documented fact, or on money
or credentials that would be lost. Everything else that a careful engineer would want is a SHOULD: a warning, and a
failure only with `--strict`. Each requirement names its `basis`.
"""

MOVES: Mapping[Flow, str] = {Flow.OUT: "pays out", Flow.IN: "collects"}

Row = tuple[str, ...]


def page(contract: Contract) -> str:
    """The page in Markdown, each section with its rows, its facts and its note."""
    return "\n".join(part for part in _parts(contract) if part)


def _parts(contract: Contract) -> Iterator[str]:
    yield _introduction(contract)
    yield _facts(contract, None, "In general")
    yield _section(
        contract,
        COMMANDS,
        f"Every call goes to `{contract.base_url}/{{command}}`.\n",
        table(("command", "method", "callback", "members", "beside that"), commands(contract)),
        "What every gateway must accept is `request.json` of the contract folder, the widest that one may accept\n"
        "`request.tolerated.json`; what lies between is left open, and what lies beyond must be refused.\n",
        table(("member", "of", "every gateway must accept", "the widest that it may"), members(contract)),
    )
    credential = contract.authentication
    yield _section(
        contract, HEADERS, f"`{credential.header}: {credential.scheme} {_token(contract)}` is in every request.\n"
    )
    yield _section(
        contract,
        ANSWERS,
        f"A JSON object, on success and on every error. `{contract.answer.code}` is the HTTP status, and"
        f" {contract.answer.success} says that the request was accepted.\n",
        table(("member", "of", "holds"), answers(contract)),
    )
    roles = contract.notification
    yield _section(
        contract,
        NOTIFICATIONS,
        f"Sent as JSON by {roles.method} to the callback URL that is registered for the product.\n"
        f"`{roles.outcome}` is `{json.dumps(roles.success)}` where the transaction succeeded.\n",
        table(("member", "at", "holds"), notifications(contract)),
        _without_a_request(contract),
    )
    yield _section(contract, SEQUENCES)
    if _facts(contract, LOAD):
        yield _section(contract, LOAD)
    yield _section(contract, CLIENTS, LEVELS, facts=False)
    for title, actor in (("As a caller", Actor.CLIENT), ("As a receiver", Actor.RECEIVER)):
        yield f"### {title}\n\n{table(('id', 'requirement', 'level', 'rests on'), owed_by(contract, actor))}"


def _introduction(contract: Contract) -> str:
    return (
        f"{contract.title}, version {contract.version}: what the rows and schemas of its folder say.\n"
        "A *note* is written by hand, in `[page]` of `contract.toml`, for what no row holds.\n\n"
        f"A fact comes from *seed* ({contract.sources['seed']}, quoted, which outranks the rest) or *docs*\n"
        "(all else that is documented), from the *money* or *credentials* that would be lost,\n"
        "or from *practice*, this suite's reading.\n"
    )


def _section(contract: Contract, heading: str, *parts: str, facts: bool = True) -> str:
    written = contract.page.get(heading)
    note = f"*Note:* {written.strip()}\n" if written else ""
    found = _facts(contract, heading) if facts else ""
    return "\n".join((f"## {heading}\n", *filter(None, (*parts, found, note))))


def _facts(contract: Contract, section: str | None, heading: str | None = None) -> str:
    """The sentences and facts that requirements on the gateway rest on, each with these requirements."""
    rows: dict[tuple[str, str], list[str]] = {}
    for each in contract.catalogue.requirements:
        if each.section == section and each.actor is Actor.GATEWAY and each.excluded is None:
            rows.setdefault((_ground(each), each.basis), []).append(each.id)
    if not rows:
        return ""
    made = table(
        ("fact", "from", "requirements"), ((text, basis, ", ".join(ids)) for (text, basis), ids in rows.items())
    )
    return f"## {heading}\n\n{made}" if heading else made


def _ground(requirement: Requirement) -> str:
    return f"“{requirement.quote}”" if requirement.quote else requirement.fact or requirement.title


def _token(contract: Contract) -> str:
    return contract.authentication.token if contract.authentication.names_key else "{secret}"


def _without_a_request(contract: Contract) -> str:
    """Products whose notifications no request precedes, and what is asked before them."""
    if not contract.unsolicited:
        return ""
    rows = (
        (
            _code(row.product),
            f"{_code(row.inquiry.callback)}, answered within {row.inquiry.seconds:g} s" if row.inquiry else "–",
            _moved(row.money) if row.money else "–",
        )
        for row in contract.unsolicited.values()
    )
    return "No request precedes these:\n\n" + table(("product", "asked first at", "money"), rows)


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
        elif command.repeatable:
            more.append("the very same again is a new one")
        elif command.product:
            more.append("whether the very same again is a new one is left open")
        if command.money:
            more.append(_moved(command.money))
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
            yield each.id, each.title, each.level, f"*{each.basis}*: {_ground(each)}"


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


def _moved(money: Money) -> str:
    return f"{MOVES[money.flow]} {_code(money.member)} {money.currency}"


def _code(name: str) -> str:
    return f"`{name}`" if name != "–" else name


if __name__ == "__main__":
    sys.stdout.write(page(Contract.load(Path(sys.argv[1]))))
