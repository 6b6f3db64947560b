"""What is told of a finding beyond itself: the simplest request that shows it, and how many there are of its kind."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

# How many of the other cases are named in a line for people.
NAMED = 3
# A value longer than this is told by its length and its beginning.
SHOWN = 40


def alike(finding: Mapping[str, Any]) -> Iterator[str]:
    """Lines for people: the simplest request, what is special in it, and the other findings of the same cause.

    None for a finding of a report that was written before there was such a thing.
    """
    minimal = finding.get("minimal")
    if minimal:
        found = "simplest" if minimal["finished"] else "simplest so far"
        special = ", ".join(_told(name, value) for name, value in minimal["differs"].items())
        yield f"{found}: {special or minimal['body']} · case {minimal['case']}"
    if finding.get("count", 1) > 1:
        named = finding["others"][:NAMED]
        rest = finding["count"] - 1 - len(named)
        more = f" and {rest} more" if named and rest else ""
        yield f"{finding['count'] - 1} more with the same cause{': ' if named else ''}{', '.join(named)}{more}"


def _told(name: str, value: Any) -> str:
    if value is None:
        return f"without {name}"
    text = json.dumps(value, ensure_ascii=False)
    if not isinstance(value, str) or len(value) <= SHOWN:
        return f"{name} {text}"
    return f"{name} of {len(value)} characters, {text[:SHOWN]}…"
