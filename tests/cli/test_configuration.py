"""Options from the command line, the environment and the file: which one counts, and what is refused."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click
import pytest

from conformance.cli.configuration import FILE, PYPROJECT, Configured, configured, file_values, switches, variable
from conformance.cli.run import run
from conformance.gateway.settings import Settings
from conformance.model.errors import UsageError
from conformance.options import options_of

SettingsOf = Callable[..., Settings]


def from_file(text: str, directory: Path, environment: dict[str, str] | None = None) -> dict[str, Any]:
    """What is configured for `run` by a file of this text."""
    (directory / FILE).write_text(text, encoding="utf-8")
    return values_of(configured(options_of("run"), environment or {}, directory))


def values_of(found: Mapping[str, Configured]) -> dict[str, Any]:
    """The values, wherever they stand."""
    return {name: each.value for name, each in found.items()}


# option, in the file, in the environment, on the command line, the setting's name, and its value from each
PRECEDENCE = [
    ("seed", "seed = 1", "2", ["--seed", "3"], "seed", (1, 2, 3)),
    ("max-examples", "max-examples = 1", "2", ["--max-examples", "3"], "max_examples", (1, 2, 3)),
    ("notify-within", "notify-within = 1", "2.5", ["--notify-within", "3"], "notify_within_s", (1.0, 2.5, 3.0)),
    (
        "sender-id",
        'sender-id = ["A", "B"]',
        "C, D",
        ["--sender-id", "E", "--sender-id", "F"],
        "registered",
        ({"sender_id": ("A", "B")}, {"sender_id": ("C", "D")}, {"sender_id": ("E", "F")}),
    ),
    (
        "phone-number",
        'phone-number = "254711000001"',
        "254711000002",
        ["--phone-number", "254711000003"],
        "phone_numbers",
        (("254711000001",), ("254711000002",), ("254711000003",)),
    ),
    (
        "product",
        'product = ["airtime", "sms"]',
        "sms",
        ["--product", "mpesa-wallet"],
        "products",
        (("sms", "airtime"), ("sms",), ("mpesa-wallet",)),
    ),
    ("report-dir", 'report-dir = "a"', "b", ["--report-dir", "c"], "report_dir", (Path("a"), Path("b"), Path("c"))),
    (
        "exclusive-account",
        "exclusive-account = true",
        "no",
        ["--exclusive-account"],
        "exclusive_account",
        (True, False, True),
    ),
    (
        "shared-account",
        "shared-account = false",
        "1",
        ["--exclusive-account"],
        "exclusive_account",
        (True, False, True),
    ),
    ("shrink-requests", "shrink-requests = 1", "2", ["--shrink-requests", "0"], "shrink_requests", (1, 2, 0)),
    (
        "redact",
        'redact = "first"',
        "second,seventh",
        ["--redact=other"],
        "redact",
        (("first",), ("second", "seventh"), ("other",)),
    ),
    (
        "show-phone-numbers",
        "show-phone-numbers = true",
        "no",
        ["--show-phone-numbers"],
        "show_phone_numbers",
        (True, False, True),
    ),
    ("strict", "strict = true", "no", ["--strict"], "strict", (True, False, True)),
    (
        "catalogue-url",
        'catalogue-url = "http://a/"',
        "http://b/",
        ["--catalogue-url", "http://c/"],
        "catalogue_url",
        ("http://a/", "http://b/", "http://c/"),
    ),
    ("consumer-key", 'consumer-key = "a"', "b", ["--consumer-key", "c"], "consumer_key", ("a", "b", "c")),
    ("consumer-secret", 'consumer-secret = "a"', "b", ["--consumer-secret", "c"], "consumer_secret", ("a", "b", "c")),
]


@pytest.mark.parametrize("row", PRECEDENCE, ids=[row[0] for row in PRECEDENCE])
def test_the_command_line_beats_the_environment_which_beats_the_file(
    here: Path,
    settings_of: SettingsOf,
    monkeypatch: pytest.MonkeyPatch,
    row: tuple[str, str, str, list[str], str, tuple[Any, Any, Any]],
) -> None:
    """Each option in all three places, the weakest first."""
    option, line, text, arguments, setting, expected = row
    (here / FILE).write_text(line, encoding="utf-8")
    values = [getattr(settings_of(), setting)]
    monkeypatch.setenv(variable(option), text)
    values.append(getattr(settings_of(), setting))
    values.append(getattr(settings_of(*arguments), setting))

    assert expected == tuple(values)


@pytest.mark.usefixtures("here")
def test_every_option_of_a_run_is_a_setting() -> None:
    """Nothing that can be configured is ignored: each option is in the precedence table or in the one of addresses."""
    tried = {row[0] for row in PRECEDENCE} | {"gateway", "callback-listen", "callback-url", "short-code"}
    tried |= {"corpus", "cases", "save-corpus"}  # tests/unit/test_case_files.py
    tried |= {"expectations"}  # tests/unit/test_expectations.py
    tried |= {"ca-file", "callback-token", "callback-tls-cert", "callback-tls-key"}  # tests/wire/test_receiver_tls.py
    tried |= {"max-accepted", "max-spend", "rate", "concurrency", "connect-timeout", "read-timeout", "plan"}
    tried |= {"quiet", "verbose", "format"}  # tests/cli/test_output.py
    tried |= {"over-network", "no-network", "resume"}  # tests/slow
    tried |= {"consumer-secret-file", "netrc"}  # tests/cli/test_credentials.py
    tried |= {"credential-for"}  # tests/gateway/test_credential_for.py
    tried |= {"only", "last-failed", "write-expectations"}  # tests/cli/test_parts_of_runs.py, test_expectations_file.py
    tried |= {"callback-path"}  # tests/gateway/test_callback_sharing.py
    tried |= {"contract"}  # tests/cli/test_contract_option.py
    tried |= {"sign-key", "key-passphrase", "subject-name", "subject-digest", "valid-days"}  # test_cli_certificates.py

    assert tried == {switch.name for switch in switches(options_of("run"))}


def test_addresses_and_names_come_from_the_file_too(here: Path, settings_of: SettingsOf) -> None:
    """What the precedence table leaves out."""
    (here / FILE).write_text(
        'gateway = "http://127.0.0.1:1/api/v2"\nconsumer-key = "k"\nconsumer-secret = "s"\nshort-code = "55555"\n'
        'callback-listen = "[::1]:8080"\ncallback-url = "https://hooks.example/x?t=1"\n',
        encoding="utf-8",
    )

    settings = settings_of()

    assert "http://127.0.0.1:1/api/v2" == settings.gateway
    assert ("::1", 8080) == (settings.callback_listen.host, settings.callback_listen.port)
    assert "https://hooks.example/x?t=1" == settings.callback_url
    assert ("55555",) == settings.registered["short_code"]


def test_without_any_of_the_three_the_defaults_count(settings_of: SettingsOf) -> None:
    """And the seed is a new one each time."""
    assert settings_of().seed != settings_of().seed
    assert 40 == settings_of().max_examples


def test_pyproject_has_a_table_for_it(here: Path, settings_of: SettingsOf) -> None:
    """`[tool.statum-conformance]`, beside what other tools keep there."""
    (here / PYPROJECT).write_text("[tool.ruff]\nseed = 'x'\n[tool.statum-conformance]\nseed = 5\n", encoding="utf-8")

    assert 5 == settings_of().seed


def test_the_own_file_hides_pyproject(here: Path, settings_of: SettingsOf) -> None:
    """One of the two counts, as with pytest's files."""
    (here / PYPROJECT).write_text("[tool.statum-conformance]\nseed = 5\nmax-examples = 1\n", encoding="utf-8")
    (here / FILE).write_text("seed = 6", encoding="utf-8")

    assert (6, 40) == (settings_of().seed, settings_of().max_examples)


