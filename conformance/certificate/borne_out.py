"""Which members of a certificate follow from its journal, and which rest on the word of its signers alone.

    MEMBERS         each member of a statement, and what it follows from
    members_of      a statement → its members by name, as the table has them
    unsupported     a certificate's statement and its journal → the members that do not follow from the journal

The statement is made once more, of the journal alone, and the two are compared. A member that the table does not have
is one that does not follow.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Any

from conformance.certificate.coverage import Claims
from conformance.certificate.digests import CertifiedSubject, DigestSource, JournalFile
from conformance.certificate.envelope import Rejected
from conformance.certificate.issuing import EXTENSION, configuration, expectations_of, in_words, statement
from conformance.contract.contract import Contract
from conformance.model.errors import UsageError
from conformance.reports.escaping import shortened
from conformance.reports.report import ReportSubject
from conformance.reports.result import Result

# How far the clocks of those who run, issue and verify may be apart.
CLOCK_DRIFT = timedelta(minutes=5)

LONGEST_SHOWN = 200
"""Characters of a member that is not as it should be."""


SUITE, CATALOGUE, EXPECTATIONS = (
    f"configuration.{name}" for name in ("statum-conformance", "catalogue", "expectations")
)


class Provenance(Enum):
    """What a member follows from."""

    FORMAT = "the same in every certificate"
    JOURNAL = "the journal, whatever edition of the suite judges it"
    EDITION = "the journal, as the edition judges it that issued the certificate"
    SIGNERS = "the word of the signers, where it is not as the journal has it"
    TERMS = "the word of the signers: of the certificate itself the journal says nothing"


_FOLLOWING: Mapping[Provenance, str] = {
    Provenance.FORMAT: "_type predicateType version",
    Provenance.JOURNAL: "strict subject.kind subject.url run.started_at run.duration_s run.seed journal.digest "
    f"journal.size coverage.lacks {EXPECTATIONS}",
    Provenance.EDITION: f"{SUITE} {CATALOGUE} configuration.contract configuration.schemas result verdict passedTests "
    "warnedTests failedTests must should warned not_applicable not_exercised commands coverage.exercised "
    "coverage.notifications coverage.must_not_applicable run.counts",
    Provenance.SIGNERS: "subject.artifacts subject.name subject.digest_source subject.digest_detail journal.name "
    "kill_matrix",
    Provenance.TERMS: "issued expires",
}
MEMBERS: Mapping[str, Provenance] = {name: basis for basis, names in _FOLLOWING.items() for name in names.split()}

# Objects of which each member is one of the table.
_TAKEN_APART = ("subject", "coverage", "run", "journal")


def members_of(document: Mapping[str, Any]) -> dict[str, Any]:
    """The members of a statement by their names, each with its value."""
    predicate = document["predicate"]
    members = {
        ("subject.artifacts" if name == "subject" else name): value
        for name, value in document.items()
        if name != "predicate"
    }
    members |= {name: value for name, value in predicate.items() if name not in ("configuration", EXTENSION)}
    for entry in predicate["configuration"]:
        same = [each for each in predicate["configuration"] if each["name"] == entry["name"]]
        members[f"configuration.{entry['name']}"] = same[0] if len(same) == 1 else same
    for name, value in predicate[EXTENSION].items():
        if name in _TAKEN_APART and isinstance(value, dict):
            members |= {f"{name}.{member}": its for member, its in value.items()}
        else:
            members[name] = value
    return members


def is_of_this_edition(document: Mapping[str, Any], contract: Contract) -> bool:
    """Whether a certificate was issued by the very files that are here: of the suite, and of the contract."""
    entries = document["predicate"]["configuration"]
    return all(entry in entries for entry in configuration(contract))


def unsupported(document: Mapping[str, Any], result: Result, journal: JournalFile) -> tuple[str, ...]:
    """The members of a statement that its journal, judged as `result`, does not bear out; in the order of the table.

    Raises Rejected for one that contradicts the journal.
    """
    claimed, derived = members_of(document), members_of(_derived(result, journal))
    same, its_files = is_of_this_edition(document, result.contract), claimed.get(SUITE, {})
    by_these_files = isinstance(its_files, dict) and its_files.get("digest") == derived[SUITE]["digest"]
    _check_coverage(document, result)
    _check_issued(claimed["issued"], result)
    found = []
    for name, basis in MEMBERS.items():
        claim, its = claimed.get(name), derived.get(name)
        binds = basis in (Provenance.FORMAT, Provenance.JOURNAL) or (basis is Provenance.EDITION and same)
        # Which catalogue these files have, and of which version they are, is no question.
        binds = binds or (name in (SUITE, CATALOGUE) and by_these_files)
        # Of certificates of earlier releases some members are missing; a list of known failures never was.
        if name not in claimed and not same and name != EXPECTATIONS:
            continue
        if claim != its and binds:
            ours, theirs = (shortened(repr(value), LONGEST_SHOWN) for value in (its, claim))
            raise Rejected(f"evidence: judged again, {name} is {ours}; the certificate says {theirs}")
        if claim != its or basis is Provenance.TERMS or (name == "subject.url" and not _was_sent_there(result)):
            found.append(name)
    return (*found, *sorted(claimed.keys() - MEMBERS.keys()))


def _derived(result: Result, journal: JournalFile) -> dict[str, Any]:
    """The statement that follows from the journal, with nothing that whoever asked for the certificate said."""
    started = datetime.fromisoformat(result.report.started_at)
    return statement(result, _subject(result.report.subject), journal, expectations_of(result), (started, started))


def _subject(judged: ReportSubject) -> CertifiedSubject:
    """The subject as the journal alone tells it; of a driver's files it tells nothing."""
    try:
        return CertifiedSubject.of(judged)
    except UsageError:
        return CertifiedSubject(judged.kind, judged.name, judged.url, (), DigestSource.ADDRESS, "")


def _check_coverage(document: Mapping[str, Any], result: Result) -> None:
    """Whatever edition issued it: what it claims to cover is covered."""
    claimed = Claims.said(document["predicate"][EXTENSION], result.contract)
    found = Claims.of(result.report, result.contract)
    if claimed is not None and not found.includes(claimed):
        raise Rejected(
            f"evidence: judged again, the journal covers {found.in_words}; the certificate says {claimed.in_words}"
        )


def _check_issued(issued: str, result: Result) -> None:
    report = result.report
    ended = datetime.fromisoformat(report.started_at) + timedelta(seconds=report.duration_s)
    if datetime.fromisoformat(issued) + CLOCK_DRIFT < ended.astimezone(UTC):
        raise Rejected(
            f"evidence: the run ended on {in_words(ended)}; the certificate says that it was issued on {issued}"
        )


def _was_sent_there(result: Result) -> bool:
    """Whether the requests to a gateway went to where its URL says; a client is not sent any."""
    subject = result.report.subject
    if subject.kind != "gateway":
        return True
    return {_origin(exchange.request.url) for exchange in result.record.exchanges} == {_origin(subject.url or "")}


def _origin(url: str) -> tuple[str, ...]:
    """`https`, nothing, and the host with its port."""
    return tuple(url.split("/", 3)[:3])
