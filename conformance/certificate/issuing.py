"""Issue certificate.json for a judged run, unless something prevents it.

    issue           a judged run → the signed envelope, or Rejected with the reason
    countersign     one more signature
    statement       the in-toto statement, which `verification` derives again from the journal
    measured_for    the kill matrix, which counts only for the catalogue that it was measured with

The predicate is in-toto's test-result/v0.1. Everything else is in its member `statum_conformance`, which other tools
ignore. `python docs/record_kill_matrix.py` writes `kill-matrix.json` after `make test`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from conformance import __version__
from conformance.certificate.coverage import Claims
from conformance.certificate.digests import CertifiedSubject, Digest, JournalFile, suite_digest
from conformance.certificate.signing import Envelope, Rejected, Signature
from conformance.contract.contract import Contract
from conformance.contract.requirements import Level
from conformance.contract.schemas import FORMATS
from conformance.judging.expectations import Expectations
from conformance.judging.judgement import Reason
from conformance.judging.verdicts import Conclusion, RequirementVerdict, Verdict
from conformance.model.errors import SuiteError, UsageError
from conformance.model.untrusted import parse_json
from conformance.reports.report import written
from conformance.reports.result import Result

if TYPE_CHECKING:
    from conformance.certificate.ed25519 import PrivateKey

CERTIFICATE = "certificate.json"
FILE = "kill-matrix.json"
NOT_MEASURED = "not measured for this edition"

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "https://in-toto.io/attestation/test-result/v0.1"
EXTENSION, EXTENSION_VERSION = "statum_conformance", 1
CONTRACT = "contract"
"""The descriptor of the contract folder; catalogue and schemas are parts of it."""

DEFAULT_VALID_DAYS = 365
# Nobody can vouch for longer: contracts and key practices change faster.
MOST_VALID_DAYS = 3650

# How many of the requirements that prevent a certificate are named; the report has all.
_NAMED = 3


@dataclass(frozen=True, slots=True)
class Certification:
    """The signing key, and the user's statements about the subject; `measured`: the files that it consists of."""

    key: PrivateKey
    subject_name: str | None = None
    subject_digest: Digest | None = None
    measured: tuple[Path, ...] = ()
    valid_days: int = DEFAULT_VALID_DAYS

    def __post_init__(self) -> None:
        """Refuse an impossible number of days."""
        if not 1 <= self.valid_days <= MOST_VALID_DAYS:
            raise UsageError(f"--valid-days is {self.valid_days}; expected 1 to {MOST_VALID_DAYS}")


def issue(result: Result, journal: JournalFile, certification: Certification, now: datetime | None = None) -> Envelope:
    """The certificate of a judged run, signed once; `journal`: the file as it was before it was read.

    Raises Rejected with the reason if an applicable MUST was not exercised or did not pass, EnvironmentFailure if the
    journal has changed since, and UsageError if nothing identifies the subject.
    """
    _check_certifiable(result)
    journal.check_unchanged()
    subject = CertifiedSubject.of(
        result.report.subject, certification.subject_name, certification.subject_digest, certification.measured
    )
    issued = (now or datetime.now(UTC)).replace(microsecond=0)
    expires = issued + timedelta(days=certification.valid_days)
    document = statement(result, subject, journal, issued, expires)
    return countersign(Envelope(statement_bytes(document)), certification.key)


def countersign(envelope: Envelope, key: PrivateKey) -> Envelope:
    """The envelope with a signature of `key`. Raises UsageError if it has one already."""
    if any(each.keyid == key.public.keyid for each in envelope.signatures):
        raise UsageError(f"the certificate is signed with this key already: {key.public.keyid}")
    value = key.sign(envelope.payload_type, envelope.payload)
    return envelope.signed_also(Signature(key.public.keyid, value, key.public.der))


def _check_certifiable(result: Result) -> None:
    verdicts = result.judged.verdicts
    if result.record.settings.get("cases"):
        raise Rejected("the run sent chosen cases only; a certificate needs all of them")
    if result.judged.focus:
        raise Rejected("the run judged chosen requirements only; a certificate needs all of them")
    kinds = {note.kind for note in result.record.latest_notes}
    if "finished" not in kinds or kinds & {"interrupted", "obstacle"}:
        raise Rejected("the run did not come to its end")
    must = RequirementTally.of(verdicts, Level.MUST)
    if not must.complete:
        missing = [
            f"{v.verdict.value} {_test(v)}"
            for v in verdicts
            if v.level is Level.MUST and applies(v) and v.verdict is not Verdict.PASS
        ]
        more = f" and {len(missing) - _NAMED} more" if len(missing) > _NAMED else ""
        raise Rejected(f"{must.passed:,} of {must.applicable:,} MUST passed: {', '.join(missing[:_NAMED])}{more}")
    if result.conclusion is not Conclusion.CONFORMANT:
        # All MUSTs passed, so these are SHOULDs that fail a strict run.
        broken = ids_of(_tests(verdicts, Verdict.FAIL, Verdict.KNOWN))
        strictly = f", judged strictly: the SHOULD {', '.join(broken)} is broken" if broken else ""
        raise Rejected(f"the subject is {result.conclusion.value}{strictly}")


@dataclass(frozen=True, slots=True)
class RequirementTally:
    """Requirements × commands of one level."""

    applicable: int
    passed: int

    @classmethod
    def of(cls, verdicts: Iterable[RequirementVerdict], level: Level) -> Self:
        """Count those of `level`. A known failure did not pass."""
        binding = [v for v in verdicts if v.level is level and applies(v)]
        return cls(len(binding), sum(v.verdict is Verdict.PASS for v in binding))

    @property
    def complete(self) -> bool:
        """Whether something applied, and all of it passed, as is required of the MUSTs."""
        return self.passed == self.applicable > 0


