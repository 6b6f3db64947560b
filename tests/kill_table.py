"""The kill matrix as a table: collected from the tests that ran, in whatever process, and written when they have ended.

A pytest plugin (`tests/conftest.py` loads it). A partial run writes nothing: half a table would be read as a whole one.
Beside the table goes what certificates say of it, for `docs/record_kill_matrix.py` to put into the package.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from conformance import __version__
from conformance.certificate.digests import suite_digest
from conformance.contract.requirements import Actor, catalogue
from conformance.mock_gateway.faults import FAULTS
from conformance.mock_gateway.variants import VARIANTS

TABLE = Path(__file__).parents[1] / "reports" / "kill-matrix.md"
NUMBERS = TABLE.with_suffix(".json")


class KillTable:
    """Takes the rows that tests record as the property `kill`."""

    def __init__(self) -> None:
        self._rows: dict[tuple[str, str], dict[str, Any]] = {}
        # Of the files as they are before the runs: what is edited meanwhile was not measured.
        self._suite = f"sha256:{suite_digest().value}"

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
            numbers = {"gateway": numbers_of(self._rows, self._suite)}
            NUMBERS.write_text(f"{json.dumps(numbers, indent=2)}\n", encoding="utf-8")


def numbers_of(rows: dict[tuple[str, str], dict[str, Any]], suite: str) -> dict[str, Any]:
    """What a certificate says of the matrix, as `schemas/certificate.json` has it; `suite` is what was measured."""
    killed = [name for name, fault in FAULTS.items() if sorted(fault.breaks) == rows["fault", name]["found"]]
    lawful = ("lawful", *VARIANTS)
    return {
        "catalogue": catalogue().digest,
        "suite": suite,
        "version": __version__,
        "measured_on": f"{datetime.now(UTC):%Y-%m-%d}",
        "faults": len(FAULTS),
        "killed": len(killed),
        "lawful": len(lawful),
        "left_alone": sum(rows["variant", name]["exit"] == 0 for name in lawful),
    }


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
