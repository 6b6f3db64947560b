"""The reports that go into the report directory. A further format is one function of the result and one row here.

    REPORTS          file name → the function that makes its content
    write_reports    all of them, each replaced in one step
    replace_file     one file, replaced in one step

The journal is beside them; it was written while the run went on.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from conformance.errors import EnvironmentFailure
from conformance.reporting.har import har
from conformance.reporting.json_report import json_report
from conformance.reporting.junit import junit
from conformance.reporting.page import html
from conformance.reporting.result import Result

REPORT_JSON = "report.json"
REPORT_HTML = "report.html"

# A file's content as a whole, or piece by piece where it may be large.
Content = bytes | Iterator[bytes]

REPORTS: Mapping[str, Callable[[Result], Content]] = {
    REPORT_JSON: json_report,
    "junit.xml": junit,
    "traffic.har": har,
    REPORT_HTML: lambda result: html(result.document, result.record, result.masking),
}


def write_reports(result: Result, directory: Path) -> tuple[Path, ...]:
    """Write every report into `directory`, which is made if need be; the paths, in the order of REPORTS.

    A reader never sees half a file: each is written beside its place and then moved there. Raises EnvironmentFailure
    if a file cannot be written.
    """
    contents = {name: make(result) for name, make in REPORTS.items()}
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for name, content in contents.items():
            replace_file(directory / name, content)
    except OSError as error:
        raise EnvironmentFailure(
            f"report directory {directory} cannot be written: {error.strerror or error}",
            hint="choose another one with --report-dir",
        ) from error
    return tuple(directory / name for name in contents)


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
