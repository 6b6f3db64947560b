"""A run as it goes on: a live line on a terminal, plain lines anywhere else.

    progress_on     the one that suits a console
    LiveProgress    one line that is drawn anew, and gone at the end
    PlainProgress   a line for each phase and each quarter of the sending, for logs

Both are told by the run's own threads.
"""

from __future__ import annotations

import threading
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from conformance.gateway_under_test.progress import Progress
from conformance.reporting.console import print_line
from conformance.reporting.escaping import for_terminal

PHASES = {
    "prepare": "preparing",
    "preflight": "checking",
    "send": "sending",
    "listen": "listening",
    "shrink": "shrinking",
    "judge": "judging",
}
"""The phases of a run, as they are called before people."""

# Often enough to look alive, seldom enough to cost nothing.
REDRAWN_PER_S = 8
# A log is told when another so many hundredths of the cases have been answered.
MILESTONE_PERCENT = 25


class ShownProgress(Progress, Protocol):
    """Progress that is shown for as long as it is entered."""

    def __enter__(self) -> Self:
        """Begin to show."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Show no more."""


def progress_on(console: Console) -> ShownProgress:
    """A live line where the console can redraw one, else plain lines."""
    if console.is_terminal and not console.is_dumb_terminal:
        return LiveProgress(console)
    return PlainProgress(console)


class _Counts:
    """How far a run is; told by its threads, read by whoever shows it."""

    def __init__(self) -> None:
        self.done = self.planned = self.arrived = self.outstanding = 0

    @property
    def notifications(self) -> str:
        return f"{self.arrived:,} notified, {self.outstanding:,} owed"

    def __str__(self) -> str:
        return f"{self.done:,} of {self.planned:,}, {self.notifications}"


class LiveProgress:
    """One line with a bar; what the run tells is only noted, and drawn by a thread of its own."""

    def __init__(self, console: Console) -> None:
        self._counts = _Counts()
        self._phase = ""
        self._detail = ""
        self._live = Live(console=console, get_renderable=self.line, refresh_per_second=REDRAWN_PER_S, transient=True)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._live.stop()

    def phase(self, name: str, detail: str = "") -> None:
        """A phase begins."""
        self._phase, self._detail = name, detail

    def exchanged(self, done: int, planned: int) -> None:
        """So many of the planned cases have their answer."""
        self._counts.done, self._counts.planned = done, planned

    def notified(self, arrived: int, outstanding: int) -> None:
        """So many notifications came, so many are still owed."""
        self._counts.arrived, self._counts.outstanding = arrived, outstanding

    def line(self) -> Table:
        """The line as it stands: phase, and the counts once there are some."""
        grid = Table.grid(padding=(0, 1, 0, 0), expand=True)
        grid.add_column(no_wrap=True)
        phase = Text(PHASES.get(self._phase, for_terminal(self._phase)))
        if not self._counts.planned:
            grid.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
            grid.add_row(phase, Text(for_terminal(self._detail)))
            return grid
        grid.add_column(ratio=1)
        grid.add_column(no_wrap=True)
        bar = ProgressBar(
            total=self._counts.planned, completed=self._counts.done, complete_style="cyan", finished_style="green"
        )
        grid.add_row(phase, bar, Text(str(self._counts)))
        return grid


class PlainProgress:
    """Lines without control characters.

    Nothing is said before the sending begins, so that a run that cannot begin says why and nothing else.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._counts = _Counts()
        self._held: list[str] | None = []
        self._next_percent = MILESTONE_PERCENT
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Nothing is left to be closed."""

    def phase(self, name: str, detail: str = "") -> None:
        """A phase begins."""
        words = PHASES.get(name, name)
        with self._lock:
            if name == "send":
                self._release()
            self._say(f"{words}: {detail}" if detail else words)

    def exchanged(self, done: int, planned: int) -> None:
        """So many of the planned cases have their answer."""
        with self._lock:
            self._counts.done, self._counts.planned = done, planned
            percent = 100 * done // planned if planned else 0
            if percent >= self._next_percent:
                self._next_percent = (percent // MILESTONE_PERCENT + 1) * MILESTONE_PERCENT
                self._say(f"  {self._counts}")

    def notified(self, arrived: int, outstanding: int) -> None:
        """So many notifications came, so many are still owed."""
        self._counts.arrived, self._counts.outstanding = arrived, outstanding

    def _release(self) -> None:
        held, self._held = self._held or [], None
        for line in held:
            self._say(line)

    def _say(self, line: str) -> None:
        if self._held is not None:
            self._held.append(line)
        else:
            print_line(self._console, line)