@pytest.mark.parametrize("text", ["", "[tool]\n", "[tool.other]\n", 'tool = "x"\n'])
def test_a_pyproject_without_the_table_configures_nothing(tmp_path: Path, text: str) -> None:
    """It belongs to others."""
    (tmp_path / PYPROJECT).write_text(text, encoding="utf-8")

    assert {} == file_values(tmp_path)[0]


REFUSED = [
    ("max_examples = 1", "'max_examples' in statum-conformance.toml is not an option", "did you mean max-examples?"),
    ("gatway = 'x'", "'gatway' in statum-conformance.toml is not an option", "did you mean gateway?"),
    ("help = true", "'help' in statum-conformance.toml is not an option", None),
    ("[run]\nseed = 1", "'run' in statum-conformance.toml is not an option", None),
    ("seed = '1'", "seed in statum-conformance.toml is a text ('1'); expected a whole number", None),
    ("seed = true", "seed in statum-conformance.toml is true or false (True); expected a whole number", None),
    ("seed = 1.5", "seed in statum-conformance.toml is a number (1.5); expected a whole number", None),
    ("seed = [1]", "seed in statum-conformance.toml is a list ([1]); expected a whole number", None),
    ("notify-within = '3'", "notify-within in statum-conformance.toml is a text ('3'); expected a number", None),
    (
        "exclusive-account = 1",
        "exclusive-account in statum-conformance.toml is a whole number (1); expected true",
        None,
    ),
    ("gateway = 1979-05-27", "gateway in statum-conformance.toml is a date or time", None),
    (
        "short-code = 174379",
        "short-code in statum-conformance.toml is a whole number (174379); expected a text, or a list of them",
        'write short-code = "174379"',
    ),
    ("phone-number = ['254711000001', 2]", "phone-number in statum-conformance.toml is a whole number (2)", None),
    ("seed = ", "configuration file statum-conformance.toml is not valid TOML: Invalid value", None),
]


