"""A driver that dies has mostly said why: the last lines of its standard error are shown wherever its death is."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path

import pytest
from command_line import call

from conformance.model.traffic import LONGEST_LINE, SHOWN_LINES, last_lines

TRACE = [f"    at frame {number} (/app/index.js:{number})" for number in range(1, 21)] + ["", "Node.js v20.11.0"]

CRASHES = """\
import json, sys
trace = json.loads(sys.argv[1])
for line in sys.stdin:
    message = json.loads(line)
    if message["cmd"] == sys.argv[2]:
        print(*trace, sep="\\n", file=sys.stderr, flush=True)
        sys.exit(1)
    if message["cmd"] == "hello":
        print(json.dumps({"protocol": 1, "implementation": {"name": "crashing", "version": "1", "language": "python"},
            "commands": ["sms"], "features": [], "callback_urls": {}}), flush=True)
    if message["cmd"] == "stop":
        sys.exit(0)
"""


def crashing(directory: Path, on: str) -> str:
    """The command line of a driver that writes a stack trace and ends at that message."""
    file = directory / "crashing.py"
    file.write_text(CRASHES, encoding="utf-8")
    return shlex.join([sys.executable, "-S", "-E", str(file), json.dumps(TRACE), on])


@pytest.mark.parametrize("command", ["doctor", "certify"])
def test_a_driver_that_dies_at_hello_is_shown_with_its_last_lines(
    command: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Below the line with the error; the blank line within them stays."""
    monkeypatch.chdir(tmp_path)
    called = call(capsys, command, "--driver", crashing(tmp_path, "hello"))

    shown = [line for line in called.err.splitlines() if line.startswith("  |")]
    assert 3 == called.code
    assert [f"  | {line}" for line in TRACE[-SHOWN_LINES:]] == shown


def test_a_driver_that_dies_over_a_case_is_shown_with_its_last_lines(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the terminal, in report.json and on the page."""
    monkeypatch.chdir(tmp_path)
    called = call(capsys, "certify", "--driver", crashing(tmp_path, "invoke"), "--max-examples", "0")

    report = json.loads((tmp_path / "reports" / "report.json").read_text(encoding="utf-8"))
    page = (tmp_path / "reports" / "report.html").read_text(encoding="utf-8")
    assert TRACE[-SHOWN_LINES:] == report["client"]["deaths"][0]["stderr"]
    for line in filter(None, TRACE[-SHOWN_LINES:]):
        assert f"  | {line}" in called.out.splitlines()
        assert line in page


def test_lines_that_nobody_can_read_are_cut() -> None:
    """And blanks at the end take no room."""
    assert ("a", "b" * LONGEST_LINE + "…") == last_lines(["a", "b" * 10_000, "", " "])
    assert () == last_lines(["", ""])
