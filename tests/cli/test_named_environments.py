"""Named environments of the configuration file, its schema, and `config`, which shows what counts."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest
from command_line import call

from conformance.cli import COMMANDS
from conformance.cli.configuration import (
    FILE,
    PYPROJECT,
    configured,
)
from conformance.contract.schemas import FORMATS
from conformance.gateway.settings import Settings
from conformance.model.errors import UsageError
from conformance.options import options_of

SettingsOf = Callable[..., Settings]

LOCAL = "http://127.0.0.1:9000/api/v2"

TEXT = """
seed = 1
max-examples = 5
[env.local]
seed = 2
[env.sandbox]
seed = 3
sender-id = ["A", "B"]
shared-account = true
"""


@pytest.fixture
def here(here: Path) -> Path:
    """A current directory with that file."""
    (here / FILE).write_text(TEXT, encoding="utf-8")
    return here


# --- Environments


def test_an_environment_counts_where_it_is_chosen(settings_of: SettingsOf) -> None:
    """What it does not say, the rest of the file says."""
    assert (1, 5) == (settings_of().seed, settings_of().max_examples)
    assert (2, 5) == (settings_of("--env", "local").seed, settings_of("--env=local").max_examples)
    assert (3, ("A", "B")) == (settings_of("--env=sandbox").seed, settings_of("--env=sandbox").registered["sender_id"])


def test_it_is_also_chosen_by_its_variable(settings_of: SettingsOf, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command line beats it; an empty one chooses none."""
    monkeypatch.setenv("STATUM_CONFORMANCE_ENV", "local")
    assert [2, 3] == [settings_of().seed, settings_of("--env", "sandbox").seed]

    monkeypatch.setenv("STATUM_CONFORMANCE_ENV", "")
    assert 1 == settings_of().seed


