"""What is shown while a run goes on: a live line on a terminal, plain lines in a log."""

from __future__ import annotations

import re
import sys
import time
from io import StringIO
from threading import Thread

import pytest
from command_line import CHECKOUT
from mock_rig import eventually
from rich.console import Console

from conformance.reports.console import (
    PHASES,
    LiveProgress,
    NotedProgress,
    PlainProgress,
    QuietConsole,
    QuietProgress,
    duration,
    progress_on,
)


class Screen(StringIO):
    """A file that says it is a terminal."""

    def isatty(self) -> bool:
        """It is one."""
        return True


@pytest.fixture(autouse=True)
def outside_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    """As at somebody's desk, wherever the tests run."""
    monkeypatch.delenv("CI", raising=False)


def terminal(width: int = 60) -> Console:
    """A console that is a terminal, with colours."""
    return Console(file=Screen(), width=width, force_terminal=True, color_system="standard", _environ={})


def log() -> Console:
    """A console that is a file."""
    return Console(file=StringIO(), width=60, _environ={})


def written(console: Console) -> str:
    """What was printed to it."""
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


def line(progress: LiveProgress, width: int = 60) -> str:
    """The live line as it stands, without colours."""
    console = Console(file=StringIO(), width=width, color_system=None)
    console.print(progress.line())
    return written(console)


COLOURED = Console(file=StringIO(), _environ={"FORCE_COLOR": "1"})
DUMB = Console(file=Screen(), force_terminal=True, _environ={"TERM": "dumb"})


