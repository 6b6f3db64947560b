"""One view of a report, which every format shows: what failed, in what order, grouped and explained in the same words.

Shortfall, shortfalls       requirements × commands that failed together, the gravest first
cut, named                  the first of them, and the others in a line each
Row, rows_of, counts_of     requirement × command as a table
explained, kinds, alike     on what a failure depends, and which findings are alike
hinders, place_of           of one entry: whether it keeps the subject from being conformant, and what it is about
rests_on, published_at      the sentence or fact that a requirement rests on, and where it can be read
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from conformance.contract.requirements import Actor, Basis, Level
from conformance.diagnosis.patterns import ENOUGH
from conformance.judging.judgement import Dependence, Reason
from conformance.judging.verdicts import Verdict
from conformance.reports.remarks import listed_in

# The gravest of a row stands for it, and of what fell short the gravest comes first.
GRAVEST_FIRST = (
    Verdict.FAIL,
    Verdict.KNOWN,
    Verdict.WARN,
    Verdict.INCONCLUSIVE,
    Verdict.PASS,
    Verdict.NOT_APPLICABLE,
)
# Of one verdict, what costs money or gives away a credential comes first.
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


# How many of the other cases are named in a line for people.
NAMED = 3
# A value longer than this is told by its length and its beginning.
SHOWN = 40

Entry = Mapping[str, Any]


def explained(entry: Entry) -> Iterator[str]:
    """One line on what it depends; none where too little was seen to say anything, or in an old report."""
    if "pattern" in entry and (entry["depends_on"] != Dependence.UNTOLD or entry["observations"] >= ENOUGH):
        yield entry["pattern"]


def kinds(entry: Entry) -> Iterator[str]:
    """Lines for people: each kind of findings where there are several, and what is told of the only one."""
    findings = entry["findings"]
    several = len(findings) > 1 and not entry.get("expected")
    named = entry.get("depends_on") != Dependence.ALWAYS  # where all fell short, the others need no names
    for finding in findings:
        if several:
            yield _kind(finding)
        if finding.get("pattern"):
            yield finding["pattern"]
        yield from _simplest(finding)
        if named and not several:
            yield from _others(finding)
    yield from unshown(entry)


def alike(finding: Mapping[str, Any]) -> Iterator[str]:
    """Lines for people: on what it depends, the simplest request, what is special in it, and the findings like it.

    None for a finding of a report that was written before there was such a thing.
    """
    if finding.get("pattern"):
        yield finding["pattern"]
    yield from _simplest(finding)
    yield from _others(finding)


def unshown(entry: Entry) -> Iterator[str]:
    """A line on the findings that are in none of the kinds that are shown, if there are any."""
    shown = sum(finding.get("count", 1) for finding in entry["findings"])
    if entry["findings"] and shown < entry["failed"]:
        yield f"{entry['failed'] - shown:,} more, which the journal has"


def _kind(finding: Mapping[str, Any]) -> str:
    value = finding["value"]
    shown = "" if value is None else f" ({finding['pointer'] or 'the whole'} is {_shortened(str(value))})"
    case = f" · case {finding['case']}" if finding["case"] else ""
    return f"{finding.get('count', 1):,} × {finding['message']}{shown}{case}"


def _shortened(text: str) -> str:
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"


def _simplest(finding: Mapping[str, Any]) -> Iterator[str]:
    minimal = finding.get("minimal")
    if minimal:
        found = "simplest" if minimal["finished"] else "simplest so far"
        special = ", ".join(_told(name, value) for name, value in minimal["differs"].items())
        yield f"{found}: {special or minimal['body']} · case {minimal['case']}"


def _others(finding: Mapping[str, Any]) -> Iterator[str]:
    if finding.get("count", 1) > 1:
        named = finding["others"][:NAMED]
        rest = finding["count"] - 1 - len(named)
        more = f" and {rest:,} more" if named and rest else ""
        of_one = "with the same cause" if finding.get("minimal") else "like it"
        yield f"{finding['count'] - 1:,} more {of_one}{': ' if named else ''}{', '.join(named)}{more}"


def _told(name: str, value: Any) -> str:
    if value is None:
        return f"without {name}"
    text = json.dumps(value, ensure_ascii=False)
    if not isinstance(value, str) or len(value) <= SHOWN:
        return f"{name} {text}"
    return f"{name} of {len(value)} characters, {text[:SHOWN]}…"


SIGNS: Mapping[str, str] = {
    Verdict.PASS: "✓",
    Verdict.FAIL: "✗",
    Verdict.WARN: "!",
    Verdict.KNOWN: "K",
    Verdict.NOT_APPLICABLE: "–",
    Verdict.INCONCLUSIVE: "?",
}
AREAS: Mapping[str, str] = {
    "ANS": "Answers",
    "ENC": "Encoding",
    "RSP": "The envelope",
    "RID": "request_id",
    "AUT": "Credentials",
    "CTY": "Content-Type",
    "BOD": "Bodies",
    "CMD": "Commands",
    "VAL": "Validation",
    "HDR": "Headers",
    "GET": "Parameters",
    "ACC": "What must be accepted",
    "LEN": "Lengths",
    "OPN": "What the contract leaves open",
    "IDM": "Idempotency",
    "REP": "Repeats",
    "ACT": "The account",
    "NTF": "Notifications",
    "DRV": "The driver",
    "SND": "Sending",
    "RDG": "Reading answers",
    "RTY": "Sending again",
    "ROB": "Robustness",
    "RCV": "Receiving notifications",
}


@dataclass(frozen=True, slots=True)
class Row:
    """A requirement with its entry for each command that it is judged for."""

    entries: tuple[Mapping[str, Any], ...]

    @property
    def first(self) -> Mapping[str, Any]:
        """The first entry: what all have in common stands in each."""
        return self.entries[0]

    @property
    def area(self) -> str:
        """What the requirement is about."""
        prefix = str(self.first["id"]).partition("-")[0]
        return AREAS.get(prefix, prefix)

    @property
    def verdict(self) -> str:
        """The gravest verdict."""
        return str(min((entry["verdict"] for entry in self.entries), key=lambda v: GRAVEST_FIRST.index(Verdict(v))))

    @property
    def verdicts(self) -> tuple[str, ...]:
        """All that there are, each once."""
        return tuple(dict.fromkeys(entry["verdict"] for entry in self.entries))

    @property
    def commands(self) -> tuple[str, ...]:
        """The commands that it is judged for."""
        return tuple(entry["command"] for entry in self.entries if entry["command"])

    @property
    def explained(self) -> bool:
        """Whether there is more to say of any verdict than the verdict."""
        return any(why(entry) for entry in self.entries)

    @property
    def fell_short(self) -> bool:
        """Whether any observation broke it."""
        return any(entry["failed"] for entry in self.entries)

    @property
    def text(self) -> str:
        """What a search finds it by."""
        found = [f["message"] for entry in self.entries for f in entry["findings"]]
        return " ".join([self.first["id"], self.first["title"], rests_on(self.first), *found]).lower()

    def cell(self, column: str | None) -> Mapping[str, Any] | None:
        """Its entry for a command."""
        return next((entry for entry in self.entries if entry["command"] == column), None)


def why(entry: Mapping[str, Any]) -> str:
    """Why an entry has not been judged, or who answers for what is known; "" where nothing is to be said."""
    return str(entry.get("reason_detail") or entry.get("not_applicable") or listed_in(entry))


def anchor(entry: Mapping[str, Any]) -> str:
    """Where the page has what fell short of it: `RSP-03-mpesa-online`."""
    return f"{entry['id']}-{(entry['command'] or 'all').replace('/', '-')}"


def rows_of(document: Mapping[str, Any]) -> list[Row]:
    """The requirements in the catalogue's order."""
    by_id: dict[str, list[Mapping[str, Any]]] = {}
    for entry in document["requirements"]:
        by_id.setdefault(entry["id"], []).append(entry)
    return [Row(tuple(entries)) for entries in by_id.values()]


