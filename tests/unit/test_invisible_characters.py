"""What cannot be seen, or changes how other text is seen, is an escape in everything that a person reads."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from made_result import ANSWER, CASE, RECORD, REQUEST, SETTINGS, WRONG_TYPE, result_of, verdict
from rich.console import Console

from conformance.journal import Record
from conformance.judging.verdicts import Verdict
from conformance.model.traffic import Exchange
from conformance.reports.files import write_reports
from conformance.reports.summary import workflow_commands
from conformance.reports.terminal import show
from conformance.reports.text import fenced, visible

HOSTILE = "\0\x1b[31m\x07\x7f\x85\x9b\xad\u061c\u200b\u200f\u2028\u2029\u202e\u2066\ufeff\ufffe\ud800\U000e0041"
# These are data: whoever reads them wants what there was.
FOR_PROGRAMS = {"report.json", "traffic.har"}
KEPT = {"\t", "\n"}


def unseen(text: str) -> list[str]:
    """The characters in it that cannot be seen, by what Unicode says of them."""
    hidden = {"Cc", "Cf", "Cs", "Zl", "Zp"}
    return [
        ascii(character) for character in text if unicodedata.category(character) in hidden and character not in KEPT
    ]


def texts(value: Any) -> Iterator[str]:
    """All texts in what JSON says."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from value
        for member in value.values():
            yield from texts(member)
    elif isinstance(value, list):
        for element in value:
            yield from texts(element)


def shown_in(path: Path) -> str:
    """What somebody sees of a file: of JSON, its texts."""
    text = path.read_text(encoding="utf-8")
    return "\n".join(texts(json.loads(text))) if path.suffix in {".json", ".sarif"} else text


def test_no_report_has_a_character_that_cannot_be_seen(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Wherever a gateway's words go: messages, pointers, values, ids, bodies, headers, addresses, failures."""
    body = json.dumps({"status_code": HOSTILE, HOSTILE: 1}, ensure_ascii=False).encode(errors="surrogatepass")
    headers = (("X-Echo", HOSTILE), ("Content-Type", "application/json"))
    request = replace(REQUEST, headers=headers, body=body, url=f"http://h/{HOSTILE.replace(chr(0xD800), '')}")
    answer = replace(ANSWER, headers=headers, body=body)
    exchanges = (
        Exchange(1, CASE.id, 1, request, 1.0, 1.0, answer, None, 1.1),
        Exchange(2, CASE.id, 2, request, 1.0, 1.0, None, HOSTILE, 1.1),
    )
    said = replace(WRONG_TYPE, message=HOSTILE, pointer=f"/{HOSTILE}", value=HOSTILE, request_id=HOSTILE)
    verdicts = [
        verdict("RSP-03", "sms", Verdict.FAIL, said, replace(said, exchange=2)),
        verdict("AUT-11", "sms", Verdict.WARN, said),
    ]
    record = Record({**SETTINGS, "subject_name": f"A{HOSTILE}"}, RECORD.cases, exchanges)
    result = result_of(verdicts, record)
    show(result, Console(width=200, markup=False, emoji=False, highlight=False), tmp_path, tmp_path)
    written = [file for path in write_reports(result, tmp_path) for file in (path, *path.rglob("*")) if file.is_file()]
    read = {file.name: shown_in(file) for file in written if file.name not in FOR_PROGRAMS}
    read |= {"terminal": capsys.readouterr().out, "annotations": "\n".join(workflow_commands(result.report))}

    assert {"report.html", "junit.xml", "report.sarif", "summary.md"} <= {*read}
    assert {} == {name: found for name, text in read.items() if (found := unseen(text))}
    assert [] == [name for name in ("report.html", "junit.xml", "terminal") if "\\u202e" not in read[name]]


def test_visible_characters_stay() -> None:
    """Letters of any script, signs, spaces that are spaces, tabs and line breaks."""
    text = "Habari\tya\nasubuhi é Ж 日 😀 “…” ~\u00a0|"
    assert text == visible(text)
    assert f"```\n{text}\n```" == fenced(text)


def test_every_character_that_unicode_calls_invisible_is_an_escape() -> None:
    """Of all there are."""
    every = "".join(map(chr, range(0x110000)))
    assert [] == unseen(visible(every))
