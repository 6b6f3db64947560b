"""The in-toto statement: a test result, and what it rests on.

    Tally               how many requirements × commands of a level applied, and how many of those passed
    configuration       what was judged by
    expectations_of     the list of known failures that a run was judged by
    recounted           what follows from the journal alone
    statement           a result and what goes with it → the document that is signed
    statement_bytes     that document as the bytes that are signed

The predicate is in-toto's test-result/v0.1. What it has no place for is in its member `statum_conformance`, which other
tools pass over.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from conformance import __version__
from conformance.certificate.coverage import Coverage
from conformance.certificate.digests import Digest, suite_digest
from conformance.certificate.evidence_file import JournalFile
from conformance.certificate.kill_matrix import measured_for
from conformance.certificate.subject import Subject
from conformance.contract.contract import Contract
from conformance.contract.requirements import Level
from conformance.judging.judgement import Reason
from conformance.judging.verdicts import RequirementVerdict, Verdict
from conformance.reports.result import Result

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "https://in-toto.io/attestation/test-result/v0.1"
EXTENSION = "statum_conformance"
CONTRACT = "contract"
"""Among what was judged by, the contract folder; catalogue and schemas are parts of it."""
EXTENSION_VERSION = 1


@dataclass(frozen=True, slots=True)
class Tally:
    """Requirements × commands of one level."""

    applicable: int
    passed: int

    @classmethod
    def of(cls, verdicts: Iterable[RequirementVerdict], level: Level) -> Self:
        """Those of `level` among the verdicts. A known failure did not pass."""
        binding = [v for v in verdicts if v.level is level and applies(v)]
        return cls(len(binding), sum(v.verdict is Verdict.PASS for v in binding))

    @property
    def complete(self) -> bool:
        """Whether something applied, and all of it passed: what is asked of the MUSTs."""
        return self.passed == self.applicable > 0

    @property
    def entry(self) -> dict[str, int]:
        """As a statement holds it."""
        return {"applicable": self.applicable, "passed": self.passed}


def applies(verdict: RequirementVerdict) -> bool:
    """Whether the requirement was the subject's to keep: not a feature it lacks, nor a condition that never came up."""
    if verdict.verdict is Verdict.NOT_APPLICABLE:
        return False
    did_not_come_up = verdict.verdict is Verdict.INCONCLUSIVE and verdict.reason is Reason.NO_TRAFFIC
    return not (verdict.requirement.condition and did_not_come_up)


def in_words(moment: datetime) -> str:
    """A moment in UTC to the second, as RFC 3339 has it."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def statement(
    result: Result,
    subject: Subject,
    journal: JournalFile,
    expectations: tuple[str, Digest] | None,
    validity: tuple[datetime, datetime],
) -> dict[str, Any]:
    """The document that is signed; `validity` is when it is issued and when it expires."""
    issued, expires = validity
    verdicts = result.judged.verdicts
    warned = list(_warned(verdicts))
    failed = [v for v in verdicts if v.verdict in (Verdict.FAIL, Verdict.KNOWN)]
    return {
        "_type": STATEMENT_TYPE,
        "subject": [{"name": name, "digest": digest.entry} for name, digest in subject.artifacts],
        "predicateType": PREDICATE_TYPE,
        "predicate": {
            "result": "FAILED" if failed else "WARNED" if warned else "PASSED",
            "configuration": list(configuration(result.contract, expectations)),
            "passedTests": _named(v for v in verdicts if v.verdict is Verdict.PASS),
            "warnedTests": _named(warned),
            "failedTests": _named(failed),
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
                **recounted(result),
                "journal": {"name": journal.path.name, "digest": journal.digest.entry, "size": journal.size},
                "kill_matrix": measured_for(subject.kind, result.contract),
            },
        },
    }


def recounted(result: Result) -> dict[str, Any]:
    """What follows from the journal alone: judged again by the same suite, it has to come out the same."""
    verdicts, document = result.judged.verdicts, result.document
    coverage = Coverage.of(document, result.contract)
    return {
        "verdict": document["verdict"],
        "strict": result.judged.strict,
        "commands": list(coverage.exercised),
        "coverage": coverage.entry,
        "must": Tally.of(verdicts, Level.MUST).entry,
        "should": Tally.of(verdicts, Level.SHOULD).entry,
        "warned": ids_of(_named(_warned(verdicts))),
        "not_applicable": _named(v for v in verdicts if v.verdict is Verdict.NOT_APPLICABLE),
        "not_exercised": _named(v for v in verdicts if v.verdict is Verdict.INCONCLUSIVE),
        "run": {name: document[name] for name in ("started_at", "duration_s", "seed", "counts")},
    }


def configuration(contract: Contract, expectations: tuple[str, Digest] | None = None) -> Iterator[dict[str, Any]]:
    """What was judged by: in-toto resource descriptors."""
    yield {"name": "statum-conformance", "digest": suite_digest().entry, "annotations": {"version": __version__}}
    yield {
        "name": CONTRACT,
        "digest": Digest.parse(contract.digest).entry,
        "annotations": {"name": contract.name, "version": contract.version},
    }
    for name, digest in (("catalogue", contract.catalogue.digest), ("schemas", contract.schemas.digest)):
        yield {"name": name, "digest": Digest.parse(digest).entry}
    if expectations is not None:
        name, its = expectations
        yield {"name": "expectations", "digest": its.entry, "annotations": {"file": name}}


def expectations_of(result: Result) -> tuple[str, Digest] | None:
    """Name and digest of the file that a run was judged by, if there was one; it made no failure good."""
    listed = result.judged.expectations
    if listed.file is None or listed.digest is None:
        return None
    return Path(listed.file).name, Digest.parse(listed.digest)


def ids_of(tests: Iterable[str]) -> list[str]:
    """The requirements of tests, which are named `ID COMMAND`; each once."""
    return list(dict.fromkeys(test.partition(" ")[0] for test in tests))


def _warned(verdicts: Iterable[RequirementVerdict]) -> Iterator[RequirementVerdict]:
    """The SHOULDs that are broken; in a strict run these are failures."""
    return (v for v in verdicts if v.verdict is Verdict.WARN)


def _named(verdicts: Iterable[RequirementVerdict]) -> list[str]:
    return [f"{v.requirement.id} {v.command or ''}".rstrip() for v in verdicts]


def statement_bytes(document: Mapping[str, Any]) -> bytes:
    """The document as it is signed; the same document gives the same bytes."""
    return json.dumps(document, ensure_ascii=True, separators=(",", ":"), allow_nan=False).encode("ascii")
