"""What the runs of `make chaos` came to, counted.

Figures     the counts; `.table` as it is printed, `.wrong` if one is not zero that has to be
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from planted_secrets import forms_of

# What is counted, in the order of the table, and whether it has to be zero.
ROWS = (
    ("faults injected", False),
    ("runs", False),
    ("wrong verdicts", True),
    ("inconclusive for the network, and rightly", False),
    ("outages of the way back", False),
    ("outages that no canary told of", True),
    ("notifications lost", True),
    ("secrets found in artefacts", True),
    ("spellings of secrets tried", False),
    ("spellings of secrets not redacted", True),
    ("artefacts searched", False),
    ("requests over the cap", True),
    ("shillings over the limit", True),
    ("plans read", False),
    ("strangers found in plans", True),
    ("junk requests survived", False),
    ("junk requests not survived", True),
    ("strangers' connections", False),
    ("strangers' requests", False),
    ("false failures beside strangers", True),
    ("journal bytes over the bound", True),
    ("processes of drivers left", True),
    ("kill -9 points survived", False),
    ("kill -9 points not survived", True),
    ("requests sent twice", True),
    ("signals", False),
    ("signals that came too late", False),
    ("signals not obeyed in time", True),
    ("requests sent after a signal", True),
    ("wrong exit codes after a signal", True),
    ("files half written, or of two runs", True),
    ("forgeries", False),
    ("forgeries taken for valid", True),
    ("forgeries that the suite failed over", True),
    ("forgeries that took more than 10 s", True),
    ("forgeries that took more than 300 MB", True),
    ("attacks by a hostile gateway", False),
    ("runs beyond their bound", True),
    ("runs of more than 300 MB", True),
)


@dataclass
class Figures:
    """Counts by the name of their row; `told`: what was wrong, in words."""

    counts: Counter[str] = field(default_factory=Counter)
    told: list[str] = field(default_factory=list)

    def add(self, row: str, count: int, what: str = "") -> None:
        """Count; what has to be zero and is not is told with `what`."""
        has_to_be_zero = dict(ROWS)[row]  # KeyError for a row that the table has not
        self.counts[row] += count
        if count and has_to_be_zero:
            self.told.append(f"{row}: {what or count}")

    def take(self, other: Figures) -> None:
        """Count what another has counted."""
        self.counts.update(other.counts)
        self.told += other.told

    @property
    def wrong(self) -> bool:
        """Whether something is not zero that has to be."""
        return any(self.counts[row] for row, zero in ROWS if zero)

    def table(self) -> Iterator[str]:
        """The rows, a line each."""
        width = max(len(row) for row, _ in ROWS)
        for row, zero in ROWS:
            yield f"{row:{width}}  {self.counts[row]:>7,}{'  (has to be 0)' if zero else ''}"

    def search(self, directory: Path, *secrets: str) -> None:
        """Look for these in every file of a directory: plain, within base64, and as a URL has them."""
        forms = {form for secret in secrets for form in forms_of(secret)}
        for path in sorted(directory.rglob("*")):
            if path.is_file():
                content = path.read_bytes()
                self.add("artefacts searched", 1)
                found = sum(form.encode() in content for form in forms)
                self.add("secrets found in artefacts", found, str(path))
