"""What was sent after the run proper, to find out on what a failure depends; and what was found.

    is_follow_up    whether a case is one of those
    run_proper      a record without them: what verdicts, counts and coverage are made from
    Cause           what lies behind failing cases of one requirement × command, as the run noted it
    causes_of       the causes that a record tells of

A follow-up is a case of the kind and aspect of the one that it follows, so the same checks judge it; what marks it is
its id (`sms/shrink/ACC-03/1`), which is in the journal. So is each cause: judging a journal again tells the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from conformance.journal import Record

# In the place where the ids of other cases have their kind.
MARK = "shrink"
# The kind of note that holds a cause, and the one that sums up the whole search.
CAUSE, SEARCH = "cause", "shrink"


def follow_up_id(folder: str, requirement: str, number: int) -> str:
    """The id of a follow-up."""
    return f"{folder}/{MARK}/{requirement}/{number}"


def is_follow_up(case_id: str) -> bool:
    """Whether the case of that id was sent after the run proper."""
    return case_id.split("/")[1:2] == [MARK]


def run_proper(record: Record) -> Record:
    """The record as it was when the run had listened to its end, without what was sent after that.

    A follow-up that was sent before belongs to it: it is what somebody replays.
    """
    settled = next((note.detail["at"] for note in record.notes if note.kind == "settled"), float("inf"))
    after = {case.id for case in record.cases if is_follow_up(case.id)}
    after -= {exchange.case_id for exchange in record.exchanges if exchange.sent_at <= settled}
    if not after:
        return record
    return replace(
        record,
        cases=tuple(case for case in record.cases if case.id not in after),
        exchanges=tuple(exchange for exchange in record.exchanges if exchange.case_id not in after),
        notifications=tuple(
            notification for notification in record.notifications if notification.received_at <= settled
        ),
    )


@dataclass(frozen=True, slots=True)
class Cause:
    """What lies behind `cases`, which fall short of one requirement × command.

    `kind` and `pattern` say on what it depends (`conformance.checks.patterns`). `minimal` is the id of the simplest
    case that was seen to fall short in the same way, `differs` its members that a payload which went well does not
    have like that (None: it leaves the member out). `finished` is False if there may be a simpler one.
    """

    requirement: str
    command: str
    cases: tuple[str, ...]
    kind: str
    pattern: str
    minimal: str | None = None
    differs: Mapping[str, Any] | None = None
    finished: bool = True

    def noted(self) -> dict[str, Any]:
        """As the detail of a note in the journal."""
        return {
            "requirement": self.requirement,
            "command": self.command,
            "cases": list(self.cases),
            "kind": self.kind,
            "pattern": self.pattern,
            "minimal": self.minimal,
            "differs": None if self.differs is None else dict(self.differs),
            "finished": self.finished,
        }

    @classmethod
    def of_note(cls, detail: Mapping[str, Any]) -> Cause:
        """From the detail of a note."""
        return cls(**{**detail, "cases": tuple(detail["cases"])})


def causes_of(record: Record) -> Mapping[tuple[str, str | None], tuple[Cause, ...]]:
    """The causes that were noted, by requirement and command."""
    causes: dict[tuple[str, str | None], tuple[Cause, ...]] = {}
    for note in record.notes:
        if note.kind == CAUSE:
            cause = Cause.of_note(note.detail)
            key = (cause.requirement, cause.command)
            causes[key] = (*causes.get(key, ()), cause)
    return causes
