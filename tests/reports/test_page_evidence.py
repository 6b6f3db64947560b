"""What the page shows of findings beside their words: differences between messages, broken rules of schemas, plots."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from made_result import ANSWER, CASE, LOST, RECORD, REQUEST, WRONG_TYPE, result_of, verdict
from test_page import Page, page_of

from conformance.contract.contract import statum
from conformance.journal import Record
from conformance.judging.verdicts import Verdict
from conformance.model.traffic import Exchange, Kind, Notification, Request
from conformance.reports.comparing import ReportComparison, comparison_html
from conformance.reports.figures import Bar, bar_chart
from conformance.reports.page import html
from conformance.reports.page.evidence import broken_rule, differing, made_to_break
from conformance.reports.page.transcript import body_markup
from conformance.reports.report import ReportedFinding
from conformance.reports.text import counted

CHECKOUT = Path(__file__).parents[2]
MOST_BYTES_OF_A_PICTURE = 200_000


@pytest.mark.parametrize(
    ("bodies", "expected"),
    [
        ([b'{"request_id": "A"}', b'{"request_id": "B", "result_code": "200"}'], {"/request_id"}),
        ([b'{"request_id": "A"}', b'{"request_id": "A"}'], set()),
        ([b'{"amount": "50"}', b"{}", b'{"amount": 50}'], set()),
        ([b'{"amount": "50"}', b'{"amount": "60"}', b'{"amount": "50"}'], {"/amount"}),
        ([b'{"phone_number": "254700000149"}', b'{"phone_number": "2547*****149"}'], set()),
        ([b'{"a/b~c": 1}', b'{"a/b~c": 2}'], {"/a~1b~0c"}),
        ([b"no JSON", b"[1]", b'{"a": 1}'], set()),
    ],
)
def test_what_several_messages_tell_differently_is_found(bodies: list[bytes], expected: set[str]) -> None:
    """Members of one name; what the contract masks cannot be compared, and types are for the checks."""
    assert expected == differing(bodies)


def test_what_differs_is_marked_otherwise_than_what_a_finding_names() -> None:
    """And what is both, as what the finding names."""
    shown = body_markup(b'{"a": 1, "b": 2, "c": 3}', frozenset({"/a"}), frozenset({"/a", "/b"}))
    assert 1 == shown.count("<mark>")
    assert '<mark class="differs"><span class="n">2</span></mark>' in shown


def test_a_notification_that_tells_of_another_request_is_seen_to() -> None:
    """Its request_id is marked on both sides, and the page says what the mark means."""
    exchange = Exchange(1, CASE.id, 1, REQUEST, 1.0, 1.0, replace(ANSWER, body=b'{"request_id": "R-1"}'), None, 1.1)
    notified = Request("POST", "/callbacks/sms", (), b'{"request_id": "R-2"}')
    record = Record(RECORD.settings, (CASE,), (exchange,), (Notification(7, "sms", notified, 1.2, 1.2),))
    finding = replace(LOST, notification=7, pointer="/request_id")
    content = html(result_of([verdict("NTF-01", "sms", Verdict.FAIL, finding)], record)).decode()

    assert '<mark class="differs"><span class="s">&#34;R-1&#34;</span></mark>' in content
    assert '<mark><span class="s">&#34;R-2&#34;</span></mark>' in content
    assert "Underlined is what differs between these messages." in Page(content.encode()).text


def named(**members: Any) -> ReportedFinding:
    """A finding that names these places."""
    return ReportedFinding("it did", **members)


def test_a_finding_in_an_answer_has_the_keyword_that_it_breaks() -> None:
    """By the schema of a success or of an error."""
    exchange = Exchange(1, CASE.id, 1, REQUEST, 1.0, 1.0, replace(ANSWER, body=b'{"status_code": "200"}'))
    rule = broken_rule(named(pointer="/status_code"), "sms", exchange, None, statum())
    assert ("response.success", "type") == (rule or ())[:2]

    refusal = replace(exchange, response=replace(ANSWER, status=400, body=b"{}"))
    assert ("response.error", "required") == (
        broken_rule(named(pointer="/status_code"), "sms", refusal, None, statum()) or ()
    )[:2]


def test_a_finding_in_a_notification_has_the_keyword_that_it_breaks() -> None:
    """By the schema of the product's notifications."""
    notified = Notification(7, "sms", Request("POST", "/", (), b'{"result_code": 200}'), 1.0, 1.0)
    rule = broken_rule(named(pointer="/result_code", notification=7), "sms", None, notified, statum())
    assert ("sms/notification", "type") == (rule or ())[:2]


