"""`traffic.har` in the network panel of Chromium's developer tools, which reads it more strictly than HAR is written.

`make test-browser` installs what drives Chromium; without it these tests are skipped.
"""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from made_result import ANSWER, CASE, RECORD, REQUEST, URL, result_of

from conformance.model.traffic import Exchange, Notification, Request, Response
from conformance.reports.har import har

BROWSER = Path(__file__).parents[2] / ".ci" / "browser"

pytestmark = pytest.mark.skipif(
    not (BROWSER / "node_modules" / ".ready").exists(), reason="nothing drives Chromium (hint: make test-browser)"
)

# Chromium starts within seconds on an idle machine.
PATIENCE_S = 120.0

HEADERS = (("Host", "127.0.0.1:9001"), ("Content-Type", "application/json"))
RESULT = Request("POST", "/callbacks/sms", HEADERS, '{"result_desc": "Imefanikiwa – 🇰🇪"}'.encode())
TRAFFIC = replace(
    RECORD,
    exchanges=(
        *RECORD.exchanges,
        Exchange(2, CASE.id, 2, REQUEST, 1.0, 2.0, failure="read timeout", answered_at=31.0),
        Exchange(3, CASE.id, 3, REQUEST, 1.0, 3.0, Response(422, HEADERS, b"\xff\xfe"), None, 1.5),
    ),
    notifications=(Notification(1, "sms", RESULT, 2.0, 2.5), Notification(2, None, Request("GET", "*"), 2.0, 3.5)),
)


def panel(*archives: bytes, directory: Path) -> list[list[dict[str, Any]]]:
    """The requests that the panel has, of each archive."""
    files = [directory / f"{number}.har" for number, _ in enumerate(archives)]
    for file, archive in zip(files, archives, strict=True):
        file.write_bytes(archive)
    command = ("node", BROWSER / "panel.mjs", *files)
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert 0 == done.returncode, done.stdout + done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_the_panel_shows_exchanges_and_notifications(tmp_path: Path) -> None:
    """In their order, with bodies, statuses and times; an archive that is none shows nothing."""
    archive = b"".join(har(result_of(record=TRAFFIC)))
    undated = json.loads(archive)
    del undated["log"]["entries"][0]["startedDateTime"]

    shown, nothing = panel(archive, json.dumps(undated).encode(), directory=tmp_path)

    assert [
        (URL, 200, 0.1),
        (URL, 0, 30.0),
        ("http://127.0.0.1:9001/callbacks/sms", 200, 0.0),
        (URL, 422, 0.5),
        ("http://unnamed.invalid/*", 404, 0.0),
    ] == [(each["url"], each["status"], round(each["seconds"], 6)) for each in shown]
    assert (REQUEST.body.decode(), ANSWER.body.decode()) == (shown[0]["posted"], shown[0]["content"])
    assert RESULT.body.decode() == shown[2]["posted"]
    assert [] == nothing
