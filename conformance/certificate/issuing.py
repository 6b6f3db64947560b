"""From a judged run to certificate.json, if nothing stands in the way.

Certification       what a certificate is asked for with
issue               a result and its closed journal → the signed envelope
countersign         one more signature on an envelope that was verified
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from conformance.certificate.digests import Digest
from conformance.certificate.envelope import Envelope, Signature
from conformance.certificate.evidence_file import JournalFile
from conformance.certificate.refusal import Refused
from conformance.certificate.statement import Tally, applies, expectations_of, ids_of, statement, statement_bytes
from conformance.certificate.subject import Subject
from conformance.contract.requirements import Level
from conformance.judging.verdicts import Conclusion, Verdict
from conformance.model.errors import UsageError
from conformance.reports.result import Result

if TYPE_CHECKING:
    from conformance.certificate.ed25519 import PrivateKey

CERTIFICATE = "certificate.json"

DEFAULT_VALID_DAYS = 365
# Nobody can vouch for longer: contracts and key practices change faster.
MOST_VALID_DAYS = 3650

# So many of the requirements that stand in the way are named; the report has all.
_NAMED = 3


@dataclass(frozen=True, slots=True)
class Certification:
    """What a certificate is asked for with: the key, and what the user says about the subject.

    `measured` are files that the subject consists of.
    """

    key: PrivateKey
    subject_name: str | None = None
    subject_digest: Digest | None = None
    measured: tuple[Path, ...] = ()
    valid_days: int = DEFAULT_VALID_DAYS

    def __post_init__(self) -> None:
        """Refuse a time that is none."""
        if not 1 <= self.valid_days <= MOST_VALID_DAYS:
            raise UsageError(f"--valid-days is {self.valid_days}; expected 1 to {MOST_VALID_DAYS}")


def issue(result: Result, journal: JournalFile, certification: Certification, now: datetime | None = None) -> Envelope:
    """The certificate of a judged run, signed once.

    `journal` is what was judged, as it was before it was read. Raises Refused with the reason where a MUST that applies
    was not exercised or did not pass, EnvironmentFailure if the journal changed in the meantime, and UsageError if
    there is nothing to tell the subject by.
    """
    _check_certifiable(result)
    journal.check_unchanged()
    subject = Subject.of(
        result.document, certification.subject_name, certification.subject_digest, certification.measured
    )
    issued = (now or datetime.now(UTC)).replace(microsecond=0)
    expires = issued + timedelta(days=certification.valid_days)
    document = statement(result, subject, journal, expectations_of(result), (issued, expires))
    return countersign(Envelope(statement_bytes(document)), certification.key)


def countersign(envelope: Envelope, key: PrivateKey) -> Envelope:
    """The envelope with a signature of `key`. Raises UsageError if it has one already."""
    if any(each.keyid == key.public.keyid for each in envelope.signatures):
        raise UsageError(f"the certificate is signed with this key already: {key.public.keyid}")
    value = key.sign(envelope.payload_type, envelope.payload)
    return envelope.signed_also(Signature(key.public.keyid, value, key.public.der))


def _check_certifiable(result: Result) -> None:
    record = result.record
    if record.settings.get("cases"):
        raise Refused("the run was told to send chosen cases only; a certificate needs all of them")
    kinds = {note.kind for note in record.latest_notes}
    if "finished" not in kinds or kinds & {"interrupted", "obstacle"}:
        raise Refused("the run did not come to its end")
    must = Tally.of(result.judged.verdicts, Level.MUST)
    if not must.complete:
        missing = [
            f"{v.verdict.value} {v.requirement.id} {v.command or ''}".rstrip()
            for v in result.judged.verdicts
            if v.level is Level.MUST and applies(v) and v.verdict is not Verdict.PASS
        ]
        more = f" and {len(missing) - _NAMED} more" if len(missing) > _NAMED else ""
        raise Refused(f"{must.passed:,} of {must.applicable:,} MUST passed: {', '.join(missing[:_NAMED])}{more}")
    if result.conclusion is not Conclusion.CONFORMANT:
        raise Refused(f"the subject is {result.conclusion.value}{_strictly(result)}")


def _strictly(result: Result) -> str:
    """The broken SHOULDs that fail a strict run."""
    broken = ids_of(v.requirement.id for v in result.judged.verdicts if v.verdict in (Verdict.FAIL, Verdict.KNOWN))
    return f", judged strictly: the SHOULD {', '.join(broken)} is broken" if broken else ""
