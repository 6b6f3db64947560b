"""The engine: Locust's processes from their start to their end, with what they sent."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from load_rig import ACCOUNT, Recorder, case, ordinary_plan, planned, settings_for
from mock_rig import eventually
from source_files import modules

from conformance.load import engine as engines
from conformance.load.engine import LoadEngine
from conformance.load.settings import LoadSettings
from conformance.load.shards import Driven
from conformance.mock.behaviour import BUILT_IN
from conformance.mock.serving import serve_mock
from conformance.model.errors import EnvironmentFailure
from conformance.model.process import Silent
from conformance.wire.listening import Address, listening_socket

CHECKOUT = Path(__file__).parents[2]


def is_running(pid: int) -> bool:
    """Whether there is such a process."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def rows_of(driven: Driven, question: str) -> list[tuple[Any, ...]]:
    """What the files of all workers answer."""
    rows = []
    for shard in driven.shards:
        with closing(sqlite3.connect(shard.path)) as connection:
            rows += connection.execute(question).fetchall()
    return rows


@contextmanager
def engine_in(folder: Path, url: str, progress: Silent | None = None, **load: Any) -> Iterator[LoadEngine]:
    """An engine of two workers."""
    settings = LoadSettings(**{"rate": 200.0, "for_s": 1.0, "workers": 2, **load})
    with LoadEngine(settings, settings_for(url, folder), folder / "load", progress or Silent()) as engine:
        yield engine


def test_two_workers_send_the_plan_once_and_end_with_the_verdict(tmp_path: Path) -> None:
    """Every case has one request, answered as alone; both workers sent; Locust ends with the exit code given."""
    with serve_mock(ACCOUNT, BUILT_IN, seed=1) as server:
        plan = ordinary_plan(settings_for(server.url, tmp_path))
        apart = [group[0].group for group in plan.alone]
        path = tmp_path / "journal.sqlite"
        with planned(path, plan.cases) as journal, engine_in(tmp_path, server.url) as engine:
            driven = engine.drive(path, server.url, journal.time_of(0.0), apart=apart)
            pids = list(engine.worker_pids.values())
            code = engine.conclude(1)

    sent = rows_of(driven, "SELECT case_id, sent_at FROM sent")
    assert sorted(case.id for group in plan.groups for case in group) == sorted(case_id for case_id, _ in sent)
    assert len(sent) == len(rows_of(driven, "SELECT number FROM answered WHERE status IS NOT NULL"))
    assert {"worker-1", "worker-2"} == {shard.name for shard in driven.shards}
    assert all(shard.lost_since is None and rows_of_one(shard.path) for shard in driven.shards)
    assert all(driven.began - 0.1 <= at <= driven.ended for _, at in sent)
    assert {} == driven.withheld
    assert 1 == code
    assert [] == [pid for pid in pids if is_running(pid)]


def rows_of_one(path: Path) -> int:
    """How many requests one worker sent."""
    with closing(sqlite3.connect(path)) as connection:
        return int(connection.execute("SELECT count(*) FROM sent").fetchone()[0])


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
    assert rows_of_one(other.path) > rows_of_one(lost.path)


def test_the_limit_holds_over_all_workers(tmp_path: Path) -> None:
    """As many requests reach the gateway as may be accepted, and the rest is withheld."""
    path = tmp_path / "journal.sqlite"
    with Recorder().serving() as recorder:
        cases = [case(each, url=recorder.url) for each in range(60)]
        with planned(path, cases) as journal, engine_in(tmp_path, recorder.url) as engine:
            driven = engine.drive(path, recorder.url, journal.time_of(0.0), max_accepted=37)

    assert 37 == len(recorder.taken)
    assert {"--max-accepted": 23} == driven.withheld


def test_a_taken_port_is_one_clear_line(tmp_path: Path) -> None:
    """Nothing is started then."""
    taken, address = listening_socket(Address("127.0.0.1", 0))
    with (
        closing(taken),
        engine_in(tmp_path, "http://127.0.0.1:9/api/v2", expect_workers=1, listen_workers=address) as engine,
        pytest.raises(EnvironmentFailure, match=rf"listen-workers address {address} is in use by another program"),
    ):
        engine.drive(tmp_path / "journal.sqlite", "http://127.0.0.1:9/api/v2", 0.0)

    assert {} == engine.worker_pids


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
sys.path.insert(0, sys.argv[3])
from pathlib import Path
from load_rig import case, planned
from test_load_engine import engine_in
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
        arguments = [sys.executable, "-c", ORPHANS, str(tmp_path), recorder.url, str(Path(__file__).parent)]
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


def test_only_the_file_that_locust_runs_imports_locust() -> None:
    """Nor gevent; in the process of the suite both would patch the interpreter."""
    found = {
        module.place.as_posix()
        for module in modules(CHECKOUT)
        if module.is_shipped
        for _, name in module.imported
        if name.partition(".")[0] in ("locust", "gevent", "geventhttpclient", "zmq")
    }

    assert {"conformance/load/locustfile.py"} == found


def test_the_command_line_does_not_load_locust() -> None:
    """All commands are there, and neither Locust nor gevent."""
    script = "import sys, conformance.cli; print([m for m in ('locust', 'gevent', 'zmq') if m in sys.modules])"
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=CHECKOUT)

    assert "[]\n" == told.stdout
