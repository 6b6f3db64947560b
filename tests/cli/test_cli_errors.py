"""Bad input: one clear line on standard error, and the right exit code."""

from __future__ import annotations

import socket
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from command_line import call, finished, process
from sockets import quiet_port

from conformance.cli import COMMANDS
from conformance.cli.configuration import PREFIX
from conformance.gateway import campaign
from conformance.mock.account import Account
from conformance.mock.serving import serve_mock

Capsys = pytest.CaptureFixture[str]
SAMPLE = Account.sample()
CREDENTIAL = ("--consumer-key", SAMPLE.consumer_key)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current directory, where reports go; the secret in the environment."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(f"{PREFIX}CONSUMER_SECRET", SAMPLE.consumer_secret)
    return tmp_path


@pytest.fixture
def gateway() -> Iterator[str]:
    """The URL of a mock gateway that knows the sample account, without callbacks."""
    with serve_mock(SAMPLE) as server:
        yield server.url


@pytest.fixture
def taken() -> Iterator[str]:
    """An address on which somebody else listens."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


NAMES = ", ".join(str(command.name) for command in COMMANDS)
USAGE = [
    (
        ["rnu"],
        f"error: there is no command 'rnu'; expected {NAMES} (hint: did you mean run?)",
    ),
    (["run", "--gatway", "x"], "error: there is no option --gatway (hint: did you mean --gateway?)"),
    (["run", "--zzz"], "error: there is no option --zzz (hint: statum-conformance run --help)"),
    (["--zzz", "run"], "error: there is no option --zzz (hint: statum-conformance --help)"),
    (["run", "--seed"], "error: option '--seed' requires an argument"),
    (
        ["run", "--seed", "x"],
        "error: invalid value for '--seed': 'x' is not a valid integer (hint: statum-conformance run --help)",
    ),
    (["run", "--seed", "-1"], "error: --seed is -1; expected 0 or more"),
    (["run", "--notify-within", "0"], "error: --notify-within is 0.0; expected more than 0 seconds"),
    (["run", "--max-examples", "-1"], "error: --max-examples is -1; expected 0 or more"),
    (
        ["run", "extra"],
        "error: got unexpected extra argument (extra) (hint: statum-conformance run --help)",
    ),
    (["judge"], "error: missing argument 'JOURNAL' (hint: statum-conformance judge --help)"),
    (
        ["run", "--product", "smss"],
        (
            "error: there is no product 'smss'; expected one of sms, airtime, mpesa-online, mpesa-wallet "
            "(hint: did you mean sms?)"
        ),
    ),
    (
        ["mock", "--fault", "status-code-as-strng"],
        (
            "error: there is no fault 'status-code-as-strng'; expected a name that --list-faults shows "
            "(hint: did you mean status-code-as-string or status-code-out-of-range?)"
        ),
    ),
    (
        ["mock", "--variant", "zzz"],
        "error: there is no variant 'zzz'; expected a name that --list-variants shows",
    ),
    (
        ["mock", "--callback", "sms:http://127.0.0.1"],
        (
            "error: callback 'sms:http://127.0.0.1' is not PRODUCT=URL with an http or https URL "
            "(hint: for example sms=http://127.0.0.1:8080/callbacks/sms)"
        ),
    ),
    (
        ["mock", "--callback", "smss=http://127.0.0.1"],
        (
            "error: there is no product 'smss'; expected one of sms, airtime, mpesa-online, mpesa-wallet, "
            "mpesa-c2b, mpesa-c2b/validation (hint: did you mean sms?)"
        ),
    ),
    (["mock", "--failure-rate", "2"], "error: --failure-rate is 2; expected a share from 0 to 1"),
    (
        ["run", "--callback-listen", "8080"],
        (
            "error: listen address '8080' is not HOST:PORT with a port from 0 to 65535 "
            "(hint: for example 127.0.0.1:8080, [::1]:8080, or 127.0.0.1:0 for any free port)"
        ),
    ),
    (
        ["run", "--gateway", "api.statum.co.ke/api/v2", *CREDENTIAL],
        (
            "error: gateway 'api.statum.co.ke/api/v2' is not a URL; expected http:// or https://, a host and a path "
            "(hint: try https://api.statum.co.ke/api/v2)"
        ),
    ),
    (
        ["run", "--gateway", "http://127.0.0.1/api/v2"],
        "error: --consumer-key is missing; --gateway needs a credential (hint: set STATUM_CONFORMANCE_CONSUMER_KEY)",
    ),
    (
        ["run", "--phone-number", "0712 345 678", "--gateway", "http://127.0.0.1:1/api/v2", *CREDENTIAL],
        (
            "error: --phone-number '0712 345 678' is not a value that every gateway takes: "
            "'0712 345 678' does not match '^254[17][0-9]{8}$' (hint: write 254712345678)"
        ),
    ),
    (
        ["run", "--catalogue-url", "docs/requirements.md"],
        (
            "error: --catalogue-url is 'docs/requirements.md'; expected the address of a page, without a fragment "
            "(hint: where docs/requirements.md is published, as https://docs.example/requirements.html)"
        ),
    ),
    (
        ["judge", "nowhere.sqlite"],
        "error: there is no journal nowhere.sqlite (hint: name the journal.sqlite in the report directory of a run)",
    ),
]


@pytest.mark.parametrize(("arguments", "line"), USAGE, ids=[" ".join(row[0]) or "nothing" for row in USAGE])
def test_wrong_usage_is_one_line_and_exit_2(capsys: Capsys, arguments: list[str], line: str) -> None:
    """What was given, what is expected, a hint; nothing on standard output."""
    called = call(capsys, *arguments)

    assert line == called.only_line
    assert (2, "") == (called.code, called.out)


def test_without_a_command_the_help_is_shown(capsys: Capsys) -> None:
    """On standard output, with the exit code of wrong usage."""
    called = call(capsys)

    assert (2, "error: no command is given") == (called.code, called.only_line)
    assert call(capsys, "-h").out == called.out


def test_a_gateway_without_secret_is_one_line_and_exit_2(capsys: Capsys, monkeypatch: pytest.MonkeyPatch) -> None:
    """The hint names the variable, which is the better place for a secret."""
    monkeypatch.delenv(f"{PREFIX}CONSUMER_SECRET")

    called = call(capsys, "run", "--gateway", "http://127.0.0.1/api/v2", *CREDENTIAL)

    assert (
        "error: --consumer-secret is missing; --gateway needs a credential "
        "(hint: set STATUM_CONFORMANCE_CONSUMER_SECRET)" == called.only_line
    )
    assert 2 == called.code


def test_a_file_with_an_unknown_key_is_one_line_and_exit_2(capsys: Capsys, here: Path) -> None:
    """Also where the file is not the one that was thought of."""
    (here / "pyproject.toml").write_text("[tool.statum-conformance]\nproducts = 'sms'\n", encoding="utf-8")

    called = call(capsys, "run")

    assert called.only_line.startswith(
        "error: 'products' in [tool.statum-conformance] of pyproject.toml is not an option"
    )
    assert called.only_line.endswith("(hint: did you mean product?)")
    assert 2 == called.code


def not_a_journal(path: Path) -> None:
    """A text file."""
    path.write_text("not a journal", encoding="utf-8")


def another_database(path: Path) -> None:
    """An SQLite file of somebody else."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE t (x)")
        connection.commit()


