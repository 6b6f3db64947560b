"""Failing cases whose payloads may be to blame, compared with plain ones, and the cause that explains each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from conformance.contract.contract import Contract
from conformance.diagnosis.traits import ERROR_RATE, ERROR_RATE_OF_A_ROW, above, split
from conformance.model.traffic import Case, Kind
from conformance.payloads.members import Label, Members, members_of
from conformance.payloads.shrinking import without

# Where chance would show it less often than this, some requests to find out whether it is the payload are worth it.
HUNCH = 0.05

Outcomes = Mapping[str, bool | None]
"""Case id → whether it failed; None if that is unknown, or if it was not sent."""


@dataclass(frozen=True, slots=True)
class FailureCount:
    """How often a payload failed, of how often that is known."""

    short: int
    of: int

    @classmethod
    def among(cls, outcomes: Iterable[bool | None]) -> FailureCount:
        """Of outcomes."""
        known = [outcome for outcome in outcomes if outcome is not None]
        return cls(sum(known), len(known))

    @property
    def always(self) -> bool:
        """Each time, and more than once."""
        return self.of > 1 and self.short == self.of

    def __add__(self, other: FailureCount) -> FailureCount:
        return FailureCount(self.short + other.short, self.of + other.of)

    def __str__(self) -> str:
        return f"{self.short} of {self.of}"


@dataclass(frozen=True, slots=True)
class Comparison:
    """A failing payload (`ill`) beside a plain one (`well`)."""

    ill: FailureCount
    well: FailureCount

    def suggests(self, run: FailureCount) -> bool:
        """Whether it may be the payload: it failed each time, the plain one never. `run`: how often in the run."""
        return self.well.of > 1 and self._chance(run) <= HUNCH

    def shows(self, run: FailureCount) -> bool:
        """Whether it is the payload, beyond chance; also if no plain one was sent."""
        return self._chance(run) <= ERROR_RATE

    def _chance(self, run: FailureCount) -> float:
        apart = self.ill.always and not self.well.short
        return split(self.ill.of, self.well.of, run.short, run.of) if apart else 1.0

    @property
    def is_known(self) -> bool:
        """Whether the outcome of either is known."""
        return bool(self.ill.of or self.well.of)

    @property
    def whatever(self) -> str:
        """How an intermittent failure relates to the payload, in words; no more than was observed."""
        if self.well.short:
            return ", whatever the payload"
        both = self.ill + self.well
        more = above(self.ill.short, self.ill.of, both.short, both.of) <= ERROR_RATE_OF_A_ROW if both.of else False
        return ", with such a payload" if more else ""

    @property
    def in_words(self) -> str:
        """In words, with the numbers as far as they are known."""
        named = (("the failing payload", self.ill), ("a plain one", self.well))
        known = ", ".join(f"{name} {count}" for name, count in named if count.of)
        return f"sent again, {known or 'nothing could be told'}"


NOTHING = Comparison(FailureCount(0, 0), FailureCount(0, 0))


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
    """

    suspect: Specimen
    base: Members
    good: Members
    case: Case
    differs: tuple[str, ...]
    comparison: Comparison
    finished: bool
    cases: list[str]
    confirmed: Comparison = NOTHING

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
        well = [(other, cause) for other, cause, case in self.asked if outcomes.get(case.id) is False]
        ill = [other for other, _, case in self.asked if outcomes.get(case.id) is not False]
        for other, cause in [*well, *([] if ill else self.unasked)]:
            cause.cases.append(other.case.id)
        return [*self.different, *ill, *([other for other, _ in self.unasked] if ill else [])]
