"""What of a certificate its evidence bears out, member by member; and what only the word of its signers stands for.

    MEMBERS         each member of a statement, and what it follows from
    members_of      a statement → its members by name, as the table has them
    unsupported     a certificate's statement beside the journal → the names of the members that do not follow from it

The statement is made once more, of the journal alone, by what makes those of certificates; then the two are compared. A
member that is neither derived nor on the word of the signers cannot be: the table is complete, and one that it does not
have is named as not borne out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Any

from conformance.certificate.coverage import Claims
from conformance.certificate.digests import CertifiedSubject, DigestSource, JournalFile
from conformance.certificate.envelope import Rejected
from conformance.certificate.issuing import EXTENSION, configuration, expectations_of, in_words, statement
from conformance.contract.contract import Contract
from conformance.model.errors import UsageError
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


MEMBERS: Mapping[str, Provenance] = {
    "_type": Provenance.FORMAT,
    "predicateType": Provenance.FORMAT,
    "version": Provenance.FORMAT,
    "strict": Provenance.JOURNAL,
    "subject.kind": Provenance.JOURNAL,
    "subject.url": Provenance.JOURNAL,
    "run.started_at": Provenance.JOURNAL,
    "run.duration_s": Provenance.JOURNAL,
    "run.seed": Provenance.JOURNAL,
    "journal.digest": Provenance.JOURNAL,
    "journal.size": Provenance.JOURNAL,
    "coverage.lacks": Provenance.JOURNAL,
    EXPECTATIONS: Provenance.JOURNAL,
    SUITE: Provenance.EDITION,
    CATALOGUE: Provenance.EDITION,
    "configuration.contract": Provenance.EDITION,
    "configuration.schemas": Provenance.EDITION,
    "result": Provenance.EDITION,
    "verdict": Provenance.EDITION,
    "passedTests": Provenance.EDITION,
    "warnedTests": Provenance.EDITION,
    "failedTests": Provenance.EDITION,
    "must": Provenance.EDITION,
    "should": Provenance.EDITION,
    "warned": Provenance.EDITION,
    "not_applicable": Provenance.EDITION,
    "not_exercised": Provenance.EDITION,
    "commands": Provenance.EDITION,
    "coverage.exercised": Provenance.EDITION,
    "coverage.notifications": Provenance.EDITION,
    "coverage.must_not_applicable": Provenance.EDITION,
    "run.counts": Provenance.EDITION,
    "subject.artifacts": Provenance.SIGNERS,
    "subject.name": Provenance.SIGNERS,
    "subject.digest_source": Provenance.SIGNERS,
    "subject.digest_detail": Provenance.SIGNERS,
    "journal.name": Provenance.SIGNERS,
    "kill_matrix": Provenance.SIGNERS,
    "issued": Provenance.TERMS,
    "expires": Provenance.TERMS,
}

# Objects of which each member is one of the table.
_TAKEN_APART = ("subject", "coverage", "run", "journal")


def members_of(document: Mapping[str, Any]) -> dict[str, Any]:
    """The members of a statement by their names, each with its value."""
    return dict(_members(document))


def _members(document: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in document.items():
        if name != "predicate":
            yield ("subject.artifacts" if name == "subject" else name), value
    predicate = document["predicate"]
    for name, value in predicate.items():
        if name not in ("configuration", EXTENSION):
            yield name, value
    names = dict.fromkeys(entry["name"] for entry in predicate["configuration"])
    for name in names:
        entries = [entry for entry in predicate["configuration"] if entry["name"] == name]
        yield f"configuration.{name}", entries[0] if len(entries) == 1 else entries
    for name, value in predicate[EXTENSION].items():
        if name in _TAKEN_APART and isinstance(value, dict):
            yield from ((f"{name}.{member}", its) for member, its in value.items())
        else:
            yield name, value


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
            raise Rejected(f"evidence: judged again, {name} is {_shown(its)}; the certificate says {_shown(claim)}")
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
    claimed, found = (
        Claims.said(document["predicate"][EXTENSION], result.contract),
        Claims.of(result.report, result.contract),
    )
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


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}…"
