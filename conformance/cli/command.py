"""What every command of the suite has: configuration from outside, options in sections, and names that are looked up.

ConformanceCommand      a click command whose options are also configured by environment and file
ConformanceGroup        the group, which says what a mistyped command may have meant
option                  an option that belongs to a section of the help
contract_option         --contract, whose value is a Contract; `contract_in` a context is the one that was chosen
Named, Listen, …        types of values: one of a table of names; an address; and others
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import click
from click.shell_completion import CompletionItem

from conformance.cli.complaints import Complaints, in_words
from conformance.cli.configuration import (
    CONTRACT,
    ENV,
    FILE,
    SECRETS,
    Configured,
    configured,
    environment_names,
    switches,
)
from conformance.client.rules import RULES as CLIENT_RULES
from conformance.contract.checking import Engine
from conformance.contract.contract import Contract, contract_at, statum
from conformance.gateway.rules.making import RULES
from conformance.judging.expectations import Expectations, read_expectations
from conformance.model.errors import ConformanceError, UsageError, did_you_mean
from conformance.payloads.strategies import strategy_for
from conformance.wire.listening import Address

F = TypeVar("F", bound=Callable[..., Any])


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

# Under which name the context of a command has what is configured for its options, and where that stands.
CONFIGURED = "configured"


class SectionedOption(click.Option):
    """An option that stands under the heading `section` in the help."""

    def __init__(self, *arguments: Any, section: str, **attributes: Any) -> None:
        super().__init__(*arguments, **attributes)
        self.section = section


def option(section: str, *names: str, **attributes: Any) -> Callable[[F], F]:
    """`click.option`, under the heading `section` of the help."""
    return click.option(*names, cls=SectionedOption, section=section, **attributes)


def _env_option() -> click.Option:
    """`--env`: it cannot be configured in the file, whose tables it chooses from, so it is eager."""
    return SectionedOption(
        [f"--{ENV}"],
        section="Configuration",
        metavar="NAME",
        is_eager=True,
        expose_value=False,
        help=f"Take what {FILE} has in [{ENV}.NAME], before what it has for all.",
        shell_complete=lambda _, __, incomplete: beginning(incomplete, _environments()),
    )


def _environments() -> list[str]:
    """The environments of the file that is here; none of one that cannot be used."""
    try:
        return environment_names(Path.cwd())
    except UsageError:
        return []


def contract_in(ctx: click.Context | None) -> Contract:
    """The contract that was chosen for a command; that of Statum where none was, or no command is under way."""
    chosen = None if ctx is None else ctx.meta.get(CONTRACT)
    return chosen if isinstance(chosen, Contract) else statum()


contract_option = option(
    "Contract",
    f"--{CONTRACT}",
    type=click.Path(path_type=Path),
    metavar="DIR",
    is_eager=True,
    callback=lambda ctx, _, __: contract_in(ctx),
    help="Folder of the contract that counts. Default: that of the Statum gateway, which comes with the suite.",
)
"""Of every command that knows commands, products or requirements by name; ConformanceCommand reads the folder."""


class ConformanceCommand(click.Command):
    """A command whose options may stand on the command line, in the environment or in a file, the former first.

    `kin`: the commands that share the file with it, whose options it leaves alone there.
    """

    kin: Sequence[click.Command] = ()

    def __init__(self, *arguments: Any, **attributes: Any) -> None:
        super().__init__(*arguments, **attributes)
        self.params.append(_env_option())

    @property
    def known(self) -> list[str]:
        """The names that the file may have."""
        return [switch.name for command in (self, *self.kin) for switch in switches(command.params)]

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
        found = configured(self.params, self.known, os.environ, Path.cwd(), ctx.meta[ENV])
        complaints = ctx.find_object(Complaints) or Complaints()
        complaints.protect("", "", *_secrets_in(found))  # an argument that cannot be used may be one, misplaced
        folder = given.get(CONTRACT) or (found[CONTRACT].value if CONTRACT in found else None)
        if any(parameter.name == CONTRACT for parameter in self.params):
            ctx.meta[CONTRACT] = complaints.contract = contract_at(Path(folder) if folder else None, ENGINE)
        if not ctx.resilient_parsing:
            ctx.meta[CONFIGURED] = found
            ctx.default_map = {name: each.value for name, each in found.items()}

    def _given_among(self, ctx: click.Context, args: Sequence[str]) -> Mapping[str, Any]:
        """What the command line gives: environment and contract, which what else there may be depends on."""
        try:
            given, _, _ = self.make_parser(ctx).parse_args(list(args))
        except click.UsageError:
            return {}  # is told when the arguments are parsed in earnest
        return given

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Each section of options under its heading, in the order in which the sections first appear."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None and isinstance(parameter, click.Option):
                sections.setdefault(getattr(parameter, "section", "Other"), []).append(record)
        for heading, records in sections.items():
            with formatter.section(heading):
                formatter.write_dl(records)


def _secrets_in(found: Mapping[str, Configured]) -> Iterator[str]:
    """What of the configured values must not be seen."""
    for name in SECRETS:
        each = found.get(name.replace("-", "_"))
        if each is not None:
            yield from map(str, each.value if isinstance(each.value, tuple) else (each.value,))


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


class Named(click.ParamType):  # type: ignore[type-arg] # generic from click 8.4 on
    """One of the `names`; `what` they are names of. Raises UsageError, with what may have been meant as its hint.

    Names that are the contract's are a function of it: they are those of the contract that was chosen.
    """

    def __init__(
        self, what: str, names: Iterable[str] | Callable[[Contract], Iterable[str]], listed_by: str | None = None
    ) -> None:
        self.name = what
        self.of_contract = callable(names)
        self._names: Callable[[Contract], Iterable[str]] = names if callable(names) else _constantly(tuple(names))
        self._listed_by = listed_by

    def names_in(self, ctx: click.Context | None) -> tuple[str, ...]:
        """The names that there are."""
        return tuple(self._names(contract_in(ctx)))

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:  # noqa: ARG002 - click's signature
        """The name itself, if it is one."""
        names = self.names_in(ctx)
        if value in names:
            return str(value)
        expected = f"one of {', '.join(names)}" if self._listed_by is None else f"a name that {self._listed_by} shows"
        contract = contract_in(ctx)
        of_it = f" in the contract {contract.name!r}" if self.of_contract and contract.folder is not None else ""
        elsewhere = (
            f"--contract {contract.folder} has other names" if of_it and value in self._names(statum()) else None
        )
        raise UsageError(
            f"there is no {self.name} {value!r}{of_it}; expected {expected}",
            hint=did_you_mean(str(value), names) or elsewhere or self._unasked(str(value), contract),
        )

    def _unasked(self, name: str, contract: Contract) -> str | None:
        """What to do about a callback that is given for a product, where products have commands."""
        if not self.of_contract or contract.unsolicited_at(name) is None:
            return None
        return f"no request precedes {name}: a run judges it whenever it comes"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG002 - click's signature
        """The names that begin so."""
        return beginning(incomplete, self.names_in(ctx))


def _constantly(names: tuple[str, ...]) -> Callable[[Contract], Iterable[str]]:
    return lambda _: names


class Listen(click.ParamType):  # type: ignore[type-arg] # generic from click 8.4 on
    """`HOST:PORT`. Raises UsageError for anything else."""

    name = "address"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Address:  # noqa: ARG002 - click's signature
        """The address."""
        return value if isinstance(value, Address) else Address.parse(str(value))


class ExpectationsFile(click.ParamType):  # type: ignore[type-arg] # generic from click 8.4 on
    """The path of an expectations file. Raises UsageError for one that cannot be used, whatever is wrong in it."""

    name = "file"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Expectations:  # noqa: ARG002 - click's signature
        """What is listed in it."""
        if isinstance(value, Expectations):
            return value
        return read_expectations(Path(str(value)), contract_in(ctx).catalogue)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG002 - click's signature
        """Any file."""
        return [CompletionItem(incomplete, type="file")]


def products_of(contract: Contract) -> Iterable[str]:
    """The products of a contract."""
    return contract.products


class Registration(click.ParamType):  # type: ignore[type-arg] # generic from click 8.4 on
    """`PRODUCT=URL`, of a callback of the contract. Raises UsageError for anything else."""

    name = "registration"

    def __init__(self) -> None:
        self._product = Named("product", lambda contract: contract.callbacks)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        """Product and callback URL."""
        if isinstance(value, tuple):
            return value
        product, equals, url = str(value).partition("=")
        example = next(iter(self._product.names_in(ctx)), "PRODUCT")
        if not equals or not url.startswith(("http://", "https://")):
            raise UsageError(
                f"callback {value!r} is not PRODUCT=URL with an http or https URL",
                hint=f"for example {example}=http://127.0.0.1:8080/callbacks/{example}",
            )
        return self._product.convert(product, param, ctx), url

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG002 - click's signature
        """The products that begin so; the URL is anybody's guess."""
        return beginning(incomplete, [f"{name}=" for name in self._product.names_in(ctx)])


def beginning(incomplete: str, names: Iterable[str]) -> list[CompletionItem]:
    """What a shell may complete `incomplete` to."""
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]


def rows(table: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Name and summary of each row of a table of faults or variants."""
    return [(name, row.summary) for name, row in table.items()]
