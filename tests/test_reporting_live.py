"""What is shown while a run goes on: a live line on a terminal, plain lines in a log."""

from __future__ import annotations

from io import StringIO
from threading import Thread

import pytest
from rich.console import Console

from conformance.reporting.console import QuietConsole
from conformance.reporting.live import LiveProgress, PlainProgress, progress_on


def terminal(width: int = 60) -> Console:
    """A console that is a terminal, with colours."""
    return Console(file=StringIO(), width=width, force_terminal=True, color_system="standard", _environ={})


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


def test_a_terminal_gets_a_live_line_and_a_log_gets_plain_lines() -> None:
    """What cannot be drawn anew is not drawn at all."""
    assert isinstance(progress_on(terminal()), LiveProgress)
    assert isinstance(progress_on(log()), PlainProgress)


def test_a_dumb_terminal_gets_plain_lines() -> None:
    """It cannot move its cursor."""
    dumb = Console(file=StringIO(), force_terminal=True, _environ={"TERM": "dumb"})

    assert isinstance(progress_on(dumb), PlainProgress)


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
        progress.phase("listen", "up to 10 s")
        progress.phase("judge")

    assert [
        "preparing",
        "checking: http://127.0.0.1:9000/api/v2",
        "sending: 1200 cases",
        "  300 of 1,200, 149 notified, 5 owed",
        "  600 of 1,200, 299 notified, 4 owed",
        "  900 of 1,200, 449 notified, 3 owed",
        "  1,200 of 1,200, 599 notified, 2 owed",
        "listening: up to 10 s",
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

    assert ["sending", "  100 of 100, 0 notified, 0 owed"] == written(console).splitlines()


@pytest.mark.parametrize("width", [60, 80, 120])
def test_the_live_line_is_one_line(width: int) -> None:
    """With a thousand requests it still fits into 60 columns."""
    progress = LiveProgress(terminal(width))
    progress.phase("listen", "up to 10 s")
    progress.exchanged(1204, 1204)
    progress.notified(310, 12)

    (only,) = line(progress, width).splitlines()
    assert only.startswith("listening ━━")
    assert only.rstrip().endswith("1,204 of 1,204, 310 notified, 12 owed")


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
