"""What `make chaos` prints, and when it fails; its runs are its own affair."""

from __future__ import annotations

import base64
import sys
from pathlib import Path

import pytest

import benchmarks.chaos.__main__ as chaos
from benchmarks.chaos.figures import ROWS, Figures


def test_a_figure_that_has_to_be_zero_and_is_not_ends_with_1(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """And says what was wrong; the table is printed either way."""
    monkeypatch.setattr(sys, "argv", ["chaos", "--seeds", "3"])
    wrong = []
    for row, zero in ROWS:

        def part(figures: Figures, seeds: int, row: str = row) -> None:
            figures.add(row, seeds, "this was it")

        monkeypatch.setattr(chaos, "PARTS", {"one": part})
        code = chaos.main()
        printed = capsys.readouterr()
        missing = [name for name, _ in ROWS if name not in printed.out]
        if (int(zero), zero, []) != (code, "this was it" in printed.err, missing):
            wrong.append((row, code, printed.err, missing))

    assert [] == wrong


def test_a_part_that_breaks_down_is_not_taken_for_well(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was counted until then is shown."""

    def part(figures: Figures, seeds: int) -> None:
        figures.add("runs", seeds)
        raise ZeroDivisionError

    monkeypatch.setattr(chaos, "PARTS", {"one": part})
    monkeypatch.setattr(sys, "argv", ["chaos"])
    with pytest.raises(ZeroDivisionError):
        chaos.main()
    assert "wrong verdicts" in capsys.readouterr().out


def test_secrets_are_found_in_files_in_each_form(tmp_path: Path) -> None:
    """As they are, as URLs have them, and within base64 wherever they begin."""
    secret = "s3cret/of+a=run"  # noqa: S105 - a canary
    forms = [secret.encode(), b"s3cret%2Fof%2Ba%3Drun"]
    forms += [base64.b64encode(b"x" * before + secret.encode() + b"yz") for before in range(3)]
    for number, form in enumerate(forms):
        (tmp_path / str(number)).write_bytes(b"{" + form + b"}")
    figures = Figures()
    figures.search(tmp_path, secret)

    assert len(forms) == figures.counts["artefacts searched"] == len(figures.told)
    assert figures.wrong
