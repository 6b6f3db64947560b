"""The public Python API: `conformance.run`, `certify` and `judge` go the way of the commands."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest
from command_line import CHECKOUT, call, finished, process
from sockets import quiet_port
from starter_drivers import python_client

import conformance
from conformance import __main__ as console_script
from conformance.contract.contract import statum
from conformance.gateway import campaign
from conformance.mock.account import Account
from conformance.mock.behaviour import BUILT_IN
from conformance.mock.faults import faults
from conformance.mock.serving import serve_mock
from conformance.reports.files import REPORTS

SAMPLE = Account.sample()
SECRET = "not-to-be-seen"  # noqa: S105 - of nobody
Capsys = pytest.CaptureFixture[str]

pytestmark = pytest.mark.usefixtures("here")


@pytest.fixture
def outcome(here: Path) -> conformance.RunOutcome:
    """A small run against the built-in mock gateway."""
    return conformance.run(product=["sms"], max_examples=0, seed=7, report_dir=here / "reports")


def test_a_run_returns_what_the_command_shows(outcome: conformance.RunOutcome, here: Path, capsys: Capsys) -> None:
    """Verdict, exit code, report and files; nothing is printed."""
    printed = capsys.readouterr()
    names = [path.relative_to(here / "reports").as_posix() for path in outcome.files]

    assert ("conformant", 0, 7) == (outcome.verdict, outcome.exit_code, outcome.report.seed)
    assert [campaign.JOURNAL, *REPORTS] == names
    assert all(path.exists() for path in outcome.files)
    assert ("", "") == (printed.out, printed.err)


def test_the_same_options_send_the_same_requests_as_the_command(
    outcome: conformance.RunOutcome, here: Path, capsys: Capsys
) -> None:
    """The command line and the API are one path."""
    called = call(capsys, "run", "--product", "sms", "--max-examples", "0", "--seed", "7", "--report-dir", "again")

    assert outcome.exit_code == called.code
    assert [requests_of(here / "reports")] == [requests_of(here / "again")]


def requests_of(directory: Path) -> list[tuple[str, str, str | None]]:
    """The verdicts of a report, as they are compared."""
    report = conformance.judge(directory / campaign.JOURNAL, report_dir=directory / "judged").report
    return [(entry.id, str(entry.verdict), entry.command) for entry in report.requirements]


def test_a_result_is_frozen(outcome: conformance.RunOutcome) -> None:
    """Nobody changes a verdict afterwards."""
    with pytest.raises(FrozenInstanceError):
        outcome.exit_code = 1  # type: ignore[misc]


def test_a_journal_is_judged_again(outcome: conformance.RunOutcome, here: Path) -> None:
    """The same verdicts; the reports go where the caller says."""
    again = conformance.judge(outcome.files[0], report_dir="again", strict=True)

    assert (outcome.verdict, True) == (again.verdict, again.report.settings["strict"])
    assert (here / "again" / "report.json").is_file()


def test_a_client_is_certified(here: Path) -> None:
    """With its driver, as `certify` starts it."""
    outcome = conformance.certify(
        driver=python_client(here), product="sms", max_examples=0, report_dir=here / "reports"
    )

    assert ("conformant", "client") == (outcome.verdict, outcome.report.subject.kind)


def test_a_failure_is_a_finding_and_what_was_asked_for_is_written(here: Path) -> None:
    """A gateway that breaks the contract is a verdict, not an exception; its failing cases are saved."""
    behaviour = faults(statum())["result-code-as-number"].change(BUILT_IN)
    address = f"127.0.0.1:{quiet_port()}"
    with serve_mock(Account.sample({"sms": f"http://{address}/callbacks/sms"}), behaviour) as server:
        outcome = conformance.run(
            gateway=server.url,
            consumer_key=SAMPLE.consumer_key,
            consumer_secret=SAMPLE.consumer_secret,
            product=["sms"],
            max_examples=0,
            callback_listen=address,
            save_corpus=here / "corpus",
        )

    saved = set(outcome.files) & set((here / "corpus").iterdir())
    assert ("non-conformant", 1) == (outcome.verdict, outcome.exit_code)
    assert set((here / "corpus").iterdir()) == saved
    assert saved


@pytest.mark.parametrize(
    ("options", "message", "hint"),
    [
        ({"gatway": "http://127.0.0.1:1"}, "run has no option 'gatway'", "did you mean gateway?"),
        ({"plan": True}, "run has no option 'plan'", None),
        ({"strict": "yes"}, "strict is 'yes'; expected True or False", None),
        (
            {"product": ["smss"]},
            "there is no product 'smss'; expected one of sms, airtime, mpesa-online, mpesa-wallet",
            "did you mean sms?",
        ),
        (
            {"gateway": "http://127.0.0.1:1/api/v2"},
            "consumer_key is missing; gateway needs a credential",
            "set STATUM_CONFORMANCE_CONSUMER_KEY",
        ),
    ],
)
def test_an_option_that_cannot_be_used_is_a_usage_error(
    options: dict[str, object], message: str, hint: str | None
) -> None:
    """In the words of the command line, but with the names of keyword arguments."""
    with pytest.raises(conformance.UsageError) as raised:
        conformance.run(**options)

    assert (message, hint, 2) == (raised.value.message, raised.value.hint, raised.value.exit_code)


def test_a_gateway_that_is_not_reached_is_an_environment_failure(capsys: Capsys) -> None:
    """It is raised, not printed; a secret that a program gives is visible to no other process, so nothing is warned."""
    with pytest.raises(conformance.EnvironmentFailure, match="connection refused"):
        conformance.run(gateway="http://127.0.0.1:1/api/v2", consumer_key="key-1", consumer_secret=SECRET)

    assert ("", "") == tuple(capsys.readouterr())


def test_an_error_does_not_hold_the_secret() -> None:
    """Not even where the secret was given in the wrong place."""
    with pytest.raises(conformance.UsageError) as raised:
        conformance.run(gateway="http://127.0.0.1:1/api/v2", consumer_secret=SECRET, product=[SECRET])

    assert SECRET not in f"{raised.value!r} {raised.value}"


def test_a_flag_that_is_false_gives_its_opposite(here: Path) -> None:
    """`exclusive_account=False` is `--shared-account`; a dictionary gives each of its pairs."""
    outcome = conformance.run(
        product=["sms"], max_examples=0, exclusive_account=False, callback_path={"sms": "airtime"}, report_dir=here
    )

    settings = outcome.report.settings
    assert (False, {"sms": "airtime"}) == (settings["exclusive_account"], settings["callback_paths"])


def test_false_overrules_the_environment(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Though such a flag has no opposite on the command line; None leaves it to the environment."""
    monkeypatch.setenv("STATUM_CONFORMANCE_STRICT", "true")
    small = {"product": ["sms"], "max_examples": 0, "report_dir": here}
    by_value = [conformance.run(strict=value, **small).report.settings["strict"] for value in (False, None)]

    assert [False, True] == by_value


