"""Verifying a certificate, offline: each thing in its turn, and the first that does not hold refuses it.

    Trust           whose signatures are asked for
    VerifiedCertificate     a certificate whose signatures hold, and what it says
    verified        the bytes of a file → VerifiedCertificate
    proved          the same, step by step, with everything that is checked after the signatures

Signatures come first and are over the exact bytes of the payload; nothing in the payload is read before they hold.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from conformance.certificate.borne_out import CLOCK_DRIFT, is_of_this_edition, unsupported
from conformance.certificate.coverage import Claims, Policy, products_of
from conformance.certificate.digests import exact_copy
from conformance.certificate.envelope import Envelope, Rejected, Signature, UnknownSigner
from conformance.certificate.issuing import CONTRACT, EXTENSION, MOST_VALID_DAYS, RequirementTally, ids_of
from conformance.certificate.keys import public_key
from conformance.contract.contract import Contract
from conformance.contract.requirements import Level
from conformance.contract.schema_set import FORMATS
from conformance.journal import read_evidence
from conformance.judging.verdicts import Conclusion
from conformance.model.errors import UsageError
from conformance.model.untrusted import parse_json
from conformance.reports.escaping import counted
from conformance.reports.result import Result

if TYPE_CHECKING:
    from conformance.certificate.ed25519 import PublicKey


@dataclass(frozen=True, slots=True)
class Trust:
    """Whose signatures are asked for: `threshold` of the `keys`.

    With no keys it is only looked at whether anything was changed since somebody signed it: a certificate carries the
    keys that it was signed with, and so does one that a stranger signs.
    """

    keys: tuple[PublicKey, ...] = ()
    threshold: int = 0

    @classmethod
    def of(cls, keys: Sequence[PublicKey], threshold: int | None = None) -> Self:
        """Of each key a signature, or of `threshold` of them. Raises UsageError for a number that cannot be."""
        several = {key.keyid: key for key in keys}
        if threshold is not None and not 1 <= threshold <= len(several):
            raise UsageError(
                f"--threshold is {threshold} with {len(several)} different keys; expected at least 1, and no more than "
                "there are keys",
                hint="give the public keys with --key",
            )
        return cls(tuple(several.values()), len(several) if threshold is None else threshold)

    def check_known(self, signatures: Sequence[Signature]) -> None:
        """Raise UnknownSigner where nobody said whose signatures count."""
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
    """A certificate whose signatures hold; `statement` is its payload, `contract` what the subject was judged by.

    `unsupported`: the members of it that the evidence does not bear out; None where none was looked at.
    """

    envelope: Envelope
    statement: Mapping[str, Any]
    contract: Contract
    unsupported: tuple[str, ...] | None = None

    @property
    def said(self) -> Mapping[str, Any]:
        """Our own part of the predicate."""
        extension: Mapping[str, Any] = self.statement["predicate"][EXTENSION]
        return extension

    @property
    def must(self) -> RequirementTally:
        """Of the MUSTs."""
        return RequirementTally(**self.said["must"])

    @property
    def should(self) -> RequirementTally:
        """Of the SHOULDs."""
        return RequirementTally(**self.said["should"])

    @property
    def coverage(self) -> Claims | None:
        """What was exercised; None of a certificate that was issued before certificates said so."""
        return Claims.said(self.said, self.contract)

    @property
    def warned(self) -> list[str]:
        """The SHOULDs that were broken, by id."""
        return ids_of(self.statement["predicate"]["warnedTests"])

    @property
    def strict(self) -> bool:
        """Whether a broken SHOULD would have been a failure; before that could be asked for, it was not."""
        return bool(self.said.get("strict", False))

    @property
    def expires(self) -> datetime:
        """From when on it is worth nothing."""
        return datetime.fromisoformat(self.said["expires"])

    @property
    def issued(self) -> datetime:
        """When it was signed first."""
        return datetime.fromisoformat(self.said["issued"])


@dataclass(frozen=True, slots=True)
class CheckPassed:
    """Something that was checked and held: `signature`, `expiry` …, in words."""

    name: str
    detail: str


def proved(  # noqa: PLR0913 - whoever verifies may ask for more or less
    data: bytes,
    contract: Contract,
    trust: Trust = ANYBODY,
    evidence: Path | None = None,
    *,
    now: datetime | None = None,
    policy: Policy = ANY,
) -> Iterator[CheckPassed | VerifiedCertificate]:
    """Check everything in its order; what held, and at the end the certificate.

    `policy`: what is asked of it beside what every certificate has to hold. Raises Rejected, with the reason, at the
    first thing that does not hold; UsageError if the evidence cannot be read, or what it is a certificate of was judged
    by another contract.
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
        told, missing = _judged_again(certificate, evidence)
        yield CheckPassed("evidence", told)
        certificate = replace(certificate, unsupported=missing)
    yield certificate


