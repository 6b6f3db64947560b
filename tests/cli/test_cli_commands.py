"""The commands that only tell something: help, version, `requirements`, `doctor`."""

from __future__ import annotations

import json
import shlex
from contextlib import suppress
from pathlib import Path

import click
import pytest
from command_line import CHECKOUT, call

from conformance import __version__
from conformance.cli import COMMANDS
from conformance.client.face import client_checks
from conformance.contract.contract import statum
from conformance.gateway.rules.checks import checks_of

CHECKS = checks_of(statum())

Capsys = pytest.CaptureFixture[str]
NAMES = [command.name for command in COMMANDS]


@pytest.mark.parametrize("command", [None, *NAMES])
def test_help_fits_80_columns(capsys: Capsys, monkeypatch: pytest.MonkeyPatch, command: str | None) -> None:
    """However wide the terminal is, and by both options, even after a context without a parent."""
    monkeypatch.setenv("COLUMNS", "300")
    for each in COMMANDS:
        click.Context(each).get_help()

    called = call(capsys, *([command] if command else []), "--help")

    assert (0, "") == (called.code, called.err)
    assert [] == [line for line in called.out.splitlines() if len(line) > 80 and "://" not in line]
    assert called.out == call(capsys, *([command] if command else []), "-h").out


@pytest.mark.parametrize("command", COMMANDS, ids=NAMES)
def test_help_ends_with_examples_that_can_be_called_and_a_page(
    capsys: Capsys, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, command: click.Command
) -> None:
    """Every option and argument of an example is one of the command's."""
    monkeypatch.chdir(tmp_path)
    out = call(capsys, command.name or "", "--help").out.partition("\nExamples:\n")[2]
    examples, _, page = out.partition("\n\nDocumentation: ")

    for example in examples.splitlines():
        program, name, *arguments = shlex.split(example)
        assert ("statum-conformance", command.name) == (program, name)
        with suppress(click.exceptions.Exit):  # an option that lists something and ends
            command.make_context(name, arguments)
    assert (CHECKOUT / "docs" / page.strip().rpartition("/")[2]).is_file()


def test_help_lists_the_commands_in_the_order_of_use(capsys: Capsys) -> None:
    """Each with a line on what it does."""
    out = call(capsys, "--help").out
    listed = [line.split()[0] for line in out.partition("Commands:\n")[2].partition("\n\n")[0].splitlines()]

    assert NAMES == listed


@pytest.mark.parametrize(
    ("command", "options"),
    [
        (
            "run",
            (
                "--gateway --consumer-key --consumer-secret --callback-listen --callback-url --product --sender-id "
                "--short-code --phone-number --notify-within --max-examples --seed --shrink-requests "
                "--exclusive-account --shared-account --report-dir"
            ),
        ),
        ("init", "[DIR] --driver --receiver --gateway --ci --expectations --contract"),
        ("mock", "--listen --callback --fault --variant --list-faults --list-variants --failure-rate --balance"),
        ("judge", "JOURNAL --report-dir"),
        ("doctor", "--gateway --consumer-key --consumer-secret --callback-listen --callback-url"),
        ("requirements", "--format"),
        ("openapi", "--server --callback"),
        ("config", "--format --env"),
        ("run", "--sign-key --key-passphrase --subject-name --subject-digest --valid-days"),
        ("verify", "CERTIFICATE --key --threshold --evidence"),
        ("sign", "CERTIFICATE --sign-key --key-passphrase --key --threshold --evidence --output"),
        ("badge", "SOURCE --endpoint --output --key --threshold"),
        ("keygen", "FILE --key-passphrase"),
    ],
)
def test_help_tells_every_option(capsys: Capsys, command: str, options: str) -> None:
    """Those that the interface promises."""
    out = call(capsys, command, "--help").out

    assert [] == [option for option in options.split() if option not in out]


def test_version(capsys: Capsys) -> None:
    """Name and version."""
    assert f"statum-conformance, version {__version__}\n" == call(capsys, "--version").out


def test_requirements_as_json_hold_the_whole_catalogue(capsys: Capsys) -> None:
    """Each with what judges it, or with the reason why nothing does."""
    entries = json.loads(call(capsys, "requirements", "--format", "json").out)

    assert [requirement.id for requirement in statum().catalogue.requirements] == [entry["id"] for entry in entries]
    assert [] == [entry["id"] for entry in entries if bool(entry["checks"]) == bool(entry["excluded"])]
    assert set(CHECKS) | set(client_checks(statum())) == {entry["id"] for entry in entries if entry["checks"]}
    by_id = {entry["id"]: entry for entry in entries}
    assert ["response /status_code: type"] == by_id["RSP-03"]["checks"]
    assert ["rule refused-credential-has-no-effect"] == by_id["AUT-10"]["checks"]
    assert '"status_code": 200,' == by_id["RSP-03"]["quote"]


def test_one_requirement_can_be_listed(capsys: Capsys) -> None:
    """Or several, in the order of the catalogue; a wrong id is told, with near ones."""
    listed = json.loads(call(capsys, "requirements", "RSP-03", "ENC-01", "--format", "json").out)
    wrong = call(capsys, "requirements", "RSP-3")

    assert ["ENC-01", "RSP-03"] == [entry["id"] for entry in listed]
    assert wrong.only_line.startswith("error: there is no requirement 'RSP-3'; expected a name that `statum-conf")
    assert wrong.only_line.endswith("(hint: did you mean RSP-13 or RSP-03?)")


def test_requirements_as_markdown_are_one_table(capsys: Capsys) -> None:
    """A row each, with as many cells as the heading."""
    heading, rule, *rows = call(capsys, "requirements", "--format", "markdown").out.splitlines()

    assert len(statum().catalogue.requirements) == len(rows)
    assert {heading.count("|"), rule.count("|")} == {row.replace("\\|", "").count("|") for row in rows}


def test_requirements_as_a_table_fit_80_columns(capsys: Capsys, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every id is there, and no line is wider."""
    monkeypatch.setenv("COLUMNS", "80")
    out = call(capsys, "requirements").out

    assert [] == [requirement.id for requirement in statum().catalogue.requirements if requirement.id not in out]
    assert [] == [line for line in out.splitlines() if len(line) > 80]


def test_doctor_tells_each_check(capsys: Capsys) -> None:
    """Gateway, credential, and the callback path of each product; exit 0 if all is well."""
    called = call(capsys, "doctor")

    told = [line.partition(": ")[0] for line in called.out.splitlines()[:-1]]
    assert ["ok      gateway reachable", "ok      credential accepted"] == told[:2]
    assert [f"ok      callback path of {product}" for product in statum().products] == told[2:]
    assert (0, "") == (called.code, called.err)


def test_doctor_looks_at_the_products_asked_for(capsys: Capsys) -> None:
    """And at no other."""
    out = call(capsys, "doctor", "--product", "airtime").out

    assert "callback path of airtime" in out
    assert "callback path of sms" not in out
