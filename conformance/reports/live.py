"""A run as it goes on: a live line on a terminal, plain lines anywhere else.

progress_on     the one that suits a console
LiveProgress    one line that is redrawn, and gone at the end
PlainProgress   a line for each phase and each quarter of the sending, for logs
QuietProgress   nothing
NotedProgress   phase, counts, notifications owed and time left, for both
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Mapping
from math import ceil
from typing import Protocol, Self

from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from conformance.model.process import Progress, Silent
from conformance.reports.console import in_ci, is_screen, print_line
from conformance.reports.escaping import for_terminal

PHASES: Mapping[str, str] = {
    "prepare": "preparing",
    "preflight": "checking",
    "send": "sending",
    "wait": "waiting",
    "deliver": "delivering",
    "observe": "observing",
    "listen": "listening",
    "shrink": "shrinking",
    "judge": "judging",
}

# In these a run only waits.
WAITING = frozenset({"listen", "observe", "wait"})
# These plan step by step, so nobody knows how much is left.
OPEN_ENDED = frozenset({"deliver", "shrink"})
# A run that cannot begin has these alone.
ASIDE = frozenset({"prepare", "preflight", "judge"})

# Longer times are shown in minutes.
SHOWN_IN_MINUTES_S = 120
# Often enough to look alive, seldom enough to cost nothing.
REDRAWN_PER_S = 8
# A log has a line whenever so many more hundredths of the cases have been answered.
MILESTONE_PERCENT = 25
# After a longer silence a run looks as if it hangs, and some CI systems end it.
SILENT_S = 15.0


class NotedProgress:
    """How far a run is, as its threads report it. `clock` gives seconds, as `time.monotonic` does."""

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
        """The phase ends then at the latest."""
        self._ends = at

    def exchanged(self, done: int, planned: int) -> None:
        """So many of the planned cases have their answer."""
        self._done, self._planned = done, planned

    def notified(self, arrived: int, outstanding: int) -> None:
        """So many notifications came, so many are still owed."""
        self._arrived, self._outstanding = arrived, outstanding
        self._has_notifications, self._was_owed = True, self._was_owed or outstanding > 0

    def name(self) -> str:
        """The name of the phase for people."""
        return PHASES.get(self._phase, for_terminal(self._phase))

    def heading(self) -> str:
        """That name with the detail."""
        return f"{self.name()}: {self._detail}" if self._detail else self.name()

    def took_s(self) -> float:
        """How long the phase has been going on."""
        return self._clock() - self._began

    def share(self) -> tuple[int, int] | None:
        """How much is done of how much; None where nobody knows."""
        if self._phase in WAITING:
            return (self._arrived, self._arrived + self._outstanding) if self._was_owed else None
        return (self._done, self._planned) if self._planned and self._phase not in OPEN_ENDED else None

    def counts(self) -> str:
        """`928 of 1,204, 263 notified, 65 owed`, or whatever else can be counted in this phase; "" for nothing."""
        counts = []
        if self._phase in OPEN_ENDED:
            counts.append(f"{self._done - self._done_before:,} cases")
        elif self._planned and self._phase not in WAITING:
            counts.append(f"{self._done:,} of {self._planned:,}")
        if self._has_notifications:
            counts.append(f"{self._arrived:,} notified, {self._outstanding:,} owed")
        return ", ".join(counts)

    def counts_and_time(self) -> str:
        """The same with `9 s left`, where the end is known and something is still owed."""
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
    """Progress that is shown for as long as it is entered."""

    def __enter__(self) -> Self:
        """Begin to show."""

    def __exit__(self, *_: object) -> None:
        """Show no more."""


def progress_on(console: Console, *, verbose: bool = False) -> ShownProgress:
    """A live line where the console can redraw one, else plain lines; in CI, where a log is kept, always these."""
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
    """One line with a bar, which a thread of its own draws."""

    def __init__(self, console: Console, *, verbose: bool = False) -> None:
        super().__init__()
        self._console = console
        self._verbose = verbose
        self._live = Live(
            console=console,
            get_renderable=self.line,
            refresh_per_second=REDRAWN_PER_S,
            transient=True,
            # What is printed meanwhile goes above the line; but what goes to a file or pipe goes there.
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
        """A line that stays, above the one that is redrawn."""
        print_line(self._console, text)

    def line(self) -> Table:
        """The line as it is now: phase, bar, and the counts once there are some."""
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
        """Print the counts and the time of the phase, to be read later."""
        if self._verbose and self._phase:
            print_line(
                self._console, " · ".join(filter(None, (self.heading(), self.counts(), f"{self.took_s():.2f} s")))
            )


class PlainProgress(NotedProgress):
    """Lines without control characters.

    It prints nothing before the sending begins, so a run that cannot begin prints the reason alone. After that, a
    change is printed within `silent_s` seconds.
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
        """So many of the planned cases have their answer."""
        with self._lock:
            super().exchanged(done, planned)
            percent = 100 * done // planned if planned and self.share() else 0
            if percent >= self._next_percent:
                self._next_percent = (percent // MILESTONE_PERCENT + 1) * MILESTONE_PERCENT
                self._print_counts(self.counts())

    def remark(self, text: str) -> None:
        """A line at once."""
        with self._lock:
            self._release()
            self._print(f"  {text}")

    def _sum_up(self) -> None:
        """Print the counts of a phase that has no milestones, and how long the phase took."""
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
        """Print the counts whenever nothing was printed for a while."""
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
