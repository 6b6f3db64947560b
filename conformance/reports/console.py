"""Output for people and scripts: results on standard output, progress, warnings and errors on standard error."""

from __future__ import annotations

import json
import os
import sys
from contextlib import suppress
from typing import Any, TextIO, cast

from rich.console import Console
from rich.text import Text

from conformance.reports.escaping import for_runner, for_terminal


class QuietConsole(Console):
    """A console whose reader may go away (`… | head`): the rest is not shown, and the exit code stays the verdict's."""

    def on_broken_pipe(self) -> None:
        """Say nothing more."""
        self.quiet = True
        with suppress(OSError, ValueError):
            # Else the interpreter complains at its end, when it flushes what was not taken.
            os.dup2(os.open(os.devnull, os.O_WRONLY), self.file.fileno())


class Unheard:
    """A file for the output of a step on GitHub, whose runner obeys nothing in it."""

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def write(self, text: str) -> int:
        """Write `text` with commands for the runner as escapes."""
        return self._file.write(for_runner(text))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def on_github() -> bool:
    """Whether this is a step of a workflow on GitHub, whose runner reads the output."""
    return os.environ.get("GITHUB_ACTIONS") == "true"


def in_ci() -> bool:
    """Whether this is a job of a CI system that says so: its output is kept, and read later."""
    return os.environ.get("CI", "").lower() not in {"", "0", "false"}


def results() -> Console:
    """The console for results."""
    return _console(sys.stdout)


def remarks() -> Console:
    """The console for progress, warnings and errors."""
    return _console(sys.stderr)


def _console(file: TextIO) -> Console:
    file = cast("TextIO", Unheard(file)) if on_github() else file
    # Nothing in a gateway's words is taken for markup, an emoji's name or something to be coloured.
    return QuietConsole(file=file, markup=False, emoji=False, highlight=False)


def print_line(console: Console, text: str, style: str = "") -> None:
    """`text` as exactly one line, however wide: a terminal may wrap it, but it is copied as one."""
    console.print(Text(for_terminal(text), style), soft_wrap=True)


def print_prose(console: Console, text: str, style: str = "") -> None:
    """`text` as one line for whoever searches a log; on a screen it is broken between words."""
    console.print(Text(for_terminal(text), style), soft_wrap=not is_screen(console))


def is_screen(console: Console) -> bool:
    """Whether somebody looks at it; with FORCE_COLOR rich takes any file for a terminal."""
    return console.is_terminal and console.file.isatty()


def print_json(value: Any) -> None:
    """A value as JSON to standard output, as `print_document`."""
    text = json.dumps(value, ensure_ascii=False, indent=2)
    # UTF-8 has no lone surrogates, which a gateway may send; the escape is JSON's own.
    print_document(f"{text}\n".encode("utf-8", "backslashreplace"))


def print_document(content: bytes) -> None:
    """JSON in UTF-8 to standard output, as it is, whatever its encoding; a reader who goes away is no error."""
    if on_github():
        # This can only stand within a text, where the escape means the same and the runner finds nothing to obey.
        content = content.replace(b"##[", rb"\u0023#[")
    sys.stdout.flush()
    try:
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        results().on_broken_pipe()
