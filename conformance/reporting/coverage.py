"""What was exercised, as a person wants to know it: how much, and what not.

coverage_lines      one line of totals; before it one for each member of which a class was not exercised
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

WHOLE_BODY = "body"


def coverage_lines(document: Mapping[str, Any]) -> Iterator[str]:
    """Lines about the `coverage` of a result's document; none where there is none.

    Commands of which the same was not exercised share a line. Of a run that exercised nothing, nothing is listed.
    """
    coverage = document.get("coverage", ())
    if not coverage:
        return
    exercised = sum(one["sent"] > 0 for one in coverage)
    if exercised:
        yield from _not_exercised(one for one in coverage if not one["sent"])
    yield f"coverage: {exercised:,} of {len(coverage):,} classes of payloads exercised"


def _not_exercised(coverage: Iterator[Mapping[str, Any]]) -> Iterator[str]:
    by_member: dict[tuple[str, str, str], list[str]] = {}
    for one in coverage:
        by_member.setdefault((one["kind"], one["member"] or WHOLE_BODY, one["command"]), []).append(one["class"])
    commands: dict[tuple[str, str, tuple[str, ...]], list[str]] = {}
    for (kind, member, command), classes in by_member.items():
        commands.setdefault((kind, member, tuple(classes)), []).append(command)
    for (kind, member, names), several in commands.items():
        yield f"not exercised: {kind} {member} of {', '.join(several)}: {' · '.join(names)}"
