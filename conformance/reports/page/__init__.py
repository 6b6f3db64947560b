"""`report.html`: one self-contained page that a manager understands in ten seconds and an engineer debugs from.

    html, rendered      the templates filled in, for a result and for any page of the same style
    evidence            exchanges, notifications and timelines of the cases that findings name
    transcript          everything that a client under test was asked, sent and was answered; bodies of messages
    *.html, style.css, script.js    the templates; controls.js: the controls that a register has, too

A page loads nothing. Without JavaScript it lacks only filters and buttons.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import cache, partial
from itertools import groupby
from typing import Any, TypeVar

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from conformance.contract.contract import Contract
from conformance.contract.requirements import Level
from conformance.gateway.rules.load import behind
from conformance.journal import Record
from conformance.judging.coverage import Covered
from conformance.judging.verdicts import Conclusion, Verdict
from conformance.model.traffic import Kind
from conformance.reports.figures import Bar, Figures, bar_chart, in_words, latency_plot, run_plot
from conformance.reports.history import ReportHistory
from conformance.reports.issue import issue, replayed
from conformance.reports.load_plots import plots as load_plots
from conformance.reports.page.evidence import MOST_CASES, PageEvidence
from conformance.reports.problems import headline, in_commands, other_messages, problems, tally
from conformance.reports.remarks import (
    client_lines,
    exercised,
    limit_lines,
    not_applicable,
    stale_lines,
    stranger_lines,
)
from conformance.reports.report import Report, ReportEntry
from conformance.reports.reproduce import repeat_command
from conformance.reports.result import Reportable, is_client
from conformance.reports.text import all_visible, code_spans, counted, visible
from conformance.reports.view import (
    GRAVEST_FIRST,
    SIGNS,
    Row,
    alike,
    columns_of,
    counts_of,
    explained,
    mending,
    rests_on,
    rows_of,
    unshown,
    value_of,
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

FILES: Mapping[str, Sequence[str]] = {"style": ("style.css",), "script": ("controls.js", "script.js")}

# Of the findings that are listed as known.
SHOWN_OF_LISTED = 3
# Fewer points are not a distribution.
FEWEST_FOR_A_PLOT = 2
# With an example; the others have a line each.
SHOWN_PROBLEMS = 12
# Of evidence of failures, and of passed examples, so that the page stays below 5 MB; each value takes so much markup.
MOST_BYTES, MOST_PASSED_BYTES = 1_500_000, 500_000
MARKUP_BYTES = 40
# A longer body scrolls within its frame.
LONG_LINES, LONG_CHARACTERS = 26, 4_000


T = TypeVar("T")


def html(result: Reportable) -> bytes:
    """The page in UTF-8; the same result gives the same bytes.

    Without a record (its journal is gone) the page has no messages, plots or cases.
    """
    report, contract, record = result.report, result.contract, result.record
    rows = rows_of(report)
    found = problems(report)
    short = {id_ for problem in found for each in problem for id_ in each.ids}
    history = ReportHistory.of(report, result.earlier)
    evidence = PageEvidence.of(result)
    room = _PageRoom(MOST_BYTES)
    passed = _PageRoom(MOST_PASSED_BYTES)
    return rendered(
        "template.html",
        report=report,
        meaning=_meaning(report),
        rows=rows,
        areas=list(_areas(rows, short, contract)),
        columns=columns_of(rows),
        counts=counts_of(report),
        problems=found,
        shown_problems=SHOWN_PROBLEMS,
        headline=headline(found),
        short=short,
        history=history,
        history_of=partial(_history_of, history=history),
        remarks=[
            *client_lines(report),
            *not_applicable(report),
            *limit_lines(report, contract),
            *stranger_lines(report),
            *stale_lines(report),
        ],
        repeat=_repeat(result),
        shown=lambda finding, command: room.take(evidence.shown, finding, command),
        example=lambda entry: passed.take(evidence.example, entry),
        issue_of=lambda entries, finding, others: room.take(issue, entries, finding, report, contract, others),
        entry_of=lambda shortfall: next(e for e in shortfall.entries if shortfall.finding in e.findings),
        replayed=partial(replayed, report=report),
        mending=partial(mending, contract=contract),
        place_of=evidence.place,
        anchor=lambda entry: f"{entry.id}-{(entry.command or 'all').replace('/', '-')}",
        search_text=partial(_search_text, contract=contract),
        shown_findings=lambda entry: SHOWN_OF_LISTED if entry.expected else len(entry.findings),
        rests_on=partial(rests_on, contract=contract),
        plots=list(_plots(record, contract)) if record is not None else [],
        result_codes=[
            (product, bar_chart(f"result codes of {product}", [Bar(code, number) for code, number in codes.items()]))
            for product, codes in report.figures.result_codes.items()
        ],
        load_late=behind(report.load.behind_s) if report.load else None,
        load_plots=list(load_plots(report.load)) if report.load else [],
        coverage=list(_coverage(report)),
        coverage_plots=list(_coverage_plots(report)),
        transcript=evidence.transcript,
        named_cases=list(evidence.named(report)),
        cases=_as_script(evidence.cases),
        number_of_cases=len(evidence.cases),
    )


def rendered(template: str, **values: Any) -> bytes:
    """A page in UTF-8, from a template and its values."""
    text = _environment().get_template(template).render(**values)
    return visible(text).encode()  # our own texts have no invisible characters


@cache
def _environment() -> Environment:
    loader = PackageLoader("conformance.reports.page", ".")
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.globals |= {
        "alike": alike,
        "body": _body,
        "counted": counted,
        "explained": explained,
        "in_commands": in_commands,
        "in_words": in_words,
        "most_cases": MOST_CASES,
        "other_messages": other_messages,
        "seals": SEALS,
        "signs": SIGNS,
        "tally": tally,
        "unshown": unshown,
        "value_of": value_of,
        "why": why,
        "with_code": _with_code,
        **{
            name: Markup("".join(loader.get_source(environment, file)[0] for file in each))  # noqa: S704 - our own
            for name, each in FILES.items()
        },
    }
    return environment


def _meaning(report: Report) -> str:
    """The verdict in a sentence, also where the driver was given up, or a strict run fails only for SHOULDs."""
    broken = [entry for entry in report.requirements if entry.verdict in (Verdict.FAIL, Verdict.KNOWN)]
    if broken and report.verdict is Conclusion.INCONCLUSIVE:
        return "The driver could not be kept alive, so too little was seen of the client."
    if broken and all(entry.level is Level.SHOULD for entry in broken):
        return "Every MUST that was exercised was kept; at least one SHOULD is broken, and it was judged strictly."
    return MEANINGS[report.verdict]


def _search_text(row: Row, contract: Contract) -> str:
    messages = [finding.message for entry in row.entries for finding in entry.findings]
    return " ".join([row.first.id, row.first.title, rests_on(row.first, contract), *messages]).lower()


def _areas(rows: Sequence[Row], short: Collection[str], contract: Contract) -> Iterator[Mapping[str, Any]]:
    """The areas of the catalogue: title, rows, whether any is `short`, and how many of all and of the others passed."""
    for area, group in groupby(rows, key=lambda row: row.first.area):
        its = list(group)
        others = [row for row in its if row.first.id not in short]
        yield {
            "title": contract.areas.get(area, area),
            "rows": its,
            "short": len(others) < len(its),
            "counts": _counted_verdicts(its),
            "others": _counted_verdicts(others),
        }


def _counted_verdicts(rows: Sequence[Row]) -> str:
    """`✗ 3 FAIL · ✓ 14 PASS`, by the gravest verdict of each row."""
    counts = Counter(row.verdict for row in rows)
    return " · ".join(f"{SIGNS[each]} {counts[each]} {each}" for each in GRAVEST_FIRST if counts[each])


def _history_of(entries: Sequence[ReportEntry], history: ReportHistory) -> str:
    """The history of the first entry, with its command where there are several; "" for none."""
    seen = history[entries[0]]
    command = f"{entries[0].column}: " if len(entries) > 1 else ""
    return f"{command}{seen.in_words}" if seen and seen.in_words else ""


class _PageRoom:
    """So many bytes of the page, which are taken in the order of the page."""

    def __init__(self, size: int) -> None:
        self._left = size

    def take(self, make: Callable[..., T | None], *about: Any) -> T | None:
        """The value that is made of the arguments; None if there is no room left."""
        if self._left <= 0:
            return None
        made = make(*about)
        self._left -= _size(made)
        return made


def _size(value: Any) -> int:
    if isinstance(value, Mapping):
        return sum(map(_size, value.values()))
    if isinstance(value, list | tuple):
        return sum(map(_size, value))
    return MARKUP_BYTES + (len(value.encode("utf-8", "backslashreplace")) if isinstance(value, str) else 0)


def _plots(record: Record, contract: Contract) -> Iterator[Mapping[str, Any]]:
    """Plots of latencies; of a client only its receivers', because the witness answers at the suite's speed."""
    figures = Figures.of(_received(record) if is_client(record) else record, contract)
    answers = "answers of the receiver" if is_client(record) else "answers"
    for title, group in (("notifications", figures.notifications), (answers, figures.answers)):
        for name, series in group.items():
            if len(series.took) >= FEWEST_FOR_A_PLOT:
                about = f"{title} of {name}" if name != "none" else f"{title} to what is no command"
                yield {"about": about, "latency": latency_plot(about, series), "run": run_plot(about, series)}


def _repeat(result: Reportable) -> str | None:
    """The command that repeats the run; None for an old report that lacks some settings."""
    try:
        return repeat_command(result.report.settings, result.contract)
    except KeyError:
        return None


def _body(content: Markup, label: str) -> Markup:
    """The body of a message; a long one scrolls, has a name and can be reached by keyboard."""
    if content.count("\n") < LONG_LINES and len(content) < LONG_CHARACTERS:
        return Markup("<pre>{}</pre>").format(content)
    return Markup('<pre class="long" tabindex="0" role="group" aria-label="{}">{}</pre>').format(label, content)


def _with_code(text: str) -> Markup:
    """A text of the suite as HTML."""
    parts = (Markup("<code>{}</code>").format(part) if is_code else part for part, is_code in code_spans(text))
    return Markup("").join(parts)


def _received(record: Record) -> Record:
    """A record with only the requests to a client's receivers."""
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
    """For each kind, command and member: its classes, how many were exercised, and the others by name."""
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
    return Markup(text.replace("<", "\\u003c"))  # noqa: S704 - it cannot end the element
