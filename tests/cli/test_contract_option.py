"""--contract, wherever it is given: whose names count, and what of another contract is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from command_line import call
from run_records import Run

from conformance.cli import COMMANDS
from conformance.cli.configuration import switches, variable
from conformance.cli.parameters import CONTRACT
from conformance.contract.contract import Contract, statum
from conformance.gateway.settings import Settings as GatewaySettings
from conformance.model.errors import UsageError
from conformance.options import options_of
from conformance.reports.reproduce import repeat_command

Capsys = pytest.CaptureFixture[str]

FOLDER = Path(__file__).parents[1] / "contracts" / "parcel"
PARCEL = Contract.load(FOLDER)

# They know no commands, products or requirements.
WITHOUT = {"completion", "docs", "keygen", "show"}


def test_every_command_that_knows_a_contract_takes_another() -> None:
    """And it can be configured like any option, though it is read before the others."""
    names = {command.name or "" for command in COMMANDS}
    taking = {name for name in names if CONTRACT in {switch.name for switch in switches(options_of(name))}}

    assert names - WITHOUT == taking


def titles(capsys: Capsys, *options: str) -> list[str]:
    """The paths of the OpenAPI document that is printed."""
    called = call(capsys, "openapi", *options)
    assert 0 == called.code, called.err
    return list(json.loads(called.out)["paths"])


def test_the_command_line_beats_the_environment_and_that_the_file(
    capsys: Capsys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As for every option; an empty variable counts as none."""
    monkeypatch.chdir(tmp_path)
    parcels, ours = [f"/{name}" for name in PARCEL.commands], [f"/{name}" for name in statum().commands]
    assert ours == titles(capsys)
    (tmp_path / "statum-conformance.toml").write_text(f'contract = "{FOLDER}"\n', "utf-8")
    assert parcels == titles(capsys)
    monkeypatch.setenv(variable(CONTRACT), str(tmp_path / "nowhere"))
    assert parcels == titles(capsys, "--contract", str(FOLDER))
    assert "there is no contract folder" in call(capsys, "openapi").only_line
    monkeypatch.setenv(variable(CONTRACT), "")
    assert parcels == titles(capsys)


@pytest.mark.parametrize(
    "arguments",
    [
        ("run", "--product", "sms"),
        ("certify", "--product", "sms"),
        ("doctor", "--product", "sms"),
        ("openapi", "--callback", "sms=http://127.0.0.1:1/"),
        ("mock", "--callback", "sms=http://127.0.0.1:1/"),
    ],
    ids=lambda arguments: arguments[0],
)
def test_names_are_those_of_the_contract(capsys: Capsys, arguments: tuple[str, ...]) -> None:
    """In one line, with those that there are."""
    command, *options = arguments
    called = call(capsys, command, "--contract", str(FOLDER), *options)

    assert (2, "") == (called.code, called.out)
    assert f"there is no product 'sms' in the contract 'parcel'; expected one of {', '.join(PARCEL.products)}" in (
        called.only_line
    )
    assert f"--contract {FOLDER} has other names" in called.only_line


def test_a_run_keeps_which_contract_it_is_by() -> None:
    """With its digest, and the folder as it was given, so that it can be repeated."""
    settings = GatewaySettings("key", "the secret", contract=PARCEL)

    assert PARCEL.products == settings.products
    assert {"name": "parcel", "digest": PARCEL.digest, "folder": str(FOLDER)} == settings.recorded()["contract"]
    assert statum().recorded() == GatewaySettings("key", "the secret").recorded()["contract"]
    recorded: dict[str, Any] = {
        **settings.recorded(),
        "subject_name": "the built-in mock gateway",
        "gateway": "http://127.0.0.1:1/courier/v1",
    }
    assert f"statum-conformance run --contract {FOLDER} --seed " in repeat_command(recorded, PARCEL)


def test_what_is_of_another_contract_is_refused() -> None:
    """It says which one, and how to name it; without a contract it is Statum's."""
    with pytest.raises(UsageError) as refused:
        statum().check_recorded({"contract": PARCEL.recorded()}, "the journal j")
    assert "the journal j is of a run by the contract 'parcel'; expected one by 'statum'" == refused.value.message
    assert f"--contract {FOLDER}" == refused.value.hint
    with pytest.raises(UsageError) as refused:
        PARCEL.check_recorded(Run().record().settings, "the journal j")
    assert "leave --contract out" == refused.value.hint
    statum().check_recorded(Run().record().settings, "the journal j")
    statum().check_recorded({"contract": {**statum().recorded(), "digest": "sha256:0"}}, "an earlier edition's")
