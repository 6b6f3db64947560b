"""`run` and `judge`, end to end over real HTTP: output, reports, exit code."""

from __future__ import annotations

import json
import os
import pty
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import chdir, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import pytest
from command_line import CHECKOUT, CONSOLE_SCRIPT, PATIENCE_S, Called, call, finished, process
from sockets import quiet_port

from conformance.cli import outcome
from conformance.contract.contract import statum
from conformance.contract.schemas import FORMATS
from conformance.journal import read_journal
from conformance.mock.account import Account
from conformance.reports.files import REPORTS

Capsys = pytest.CaptureFixture[str]

pytestmark = pytest.mark.usefixtures("here")

# The codes that change a terminal's colours, alone or after others.
COLOURS = re.compile(r"\x1b\[(?:\d+;)*[349]\d(?:;\d+)*m")

# Whatever a terminal obeys.
CONTROLS = re.compile(r"\x1b\[[?\d;]*[A-Za-z]")

# A quick run: one product, few payloads.
QUICK = ("--product", "sms", "--max-examples", "3", "--seed", "7")


@contextmanager
def mock_gateway(directory: Path, receiver_port: int, *arguments: str) -> Iterator[str]:
    """The URL of `statum-conformance mock` in a process of its own, with every callback registered."""
    callbacks = [
        f"--callback={product}=http://127.0.0.1:{receiver_port}/callbacks/{product}" for product in statum().products
    ]
    running = process(directory, "mock", "--listen", "127.0.0.1:0", *callbacks, *arguments)
    try:
        assert running.stdout is not None
        first = running.stdout.readline()
        for line in running.stdout:
            if line == "ready\n":
                break
        yield first.removeprefix("mock gateway at ").strip()
    finally:
        running.send_signal(signal.SIGTERM)
        finished(running)


def run_against(directory: Path, *faults: str) -> Called:
    """A run in one process against a mock gateway in another."""
    account = Account.sample()
    port = quiet_port()
    with mock_gateway(directory, port, *faults) as url:
        return finished(
            process(
                directory,
                "run",
                *QUICK,
                f"--gateway={url}",
                f"--callback-listen=127.0.0.1:{port}",
                STATUM_CONFORMANCE_CONSUMER_KEY=account.consumer_key,
                STATUM_CONFORMANCE_CONSUMER_SECRET=account.consumer_secret,
            )
        )


@dataclass(frozen=True, slots=True)
class Ran:
    """A run that tests have in common, and where it was held."""

    called: Called
    directory: Path

    def copy(self) -> None:
        """Have its reports in the current directory."""
        shutil.copytree(self.directory / "reports", "reports")


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """A run without any option but those that make it quick."""
    directory, out, err = tmp_path_factory.mktemp("ran"), StringIO(), StringIO()
    with chdir(directory), redirect_stdout(out), redirect_stderr(err):
        code = outcome(("run", *QUICK))
    return Ran(Called(code, out.getvalue(), err.getvalue()), directory)


def test_a_run_against_the_built_in_mock_gateway_is_conformant(ran: Ran) -> None:
    """Exit 0, and the verdict is the last line."""
    assert 0 == ran.called.code, ran.called.out
    verdict = ran.called.out.splitlines()[-1]
    assert re.fullmatch(
        r"conformant: (\d+) of \1 MUST passed, 0 warnings"
        r" · \d+ exchanges, \d+ notifications · seed 7 · reports/report\.html",
        verdict,
    )


def test_a_run_writes_every_report(capsys: Capsys, here: Path) -> None:
    """And the journal, beside them."""
    call(capsys, "run", *QUICK, "--report-dir", "out")

    assert {*REPORTS, "journal.sqlite"} == {path.name for path in (here / "out").iterdir()}
    assert [] == FORMATS.violations("report", json.loads((here / "out" / "report.json").read_bytes()))


def test_progress_is_on_standard_error_and_results_on_standard_output(ran: Ran) -> None:
    """So that the result can be piped."""
    phases = [line.partition(":")[0] for line in ran.called.err.splitlines() if not line.startswith(" ")]
    assert ["preparing", "checking", "sending", "listening", "judging"] == phases
    assert "sending" not in ran.called.out


def reports_in(here: Path) -> dict[Path, bytes]:
    """Every file of every report."""
    paths = [path for name in REPORTS for path in (here / "reports" / name, *(here / "reports" / name).rglob("*"))]
    return {path: path.read_bytes() for path in paths if path.is_file()}


def test_judging_the_journal_again_says_and_writes_the_same(ran: Ran, capsys: Capsys, here: Path) -> None:
    """Same output, same exit code, the same reports byte for byte; standard error stays empty."""
    ran.copy()
    written = reports_in(here)

    again = call(capsys, "judge", "reports/journal.sqlite")

    assert (ran.called.code, ran.called.out, "") == (again.code, again.out, again.err)
    assert written == reports_in(here)


