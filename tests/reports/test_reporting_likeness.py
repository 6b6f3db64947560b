"""What people are told of a failure beyond one observation: on what it depends, its simplest form, how many."""

from __future__ import annotations

from dataclasses import replace
from io import StringIO
from typing import Any

import pytest
from made_result import CASE, SETTINGS, WRONG_TYPE, result_of, verdict
from rich.console import Console

from conformance.contract.contract import statum
from conformance.contract.schemas import FORMATS
from conformance.diagnosis.follow_ups import SEARCH, Comparison, FailureCount
from conformance.journal import Note, Record
from conformance.judging.judgement import Dependence, Minimal, Pattern
from conformance.judging.verdicts import RequirementVerdict, Verdict
from conformance.reports.allure_results import allure_results
from conformance.reports.junit import junit
from conformance.reports.page import html
from conformance.reports.report import MinimalRequest, ReportedFinding
from conformance.reports.reproduce import repeat_command
from conformance.reports.result import Result
from conformance.reports.sarif import sarif
from conformance.reports.summary import summary
from conformance.reports.terminal import show, show_observed
from conformance.reports.view import alike, kinds

PATTERN = Pattern(
    Dependence.PAYLOAD, "depends on the payload: sent again, the failing payload 5 of 5, a plain one 0 of 5"
)
MINIMAL = Minimal("sms/shrink/RSP-03/9", {"message": "\U0001f44b"}, exchange=1)
OTHERS = tuple(f"sms/valid/unicode/{number}" for number in range(1, 6))
SHRUNK = replace(WRONG_TYPE, count=6, others=OTHERS, minimal=MINIMAL)
UNTOLD = Pattern(Dependence.UNTOLD, "2 of 20; on what it depends was not looked into")


def shrunk(**changes: Any) -> RequirementVerdict:
    """A verdict whose failure was looked into."""
    return verdict("RSP-03", "sms", Verdict.FAIL, SHRUNK, **{"failed": 6, "pattern": PATTERN, **changes})


def told(result: Result) -> str:
    """What the terminal shows with -v."""
    console = Console(file=StringIO(), width=120)
    show_observed(result, console)
    show(result, console)
    return console.file.getvalue()  # type: ignore[attr-defined]


def test_every_report_explains_in_the_same_words() -> None:
    """Pattern, simplest form and number, to the letter."""
    result = result_of([shrunk()])
    reports = [told(result), *(make(result).decode() for make in (junit, summary, sarif, html))]
    reports += [content.decode() for name, content in allure_results(result).items() if name.endswith(".txt")]

    words = (PATTERN.text, "case sms/shrink/RSP-03/9", "5 more with the same cause: sms/valid/unicode/1, ")
    assert [] == [(report[:40], each) for report in reports for each in words if each not in report]
    assert 'simplest: message "\U0001f44b" · case sms/shrink/RSP-03/9' in reports[0]
    assert "sms/valid/unicode/2, sms/valid/unicode/3 and 2 more" in reports[0]
    assert [2, 2] == [reports[0].count(each) for each in words[:2]]  # on the first screen, too


def test_the_report_holds_them_and_is_valid() -> None:
    """With a line that sends the simplest request again."""
    document = result_of([shrunk()]).document
    (entry,) = document["requirements"]
    (finding,) = entry["findings"]

    assert [] == FORMATS.violations("report", document)
    assert ("payload", PATTERN.text) == (entry["depends_on"], entry["pattern"])
    assert (6, list(OTHERS)) == (finding["count"], finding["others"])
    assert {
        "case": MINIMAL.case,
        "body": '{"message": "Habari"}',
        "differs": {"message": "\U0001f44b"},
        "finished": True,
    } == {name: value for name, value in finding["minimal"].items() if name != "reproduce"}
    assert finding["minimal"]["reproduce"].startswith("curl ")


@pytest.mark.parametrize(
    ("differs", "words"),
    [
        ({"message": "a" * 161}, 'simplest: message of 161 characters, "' + "a" * 39 + "… · case c"),
        ({"bill_ref_number": None, "amount": "5"}, 'simplest: without bill_ref_number, amount "5" · case c'),
        ({}, "simplest: {} · case c"),
    ],
)
def test_what_is_special_in_the_simplest_request(differs: dict[str, Any], words: str) -> None:
    """Long values by their length; the whole body where nothing in it is special."""
    minimal = MinimalRequest("c", "{}", differs, finished=True, reproduce=None)

    assert [words] == list(alike(ReportedFinding("it did", minimal=minimal)))


def test_a_search_that_did_not_come_to_its_end_says_so() -> None:
    """There may be a simpler one."""
    minimal = MinimalRequest("c", "{}", {"amount": "7"}, finished=False, reproduce=None)

    assert ['simplest so far: amount "7" · case c'] == list(alike(ReportedFinding("it did", minimal=minimal)))


def with_budget(budget: int, *notes: Note) -> Record:
    """A record of a run that could spend so much on looking into failures."""
    return Record({**SETTINGS, "shrink_requests": budget}, (CASE,), (), (), notes)


def test_what_was_not_looked_into_is_told_with_how_to_change_that() -> None:
    """Where requests may cost money, none were sent."""
    untold = verdict("RSP-03", "sms", Verdict.FAIL, WRONG_TYPE, pattern=UNTOLD)

    words = "the causes of 1 failure were not looked into: that takes requests"
    option = "(--shrink-requests N allows N of them)"
    paid = with_budget(0)
    paid = replace(paid, settings={**paid.settings, "loopback": False})
    assert f"{words} {option}" in told(result_of([untold], with_budget(0)))
    assert f"{words}, and may cost money here {option}" in told(result_of([untold], paid))
    assert "were not looked into" not in told(result_of([untold], with_budget(200)))
    assert "were not looked into" not in told(result_of([shrunk()], with_budget(0)))


