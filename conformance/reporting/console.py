"""Where a person reads: results on standard output, progress and complaints on standard error."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import TextIO

from rich.console import Console
from rich.text import Text

from conformance.reporting.escaping import for_terminal


class QuietConsole(Console):
    """A console whose reader may go away (`… | head`): the rest is not shown, and the exit code stays the verdict's."""

    def on_broken_pipe(self) -> None:
        """Say nothing more."""
        self.quiet = True
        with suppress(OSError, ValueError):
            # Else the interpreter complains at its end, when it flushes what was not taken.
            os.dup2(os.open(os.devnull, os.O_WRONLY), self.file.fileno())


def results() -> Console:
    """The console for results."""
    return _console(sys.stdout)


def remarks() -> Console:
    """The console for progress, warnings and errors."""
    return _console(sys.stderr)


def _console(file: TextIO) -> Console:
    # Nothing in a gateway's words is taken for markup, an emoji's name or something to be coloured.
    return QuietConsole(file=file, markup=False, emoji=False, highlight=False)


def print_line(console: Console, text: str, style: str = "") -> None:
    """`text` as exactly one line, however wide: a terminal may wrap it, but it is copied as one."""
    console.print(Text(for_terminal(text), style), soft_wrap=True)
