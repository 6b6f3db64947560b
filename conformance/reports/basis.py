"""What a requirement rests on, in words: one function for every report.

    rests_on        an entry of `report.json`, or of the catalogue → the words

The provider's guide is quoted. A documented fact is told with the section of docs/contract.md in which this project has
gathered it: that page is the project's own, and is never called the provider's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from conformance.contract.requirements import Basis

GATHERED_IN = "docs/contract.md"

_BESIDE_A_FACT: Mapping[str, str] = {
    Basis.MONEY: "money is at stake",
    Basis.CREDENTIALS: "a credential is at stake",
    Basis.PRACTICE: "this suite's reading",
}


def rests_on(entry: Mapping[str, Any]) -> str:
    """The sentence of the guide, the documented fact, what would be lost, or this suite's reading.

    A report that an earlier version has written does not say the fact.
    """
    if entry["quote"]:
        return f"the provider's Getting started says: “{entry['quote']}”"
    place = f" (see “{entry['section']}” in {GATHERED_IN} of statum-conformance)" if entry["section"] else ""
    fact = entry.get("fact")
    if fact is None:
        return f"a documented fact{place}"
    known = _BESIDE_A_FACT.get(entry.get("basis", ""), f"a documented fact{place}")
    return f"{known}: {fact}"
