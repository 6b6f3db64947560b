"""What goes wrong, as exactly one line on standard error, and the exit code that it ends with.

Below it stands what another program has said of it: the last lines of a driver that died.

Complaints      says errors and warnings, without the secret once that is known
in_words        any exception as an error of the suite's own
in_one_line     an error of click's, in the words of the suite
"""

from __future__ import annotations

import traceback
from pathlib import Path

import click

import conformance
from conformance.contract.contract import statum
from conformance.contract.schema_set import built_in
from conformance.journal import Redaction
from conformance.journal.redaction import credential_text, is_own_word
from conformance.model.errors import ConformanceError, EnvironmentFailure, SuiteError, UsageError, did_you_mean, lack_of
from conformance.reports.console import print_line, print_prose, remarks


class Complaints:
    """One for each call of the command; whoever learns of the secret tells it.

    `contract`: whose words no secret can be told from.
    """

    def __init__(self, *, debug: bool = False) -> None:
        self._redaction = Redaction.none()
        self._debug = debug
        self.contract = statum()
        self._quiet = False

    def protect(self, secret: str, consumer_key: str, *more: str) -> None:
        """From here on the secret is not printed, nor are the values in `more`.

        But for what is a word of the suite's own, by which all that is said would be taken apart.
        """
        credential = credential_text(consumer_key, secret)
        values = (value for value in (secret, secret[:-1], *more) if not is_own_word(value, self.contract))
        self._redaction = Redaction(values, credential)

    def quieten(self) -> None:
        """From here on errors alone are told."""
        self._quiet = True

    def warn(self, message: str) -> None:
        """Say what is amiss although it can be used."""
        if not self._quiet:
            self._say(f"warning: {message}", "yellow")

    def error(self, error: ConformanceError) -> int:
        """Say why it ends here; the exit code to end with."""
        if self._debug:
            remarks().print(self._redaction.text("".join(traceback.format_exception(error))))
        self._say(f"error: {error}", "red")
        for line in error.lines:
            print_line(remarks(), f"  | {self.redacted(line)}")
        return error.exit_code

    def redacted(self, text: str) -> str:
        """`text` without the secret."""
        return self._redaction.text(text)

    def _say(self, line: str, style: str) -> None:
        print_prose(remarks(), self.redacted(line), style)


INSTALLED = (str(Path(conformance.__file__).parent), str(built_in("")))


def in_words(error: BaseException) -> ConformanceError:
    """What an exception that ended a command comes to: what the user gave, what the machine lacks, or a bug."""
    if isinstance(error, ConformanceError):
        return error
    if isinstance(error, KeyboardInterrupt):
        told: ConformanceError = EnvironmentFailure("interrupted before anything could be judged")
    elif isinstance(error, click.ClickException):
        told = in_one_line(error)
    elif _is_of_installation(error):
        told = SuiteError(
            f"the installation is broken: {error}",
            "install it anew, from where you have it: pip install --force-reinstall SOURCE",
        )
    else:
        told = lack_of(error) or SuiteError(
            " ".join(f"the suite failed: {type(error).__name__}: {error}; please report it".split()),
            "STATUM_CONFORMANCE_DEBUG=1 shows where",
        )
    told.__cause__ = error
    return told


def _is_of_installation(error: BaseException) -> bool:
    """Whether a module or a file that belongs to the suite is missing or cannot be read."""
    if isinstance(error, OSError) and error.filename is not None:
        return str(error.filename).startswith(INSTALLED)
    return isinstance(error, ImportError)


def in_one_line(error: click.ClickException) -> UsageError:
    """What click complains of, with a hint."""
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
