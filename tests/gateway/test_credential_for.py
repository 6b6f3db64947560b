"""A credential goes to a gateway that was named for it, and nowhere else: one line, exit 2, and nothing is sent."""

from __future__ import annotations

import socket
from dataclasses import replace
from pathlib import Path

import pytest
from campaigns import held
from command_line import Called, call
from sockets import RawServer

from conformance.cli import COMMANDS
from conformance.cli.configuration import FILE, PYPROJECT, switches, variable
from conformance.journal import Journal, Redaction, read_journal
from conformance.model.traffic import Case
from conformance.options import options_of
from conformance.reports.reproduce import replay_command, resume_command

SECRET, KEY = "s3cret-0f-th3-us3r", "users-key"
ELSEWHERE = "https://gateway.invalid/api/v2"
NAMED = "https://gateway.invalid"
SEES_NOTHING = "and the credential comes from elsewhere, so it is not sent"
# With these it would go on to look for the gateway, whose name nobody has.
WELL = ("--product=sms", "--phone-number=254712345678", "--callback-listen=127.0.0.1:0")

Capsys = pytest.CaptureFixture[str]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current directory, of which a stranger may have written each file; the user's credential is exported."""
    monkeypatch.chdir(tmp_path)
    for name in {switch.name for command in COMMANDS for switch in switches(options_of(command.name or ""))}:
        monkeypatch.delenv(variable(name), raising=False)
    monkeypatch.setenv(variable("consumer-key"), KEY)
    monkeypatch.setenv(variable("consumer-secret"), SECRET)
    return tmp_path


