"""Known failures, listed by the implementers of a subject, compared with the verdicts of a run.

The suite exercises and judges listed requirements like all others, and compares the verdicts with the list afterwards.
Pure: the caller gives the day. After a run that did not send all its cases, only expiry makes an entry stale, because
the absence of a failure proves nothing. `conformance.judging.expectations_file` reads the file.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum
from typing import Any, Self

from conformance.contract.requirements import Catalogue


@dataclass(frozen=True, slots=True)
class Expectation:
    """One entry: a requirement that is known to fail, with its owner. `number` is its place in the file, from 1.

    `command` None: every command that the requirement is judged for. `verdict` is FAIL, WARN or INCONCLUSIVE.
    `message` is the beginning of each finding (for INCONCLUSIVE of the reason); None: any. It counts through the day
    `expires`.
    """

    number: int
    requirement: str
    verdict: str
    issue: str
    owner: str
    expires: date
    command: str | None = None
    message: str | None = None

    @classmethod
    def of(cls, number: int, members: Mapping[str, Any]) -> Self:
        """From the members of an entry, `expires` as text. Raises ValueError for a day that does not exist."""
        return cls(number, **{**members, "expires": date.fromisoformat(members["expires"])})

    @property
    def subject(self) -> str:
        """Requirement and command, for people: `RSP-03 sms`."""
        return " ".join(filter(None, (self.requirement, self.command)))

    @property
    def beginning(self) -> str:
        """The beginning of a message; "" fits every message."""
        return self.message or ""

    def concerns(self, requirement: str, command: str | None) -> bool:
        """Whether it lists that requirement for that command."""
        return self.requirement == requirement and self.command in (None, command)

    def members(self) -> dict[str, Any]:
        """As JSON, with the members of a file's entry."""
        members = {
            "requirement": self.requirement,
            "command": self.command,
            "verdict": self.verdict,
            "message": self.message,
            "issue": self.issue,
            "owner": self.owner,
            "expires": self.expires.isoformat(),
        }
        return {name: value for name, value in members.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Expectations:
    """The entries of `file`, whose bytes have the `digest` (`sha256:…`); none by default."""

    entries: tuple[Expectation, ...] = ()
    file: str | None = None
    digest: str | None = None

    @classmethod
    def of(cls, recorded: Mapping[str, Any] | None) -> Self:
        """From the form that `recorded` makes; a run that recorded none expects nothing."""
        if recorded is None:
            return cls()
        entries = (Expectation.of(number, each) for number, each in enumerate(recorded["entries"], start=1))
        return cls(tuple(entries), recorded["file"], recorded["digest"])

    def read_strictly(self) -> Expectations:
        """The entries for a strict run: there a broken SHOULD, listed as a WARN, is a FAIL."""
        entries = (replace(each, verdict="FAIL") if each.verdict == "WARN" else each for each in self.entries)
        return replace(self, entries=tuple(entries))

    def recorded(self) -> dict[str, Any] | None:
        """As the journal keeps it for later judging; None if there is no file."""
        if self.file is None:
            return None
        return {"file": self.file, "digest": self.digest, "entries": [entry.members() for entry in self.entries]}

    def on(self, requirement: str, command: str | None, day: date) -> tuple[Expectation, ...]:
        """Those about one requirement × command that count on that day."""
        return tuple(e for e in self.entries if e.concerns(requirement, command) and day <= e.expires)


PASS, INCONCLUSIVE = "PASS", "INCONCLUSIVE"


@dataclass(frozen=True, slots=True)
class Seen:
    """The result of one requirement × command.

    `beginnings`: the listed messages with which a finding (or the reason of an INCONCLUSIVE) began; `others`: the
    number of findings that began with none of them; `example`: the first message. `attributable` is False if the
    environment or an interruption kept it from being exercised, which is not the subject's failure.
    """

    requirement: str
    command: str | None
    verdict: str
    beginnings: Collection[str] = ()
    others: int = 0
    example: str | None = None
    attributable: bool = True


class Staleness(StrEnum):
    """The reason why an entry is stale."""

    PASSES = "passes"
    EXPIRED = "expired"
    MATCHES_NOTHING = "matches-nothing"


@dataclass(frozen=True, slots=True)
class Stale:
    """An entry that does not hold any more, with the reason and the remedy."""

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
    """The stale entries, in their order; `whole`: the run sent all cases and listened to its end."""
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
    """Say nothing of an entry whose command the run did not judge, or whose verdict is inconclusive."""
    met = [each for each in seen if _met(each, entry)]
    passed = [each for each in seen if each.verdict == PASS]
    if passed:
        advice = f"keep an entry for each of {_commands(met)}" if met else "remove it"
        yield Stale(entry, Staleness.PASSES, f"it passes{_for(passed)}", advice)
        return
    conclusive = [each for each in seen if each.verdict != INCONCLUSIVE]
    if met or not conclusive:
        return
    otherwise = [each for each in conclusive if each.verdict != entry.verdict]
    if otherwise:
        detail = f"it is {otherwise[0].verdict}{_for(otherwise)}, not {entry.verdict}"
        yield Stale(entry, Staleness.MATCHES_NOTHING, detail, "correct its verdict, or remove it")
    else:
        detail = f"no finding begins with {entry.beginning!r}; one is {conclusive[0].example!r}"
        yield Stale(entry, Staleness.MATCHES_NOTHING, detail, "correct its message, or remove it")


def _commands(seen: Sequence[Seen]) -> str:
    return ", ".join(each.command for each in seen if each.command)


def _for(seen: Sequence[Seen]) -> str:
    return f" for {commands}" if (commands := _commands(seen)) else ""
