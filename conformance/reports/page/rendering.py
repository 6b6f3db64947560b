"""The page put together: what the template is given, and the template filled in."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from conformance.contract.contract import Contract
from conformance.contract.requirements import Level
from conformance.journal import Record
from conformance.judging.verdicts import Conclusion, Verdict
from conformance.model.traffic import Kind
from conformance.reports.comparing import ReportComparison, VerdictChange, told
from conformance.reports.escaping import all_visible, visible
from conformance.reports.faces import is_client
from conformance.reports.figures import Figures
from conformance.reports.page.evidence import MOST_CASES, PageEvidence
from conformance.reports.page.markup import Bar, bar_chart, counted, in_words, latency_plot, run_plot
from conformance.reports.page.transcript import Transcript
from conformance.reports.remarks import about_client, exercised, limit_lines, not_applicable, stranger_lines, told_stale
from conformance.reports.reproduce import repeat_command
from conformance.reports.result import Reportable
from conformance.reports.view import (
    SIGNS,
    alike,
    anchor,
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
    document, record = result.document, result.record
    rows = rows_of(document)
    opened = [at for at, row in enumerate(rows) if row.fell_short]
    shown, failures, more = cut(shortfalls({"settings": {}, **document}), SHOWN_BROKEN)
    evidence = PageEvidence.of(result, record) if record is not None else None
    template = _environment().get_template("template.html")
    text = template.render(
        document=document,
        meaning=_meaning(document),
        signs=SIGNS,
        rows=rows,
        columns=columns_of(rows),
        counts=list(counts_of(document)),
        shortfalls=shown,
        named_failures=failures,
        number_more=more,
        remarks=list(_remarks(document)),
        repeat=_repeat(document, result.contract),
        shown=_Shown(evidence) if evidence else lambda *_: None,
        place_of=evidence.place if evidence else lambda _: None,
        anchor=anchor,
        why=why,
        body=_body,
        counted=counted,
        opened=opened[:SHOWN_BROKEN],
        seal=SEALS[document["verdict"]],
        shown_findings=_number_shown,
        alike=alike,
        rests_on=rests_on,
        explained=explained,
        unshown=unshown,
        plots=list(_plots(record, result.contract)) if record is not None else [],
        result_codes=list(_result_codes(document)),
        coverage=list(_coverage(document)),
        coverage_plots=list(_coverage_plots(document)),
        transcript=evidence.transcript if evidence else Transcript(),
        named_cases=list(evidence.named(document)) if evidence else (),
        cases=_as_script(evidence.cases if evidence else ()),
        number_of_cases=len(evidence.cases) if evidence else 0,
        most_cases=MOST_CASES,
        style=_file("style.css"),
        script=_file("script.js"),
    )
    return _as_bytes(text)


def _as_bytes(page: str) -> bytes:
    """In UTF-8. Nothing of our own is invisible, so what is came from outside, wherever in the page it stands."""
    return visible(page).encode()


def _meaning(document: Mapping[str, Any]) -> str:
    """The verdict in a sentence; also where a driver was given up, or a strict run fails for SHOULDs alone."""
    broken = [entry for entry in document["requirements"] if entry["verdict"] in (Verdict.FAIL, Verdict.KNOWN)]
    if broken and document["verdict"] == Conclusion.INCONCLUSIVE:
        return "The driver could not be kept alive, so too little was seen of the client."
    if broken and all(entry["level"] == Level.SHOULD for entry in broken):
        return "Every MUST that was exercised was kept; at least one SHOULD is broken, and it was judged strictly."
    return MEANINGS[document["verdict"]]


def comparison_html(comparison: ReportComparison, before: Mapping[str, Any], after: Mapping[str, Any]) -> bytes:
    """The comparison of two documents as a page of the same kind."""
    text = (
        _environment()
        .get_template("comparison.html")
        .render(
            comparison=comparison,
            meaning=told(comparison),
            documents=(("Before", before), ("After", after)),
            groups=[
                (title.capitalize(), _alike(changes), len(changes)) for title, changes in comparison.changes.items()
            ],
            seals=SEALS,
            signs=SIGNS,
            in_words=in_words,
            style=_file("style.css"),
        )
    )
    return _as_bytes(text)


def _alike(changes: Iterable[VerdictChange]) -> list[tuple[VerdictChange, list[str]]]:
    """Changes that differ in their commands alone as one, with those commands."""
    together: dict[tuple[str | None, ...], tuple[VerdictChange, list[str]]] = {}
    for change in changes:
        key = change.id, change.before, change.after, change.message
        together.setdefault(key, (change, []))[1].append(change.command or "as a whole")
    return list(together.values())


def _number_shown(entry: Mapping[str, Any]) -> int:
    return SHOWN_OF_LISTED if entry.get("expected") else len(entry["findings"])


class _Shown:
    """What findings rest on, in their order, as long as there is room; None then, as for what is not at hand."""

    def __init__(self, evidence: PageEvidence) -> None:
        self._evidence = evidence
        self._room = MOST_BYTES

    def __call__(self, finding: Mapping[str, Any], command: str | None) -> Mapping[str, Any] | None:
        if self._room <= 0:
            return None
        shown = self._evidence.shown(finding, command)
        self._room -= _size(shown)
        return shown


def _size(value: Any) -> int:
    """About how many bytes of the page a value takes."""
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
    """Of a client only what its receivers answered after: what the witness did is the suite's own speed."""
    figures = Figures.of(_received(record) if is_client(record) else record, contract)
    answers = "answers of the receiver" if is_client(record) else "answers"
    for title, group in (("notifications", figures.notifications), (answers, figures.answers)):
        for name, series in group.items():
            if len(series.took) >= FEWEST_FOR_A_PLOT:
                about = f"{title} of {name}" if name != "none" else f"{title} to what is no command"
                yield {"about": about, "latency": latency_plot(about, series), "run": run_plot(about, series)}


