"""`report` and `compare`: old results rendered anew, and two of them side by side."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from conformance.cli.command import ConformanceCommand, option
from conformance.cli.options import REPORTS
from conformance.contract.schemas import violations
from conformance.errors import EnvironmentFailure, UsageError
from conformance.gateway_under_test.campaign import JOURNAL
from conformance.journal import read_journal
from conformance.reporting.comparing import Change, Comparison, told
from conformance.reporting.console import print_line, results
from conformance.reporting.escaping import for_terminal
from conformance.reporting.masking import Masking
from conformance.reporting.page import comparison_html, html
from conformance.reporting.page.plots import in_words
from conformance.reporting.terminal import STYLES
from conformance.reporting.writing import REPORT_HTML, REPORT_JSON


@click.command("report", cls=ConformanceCommand, short_help="Render a saved result anew.")
@option(
    REPORTS,
    "--from",
    "directory",
    type=click.Path(path_type=Path),
    metavar="DIR",
    default=Path("reports"),
    show_default=True,
    help="Report directory of the run: its report.json, and its journal if that is still there.",
)
@option(
    REPORTS,
    "--html",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help=f"Where the page is written. Default: {REPORT_HTML} in the report directory.",
)
def report(directory: Path, html: Path | None) -> int:
    """Make the HTML page of a saved result anew, with the verdicts that it had.

    Without the journal there are no messages, plots and cases in it. `judge` judges a journal anew.
    """
    document = _document(directory)
    journal = directory / JOURNAL
    record = read_journal(journal) if journal.is_file() else None
    path = html or directory / REPORT_HTML
    _write(path, _page(document, record))
    beside = "" if record else f" without messages, for there is no {journal}"
    print_line(results(), f"{path} is written{beside}")
    return 0


def _page(document: Mapping[str, Any], record: Any) -> bytes:
    return html(document, record, Masking.of(record.settings) if record else Masking())


@click.command("compare", cls=ConformanceCommand, short_help="Compare two saved results.")
@click.argument("before", type=click.Path(path_type=Path))
@click.argument("after", type=click.Path(path_type=Path))
@option(
    REPORTS,
    "--html",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write the comparison as a page, too.",
)
def compare(before: Path, after: Path, html: Path | None) -> int:
    """Compare two results, each a report.json or the directory that it is in: what is fixed, broken, new, slower.

    Exit code: 0 if nothing is worse than before, 1 if something is, 2 wrong usage.
    """
    documents = _document(before), _document(after)
    comparison = Comparison.of(*documents)
    _show(comparison, results())
    if html is not None:
        _write(html, comparison_html(comparison, *documents))
    return 1 if comparison.worse else 0


def _show(comparison: Comparison, console: Console) -> None:
    for title, changes in (("broken", comparison.broken), ("fixed", comparison.fixed), ("new", comparison.new)):
        for change in changes:
            print_line(console, f"{title:<7} {_described(change)}", STYLES.get(change.after or "", ""))
    for change in comparison.gone:
        print_line(console, f"gone    {_described(change)}")
    for slow in comparison.slower:
        grown = f"p95 {in_words(slow.before)} → {in_words(slow.after)}"
        print_line(console, f"slower  {slow.what} of {slow.name}: {grown}")
    before, after = comparison.verdicts
    print_line(console, f"{before} → {after}: {told(comparison)}", STYLES[after])


def _described(change: Change) -> str:
    verdicts = f"{change.before or 'not judged'} → {change.after or 'not judged'}"
    message = f": {for_terminal(change.message)}" if change.message else ""
    return f"{change.place} {verdicts} {change.title}{message}"


def _document(path: Path) -> Mapping[str, Any]:
    """The document at `path`, or in the directory `path`. Raises UsageError if there is none, or another one."""
    file = path / REPORT_JSON if path.is_dir() else path
    try:
        document = json.loads(file.read_bytes())
    except OSError as error:
        raise UsageError(
            f"{file} cannot be read: {error.strerror}", hint=f"name a {REPORT_JSON}, or the directory that it is in"
        ) from error
    except ValueError as error:
        raise UsageError(f"{file} is no JSON: {error}") from error
    wrong = violations("report", document)
    if wrong:
        raise UsageError(f"{file} is no report of statum-conformance: {wrong[0].message} at {wrong[0].pointer or '/'}")
    found: Mapping[str, Any] = document
    return found


def _write(path: Path, content: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    except OSError as error:
        raise EnvironmentFailure(f"{path} cannot be written: {error.strerror}") from error
