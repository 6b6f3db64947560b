"""The terminal: results on standard output; progress, warnings and errors on standard error.

results, remarks        the two consoles
print_line, print_prose, print_command, print_json, print_document
progress_on             how far a run is, as suits a console:
    LiveProgress        one line that is redrawn and disappears at the end
    PlainProgress       a line for each phase and each quarter of the sending, for logs
    QuietProgress       nothing
"""

from __future__ import annotations

import os
import re
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from math import ceil
from typing import Any, Protocol, Self, TextIO, cast

from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from conformance.model.process import Progress, Silent
from conformance.reports.text import as_json, for_runner, for_terminal


class QuietConsole(Console):
    """A console that falls silent when its reader goes away (`… | head`), so that the exit code stays the verdict's."""

    def on_broken_pipe(self) -> None:
        """Print nothing more."""
        self.quiet = True
        with suppress(OSError, ValueError):
            # Else the interpreter complains when it flushes the rest at its end.
            os.dup2(os.open(os.devnull, os.O_WRONLY), self.file.fileno())


class WithoutCommands:
    """The output of a step on GitHub, with whatever its runner would take for a command escaped."""

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def write(self, text: str) -> int:
        """Write `text`, escaped."""
        return self._file.write(for_runner(text))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def on_github() -> bool:
    """Whether this is a step of a workflow on GitHub."""
    return os.environ.get("GITHUB_ACTIONS") == "true"


def in_ci() -> bool:
    """Whether this is a job of a CI system, which keeps the output as a log."""
    return os.environ.get("CI", "").lower() not in {"", "0", "false"}


def results() -> Console:
    """The console for results."""
    return _console(sys.stdout)


def remarks() -> Console:
    """The console for progress, warnings and errors."""
    return _console(sys.stderr)


def _console(file: TextIO) -> Console:
    file = cast("TextIO", WithoutCommands(file)) if on_github() else file
    # A gateway's words are neither markup nor names of emoji, and are not coloured.
    return QuietConsole(file=file, markup=False, emoji=False, highlight=False)


def print_line(console: Console, text: str, style: str = "") -> None:
    """Print one line, however wide: a terminal may wrap it, but it is copied as one."""
    console.print(Text(for_terminal(text), style), soft_wrap=True)


def print_prose(console: Console, text: str, style: str = "") -> None:
    """Print one line in a log, where it can be searched for; a screen breaks it between words."""
    console.print(Text(for_terminal(text), style), soft_wrap=not is_screen(console))


# Of a line in a log.
LONGEST_LINE = 500
# Of a command: what is quoted is part of a word.
_WORD = re.compile(r"""(?:[^\s'"]|'[^']*'|"(?:\\.|[^"\\])*")+""")


def print_command(console: Console, label: str, command: str, style: str = "") -> None:
    """Print a command for a shell behind a label; one that is too long is continued after a backslash.

    A line ends between two words; in a log a word that is longer than a line may be goes on in the next one, too.
    """
    limit = console.width if is_screen(console) else LONGEST_LINE
    words = _WORD.findall(command)
    line = label
    for word in words if " ".join(words) == command else [command]:
        if line != label and len(line) + len(word) + len("  \\") > limit:
            print_line(console, f"{line} \\", style)
            line = f"    {word}"
        else:
            line = f"{line} {word}"
        while len(line) > limit and not is_screen(console):
            first, line = _within_a_word(line, limit)
            print_line(console, first, style)
    print_line(console, line, style)


def _within_a_word(line: str, limit: int) -> tuple[str, str]:
    """The beginning of a line of a shell and the rest, which a shell puts together again, after at most `limit`.

    Within double quotes it is not broken: there a shell replaces things, and they are short.
    """
    opened, place, inside = "", 0, False
    at = 0
    while at < limit - len("'\\"):
        character = line[at]
        if character == "\\" and opened != "'":
            at += 1
        elif character in "'\"" and opened in ("", character):
            opened = "" if opened else character
        at += 1
        if opened != '"':
            place, inside = at, bool(opened)
    if not place:
        return line, ""
    return (f"{line[:place]}'\\", f"'{line[place:]}") if inside else (f"{line[:place]}\\", line[place:])


def is_screen(console: Console) -> bool:
    """Whether it is a terminal; with FORCE_COLOR rich takes any file for one."""
    return console.is_terminal and console.file.isatty()


def print_json(value: Any) -> None:
    """Print a value as JSON to standard output, as `print_document` does."""
    print_document(as_json(value))


