"""Follow-ups: requests that are sent after the run proper, to find the causes of failures.

A follow-up is a case of the kind and aspect of the one that it follows, so the same checks judge it. The journal notes
its size when follow-ups begin, and each cause: judging it again gives the same explanation.

Comparison   how often a failing payload and a plain one failed
Found        a cause in the payload; Attribution: the other failing cases that it explains
Cause        the cause of a failure, as it is noted
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from conformance.contract.contract import Contract
from conformance.journal import LISTENED, Held, Record
from conformance.journal.rows import Attempt
from conformance.judging.excuses import chance_of_as_many
from conformance.judging.reading import told_id
from conformance.model.traffic import Case, Exchange, Kind, Notification
from conformance.payloads.members import Label, Members, members_of
from conformance.payloads.shrinking import without
from conformance.wire.ledger import request_id_of

# In the place where the ids of other cases have their kind.
MARK = "shrink"
# Kinds of notes: follow-ups begin (with the size of the journal), a cause, and the cost of the whole search.
BEGINNING, CAUSE, SEARCH = "shrink-begins", "cause", "shrink"
# The kind of a cause, and its name in journals of version 0.1.
INTERMITTENT, NOW_AND_THEN = "intermittent", "now-and-then"

# A claim may be chance once in a thousand runs: people act on it, and each run makes several.
ERROR_RATE = 0.001
# Requests that are sent for it alone are few, since each of them may cost money: one in a hundred.
ERROR_RATE_OF_A_ROW = 0.01
# Where chance would show it less often than this, some requests to find out whether it is the payload are worth it.
HUNCH = 0.05

Outcomes = Mapping[str, bool | None]
"""Case id → whether it failed; None if that is unknown, or if it was not sent."""


def follow_up_id(folder: str, requirement: str, number: int) -> str:
    """The id of a follow-up."""
    return f"{folder}/{MARK}/{requirement}/{number}"


def is_follow_up(case_id: str) -> bool:
    """Whether the case of that id was made after a run, to look into one of its failures."""
    return case_id.split("/")[1:2] == [MARK]


def held_by(record: Record) -> Held:
    """The size of the journal at the end of a run; noted when follow-ups begin."""
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

    @property
    def path(self) -> Path | None:
        """That of the whole record."""
        return self.whole.path

    def part(self, exchanges: Collection[int], notifications: Collection[int]) -> Record:
        """As Record has it."""
        return self.whole.part(exchanges, notifications)

    def attempts(self) -> Iterator[Attempt]:
        """As in Record; later exchanges are no attempts at cases of the beginning."""
        return islice(self.whole.attempts(), len(self.exchanges))

    def exchanges_numbered(self, numbers: Sequence[int] | set[int]) -> dict[int, tuple[Case | None, Exchange]]:  # type: ignore[override]
        """As Record has it, for all of the record."""
        return self.whole.exchanges_numbered(numbers)


@dataclass(frozen=True, slots=True)
class Cause:
    """The cause behind `cases`, which fail one requirement × command.

    `kind` and `pattern` are those of a `Pattern`. `minimal` is the id of the simplest case
    that failed in the same way, `exchange` the number of its exchange, `differs` its members that differ from those of
    a passing payload (None: it leaves the member out). `finished` is False if there may be a simpler one.
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
"""Requirement and command → the causes of its failures."""


def causes_of(record: Record) -> Causes:
    """The causes that were noted."""
    causes: dict[tuple[str, str | None], tuple[Cause, ...]] = {}
    for note in record.notes:
        if note.kind == CAUSE:
            cause = Cause.of_note(note.detail)
            key = (cause.requirement, cause.command)
            causes[key] = (*causes.get(key, ()), cause)
    return causes


# --- Comparisons


@dataclass(frozen=True, slots=True)
class FailureCount:
    """How often a payload failed, of how often that is known."""

    failed: int = 0
    of: int = 0

    @classmethod
    def among(cls, outcomes: Iterable[bool | None]) -> FailureCount:
        """Of outcomes."""
        known = [outcome for outcome in outcomes if outcome is not None]
        return cls(sum(known), len(known))

    @property
    def always(self) -> bool:
        """Each time, and more than once."""
        return self.of > 1 and self.failed == self.of

    def chance_of(self, failures: int, successes: int) -> float:
        """The chance that one payload fails so many times in a row and another so many times not, at this rate.

        One failure and one success are added to the rate: neither is certain.
        """
        rate = (self.failed + 1) / (self.of + 2)
        return float(rate**failures * (1 - rate) ** successes)

    def __add__(self, other: FailureCount) -> FailureCount:
        return FailureCount(self.failed + other.failed, self.of + other.of)

    def __str__(self) -> str:
        return f"{self.failed} of {self.of}"


