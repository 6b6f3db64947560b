"""The files of a report directory: written together, and read back.

A format is one function and one row of REPORTS. All reports of a run are made before the first one is put in place.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Self

from conformance.contract.contract import Contract
from conformance.contract.schemas import FORMATS
from conformance.journal import read_evidence
from conformance.model.errors import EnvironmentFailure, UsageError, did_you_mean
from conformance.model.process import interrupts_deferred
from conformance.model.untrusted import TooLong, given_bytes, parse_json
from conformance.reports.allure_results import PREFIX, allure_results
from conformance.reports.har import har
from conformance.reports.junit import junit
from conformance.reports.page import html
from conformance.reports.report import SCHEMA_VERSION, Report
from conformance.reports.result import Reportable
from conformance.reports.sarif import sarif
from conformance.reports.summary import summary
from conformance.reports.text import Masking, as_json

REPORT_JSON = "report.json"
REPORT_HTML = "report.html"
JUNIT_XML = "junit.xml"
REPORT_SARIF = "report.sarif"
SUMMARY_MD = "summary.md"
ALLURE_RESULTS = "allure-results"
TRAFFIC_HAR = "traffic.har"

# Of a file: the whole, or pieces where it may be large.
Content = bytes | Iterator[bytes]
# Of a folder: the content of each file by its name.
Folder = Mapping[str, bytes]


def json_report(result: Reportable) -> bytes:
    """The report as JSON in UTF-8; the same result gives the same bytes."""
    return as_json(result.document)


REPORTS: Mapping[str, Callable[[Reportable], Content | Folder]] = {
    REPORT_JSON: json_report,
    JUNIT_XML: junit,
    REPORT_SARIF: sarif,
    SUMMARY_MD: summary,
    ALLURE_RESULTS: allure_results,
    TRAFFIC_HAR: har,
    REPORT_HTML: html,
}
JUDGE = "`statum-conformance judge` makes reports of its journal, if that is still there"

# These cannot be made without the journal …
NEED_JOURNAL = frozenset({TRAFFIC_HAR})
# … and these lack the messages; all others are made from report.json alone.
SHOW_JOURNAL = frozenset({ALLURE_RESULTS, REPORT_HTML})


def write_reports(result: Reportable, directory: Path) -> tuple[Path, ...]:
    """Write every report into `directory`, which is made if needed; the paths, in the order of REPORTS.

    A reader never sees half a file, nor reports of two runs together. Raises EnvironmentFailure if a file cannot be
    written; then those of an earlier run are unchanged.
    """
    contents = {name: make(result) for name, make in REPORTS.items()}
    try:
        with Staged() as staged:
            directory.mkdir(parents=True, exist_ok=True)
            for name, content in contents.items():
                staged.add(directory / name, content)
            staged.put_in_place(apart=True)
    except OSError as error:
        raise EnvironmentFailure(
            f"report directory {directory} cannot be written: {error.strerror or error}",
            hint="choose another one with --report-dir",
        ) from error
    return tuple(directory / name for name in contents)


class Staged:
    """Files that are written beside their paths and put in place together; at its end what is left over is removed."""

    def __init__(self) -> None:
        self._ready: dict[Path, Path] = {}
        self._stale: set[Path] = set()
        self._made: set[Path] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for beside in self._ready.values():
            with suppress(OSError):
                beside.unlink(missing_ok=True)
        for folder in self._made:
            with suppress(OSError):  # it is not empty
                folder.rmdir()

    def add(self, path: Path, content: Content | Folder) -> None:
        """Prepare a file for `path`, or our files in a folder that other tools may use, too. Raises OSError."""
        if not isinstance(content, Mapping):
            self._add_file(path, content)
            return
        if not path.exists():
            path.mkdir()
            self._made.add(path)
        self._stale.update(each for each in path.iterdir() if each.name.startswith(PREFIX))
        for name, one in content.items():
            self._add_file(path / name, one)

    def put_in_place(self, *, apart: bool = False) -> None:
        """Move the files to their paths; a signal does not interrupt this. Raises OSError.

        `apart`: remove the old files first, so that old and new files are never there together.
        """
        with interrupts_deferred():
            for path in self._ready if apart else ():
                path.unlink(missing_ok=True)
            for path in self._stale - self._ready.keys():
                path.unlink(missing_ok=True)
            for path, beside in self._ready.items():
                beside.replace(path)

    def _add_file(self, path: Path, content: Content) -> None:
        beside = path.with_name(f".{path.name}.{os.getpid()}")
        self._ready[path] = beside
        with beside.open("wb") as file:
            file.writelines((content,) if isinstance(content, bytes) else content)


def replace_file(path: Path, content: Content | Folder) -> None:
    """Put `content` at `path` in one step: a reader sees the old file or the new one. Raises OSError."""
    with Staged() as staged:
        staged.add(path, content)
        staged.put_in_place()


# Bytes; a report does not grow with the size of a body and has some hundred kilobytes.
LONGEST_REPORT = 16 << 20


def read_report(path: Path, contract: Contract) -> Report:
    """The report at `path`, or in the directory `path`.

    Raises UsageError if there is none, one that this version cannot read, or one of a run by another contract.
    """
    file = path / REPORT_JSON if path.is_dir() else path
    try:
        document = parse_json(given_bytes(file, LONGEST_REPORT))
    except TooLong as error:
        raise UsageError(f"{file} is too long for a report; expected at most {LONGEST_REPORT:,} bytes") from error
    except OSError as error:
        raise UsageError(
            f"{file} cannot be read: {error.strerror}", hint=f"name a {REPORT_JSON}, or the directory that it is in"
        ) from error
    except ValueError as error:
        raise UsageError(f"{file} is not JSON: {error}") from error
    check_report(document, file)
    contract.check_recorded(document["settings"], f"the report {file}")
    return report_of(document, contract, file)


def check_report(document: Any, file: Path | str) -> None:
    """Raise UsageError unless the document of a `file`, as messages call it, is a report that this version can read."""
    version = document.get("schema_version", SCHEMA_VERSION) if isinstance(document, dict) else SCHEMA_VERSION
    if version != SCHEMA_VERSION:
        raise UsageError(f"{file} has schema_version {version}; this version reads {SCHEMA_VERSION}", hint=JUDGE)
    wrong = FORMATS.violation("report", document)
    if wrong is not None:
        raise UsageError(f"{file} is not a report of statum-conformance: {wrong.message} at {wrong.pointer or '/'}")


def report_of(document: Mapping[str, Any], contract: Contract, file: Path | str) -> Report:
    """The report of a document that was checked, of a run by `contract`. Raises UsageError for an unknown command."""
    with as_a_run_writes_it(file):
        report = Report.read(document)
    for command in (*(entry.command for entry in report.requirements), *(each.command for each in report.coverage)):
        if command is not None and command not in contract.names:
            raise UsageError(
                f"{file} tells of a command {command!r:.80}, which this version does not know; expected one of "
                f"{', '.join(contract.names)}",
                hint=did_you_mean(command, contract.names),
            )
    return report


def read_saved(directory: Path, journal: Path, contract: Contract, *, required: bool = False) -> Reportable:
    """The report in `directory`, with its journal if there is one, which may be `required`.

    Raises UsageError if either cannot be read, or the journal is of another run.
    """
    report = read_report(directory, contract)
    if not required and not journal.is_file():
        return Reportable(report, contract)
    record = read_evidence(journal, contract)
    begun, seed = record.settings.get("started_at"), record.settings.get("seed")
    if (begun, seed) != (report.started_at, report.seed):
        raise UsageError(
            f"{journal} is of another run: began {begun} with seed {seed}, the report's began {report.started_at} "
            f"with seed {report.seed}",
            hint="name the journal of the report with --journal",
        )
    # As in the report.
    masking = Masking.of(record.settings, shown=report.settings.get("show_phone_numbers"))
    return Reportable(report, contract, record, masking)


@contextmanager
def as_a_run_writes_it(*saved: Path | str) -> Iterator[None]:
    """Raise UsageError for a value that the schema allows, because it leaves settings open, but no run writes."""
    try:
        yield
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        files = " or ".join(map(str, saved))
        raise UsageError(
            f"a value in {files} is none that a run writes: {' '.join(str(error).split())[:200]}", JUDGE
        ) from error
