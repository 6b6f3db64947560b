"""Output of commands: results on standard output, all else on standard error, an error as exactly one line.

Below an error come the last lines of a driver that died.
"""

from __future__ import annotations

import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import click
from click.core import ParameterSource
from rich.console import Console

import conformance
from conformance.contract.contract import Contract, statum
from conformance.contract.schema_set import built_in
from conformance.journal import Redaction
from conformance.journal.redaction import credential_text, is_own_word
from conformance.model.errors import ConformanceError, EnvironmentFailure, SuiteError, UsageError, did_you_mean, lack_of
from conformance.reports.console import (
    QuietProgress,
    ShownProgress,
    print_line,
    print_prose,
    progress_on,
    remarks,
    results,
)


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
            "install it anew, from where you have it: pip install --force-reinstall SOURCE",
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
