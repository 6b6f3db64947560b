"""What is listed, as values.

Expectation     one entry: a requirement that is known to fall short, and who answers for it until when
Expectations    all of a file, with the digest that names this edition of it
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class Expectation:
    """One entry. `number` is its place in the file, from 1.

    `command` None: every command that the requirement is judged for. `verdict` is FAIL, WARN or INCONCLUSIVE.
    `message` is how each finding begins (for INCONCLUSIVE the reason); None: however it does. It counts through the day
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
        """From the members of an entry, `expires` as text. Raises ValueError where that is no day of the calendar."""
        return cls(number, **{**members, "expires": date.fromisoformat(members["expires"])})

    @property
    def subject(self) -> str:
        """What it is about, for people: `RSP-03 sms`."""
        return " ".join(filter(None, (self.requirement, self.command)))

    @property
    def beginning(self) -> str:
        """What a message has to begin with; any does with nothing."""
        return self.message or ""

    def concerns(self, requirement: str, command: str | None) -> bool:
        """Whether it speaks of that requirement for that command."""
        return self.requirement == requirement and self.command in (None, command)

    def members(self) -> dict[str, Any]:
        """Itself as JSON, as it stands in a file."""
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
    """What is listed in `file`, whose bytes have the `digest` (`sha256:…`); no file and no entry by default."""

    entries: tuple[Expectation, ...] = ()
    file: str | None = None
    digest: str | None = None

    @classmethod
    def of(cls, recorded: Mapping[str, Any] | None) -> Self:
        """From what `recorded` made; nothing is expected by a run that recorded none."""
        if recorded is None:
            return cls()
        entries = (Expectation.of(number, each) for number, each in enumerate(recorded["entries"], start=1))
        return cls(tuple(entries), recorded["file"], recorded["digest"])

    def read_strictly(self) -> Expectations:
        """As a strict run reads them: there a broken SHOULD, which an entry lists as a WARN, is a FAIL."""
        entries = (replace(each, verdict="FAIL") if each.verdict == "WARN" else each for each in self.entries)
        return replace(self, entries=tuple(entries))

    def recorded(self) -> dict[str, Any] | None:
        """Itself as the journal keeps it, so that it can be judged by later; None if there is no file."""
        if self.file is None:
            return None
        return {"file": self.file, "digest": self.digest, "entries": [entry.members() for entry in self.entries]}

    def on(self, requirement: str, command: str | None, day: date) -> tuple[Expectation, ...]:
        """Those about one requirement × command that count on that day."""
        return tuple(e for e in self.entries if e.concerns(requirement, command) and day <= e.expires)
