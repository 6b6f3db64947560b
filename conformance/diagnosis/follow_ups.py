"""Follow-ups: requests that were sent after the run proper, to find the causes of failures.

A follow-up is a case of the kind and aspect of the one that it follows, so the same checks judge it. The beginning of
follow-ups is noted, with the size of the journal, and so is each cause: a journal that is judged again says the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from conformance.contract.contract import Contract
from conformance.journal import LISTENED, Held, Record
from conformance.journal.record import Attempt
from conformance.judging.reading import told_id
from conformance.model.traffic import Case, Exchange, Notification
from conformance.wire.ledger import request_id_of

# In the place where the ids of other cases have their kind.
MARK = "shrink"
# Kinds of notes: follow-ups begin (with the size of the journal), a cause, and the cost of the whole search.
BEGINNING, CAUSE, SEARCH = "shrink-begins", "cause", "shrink"
# The kind of a cause, and its name in journals of version 0.1.
INTERMITTENT, NOW_AND_THEN = "intermittent", "now-and-then"


def follow_up_id(folder: str, requirement: str, number: int) -> str:
    """The id of a follow-up."""
    return f"{folder}/{MARK}/{requirement}/{number}"


def is_follow_up(case_id: str) -> bool:
    """Whether the case of that id was made after a run, to look into one of its failures."""
    return case_id.split("/")[1:2] == [MARK]


def held_by(record: Record) -> Held:
    """How much there is of a run that has come to its end; noted when follow-ups begin."""
    return Held(len(record.cases), len(record.exchanges), len(record.notifications))


def run_proper(record: Record, contract: Contract) -> Record:
    """The record as it was at the end of the run, before follow-ups were sent."""
    held = next((note.detail for note in record.notes if note.kind == BEGINNING), None)
    if held is None:
        return record
    notifications = record.notifications[: held["notifications"]]
    if any(note.kind == LISTENED for note in record.notes):
        notifications = (*notifications, *_listened_for(record, held, contract))
    return _Beginning(
        record.settings,
        record.cases[: held["cases"]],
        record.exchanges[: held["exchanges"]],
        notifications,
        record.notes,
        record.messages,
        whole=record,
    )


def _listened_for(record: Record, held: Mapping[str, int], contract: Contract) -> Iterator[Notification]:
    """The notifications of the run that arrived when it was listened for later, without those of follow-ups."""
    since = min(note.detail["until"] for note in record.notes if note.kind == LISTENED)
    later = record.exchanges[held["exchanges"] :]
    bodies = (exchange.response.body for exchange in later if exchange.response)
    of_follow_ups = {request_id_of(body, contract.answer.id) for body in bodies} - {None}
    for notification in record.notifications[held["notifications"] :]:
        if notification.received_at >= since and told_id(notification.request, contract) not in of_follow_ups:
            yield notification


@dataclass(frozen=True, slots=True, eq=False)
class _Beginning(Record):
    """The beginning of a record."""

    whole: Record = field(kw_only=True)

    def attempts(self) -> Iterator[Attempt]:
        """As in Record; later exchanges are no attempts at cases of the beginning."""
        return islice(self.whole.attempts(), len(self.exchanges))

    def exchanges_numbered(self, numbers: Sequence[int] | set[int]) -> dict[int, tuple[Case | None, Exchange]]:  # type: ignore[override]
        """As Record has it, for all of the record."""
        return self.whole.exchanges_numbered(numbers)


@dataclass(frozen=True, slots=True)
class Cause:
    """The cause behind `cases`, which fail one requirement × command.

    `kind` and `pattern` say on what it depends (`conformance.diagnosis.patterns`). `minimal` is the id of the simplest
    case that failed in the same way, `exchange` the number of its exchange, `differs` its members that
    a payload which went well does not have like that (None: it leaves the member out). `finished` is False if there may
    be a simpler one.
    """

    requirement: str
    command: str
    cases: tuple[str, ...]
    kind: str
    pattern: str
    minimal: str | None = None
    differs: Mapping[str, Any] | None = None
    finished: bool = True
    exchange: int | None = None

    @classmethod
    def of_note(cls, detail: Mapping[str, Any]) -> Cause:
        """From the detail of a note."""
        kind = INTERMITTENT if detail["kind"] == NOW_AND_THEN else detail["kind"]
        return cls(**{**detail, "cases": tuple(detail["cases"]), "kind": kind})


Causes = Mapping[tuple[str, str | None], tuple[Cause, ...]]
"""Requirement and command → the causes that were found."""


def causes_of(record: Record) -> Causes:
    """The causes that were noted."""
    causes: dict[tuple[str, str | None], tuple[Cause, ...]] = {}
    for note in record.notes:
        if note.kind == CAUSE:
            cause = Cause.of_note(note.detail)
            key = (cause.requirement, cause.command)
            causes[key] = (*causes.get(key, ()), cause)
    return causes
