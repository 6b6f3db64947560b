"""Commands of the suite: their options come from the table, and their values also from environment and file."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import MISSING, fields
from functools import partial
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from conformance.certificate.issuing import DEFAULT_VALID_DAYS
from conformance.cli.configuration import ENV, Configured, configured, environment_names, variable
from conformance.cli.messages import Messages, in_words
from conformance.cli.values import CONTRACT, beginning, contract_in, help_of, value_of
from conformance.client.face import RULES as CLIENT_RULES
from conformance.client.settings import ClientSettings as CertificationSettings
from conformance.contract.checking import Engine
from conformance.contract.contract import Contract, contract_at
from conformance.gateway.rules.checks import RULES
from conformance.gateway.settings import RunLimits, Settings
from conformance.mock.account import OPENING_BALANCE, numbers
from conformance.mock.behaviour import BUILT_IN
from conformance.mock.faults import faults, variants
from conformance.model.errors import ConformanceError, UsageError, did_you_mean
from conformance.options import Option, options_of
from conformance.payloads.strategies import strategy_for
from conformance.reports.console import print_line, results


def _made(make: Callable[..., object], parameters: Mapping[str, Any]) -> object:
    return make(**parameters)


# What a contract may name or rest on.
ENGINE = Engine(
    rules={
        **{name: partial(_made, make) for name, make in RULES.items()},
        **{name: rule.check for name, rule in CLIENT_RULES.items()},
    },
    generates=strategy_for,
)

# Key of the context of a command for the configured values of its options, with their origins.
CONFIGURED = "configured"

# Defaults that are neither in the table nor those of settings.
DEFAULTS: Mapping[str, Any] = {
    "balance": OPENING_BALANCE,
    "failure-rate": BUILT_IN.failure_rate,
    "valid-days": DEFAULT_VALID_DAYS,
}

# Options that list the rows of a table of the contract and end.
LISTINGS: Mapping[str, Callable[[Contract], Mapping[str, Any]]] = {
    "list-faults": faults,
    "list-variants": variants,
    "list-scenarios": numbers,
}


class SectionedOption(click.Option):
    """An option of the table, as click has it; `section` is its heading in the help."""

    def __init__(self, option: Option, command: str) -> None:
        default = default_of(option, command)
        eager = option.type in (CONTRACT, "environment", "listing") or not option.is_configurable
        attributes: dict[str, Any] = {"is_flag": True} if option.is_flag else {}
        if option.type == "place":
            attributes = {"is_flag": False, "flag_value": ""}  # without a value: in the usual place
        if option.type == CONTRACT:
            attributes["callback"] = lambda ctx, _, __: contract_in(ctx)
        if option.type == "environment":
            attributes["shell_complete"] = lambda _, __, incomplete: beginning(incomplete, _environments())
        if option.type == "listing":
            attributes["callback"] = partial(_list, LISTINGS[option.name])
        if default is not None or option.is_flag:
            attributes["default"] = default
        super().__init__(
            [
                *([f"-{option.short}"] if option.short else []),
                f"--{option.name}" + (f"/--{option.opposite}" if option.opposite else ""),
            ],
            # click 8.2.0 takes a flag that has a type for one without a value.
            type=None if option.is_flag else value_of(option),
            metavar=option.metavar,
            multiple=option.repeatable,
            required=option.required,
            is_eager=eager,
            expose_value=option.type not in ("environment", "listing"),
            show_default=default is not None and not option.is_flag and "Default" not in option.help,
            help=option.help,
            **attributes,
        )
        self.section = option.section
        self._option = option

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """Its names and help; only now is the contract read that a help names products of."""
        self.help = help_of(self._option)
        return super().get_help_record(ctx)


def default_of(option: Option, command: str) -> Any:
    """Its default: of the table, else of the settings that it makes; None if it has none."""
    if option.default is not None or option.name in DEFAULTS:
        return DEFAULTS.get(option.name, option.default)
    settings = (CertificationSettings,) if command == "certify" else (Settings, RunLimits)
    name = option.setting or option.recorded
    for field in (field for kind in settings for field in fields(kind) if field.name == name):
        return None if field.default in (MISSING, ()) else field.default
    return False if option.is_flag else None


def _list(
    rows_of: Callable[[Contract], Mapping[str, Any]], ctx: click.Context, _: click.Parameter, wanted: object
) -> None:
    if wanted and not ctx.resilient_parsing:
        table = rows_of(contract_in(ctx))
        width = max(map(len, table), default=0)
        for name, row in table.items():
            print_line(results(), f"{name:{width}}  {row.summary}")
        ctx.exit()


def _environments() -> list[str]:
    try:
        return environment_names(Path.cwd())
    except UsageError:
        return []


class ConformanceCommand(click.Command):
    """A command whose options may stand on the command line, in the environment or in a file, the former first."""

    def __init__(self, *arguments: Any, **attributes: Any) -> None:
        super().__init__(*arguments, **attributes)
        self.params += [SectionedOption(option, self.name or "") for option in options_of(self.name or "")]

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse, with what is configured as defaults; where only help is asked for, configuration does not matter."""
        if not set(args) & set(ctx.help_option_names):
            # To complete a command line nothing that is configured may get in the way.
            with suppress(ConformanceError) if ctx.resilient_parsing else nullcontext():
                self._configure(ctx, args)
        return super().parse_args(ctx, args)

    def _configure(self, ctx: click.Context, args: Sequence[str]) -> None:
        given = self._given_among(ctx, args)
        ctx.meta[ENV] = given.get(ENV)
        options = options_of(self.name or "")
        found = configured(options, os.environ, Path.cwd(), ctx.meta[ENV])
        messages = Messages.of(ctx)
        # An argument that cannot be used may be a secret, misplaced.
        secrets = [option for option in options if option.secret]
        here = (given[option.key] for option in secrets if option.key in given)
        messages.protect("", "", *here, *(text for option in secrets for text in texts(found, option.name)))
        if any(option.name == CONTRACT for option in options):
            folder = given.get(CONTRACT) or (found[CONTRACT].value if CONTRACT in found else None)
            ctx.meta[CONTRACT] = messages.contract = contract_at(Path(folder) if folder else None, ENGINE)
        if not ctx.resilient_parsing:
            ctx.meta[CONFIGURED] = found
            ctx.default_map = {name: each.value for name, each in found.items()}

    def _given_among(self, ctx: click.Context, args: Sequence[str]) -> Mapping[str, Any]:
        """Environment and contract of the command line, on which the other options depend."""
        try:
            given, _, _ = self.make_parser(ctx).parse_args(list(args))
        except click.UsageError:
            return {}  # reported when the arguments are parsed for good
        return {name: value for name, value in given.items() if isinstance(value, str)}  # click marks what is missing

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Each section of options under its heading, in the order of the table."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None and isinstance(parameter, click.Option):
                sections.setdefault(getattr(parameter, "section", "Other"), []).append(record)
        for heading, records in sections.items():
            with formatter.section(heading):
                formatter.write_dl(records)


