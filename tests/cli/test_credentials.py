"""Key and secret from options and files, and what is said of files that will not do; never with the secret in it."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import call

from conformance.cli.settings import credential_of
from conformance.model.errors import UsageError

SECRET = "canary42-of-a-file"  # noqa: S105 - a canary
GATEWAY = "https://gateway.example/api/v2"
NETRC = f"machine gateway.example login me password {SECRET}\n"


def written(directory: Path, content: str, mode: int = 0o600) -> Path:
    """A file with that content, which only its owner can read."""
    path = directory / "credentials"
    path.write_text(content, encoding="utf-8")
    path.chmod(mode)
    return path


def credential(key: str | None = None, secret: str | None = None, **options: object) -> tuple[str | None, str | None]:
    """Key and secret by these options."""
    return credential_of({"consumer_key": key, "consumer_secret": secret, **options})


def test_the_secret_is_the_only_line_of_a_file(tmp_path: Path) -> None:
    """Whether it ends with a line break or not."""
    for content in (SECRET, f"{SECRET}\n", f"{SECRET}\r\n"):
        assert ("me", SECRET) == credential("me", consumer_secret_file=written(tmp_path, content))


def test_a_netrc_is_looked_up_by_the_host_of_the_gateway(tmp_path: Path) -> None:
    """Login and password are key and secret; other machines' are not looked at."""
    path = written(tmp_path, f"machine other.example login you password nothing\n{NETRC}")
    assert ("me", SECRET) == credential(netrc=path, gateway=GATEWAY)


def test_what_was_given_as_an_option_is_not_looked_up(tmp_path: Path) -> None:
    """The secret beside the login of the file."""
    path = written(tmp_path, NETRC)
    assert ("me", "another") == credential(None, "another", netrc=path, gateway=GATEWAY)
    assert ("you", "another") == credential("you", "another", netrc=path, gateway=GATEWAY)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("", "has 0 lines; expected one, the secret"),
        (f"{SECRET}\nmore\n", "has 2 lines; expected one, the secret"),
        (" \n", "has 1 lines; expected one, the secret"),
    ],
)
def test_a_file_with_other_than_one_line_is_refused(content: str, expected: str, tmp_path: Path) -> None:
    """And what stands in it is not shown."""
    path = written(tmp_path, content)
    with pytest.raises(UsageError) as refused:
        credential("me", consumer_secret_file=path)
    assert f"--consumer-secret-file {path} {expected}" == refused.value.message
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize("content", [f"login {SECRET}\n", f"machine gateway.example {SECRET}\n"])
def test_a_netrc_that_cannot_be_read_is_told_without_what_stands_in_it(content: str, tmp_path: Path) -> None:
    """The line, and how one should look."""
    path = written(tmp_path, content)
    with pytest.raises(UsageError) as refused:
        credential(netrc=path, gateway=GATEWAY)
    assert SECRET not in str(refused.value)
    assert refused.value.hint is not None
    assert "machine gateway.example login KEY password SECRET" in refused.value.hint


def test_a_netrc_without_the_host_is_told(tmp_path: Path) -> None:
    """With the line that is missing."""
    path = written(tmp_path, "machine other.example login you password nothing\n")
    with pytest.raises(UsageError, match=r"has no login and password for gateway\.example"):
        credential(netrc=path, gateway=GATEWAY)


def test_a_key_that_is_not_the_login_is_refused(tmp_path: Path) -> None:
    """The secret belongs to the other one."""
    with pytest.raises(UsageError, match="is of login 'me', but --consumer-key is 'you'"):
        credential("you", netrc=written(tmp_path, NETRC), gateway=GATEWAY)


def test_a_secret_that_is_given_twice_is_refused(tmp_path: Path) -> None:
    """Nobody could say which one was meant."""
    with pytest.raises(UsageError, match="are both given; give one of the two"):
        credential("me", "another", consumer_secret_file=written(tmp_path, SECRET))


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    """By its name."""
    with pytest.raises(UsageError, match="absent cannot be read: No such file or directory"):
        credential("me", consumer_secret_file=tmp_path / "absent")


def test_a_file_that_others_can_read_gets_a_warning(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the command that mends it, before the run ends for another reason."""
    monkeypatch.chdir(tmp_path)
    path = written(tmp_path, SECRET, 0o644)
    called = call(
        capsys, "run", f"--gateway={GATEWAY}", "--consumer-key=me", f"--consumer-secret-file={path}", "--seed=1"
    )
    warning, error = called.err.splitlines()
    assert f"warning: {path} holds the secret and can be read by others of this machine; chmod 600 {path}" == warning
    assert error.startswith("error: --phone-number is missing")
    assert SECRET not in called.out + called.err
