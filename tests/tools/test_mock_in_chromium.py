"""The page of the mock gateway in Chromium: it refreshes without losing anything, and runs nothing that a request says.

`make test-browser` installs what drives Chromium and finds barriers; without it these tests are skipped. With
BROWSER_SCREENSHOTS=DIR they leave pictures.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import httpx
import pytest
from mock_rig import RIGHT, VALID
from pytest_httpserver import HTTPServer

from conformance.mock.account import Account
from conformance.mock.control import controlled
from conformance.mock.partner import MockGateway
from conformance.wire.callback_server import CallbackServer

TOOLS = Path(__file__).parents[2] / ".ci" / "browser"

pytestmark = pytest.mark.skipif(
    not (TOOLS / "node_modules" / ".ready").exists(), reason="no playwright-core (hint: make test-browser)"
)

# A dozen pages on a busy machine.
PATIENCE_S = 180.0

EVIL = "</script><script>alert(1)</script><img src=//x.invalid/ onerror=alert(1)><style>@import '//x.invalid/'</style>"


@pytest.fixture(scope="module")
def seen() -> dict[str, Any]:
    """What was seen of the page of a gateway whose requests and webhooks say what a page must not obey."""
    with CallbackServer() as hooks, HTTPServer() as evil, controlled(MockGateway(Account.sample())) as gateway:
        evil.expect_request("/").respond_with_data(EVIL, status=500)
        gateway.callbacks.update({"sms": hooks.urls["sms"], "airtime": evil.url_for("/")})
        address, credential = gateway.base_url, {"auth": gateway.credentials}
        httpx.post(f"{address}/airtime", json=VALID["airtime"], headers={"X-Evil": EVIL}, **credential)
        httpx.post(f"{address}/{EVIL}", content=EVIL)
        httpx.post(f"{address}/sms", json={**VALID["sms"], "message": EVIL}, **credential)
        screenshots = [folder] if (folder := os.environ.get("BROWSER_SCREENSHOTS")) else []
        request = ("/api/v2/sms", RIGHT, json.dumps(VALID["sms"]))
        done = subprocess.run(
            [shutil.which("node") or "node", TOOLS / "partner.mjs", gateway.root_url, *request, *screenshots],
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=PATIENCE_S,
            check=False,
        )
    assert 0 == done.returncode, done.stderr
    observations: dict[str, Any] = json.loads(done.stdout)
    return observations


def test_a_refresh_loses_nothing(seen: dict[str, Any]) -> None:
    """What is unfolded, chosen and typed stays while further requests come."""
    kept = {"open": True, "chosen": "without-id", "typed": "http://127.0.0.1:1/typed", "newestFirst": True}
    assert kept == seen["kept"]


def test_the_forms_do_what_they_say(seen: dict[str, Any]) -> None:
    """A notification is sent and its answer shown; a callback is registered and removed."""
    assert ("200", "registered") == (seen["notified"], seen["registered"])


def test_nothing_that_a_request_says_is_run(seen: dict[str, Any]) -> None:
    """No dialog, nothing asked of another host, no complaint of the browser."""
    assert ([], []) == (seen["complaints"], seen["requests"])


def test_nobody_meets_a_barrier(seen: dict[str, Any]) -> None:
    """Axe finds nothing in either colour scheme, and a telephone shows all of it."""
    assert ([], [0] * 6) == (seen["violations"], seen["wider"])
