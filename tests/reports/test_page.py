"""`report.html`: all in one file, with everything that was said shown and nothing of it obeyed."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from made_result import CASE, RECORD, REQUEST, WRONG_TYPE, result_of, verdict

from conformance.contract.contract import statum
from conformance.journal import Record
from conformance.judging.verdicts import Verdict
from conformance.model.traffic import Exchange, Notification, Request, Response
from conformance.reports.figures import in_words
from conformance.reports.issue import issue
from conformance.reports.page import html
from conformance.reports.page.transcript import LONGEST_BODY, body_markup
from conformance.reports.problems import headline, problems, tally
from conformance.reports.result import Reportable
from conformance.reports.view import mending, rests_on

EVIL = "</script><script>alert(1)</script><img src=x onerror=alert(1)>"
JSON = (("Content-Type", "application/json"),)


class Page(HTMLParser):
    """What a browser would find: elements, attributes, text."""

    def __init__(self, content: bytes) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(content.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """One more element."""
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        """Some text."""
        self.words.append(data)

    @property
    def text(self) -> str:
        """All of it, with single spaces."""
        return " ".join(" ".join(self.words).split())


def page_of(result: Any) -> Page:
    """The page of a result with its record."""
    return Page(html(result))


def test_it_loads_nothing_from_anywhere() -> None:
    """No address in any attribute or style that a browser would fetch."""
    content = html(Reportable(result_of().report, statum(), RECORD))
    fetched = [
        (tag, value)
        for tag, attributes in Page(content).elements
        for name, value in attributes.items()
        if name in {"src", "srcset", "action", "data"}
        or (name == "href" and not (value or "").startswith(("#", "data:,")))
    ]
    assert [] == fetched
    assert [] == re.findall(rb"@import|url\(", content)


def test_every_requirement_and_verdict_is_in_it() -> None:
    """Each once, as a section that can be linked to; and how to repeat the run."""
    result = result_of()
    page = page_of(result)
    ids = [attributes["id"] or "" for tag, attributes in page.elements if tag == "details" and "id" in attributes]
    assert sorted({entry["id"] for entry in result.document["requirements"]}) == sorted(ids)
    signs = {"PASS": "✓", "FAIL": "✗", "WARN": "!", "KNOWN": "K", "NOT_APPLICABLE": "–", "INCONCLUSIVE": "?"}
    assert [] == [sign for sign in signs.values() if sign not in page.text]
    assert "statum-conformance run" in page.text


def test_a_finding_is_shown_with_what_was_sent_and_answered() -> None:
    """The value marked, and how to send it again."""
    content = html(Reportable(result_of().report, statum(), RECORD)).decode()
    assert '<mark><span class="s">&#34;200&#34;</span></mark>' in content
    assert "curl -sSi" in Page(content.encode()).text
    assert WRONG_TYPE.message in Page(content.encode()).text


def test_a_notification_stands_beside_its_exchange() -> None:
    """With the time that it took, also where it overtook the answer."""
    answer = Response(200, JSON, b'{"request_id": "R-1", "status_code": "200"}')
    exchange = Exchange(1, CASE.id, 1, REQUEST, 1.0, 1.0, answer, None, 1.1)
    notified = Request("POST", "/callbacks/sms?token=x", JSON, b'{"request_id": "R-1", "result_code": "200"}')
    record = Record(RECORD.settings, (CASE,), (exchange,), (Notification(7, "sms", notified, 1.05, 1.05),))
    page = page_of(result_of([verdict("RSP-03", "sms", Verdict.FAIL, WRONG_TYPE)], record))
    assert "+0 ms sent +50 ms notified (notification 7) +100 ms answered" in page.text
    assert "Notification 7" in page.text
    assert "token" not in page.text


def test_what_a_gateway_says_is_shown_and_not_obeyed() -> None:
    """Wherever its words may be: bodies, findings, headers, cases."""
    finding = replace(WRONG_TYPE, message=EVIL, value=EVIL, request_id=EVIL)
    answer = Response(200, (("X", EVIL),), json.dumps({EVIL: EVIL}).encode())
    exchange = Exchange(1, CASE.id, 1, Request("POST", REQUEST.url, (), EVIL.encode()), 1.0, 1.0, answer, None, 1.1)
    page = page_of(
        result_of([verdict("RSP-03", "sms", Verdict.FAIL, finding)], Record(RECORD.settings, (CASE,), (exchange,)))
    )
    assert 2 == sum(tag == "script" for tag, _ in page.elements)
    assert [] == [attributes for tag, attributes in page.elements if tag == "img" or "onerror" in attributes]
    assert "alert(1)" in page.text


@given(
    st.binary(max_size=300)
    | st.recursive(
        st.text() | st.floats() | st.none(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=8,
    ).map(lambda value: json.dumps(value).encode())
)
def test_any_body_can_be_shown(body: bytes) -> None:
    """And comes out as text, never as an element but those that colour it."""
    shown = Page(str(body_markup(body, frozenset({"/0", "/a"}))).encode("utf-8", "backslashreplace"))
    assert {tag for tag, _ in shown.elements} <= {"span", "mark"}


def test_a_long_body_is_cut() -> None:
    """And says by how much."""
    assert body_markup(b"x" * (LONGEST_BODY + 5)).endswith("… 5 bytes more")


def test_a_gateway_that_fails_everything_makes_less_than_five_megabytes() -> None:
    """In five thousand cases, with long answers, each shown as long as there is room; all findings are told."""
    cases = tuple(replace(CASE, id=f"sms/valid/random/{number}") for number in range(1, 5001))
    exchanges = tuple(
        Exchange(number, case.id, 1, REQUEST, float(number), float(number), Response(500, JSON, b"<" * 5000), None, 1.1)
        for number, case in enumerate(cases, start=1)
    )
    findings = [
        replace(WRONG_TYPE, exchange=number, case=cases[number].id, message=f"finding {number}")
        for number in range(1, 301)
    ]
    ids = [requirement.id for requirement in statum().catalogue.requirements[:100]]
    verdicts = [
        verdict(id_, command, Verdict.FAIL, *findings[at * 3 % 300 :][:3])
        for at, id_ in enumerate(ids)
        for command in ("sms", "airtime", "mpesa/online", "mpesa-wallet")
    ]
    content = html(result_of(verdicts, Record(RECORD.settings, cases, exchanges)))

    assert len(content) < 5_000_000
    assert b"this page has no room for more" in content
    assert b"finding 300" in content
    unnamed = [id_ for id_ in ids if f'href="#{id_}"'.encode() not in content]
    assert [] == unnamed


def test_problems_are_told_as_on_the_terminal() -> None:
    """In the same order and sentences; each has the sentence that it rests on, and how to mend it."""
    result = result_of()
    page = page_of(result).text
    found = problems(result.report)
    sentences = [headline(found)]
    for first, *_ in found:
        sentences += [] if first.verdict is Verdict.INCONCLUSIVE else [first.title, tally(first.entries)]
    pattern = ".*".join(map(re.escape, sentences))

    assert re.search(pattern, page) is not None, sentences
    (broken, *_) = found[0]
    assert rests_on(broken.entries[0], statum()) in page
    assert f"How to mend it: {mending(broken.entries[0], statum()).replace('`', ' ').split()[0]}" in page


def test_an_issue_has_all_that_its_reader_needs_and_no_markup_of_a_gateway() -> None:
    """Title, place, source, advice, and the lines that send it again."""
    evil = "`</details>\n# @everyone [x](javascript:1)"
    result = result_of([verdict("RSP-03", "sms", Verdict.FAIL, replace(WRONG_TYPE, message=evil, value=evil))])
    (entry,) = result.report.requirements
    text = issue([entry], entry.findings[0], result.report, statum())

    assert text.startswith("**RSP-03: status\\_code is a JSON number.**\n\n``")
    assert "\n# @everyone" not in text
    lacking = [
        "MUST · 1 of 20 in sms",
        "Getting started says:",
        "How to mend it:",
        "```sh\ncurl ",
        "replay sms/valid/random/1",
    ]
    assert [] == [words for words in lacking if words not in text]
    assert f"case `{CASE.id}` · request_id `{WRONG_TYPE.request_id}` · found by statum-conformance" in text


def test_durations_are_told_in_the_unit_that_suits_them() -> None:
    """Two digits where that says something."""
    assert ["0.42 ms", "9.5 ms", "37 ms", "1.3 s"] == [in_words(seconds) for seconds in (0.00042, 0.0095, 0.0371, 1.28)]