@pytest.mark.parametrize(("text", "message", "hint"), REFUSED, ids=[row[0] for row in REFUSED])
def test_a_file_that_cannot_be_used_is_one_clear_line(
    tmp_path: Path, text: str, message: str, hint: str | None
) -> None:
    """What was given, what is expected, and what may have been meant."""
    with pytest.raises(UsageError) as caught:
        from_file(text, tmp_path)

    assert caught.value.message.startswith(message)
    assert hint is None or hint == caught.value.hint
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    """TOML is UTF-8."""
    (tmp_path / FILE).write_bytes(b"gateway = '\xff'")

    with pytest.raises(UsageError, match="is not valid TOML"):
        file_values(tmp_path)


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    """A directory of that name, say."""
    (tmp_path / FILE).mkdir()

    with pytest.raises(UsageError, match="cannot be read"):
        file_values(tmp_path)


def test_a_table_that_is_none_is_refused(tmp_path: Path) -> None:
    """`statum-conformance` below `[tool]` has to be a table."""
    (tmp_path / PYPROJECT).write_text("[tool]\nstatum-conformance = 1\n", encoding="utf-8")

    with pytest.raises(UsageError, match=r"\[tool.statum-conformance\] of pyproject.toml is a whole number"):
        file_values(tmp_path)


def test_options_of_other_commands_may_be_in_the_file(tmp_path: Path) -> None:
    """One file serves all commands."""
    assert {"seed": 1} == from_file("seed = 1\nlisten = '127.0.0.1:9000'\noutput = 'badge.svg'\n", tmp_path)


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("SEED", "x", "STATUM_CONFORMANCE_SEED is 'x'; expected a whole number"),
        ("NOTIFY_WITHIN", "soon", "STATUM_CONFORMANCE_NOTIFY_WITHIN is 'soon'; expected a number"),
        ("EXCLUSIVE_ACCOUNT", "maybe", "STATUM_CONFORMANCE_EXCLUSIVE_ACCOUNT is 'maybe'; expected true or false"),
    ],
)
def test_a_variable_of_the_wrong_type_is_named(tmp_path: Path, name: str, text: str, expected: str) -> None:
    """So that one finds it among all variables."""
    with pytest.raises(UsageError) as caught:
        configured(options_of("run"), {f"STATUM_CONFORMANCE_{name}": text}, tmp_path)

    assert expected == str(caught.value)


def test_an_empty_variable_counts_as_none(tmp_path: Path) -> None:
    """As CI systems set those that have no value."""
    assert {} == configured(options_of("run"), {"STATUM_CONFORMANCE_SEED": ""}, tmp_path)


def test_a_secret_of_the_wrong_type_is_not_shown(tmp_path: Path) -> None:
    """The line names the option, not the value."""
    with pytest.raises(UsageError) as caught:
        from_file("consumer-secret = 424242", tmp_path)

    assert "424242" not in str(caught.value)


def test_asking_for_help_does_not_read_the_configuration(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Help is what one needs when the configuration is wrong; and no value out of it is shown as a default."""
    (here / FILE).write_text("consumer-secret = 'canary'\nseed = 'x'", encoding="utf-8")

    with pytest.raises(click.exceptions.Exit):
        run.make_context("run", ["--seed", "1", "--help"])

    shown = capsys.readouterr().out
    assert "--consumer-secret SECRET" in shown
    assert "canary" not in shown
