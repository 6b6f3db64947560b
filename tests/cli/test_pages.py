"""`docs` shows the pages of the documentation without a network, under each name that a message may have for one."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import CHECKOUT, CONSOLE_SCRIPT, PATIENCE_S, call

from conformance.cli import COMMANDS
from conformance.cli.pages import page_names

Capsys = pytest.CaptureFixture[str]
PAGES = sorted(path.stem for path in (CHECKOUT / "docs").glob("*.md"))


def test_it_lists_the_pages(capsys: Capsys) -> None:
    """Each by its name, with its title."""
    called = call(capsys, "docs")

    assert (0, "") == (called.code, called.err)
    assert PAGES == [line.split()[0] for line in called.out.splitlines()]
    assert ["driver-protocol The driver protocol, version 1"] == [
        " ".join(line.split()) for line in called.out.splitlines() if line.startswith("driver-protocol")
    ]


@pytest.mark.parametrize("name", ["glossary", "glossary.md", "docs/glossary.md", "docs/glossary.md#words"])
def test_it_prints_a_page_as_markdown(capsys: Capsys, name: str) -> None:
    """As messages, help and other pages call it."""
    assert (CHECKOUT / "docs" / "glossary.md").read_text(encoding="utf-8") == call(capsys, "docs", name).out


def test_marks_for_tests_are_left_out(capsys: Capsys) -> None:
    """Those of sessions and of generated tables are for nobody who reads a page."""
    outputs = [call(capsys, "docs", name).out for name in ("getting-started", "mock")]

    assert [] == [line for out in outputs for line in out.splitlines() if line.startswith("<!--")]
    assert all(out.startswith("# ") for out in outputs)


def test_a_page_that_does_not_exist_is_one_line(capsys: Capsys) -> None:
    """With the name that was meant."""
    called = call(capsys, "docs", "driver-protocl")

    expected = "expected a name that `statum-conformance docs` shows (hint: did you mean driver-protocol?)"
    assert (2, f"error: there is no page 'driver-protocl'; {expected}") == (called.code, called.only_line)


def test_a_terminal_gets_the_page_set_and_paged(tmp_path: Path) -> None:
    """By the pager of the user, without the signs of Markdown."""
    controller, terminal = pty.openpty()
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT), "PAGER": "cat", "TERM": "xterm", "COLUMNS": "80"}
    with subprocess.Popen(
        [sys.executable, "-c", CONSOLE_SCRIPT, "docs", "glossary"],
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        env=environment,
        cwd=tmp_path,
    ) as running:
        os.close(terminal)
        shown = b""
        try:
            while piece := os.read(controller, 65536):
                shown += piece
        except OSError:  # the other side is closed
            pass
        code = running.wait(PATIENCE_S)
    os.close(controller)

    assert 0 == code
    assert b"Glossary" in shown
    assert b"# Glossary" not in shown
    assert b"| --- |" not in shown


def test_the_page_of_each_help_can_be_shown(capsys: Capsys) -> None:
    """By the command that the help names."""
    for command in COMMANDS:
        page = call(capsys, command.name or "", "--help").out.partition("\nDocumentation: ")[2].splitlines()[0]
        program, name, which = page.split()
        assert ("statum-conformance", "docs") == (program, name)
        assert which in page_names()
