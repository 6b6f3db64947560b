"""A run as it goes on: a live line on a terminal, plain lines anywhere else.

progress_on     the one that suits a console
LiveProgress    one line that is redrawn, and gone at the end
PlainProgress   a line for each phase and each quarter of the sending, for logs
QuietProgress   nothing
Standing        how far the run is: phase, counts, notifications owed, time left
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from math import ceil
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from conformance.model.progress import Progress, Silent
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

# Those that wait: in them nothing of what is planned is done.
WAITING = frozenset({"listen", "observe", "wait"})
# Those that plan step by step, so that it cannot be told how much is left.
OPEN_ENDED = frozenset({"deliver", "shrink"})

# From here on seconds alone are hard to read.
SHOWN_IN_MINUTES_S = 120


class Standing:
    """How far a run is. `clock` gives seconds, as `time.monotonic` does."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.phase = self.detail = ""
        self.began = clock()
        self._ends: float | None = None
        self.done = self.planned = 0
        self._done_before = 0
        self.arrived = self.outstanding = 0
        self._heard = self._owed = False

    def begin(self, phase: str, detail: str = "") -> None:
        """A phase begins."""
        self.phase, self.detail = phase, for_terminal(detail)
        self.began, self._ends = self._clock(), None
        self._done_before = self.done

    def end_at(self, at: float) -> None:
        """The phase ends then at the latest."""
        self._ends = at

    def hear(self, arrived: int, outstanding: int) -> None:
        """So many notifications came, so many are owed."""
        self.arrived, self.outstanding = arrived, outstanding
        self._heard, self._owed = True, self._owed or outstanding > 0

    @property
    def name(self) -> str:
        """What the phase is called."""
        return PHASES.get(self.phase, for_terminal(self.phase))

    @property
    def heading(self) -> str:
        """What the phase is called, and what it is about."""
        return f"{self.name}: {self.detail}" if self.detail else self.name

    @property
    def took_s(self) -> float:
        """For how long the phase has been going on."""
        return self._clock() - self.began

    @property
    def share(self) -> tuple[int, int] | None:
        """How much is done of how much; None where that cannot be told."""
        if self.phase in WAITING:
            total = self.arrived + self.outstanding
            return (self.arrived, total) if self._owed else None
        return (self.done, self.planned) if self.planned and self.phase not in OPEN_ENDED else None

    def counts(self) -> str:
        """`928 of 1,204, 263 notified, 65 owed`, or what else can be counted in this phase; "" if nothing can."""
        return ", ".join(self._counts())

    def counts_and_time(self) -> str:
        """The same with the time left, `9 s left`, where there is an end and something is waited for."""
        left_s = self._left_s()
        return ", ".join([*self._counts(), *([f"{duration(left_s)} left"] if left_s is not None else [])])

    def _counts(self) -> Iterator[str]:
        if self.phase in OPEN_ENDED:
            yield f"{self.done - self._done_before:,} cases"
        elif self.planned and self.phase not in WAITING:
            yield f"{self.done:,} of {self.planned:,}"
        if self._heard:
            yield f"{self.arrived:,} notified, {self.outstanding:,} owed"

    def _left_s(self) -> int | None:
        """Whole seconds until what is awaited is awaited no more; None if that is not known, or nothing is owed."""
        if self._ends is None or (self._owed and not self.outstanding):
            return None
        return max(0, ceil(self._ends - self._clock()))


def duration(seconds: int) -> str:
    """`9 s`, `4 min 30 s`."""
    if seconds < SHOWN_IN_MINUTES_S:
        return f"{seconds} s"
    minutes, rest = divmod(seconds, 60)
    return f"{minutes} min {rest} s" if rest else f"{minutes} min"


# Often enough to look alive, seldom enough to cost nothing.
REDRAWN_PER_S = 8
# A log is told when another so many hundredths of the cases have been answered.
MILESTONE_PERCENT = 25
# A log that is told nothing for longer looks like a run that hangs, and some CI systems take it for one.
SILENT_S = 15.0
# All that there is of a run that cannot begin.
ASIDE = frozenset({"prepare", "preflight", "judge"})


class ShownProgress(Progress, Protocol):
    """Progress that is shown for as long as it is entered."""

    def __enter__(self) -> Self:
        """Begin to show."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Show no more."""


def progress_on(console: Console, *, verbose: bool = False) -> ShownProgress:
    """A live line where the console can redraw one, else plain lines; in CI also where it could, for a log is kept."""
    if is_screen(console) and not console.is_dumb_terminal and not in_ci():
        return LiveProgress(console, verbose=verbose)
    return PlainProgress(console, verbose=verbose)


class QuietProgress(Silent):
    """Shows nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Nothing is left to be closed."""