def verified(data: bytes, contract: Contract, trust: Trust = ANYBODY) -> VerifiedCertificate:
    """The certificate that a file holds. Raises Rejected unless each byte of it is as it was written and signed.

    UsageError if it is about another contract: that alone knows its commands.
    """
    envelope = Envelope.parse(data)
    for number, signature in enumerate(envelope.signatures, start=1):
        _check_signature(envelope, signature, number)
    _check_trust(envelope, trust)
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
    contract.check_recorded({CONTRACT: _contract_of(statement)}, "the certificate")
    certificate = VerifiedCertificate(envelope, statement, contract)
    try:
        _ = (certificate.issued, certificate.expires)
    except ValueError as error:
        dates = (certificate.said["issued"], certificate.said["expires"])
        raise Rejected(f"payload: it is signed, but {' or '.join(dates)} is no date: {error}") from error
    return certificate


def _contract_of(statement: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The contract that it names; None if it was issued when there was no other."""
    entries = statement["predicate"]["configuration"]
    return next((entry["annotations"] for entry in entries if entry["name"] == CONTRACT), None)


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


def _check_trust(envelope: Envelope, trust: Trust) -> None:
    signed = {each.keyid for each in envelope.signatures}
    by = [key.keyid for key in trust.keys if key.keyid in signed]
    if len(by) < trust.threshold:
        raise Rejected(
            f"signature: it is signed by {len(by)} of the {counted(len(trust.keys), 'key')} given, expected "
            f"{trust.threshold}; it is signed by {', '.join(sorted(signed))}"
        )


def _whose(signatures: Sequence[Signature], trust: Trust) -> str:
    known = {key.keyid for key in trust.keys}
    by_known = [each.keyid for each in signatures if each.keyid in known]
    if by_known:
        return f"by {', '.join(by_known)}"
    return f"by {', '.join(each.keyid for each in signatures)}, of whom nothing is known here"


def _check_time(certificate: VerifiedCertificate, now: datetime) -> None:
    if certificate.expires <= certificate.issued:
        raise Rejected(f"expiry: it expires on {certificate.said['expires']}, before it was issued")
    if now >= certificate.expires:
        raise Rejected(f"expiry: it expired on {certificate.said['expires']}")
    if certificate.expires - certificate.issued > timedelta(days=MOST_VALID_DAYS):
        raise Rejected(f"expiry: it is valid for more than {MOST_VALID_DAYS:,} days, which none is issued for")
    if now + CLOCK_DRIFT < certificate.issued:
        raise Rejected(f"expiry: it was issued on {certificate.said['issued']}, which is yet to come")


def _check_policy(certificate: VerifiedCertificate) -> None:
    """`must.passed == must.applicable > 0`, and nothing in the statement that contradicts it."""
    must, predicate = certificate.must, certificate.statement["predicate"]
    if not must.complete:
        raise Rejected(f"policy: {must.passed:,} of {must.applicable:,} MUST passed; expected all, and at least one")
    if predicate["result"] == "FAILED" or predicate["failedTests"]:
        raise Rejected(f"policy: it lists failed tests: {', '.join(predicate['failedTests']) or 'FAILED'}")
    if certificate.said["verdict"] != Conclusion.CONFORMANT:
        raise Rejected(f"policy: the verdict in it is {certificate.said['verdict']}")
    if len(predicate["passedTests"]) != must.passed + certificate.should.passed:
        raise Rejected("policy: the tests that it lists as passed are not as many as it counts")
    _check_claims(certificate)


def _check_claims(certificate: VerifiedCertificate) -> None:
    """What it says of coverage and of SHOULDs does not contradict the tests that it lists."""
    if certificate.said.get("warned", certificate.warned) != certificate.warned:
        raise Rejected("policy: the SHOULDs that it says are broken are not those of its tests")
    if certificate.strict and certificate.warned:
        raise Rejected(f"policy: it was judged strictly, and yet has warnings: {', '.join(certificate.warned)}")
    if (coverage := certificate.coverage) is not None:
        kept = {test.partition(" ")[2] for test in certificate.statement["predicate"]["passedTests"]}
        notified = {*products_of(certificate.contract, kept)}
        if not {*coverage.exercised} <= kept or not {*coverage.notifications} <= notified:
            raise Rejected(f"policy: it says that it covers {coverage.in_words}, and its passed tests do not")


def _judged_again(certificate: VerifiedCertificate, evidence: Path) -> tuple[str, tuple[str, ...]]:
    """The journal is the certified one, and judged now it bears the certificate out: in words, and all but what."""
    if not evidence.is_file():
        raise UsageError(f"there is no evidence {evidence}; expected the journal.sqlite of the certified run")
    certified = certificate.said["journal"]
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
        except UsageError as error:  # it names the copy, which is gone when this is read
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
