"""What fell short, gathered so that a person can read it: one entry for each thing to look into.

    Shortfall       requirements × commands that fell short together
    shortfalls      those of a result's document, the gravest first, what is listed as known last
    cut             so many of them, and the failures among the others: a failure is always named
    named           a shortfall in one line: verdict, id, commands, title
    hinders         whether an entry of it keeps the subject from being called conformant
    place_of        what an entry is about: a command, or the subject as a whole

One broken requirement often falls short for every command, and one obstacle keeps a hundred requirements from being
exercised: either is one thing to look into.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from conformance.contract.requirements import Actor, Basis, Level
from conformance.judging.judgement import Reason
from conformance.judging.verdicts import Verdict
from conformance.reports.expected import listed_in

# The order in which they are told; of one verdict, what costs money or gives away a credential comes first.
GRAVEST_FIRST = (Verdict.FAIL, Verdict.WARN, Verdict.INCONCLUSIVE, Verdict.KNOWN)
COSTLY = frozenset({Basis.MONEY, Basis.CREDENTIALS})


@dataclass(frozen=True, slots=True)
class Shortfall:
    """`entries` are those of the report's `requirements`; `title` is the requirement's, or why it was not exercised.

    `listed`: issue, owner and last day of the entries of the expectations file that list it; "" if none does. `cause`:
    in words, that one cause breaks several requirements, in the first of them; `follows`: in the others.
    """

    verdict: Verdict
    title: str
    entries: tuple[Mapping[str, Any], ...]
    listed: str = ""
    cause: str = ""
    follows: bool = False

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
    return list(_by_cause(sorted(gathered, key=_gravity), document))


def named(shortfall: Shortfall) -> str:
    """`FAIL RSP-03 sms, airtime: status_code is a JSON number.`."""
    places = ", ".join(shortfall.commands)
    return f"{shortfall.verdict} {', '.join(shortfall.ids)}{f' {places}' if places else ''}: {shortfall.title}"


def cut(gathered: Sequence[Shortfall], most: int) -> tuple[list[Shortfall], list[Shortfall], int]:
    """Those to show in full, at most so many; the failures among the others, to be named; how many more there are."""
    rest = gathered[most:]
    failures = [each for each in rest if each.verdict is Verdict.FAIL]
    return list(gathered[:most]), failures, len(rest) - len(failures)


def _gravity(shortfall: Shortfall) -> tuple[bool, int, bool]:
    # Reports of early releases do not tell the basis.
    costly = any(entry.get("basis") in COSTLY for entry in shortfall.entries)
    return bool(shortfall.listed), GRAVEST_FIRST.index(shortfall.verdict), not costly


def _by_cause(gathered: Sequence[Shortfall], document: Mapping[str, Any]) -> Iterator[Shortfall]:
    """The shortfalls, those that have one cause one after the other."""
    causes = {id_: cause for cause in document.get("one_causes", ()) for id_ in cause["requirements"]}
    left = list(gathered)
    while left:
        first = left.pop(0)
        cause = causes.get(first.ids[0]) if first.verdict in (Verdict.FAIL, Verdict.WARN) and not first.listed else None
        others = [each for each in left if cause and not each.listed and each.ids[0] in cause["requirements"]]
        others = [each for each in others if each.verdict in (Verdict.FAIL, Verdict.WARN)]
        if cause is None or not others:
            yield first
            continue
        ids = [id_ for each in (first, *others) for id_ in each.ids]
        seen = f"{cause['exchanges']:,} exchange{'' if cause['exchanges'] == 1 else 's'}"
        yield replace(first, cause=f"one cause, {len(ids)} requirements: {', '.join(ids)} ({seen})")
        for each in others:
            left.remove(each)
            yield replace(each, follows=True)


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