class _NotedProgress:
    """What the run's threads report is noted."""

    def __init__(self, console: Console, *, verbose: bool) -> None:
        self._console = console
        self._verbose = verbose
        self._standing = Standing()

    def __enter__(self) -> Self:
        return self

    def until(self, at: float) -> None:
        """The phase ends then at the latest."""
        self._standing.end_at(at)

    def exchanged(self, done: int, planned: int) -> None:
        """So many of the planned cases have their answer."""
        self._standing.done, self._standing.planned = done, planned

    def notified(self, arrived: int, outstanding: int) -> None:
        """So many notifications came, so many are still owed."""
        self._standing.hear(arrived, outstanding)


class LiveProgress(_NotedProgress):
    """One line with a bar, which a thread of its own draws."""

    def __init__(self, console: Console, *, verbose: bool = False) -> None:
        super().__init__(console, verbose=verbose)
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

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._sum_up()
        self._live.stop()

    def phase(self, name: str, detail: str = "") -> None:
        """A phase begins."""
        self._sum_up()
        self._standing.begin(name, detail)

    def remark(self, text: str) -> None:
        """A line that stays, above the one that is redrawn."""
        print_line(self._console, text)

    def line(self) -> Table:
        """The line as it is now: phase, bar, and the counts once there are some."""
        standing = self._standing
        grid = Table.grid(padding=(0, 1, 0, 0), expand=True)
        grid.add_column(no_wrap=True)
        grid.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
        grid.add_column(no_wrap=True)
        middle: ProgressBar | Text = Text(standing.detail)
        if standing.share is not None:
            done, total = standing.share
            middle = ProgressBar(total=total, completed=done, complete_style="cyan", finished_style="green")
        grid.add_row(Text(standing.name), middle, Text(standing.counts_and_time()))
        return grid

    def _sum_up(self) -> None:
        """What the phase came to, to be read on."""
        if self._verbose and self._standing.phase:
            parts = (self._standing.heading, self._standing.counts(), f"{self._standing.took_s:.2f} s")
            print_line(self._console, " · ".join(filter(None, parts)))


class PlainProgress(_NotedProgress):
    """Lines without control characters.

    Nothing is said before the sending begins, so that a run that cannot begin says why and nothing else. After that
    nothing changes for longer than `silent_s` seconds without a line about it.
    """

    def __init__(self, console: Console, *, verbose: bool = False, silent_s: float = SILENT_S) -> None:
        super().__init__(console, verbose=verbose)
        self._silent_s = silent_s
        self._held: list[str] | None = []
        self._next_percent = MILESTONE_PERCENT
        self._lock = threading.Lock()
        self._said_something = False
        self._last_counts = ""
        self._over = threading.Event()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._over.set()
        with self._lock:
            if self._held is None:
                self._sum_up()

    def phase(self, name: str, detail: str = "") -> None:
        """A phase begins."""
        with self._lock:
            self._sum_up()
            self._standing.begin(name, detail)
            if name not in ASIDE:
                self._release()
            self._say(self._standing.heading)

    def exchanged(self, done: int, planned: int) -> None:
        """So many of the planned cases have their answer."""
        with self._lock:
            super().exchanged(done, planned)
            percent = 100 * done // planned if planned and self._standing.share else 0
            if percent >= self._next_percent:
                self._next_percent = (percent // MILESTONE_PERCENT + 1) * MILESTONE_PERCENT
                self._say_counts(self._standing.counts())

    def remark(self, text: str) -> None:
        """A line at once."""
        with self._lock:
            self._release()
            self._say(f"  {text}")

    def _sum_up(self) -> None:
        """What a phase came to that has no milestones, and how long it took."""
        if self._standing.phase in WAITING | OPEN_ENDED:
            self._say_counts(self._standing.counts())
        if self._verbose and self._standing.phase:
            self._say(f"  took {self._standing.took_s:.2f} s")

    def _release(self) -> None:
        if self._held is None:
            return
        held, self._held = self._held, None
        for line in held:
            self._say(line)
        threading.Thread(target=self._keep_talking, name="progress", daemon=True).start()

    def _keep_talking(self) -> None:
        """Say how things stand whenever nothing was said for a while; a thread that sleeps."""
        while not self._over.wait(self._silent_s):
            with self._lock:
                counts = self._standing.counts_and_time()
                if not self._said_something and counts != self._last_counts:
                    self._say_counts(counts)
                self._said_something = False

    def _say_counts(self, counts: str) -> None:
        if counts:
            self._last_counts = counts
            self._say(f"  {counts}")

    def _say(self, line: str) -> None:
        if self._held is not None:
            self._held.append(line)
        else:
            print_line(self._console, line)
            self._said_something = True
