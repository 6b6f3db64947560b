"""The pages of a register: the first page, and for each subject a page, a badge and copies of its last files.

    files_of        the names of all files
    contents_of     the same with their contents, made one after the other

A page is self-contained, and needs JavaScript for filters alone. It holds words of whoever submitted a result, so they
are escaped, and the page allows no other scripts than its own.
"""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from conformance import __version__
from conformance.contract.contract import Contract
from conformance.judging.verdicts import Conclusion, Verdict
from conformance.register.certificates import CertificateState
from conformance.register.document import REGISTER_JSON, register_json
from conformance.register.results import KINDS, RegisteredResult
from conformance.register.subjects import SUBJECTS, HistoryRow, Register, RegisteredSubject
from conformance.reports.page import SEALS
from conformance.reports.report import Report, ReportEntry
from conformance.reports.text import counted, visible
from conformance.reports.view import SIGNS, Row, columns_of, counts_of, hinders, musts, rests_on, rows_of, value_of

INDEX, BADGE, REPORT, CERTIFICATE = "index.html", "badge.svg", "report.html", "certificate.json"

# The results that a plot shows, the last ones; a table has all.
MOST_PLOTTED = 40
# Pixels of the plot of a history.
COLUMN, GAP, PLOT_HEIGHT, LEAST_BAR = 12, 3, 64, 3
# The verdicts that a plot counts, from the bottom.
PLOTTED = (Verdict.FAIL, Verdict.KNOWN, Verdict.WARN, Verdict.INCONCLUSIVE)

PLURALS: Mapping[str, str] = dict(zip(KINDS, ("Gateways", "Clients", "Receivers"), strict=True))
MARKS: Mapping[CertificateState, str] = {
    CertificateState.CERTIFIED: "✔ certified",
    CertificateState.EXPIRED: "expired",
    CertificateState.NOT_VERIFIED: "not verified",
    CertificateState.REFUSED: "refused",
}

# The report page of a result, in UTF-8; None for no page.
ReportPage = Callable[[RegisteredResult], bytes | None]


@dataclass(frozen=True, slots=True)
class Layout:
    """The words and addresses that the caller chooses; `address`: where the register will be published, if known.

    `report_page` makes the page of a result, for the subjects in `with_page` (by slug).
    """

    title: str
    address: str | None = None
    with_page: frozenset[str] = field(default_factory=frozenset)
    report_page: ReportPage = lambda _: None


def files_of(register: Register, layout: Layout) -> list[str]:
    """The names of all files, in the order in which they are made."""
    return [INDEX, REGISTER_JSON, *(name for each in register.subjects for name in _files_of(each, layout))]


def _files_of(subject: RegisteredSubject, layout: Layout) -> list[str]:
    names = [INDEX, BADGE]
    names += [REPORT] if subject.slug in layout.with_page else []
    names += [CERTIFICATE] if subject.certificate is not None else []
    return [f"{SUBJECTS}/{subject.slug}/{name}" for name in names]


def contents_of(register: Register, layout: Layout) -> Iterator[tuple[str, bytes]]:
    """The name and content of each file."""
    yield INDEX, _rendered("index.html", register=register, layout=layout)
    yield REGISTER_JSON, register_json(register, layout.title)
    for subject in register.subjects:
        for name in _files_of(subject, layout):
            content = _content(name.rpartition("/")[2], subject, register, layout)
            if content is not None:
                yield name, content


def _content(name: str, subject: RegisteredSubject, register: Register, layout: Layout) -> bytes | None:
    if name == BADGE:
        return subject.badge
    if name == REPORT:
        return layout.report_page(subject.latest)
    if name == CERTIFICATE and subject.certificate is not None:
        return subject.certificate.data
    latest = subject.latest
    return _rendered(
        "subject.html",
        subject=subject,
        latest=latest,
        layout=layout,
        group=next(group for group in register.groups if subject in group.subjects),
        areas=[(area, of_area, columns_of(of_area)) for area, of_area in _areas(latest.report)],
        change=subject.history[-1].change,
        plot=history_plot(subject.history),
        has_page=subject.slug in layout.with_page,
    )


def _areas(report: Report) -> Iterator[tuple[str, list[Row]]]:
    """The requirements of each area, those of an area together."""
    areas: dict[str, list[Row]] = {}
    for row in rows_of(report):
        areas.setdefault(row.first.area, []).append(row)
    yield from areas.items()


