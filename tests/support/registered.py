"""Saved results as many companies would hand them in: made by hand from the catalogue, without runs.

judged_report       a report of a subject, in which everything passes but what is said to be broken
hand_in             the same as a file
many                a folder of sixty subjects, with histories
"""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from conformance import __version__
from conformance.contract.contract import Contract, statum
from conformance.contract.requirements import Actor, Level
from conformance.judging.judgement import Reason
from conformance.judging.verdicts import Conclusion, Verdict
from conformance.reports.report import ClientFacts, Counts, Report, ReportedFinding, ReportEntry, ReportSubject, Tool

BEGAN = datetime(2026, 3, 2, 8, 30, tzinfo=UTC)
COMMON = {"products": ["sms"], "max_examples": 0, "seed": 7}
OF_GATEWAY = {"consumer_key": "key", "phone_numbers": [], "notify_within_s": 10, "exclusive_account": False}
ACTORS = {"gateway": Actor.GATEWAY, "client": Actor.CLIENT, "receiver": Actor.RECEIVER}


def judged_report(  # noqa: PLR0913 - each is a part of a report
    kind: str,
    name: str,
    broken: Mapping[str, str] | None = None,
    *,
    began: datetime = BEGAN,
    version: str = "",
    contract: Contract | None = None,
    **changes: Any,
) -> Report:
    """A report of a gateway, client or receiver; `broken`: id → the finding, of every command. SHOULDs only warn."""
    contract, broken = contract or statum(), broken or {}
    entries = tuple(
        _entry(requirement, command, broken.get(requirement.id))
        for requirement, command in contract.catalogue.judged(ACTORS[kind], [*contract.commands.values()])
    )
    is_gateway = kind == "gateway"
    url = f"https://{name.lower().replace(' ', '-')}.example/api/v2" if is_gateway else None
    stated = {"name": name, "version": version, "language": "python"} if kind == "client" else None
    settings = {**COMMON, "contract": contract.recorded()}
    settings |= (
        {**OF_GATEWAY, "subject_name": name, "gateway": url}
        if is_gateway
        else {"subject_kind": "client", "timeout_s": 5}
    )
    report = Report(
        tool=Tool("statum-conformance", __version__, contract.catalogue.digest),
        subject=ReportSubject("gateway" if is_gateway else "client", f"{name} {version}".strip(), url),
        verdict=_concluded(entries),
        started_at=began.isoformat(),
        duration_s=12.5,
        seed=7,
        settings=settings,
        counts=Counts(1200, 400, 300),
        requirements=entries,
        client=None if is_gateway else ClientFacts(stated),
    )
    return replace(report, **changes)


def _entry(requirement: Any, command: str | None, message: str | None) -> ReportEntry:
    entry = ReportEntry(
        requirement.id,
        command,
        requirement.level,
        requirement.actor,
        requirement.title,
        requirement.source,
        requirement.basis,
        requirement.quote,
        requirement.fact,
        requirement.section,
        Verdict.PASS,
        observations=20,
        condition=requirement.condition,
    )
    if message is not None:
        verdict = Verdict.FAIL if requirement.level is Level.MUST else Verdict.WARN
        return replace(entry, verdict=verdict, failed=3, findings=(ReportedFinding(message, case="sms/valid/1"),))
    if requirement.condition:
        detail = f"applies where {requirement.condition}; it never did"
        return replace(
            entry, verdict=Verdict.INCONCLUSIVE, observations=0, reason=Reason.NO_TRAFFIC, reason_detail=detail
        )
    return entry


def _concluded(entries: tuple[ReportEntry, ...]) -> Conclusion:
    return (
        Conclusion.NON_CONFORMANT if any(entry.verdict is Verdict.FAIL for entry in entries) else Conclusion.CONFORMANT
    )


def hand_in(folder: Path, report: Report, name: str = "report.json") -> Path:
    """The report as a file in a folder, which is made."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(json.dumps(report.written()), encoding="utf-8")
    return path


FIRST = ("Acme", "Baobab", "Chui", "Duma", "Fahari", "Jambo", "Kijani", "Malaika", "Nuru", "Twiga")
LAST = {"gateway": ("Gateway", "Messaging"), "client": ("SDK", "Backend"), "receiver": ("Webhooks", "Callbacks")}
MESSAGES = (
    'status_code is the number 200, expected a text of three digits ("200")',
    "no notification came within 10 s of the accepted request",
    "the answer has Content-Type text/html; expected application/json",
    "retried a request that was refused with 422",
)


def many(folder: Path, per_kind: int = 20) -> Path:
    """A folder with `per_kind` gateways, clients and receivers, each with one to four results."""
    chance = random.Random(7)
    for kind, actor in ACTORS.items():
        ids = sorted(
            {r.id for r, _ in statum().catalogue.judged(actor, [*statum().commands.values()]) if not r.condition}
        )
        for number in range(per_kind):
            name = f"{FIRST[number % 10]} {LAST[kind][number // 10 % 2]}{f' {number}' if number >= 20 else ''}"
            for release in range(chance.randint(1, 4)):
                broken = {
                    id_: chance.choice(MESSAGES) for id_ in chance.sample(ids, max(0, chance.randint(-2, 4) - release))
                }
                began = BEGAN + timedelta(days=30 * release + number, hours=number)
                report = judged_report(
                    kind, name, broken, began=began, version=f"1.{release}.0" if kind == "client" else ""
                )
                hand_in(folder / kind / name.replace(" ", "-") / f"{began:%Y-%m-%d}", report)
    return folder
