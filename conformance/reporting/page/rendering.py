"""The page put together: what the template is given, and the template filled in."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from conformance.journal import Record
from conformance.reporting.comparing import Comparison, told
from conformance.reporting.figures import Figures
from conformance.reporting.likeness import alike
from conformance.reporting.masking import Masking
from conformance.reporting.page.findings import MOST_CASES, Evidence
from conformance.reporting.page.matrix import GRAVEST_FIRST, SIGNS, columns_of, counts_of, rows_of
from conformance.reporting.page.plots import in_words, latency_plot, run_plot
from conformance.verdicts import Conclusion, Verdict

MEANINGS: Mapping[str, str] = {
    Conclusion.CONFORMANT: "Every MUST that applies was exercised, and kept.",
    Conclusion.NON_CONFORMANT: "At least one MUST of the contract is broken.",
    Conclusion.INCONCLUSIVE: "Nothing was seen to be broken, but not every MUST could be exercised.",
}

# Findings that are alike are counted; three show what there is to see.
SHOWN_FINDINGS = 3
# Fewer points are no distribution.
FEWEST_FOR_A_PLOT = 2
# What can be read in ten seconds.
SHOWN_BROKEN = 8


def html(document: Mapping[str, Any], record: Record | None = None, masking: Masking | None = None) -> bytes:
    """The page in UTF-8; the same document and record give the same bytes.

    Without a `record` (an old `report.json` whose journal is gone) there are no messages, plots and cases in it.
    """
    masking = masking or Masking()
    rows = rows_of(document)
    broken = sorted((row for row in rows if row.fell_short), key=lambda row: GRAVEST_FIRST.index(Verdict(row.verdict)))
    evidence = Evidence.of(record, document, masking) if record is not None else None
    template = _environment().get_template("template.html")
    text = template.render(
        document=document,
        meaning=MEANINGS[document["verdict"]],
        signs=SIGNS,
        rows=rows,
        broken=broken[:SHOWN_BROKEN],
        number_broken=len(broken),
        columns=columns_of(rows),
        counts=list(counts_of(document)),
        shown=evidence.shown if evidence else lambda _: None,
        shown_findings=SHOWN_FINDINGS,
        alike=alike,
        plots=list(_plots(record)) if record is not None else [],
        result_codes=document.get("figures", {}).get("result_codes", {}),
        coverage=list(_coverage(document)),
        cases=_as_script(evidence.cases if evidence else ()),
        number_of_cases=len(evidence.cases) if evidence else 0,
        most_cases=MOST_CASES,
        style=_file("style.css"),
        script=_file("script.js"),
    )
    return text.encode("utf-8", "backslashreplace")


def comparison_html(comparison: Comparison, before: Mapping[str, Any], after: Mapping[str, Any]) -> bytes:
    """The comparison of two documents as a page of the same kind."""
    text = (
        _environment()
        .get_template("comparison.html")
        .render(
            comparison=comparison,
            meaning=told(comparison),
            documents=(("Before", before), ("After", after)),
            groups=(
                ("Broken", comparison.broken),
                ("Fixed", comparison.fixed),
                ("New", comparison.new),
                ("Gone", comparison.gone),
            ),
            signs=SIGNS,
            in_words=in_words,
            style=_file("style.css"),
        )
    )
    return text.encode("utf-8", "backslashreplace")


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("conformance.reporting.page", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


@cache
def _file(name: str) -> Markup:
    return Markup(files("conformance.reporting.page").joinpath(name).read_text(encoding="utf-8"))  # noqa: S704 - our own


def _plots(record: Record) -> Iterator[Mapping[str, Any]]:
    figures = Figures.of(record)
    for title, group in (("notifications", figures.notifications), ("answers", figures.answers)):
        for name, series in group.items():
            if len(series.took) >= FEWEST_FOR_A_PLOT:
                about = f"{title} of {name}" if name != "none" else f"{title} to what is no command"
                yield {"about": about, "latency": latency_plot(about, series), "run": run_plot(about, series)}


def _coverage(document: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """For each kind, command and member: how many classes of payloads there are and were sent, and which were not."""
    groups: dict[tuple[str, str, str], list[Mapping[str, Any]]] = {}
    for found in document.get("coverage", ()):
        groups.setdefault((found["kind"], found["command"], found["member"] or ""), []).append(found)
    for (kind, command, member), classes in groups.items():
        missing = [found["class"] for found in classes if not found["sent"]]
        yield {
            "about": " ".join(filter(None, (kind, command, member))),
            "classes": len(classes),
            "exercised": len(classes) - len(missing),
            "missing": missing,
        }


def _as_script(value: Any) -> Markup:
    """JSON that can stand within a script element."""
    text = json.dumps(value, separators=(",", ":"))
    return Markup(text.replace("<", "\\u003c"))  # noqa: S704 - no end of an element is left in it
