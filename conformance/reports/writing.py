"""The reports that go into the report directory. A further format is one function of the result and one row here.

    REPORTS          name → the function that makes its content, that of a file or of the files in a folder
    write_reports    all of them, made whole before the first one takes its place
    write_report     one of them
    replace_file     one file, or our files in a folder, in one step
    Staged           several of them

The journal is beside them; it was written while the run went on.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from conformance.model.errors import EnvironmentFailure
from conformance.model.interruption import held_back
from conformance.reports.allure_results import PREFIX, allure_results
from conformance.reports.har import har
from conformance.reports.json_report import json_report
from conformance.reports.junit import junit
from conformance.reports.page import html
from conformance.reports.result import Reportable
from conformance.reports.sarif import sarif
from conformance.reports.summary import summary

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
    SUMMARY_MD: lambda result: summary(result.document, result.contract),
    ALLURE_RESULTS: allure_results,
    TRAFFIC_HAR: har,
    REPORT_HTML: html,
}
# All others are made of report.json alone. Without the journal, these cannot be made …
NEED_JOURNAL = frozenset({TRAFFIC_HAR})
# … and these show no messages.
SHOW_JOURNAL = frozenset({ALLURE_RESULTS, REPORT_HTML})


def write_reports(result: Reportable, directory: Path) -> tuple[Path, ...]:
    """Write every report into `directory`, which is made if need be; the paths, in the order of REPORTS.

    A reader never sees half a file, nor reports of two runs side by side: all are written beside their places, those
    of an earlier run removed, and these moved there. Raises EnvironmentFailure if a file cannot be written; then those
    of an earlier run are still there.
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
    """Files that are written beside their places, and put there together; a context manager.

    What is not put in place by the end is removed.
    """

    def __init__(self) -> None:
        self._ready: dict[Path, Path] = {}
        self._stale: set[Path] = set()
        self._made: set[Path] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for beside in self._ready.values():
            with suppress(OSError):
                beside.unlink(missing_ok=True)
        for folder in self._made:
            with suppress(OSError):  # it has come to hold something
                folder.rmdir()

    def add(self, path: Path, content: Content | Folder) -> None:
        """Have a file ready for `path`, or those of a folder, in which others may keep theirs. Raises OSError."""
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
        """Move what is ready to where it belongs; a signal waits until that is done. Raises OSError.

        `apart`: all that was there is removed before, so that at no moment old and new files are side by side.
        """
        with held_back():
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


def write_report(path: Path, content: Content | Folder) -> None:
    """Have one report at `path`; the folder that it is in is made if need be. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_file(path, content)


def replace_file(path: Path, content: Content | Folder) -> None:
    """Put `content` at `path` in one step: whoever reads it sees the old file or the new one. Raises OSError."""
    with Staged() as staged:
        staged.add(path, content)
        staged.put_in_place()
