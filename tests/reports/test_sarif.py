"""`report.sarif`: what it says, where it says that it is, and that it means the same from one run to the next.

Whether it is SARIF by its schema is for `make test-formats` (tests/tools/test_formats.py).
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from made_result import (
    LISTED,
    LOST,
    PASSED,
    RECORD,
    SETTINGS,
    WRONG_TYPE,
    parcel_result,
    result_of,
    unexercised,
    verdict,
)
from other_contracts import PARCEL, parcel

from conformance.judging.expectations import Expectations, Stale, Staleness
from conformance.judging.judgement import Finding, Reason
from conformance.judging.verdicts import RequirementVerdict, Verdict
from conformance.reports.files import json_report
from conformance.reports.sarif import plain, sarif

ANY_TEXT = st.text(st.characters(), max_size=40)


def run_of(*verdicts: RequirementVerdict, **known: Any) -> dict[str, Any]:
    """The run in the file; of the made result unless there are verdicts."""
    result = result_of(verdicts, **known) if verdicts else result_of(**known)
    (run,) = json.loads(sarif(result))["runs"]
    assert isinstance(run, dict)
    return run


def fingerprint(finding: Finding, command: str = "sms") -> str:
    """That of the only result of a run with this finding."""
    (result,) = run_of(verdict("RSP-03", command, Verdict.FAIL, finding))["results"]
    return str(result["partialFingerprints"]["primaryLocationLineHash"])


def test_a_rule_leads_to_the_sentence_where_that_is_published() -> None:
    """And nowhere else."""
    page = "https://docs.example/requirements.html"
    result = result_of(record=replace(RECORD, settings={**SETTINGS, "catalogue_url": page}))
    (run,) = json.loads(sarif(result))["runs"]

    ids = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert ids
    assert [f"{page}#:~:text={name.replace('-', '%2D')}" for name in ids] == [
        rule["helpUri"] for rule in run["tool"]["driver"]["rules"]
    ]
    assert not [rule for rule in run_of()["tool"]["driver"]["rules"] if "helpUri" in rule]


def test_a_rule_of_another_contract_leads_to_its_own_catalogue() -> None:
    """The pages of this project are about Statum's contract alone."""
    (run,) = json.loads(sarif(parcel_result()))["runs"]
    (rule,), (found,) = run["tool"]["driver"]["rules"], run["results"]
    quote = parcel().catalogue["GOT-01"].quote
    catalogue = PARCEL / "requirements.toml"

    assert [
        "MUST for the gateway: Every request is answered.",
        f"It rests on: the courier's guide says: “{quote}”",
        f"More in {catalogue}, under GOT-01.",
    ] == rule["help"]["text"].splitlines()
    assert rule["help"]["markdown"].endswith(f"More in `{catalogue}`, under GOT-01.")
    assert "parcel.parcels" == found["locations"][0]["logicalLocations"][0]["fullyQualifiedName"]


def test_a_location_is_the_line_of_the_report() -> None:
    """Whoever follows it sees the finding."""
    lines = json_report(result_of()).decode().splitlines()

    for result in run_of()["results"]:
        (location,) = result["locations"]
        place = location["physicalLocation"]
        assert "report.json" == place["artifactLocation"]["uri"]
        at = place["region"]["startLine"] - 1
        assert "{" == lines[at].strip()
        assert f'"message": {json.dumps(result["properties"]["message"])},' == lines[at + 1].strip()


@pytest.mark.parametrize(
    "other",
    [
        replace(WRONG_TYPE, case="sms/valid/random/7", exchange=3, request_id="X", value='"402"'),
        replace(WRONG_TYPE, message='status_code is the text "402"'),
    ],
)
def test_a_finding_is_the_same_in_the_next_run(other: Finding) -> None:
    """Whatever the seed had it see."""
    assert fingerprint(WRONG_TYPE) == fingerprint(other)


def test_findings_that_differ_have_fingerprints_that_differ() -> None:
    """By command, place and what is wrong."""
    found = {
        fingerprint(WRONG_TYPE),
        fingerprint(WRONG_TYPE, "airtime"),
        fingerprint(LOST),
        fingerprint(replace(WRONG_TYPE, pointer="/description")),
    }

    assert 4 == len(found)


def test_findings_of_two_kinds_are_two_results() -> None:
    """Each counted by what is shown of it."""
    both = verdict("RSP-03", "sms", Verdict.FAIL, WRONG_TYPE, LOST, WRONG_TYPE)

    assert [2, 1] == [each["occurrenceCount"] for each in run_of(both)["results"]]


def test_a_conformant_run_finds_nothing() -> None:
    """And says that it was held."""
    run = run_of(*PASSED)

    assert ([], True) == (run["results"], run["invocations"][0]["executionSuccessful"])
    assert ("2024-07-27T14:05:09.000Z", "2024-07-27T14:05:09.000Z") == (
        run["invocations"][0]["startTimeUtc"],
        run["invocations"][0]["endTimeUtc"],
    )


def test_a_run_without_traffic_is_no_success() -> None:
    """Where nothing could be exercised nothing was found."""
    run = run_of(unexercised("RSP-03", "sms", Reason.ENVIRONMENT, "unreachable"))

    assert ([], False) == (run["results"], run["invocations"][0]["executionSuccessful"])


def test_a_stale_expectation_is_told() -> None:
    """It is a matter of configuration."""
    stale = Stale(LISTED, Staleness.PASSES, "it passes for sms", "remove it")
    run = run_of(*PASSED, expectations=Expectations((LISTED,), "known.toml", f"sha256:{1:064x}"), stale=(stale,))

    assert ["stale: entry 1 of known.toml (ACC-05 sms FAIL): it passes for sms; remove it"] == [
        each["message"]["text"] for each in run["invocations"][0]["toolConfigurationNotifications"]
    ]


@given(ANY_TEXT)
@example("[x](https://evil.example) {0} \x1b[2J \ud800")
def test_it_is_json_whatever_a_gateway_says(text: str) -> None:
    """Without control characters and lone surrogates, and with no link of the gateway's."""
    finding = replace(WRONG_TYPE, message=text, value=text, request_id=text, pointer=text)
    (result,) = run_of(verdict("RSP-03", "sms", Verdict.FAIL, finding))["results"]

    assert result["message"]["text"].isprintable()
    assert plain(text) in result["message"]["text"]


def test_neither_links_nor_arguments_are_left_in_a_message() -> None:
    """SARIF would have a viewer make something of them."""
    assert r"\[x\](https://evil.example) {{0}} {} \\n" == plain("[x](https://evil.example) {0} {} \n")
