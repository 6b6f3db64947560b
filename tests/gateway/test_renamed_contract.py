"""The engine knows roles, not names: members that are renamed throughout a contract folder change nothing else."""

from __future__ import annotations

import shlex
import shutil
import sys
from pathlib import Path

import campaigns
import pytest
from contract_copies import renamed

from conformance.client import certification
from conformance.client.settings import ClientSettings
from conformance.contract.contract import Contract
from conformance.contract.requirements import Level
from conformance.journal import read_journal
from conformance.judging.verdicts import Conclusion, Judged, Verdict
from conformance.reports.result import judge

DRIVERS = Path(__file__).parents[2] / "examples" / "drivers"
NAMES = {"status_code": "answer_code", "request_id": "ticket", "result_code": "final_code"}


@pytest.fixture
def contract(tmp_path: Path) -> Contract:
    """The built-in contract with other names."""
    return Contract.load(renamed(tmp_path, NAMES))


def passed(judged: Judged) -> int:
    """How many MUSTs passed; of those with a condition, chance has a say in whether it came about."""
    musts = (v for v in judged.verdicts if v.level is Level.MUST and v.requirement.condition is None)
    return sum(v.verdict is Verdict.PASS for v in musts)


def test_a_run_by_other_names_passes_what_it_passes_by_the_usual_ones(contract: Contract, tmp_path: Path) -> None:
    """The built-in mock gateway speaks them as well, so the run is conformant."""
    usual = campaigns.judged(tmp_path / "usual")

    journal = campaigns.held(tmp_path / "renamed", contract=contract)
    renamed_ones = judge(read_journal(journal), contract=contract)

    assert Conclusion.CONFORMANT == renamed_ones.conclusion, campaigns.shortfalls(renamed_ones)
    assert passed(usual) == passed(renamed_ones)
    assert b"status_code" not in b"".join(e.response.body for e in read_journal(journal).exchanges if e.response)


def test_an_example_client_that_is_told_the_names_is_conformant(contract: Contract, tmp_path: Path) -> None:
    """The words of the driver protocol are its own: the driver alone has to know both."""
    shutil.copytree(DRIVERS, tmp_path / "drivers")
    for file in (tmp_path / "drivers").glob("python_*.py"):
        source = file.read_text(encoding="utf-8")
        for word, name in NAMES.items():
            source = source.replace(f'"{word}": "{word}"', f'"{word}": "{name}"')
        file.write_text(source, encoding="utf-8")
    settings = ClientSettings(
        driver=shlex.join((sys.executable, str(tmp_path / "drivers" / "python_receiver.py"))),
        contract=contract,
        products=("sms",),
        max_examples=0,
        seed=7,
        report_dir=tmp_path / "reports",
    )

    judged = judge(read_journal(certification.certify(settings)), contract=contract)

    assert Conclusion.CONFORMANT == judged.conclusion, campaigns.shortfalls(judged)
