"""The reports as files: report.json, junit.xml, and how they are written."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from made_result import LISTED, PASSED, RECORD, WRONG_TYPE, result_of, unexercised, verdict

from conformance.contract.schemas import FORMATS
from conformance.judging.expectations import Expectations, Stale, Staleness
from conformance.judging.judgement import Finding, Reason
from conformance.judging.verdicts import Verdict
from conformance.model.errors import EnvironmentFailure
from conformance.reports.files import REPORTS, Content, Folder, json_report, write_reports
from conformance.reports.junit import junit
from conformance.reports.result import Result
from conformance.reports.text import for_terminal, for_xml

# Any text that a gateway's JSON can hold, lone surrogates too.
ANY_TEXT = st.text(st.characters(), max_size=40)
NASTY = "\x00\x1b[2J]]>&<\"'\r\n\ud800\ufffe\U0001ffff "


def failed_with(text: str) -> bytes:
    """junit.xml of a finding that holds `text` wherever a gateway's words may be."""
    finding = replace(WRONG_TYPE, message=text, value=text, request_id=text, pointer=text)
    return junit(result_of([verdict("RSP-03", "sms", Verdict.FAIL, finding)]))


def cases(content: bytes) -> dict[str, ET.Element]:
    """The test cases by the id and the command that their name begins with."""
    found = {case.attrib["name"].partition(" — ")[0]: case for case in ET.fromstring(content).iter("testcase")}  # noqa: S314 - our own
    assert found
    return found


def test_report_json_is_the_document() -> None:
    """Valid, indented by two, in its order, with the owner of a known failure."""
    result = result_of()
    content = json_report(result)
    (known,) = (entry for entry in json.loads(content)["requirements"] if entry["verdict"] == "KNOWN")

    assert [] == FORMATS.violations("report", json.loads(content))
    assert list(result.document.items()) == list(json.loads(content).items())
    assert ["{", '  "schema_version": 1,', '  "tool": {'] == content.decode().splitlines()[:3]
    assert [{"entry": 1, "issue": LISTED.issue, "owner": LISTED.owner, "expires": "2024-08-31"}] == known["expected"]


@given(ANY_TEXT)
@example(NASTY)
def test_report_json_takes_any_text(text: str) -> None:
    """What a gateway wrote is in the report as it was, whether or not UTF-8 can say it."""
    finding = replace(WRONG_TYPE, message=text)

    content = json_report(result_of([verdict("RSP-03", "sms", Verdict.FAIL, finding)]))

    assert text == json.loads(content.decode("utf-8"))["requirements"][0]["findings"][0]["message"]


# What Jenkins' junit-10.xsd has, as far as it is used here: attributes and children of each element; a name is
# required, and so is the value of a property.
JUNIT_10: Mapping[str, tuple[set[str], set[str]]] = {
    "testsuites": ({"name", "time", "tests", "failures", "disabled", "errors"}, {"testsuite"}),
    "testsuite": (
        {"name", "tests", "failures", "errors", "time", "skipped", "timestamp", "hostname", "id", "package", "file"},
        {"properties", "testcase", "system-out", "system-err"},
    ),
    "properties": (set(), {"property"}),
    "property": ({"name", "value"}, set()),
    "testcase": (
        {"name", "time", "classname", "group"},
        {"skipped", "error", "failure", "system-out", "system-err"},
    ),
    "failure": ({"type", "message"}, set()),
    "error": ({"type", "message"}, set()),
    "skipped": ({"type", "message"}, set()),
    "system-out": (set(), set()),
}
# What the schema calls SUREFIRE_TIME.
SUREFIRE_TIME = re.compile(r"(([0-9]{0,3},)*[0-9]{3}|[0-9]{0,3})*(\.[0-9]{0,3})?")
STALE = Stale(LISTED, Staleness.PASSES, "it passes for sms", "remove it")


@pytest.mark.parametrize(
    "result",
    [
        result_of(),
        result_of(PASSED),
        result_of(PASSED, expectations=Expectations((LISTED,), "known.toml", f"sha256:{1:064x}"), stale=(STALE,)),
    ],
)
def test_junit_is_what_jenkins_has_a_schema_for(result: Result) -> None:
    """Elements, attributes, their places, and times as it reads them."""
    for element in ET.fromstring(junit(result)).iter():  # noqa: S314 - our own
        attributes, children = JUNIT_10[element.tag]
        assert set() == set(element.attrib) - attributes
        assert set() == {child.tag for child in element} - children
        assert ("name" not in attributes) or element.attrib["name"]
        assert SUREFIRE_TIME.fullmatch(element.get("time", "0"))