@pytest.mark.parametrize(
    ("console", "ci", "kind"),
    [
        pytest.param(terminal(), "false", LiveProgress, id="a terminal"),
        pytest.param(log(), "false", PlainProgress, id="a log"),
        pytest.param(DUMB, "false", PlainProgress, id="a terminal that cannot move its cursor"),
        pytest.param(COLOURED, "false", PlainProgress, id="a file that is to have colours"),
        pytest.param(terminal(), "true", PlainProgress, id="a terminal in CI"),
        pytest.param(terminal(), "1", PlainProgress, id="a terminal in other CI"),
    ],
)
def test_only_a_screen_gets_a_live_line(console: Console, ci: str, kind: type, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it cannot be redrawn, or is kept as a log, there are plain lines."""
    monkeypatch.setenv("CI", ci)

    assert isinstance(progress_on(console), kind)


def test_the_log_has_a_line_for_each_phase_and_each_quarter() -> None:
    """What was done, how many notifications came, how many are owed."""
    console = log()
    with progress_on(console) as progress:
        progress.phase("prepare")
        progress.phase("preflight", "http://127.0.0.1:9000/api/v2")
        progress.phase("send", "1200 cases")
        for done in range(1, 1201):
            progress.exchanged(done, 1200)
            progress.notified(done // 2, done % 7)
        progress.phase("listen", "up to 12 s")
        progress.notified(609, 0)
        progress.phase("judge")

    assert [
        "preparing",
        "checking: http://127.0.0.1:9000/api/v2",
        "sending: 1200 cases",
        "  300 of 1,200, 149 notified, 5 owed",
        "  600 of 1,200, 299 notified, 4 owed",
        "  900 of 1,200, 449 notified, 3 owed",
        "  1,200 of 1,200, 599 notified, 2 owed",
        "listening: up to 12 s",
        "  609 notified, 0 owed",
        "judging",
    ] == written(console).splitlines()


def test_the_log_says_nothing_before_the_sending() -> None:
    """A run that cannot begin says why, and that is the one line."""
    console = log()
    with progress_on(console) as progress:
        progress.phase("prepare")
        progress.phase("preflight", "http://127.0.0.1:9000/api/v2")

    assert "" == written(console)


def test_the_log_holds_no_control_characters() -> None:
    """Whatever the run is told to say."""
    console = log()
    with progress_on(console) as progress:
        progress.phase("send", "\x1b[2J\r")

    assert "sending: \\x1b[2J\\r\n" == written(console)


def test_the_log_survives_a_run_without_cases() -> None:
    """Nothing planned is nothing to divide by."""
    console = log()
    with progress_on(console) as progress:
        progress.phase("send")
        progress.exchanged(0, 0)

    assert "sending\n" == written(console)


def test_milestones_are_told_once_by_whichever_thread_reaches_them() -> None:
    """Progress is told by many threads at once."""
    console = log()
    with progress_on(console) as progress:
        progress.phase("send")
        threads = [Thread(target=progress.exchanged, args=(100, 100)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert ["sending", "  100 of 100"] == written(console).splitlines()


def test_the_log_tells_what_is_still_owed_when_the_time_is_over() -> None:
    """Notifications that never came."""
    console = log()
    with progress_on(console) as progress:
        progress.phase("send", "3 cases")
        progress.phase("listen", "up to 12 s")
        progress.until(time.monotonic() - 0.5)
        progress.notified(1, 2)
        progress.phase("judge")

    assert "  1 notified, 2 owed" in written(console).splitlines()


def test_the_log_of_a_receiver_that_is_examined_begins_with_the_deliveries() -> None:
    """Nothing is sent to its witness, so that there is no such phase."""
    console = log()
    with progress_on(console) as progress:
        progress.phase("prepare")
        progress.phase("deliver", "1 receiver")
        progress.exchanged(120, 120)
        progress.exchanged(138, 138)
        progress.phase("judge")

    assert ["preparing", "delivering: 1 receiver", "  138 cases", "judging"] == written(console).splitlines()


def test_the_log_says_how_things_stand_when_nothing_was_said_for_a_while() -> None:
    """A run that waits for a slow gateway does not look as if it hung; what does not change is told once."""
    console = log()
    with PlainProgress(console, silent_s=0.005) as progress:
        progress.phase("send", "100 cases")
        progress.exchanged(3, 100)

        assert eventually(lambda: "  3 of 100" in written(console).splitlines())
        progress.exchanged(4, 100)
        assert eventually(lambda: "  4 of 100" in written(console).splitlines())

    lines = written(console).splitlines()
    assert len(lines) == len(set(lines))


def test_the_log_counts_down_when_nothing_comes() -> None:
    """What is owed, and how long it is still waited for."""
    console = log()
    with PlainProgress(console, silent_s=0.005) as progress:
        progress.phase("listen", "up to 302 s")
        progress.notified(310, 12)
        progress.until(time.monotonic() + 299.5)

        assert eventually(lambda: "  310 notified, 12 owed, 5 min left" in written(console).splitlines())


def test_the_log_tells_the_time_of_each_phase_if_that_is_wanted() -> None:
    """With -v."""
    console = log()
    with progress_on(console, verbose=True) as progress:
        progress.phase("prepare")
        progress.phase("send", "3 cases")
        progress.phase("judge")

    phases, took = written(console).splitlines()[::2], written(console).splitlines()[1::2]
    assert ["preparing", "sending: 3 cases", "judging"] == phases
    assert [] == [line for line in took if not re.fullmatch(r"  took \d\.\d\d s", line)]


def test_the_live_line_leaves_the_time_of_each_phase_if_that_is_wanted() -> None:
    """With -v; what it came to stands beside it."""
    console = terminal(width=100)
    with progress_on(console, verbose=True) as progress:
        progress.phase("send", "3 cases")
        progress.exchanged(3, 3)
        progress.notified(1, 2)
        progress.phase("judge")

    assert re.search(r"sending: 3 cases · 3 of 3, 1 notified, 2 owed · \d\.\d\d s", written(console))


def test_quiet_progress_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """It is told all the same."""
    with QuietProgress() as progress:
        progress.phase("send", "3 cases")
        progress.until(1.0)
        progress.exchanged(1, 3)
        progress.notified(1, 0)

    assert ("", "") == capsys.readouterr()


@pytest.mark.parametrize("width", [60, 80, 120])
def test_the_live_line_is_one_line(width: int) -> None:
    """With many thousand requests it still fits into 60 columns, whole."""
    progress = LiveProgress(terminal(width))
    progress.phase("send", "104000 cases")
    progress.exchanged(100_000, 104_000)
    progress.notified(31_000, 1_012)

    (only,) = line(progress, width).splitlines()
    assert only.startswith("sending ━")
    assert only.rstrip().endswith("100,000 of 104,000, 31,000 notified, 1,012 owed")


@pytest.mark.parametrize("width", [60, 80, 120])
def test_the_live_line_tells_the_time_left_for_notifications(width: int) -> None:
    """While any is owed; it counts down, and does not go below zero."""
    progress = LiveProgress(terminal(width))
    progress.phase("listen", "up to 302 s")
    progress.exchanged(1204, 1204)
    progress.notified(310, 12)
    for seconds, told in ((299.5, "5 min left"), (269.5, "4 min 30 s left"), (8.5, "9 s left"), (-3, "0 s left")):
        progress.until(time.monotonic() + seconds)
        (only,) = line(progress, width).splitlines()
        assert only.startswith("listening ━")
        assert only.rstrip().endswith(f"310 notified, 12 owed, {told}")

    progress.notified(322, 0)
    assert line(progress, width).rstrip().endswith("322 notified, 0 owed")


def test_the_time_left_is_that_of_the_phase() -> None:
    """What begins after it has another end, or none that is known."""
    progress = NotedProgress(clock=lambda: 100.0)
    progress.phase("listen")
    progress.until(103.2)

    assert "4 s left" == progress.counts_and_time()
    progress.phase("judge")
    assert "" == progress.counts_and_time()


@pytest.mark.parametrize(("seconds", "told"), [(0, "0 s"), (119, "119 s"), (120, "2 min"), (270, "4 min 30 s")])
def test_long_times_are_told_in_minutes(seconds: int, told: str) -> None:
    """Which is how one thinks of them."""
    assert told == duration(seconds)


def test_the_live_line_tells_what_no_bar_can() -> None:
    """How many requests are needed to look into failures is not known before."""
    progress = LiveProgress(terminal())
    progress.phase("send", "100 cases")
    progress.exchanged(100, 100)
    progress.phase("shrink", "up to 300 requests")
    progress.exchanged(145, 145)

    (only,) = line(progress).splitlines()
    assert only.startswith("shrinking up to 300 requests ")
    assert only.rstrip().endswith("45 cases")


def test_every_phase_that_a_run_has_is_told_in_words() -> None:
    """As the sources name them."""
    named = {
        name
        for path in (CHECKOUT / "conformance").rglob("*.py")
        for name in re.findall(r"""\.phase\("([a-z]+)\"""", path.read_text(encoding="utf-8"))
    }

    assert set(PHASES) == named


