"""`report.sarif`: the result as SARIF 2.1.0, for code scanning and the viewers in editors.

    requirement                     a rule, with its basis as help
    findings of a FAIL              results of level "error"; of a WARN, of level "warning"
    findings of a KNOWN             the same, suppressed, with issue, owner and last day
    a reason for INCONCLUSIVE       a notification of the tool
    a stale expectation             a notification about the configuration

Findings of one requirement × command that differ only in particulars (a number, a value) are one result, whose
fingerprint is made without them, so that it is the same in the next run with any seed. The location is the finding's
line in `report.json`, because viewers need one and the code of a gateway is not at hand.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from conformance.contract.contract import Contract
from conformance.contract.requirements import Level
from conformance.judging.verdicts import Conclusion, Verdict
from conformance.reports.problems import shortfalls
from conformance.reports.remarks import stale_lines
from conformance.reports.report import Report, ReportedFinding, ReportEntry, written
from conformance.reports.result import Reportable
from conformance.reports.text import all_visible, for_terminal
from conformance.reports.view import alike, explained, published_at, read_more, rests_on, value_of

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
# The file of the locations; conformance.reports.files names it so.
LOCATED_IN = "report.json"

LEVELS: Mapping[str, str] = {Level.MUST: "error", Level.SHOULD: "warning"}
# Of a digest: enough for a few thousand findings.
FINGERPRINT_DIGITS = 16

# Text in quotes, and numbers.
_PARTICULARS = re.compile(r"\"[^\"]*\"|'[^']*'|\d+")
# SARIF's syntax of links, and of placeholders.
_LINK, _ARGUMENT = re.compile(r"([\[\]\\])"), re.compile(r"\{(\d+)\}")


def sarif(result: Reportable) -> bytes:
    """The result as SARIF 2.1.0 in UTF-8; the same result gives the same bytes."""
    report = result.report
    rules = list({entry.id: entry for entry in report.requirements}.values())
    indexes = {rule.id: index for index, rule in enumerate(rules)}
    run = {
        "tool": {
            "driver": {
                "name": report.tool.name,
                "semanticVersion": report.tool.version,
                "rules": [_rule(rule, result) for rule in rules],
            }
        },
        "automationDetails": {"id": f"statum-conformance/{report.subject.kind}/"},
        "invocations": [_invocation(report)],
        "results": [
            found
            for entry, lines in zip(report.requirements, finding_lines(report.written()), strict=True)
            for found in _results(entry, result.contract.name, indexes[entry.id], lines)
        ],
        "properties": {
            "verdict": report.verdict,
            "subject": for_terminal(report.subject.address),
            "seed": report.seed,
            "catalogue": report.tool.catalogue,
        },
    }
    return f"{json.dumps({'$schema': SCHEMA, 'version': '2.1.0', 'runs': [run]}, indent=2)}\n".encode()


# --- Rules


def _rule(entry: ReportEntry, result: Reportable) -> dict[str, Any]:
    level, url = LEVELS[entry.level], published_at(entry, result.report)
    basis = rests_on(entry, result.contract)
    plain_help = list(_help(entry, result.contract, f"It rests on: {basis}"))
    return {
        "id": entry.id,
        "shortDescription": {"text": entry.title},
        "fullDescription": {"text": " ".join(plain_help)},
        "help": {
            "text": "\n".join(plain_help),
            "markdown": "\n\n".join(_help(entry, result.contract, f"> {basis}", code="`{}`")),
        },
        **({"helpUri": url} if url else {}),
        "defaultConfiguration": {"level": level},
        "properties": {
            "precision": "very-high",
            "problem.severity": level,
            "tags": [entry.level, entry.actor, entry.area],
        },
    }


def _help(entry: ReportEntry, contract: Contract, basis: str, code: str = "{}") -> Iterator[str]:
    yield f"{entry.level} for the {entry.actor}: {entry.title}"
    yield basis
    if entry.condition:
        yield f"It applies where {entry.condition}."
    yield read_more(entry, contract, ("docs/contract.md", "docs/requirements.md"), code)


# --- Results


def _results(entry: ReportEntry, contract: str, rule: int, lines: Sequence[int]) -> Iterator[dict[str, Any]]:
    """A result for each kind of finding, by its first."""
    together: dict[str, list[tuple[ReportedFinding, int]]] = {}
    for finding, line in zip(entry.findings, lines, strict=True):
        together.setdefault(_fingerprint(entry, finding), []).append((finding, line))
    for fingerprint, found in together.items():
        finding, line = found[0]
        # If all that are shown are of this kind, so are the others.
        count = entry.failed if len(together) == 1 else sum(each.count for each, _ in found)
        listed = {"kind": "external", "status": "accepted", "justification": plain(entry.listed)}
        yield {
            "ruleId": entry.id,
            "ruleIndex": rule,
            "level": "warning" if entry.verdict is Verdict.WARN else "error",
            "message": {"text": _message(entry, finding)},
            "locations": [_location(entry, contract, line)],
            "partialFingerprints": {
                "finding/v1": fingerprint,
                "primaryLocationLineHash": f"{fingerprint}:1",  # the name that GitHub reads
            },
            "occurrenceCount": max(1, count),
            **({"suppressions": [listed]} if entry.verdict is Verdict.KNOWN else {}),
            "properties": {
                "verdict": entry.verdict,
                "command": entry.command,
                "observations": entry.observations,
                "failed": entry.failed,
                **{
                    name: for_terminal(value) if isinstance(value, str) else all_visible(value)
                    for name, value in written(finding).items()
                    if value is not None
                },
            },
        }


def _fingerprint(entry: ReportEntry, finding: ReportedFinding) -> str:
    """A digest of requirement, command, and message and place without particulars."""
    general = [_PARTICULARS.sub("…", text or "") for text in (finding.message, finding.pointer)]
    text = json.dumps([entry.id, entry.command, *general])
    return hashlib.sha256(text.encode()).hexdigest()[:FINGERPRINT_DIGITS]


def _message(entry: ReportEntry, finding: ReportedFinding) -> str:
    tally = f"{entry.failed:,} of {entry.observations:,} observations fell short"
    explanation = "".join(f"; {line}" for line in (*explained(entry), *alike(finding)))
    return plain(f"{entry.place}: {finding.message}{value_of(finding)}; {tally}{explanation}")


def plain(text: str) -> str:
    """`text` as one line of a SARIF message, without links and placeholders."""
    return _ARGUMENT.sub(r"{{\1}}", _LINK.sub(r"\\\1", for_terminal(text)))


def _location(entry: ReportEntry, contract: str, line: int) -> dict[str, Any]:
    return {
        "physicalLocation": {"artifactLocation": {"uri": LOCATED_IN}, "region": {"startLine": line}},
        "logicalLocations": [
            {"name": entry.place, "fullyQualifiedName": f"{contract}.{entry.place}", "kind": "resource"}
        ],
    }


def finding_lines(document: Mapping[str, Any]) -> Iterator[list[int]]:
    """For each requirement of the document, the lines of `report.json` (from 1) where its findings begin."""
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
    """The number of lines of a value in indented JSON."""
    if not value or not isinstance(value, Mapping | list | tuple):
        return 1
    inside = value.values() if isinstance(value, Mapping) else value
    return 2 + sum(map(_height, inside))


# --- The run


def _invocation(report: Report) -> dict[str, Any]:
    started = datetime.fromisoformat(report.started_at).astimezone(UTC)
    unexercised = [each for each in shortfalls(report) if each.verdict is Verdict.INCONCLUSIVE]
    return {
        "executionSuccessful": not any(not each.listed for each in unexercised)
        and report.verdict is not Conclusion.INCONCLUSIVE,
        "startTimeUtc": _utc(started),
        "endTimeUtc": _utc(started + timedelta(seconds=report.duration_s)),
        "toolExecutionNotifications": [
            {
                "level": "note" if each.listed else "warning",
                "message": {"text": plain(f"not exercised: {', '.join(each.ids)}: {each.title}")},
            }
            for each in unexercised
        ],
        "toolConfigurationNotifications": [
            {"level": "error", "message": {"text": plain(f"stale: {line}")}} for line in stale_lines(report)
        ],
    }


def _utc(moment: datetime) -> str:
    return f"{moment.replace(tzinfo=None).isoformat(timespec='milliseconds')}Z"
