"""Saved results: `report` writes their reports again, `show` opens the page, `compare` compares two."""

from __future__ import annotations

import webbrowser
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from conformance.certificate.coverage import Badge
from conformance.cli.command import ConformanceCommand, Output
from conformance.contract.contract import Contract
from conformance.gateway.campaign import JOURNAL
from conformance.model.errors import EnvironmentFailure, UsageError
from conformance.reports.comparing import ReportComparison, VerdictChange, comparison_html, in_one_line, markdown
from conformance.reports.console import print_document, print_json, print_line, remarks, results
from conformance.reports.figures import in_words
from conformance.reports.files import (
    ALLURE_RESULTS,
    JUNIT_XML,
    NEED_JOURNAL,
    REPORT_HTML,
    REPORT_JSON,
    REPORT_SARIF,
    REPORTS,
    SHOW_JOURNAL,
    SUMMARY_MD,
    TRAFFIC_HAR,
    Content,
    Folder,
    as_a_run_writes_it,
    read_report,
    read_saved,
    replace_file,
)
from conformance.reports.folders import latest_folder
from conformance.reports.report import Report
from conformance.reports.result import Reportable
from conformance.reports.terminal import STYLES
from conformance.reports.text import for_terminal

# No run writes this one: a certificate has a better badge.
BADGE_SVG = "badge.svg"

# The option that asks for each report → the name of its file.
FILES: Mapping[str, str] = {
    "html": REPORT_HTML,
    "junit": JUNIT_XML,
    "sarif": REPORT_SARIF,
    "summary": SUMMARY_MD,
    "allure": ALLURE_RESULTS,
    "har": TRAFFIC_HAR,
    "badge": BADGE_SVG,
}
MARKDOWN = "markdown"
# In place of a path: in the report directory, under that name.
USUAL = ""


@click.command("report", cls=ConformanceCommand, short_help="Write the reports of a saved result again.")
def report(journal: Path | None, contract: Contract, **asked: Any) -> int:
    """Write the reports of a saved result again, with its verdicts: the same files as its run wrote.

    They go into the report directory, or to the places that you give. Without the journal the page and Allure's results
    show no messages. With --earlier the page has the history of each verdict. To judge a journal again, use `judge`.
    """
    directory: Path = asked.pop("from")
    everything: bool = asked.pop("all")
    given: Sequence[Path] = asked.pop("earlier")
    home = directory.parent if directory.is_file() else directory
    saved = read_saved(directory, journal or home / JOURNAL, contract, required=journal is not None)
    saved = replace(saved, earlier=tuple(_earlier(given, saved)))
    wanted = _wanted(home, asked, everything=everything)
    if saved.record is None:
        wanted = _without_journal(wanted, home / JOURNAL, everything=everything)
    with as_a_run_writes_it(directory):
        contents = {file: REPORTS[file](saved) for file in wanted if file != BADGE_SVG}
        if BADGE_SVG in wanted:
            contents[BADGE_SVG] = Badge.of_report(saved.report, saved.contract).svg()
    for file, path in wanted.items():
        with as_a_run_writes_it(directory):
            _write(path, contents[file])
        shorter = saved.record is None and file in SHOW_JOURNAL
        beside = f" without messages, for there is no {home / JOURNAL}" if shorter else ""
        print_line(results(), f"{path} is written{beside}")
    return 0


def _earlier(given: Iterable[Path], saved: Reportable) -> Iterator[Report]:
    """Earlier reports, each given by its file, its directory, or the folder of such directories. Raises UsageError."""
    for path in given:
        folders = sorted(path.glob(f"*/{REPORT_JSON}")) if path.is_dir() and not (path / REPORT_JSON).exists() else []
        for file in folders or [path]:
            report = read_report(file, saved.contract)
            if report.subject.kind != saved.report.subject.kind:
                raise UsageError(
                    f"{file} is the report of a {report.subject.kind}; expected one of a {saved.report.subject.kind}",
                    hint="--earlier takes reports of the same subject",
                )
            yield report


