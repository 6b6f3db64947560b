"""For mkdocs, which calls it with each page: what GitHub and mkdocs read differently, or only one of them has.

- A link to a file of the repository that is not part of the site leads to the repository.
- In a table, GitHub wants a bar inside code escaped; mkdocs shows the escape.
"""

from __future__ import annotations

import re
from typing import Any

# ruff: noqa: INP001 - mkdocs loads it as a file

BRANCH = "main"


def on_page_markdown(markdown: str, *, config: Any, **_: Any) -> str:
    """The page as mkdocs is to read it."""
    outside = f"]({config.repo_url.rstrip('/')}/blob/{BRANCH}/"
    linked = re.sub(r"\]\(\.\./(?=[^)]*\))", outside, markdown)
    return re.sub(r"^\|.*$", lambda row: _with_bars(row[0]), linked, flags=re.MULTILINE)


def _with_bars(row: str) -> str:
    return re.sub(r"`[^`]*`", lambda code: code[0].replace("\\|", "|"), row)
