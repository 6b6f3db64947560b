"""Drivers that write without end, do not read, or leave processes behind: nothing of it fills or holds up anything."""

from __future__ import annotations

import io
import time
from dataclasses import replace
from pathlib import Path

import pytest
from made_result import result_of
from tiny_drivers import ACCEPTED, HELLO, PATIENCE_S, SHORT_S, Line, Start, heard, invoke, is_gone, started

from conformance.client import certification
from conformance.client import driver as driver_module
from conformance.client.driver import Death, Driver, How, Left, can_look
from conformance.client.driver_messages import MOST_FIRST_BYTES, MOST_LAST_BYTES, MOST_LINES, DriverLog, Stderr
from conformance.contract.contract import statum
from conformance.journal import Journal, Redaction, read_journal
from conformance.journal.rows import LONGEST_STDERR
from conformance.model.traffic import SHOWN_LINES, Direction
from conformance.reports.remarks import client_lines
from conformance.reports.result import client_of

__all__ = ["heard", "started"]  # fixtures


def test_the_first_and_last_lines_of_a_flood_to_standard_error_are_recorded(started: Start, heard: list[Line]) -> None:
    """And how much lies between; the last ones mostly say why it died."""
    flood = f"sys.stderr.write(''.join(f'line {{n}}\\n' for n in range({2 * MOST_LINES})))"
    driver = started(f"exec({flood!r}); sys.stderr.flush(); {ACCEPTED}")

    driver.ask(invoke(1), "case-1", PATIENCE_S)
    driver.stop(PATIENCE_S)

    lines = [line for _, direction, line in heard if direction is Direction.STDERR]
    assert MOST_LINES + 1 + SHOWN_LINES == len(lines)
    assert ["line 0", f"line {MOST_LINES - 1}"] == [lines[0], lines[MOST_LINES - 1]]
    assert f"line {2 * MOST_LINES - 1}" == lines[-1]
    assert lines[MOST_LINES].startswith(f"[{MOST_LINES - SHOWN_LINES:,} lines and ")


def test_its_bytes_are_counted_over_all_of_its_processes() -> None:
    """A driver that dies over each case is started once for each."""
    stderr, told = Stderr(), list[bytes]()
    for _ in range(4):
        stderr.read(io.BytesIO(b"x" * (1 << 20) + b"\n" + 1_000 * (b"y" * 10_000 + b"\n")), told.append)
    assert sum(map(len, told)) <= MOST_FIRST_BYTES + MOST_LAST_BYTES + 4 * 100


@pytest.mark.parametrize(
    "writes",
    [
        "sys.stdout.write('x' * (3 << 20)); sys.stdout.flush(); time.sleep(3600)",
        """sys.stdout.write('{"a":' * 200_000 + '\\n'); sys.stdout.flush(); time.sleep(3600)""",
        """sys.stdout.write('{' + '"a":1,' * 170_000 + '"a":1}\\n'); sys.stdout.flush(); time.sleep(3600)""",
        "sys.stdout.write('[' * 1_000_000 + '\\n'); sys.stdout.flush(); time.sleep(3600)",
        "os.write(1, bytes(range(11, 256)) * 4_000 + b'\\n'); time.sleep(3600)",
        "sys.stdout.write('junk\\n' * 300_000); sys.stdout.flush(); time.sleep(3600)",
    ],
    ids=["no end of line", "nested objects", "repeated members", "nested arrays", "binary", "many lines"],
)
def test_output_without_end_ends_the_driver_and_is_cut(started: Start, heard: list[Line], writes: str) -> None:
    """At once, and the journal has its beginning."""
    driver = started(writes)
    begun = time.monotonic()
    with pytest.raises(Death) as death:
        driver.ask(invoke(1), "case-1", PATIENCE_S)
    assert How.GARBAGE is death.value.how
    assert time.monotonic() - begun < PATIENCE_S
    told = [line for _, direction, line in heard[2:] if direction is Direction.FROM]
    assert 1 == len(told)
    assert len(told[0]) <= 4 * LONGEST_STDERR + 1  # a byte that is no character takes four


def test_a_driver_that_does_not_read_hangs(started: Start) -> None:
    """Though its pipe is full and nobody takes anything out of it."""
    driver = started(hello=f"{HELLO}'); time.sleep(3600); say('")
    large = {**invoke(1), "params": {"message": "x" * (1 << 20)}}
    with pytest.raises(Death, match="did not read invoke within") as death:
        driver.ask(large, "case-1", SHORT_S)
    assert How.HANG is death.value.how