def _rendered(template: str, **values: object) -> bytes:
    text = _environment().get_template(template).render(**values)
    return visible(text).encode()


@cache
def _environment() -> Environment:
    loader = PackageLoader("conformance.register", ".")
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    shared = files("conformance.reports.page")
    own = {name: loader.get_source(environment, name)[0] for name in ("register.css", "register.js")}
    style = f"{shared.joinpath('style.css').read_text(encoding='utf-8')}\n{own['register.css']}"
    script = f"{shared.joinpath('controls.js').read_text(encoding='utf-8')}{own['register.js']}"
    environment.globals |= {
        "by_area": _by_area,
        "counted": counted,
        "counts_of": counts_of,
        "day": lambda moment: f"{moment:%Y-%m-%d}",
        "hinders": hinders,
        "marks": MARKS,
        "musts": musts,
        "plurals": PLURALS,
        "policy": f"default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data:; script-src '{_hash(script)}'",
        "rests_on": rests_on,
        "seals": SEALS,
        "sentences": sentences,
        "signs": SIGNS,
        "state": CertificateState,
        "style": Markup(style),  # noqa: S704 - our own
        "script": Markup(script),  # noqa: S704 - our own
        "tool": __version__,
        "conclusions": tuple(Conclusion),
    }
    return environment


def _hash(script: str) -> str:
    """The digest by which a content security policy allows a script."""
    return f"sha256-{b64encode(hashlib.sha256(script.encode()).digest()).decode()}"


def _by_area(contract: Contract, area: str) -> str:
    return contract.areas.get(area, area)


def sentences(entry: ReportEntry) -> list[str]:
    """The findings of an entry in sentences, or the reason why it was not exercised or does not apply."""
    if not entry.findings:
        return [line for line in (entry.reason_detail or entry.not_applicable,) if line]
    several = [
        f"{f'{finding.count:,} × ' if finding.count > 1 else ''}{finding.message}{value_of(finding)}"
        for finding in entry.findings
    ]
    more = entry.failed - sum(finding.count for finding in entry.findings)
    return several + ([f"and {more:,} more"] if more > 0 else [])


# --- History


def history_plot(history: Sequence[HistoryRow]) -> Markup | None:
    """The number of requirements that failed or were missed in each result, as columns; None for a single result."""
    shown = history[-MOST_PLOTTED:]
    if len(shown) < 2:  # noqa: PLR2004 - a column alone shows no course
        return None
    counts = [_short(row.result) for row in shown]
    highest = max(1, *(count.total() for count in counts))
    columns = Markup("").join(
        _column(number * (COLUMN + GAP), count, row, highest)
        for number, (count, row) in enumerate(zip(counts, shown, strict=True))
    )
    words = f"failures and warnings in the last {len(shown)} results: " + ", ".join(
        str(count.total()) for count in counts
    )
    return Markup(
        '<svg class="history-plot" viewBox="0 0 {w} {h}" width="{w}" height="{h}" role="img" aria-label="{words}">'
        "{columns}</svg>"
    ).format(w=len(shown) * (COLUMN + GAP), h=PLOT_HEIGHT + LEAST_BAR, words=words, columns=columns)


def _short(result: RegisteredResult) -> Counter[Verdict]:
    report = result.report
    return Counter(
        entry.verdict
        for entry in report.requirements
        if entry.verdict in (Verdict.FAIL, Verdict.KNOWN, Verdict.WARN) or hinders(entry, report)
    )


def _column(x: int, count: Counter[Verdict], row: HistoryRow, highest: int) -> Markup:
    parts, y = Markup(""), float(PLOT_HEIGHT)
    for verdict in PLOTTED:
        if count[verdict]:
            height = max(LEAST_BAR, count[verdict] / highest * PLOT_HEIGHT)
            y -= height
            parts += _bar(x, max(y, 0.0), height, verdict)
    if not count.total():
        parts = _bar(x, PLOT_HEIGHT, LEAST_BAR, Verdict.PASS)
    words = f"{row.result.began:%Y-%m-%d}: {row.result.verdict}, " + (
        ", ".join(f"{count[verdict]} {verdict}" for verdict in PLOTTED if count[verdict]) or "no failures"
    )
    return Markup("<g><title>{}</title>{}</g>").format(words, parts)


def _bar(x: int, y: float, height: float, verdict: Verdict) -> Markup:
    return Markup('<rect x="{}" y="{:.1f}" width="{}" height="{:.1f}" class="{}"/>').format(
        x, y, COLUMN, height, verdict.value
    )