@pytest.mark.parametrize(
    "finding",
    [named(), named(pointer="/description"), named(pointer="/a", notification=9)],
    ids=["no place", "a place that is well", "a notification that is not at hand"],
)
def test_what_no_schema_says_has_no_keyword(finding: ReportedFinding) -> None:
    """Nothing is made up."""
    exchange = Exchange(1, CASE.id, 1, REQUEST, 1.0, 1.0, replace(ANSWER, body=b'{"description": "well"}'))
    assert None is broken_rule(finding, "sms", exchange, None, statum())


def test_a_request_that_had_to_be_refused_tells_what_it_breaks() -> None:
    """Keyword and member, as the case was made."""
    broken = replace(CASE, kind=Kind.BROKEN, member="message", keyword="maxLength")
    page = page_of(
        result_of([verdict("VAL-06", "sms", Verdict.FAIL, LOST)], Record(RECORD.settings, (broken,), RECORD.exchanges))
    )
    assert "the request breaks maxLength of /message" in page.text
    assert None is made_to_break(CASE)


def test_a_finding_links_to_its_case_and_the_case_to_the_requirement() -> None:
    """In the table of cases, which has the cases that findings name without any script."""
    page = page_of(result_of([verdict("RSP-03", "sms", Verdict.FAIL, WRONG_TYPE)]))
    links = [attributes["href"] for tag, attributes in page.elements if tag == "a"]
    assert "#case-1" in links
    assert "case-1" in [attributes.get("id") for tag, attributes in page.elements if tag == "tr"]
    assert links.count("#RSP-03") >= 3  # the problem, and twice the case


def test_every_link_of_the_page_has_its_target() -> None:
    """Without any script."""
    page = page_of(result_of())
    ids = {attributes["id"] for _, attributes in page.elements if "id" in attributes}
    targets = {str(attributes["href"])[1:] for tag, attributes in page.elements if tag == "a"}
    assert set() == targets - ids


def test_a_bar_chart_says_in_words_what_it_shows() -> None:
    """For who does not see it; names are escaped."""
    chart = bar_chart("codes", [Bar("200", 93), Bar("<x>", 5, 7, strange=True)])
    assert 'aria-label="codes: 200 93, &lt;x&gt; 5 of 7"' in chart
    assert 1 == chart.count('class="column strange"')
    assert 1 == chart.count('class="groove"')


def test_a_bar_of_nothing_has_no_width() -> None:
    """Where nothing was exercised."""
    assert 'width="0.0"' in bar_chart("classes", [Bar("open", 0, 5)])


def test_things_are_counted_in_words() -> None:
    """One of them is one."""
    assert ["1 header", "2 headers", "1,000 headers"] == [counted(number, "header") for number in (1, 2, 1000)]


def test_a_comparison_tells_commands_together_that_changed_alike() -> None:
    """One line for a requirement, with the number of all."""
    before = result_of([verdict("RSP-03", command, Verdict.PASS) for command in ("sms", "airtime")]).report
    after = result_of([verdict("RSP-03", command, Verdict.FAIL, WRONG_TYPE) for command in ("sms", "airtime")]).report
    page = Page(comparison_html(ReportComparison.of(before, after), before, after))

    assert "Broken: 2" in page.text
    assert "sms, airtime" in page.text
    assert 1 == page.text.count("RSP-03")


@pytest.mark.parametrize("name", ["report-light.png", "report-dark.png"])
def test_the_readme_has_a_picture_of_the_report(name: str) -> None:
    """For either colour scheme, small enough for a page that many open (made by `make picture`)."""
    picture = CHECKOUT / "docs" / "images" / name

    assert f'"docs/images/{name}"' in (CHECKOUT / "README.md").read_text(encoding="utf-8")
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert picture.stat().st_size < MOST_BYTES_OF_A_PICTURE
