"""Known failures, listed by the implementers of a subject in a file, compared with the verdicts of a run.

The suite exercises and judges listed requirements like all others, and compares the verdicts with the list afterwards
(`known`, `stale`). The caller gives the day. After a run that did not send all its cases, only expiry makes an entry
stale, because the absence of a failure proves nothing.

`read_expectations` reads the file: TOML as `schemas/formats/expectations.json` describes it. Its errors name the entry
at fault: a key or verdict with a typo, an id that the catalogue lacks, a command that the requirement is not judged
for, a day that does not exist, a repeated entry.
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Any, Self

from conformance.contract.requirements import Catalogue, Requirement
from conformance.contract.schemas import FORMATS, Violation
from conformance.model.errors import UsageError, did_you_mean


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
        """The form in the journal, for later judging; None if there is no file."""
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
    """An outdated entry, with the reason and the remedy."""

    expectation: Expectation
    why: Staleness
    detail: str
    advice: str


def known(seen: Seen, listed: Sequence[Expectation]) -> tuple[Expectation, ...]:
    """The entries of `listed` that match a result, if together they explain all of it; else none."""
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
    """Why an entry matches no result; nothing if the run did not judge its command, or was inconclusive about it."""
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


SCHEMA = "expectations"
TABLE = "expectation"
YAML = (".yaml", ".yml")
GUIDE = "docs/expectations.md tells what one holds"

# The expected date in an error.
DAY = "a day such as 2027-01-31"


def read_expectations(path: Path, catalogue: Catalogue) -> Expectations:
    """Read the file at `path`, which lists requirements of `catalogue`.

    Raises UsageError, with the entry at fault and a hint.
    """
    if path.suffix.lower() in YAML:
        raise UsageError(f"expectations file {path} is YAML by its name; expected TOML", hint=GUIDE)
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise UsageError(
            f"there is no expectations file {path}",
            hint="begin with an empty one: the run prints an entry to paste for each unexpected result",
        ) from error
    except OSError as error:
        raise UsageError(f"expectations file {path} cannot be read: {error.strerror}") from error
    try:
        document = _as_json(tomllib.loads(data.decode()))
    except ValueError as error:
        raise UsageError(f"expectations file {path} is not valid TOML: {error}", hint=GUIDE) from error
    # A key with a typo comes first: it explains a missing one.
    for violation in sorted(
        FORMATS.violations(SCHEMA, document), key=lambda each: each.keyword != "additionalProperties"
    ):
        raise _refusal(document, violation, path, catalogue)
    entries = tuple(
        _entry(number, each, path, catalogue) for number, each in enumerate(document.get(TABLE, ()), start=1)
    )
    _check_each_once(entries, path)
    return Expectations(entries, str(path), f"sha256:{hashlib.sha256(data).hexdigest()}")


def _as_json(value: Any) -> Any:
    """A TOML value as JSON has it: dates and times as text."""
    if isinstance(value, dict):
        return {name: _as_json(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_as_json(each) for each in value]
    return value if isinstance(value, str | int | float) else value.isoformat()


def _refusal(document: Any, violation: Violation, path: Path, catalogue: Catalogue) -> UsageError:
    """The first violation of the schema, in the words of the file."""
    steps = [step.replace("~1", "/").replace("~0", "~") for step in violation.pointer.split("/")[1:]]
    first, number, key = [*steps, "", ""][:3]
    if key:
        place = f"entry {int(number) + 1} of {path}"
        return _refused_key(document[TABLE][int(number)], key, violation.keyword, place, catalogue)
    if violation.keyword == "additionalProperties":
        return UsageError(
            f"{first!r} in {path} is not a table of an expectations file; expected [[{TABLE}]]",
            hint=did_you_mean(first, [TABLE]),
        )
    return UsageError(f"{TABLE} in {path} is not a list of tables", hint=f"begin each entry with [[{TABLE}]]")


def _refused_key(entry: Mapping[str, Any], key: str, keyword: str, place: str, catalogue: Catalogue) -> UsageError:
    """The error in one key of an entry."""
    known = FORMATS.schema(f"{SCHEMA}#{TABLE}")
    if keyword == "additionalProperties":
        keys = list(known["properties"])
        return UsageError(
            f"{key!r} in {place} is not a key of an entry; expected {', '.join(keys)}", hint=did_you_mean(key, keys)
        )
    if keyword == "required":
        return UsageError(f"{key} is missing in {place}", hint=f"each entry has {', '.join(known['required'])}")
    if key == "requirement" and isinstance(entry[key], str):
        return _unknown_requirement(entry[key], place, catalogue)
    expected, hint = _expected(key, entry[key], known["properties"][key])
    return UsageError(f"{key} in {place} is {entry[key]!r}; expected {expected}", hint)


def _expected(key: str, value: Any, rule: Mapping[str, Any]) -> tuple[str, str | None]:
    """The expected value of a key, in words, and a close match."""
    if "enum" in rule:
        return f"one of {', '.join(rule['enum'])}", did_you_mean(str(value).upper(), rule["enum"])
    return DAY if key == "expires" else "a text that is not empty", None


def _entry(number: int, members: dict[str, Any], path: Path, catalogue: Catalogue) -> Expectation:
    place = f"entry {number} of {path}"
    id_, command = members["requirement"], members.get("command")
    if id_ not in catalogue:
        raise _unknown_requirement(id_, place, catalogue)
    requirement = catalogue[id_]
    if requirement.excluded is not None:
        raise UsageError(f"{id_} in {place} is not judged: {requirement.excluded}", hint="remove the entry")
    if command is not None and command not in requirement.commands:
        raise _unknown_command(command, requirement, place)
    try:
        return Expectation.of(number, members)
    except ValueError:
        raise UsageError(
            f"expires in {place} is {members['expires']!r}, which no calendar has; expected {DAY}"
        ) from None


def _unknown_requirement(id_: str, place: str, catalogue: Catalogue) -> UsageError:
    judged = [requirement.id for requirement in catalogue.requirements if requirement.excluded is None]
    return UsageError(
        f"there is no requirement {id_!r} ({place}); expected an id that `requirements` lists",
        hint=did_you_mean(id_.upper(), judged),
    )


def _unknown_command(command: str, requirement: Requirement, place: str) -> UsageError:
    names = [name for name in requirement.commands if name]
    if not names:
        return UsageError(f"{requirement.id} belongs to no command, and {place} names {command!r}", "leave it out")
    return UsageError(
        f"{requirement.id} is not judged for a command {command!r} ({place}); expected {', '.join(names)}",
        hint=did_you_mean(command, names),
    )


def _check_each_once(entries: Sequence[Expectation], path: Path) -> None:
    """Raise UsageError for two entries about the same command whose messages do not differ."""
    for later in entries:
        for earlier in entries[: later.number - 1]:
            same_command = later.command == earlier.command or None in (later.command, earlier.command)
            same_message = later.message == earlier.message or None in (later.message, earlier.message)
            if later.requirement == earlier.requirement and same_command and same_message:
                raise UsageError(
                    f"entries {earlier.number} and {later.number} of {path} both list {later.subject}",
                    hint="keep one of them, or tell them apart by message",
                )
