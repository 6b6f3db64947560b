"""What was exercised, as a person wants to know it: how much, and what not.

coverage_lines      one line of totals; before it one for each member of which a class was not exercised
exercised           whether a class was, by a gateway's run or by a client
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
    sent = sum(one["sent"] > 0 for one in coverage)
    if sent:
        yield from _of_commands("not exercised", (one for one in coverage if not one["sent"]))
    if not of_client(document):
        yield f"coverage: {sent:,} of {len(coverage):,} classes of payloads exercised"
        return
    arrived = sum(one["accepted"] > 0 for one in coverage)
    if arrived:
        lost = (one for one in coverage if one["sent"] and not one["accepted"])
        yield from _of_commands("called and never sent", lost)
    yield f"coverage: calls of {sent:,} of {len(coverage):,} classes of payloads, requests of {arrived:,}"


def of_client(document: Mapping[str, Any]) -> bool:
    """Whether the classes are those of a client: `sent` are its calls then, `accepted` those that became a request."""
    return "client" in document


def exercised(one: Mapping[str, Any], document: Mapping[str, Any]) -> bool:
    """Whether a class was exercised: by a client, if a request of it arrived."""
    return bool(one["accepted"] if of_client(document) else one["sent"])


def _of_commands(what: str, coverage: Iterator[Mapping[str, Any]]) -> Iterator[str]:
    by_member: dict[tuple[str, str, str], list[str]] = {}
    for one in coverage:
        by_member.setdefault((one["kind"], one["member"] or WHOLE_BODY, one["command"]), []).append(one["class"])
    commands: dict[tuple[str, str, tuple[str, ...]], list[str]] = {}
    for (kind, member, command), classes in by_member.items():
        commands.setdefault((kind, member, tuple(classes)), []).append(command)
    for (kind, member, names), several in commands.items():
        yield f"{what}: {kind} {member} of {', '.join(several)}: {' · '.join(names)}"
