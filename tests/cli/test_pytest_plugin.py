"""The suite through pytest, as its users run it: options, items, what becomes of them, and the fixture for tests."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

import click
import pytest
from campaigns import registered
from command_line import CHECKOUT, PATIENCE_S, Called
from seeded import ON_LOAD, fault

from conformance.cli.run import run
from conformance.contract.contract import statum
from conformance.contract.requirements import Actor
from conformance.mock.account import Account
from conformance.mock.behaviour import Behaviour
from conformance.mock.serving import MockServer, serve_mock
from conformance.pytest.plugin import LEFT_OUT, OF_COMMANDS, options
from conformance.reports.files import REPORTS

PRODUCTS = statum().products

# Brings the fixture that runs pytest within pytest. What is imported there is forgotten afterwards, so only what
# imports nothing that others share is run so; the rest has a process of its own (`suite`).
pytest_plugins = ("pytester",)

SUITE = ("--pyargs", "conformance.pytest")
QUICK = ("--product=sms", "--max-examples=0", "--seed=7")
SECRET = Account.sample().consumer_secret
CREDENTIAL = {
    "STATUM_CONFORMANCE_CONSUMER_KEY": Account.sample().consumer_key,
    "STATUM_CONFORMANCE_CONSUMER_SECRET": SECRET,
}
# What this very run of pytest must not hand down to those that it starts. Not writing bytecode costs each a second.
FOREIGN = ("PYTEST_", "STATUM_CONFORMANCE_", "PYTHONDONTWRITEBYTECODE")
# What the plugin must not cost every session of pytest, whether it has to do with the suite or not.
HEAVY = ("hypothesis", "jsonschema", "uvicorn", "rich", "conformance.cli", "conformance.contract.schemas")
# What breaks the MUST and the SHOULD that are looked at here.
FAULTS = ("success-with-empty-description", "no-challenge")
BROKEN = {"RSP-12"}
WARNED = {"AUT-11"}
# No transaction fails, so there is no reason of a failure to be given; and of an account that others may use no balance
# is judged. Nor does any customer pay, errors of a GET explain no members, and nothing is under load.
NOT_COME_ABOUT = {"NTF-13", "BAL-01", "BAL-02", "RSP-20", "UNS-01", "UNS-02", "UNS-03", *ON_LOAD}


def suite(directory: Path, *arguments: str, **variables: str) -> Called:
    """Run pytest in a process of its own, in that directory."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "conformance.pytest.plugin", "-p", "no:cacheprovider", *arguments],
        cwd=directory,
        env={**environment, "PYTHONPATH": str(CHECKOUT), "PYTHONUTF8": "1", **variables},
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=PATIENCE_S,
        check=False,
    )
    return Called(done.returncode, done.stdout, done.stderr)


def expected_items(products: tuple[str, ...]) -> list[str]:
    """The names of the items of a run over these products."""
    asked = (*statum().commands_of(products), *statum().unsolicited.values())
    pairs = statum().catalogue.judged(Actor.GATEWAY, asked)
    return [f"test_requirement[{f'{r.id}-{command}' if command else r.id}]" for r, command in pairs]


def requirement_of(item: str) -> str:
    """The id of an item's requirement."""
    return "-".join(item.removeprefix("test_requirement[").removesuffix("]").split("-")[:2])


# --- Options


def test_the_options_are_those_of_the_run_command() -> None:
    """The same names, repeatable where they are, with a value where they have one; none about certificates or plans.

    A certificate is of a whole run, and in a session of pytest anything may be left out; a plan is no session at all.
    How much is told, and as what, is for pytest to say; and nothing is written of a part.
    """
    expected = {
        name: (option.multiple, option.is_flag)
        for option in run.params
        if isinstance(option, click.Option) and getattr(option, "section", None) not in LEFT_OUT
        for name in (*option.opts, *option.secondary_opts)
        if name.startswith("--") and str(option.name).replace("_", "-") not in OF_COMMANDS
    }

    assert expected == {f"--{name}": (option.repeatable, option.is_flag) for name, option in options()}


def test_an_ordinary_session_knows_nothing_of_them(pytester: pytest.Pytester) -> None:
    """Another plugin may have options of these names."""
    pytester.makeconftest(
        """
        def pytest_addoption(parser):
            parser.addoption("--gateway")
            parser.addoption("--seed", type=int)
        """
    )
    pytester.makepyfile(
        """
        def test_options(pytestconfig):
            assert ("mine", 3) == (pytestconfig.getoption("--gateway"), pytestconfig.getoption("--seed"))
            assert pytestconfig.pluginmanager.has_plugin("conformance.pytest.plugin")
            assert not pytestconfig.pluginmanager.has_plugin("conformance.pytest.session")
        """
    )

    result = pytester.runpytest_inprocess("-p", "conformance.pytest.plugin", "--gateway=mine", "--seed=3")

    result.assert_outcomes(passed=1)


