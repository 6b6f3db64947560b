"""The command `load`: workers that join, an interruption, and one clear line for what cannot be."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from command_line import call, finished, process
from load_rig import ACCOUNT, KEY, SECRET
from sockets import quiet_port

from conformance.cli.configuration import PREFIX
from conformance.journal import read_journal
from conformance.load import settings as load_settings
from conformance.mock.behaviour import BUILT_IN
from conformance.mock.serving import serve_mock

Capsys = pytest.CaptureFixture[str]
# The gateway of these lines is never reached.
ELSEWHERE = ("--gateway", "https://gateway.invalid/api/v2", "--consumer-key", KEY)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current directory, where reports go; the secret in the environment."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(f"{PREFIX}CONSUMER_SECRET", SECRET)
    return tmp_path


@pytest.fixture
def registered() -> Iterator[tuple[str, int]]:
    """The URL of a mock gateway, and the port at which it notifies of sms."""
    port = quiet_port()
    account = replace(ACCOUNT, callbacks={"sms": f"http://127.0.0.1:{port}/callbacks/sms"})
    with serve_mock(account, BUILT_IN, seed=1) as server:
        yield server.url, port


def report_in(folder: Path) -> dict[str, Any]:
    """The report of the run."""
    report: dict[str, Any] = json.loads((folder / "reports" / "report.json").read_text(encoding="utf-8"))
    return report


def test_a_worker_that_joins_sends_as_one_of_this_machine(here: Path, registered: tuple[str, int]) -> None:
    """The verdict is that of one; what the joined worker shipped is in the journal, on one clock with the rest."""
    url, port = registered
    workers = f"127.0.0.1:{quiet_port()}"
    judged = ("--gateway", url, "--consumer-key", KEY, "--product", "sms")
    load = process(
        here,
        *("load", *judged, "--callback-listen", f"127.0.0.1:{port}", "--max-examples", "0", "--rate", "60"),
        *("--for", "2", "--workers", "1", "--expect-workers", "1", "--listen-workers", workers),
        **{f"{PREFIX}CONSUMER_SECRET": SECRET},
    )
    assert load.stderr is not None
    while "waiting for 1 workers to join" not in (line := load.stderr.readline()):
        assert line, "it ended before it waited for workers"
    joined = finished(process(here, "load", "--join", workers, *judged, **{f"{PREFIX}CONSUMER_SECRET": SECRET}))
    ended = finished(load)

    assert (0, f"joined the load run at {workers} as worker-2\n", "") == (joined.code, joined.out, joined.err)
    assert 0 == ended.code, ended.err
    record = read_journal(here / "reports" / "journal.sqlite")
    notes = {(note.kind, note.detail.get("name") or note.detail.get("shard")): note.detail for note in record.notes}
    assert all(notes["shard", f"worker-{number}"]["exchanges"] > 10 for number in (1, 2))
    assert 0 < notes["clock", "worker-2"]["within_s"] < 1
    assert abs(notes["clock", "worker-2"]["offset_s"]) <= notes["clock", "worker-2"]["within_s"] + 0.001
    assert {case.id for case in record.cases} == {exchange.case_id for exchange in record.exchanges}
    assert "conformant" == report_in(here)["verdict"]


def test_a_load_that_is_interrupted_is_judged_as_such(here: Path) -> None:
    """What was sent is in the reports, with exit code 3."""
    load = process(here, "load", "--product", "sms", "--max-examples", "0", "--rate", "20", "--for", "60")
    assert load.stderr is not None
    while "accepted a second" not in (line := load.stderr.readline()):
        assert line, "it ended before it sent"
    while " of " not in load.stderr.readline():
        pass
    load.send_signal(signal.SIGINT)
    ended = finished(load)

    assert 3 == ended.code
    report = report_in(here)
    assert 0 < report["counts"]["exchanges"] < 1200
    assert "interrupted" in {entry.get("reason") for entry in report["requirements"]}


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
