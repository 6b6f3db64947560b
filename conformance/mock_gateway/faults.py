"""The table of seeded faults: each a named single misbehaviour, with the requirements that it breaks.

The rows are in four tables, by what a fault is about; every judged requirement has a row that breaks it alone.

    FAULTS      name → Fault
    fault       the one with a name, or a UsageError that says which may have been meant

The rows are written in the verbs of `fault_changes`; the functions that they name are in `fault_answers`,
`fault_messages`, `fault_request_ids`, `fault_admission`, `fault_deliveries` and `fault_sequences`.
"""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches

from conformance.errors import UsageError
from conformance.mock_gateway.fault_changes import Fault
from conformance.mock_gateway.faults_of_admission import FAULTS_OF_ADMISSION
from conformance.mock_gateway.faults_of_answers import FAULTS_OF_ANSWERS
from conformance.mock_gateway.faults_of_notifications import FAULTS_OF_NOTIFICATIONS
from conformance.mock_gateway.faults_of_sequences import FAULTS_OF_SEQUENCES
from conformance.mock_gateway.faults_of_unsolicited import FAULTS_OF_UNSOLICITED

__all__ = ["FAULTS", "Fault", "fault"]

FAULTS: Mapping[str, Fault] = {
    row.name: row
    for row in (
        *FAULTS_OF_ANSWERS,
        *FAULTS_OF_ADMISSION,
        *FAULTS_OF_NOTIFICATIONS,
        *FAULTS_OF_UNSOLICITED,
        *FAULTS_OF_SEQUENCES,
    )
}


def fault(name: str) -> Fault:
    """The fault called `name`; UsageError, with the nearest names as its hint, if there is none."""
    if name in FAULTS:
        return FAULTS[name]
    near = get_close_matches(name, FAULTS, n=3)
    hint = f"did you mean {' or '.join(near)}?" if near else "--list-faults shows them all"
    raise UsageError(f"there is no fault {name!r}; expected is the name of a fault", hint)
