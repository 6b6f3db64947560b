"""Report directories: their names by a pattern, the latest of them, and the results that a folder holds.

folder_of           a pattern → the directory of a run
latest_folder       a pattern → the directory of the last run that is there
PART                the folder in it for runs of a part, which leave the reports of the whole run as they are
results_in          the saved results in a folder, the oldest first
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from conformance.contract.contract import Contract
from conformance.judging.verdicts import Verdict
from conformance.model.errors import UsageError, did_you_mean
from conformance.reports.files import REPORT_JSON, read_report
from conformance.reports.report import Report
from conformance.reports.view import counted_musts

PART = "part"
PLACEHOLDERS = ("started", "subject", "seed")
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
# In the name of a directory; other characters of a subject become a dash.
_UNUSUAL = re.compile(r"[^A-Za-z0-9._-]+")
LONGEST_SUBJECT = 60


def check_pattern(text: str) -> Path:
    """The text as a path. Raises UsageError for an unknown placeholder."""
    for name in _PLACEHOLDER.findall(text):
        if name not in PLACEHOLDERS:
            known = ", ".join(f"{{{each}}}" for each in PLACEHOLDERS)
            raise UsageError(
                f"--report-dir {text} has the placeholder {{{name}}}; expected {known}",
                did_you_mean(name, PLACEHOLDERS),
            )
    return Path(text)


def folder_of(pattern: Path, subject: str, seed: int, started: datetime | None = None) -> Path:
    """The directory of a run that began then (None: now); the same path if it has no placeholders."""
    at = (started or datetime.now(UTC)).astimezone(UTC)
    values = {
        "started": at.strftime("%Y-%m-%dT%H-%M-%SZ"),
        "subject": _UNUSUAL.sub("-", urlsplit(subject).netloc or subject).strip("-.")[:LONGEST_SUBJECT] or "subject",
        "seed": str(seed),
    }
    return Path(_PLACEHOLDER.sub(lambda found: values[found[1]], str(pattern)))


def latest_folder(pattern: Path) -> Path:
    """The directory of that pattern whose report is the newest; the path itself if it has no placeholders.

    Raises UsageError if there is none of that pattern.
    """
    parts = _PLACEHOLDER.sub("*", str(pattern))
    if parts == str(pattern):
        return pattern
    root = Path(pattern.anchor)
    found = root.glob(str(Path(parts).relative_to(root) / REPORT_JSON))
    newest = max(found, key=lambda path: path.stat().st_mtime, default=None)
    if newest is None:
        raise UsageError(f"there is no {REPORT_JSON} of an earlier run in {pattern}", hint="run it once as a whole")
    return newest.parent


@dataclass(frozen=True, slots=True)
class PastResult:
    """A saved result."""

    folder: Path
    report: Report

    def document(self) -> Mapping[str, Any]:
        """As JSON."""
        report, counted = self.report, counted_musts(self.report)
        return {
            "folder": str(self.folder),
            "started_at": report.started_at,
            "subject": report.subject.name,
            "verdict": report.verdict,
            "must": {
                "applicable": counted.total(),
                "passed": counted[Verdict.PASS],
                "failed": counted[Verdict.FAIL],
                "known": counted[Verdict.KNOWN],
                "not_exercised": counted[Verdict.INCONCLUSIVE],
            },
            "warnings": sum(entry.verdict is Verdict.WARN for entry in report.requirements),
            "exchanges": report.counts.exchanges,
            "duration_s": report.duration_s,
            "seed": report.seed,
            "only": report.settings.get("only", []),
        }


def results_in(folder: Path, contract: Contract, warn: Callable[[str], None]) -> list[PastResult]:
    """The results in a folder and the folders in it, the oldest first; `warn` is called for each that is unreadable.

    Raises UsageError if there is none.
    """
    found: list[PastResult] = []
    for path in folder.rglob(REPORT_JSON):
        try:
            found.append(PastResult(path.parent, read_report(path, contract)))
        except UsageError as error:
            warn(error.message)
    if not found:
        raise UsageError(
            f"there is no {REPORT_JSON} in {folder}, nor in a folder in it", hint="name the folder of --report-dir"
        )
    return sorted(found, key=lambda each: each.report.started_at)
