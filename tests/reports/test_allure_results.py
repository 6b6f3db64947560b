"""`allure-results/`: what each test says, that it is the same test in the next run, and whose files are touched.

Whether Allure makes a report of it is for `make test-allure` (tests/tools/test_allure_report.py).
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_result import LISTED, LOST, RECORD, SETTINGS, VERDICTS, WRONG_TYPE, parcel_result, result_of, verdict
from other_contracts import PARCEL, parcel

from conformance.judging.expectations import Expectation
from conformance.judging.judgement import Finding
from conformance.judging.verdicts import Verdict
from conformance.model.traffic import Notification, Request
from conformance.reports.allure_results import PREFIX, allure_results
from conformance.reports.files import replace_file
from conformance.reports.result import Result

ANY_TEXT = st.text(st.characters(), max_size=40)

Test = dict[str, Any]


def made_tests(result: Result) -> dict[str, Test]:
    """The tests by id and command."""
    made = [json.loads(content) for name, content in allure_results(result).items() if name.endswith("-result.json")]
    return {test["name"].partition(":")[0]: test for test in made}


def attachments_of(result: Result) -> dict[str, str]:
    """The text of the attachments by id and command."""
    files = allure_results(result)
    return {
        name: files[test["attachments"][0]["source"]].decode()
        for name, test in made_tests(result).items()
        if "attachments" in test
    }


def labels(test: Test) -> dict[str, str]:
    """The labels by their names."""
    return {label["name"]: label["value"] for label in test["labels"]}


def test_there_is_a_test_for_each_requirement_and_command() -> None:
    """With the status that tells the verdicts apart."""
    assert {
        "ENC-01 sms": "passed",
        "RSP-03 sms": "failed",
        "RSP-03 mpesa/online": "failed",
        "AUT-02 sms": "broken",
        "AUT-03 sms": "broken",
        "AUT-11 sms": "passed",
        "CMD-01": "passed",
        "NTF-01 sms": "failed",
        "NTF-13 sms": "skipped",
        "NTF-05 sms": "skipped",
        "ACC-04 sms": "skipped",
        "ACC-05 sms": "skipped",
    } == {name: test["status"] for name, test in made_tests(result_of()).items()}


def test_labels_say_whose_it_is() -> None:
    """Requirement, command, level, owner; the severity is that of the level."""
    found = made_tests(result_of())
    names = ("requirement", "command", "level", "owner", "severity")

    assert ("RSP-03", "sms", "MUST", "gateway", "critical") == tuple(labels(found["RSP-03 sms"])[n] for n in names)
    assert ("CMD-01", "none", "MUST", "gateway", "critical") == tuple(labels(found["CMD-01"])[n] for n in names)
    assert "minor" == labels(found["AUT-11 sms"])["severity"]
    assert LISTED.owner == labels(found["ACC-05 sms"])["owner"]


def test_what_is_known_leads_to_its_issue() -> None:
    """By a link, where it is an address of the web."""
    found = made_tests(result_of())["ACC-05 sms"]
    elsewhere: Expectation = replace(LISTED, issue="javascript:alert(1)")
    other = result_of([verdict("ACC-05", "sms", Verdict.KNOWN, LOST, expected=(elsewhere,))])

    assert [{"type": "issue", "url": LISTED.issue, "name": LISTED.issue}] == found["links"]
    assert found["statusDetails"]["known"]
    assert "links" not in made_tests(other)["ACC-05 sms"]


def test_a_test_leads_to_the_sentence_where_that_is_published() -> None:
    """The page is where it was said to be; where nothing was said there is no link."""
    page = "https://docs.example/requirements.html"
    told = replace(RECORD, settings={**SETTINGS, "catalogue_url": page})

    assert [{"type": "link", "url": f"{page}#:~:text=RSP%2D03", "name": "RSP-03 and what it rests on"}] == made_tests(
        result_of(record=told)
    )["RSP-03 sms"]["links"]
    assert [] == made_tests(result_of())["RSP-03 sms"].get("links", [])


def test_a_test_by_another_contract_leads_to_its_own_catalogue() -> None:
    """The pages of this project are about Statum's contract alone."""
    ((_, found),) = made_tests(parcel_result()).items()

    assert [
        "MUST for the gateway.",
        f"> the courier's guide says: “{parcel().catalogue['GOT-01'].quote}”",
        f"More in `{PARCEL / 'requirements.toml'}`, under GOT-01.",
    ] == found["description"].split("\n\n")
    assert "parcel.parcels.GOT-01" == found["fullName"]


