"""What a run leaves beside its journal, taken away before another one begins to write there.

A run may be killed at any moment. Then its journal is all that there is of it, and a verdict of an earlier run beside
it would be taken for its own.
"""

from __future__ import annotations

from pathlib import Path

# By name, as whoever is to read them expects them; `conformance.reports.files` has what makes them.
RESULTS = (
    "report.json",
    "junit.xml",
    "report.sarif",
    "summary.md",
    "traffic.har",
    "report.html",
    "certificate.json",
)
# A folder that may hold what others have left for Allure, and how the names of our own files begin.
ALLURE_RESULTS = "allure-results"
ALLURE_PREFIX = "statum-conformance-"


def take_away_results(directory: Path) -> None:
    """Remove what runs have left in `directory`, but for the journal. Raises OSError for what cannot be removed."""
    for name in RESULTS:
        (directory / name).unlink(missing_ok=True)
    for path in (directory / ALLURE_RESULTS).glob(f"{ALLURE_PREFIX}*"):
        path.unlink(missing_ok=True)
