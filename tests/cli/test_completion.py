"""Completion by the shell: the script of each, and what may stand in a place of a command line."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from campaigns import held
from command_line import CHECKOUT, CONSOLE_SCRIPT, PATIENCE_S, call

from conformance.cli import COMMANDS, PROGRAM, outcome
from conformance.cli.configuration import FILE
from conformance.cli.printing import SHELLS
from conformance.contract.contract import statum
from conformance.journal import read_journal

Capsys = pytest.CaptureFixture[str]

pytestmark = pytest.mark.usefixtures("here")


def completed(capsys: Capsys, monkeypatch: pytest.MonkeyPatch, *words: str) -> list[str]:
    """What bash is offered for the last of the words, as `type,value`; nothing is said on standard error."""
    monkeypatch.setenv("_STATUM_CONFORMANCE_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", " ".join((PROGRAM, *words)))
    monkeypatch.setenv("COMP_CWORD", str(len(words)))
    capsys.readouterr()
    code = outcome([])
    printed = capsys.readouterr()
    assert (0, "") == (code, printed.err)
    return printed.out.split()


@pytest.mark.parametrize("shell", SHELLS)
def test_the_script_of_each_shell_asks_the_program(capsys: Capsys, shell: str) -> None:
    """By the variable that click reads; that is the one that it says."""
    called = call(capsys, "completion", shell)

    assert (0, "") == (called.code, called.err)
    assert f"_STATUM_CONFORMANCE_COMPLETE={shell}_complete" in called.out


def test_a_shell_that_is_not_known_is_refused(capsys: Capsys) -> None:
    """In one line, with those that are."""
    called = call(capsys, "completion", "bsh")

    assert (2, "") == (called.code, called.out)
    assert (
        "error: there is no shell 'bsh'; expected one of bash, zsh, fish (hint: did you mean bash or zsh?)"
        == called.only_line
    )


def test_commands_are_completed(capsys: Capsys, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of them, and those that begin so."""
    assert [f"plain,{command.name}" for command in COMMANDS] == completed(capsys, monkeypatch, "")
    assert ["plain,report", "plain,replay"] == sorted(completed(capsys, monkeypatch, "rep"), reverse=True)


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (("run", "--product", ""), [f"plain,{product}" for product in statum().products]),
        (
            (
                "run",
                "--product=mpesa-w",
            ),
            ["plain,mpesa-wallet"],
        ),
        (
            (
                "run",
                "--max-ex",
            ),
            ["plain,--max-examples"],
        ),
        (("run", "--format", ""), ["plain,text", "plain,json"]),
        (
            ("mock", "--fault", "status-code-as"),
            ["plain,status-code-as-string"],
        ),
        (("mock", "--list-faults", "--callback", "sm"), ["plain,sms="]),
        (("judge", "rep"), ["file,rep"]),
        (("run", "--expectations", "kn"), ["file,kn"]),
        (("completion", ""), [f"plain,{shell}" for shell in SHELLS]),
        (("config", "doc"), ["plain,doctor", "plain,docs"]),
        (("no-such-command", "--x"), []),
    ],
)
def test_names_are_completed(
    capsys: Capsys, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], offered: list[str]
) -> None:
    """Wherever there is a choice of them; files where one is wanted."""
    assert offered == completed(capsys, monkeypatch, *words)


def test_environments_of_the_file_are_completed(capsys: Capsys, monkeypatch: pytest.MonkeyPatch, here: Path) -> None:
    """Those that it has; a file that cannot be used offers none, and says nothing in the middle of a line."""
    (here / FILE).write_text("[env.sandbox]\nseed = 1\n[env.staging]\nseed = 2\n", encoding="utf-8")
    assert ["plain,sandbox"] == completed(capsys, monkeypatch, "run", "--env", "sa")

    (here / FILE).write_text("[env.sandbox", encoding="utf-8")
    assert [] == completed(capsys, monkeypatch, "run", "--env", "sa")
    assert ["plain,--product"] == completed(capsys, monkeypatch, "run", "--prod")


def test_cases_of_the_journal_are_completed(capsys: Capsys, monkeypatch: pytest.MonkeyPatch, here: Path) -> None:
    """For `replay`; none where there is no journal."""
    assert [] == completed(capsys, monkeypatch, "replay", "")
    path = held(here / "reports", products=("sms",), max_examples=0)
    cases = [case.id for case in read_journal(path).cases if case.id.startswith("sms/valid/")]

    assert cases
    assert [f"plain,{case}" for case in cases] == completed(capsys, monkeypatch, "replay", "sms/valid/")
    shutil.move(path, here / "other.sqlite")
    assert [] == completed(capsys, monkeypatch, "replay", "sms/valid/")
    assert completed(capsys, monkeypatch, "replay", "--journal", "other.sqlite", "sms/valid/")


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
def test_bash_completes_with_the_script(capsys: Capsys, here: Path) -> None:
    """The script is loaded, and the function that it registers is called as bash does on TAB."""
    (here / "script").write_text(call(capsys, "completion", "bash").out, encoding="utf-8")
    program = here / PROGRAM
    program.write_text(f"#!{sys.executable}\nimport sys\nsys.path.insert(0, {str(CHECKOUT)!r})\n{CONSOLE_SCRIPT}\n")
    program.chmod(0o755)
    lines = f"""
        source ./script
        complete -p {PROGRAM}
        COMP_WORDS=({PROGRAM} mock --variant rate) COMP_CWORD=3 COMPREPLY=()
        _statum_conformance_completion {PROGRAM}
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    done = subprocess.run(
        ["bash", "--norc", "-c", lines],  # noqa: S607 - whichever there is
        cwd=here,
        env={"PATH": f"{here}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=True,
    )

    registered, *offered = done.stdout.splitlines()
    assert f"complete -o nosort -F _statum_conformance_completion {PROGRAM}" == registered
    assert ["rate-limited"] == offered
