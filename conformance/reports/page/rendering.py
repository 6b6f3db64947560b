"""Fill in the templates of the page."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from functools import cache, partial
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from conformance.contract.contract import Contract
from conformance.contract.requirements import Level
from conformance.journal import Record
from conformance.judging.coverage import Covered
from conformance.judging.verdicts import Conclusion, Verdict
from conformance.model.traffic import Kind
from conformance.reports.comparing import ReportComparison, VerdictChange, in_one_line
from conformance.reports.figures import Figures
from conformance.reports.page.evidence import MOST_CASES, PageEvidence
from conformance.reports.page.markup import Bar, bar_chart, in_words, latency_plot, run_plot
from conformance.reports.remarks import (
    client_lines,
    exercised,
    limit_lines,
    not_applicable,
    stale_lines,
    stranger_lines,
)
from conformance.reports.report import Report, ReportedFinding
from conformance.reports.reproduce import repeat_command
from conformance.reports.result import Reportable, is_client
from conformance.reports.text import all_visible, counted, visible
from conformance.reports.view import (
    SIGNS,
    Row,
    alike,
    columns_of,
    counts_of,
    cut,
    explained,
    rests_on,
    rows_of,
    shortfalls,
    unshown,
    why,
)

MEANINGS: Mapping[str, str] = {
    Conclusion.CONFORMANT: "Every MUST that applies was exercised, and kept.",
    Conclusion.NON_CONFORMANT: "At least one MUST of the contract is broken.",
    Conclusion.INCONCLUSIVE: "Nothing was seen to be broken, but not every MUST could be exercised.",
}

SEALS: Mapping[str, str] = {
    Conclusion.CONFORMANT: SIGNS[Verdict.PASS],
    Conclusion.NON_CONFORMANT: SIGNS[Verdict.FAIL],
    Conclusion.INCONCLUSIVE: SIGNS[Verdict.INCONCLUSIVE],
}

# Of findings that are listed as known, which are not gathered, three show what there is to see.
SHOWN_OF_LISTED = 3
# Fewer points are no distribution.
FEWEST_FOR_A_PLOT = 2
# What can be read in ten seconds.
SHOWN_BROKEN = 8
# What findings rest on is shown as long as a page of 5 MB can hold it with all else; each value has so much markup.
MOST_BYTES = 1_500_000
MARKUP_BYTES = 40
# What is longer scrolls within its frame.
LONG_LINES, LONG_CHARACTERS = 26, 4_000


def html(result: Reportable) -> bytes:
    """The page in UTF-8; the same result gives the same bytes.

    Without a record (an old `report.json` whose journal is gone) there are no messages, plots and cases in it.
    """
    report, contract, record = result.report, result.contract, result.record
    rows = rows_of(report)
    opened = [at for at, row in enumerate(rows) if row.failed]
    shown, failures, more = cut(shortfalls(report), SHOWN_BROKEN)
    evidence = PageEvidence.of(result)
    template = _environment().get_template("template.html")
    text = template.render(
        report=report,
        meaning=_meaning(report),
        signs=SIGNS,
        rows=rows,
        areas=contract.areas,
        columns=columns_of(rows),
        counts=counts_of(report),
        shortfalls=shown,
        named_failures=failures,
        number_more=more,
        remarks=[
            *client_lines(report),
            *not_applicable(report),
            *limit_lines(report, contract),
            *stranger_lines(report),
            *stale_lines(report),
        ],
        repeat=_repeat(result),
        shown=_Shown(evidence),
        place_of=evidence.place,
        anchor=lambda entry: f"{entry.id}-{(entry.command or 'all').replace('/', '-')}",
        search_text=partial(_search_text, contract=contract),
        why=why,
        body=_body,
        counted=counted,
        opened=opened[:SHOWN_BROKEN],
        seal=SEALS[report.verdict],
        shown_findings=lambda entry: SHOWN_OF_LISTED if entry.expected else len(entry.findings),
        alike=alike,
        rests_on=partial(rests_on, contract=contract),
        explained=explained,
        unshown=unshown,
        plots=list(_plots(record, contract)) if record is not None else [],
        result_codes=[
            (product, bar_chart(f"result codes of {product}", [Bar(code, number) for code, number in codes.items()]))
            for product, codes in report.figures.result_codes.items()
        ],
        coverage=list(_coverage(report)),
        coverage_plots=list(_coverage_plots(report)),
        transcript=evidence.transcript,
        named_cases=list(evidence.named(report)),
        cases=_as_script(evidence.cases),
        number_of_cases=len(evidence.cases),
        most_cases=MOST_CASES,
        style=_file("style.css"),
        script=_file("script.js"),
    )
    return visible(text).encode()  # our own texts have no invisible characters


def _meaning(report: Report) -> str:
    """The verdict in a sentence, also for a driver that was given up and a strict run that fails for SHOULDs alone."""
    broken = [entry for entry in report.requirements if entry.verdict in (Verdict.FAIL, Verdict.KNOWN)]
    if broken and report.verdict is Conclusion.INCONCLUSIVE:
        return "The driver could not be kept alive, so too little was seen of the client."
    if broken and all(entry.level is Level.SHOULD for entry in broken):
        return "Every MUST that was exercised was kept; at least one SHOULD is broken, and it was judged strictly."
    return MEANINGS[report.verdict]


def _search_text(row: Row, contract: Contract) -> str:
    messages = [finding.message for entry in row.entries for finding in entry.findings]
    return " ".join([row.first.id, row.first.title, rests_on(row.first, contract), *messages]).lower()


def comparison_html(comparison: ReportComparison, before: Report, after: Report) -> bytes:
    """The comparison of two reports as a page of the same kind."""
    template = _environment().get_template("comparison.html")
    text = template.render(
        comparison=comparison,
        meaning=in_one_line(comparison),
        reports=(("Before", before), ("After", after)),
        groups=[(title.capitalize(), _alike(changes), len(changes)) for title, changes in comparison.changes.items()],
        seals=SEALS,
        signs=SIGNS,
        in_words=in_words,
        style=_file("style.css"),
    )
    return visible(text).encode()


def _alike(changes: Iterable[VerdictChange]) -> list[tuple[VerdictChange, list[str]]]:
    """Changes that differ in their commands alone, as one with all these commands."""
    together: dict[tuple[str | None, ...], tuple[VerdictChange, list[str]]] = {}
    for change in changes:
        key = change.id, change.before, change.after, change.message
        together.setdefault(key, (change, []))[1].append(change.command or "as a whole")
    return list(together.values())


class _Shown:
    """The evidence of findings, in their order, as long as there is room; None after that, and where there is none."""

    def __init__(self, evidence: PageEvidence) -> None:
        self._evidence = evidence
        self._room = MOST_BYTES

    def __call__(self, finding: ReportedFinding, command: str | None) -> Mapping[str, Any] | None:
        if self._room <= 0:
            return None
        shown = self._evidence.shown(finding, command)
        self._room -= _size(shown)
        return shown


def _size(value: Any) -> int:
    if isinstance(value, Mapping):
        return sum(map(_size, value.values()))
    if isinstance(value, list | tuple):
        return sum(map(_size, value))
    return MARKUP_BYTES + (len(value.encode("utf-8", "backslashreplace")) if isinstance(value, str) else 0)


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("conformance.reports.page", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


@cache
def _file(name: str) -> Markup:
    return Markup(files("conformance.reports.page").joinpath(name).read_text(encoding="utf-8"))  # noqa: S704 - our own


def _plots(record: Record, contract: Contract) -> Iterator[Mapping[str, Any]]:
    """Latencies; of a client only its receivers', because the witness answers at the suite's own speed."""
    figures = Figures.of(_received(record) if is_client(record) else record, contract)
    answers = "answers of the receiver" if is_client(record) else "answers"
    for title, group in (("notifications", figures.notifications), (answers, figures.answers)):
        for name, series in group.items():
            if len(series.took) >= FEWEST_FOR_A_PLOT:
                about = f"{title} of {name}" if name != "none" else f"{title} to what is no command"
                yield {"about": about, "latency": latency_plot(about, series), "run": run_plot(about, series)}


def _repeat(result: Reportable) -> str | None:
    """The command that repeats the run; None for an old report, which lacks some settings."""
    try:
        return repeat_command(result.report.settings, result.contract)
    except KeyError:
        return None


def _body(content: Markup, label: str) -> Markup:
    """The body of a message; one that scrolls has a name and can be reached by keyboard."""
    if content.count("\n") < LONG_LINES and len(content) < LONG_CHARACTERS:
        return Markup("<pre>{}</pre>").format(content)
    return Markup('<pre class="long" tabindex="0" role="group" aria-label="{}">{}</pre>').format(label, content)


def _received(record: Record) -> Record:
    """The requests to a client's receivers alone."""
    sent = {case.id for case in record.cases if case.kind is Kind.DELIVER}
    exchanges = tuple(exchange for exchange in record.exchanges if exchange.case_id in sent)
    return Record(record.settings, record.cases, exchanges)