def test_an_option_of_the_suite_is_unknown_where_the_suite_is_not_asked_for(pytester: pytest.Pytester) -> None:
    """It would have no effect, which nobody would notice."""
    pytester.makepyfile("def test_nothing(): pass")

    result = pytester.runpytest_inprocess("-p", "conformance.pytest.plugin", "--max-examples=1")

    assert pytest.ExitCode.USAGE_ERROR == result.ret
    result.stderr.fnmatch_lines(["*unrecognized arguments: --max-examples=1"])


def test_the_plugin_is_light() -> None:
    """It is loaded into every session of an environment that the suite is installed in."""
    code = f"import sys, conformance.pytest.plugin; print([name for name in {HEAVY!r} if name in sys.modules])"
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=PATIENCE_S, check=True
    )

    assert "[]" == done.stdout.strip()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--product=smss",), "there is no product 'smss'"),
        (("--gateway=gateway.example",), "is not a URL"),
        (("--gateway=http://127.0.0.1:9/api/v2",), "--consumer-key is missing"),
        (("--max-examples=many",), "many"),
        (("--seed=-1",), "--seed is -1"),
        (("--callback-listen=here",), "HOST:PORT"),
    ],
)
def test_an_option_that_cannot_be_used_is_told_in_one_line(
    arguments: tuple[str, ...], told: str, pytester: pytest.Pytester
) -> None:
    """As `run` tells it; pytest ends as with any wrong usage."""
    result = pytester.runpytest_inprocess("-p", "conformance.pytest.plugin", *SUITE, *arguments)

    assert pytest.ExitCode.USAGE_ERROR == result.ret
    (line,) = (line for line in result.errlines if line)
    assert line.startswith("ERROR: ")
    assert told in line


# --- Items


def test_there_is_an_item_for_each_requirement_and_command(pytester: pytest.Pytester) -> None:
    """In the catalogue's order; to collect them nothing is sent."""
    result = pytester.runpytest_inprocess("-p", "conformance.pytest.plugin", *SUITE, "--collect-only", "-q")
    collected = [line.partition("::")[2] for line in result.outlines if "::" in line]

    assert expected_items(PRODUCTS) == collected
    assert not (pytester.path / "reports").exists()


@pytest.mark.parametrize("path", ["", "test_gateway.py"])
def test_the_suite_can_also_be_named_by_its_path(path: str, pytester: pytest.Pytester) -> None:
    """As an editor does."""
    named = str(CHECKOUT / "conformance" / "pytest" / path)

    # pytest before 9.2 warns of a plugin that an outer session, this one, has imported.
    lenient = ("-p", "conformance.pytest.plugin", "-W", "ignore::pytest.PytestAssertRewriteWarning")
    result = pytester.runpytest_inprocess(*lenient, named, "--collect-only", "-q", *QUICK)

    assert expected_items(("sms",)) == [line.partition("::")[2] for line in result.outlines if "::" in line]


def test_a_lawful_gateway_passes_in_a_run_without_any_option_but_those_that_make_it_quick(tmp_path: Path) -> None:
    """Against the built-in mock gateway; the verdict and how to repeat it stand at the end."""
    called = suite(tmp_path, *SUITE, "-k", "sms and RSP or NTF-21 or HDR-01", "--max-examples=0", "--seed=7", "-v")

    assert 0 == called.code, called.out + called.err
    ran = [line.partition("::")[2].split(" ") for line in called.out.splitlines() if "::" in line]
    wanted = [i for i in expected_items(PRODUCTS) if ("RSP" in i and "sms" in i) or "NTF-21" in i or "HDR-01" in i]
    assert [[item, "PASSED"] for item in wanted] == [outcome[:2] for outcome in ran]
    assert "conformant: http://127.0.0.1:" in called.out
    assert "seed 7" in called.out
    assert {"journal.sqlite", *REPORTS} == {path.name for path in (tmp_path / "reports").iterdir()}


def test_what_could_not_be_exercised_fails_if_it_is_a_must(tmp_path: Path) -> None:
    """The gateway cannot be reached: nothing is green, and each item and the summary say why."""
    with_gateway = ("--gateway=http://127.0.0.1:9/api/v2", "--callback-listen=127.0.0.1:0")
    called = suite(tmp_path, *SUITE, *QUICK, *with_gateway, "-k", "HDR-01 or AUT-11", "-rs", **CREDENTIAL)

    assert 1 == called.code, called.out + called.err
    assert "2 failed, 2 skipped" in called.out
    assert 3 == called.out.count("environment: gateway http://127.0.0.1:9/api/v2 cannot be reached")
    assert "inconclusive: http://127.0.0.1:9/api/v2" in called.out