@pytest.fixture
def nothing_exported(here: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current directory, where no credential is exported."""
    for name in ("consumer-key", "consumer-secret"):
        monkeypatch.delenv(variable(name))
    return here


@pytest.fixture
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory of the user's, apart from the current one."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(autouse=True)
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The hosts whose addresses were looked up: nothing can be sent to any other."""
    hosts: list[str] = []
    real = socket.getaddrinfo

    def noted(host: str, *rest: object, **more: object) -> object:
        if host == "gateway.invalid":
            hosts.append(host)
            raise socket.gaierror(-2, "Name or service not known")
        return real(host, *rest, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", noted)
    return hosts


def refused(called: Called, asked: list[str]) -> str:
    """The line that says so; nobody was asked for anything."""
    assert (2, []) == (called.code, asked), called.err
    assert SECRET not in called.out + called.err
    return called.only_line


def configured(here: Path, text: str, name: str = FILE) -> None:
    """Write the configuration file."""
    (here / name).write_text(text, encoding="utf-8")


def private(path: Path, text: str) -> Path:
    """Write a file that nobody else may read."""
    path.touch(mode=0o600)
    path.write_text(text, encoding="utf-8")
    return path


FILES = (
    (FILE, f'gateway = "{ELSEWHERE}"', FILE, ()),
    (
        PYPROJECT,
        f'[tool.statum-conformance]\ngateway = "{ELSEWHERE}"',
        "[tool.statum-conformance] of pyproject.toml",
        (),
    ),
    (FILE, f'[env.ci]\ngateway = "{ELSEWHERE}"', "[env.ci] of statum-conformance.toml", ("--env", "ci")),
)


def test_a_file_of_the_current_directory_gets_no_credential_of_the_environment(
    here: Path, capsys: Capsys, asked: list[str]
) -> None:
    """The file may have been cloned; the line says how to name the gateway."""
    for name, text, where, arguments in FILES:
        configured(here, text, name)
        for command, well in (("run", WELL), ("doctor", WELL[:1])):
            line = refused(call(capsys, command, *arguments, *well), asked)

            assert f"error: {where} names the gateway {ELSEWHERE}, {SEES_NOTHING}" in line
            assert f"say --gateway {ELSEWHERE}, or set STATUM_CONFORMANCE_CREDENTIAL_FOR={NAMED}" in line
        (here / name).unlink()


NAMES: list[tuple[dict[str, str], list[str]]] = [
    ({}, ["--gateway", ELSEWHERE]),
    ({}, ["--credential-for", "https://GATEWAY.invalid:443/"]),
    ({"gateway": ELSEWHERE}, []),
    ({"credential-for": f"http://other.invalid, {NAMED}"}, []),
]


def test_a_gateway_that_the_user_names_gets_the_credential(
    here: Path, capsys: Capsys, asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the command line or in the environment; the project's file may have all the rest."""
    configured(here, f'gateway = "{ELSEWHERE}"\nproduct = "sms"\nphone-number = "254712345678"\n')
    for variables, arguments in NAMES:
        asked.clear()
        with monkeypatch.context() as environment:
            for name, value in variables.items():
                environment.setenv(variable(name), value)
            called = call(capsys, "run", *arguments)

        assert 3 == called.code, called.err
        assert "gateway.invalid" in asked


def test_another_scheme_port_or_host_is_another_gateway(here: Path, capsys: Capsys, asked: list[str]) -> None:
    """In plain HTTP a credential can be read on its way."""
    configured(here, f'gateway = "{ELSEWHERE}"')
    for named in ("http://gateway.invalid", f"{NAMED}:8443", "https://other.invalid", f"{NAMED}.x"):
        assert SEES_NOTHING in refused(call(capsys, "run", "--credential-for", named, *WELL), asked)


def test_a_file_may_have_a_credential_of_its_own(
    here: Path, capsys: Capsys, asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """For the gateway that it names; not with a key, or a secret, of the user's."""
    own = f'gateway = "{ELSEWHERE}"\nconsumer-key = "k"\nconsumer-secret = "{SECRET}"\n'
    configured(here, own)
    with_users_key = call(capsys, "run", *WELL)
    refused(with_users_key, asked)
    monkeypatch.delenv(variable("consumer-key"))
    refused(call(capsys, "run", *WELL), asked)
    monkeypatch.delenv(variable("consumer-secret"))

    assert 3 == call(capsys, "run", *WELL).code
    assert [] != asked


def test_a_file_that_names_a_secret_of_the_user_does_not_get_it(
    nothing_exported: Path, home: Path, capsys: Capsys, asked: list[str]
) -> None:
    """A path leads anywhere, also through a link; what lies in the project is its own."""
    secret, link = private(home / "secret", SECRET), nothing_exported / "link"
    link.symlink_to(secret)
    private(nothing_exported / "own", SECRET)
    named = f'gateway = "{ELSEWHERE}"\nconsumer-key = "k"\nconsumer-secret-file = '
    for path in (secret, link):
        configured(nothing_exported, f'{named}"{path}"\n')
        assert SEES_NOTHING in refused(call(capsys, "run", *WELL), asked)
    configured(nothing_exported, f'{named}"own"\n')

    assert 3 == call(capsys, "run", *WELL).code


def test_a_netrc_names_the_hosts_that_it_has(
    nothing_exported: Path, home: Path, capsys: Capsys, asked: list[str]
) -> None:
    """By https, and not what it has for any host."""
    netrc = private(home / "netrc", f"default login {KEY} password {SECRET}\n")
    arguments = [*WELL, "--netrc", str(netrc)]
    configured(nothing_exported, f'gateway = "{ELSEWHERE}"\n')
    refused(call(capsys, "run", *arguments), asked)
    private(netrc, f"machine gateway.invalid login {KEY} password {SECRET}\n")
    configured(nothing_exported, f'gateway = "{ELSEWHERE.replace("https", "http")}"\n')
    refused(call(capsys, "run", *arguments), asked)
    configured(nothing_exported, f'gateway = "{ELSEWHERE}"\n')

    assert 3 == call(capsys, "run", *arguments).code


def test_a_file_cannot_name_the_gateway_of_a_credential(here: Path, capsys: Capsys, asked: list[str]) -> None:
    """It would say so of itself."""
    configured(here, f'gateway = "{ELSEWHERE}"\ncredential-for = "{NAMED}"\n')
    line = refused(call(capsys, "run", *WELL), asked)

    assert "credential-for is in statum-conformance.toml, which may be anybody's" in line


def test_a_plan_needs_no_named_gateway(here: Path, capsys: Capsys, asked: list[str]) -> None:
    """It sends nothing."""
    configured(here, f'gateway = "{ELSEWHERE}"\n')

    assert (0, []) == (call(capsys, "run", "--plan", *WELL).code, asked)


# --- Journals


@pytest.fixture
def theirs(here: Path) -> Path:
    """A journal that came from somewhere, of a run against that gateway."""
    plain = read_journal(held(here / "plain", products=("sms",), consumer_key=KEY))
    path = here / "theirs" / "journal.sqlite"
    path.parent.mkdir()
    settings = {**plain.settings, "gateway": ELSEWHERE, "subject_name": ELSEWHERE, "phone_numbers": ["254712345678"]}
    with Journal.create(path, {**settings, "callback_listen": "127.0.0.1:0"}, Redaction.none()) as journal:
        journal.plan([_elsewhere(case, plain.settings["gateway"]) for case in plain.cases])
    return path


def _elsewhere(case: Case, base_url: str) -> Case:
    url = ELSEWHERE + case.request.url.removeprefix(base_url)
    return replace(case, request=replace(case.request, url=url))


CASE = "sms/valid/sample/1"


def again(command: str, journal: Path) -> list[str]:
    """A command line that goes on from a journal."""
    return ["run", "--resume", str(journal)] if command == "run" else ["replay", CASE, "--journal", str(journal)]


def test_a_journal_gets_no_credential_of_the_environment(theirs: Path, capsys: Capsys, asked: list[str]) -> None:
    """Neither to send a case again nor to resume a run."""
    for command in ("run", "replay"):
        line = refused(call(capsys, *again(command, theirs)), asked)

        assert f"error: the journal names the gateway {ELSEWHERE}, {SEES_NOTHING}" in line


@pytest.mark.parametrize("command", ["run", "replay"])
def test_the_gateway_of_a_journal_is_named_to_go_on(
    theirs: Path, capsys: Capsys, asked: list[str], monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    """As the line says that the run had ended with, or once where the credential is given."""
    refused(call(capsys, *again(command, theirs), "--credential-for", "http://gateway.invalid"), asked)
    named = call(capsys, *again(command, theirs), "--gateway", ELSEWHERE)
    there = list(asked)
    monkeypatch.setenv(variable("credential-for"), NAMED)
    bound = call(capsys, *again(command, theirs))

    # What keeps it then is that there is no such gateway, or that the callbacks of the run were others.
    assert SEES_NOTHING not in named.err + bound.err
    assert command == "run" or ([] != there and [3, 3] == [named.code, bound.code])


def test_a_run_is_not_resumed_against_another_gateway(theirs: Path, capsys: Capsys, asked: list[str]) -> None:
    """Half of it would be about another one."""
    line = refused(call(capsys, *again("run", theirs), "--gateway", "https://other.invalid/api/v2"), asked)

    assert "--gateway is https://other.invalid/api/v2, and the run of" in line


def test_lines_to_go_on_with_name_a_gateway_that_has_to_be_named() -> None:
    """One on this machine need not be."""
    journal = Path("reports/journal.sqlite")
    there = {"gateway": ELSEWHERE, "subject_name": ELSEWHERE}
    here = {"gateway": "http://127.0.0.1:9/api/v2", "subject_name": "http://127.0.0.1:9/api/v2"}
    own = {"gateway": "http://127.0.0.1:9/api/v2", "subject_name": "built-in mock gateway"}

    assert resume_command(journal, there).endswith(f"--resume {journal} --gateway {ELSEWHERE}")
    assert replay_command(CASE, journal, there).endswith(f"--journal {journal} --gateway {ELSEWHERE}")
    for settings in (here, own):
        assert resume_command(journal, settings).endswith(str(journal))
        assert replay_command(CASE, journal, settings).endswith(str(journal))


# --- This machine, and elsewhere by a redirect


def test_a_gateway_on_this_machine_needs_no_name_and_leads_to_no_other(
    here: Path, capsys: Capsys, asked: list[str]
) -> None:
    """A redirect is an answer like any other: it is told, and not followed."""
    location = b"Location: https://gateway.invalid/api/v2/account-details\r\n"
    with RawServer(lambda *_: b"HTTP/1.1 307 Away\r\n" + location + b"Content-Length: 0\r\n\r\n") as server:
        configured(here, f'gateway = "{server.url}/api/v2"\ncallback-listen = "127.0.0.1:9"\n')
        called = call(capsys, "doctor", "--product=sms")

    assert (3, []) == (called.code, asked)
    assert "a redirect (307), which leads to https://gateway.invalid/api/v2/account-details" in called.err
    assert any(b"Authorization: Basic" in request for request in server.requests)
