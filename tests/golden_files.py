"""Reports as they are meant to look, kept in tests/data/golden: `python tests/golden_files.py` writes them anew.

CASES       name of the file → what makes it, of a result with every verdict in it
golden      what the file holds
comparable  what was made, without what every release and every edition of the catalogue changes
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from made_result import result_of

from conformance import __version__
from conformance.contract.requirements import catalogue
from conformance.reporting.github import workflow_commands
from conformance.reporting.junit import junit
from conformance.reporting.result import Result
from conformance.reporting.sarif import sarif
from conformance.reporting.summary import summary

FOLDER = Path(__file__).parent / "data" / "golden"

CASES: Mapping[str, Callable[[Result], bytes]] = {
    "summary.md": lambda result: summary(result.document),
    "report.sarif": lambda result: sarif(result.document),
    "junit.xml": junit,
    "annotations.txt": lambda result: "".join(f"{line}\n" for line in workflow_commands(result.document)).encode(),
}


def golden(name: str) -> str:
    """The content of a golden file."""
    return (FOLDER / name).read_text(encoding="utf-8")


def comparable(content: bytes) -> str:
    """As text, with VERSION and CATALOGUE for what they are now."""
    return content.decode().replace(catalogue().digest, "CATALOGUE").replace(__version__, "VERSION")


if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, make in CASES.items():
        (FOLDER / name).write_text(comparable(make(result_of())), encoding="utf-8")
