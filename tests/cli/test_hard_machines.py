"""A machine that is full, or out of something: exit code 3 and one line, never that of the subject's fault."""

from __future__ import annotations

import errno
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import CHECKOUT, CONSOLE_SCRIPT, PATIENCE_S, Called, call

from conformance.cli.command import in_words
from conformance.contract.schemas import built_in
from conformance.gateway import campaign
from conformance.journal.earlier import RESULTS

Capture = pytest.CaptureFixture[str]


def shell(directory: Path, line: str, script: str = CONSOLE_SCRIPT) -> Called:
    """What a line of the shell comes to, in which "$@" is the console script."""
    ended = subprocess.run(
        ["/bin/sh", "-c", line, "sh", sys.executable, "-c", script],
        cwd=directory,
        env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    return Called(ended.returncode, ended.stdout, ended.stderr)


# --- Streams


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ('"$@" --version >&-', "error: standard output is closed"),
        ('"$@" run --product sms >&-', "error: standard output is closed"),
        ('"$@" --version >/dev/full', "No space left on device"),
        ('"$@" requirements --format json >/dev/full', "No space left on device"),
    ],
)
def test_results_that_cannot_be_written_are_no_success(line: str, told: str, tmp_path: Path) -> None:
    """Standard output that is closed ends a command before it has done anything; one that is full is told as well."""
    called = shell(tmp_path, line)

    assert 3 == called.code
    assert told in called.only_line
    assert [] == list(tmp_path.iterdir())


@pytest.mark.parametrize("gone", ["2>&-", "2>/dev/full", "0<&- 2>&-"])
def test_remarks_that_nobody_takes_change_no_exit_code(gone: str, tmp_path: Path) -> None:
    """Whoever closes standard error wants to hear nothing: an error keeps its code, a result is told."""
    assert 2 == shell(tmp_path, f'"$@" judge nowhere {gone}').code
    listed = shell(tmp_path, f'"$@" mock --list-variants {gone}')
    assert (0, True) == (listed.code, bool(listed.out))


# --- Before anything begins


def test_a_module_that_is_missing_is_told(tmp_path: Path) -> None:
    """Exit code 4, and what helps; an interpreter would end with 1, as a gateway at fault."""
    called = shell(tmp_path, '"$@" --version', f"import sys; sys.modules['httpx'] = None; {CONSOLE_SCRIPT}")

    assert 4 == called.code
    assert "error: the installation is broken: " in called.only_line
    assert "pip install" in called.only_line


def test_a_python_that_is_too_old_is_told(tmp_path: Path) -> None:
    """By its version, whatever it would fail at."""
    called = shell(tmp_path, '"$@" --version', f"import sys; sys.version_info = (3, 9); {CONSOLE_SCRIPT}")

    assert 4 == called.code
    assert "expected 3.11 or later" in called.only_line


@pytest.mark.skipif(sys.platform != "linux", reason="no other system holds a process to it")
@pytest.mark.parametrize("limit", ["-v 60000", "-v 45000", "-d 40000"])
def test_too_little_memory_to_begin_is_told(limit: str, tmp_path: Path) -> None:
    """Before modules are imported, which fails with a MemoryError, an ImportError or a SystemError as it comes."""
    called = shell(tmp_path, f'ulimit {limit}; "$@" --version')

    assert 3 == called.code
    assert "MB of memory; expected 128 MB or more" in called.only_line


def test_too_few_files_are_told(tmp_path: Path) -> None:
    """Before the server's library, which would end the process, meets it."""
    called = shell(tmp_path, 'ulimit -n 16; "$@" run --product sms')

    assert 3 == called.code
    assert "this process may have 16 files and connections open; expected" in called.only_line


def test_a_shell_that_is_unknown_is_wrong_usage(tmp_path: Path) -> None:
    """Whatever the exit code that the library for command lines has for it: 1 would be a gateway at fault."""
    assert 2 == shell(tmp_path, '_STATUM_CONFORMANCE_COMPLETE=elsewhere_source "$@"').code


# --- What is raised in the middle


@pytest.mark.parametrize(
    ("error", "code", "told"),
    [
        (MemoryError(), 3, "not enough memory"),
        (RuntimeError("can't start new thread"), 3, "no more threads"),
        (OSError(errno.EMFILE, "Too many open files"), 3, "ulimit -n"),
        (OSError(errno.ENOSPC, "No space left on device"), 3, "does not let it go on: No space left on device (hint: "),
        (OSError(errno.EFBIG, "File too large", "x/report.json"), 3, "File too large: x/report.json"),
        (OSError(errno.EIO, "Input/output error"), 3, "Input/output error"),
        (BrokenPipeError(errno.EPIPE, "Broken pipe"), 3, "Broken pipe"),
        (sqlite3.OperationalError("database or disk is full"), 3, "database or disk is full"),
        (KeyboardInterrupt(), 3, "interrupted before anything could be judged"),
        (
            FileNotFoundError(errno.ENOENT, "No such file", str(built_in("report.json"))),
            4,
            "the installation is broken",
        ),
        (ModuleNotFoundError("No module named 'rich'"), 4, "the installation is broken"),
        (RuntimeError("a bug\nin two lines"), 4, "a bug in two lines; please report it"),
        (sqlite3.ProgrammingError("a bug"), 4, "please report it"),
    ],
)
def test_whose_fault_an_exception_is(error: BaseException, code: int, told: str) -> None:
    """The machine's (3), or the suite's (4); that of a subject is a verdict, never an exception."""
    assert code == in_words(error).exit_code
    assert told in str(in_words(error))


@pytest.mark.parametrize("lack", [MemoryError(), RuntimeError("can't start new thread"), OSError(28, "No space left")])
def test_what_the_machine_lacks_in_the_middle_of_a_run_is_an_obstacle(
    lack: Exception, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was seen until then is judged and written, and the exit code is 3."""

    def lacking(*_: object, **__: object) -> None:
        raise lack

    monkeypatch.setattr(campaign, "_send_all", lacking)
    called = call(capsys, "run", "--product", "sms", "-q", "--report-dir", str(tmp_path))

    assert 3 == called.code
    assert called.only_line.startswith("error: ")
    assert "please report it" not in called.err
    assert set(RESULTS) - {"certificate.json"} <= {path.name for path in tmp_path.iterdir()}


def test_no_thread_at_all_is_told(tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    """As where a container's limit on processes is reached; nothing is left behind."""

    def refused(_: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr("threading.Thread.start", refused)
    called = call(capsys, "run", "--product", "sms", "--report-dir", str(tmp_path / "reports"))

    assert 3 == called.code
    assert "no more threads can be started (hint: raise the limit" in called.only_line


def test_a_driver_that_cannot_be_forked_is_not_at_fault(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is this machine that has no room for another process."""

    def refused(*_: object, **__: object) -> None:
        raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")

    monkeypatch.setattr("conformance.client.driver.subprocess.Popen", refused)
    called = call(capsys, "certify", "--driver", sys.executable, "--report-dir", str(tmp_path))

    assert 3 == called.code
    assert "ulimit -u" in called.only_line
