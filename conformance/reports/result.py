"""A record judged, and the report of it.

    judge           the verdicts on a record of either face
    Result.of       the same, with the report
    Reportable      a report and its contract, from which every format is made

Only this module asks whether a record is of a gateway or of a client.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any

from conformance import __version__
from conformance.client.face import CLIENT
from conformance.client.rules.calls import REUSED, UNUSED
from conformance.contract.contract import Contract, statum
from conformance.diagnosis.follow_ups import SEARCH, run_proper
from conformance.gateway.division import divided
from conformance.gateway.rules.checks import GATEWAY
from conformance.journal import Record
from conformance.judging.expectations import Expectations
from conformance.judging.facts import Share
from conformance.judging.judgement import Finding
from conformance.judging.parts import Division
from conformance.judging.terms import LOST, REFUSED_HERE, Terms
from conformance.judging.verdicts import Conclusion, Face, Judged, RequirementVerdict, judge_as
from conformance.model.traffic import Case, Direction, Exchange, Kind, last_lines
from conformance.reports.figures import Figures
from conformance.reports.load_figures import LoadFigures
from conformance.reports.report import (
    ClientFacts,
    Connections,
    Counts,
    DriverDeath,
    LeftProcess,
    ListedAs,
    LoadReport,
    Measured,
    MinimalRequest,
    PassedExample,
    Report,
    ReportedFinding,
    ReportEntry,
    ReportSubject,
    Shrinking,
    SpentLimits,
    StaleEntry,
    Strangers,
    Tool,
    UsedExpectations,
)
from conformance.reports.reproduce import curl
from conformance.reports.text import Masking, beginning

# Characters of the body of a simplest request; a valid request is far shorter.
LONGEST_BODY = 10_000
# Last lines of a driver's standard error; the journal has all.
SHOWN_STDERR = 50

FACES: Mapping[str, Face] = {"gateway": GATEWAY, "client": CLIENT}


def is_client(record: Record) -> bool:
    """Whether a record is of a client or of its receiver."""
    return _face_of(record) is CLIENT


def _face_of(record: Record) -> Face:
    return FACES[record.settings.get("subject_kind", "gateway")]


def judge(
    record: Record,
    expectations: Expectations | None = None,
    *,
    contract: Contract | None = None,
    measured: bool = True,
    strict: bool | None = None,
) -> Judged:
    """Judge a record of either face, as `judge_as` does; a large one in parts."""
    contract = contract or statum()
    with _divided(record, contract) as division:
        face = _face_of(record)
        return judge_as(
            face, record, expectations, contract=contract, measured=measured, strict=strict, division=division
        )


def _divided(
    record: Record, contract: Contract, parts: int | None = None, processes: int | None = None
) -> AbstractContextManager[Division | None]:
    """The parts of a large record of a gateway; None for others."""
    return nullcontext() if is_client(record) else divided(record, contract, parts, processes)


@dataclass(frozen=True, slots=True)
class Reportable:
    """A report and the contract that it was judged by; `record` is None without the journal.

    `masking` was applied to the report. A format applies it to the parts of the record that it shows. `earlier`:
    reports of the same subject, for the history of its verdicts.
    """

    report: Report
    contract: Contract
    record: Record | None = None
    masking: Masking = field(default_factory=Masking)
    earlier: tuple[Report, ...] = field(default=(), kw_only=True)

    @property
    def document(self) -> dict[str, Any]:
        """The report as `report.json` holds it."""
        return self.report.written()


@dataclass(frozen=True, slots=True)
class Result(Reportable):
    """A run that was just judged."""

    record: Record = field(kw_only=True)
    judged: Judged = field(kw_only=True)

    @classmethod
    def of(  # noqa: PLR0913 - all may be left out
        cls,
        record: Record,
        expectations: Expectations | None = None,
        *,
        contract: Contract | None = None,
        show_phone_numbers: bool | None = None,
        strict: bool | None = None,
        parts: int | None = None,
        processes: int | None = None,
    ) -> Result:
        """Judge a record by the `contract` (None: that of Statum). Pure: the same record gives the same report.

        Where they are None, `expectations`, `show_phone_numbers` (whether given numbers are shown whole) and `strict`
        (whether a broken SHOULD is a failure) are those that the record holds. `parts` and `processes`: into how many
        parts it is cut, and how many other processes judge them, as in `conformance.gateway.division.divided`; the
        report is the same.
        """
        contract = contract or statum()
        if expectations is None:
            expectations = Expectations.of(record.settings.get("expectations"))
        masking = Masking.of(record.settings, shown=show_phone_numbers)
        with _divided(record, contract, parts, processes) as division:
            face = _face_of(record)
            judged = judge_as(face, record, expectations, contract=contract, strict=strict, division=division)
            proper = run_proper(record, contract)
            figures = Figures.of(proper, contract, division).measured()
            load = _load(proper, contract, division)
        report: Report = masking.value(_report(record, judged, contract, figures, load, shown=show_phone_numbers))
        return cls(report, contract, masking=masking, record=record, judged=judged)

    @property
    def conclusion(self) -> Conclusion:
        """The verdict on the subject."""
        return self.judged.conclusion

    @property
    def exit_code(self) -> int:
        """That of the conclusion, unless failures were expected."""
        return self.judged.exit_code


def _report(  # noqa: PLR0913 - it is made of all of them
    record: Record,
    judged: Judged,
    contract: Contract,
    figures: Measured,
    load: LoadReport | None,
    *,
    shown: bool | None,
) -> Report:
    settings = record.settings
    notes = {note.kind: note.detail for note in record.notes}
    requests = _Requests.of(record, judged, contract)
    proper = run_proper(record, contract)
    client = is_client(record)
    search = next((note.detail for note in record.notes if note.kind == SEARCH), {})
    return Report(
        tool=Tool("statum-conformance", __version__, contract.catalogue.digest),
        subject=ReportSubject(
            "client" if client else "gateway",
            settings["subject_name"],
            settings.get("callback_url") if client else settings["gateway"],
        ),
        verdict=judged.conclusion,
        started_at=settings["started_at"],
        duration_s=round(float(notes.get("finished", {}).get("duration_s", 0.0)), 3),
        seed=settings["seed"],
        settings=_settings(settings, shown=shown, strict=judged.strict),
        counts=Counts(len(proper.exchanges), judged.accepted, len(proper.notifications)),
        shrinking=Shrinking(**{"budget": settings.get("shrink_requests", 0), **search}),
        limits=SpentLimits(**notes["allowance"]) if "allowance" in notes else None,
        strangers=strangers_of(record, judged.of_anybody),
        requirements=tuple(_entry(verdict, requests) for verdict in judged.verdicts),
        one_causes=judged.one_causes,
        coverage=judged.coverage,
        client=client_of(record) if client else None,
        figures=figures,
        load=load,
        expectations=_expectations(judged),
    )


@dataclass(frozen=True, slots=True)
class LoadOfPart:
    """Measures the load of a part of a run."""

    def __call__(self, record: Record, terms: Terms, share: Share) -> LoadFigures | None:  # noqa: ARG002 - as PartTask
        """Its figures; None if the run had no load."""
        return LoadFigures.of(record, terms.contract)


def _load(record: Record, contract: Contract, division: Division | None) -> LoadReport | None:
    """The figures of a run under load; None for any other."""
    if division is None or record.settings.get("load") is None:
        figures = LoadFigures.of(record, contract)
    else:
        figures = None
        for some in division.each((part, LoadOfPart()) for part in (*division.others, division.leading)):
            if figures is None:
                figures = some
            elif some is not None:
                figures.add(some)
    return None if figures is None else figures.report(record.settings["load"])


def _settings(settings: Mapping[str, Any], *, shown: bool | None, strict: bool) -> dict[str, Any]:
    """The recorded settings, with the name of the expectations file instead of its entries.

    Phone numbers and strictness are as in this report, so that it can be rendered again.
    """
    recorded = settings.get("expectations")
    return {
        **settings,
        **({"expectations": recorded["file"]} if recorded else {}),
        **({} if shown is None else {"show_phone_numbers": shown}),
        "strict": strict,
    }


def _expectations(judged: Judged) -> UsedExpectations | None:
    listed = judged.expectations
    if listed.file is None:
        return None
    entries = tuple(entry.members() for entry in listed.entries)
    stale = tuple(
        StaleEntry(of.number, of.requirement, of.command, of.verdict, each.why.value, each.detail, each.advice)
        for each in judged.stale
        for of in (each.expectation,)
    )
    return UsedExpectations(listed.file, listed.digest, entries, stale)


def strangers_of(record: Record, of_anybody: int) -> Strangers | None:
    """Traffic at the suite's own servers that was not judged or was refused; None if there was none."""
    not_kept = sum(note.detail["left_out"] for note in record.notes if note.kind == "strays")
    refused = dict.fromkeys(note.detail["why"] for note in record.notes if note.kind == REFUSED_HERE)
    refused |= dict.fromkeys(f"{note.detail['name']} was lost" for note in record.notes if note.kind == LOST)
    return Strangers(of_anybody, not_kept, tuple(refused)) if of_anybody or not_kept or refused else None