def test_judging_writes_where_it_is_told(ran: Ran, capsys: Capsys, here: Path) -> None:
    """The journal may lie anywhere."""
    call(capsys, "judge", str(ran.directory / "reports" / "journal.sqlite"), "--report-dir", "second")

    assert set(REPORTS) == {path.name for path in (here / "second").iterdir()}


def test_the_line_that_repeats_a_run_repeats_it(ran: Ran, capsys: Capsys, here: Path) -> None:
    """Pasted as it is, it sends the same bytes."""
    (line,) = (line for line in ran.called.out.splitlines() if line.startswith("repeat with: "))
    program, *arguments = shlex.split(line.removeprefix("repeat with: "))
    sent = [(case.id, case.request.body) for case in read_journal(ran.directory / "reports" / "journal.sqlite").cases]

    call(capsys, *arguments)

    assert "statum-conformance" == program
    assert sent == [(case.id, case.request.body) for case in read_journal(here / "reports" / "journal.sqlite").cases]


def test_a_lawful_gateway_in_another_process_is_conformant(here: Path) -> None:
    """`mock` in one process with each callback registered, `run --gateway` in another."""
    called = run_against(here)

    assert 0 == called.code, called.out + called.err


def test_a_faulty_gateway_is_found_out(here: Path) -> None:
    """Exit 1; what is broken is in the table, with value, quote and a line that reproduces it, not the secret."""
    called = run_against(here, "--fault=status-code-as-string")

    assert 1 == called.code, called.out + called.err
    assert "FAIL RSP-03 status_code is a JSON number." in called.out
    assert '(/status_code is "200")' in called.out
    assert "\n  replay with: statum-conformance replay sms/" in called.out
    assert called.out.splitlines()[-1].startswith("non-conformant: ")
    secret = Account.sample().consumer_secret.encode()
    files = [path for path in (here / "reports").rglob("*") if path.is_file()]
    assert [] == [path.name for path in files if secret in path.read_bytes()]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_is_judged_as_far_as_it_went(here: Path, number: signal.Signals) -> None:
    """Exit 3, and the reports are there: what was not exercised is inconclusive, because of the interruption."""
    running = process(here, "run", "--product=sms", "--max-examples=2000")
    assert running.stderr is not None
    for line in running.stderr:
        if line.startswith("sending"):
            break
    running.send_signal(number)
    called = finished(running)

    assert 3 == called.code, called.out + called.err
    assert called.out.splitlines()[-1].startswith("inconclusive: ")
    report = json.loads((here / "reports" / "report.json").read_bytes())
    assert "interrupted" in {entry.get("reason") for entry in report["requirements"]}


def test_on_a_terminal_progress_is_live_and_the_result_stays(here: Path) -> None:
    """The live line is wiped out; the verdict is what remains."""
    ours, theirs = pty.openpty()
    settings = {"PYTHONPATH": str(CHECKOUT), "TERM": "xterm", "COLUMNS": "60", "NO_COLOR": "1", "CI": ""}
    running = subprocess.Popen(
        [sys.executable, "-c", CONSOLE_SCRIPT, "run", *QUICK],
        cwd=here,
        env={**os.environ, **settings},
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    text = b"".join(iter(lambda: _read(ours), b"")).decode()
    os.close(ours)

    assert 0 == running.wait(PATIENCE_S), text
    live, _, result = text.rpartition("\x1b[2K")
    assert "listening" in live
    told = CONTROLS.sub("", result)
    assert " ".join(told.split()).endswith(" · seed 7 · reports/report.html")
    assert "\nconformant: " in told
    assert [] == [line for line in told.splitlines() if len(line) > 60 and not line.startswith("repeat with: ")]
    assert [] == COLOURS.findall(text), "NO_COLOR is set"


def _read(terminal: int) -> bytes:
    """What comes from the other side; nothing once that is closed, for which Linux has an error."""
    try:
        return os.read(terminal, 65536)
    except OSError:
        return b""


def test_a_reader_who_goes_away_does_not_change_the_exit_code(here: Path) -> None:
    """`statum-conformance judge … | head -1` ends as the verdict does, and without complaint."""
    finished(process(here, "run", *QUICK))
    reading, writing = os.pipe()
    os.close(reading)
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
    done = subprocess.run(
        [sys.executable, "-c", CONSOLE_SCRIPT, "judge", "reports/journal.sqlite"],
        cwd=here,
        env=environment,
        stdout=writing,
        stderr=subprocess.PIPE,
        timeout=PATIENCE_S,
        check=False,
    )
    os.close(writing)

    assert (0, b"") == (done.returncode, done.stderr)


def test_a_terminal_without_unicode_does_not_end_the_run(here: Path) -> None:
    """What its encoding lacks is escaped."""
    called = finished(process(here, "run", *QUICK, PYTHONUTF8="0", PYTHONIOENCODING="ascii"))

    assert 0 == called.code, called.err
    assert "\\xb7" in called.out.splitlines()[-1]
