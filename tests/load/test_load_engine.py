"""The engine: Locust's processes from their start to their end, with what they sent."""

from __future__ import annotations

import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from load_rig import ACCOUNT, engine_in, is_running, ordinary_plan, planned, rows_of, sent_in, settings_for
from source_files import modules

from conformance.mock.behaviour import BUILT_IN
from conformance.mock.serving import serve_mock
from conformance.model.errors import EnvironmentFailure
from conformance.wire.listening import Address, listening_socket

CHECKOUT = Path(__file__).parents[2]


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
    assert all(shard.lost_since is None and sent_in(shard.path) for shard in driven.shards)
    assert all(driven.began - 0.1 <= at <= driven.ended for _, at in sent)
    assert {} == driven.withheld
    assert 1 == code
    assert [] == [pid for pid in pids if is_running(pid)]


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
