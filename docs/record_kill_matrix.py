"""Puts the kill matrix into the package, for certificates to say how well this edition of the suite finds faults.

    make test-kill                        measures it, and leaves reports/kill-matrix.json
    python docs/record_kill_matrix.py     checks that file and copies it to conformance/certificate/kill-matrix.json

Only a matrix of today's catalogue is taken; the kinds of subject that it does not hold keep what was measured of them.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from conformance.certificate.issuing import FILE, recorded
from conformance.contract.contract import statum
from conformance.contract.schemas import FORMATS
from conformance.model.untrusted import parse_json

# ruff: noqa: INP001 - a script, not a module of a package

CHECKOUT = Path(__file__).parents[1]
MEASURED = CHECKOUT / "reports" / "kill-matrix.json"
PACKAGED = CHECKOUT / "conformance" / "certificate" / FILE


def main() -> str:
    """Copy it; what was done, or why not."""
    if not MEASURED.is_file():
        return f"there is no {MEASURED.name} in reports/ (hint: `make test-kill` leaves it)"
    measured = parse_json(MEASURED.read_bytes())
    for violation in FORMATS.violations("certificate#kill_matrices", measured):
        return f"{MEASURED.name} is none: {violation.pointer}: {violation.message}"
    old = [kind for kind, matrix in measured.items() if matrix["catalogue"] != statum().catalogue.digest]
    if old:
        return f"{MEASURED.name} is of another catalogue (hint: `make test-kill` measures it anew)"
    PACKAGED.write_text(f"{json.dumps({**recorded(), **measured}, indent=2)}\n", encoding="utf-8")
    sys.stdout.write(f"{PACKAGED.relative_to(CHECKOUT)} rewritten\n")
    return ""


if __name__ == "__main__":
    sys.exit(main() or 0)
