"""The pages as a site: every one on the map, which is its navigation, with headings that can be followed.

`make site` builds it, and tests/tools/test_site_in_chromium.py reads it.
"""

from __future__ import annotations

import re
from collections import Counter
from itertools import pairwise
from pathlib import Path

from markdown_pages import CHECKOUT, PAGES, links, name_of, prose

DOCS = CHECKOUT / "docs"
INDEX = DOCS / "index.md"
SITE_PAGES = [page for page in PAGES if page.parent == DOCS]


def titles(page: Path) -> list[str]:
    """The headings of the first level."""
    return re.findall(r"^# (.+)$", prose(page), re.MULTILINE)


def lists_without_a_blank_line(page: Path) -> list[str]:
    """The first items of lists that follow a paragraph at once: some readers of Markdown take those for its text."""
    return re.findall(r"^(?![-\d|#>\s]|<!--).+\n((?:- |1\. ).*)$", prose(page), re.MULTILINE)


def test_every_page_is_on_the_map() -> None:
    """One click from the first page."""
    mapped = {link.partition("#")[0] for link in links(INDEX)}

    assert set() == {page.name for page in SITE_PAGES if page != INDEX} - mapped


def test_a_page_has_one_title() -> None:
    """And begins with it."""
    begins = {page: page.read_text(encoding="utf-8").partition("\n")[0] for page in PAGES}

    assert [] == [(name_of(page), titles(page)) for page in PAGES if [begins[page]] != [f"# {t}" for t in titles(page)]]


def test_headings_go_down_step_by_step() -> None:
    """No level is left out, so that a table of contents, and whoever listens to one, can follow."""
    headings = {page: re.findall(r"^(#+) (.+)$", prose(page), re.MULTILINE) for page in PAGES}

    assert [] == [
        (name_of(page), title)
        for page, found in headings.items()
        for (above, _), (marks, title) in pairwise(found)
        if len(marks) > len(above) + 1
    ]


def test_headings_of_a_page_differ() -> None:
    """Else a link to the second one leads to the first."""
    headings = Counter((name_of(p), title) for p in PAGES for title in re.findall(r"^#+ (.+)$", prose(p), re.MULTILINE))

    assert [] == [heading for heading, count in headings.items() if count > 1]


def test_lists_stand_apart() -> None:
    """There is an empty line before each list."""
    assert [] == [(name_of(page), item) for page in PAGES for item in lists_without_a_blank_line(page)]


def test_a_list_that_does_not_stand_apart_is_noticed(tmp_path: Path) -> None:
    """One that does is left alone, and so are its further lines."""
    page = tmp_path / "page.md"
    page.write_text("So:\n- one\n  more\n- two\n\nSo:\n\n- three\n- four\n", encoding="utf-8")

    assert ["- one"] == lists_without_a_blank_line(page)