def print_document(content: bytes) -> None:
    """Write UTF-8 to standard output, whatever its encoding; a reader who goes away is not an error."""
    if on_github():
        # A command for the runner; it can only be inside a text of JSON, where the escape means the same.
        content = content.replace(b"##[", rb"\u0023#[")
    sys.stdout.flush()
    try:
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        results().on_broken_pipe()


# --- Progress

PHASES: Mapping[str, str] = {
    "prepare": "preparing",
    "preflight": "checking",
    "send": "sending",
    "load": "sending under load",
    "wait": "waiting",
    "deliver": "delivering",
    "observe": "observing",
    "listen": "listening",
    "shrink": "shrinking",
    "judge": "judging",
}

# A run only waits.
WAITING = frozenset({"listen", "observe", "wait"})
# Planned step by step, so nobody knows how much is left.
OPEN_ENDED = frozenset({"deliver", "shrink"})
# The only phases of a run that cannot begin.
ASIDE = frozenset({"prepare", "preflight", "judge"})

# Longer times are shown in minutes.
SHOWN_IN_MINUTES_S = 120
REDRAWN_PER_S = 8
# Of the cases answered, between two lines in a log.
MILESTONE_PERCENT = 25
# After a longer silence a run seems to hang, and some CI systems end it.
SILENT_S = 15.0


class NotedProgress:
    """Phase, counts, notifications owed and time left, as the threads of a run report them.

    `clock` gives seconds, as `time.monotonic` does.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._phase = self._detail = ""
        self._began = clock()
        self._ends: float | None = None
        self._done = self._planned = self._done_before = 0
        self._arrived = self._outstanding = 0
        self._has_notifications = self._was_owed = False

    def __enter__(self) -> Self:
        return self

    def phase(self, name: str, detail: str = "") -> None:
        """A phase begins."""
        self._phase, self._detail = name, for_terminal(detail)
        self._began, self._ends = self._clock(), None
        self._done_before = self._done

    def until(self, at: float) -> None:
        """The phase ends at `at` at the latest."""
        self._ends = at

    def exchanged(self, done: int, planned: int) -> None:
        """`done` of the `planned` cases have their answer."""
        self._done, self._planned = done, planned

    def notified(self, arrived: int, outstanding: int) -> None:
        """`arrived` notifications came, and `outstanding` are still owed."""
        self._arrived, self._outstanding = arrived, outstanding
        self._has_notifications, self._was_owed = True, self._was_owed or outstanding > 0

    def name(self) -> str:
        """The name of the phase for people."""
        return PHASES.get(self._phase, for_terminal(self._phase))

    def heading(self) -> str:
        """The name and detail of the phase."""
        return f"{self.name()}: {self._detail}" if self._detail else self.name()

    def took_s(self) -> float:
        """How long the phase has lasted."""
        return self._clock() - self._began

    def share(self) -> tuple[int, int] | None:
        """How much is done, and of how much; None where nobody knows."""
        if self._phase in WAITING:
            return (self._arrived, self._arrived + self._outstanding) if self._was_owed else None
        return (self._done, self._planned) if self._planned and self._phase not in OPEN_ENDED else None

    def counts(self) -> str:
        """`928 of 1,204, 263 notified, 65 owed`; "" where there is nothing to count."""
        counts = []
        if self._phase in OPEN_ENDED:
            counts.append(f"{self._done - self._done_before:,} cases")
        elif self._planned and self._phase not in WAITING:
            counts.append(f"{self._done:,} of {self._planned:,}")
        if self._has_notifications:
            counts.append(f"{self._arrived:,} notified, {self._outstanding:,} owed")
        return ", ".join(counts)

    def counts_and_time(self) -> str:
        """The counts, and `9 s left` where the end is known and a notification is still owed."""
        if self._ends is None or (self._was_owed and not self._outstanding):
            return self.counts()
        left = f"{duration(max(0, ceil(self._ends - self._clock())))} left"
        return ", ".join(filter(None, (self.counts(), left)))


def duration(seconds: int) -> str:
    """`9 s`, `4 min 30 s`."""
    if seconds < SHOWN_IN_MINUTES_S:
        return f"{seconds} s"
    minutes, rest = divmod(seconds, 60)
    return f"{minutes} min {rest} s" if rest else f"{minutes} min"


class ShownProgress(Progress, Protocol):
    """Progress that is shown while it is entered."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...


