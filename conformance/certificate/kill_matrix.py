"""How well the suite finds faults, as its own tests measured it: `kill-matrix.json`, tied to an edition.

    measured_for        what a certificate says of the kill matrix

Each row of a matrix is a whole run: a seeded fault has to break exactly what it says, a lawful variant nothing. The
file is written by `python docs/record_kill_matrix.py` after `make test`. It is worth something only for the catalogue
that it was measured with; for any other the certificate says that it was not measured.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from typing import Any

from conformance.certificate.digests import suite_digest
from conformance.contract.contract import Contract
from conformance.contract.schema_set import FORMATS
from conformance.model.errors import SuiteError
from conformance.model.untrusted import parse_json

FILE = "kill-matrix.json"
NOT_MEASURED = "not measured for this edition"


def recorded() -> Mapping[str, Any]:
    """The packaged file: kind of subject → its matrix; empty if there is none. Raises SuiteError if it is damaged."""
    file = files("conformance.certificate").joinpath(FILE)
    if not file.is_file():
        return {}
    matrices: Mapping[str, Any] = parse_json(file.read_bytes())
    for violation in FORMATS.violations("certificate#kill_matrices", matrices):
        raise SuiteError(f"{FILE} is damaged: {violation.pointer}: {violation.message}")
    return matrices


def measured_for(kind: str, contract: Contract, matrices: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """What a certificate of a `kind` of subject says: the numbers, or that they are of another edition or contract.

    `same_suite`: whether it was measured with these very files, not only with this catalogue.
    """
    matrix = (recorded() if matrices is None else matrices).get(kind)
    if matrix is None or matrix["catalogue"] != contract.catalogue.digest:
        return {"measured": False, "reason": NOT_MEASURED, "catalogue": contract.catalogue.digest}
    return {"measured": True, **matrix, "same_suite": matrix["suite"] == f"sha256:{suite_digest().value}"}
