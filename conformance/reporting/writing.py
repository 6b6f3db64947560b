"""The reports that go into the report directory. A further format is one function of the result and one row here.

    REPORTS          name → the function that makes its content, that of a file or of the files in a folder
    write_reports    all of them, each file replaced in one step
    write_report     one of them
    replace_file     one file, replaced in one step
    replace_files    our files in a folder that may hold others

The journal is beside them; it was written while the run went on.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from conformance.errors import EnvironmentFailure
from conformance.reporting.allure_results import PREFIX, allure_results
from conformance.reporting.har import har
from conformance.reporting.json_report import json_report
from conformance.reporting.junit import junit
from conformance.reporting.page import html
from conformance.reporting.result import Reportable
from conformance.reporting.sarif import sarif
from conformance.reporting.summary import summary

REPORT_JSON = "report.json"
REPORT_HTML = "report.html"
JUNIT_XML = "junit.xml"
REPORT_SARIF = "report.sarif"
SUMMARY_MD = "summary.md"
ALLURE_RESULTS = "allure-results"
TRAFFIC_HAR = "traffic.har"

# A file's content as a whole, or piece by piece where it may be large.
Content = bytes | Iterator[bytes]

# Those of the files in a folder, by their names.
Folder = Mapping[str, bytes]

REPORTS: Mapping[str, Callable[[Reportable], Content | Folder]] = {
    REPORT_JSON: json_report,
    JUNIT_XML: junit,
    REPORT_SARIF: lambda result: sarif(result.document),
    SUMMARY_MD: lambda result: summary(result.document),
    ALLURE_RESULTS: allure_results,
    TRAFFIC_HAR: har,
    REPORT_HTML: lambda result: html(result.document, result.record, result.masking),
}
# All others are made of report.json alone. Without the journal, these cannot be made …
NEED_JOURNAL = frozenset({TRAFFIC_HAR})
# … and these show no messages.
SHOW_JOURNAL = frozenset({ALLURE_RESULTS, REPORT_HTML})


def write_reports(result: Reportable, directory: Path) -> tuple[Path, ...]:
    """Write every report into `directory`, which is made if need be; the paths, in the order of REPORTS.

    A reader never sees half a file: each is written beside its place and then moved there. Raises EnvironmentFailure
    if a file cannot be written.
    """
    contents = {name: make(result) for name, make in REPORTS.items()}
    try:
        for name, content in contents.items():
            write_report(directory / name, content)
    except OSError as error:
        raise EnvironmentFailure(
            f"report directory {directory} cannot be written: {error.strerror or error}",
            hint="choose another one with --report-dir",
        ) from error
    return tuple(directory / name for name in contents)


def write_report(path: Path, content: Content | Folder) -> None:
    """Have one report at `path`; the folder that it is in is made if need be. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, Mapping):
        replace_files(path, content)
    else:
        replace_file(path, content)


def replace_files(folder: Path, contents: Folder) -> None:
    """Have `contents` in `folder`, and no other file of ours; what others keep there stays. Raises OSError."""
    folder.mkdir(exist_ok=True)
    before = {path.name for path in folder.iterdir() if path.name.startswith(PREFIX)}
    for name, content in contents.items():
        replace_file(folder / name, content)
    for name in before - set(contents):
        (folder / name).unlink()


def replace_file(path: Path, content: Content) -> None:
    """Put `content` at `path` in one step: whoever reads it sees the old file or the new one. Raises OSError."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with beside.open("wb") as file:
            file.writelines((content,) if isinstance(content, bytes) else content)
        beside.replace(path)
    except BaseException:
        with suppress(OSError):
            beside.unlink()
        raise
