"""The engine knows roles, not names: renamed members change nothing, and the invented contract shares no name."""

from __future__ import annotations

from pathlib import Path

import campaigns
import pytest
from other_contracts import PARCEL, parcel, renamed
from starter_drivers import python_client

from conformance.client import certification
from conformance.client.settings import ClientSettings
from conformance.contract.contract import Contract, statum
from conformance.contract.requirements import Level, Requirement
from conformance.journal import read_journal
from conformance.judging.verdicts import Conclusion, Judged, Verdict
from conformance.reports.result import judge

GUIDE = " ".join((PARCEL / "guide.txt").read_text(encoding="utf-8").split())
NAMES = {"status_code": "answer_code", "request_id": "ticket", "result_code": "final_code"}


@pytest.fixture
def contract(tmp_path: Path) -> Contract:
    """The built-in contract with renamed members."""
    return Contract.load(renamed(tmp_path, NAMES))


def passed(judged: Judged) -> int:
    """How many MUSTs passed; of those with a condition, chance has a say in whether it came about."""
    musts = (v for v in judged.verdicts if v.level is Level.MUST and v.requirement.condition is None)
    return sum(v.verdict is Verdict.PASS for v in musts)


def test_a_run_by_other_names_has_the_same_verdicts(contract: Contract, tmp_path: Path) -> None:
    """The built-in mock gateway speaks them as well, so the run is conformant."""
    products = ("sms", "mpesa-online")
    usual = campaigns.judged(tmp_path / "usual", products=products)

    journal = campaigns.held(tmp_path / "renamed", contract=contract, products=products)
    renamed_ones = judge(read_journal(journal), contract=contract)

    assert Conclusion.CONFORMANT == renamed_ones.conclusion, campaigns.shortfalls(renamed_ones)
    assert passed(usual) == passed(renamed_ones)
    assert b"status_code" not in b"".join(e.response.body for e in read_journal(journal).exchanges if e.response)


def test_a_driver_of_init_has_the_names_of_the_contract(contract: Contract, tmp_path: Path) -> None:
    """The words of the driver protocol stay; `init` writes the names of the contract into the driver."""
    settings = ClientSettings(
        driver=python_client(tmp_path, contract, receiver=True),
        contract=contract,
        products=("sms",),
        max_examples=0,
        seed=7,
        report_dir=tmp_path / "reports",
    )

    judged = judge(read_journal(certification.certify(settings)), contract=contract)

    assert Conclusion.CONFORMANT == judged.conclusion, campaigns.shortfalls(judged)


# --- The folder of the invented contract


def test_every_quote_is_in_the_guide() -> None:
    """Letter by letter, but for where its lines end."""
    quotes = {r.id: r.quote for r in parcel().catalogue.requirements if r.quote is not None}

    assert {} == {id_: quote for id_, quote in quotes.items() if quote not in GUIDE}
    assert quotes


def test_every_example_is_valid() -> None:
    """Examples are what is shown and what is sent first."""
    schemas = parcel().schemas
    definitions = [f"common#{name}" for name in schemas.schema("common")["$defs"]]
    broken = {
        (name, str(example)): schemas.violations(name, example)
        for name in (*schemas.names, *definitions)
        for example in schemas.schema(name).get("examples", ())
    }

    assert {} == {example: found for example, found in broken.items() if found}
    assert broken


def test_nothing_is_named_as_it_is_in_the_contract_of_statum() -> None:
    """What both have by the same name could be written into the engine unnoticed."""

    def ids(requirements: tuple[Requirement, ...]) -> set[str]:
        return {requirement.id for requirement in requirements}

    here, there = parcel(), statum()

    assert set() == ids(here.catalogue.requirements) & ids(there.catalogue.requirements)
    assert set() == set(here.products) & set(there.products)
    assert set() == here.commands.keys() & there.commands.keys()
    assert set() == set(_members(here.schemas.schema("common"))) & set(_members(there.schemas.schema("common")))


def _members(common: dict[str, dict[str, object]]) -> list[str]:
    return list(common["$defs"])
