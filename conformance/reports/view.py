"""One view of a report, which every format shows: its requirements as rows, its findings and sources in words."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from conformance.contract.contract import Contract
from conformance.contract.folder import REQUIREMENTS
from conformance.contract.requirements import Basis, Level, Requirement
from conformance.diagnosis.patterns import ENOUGH
from conformance.judging.judgement import Dependence, Reason
from conformance.judging.verdicts import Verdict
from conformance.reports.report import Report, ReportedFinding, ReportEntry
from conformance.reports.text import for_terminal, shortened

SIGNS: Mapping[str, str] = {
    Verdict.PASS: "✓",
    Verdict.FAIL: "✗",
    Verdict.WARN: "!",
    Verdict.KNOWN: "K",
    Verdict.NOT_APPLICABLE: "–",
    Verdict.INCONCLUSIVE: "?",
}
# The gravest verdict of a row stands for it, and the gravest failures are shown first.
GRAVEST_FIRST = (
    Verdict.FAIL,
    Verdict.KNOWN,
    Verdict.WARN,
    Verdict.INCONCLUSIVE,
    Verdict.PASS,
    Verdict.NOT_APPLICABLE,
)

# How many of the other cases are named in a line for people.
NAMED = 3
# A longer value is shown by its length and its beginning.
SHOWN = 40
# Members of a finding that say where it was seen.
PLACES = ("pointer", "value", "request_id", "case", "exchange", "notification")

_BESIDE_A_FACT: Mapping[Basis | None, str] = {
    Basis.MONEY: "money is at stake",
    Basis.CREDENTIALS: "a credential is at stake",
    Basis.PRACTICE: "this suite's reading",
}


# --- Requirement × command


def hinders(entry: ReportEntry, report: Report) -> bool:
    """Whether an entry keeps the subject from being called conformant, as `hinders` of its verdict."""
    if entry.verdict in (Verdict.FAIL, Verdict.KNOWN):
        return True
    if entry.verdict is not Verdict.INCONCLUSIVE or entry.level is not Level.MUST:
        return False
    # A condition that did not come about, or cases that were chosen and do not bear on it.
    excused = entry.condition or report.settings.get("cases")
    return not (excused and entry.reason is Reason.NO_TRAFFIC)


@dataclass(frozen=True, slots=True)
class Row:
    """A requirement with its entry for each command that it is judged for."""

    entries: tuple[ReportEntry, ...]

    @property
    def first(self) -> ReportEntry:
        """The first entry."""
        return self.entries[0]

    @property
    def verdict(self) -> Verdict:
        """The gravest verdict."""
        return min((entry.verdict for entry in self.entries), key=GRAVEST_FIRST.index)

    @property
    def verdicts(self) -> tuple[str, ...]:
        """All that there are, each once."""
        return tuple(dict.fromkeys(entry.verdict for entry in self.entries))

    @property
    def commands(self) -> tuple[str, ...]:
        """The commands that it is judged for."""
        return tuple(entry.command for entry in self.entries if entry.command)

    @property
    def explained(self) -> bool:
        """Whether there is more to say of any verdict than the verdict."""
        return any(why(entry) for entry in self.entries)

    @property
    def failed(self) -> bool:
        """Whether any observation broke it."""
        return any(entry.failed for entry in self.entries)

    @property
    def passed(self) -> ReportEntry | None:
        """The first entry with an example of an exchange that passed."""
        return next((entry for entry in self.entries if entry.example), None)

    def cell(self, column: str | None) -> ReportEntry | None:
        """Its entry for a command."""
        return next((entry for entry in self.entries if entry.command == column), None)


def rows_of(report: Report) -> list[Row]:
    """The requirements in the catalogue's order."""
    by_id: dict[str, list[ReportEntry]] = {}
    for entry in report.requirements:
        by_id.setdefault(entry.id, []).append(entry)
    return [Row(tuple(entries)) for entries in by_id.values()]


def columns_of(rows: Sequence[Row]) -> list[str | None]:
    """The commands, in the order in which they first appear, and None for what belongs to none."""
    commands = list(dict.fromkeys(command for row in rows for command in row.commands))
    return [*commands, *([None] if any(row.cell(None) for row in rows) else [])]


def counts_of(report: Report) -> list[tuple[str, str, int]]:
    """Each verdict that there is, its sign and how often."""
    counts = Counter(entry.verdict for entry in report.requirements)
    return [(verdict.value, SIGNS[verdict], counts[verdict]) for verdict in Verdict if counts[verdict]]


def counted_musts(report: Report) -> Counter[Verdict]:
    """How many MUST there are of each verdict, of those that passed or keep the subject from being conformant."""
    return Counter(
        entry.verdict
        for entry in report.requirements
        if entry.level is Level.MUST and (entry.verdict is Verdict.PASS or hinders(entry, report))
    )


def musts(report: Report) -> list[str]:
    """`351 of 352 MUST passed`, `1 failed`."""
    counted = counted_musts(report)
    said = {Verdict.FAIL: "failed", Verdict.KNOWN: "known to fail", Verdict.INCONCLUSIVE: "not exercised"}
    parts = [f"{counted[Verdict.PASS]:,} of {counted.total():,} MUST passed"]
    parts += [f"{counted[verdict]:,} {words}" for verdict, words in said.items() if counted[verdict]]
    # Only where it was judged strictly.
    shoulds = Counter(entry.verdict for entry in report.requirements if entry.level is Level.SHOULD)
    failing = {Verdict.FAIL: "SHOULD failed", Verdict.KNOWN: "SHOULD known to fail"}
    return parts + [f"{shoulds[verdict]:,} {words}" for verdict, words in failing.items() if shoulds[verdict]]


