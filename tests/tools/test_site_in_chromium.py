"""The documentation in Chromium: every page opened wide and narrow, searched, and copied from.

`make test-browser` installs what builds the site and what drives Chromium; without them these tests are skipped.
`.ci/browser/site.mjs` visits the pages once, for all tests; with BROWSER_SCREENSHOTS=DIR it leaves pictures.
"""

from __future__ import annotations

import json
import os
import subprocess
import threading
from collections.abc import Iterator, Sequence
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from markdown_pages import CHECKOUT

BROWSER = CHECKOUT / ".ci" / "browser"
SITE_PYTHON = CHECKOUT / ".venv-site" / "bin" / "python"

pytestmark = pytest.mark.skipif(
    not (SITE_PYTHON.exists() and (BROWSER / "node_modules" / ".ready").exists()),
    reason="nothing builds the site, or drives Chromium (hint: make test-browser)",
)

# All pages, at two widths, on a busy machine; a browser that hangs must not hang the build.
PATIENCE_S = 600.0
ADDRESS = "https://docs.example/suite"


class Quiet(SimpleHTTPRequestHandler):
    """Serves files, and says nothing of it."""

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def site() -> Path:
    """The site, built for an address."""
    command = (SITE_PYTHON, CHECKOUT / "docs" / "build_site.py")
    environment = {**os.environ, "SITE_URL": f"{ADDRESS}/"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert (0, "") == (done.returncode, done.stderr)
    return CHECKOUT / "build" / "site"


@pytest.fixture(scope="module")
def address(site: Path) -> Iterator[str]:
    """Where the site is served."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=site)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def look(place: str, pages: Sequence[str]) -> dict[str, Any]:
    """What is seen of these pages of the site at `place`, a URL that ends in a slash."""
    screenshots = [folder] if (folder := os.environ.get("BROWSER_SCREENSHOTS")) else []
    done = subprocess.run(
        ["node", BROWSER / "site.mjs", place, *screenshots],  # noqa: S607 - the machine's
        input=json.dumps(pages),
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert 0 == done.returncode, done.stderr
    observations: dict[str, Any] = json.loads(done.stdout)
    return observations


@pytest.fixture(scope="module")
def seen(site: Path, address: str) -> dict[str, Any]:
    """What is seen of the site where it is served."""
    return look(address, [page.name for page in sorted(site.glob("*.html"))])


def test_every_page_opens_without_a_complaint(seen: dict[str, Any]) -> None:
    """No error or warning in the console, nothing that is missing, nothing that is loaded from elsewhere."""
    assert ([], [], []) == (seen["complaints"], seen["failed"], seen["outside"])


def test_a_telephone_shows_all_of_it(seen: dict[str, Any]) -> None:
    """Nothing is wider than the screen, but tables and code that scroll in their own frame."""
    assert [] == seen["wider"]


def test_links_lead_to_pages_of_the_site(seen: dict[str, Any]) -> None:
    """None out of what was opened; Sphinx has looked for the headings."""
    assert [] == seen["unreachable"]


def test_the_search_finds_a_word(seen: dict[str, Any]) -> None:
    """The pages that have it, and none for what is on no page."""
    assert {"sandbox.html", "glossary.html"} <= set(seen["searched"])
    assert [] == seen["searchedInVain"]


def test_it_is_read_and_searched_from_a_disk(site: Path) -> None:
    """Without a server."""
    seen = look(f"{site.as_uri()}/", ["index.html"])

    assert ([], [], []) == (seen["complaints"], seen["failed"], seen["outside"])
    assert "sandbox.html" in seen["searched"]


def test_a_button_copies_the_commands_of_a_session(seen: dict[str, Any]) -> None:
    """Without the prompt and what they print, so that they can be pasted."""
    assert "$ python examples/tiny_gateway.py" in seen["shown"]
    assert "tiny gateway at" in seen["shown"]
    assert "python examples/tiny_gateway.py 127.0.0.1:9000 http://127.0.0.1:9100/callbacks/sms" == seen["copied"]


def test_the_sitemap_has_every_page_that_is_found(site: Path) -> None:
    """At the address that the site was built for; not the files that a page links to, nor the page for missing ones."""
    listed = (site / "sitemap.txt").read_text(encoding="utf-8").splitlines()
    pages = {f"{ADDRESS}/{page.stem}.html" for page in (CHECKOUT / "docs").glob("*.md")}

    assert pages | {f"{ADDRESS}/{name}.html" for name in ("changelog", "contributing", "security")} == set(listed)
