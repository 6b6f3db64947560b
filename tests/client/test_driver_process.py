"""The process of a driver: asked, watched, restarted and ended. Drivers here are a few lines of Python each."""

from __future__ import annotations

import os
import shlex
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from tiny_drivers import ACCEPTED, PATIENCE_S, SHORT_S, Line, Start, heard, invoke, is_gone, started

from conformance.client import driver as driver_module
from conformance.client.certification import examine_driver
from conformance.client.driver import Death, Driver, How
from conformance.client.driver_messages import DriverLog
from conformance.client.settings import program_of
from conformance.contract.contract import statum
from conformance.journal.rows import LONGEST_STDERR
from conformance.model.errors import EnvironmentFailure, UsageError
from conformance.model.traffic import Direction

__all__ = ["heard", "started"]  # fixtures


def test_answers_are_handed_back_and_every_line_is_recorded(started: Start, heard: list[Line]) -> None:
    """With the case at hand."""
    driver = started()

    assert {"id": "m1", "outcome": "accepted"} == driver.ask(invoke(1), "case-1", PATIENCE_S)
    driver.stop(PATIENCE_S)

    assert [(None, Direction.TO), (None, Direction.FROM), ("case-1", Direction.TO), ("case-1", Direction.FROM)] == [
        line[:2] for line in heard[:4]
    ]
    assert '{"cmd":"stop"}' == heard[-1][2]


def test_a_driver_is_given_none_of_the_secrets_of_the_suite(started: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """A gateway's credential, or a signing key's passphrase, is nothing to the client; the rest it needs to start."""
    for name in ("CONSUMER_SECRET", "CALLBACK_TOKEN", "KEY_PASSPHRASE"):
        monkeypatch.setenv(f"STATUM_CONFORMANCE_{name}", "canary-5ecret")
    monkeypatch.setenv("OF_THE_CLIENT", "its-own")
    driver = started(
        """say(json.dumps({"id": ID, "outcome": "accepted", "description": json.dumps(dict(os.environ))}))"""
    )
    told = driver.ask(invoke(1), "case-1", PATIENCE_S)["description"]

    assert "its-own" in told
    assert "canary-5ecret" not in told


@pytest.mark.parametrize(
    ("how", "does", "words"),
    [
        (How.CRASH, "os._exit(70)", "exit code 70"),
        (How.CRASH, "os.kill(os.getpid(), signal.SIGKILL)", "signal SIGKILL"),
        (How.CRASH, "sys.exit()", "exit code 0"),
        (How.HANG, "time.sleep(3600)", f"within {SHORT_S:g} s"),
        (How.GARBAGE, 'say("INFO sending")', "not JSON"),
        (How.GARBAGE, """say('{"id": "other", "outcome": "accepted"}')""", "'other'"),
        (How.GARBAGE, """say(json.dumps({"id": ID, "outcome": "perhaps"}))""", "/outcome"),
    ],
    ids=["crash", "killed", "ends", "hang", "garbage", "another id", "no such outcome"],
)
def test_a_breach_of_the_protocol_ends_the_driver(started: Start, how: How, does: str, words: str) -> None:
    """The case at hand fails, the words say why, and the process is gone."""
    driver = started(does)

    with pytest.raises(Death) as death:
        driver.ask(invoke(1), "case-1", SHORT_S if how is How.HANG else PATIENCE_S)

    assert (how, "case-1") == (death.value.how, death.value.case_id)
    assert words in death.value.detail
    assert not driver.running


@pytest.mark.parametrize("shown_by", [invoke(2), None], ids=["at the next call", "at the end"])
def test_a_second_answer_fails_its_own_case(started: Start, shown_by: dict[str, object] | None) -> None:
    """Though it shows only later."""
    driver = started(f"{ACCEPTED}; {ACCEPTED}")
    driver.ask(invoke(1), "case-1", PATIENCE_S)

    with pytest.raises(Death) as death:
        driver.ask(shown_by, "case-2", PATIENCE_S) if shown_by else driver.stop(PATIENCE_S)

    assert (How.TWICE, "case-1") == (death.value.how, death.value.case_id)


@pytest.mark.parametrize(
    ("stop", "words"),
    [("os._exit(3)", "exit code 3"), ("time.sleep(3600)", "did not end within")],
    ids=["another exit code", "goes on"],
)
def test_a_driver_that_does_not_stop_with_exit_code_0_is_reported(started: Start, stop: str, words: str) -> None:
    """And it is ended all the same."""
    driver = started(stop=stop)

    with pytest.raises(Death) as death:
        driver.stop(PATIENCE_S if "exit" in stop else SHORT_S)

    assert How.STOP == death.value.how
    assert words in death.value.detail
    assert not driver.running


def test_a_driver_can_be_started_again(started: Start) -> None:
    """And answers as if nothing had been."""
    driver = started("os._exit(70) if ID == 'm1' else " + ACCEPTED)
    with pytest.raises(Death):
        driver.ask(invoke(1), "case-1", PATIENCE_S)

    driver.start()

    assert {"id": "m2", "outcome": "accepted"} == driver.ask(invoke(2), "case-2", PATIENCE_S)


@pytest.mark.parametrize(
    "can_wait", sorted({driver_module.CAN_WAIT, False}), ids=lambda can: "waitid" if can else "reaping"
)
def test_its_children_are_ended_with_it(
    started: Start,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    can_wait: bool,  # noqa: FBT001 - a column
) -> None:
    """Also a child that ignores SIGTERM, and where the suite can only wait for a process by reaping it."""
    monkeypatch.setattr(driver_module, "CAN_WAIT", can_wait)
    child = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); time.sleep(3600)"
    driver = started(
        f"child = subprocess.Popen([sys.executable, '-c', {child!r}], stdout=subprocess.PIPE); "
        "child.stdout.readline(); "
        f"open({str(tmp_path / 'child')!r}, 'w').write(str(child.pid)); {ACCEPTED}"
    )
    driver.ask(invoke(1), "case-1", PATIENCE_S)
    pid = int((tmp_path / "child").read_text())

    driver.kill()

    assert is_gone(pid)


