"""`config`, which shows the configuration, and `completion`, which makes scripts for shells."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import click
from click.shell_completion import get_completion_class
from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from conformance.cli.command import ConformanceCommand, default_of, on_command_line, texts
from conformance.cli.configuration import ENV, FILE, Configured, configured, environment_names, file_values, variable
from conformance.cli.values import CONTRACT, VALUES, Named, beginning
from conformance.client.driver_messages import secrets_of
from conformance.contract.contract import Contract
from conformance.journal import Redaction
from conformance.journal.redaction import tokens_of
from conformance.model.errors import SuiteError, UsageError
from conformance.options import Option, options_of
from conformance.reports.console import print_json, print_line, results
from conformance.reports.text import for_terminal

DEFAULT = "default"
MASK = "********"
SHELLS = ("bash", "zsh", "fish")


def _as_table(shown: Mapping[str, Any]) -> None:
    console = results()
    environments = ", ".join(shown["environments"]) or "none"
    file, env = shown["file"] or "none", shown["env"] or "none"
    print_line(console, f"file: {file} · environments: {environments} · chosen: {env}")
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column(f"option of {shown['command']}", no_wrap=True)
    table.add_column("value", overflow="fold")
    table.add_column("from", overflow="fold")
    for name, option in shown["options"].items():
        style = "dim" if option["from"] == DEFAULT else ""
        texts = (name, _in_words(option["value"]), option["from"])
        table.add_row(*(Text(for_terminal(text), style) for text in texts))
    console.print(table)


def _in_words(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(_in_words, value)) or "–"
    if isinstance(value, bool):
        return "true" if value else "false"
    return "–" if value is None else str(value)


FORMATS: Mapping[str, Callable[[Mapping[str, Any]], None]] = {"table": _as_table, "json": print_json}


def _others(ctx: click.Context) -> list[str]:
    group = ctx.find_root().command
    return [name for name in group.list_commands(ctx) if name != "config"] if isinstance(group, click.Group) else []


@click.command("config", cls=ConformanceCommand, short_help="Show the configuration, and where each value comes from.")
@click.argument(
    "command",
    metavar="[COMMAND]",
    default="run",
    shell_complete=lambda ctx, _, incomplete: beginning(incomplete, _others(ctx)),
)
@click.pass_context
def config(ctx: click.Context, /, **options: Any) -> int:
    """Show the values that the options of COMMAND (default: run) have here, and where each comes from.

    An option on the command line would still beat them. Secrets are masked. The folder of the contract is read, and a
    name that it does not have is an error.
    """
    name, contract = Named("command", _others(ctx))(options["command"]), options["contract"]
    env = ctx.meta.get(ENV) or os.environ.get(variable(ENV)) or None
    found = configured(options_of(name), os.environ, Path.cwd(), env)
    if on_command_line(CONTRACT):
        found[CONTRACT] = Configured(contract.folder, "command line")
    given, where = file_values(Path.cwd())
    FORMATS[options["format"]](
        {
            "command": name,
            "file": where if given or (Path.cwd() / FILE).exists() else None,
            "environments": environment_names(Path.cwd()),
            "env": env,
            "options": dict(_effective(ctx, name, contract, found)),
        }
    )
    return 0


def _effective(
    ctx: click.Context, command: str, contract: Contract, found: Mapping[str, Configured]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each option by its name, with its value and origin. Raises UsageError for a configured name that is unknown."""
    redaction = _redaction(contract, found)
    for option in options_of(command):
        if not option.is_configurable:
            continue
        each = found.get(option.key)
        if each is None:
            default = default_of(option, command)
            each = Configured((() if option.repeatable else default) if default is None else default, DEFAULT)
        else:
            _check_names(ctx, option, each)
        yield option.name, {"value": _as_value(option, each.value, redaction), "from": each.origin}


def _check_names(ctx: click.Context, option: Option, configured: Configured) -> None:
    kind = VALUES.get(option.type)
    if isinstance(kind, Named):
        for value in configured.value if option.repeatable else (configured.value,):
            try:
                kind.convert(value, None, ctx)
            except UsageError as error:
                raise UsageError(f"{option.name} in {configured.origin}: {error.message}", error.hint) from error


def _redaction(contract: Contract, found: Mapping[str, Configured]) -> Redaction:
    secret, key, url = ("".join(texts(found, name)) for name in ("consumer-secret", "consumer-key", "callback-url"))
    others = (text for option in options_of("run") if option.secret for text in texts(found, option.name))
    return Redaction.of(secret, key, *others, *tokens_of(url), *secrets_of(contract, " ".join(texts(found, "driver"))))


def _as_value(option: Option, value: Any, redaction: Redaction) -> Any:
    if isinstance(value, list | tuple):
        return [_as_value(option, each, redaction) for each in value]
    if option.secret and value is not None:
        return MASK
    if value is None or isinstance(value, bool | int | float):
        return value
    return redaction.text(str(value))


@click.command("completion", cls=ConformanceCommand, short_help="Print a completion script for a shell.")
@click.argument("shell", type=Named("shell", SHELLS), metavar=f"[{'|'.join(SHELLS)}]")
@click.pass_context
def completion(ctx: click.Context, shell: str) -> int:
    """Print the script by which a SHELL completes commands, options and their values.

    Load it when the shell starts, as by `eval "$(statum-conformance completion bash)"` in ~/.bashrc.
    """
    root = ctx.find_root()
    made = get_completion_class(shell)
    if made is None:
        raise SuiteError(f"click knows no completion for {shell}")
    program = root.info_name or ""
    click.echo(made(root.command, {}, program, variable_of(program)).source(), nl=False)
    return 0


def variable_of(program: str) -> str:
    """The variable by which a shell asks the program to complete; it is click's."""
    return f"_{program.replace('-', '_').upper()}_COMPLETE"
