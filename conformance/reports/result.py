"""The canonical result: `report.json` as a value, and what reports are made of.

    Reportable      the document, and the record where it is there: every report is made of these and of nothing else
    Result          a run that was judged just now, which is reportable
    Saved           one that was read back (conformance.reports.files), which is too

So what a run wrote can be made anew, to the byte, from what it left.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from conformance import __version__
from conformance.contract.contract import Contract, statum
from conformance.diagnosis.follow_ups import SEARCH, run_proper
from conformance.journal import Record
from conformance.judging.coverage import Covered
from conformance.judging.expectations import Expectation, Expectations, Stale
from conformance.judging.judgement import Finding, Minimal
from conformance.judging.verdicts import Conclusion, Judged, RequirementVerdict
from conformance.model.traffic import Case, Exchange, Kind
from conformance.reports.faces import is_client, judge
from conformance.reports.figures import Figures
from conformance.reports.masking import Masking
from conformance.reports.remarks import client_of, strangers_of
from conformance.reports.reproduce import curl

SCHEMA_VERSION = 1

# Of the simplest request that shows a failure; each member of a valid one is far shorter than the whole of this.
LONGEST_BODY = 10_000


class Reportable(Protocol):
    """What every report is made of: `document` is what `report.json` holds.

    `record` is what was recorded; None where the journal is gone. `contract`: what it was judged by. `masking` is
    what the document has been through; whatever a report takes from the record goes through it, too.
    """

    @property
    def document(self) -> Mapping[str, Any]:
        """The result."""

    @property
    def record(self) -> Record | None:
        """What happened."""

    @property
    def contract(self) -> Contract:
        """What it was judged by."""

    @property
    def masking(self) -> Masking:
        """What hides phone numbers."""


@dataclass(frozen=True, slots=True)
class Saved:
    """A result that was read back: nothing is judged anew."""

    document: Mapping[str, Any]
    contract: Contract
    record: Record | None = None
    masking: Masking = field(default_factory=Masking)


@dataclass(frozen=True, slots=True)
class Result:
    """A judged run: the record, the verdicts, and both as the document that `report.json` holds."""

    record: Record
    judged: Judged
    document: Mapping[str, Any]
    contract: Contract
    masking: Masking = field(default_factory=Masking)

    @classmethod
    def of(
        cls,
        record: Record,
        expectations: Expectations | None = None,
        *,
        contract: Contract | None = None,
        show_phone_numbers: bool | None = None,
        strict: bool | None = None,
    ) -> Result:
        """Judge a record and describe the outcome. Pure: the same record gives the same document.

        It is judged by the `contract` (None: that of Statum) and by the `expectations`; None: by those that the run
        was given, which the record holds. `show_phone_numbers`: whether those that the run was given are shown
        whole; `strict`: whether a broken SHOULD counts as a failure; None of either: as the run was told.
        """
        contract = contract or statum()
        if expectations is None:
            expectations = Expectations.of(record.settings.get("expectations"))
        judged = judge(record, expectations=expectations, contract=contract, strict=strict)
        masking = Masking.of(record.settings, shown=show_phone_numbers)
        document = _document(record, judged, contract, shown=show_phone_numbers)
        return cls(record, judged, masking.value(document), contract, masking)

    @property
    def conclusion(self) -> Conclusion:
        """The verdict on the subject."""
        return self.judged.conclusion

    @property
    def exit_code(self) -> int:
        """The exit code of the run: that of the conclusion, unless something was expected."""
        return self.judged.exit_code


def _document(record: Record, judged: Judged, contract: Contract, *, shown: bool | None) -> dict[str, Any]:
    settings = record.settings
    notes = {note.kind: note.detail for note in record.notes}
    finished = notes.get("finished", {})
    requests = _Requests.of(record, judged, contract)
    proper = run_proper(record, contract)
    document = {
        "schema_version": SCHEMA_VERSION,
        "tool": {"name": "statum-conformance", "version": __version__, "catalogue": contract.catalogue.digest},
        "subject": _subject(record),
        "verdict": judged.conclusion.value,
        "started_at": settings["started_at"],
        "duration_s": round(float(finished.get("duration_s", 0.0)), 3),
        "seed": settings["seed"],
        "settings": _told(settings, shown=shown, strict=judged.strict),
        "counts": {
            "exchanges": len(proper.exchanges),
            "accepted": judged.accepted,
            "notifications": len(proper.notifications),
        },
        "shrinking": _search(record),
        **({"limits": dict(notes["allowance"])} if "allowance" in notes else {}),
        **({"strangers": strangers} if (strangers := strangers_of(record, judged.of_anybody)) else {}),
        "requirements": [_entry(verdict, requests) for verdict in judged.verdicts],
        "one_causes": [
            {"requirements": list(cause.requirements), "exchanges": cause.exchanges} for cause in judged.one_causes
        ],
        "coverage": [_class(covered) for covered in judged.coverage],
        **({"client": client_of(record)} if is_client(record) else {}),
        "figures": Figures.of(proper, contract).document(),
    }
    if judged.expectations.file is not None:
        document["expectations"] = _expectations(judged)
    return document


def _told(settings: Mapping[str, Any], *, shown: bool | None, strict: bool) -> dict[str, Any]:
    """The settings as they were told to the run: of the expectations the file, not all that is in it.

    Whether phone numbers are shown, and whether it was judged strictly, is said as it is in this document, so that it
    can be rendered anew like that.
    """
    recorded = settings.get("expectations")
    return {
        **settings,
        **({"expectations": recorded["file"]} if recorded else {}),
        **({} if shown is None else {"show_phone_numbers": shown}),
        "strict": strict,
    }


def _expectations(judged: Judged) -> dict[str, Any]:
    """What was listed as known, and what of it does not hold any more."""
    return {
        "file": judged.expectations.file,
        "digest": judged.expectations.digest,
        "entries": [entry.members() for entry in judged.expectations.entries],
        "stale": [_stale(stale) for stale in judged.stale],
    }


def _stale(stale: Stale) -> dict[str, Any]:
    return {
        "entry": stale.expectation.number,
        "requirement": stale.expectation.requirement,
        "command": stale.expectation.command,
        "verdict": stale.expectation.verdict,
        "why": stale.why.value,
        "detail": stale.detail,
        "advice": stale.advice,
    }


def _subject(record: Record) -> dict[str, Any]:
    settings = record.settings
    if is_client(record):
        return {"kind": "client", "name": settings["subject_name"], "url": settings.get("callback_url")}
    return {"kind": "gateway", "name": settings["subject_name"], "url": settings["gateway"]}


def _class(covered: Covered) -> dict[str, Any]:
    return {
        "kind": covered.kind,
        "command": covered.command,
        "member": covered.member,
        "class": covered.name,
        "sent": covered.sent,
        "accepted": covered.accepted,
    }


@dataclass(frozen=True, slots=True)
class _Requests:
    """The requests of the exchanges that findings show, by number."""

    contract: Contract
    sent: Mapping[int, tuple[Case | None, Exchange]]

    @classmethod
    def of(cls, record: Record, judged: Judged, contract: Contract) -> _Requests:
        shown = [finding for verdict in judged.verdicts for finding in verdict.findings]
        numbers = {each.exchange for finding in shown for each in (finding, finding.minimal) if each is not None}
        return cls(contract, record.exchanges_numbered({number for number in numbers if number is not None}))

    def curl(self, number: int | None) -> str | None:
        """The command that sends a request again; None for what a client has sent: what it was sent to is gone."""
        case, exchange = self.sent.get(number or 0, (None, None))
        again = exchange is not None and (case is None or case.kind is not Kind.INVOKE)
        return curl(exchange.request, self.contract, case, exchange.number) if exchange and again else None

    def body(self, number: int | None) -> str:
        """The body of a request, as text; of one that is too long to be read its beginning."""
        _, exchange = self.sent.get(number or 0, (None, None))
        text = exchange.request.body.decode("utf-8", "backslashreplace") if exchange else ""
        return text if len(text) <= LONGEST_BODY else f"{text[:LONGEST_BODY]}… ({len(text):,} characters)"


def _entry(verdict: RequirementVerdict, requests: _Requests) -> dict[str, Any]:
    requirement = verdict.requirement
    entry: dict[str, Any] = {
        "id": requirement.id,
        "command": verdict.command,
        "level": verdict.level.value,
        "actor": requirement.actor.value,
        "title": requirement.title,
        "source": requirement.source,
        "basis": requirement.basis.value,
        "quote": requirement.quote,
        "fact": requirement.fact,
        "section": requirement.section,
        "verdict": verdict.verdict.value,
        "observations": verdict.observations,
        "failed": verdict.failed,
        "findings": [_finding(finding, requests) for finding in verdict.findings],
    }
    if verdict.pattern:
        entry |= {"pattern": verdict.pattern.text, "depends_on": verdict.pattern.kind.value}
    if requirement.condition:
        entry["condition"] = requirement.condition
    if verdict.reason:
        entry |= {"reason": verdict.reason.value, "reason_detail": verdict.detail}
    elif verdict.detail:
        entry["not_applicable"] = verdict.detail
    if verdict.expected:
        entry["expected"] = [_expected(expectation) for expectation in verdict.expected]
    return entry


def _expected(expectation: Expectation) -> dict[str, Any]:
    told = {"entry": expectation.number, **expectation.members()}
    return {name: told[name] for name in ("entry", "message", "issue", "owner", "expires") if name in told}


def _finding(finding: Finding, requests: _Requests) -> dict[str, Any]:
    return {
        "message": finding.message,
        "case": finding.case,
        "request_id": finding.request_id,
        "pointer": finding.pointer,
        "value": finding.value,
        "exchange": finding.exchange,
        "notification": finding.notification,
        "reproduce": requests.curl(finding.exchange),
        "count": finding.count,
        "others": list(finding.others),
        **({"pattern": finding.pattern} if finding.pattern else {}),
        "minimal": _minimal(finding.minimal, requests) if finding.minimal else None,
    }


def _minimal(minimal: Minimal, requests: _Requests) -> dict[str, Any]:
    return {
        "case": minimal.case,
        "body": requests.body(minimal.exchange),
        "differs": dict(minimal.differs),
        "finished": minimal.finished,
        "reproduce": requests.curl(minimal.exchange),
    }


def _search(record: Record) -> dict[str, Any]:
    """What was spent on looking into failures; `budget` requests were allowed."""
    spent = next((note.detail for note in record.notes if note.kind == SEARCH), {})
    budget = record.settings.get("shrink_requests", 0)
    return {"budget": budget, "requests": 0, "rounds": 0, "seconds": 0.0, "stopped": None, **spent}
