"""A certificate as a register sees it: whether it counts, and the result that it states.

CheckedCertificate      a certificate whose signatures hold, with its state
Checks                  whose signature counts, what is required, and at which moment
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from conformance.certificate.coverage import Claims, Policy
from conformance.certificate.issuing import CONTRACT
from conformance.certificate.signing import Envelope, Rejected, UnknownSigner
from conformance.certificate.verification import ANY, ANYBODY, Trust, VerifiedCertificate, proved, verified
from conformance.contract.contract import Contract
from conformance.contract.requirements import Actor, Level, Requirement
from conformance.judging.judgement import Reason
from conformance.judging.verdicts import Conclusion, Verdict
from conformance.model.untrusted import json_object
from conformance.reports.report import ClientFacts, Counts, Report, ReportEntry, ReportSubject, Tool

SUITE = "statum-conformance"
UNKNOWN_TITLE = "a requirement of another edition of the catalogue"


class CertificateState(StrEnum):
    """How far a certificate counts."""

    CERTIFIED = "certified"  # known keys signed it, and every check passed
    EXPIRED = "expired"  # known keys signed it, every other check passed
    NOT_VERIFIED = "not verified"  # no known key signed it
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Checks:
    """The checks of all certificates, as `verify` makes them, at the moment `now`.

    `with_evidence`: judge the journal beside each certificate again, if there is one.
    """

    trust: Trust = ANYBODY
    policy: Policy = ANY
    with_evidence: bool = False
    now: datetime = field(default_factory=lambda: datetime.now(UTC))


@dataclass(frozen=True, slots=True)
class CheckedCertificate:
    """A certificate that is as it was signed. `reason`: why it does not count; "" if it does.

    `data` is the file. `unsupported`: the members that its journal does not prove; None if that was not judged again.
    """

    data: bytes
    found: VerifiedCertificate
    state: CertificateState
    reason: str = ""
    unsupported: tuple[str, ...] | None = None

    @classmethod
    def of(cls, data: bytes, contract: Contract, checks: Checks, evidence: Path | None = None) -> CheckedCertificate:
        """Check a certificate. `evidence`: the journal beside it, if any.

        Raises Rejected if it is damaged, or no certificate at all, and UsageError if it is about another contract.
        """
        found = verified(data, contract)
        journal = evidence if checks.with_evidence and evidence is not None and evidence.is_file() else None
        try:
            verified(data, contract, checks.trust)
            *_, proof = proved(data, contract, checks.trust, journal, now=checks.now, policy=checks.policy)
            checks.trust.check_known(found.envelope.signatures)
        except UnknownSigner:
            return cls(data, found, CertificateState.NOT_VERIFIED, "the register was made without the signer's key")
        except Rejected as refusal:
            return cls(data, found, _state_of(data, contract, checks), refusal.message)
        unsupported = proof.unsupported if isinstance(proof, VerifiedCertificate) else None
        return cls(data, found, CertificateState.CERTIFIED, unsupported=unsupported)

    @property
    def contract(self) -> Contract:
        """The contract that judged the subject."""
        return self.found.contract

    @property
    def subject(self) -> Mapping[str, Any]:
        """Kind, name and URL of the subject, and the source of its digest."""
        subject: Mapping[str, Any] = self.found.extension["subject"]
        return subject

    @property
    def coverage(self) -> Claims | None:
        """The coverage; None where it states none."""
        return self.found.coverage

    @property
    def issued(self) -> datetime:
        """When it was first signed."""
        return self.found.issued.astimezone(UTC)

    @property
    def expires(self) -> datetime:
        """When it expires."""
        return self.found.expires.astimezone(UTC)

    @property
    def signers(self) -> tuple[str, ...]:
        """The ids of the keys that signed."""
        return tuple(each.keyid for each in self.found.envelope.signatures)

    @property
    def journal_digest(self) -> str:
        """The digest of the certified evidence, as `sha256:…`."""
        digest: Mapping[str, str] = self.found.extension["journal"]["digest"]
        return ", ".join(f"{algorithm}:{value}" for algorithm, value in digest.items())

    def report(self) -> Report:
        """The result that it states, as a report without findings."""
        extension, predicate = self.found.extension, self.found.statement["predicate"]
        run, coverage = extension["run"], self.coverage
        by_name = {entry["name"]: entry for entry in predicate["configuration"]}
        suite, catalogue = by_name.get(SUITE, {}), by_name.get("catalogue", {}).get("digest", {})
        return Report(
            tool=Tool(
                SUITE,
                suite.get("annotations", {}).get("version", "of an unknown version"),
                ", ".join(f"{algorithm}:{value}" for algorithm, value in catalogue.items()),
            ),
            subject=ReportSubject(self.subject["kind"], self.subject["name"], self.subject["url"]),
            verdict=Conclusion(extension["verdict"]),
            started_at=run["started_at"],
            duration_s=run["duration_s"],
            seed=run["seed"],
            settings={"contract": self.contract.recorded(), "strict": self.found.strict},
            counts=Counts(**run["counts"]),
            requirements=tuple(self._entries()),
            client=ClientFacts(None, lacks=coverage.lacks if coverage else ()) if self._is_of_client else None,
        )

    @property
    def _is_of_client(self) -> bool:
        return bool(self.subject["kind"] == "client")

    def _entries(self) -> Iterator[ReportEntry]:
        """The tests that it lists, in the order of the catalogue; those that this edition does not know come last."""
        known = self.contract.catalogue
        order = {requirement.id: number for number, requirement in enumerate(known.requirements)}
        predicate, extension = self.found.statement["predicate"], self.found.extension
        listed = {
            Verdict.PASS: predicate["passedTests"],
            Verdict.WARN: predicate["warnedTests"],
            Verdict.FAIL: predicate["failedTests"],
            Verdict.NOT_APPLICABLE: extension["not_applicable"],
            Verdict.INCONCLUSIVE: extension["not_exercised"],
        }
        tests = [(verdict, *test.partition(" ")[::2]) for verdict, names in listed.items() for test in names]
        for verdict, id_, command in sorted(tests, key=lambda test: order.get(test[1], len(order))):
            yield _entry(known.by_id.get(id_), id_, command or None, verdict, self.subject["kind"])


def _entry(requirement: Requirement | None, id_: str, command: str | None, verdict: Verdict, kind: str) -> ReportEntry:
    reason = Reason.NO_TRAFFIC if verdict is Verdict.INCONCLUSIVE else None
    # An issuer counts what is not exercised, and is a MUST, only where its condition never came about.
    condition = "its condition comes about" if reason else None
    if requirement is None:
        # It has an actor and a level in the edition that issued the certificate.
        actor = Actor.GATEWAY if kind == "gateway" else Actor.CLIENT
        return ReportEntry(id_, command, Level.SHOULD, actor, UNKNOWN_TITLE, "", verdict=verdict, reason=reason)
    return ReportEntry(
        id_,
        command,
        requirement.level,
        requirement.actor,
        requirement.title,
        requirement.source,
        verdict=verdict,
        condition=requirement.condition or condition,
        reason=reason,
    )


UNKNOWN_TITLE = "a requirement of another edition of the catalogue"


def _state_of(data: bytes, contract: Contract, checks: Checks) -> CertificateState:
    """The state of a certificate that was refused at some check."""
    try:
        verified(data, contract, checks.trust)
    except Rejected:
        return CertificateState.NOT_VERIFIED
    found = verified(data, contract)
    if found.expires > checks.now:
        return CertificateState.REFUSED
    try:  # as it was when it still counted
        list(proved(data, contract, checks.trust, now=found.issued, policy=checks.policy))
    except Rejected:
        return CertificateState.REFUSED
    return CertificateState.EXPIRED if checks.trust.keys else CertificateState.NOT_VERIFIED


def contract_name(data: bytes, default: str) -> str:
    """The name of the contract that a certificate is about, before anything in it is believed."""
    statement = json_object(Envelope.parse(data).payload) or {}
    try:
        entries = statement["predicate"]["configuration"]
        return str(next(entry["annotations"]["name"] for entry in entries if entry["name"] == CONTRACT))
    except (LookupError, TypeError, StopIteration):  # an old one, or one that is refused later on
        return default
