"""For mkdocs: links of the pages to files of the repository that are no part of the site lead to the repository."""

from __future__ import annotations

import re
from typing import Any

# ruff: noqa: INP001 - mkdocs loads it as a file

BRANCH = "main"


def on_page_markdown(markdown: str, *, config: Any, **_: Any) -> str:
    """The page, its links to what stands beside docs/ made absolute. mkdocs calls it for each page."""
    return re.sub(r"\]\(\.\./(?=[^)]*\))", f"]({config.repo_url.rstrip('/')}/blob/{BRANCH}/", markdown)
