"""The suite under pytest-xdist, in processes of its own: one campaign for all workers, and the verdicts of one process.

The gateway under test is a mock gateway in this process, so that what reaches it can be counted.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from socket import create_server
from xml.etree import ElementTree as ET

import pytest
from campaigns import free_address
from command_line import CHECKOUT, PATIENCE_S, Called
from mock_rig import eventually
from seeded import fault

from conformance.contract.contract import statum
from conformance.journal import read_journal
from conformance.mock.account import Account
from conformance.mock.behaviour import Behaviour
from conformance.mock.serving import MockServer, serve_mock
from conformance.wire.listening import Address

pytest.importorskip("xdist")

# One product and the systematic payloads only: a campaign of half a second, in which items pass, fail and are skipped.
QUICK = ("--product=sms", "--max-examples=0")
FAULT = "status-code-as-string"
BROKEN = ("test_requirement[RSP-03-sms]", "failure: status_code is not a number")

# What a run of this very pytest must not hand down to those that it starts. Not writing bytecode costs each process
# of pytest a second.
FOREIGN = ("PYTEST_", "STATUM_CONFORMANCE_", "PYTHONDONTWRITEBYTECODE")

# In whose file a test ends the process that it runs in.
DYING = "import os\n\ndef test_dies():\n    os._exit(1)\n"


@dataclass(frozen=True)
class Subject:
    """A gateway under test, and the address that its notifications go to."""

    server: MockServer
    callbacks: Address

    @property
    def options(self) -> tuple[str, ...]:
        """Those by which the suite is told of it; the credential comes from the environment."""
        return (f"--gateway={self.server.url}", f"--callback-listen={self.callbacks}")


@contextmanager
def subject(*faults: str) -> Iterator[Subject]:
    """Serve a mock gateway with these faults."""
    address = free_address()
    callbacks = {product: f"{address.url}/callbacks/{product}" for product in statum().products}
    behaviour = Behaviour()
    for name in faults:
        behaviour = fault(name).change(behaviour)
    with serve_mock(Account.sample(callbacks), behaviour, seed=1) as server:
        yield Subject(server, address)


@dataclass(frozen=True)
class Started:
    """A process of pytest that runs the suite in `directory`."""

    directory: Path
    process: subprocess.Popen[str]

    def ended(self) -> Called:
        """Wait until it has ended by itself; one that hangs is ended, and its workers with it."""
        try:
            out, err = self.process.communicate(timeout=PATIENCE_S)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.communicate()
            raise
        return Called(self.process.returncode, out, err)

    @property
    def items(self) -> list[tuple[str, str]]:
        """Each item of the suite that was run, with how it ended and the first line of why; in order of their names."""
        cases = ET.parse(self.directory / "junit.xml").iter("testcase")  # noqa: S314 - written by our own process
        return sorted((c.attrib["name"], _ending(c)) for c in cases if c.attrib["name"].startswith("test_requirement"))

    @property
    def sent(self) -> list[tuple[str, bytes]]:
        """The cases of the campaign, as far as they do not depend on the gateway's address."""
        return [(c.id, c.request.body) for c in read_journal(self.directory / "reports" / "journal.sqlite").cases]

    @property
    def left_behind(self) -> list[str]:
        """What is still among the temporary files, apart from pytest's own, which it removes in later runs."""
        return [path.name for path in (self.directory / "tmp").iterdir() if not path.name.startswith("pytest-of-")]


def _ending(case: ET.Element) -> str:
    for told in case:
        if told.tag in ("failure", "error", "skipped"):
            return f"{told.tag}: {told.attrib['message'].splitlines()[0]}"
    return "passed"


def start(directory: Path, *arguments: str, **variables: str) -> Started:
    """Start pytest on the suite, in an empty directory of its own."""
    (directory / "tmp").mkdir(parents=True)
    environment = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
    account = Account.sample()
    credential = {
        "STATUM_CONFORMANCE_CONSUMER_KEY": account.consumer_key,
        "STATUM_CONFORMANCE_CONSUMER_SECRET": account.consumer_secret,
    }
    own = {"PYTHONPATH": str(CHECKOUT), "PYTHONUTF8": "1", "TMPDIR": str(directory / "tmp")}
    command = [sys.executable, "-m", "pytest", "-p", "conformance.pytest.plugin", "-p", "no:cacheprovider", "--tb=line"]
    return Started(
        directory,
        subprocess.Popen(
            [*command, "--junitxml=junit.xml", *QUICK, *arguments, "--pyargs", "conformance.pytest"],
            cwd=directory,
            env={**environment, **credential, **own, **variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            start_new_session=True,
        ),
    )


@dataclass(frozen=True)
class Held:
    """A run of the suite that has ended, and how many requests it sent."""

    run: Started
    called: Called
    requests: int


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Held]:
    """The same campaign in several ways, side by side; the seed is given by option, environment and file."""
    directory = tmp_path_factory.mktemp("held")
    files = {"dying": ("test_dying.py", DYING), "each": ("statum-conformance.toml", "seed = 7\n")}
    for name, (file, content) in files.items():
        (directory / name).mkdir()
        (directory / name / file).write_text(content, encoding="utf-8")
    ways: Mapping[str, tuple[str, ...]] = {
        "one process": ("-p", "no:xdist", "--seed=7"),
        "three workers": ("-n3",),
        "dying": ("-n2", "--seed=7", "test_dying.py"),
        "each": ("--dist=each", "--tx=2*popen"),
    }
    with ExitStack() as until:
        subjects = {name: until.enter_context(subject(FAULT)) for name in ways}
        seeds = {"three workers": {"STATUM_CONFORMANCE_SEED": "7"}}
        runs = {
            name: start(directory / name, *arguments, *subjects[name].options, **seeds.get(name, {}))
            for name, arguments in ways.items()
        }
        ended = {name: run.ended() for name, run in runs.items()}
        return {name: Held(runs[name], ended[name], subjects[name].server.requests) for name in ways}


