"""What reached the suite's own servers without being of the subject, and what these could not take.

strangers_of        the member `strangers` of `report.json`
stranger_lines      the same as lines for a person
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from conformance.journal import Record
from conformance.judging.terms import REFUSED_HERE


def strangers_of(record: Record, of_anybody: int) -> Mapping[str, Any] | None:
    """How much came that may be anybody's and was judged by nothing; None if nothing did, and all was taken."""
    not_kept = sum(note.detail["left_out"] for note in record.notes if note.kind == "strays")
    refused = [note.detail["why"] for note in record.notes if note.kind == REFUSED_HERE]
    if not (of_anybody or not_kept or refused):
        return None
    return {"not_judged": of_anybody, "not_kept": not_kept, "refused": list(dict.fromkeys(refused))}


def stranger_lines(document: Mapping[str, Any]) -> Iterator[str]:
    """A line for each of these."""
    told = document.get("strangers")
    if told is None:
        return
    if told["not_judged"]:
        yield (
            f"{told['not_judged']:,} requests to the callbacks carry no id of the run and may be anybody's: they are "
            "not judged; with --callback-token only the gateway knows the address"
        )
    if told["not_kept"]:
        yield f"{told['not_kept']:,} more requests that carry no id of the run were too many to be kept in the journal"
    excused = "; what is missing for that is held against nobody" if document["subject"]["kind"] == "gateway" else ""
    for why in told["refused"]:
        yield f"the suite's own server did not take everything: {why}{excused}"
