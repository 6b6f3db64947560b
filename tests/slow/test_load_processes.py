"""Load when processes die, do not come, or reach a limit together; a line each, and nothing sent twice."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from load_rig import Recorder, case, engine_in, is_running, planned, rows_of, sent_in
from mock_rig import eventually

from conformance.load import engine as engines
from conformance.load.engine import LoadEngine
from conformance.model.errors import EnvironmentFailure
from conformance.model.process import Silent
from conformance.wire.listening import Address

CHECKOUT = Path(__file__).parents[2]


def test_the_other_worker_goes_on_when_one_is_killed(tmp_path: Path) -> None:
    """Nothing that was handed to the lost one is sent again, its file is kept, and the load comes to its end."""

    class Killing(Silent):
        """Kills a worker once requests are answered."""

        engine: LoadEngine
        lost = ""

        def exchanged(self, done: int, planned: int) -> None:  # noqa: ARG002 - the signature of Progress
            if done > 40 and not self.lost:
                self.lost, pid = next(iter(self.engine.worker_pids.items()))
                os.kill(pid, signal.SIGKILL)

    progress, path = Killing(), tmp_path / "journal.sqlite"
    with Recorder().serving() as recorder:
        cases = [case(each, url=recorder.url) for each in range(400)]
        with planned(path, cases) as journal, engine_in(tmp_path, recorder.url, progress) as engine:
            progress.engine = engine
            driven = engine.drive(path, recorder.url, journal.time_of(0.0))

    by_name = {shard.name: shard for shard in driven.shards}
    lost = by_name.pop(progress.lost)
    (other,) = by_name.values()
    assert lost.lost_since is not None
    assert driven.began <= lost.lost_since <= driven.ended
    assert None is other.lost_since
    assert 1 == max(Counter(case_id for (case_id,) in rows_of(driven, "SELECT case_id FROM sent")).values())
    recorded = {body for (body,) in rows_of(driven, "SELECT body FROM sent")}
    assert {request.partition(b"\r\n\r\n")[2] for request in recorder.taken} <= recorded
    missing = 400 - len(recorded)
    assert 0 <= missing < 200
    assert sent_in(other.path) > sent_in(lost.path)


def test_the_limit_holds_over_all_workers(tmp_path: Path) -> None:
    """As many requests reach the gateway as may be accepted, and the rest is withheld."""
    path = tmp_path / "journal.sqlite"
    with Recorder().serving() as recorder:
        cases = [case(each, url=recorder.url) for each in range(60)]
        with planned(path, cases) as journal, engine_in(tmp_path, recorder.url) as engine:
            driven = engine.drive(path, recorder.url, journal.time_of(0.0), max_accepted=37)

    assert 37 == len(recorder.taken)
    assert {"--max-accepted": 23} == driven.withheld


def test_workers_that_never_come_are_one_clear_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a time, and no process is left."""
    monkeypatch.setattr(engines, "JOIN_WITHIN_S", 0.5)
    path, address = tmp_path / "journal.sqlite", Address("127.0.0.1", 0)
    load = {"workers": 0, "expect_workers": 2, "listen_workers": address}
    with (
        planned(path, [case(1)]),
        engine_in(tmp_path, "http://127.0.0.1:9/api/v2", **load) as engine,
        pytest.raises(EnvironmentFailure, match=r"only 0 of 2 workers joined within 0.5 s"),
    ):
        engine.drive(path, "http://127.0.0.1:9/api/v2", 0.0)


ORPHANS = """
import sys
from pathlib import Path
from load_rig import case, engine_in, planned
from conformance.model.process import Silent

class Telling(Silent):
    def exchanged(self, done, planned):
        if done:
            print(*engine.worker_pids.values(), engine._master.pid, flush=True)

folder, url = Path(sys.argv[1]), sys.argv[2]
path = folder / "journal.sqlite"
cases = [case(each, url=url) for each in range(1000)]
with planned(path, cases), engine_in(folder, url, Telling(), rate=50.0) as engine:
    engine.drive(path, url, 0.0)
"""


def test_no_process_outlives_a_suite_that_is_killed(tmp_path: Path) -> None:
    """Neither master nor workers, and nothing more is sent."""
    with Recorder().serving() as recorder:
        arguments = [sys.executable, "-c", ORPHANS, str(tmp_path), recorder.url]
        paths = os.pathsep.join([str(CHECKOUT), str(CHECKOUT / "tests" / "support")])
        suite = subprocess.Popen(arguments, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": paths})
        assert suite.stdout is not None
        with suite.stdout:
            pids = list(map(int, suite.stdout.readline().split()))
            suite.kill()
            suite.wait()

            assert 3 == len(pids)
            assert eventually(lambda: not any(map(is_running, pids)), 20.0)
        assert len(recorder.taken) < 1000
