"""`junit.xml`: one test case for each requirement × command, as GitLab, Jenkins and GitHub actions read it.

    FAIL                                    <failure>, with findings, basis and curl line
    WARN                                    passes, with the same in <system-out>
    INCONCLUSIVE that hinders conformance   <error>
    any other INCONCLUSIVE, NOT_APPLICABLE  <skipped>
    KNOWN, an INCONCLUSIVE that is listed   <skipped>, with issue, owner and expiry

The class name groups by contract and command: `statum.sms`; `statum.gateway` or `statum.client` for a requirement
without a command. Each stale entry of the expectations file is a further test case of `statum.expectations` with a
<failure>.

Elements and attributes are those of Jenkins' `junit-10.xsd`, which its xUnit plugin validates against; it has no
`skipped` for <testsuites>. GitLab finds out what is new by class name and name, which are unique and the same in each
run.
"""

from __future__ import annotations

from collections.abc import Iterator
from xml.etree import ElementTree as ET

from conformance.contract.contract import Contract
from conformance.judging.verdicts import Verdict
from conformance.reports.remarks import stale_lines
from conformance.reports.report import Report, ReportEntry, StaleEntry
from conformance.reports.result import Reportable
from conformance.reports.text import for_xml
from conformance.reports.view import alike, explained, hinders, places_of, rests_on, unshown


def junit(result: Reportable) -> bytes:
    """The result as JUnit XML in UTF-8; the same result gives the same bytes."""
    report = result.report
    cases = [_case(entry, result) for entry in report.requirements]
    cases += [
        _stale(stale, line, result.contract.name) for stale, line in zip(report.stale, stale_lines(report), strict=True)
    ]
    totals = {
        "tests": str(len(cases)),
        "failures": _count(cases, "failure"),
        "errors": _count(cases, "error"),
        "time": f"{report.duration_s:.3f}",
    }
    root = ET.Element("testsuites", {"name": report.tool.name, **totals})
    head = {"name": report.tool.name, "timestamp": report.started_at, **totals, "skipped": _count(cases, "skipped")}
    suite = ET.SubElement(root, "testsuite", head)
    properties = ET.SubElement(suite, "properties")
    for name, value in _properties(report):
        ET.SubElement(properties, "property", {"name": name, "value": for_xml(value)})
    suite.extend(cases)
    ET.indent(root)
    content: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return content + b"\n"


def _properties(report: Report) -> Iterator[tuple[str, str]]:
    yield "seed", str(report.seed)
    yield "version", report.tool.version
    yield "catalogue", report.tool.catalogue
    yield report.subject.kind, report.subject.address
    yield "verdict", report.verdict
    if report.expectations:
        yield "expectations", str(report.expectations.digest)


def _count(cases: list[ET.Element], tag: str) -> str:
    return str(sum(case.find(tag) is not None for case in cases))


def _case(entry: ReportEntry, result: Reportable) -> ET.Element:
    group = result.contract.notified(entry.command).folder if entry.command else entry.place
    name = for_xml(f"{entry.name} — {entry.title}")
    test = ET.Element("testcase", {"classname": f"{result.contract.name}.{group}", "name": name, "time": "0"})
    text = "\n".join(_evidence(entry, result.contract))
    match entry.verdict:
        case Verdict.FAIL:
            message = entry.findings[0].message if entry.findings else entry.title
            _child(test, "failure", text, message=message, type=entry.level)
        case Verdict.WARN:
            _child(test, "system-out", f"{entry.verdict}\n{text}")
        case Verdict.KNOWN:
            _child(test, "skipped", text, message=f"{entry.verdict}: {entry.listed}")
        case Verdict.NOT_APPLICABLE:
            _child(test, "skipped", None, message=f"{entry.verdict}: {entry.not_applicable or entry.title}")
        case Verdict.INCONCLUSIVE if not entry.listed and hinders(entry, result.report):
            _child(test, "error", text, message=str(entry.why), type=str(entry.reason))
        case Verdict.INCONCLUSIVE:
            _child(test, "skipped", None, message=" · ".join(filter(None, (entry.why, entry.listed))))
    return test


def _stale(stale: StaleEntry, line: str, contract: str) -> ET.Element:
    name = for_xml(f"entry {stale.entry}: {stale.name}")
    case = ET.Element("testcase", {"classname": f"{contract}.expectations", "name": name, "time": "0"})
    _child(case, "failure", line, message=stale.detail, type=stale.why)
    return case


def _child(case: ET.Element, tag: str, text: str | None, **attributes: str) -> None:
    child = ET.SubElement(case, tag, {name: for_xml(value) for name, value in attributes.items()})
    child.text = for_xml(text) if text else None


def _evidence(entry: ReportEntry, contract: Contract) -> Iterator[str]:
    yield f"{entry.failed} of {entry.observations} observations fell short"
    yield rests_on(entry, contract)
    yield from explained(entry)
    for finding in entry.findings:
        yield ""
        yield finding.message
        yield from (f"  {name}: {value}" for name, value in places_of(finding))
        if finding.reproduce:
            yield f"  {finding.reproduce}"
        yield from (f"  {line}" for line in alike(finding))
    yield from unshown(entry)