def test_a_merge_request_tells_test_cases_apart_by_their_names() -> None:
    """As GitLab does, by class name and name: each is there once, and is the same in the next run."""
    later = replace(RECORD, settings={**RECORD.settings, "started_at": "2024-07-28T14:05:09.000+00:00", "seed": 1})
    one, other = (
        [(case.attrib["classname"], case.attrib["name"]) for case in ET.fromstring(junit(result)).iter("testcase")]  # noqa: S314 - our own
        for result in (result_of(), result_of(record=later))
    )

    assert one == other
    assert len(one) == len(set(one))


def test_a_stale_entry_is_a_failed_test_case() -> None:
    """Else a pipeline that reads junit.xml would be green where the run is not."""
    expectations = Expectations((LISTED,), "known.toml", f"sha256:{1:064x}")

    content = junit(result_of(PASSED, expectations=expectations, stale=(STALE,)))

    failure = cases(content)["entry 1: ACC-05 sms"].find("failure")
    assert failure is not None
    assert {"message": "it passes for sms", "type": "passes"} == failure.attrib
    assert "entry 1 of known.toml (ACC-05 sms FAIL): it passes for sms; remove it" == failure.text
    assert f'name="expectations" value="sha256:{1:064x}"' in content.decode()


@given(ANY_TEXT)
@example(NASTY)
def test_junit_is_well_formed_whatever_a_gateway_says(text: str) -> None:
    """A parser reads it, and finds the text with what XML cannot hold escaped."""
    failure = cases(failed_with(text))["RSP-03 sms"].find("failure")

    assert failure is not None
    assert for_xml(text) == failure.attrib["message"]
    assert for_xml(text) in (failure.text or "")


@given(ANY_TEXT)
@example(NASTY)
def test_escaped_text_does_nothing_to_a_terminal(text: str) -> None:
    """No control character is left, no line break, and nothing that stdout could not encode."""
    shown = for_terminal(text)

    assert shown.isprintable()
    assert shown == shown.encode().decode()


def test_text_that_is_harmless_is_shown_as_it_is() -> None:
    """Escaping is for what needs it."""
    assert "Habari ya asubuhi – 🇰🇪\\n" == for_terminal("Habari ya asubuhi – 🇰🇪\n")
    assert "Habari\tya\nasubuhi\\x1b" == for_xml("Habari\tya\nasubuhi\x1b")


def files_of(name: str, made: Content | Folder) -> Iterator[tuple[Path, bytes]]:
    """What a report is made of: a file, or those in its folder."""
    if isinstance(made, Mapping):
        yield from ((Path(name) / each, content) for each, content in made.items())
    else:
        yield Path(name), made if isinstance(made, bytes) else b"".join(made)


def test_writing_makes_the_directory_and_every_report(tmp_path: Path) -> None:
    """The files are those of REPORTS, of the later of two runs."""
    result = result_of(PASSED)
    directory = tmp_path / "a" / "b"

    write_reports(result_of(), directory)
    paths = write_reports(result, directory)

    assert [directory / name for name in REPORTS] == list(paths)
    assert {directory / name for name in REPORTS} == set(directory.iterdir())
    contents = dict(content for name, make in REPORTS.items() for content in files_of(name, make(result)))
    assert contents == {
        path.relative_to(directory): path.read_bytes() for path in directory.rglob("*") if path.is_file()
    }


def test_a_report_that_cannot_be_moved_leaves_nothing_beside_it(tmp_path: Path) -> None:
    """Where a directory stands in the way, the error says so and the half-done file is gone."""
    (tmp_path / "report.json").mkdir()

    with pytest.raises(EnvironmentFailure, match="cannot be written"):
        write_reports(result_of(), tmp_path)

    assert [tmp_path / "report.json"] == list(tmp_path.iterdir())


def test_a_directory_that_cannot_be_made_is_one_clear_line(tmp_path: Path) -> None:
    """It says which directory, why, and what to do."""
    (tmp_path / "file").write_text("", encoding="utf-8")
    directory = tmp_path / "file" / "reports"

    with pytest.raises(EnvironmentFailure) as caught:
        write_reports(result_of(), directory)

    assert (
        f"report directory {directory} cannot be written: Not a directory (hint: choose another one with --report-dir)"
        == str(caught.value)
    )


def test_reports_need_no_finding() -> None:
    """A run in which nothing was exercised has reports as well."""
    result = result_of([unexercised("RSP-03", "sms", Reason.ENVIRONMENT, "unreachable")], replace(RECORD, exchanges=()))

    assert ["error"] == [child.tag for child in cases(junit(result))["RSP-03 sms"]]
    assert [] == FORMATS.violations("report", json.loads(json_report(result)))


def test_a_finding_without_an_exchange_has_no_curl_line() -> None:
    """A stray notification belongs to no request."""
    stray = Finding("a notification that nobody asked for", notification=3)
    failure = cases(junit(result_of([verdict("NTF-21", None, Verdict.FAIL, stray)])))["NTF-21"].find("failure")

    assert failure is not None
    assert "notification: 3" in (failure.text or "")
    assert "curl" not in (failure.text or "")
