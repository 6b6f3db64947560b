"""`config`: what is configured, and where it stands."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from conformance.cli.command import ConformanceCommand, Named, beginning, option
from conformance.cli.configuration import (
    ENV,
    FILE,
    SECRETS,
    Configured,
    configured,
    environment_names,
    file_values,
    switches,
    variable,
)
from conformance.client.driver_log import secrets_of
from conformance.contract.contract import statum
from conformance.journal import Redaction
from conformance.journal.redaction import tokens_of
from conformance.reports.console import print_json, print_line, results
from conformance.reports.escaping import for_terminal

DEFAULT = "default"
MASK = "********"


@dataclass(frozen=True, slots=True)
class Effective:
    """An option as it counts: `value` as JSON has it, secrets masked; `origin` where it stands."""

    name: str
    value: Any
    origin: str


@dataclass(frozen=True, slots=True)
class Shown:
    """What is shown: the file that there is, its environments, the chosen one, and the options of a command."""

    command: str
    file: str | None
    environments: tuple[str, ...]
    env: str | None
    options: tuple[Effective, ...]


def _as_json(shown: Shown) -> None:
    document = {
        "command": shown.command,
        "file": shown.file,
        "environments": list(shown.environments),
        "env": shown.env,
        "options": {each.name: {"value": each.value, "from": each.origin} for each in shown.options},
    }
    print_json(document)


def _as_table(shown: Shown) -> None:
    console = results()
    environments = ", ".join(shown.environments) or "none"
    print_line(console, f"file: {shown.file or 'none'} · environments: {environments} · chosen: {shown.env or 'none'}")
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column(f"option of {shown.command}", no_wrap=True)
    table.add_column("value", overflow="fold")
    table.add_column("from", overflow="fold")
    for each in shown.options:
        style = "dim" if each.origin == DEFAULT else ""
        table.add_row(*(Text(for_terminal(text), style) for text in (each.name, _told(each.value), each.origin)))
    console.print(table)


def _told(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(_told, value)) or "–"
    if isinstance(value, bool):
        return "true" if value else "false"
    return "–" if value is None else str(value)


FORMATS: Mapping[str, Callable[[Shown], None]] = {"table": _as_table, "json": _as_json}


@click.command("config", cls=ConformanceCommand, short_help="Show what is configured, and where it stands.")
@click.argument(
    "command",
    metavar="[COMMAND]",
    default="run",
    shell_complete=lambda _, __, incomplete: beginning(incomplete, _others()),
)
# Eager, so that it is no option that is configured itself.
@option(
    "Output",
    "--format",
    "form",
    type=click.Choice(tuple(FORMATS)),
    default="table",
    show_default=True,
    is_eager=True,
    help="How to show it.",
)
@click.pass_context
def config(ctx: click.Context, command: str, form: str) -> int:
    """Show the values that the options of COMMAND (default: run) have here, and where each comes from.

    An option on the command line would still beat them. Secrets are masked.
    """
    name = Named("command", _others())(command)
    chosen = next(each for each in config.kin if each.name == name)
    env = _chosen_env(ctx)
    found = configured(chosen.params, config.known, os.environ, Path.cwd(), env)
    given, where = file_values(Path.cwd())
    FORMATS[form](
        Shown(
            chosen.name or "",
            where if given or (Path.cwd() / FILE).exists() else None,
            tuple(environment_names(Path.cwd())),
            env,
            tuple(_effective(chosen, found)),
        )
    )
    return 0


def _others() -> list[str]:
    """The names of the other commands."""
    return [each.name or "" for each in config.kin if each is not config]


def _chosen_env(ctx: click.Context) -> str | None:
    return ctx.meta.get(ENV) or os.environ.get(variable(ENV)) or None


def _effective(command: click.Command, found: Mapping[str, Configured]) -> Iterator[Effective]:
    """Each option once, by its first name."""
    context = click.Context(command, info_name=command.name)
    redaction = _redaction(found)
    seen: set[str] = set()
    for switch in switches(command.params):
        name = switch.option.name or ""
        if switch.inverted or name in seen:
            continue
        seen.add(name)
        each = found.get(name) or Configured(_default(switch.option, context), DEFAULT)
        yield Effective(switch.name, _as_value(switch.name, each.value, redaction), each.origin)


def _default(option: click.Option, context: click.Context) -> Any:
    """The value of an option that is given nowhere; None, or an empty list, if it has none."""
    value = option.get_default(context)
    # What click has for "none" is another object in each of its versions, but none of these.
    known = isinstance(value, str | int | float | Path | tuple | list)
    return value if known else () if option.multiple else None


def _redaction(found: Mapping[str, Configured]) -> Redaction:
    """What is masked wherever it stands: each secret, the tokens of the callback URL and of a driver's URLs."""
    secret, key, url = ("".join(_texts(found, name)) for name in ("consumer-secret", "consumer-key", "callback-url"))
    others = (text for name in SECRETS for text in _texts(found, name))
    return Redaction.of(secret, key, *others, *tokens_of(url), *secrets_of(statum(), " ".join(_texts(found, "driver"))))


def _texts(found: Mapping[str, Configured], name: str) -> list[str]:
    """The values of an option: none, one, or several."""
    each = found.get(name.replace("-", "_"))
    if each is None:
        return []
    return [str(value) for value in each.value] if isinstance(each.value, tuple) else [str(each.value)]


def _as_value(name: str, value: Any, redaction: Redaction) -> Any:
    if isinstance(value, list | tuple):
        return [_as_value(name, each, redaction) for each in value]
    if name in SECRETS and value is not None:
        return MASK
    if value is None or isinstance(value, bool | int | float):
        return value
    return redaction.text(str(value))
