"""The phone numbers that a run was given do not stand whole in its reports, unless asked for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from campaigns import held
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from conformance.journal import read_journal
from conformance.mock_gateway.behaviour import Behaviour
from conformance.mock_gateway.faults import fault
from conformance.reporting.masking import Masking
from conformance.reporting.result import Result
from conformance.reporting.terminal import show
from conformance.reporting.writing import write_reports

NUMBER = "254712345678"
SMALL: dict[str, Any] = {"products": ("sms",), "phone_numbers": (NUMBER,), "seed": 7, "notify_within_s": 1.0}


@pytest.mark.parametrize(
    ("spelled", "expected"),
    [
        (NUMBER, "2547*****678"),
        (f"+{NUMBER}", "+2547*****678"),
        ("0712345678 called", "07*****678 called"),
        ("254712345679", "254712345679"),
        (f"{NUMBER}, {NUMBER}", "2547*****678, 2547*****678"),
    ],
)
def test_a_number_is_masked_however_it_begins(spelled: str, expected: str) -> None:
    """By the digits of the subscriber, as the gateway's own notifications mask them; others are left alone."""
    assert expected == Masking([NUMBER]).text(spelled)


SCALARS = st.text(max_size=8) | st.integers() | st.none()


@given(st.dictionaries(st.text(max_size=4), SCALARS | st.lists(SCALARS, max_size=3), max_size=4))
def test_without_numbers_nothing_is_changed(value: Any) -> None:
    """Whatever a report may hold."""
    assert value == Masking().value(value)


def test_masking_goes_through_all_that_json_can_say() -> None:
    """Lists in objects in lists."""
    assert {"a": ["2547*****678", {"b": 1}], "c": None} == Masking([NUMBER]).value({"a": [NUMBER, {"b": 1}], "c": None})


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The journal of a run with one number against a gateway whose answers are wrong, so that there is much to show."""
    return held(tmp_path_factory.mktemp("masked"), fault("status-code-as-string").change(Behaviour()), **SMALL)


def artefacts(result: Result, directory: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    """All reports and what the terminal shows, as text."""
    show(result, Console(width=200), directory / "report.json", directory / "journal.sqlite")
    written = {
        path.name: path.read_text(encoding="utf-8") for path in write_reports(result, directory) if path.is_file()
    }
    return {**written, "terminal": capsys.readouterr().out}


def test_no_report_shows_the_number(journal: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nor the terminal, whose lines end up in the logs of others; the journal keeps it, to be replayed from."""
    found = artefacts(Result.of(read_journal(journal)), tmp_path, capsys)
    assert [] == [name for name, text in found.items() if NUMBER[3:] in text]
    assert ["2547*****678"] == json.loads(found["report.json"])["settings"]["phone_numbers"]
    assert "2547*****678" in found["terminal"]
    assert NUMBER.encode() in journal.read_bytes()


def test_asked_for_it_is_shown(journal: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """So that lines can be pasted as they are."""
    found = artefacts(Result.of(read_journal(journal), show_phone_numbers=True), tmp_path, capsys)
    assert ["report.json", "terminal"] == sorted(name for name in ("report.json", "terminal") if NUMBER in found[name])


def test_what_is_to_be_redacted_is_in_no_artefact(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A sender id, say, which stands in every message of the run; not in the journal either."""
    behaviour = fault("status-code-as-string").change(Behaviour())
    changes = {**SMALL, "sender_ids": ("Canary42",), "redact": ("Canary42",), "max_examples": 0}
    path = held(tmp_path, behaviour, **changes)
    found = artefacts(Result.of(read_journal(path)), tmp_path, capsys)
    assert [] == [name for name, text in found.items() if "Canary42" in text]
    assert b"Canary42" not in path.read_bytes()
