"""Records of runs made by hand, and the verdicts on records: no server, no clock."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from conformance.contract.contract import statum
from conformance.journal import Note, Record
from conformance.judging.verdicts import Judged, RequirementVerdict, Verdict
from conformance.model.traffic import Case, Exchange, Headers, Kind, Notification, Request, Response
from conformance.reports.result import judge

JSON: Headers = (("Content-Type", "application/json"),)
TARGETS = {p: f"/callbacks/{p}?token=t" for p in ("sms", "airtime", "mpesa-online", "mpesa-wallet")}


@dataclass
class Run:
    """A run in the making; one second passes with each thing that happens, 100 s until it is settled."""

    commands: tuple[str, ...] = ("sms",)
    notify_within_s: float = 10.0
    exclusive_account: bool = False
    loopback: bool = True
    settled: bool = True
    obstacle: str | None = None
    cases: list[Case] = field(default_factory=list)
    exchanges: list[Exchange] = field(default_factory=list)
    notifications: list[Notification] = field(default_factory=list)

    def invoke(  # noqa: PLR0913 - each is a part of an exchange that some test varies
        self,
        request_id: Any = None,
        status: int = 200,
        *,
        kind: Kind = Kind.VALID,
        aspect: str = "random",
        command: str | None = "sms",
        payload: bytes | None = None,
        envelope: dict[str, Any] | None = None,
        raw: bytes | None = None,
        http_status: int | None = None,
        headers: Headers = JSON,
        failure: str | None = None,
        **known: Any,
    ) -> Case:
        """One case and its answer: the envelope with that id and status, or `envelope`, or `raw`, or a `failure`."""
        number = len(self.cases) + 1
        method = known.pop("method", statum().commands[command].method if command else "POST")
        body = payload if payload is not None else json.dumps({"n": number}).encode()
        request = Request(method, f"http://gateway/api/v2/{command}", JSON, body)
        case = Case(f"case-{number}", command, kind, aspect, f"case-{number}", request, **known)
        said = envelope or {"status_code": status, "description": f"says {status}", "request_id": request_id}
        content = raw if raw is not None else json.dumps(said).encode()
        response = None if failure else Response(http_status or status, headers, content)
        at = float(number)
        self.cases.append(case)
        self.exchanges.append(Exchange(number, case.id, 1, request, at, at, response, failure, at + 0.1))
        return case

    def notify(
        self, request_id: Any = None, product: str | None = "sms", at: float | None = None, **changes: Any
    ) -> None:
        """One notification, a second after the last answer or at `at`; `raw`, `method`, `target`, or its members."""
        number = len(self.notifications) + 1
        raw, method = changes.pop("raw", None), changes.pop("method", "POST")
        target = changes.pop("target", TARGETS.get(product or "", "/elsewhere"))
        members = {"result_code": "200", "result_desc": "Success", "request_id": request_id, **changes}
        body = raw if raw is not None else json.dumps(members).encode()
        when = len(self.cases) + 1.0 if at is None else at
        self.notifications.append(Notification(number, product, Request(method, target, JSON, body), when, when))

    def answer_again(self, case: Case, status: int, request_id: str) -> None:
        """Another attempt at a case."""
        last = self.exchanges[-1]
        body = json.dumps({"status_code": status, "description": "again", "request_id": request_id}).encode()
        self.exchanges.append(
            replace(last, number=last.number + 1000, case_id=case.id, attempt=2, response=Response(status, JSON, body))
        )

    def record(self) -> Record:
        """What the journal of this run would hold."""
        settings = {
            "commands": list(self.commands),
            "notify_within_s": self.notify_within_s,
            "exclusive_account": self.exclusive_account,
            "loopback": self.loopback,
            "callback_targets": TARGETS,
            "gateway": "http://gateway/api/v2",
            "subject_name": "a gateway",
            "started_at": "2026-11-22T12:00:00.000+00:00",
            "seed": 7,
            "phone_numbers": [],
        }
        notes = []
        if self.obstacle:
            notes.append(Note(1, "obstacle", {"message": self.obstacle}, 0.0, 0.0))
        if self.settled:
            notes.append(Note(2, "settled", {"at": 1000.0}, 1000.0, 1000.0))
        return Record(settings, tuple(self.cases), tuple(self.exchanges), tuple(self.notifications), tuple(notes))


class Recorded(Protocol):
    """Something of which a record can be made."""

    def record(self) -> Record:
        """The record."""


def judged(run: Recorded) -> Judged:
    """The verdicts on a record."""
    return judge(run.record())


def verdict(run: Recorded, requirement: str, command: str | None = "sms") -> RequirementVerdict:
    """The verdict on one requirement × command."""
    return next(v for v in judged(run).verdicts if (v.requirement.id, v.command) == (requirement, command))


def failures(run: Recorded) -> set[str]:
    """The ids of what failed or warns."""
    return failed_requirements(judged(run))


def failed_requirements(judgement: Judged) -> set[str]:
    """The ids of what failed or warns."""
    return {v.requirement.id for v in judgement.verdicts if v.verdict in (Verdict.FAIL, Verdict.WARN)}
