"""What was listed beside what was seen.

    Seen        how one requirement × command went, as far as a list can speak of it
    known       seen + listed → the entries that explain all of it, or none
    stale       the entries that have to be looked at: what they list passes, never showed, or they have expired

Pure: the day is told. Of a run that did not send all that it is meant to, only expiry makes an entry stale: that
something did not show there proves nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from conformance.contract.requirements import Catalogue
from conformance.judging.expectations.entries import Expectation

PASS, INCONCLUSIVE = "PASS", "INCONCLUSIVE"


@dataclass(frozen=True, slots=True)
class Seen:
    """How one requirement × command went.

    `beginnings`: those of the listed messages that a finding (or the reason of an INCONCLUSIVE) began with; `others`:
    how many findings began with none of them; `example`: the first message. `attributable` is False where the
    surroundings or an interruption kept it from being exercised: nobody can expect that of the subject.
    """

    requirement: str
    command: str | None
    verdict: str
    beginnings: Collection[str] = ()
    others: int = 0
    example: str | None = None
    attributable: bool = True


class Staleness(StrEnum):
    """Why an entry has to be looked at."""

    PASSES = "passes"
    EXPIRED = "expired"
    MATCHES_NOTHING = "matches-nothing"


@dataclass(frozen=True, slots=True)
class Stale:
    """An entry that does not hold any more: why, in words, and what to do about it."""

    expectation: Expectation
    why: Staleness
    detail: str
    advice: str


def known(seen: Seen, listed: Sequence[Expectation]) -> tuple[Expectation, ...]:
    """The entries of `listed` that were met, if together they explain all that was seen; else none."""
    if seen.others or not seen.attributable:
        return ()
    return tuple(entry for entry in listed if _met(seen, entry))


def stale(
    entries: Sequence[Expectation], seen: Sequence[Seen], day: date, catalogue: Catalogue, *, whole: bool
) -> Iterator[Stale]:
    """The stale entries, in their order; `whole`: the run sent and heard all that it is meant to."""
    actors = {catalogue[each.requirement].actor for each in seen}
    for entry in entries:
        requirement = catalogue.by_id.get(entry.requirement)
        if day > entry.expires:
            detail = f"it expired on {entry.expires}, and the run was on {day}"
            yield Stale(entry, Staleness.EXPIRED, detail, "mend what it lists, or agree on a later day with its owner")
        elif requirement is None:
            detail = "the catalogue has no such requirement any more"
            yield Stale(entry, Staleness.MATCHES_NOTHING, detail, "remove it")
        elif requirement.actor not in actors:
            detail = f"it is about a {requirement.actor}, and the run judged a {', a '.join(sorted(actors))}"
            yield Stale(entry, Staleness.MATCHES_NOTHING, detail, "move it to a file for that")
        elif whole:
            yield from _unmet(entry, [each for each in seen if entry.concerns(each.requirement, each.command)])


def _met(seen: Seen, entry: Expectation) -> bool:
    return seen.verdict == entry.verdict and entry.beginning in seen.beginnings


def _unmet(entry: Expectation, seen: Sequence[Seen]) -> Iterator[Stale]:
    """Nothing for an entry whose command is none of the run's, and for one that could not be told."""
    met = [each for each in seen if _met(each, entry)]
    passed = [each for each in seen if each.verdict == PASS]
    if passed:
        advice = f"keep an entry for each of {_commands(met)}" if met else "remove it"
        yield Stale(entry, Staleness.PASSES, f"it passes{_for(passed)}", advice)
        return
    told = [each for each in seen if each.verdict != INCONCLUSIVE]
    if met or not told:
        return
    otherwise = [each for each in told if each.verdict != entry.verdict]
    if otherwise:
        detail = f"it is {otherwise[0].verdict}{_for(otherwise)}, not {entry.verdict}"
        yield Stale(entry, Staleness.MATCHES_NOTHING, detail, "correct its verdict, or remove it")
    else:
        detail = f"no finding begins with {entry.beginning!r}; one is {told[0].example!r}"
        yield Stale(entry, Staleness.MATCHES_NOTHING, detail, "correct its message, or remove it")


def _commands(seen: Sequence[Seen]) -> str:
    return ", ".join(each.command for each in seen if each.command)


def _for(seen: Sequence[Seen]) -> str:
    return f" for {commands}" if (commands := _commands(seen)) else ""
