"""One seed, one run: the same bytes go out wherever and however the run is started.

They are compared as the journal has them (redacted alike), and as they reached a gateway.
"""

from __future__ import annotations

import shutil
import sys
from contextlib import ExitStack
from pathlib import Path
from subprocess import run as run_process

import pytest
from campaigns import held, registered
from command_line import CHECKOUT, PATIENCE_S, finished, process

from conformance.journal import read_journal
from conformance.mock.account import Account
from conformance.mock.behaviour import BUILT_IN
from conformance.mock.gateway import Gateway, Reaction
from conformance.mock.serving import MockServer
from conformance.model.traffic import Headers, Request

SEED = "20261122"
# All of a run that chance has a hand in, and quick.
QUICK = ("--max-examples", "3", "--seed", SEED)
SMS = ("--product", "sms", *QUICK)

# Prints a digest of the plan in the order of sending: groups, ids, bytes, headers, everything.
PLAN = """
import contextlib, hashlib, sys
with contextlib.suppress(ImportError):
    import local
from conformance.cli.settings import settings_from
from conformance.cli.run import run
from conformance.gateway.plan import Plan
with run.make_context("run", sys.argv[1:]) as context:
    plan = Plan.of(settings_from(context.params), "http://gateway.example/api/v2")
print(hashlib.sha256(repr(plan).encode()).hexdigest(), len(plan.cases))
"""

Sent = dict[str, tuple[str, str, Headers, bytes]]


def sent(journal: Path) -> Sent:
    """What was sent, by case and attempt: method, path, headers but Host, body."""
    record = read_journal(journal)
    base = record.settings["gateway"]
    return {
        f"{exchange.case_id} ({exchange.attempt})": (
            exchange.request.method,
            exchange.request.url.removeprefix(base),
            tuple(pair for pair in exchange.request.headers if pair[0].lower() != "host"),
            exchange.request.body,
        )
        for exchange in record.exchanges
    }


def environment(hash_seed: str) -> dict[str, str]:
    """Of a process in which strings hash as told."""
    return {"PYTHONPATH": str(CHECKOUT), "PYTHONHASHSEED": hash_seed, "PYTHONUTF8": "1", "PATH": "/usr/bin:/bin"}