class ConformanceGroup(click.Group):
    """The group of all commands.

    What click would end the process for by itself, with an exit code that means something else here, is raised as an
    error of the suite's own: KeyboardInterrupt, and a stream that is gone.
    """

    def make_context(self, *arguments: Any, **attributes: Any) -> click.Context:
        """Parse, which prints where only help is asked for. Raises EnvironmentFailure."""
        with _in_own_words():
            return super().make_context(*arguments, **attributes)

    def invoke(self, ctx: click.Context) -> Any:
        """Do it. Raises EnvironmentFailure."""
        with _in_own_words():
            return super().invoke(ctx)

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """The commands in the order in which one comes to need them."""
        return list(self.commands)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that is meant. Raises UsageError if there is none, unless a command line is only completed."""
        if self.get_command(ctx, args[0]) is None and not ctx.resilient_parsing:
            names = self.list_commands(ctx)
            raise UsageError(
                f"there is no command {args[0]!r}; expected {', '.join(names)}", hint=did_you_mean(args[0], names)
            )
        return super().resolve_command(ctx, args)


@contextmanager
def _in_own_words() -> Iterator[None]:
    try:
        yield
    except (KeyboardInterrupt, OSError) as error:
        raise in_words(error) from error


def on_command_line(name: str) -> bool:
    """Whether the option was given there, and not by environment or file."""
    return click.get_current_context().get_parameter_source(name) is ParameterSource.COMMANDLINE


def warn_if_visible(name: str) -> None:
    """Warn of a secret that is an argument of this process, which other processes see."""
    messages = Messages.of()
    if on_command_line(name.replace("-", "_")) and not messages.from_python:
        messages.warn(f"--{name} is visible to other processes of this machine; prefer {variable(name)}")


def texts(found: Mapping[str, Configured], name: str) -> list[str]:
    """The values that an option is configured to have: none, one, or several."""
    each = found.get(name.replace("-", "_"))
    if each is None:
        return []
    return [str(value) for value in each.value] if isinstance(each.value, tuple) else [str(each.value)]
