"""The command `load` as a whole: a worker that joins from elsewhere, and an interruption."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from command_line import finished, process
from load_rig import ACCOUNT, KEY, SECRET
from sockets import quiet_port

from conformance.cli.configuration import PREFIX
from conformance.journal import read_journal
from conformance.mock.behaviour import BUILT_IN
from conformance.mock.serving import serve_mock


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


def test_a_worker_that_joins_sends_as_one_of_this_machine(tmp_path: Path, registered: tuple[str, int]) -> None:
    """The verdict is that of one; what the joined worker shipped is in the journal, on one clock with the rest."""
    url, port = registered
    workers = f"127.0.0.1:{quiet_port()}"
    judged = ("--gateway", url, "--consumer-key", KEY, "--product", "sms")
    load = process(
        tmp_path,
        *("load", *judged, "--callback-listen", f"127.0.0.1:{port}", "--max-examples", "0", "--rate", "60"),
        *("--for", "2", "--workers", "1", "--expect-workers", "1", "--listen-workers", workers),
        **{f"{PREFIX}CONSUMER_SECRET": SECRET},
    )
    assert load.stderr is not None
    while "waiting for 1 workers to join" not in (line := load.stderr.readline()):
        assert line, "it ended before it waited for workers"
    joined = finished(process(tmp_path, "load", "--join", workers, *judged, **{f"{PREFIX}CONSUMER_SECRET": SECRET}))
    ended = finished(load)

    assert (0, f"joined the load run at {workers} as worker-2\n", "") == (joined.code, joined.out, joined.err)
    assert 0 == ended.code, ended.err
    record = read_journal(tmp_path / "reports" / "journal.sqlite")
    notes = {(note.kind, note.detail.get("name") or note.detail.get("shard")): note.detail for note in record.notes}
    assert all(notes["shard", f"worker-{number}"]["exchanges"] > 10 for number in (1, 2))
    assert 0 < notes["clock", "worker-2"]["within_s"] < 1
    assert abs(notes["clock", "worker-2"]["offset_s"]) <= notes["clock", "worker-2"]["within_s"] + 0.001
    assert {case.id for case in record.cases} == {exchange.case_id for exchange in record.exchanges}
    assert "conformant" == report_in(tmp_path)["verdict"]


def test_a_load_that_is_interrupted_is_judged_as_such(tmp_path: Path) -> None:
    """What was sent is in the reports, with exit code 3."""
    load = process(tmp_path, "load", "--product", "sms", "--max-examples", "0", "--rate", "20", "--for", "60")
    assert load.stderr is not None
    while "accepted a second" not in (line := load.stderr.readline()):
        assert line, "it ended before it sent"
    while " of " not in load.stderr.readline():
        pass
    load.send_signal(signal.SIGINT)
    ended = finished(load)

    assert 3 == ended.code
    report = report_in(tmp_path)
    assert 0 < report["counts"]["exchanges"] < 1200
    assert "interrupted" in {entry.get("reason") for entry in report["requirements"]}
