"""The explanation of a failure, in the same words in every report.

explained       on what it depends that a requirement fell short for a command
kinds           each kind of its findings, with their number and one example
alike           of one finding: on what it depends, the simplest request that shows it, and those like it
unshown         how many findings are in none of those that are shown
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from conformance.diagnosis.patterns import ENOUGH
from conformance.judging.judgement import Dependence

# How many of the other cases are named in a line for people.
NAMED = 3
# A value longer than this is told by its length and its beginning.
SHOWN = 40

Entry = Mapping[str, Any]


def explained(entry: Entry) -> Iterator[str]:
    """One line on what it depends; none where too little was seen to say anything, or in an old report."""
    if "pattern" in entry and (entry["depends_on"] != Dependence.UNTOLD or entry["observations"] >= ENOUGH):
        yield entry["pattern"]


def kinds(entry: Entry) -> Iterator[str]:
    """Lines for people: each kind of findings where there are several, and what is told of the only one."""
    findings = entry["findings"]
    several = len(findings) > 1 and not entry.get("expected")
    named = entry.get("depends_on") != Dependence.ALWAYS  # where all fell short, the others need no names
    for finding in findings:
        if several:
            yield _kind(finding)
        if finding.get("pattern"):
            yield finding["pattern"]
        yield from _simplest(finding)
        if named and not several:
            yield from _others(finding)
    yield from unshown(entry)


def alike(finding: Mapping[str, Any]) -> Iterator[str]:
    """Lines for people: on what it depends, the simplest request, what is special in it, and the findings like it.

    None for a finding of a report that was written before there was such a thing.
    """
    if finding.get("pattern"):
        yield finding["pattern"]
    yield from _simplest(finding)
    yield from _others(finding)


def unshown(entry: Entry) -> Iterator[str]:
    """A line on the findings that are in none of the kinds that are shown, if there are any."""
    shown = sum(finding.get("count", 1) for finding in entry["findings"])
    if entry["findings"] and shown < entry["failed"]:
        yield f"{entry['failed'] - shown:,} more, which the journal has"


def _kind(finding: Mapping[str, Any]) -> str:
    value = finding["value"]
    shown = "" if value is None else f" ({finding['pointer'] or 'the whole'} is {_shortened(str(value))})"
    case = f" · case {finding['case']}" if finding["case"] else ""
    return f"{finding.get('count', 1):,} × {finding['message']}{shown}{case}"


def _shortened(text: str) -> str:
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"


def _simplest(finding: Mapping[str, Any]) -> Iterator[str]:
    minimal = finding.get("minimal")
    if minimal:
        found = "simplest" if minimal["finished"] else "simplest so far"
        special = ", ".join(_told(name, value) for name, value in minimal["differs"].items())
        yield f"{found}: {special or minimal['body']} · case {minimal['case']}"


def _others(finding: Mapping[str, Any]) -> Iterator[str]:
    if finding.get("count", 1) > 1:
        named = finding["others"][:NAMED]
        rest = finding["count"] - 1 - len(named)
        more = f" and {rest:,} more" if named and rest else ""
        of_one = "with the same cause" if finding.get("minimal") else "like it"
        yield f"{finding['count'] - 1:,} more {of_one}{': ' if named else ''}{', '.join(named)}{more}"


def _told(name: str, value: Any) -> str:
    if value is None:
        return f"without {name}"
    text = json.dumps(value, ensure_ascii=False)
    if not isinstance(value, str) or len(value) <= SHOWN:
        return f"{name} {text}"
    return f"{name} of {len(value)} characters, {text[:SHOWN]}…"
