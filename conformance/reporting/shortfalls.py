"""What fell short, gathered so that a person can read it: one entry for each thing to look into.

    Shortfall       requirements × commands that fell short together
    shortfalls      those of a result, the gravest first, what is listed as known last

One broken requirement often falls short for every command, and one obstacle keeps a hundred requirements from being
exercised: either is one thing to look into.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from conformance.expectations import Expectation
from conformance.reporting.result import Result
from conformance.verdicts import RequirementVerdict, Verdict

# The order in which they are told.
GRAVEST_FIRST = (Verdict.FAIL, Verdict.WARN, Verdict.INCONCLUSIVE, Verdict.KNOWN)


@dataclass(frozen=True, slots=True)
class Shortfall:
    """`entries` are those of the report's `requirements`; `title` is the requirement's, or why it was not exercised.

    `expected`: the entries of the expectations file that list it.
    """

    verdict: Verdict
    title: str
    entries: tuple[Mapping[str, Any], ...]
    expected: tuple[Expectation, ...] = ()

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


def shortfalls(result: Result) -> list[Shortfall]:
    """What is broken (by requirement) and what was not exercised although it had to be (by reason)."""
    together: dict[tuple[Verdict, str, tuple[Expectation, ...]], list[Mapping[str, Any]]] = {}
    for verdict, entry in zip(result.judged.verdicts, result.document["requirements"], strict=True):
        if verdict.hinders or verdict.verdict is Verdict.WARN:
            together.setdefault((verdict.verdict, _shared(verdict), verdict.expected), []).append(entry)
    gathered = [
        Shortfall(verdict, _title(entries[0]), tuple(entries), expected)
        for (verdict, _, expected), entries in together.items()
    ]
    return sorted(gathered, key=lambda each: (bool(each.expected), GRAVEST_FIRST.index(each.verdict)))


def _shared(verdict: RequirementVerdict) -> str:
    """What the verdicts of one shortfall have in common."""
    if verdict.verdict is Verdict.INCONCLUSIVE:
        return f"{verdict.reason}: {verdict.detail}"
    return verdict.requirement.id


def _title(entry: Mapping[str, Any]) -> str:
    if entry["verdict"] == Verdict.INCONCLUSIVE:
        return f"{entry['reason']}: {entry['reason_detail']}"
    return str(entry["title"])