def why(entry: ReportEntry) -> str:
    """Why an entry has not been judged, or who answers for what is known; "" where nothing is to be said."""
    return entry.reason_detail or entry.not_applicable or entry.listed


# --- Explanations


def explained(entry: ReportEntry) -> Iterator[str]:
    """One line on what a failure depends; none where too little was seen to say anything, or in an old report."""
    if entry.pattern and (entry.depends_on != Dependence.UNTOLD or entry.observations >= ENOUGH):
        yield entry.pattern


def kinds(entry: ReportEntry) -> Iterator[str]:
    """Lines for people: each kind of findings where there are several, and the explanation of the only one."""
    several = len(entry.findings) > 1 and not entry.expected
    for finding in entry.findings:
        if several:
            case = f" · case {finding.case}" if finding.case else ""
            yield f"{finding.count:,} × {finding.message}{value_of(finding, SHOWN)}{case}"
        # Where all failed, the others need no names.
        yield from alike(finding, name_others=entry.depends_on != Dependence.ALWAYS and not several)
    yield from unshown(entry)


def alike(finding: ReportedFinding, *, name_others: bool = True) -> Iterator[str]:
    """Lines for people: the pattern of a finding, the simplest request that shows it, and the cases like it."""
    if finding.pattern:
        yield finding.pattern
    minimal = finding.minimal
    if minimal:
        found = "simplest" if minimal.finished else "simplest so far"
        special = ", ".join(_difference(name, value) for name, value in minimal.differs.items())
        yield f"{found}: {special or minimal.body} · case {minimal.case}"
    if finding.count > 1 and name_others:
        named = finding.others[:NAMED]
        rest = finding.count - 1 - len(named)
        more = f" and {rest:,} more" if named and rest else ""
        of_one = "with the same cause" if minimal else "like it"
        yield f"{finding.count - 1:,} more {of_one}{': ' if named else ''}{', '.join(named)}{more}"


def unshown(entry: ReportEntry) -> Iterator[str]:
    """A line with the number of findings of other kinds than those shown, if there are any."""
    shown = sum(finding.count for finding in entry.findings)
    if entry.findings and shown < entry.failed:
        yield f"{entry.failed - shown:,} more, which the journal has"


def value_of(finding: ReportedFinding, most: int | None = None) -> str:
    """` (/status_code is "200")`, with at most so many characters of the value; "" for no value."""
    if finding.value is None:
        return ""
    text = str(finding.value)
    return f" ({finding.pointer or 'the whole'} is {text if most is None else shortened(text, most)})"


def places_of(finding: ReportedFinding, names: Sequence[str] = PLACES) -> list[tuple[str, Any]]:
    """The members of a finding that say where it was seen, by name."""
    return [(name, value) for name in names if (value := getattr(finding, name)) is not None]


def _difference(name: str, value: Any) -> str:
    if value is None:
        return f"without {name}"
    text = json.dumps(value, ensure_ascii=False)
    if not isinstance(value, str) or len(value) <= SHOWN:
        return f"{name} {text}"
    return f"{name} of {len(value)} characters, {text[:SHOWN]}…"


# --- What a requirement rests on


def rests_on(entry: ReportEntry | Requirement, contract: Contract) -> str:
    """The quoted sentence, the documented fact with its section, the loss, or this suite's reading.

    A report of an early release does not have the fact.
    """
    if entry.quote:
        return f"{contract.sources['seed']} says: “{entry.quote}”"
    place = f" (see “{entry.section}” in {contract.sources['docs']})" if entry.section else ""
    if entry.fact is None:
        return f"a documented fact{place}"
    return f"{_BESIDE_A_FACT.get(entry.basis, f'a documented fact{place}')}: {entry.fact}"


def mending(entry: ReportEntry, contract: Contract) -> str:
    """How to mend the usual causes of a failure, by the catalogue of the contract; "" where it says nothing."""
    # A report may be of another edition of the catalogue.
    requirement = contract.catalogue.by_id.get(entry.id)
    return (requirement and requirement.mend) or ""


def read_more(entry: ReportEntry, contract: Contract, pages: Sequence[str], code: str = "{}") -> str:
    """The sentence that says where more is written about a requirement.

    `pages`: those of the documentation, which are about the built-in contract; any other has the catalogue of its own
    folder. `code` formats the name of a file.
    """
    if contract.folder is not None:
        return f"More in {code.format(for_terminal(str(contract.folder / REQUIREMENTS)))}, under {entry.id}."
    first, *others = map(code.format, pages)
    section = f", section “{entry.section}”" if entry.section else ""
    return f"More in {', and in '.join((first + section, *others))}, of statum-conformance."


def published_at(entry: ReportEntry, report: Report) -> str | None:
    """The address of `docs/requirements.md` at a requirement; None where `--catalogue-url` gave none.

    A text fragment leads to the id, which is once on that page, beside the sentence; a browser that knows none shows
    the page from its top. Its hyphen is escaped, for it would begin something else.
    """
    url: str | None = report.settings.get("catalogue_url")
    return f"{url}#:~:text={entry.id.replace('-', '%2D')}" if url else None
