"""A register in a real browser: with four subjects and with sixty, on a screen, a telephone and paper.

`.ci/browser/register.mjs` visits the pages once, for all tests; with BROWSER_SCREENSHOTS=DIR it leaves pictures.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from certificates import certified_in
from registered import hand_in, judged_report, many

from conformance.cli import outcome

CHECKOUT = Path(__file__).parents[2]
TOOLS = CHECKOUT / ".ci" / "browser"

pytestmark = pytest.mark.skipif(
    not (TOOLS / "node_modules" / ".ready").exists(), reason="no playwright-core (hint: make test-browser)"
)

# All pages in all ways on a busy machine; a browser that hangs must not hang the build.
PATIENCE_S = 600.0

# The grounds of the page.
LIGHT, DARK = "rgb(255, 255, 255)", "rgb(13, 17, 23)"
EVIL = "</script><script>alert(1)</script><img src=//x.invalid/ onerror=alert(1)><style>@import '//x.invalid/'</style>"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A register of sixty subjects, and one of a certified gateway, two others, and one with hostile words."""
    folder = tmp_path_factory.mktemp("register")
    certified = certified_in(folder)
    many(folder / "sixty")
    many(folder / "few", 1)
    hand_in(folder / "few" / "evil", judged_report("client", EVIL, {"SND-01": EVIL}, version=EVIL))
    for name, more in (("sixty", ()), ("few", (str(certified / "reports"), f"--key={certified / 'vendor.key.pub'}"))):
        assert 0 == outcome(["site", str(folder / name), *more, "--out", str(folder / f"{name}-pages")])
    return folder


def page_of(folder: Path, beginning: str) -> Path:
    """The page of the subject whose address begins so."""
    (page,) = (folder / "few-pages" / "subjects").glob(f"{beginning}*/index.html")
    return page


EVERY_PAGE = ("sixty", "few", "certified", "broken", "evil")
LOOK = (
    *(("quality", name) for name in EVERY_PAGE),
    *(("links", name) for name in EVERY_PAGE),
    *((what, "sixty") for what in ("sticky", "filters", "trail", "unscripted", "print")),
    ("later", "certified"),
    ("unscripted", "broken"),
)


@pytest.fixture(scope="module")
def seen(folder: Path) -> dict[str, Any]:
    """What was seen of all pages: what → page → observations."""
    pages = {
        "sixty": folder / "sixty-pages" / "index.html",
        "few": folder / "few-pages" / "index.html",
        "certified": page_of(folder, "gateway-built-in"),
        "broken": page_of(folder, "gateway-acme-gateway"),
        "evil": page_of(folder, "client-script"),
    }
    screenshots = [place] if (place := os.environ.get("BROWSER_SCREENSHOTS")) else []
    done = subprocess.run(
        [shutil.which("node") or "node", TOOLS / "register.mjs", *screenshots],
        input=json.dumps({"pages": {name: str(path) for name, path in pages.items()}, "look": LOOK}),
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=PATIENCE_S,
        check=False,
    )
    assert 0 == done.returncode, done.stderr
    observations: dict[str, Any] = json.loads(done.stdout)
    return observations


@pytest.mark.parametrize("name", EVERY_PAGE)
def test_a_page_is_right_on_every_screen_and_in_every_theme(seen: dict[str, Any], name: str) -> None:
    """No barriers, no complaints, no requests; nothing but frames scrolls sideways; pictures are shown."""
    quality = seen["quality"][name]

    assert ([], [], []) == (quality["violations"], quality["complaints"], quality["requests"])
    assert [LIGHT, DARK] == quality["grounds"]
    assert [0, 0, 0, 0] == quality["wider"]
    assert all(quality["images"])


@pytest.mark.parametrize(("name", "highest"), [("sixty", 80), ("certified", 230), ("broken", 230)])
def test_a_row_is_a_few_lines_high(seen: dict[str, Any], name: str, highest: int) -> None:
    """No column is squeezed by the others: three lines of a name, eleven of a title on a telephone."""
    assert [] == [height for height in seen["quality"][name]["tallest"] if height > highest]


@pytest.mark.parametrize("name", EVERY_PAGE)
def test_links_lead_to_places_and_files_of_the_register(seen: dict[str, Any], name: str) -> None:
    """None leads elsewhere."""
    links = seen["links"][name]

    assert ([], []) == (links["dead"], [href for href in links["files"] if "//" in href])


def test_names_and_headings_stay_in_sight(seen: dict[str, Any]) -> None:
    """On a telephone, at the lower right end of the matrix."""
    sticky = seen["sticky"]["sixty"]

    assert [True, True] == sticky["scrolls"]
    assert (True, True) == (abs(sticky["name"]) <= 1, abs(sticky["heading"]) <= 1)


@pytest.mark.parametrize(
    ("name", "value"), [("verdict", "non-conformant"), ("certificate", "certified"), ("change", "worse")]
)
def test_a_filter_leaves_the_subjects_that_it_names(seen: dict[str, Any], name: str, value: str) -> None:
    """In every matrix, and says how many they are."""
    found = seen["filters"]["sixty"]
    expected = [row for row in found["all"]["rows"] if row[name] == value]

    assert expected == found[name]["rows"]
    assert (len(expected), f"{len(expected)} of 60 subjects") == (found[name]["folded"], found[name]["said"])


def test_a_search_is_kept_in_the_address(seen: dict[str, Any]) -> None:
    """Whatever its case, and blanks around it."""
    found = seen["filters"]["sixty"]

    assert 6 == len(found["text"]["rows"])
    assert all("baobab" in row["text"] for row in found["text"]["rows"])
    assert found["text"]["rows"] == found["reloaded"]["rows"]


def test_a_cell_leads_to_the_area_of_the_subject_and_back(seen: dict[str, Any]) -> None:
    """Which is unfolded, and in view."""
    assert {"open": True, "inView": True, "back": "Conformance register"} == seen["trail"]["sixty"]


@pytest.mark.parametrize("name", ["sixty", "broken"])
def test_without_javascript_all_can_be_read(seen: dict[str, Any], name: str) -> None:
    """Nothing is there that does not work; what is folded unfolds."""
    unscripted = seen["unscripted"][name]

    assert (0, True) == (unscripted["controls"], unscripted["unfolds"])
    assert "non-conformant" in unscripted["text"]


def test_a_certificate_that_has_expired_since_is_no_longer_a_mark(seen: dict[str, Any]) -> None:
    """Though the page was made before."""
    later = seen["later"]["certified"]

    assert {"✔ certified"} == set(later["before"])
    assert {"expired"} == set(later["after"])


def test_a_matrix_is_printed_whole(seen: dict[str, Any]) -> None:
    """On white."""
    assert {"ground": LIGHT, "scrolling": 0} == seen["print"]["sixty"]
