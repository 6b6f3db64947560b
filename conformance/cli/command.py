"""Commands of the suite, and their output: results on standard output, all else on standard error.

ConformanceCommand      a command whose options stand on the command line, in the environment, or in a file
ConformanceGroup        the group of all commands
Messages                errors and warnings, a line each, without secrets
in_words                any exception → the error that a command ends with
Output                  how much is shown, and to whom
"""

from __future__ import annotations

import os
import tomllib
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path
from typing import Any, Self

import click
from click.core import ParameterSource
from rich.console import Console

import conformance
from conformance.cli.configuration import ENV, Configured, configured, variable
from conformance.cli.parameters import CONTRACT, SectionedOption
from conformance.client.face import RULES as CLIENT_RULES
from conformance.contract.checking import Engine
from conformance.contract.contract import Contract, contract_at, statum
from conformance.contract.schemas import built_in
from conformance.gateway.rules.checks import RULES
from conformance.journal import Redaction
from conformance.journal.redaction import credential_text, is_own_word
from conformance.model.errors import ConformanceError, EnvironmentFailure, SuiteError, UsageError, did_you_mean, lack_of
from conformance.options import options_of
from conformance.payloads.strategies import strategy_for
from conformance.reports.console import (
    QuietProgress,
    ShownProgress,
    print_line,
    print_prose,
    progress_on,
    remarks,
    results,
)


def _made(make: Callable[..., object], parameters: Mapping[str, Any]) -> object:
    return make(**parameters)


# The rules and behaviours that a contract may name.
ENGINE = Engine(
    rules={
        **{name: partial(_made, make) for name, make in RULES.items()},
        **{name: rule.check for name, rule in CLIENT_RULES.items()},
    },
    generates=strategy_for,
)

# The examples of each command, and its page of docs/.
EXAMPLES = Path(__file__).with_name("examples.toml")

# Key of the context of a command for the configured values of its options, with their origins.
CONFIGURED = "configured"


HELP_OPTIONS = ["-h", "--help"]