def test_workers_share_one_campaign(held: Mapping[str, Held]) -> None:
    """The gateway gets the requests of one process, byte for byte, and the verdicts are the same in the same words."""
    alone, shared = held["one process"], held["three workers"]

    assert BROKEN in alone.run.items, alone.called.out
    assert alone.run.items == shared.run.items, shared.called.out
    assert (1, 1) == (alone.called.code, shared.called.code)
    assert alone.requests == shared.requests > 0
    assert alone.run.sent == shared.run.sent != []


def test_the_verdict_is_printed_once(held: Mapping[str, Held]) -> None:
    """By the controller, with the seed, and in the report."""
    for way in held.values():
        report = json.loads((way.run.directory / "reports" / "report.json").read_bytes())
        assert 7 == report["seed"]
        assert 1 == way.called.out.count("non-conformant: http"), way.called.out
        assert 1 == way.called.out.count("seed 7 "), way.called.out


def test_a_worker_that_dies_changes_nothing(held: Mapping[str, Held]) -> None:
    """Who takes its place reads the same journal; the gateway gets no further request."""
    alone, dying = held["one process"], held["dying"]

    assert "replacing crashed worker" in dying.called.out
    assert alone.run.items == dying.run.items, dying.called.out
    assert alone.requests == dying.requests


def test_workers_that_all_run_everything_share_the_campaign(held: Mapping[str, Held]) -> None:
    """`--dist each`: each item twice, with the same verdict, from requests that were sent once."""
    alone, each = held["one process"], held["each"]

    assert sorted(alone.run.items * 2) == each.run.items, each.called.out
    assert alone.requests == each.requests


def test_no_run_leaves_anything_behind(held: Mapping[str, Held]) -> None:
    """Nor does one of which a worker died."""
    assert {name: [] for name in held} == {name: way.run.left_behind for name, way in held.items()}


def test_a_session_without_items_sends_nothing(tmp_path: Path) -> None:
    """Collecting, selecting nothing and planning the set-up are free of charge."""
    ways = {"collect": ("--collect-only",), "select": ("-k", "no_such_item"), "plan": ("--setup-plan",)}
    with subject() as gateway:
        runs = {name: start(tmp_path / name, "-n1", *way, *gateway.options) for name, way in ways.items()}
        codes = {name: run.ended().code for name, run in runs.items()}

        assert {"collect": 0, "select": 5, "plan": 0} == codes
        assert 0 == gateway.server.requests


def test_an_unreachable_gateway_fails_and_does_not_hang(tmp_path: Path) -> None:
    """No item passes; each tells that the environment is the reason."""
    run = start(tmp_path / "run", "-n1", f"--gateway={free_address().url}/api/v2", "--callback-listen=127.0.0.1:0")
    called = run.ended()

    assert 1 == called.code, called.out
    assert [] == [name for name, ending in run.items if ending == "passed"]
    assert "inconclusive: http" in called.out


def test_each_item_reports_a_campaign_that_cannot_begin(tmp_path: Path) -> None:
    """In one line that says what is in the way; nothing is sent."""
    with subject() as gateway, closing(create_server((gateway.callbacks.host, gateway.callbacks.port))):
        run = start(tmp_path / "run", "-n1", *gateway.options)
        called = run.ended()
        requests = gateway.server.requests

    assert (1, 0) == (called.code, requests), called.out
    (ending,) = {ending for _, ending in run.items}
    assert str(gateway.callbacks) in ending
    assert [] == run.left_behind


def test_unusable_settings_are_reported_once(tmp_path: Path) -> None:
    """Before any worker is started."""
    called = start(tmp_path / "run", "-n2", "--seed=-1").ended()

    assert 4 == called.code
    assert "ERROR: --seed is -1; expected 0 or more" == called.err.strip()


def test_an_interrupted_campaign_ends_the_run(tmp_path: Path) -> None:
    """Ctrl-C, which the terminal sends to all processes, ends it; the report tells how far the campaign went."""
    with subject() as gateway:
        run = start(tmp_path / "run", "-n2", "--max-examples=3000", *gateway.options)
        begun = eventually(lambda: gateway.server.requests > 20, PATIENCE_S)
        os.killpg(run.process.pid, signal.SIGINT)
        called = run.ended()

    assert begun
    assert 2 == called.code, called.out
    report = json.loads((tmp_path / "run" / "reports" / "report.json").read_bytes())
    assert "interrupted" in {entry.get("reason") for entry in report["requirements"]}
    assert [] == run.left_behind