def _repeat(document: Mapping[str, Any], contract: Contract) -> str | None:
    """The command that makes the same run again; None for an old report, which tells too little of its settings."""
    try:
        return repeat_command(document["settings"], contract)
    except KeyError:
        return None


def _body(content: Markup, label: str) -> Markup:
    """A message's body; one that scrolls can be reached by keyboard, and has a name there."""
    if content.count("\n") < LONG_LINES and len(content) < LONG_CHARACTERS:
        return Markup("<pre>{}</pre>").format(content)
    return Markup('<pre class="long" tabindex="0" role="group" aria-label="{}">{}</pre>').format(label, content)


def _remarks(document: Mapping[str, Any]) -> Iterator[str]:
    """What a reader has to know beside the verdict: who was judged, what limits left out, what is out of date."""
    yield from about_client(document)
    yield from not_applicable(document)
    yield from limit_lines(document)
    yield from stranger_lines(document)
    yield from told_stale(document)


def _received(record: Record) -> Record:
    """What was sent to a client's receivers, alone."""
    sent = {case.id for case in record.cases if case.kind is Kind.DELIVER}
    exchanges = tuple(exchange for exchange in record.exchanges if exchange.case_id in sent)
    return Record(record.settings, record.cases, exchanges)


def _result_codes(document: Mapping[str, Any]) -> Iterator[tuple[str, Markup]]:
    for product, codes in document.get("figures", {}).get("result_codes", {}).items():
        yield product, bar_chart(f"result codes of {product}", [Bar(code, number) for code, number in codes.items()])


def _coverage_plots(document: Mapping[str, Any]) -> Iterator[tuple[str, Markup]]:
    """For each command, how many classes of payloads of each kind were exercised."""
    groups: dict[str, dict[str, list[bool]]] = {}
    for found in document.get("coverage", ()):
        groups.setdefault(found["command"], {}).setdefault(found["kind"], []).append(exercised(found, document))
    for command, kinds in groups.items():
        bars = [Bar(kind, sum(sent), len(sent), strange=not all(sent)) for kind, sent in kinds.items()]
        yield command, bar_chart(f"classes of payloads of {command} that were exercised", bars)


def _coverage(document: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """For each kind, command and member: how many classes of payloads there are and were sent, and which were not."""
    groups: dict[tuple[str, str, str], list[Mapping[str, Any]]] = {}
    for found in document.get("coverage", ()):
        groups.setdefault((found["kind"], found["command"], found["member"] or ""), []).append(found)
    for (kind, command, member), classes in groups.items():
        missing = [found["class"] for found in classes if not exercised(found, document)]
        yield {
            "about": " ".join(filter(None, (kind, command, member))),
            "classes": len(classes),
            "exercised": len(classes) - len(missing),
            "missing": missing,
        }


def _as_script(value: Any) -> Markup:
    """JSON that can stand within a script element."""
    text = json.dumps(all_visible(value), separators=(",", ":"))
    return Markup(text.replace("<", "\\u003c"))  # noqa: S704 - no end of an element is left in it
