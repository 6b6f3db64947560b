"""How much the commands tell, and where: -q, -v and --format json."""

from __future__ import annotations

import json
import os
import sys
from io import BytesIO, TextIOWrapper
from pathlib import Path

import pytest
from campaigns import held
from command_line import call
from seeded import fault
from sockets import quiet_port

from conformance.cli.configuration import FILE, PREFIX
from conformance.contract.schemas import FORMATS
from conformance.mock.account import Account
from conformance.mock.behaviour import BUILT_IN
from conformance.reports.console import print_json

Capsys = pytest.CaptureFixture[str]

pytestmark = pytest.mark.usefixtures("here")

# A quick run: one product, no random payloads.
QUICK = ("--product", "sms", "--max-examples", "0", "--seed", "7")


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """That of a run in which something failed."""
    behaviour = fault("status-code-as-string").change(BUILT_IN)
    return held(tmp_path_factory.mktemp("run"), behaviour, products=("sms",), max_examples=0, shrink_requests=0)


# --- -q


def test_quiet_leaves_the_verdict_line(capsys: Capsys, journal: Path) -> None:
    """On standard output; standard error is empty, and the reports are written all the same."""
    loud = call(capsys, "judge", str(journal))
    quiet = call(capsys, "judge", str(journal), "-q")

    assert (1, [loud.out.splitlines()[-1]], "") == (quiet.code, quiet.out.splitlines(), quiet.err)
    assert quiet.out.startswith("non-conformant: ")
    assert quiet.out.endswith(" · reports/report.html\n")
    assert Path("reports/report.html").is_file()


def test_a_quiet_run_says_nothing_while_it_goes_on(capsys: Capsys) -> None:
    """One line in all."""
    called = call(capsys, "run", *QUICK, "--quiet")

    assert (0, 1, "") == (called.code, called.out.count("\n"), called.err)


def test_quiet_tells_errors_and_no_warnings(capsys: Capsys) -> None:
    """A secret on the command line is warned of; a gateway that is not there is an error."""
    gateway = ("--gateway", f"http://127.0.0.1:{quiet_port()}/api/v2", "--callback-listen", f"127.0.0.1:{quiet_port()}")
    credential = ("--consumer-key", "k", "--consumer-secret", "s3cret-s3cret")

    loud = call(capsys, "run", *QUICK, *gateway, *credential)
    quiet = call(capsys, "run", *QUICK, *gateway, *credential, "-q")

    assert "warning: --consumer-secret is visible" in loud.err
    assert 3 == quiet.code
    assert quiet.only_line.startswith("error: ")
    assert quiet.out.startswith("inconclusive: ")


def test_quiet_and_verbose_exclude_each_other(capsys: Capsys, journal: Path) -> None:
    """One clear line, before anything is done."""
    called = call(capsys, "judge", str(journal), "-q", "-v")

    assert (2, "") == (called.code, called.out)
    assert "error: -q (--quiet) and -v (--verbose) are both given; expected one of the two" == called.only_line


def test_the_command_line_beats_what_is_configured(capsys: Capsys, journal: Path, here: Path) -> None:
    """Here quiet stands in the file, and one looks more closely."""
    (here / FILE).write_text("quiet = true\n", encoding="utf-8")

    assert 1 == call(capsys, "judge", str(journal)).out.count("\n")
    assert "slow notification: " in call(capsys, "judge", str(journal), "-v").out


# --- -v


def test_verbose_tells_every_requirement(capsys: Capsys, journal: Path) -> None:
    """With verdict and number of observations; what was told without it still ends the output."""
    usual = call(capsys, "judge", str(journal))
    verbose = call(capsys, "judge", str(journal), "--verbose")
    document = json.loads(Path("reports/report.json").read_bytes())

    assert verbose.out.endswith(usual.out)
    rows = {tuple(line.split()[:3]) for line in verbose.out.removesuffix(usual.out).splitlines()}
    told = {(entry["id"], entry["verdict"]): 0 for entry in document["requirements"]}
    for entry in document["requirements"]:
        told[entry["id"], entry["verdict"]] += entry["observations"]
    assert set() == {(verdict, name, f"{seen:,}") for (name, verdict), seen in told.items()} - rows