def test_steps_tell_what_is_required_and_what_was_seen() -> None:
    """The sentence, how often, and each finding."""
    steps = made_tests(result_of())["RSP-03 sms"]["steps"]

    assert [
        ('the provider\'s Getting started says: “"status_code": 200,”', "passed"),
        ("1,200 observations, 2 fell short", "failed"),
        (WRONG_TYPE.message, "failed"),
    ] == [(step["name"], step["status"]) for step in steps]


def test_a_test_has_one_attachment_if_it_has_evidence() -> None:
    """Each file costs: none for what passed."""
    files = allure_results(result_of())
    short = sum(bool(each.findings) for each in VERDICTS)

    assert len(VERDICTS) + short == len(files)
    assert all(name.startswith(PREFIX) for name in files)
    assert short == len(attachments_of(result_of()))


def test_the_attachment_holds_exchange_and_schema() -> None:
    """The messages as they were, the body in lines, what the schema says, and a line that repeats it."""
    text = attachments_of(result_of())["RSP-03 sms"]

    for words in (
        "schema response.success at /status_code: ",
        '"const": 200',
        "--- exchange 1: request\nPOST http://127.0.0.1:9000/api/v2/sms\nAuthorization: Basic $STATUM_AUTHORIZATION\n",
        '--- exchange 1: response\nHTTP status 200\nContent-Type: application/json\n\n{\n  "status_code": "200"\n}',
        "\ncurl -sSi ",
    ):
        assert words in text


def test_the_attachment_holds_the_notification() -> None:
    """Of a finding that names one, with the schema of that product's."""
    body = b'{"result_code": 200}'
    request = Request("POST", "/callbacks/sms", (("Content-Type", "application/json"),), body)
    record = replace(RECORD, notifications=(Notification(7, "sms", request, 1.2, 1.2),))
    finding = Finding("result_code is not a string", notification=7, pointer="/result_code", value="200")

    text = attachments_of(result_of([verdict("NTF-08", "sms", Verdict.FAIL, finding)], record))["NTF-08 sms"]

    assert (
        '--- notification 7\nPOST /callbacks/sms\nContent-Type: application/json\n\n{\n  "result_code": 200\n}' in text
    )
    assert "schema sms/notification at /result_code: " in text


def test_it_is_the_same_test_in_the_next_run() -> None:
    """By its history, not by its id; and what differs from run to run is no parameter of the test."""
    later = replace(RECORD, settings={**SETTINGS, "started_at": "2024-07-28T14:05:09.000+00:00", "seed": 1})
    one, other = (made_tests(result_of(record=record))["RSP-03 sms"] for record in (RECORD, later))

    assert (one["historyId"], one["testCaseId"]) == (other["historyId"], other["testCaseId"])
    assert one["uuid"] != other["uuid"]
    assert all(parameter["excluded"] for parameter in one["parameters"])
    assert len(VERDICTS) == len({test["historyId"] for test in made_tests(result_of()).values()})


@given(ANY_TEXT)
def test_words_of_a_gateway_are_text(text: str) -> None:
    """Without control characters, and in files that are UTF-8."""
    finding = replace(WRONG_TYPE, message=text, value=text, request_id=text, pointer=text)
    result = result_of([verdict("RSP-03", "sms", Verdict.FAIL, finding)])
    (test,) = made_tests(result).values()

    assert test["statusDetails"]["message"].isprintable()
    assert all(step["name"].isprintable() for step in test["steps"])
    assert attachments_of(result)


def test_files_of_others_stay(tmp_path: Path) -> None:
    """Those of an earlier run are gone, those that somebody else's tests left are not."""
    folder = tmp_path / "allure-results"
    replace_file(folder, {f"{PREFIX}old-result.json": b"{}"})
    (folder / "theirs-result.json").write_bytes(b"{}")

    replace_file(folder, {f"{PREFIX}new-result.json": b"{}"})

    assert {f"{PREFIX}new-result.json", "theirs-result.json"} == {path.name for path in folder.iterdir()}


def test_a_file_in_the_place_of_the_folder_is_an_error(tmp_path: Path) -> None:
    """It is not ours to take away."""
    (tmp_path / "allure-results").write_bytes(b"")

    with pytest.raises(OSError, match="allure-results"):
        replace_file(tmp_path / "allure-results", {})
