"""A saved run, reduced to what the pages show, so that hundreds of large reports need little memory.

RegisteredResult    the run of one subject, by its report, by its certificate, or by both
excerpt             a report without what no page shows
Standing            the verdict on a requirement, or on an area of them, folded from several
"""

from __future__ import annotations

import re
import sys
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from conformance.certificate.coverage import Badge
from conformance.contract.contract import Contract
from conformance.contract.requirements import Actor
from conformance.judging.verdicts import Conclusion, Verdict
from conformance.register.certificates import CertificateState, CheckedCertificate
from conformance.reports.report import ClientFacts, Report, ReportedFinding, ReportEntry
from conformance.reports.text import beginning
from conformance.reports.view import hinders

GATEWAY, CLIENT, RECEIVER = "gateway", "client", "receiver"
# In the order of the pages.
KINDS = (GATEWAY, CLIENT, RECEIVER)

# Of a requirement × command; the report has more.
MOST_FINDINGS = 3
# Characters of a message, and of a value in it: whoever submits a result decides what it says.
LONGEST_MESSAGE, LONGEST_VALUE = 600, 80
# The settings by which verdicts are read.
_SETTINGS = ("cases", "contract", "strict", "catalogue_url")

# A version at the end of a name, with a dot: "Site 2" is the name of another gateway than "Site 1".
_VERSION = re.compile(r"(?P<name>.*\S)\s+(?P<version>v?\d+(?:\.\d+)+[\w.+-]*)", re.DOTALL)

Judgements = Mapping[tuple[str, str | None], Verdict]


@dataclass(frozen=True, slots=True)
class RegisteredResult:
    """A run of one subject: `name` without its `version`, and `kind`, one of KINDS.

    `report` is an excerpt, or made of the certificate if that is all there is (`file` is then the certificate).
    `certificate`: of exactly this run, None without one.
    """

    contract: Contract
    kind: str
    name: str
    version: str
    began: datetime
    report: Report
    file: Path
    certificate: CheckedCertificate | None = None
    has_report: bool = True

    @classmethod
    def of_report(cls, report: Report, contract: Contract, file: Path) -> RegisteredResult:
        """The result in a report. Raises ValueError for a time that does not exist."""
        name, version = _named(report)
        return cls(contract, kind_of(report), name, version, moment(report.started_at), excerpt(report), file)

    @classmethod
    def of_certificate(cls, certificate: CheckedCertificate, file: Path) -> RegisteredResult:
        """The result that a certificate states. Raises ValueError for a time that does not exist."""
        report, contract = certificate.report(), certificate.contract
        result = cls.of_report(report, contract, file)
        return replace(result, certificate=certificate, has_report=False)

    def certified_by(self, certificate: CheckedCertificate) -> RegisteredResult:
        """The result with a certificate of its run. The subject has the name that was signed."""
        signed = certificate.subject["name"]
        if signed == self.report.subject.name:
            return replace(self, certificate=certificate)
        name, version = _split(signed)
        return replace(self, certificate=certificate, name=name, version=version)

    @property
    def run(self) -> tuple[str, str, str | None, datetime, int]:
        """The key of the run: equal for all its results."""
        subject = self.report.subject
        return self.contract.name, subject.kind, subject.url, self.began, self.report.seed

    @property
    def judgements(self) -> Judgements:
        """Requirement and command → verdict."""
        return {(entry.id, entry.command): entry.verdict for entry in self.report.requirements}

    @property
    def verdict(self) -> Conclusion:
        """The verdict on the subject."""
        return self.report.verdict

    @property
    def is_certified(self) -> bool:
        """Whether known keys have signed it, and this still counts."""
        return self.certificate is not None and self.certificate.state is CertificateState.CERTIFIED

    def badge(self) -> Badge:
        """Its badge: of the certificate, if that counts or there is nothing else, else of the report."""
        certificate = self.certificate
        if certificate is None or (self.has_report and not self.is_certified):
            return Badge.of_report(self.report, self.contract)
        if certificate.state is CertificateState.CERTIFIED:
            return Badge.of_certificate(self.contract, certificate.coverage, certificate.expires)
        if certificate.state is CertificateState.EXPIRED:
            return Badge.of_expired(self.contract, certificate.expires)
        return Badge.of_unknown_signer(self.contract)


def moment(text: str) -> datetime:
    """The moment in UTC of an ISO 8601 text with an offset. Raises ValueError for one that does not exist."""
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except OverflowError as error:
        raise ValueError(f"{text} is out of range") from error


def kind_of(report: Report) -> str:
    """A gateway, a client, or the receiver of a client alone."""
    if report.subject.kind == GATEWAY:
        return GATEWAY
    only_received = all(entry.actor is Actor.RECEIVER for entry in report.requirements)
    return RECEIVER if report.requirements and only_received else CLIENT