def test_verbose_names_the_slowest_notifications(capsys: Capsys, journal: Path) -> None:
    """The slowest first."""
    out = call(capsys, "judge", str(journal), "-v").out
    took = [float(line.split()[2]) for line in out.splitlines() if line.startswith("slow notification: ")]

    assert 5 == len(took)
    assert sorted(took, reverse=True) == took


# --- --format json


def test_as_json_standard_output_is_the_report_and_nothing_else(capsys: Capsys, journal: Path) -> None:
    """To the byte; people read the rest on standard error."""
    text = call(capsys, "judge", str(journal))
    called = call(capsys, "judge", str(journal), "--format", "json")

    assert Path("reports/report.json").read_text(encoding="utf-8") == called.out
    assert [] == FORMATS.violations("report", json.loads(called.out))
    assert (1, text.out) == (called.code, called.err)


def test_quiet_json_is_json_alone(capsys: Capsys, journal: Path) -> None:
    """For a script that shows its own words."""
    called = call(capsys, "judge", str(journal), "--format", "json", "-q")

    assert "non-conformant" == json.loads(called.out)["verdict"]
    assert (1, "") == (called.code, called.err)


def test_a_verbose_run_as_json(capsys: Capsys) -> None:
    """Progress, with the time of each phase, and the text go to standard error."""
    called = call(capsys, "run", *QUICK, "--format", "json", "-v")

    assert "conformant" == json.loads(called.out)["verdict"]
    told = called.err.splitlines()
    assert "preparing" == told[0]
    assert 5 == sum(line.startswith("  took ") for line in told)
    assert any(line.startswith("slow notification: ") for line in told)
    assert told[-1].startswith("conformant: ")


