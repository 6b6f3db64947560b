"""Verify a certificate offline: one check after the other, and the first failure refuses it.

    proved          certificate.json → each check that it passed, then the VerifiedCertificate
    unsupported     the members of a certificate that its journal, judged again, does not support
    Trust           whose signatures are required

Signatures come first and are over the exact bytes of the payload; nothing in the payload is read before they hold. The
evidence comes last: the statement is made once more from the journal alone, and the two are compared. A member that
`MEMBERS` lacks does not follow from it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from conformance.certificate.coverage import Claims, Policy, products_of
from conformance.certificate.digests import CertifiedSubject, DigestSource, JournalFile, exact_copy
from conformance.certificate.issuing import (
    CONTRACT,
    EXTENSION,
    MOST_VALID_DAYS,
    RequirementTally,
    configuration,
    ids_of,
    in_words,
    statement,
)
from conformance.certificate.signing import Envelope, Rejected, Signature, UnknownSigner, public_key
from conformance.contract.contract import Contract
from conformance.contract.requirements import Level
from conformance.contract.schemas import FORMATS
from conformance.journal import read_evidence
from conformance.judging.verdicts import Conclusion
from conformance.model.errors import UsageError
from conformance.model.untrusted import parse_json
from conformance.reports.result import Result
from conformance.reports.text import counted, shortened

if TYPE_CHECKING:
    from conformance.certificate.ed25519 import PublicKey


@dataclass(frozen=True, slots=True)
class Trust:
    """The signatures that are required: of `threshold` of the `keys`.

    Without keys only changes since the signature are detected: a certificate carries the keys of its signers, even if
    they are strangers.
    """

    keys: tuple[PublicKey, ...] = ()
    threshold: int = 0

    @classmethod
    def of(cls, keys: Sequence[PublicKey], threshold: int | None = None) -> Self:
        """Require a signature of each key, or of `threshold` of them. Raises UsageError for an impossible number."""
        several = {key.keyid: key for key in keys}
        if threshold is not None and not 1 <= threshold <= len(several):
            raise UsageError(
                f"--threshold is {threshold} with {len(several)} different keys; expected at least 1, and no more than "
                "there are keys",
                hint="give the public keys with --key",
            )
        return cls(tuple(several.values()), len(several) if threshold is None else threshold)

    def check_known(self, signatures: Sequence[Signature]) -> None:
        """Raise UnknownSigner if there are no keys."""
        if not self.keys:
            signers = ", ".join(each.keyid for each in signatures)
            raise UnknownSigner(
                f"nothing was changed since it was signed, but whose key that is, is not known: {signers}",
                hint="give the signer's public key with --key, or as key in statum-conformance.toml",
            )


ANYBODY = Trust()
ANY = Policy()


@dataclass(frozen=True, slots=True)
class VerifiedCertificate:
    """A certificate whose signatures hold; `statement`: its payload, about a subject that keeps `contract`.

    `unsupported`: its members that the evidence does not support; None without evidence.
    """

    envelope: Envelope
    statement: Mapping[str, Any]
    contract: Contract
    unsupported: tuple[str, ...] | None = None

    @property
    def extension(self) -> Mapping[str, Any]:
        """Our own part of the predicate."""
        ours: Mapping[str, Any] = self.statement["predicate"][EXTENSION]
        return ours

    @property
    def must(self) -> RequirementTally:
        """Of the MUSTs."""
        return RequirementTally(**self.extension["must"])

    @property
    def should(self) -> RequirementTally:
        """Of the SHOULDs."""
        return RequirementTally(**self.extension["should"])

    @property
    def coverage(self) -> Claims | None:
        """The coverage; None in an older certificate, which does not state it."""
        return Claims.stated(self.extension, self.contract)

    @property
    def warned(self) -> list[str]:
        """The SHOULDs that were broken, by id."""
        return ids_of(self.statement["predicate"]["warnedTests"])

    @property
    def strict(self) -> bool:
        """Whether a broken SHOULD would have been a failure; older certificates do not state it."""
        return bool(self.extension.get("strict", False))

    @property
    def expires(self) -> datetime:
        """When it expires."""
        return datetime.fromisoformat(self.extension["expires"])

    @property
    def issued(self) -> datetime:
        """When it was first signed."""
        return datetime.fromisoformat(self.extension["issued"])


@dataclass(frozen=True, slots=True)
class CheckPassed:
    """A check that passed, such as `signature` or `expiry`."""

    name: str
    detail: str


def proved(  # noqa: PLR0913 - each is an option of the verifier
    data: bytes,
    contract: Contract,
    trust: Trust = ANYBODY,
    evidence: Path | None = None,
    *,
    now: datetime | None = None,
    policy: Policy = ANY,
) -> Iterator[CheckPassed | VerifiedCertificate]:
    """Check everything in order; yield each check that passed, and at the end the certificate.

    `policy`: further requirements of the verifier. Raises Rejected, with the reason, at the first check that fails;
    UsageError if the evidence cannot be read, or another contract judged the subject.
    """
    certificate = verified(data, contract, trust)
    signatures = certificate.envelope.signatures
    yield CheckPassed("signature", f"{counted(len(signatures), 'signature')}, {_whose(signatures, trust)}")
    _check_time(certificate, now or datetime.now(UTC))
    yield CheckPassed("expiry", f"issued {certificate.issued:%Y-%m-%d}, expires {certificate.expires:%Y-%m-%d}")
    _check_policy(certificate)
    policy.check(certificate.coverage, certificate.warned)
    yield CheckPassed("policy", f"{certificate.must.passed:,} of {certificate.must.applicable:,} MUST passed")
    if evidence is not None:
        detail, missing = _judged_again(certificate, evidence)
        yield CheckPassed("evidence", detail)
        certificate = replace(certificate, unsupported=missing)
    yield certificate


def verified(data: bytes, contract: Contract, trust: Trust = ANYBODY) -> VerifiedCertificate:
    """The certificate in a file. Raises Rejected unless every byte is as it was written and signed.

    Raises UsageError if it is about another contract, which alone knows its commands.
    """
    envelope = Envelope.parse(data)
    for number, signature in enumerate(envelope.signatures, start=1):
        _check_signature(envelope, signature, number)
    signed = {each.keyid for each in envelope.signatures}
    by = signed.intersection(key.keyid for key in trust.keys)
    if len(by) < trust.threshold:
        raise Rejected(
            f"signature: it is signed by {len(by)} of the {counted(len(trust.keys), 'key')} given, expected "
            f"{trust.threshold}; it is signed by {', '.join(sorted(signed))}"
        )
    if envelope.to_bytes() != data:
        raise Rejected(
            "envelope: the signatures hold, but the file is not as it was written: it was changed or reformatted"
        )
    try:
        statement = parse_json(envelope.payload)
    except ValueError as error:
        raise Rejected(f"payload: it is signed, but no statement: {error}") from error
    if (wrong := FORMATS.violation("certificate#statement", statement)) is not None:
        where = wrong.pointer or "the whole"
        raise Rejected(f"payload: it is signed, but no test result of this suite: {where} ({wrong.keyword})")
    entries = statement["predicate"]["configuration"]  # none is a contract in certificates from when there was only one
    recorded = next((entry["annotations"] for entry in entries if entry["name"] == CONTRACT), None)
    contract.check_recorded({CONTRACT: recorded}, "the certificate")
    certificate = VerifiedCertificate(envelope, statement, contract)
    try:
        _ = (certificate.issued, certificate.expires)
    except ValueError as error:
        dates = (certificate.extension["issued"], certificate.extension["expires"])
        raise Rejected(f"payload: it is signed, but {' or '.join(dates)} is not a date: {error}") from error
    return certificate


def _check_signature(envelope: Envelope, signature: Signature, number: int) -> None:
    where = f"signature {number}"
    try:
        key = public_key(signature.public_key)
    except ValueError as error:
        raise Rejected(f"{where}: its public key is none of Ed25519") from error
    if key.der != signature.public_key or key.keyid != signature.keyid:
        raise Rejected(f"{where}: the key id is not that of its public key")
    if sum(each.keyid == signature.keyid for each in envelope.signatures) > 1:
        raise Rejected(f"{where}: the same key signed twice")
    if not key.verifies(envelope.payload_type, envelope.payload, signature.value):
        raise Rejected(f"{where}: it does not fit the payload; one of the two was changed")


def _whose(signatures: Sequence[Signature], trust: Trust) -> str:
    known = {key.keyid for key in trust.keys}
    by_known = [each.keyid for each in signatures if each.keyid in known]
    if by_known:
        return f"by {', '.join(by_known)}"
    return f"by {', '.join(each.keyid for each in signatures)}, of whom nothing is known here"


def _check_time(certificate: VerifiedCertificate, now: datetime) -> None:
    if certificate.expires <= certificate.issued:
        raise Rejected(f"expiry: it expires on {certificate.extension['expires']}, before it was issued")
    if now >= certificate.expires:
        raise Rejected(f"expiry: it expired on {certificate.extension['expires']}")
    if certificate.expires - certificate.issued > timedelta(days=MOST_VALID_DAYS):
        raise Rejected(f"expiry: it is valid for more than {MOST_VALID_DAYS:,} days, which none is issued for")
    if now + CLOCK_DRIFT < certificate.issued:
        raise Rejected(f"expiry: it was issued on {certificate.extension['issued']}, which is yet to come")


def _check_policy(certificate: VerifiedCertificate) -> None:
    """`must.passed == must.applicable > 0`, and nothing in the statement that contradicts it."""
    must, predicate = certificate.must, certificate.statement["predicate"]
    if not must.complete:
        raise Rejected(f"policy: {must.passed:,} of {must.applicable:,} MUST passed; expected all, and at least one")
    if predicate["result"] == "FAILED" or predicate["failedTests"]:
        raise Rejected(f"policy: it lists failed tests: {', '.join(predicate['failedTests']) or 'FAILED'}")
    if certificate.extension["verdict"] != Conclusion.CONFORMANT:
        raise Rejected(f"policy: the verdict in it is {certificate.extension['verdict']}")
    if len(predicate["passedTests"]) != must.passed + certificate.should.passed:
        raise Rejected("policy: the tests that it lists as passed are not as many as it counts")
    _check_claims(certificate)


def _check_claims(certificate: VerifiedCertificate) -> None:
    """Raise Rejected if its coverage or its broken SHOULDs contradict the tests that it lists."""
    if certificate.extension.get("warned", certificate.warned) != certificate.warned:
        raise Rejected("policy: the SHOULDs that it says are broken are not those of its tests")
    if certificate.strict and certificate.warned:
        raise Rejected(f"policy: it was judged strictly, and yet has warnings: {', '.join(certificate.warned)}")
    if (coverage := certificate.coverage) is not None:
        passed = {test.partition(" ")[2] for test in certificate.statement["predicate"]["passedTests"]}
        notified = {*products_of(certificate.contract, passed)}
        if not {*coverage.exercised} <= passed or not {*coverage.notifications} <= notified:
            raise Rejected(f"policy: it says that it covers {coverage.in_words}, and its passed tests do not")


def _judged_again(certificate: VerifiedCertificate, evidence: Path) -> tuple[str, tuple[str, ...]]:
    """Judge the certified journal again: the detail of the check, and the members that it does not support.

    Raises Rejected unless it is the certified journal, and the subject is still conformant.
    """
    if not evidence.is_file():
        raise UsageError(f"there is no evidence {evidence}; expected the journal.sqlite of the certified run")
    certified = certificate.extension["journal"]
    with exact_copy(evidence, most=certified["size"]) as copy:
        if copy is None or copy.digest.entry != certified["digest"]:
            its = f"has more than {certified['size']:,} bytes" if copy is None else f"sha256 is {copy.digest.value}"
            raise Rejected(
                f"evidence: {evidence} is not the journal that was certified: its {its}, "
                f"certified is {certified['digest'].get('sha256')}"
            )
        contract = certificate.contract
        try:
            result = Result.of(read_evidence(copy.path, contract), contract=contract)
        except UsageError as error:  # it names the copy, which is temporary
            raise UsageError(error.message.replace(str(copy.path), str(evidence)), error.hint) from error
        must = RequirementTally.of(result.judged.verdicts, Level.MUST)
        if not must.complete or result.conclusion is not Conclusion.CONFORMANT:
            raise Rejected(
                f"evidence: judged again, the journal is {result.conclusion.value}: {must.passed:,} of "
                f"{must.applicable:,} MUST passed"
            )
        missing = unsupported(certificate.statement, result, replace(copy, path=evidence))
    same = is_of_this_edition(certificate.statement, contract)
    by = "the same edition" if same else f"another edition, catalogue {contract.catalogue.digest}"
    return f"the certified journal, judged again by {by}: {result.conclusion.value}", missing


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
