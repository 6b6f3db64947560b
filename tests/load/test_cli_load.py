"""The command `load`: one clear line for what cannot be."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from command_line import call
from load_rig import KEY, SECRET
from sockets import quiet_port

from conformance.cli.configuration import PREFIX
from conformance.contract.contract import statum
from conformance.gateway.settings import Settings
from conformance.judging.objectives import SLO
from conformance.load import settings as load_settings
from conformance.load.settings import LoadSettings
from conformance.reports.reproduce import repeat_command
from conformance.wire.listening import Address

Capsys = pytest.CaptureFixture[str]
# The gateway of these lines is never reached.
ELSEWHERE = ("--gateway", "https://gateway.invalid/api/v2", "--consumer-key", KEY)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current directory, where reports go; the secret in the environment."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(f"{PREFIX}CONSUMER_SECRET", SECRET)
    return tmp_path


def test_without_locust_it_says_how_to_get_it(capsys: Capsys, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is looked for, not imported."""
    monkeypatch.setattr(load_settings, "find_spec", lambda _: None)

    called = call(capsys, "load")
    assert (2, "error: load needs Locust, which is not installed (hint: pip install locust)\n") == (
        called.code,
        called.err,
    )


LINES = (
    (ELSEWHERE, "--phone-number is missing", 2),
    ((*ELSEWHERE, "--phone-number", "254712345678"), "--max-spend is missing", 2),
    ((*ELSEWHERE, "--phone-number", "254712345678", "--max-spend", "9"), "--max-accepted is missing", 2),
    (("--rate", "0"), "--rate is 0; expected from 0.001 to 100,000 a second", 2),
    (("--for", "-1"), "--for is -1; expected from 0.1 to 604,800 seconds, a week", 2),
    (("--workers", "0"), "--workers is 0, and no other workers are expected", 2),
    (("--workers", "1000"), "--workers is 1000; expected from 0 to 256", 2),
    (("--receivers", "0"), "--receivers is 0; expected from 1 to 256", 2),
    (("--expect-workers", "2"), "--expect-workers is given without --listen-workers", 2),
    (("--listen-workers", "127.0.0.1:0"), "--listen-workers is given without --expect-workers", 2),
    (("--join", "127.0.0.1:9"), "--join is given without --gateway", 2),
    (("--join", "here"), "listen address 'here' is not HOST:PORT", 2),
)


@pytest.mark.parametrize(("arguments", "said", "code"), LINES, ids=[said for _, said, _ in LINES])
def test_what_cannot_be_used_is_one_clear_line(
    capsys: Capsys, arguments: tuple[str, ...], said: str, code: int
) -> None:
    """Before anything is started."""
    called = call(capsys, "load", *arguments)

    assert (code, 1) == (called.code, called.err.count("\n"))
    assert said in called.err


def test_nobody_to_join_is_one_clear_line(capsys: Capsys) -> None:
    """Whoever starts a worker too early is told what comes first."""
    where = f"127.0.0.1:{quiet_port()}"
    called = call(capsys, "load", "--join", where, "--gateway", "http://127.0.0.1:9/api/v2", "--consumer-key", KEY)

    assert (3, 1) == (called.code, called.err.count("\n"))
    assert f"error: no load run can be joined at {where}: connection refused (hint: start it first" in called.err


def test_a_load_is_repeated_as_a_load() -> None:
    """The line below the verdict has its rate, its length and its figures, with all workers on one machine."""
    load = LoadSettings(rate=50.0, for_s=2.5, workers=1, expect_workers=2, listen_workers=Address("127.0.0.1", 5557))
    load = replace(load, slo=SLO.parse("answer-p99=500ms,errors=0.1%"))
    run = Settings(KEY, SECRET, gateway="http://127.0.0.1:9000/api/v2", seed=7)
    named = {"gateway": run.gateway, "subject_name": run.gateway, "load": load.recorded()}

    line = repeat_command({**run.recorded(), **named}, statum())
    assert line.startswith("statum-conformance load --gateway http://127.0.0.1:9000/api/v2 ")
    assert line.endswith(" --seed 7 --rate 50 --for 2.5 --workers 3 --receivers 1 --slo answer-p99=500ms,errors=0.1%")