def test_a_driver_that_closes_its_output_is_ended(started: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """It can answer no more."""
    monkeypatch.setattr(driver_module, "TERMINATE_WITHIN_S", SHORT_S)
    driver = started("os.close(1); time.sleep(3600)")
    with pytest.raises(Death, match="ended its output instead of answering") as death:
        driver.ask(invoke(1), "case-1", PATIENCE_S)
    assert How.CRASH is death.value.how


# As one line, for it stands within others.
ORPHAN = (
    "exec('if os.fork() == 0:\\n os.setsid()\\n if os.fork() == 0:\\n"
    '  open("{pid}", "w").write(str(os.getpid())); time.sleep(3600)\\n os._exit(0)\\n'
    'while not (os.path.exists("{pid}") and open("{pid}").read()): os.sched_yield()\')'
)
CHILD = 'open("{pid}", "w").write(str(subprocess.Popen(["sleep", "3600"], start_new_session=True).pid))'
BARE = CHILD.replace("start_new_session=True", "start_new_session=True, env=dict(PATH=os.environ['PATH'])")


@pytest.mark.skipif(not can_look(), reason="processes are found by /proc")
@pytest.mark.parametrize(
    ("begets", "ends"),
    [(ORPHAN, ""), (CHILD, ""), (BARE, "time.sleep(3600)"), (ORPHAN, "os._exit(0)"), (CHILD, "os._exit(0)")],
    ids=["an orphan", "a child", "a child without its environment", "an orphan of one that dies", "a child of one"],
)
def test_nothing_of_a_driver_survives_it(started: Start, tmp_path: Path, begets: str, ends: str) -> None:
    """A process in another session is ended, too, and reported by number and name; nobody waits for it.

    It has the driver's standard output, which so goes on after the driver's end.
    """
    file = tmp_path / "pid"
    driver = started(f"{begets.replace('{pid}', str(file))}; {ends or ACCEPTED}")
    begun = time.monotonic()
    if "exit" in ends:
        with pytest.raises(Death, match="exit code 0"):
            driver.ask(invoke(1), "case-1", PATIENCE_S)
    elif ends:
        with pytest.raises(Death, match="did not answer"):
            driver.ask(invoke(1), "case-1", 2.0)
    else:
        driver.ask(invoke(1), "case-1", PATIENCE_S)
        driver.stop(PATIENCE_S)
    assert time.monotonic() - begun < PATIENCE_S
    pid = int(file.read_text())
    assert is_gone(pid)
    assert [(pid, True)] == [(left.pid, left.ended) for left in driver.left_behind]
    assert all(left.command != "?" for left in driver.left_behind)


@pytest.mark.parametrize(
    ("looks", "line"),
    [
        (True, "the driver has left a process behind: sleep 3600 (pid 42); it could not be ended, and goes on"),
        (False, "whether the driver has left processes behind was not looked at: this system does not tell"),
    ],
    ids=["Linux", "elsewhere"],
)
def test_processes_left_behind_are_in_the_report(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    looks: bool,  # noqa: FBT001 - a column
    line: str,
) -> None:
    """By name; where the suite cannot look for them, the report says so."""
    monkeypatch.setattr(certification, "can_look", lambda: looks)
    driver = Driver(("none",), DriverLog(statum()))
    monkeypatch.setattr(Driver, "left_behind", (Left(42, "sleep 3600", ended=False),))
    path = tmp_path / "journal.sqlite"
    with Journal.create(path, {}, Redaction.of_values()) as journal:
        certification.note_left_behind(journal, driver)
    client = replace(client_of(read_journal(path)), implementation={})

    assert line in list(client_lines(replace(result_of().report, client=client)))


def test_a_cut_line_holds_no_part_of_a_secret(tmp_path: Path) -> None:
    """It may have been cut in the middle of one."""
    secret = "planted-Secret-8z"  # noqa: S105 - of this test
    line = ("x" * LONGEST_STDERR)[: LONGEST_STDERR - len(secret) + 3] + secret[:-3]
    path = tmp_path / "journal.sqlite"
    with Journal.create(path, {}, Redaction.of_values(secret)) as journal:
        journal.said(None, Direction.STDERR, f"{secret} {line}", cut=True)
    (message,) = read_journal(path).messages
    assert "planted" not in message.line
    assert message.line.endswith("x…")
