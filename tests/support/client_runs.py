"""Hand-made records of certifications, for tests of what judges them: no client, no server, no clock.

Sent            a request as it reached the witness, and what it was answered; lawful unless told otherwise
Certification   collects calls and gives a `Record`
verdict, failures       what is said of that
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from conformance.contract.contract import statum
from conformance.journal import Note, Record
from conformance.judging.verdicts import Judged, RequirementVerdict, Verdict
from conformance.model.traffic import Case, Direction, DriverLine, Exchange, Headers, Kind, Request, Response
from conformance.reports.result import judge

KEY, SECRET = "Key2be989703d6", "S3cret~3P0R4q?>"
BASIC = f"Basic {b64encode(f'{KEY}:{SECRET}'.encode()).decode()}"
BASE = "http://127.0.0.1:9000"
ELSEWHERE = "http://localhost:9001"
SAMPLE_ID = "9V7NcW1QMvWkQcceMnn3MKfmczdBeE1a"
JSON_TYPE = ("Content-Type", "application/json")
HEADERS: Headers = (("authorization", BASIC), ("content-type", "application/json"), ("accept", "application/json"))
PARAMS = {"phone_number": "254712345678", "sender_id": "Statum", "message": "Habari"}
RESEND_WINDOW_S, ADVISED_DELAY_S = 2.0, 5.0
SETTLED_AT = 10_000.0

# So long after the request the answer is written.
ANSWERED_AFTER_S = 0.01


@dataclass(frozen=True)
class Sent:
    """A request and its answer.

    `after_s`: seconds since the end of the one before; `takes_s`: until its answer, or its end without one.
    `answer`: members of the envelope beside the usual ones; `raw`
    a body instead of it; `status` and `code` the two statuses; `failure` why there is none.
    """

    method: str | None = None
    target: str | None = None
    headers: Headers = HEADERS
    body: bytes | None = None
    status: int = 200
    code: Any = None
    answer: Mapping[str, Any] = field(default_factory=dict)
    raw: bytes | None = None
    answer_headers: Headers = (JSON_TYPE,)
    version: str = "HTTP/1.1"
    failure: str | None = None
    after_s: float = 0.001
    takes_s: float = ANSWERED_AFTER_S


def without(headers: Headers, name: str) -> Headers:
    """The headers but that one."""
    return tuple(pair for pair in headers if pair[0] != name)


ACCEPTED: Mapping[str, Any] = {"outcome": "accepted", "request_id": SAMPLE_ID}
NOT_UNDERSTOOD: Mapping[str, Any] = {"outcome": "error", "error": "protocol"}
UNREACHED: Mapping[str, Any] = {"outcome": "error", "error": "network"}
UNSUPPORTED: Mapping[str, Any] = {"unsupported": True}


def refused(code: int, description: str = "Refused", **said: Any) -> Mapping[str, Any]:
    """What a lawful client says of an error."""
    return {"outcome": "error", "error": "http", "status_code": code, "description": description, **said}


@dataclass
class Certification:
    """A certification in the making; a second passes with each call."""

    commands: tuple[str, ...] = ("sms",)
    features: tuple[str, ...] = ()
    lacks: tuple[str, ...] = ()
    settled: bool = True
    interrupted: bool = False
    gave_up: str | None = None
    out_of_time: str | None = None
    proxies: tuple[str, ...] = ()
    judged: tuple[str, ...] = ("sms",)
    cases: list[Case] = field(default_factory=list)
    exchanges: list[Exchange] = field(default_factory=list)
    messages: list[DriverLine] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)

    def __post_init__(self) -> None:
        """What every certification has."""
        self.cases.append(Case("stray", None, Kind.INVOKE, "stray", "stray", Request("GET", BASE)))

    def call(  # noqa: PLR0913 - what varies
        self,
        *sent: Sent,
        said: Mapping[str, Any] | None = ACCEPTED,
        command: str = "sms",
        params: Mapping[str, Any] | None = None,
        death: str | None = None,
        said_after_s: float = 0.01,
        earlier: str | None = None,
        extra: tuple[str, Case] | None = None,
        asked: bool = True,
    ) -> Case:
        """A call of the client, the requests that came of it, and what it said; `death`: how its driver died.

        `said_after_s`: how long after the last of the requests had ended. `extra`: why it was made because of which
        other call. Where it was not `asked` for, it was only planned.
        """
        number = len(self.cases)
        path = f"/n/{number:016x}/api/v2/{command}"
        method = statum().commands[command].method
        body = b"" if method == "GET" else json.dumps(PARAMS if params is None else params).encode()
        case = Case(
            f"call-{number}", command, Kind.INVOKE, "x", "x", Request(method, BASE + path, (), body), earlier=earlier
        )
        self.cases.append(case)
        at = 100.0 * number
        if not asked:
            return case
        if extra is not None:
            detail = {"case": case.id, "why": extra[0], "of": extra[1].id}
            self.notes.append(Note(number, "extra-call", detail, at, at))
        self._say(case.id, Direction.TO, {"cmd": "invoke", "id": f"m{number}"}, at)
        ended = at
        for attempt, one in enumerate(sent, start=1):
            ended = self._exchange(case, attempt, one, ended, path, body)
        if said is not None:
            self._say(case.id, Direction.FROM, {"id": f"m{number}", **said}, ended + said_after_s)
        if death is not None:
            detail = {"case": case.id, "how": death, "detail": f"it did {death}", "at": ended + said_after_s}
            self.notes.append(Note(number, "death", detail, ended, ended))
        return case

    def stray(self, target: str, headers: Headers = HEADERS, body: bytes = b"{}") -> None:
        """A request to no base URL, while the last call is at hand."""
        at = 100.0 * (len(self.cases) - 1) + 0.5
        self._exchange(self.cases[0], 1, Sent(target=target, status=404, headers=headers), at, target, body)

    def unreadable(self, head: str, error: str) -> None:
        """Something that is no HTTP, while the last call is at hand."""
        at = 100.0 * (len(self.cases) - 1) + 0.5
        detail = {"where": "witness", "product": None, "error": error, "head": head}
        self.notes.append(Note(len(self.notes) + 1, "unreadable", detail, at, at))

    def _exchange(  # noqa: PLR0913, PLR0917 - what varies
        self, case: Case, attempt: int, one: Sent, since: float, path: str, body: bytes
    ) -> float:
        request = Request(
            one.method or case.request.method,
            one.target or path,
            one.headers,
            body if one.body is None else one.body,
        )
        at = since + one.after_s
        response = None
        if one.failure is None:
            usual = "Operation successful" if one.status == 200 else "Refused"
            envelope = {"status_code": one.code or one.status, "description": usual, "request_id": SAMPLE_ID}
            raw = json.dumps({**envelope, **one.answer}).encode() if one.raw is None else one.raw
            response = Response(one.status, one.answer_headers, raw, one.version)
        number = len(self.exchanges) + 1
        ended = at + one.takes_s
        self.exchanges.append(Exchange(number, case.id, attempt, request, at, at, response, one.failure, ended))
        return ended

    def _say(self, case_id: str, direction: Direction, message: Mapping[str, Any], at: float) -> None:
        line = json.dumps(message)
        self.messages.append(DriverLine(len(self.messages) + 1, case_id, direction, line, at, at))

    def record(self) -> Record:
        """What the journal of this certification would hold."""
        settings = {
            "subject_kind": "client",
            "subject_name": "made 1.0",
            "driver": "made",
            "callback_url": None,
            "observe": None,
            "products": ["sms"],
            "phone_numbers": [],
            "commands": list(self.judged),
            "max_examples": 0,
            "seed": 7,
            "timeout_s": 2.0,
            "resend_window_s": RESEND_WINDOW_S,
            "advised_delay_s": ADVISED_DELAY_S,
            "patience_s": 15.0,
            "started_at": "2026-11-22T12:00:00.000+00:00",
            "credential": {"key": KEY, "secret": SECRET},
        }
        hello = {
            "implementation": {"name": "made", "version": "1.0", "language": None},
            "commands": list(self.commands),
            "features": list(self.features),
            "callback_urls": {},
            "lacks": list(self.lacks),
        }
        notes = [Note(0, "hello", hello, 0.0, 0.0), *self.notes]
        if self.proxies:
            notes.append(Note(996, "environment", {"proxies": list(self.proxies)}, 0.0, 0.0))
        if self.out_of_time:
            notes.append(Note(997, "out-of-time", {"detail": self.out_of_time, "left": 1}, 0.0, 0.0))
        if self.gave_up:
            notes.append(Note(998, "gave-up", {"deaths": 3, "detail": self.gave_up}, 0.0, 0.0))
        if self.settled:
            notes.append(Note(999, "settled", {"at": SETTLED_AT, "waited_s": RESEND_WINDOW_S}, 0.0, 0.0))
        return Record(
            settings, tuple(self.cases), tuple(self.exchanges), (), tuple(notes), messages=tuple(self.messages)
        )


def judged(certification: Certification) -> Judged:
    """The verdicts on it."""
    return judge(certification.record())


def verdict(certification: Certification, id_: str, command: str | None = "sms") -> RequirementVerdict:
    """The one on a requirement."""
    return next(v for v in judged(certification).verdicts if (v.requirement.id, v.command) == (id_, command))


def failures(certification: Certification) -> set[str]:
    """The ids of what failed or warns."""
    return {v.requirement.id for v in judged(certification).verdicts if v.verdict in (Verdict.FAIL, Verdict.WARN)}


def again(sent: Sent, *gaps: float) -> tuple[Sent, ...]:
    """It, and the same after each of the gaps."""
    fields = {name: getattr(sent, name) for name in sent.__dataclass_fields__ if name != "after_s"}
    return (sent, *(Sent(**fields, after_s=gap) for gap in gaps))