def columns_of(rows: Sequence[Row]) -> list[str | None]:
    """The commands, in the order in which they first appear, and None for what belongs to none."""
    commands = list(dict.fromkeys(command for row in rows for command in row.commands))
    return [*commands, *([None] if any(row.cell(None) for row in rows) else [])]


def counts_of(document: Mapping[str, Any]) -> Iterator[tuple[str, str, int]]:
    """Verdict, sign and how many there are of it, those that there are none of left out."""
    for verdict in Verdict:
        number = sum(entry["verdict"] == verdict for entry in document["requirements"])
        if number:
            yield verdict.value, SIGNS[verdict], number


GATHERED_IN = "docs/contract.md"

_BESIDE_A_FACT: Mapping[str, str] = {
    Basis.MONEY: "money is at stake",
    Basis.CREDENTIALS: "a credential is at stake",
    Basis.PRACTICE: "this suite's reading",
}


def rests_on(entry: Mapping[str, Any]) -> str:
    """The sentence of the guide, the documented fact, what would be lost, or this suite's reading.

    A report that an earlier version has written does not say the fact.
    """
    if entry["quote"]:
        return f"the provider's Getting started says: “{entry['quote']}”"
    place = f" (see “{entry['section']}” in {GATHERED_IN} of statum-conformance)" if entry["section"] else ""
    fact = entry.get("fact")
    if fact is None:
        return f"a documented fact{place}"
    known = _BESIDE_A_FACT.get(entry.get("basis", ""), f"a documented fact{place}")
    return f"{known}: {fact}"


def published_at(entry: Mapping[str, Any], document: Mapping[str, Any]) -> str | None:
    """The address of `docs/requirements.md` at the requirement of an `entry`; None where none was given.

    A text fragment leads to the id, which stands once on that page, beside the sentence; a browser that knows none
    shows the page from its top. Its hyphen is escaped, for it would begin something else.
    """
    url: str | None = document["settings"].get("catalogue_url")
    return f"{url}#:~:text={entry['id'].replace('-', '%2D')}" if url else None
