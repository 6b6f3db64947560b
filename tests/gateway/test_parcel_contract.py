"""The folder of the invented contract is sound, and true to the guide that it quotes."""

from __future__ import annotations

from parcel import FOLDER, parcel

from conformance.contract.contract import statum
from conformance.contract.requirements import Requirement

GUIDE = " ".join((FOLDER / "guide.txt").read_text(encoding="utf-8").split())


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
