"""Which members of a certificate follow from its journal, and which rest on the word of its signers alone.

The statement is made once more from the journal alone, and the two are compared. A member that `MEMBERS` lacks does not
follow.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Any

from conformance.certificate.coverage import Claims
from conformance.certificate.digests import CertifiedSubject, DigestSource, JournalFile
from conformance.certificate.envelope import Rejected
from conformance.certificate.issuing import EXTENSION, configuration, in_words, statement
from conformance.contract.contract import Contract
from conformance.model.errors import UsageError
from conformance.reports.result import Result
from conformance.reports.text import shortened

# How far the clocks of those who run, issue and verify may be apart.
CLOCK_DRIFT = timedelta(minutes=5)

LONGEST_SHOWN = 200
"""Characters of a wrong member."""

SUITE, CATALOGUE, EXPECTATIONS = (
    f"configuration.{name}" for name in ("statum-conformance", "catalogue", "expectations")
)


class Provenance(Enum):
    """The basis of a member."""

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

# Objects whose members are in the table one by one.
_TAKEN_APART = ("subject", "coverage", "run", "journal")


def members_of(document: Mapping[str, Any]) -> dict[str, Any]:
    """The members of a statement by their names in the table."""
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
    """Whether these very files of suite and contract issued the certificate."""
    entries = document["predicate"]["configuration"]
    return all(entry in entries for entry in configuration(contract))


def unsupported(document: Mapping[str, Any], result: Result, journal: JournalFile) -> tuple[str, ...]:
    """The members of a statement that its journal, judged as `result`, does not support, in the order of the table.

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
        # These files have one catalogue and one version.
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
    """The statement that follows from the journal, without anything that the applicant added."""
    started, judged = datetime.fromisoformat(result.report.started_at), result.report.subject
    try:
        subject = CertifiedSubject.of(judged)
    except UsageError:  # a journal does not hold the files of a driver
        subject = CertifiedSubject(judged.kind, judged.name, judged.url, (), DigestSource.ADDRESS, "")
    return statement(result, subject, journal, started, started)


def _check_coverage(document: Mapping[str, Any], result: Result) -> None:
    """Raise Rejected for a claim that the run did not cover, whichever edition made it."""
    claimed = Claims.stated(document["predicate"][EXTENSION], result.contract)
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
    """Whether the requests to a gateway went to its URL; always true of a client, which gets no requests."""
    subject = result.report.subject
    if subject.kind != "gateway":
        return True
    return {_origin(exchange.request.url) for exchange in result.record.exchanges} == {_origin(subject.url or "")}


def _origin(url: str) -> tuple[str, ...]:
    """Scheme, an empty text, and host with port."""
    return tuple(url.split("/", 3)[:3])
