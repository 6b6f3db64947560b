"""Requirement × command as rows and cells: what the page's table and its sections are made of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from conformance.judging.verdicts import Verdict
from conformance.reports.basis import rests_on
from conformance.reports.expected import listed_in

SIGNS: Mapping[str, str] = {
    Verdict.PASS: "✓",
    Verdict.FAIL: "✗",
    Verdict.WARN: "!",
    Verdict.KNOWN: "K",
    Verdict.NOT_APPLICABLE: "–",
    Verdict.INCONCLUSIVE: "?",
}
# The gravest of a row stands for it.
GRAVEST_FIRST = (
    Verdict.FAIL,
    Verdict.KNOWN,
    Verdict.WARN,
    Verdict.INCONCLUSIVE,
    Verdict.PASS,
    Verdict.NOT_APPLICABLE,
)

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
