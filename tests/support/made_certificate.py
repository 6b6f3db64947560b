"""Certificates made by hand: of a result without a run, of a journal without traffic, signed with keys of the moment.

journal_of          a closed journal in a folder
conformant          a result of which a certificate can be given
certificate         the bytes of one
resigned            a certificate whose statement was changed before it was signed
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from made_result import PASSED, RECORD, SETTINGS, result_of

from conformance.certificate.digests import JournalFile
from conformance.certificate.ed25519 import PrivateKey
from conformance.certificate.issuing import Certification, countersign, issue, statement_bytes
from conformance.certificate.signing import Envelope
from conformance.journal import Journal, Note, Record, Redaction
from conformance.judging.verdicts import RequirementVerdict
from conformance.reports.result import Result

FINISHED = Note(1, "finished", {"duration_s": 1.5}, 2.0, 2.0)
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)

VENDOR, CERTIFIER, STRANGER = (PrivateKey.generate() for _ in range(3))


def journal_of(folder: Path) -> JournalFile:
    """A closed journal that holds nothing but settings and its end."""
    path = folder / "journal.sqlite"
    with Journal.create(path, SETTINGS, Redaction.none()) as journal:
        journal.note("finished", {"duration_s": 1.5})
    return JournalFile.closed(path)


def conformant(*verdicts: RequirementVerdict, record: Record = RECORD) -> Result:
    """A result of those verdicts, or of two that passed, of a run that came to its end."""
    return result_of(verdicts or PASSED, replace(record, notes=(FINISHED,)))


def certificate(
    folder: Path, *more: PrivateKey, result: Result | None = None, now: datetime = NOW, **asked: Any
) -> bytes:
    """A certificate by VENDOR, and by `more`."""
    envelope = issue(result or conformant(), journal_of(folder), Certification(VENDOR, **asked), now)
    for key in more:
        envelope = countersign(envelope, key)
    return envelope.to_bytes()


def payload(data: bytes) -> dict[str, Any]:
    """The statement in a certificate."""
    document: dict[str, Any] = json.loads(Envelope.parse(data).payload)
    return document


def resigned(data: bytes, change: Callable[[dict[str, Any]], None]) -> bytes:
    """The certificate with its statement changed, and signed as if that were right."""
    document = payload(data)
    change(document)
    return countersign(Envelope(statement_bytes(document)), VENDOR).to_bytes()
