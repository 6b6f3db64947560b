"""`report.sarif`: the result as SARIF 2.1.0, for code scanning and the viewers in editors.

    requirement                     a rule, with what it rests on as its help
    findings of a FAIL              results of level "error"; of a WARN, of level "warning"
    findings of a KNOWN             the same, suppressed, with issue, owner and last day
    what hindered the verdict       a notification of the tool for each reason: nothing was found, but not all looked at
    a stale expectation             a notification about the configuration

Findings of one requirement × command that differ in nothing but particulars (a number, a value) are one result. Its
fingerprint is made of what they have in common, so that it is the same finding in the next run, whatever the seed. The
physical location is the finding's line in `report.json`: viewers want one, and the code of a gateway is not at hand.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from conformance.contract.requirements import Level
from conformance.judging.verdicts import Conclusion, Verdict
from conformance.reports.escaping import all_visible, for_terminal
from conformance.reports.remarks import listed_in, told_stale
from conformance.reports.view import alike, explained, place_of, published_at, rests_on, shortfalls

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
# What the lines of the locations are counted in; conformance.reports.files gives it that name.
LOCATED_IN = "report.json"

LEVELS: Mapping[str, str] = {Level.MUST: "error", Level.SHOULD: "warning"}
# Enough of a digest to tell a few thousand findings apart.
FINGERPRINT_DIGITS = 16

# What differs from one finding to another that is like it: text in quotes, numbers.
_PARTICULARS = re.compile(r"\"[^\"]*\"|'[^']*'|\d+")
# What SARIF takes for a link, or for the place of an argument.
_LINK, _ARGUMENT = re.compile(r"([\[\]\\])"), re.compile(r"\{(\d+)\}")

Entry = Mapping[str, Any]


def sarif(document: Mapping[str, Any]) -> bytes:
    """The document of a result as SARIF 2.1.0 in UTF-8; the same document gives the same bytes."""
    entries = document["requirements"]
    rules = list({entry["id"]: entry for entry in entries}.values())
    indexes = {rule["id"]: index for index, rule in enumerate(rules)}
    run = {
        "tool": {
            "driver": {
                "name": document["tool"]["name"],
                "semanticVersion": document["tool"]["version"],
                "rules": [_rule(rule, published_at(rule, document)) for rule in rules],
            }
        },
        "automationDetails": {"id": f"statum-conformance/{document['subject']['kind']}/"},
        "invocations": [_invocation(document)],
        "results": [
            result
            for entry, lines in zip(entries, finding_lines(document), strict=True)
            for result in _results(entry, indexes[entry["id"]], lines)
        ],
        "properties": {
            "verdict": document["verdict"],
            "subject": for_terminal(document["subject"]["url"] or document["subject"]["name"]),
            "seed": document["seed"],
            "catalogue": document["tool"]["catalogue"],
        },
    }
    return f"{json.dumps({'$schema': SCHEMA, 'version': '2.1.0', 'runs': [run]}, indent=2)}\n".encode()


# --- Rules


def _rule(entry: Entry, url: str | None) -> dict[str, Any]:
    level = LEVELS[entry["level"]]
    return {
        "id": entry["id"],
        "shortDescription": {"text": entry["title"]},
        "fullDescription": {"text": " ".join(_help(entry))},
        "help": {"text": "\n".join(_help(entry)), "markdown": "\n\n".join(_help(entry, founded="> {}", code="`{}`"))},
        **({"helpUri": url} if url else {}),
        "defaultConfiguration": {"level": level},
        "properties": {
            "precision": "very-high",
            "problem.severity": level,
            "tags": [entry["level"], entry["actor"], entry["id"].partition("-")[0]],
        },
    }


def _help(entry: Entry, founded: str = "It rests on: {}", code: str = "{}") -> Iterator[str]:
    """What the requirement rests on, and where to read on."""
    yield f"{entry['level']} for the {entry['actor']}: {entry['title']}"
    yield founded.format(rests_on(entry))
    if entry.get("condition"):
        yield f"It applies where {entry['condition']}."
    section = f", section “{entry['section']}”" if entry["section"] else ""
    documentation = code.format("docs/contract.md"), code.format("docs/requirements.md")
    yield f"More in {documentation[0]}{section}, and in {documentation[1]}, of statum-conformance."


# --- Results


def _results(entry: Entry, rule: int, lines: Sequence[int]) -> Iterator[dict[str, Any]]:
    """One for each kind of finding, by its first."""
    together: dict[str, list[tuple[Entry, int]]] = {}
    for finding, line in zip(entry["findings"], lines, strict=True):
        together.setdefault(_fingerprint(entry, finding), []).append((finding, line))
    for fingerprint, found in together.items():
        finding, line = found[0]
        # All that fell short are of this kind, if those that are shown are.
        count = entry["failed"] if len(together) == 1 else sum(each.get("count", 1) for each, _ in found)
        yield {
            "ruleId": entry["id"],
            "ruleIndex": rule,
            "level": "warning" if entry["verdict"] == Verdict.WARN else "error",
            "message": {"text": _message(entry, finding)},
            "locations": [_location(entry, line)],
            "partialFingerprints": {
                "finding/v1": fingerprint,
                "primaryLocationLineHash": f"{fingerprint}:1",  # the name that GitHub reads
            },
            "occurrenceCount": max(1, count),
            **_suppressed(entry),
            "properties": {
                "verdict": entry["verdict"],
                "command": entry["command"],
                "observations": entry["observations"],
                "failed": entry["failed"],
                **{name: _harmless(value) for name, value in finding.items() if value is not None},
            },
        }


def _fingerprint(entry: Entry, finding: Entry) -> str:
    """What is the same in each run that finds this: requirement, command, message and place without particulars."""
    general = [_PARTICULARS.sub("…", finding[name] or "") for name in ("message", "pointer")]
    text = json.dumps([entry["id"], entry["command"], *general])
    return hashlib.sha256(text.encode()).hexdigest()[:FINGERPRINT_DIGITS]


def _message(entry: Entry, finding: Entry) -> str:
    tally = f"{entry['failed']:,} of {entry['observations']:,} observations fell short"
    value = f" ({finding['pointer'] or 'the whole'} is {finding['value']})" if finding["value"] is not None else ""
    explanation = "".join(f"; {line}" for line in (*explained(entry), *alike(finding)))
    return plain(f"{place_of(entry)}: {finding['message']}{value}; {tally}{explanation}")


def plain(text: str) -> str:
    """`text` as a message of SARIF, in which it is neither a link nor the place of an argument; one line."""
    return _ARGUMENT.sub(r"{{\1}}", _LINK.sub(r"\\\1", for_terminal(text)))


def _harmless(value: Any) -> Any:
    return for_terminal(value) if isinstance(value, str) else all_visible(value)


def _location(entry: Entry, line: int) -> dict[str, Any]:
    place = place_of(entry)
    return {
        "physicalLocation": {"artifactLocation": {"uri": LOCATED_IN}, "region": {"startLine": line}},
        "logicalLocations": [{"name": place, "fullyQualifiedName": f"statum.{place}", "kind": "resource"}],
    }


def _suppressed(entry: Entry) -> dict[str, Any]:
    if entry["verdict"] != Verdict.KNOWN:
        return {}
    return {"suppressions": [{"kind": "external", "status": "accepted", "justification": plain(listed_in(entry))}]}


def finding_lines(document: Mapping[str, Any]) -> Iterator[list[int]]:
    """For each requirement of the document, the lines of `report.json` (from 1) that its findings begin in."""
    members = list(document)
    before = members[: members.index("requirements")]
    line = 2 + sum(_height(document[name]) for name in before)
    for entry in document["requirements"]:
        line += 1  # of the brace that opens the entry
        names = list(entry)
        at = line + sum(_height(entry[name]) for name in names[: names.index("findings")]) + 2
        lines = []
        for finding in entry["findings"]:
            lines.append(at)
            at += _height(finding)
        yield lines
        line += _height(entry) - 1


def _height(value: Any) -> int:
    """How many lines of JSON the value takes: a member or element each, and those of the brackets around them."""
    if not value or not isinstance(value, Mapping | list | tuple):
        return 1
    inside = value.values() if isinstance(value, Mapping) else value
    return 2 + sum(map(_height, inside))


# --- The run


def _invocation(document: Mapping[str, Any]) -> dict[str, Any]:
    started = datetime.fromisoformat(document["started_at"]).astimezone(UTC)
    unexercised = [each for each in shortfalls(document) if each.verdict is Verdict.INCONCLUSIVE]
    return {
        "executionSuccessful": not any(not each.listed for each in unexercised)
        and document["verdict"] != Conclusion.INCONCLUSIVE,
        "startTimeUtc": _utc(started),
        "endTimeUtc": _utc(started + timedelta(seconds=document["duration_s"])),
        "toolExecutionNotifications": [
            {
                "level": "note" if each.listed else "warning",
                "message": {"text": plain(f"not exercised: {', '.join(each.ids)}: {each.title}")},
            }
            for each in unexercised
        ],
        "toolConfigurationNotifications": [
            {"level": "error", "message": {"text": plain(f"stale: {line}")}} for line in told_stale(document)
        ],
    }


def _utc(moment: datetime) -> str:
    return f"{moment.replace(tzinfo=None).isoformat(timespec='milliseconds')}Z"