def client_of(record: Record) -> ClientFacts:
    """What a client under test declared, and the failures of its driver."""
    notes = {note.kind: note.detail for note in record.notes}
    hello = notes.get("hello", {})
    failures = [exchange.failure or "" for exchange in record.exchanges]
    stderr = [message.line for message in record.messages if message.direction is Direction.STDERR]
    left = notes.get("left-behind", {"processes": ()})["processes"]
    return ClientFacts(
        implementation=hello.get("implementation"),
        commands=tuple(hello.get("commands", ())),
        features=tuple(hello.get("features", ())),
        lacks=tuple(hello.get("lacks", ())),
        deaths=tuple(_deaths(record)),
        connections=Connections(
            sum(failure.endswith(REUSED) for failure in failures),
            sum(failure.endswith(UNUSED) for failure in failures),
        ),
        waited_s=notes.get("settled", {}).get("waited_s"),
        stderr=tuple(stderr[-SHOWN_STDERR:]),
        left_behind=None if left is None else tuple(LeftProcess(**process) for process in left),
    )


def _deaths(record: Record) -> Iterator[DriverDeath]:
    """Each failure of the driver, with its last lines on standard error since the failure before."""
    since = 0.0
    for note in record.notes:
        if note.kind == "death":
            written = [m for m in record.messages if m.direction is Direction.STDERR and since < m.at <= note.noted_at]
            stderr = tuple(last_lines(message.line for message in written))
            detail = note.detail
            yield DriverDeath(detail["case"], detail.get("how"), detail["detail"], detail.get("at"), stderr)
            since = note.noted_at


