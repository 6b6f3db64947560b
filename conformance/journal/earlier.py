"""The results of an earlier run in a report directory: whether there are any, and how they are replaced.

A run replaces them once it has evidence of its own. One that ends before that leaves them as they are.
"""

from __future__ import annotations

from pathlib import Path

from conformance.journal.reader import BESIDE, read_journal
from conformance.model.errors import UsageError

# The names of results, which `conformance.reports.files` writes.
REPORT_JSON = "report.json"
RESULTS = (REPORT_JSON, "junit.xml", "report.sarif", "summary.md", "traffic.har", "report.html", "certificate.json")
# A folder that may hold files of others for Allure, and the prefix of our own.
ALLURE_RESULTS = "allure-results"
ALLURE_PREFIX = "statum-conformance-"

INTERRUPTED_AT_ONCE = "interrupted before anything was sent"
"""The error of a run that leaves earlier results, because a signal came too soon for others."""


def holds_a_run(journal: Path) -> bool:
    """Whether a run that judged something has left its results at `journal` or beside it.

    A journal without traffic judged nothing: its run had a wrong set-up, or was interrupted at once.
    """
    if not journal.exists():
        return journal.with_name(REPORT_JSON).exists()
    try:
        record = read_journal(journal)
        if record.exchanges or record.notifications:
            return True
        return any(line.case_id is not None for line in record.messages)
    except UsageError:  # it is of another version, or damaged: it may hold results
        return True


def earlier_run(journal: Path) -> str:
    """A hint for the user: whose results the directory of `journal` still holds."""
    return f"the results in {journal.parent} are those of an earlier run"


def remove_results(journal: Path) -> None:
    """Remove what an earlier run wrote beside `journal`, but not its journal. Raises OSError if that fails."""
    results = [journal.with_name(name) for name in RESULTS]
    beside = [journal.with_name(journal.name + suffix) for suffix in BESIDE]
    allure = (journal.parent / ALLURE_RESULTS).glob(f"{ALLURE_PREFIX}*")
    for earlier in (*results, *allure, *beside):
        earlier.unlink(missing_ok=True)
