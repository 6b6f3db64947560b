"""What a requirement rests on, in the words of every report; no page of this project is called the provider's."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from io import StringIO

import pytest
from command_line import call
from made_result import RECORD, UNCHALLENGED, WRONG_TYPE, result_of, verdict
from rich.console import Console

from conformance.contract.contract import statum
from conformance.contract.requirements import Basis
from conformance.contract.schemas import FORMATS
from conformance.judging.verdicts import Verdict
from conformance.pytest.test_gateway import explained
from conformance.reports.allure_results import allure_results
from conformance.reports.junit import junit
from conformance.reports.page import html
from conformance.reports.report import ReportEntry
from conformance.reports.result import Reportable, Result
from conformance.reports.sarif import sarif
from conformance.reports.summary import summary
from conformance.reports.terminal import show_observed
from conformance.reports.text import for_terminal
from conformance.reports.view import rests_on

FACT = "The account pays twice."
ENTRY = result_of().report.requirements[0]


def entry(basis: Basis, section: str | None = "Responses") -> ReportEntry:
    """An entry of a report that rests on a basis."""
    seed = basis is Basis.SEED
    return replace(
        ENTRY,
        basis=basis,
        source="seed" if seed else "docs",
        quote="Words of the guide." if seed else None,
        fact=None if seed else FACT,
        section=section,
    )


def of_earlier_version(quote: str | None = None, section: str | None = None) -> ReportEntry:
    """An entry of a report of an earlier version, which has neither basis nor fact."""
    return replace(ENTRY, basis=None, fact=None, quote=quote, section=section)


def test_each_basis_has_its_words() -> None:
    """The sentence, the fact with the place where it was gathered, the loss, or the suite's reading."""
    gathered = "in docs/contract.md of statum-conformance)"
    rows = [
        (entry(Basis.SEED), "the provider's Getting started says: “Words of the guide.”"),
        (entry(Basis.DOCS), f"a documented fact (see “Responses” {gathered}: {FACT}"),
        (entry(Basis.DOCS, None), f"a documented fact: {FACT}"),
        (entry(Basis.MONEY), f"money is at stake: {FACT}"),
        (entry(Basis.CREDENTIALS), f"a credential is at stake: {FACT}"),
        (entry(Basis.PRACTICE), f"this suite's reading: {FACT}"),
        (of_earlier_version("Words."), "the provider's Getting started says: “Words.”"),
        (of_earlier_version(section="X"), f"a documented fact (see “X” {gathered}"),
        (of_earlier_version(), "a documented fact"),
    ]

    assert [words for _, words in rows] == [rests_on(known, statum()) for known, _ in rows]


def test_the_catalogue_has_one_of_each() -> None:
    """A report shows each of these words."""
    assert set(Basis) == {requirement.basis for requirement in statum().catalogue.requirements}


def first(basis: Basis) -> str:
    """The id of a requirement of gateways that rests on it, and is judged for sms."""
    return next(
        r.id for r in statum().catalogue.requirements if r.basis is basis and "sms" in r.commands and r.excluded is None
    )


def shown(result: Result) -> str:
    """What a terminal shows with -v."""
    console = Console(width=10_000, file=StringIO())
    show_observed(result, console)
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


def of_allure(result: Result) -> str:
    """What Allure shows: the description of a test, its steps, and the attachment."""
    (test,) = (json.loads(text) for name, text in allure_results(result).items() if name.endswith(".json"))
    (attached,) = (text.decode() for name, text in allure_results(result).items() if not name.endswith(".json"))
    texts = (test["description"], "\n".join(step["name"] for step in test["steps"]), attached)
    return _least(result, texts)


def of_sarif(result: Result) -> str:
    """The description of the rule in SARIF, as text and as Markdown."""
    rule = json.loads(sarif(result))["runs"][0]["tool"]["driver"]["rules"][0]
    return _least(result, (rule["fullDescription"]["text"], rule["help"]["text"], rule["help"]["markdown"]))


def _least(result: Result, texts: Sequence[str]) -> str:
    """One of the texts that does not have the words; any, if all have them."""
    words = rests_on(result.report.requirements[0], statum())
    return min(texts, key=lambda text: words in text)


REPORTS: dict[str, Callable[[Result], str]] = {
    "terminal": shown,
    "page": lambda result: (
        html(Reportable(result.report, statum(), RECORD)).decode().replace("&#39;", "'").replace("&#34;", '"')
    ),
    "junit": lambda result: junit(result).decode().replace("&quot;", '"'),
    "sarif": of_sarif,
    "allure": of_allure,
    "summary": lambda result: summary(result).decode().replace("\\", ""),
    "pytest": lambda result: explained(result.judged.verdicts[0], result),
}


def test_every_report_has_the_same_words() -> None:
    """For each failure."""
    lacking = []
    for basis in Basis:
        finding, kind = (UNCHALLENGED, Verdict.WARN) if basis is Basis.PRACTICE else (WRONG_TYPE, Verdict.FAIL)
        result = result_of([verdict(first(basis), "sms", kind, finding)])
        words = for_terminal(rests_on(result.report.requirements[0], statum()))
        lacking += [(basis, name, words) for name, shown_by in REPORTS.items() if words not in shown_by(result)]

    assert [] == lacking


def test_report_json_has_basis_and_fact() -> None:
    """As the catalogue has them; the source stays one of the two."""
    result = result_of([verdict(first(basis), "sms", Verdict.PASS) for basis in Basis])
    told = result.document["requirements"]

    assert [] == FORMATS.violations("report", result.document)
    assert [basis.value for basis in Basis] == [each["basis"] for each in told]
    assert [statum().catalogue[each["id"]].fact for each in told] == [each["fact"] for each in told]
    assert {"seed", "docs"} == {each["source"] for each in told}


def test_the_list_of_requirements_has_them(capsys: pytest.CaptureFixture[str]) -> None:
    """As JSON with basis and fact, as Markdown in words."""
    listed = json.loads(call(capsys, "requirements", "--format", "json").out)
    table = call(capsys, "requirements", "--format", "markdown").out

    assert {(r.id, r.basis.value, r.fact) for r in statum().catalogue.requirements} == {
        (each["id"], each["basis"], each["fact"]) for each in listed
    }
    assert all(rests_on(each, statum()).replace("|", "\\|") in table for each in statum().catalogue.requirements)