def _coverage_plots(report: Report) -> Iterator[tuple[str, Markup]]:
    groups: dict[str, dict[str, list[bool]]] = {}
    for found in report.coverage:
        groups.setdefault(found.command, {}).setdefault(found.kind, []).append(exercised(found, report))
    for command, kinds in groups.items():
        bars = [Bar(kind, sum(sent), len(sent), strange=not all(sent)) for kind, sent in kinds.items()]
        yield command, bar_chart(f"classes of payloads of {command} that were exercised", bars)


def _coverage(report: Report) -> Iterator[Mapping[str, Any]]:
    """Kind, command and member → how many classes there are, how many were exercised, and the others by name."""
    groups: dict[tuple[str, str, str], list[Covered]] = {}
    for found in report.coverage:
        groups.setdefault((found.kind, found.command, found.member or ""), []).append(found)
    for names, classes in groups.items():
        missing = [found.name for found in classes if not exercised(found, report)]
        yield {
            "about": " ".join(filter(None, names)),
            "classes": len(classes),
            "exercised": len(classes) - len(missing),
            "missing": missing,
        }


def _as_script(value: Any) -> Markup:
    text = json.dumps(all_visible(value), separators=(",", ":"))
    return Markup(text.replace("<", "\\u003c"))  # noqa: S704 - no end of an element is left in it
