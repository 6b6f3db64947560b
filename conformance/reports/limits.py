"""What limits kept a run from, in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

# Option → what a run was held to by it, as the document has it.
_GIVEN = {"--max-accepted": "max_accepted", "--max-spend": "max_spend"}
# What is kept back for these may be read as somebody else's.
_NUMBERS = "--phone-number"


def limit_lines(document: Mapping[str, Any]) -> Iterator[str]:
    """One line for a run that was limited: what may have been accepted of it, and how much was not sent and why."""
    limits = document.get("limits")
    if limits is None:
        return
    told = f"accepted at most: {limits['accepted_at_most']:,} {_noun(limits['accepted_at_most'])}"
    told += f", KES {limits['spent_at_most']:,}"
    for option, given in _GIVEN.items():
        kept = limits["not_planned"].get(option, 0) + limits["withheld"].get(option, 0)
        if kept:
            told += f" · {kept:,} not sent for {option} {limits[given]}"
    if kept := limits["not_planned"].get(_NUMBERS, 0) + limits["withheld"].get(_NUMBERS, 0):
        told += f" · {kept:,} not sent, for others than {_NUMBERS} might be found in them"
    yield told


def _noun(number: int) -> str:
    return "request" if number == 1 else "requests"