@pytest.mark.skipif(not hasattr(os, "waitid"), reason="a process can only be awaited by reaping it")
@pytest.mark.parametrize("does", [ACCEPTED, "os._exit(70)", "time.sleep(3600)"], ids=["stop", "crash", "hang"])
def test_no_signal_goes_to_a_reused_process_number(does: str, started: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that was reaped has given up its number: another session may have it when the driver is ended."""
    reaped: list[bool] = []
    send = os.killpg

    def killpg(group: int, number: int) -> None:
        reaped.append(not Path(f"/proc/{group}").exists())
        send(group, number)

    monkeypatch.setattr(os, "killpg", killpg)
    driver = started(does)
    with suppress(Death):
        driver.ask(invoke(1), "case-1", SHORT_S if "sleep" in does else PATIENCE_S)
        driver.stop(PATIENCE_S)
    driver.kill()

    assert reaped
    assert not any(reaped)


def test_standard_error_is_recorded_and_blocks_nothing(started: Start, heard: list[Line]) -> None:
    """However much it is, and whatever bytes."""
    noise = "sys.stderr.buffer.write(b'x' * 200000 + b'\\n' + b'\\xff\\n'); sys.stderr.flush()"
    driver = started(f"{noise}; {ACCEPTED}")

    driver.ask(invoke(1), "case-1", PATIENCE_S)
    driver.stop(PATIENCE_S)

    lines = [line for _, direction, line in heard if direction is Direction.STDERR]
    left_out = "[0 lines and 183,617 bytes were too many, and are left out here]"
    assert ["x" * LONGEST_STDERR + "…", "\\xff", left_out] == lines


def test_a_program_that_cannot_be_executed_is_refused(tmp_path: Path) -> None:
    """A script without the permission, with a hint; and an executable file of another kind."""
    script, binary = tmp_path / "driver.py", tmp_path / "driver"
    script.write_text("#!/usr/bin/env python\n")
    binary.write_bytes(b"\x00\x01\x02")
    binary.chmod(0o755)

    with pytest.raises(UsageError, match="is not executable") as error:
        program_of(str(script))
    assert "chmod +x" in (error.value.hint or "")
    with pytest.raises(UsageError, match="cannot be started"):
        Driver(program_of(str(binary)), DriverLog(statum())).start()


def test_doctor_greets_a_driver_and_stops_it(started: Start, tmp_path: Path) -> None:
    """And shows its description."""
    started()
    line = shlex.join((sys.executable, str(tmp_path / "driver.py")))

    assert [("driver says hello", "tiny"), ("commands", "sms"), ("driver stops", "exit code 0")] == [
        *examine_driver(line, statum())
    ]


def test_doctor_shows_why_a_driver_does_not_say_hello() -> None:
    """In one line."""
    with pytest.raises(EnvironmentFailure, match="it ended with exit code 3 instead of answering hello"):
        list(examine_driver(shlex.join((sys.executable, "-c", "raise SystemExit(3)")), statum()))
