"""A signal while a command begins or ends: exit code 3 and one line, or the code of a command that was done."""

from __future__ import annotations

import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import click
import pytest
from command_line import CONSOLE_SCRIPT, Called, call, finished, process

from conformance.client.certification import certify
from conformance.client.settings import ClientSettings
from conformance.gateway import campaign
from conformance.model.process import signals_handled

Capture = pytest.CaptureFixture[str]

# The first module that the suite's commands import, whichever that is, meets a signal.
IN_AN_IMPORT = """
import signal, sys
class Signalling:
    def find_spec(name, *_):
        sys.meta_path.remove(Signalling)
        try:
            signal.raise_signal(signal.{})
        except KeyboardInterrupt:
            {}
import conformance.model.process, conformance.__main__
sys.meta_path.insert(0, Signalling)
"""


def scripted(directory: Path, script: str, *arguments: str) -> Called:
    """How the console script ends in a process of its own, in which `script` has gone before."""
    return finished(process(directory, *arguments, script=script + CONSOLE_SCRIPT))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("becomes", ["pass", "raise ImportError('half there')", "raise"])
def test_a_signal_while_modules_are_imported_is_no_broken_installation(
    number: signal.Signals, becomes: str, tmp_path: Path
) -> None:
    """Whatever the import makes of an exception in its middle, nothing is done, and nothing printed of it."""
    called = scripted(tmp_path, IN_AN_IMPORT.format(number.name, becomes), "keygen", "key")

    assert (3, "error: interrupted before anything was done") == (called.code, called.only_line)
    assert [] == list(tmp_path.iterdir())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_before_anything_is_heeded_ends_the_process_without_a_traceback(
    number: signal.Signals, tmp_path: Path
) -> None:
    """There is nothing to be undone, so it means what it means for any process."""
    early = f"""
import signal, conformance.model.process as process
process._open_closed_streams = lambda: signal.raise_signal({number:d})
"""
    called = scripted(tmp_path, early, "--version")

    assert (-number, "", "") == (called.code, called.out, called.err)


def test_a_signal_while_handlers_are_set_is_heeded(tmp_path: Path) -> None:
    """Half of them are there."""
    early = """
import signal
meant = signal.signal
def signalling(number, handler):
    before = meant(number, handler)
    if handler not in (signal.SIG_DFL, signal.SIG_IGN):
        signal.raise_signal(number)
    return before
signal.signal = signalling
"""
    called = scripted(tmp_path, early, "keygen", "key")

    assert (3, "error: interrupted before anything was done") == (called.code, called.only_line)
    assert [] == list(tmp_path.iterdir())


@pytest.mark.parametrize("method", ["__enter__", "__exit__"])
def test_a_signal_that_meets_the_library_of_the_command_line_is_no_bug(
    method: str, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Outside of the commands click raises an exception of its own for it, which does not say why."""
    meant = getattr(click.Context, method)
    outermost = 0 if method == "__enter__" else 1

    def signalled(self: click.Context, *arguments: Any) -> Any:
        if self.parent is None and self._depth == outermost:
            signal.raise_signal(signal.SIGTERM)
        return meant(self, *arguments)

    monkeypatch.setattr(click.Context, method, signalled)
    called = call(capsys, "mock", "--list-variants")

    assert 3 == called.code
    assert "error: interrupted" in called.err
    assert "please report it" not in called.err


def test_what_a_signal_has_become_on_its_way_is_no_bug(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is interrupted may raise something else; it is told, for without a signal it would be a bug."""

    def broken(*_: object, **__: object) -> None:
        with suppress(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        raise RuntimeError("generator ignored GeneratorExit")

    monkeypatch.setattr(campaign, "run", broken)
    called = call(capsys, "run", "--report-dir", str(tmp_path), "-q")

    told = "error: interrupted, which led to RuntimeError: generator ignored GeneratorExit"
    assert (3, told) == (called.code, called.only_line)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_after_the_last_line_changes_nothing(number: signal.Signals, tmp_path: Path) -> None:
    """What was to be said was said, so the exit code is that of the command; the interpreter ends in silence."""
    late = f"""
import atexit, signal
import conformance.__main__ as main
flushed = main.flush_output
def signalled():
    flushed()
    signal.raise_signal({int(number)})
main.flush_output = signalled
atexit.register(signal.raise_signal, {int(number)})
"""
    called = scripted(tmp_path, late, "--version")

    assert (0, "") == (called.code, called.err)


def test_a_driver_that_is_just_being_started_is_not_left_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its process is there, and nobody else knows of it yet, when the signal comes."""
    begun: list[subprocess.Popen[bytes]] = []

    def signalled(*arguments: Any, **options: Any) -> subprocess.Popen[bytes]:
        begun.append(started(*arguments, **options))
        signal.raise_signal(signal.SIGTERM)
        return begun[0]

    started = subprocess.Popen
    monkeypatch.setattr("conformance.client.driver.subprocess.Popen", signalled)
    with signals_handled(hard=False), pytest.raises(KeyboardInterrupt):
        certify(ClientSettings(driver=f"{sys.executable} -c input()", report_dir=tmp_path))

    assert [True] == [each.poll() is not None for each in begun]
