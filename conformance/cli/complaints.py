"""What goes wrong, as exactly one line on standard error, and the exit code that it ends with.

Below it stands what another program has said of it: the last lines of a driver that died.

Complaints      says errors and warnings, without the secret once that is known
in_one_line     an error of click's, in the words of the suite
"""

from __future__ import annotations

import traceback

import click

from conformance.errors import ConformanceError, SuiteError, UsageError, did_you_mean
from conformance.journal import Redaction
from conformance.journal.redactable import is_own_word
from conformance.journal.redaction import credential_text
from conformance.reporting.console import print_line, print_prose, remarks


class Complaints:
    """One for each call of the command; whoever learns of the secret tells it."""

    def __init__(self, *, debug: bool = False) -> None:
        self._redaction = Redaction.none()
        self._debug = debug
        self._quiet = False

    def protect(self, secret: str, consumer_key: str, *more: str) -> None:
        """From here on the secret is not printed, nor are the values in `more`.

        But for what is a word of the suite's own, by which all that is said would be taken apart: it is refused.
        """
        credential = credential_text(consumer_key, secret)
        values = (value for value in (secret, secret[:-1], *more) if not is_own_word(value))
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

    def unexpected(self, error: Exception) -> int:
        """Say that the suite itself failed; the exit code to end with."""
        wrapped = SuiteError(
            f"the suite failed: {type(error).__name__}: {error}; please report it",
            hint="STATUM_CONFORMANCE_DEBUG=1 shows where",
        )
        wrapped.__cause__ = error
        return self.error(wrapped)

    def redacted(self, text: str) -> str:
        """`text` without the secret."""
        return self._redaction.text(text)

    def _say(self, line: str, style: str) -> None:
        print_prose(remarks(), self.redacted(line), style)


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