def progress_on(console: Console, *, verbose: bool = False) -> ShownProgress:
    """A live line where the console can redraw one, plain lines elsewhere and in CI."""
    if is_screen(console) and not console.is_dumb_terminal and not in_ci():
        return LiveProgress(console, verbose=verbose)
    return PlainProgress(console, verbose=verbose)


class QuietProgress(Silent):
    """Shows nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass


class LiveProgress(NotedProgress):
    """One line with a bar, redrawn by a separate thread."""

    def __init__(self, console: Console, *, verbose: bool = False) -> None:
        super().__init__()
        self._console = console
        self._verbose = verbose
        self._live = Live(
            console=console,
            get_renderable=self.line,
            refresh_per_second=REDRAWN_PER_S,
            transient=True,
            # Output to this terminal goes above the line; that to a file or pipe stays there.
            redirect_stdout=sys.stdout.isatty(),
        )

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._sum_up()
        self._live.stop()

    def phase(self, name: str, detail: str = "") -> None:
        """A phase begins."""
        self._sum_up()
        super().phase(name, detail)

    def remark(self, text: str) -> None:
        """Print a line above the one that is redrawn."""
        print_line(self._console, text)

    def line(self) -> Table:
        """Phase, bar or detail, and counts."""
        grid = Table.grid(padding=(0, 1, 0, 0), expand=True)
        grid.add_column(no_wrap=True)
        grid.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
        grid.add_column(no_wrap=True)
        middle: ProgressBar | Text = Text(self._detail)
        if (share := self.share()) is not None:
            middle = ProgressBar(total=share[1], completed=share[0], complete_style="cyan", finished_style="green")
        grid.add_row(Text(self.name()), middle, Text(self.counts_and_time()))
        return grid

    def _sum_up(self) -> None:
        if self._verbose and self._phase:
            took = f"{self.took_s():.2f} s"
            print_line(self._console, " · ".join(filter(None, (self.heading(), self.counts(), took))))


class PlainProgress(NotedProgress):
    """Lines without control characters.

    It prints nothing before the sending begins, so a run that cannot begin prints only the reason. After that, it
    prints a change within `silent_s` seconds.
    """

    def __init__(self, console: Console, *, verbose: bool = False, silent_s: float = SILENT_S) -> None:
        super().__init__()
        self._console = console
        self._verbose = verbose
        self._silent_s = silent_s
        self._held_back: list[str] | None = []
        self._next_percent = MILESTONE_PERCENT
        self._lock = threading.Lock()
        self._has_printed = False
        self._last_counts = ""
        self._over = threading.Event()

    def __exit__(self, *_: object) -> None:
        self._over.set()
        with self._lock:
            if self._held_back is None:
                self._sum_up()

    def phase(self, name: str, detail: str = "") -> None:
        """A phase begins."""
        with self._lock:
            self._sum_up()
            super().phase(name, detail)
            if name not in ASIDE:
                self._release()
            self._print(self.heading())

    def exchanged(self, done: int, planned: int) -> None:
        """`done` of the `planned` cases have their answer."""
        with self._lock:
            super().exchanged(done, planned)
            percent = 100 * done // planned if planned and self.share() else 0
            if percent >= self._next_percent:
                self._next_percent = (percent // MILESTONE_PERCENT + 1) * MILESTONE_PERCENT
                self._print_counts(self.counts())

    def remark(self, text: str) -> None:
        """Print a line at once."""
        with self._lock:
            self._release()
            self._print(f"  {text}")

    def _sum_up(self) -> None:
        """Print the counts of a phase without milestones, and how long it took."""
        if self._phase in WAITING | OPEN_ENDED:
            self._print_counts(self.counts())
        if self._verbose and self._phase:
            self._print(f"  took {self.took_s():.2f} s")

    def _release(self) -> None:
        if self._held_back is None:
            return
        lines, self._held_back = self._held_back, None
        for line in lines:
            self._print(line)
        threading.Thread(target=self._break_silence, name="progress", daemon=True).start()

    def _break_silence(self) -> None:
        """Print the counts after each `silent_s` seconds without a line."""
        while not self._over.wait(self._silent_s):
            with self._lock:
                counts = self.counts_and_time()
                if not self._has_printed and counts != self._last_counts:
                    self._print_counts(counts)
                self._has_printed = False

    def _print_counts(self, counts: str) -> None:
        if counts:
            self._last_counts = counts
            self._print(f"  {counts}")

    def _print(self, line: str) -> None:
        if self._held_back is not None:
            self._held_back.append(line)
        else:
            print_line(self._console, line)
            self._has_printed = True
