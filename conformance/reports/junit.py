"""`junit.xml`: one test case for each requirement × command, as GitLab, Jenkins and GitHub actions read it.

    FAIL                                    <failure>, with findings, what it rests on and curl line
    WARN                                    passes, with the same in <system-out>
    INCONCLUSIVE that keeps the subject
        from being conformant               <error>
    any other INCONCLUSIVE, NOT_APPLICABLE  <skipped>
    KNOWN, an INCONCLUSIVE that is listed   <skipped>, with issue, owner and expiry

The class name groups by command (`statum.sms`; `statum.gateway` or `statum.client` for what belongs to no command). An
entry of the expectations file that is stale is a test case more, of `statum.expectations`, with a <failure>.

Elements and attributes are those of Jenkins' `junit-10.xsd`, which its xUnit plugin insists on; it has no `skipped` for
<testsuites>. GitLab and the actions that GitHub has for it read a part of that. Class name and name are unique, and the
same from run to run: by these GitLab tells what is new.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any
from xml.etree import ElementTree as ET

from conformance.contract.contract import Contract
from conformance.judging.verdicts import Verdict
from conformance.reports.escaping import for_xml
from conformance.reports.remarks import listed_in, subject_of, told_stale
from conformance.reports.result import Reportable
from conformance.reports.view import alike, explained, hinders, place_of, rests_on, unshown

Entry = Mapping[str, Any]
Document = Mapping[str, Any]


def junit(result: Reportable) -> bytes:
    """The result as JUnit XML in UTF-8; the same result gives the same bytes."""
    document = result.document
    cases = [_case(entry, document, result.contract) for entry in document["requirements"]]
    cases += [_stale(stale, told) for stale, told in zip(_stale_entries(document), told_stale(document), strict=True)]
    totals = {
        "tests": str(len(cases)),
        "failures": _count(cases, "failure"),
        "errors": _count(cases, "error"),
        "time": f"{document['duration_s']:.3f}",
    }
    name = document["tool"]["name"]
    root = ET.Element("testsuites", {"name": name, **totals})
    suite = ET.SubElement(
        root,
        "testsuite",
        {"name": name, "timestamp": document["started_at"], **totals, "skipped": _count(cases, "skipped")},
    )
    properties = ET.SubElement(suite, "properties")
    for name, value in _properties(document):
        ET.SubElement(properties, "property", {"name": name, "value": for_xml(value)})
    suite.extend(cases)
    ET.indent(root)
    content: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return content + b"\n"


def _properties(document: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield "seed", str(document["seed"])
    yield "version", document["tool"]["version"]
    yield "catalogue", document["tool"]["catalogue"]
    yield document["subject"]["kind"], document["subject"]["url"] or document["subject"]["name"]
    yield "verdict", document["verdict"]
    if "expectations" in document:
        yield "expectations", document["expectations"]["digest"]


def _count(cases: list[ET.Element], tag: str) -> str:
    return str(sum(case.find(tag) is not None for case in cases))


def _case(entry: Entry, document: Document, contract: Contract) -> ET.Element:
    command = entry["command"]
    case = ET.Element(
        "testcase",
        {
            "classname": f"statum.{contract.notified(command).folder if command else place_of(entry)}",
            "name": for_xml(f"{' '.join(filter(None, (entry['id'], command)))} — {entry['title']}"),
            "time": "0",
        },
    )
    describe = _OUTCOMES.get(entry["verdict"])
    if describe:
        describe(case, entry, document)
    return case


def _failed(case: ET.Element, entry: Entry, _: Document) -> None:
    message = entry["findings"][0]["message"] if entry["findings"] else entry["title"]
    _child(case, "failure", evidence(entry), message=message, type=entry["level"])


def _warned(case: ET.Element, entry: Entry, _: Document) -> None:
    _child(case, "system-out", f"{entry['verdict']}\n{evidence(entry)}")


def _inconclusive(case: ET.Element, entry: Entry, document: Document) -> None:
    reason = entry.get("reason", "")
    message = f"{reason}: {entry.get('reason_detail')}"
    if listed := listed_in(entry):
        _child(case, "skipped", None, message=f"{message} · {listed}")
    elif hinders(entry, document):
        _child(case, "error", evidence(entry), message=message, type=reason)
    else:
        _child(case, "skipped", None, message=message)


def _skipped(case: ET.Element, entry: Entry, _: Document) -> None:
    why = entry.get("not_applicable") or entry["title"]
    _child(case, "skipped", None, message=f"{entry['verdict']}: {why}")


def _known(case: ET.Element, entry: Entry, _: Document) -> None:
    _child(case, "skipped", evidence(entry), message=f"{entry['verdict']}: {listed_in(entry)}")


def _stale_entries(document: Mapping[str, Any]) -> list[Entry]:
    return list(document["expectations"]["stale"]) if "expectations" in document else []


def _stale(stale: Entry, told: str) -> ET.Element:
    name = for_xml(f"entry {stale['entry']}: {subject_of(stale)}")
    case = ET.Element("testcase", {"classname": "statum.expectations", "name": name, "time": "0"})
    _child(case, "failure", told, message=stale["detail"], type=stale["why"])
    return case


_OUTCOMES: Mapping[str, Callable[[ET.Element, Entry, Document], None]] = {
    Verdict.FAIL: _failed,
    Verdict.WARN: _warned,
    Verdict.INCONCLUSIVE: _inconclusive,
    Verdict.KNOWN: _known,
    Verdict.NOT_APPLICABLE: _skipped,
}


def _child(case: ET.Element, tag: str, text: str | None, **attributes: str) -> None:
    child = ET.SubElement(case, tag, {name: for_xml(value) for name, value in attributes.items()})
    child.text = for_xml(text) if text else None


def evidence(entry: Entry) -> str:
    """What was seen, as lines: how often, the finding's messages with place and request_id, the basis, curl lines."""
    return "\n".join(_evidence(entry))


def _evidence(entry: Entry) -> Iterator[str]:
    yield f"{entry['failed']} of {entry['observations']} observations fell short"
    yield rests_on(entry)
    yield from explained(entry)
    for finding in entry["findings"]:
        yield ""
        yield finding["message"]
        for name in ("pointer", "value", "request_id", "case", "exchange", "notification"):
            if finding[name] is not None:
                yield f"  {name}: {finding[name]}"
        if finding["reproduce"]:
            yield f"  {finding['reproduce']}"
        for line in alike(finding):
            yield f"  {line}"
    yield from unshown(entry)
