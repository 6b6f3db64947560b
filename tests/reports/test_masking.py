"""The phone numbers that a run was given do not stand whole in its reports, unless asked for."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import Any

import pytest
from campaigns import held
from hostile_writers import CODINGS, found_in
from hypothesis import given
from hypothesis import strategies as st
from made_result import CASE, SETTINGS, result_of
from rich.console import Console
from seeded import fault

from conformance.journal import Record, read_journal
from conformance.mock.behaviour import Behaviour
from conformance.model.traffic import Exchange, Request, Response
from conformance.reports.files import write_reports
from conformance.reports.har import har
from conformance.reports.result import Result
from conformance.reports.terminal import show
from conformance.reports.text import Masking

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


SPOKEN_AS = {
    "JSON, each escaped": "".join(f"\\u00{ord(digit):02x}" for digit in NUMBER),
    "URL, each escaped": "".join(f"%{ord(digit):02x}" for digit in NUMBER),
    "HTML, each escaped": "".join(f"&#{ord(digit)};" for digit in NUMBER),
    "spaced": "+254 712 345 678",
    "hyphened": "0712-345-678",
    "bracketed": "(0712) 345.678",
    "spaced in a URL": "254%20712%20345%20678",
    "base64": base64.b64encode(f"to {NUMBER}".encode()).decode(),
    "base64 of UTF-16": base64.b64encode(NUMBER.encode("utf-16")).decode(),
    "hexadecimal": NUMBER.encode().hex(),
}


@pytest.mark.parametrize("name", SPOKEN_AS)
def test_a_number_is_masked_however_it_is_written(name: str) -> None:
    """By programs and by people; what stands beside it stays, and nothing changes the second time."""
    masking = Masking([NUMBER])
    masked = masking.text(f"before {SPOKEN_AS[name]} after")
    assert ("before ", " after") == (masked[:7], masked[-6:])
    assert "*****" in re.sub("%20|[ .)-]", "", masked)
    assert masked == masking.text(masked)
    assert not found_in(re.sub("%20|[ .)-]", "", masked).encode(), NUMBER[3:])


def test_a_number_is_masked_wherever_json_can_have_it() -> None:
    """In names, as a number, in objects in lists."""
    value = {NUMBER: [int(NUMBER), 7, {"b": NUMBER}], "c": None}
    assert {"2547*****678": ["2547*****678", 7, {"b": "2547*****678"}], "c": None} == Masking([NUMBER]).value(value)


def test_a_number_that_was_redacted_masks_nothing() -> None:
    """Its mark is left as it is."""
    assert "[REDACTED] 123" == Masking(["[REDACTED]", "12"]).text("[REDACTED] 123")


@pytest.mark.parametrize("coding", ["UTF-16-LE", "UTF-16-BE", "gzip", "gzip, cut short"])
def test_a_body_that_is_no_text_is_masked_before_it_is_encoded(coding: str) -> None:
    """As an archive has it in base64."""
    body = CODINGS[coding](f'{{"phone_number": "{NUMBER}"}}'.encode()) + b"\xff"
    request = Request("POST", "http://x/", (), body)
    answer = Response(200, (("Location", f"/of/{NUMBER}"),), body)
    exchanges = (Exchange(1, CASE.id, 1, request, 1.0, 10.0, answer, None, 1.25),)
    record = Record({**SETTINGS, "phone_numbers": [NUMBER]}, (CASE,), exchanges)
    written = b"".join(har(result_of(record=record)))
    assert not found_in(written, NUMBER[3:])
    assert b"/of/2547*****678" in written


SCALARS = st.text(max_size=8) | st.integers() | st.none()


@given(st.dictionaries(st.text(max_size=4), SCALARS | st.lists(SCALARS, max_size=3), max_size=4))
def test_without_numbers_nothing_is_changed(value: Any) -> None:
    """Whatever a report may hold."""
    assert value == Masking().value(value)


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The journal of a run with one number against a gateway whose answers are wrong, so that there is much to show."""
    return held(tmp_path_factory.mktemp("masked"), fault("status-code-as-string").change(Behaviour()), **SMALL)


def artefacts(result: Result, directory: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    """All reports and what the terminal shows, as text."""
    show(result, Console(width=200), directory / "report.json", directory / "journal.sqlite")
    files = [file for path in write_reports(result, directory) for file in (path, *path.rglob("*")) if file.is_file()]
    written = {file.name: file.read_text(encoding="utf-8") for file in files}
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
    changes = {**SMALL, "registered": {"sender_id": ("Canary42",)}, "redact": ("Canary42",), "max_examples": 0}
    path = held(tmp_path, behaviour, **changes)
    found = artefacts(Result.of(read_journal(path)), tmp_path, capsys)
    assert [] == [name for name, text in found.items() if "Canary42" in text]
    assert b"Canary42" not in path.read_bytes()
