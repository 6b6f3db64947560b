"""A table in Markdown, as the pages have them."""

from __future__ import annotations

from collections.abc import Iterable

# ruff: noqa: INP001 - beside a script, not a module of a package


def table(headings: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table in Markdown."""
    head = [*headings]
    lines = [head, ["---"] * len(head), *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