@dataclass(frozen=True, slots=True)
class Comparison:
    """How often a failing payload and a plain one failed."""

    failing: FailureCount = field(default_factory=FailureCount)
    plain: FailureCount = field(default_factory=FailureCount)

    @classmethod
    def among(cls, outcomes: Sequence[tuple[str, bool | None]]) -> Comparison:
        """Of outcomes beside letters: F for the failing payload, P for the plain one."""
        return cls(*(FailureCount.among(outcome for at, outcome in outcomes if at == letter) for letter in "FP"))

    @property
    def is_consistent(self) -> bool:
        """Whether the failing payload failed each time, and the plain one never."""
        return self.failing.always and not self.plain.failed

    def suggests(self, run: FailureCount) -> bool:
        """Whether it may be the payload: it failed each time, the plain one never. `run`: how often in the run."""
        return self.plain.of > 1 and self._chance(run) <= HUNCH

    def shows(self, run: FailureCount) -> bool:
        """Whether it is the payload, beyond chance; also if no plain one was sent."""
        return self._chance(run) <= ERROR_RATE

    def _chance(self, run: FailureCount) -> float:
        return run.chance_of(self.failing.of, self.plain.of) if self.is_consistent else 1.0

    @property
    def is_known(self) -> bool:
        """Whether the outcome of either is known."""
        return bool(self.failing.of or self.plain.of)

    @property
    def whatever(self) -> str:
        """How an intermittent failure relates to the payload, in words; no more than was observed."""
        if self.plain.failed:
            return ", whatever the payload"
        failing, both = self.failing, self.failing + self.plain
        if both.of and chance_of_as_many(failing.failed, failing.of, both.failed, both.of) <= ERROR_RATE_OF_A_ROW:
            return ", with such a payload"
        return ""

    @property
    def in_words(self) -> str:
        """In words, with the numbers as far as they are known."""
        named = (("the failing payload", self.failing), ("a plain one", self.plain))
        known = ", ".join(f"{name} {count}" for name, count in named if count.of)
        return f"sent again, {known or 'nothing could be told'}"

    def __add__(self, other: Comparison) -> Comparison:
        return Comparison(self.failing + other.failing, self.plain + other.plain)


@dataclass(frozen=True, slots=True)
class Specimen:
    """A case that is about its payload, with its label."""

    case: Case
    label: Label
    members: Members

    @classmethod
    def of(cls, case: Case, contract: Contract) -> Specimen | None:
        """The case as one; None if it is not about its payload, or its bytes do not prove its label."""
        label, members = Label.of(case, contract), members_of(case.request.body)
        return None if label is None or members is None else cls(case, label, members)


@dataclass(slots=True)
class Found:
    """The cause in a suspect: `base`, the simplest members that fail, sent as `case`.

    `differs` are the members in which it differs from the `good` one. `cases` are the failing cases that it explains.
    `comparison` counts all requests with the suspect, or its simplest form, and the plain ones beside them.
    """

    suspect: Specimen
    base: Members
    good: Members
    case: Case
    differs: tuple[str, ...]
    comparison: Comparison
    finished: bool
    cases: list[str]

    def is_in(self, other: Specimen) -> bool:
        """Whether another suspect has the cause: one of the same label, or of any if a valid payload has it."""
        alike = other.label == self.suspect.label or Kind.VALID in (other.label.kind, self.suspect.label.kind)
        return alike and mended(other.members, [self]) != other.members


def mended(members: Members, found: Iterable[Found]) -> Members:
    """The members without the causes."""
    for each in found:
        members = without(members, each.base, each.good)
    return members


@dataclass(slots=True)
class Attribution:
    """The other suspects; the `asked` ones are sent without the members to blame."""

    asked: list[tuple[Specimen, Found, Case]] = field(default_factory=list)
    unasked: list[tuple[Specimen, Found]] = field(default_factory=list)
    different: list[Specimen] = field(default_factory=list)

    def unexplained(self, outcomes: Outcomes) -> list[Specimen]:
        """The suspects with another cause; the others are attributed to the causes that they have.

        A cause explains a suspect that passes without it, and the suspects that were not sent again if all that were
        sent passed.
        """
        passed = [(other, cause) for other, cause, case in self.asked if outcomes.get(case.id) is False]
        failed = [other for other, _, case in self.asked if outcomes.get(case.id) is not False]
        for other, cause in [*passed, *([] if failed else self.unasked)]:
            cause.cases.append(other.case.id)
        return [*self.different, *failed, *([other for other, _ in self.unasked] if failed else [])]
