"""`requirements` and `openapi`: the contract, as what is judged by it, and for tools that know OpenAPI."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import click
from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from conformance.cli.command import ConformanceCommand
from conformance.client.face import client_checks
from conformance.contract.contract import Contract
from conformance.contract.openapi import openapi_document
from conformance.contract.requirements import Requirement
from conformance.gateway.settings import check_gateway_url
from conformance.judging.judgement import SubjectCheck
from conformance.reports.console import print_json, results
from conformance.reports.view import rests_on


def _entry(requirement: Requirement, contract: Contract) -> dict[str, Any]:
    return {
        "id": requirement.id,
        "level": requirement.level.value,
        "actor": requirement.actor.value,
        "title": requirement.title,
        "source": requirement.source,
        "basis": requirement.basis.value,
        "quote": requirement.quote,
        "fact": requirement.fact,
        "section": requirement.section,
        "commands": [command for command in requirement.commands if command],
        "condition": requirement.condition,
        "shared_level": requirement.shared_level.value if requirement.shared_level else None,
        "checks": _checks(requirement, contract),
        "needs": sorted(requirement.needs),
        "excluded": requirement.excluded,
    }


def _checks(requirement: Requirement, contract: Contract) -> list[str]:
    if requirement.judge is not None:
        return [str(requirement.judge)]
    check = client_checks(contract).get(requirement.id)
    if check is None:
        return []
    return [_name(check.rule_under if isinstance(check, SubjectCheck) else check)]


def _name(check: Callable[..., Any]) -> str:
    """A check that is built around a rule goes by the rule's name, any other built one by that of its builder."""
    rule = inspect.getclosurevars(check).nonlocals.get("rule")
    if callable(rule):
        return _name(rule)
    return f"{check.__module__.rpartition('.')[2]}.{check.__qualname__.partition('.<locals>')[0]}"


def _markdown(entries: list[dict[str, Any]], contract: Contract) -> Iterator[str]:
    yield "| id | level | actor | requirement | commands | rests on | checks |"
    yield "|---|---|---|---|---|---|---|"
    for entry in entries:
        cells = (
            entry["id"],
            entry["level"],
            entry["actor"],
            entry["title"],
            ", ".join(f"`{command}`" for command in entry["commands"]) or "–",
            rests_on(contract.catalogue[entry["id"]], contract),
            _judged_by(entry),
        )
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _judged_by(entry: Mapping[str, Any]) -> str:
    return ", ".join(entry["checks"]) or f"not judged: {entry['excluded']}"


def _as_table(entries: list[dict[str, Any]], contract: Contract) -> None:
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for heading in ("id", "level", "actor"):
        table.add_column(heading, no_wrap=True)
    table.add_column("requirement, what it rests on, commands, check", ratio=1, overflow="fold")
    for entry in entries:
        requirement = Text(entry["title"])
        commands = ", ".join(entry["commands"]) or "no command of its own"
        for line in (rests_on(contract.catalogue[entry["id"]], contract), commands, _judged_by(entry)):
            requirement.append(f"\n{line}", style="dim")
        table.add_row(entry["id"], entry["level"], entry["actor"], requirement)
    results().print(table)


FORMATS: Mapping[str, Callable[[list[dict[str, Any]], Contract], None]] = {
    "table": _as_table,
    "json": lambda entries, _: print_json(entries),
    "markdown": lambda entries, contract: click.echo("\n".join(_markdown(entries, contract))),
}


@click.command("requirements", cls=ConformanceCommand, short_help="List the requirements, and their checks.")
def requirements(contract: Contract, **options: Any) -> int:
    """List the catalogue: id, level, actor, what it rests on, the commands, and the check that judges it.

    What cannot be observed from outside is listed too, with the reason why it is not judged.
    """
    entries = [_entry(requirement, contract) for requirement in contract.catalogue.requirements]
    FORMATS[options["format"]](entries, contract)
    return 0


@click.command("openapi", cls=ConformanceCommand, short_help="Print the contract as OpenAPI 3.1.")
def openapi(**options: Any) -> int:
    """Print the contract as an OpenAPI 3.1 document in JSON (which is YAML, too).

    It has every command and its callback, every schema with its examples, and is made from what `run` judges by.
    """
    if options["server"] is not None:
        check_gateway_url(options["server"])
    document = openapi_document(options["contract"], options["server"], dict(options["callback"]))
    click.echo(json.dumps(document, indent=2))
    return 0