def _without_journal(wanted: Mapping[str, Path], journal: Path, *, everything: bool) -> dict[str, Path]:
    """Leave out, with a remark, reports that need the journal. Raises UsageError unless `everything` is asked for."""
    for file in NEED_JOURNAL & wanted.keys():
        if not everything:
            raise UsageError(
                f"{file} is made of the journal, and there is no {journal}",
                hint="--journal names one that is elsewhere",
            )
        print_line(remarks(), f"{wanted[file]} is left out, for there is no {journal}")
    return {file: path for file, path in wanted.items() if file not in NEED_JOURNAL}


def _wanted(directory: Path, asked: Mapping[str, str | None], *, everything: bool) -> dict[str, Path]:
    """The names of the reports to make, and the path of each."""
    places = {file: USUAL for file in REPORTS if everything and file != REPORT_JSON}
    places |= {FILES[name]: place for name, place in asked.items() if place is not None}
    return {file: _place(directory, file, place) for file, place in (places or {REPORT_HTML: USUAL}).items()}


def _place(directory: Path, file: str, place: str) -> Path:
    if place == USUAL:
        return directory / file
    path = Path(place)
    return path / file if path.is_dir() and file != ALLURE_RESULTS else path


@click.command("show", cls=ConformanceCommand, short_help="Open the page of a result in the browser.")
@click.argument("directory", metavar="[DIR]", type=click.Path(path_type=Path), required=False)
def show(directory: Path | None, report_dir: Path) -> int:
    """Open report.html of the report directory DIR in the browser, and print its path.

    Of a --report-dir with placeholders it is the newest. Exit code: 0 if it is open, 2 if there is none, 3 if no
    browser could be started.
    """
    place = directory or latest_folder(report_dir)
    page = place / REPORT_HTML if place.is_dir() else place
    if page.suffix != Path(REPORT_HTML).suffix or not page.is_file():
        makes_it = f"`statum-conformance report --from {place}` makes it" if (place / REPORT_JSON).is_file() else ""
        raise UsageError(f"there is no {REPORT_HTML} in {place}", hint=makes_it or "name the report directory of a run")
    print_line(results(), str(page))
    if not webbrowser.open(page.resolve().as_uri()):
        raise EnvironmentFailure("no browser could be started", hint=f"open {page.resolve()} yourself")
    return 0


@click.command("compare", cls=ConformanceCommand, short_help="Compare two saved results.")
@click.argument("before", type=click.Path(path_type=Path))
@click.argument("after", type=click.Path(path_type=Path))
def compare(before: Path, after: Path, html: Path | None, contract: Contract, **options: Any) -> int:
    """Compare two results, each a report.json or the directory that it is in: what is broken, fixed, muted, slower.

    Exit code: 0 if nothing is worse than before, 1 if something is, 2 wrong usage. Worse is what is broken, tightened,
    unmuted or newly warned, what fails and was newly exercised, and what passed and is no longer exercised.
    """
    form = options["format"]
    reports = read_report(before, contract), read_report(after, contract)
    with as_a_run_writes_it(before, after):
        comparison = ReportComparison.of(*reports)
        page = comparison_html(comparison, *reports) if html is not None else None
    output = Output(as_json=form != "text")
    if form == "json":
        print_json(comparison.document())
    elif form == MARKDOWN:
        print_document(markdown(comparison).encode("utf-8", "backslashreplace"))
    _show(comparison, output.console)
    if html is not None and page is not None:
        _write(html, page)
    return 1 if comparison.worse else 0


def _show(comparison: ReportComparison, console: Console) -> None:
    width = max(map(len, comparison.changes), default=0)
    for title, changes in comparison.changes.items():
        for change in changes:
            print_line(console, f"{title:<{width}} {_described(change)}", STYLES.get(change.after or "", ""))
    for slow in comparison.slower:
        grown = f"p95 {in_words(slow.before)} → {in_words(slow.after)}"
        print_line(console, f"slower {slow.what} of {slow.name}: {grown}")
    before, after = comparison.verdicts
    print_line(console, f"{before} → {after}: {in_one_line(comparison)}", STYLES[after])


def _described(change: VerdictChange) -> str:
    verdicts = f"{change.before or 'not judged'} → {change.after or 'not judged'}"
    message = f": {for_terminal(change.message)}" if change.message else ""
    return f"{change.place} {verdicts} {change.title}{message}"


def _write(path: Path, content: Content | Folder) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, content)
    except OSError as error:
        raise EnvironmentFailure(f"{path} cannot be written: {error.strerror or error}") from error
