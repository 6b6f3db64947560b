"""The pytest plugins of this suite, which `tests/conftest.py` loads."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from flawed_clients.table import FLAWS, LAWFUL
from seeded import FAULTS, VARIANTS

from conformance import __version__
from conformance.certificate.digests import suite_digest
from conformance.contract.contract import statum
from conformance.contract.requirements import Actor

REPORTS = Path(__file__).parents[2] / "reports"
NUMBERS = REPORTS / "kill-matrix.json"

Rows = Mapping[tuple[str, str], Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Matrix:
    """What one table shows: rows of two kinds, and which requirements they are to kill between them.

    `faults` are the seeded ones, with what each breaks; `lawful` break nothing. The kinds are those of the rows.
    `made_by` is the command. `subject`: what certificates call the kind of thing that is judged.
    """

    file: str
    title: str
    made_by: str
    each_row: str
    fault_kind: str
    faults: Mapping[str, tuple[str, ...]]
    lawful_kind: str
    lawful: tuple[str, ...]
    actors: frozenset[Actor]
    subject: str

    @property
    def wanted(self) -> set[tuple[str, str]]:
        """The rows that make it whole."""
        return {(self.fault_kind, name) for name in self.faults} | {(self.lawful_kind, name) for name in self.lawful}


MATRICES = (
    Matrix(
        "kill-matrix.md",
        "Kill matrix",
        "make test-kill",
        "each row is a whole run over HTTP",
        "fault",
        {fault.name: tuple(fault.breaks) for fault in FAULTS.values()},
        "variant",
        ("lawful", *VARIANTS),
        frozenset({Actor.GATEWAY}),
        "gateway",
    ),
    Matrix(
        "client-kill-matrix.md",
        "Kill matrix of clients",
        "make test-kill",
        "each row is a whole certification of a process of its own",
        "flawed client",
        {flaw.name: flaw.breaks for flaw in FLAWS.values()},
        "lawful client",
        tuple(LAWFUL),
        frozenset({Actor.CLIENT, Actor.RECEIVER}),
        "client",
    ),
)


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
        """Write each table all of whose rows ran, and the numbers of those."""
        whole = [matrix for matrix in MATRICES if matrix.wanted <= self._rows.keys()]
        REPORTS.mkdir(exist_ok=True)
        for matrix in whole:
            (REPORTS / matrix.file).write_text(rendered(matrix, self._rows), encoding="utf-8")
        if whole:
            numbers = {**_of_the_same_suite(self._suite)}
            numbers |= {matrix.subject: numbers_of(self._rows, self._suite, matrix) for matrix in whole}
            NUMBERS.write_text(f"{json.dumps(numbers, indent=2)}\n", encoding="utf-8")


def _of_the_same_suite(suite: str) -> dict[str, Any]:
    """The numbers that are there already, those of the other matrix mostly, if this very suite was measured."""
    if not NUMBERS.is_file():
        return {}
    there: dict[str, Any] = json.loads(NUMBERS.read_text(encoding="utf-8"))
    return {subject: numbers for subject, numbers in there.items() if numbers["suite"] == suite}


def numbers_of(rows: Rows, suite: str, matrix: Matrix = MATRICES[0]) -> dict[str, Any]:
    """What a certificate says of a matrix, as `formats/certificate.json` has it; `suite` is what was measured."""
    killed = [
        name for name, breaks in matrix.faults.items() if sorted(breaks) == rows[matrix.fault_kind, name]["found"]
    ]
    return {
        "catalogue": statum().catalogue.digest,
        "suite": suite,
        "version": __version__,
        "measured_on": f"{datetime.now(UTC):%Y-%m-%d}",
        "faults": len(matrix.faults),
        "killed": len(killed),
        "lawful": len(matrix.lawful),
        "left_alone": sum(rows[matrix.lawful_kind, name]["exit"] == 0 for name in matrix.lawful),
    }


def rendered(matrix: Matrix, rows: Rows) -> str:
    """The table in Markdown: what each fault should break and did, what each lawful one should leave alone and did."""
    lines = [f"# {matrix.title}", "", f"Written by `{matrix.made_by}`; {matrix.each_row}.", ""]
    lines += [f"| {matrix.fault_kind} | breaks | found | exit | |", "|---|---|---|---|---|"]
    for name, breaks in matrix.faults.items():
        row = rows[matrix.fault_kind, name]
        exact = "exactly" if sorted(breaks) == row["found"] else "NOT exactly"
        lines.append(f"| {name} | {_ids(breaks)} | {_ids(row['found'])} | {row['exit']} | {exact} |")
    lines += ["", f"| lawful {matrix.lawful_kind.removeprefix('lawful ')} | found | exit |", "|---|---|---|"]
    for name in matrix.lawful:
        row = rows[matrix.lawful_kind, name]
        lines.append(f"| {name} | {_ids(row['found']) or '–'} | {row['exit']} |")
    lines += ["", "| requirement | killed by |", "|---|---|"]
    for requirement in statum().catalogue.requirements:
        if requirement.actor in matrix.actors and requirement.excluded is None:
            killers = [n for n in matrix.faults if requirement.id in rows[matrix.fault_kind, n]["found"]]
            lines.append(f"| {requirement.id} {requirement.title} | {', '.join(killers) or 'NOTHING'} |")
    return "\n".join(lines) + "\n"


def _ids(ids: Any) -> str:
    return ", ".join(ids)


ROOT = Path(__file__).parents[2]
COSTLY = 'fixture(scope="module")'
# Plans and payloads that the tests of a file share. Other files cache what costs little beside each of their tests.
CACHED, UNIT_TESTS = "\n@cache\n", "tests/unit/"


@cache
def _shares_costly_values(file: str) -> bool:
    text = (ROOT / file).read_text(encoding="utf-8")
    return COSTLY in text or (file.startswith(UNIT_TESTS) and CACHED in text)


def unit_of(nodeid: str) -> str:
    """What a worker is given in one piece: the file, if its tests share a fixture of the module, or else the test."""
    file = nodeid.partition("::")[0]
    return file if _shares_costly_values(file) else nodeid


class ForgettingValues:
    """Empties the caches of a test file when its last test is over: what its tests share would stay in memory."""

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_teardown(self, item: pytest.Item, nextitem: pytest.Item | None) -> None:
        """The functions of the file that are cached."""
        module = item.getparent(pytest.Module)
        if module is not None and (nextitem is None or nextitem.getparent(pytest.Module) is not module):
            for value in vars(module.obj).values():
                if hasattr(value, "cache_clear") and value.__module__ == module.obj.__name__:
                    value.cache_clear()


class SharingWork:
    """Takes the place of xdist's own choice where tests are spread over workers.

    Marks with `xdist_group` would say the same test by test, but have no effect under pytest 9.2 and pytest-xdist 3.8.
    """

    @pytest.hookimpl(tryfirst=True)
    def pytest_xdist_make_scheduler(self, config: pytest.Config, log: Any) -> Any:
        """The scheduler; units with many tests go out first, so that no long one is begun last."""
        if config.getvalue("dist") != "load":
            return None
        scheduler = pytest.importorskip("xdist.scheduler").LoadScopeScheduling(config, log)
        scheduler._split_scope = unit_of  # noqa: SLF001 - the method that xdist's own schedulers replace
        return scheduler