@pytest.mark.parametrize(
    "make", [not_a_journal, another_database, Path.mkdir, Path.touch], ids=["text", "database", "directory", "empty"]
)
def test_a_journal_that_is_none_is_one_line_and_exit_2(
    capsys: Capsys, here: Path, make: Callable[[Path], None]
) -> None:
    """Nothing is judged, no report is written."""
    make(here / "journal.sqlite")

    called = call(capsys, "judge", "journal.sqlite")

    assert called.only_line.startswith("error: journal.sqlite ")
    assert (2, "") == (called.code, called.out)
    assert not (here / "reports").exists()


@pytest.mark.parametrize("command", ["run", "doctor"])
def test_a_set_up_that_does_not_work_is_one_line_and_exit_3(
    capsys: Capsys, gateway: str, taken: str, command: str
) -> None:
    """The line names what does not work and why, not the token of a callback URL."""
    nowhere = f"http://127.0.0.1:{quiet_port()}/api/v2"
    elsewhere = gateway.removesuffix("/api/v2") + "/hooks"
    known = ("--gateway", gateway, *CREDENTIAL)
    expected = {
        ("--gateway", nowhere, *CREDENTIAL): f"error: gateway {nowhere} cannot be reached: ",
        ("--gateway", gateway, "--consumer-key", "wrong"): (
            f"error: gateway {gateway} refused the credential with 401 "
            "(hint: check --consumer-key and --consumer-secret)"
        ),
        ("--callback-listen", taken): f"error: callback address {taken} is in use by another program",
        (*known, "--callback-url", f"{elsewhere}?token=canary42"): f"error: callback URL {elsewhere}",
    }
    called = {arguments: call(capsys, command, *arguments) for arguments in expected}

    assert [] == [
        (arguments, called[arguments].only_line)
        for arguments, line in expected.items()
        if not called[arguments].only_line.startswith(line)
        or called[arguments].code != 3
        or "canary42" in called[arguments].err
    ]