def test_the_package_imports_nothing_until_a_name_is_asked_for(here: Path) -> None:
    """`import conformance` is cheap, and what it offers can be seen."""
    script = "import sys, conformance; print('click' in sys.modules, 'run' in dir(conformance))"
    script += "; conformance.run; print('click' in sys.modules)"

    assert "False True\nTrue\n" == finished(process(here, script=script)).out


def test_every_public_name_is_there_and_no_other() -> None:
    """`__all__` is the API."""
    assert [] == [name for name in conformance.__all__ if not hasattr(conformance, name)]
    assert set(conformance.__all__) <= set(dir(conformance))
    with pytest.raises(AttributeError, match="'conformance' has no attribute 'no_such_name'"):
        conformance.no_such_name  # noqa: B018


def test_a_type_checker_sees_the_types(here: Path) -> None:
    """A program that uses a result wrongly is told by mypy, strict."""
    program = here / "program.py"
    program.write_text(
        "import conformance\n\n"
        "outcome = conformance.run(seed=7)\n"
        "code: int = outcome.exit_code\n"
        "wrong: int = outcome.report.subject.name\n",
        encoding="utf-8",
    )
    checked = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(here / "cache"), str(program)],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert [f"{program}:5: error: Incompatible types in assignment"] == [
        line.partition(" (")[0] for line in checked.stdout.splitlines() if ": error:" in line
    ]


def test_windows_is_refused_in_one_line(monkeypatch: pytest.MonkeyPatch, capsys: Capsys) -> None:
    """Before anything is imported that is not there."""
    monkeypatch.setattr(sys, "platform", "win32")

    with pytest.raises(SystemExit) as ended:
        console_script.main()

    assert (3, "", f"error: {conformance.NOT_ON_WINDOWS}\n") == (ended.value.code, *capsys.readouterr())


def test_windows_has_no_api(monkeypatch: pytest.MonkeyPatch) -> None:
    """An import that fails says why."""
    monkeypatch.setattr(sys, "platform", "win32")

    with pytest.raises(ImportError, match="does not run on Windows"):
        conformance.run  # noqa: B018
