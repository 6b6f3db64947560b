"""register.json: the register for programs, as `schemas/formats/register.json` describes it."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from typing import Any

from conformance import __version__
from conformance.judging.verdicts import Verdict
from conformance.register.certificates import CheckedCertificate
from conformance.register.results import Standing
from conformance.register.subjects import SUBJECTS, HistoryRow, Register, RegisteredSubject
from conformance.reports.text import as_json

SCHEMA_VERSION = 1
REGISTER_JSON = "register.json"


def register_json(register: Register, title: str) -> bytes:
    """The register as JSON in UTF-8; the same register gives the same bytes."""
    return as_json(
        {
            "schema_version": SCHEMA_VERSION,
            "tool": {"name": "statum-conformance", "version": __version__},
            "title": title,
            "groups": [
                {
                    "contract": {"name": group.contract.name, "title": group.contract.title},
                    "kind": group.kind,
                    "areas": {area: group.contract.areas.get(area, area) for area in group.areas},
                    "subjects": [_subject(subject) for subject in group.subjects],
                }
                for group in register.groups
            ],
            "left_out": [{"file": each.file.name, "reason": each.reason} for each in register.reading.left_out],
        }
    )


def _subject(subject: RegisteredSubject) -> dict[str, Any]:
    latest = subject.latest
    change = subject.history[-1].change
    return {
        "slug": subject.slug,
        "page": f"{SUBJECTS}/{subject.slug}/index.html",
        "badge": f"{SUBJECTS}/{subject.slug}/badge.svg",
        "name": subject.name,
        "version": latest.version or None,
        "url": latest.report.subject.url,
        "verdict": latest.verdict.value,
        "certified": None if subject.certified is None else _certificate(subject.certified.certificate),
        "areas": {area: _standing(standing) for area, standing in subject.areas.items()},
        "requirements": {entry.name: entry.verdict.value for entry in latest.report.requirements},
        "findings": {
            entry.name: [finding.message for finding in entry.findings]
            for entry in latest.report.requirements
            if entry.findings
        },
        "changes": None
        if change is None
        else {name: [asdict(each) for each in changes] for name, changes in change.became.items() if changes},
        "history": [_row(row) for row in subject.history],
    }


def _standing(standing: Standing) -> dict[str, Any]:
    return {"verdict": standing.verdict.value, "number": standing.number, "whole": standing.whole}


def _row(row: HistoryRow) -> dict[str, Any]:
    result = row.result
    counts = Counter(entry.verdict for entry in result.report.requirements)
    return {
        "started_at": result.report.started_at,
        "seed": result.report.seed,
        "version": result.version or None,
        "tool": {"version": result.report.tool.version, "catalogue": result.report.tool.catalogue},
        "verdict": result.verdict.value,
        "counts": {verdict.value: counts[verdict] for verdict in Verdict if counts[verdict]},
        "change": row.in_one_line,
        "worse": row.change is not None and row.change.worse,
        "report": result.has_report,
        "certificate": _certificate(result.certificate),
    }


def _certificate(certificate: CheckedCertificate | None) -> dict[str, Any] | None:
    if certificate is None:
        return None
    return {
        "state": certificate.state.value,
        "reason": certificate.reason or None,
        "subject": certificate.subject["name"],
        "issued": certificate.issued.isoformat(),
        "expires": certificate.expires.isoformat(),
        "covers": None if certificate.coverage is None else certificate.coverage.in_words,
        "signers": list(certificate.signers),
        "journal": certificate.journal_digest,
        "unsupported": None if certificate.unsupported is None else list(certificate.unsupported),
    }