def applies(verdict: RequirementVerdict) -> bool:
    """Whether the subject had to keep the requirement: it has the feature, and the condition came up."""
    if verdict.verdict is Verdict.NOT_APPLICABLE:
        return False
    never_came_up = verdict.verdict is Verdict.INCONCLUSIVE and verdict.reason is Reason.NO_TRAFFIC
    return not (verdict.requirement.condition and never_came_up)


def statement(
    result: Result, subject: CertifiedSubject, journal: JournalFile, issued: datetime, expires: datetime
) -> dict[str, Any]:
    """The document that is signed. Judging the same journal again, the same suite gets the same, but for the dates."""
    verdicts, report = result.judged.verdicts, result.report
    coverage = Claims.of(report, result.contract)
    failed, warned = _tests(verdicts, Verdict.FAIL, Verdict.KNOWN), _tests(verdicts, Verdict.WARN)
    return {
        "_type": STATEMENT_TYPE,
        "subject": [{"name": name, "digest": digest.entry} for name, digest in subject.artifacts],
        "predicateType": PREDICATE_TYPE,
        "predicate": {
            "result": "FAILED" if failed else "WARNED" if warned else "PASSED",
            "configuration": [*configuration(result.contract), *_expectations(result.judged.expectations)],
            "passedTests": _tests(verdicts, Verdict.PASS),
            "warnedTests": warned,
            "failedTests": failed,
            EXTENSION: {
                "version": EXTENSION_VERSION,
                "issued": in_words(issued),
                "expires": in_words(expires),
                "subject": {
                    "kind": subject.kind,
                    "name": subject.name,
                    "url": subject.url,
                    "digest_source": subject.source.value,
                    "digest_detail": subject.detail,
                },
                "verdict": report.verdict.value,
                "strict": result.judged.strict,
                "commands": list(coverage.exercised),
                "coverage": coverage.entry,
                "must": asdict(RequirementTally.of(verdicts, Level.MUST)),
                "should": asdict(RequirementTally.of(verdicts, Level.SHOULD)),
                "warned": ids_of(warned),
                "not_applicable": _tests(verdicts, Verdict.NOT_APPLICABLE),
                "not_exercised": _tests(verdicts, Verdict.INCONCLUSIVE),
                "run": {
                    "started_at": report.started_at,
                    "duration_s": report.duration_s,
                    "seed": report.seed,
                    "counts": written(report.counts),
                },
                "journal": {"name": journal.path.name, "digest": journal.digest.entry, "size": journal.size},
                "kill_matrix": measured_for(subject.kind, result.contract),
            },
        },
    }


def statement_bytes(document: Mapping[str, Any]) -> bytes:
    """The document as it is signed; the same document gives the same bytes."""
    return json.dumps(document, ensure_ascii=True, separators=(",", ":"), allow_nan=False).encode("ascii")


def configuration(contract: Contract) -> Iterator[dict[str, Any]]:
    """Suite and contract that judged the subject, as in-toto resource descriptors."""
    yield {"name": "statum-conformance", "digest": suite_digest().entry, "annotations": {"version": __version__}}
    yield {
        "name": CONTRACT,
        "digest": Digest.parse(contract.digest).entry,
        "annotations": {"name": contract.name, "version": contract.version},
    }
    for name, digest in (("catalogue", contract.catalogue.digest), ("schemas", contract.schemas.digest)):
        yield {"name": name, "digest": Digest.parse(digest).entry}


def _expectations(listed: Expectations) -> Iterator[dict[str, Any]]:
    """The file of known failures that a run was judged by, if any; it excused none of them."""
    if listed.file is not None and listed.digest is not None:
        digest, annotations = Digest.parse(listed.digest), {"file": Path(listed.file).name}
        yield {"name": "expectations", "digest": digest.entry, "annotations": annotations}


def _test(verdict: RequirementVerdict) -> str:
    """The name of a test: `ID COMMAND`, or `ID` alone."""
    return f"{verdict.requirement.id} {verdict.command or ''}".rstrip()


def _tests(verdicts: Iterable[RequirementVerdict], *wanted: Verdict) -> list[str]:
    return [_test(verdict) for verdict in verdicts if verdict.verdict in wanted]


def ids_of(tests: Iterable[str]) -> list[str]:
    """The requirements of tests, each once."""
    return list(dict.fromkeys(test.partition(" ")[0] for test in tests))


def in_words(moment: datetime) -> str:
    """A moment in UTC to the second, as RFC 3339 has it."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def measured_for(kind: str, contract: Contract, matrices: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The kill matrix in a certificate of a `kind` of subject, or that it was measured for another edition or contract.

    `same_suite`: whether it was measured with these very files, not only with this catalogue.
    """
    matrix = (recorded() if matrices is None else matrices).get(kind)
    if matrix is None or matrix["catalogue"] != contract.catalogue.digest:
        return {"measured": False, "reason": NOT_MEASURED, "catalogue": contract.catalogue.digest}
    return {"measured": True, **matrix, "same_suite": matrix["suite"] == f"sha256:{suite_digest().value}"}


def recorded() -> Mapping[str, Any]:
    """The packaged file: kind of subject → its matrix; empty if there is none. Raises SuiteError if it is damaged."""
    file = files("conformance.certificate").joinpath(FILE)
    if not file.is_file():
        return {}
    matrices: Mapping[str, Any] = parse_json(file.read_bytes())
    for violation in FORMATS.violations("certificate#kill_matrices", matrices):
        raise SuiteError(f"{FILE} is damaged: {violation.pointer}: {violation.message}")
    return matrices