def test_a_mock_port_that_is_taken_is_one_line_and_exit_3(capsys: Capsys, taken: str) -> None:
    """The line names the address."""
    called = call(capsys, "mock", "--listen", taken)

    assert called.only_line.startswith(f"error: mock gateway address {taken} is in use by another program")
    assert (3, "") == (called.code, called.out)


def test_a_run_that_cannot_begin_is_reported_as_inconclusive(capsys: Capsys, here: Path, gateway: str) -> None:
    """The obstacle is the one line on standard error; the verdict is one line on standard output; never exit 0."""
    called = call(capsys, "run", "--gateway", gateway, "--consumer-key", "wrong")

    (verdict,) = called.out.splitlines()
    assert verdict.startswith("inconclusive: 0 of ")
    assert (here / "reports" / "report.json").exists()


@pytest.mark.parametrize("command", ["run", "judge"])
def test_a_report_directory_that_cannot_be_written_is_one_line_and_exit_3(
    capsys: Capsys, here: Path, command: str
) -> None:
    """A file is in the way, which stops root too."""
    (here / "file").write_text("", encoding="utf-8")
    arguments = ["run"]
    if command == "judge":
        call(capsys, "run", "--callback-url", "http://127.0.0.1:1/", "--seed", "1")
        arguments = ["judge", "reports/journal.sqlite"]

    called = call(capsys, *arguments, "--report-dir", "file/reports")

    assert 3 == called.code
    assert "file/reports" in called.err.splitlines()[0]
    assert all(line.startswith("error: ") for line in called.err.splitlines())


def test_an_unexpected_error_is_one_line_and_exit_4(capsys: Capsys, monkeypatch: pytest.MonkeyPatch) -> None:
    """No traceback; the secret that the error may hold is not shown."""
    monkeypatch.setattr(campaign, "run", fails)

    called = call(capsys, "run")

    assert (
        "error: the suite failed: KeyError: 'with [REDACTED] in it'; please report it "
        "(hint: STATUM_CONFORMANCE_DEBUG=1 shows where)" == called.only_line
    )
    assert (4, "") == (called.code, called.out)


def fails(*_: object) -> Path:
    """A bug in the suite."""
    words = f"with {SAMPLE.consumer_secret} in it"
    raise KeyError(words)


def test_debug_shows_where_an_error_came_from(capsys: Capsys, monkeypatch: pytest.MonkeyPatch) -> None:
    """The traceback comes first, the one line last; the secret is in neither."""
    monkeypatch.setattr(campaign, "run", fails)
    monkeypatch.setenv(f"{PREFIX}DEBUG", "1")

    called = call(capsys, "run")

    assert "Traceback (most recent call last):" == called.err.splitlines()[0]
    assert called.err.splitlines()[-1].startswith("error: the suite failed: KeyError")
    assert "raise KeyError(words)" in called.err
    assert SAMPLE.consumer_secret not in called.err


def test_a_secret_on_the_command_line_is_warned_of(capsys: Capsys) -> None:
    """It is used all the same, and not repeated."""
    called = call(capsys, "run", "--gateway", "no-url", *CREDENTIAL, "--consumer-secret", "canary42")

    assert [
        (
            "warning: --consumer-secret is visible to other processes of this machine; "
            "prefer STATUM_CONFORMANCE_CONSUMER_SECRET"
        ),
        "error: gateway 'no-url' is not a URL; expected http:// or https://, a host and a path (hint: try https://no-url)",
    ] == called.err.splitlines()


@pytest.mark.parametrize(("name", "code"), [("--zzz", 2), ("nul\x1b[2Jl", 2)])
def test_the_process_ends_as_the_function_does(here: Path, name: str, code: int) -> None:
    """The console script: the same line, without control characters, and the same exit code."""
    called = finished(process(here, "run", name))

    assert called.only_line.startswith("error: ")
    assert called.only_line.isprintable()
    assert (code, "") == (called.code, called.out)
