"""What certificates say of the kill matrix: counted from the rows that the tests record, and put into the package."""

from __future__ import annotations

import json
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from seeded import FAULTS, VARIANTS
from suite_plugins import numbers_of

from conformance.certificate.digests import suite_digest
from conformance.contract.contract import statum
from conformance.contract.schemas import FORMATS

SUITE = f"sha256:{suite_digest().value}"
FIRST, SECOND = list(FAULTS)[:2]


@pytest.fixture
def rows() -> dict[tuple[str, str], dict[str, Any]]:
    """Those of a matrix in which everything went as it should."""
    faults = {("fault", name): {"found": sorted(fault.breaks), "exit": 1} for name, fault in FAULTS.items()}
    return faults | {("variant", name): {"found": [], "exit": 0} for name in ("lawful", *VARIANTS)}


@pytest.fixture
def recording(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script, with files of its own."""
    path = Path(__file__).parents[2] / "docs" / "record_kill_matrix.py"
    spec = spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "CHECKOUT", tmp_path)
    monkeypatch.setattr(module, "MEASURED", tmp_path / "measured.json")
    monkeypatch.setattr(module, "PACKAGED", tmp_path / "packaged.json")
    return module


def test_all_faults_found_and_all_variants_left_alone(rows: dict[tuple[str, str], dict[str, Any]]) -> None:
    """Counted for this edition."""
    numbers = numbers_of(rows, SUITE)

    assert len(FAULTS) == numbers["faults"] == numbers["killed"]
    assert len(VARIANTS) + 1 == numbers["lawful"] == numbers["left_alone"]
    assert (statum().catalogue.digest, SUITE) == (numbers["catalogue"], numbers["suite"])
    assert [] == FORMATS.violations("certificate#kill_matrices", {"gateway": numbers})


def test_what_was_missed_or_overdone_is_not_counted(rows: dict[tuple[str, str], dict[str, Any]]) -> None:
    """A fault that was not found, one that broke more than it says, a variant that was failed."""
    rows["fault", FIRST]["found"] = []
    rows["fault", SECOND]["found"] = [*rows["fault", SECOND]["found"], "ZZZ-99"]
    rows["variant", "lawful"]["exit"] = 1
    numbers = numbers_of(rows, SUITE)

    assert 2 == numbers["faults"] - numbers["killed"]
    assert 1 == numbers["lawful"] - numbers["left_alone"]


def test_a_measured_matrix_is_put_into_the_package(
    rows: dict[tuple[str, str], dict[str, Any]], recording: ModuleType
) -> None:
    """As it was measured."""
    numbers = {"gateway": numbers_of(rows, SUITE)}
    recording.MEASURED.write_text(json.dumps(numbers), encoding="utf-8")

    assert "" == recording.main()
    assert numbers["gateway"] == json.loads(recording.PACKAGED.read_text(encoding="utf-8"))["gateway"]


def test_another_matrix_is_not(rows: dict[tuple[str, str], dict[str, Any]], recording: ModuleType) -> None:
    """None at all, a file that is none, one of another catalogue."""
    assert "there is no measured.json" in recording.main()
    recording.MEASURED.write_text('{"gateway": {}}', encoding="utf-8")
    assert "measured.json is none: /gateway" in recording.main()
    of_old = {"gateway": {**numbers_of(rows, SUITE), "catalogue": f"sha256:{'0' * 64}"}}
    recording.MEASURED.write_text(json.dumps(of_old), encoding="utf-8")
    assert "measured.json is of another catalogue" in recording.main()
    assert not recording.PACKAGED.exists()