def _named(report: Report) -> tuple[str, str]:
    """Name and version: as a driver declares them if its name is made of these, else by how versions look."""
    stated = report.client.implementation if report.client else None
    if stated is not None:
        name, version = stated.get("name"), stated.get("version")
        if isinstance(name, str) and isinstance(version, str) and report.subject.name == f"{name} {version}":
            return name, version
    return _split(report.subject.name)


def _split(name: str) -> tuple[str, str]:
    found = _VERSION.fullmatch(name)
    return (found["name"], found["version"]) if found else (name, "")


def folded(name: str) -> str:
    """A name as names are compared: without regard to case, spaces and forms of characters."""
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())


# --- What is kept of a report


def excerpt(report: Report) -> Report:
    """The report without evidence, coverage and settings; texts that every report has are shared."""
    client = report.client
    return replace(
        report,
        settings={name: report.settings[name] for name in _SETTINGS if name in report.settings},
        requirements=tuple(map(_entry, report.requirements)),
        client=None if client is None else ClientFacts(client.implementation, lacks=client.lacks),
        shrinking=None,
        limits=None,
        strangers=None,
        one_causes=(),
        coverage=(),
        expectations=None,
    )


def _entry(entry: ReportEntry) -> ReportEntry:
    shown = tuple(map(_finding, entry.findings[:MOST_FINDINGS]))
    return replace(
        entry,
        id=sys.intern(entry.id),
        command=None if entry.command is None else sys.intern(entry.command),
        title=sys.intern(beginning(entry.title, LONGEST_MESSAGE)),
        source=sys.intern(entry.source),
        quote=sys.intern(entry.quote) if entry.quote and shown else None,
        fact=sys.intern(entry.fact) if entry.fact and shown else None,
        section=sys.intern(entry.section) if entry.section and shown else None,
        condition=sys.intern(entry.condition) if entry.condition else None,
        reason_detail=sys.intern(beginning(entry.reason_detail, LONGEST_MESSAGE)) if entry.reason_detail else None,
        pattern=None if entry.pattern is None else beginning(entry.pattern, LONGEST_MESSAGE),
        findings=shown,
    )


def _finding(finding: ReportedFinding) -> ReportedFinding:
    value = None if finding.value is None else beginning(str(finding.value), LONGEST_VALUE)
    return ReportedFinding(
        beginning(finding.message, LONGEST_MESSAGE),
        finding.case,
        pointer=finding.pointer,
        value=value,
        count=finding.count,
    )


# --- Verdicts folded

# From the gravest on; what need not be exercised, because a condition never came about, ranks below what passed.
_RANKS = (Verdict.FAIL, Verdict.KNOWN, Verdict.WARN, Verdict.INCONCLUSIVE, Verdict.PASS)
_IDLE, _NOT_APPLICABLE = len(_RANKS), len(_RANKS) + 1


@dataclass(frozen=True, slots=True)
class Standing:
    """The gravest verdict of a requirement or an area; `number` of the `whole` have it.

    `idle`: it is INCONCLUSIVE, and did not have to be exercised.
    """

    verdict: Verdict
    number: int
    whole: int
    idle: bool = False


def by_requirement(report: Report) -> dict[str, Standing]:
    """The standing of each requirement, of all commands."""
    return {id_: _folded(entries, report)[0] for id_, entries in _grouped(report.requirements, "id").items()}


def by_area(report: Report) -> dict[str, Standing]:
    """The standing of each area, of all its requirements."""
    gravest = [_folded(entries, report)[1] for entries in _grouped(report.requirements, "id").values()]
    return {area: _folded(entries, report)[0] for area, entries in _grouped(gravest, "area").items()}


def _grouped(entries: Iterable[ReportEntry], by: str) -> dict[str, list[ReportEntry]]:
    groups: dict[str, list[ReportEntry]] = {}
    for entry in entries:
        groups.setdefault(getattr(entry, by), []).append(entry)
    return groups


def _folded(entries: Sequence[ReportEntry], report: Report) -> tuple[Standing, ReportEntry]:
    ranks = [_rank(entry, report) for entry in entries]
    least = min(ranks)
    gravest = entries[ranks.index(least)]
    return Standing(gravest.verdict, ranks.count(least), len(entries), idle=least == _IDLE), gravest


def _rank(entry: ReportEntry, report: Report) -> int:
    if entry.verdict is Verdict.NOT_APPLICABLE:
        return _NOT_APPLICABLE
    if entry.verdict is Verdict.INCONCLUSIVE and not hinders(entry, report):
        return _IDLE
    return _RANKS.index(entry.verdict)