class ConformanceCommand(click.Command):
    """A command whose options may stand on the command line, in the environment or in a file, the former first.

    Its help ends with examples, and the page of docs/ that tells more.
    """

    def __init__(self, *arguments: Any, **attributes: Any) -> None:
        super().__init__(*arguments, **attributes)
        self.params += [SectionedOption(option, self.name or "") for option in options_of(self.name or "")]

    def get_help_option_names(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """The same in every context: click remembers those of the first one, which may have no parent."""
        return HELP_OPTIONS

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse, with what is configured as defaults; where only help is asked for, configuration does not matter."""
        if not set(args) & set(HELP_OPTIONS):
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
        if any(option.type == CONTRACT for option in options):  # `site` takes several
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

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Examples, and where to read more; neither is wrapped, so that it can be copied."""
        row = tomllib.loads(EXAMPLES.read_text(encoding="utf-8"))[self.name or ""]
        lines = "".join(f"  {ctx.command_path} {example}".rstrip() + "\n" for example in row["examples"])
        page = f"{ctx.find_root().command_path} docs {row['page'].removesuffix('.md')}"
        formatter.write(f"\nExamples:\n{lines}\nDocumentation: {page}\n  {_documentation()}{row['page']}\n")


def _documentation() -> str:
    """The address of docs/, by the metadata of the installed distribution; the folder in a checkout without any."""
    with suppress(PackageNotFoundError):
        for url in metadata("statum-conformance").get_all("Project-URL") or ():
            label, _, address = url.partition(", ")
            if label == "Documentation":
                return str(address.rpartition("/")[0] + "/")
    return "docs/"


class ConformanceGroup(click.Group):
    """The group of all commands.

    What click would end the process for by itself, with an exit code that means something else here, is raised as an
    error of the suite's own: KeyboardInterrupt, and a stream that is gone.
    """

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse; show the help where nothing is given. Raises UsageError then."""
        if not args and not ctx.resilient_parsing:
            click.echo(self.get_help(ctx))
            raise UsageError("no command is given")
        return super().parse_args(ctx, args)

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


class Messages:
    """Errors and warnings, a line each, on standard error; one for each call of the command.

    Whoever learns a secret protects it here; words of the `contract` are not secrets. `from_python`: a program gives
    the options, and no command line.
    """

    def __init__(self, *, debug: bool = False, from_python: bool = False) -> None:
        self.from_python = from_python
        self._redaction = Redaction.none()
        self._debug = debug
        self.contract: Contract | None = None  # the built-in one, which is read only where it matters
        self.quiet = False  # only errors are printed

    @classmethod
    def of(cls, ctx: click.Context | None = None) -> Self:
        """Those of the running command."""
        return (ctx or click.get_current_context()).find_object(cls) or cls()

    def protect(self, secret: str, consumer_key: str, *more: str) -> None:
        """Print neither the secret nor the values in `more` from here on, unless one is a word of the suite's own."""
        credential = credential_text(consumer_key, secret)
        values = (
            value
            for value in (secret, secret[:-1], *more)
            if value and not is_own_word(value, self.contract or statum())
        )
        self._redaction = Redaction(values, credential)

    def warn(self, message: str) -> None:
        """Print a warning, unless the command is quiet."""
        if not self.quiet:
            print_prose(remarks(), self.redacted(f"warning: {message}"), "yellow")

    def error(self, error: ConformanceError) -> int:
        """Print the error that ends the command; its exit code."""
        if self._debug:
            remarks().print(self.redacted("".join(traceback.format_exception(error))))
        print_prose(remarks(), self.redacted(f"error: {error}"), "red")
        for line in error.lines:
            print_line(remarks(), f"  | {self.redacted(line)}")
        return error.exit_code

    def redacted(self, text: str) -> str:
        """`text` without the secret."""
        return self._redaction.text(text)


INSTALLED = (str(Path(conformance.__file__).parent), str(built_in("")))


def in_words(error: BaseException) -> ConformanceError:
    """The exception that ended a command, as an error of usage, of the machine, or of the suite."""
    if isinstance(error, ConformanceError):
        return error
    if isinstance(error, KeyboardInterrupt):
        translated: ConformanceError = EnvironmentFailure("interrupted before anything could be judged")
    elif isinstance(error, click.ClickException):
        translated = in_one_line(error)
    elif _is_of_installation(error):
        translated = SuiteError(
            f"the installation is broken: {error}",
            "install it again, from where you have it: pip install --force-reinstall SOURCE",
        )
    else:
        translated = lack_of(error) or SuiteError(
            " ".join(f"the suite failed: {type(error).__name__}: {error}; please report it".split()),
            "STATUM_CONFORMANCE_DEBUG=1 shows where",
        )
    translated.__cause__ = error
    return translated


def _is_of_installation(error: BaseException) -> bool:
    """Whether a module or a file of the suite is missing or cannot be read."""
    if isinstance(error, OSError) and error.filename is not None:
        return str(error.filename).startswith(INSTALLED)
    return isinstance(error, ImportError)


def in_one_line(error: click.ClickException) -> UsageError:
    """An error of click in one line, with a hint."""
    context = getattr(error, "ctx", None)
    helped = f"{context.command_path} --help" if context else None
    if isinstance(error, click.NoSuchOption):
        known = [name for parameter in context.command.params for name in parameter.opts] if context else []
        return UsageError(f"there is no option {error.option_name}", did_you_mean(error.option_name, known) or helped)
    if isinstance(error, click.UsageError) and isinstance(context and context.command, click.Group):
        names = context.command.list_commands(context) if context else []
        return UsageError(f"no command is given; expected {', '.join(names)}", helped)
    message = error.format_message().rstrip(".")
    return UsageError(message[:1].lower() + message[1:], helped)


@dataclass(frozen=True, slots=True)
class Output:
    """How much is shown. `as_json`: standard output is for a script, and people read standard error."""

    quiet: bool = False
    verbose: bool = False
    as_json: bool = False

    @classmethod
    def of(cls, options: dict[str, Any]) -> Output:
        """Take the options about output out of `options`; from here on warnings are shown, or not.

        Raises UsageError for -q with -v; of these one on the command line beats one that is configured elsewhere.
        """
        quiet, verbose = bool(options.pop("quiet", False)), bool(options.pop("verbose", False))
        if quiet and verbose:
            source = click.get_current_context().get_parameter_source
            here = [source(name) is ParameterSource.COMMANDLINE for name in ("quiet", "verbose")]
            if here[0] == here[1]:
                raise UsageError("-q (--quiet) and -v (--verbose) are both given; expected one of the two")
            quiet, verbose = here
        Messages.of().quiet = quiet
        return cls(quiet, verbose, options.pop("format", None) == "json")

    @property
    def console(self) -> Console:
        """Where people read the result."""
        return remarks() if self.as_json else results()

    def progress(self) -> ShownProgress:
        """How a run goes on, as it is shown."""
        return QuietProgress() if self.quiet else progress_on(remarks(), verbose=self.verbose)