# --- A gateway that breaks a MUST and a SHOULD


@dataclass(frozen=True)
class Judged:
    """A run of the suite against it, with every report that pytest makes."""

    directory: Path
    called: Called

    @property
    def cases(self) -> Mapping[str, ET.Element]:
        """The items as pytest's own JUnit report has them, by their names."""
        root = ET.parse(self.directory / "pytest.xml")  # noqa: S314 - written by our own process
        return {case.attrib["name"]: case for case in root.iter("testcase")}

    @property
    def allure(self) -> list[dict[str, object]]:
        """The results for Allure."""
        return [json.loads(path.read_bytes()) for path in (self.directory / "allure").glob("*-result.json")]


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Judged:
    """What users see of a gateway that does not say what happened, and whose 401 has no challenge."""
    directory = tmp_path_factory.mktemp("judged")
    behaviour = Behaviour()
    for name in FAULTS:
        behaviour = fault(name).change(behaviour)
    servers: list[MockServer] = []

    def started(account: Account) -> str:
        servers.append(serve_mock(account, behaviour))
        servers[0].start()
        return servers[0].url

    given = registered(started)
    try:
        called = suite(
            directory,
            *SUITE,
            *QUICK,
            f"--gateway={given['gateway']}",
            f"--callback-listen={given['callback_listen']}",
            "--junitxml=pytest.xml",
            "--alluredir=allure",
            **CREDENTIAL,
        )
    finally:
        servers[0].stop()
    return Judged(directory, called)


def test_exactly_the_broken_requirements_fail(judged: Judged) -> None:
    """A failure is a failed item, a warning is none, a condition that never came about is skipped."""
    failed = {name for name, case in judged.cases.items() if case.find("failure") is not None}
    skipped = {name for name, case in judged.cases.items() if case.find("skipped") is not None}

    assert 1 == judged.called.code, judged.called.out + judged.called.err
    assert expected_items(("sms",)) == list(judged.cases)
    assert {f"test_requirement[RSP-12-{command}]" for command in ("sms", "account-details")} == failed
    assert BROKEN == {requirement_of(name) for name in failed}
    assert NOT_COME_ABOUT == {requirement_of(name) for name in skipped}
    assert [] == [name for name, case in judged.cases.items() if case.find("error") is not None]


def test_a_failed_item_shows_rule_quote_value_and_how_to_reproduce_it(judged: Judged) -> None:
    """All that is needed to see for oneself, and no traceback of the suite."""
    failure = judged.cases["test_requirement[RSP-12-sms]"].find("failure")
    assert failure is not None
    text = failure.text or ""
    rule = statum().catalogue["RSP-12"]

    assert "description is empty" == (failure.get("message") or "").splitlines()[0]
    assert "2 failed items, 1 cause:" in judged.called.out
    assert f"FAIL RSP-12 (MUST) {rule.title}\n" in text
    assert rule.quote is not None
    assert f"the provider's Getting started says: “{rule.quote}”" in text
    assert "description is empty · case sms/" in text
    assert '    /description: ""\n' in text
    assert 'curl -sSi --compressed -X POST -u "$STATUM_CONSUMER_KEY:$STATUM_CONSUMER_SECRET"' in text
    assert "Traceback" not in judged.called.out
    assert "conformance/judging/verdicts.py" not in judged.called.out


def test_a_broken_should_is_a_warning(judged: Judged) -> None:
    """It passes, and pytest's summary of warnings names it with its command."""
    for requirement in WARNED:
        for command in ("sms", "account-details"):
            assert [] == list(judged.cases[f"test_requirement[{requirement}-{command}]"].iter("failure"))
        assert f"WARN {requirement} (SHOULD)" in judged.called.out
    assert f"{2 * len(WARNED)} warnings" in judged.called.out


def test_a_broken_should_fails_a_strict_session(tmp_path: Path) -> None:
    """The flag is pytest's own, which has one of that name."""
    servers: list[MockServer] = []

    def started(account: Account) -> str:
        servers.append(serve_mock(account, fault("no-challenge").change(Behaviour())))
        servers[0].start()
        return servers[0].url

    given = registered(started)
    try:
        to_it = (f"--gateway={given['gateway']}", f"--callback-listen={given['callback_listen']}")
        called = suite(tmp_path, *SUITE, *QUICK, *to_it, "--strict", "-k", "AUT-11", **CREDENTIAL)
    finally:
        servers[0].stop()

    assert 1 == called.code, called.out + called.err
    assert "2 failed" in called.out
    assert "FAIL AUT-11 (SHOULD)" in called.out


