"""Failing cases whose payloads may be to blame, and which of them are put down to what was found in one.

Specimen        a case with its label and members: one that failed, a suspect, or a plain one beside it
Found           what was found to be to blame in a suspect
mended          a payload without what was found
Attribution     the other suspects, by what is known of them; .unexplained(…): those that have something else
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from conformance.contract.contract import Contract
from conformance.gateway.comparison import NOTHING, Comparison
from conformance.model.traffic import Case, Kind
from conformance.payloads.labels import Label, Members, members_of
from conformance.payloads.simpler import without

Outcomes = Mapping[str, bool | None]
"""Case id → whether it fell short; None if it could not be told, or was not sent."""


@dataclass(frozen=True, slots=True)
class Specimen:
    """A case that is about its payload, with what that counts as."""

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
    """What was found out about a suspect: `base`, the simplest members that fall short, sent as `case`.

    `differs` are the members in which it is not like the `good` one. `cases` are those that are put down to it.
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
        """Whether another suspect has it in it: one of the same label, or of any where a valid payload has it."""
        alike = other.label == self.suspect.label or Kind.VALID in (other.label.kind, self.suspect.label.kind)
        return alike and mended(other.members, [self]) != other.members


def mended(members: Members, found: Iterable[Found]) -> Members:
    """The members without anything that was found."""
    for each in found:
        members = without(members, each.base, each.good)
    return members


@dataclass(slots=True)
class Attribution:
    """Suspects beside those that were looked into: some are asked about, sent without what was found."""

    asked: list[tuple[Specimen, Found, Case]] = field(default_factory=list)
    unasked: list[tuple[Specimen, Found]] = field(default_factory=list)
    different: list[Specimen] = field(default_factory=list)

    def unexplained(self, outcomes: Outcomes) -> list[Specimen]:
        """The suspects that have something else; the others are put down to what was found in them.

        A suspect is put down to it if it goes well without all that was found. Those that could not be asked about are
        put down to it, too, if those that were asked agree.
        """
        well = [(other, cause) for other, cause, case in self.asked if outcomes.get(case.id) is False]
        ill = [other for other, _, case in self.asked if outcomes.get(case.id) is not False]
        for other, cause in [*well, *([] if ill else self.unasked)]:
            cause.cases.append(other.case.id)
        return [*self.different, *ill, *([other for other, _ in self.unasked] if ill else [])]