def test_the_live_line_tells_the_phase_before_there_are_cases() -> None:
    """And what it is about; a long address is cut, not wrapped."""
    progress = LiveProgress(terminal())
    progress.phase("preflight", "http://127.0.0.1:9000/" + "x" * 100)

    (only,) = line(progress).splitlines()
    assert only.startswith("checking http://127.0.0.1:9000/xxx")
    assert only.rstrip().endswith("…")


def test_the_live_line_is_gone_at_the_end() -> None:
    """What stays on the screen is the result; the cursor is shown again."""
    console = terminal()
    with progress_on(console) as progress:
        progress.phase("send")
        progress.exchanged(1, 2)

    assert written(console).endswith("\x1b[2K")
    assert "\x1b[?25h" in written(console)


def test_what_is_printed_meanwhile_goes_where_it_is_meant_to(capsys: pytest.CaptureFixture[str]) -> None:
    """A standard output that is a file or pipe is not drawn into, though there is a live line on standard error."""
    console = terminal()
    with progress_on(console):
        sys.stdout.write("ready\n")

    assert "ready\n" == capsys.readouterr().out
    assert "ready" not in written(console)


def test_a_reader_who_goes_away_does_not_end_the_run() -> None:
    """A console whose pipe is broken falls silent, and nothing is raised."""
    console = QuietConsole(file=_Broken())
    console.print("a")
    console.print("b")

    assert console.quiet


class _Broken(StringIO):
    """A pipe whose other end is closed."""

    def write(self, text: str, /) -> int:
        raise BrokenPipeError(32, text)
