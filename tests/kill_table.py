"""The kill matrix as a table: collected from the tests that ran, in whatever process, and written when they have ended.

A pytest plugin (`tests/conftest.py` loads it). A partial run writes nothing: half a table would be read as a whole one.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from conformance.contract.requirements import Actor, catalogue
from conformance.mock_gateway.faults import FAULTS
from conformance.mock_gateway.variants import VARIANTS

TABLE = Path(__file__).parents[1] / "reports" / "kill-matrix.md"


class KillTable:
    """Takes the rows that tests record as the property `kill`."""

    def __init__(self) -> None:
        self._rows: dict[tuple[str, str], dict[str, Any]] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Runs in the process that the reports of all workers come together in."""
        if report.when == "call":
            for name, row in report.user_properties:
                if name == "kill" and isinstance(row, dict):
                    self._rows[row["kind"], row["name"]] = row

    def pytest_sessionfinish(self) -> None:
        """Write the table if every fault and every variant ran."""
        wanted = {("fault", name) for name in FAULTS} | {("variant", name) for name in ("lawful", *VARIANTS)}
        if wanted <= self._rows.keys():
            TABLE.parent.mkdir(exist_ok=True)
            TABLE.write_text(rendered(self._rows), encoding="utf-8")


def rendered(rows: dict[tuple[str, str], dict[str, Any]]) -> str:
    """The table in Markdown: what each fault should break and did, what each variant should leave alone and did."""
    lines = ["# Kill matrix", "", "Written by `make test`; each row is a whole run over HTTP.", ""]
    lines += ["| fault | breaks | found | exit | |", "|---|---|---|---|---|"]
    for name, fault in FAULTS.items():
        row = rows["fault", name]
        exact = "exactly" if sorted(fault.breaks) == row["found"] else "NOT exactly"
        lines.append(f"| {name} | {_ids(fault.breaks)} | {_ids(row['found'])} | {row['exit']} | {exact} |")
    lines += ["", "| lawful variant | found | exit |", "|---|---|---|"]
    for name in ("lawful", *VARIANTS):
        row = rows["variant", name]
        lines.append(f"| {name} | {_ids(row['found']) or '–'} | {row['exit']} |")
    lines += ["", "| requirement | killed by |", "|---|---|"]
    for requirement in catalogue().requirements:
        if requirement.actor is Actor.GATEWAY and requirement.excluded is None:
            killers = [f.name for f in FAULTS.values() if requirement.id in rows["fault", f.name]["found"]]
            lines.append(f"| {requirement.id} {requirement.title} | {', '.join(killers) or 'NOTHING'} |")
    return "\n".join(lines) + "\n"


def _ids(ids: Any) -> str:
    return ", ".join(ids)