def test_what_cut_the_search_short_is_told() -> None:
    """As an obstacle that does not touch the verdicts."""
    detail = {"budget": 200, "requests": 8, "rounds": 1, "seconds": 0.1, "stopped": "the gateway refused 8 requests"}
    record = with_budget(200, Note(1, SEARCH, detail, 0.0, 0.0))

    assert "looking into failures was cut short: the gateway refused 8 requests" in told(result_of([shrunk()], record))


def test_a_budget_that_was_too_small_is_told() -> None:
    """Where something is still not known for that."""
    detail = {"budget": 8, "requests": 8, "rounds": 1, "seconds": 0.1, "stopped": None}
    record = with_budget(8, Note(1, SEARCH, detail, 0.0, 0.0))
    untold = verdict("RSP-03", "sms", Verdict.FAIL, WRONG_TYPE, pattern=UNTOLD)

    words = "the causes of 1 failure are not told: the 8 requests for that were used up"
    assert words in told(result_of([untold], record))
    assert "used up" not in told(result_of([shrunk()], record))


@pytest.mark.parametrize(
    ("gateway", "budget", "option"),
    [
        ("http://127.0.0.1:9000/api/v2", 200, ""),
        ("http://127.0.0.1:9000/api/v2", 0, " --shrink-requests 0"),
        ("https://api.statum.co.ke/api/v2", 0, ""),
        ("https://api.statum.co.ke/api/v2", 50, " --shrink-requests 50"),
    ],
)
def test_the_line_that_repeats_a_run_has_the_budget_where_it_is_not_the_usual(
    gateway: str, budget: int, option: str
) -> None:
    """What is usual depends on where the gateway is."""
    line = repeat_command({**SETTINGS, "gateway": gateway, "subject_name": "x", "shrink_requests": budget}, statum())

    assert f"statum-conformance run{option} --seed 4711" == line


RUN = FailureCount(17, 160)


@pytest.mark.parametrize(
    ("ill", "well", "suggests", "shows", "whatever"),
    [
        (FailureCount(5, 5), FailureCount(0, 5), True, True, ", with such a payload"),
        (FailureCount(3, 3), FailureCount(0, 3), True, True, ""),
        (FailureCount(2, 2), FailureCount(0, 3), True, False, ""),
        (FailureCount(2, 2), FailureCount(0, 0), False, False, ""),
        (FailureCount(9, 9), FailureCount(0, 0), False, True, ""),
        (FailureCount(3, 3), FailureCount(1, 3), False, False, ", whatever the payload"),
        (FailureCount(2, 3), FailureCount(0, 3), False, False, ""),
        (FailureCount(1, 1), FailureCount(0, 1), False, False, ""),
        (FailureCount(0, 3), FailureCount(0, 3), False, False, ""),
        (FailureCount(5, 9), FailureCount(0, 9), False, False, ""),
        (FailureCount(7, 9), FailureCount(0, 9), False, False, ", with such a payload"),
        (FailureCount(0, 0), FailureCount(0, 0), False, False, ""),
    ],
)
def test_a_comparison_says_no_more_than_was_seen(
    ill: FailureCount,
    well: FailureCount,
    suggests: bool,  # noqa: FBT001 - a row of the table
    shows: bool,  # noqa: FBT001
    whatever: str,
) -> None:
    """Each time and never are needed for the payload to be to blame, beyond the rate of the run."""
    comparison = Comparison(ill, well)

    assert (suggests, shows, whatever) == (comparison.suggests(RUN), comparison.shows(RUN), comparison.whatever)


@pytest.mark.parametrize(
    ("ill", "well", "words"),
    [
        (FailureCount(5, 5), FailureCount(0, 5), "sent again, the failing payload 5 of 5, a plain one 0 of 5"),
        (FailureCount(5, 5), FailureCount(0, 0), "sent again, the failing payload 5 of 5"),
        (FailureCount(0, 0), FailureCount(0, 2), "sent again, a plain one 0 of 2"),
        (FailureCount(0, 0), FailureCount(0, 0), "sent again, nothing could be told"),
    ],
)
def test_of_what_could_not_be_told_no_number_is_printed(ill: FailureCount, well: FailureCount, words: str) -> None:
    """0 of 0 says nothing."""
    assert words == Comparison(ill, well).in_words


KINDS = [
    replace(WRONG_TYPE, count=12, pattern="always where aspect is long: 12 of 12 (0 of 148 elsewhere)"),
    replace(WRONG_TYPE, count=3, value="x" * 100, case="sms/valid/unicode/1"),
]


def test_several_kinds_of_one_failure_are_each_shown() -> None:
    """With their number, what was answered, and one case."""
    result = result_of([verdict("RSP-03", "sms", Verdict.FAIL, *KINDS, failed=20, observations=160)])
    (entry,) = result.report.requirements

    assert [
        '12 × status_code is the text "200" (/status_code is "200") · case sms/valid/random/1',
        "always where aspect is long: 12 of 12 (0 of 148 elsewhere)",
        f'3 × status_code is the text "200" (/status_code is {"x" * 40}…) · case sms/valid/unicode/1',
        "5 more, which the journal has",
    ] == list(kinds(entry))
    for words in ('12 × status_code is the text "200"', "always where aspect is long"):
        assert words in told(result)
        assert words in summary(result).decode()