def plan_digest(directory: Path, hash_seed: str, *arguments: str) -> str:
    """The digest of the plan that `run` with these arguments makes in that directory, whose `local` is imported."""
    done = run_process(
        [sys.executable, "-c", PLAN, *arguments],
        cwd=directory,
        env=environment(hash_seed),
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert 0 == done.returncode, done.stderr
    return done.stdout


@pytest.fixture
def fresh(tmp_path: Path) -> Path:
    """A directory that nothing is in."""
    (tmp_path / "fresh").mkdir()
    return tmp_path / "fresh"


@pytest.fixture
def used(tmp_path: Path) -> Path:
    """A directory in which work was done: modules with constants, Hypothesis's own folder, reports of another run."""
    directory = tmp_path / "used"
    examples = directory / ".hypothesis" / "constants"
    examples.mkdir(parents=True)
    (examples / "0123456789abcdef").write_text("# hypothesis_version: 6.0\n\n['planted', 4711]\n", encoding="utf-8")
    (directory / "local.py").write_text("NUMBER = 424242\nTEXT = 'a constant that could be drawn'\n", encoding="utf-8")
    (directory / "conftest.py").write_text("import local\n", encoding="utf-8")
    finished(process(directory, "run", "--product", "sms", "--max-examples", "0", "--seed", "1"))
    return directory


def test_a_plan_is_the_same_to_the_byte_in_every_process_and_directory(fresh: Path, used: Path) -> None:
    """Neither the hashes of strings nor what lies around play a part."""
    digests = {plan_digest(directory, hash_seed, *QUICK) for directory, hash_seed in ((fresh, "1"), (used, "4242"))}

    assert 1 == len(digests), digests


def test_the_order_in_which_options_are_given_plays_no_part(fresh: Path) -> None:
    """Products are sent in the contract's order."""
    one = ("--product", "sms", "--product", "airtime", *QUICK)
    other = (*QUICK, "--product", "airtime", "--product", "sms")

    assert plan_digest(fresh, "1", *one) == plan_digest(fresh, "2", *other)


def test_another_seed_is_another_plan(fresh: Path) -> None:
    """Else the tests above would show nothing."""
    assert plan_digest(fresh, "1", *SMS) != plan_digest(fresh, "1", *SMS[:-1], "1")


def test_two_runs_send_the_same_bytes(fresh: Path, used: Path) -> None:
    """Against two mock gateways, by two processes with other hashes, in a fresh directory and in a used one."""
    running = [
        process(directory, "run", *QUICK, PYTHONHASHSEED=hash_seed)
        for directory, hash_seed in ((fresh, "1"), (used, "4242"))
    ]
    codes = [finished(one).code for one in running]
    first, second = (sent(directory / "reports" / "journal.sqlite") for directory in (fresh, used))

    assert [0, 0] == codes
    assert first.keys() == second.keys()
    assert {} == {name: (first[name], second[name]) for name in first if first[name] != second[name]}


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory in which nothing was, and then one run."""
    directory = tmp_path_factory.mktemp("ran")
    assert 0 == finished(process(directory, "run", *SMS)).code
    return directory


def test_two_runs_in_one_directory_differ_in_no_byte(ran: Path, fresh: Path) -> None:
    """What the first left behind is nothing to the second: its reports, and no hidden state."""
    shutil.copytree(ran, fresh, dirs_exist_ok=True)
    assert ["reports"] == [path.name for path in fresh.iterdir()]
    assert 0 == finished(process(fresh, "run", *SMS)).code

    assert sent(ran / "reports" / "journal.sqlite") == sent(fresh / "reports" / "journal.sqlite")


# --- On the wire


class Wire(Gateway):
    """A lawful gateway that keeps each request, but for its Host header."""

    def __init__(self, account: Account) -> None:
        super().__init__(account, BUILT_IN)
        self.reached: list[Request] = []

    def answer(self, request: Request, now: float) -> Reaction:
        """Answer, and keep the request."""
        headers = tuple(pair for pair in request.headers if pair[0].lower() != "host")
        self.reached.append(Request(request.method, request.url, headers, request.body))
        return super().answer(request, now)


def test_two_gateways_receive_the_same_bytes_with_the_credentials_in_them(tmp_path: Path) -> None:
    """Whole requests; in which order they arrive is a matter of threads."""
    gateways: list[Wire] = []

    def started(account: Account, until: ExitStack) -> str:
        gateways.append(Wire(account))
        return until.enter_context(MockServer(gateways[-1])).url

    for name in ("first", "second"):
        with ExitStack() as until:
            told = registered(lambda account: started(account, until))
            held(tmp_path / name, max_examples=3, **told)

    first, second = (sorted(map(repr, gateway.reached)) for gateway in gateways)
    assert len(first) > 300
    assert first == second


def test_groups_go_out_in_the_order_of_the_plan(tmp_path: Path) -> None:
    """Cases of one group follow each other, whatever goes on beside them."""
    record = read_journal(held(tmp_path, products=("sms",)))
    numbers = {exchange.case_id: exchange.number for exchange in record.exchanges}
    groups: dict[str, list[int]] = {}
    for case in record.cases:
        groups.setdefault(case.group, []).append(numbers[case.id])

    assert [] == [group for group, sent_as in groups.items() if sent_as != sorted(sent_as)]


# --- Through pytest


def through_pytest(directory: Path, hash_seed: str, *arguments: str) -> Sent:
    """What the suite sends when it is run by pytest with these arguments."""
    done = run_process(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments, *SMS],
        cwd=directory,
        env=environment(hash_seed) | {"STATUM_CONFORMANCE_REPORT_DIR": "reports"},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert 0 == done.returncode, done.stdout + done.stderr
    return sent(directory / "reports" / "journal.sqlite")


def test_pytest_sends_the_same_for_any_selection_and_order(ran: Path, fresh: Path) -> None:
    """All items, those that `-k` leaves, or two by name with the later one first: one campaign serves them."""
    suite = ("--pyargs", "conformance.pytest")
    items = "conformance.pytest.test_gateway::test_requirement"
    by_the_command = sent(ran / "reports" / "journal.sqlite")

    selected = through_pytest(fresh, "1", *suite, "-k", "RSP-03 and sms")
    turned = through_pytest(fresh, "2", "--pyargs", f"{items}[NTF-01-sms]", f"{items}[ANS-01-sms]")

    assert len(by_the_command) > 100
    assert by_the_command == selected
    assert by_the_command == turned
