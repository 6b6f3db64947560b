"""`allure-results/`: the result for Allure, one test for each requirement × command.

    FAIL                            failed
    INCONCLUSIVE that hinders       broken
    any other, NOT_APPLICABLE       skipped
    KNOWN                           skipped, marked as known, with a link to the issue
    PASS, WARN                      passed; a WARN has its findings

A test has steps (its basis, the observations, each finding), labels (requirement, command, level, owner, severity from
the level) and at most one attachment, because each file costs time: all its evidence as text. Allure recognizes a test
in the next run by requirement and command.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import attr
from allure_commons.model2 import (
    ATTACHMENT_PATTERN,
    Attachment,
    Label,
    Link,
    Parameter,
    Status,
    StatusDetails,
    TestResult,
    TestStepResult,
)
from allure_commons.types import AttachmentType, LabelType, LinkType, Severity

from conformance.contract.contract import Contract
from conformance.contract.requirements import Level
from conformance.judging.verdicts import Verdict
from conformance.model.traffic import Exchange, Headers, Notification, Request
from conformance.reports.report import Report, ReportedFinding, ReportEntry
from conformance.reports.result import Reportable
from conformance.reports.text import beginning, for_terminal, for_xml
from conformance.reports.view import alike, explained, hinders, places_of, published_at, read_more, rests_on, unshown

# Of every file name, to distinguish the files of an earlier run from those of other tools in the folder.
PREFIX = "statum-conformance-"

SEVERITIES: Mapping[str, Severity] = {Level.MUST: Severity.CRITICAL, Level.SHOULD: Severity.MINOR}
STATUSES: Mapping[str, str] = {
    Verdict.PASS: Status.PASSED,
    Verdict.WARN: Status.PASSED,
    Verdict.FAIL: Status.FAILED,
    Verdict.KNOWN: Status.SKIPPED,
    Verdict.INCONCLUSIVE: Status.SKIPPED,
    Verdict.NOT_APPLICABLE: Status.SKIPPED,
}
# The journal has longer bodies in full.
LONGEST_BODY = 20_000
# The places of a finding that a reader of Allure can look up.
PARTICULARS = ("pointer", "value", "request_id", "case")
MS = 1000


def allure_results(result: Reportable) -> dict[str, bytes]:
    """Name of a file → its content; the same result gives the same files.

    Without a record the evidence has no exchanges and notifications.
    """
    exchanges, notifications = _named(result)
    files: dict[str, bytes] = {}
    for entry in result.report.requirements:
        test = _test(entry, result)
        if entry.findings:
            text = result.masking.text("\n".join(_evidence(entry, exchanges, notifications, result.contract)))
            source = PREFIX + ATTACHMENT_PATTERN.format(prefix=test.uuid, ext=AttachmentType.TEXT.extension)
            test.attachments.append(Attachment("evidence", source, AttachmentType.TEXT.mime_type))
            files[source] = for_xml(text).encode()
        made = attr.asdict(test, filter=lambda _, value: value not in (None, []))
        files[PREFIX + test.file_pattern.format(prefix=test.uuid)] = json.dumps(made).encode()
    return files


# --- A test


def _test(entry: ReportEntry, result: Reportable) -> TestResult:
    report = result.report
    begun = datetime.fromisoformat(report.started_at).timestamp()
    known = str(uuid5(NAMESPACE_URL, f"statum-conformance/{entry.id}/{entry.command or ''}"))
    broken = entry.verdict is Verdict.INCONCLUSIVE and hinders(entry, report) and not entry.listed
    return TestResult(
        uuid=str(uuid5(NAMESPACE_URL, f"{known}/{report.started_at}/{report.seed}")),
        historyId=known,
        testCaseId=known,
        fullName=f"{result.contract.name}.{entry.place}.{entry.id}",
        name=f"{entry.name}: {entry.title}",
        titlePath=[report.subject.kind, entry.place],
        status=str(Status.BROKEN) if broken else STATUSES[entry.verdict],
        statusDetails=_details(entry),
        stage="finished",
        description="\n\n".join(_description(entry, result.contract)),
        start=round(begun * MS),
        stop=round((begun + report.duration_s) * MS),
        labels=[Label(name, value) for name, value in _labels(entry, report, result.contract)],
        links=list(_links(entry, report)),
        parameters=[_particular("observations", entry.observations), _particular("failed", entry.failed)],
        steps=list(_steps(entry, result.contract)),
    )


def _details(entry: ReportEntry) -> StatusDetails | None:
    if entry.verdict is Verdict.PASS:
        return None
    first = [finding.message for finding in entry.findings[:1]]
    parts = (entry.verdict.value, entry.why, *first, *explained(entry), entry.not_applicable, entry.listed)
    return StatusDetails(message=for_terminal(" · ".join(filter(None, parts))), known=bool(entry.listed) or None)


def _description(entry: ReportEntry, contract: Contract) -> Iterator[str]:
    yield f"{entry.level} for the {entry.actor}."
    yield f"> {for_terminal(rests_on(entry, contract))}"
    if entry.condition:
        yield f"It applies where {entry.condition}."
    yield read_more(entry, contract, ("docs/contract.md",), code="`{}`")


def _labels(entry: ReportEntry, report: Report, contract: Contract) -> Iterator[tuple[str, str]]:
    yield "requirement", entry.id
    yield "command", entry.command or "none"
    yield "level", entry.level.value
    # The owner of a known failure, else the actor.
    yield "owner", next((each.owner for each in entry.expected), entry.actor.value)
    yield LabelType.SEVERITY, SEVERITIES[entry.level].value
    yield LabelType.EPIC, f"contract for the {entry.actor}"
    yield LabelType.FEATURE, contract.areas.get(entry.area, entry.area)
    yield LabelType.STORY, entry.title
    yield LabelType.PARENT_SUITE, report.tool.name
    yield LabelType.SUITE, report.subject.kind
    yield LabelType.SUB_SUITE, entry.place
    yield LabelType.FRAMEWORK, report.tool.name
    yield LabelType.TAG, entry.verdict.value


def _links(entry: ReportEntry, report: Report) -> Iterator[Link]:
    if (url := published_at(entry, report)) is not None:
        yield Link(LinkType.LINK, url, f"{entry.id} and what it rests on")
    for each in entry.expected:
        if each.issue.startswith(("https://", "http://")):
            yield Link(LinkType.ISSUE, each.issue, each.issue)


def _particular(name: str, value: Any) -> Parameter:
    """A parameter that does not make it another test."""
    return Parameter(name=name, value=for_terminal(str(value)), excluded=True)


def _steps(entry: ReportEntry, contract: Contract) -> Iterator[TestStepResult]:
    yield TestStepResult(name=for_terminal(rests_on(entry, contract)), status=Status.PASSED)
    if entry.observations:
        observed = f"{entry.observations:,} observations, {entry.failed:,} fell short"
        yield TestStepResult(name=observed, status=Status.FAILED if entry.failed else Status.PASSED)
    for line in explained(entry):
        yield TestStepResult(name=for_terminal(line), status=Status.FAILED)
    for finding in entry.findings:
        yield TestStepResult(
            name=for_terminal(finding.message),
            status=Status.FAILED,
            parameters=[_particular(name, value) for name, value in places_of(finding, PARTICULARS)],
            steps=[TestStepResult(name=for_terminal(line), status=Status.FAILED) for line in alike(finding)],
        )


# --- Its evidence


def _named(result: Reportable) -> tuple[Mapping[int, Exchange], Mapping[int, Notification]]:
    """The exchanges and the notifications that findings name, by their numbers."""
    if result.record is None:
        return {}, {}
    findings = result.report.findings
    sent = {finding.exchange for finding in findings if finding.exchange is not None}
    arrived = {finding.notification for finding in findings if finding.notification is not None}
    exchanges = {number: exchange for number, (_, exchange) in result.record.exchanges_numbered(sent).items()}
    return exchanges, {each.number: each for each in result.record.notifications if each.number in arrived}


def _evidence(
    entry: ReportEntry,
    exchanges: Mapping[int, Exchange],
    notifications: Mapping[int, Notification],
    contract: Contract,
) -> Iterator[str]:
    yield f"{entry.name}: {entry.title}"
    yield rests_on(entry, contract)
    yield from explained(entry)
    for number, finding in enumerate(entry.findings, 1):
        yield ""
        yield f"=== finding {number} of {len(entry.findings)}: {finding.message}"
        yield from (f"{name}: {value}" for name, value in places_of(finding, PARTICULARS))
        yield from alike(finding)
        exchange = exchanges.get(finding.exchange or 0)
        yield from _rule(entry, finding, exchange, contract)
        if exchange is not None:
            yield from _exchange(exchange)
        if (notification := notifications.get(finding.notification or 0)) is not None:
            yield ""
            yield f"--- notification {notification.number}"
            yield from _request(notification.request)
        if finding.reproduce:
            yield ""
            yield finding.reproduce
    yield from unshown(entry)


def _rule(entry: ReportEntry, finding: ReportedFinding, exchange: Exchange | None, contract: Contract) -> Iterator[str]:
    """The subschema at the finding's place in its message, if there is one."""
    if not finding.pointer or not entry.command:
        return
    if finding.notification is not None:
        name = f"{contract.notified(entry.command).folder}/notification"
    elif exchange is not None and exchange.response is not None:
        name = "response.success" if exchange.response.status < 400 else "response.error"  # noqa: PLR2004 - HTTP's
    else:
        return
    found: Any = contract.schemas.resolved(name)
    for token in finding.pointer.split("/")[1:]:
        found = found.get("properties", {}).get(token)
        if found is None:
            return
    yield f"schema {name} at {finding.pointer}: {json.dumps(found, ensure_ascii=False)}"


def _exchange(exchange: Exchange) -> Iterator[str]:
    yield ""
    yield f"--- exchange {exchange.number}: request"
    yield from _request(exchange.request)
    yield ""
    if exchange.response is None:
        yield f"--- exchange {exchange.number}: no response ({exchange.failure or 'cut off'})"
        return
    yield f"--- exchange {exchange.number}: response"
    yield f"HTTP status {exchange.response.status}"
    yield from _message(exchange.response.headers, exchange.response.body)


def _request(request: Request) -> Iterator[str]:
    yield f"{request.method} {request.url}"
    yield from _message(request.headers, request.body)


def _message(headers: Headers, body: bytes) -> Iterator[str]:
    yield from (f"{name}: {value}" for name, value in headers)
    if body:
        yield ""
        text = body.decode("utf-8", "backslashreplace")
        with suppress(ValueError, RecursionError):  # anything but JSON is shown as it is
            text = json.dumps(json.loads(text), ensure_ascii=False, indent=2)
        yield beginning(text, LONGEST_BODY)
