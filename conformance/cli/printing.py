"""Commands that print: `requirements`, `openapi`, `history` of results, `config`, and `completion` a script."""

from __future__ import annotations

import inspect
import json
import os
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from click.shell_completion import get_completion_class
from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from conformance.cli.command import ConformanceCommand, Messages, Output, on_command_line, texts
from conformance.cli.configuration import ENV, FILE, Configured, configured, environment_names, file_values, variable
from conformance.cli.parameters import CONTRACT, REQUIREMENT, VALUES, Named, beginning, default_of
from conformance.client.driver_messages import secrets_of
from conformance.client.face import client_checks
from conformance.contract.contract import Contract
from conformance.contract.openapi import openapi_document
from conformance.contract.requirements import Requirement
from conformance.gateway.settings import check_gateway_url
from conformance.journal import Redaction
from conformance.journal.redaction import tokens_of
from conformance.judging.judgement import SubjectCheck
from conformance.model.errors import SuiteError, UsageError
from conformance.options import Option, options_of
from conformance.reports.console import print_json, print_line, results
from conformance.reports.folders import results_in
from conformance.reports.terminal import STYLES
from conformance.reports.text import counted, for_terminal
from conformance.reports.view import musts, rests_on

DEFAULT = "default"
MASK = "********"
SHELLS = ("bash", "zsh", "fish")


@click.command("requirements", cls=ConformanceCommand, short_help="List the requirements, and their checks.")
@click.argument("ids", nargs=-1, type=REQUIREMENT, metavar="[ID]...")
def requirements(contract: Contract, ids: tuple[str, ...], **options: Any) -> int:
    """List the catalogue: id, level, actor, source, the commands, and the check that judges each requirement.

    With an ID, or several, only these are listed, in the order of the catalogue.

    Requirements that cannot be observed from outside are listed too, with the reason why they are not judged.
    """
    listed = (each for each in contract.catalogue.requirements if not ids or each.id in ids)
    entries = [entry_of(requirement, contract) for requirement in listed]
    if options["format"] == "json":
        print_json(entries)
    elif options["format"] == "markdown":
        click.echo("\n".join(_markdown(entries, contract)))
    else:
        _show_requirements(entries, contract)
    return 0


def entry_of(requirement: Requirement, contract: Contract) -> dict[str, Any]:
    """The entry of a requirement, as JSON."""
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
        "mend": requirement.mend,
    }


def _checks(requirement: Requirement, contract: Contract) -> list[str]:
    if requirement.judge is not None:
        return [str(requirement.judge)]
    check = client_checks(contract).get(requirement.id)
    if check is None:
        return []
    return [_name(check.rule_under if isinstance(check, SubjectCheck) else check)]


def _name(check: Callable[..., Any]) -> str:
    """The name of a check; of one that a builder made, the rule that it was built around, else the builder."""
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


def _show_requirements(entries: list[dict[str, Any]], contract: Contract) -> None:
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for heading in ("id", "level", "actor"):
        table.add_column(heading, no_wrap=True)
    table.add_column("requirement, source, commands, check", ratio=1, overflow="fold")
    for entry in entries:
        requirement = Text(entry["title"])
        commands = ", ".join(entry["commands"]) or "no command of its own"
        for line in (rests_on(contract.catalogue[entry["id"]], contract), commands, _judged_by(entry)):
            requirement.append(f"\n{line}", style="dim")
        table.add_row(entry["id"], entry["level"], entry["actor"], requirement)
    results().print(table)