def test_an_inconclusive_run_as_json(capsys: Capsys, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has a report, too, and its error is one line."""
    monkeypatch.setenv(f"{PREFIX}CONSUMER_SECRET", Account.sample().consumer_secret)
    gateway = ("--gateway", f"http://127.0.0.1:{quiet_port()}/api/v2", "--consumer-key", "k")
    called = call(
        capsys, "run", *QUICK, *gateway, "--callback-listen", f"127.0.0.1:{quiet_port()}", "--format", "json", "-q"
    )

    document = json.loads(called.out)
    assert (3, "inconclusive", []) == (called.code, document["verdict"], FORMATS.violations("report", document))
    assert called.only_line.startswith("error: ")


def test_a_usage_error_leaves_standard_output_empty(capsys: Capsys) -> None:
    """What a script reads is the report or nothing."""
    called = call(capsys, "run", "--format", "json", "--max-examples", "-1")

    assert (2, "") == (called.code, called.out)
    assert called.only_line.startswith("error: ")


def test_json_is_utf8_whatever_the_terminal_has(monkeypatch: pytest.MonkeyPatch) -> None:
    """An escape for a terminal's sake would be no JSON; a lone surrogate is written as JSON's own."""
    written = BytesIO()
    monkeypatch.setattr(sys, "stdout", TextIOWrapper(written, encoding="ascii", errors="backslashreplace"))

    print_json({"message": "· \ud800"})

    assert "\u00b7".encode() in written.getvalue()
    assert {"message": "· \ud800"} == json.loads(written.getvalue().decode("utf-8"))


def test_a_reader_of_json_who_goes_away_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """`… --format json | head -1` ends as the verdict does."""
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w", encoding="utf-8") as nobody:
        monkeypatch.setattr(sys, "stdout", nobody)
        print_json({})
        print_json({})


def test_json_holds_nothing_that_a_runner_would_obey(
    capsys: Capsys, journal: Path, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On GitHub, where what a step prints is read by its runner; it means the same."""
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    directory = here / "##[error]x"
    called = call(capsys, "judge", str(journal), "--report-dir", str(directory), "--format", "json", "-q")

    assert "##[" not in called.out
    assert json.loads((directory / "report.json").read_bytes()) == json.loads(called.out)


# --- Other commands


def test_an_observed_client_is_told_its_address_though_quiet(capsys: Capsys) -> None:
    """Whoever runs the client needs it; standard output has the verdict line alone."""
    called = call(capsys, "certify", "--observe", "--observe-for", "0.05", "-q")

    assert called.err.startswith("gateway to run the client against: http://127.0.0.1:")
    assert called.err.endswith("ready\n")
    assert 1 == called.out.count("\n")


def test_an_observed_client_as_json(capsys: Capsys) -> None:
    """The report of a client is one, too."""
    called = call(capsys, "certify", "--observe", "--observe-for", "0.05", "--format", "json")

    document = json.loads(called.out)
    assert ("client", []) == (document["subject"]["kind"], FORMATS.violations("report", document))
    assert "observing: for 0.05 s" in called.err.splitlines()


def test_doctor_as_json_lists_the_checks(capsys: Capsys) -> None:
    """Each with what came of it."""
    called = call(capsys, "doctor", "--product", "sms", "--format", "json")

    checks = json.loads(called.out)
    assert ["gateway reachable", "credential accepted", "callback path of sms"] == [each["check"] for each in checks]
    assert {"ok"} == {each["verdict"] for each in checks}
    assert called.err.endswith("All 3 checks passed; `statum-conformance run` can begin\n")


def test_doctor_as_json_tells_what_failed(capsys: Capsys, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the hint; the exit code and the line on standard error are as ever."""
    monkeypatch.setenv(f"{PREFIX}CONSUMER_SECRET", Account.sample().consumer_secret)
    gateway = f"http://127.0.0.1:{quiet_port()}/api/v2"
    listen = f"127.0.0.1:{quiet_port()}"
    options = ("--gateway", gateway, "--consumer-key", "k", "--callback-listen", listen)
    called = call(capsys, "doctor", *options, "--format", "json", "-q")

    (check,) = json.loads(called.out)
    assert ("gateway reachable", "failed") == (check["check"], check["verdict"])
    assert check["detail"] in called.only_line
    assert check["hint"] in called.only_line
    assert 3 == called.code


def test_a_quiet_doctor_says_one_line(capsys: Capsys) -> None:
    """That all is well."""
    called = call(capsys, "doctor", "--product", "sms", "-q")

    assert ("All 3 checks passed; `statum-conformance run` can begin\n", "") == (called.out, called.err)


def test_doctor_as_json_tells_a_driver_that_does_not_start(capsys: Capsys) -> None:
    """What ended it is the last check."""
    called = call(capsys, "doctor", "--driver", "false", "--format", "json")

    assert ["failed"] == [each["verdict"] for each in json.loads(called.out)]
    assert 3 == called.code


def test_a_replay_as_json(capsys: Capsys, journal: Path) -> None:
    """What came back, and what the verdicts were before."""
    called = call(capsys, "replay", "sms/valid/sample/1", "--journal", str(journal), "--format", "json", "-q")

    told = json.loads(called.out)
    assert ("sms/valid/sample/1", ["sms/valid/sample/1"]) == (told["case"], [e["case"] for e in told["exchanges"]])
    assert 1 == len(told["notifications"])
    # The built-in gateway that is started again keeps the contract.
    assert {"PASS"} == {each["verdict"] for each in told["requirements"]}
    assert "FAIL" in {each["before"] for each in told["requirements"]}


def test_a_quiet_replay_says_one_line(capsys: Capsys, journal: Path) -> None:
    """The verdict on the case."""
    called = call(capsys, "replay", "sms/valid/sample/1", "--journal", str(journal), "-q")

    assert called.out.startswith("conformant: ")
    assert (1, "") == (called.out.count("\n"), called.err)


# --- Help


@pytest.mark.parametrize("command", ["run", "certify", "judge", "replay", "doctor"])
def test_help_says_what_they_do(capsys: Capsys, command: str) -> None:
    """Under a heading of their own."""
    section = call(capsys, command, "--help").out.partition("\nOutput:\n")[2].partition("\n\n")[0]

    assert "-q, --quiet" in section
    assert "--format [text|json]" in section
    assert ("-v, --verbose" in section) == (command in {"run", "certify", "judge"})
