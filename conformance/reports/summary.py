"""`summary.md`: the result on one page of Markdown, for a merge request, a chat or the summary of a job.

    verdict, and what it rests on
    matrix      requirement × command: what fell short, and folded away, all of it
    findings    the gravest, each with its evidence, what it rests on and a line that repeats it
    how to      make the same run again, or send one failing case again

What a gateway said stands in code, so that no markup, link or mention in it counts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from conformance.contract.contract import Contract
from conformance.contract.requirements import Level
from conformance.judging.verdicts import Conclusion, Verdict
from conformance.reports.escaping import fenced, for_markdown, for_terminal
from conformance.reports.remarks import limit_lines, not_applicable, stranger_lines, told_stale
from conformance.reports.reproduce import repeat_command, replay_command
from conformance.reports.view import (
    SIGNS,
    Row,
    Shortfall,
    columns_of,
    counts_of,
    cut,
    explained,
    hinders,
    kinds,
    named,
    rests_on,
    rows_of,
    shortfalls,
)

MARKS: Mapping[str, str] = {
    Conclusion.CONFORMANT: "✅",
    Conclusion.NON_CONFORMANT: "❌",
    Conclusion.INCONCLUSIVE: "❔",
}
# What a reader looks into first; report.html has all.
SHOWN_SHORTFALLS = 10
# A value of a gateway may be as long as it likes; a job's summary may not.
LONGEST_TEXT = 300
# Where it is unless the run was told otherwise.
JOURNAL = Path("reports") / "journal.sqlite"

Document = Mapping[str, Any]


def summary(document: Document, contract: Contract) -> bytes:
    """The document of a result as Markdown (GitHub's and GitLab's) in UTF-8; the same gives the same bytes."""
    blocks = [block for part in (_verdict, _matrix, _findings, _whole) for block in part(document)]
    blocks += _again(document, contract)
    return ("\n\n".join(blocks) + "\n").encode()


def _verdict(document: Document) -> Iterator[str]:
    verdict, subject, counts = document["verdict"], document["subject"], document["counts"]
    yield f"# {MARKS[verdict]} {verdict}"
    tool = f"{document['tool']['name']} {document['tool']['version']}"
    name = for_markdown(subject["url"] or subject["name"])
    strictly = ", judged strictly" if document["settings"].get("strict") else ""
    yield f"{subject['kind'].capitalize()} {name}, by {tool}{strictly}: {_musts(document)}."
    yield (
        f"Exchanges: {counts['exchanges']:,} · notifications: {counts['notifications']:,} · "
        f"seed: {document['seed']} · took {document['duration_s']:.1f} s · began {document['started_at']}"
    )
    yield from map(for_markdown, (*limit_lines(document), *stranger_lines(document)))
    for line in told_stale(document):
        yield f"**stale expectation:** {for_markdown(line)}"


def _musts(document: Document) -> str:
    """`351 of 352 MUST passed, 1 failed`."""
    binding = [entry for entry in document["requirements"] if entry["level"] == Level.MUST]
    counted = Counter(entry["verdict"] for entry in binding if entry["verdict"] == Verdict.PASS)
    counted.update(entry["verdict"] for entry in binding if hinders(entry, document))
    told = {Verdict.FAIL: "failed", Verdict.KNOWN: "known to fail", Verdict.INCONCLUSIVE: "not exercised"}
    parts = [f"{counted[verdict]:,} {words}" for verdict, words in told.items() if counted[verdict]]
    # Only where it was judged strictly.
    shoulds = Counter(entry["verdict"] for entry in document["requirements"] if entry["level"] == Level.SHOULD)
    failing = {Verdict.FAIL: "SHOULD failed", Verdict.KNOWN: "SHOULD known to fail"}
    parts += [f"{shoulds[verdict]:,} {words}" for verdict, words in failing.items() if shoulds[verdict]]
    return ", ".join([f"{counted[Verdict.PASS]:,} of {counted.total():,} MUST passed", *parts])


def _matrix(document: Document) -> Iterator[str]:
    rows = rows_of(document)
    short = [row for row in rows if row.fell_short]
    if short:
        yield "## What fell short"
        yield _table(short, columns_of(rows))


def _whole(document: Document) -> Iterator[str]:
    rows = rows_of(document)
    legend = " · ".join(f"{sign} {number:,} {verdict}" for verdict, sign, number in counts_of(document))
    yield f"<details><summary>All {len(rows)} requirements: {legend}</summary>"
    yield _table(rows, columns_of(rows))
    yield from (f"- {for_markdown(line)}" for line in not_applicable(document))
    yield "</details>"


def _table(rows: Sequence[Row], columns: Sequence[str | None]) -> str:
    heads = ["requirement", *(column or "as a whole" for column in columns)]
    lines = [heads, ["---", *[":-:"] * len(columns)]]
    for row in rows:
        name = f"**{row.first['id']}** {row.first['level']} {_plain(row.first['title'])}"
        lines.append([name, *(_cell(row.cell(column)) for column in columns)])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(entry: Mapping[str, Any] | None) -> str:
    return SIGNS[entry["verdict"]] if entry else ""


def _findings(document: Document) -> Iterator[str]:
    shown, failures, more = cut(shortfalls(document), SHOWN_SHORTFALLS)
    for shortfall in shown:
        yield from _finding(shortfall)
    if failures:
        yield "\n".join(f"- {_plain(named(each))}" for each in failures)
    if more:
        yield f"… and {more:,} more in `report.html`."


def _finding(shortfall: Shortfall) -> Iterator[str]:
    if shortfall.cause:
        yield f"**{_plain(shortfall.cause)}**"
    if shortfall.verdict is Verdict.INCONCLUSIVE:
        yield f"### {SIGNS[shortfall.verdict]} {shortfall.verdict}: {_code(shortfall.title)}"
        yield f"Not exercised: {', '.join(shortfall.ids)}."
    else:
        yield f"### {SIGNS[shortfall.verdict]} {shortfall.verdict} {shortfall.ids[0]}: {_plain(shortfall.title)}"
        yield "\n".join(_observed(shortfall))
        yield f"> {_plain(rests_on(shortfall.entries[0]))}"
    if shortfall.listed:
        yield f"Listed as known: {_code(shortfall.listed)}"
    if shortfall.finding and shortfall.finding["reproduce"] and not shortfall.follows:
        yield "<details><summary>Reproduce</summary>"
        yield fenced(for_terminal(shortfall.finding["reproduce"]), "sh")
        yield "</details>"


def _observed(shortfall: Shortfall) -> Iterator[str]:
    for entry in shortfall.entries:
        first = entry["findings"][0] if entry["findings"] else None
        told = f": {_code(first['message'])}" if first else ""
        places = f" ({', '.join(_places(first))})" if first and any(_places(first)) else ""
        place = entry["command"] or "as a whole"
        yield f"- {place}, {entry['failed']:,} of {entry['observations']:,}{told}{places}"
        yield from (f"  - {_code(line)}" for line in chain(explained(entry), kinds(entry)))


def _places(finding: Mapping[str, Any]) -> Iterator[str]:
    if finding["value"] is not None:
        yield f"{_code(finding['pointer'] or 'the whole')} is {_code(finding['value'])}"
    for name in ("request_id", "case"):
        if finding[name] is not None:
            yield f"{name} {_code(finding[name])}"


def _again(document: Document, contract: Contract) -> Iterator[str]:
    yield "## How to reproduce"
    lines = [repeat_command(document["settings"], contract)]
    failing = [found.finding for found in shortfalls(document) if found.verdict is Verdict.FAIL and found.finding]
    cases = [finding["case"] for finding in failing if finding["case"]]
    if cases and document["subject"]["kind"] == "gateway":  # a client cannot be told to send a case again
        lines.append(replay_command(cases[0], JOURNAL, document["settings"]))
    yield fenced("\n".join(map(for_terminal, lines)), "sh")


def _code(text: str) -> str:
    """Words that may be a gateway's."""
    return for_markdown(text if len(text) <= LONGEST_TEXT else f"{text[:LONGEST_TEXT]}…")


def _plain(text: str) -> str:
    """Words of the catalogue: what Markdown would take for markup is escaped."""
    escaped = "".join(f"\\{character}" if character in "\\`*_[]<>|#" else character for character in for_terminal(text))
    return escaped.replace("&", "&amp;")