# --- Requirements


@dataclass(frozen=True, slots=True)
class _Requests:
    """The requests that findings name, and those of passed examples, by the number of the exchange."""

    contract: Contract
    sent: Mapping[int, tuple[Case | None, Exchange]]

    @classmethod
    def of(cls, record: Record, judged: Judged, contract: Contract) -> _Requests:
        shown = [finding for verdict in judged.verdicts for finding in verdict.findings]
        numbers = {each.exchange for finding in shown for each in (finding, finding.minimal) if each is not None}
        numbers |= {verdict.passed_in for verdict in judged.verdicts}
        return cls(contract, record.exchanges_numbered({number for number in numbers if number is not None}))

    def curl(self, number: int | None) -> str | None:
        """The command that sends a request again; None for one of a client, whose witness is gone."""
        case, exchange = self.sent.get(number or 0, (None, None))
        again = exchange is not None and (case is None or case.kind is not Kind.INVOKE)
        return curl(exchange.request, self.contract, case, exchange.number) if exchange and again else None

    def example(self, number: int | None) -> PassedExample | None:
        """The exchange with this number as an example of one that passed."""
        _, exchange = self.sent.get(number or 0, (None, None))
        return PassedExample(exchange.number, exchange.case_id) if exchange else None

    def body(self, number: int | None) -> str:
        """The body of a request as text, or the beginning of a long one."""
        _, exchange = self.sent.get(number or 0, (None, None))
        return beginning(exchange.request.body.decode("utf-8", "backslashreplace"), LONGEST_BODY) if exchange else ""


def _entry(verdict: RequirementVerdict, requests: _Requests) -> ReportEntry:
    requirement = verdict.requirement
    return ReportEntry(
        id=requirement.id,
        command=verdict.command,
        level=verdict.level,
        actor=requirement.actor,
        title=requirement.title,
        source=requirement.source,
        basis=requirement.basis,
        quote=requirement.quote,
        fact=requirement.fact,
        section=requirement.section,
        verdict=verdict.verdict,
        observations=verdict.observations,
        failed=verdict.failed,
        findings=tuple(_finding(finding, requests) for finding in verdict.findings),
        example=requests.example(verdict.passed_in),
        pattern=verdict.pattern.text if verdict.pattern else None,
        depends_on=verdict.pattern.kind.value if verdict.pattern else None,
        condition=requirement.condition or None,
        reason=verdict.reason,
        reason_detail=verdict.detail if verdict.reason else None,
        not_applicable=None if verdict.reason else verdict.detail or None,
        expected=tuple(
            ListedAs(each.number, each.message, each.issue, each.owner, each.expires.isoformat())
            for each in verdict.expected
        ),
    )


def _finding(finding: Finding, requests: _Requests) -> ReportedFinding:
    minimal = finding.minimal
    return ReportedFinding(
        message=finding.message,
        case=finding.case,
        request_id=finding.request_id,
        pointer=finding.pointer,
        value=finding.value,
        exchange=finding.exchange,
        notification=finding.notification,
        reproduce=requests.curl(finding.exchange),
        count=finding.count,
        others=tuple(finding.others),
        pattern=finding.pattern or None,
        minimal=None
        if minimal is None
        else MinimalRequest(
            minimal.case,
            requests.body(minimal.exchange),
            dict(minimal.differs),
            minimal.finished,
            requests.curl(minimal.exchange),
        ),
    )