def test_allure_has_a_result_for_each_item(judged: Judged) -> None:
    """With the outcome that pytest has."""
    outcomes = {str(result["name"]): result["status"] for result in judged.allure}

    assert set(expected_items(("sms",))) == set(outcomes)
    assert len(judged.allure) == len(outcomes)
    assert {"failed"} == {outcomes[name] for name in outcomes if requirement_of(name) in BROKEN}
    skipped = {name for name in outcomes if outcomes[name] == "skipped"}
    assert NOT_COME_ABOUT == {requirement_of(name) for name in skipped}
    assert {"passed"} == {outcomes[name] for name in outcomes if requirement_of(name) not in BROKEN | NOT_COME_ABOUT}


def test_the_secret_is_in_nothing_that_pytest_writes(judged: Judged) -> None:
    """Neither in its output nor in a report, its own or ours."""
    files = [path for path in judged.directory.rglob("*") if path.is_file()]

    assert len(files) > len(expected_items(("sms",)))
    assert [] == [path for path in files if SECRET.encode() in path.read_bytes()]
    assert SECRET not in judged.called.out + judged.called.err


def test_the_reports_of_the_suite_say_the_same(judged: Judged) -> None:
    """They are written beside pytest's own, with the same verdicts."""
    report = json.loads((judged.directory / "reports" / "report.json").read_bytes())
    fell_short = {(e["id"], e["verdict"]) for e in report["requirements"] if e["verdict"] in ("FAIL", "WARN")}

    assert "non-conformant" == report["verdict"]
    assert {*((id_, "FAIL") for id_ in BROKEN), *((id_, "WARN") for id_ in WARNED)} == fell_short
    assert "non-conformant: http://127.0.0.1:" in judged.called.out


def test_what_is_listed_is_expected_to_fail_and_what_is_stale_fails(tmp_path: Path) -> None:
    """One item more, where there is a list; an entry that holds keeps its items from failing."""
    entry = '[[expectation]]\nrequirement = "{}"\nverdict = "FAIL"\nissue = "#1"\nowner = "us"\nexpires = 2099-12-31\n'
    (tmp_path / "known.toml").write_text(entry.format("RSP-12") + entry.format("RSP-03"), encoding="utf-8")
    behaviour = fault("success-with-empty-description").change(Behaviour())
    servers: list[MockServer] = []

    def started(account: Account) -> str:
        servers.append(serve_mock(account, behaviour))
        servers[0].start()
        return servers[0].url

    given = registered(started)
    address = (f"--gateway={given['gateway']}", f"--callback-listen={given['callback_listen']}")
    try:
        called = suite(tmp_path, *SUITE, *QUICK, *address, "--expectations=known.toml", "-rfx", **CREDENTIAL)
    finally:
        servers[0].stop()

    assert 1 == called.code, called.out + called.err
    assert "1 failed, " in called.out
    assert "2 xfailed" in called.out
    assert "entry 2 of known.toml (RSP-03 FAIL): it passes for sms, account-details; remove it" in called.out
    assert "KNOWN: #1 · us · until 2099-12-31" in called.out


# --- The fixture

PEOPLES_OWN_TEST = """
import threading
import httpx
import pytest

RESULT = {"result_code": "200", "result_desc": "Success", "request_id": "R-1"}

def post(url):
    assert 200 == httpx.post(url, json=RESULT).status_code

@pytest.mark.parametrize("product", ["sms", "airtime", "mpesa-online", "mpesa-wallet"])
def test_a_notification_arrives(callback_server, product):
    threading.Thread(target=post, args=(callback_server.urls[product],)).start()
    arrival = callback_server.wait_for("R-1", product=product)
    assert (product, "POST") == (arrival.product, arrival.request.method)
    assert [arrival] == list(callback_server.arrivals)

def test_nothing_is_left_of_the_test_before(callback_server):
    assert () == callback_server.arrivals
    with pytest.raises(TimeoutError, match="arrived: nothing"):
        callback_server.wait_for("R-1", timeout_s=0.01)
"""


def test_the_callback_server_serves_peoples_own_tests(tmp_path: Path) -> None:
    """A path for each product; what arrives is kept and can be waited for; each test has a server of its own."""
    (tmp_path / "test_own.py").write_text(PEOPLES_OWN_TEST)

    called = suite(tmp_path, "-W", "error", "-q")

    assert 0 == called.code, called.out + called.err
    assert called.out.splitlines()[-1].startswith("5 passed")


def test_the_fixture_is_listed_with_what_it_does(pytester: pytest.Pytester) -> None:
    """Where people look for fixtures."""
    result = pytester.runpytest_inprocess("-p", "conformance.pytest.plugin", "--fixtures", "-q")

    result.stdout.fnmatch_lines(["callback_server*", "    A callback receiver on a free loopback port*"])
