"""Each requirement of the catalogue × each command that it applies to, as one test; and one of the expectations."""

from __future__ import annotations

import warnings

import pytest

from conformance.contract.requirements import Requirement
from conformance.judging.verdicts import RequirementVerdict, Verdict
from conformance.reports.problems import problems
from conformance.reports.remarks import stale_lines
from conformance.reports.report import ReportEntry
from conformance.reports.result import Result
from conformance.reports.text import for_terminal
from conformance.reports.view import alike, rests_on

# More of the same say no more; report.json has them.
SHOWN_FINDINGS = 3


class ConformanceWarning(UserWarning):
    """A SHOULD of the contract is broken."""


def test_requirement(requirement: Requirement, command: str | None, gateway_result: Result) -> None:
    """The gateway keeps the requirement; a MUST that could not be exercised is not a success either."""
    verdict = next(
        v for v in gateway_result.judged.verdicts if v.requirement.id == requirement.id and v.command == command
    )
    if verdict.verdict is Verdict.KNOWN or (verdict.hinders and verdict.expected):
        pytest.xfail(f"{verdict.verdict}: {_entry(verdict, gateway_result).listed}")
    if verdict.verdict is Verdict.FAIL or (verdict.verdict is Verdict.INCONCLUSIVE and verdict.hinders):
        pytest.fail(explained(verdict, gateway_result), pytrace=False)
    if verdict.verdict in (Verdict.INCONCLUSIVE, Verdict.NOT_APPLICABLE):
        pytest.skip(f"{verdict.verdict}: {verdict.detail}")
    if verdict.verdict is Verdict.WARN:
        warnings.warn(ConformanceWarning(explained(verdict, gateway_result)), stacklevel=1)


def test_expectations(gateway_result: Result) -> None:
    """Each listed failure still fails, as listed, and has not expired."""
    if gateway_result.judged.stale:
        pytest.fail("\n".join(stale_lines(gateway_result.report)), pytrace=False)


def explained(verdict: RequirementVerdict, result: Result) -> str:
    """The verdict in words: the cause, which pytest's summary repeats, the requirement, its source, the evidence."""
    requirement = verdict.requirement
    entry = _entry(verdict, result)
    title = f"{verdict.verdict} {requirement.id} ({verdict.level}) {requirement.title}"
    lines = [_cause(entry, result), title, f"  {rests_on(entry, result.contract)}"]
    if verdict.reason and (why := f"{verdict.reason}: {verdict.detail}") != lines[0]:
        lines.append(f"  {why}")
    lines += [f"  {entry.pattern}"] if entry.pattern else []
    for finding in entry.findings[:SHOWN_FINDINGS]:
        lines.append(f"  {finding.message} · case {finding.case} · request_id {finding.request_id}")
        lines += [f"    {finding.pointer}: {finding.value}"] if finding.pointer is not None else []
        lines += [f"    {finding.reproduce}"] if finding.reproduce else []
        lines += [f"    {line}" for line in alike(finding)]
    if verdict.failed > SHOWN_FINDINGS:
        lines.append(f"  … {verdict.failed} in all; report.json shows more of them, the journal all")
    return "\n".join(lines)


def _cause(entry: ReportEntry, result: Result) -> str:
    """The cause in a line; of several requirements with one cause, the others name the first in the closing section."""
    for first, *others in problems(result.report):
        if any(entry in each.entries for each in (first, *others)):
            if first.verdict is Verdict.INCONCLUSIVE:
                return first.title
            own = first if entry in first.entries else None
            message = entry.findings[0] if own and entry.findings else first.finding
            said = for_terminal(message.message) if message else first.title
            return said if own else f"as {first.ids[0]}: {said}"
    return entry.title


def _entry(verdict: RequirementVerdict, result: Result) -> ReportEntry:
    place = verdict.requirement.id, verdict.command
    return next(entry for entry in result.report.requirements if (entry.id, entry.command) == place)
