"""The invented contract that the tests judge by beside Statum's: `tests/contracts/parcel/`."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from conformance.contract.contract import Contract

FOLDER = Path(__file__).parents[1] / "contracts" / "parcel"


@cache
def parcel() -> Contract:
    """The contract, read once."""
    return Contract.load(FOLDER)