def test_variables_and_the_command_line_beat_it(settings_of: SettingsOf, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the order in which they beat the file."""
    monkeypatch.setenv("STATUM_CONFORMANCE_SEED", "4")

    assert [4, 5] == [settings_of("--env", "local").seed, settings_of("--env", "local", "--seed", "5").seed]


def test_the_opposite_of_a_flag_beats_the_flag_of_the_rest(here: Path, settings_of: SettingsOf) -> None:
    """They are one option."""
    (here / FILE).write_text("exclusive-account = true\n[env.x]\nshared-account = true\n", encoding="utf-8")

    assert [True, False] == [settings_of().exclusive_account, settings_of("--env=x").exclusive_account]


def test_pyproject_has_environments_too(here: Path, settings_of: SettingsOf) -> None:
    """Below its table."""
    (here / FILE).unlink()
    (here / PYPROJECT).write_text("[tool.statum-conformance.env.local]\nseed = 6\n", encoding="utf-8")

    assert 6 == settings_of("--env", "local").seed
    with pytest.raises(UsageError, match=r"no environment 'loca' in \[tool.statum-conformance\] of pyproject.toml"):
        settings_of("--env", "loca")


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        (TEXT, f"there is no environment 'sandbix' in {FILE}; it has local, sandbox", "did you mean sandbox?"),
        ("seed = 1", f"there is no environment 'sandbix' in {FILE}; it has none", None),
        ("env = 'sandbix'", f"env in {FILE} is a text; expected tables", "such as [env.sandbox]"),
        ("[env]\nsandbix = 1", f"env.sandbix in {FILE} is a whole number; expected a table", None),
        ("[env.sandbix]\ngatway = 1", f"'gatway' in [env.sandbix] of {FILE} is not an option", "did you mean gateway?"),
        ("[env.sandbix]\n[env.b]\nsede = 1", f"'sede' in [env.b] of {FILE} is not an option", "did you mean seed or"),
        ("[env.sandbix]\nenv = 'x'", f"'env' in [env.sandbix] of {FILE} is not an option", None),
        ("[env.sandbix]\nseed = 'x'", f"seed in [env.sandbix] of {FILE} is a text ('x'); expected", None),
    ],
)  # fmt: skip
def test_what_is_wrong_with_environments_is_told(
    here: Path, settings_of: SettingsOf, text: str, message: str, hint: str | None
) -> None:
    """Also in one that was not chosen: a typo waits for nobody."""
    (here / FILE).write_text(text, encoding="utf-8")

    with pytest.raises(UsageError) as refused:
        settings_of("--env", "sandbix")
    assert refused.value.message.startswith(message)
    assert hint is None or (refused.value.hint or "").startswith(hint)


def test_wrong_arguments_are_told_before_an_environment_is_looked_for(settings_of: SettingsOf) -> None:
    """Which environment was meant is not known then."""
    with pytest.raises(click.NoSuchOption):
        settings_of("--env", "nowhere", "--sede", "1")


# --- What counts, shown


def shown(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    """What `config` says, as JSON."""
    called = call(capsys, "config", *arguments, "--format", "json")
    assert (0, "") == (called.code, called.err)
    return json.loads(called.out)


@pytest.mark.usefixtures("here")
def test_each_value_is_shown_with_where_it_stands(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The four places, the strongest of them."""
    monkeypatch.setenv("STATUM_CONFORMANCE_NOTIFY_WITHIN", "3")
    document = shown(capsys, "--env", "sandbox")
    options = document.pop("options")

    assert {"command": "run", "file": FILE, "environments": ["local", "sandbox"], "env": "sandbox"} == document
    assert {
        "seed": {"value": 3, "from": "[env.sandbox] of statum-conformance.toml"},
        "sender-id": {"value": ["A", "B"], "from": "[env.sandbox] of statum-conformance.toml"},
        "max-examples": {"value": 5, "from": "statum-conformance.toml"},
        "notify-within": {"value": 3.0, "from": "STATUM_CONFORMANCE_NOTIFY_WITHIN"},
        "exclusive-account": {"value": False, "from": "[env.sandbox] of statum-conformance.toml"},
        "report-dir": {"value": "reports", "from": "default"},
        "gateway": {"value": None, "from": "default"},
        "phone-number": {"value": [], "from": "default"},
    }.items() <= options.items()


def test_what_is_shown_is_what_counts(settings_of: SettingsOf, capsys: pytest.CaptureFixture[str]) -> None:
    """Each command's own options, and the defaults that it has itself."""
    options = {
        command.name: shown(capsys, command.name or "")["options"] for command in COMMANDS if command.name != "config"
    }

    assert [name for name in options["run"] if name in ("seed", "listen")] == ["seed"]
    assert settings_of().notify_within_s == options["run"]["notify-within"]["value"]
    assert "listen" in options["mock"]
    assert {"driver", "server"}.isdisjoint(options["run"])


def test_no_secret_is_shown(here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """In no format, also where it stands in another value; a token of the callback URL is one."""
    (here / FILE).write_text(
        'consumer-secret = "S3cr3tValue"\nredact = ["Pr1vate"]\ncallback-url = "https://x.example/S3cr3tValue?t=T0ken99"\n'
        'gateway = "https://Pr1vate.example/api/v2"\n',
        encoding="utf-8",
    )
    monkeypatch.setenv("COLUMNS", "300")
    document = shown(capsys)
    table = call(capsys, "config").out

    assert ["********", ["********"]] == [document["options"][name]["value"] for name in ("consumer-secret", "redact")]
    assert "https://x.example/" in document["options"]["callback-url"]["value"]
    for secret in ("S3cr3tValue", "Pr1vate", "T0ken99"):
        assert secret not in json.dumps(document)
        assert secret not in table


@pytest.mark.usefixtures("here")
def test_as_a_table_it_fits_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """One line for what there is, one row for each option."""
    lines = call(capsys, "config", "--env=local").out.splitlines()

    assert "file: statum-conformance.toml · environments: local, sandbox · chosen: local" == lines[0]
    assert any(line.split()[:3] == ["seed", "2", "[env.local]"] for line in lines)
    assert any(line.split() == ["gateway", "–", "default"] for line in lines)


def test_without_a_file_the_defaults_are_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """And that there is none."""
    monkeypatch.chdir(tmp_path)
    document = shown(capsys, "doctor")

    assert (None, [], None) == (document["file"], document["environments"], document["env"])
    assert {"default"} == {option["from"] for option in document["options"].values()}


@pytest.mark.usefixtures("here")
def test_a_command_that_does_not_exist_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """With what may have been meant."""
    called = call(capsys, "config", "rnu")

    assert (2, True) == (called.code, called.only_line.endswith("(hint: did you mean run?)"))


# --- The schema


@pytest.mark.parametrize(
    "text",
    [
        TEXT,
        "",
        "sede = 1",
        "seed = 'x'",
        "seed = 1.5",
        "notify-within = 3",
        "exclusive-account = 1",
        "phone-number = '254711000001'",
        "phone-number = ['254711000001', 2]",
        "[env.x]\nsede = 1",
        "[env.x]\nseed = true",
        "env = 1",
        "[env]\nx = 1",
        "[env.x]\n[env.x.env]\n",
    ],
)
def test_the_schema_takes_what_the_suite_takes(tmp_path: Path, text: str) -> None:
    """An editor that knows it complains of what a run would refuse."""
    (tmp_path / FILE).write_text(text, encoding="utf-8")
    document = tomllib.loads(text)
    refused = False
    for env in document["env"] if isinstance(document.get("env"), dict) else [None]:
        try:
            configured(options_of("run"), {}, tmp_path, env)
        except UsageError:
            refused = True

    assert refused == bool(FORMATS.violations("configuration", document))


def test_local_addresses_are_what_they_are_taken_for(here: Path, settings_of: SettingsOf) -> None:
    """A gateway of an environment is checked like any other."""
    (here / FILE).write_text(
        f'[env.local]\ngateway = "{LOCAL}"\nconsumer-key = "k"\nconsumer-secret = "s"\n', encoding="utf-8"
    )

    assert LOCAL == settings_of("--env", "local").gateway
