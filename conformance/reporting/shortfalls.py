"""What fell short, gathered so that a person can read it: one entry for each thing to look into.

    Shortfall       requirements × commands that fell short together
    shortfalls      those of a result's document, the gravest first, what is listed as known last
    hinders         whether an entry of it keeps the subject from being called conformant
    place_of        what an entry is about: a command, or the subject as a whole

One broken requirement often falls short for every command, and one obstacle keeps a hundred requirements from being
exercised: either is one thing to look into.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from conformance.checks.judgement import Reason
from conformance.contract.requirements import Actor, Level
from conformance.reporting.expected import listed_in
from conformance.verdicts import Verdict

# The order in which they are told.
GRAVEST_FIRST = (Verdict.FAIL, Verdict.WARN, Verdict.INCONCLUSIVE, Verdict.KNOWN)


@dataclass(frozen=True, slots=True)
class Shortfall:
    """`entries` are those of the report's `requirements`; `title` is the requirement's, or why it was not exercised.

    `listed`: issue, owner and last day of the entries of the expectations file that list it; "" if none does.
    """

    verdict: Verdict
    title: str
    entries: tuple[Mapping[str, Any], ...]
    listed: str = ""

    @property
    def ids(self) -> tuple[str, ...]:
        """The requirements' ids, each once."""
        return tuple(dict.fromkeys(entry["id"] for entry in self.entries))

    @property
    def commands(self) -> tuple[str, ...]:
        """The commands' names, each once."""
        return tuple(dict.fromkeys(entry["command"] for entry in self.entries if entry["command"]))

    @property
    def finding(self) -> Mapping[str, Any] | None:
        """The first finding of all."""
        return next((finding for entry in self.entries for finding in entry["findings"]), None)


def shortfalls(document: Mapping[str, Any]) -> list[Shortfall]:
    """What is broken (by requirement) and what was not exercised although it had to be (by reason)."""
    together: dict[tuple[Verdict, str, str], list[Mapping[str, Any]]] = {}
    for entry in document["requirements"]:
        if hinders(entry, document) or entry["verdict"] == Verdict.WARN:
            key = Verdict(entry["verdict"]), _shared(entry), listed_in(entry)
            together.setdefault(key, []).append(entry)
    gathered = [
        Shortfall(verdict, _title(entries[0]), tuple(entries), listed)
        for (verdict, _, listed), entries in together.items()
    ]
    return sorted(gathered, key=lambda each: (bool(each.listed), GRAVEST_FIRST.index(each.verdict)))


def hinders(entry: Mapping[str, Any], document: Mapping[str, Any]) -> bool:
    """Whether an entry of the document keeps its subject from being called conformant, as `hinders` of its verdict."""
    if entry["verdict"] in (Verdict.FAIL, Verdict.KNOWN):
        return True
    if entry["verdict"] != Verdict.INCONCLUSIVE or entry["level"] != Level.MUST:
        return False
    # A condition that did not come about, or cases that were chosen and do not bear on it.
    excused = entry.get("condition") or document["settings"].get("cases")
    return not (excused and entry.get("reason") == Reason.NO_TRAFFIC)


def place_of(entry: Mapping[str, Any]) -> str:
    """`sms`, or `gateway` or `client` for what belongs to no command."""
    return entry["command"] or ("gateway" if entry["actor"] == Actor.GATEWAY else "client")


def _shared(entry: Mapping[str, Any]) -> str:
    """What the entries of one shortfall have in common."""
    return _title(entry) if entry["verdict"] == Verdict.INCONCLUSIVE else str(entry["id"])


def _title(entry: Mapping[str, Any]) -> str:
    if entry["verdict"] == Verdict.INCONCLUSIVE:
        return f"{entry['reason']}: {entry['reason_detail']}"
    return str(entry["title"])