@click.command("history", cls=ConformanceCommand, short_help="List the results in a folder.")
@click.argument("folder", metavar="[DIR]", default="reports", type=click.Path(path_type=Path))
def history(folder: Path, contract: Contract, **options: Any) -> int:
    """List the results in DIR (default: reports) and the folders in it, the oldest first.

    To have a folder for each run, give a pattern: --report-dir reports/{started}.
    """
    output = Output.of(options)
    found = results_in(folder, contract, Messages.of().warn)
    if output.as_json:
        print_json([each.document() for each in found])
        return 0
    width = max(len(each.report.verdict) for each in found)
    subjects = {each.report.subject.name for each in found}
    for each in found:
        report, only = each.report, each.report.settings.get("only", ())
        began = datetime.fromisoformat(report.started_at).astimezone(UTC)
        parts = [
            f"{began:%Y-%m-%d %H:%M:%S}  {report.verdict:<{width}}  {', '.join(musts(report))}",
            *([report.subject.name] if len(subjects) > 1 else []),
            f"seed {report.seed}",
            *([f"only {counted(len(only), 'requirement')}"] if only else []),
            str(each.folder),
        ]
        print_line(results(), " · ".join(parts), STYLES[report.verdict])
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


def _configurable(ctx: click.Context) -> list[str]:
    """The commands whose configuration can be shown: all but `config`."""
    group = ctx.find_root().command
    return [name for name in group.list_commands(ctx) if name != "config"] if isinstance(group, click.Group) else []


@click.command("config", cls=ConformanceCommand, short_help="Show the configuration, and where each value comes from.")
@click.argument(
    "command",
    metavar="[COMMAND]",
    default="run",
    shell_complete=lambda ctx, _, incomplete: beginning(incomplete, _configurable(ctx)),
)
@click.pass_context
def config(ctx: click.Context, /, **options: Any) -> int:
    """Show the values that the options of COMMAND (default: run) have here, and where each comes from.

    An option on the command line would overrule them. Secrets are masked. A name that the contract does not have is an
    error.
    """
    name, contract = Named("command", _configurable(ctx))(options["command"]), options["contract"]
    env = ctx.meta.get(ENV) or os.environ.get(variable(ENV)) or None
    found = configured(options_of(name), os.environ, Path.cwd(), env)
    if on_command_line(CONTRACT):
        found[CONTRACT] = Configured(contract.folder, "command line")
    given, where = file_values(Path.cwd())
    shown = {
        "command": name,
        "file": where if given or (Path.cwd() / FILE).exists() else None,
        "environments": environment_names(Path.cwd()),
        "env": env,
        "options": dict(_effective(ctx, name, contract, found)),
    }
    if options["format"] == "json":
        print_json(shown)
    else:
        _show_configuration(shown)
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
            each = Configured(() if default is None and option.repeatable else default, DEFAULT)
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
    """The value as JSON has it, without secrets."""
    if isinstance(value, list | tuple):
        return [_as_value(option, each, redaction) for each in value]
    if option.secret and value is not None:
        return MASK
    return value if value is None or isinstance(value, bool | int | float) else redaction.text(str(value))


def _show_configuration(shown: Mapping[str, Any]) -> None:
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
        cells = (name, _in_words(option["value"]), option["from"])
        table.add_row(*(Text(for_terminal(cell), style) for cell in cells))
    console.print(table)


def _in_words(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(_in_words, value)) or "–"
    if isinstance(value, bool):
        return "true" if value else "false"
    return "–" if value is None else str(value)


@click.command("completion", cls=ConformanceCommand, short_help="Print a completion script for a shell.")
@click.argument("shell", type=Named("shell", SHELLS), metavar=f"[{'|'.join(SHELLS)}]")
@click.pass_context
def completion(ctx: click.Context, shell: str) -> int:
    """Print the script by which a SHELL completes commands, options and their values.

    Load it when the shell starts, such as by `eval "$(statum-conformance completion bash)"` in ~/.bashrc.
    """
    root = ctx.find_root()
    made = get_completion_class(shell)
    if made is None:
        raise SuiteError(f"click knows no completion for {shell}")
    program = root.info_name or ""
    variable_of_click = f"_{program.replace('-', '_').upper()}_COMPLETE"
    click.echo(made(root.command, {}, program, variable_of_click).source(), nl=False)
    return 0
