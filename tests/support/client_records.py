"""Records of certifications made by hand: no client, no receiver, no server, no clock."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from conformance.contract.contract import statum
from conformance.journal import Note, Record
from conformance.model.traffic import Case, Direction, DriverLine, Exchange, Headers, Kind, Request, Response

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
    `answer`: members of the envelope beside the usual ones; `raw` a body instead of it; `status` and `code` the two
    statuses; `failure` why there is none.
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
class Recording:
    """What is recorded of any client."""

    cases: list[Case] = field(default_factory=list)
    exchanges: list[Exchange] = field(default_factory=list)
    messages: list[DriverLine] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)

    def _say(self, case_id: str, direction: Direction, message: Mapping[str, Any], at: float) -> None:
        line = json.dumps(message)
        self.messages.append(DriverLine(len(self.messages) + 1, case_id, direction, line, at, at))

    def _note(self, kind: str, at: float, /, **detail: Any) -> None:
        self.notes.append(Note(len(self.notes) + 1, kind, detail, at, at))

    def _record(self, settings: Mapping[str, Any], hello: Mapping[str, Any] | None, *notes: Note) -> Record:
        about = {
            "implementation": {"name": "made", "version": "1.0", "language": None},
            "callback_urls": {},
            "lacks": [],
        }
        first = [] if hello is None else [Note(0, "hello", {**about, **hello}, 0.0, 0.0)]
        return Record(
            {"subject_kind": "client", "subject_name": "made 1.0", "products": ["sms"], "seed": 7, **settings},
            tuple(self.cases),
            tuple(self.exchanges),
            (),
            (*first, *self.notes, *notes),
            messages=tuple(self.messages),
        )


@dataclass
class Certification(Recording):
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
            self._note("extra-call", at, case=case.id, why=extra[0], of=extra[1].id)
        self._say(case.id, Direction.TO, {"cmd": "invoke", "id": f"m{number}"}, at)
        ended = at
        for attempt, one in enumerate(sent, start=1):
            ended = self._exchange(case, attempt, one, ended, path, body)
        if said is not None:
            self._say(case.id, Direction.FROM, {"id": f"m{number}", **said}, ended + said_after_s)
        if death is not None:
            self._note("death", ended, case=case.id, how=death, detail=f"it did {death}", at=ended + said_after_s)
        return case

    def stray(self, target: str, headers: Headers = HEADERS, body: bytes = b"{}") -> None:
        """A request to no base URL, while the last call is at hand."""
        at = 100.0 * (len(self.cases) - 1) + 0.5
        self._exchange(self.cases[0], 1, Sent(target=target, status=404, headers=headers), at, target, body)

    def unreadable(self, head: str, error: str) -> None:
        """Something that is no HTTP, while the last call is at hand."""
        at = 100.0 * (len(self.cases) - 1) + 0.5
        self._note("unreadable", at, where="witness", product=None, error=error, head=head)

    def _exchange(  # noqa: PLR0913, PLR0917 - what varies
        self, case: Case, attempt: int, one: Sent, since: float, path: str, body: bytes
    ) -> float:
        request = Request(
            one.method or case.request.method, one.target or path, one.headers, body if one.body is None else one.body
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

    def record(self) -> Record:
        """What the journal of this certification would hold."""
        settings = {
            "driver": "made",
            "callback_url": None,
            "observe": None,
            "phone_numbers": [],
            "commands": list(self.judged),
            "max_examples": 0,
            "timeout_s": 2.0,
            "resend_window_s": RESEND_WINDOW_S,
            "advised_delay_s": ADVISED_DELAY_S,
            "patience_s": 15.0,
            "started_at": "2026-11-22T12:00:00.000+00:00",
            "credential": {"key": KEY, "secret": SECRET},
        }
        hello = {"commands": list(self.commands), "features": list(self.features), "lacks": list(self.lacks)}
        endings: tuple[tuple[object, str, dict[str, Any]], ...] = (
            (self.proxies, "environment", {"proxies": list(self.proxies)}),
            (self.out_of_time, "out-of-time", {"detail": self.out_of_time, "left": 1}),
            (self.gave_up, "gave-up", {"deaths": 3, "detail": self.gave_up}),
            (self.settled, "settled", {"at": SETTLED_AT, "waited_s": RESEND_WINDOW_S}),
        )
        ended = (Note(996 + n, kind, detail, 0.0, 0.0) for n, (is_so, kind, detail) in enumerate(endings) if is_so)
        return self._record(settings, hello, *ended)


def again(sent: Sent, *gaps: float) -> tuple[Sent, ...]:
    """It, and the same after each of the gaps."""
    return (sent, *(replace(sent, after_s=gap) for gap in gaps))


URL = "http://127.0.0.1:8080/hooks/sms?token=s3cret"


def notification(request_id: str, code: str = "200", text: str | None = None, **extra: Any) -> dict[str, Any]:
    """The content of one; its text is its own unless it is given."""
    return {"result_code": code, "result_desc": text or f"{code} of {request_id}", "request_id": request_id, **extra}


@dataclass
class Examined(Recording):
    """A receiver under examination; a second passes with each call. Without `driver` it is seen from outside."""

    driver: bool = True
    features: tuple[str, ...] = ("callback", "results")
    commands: tuple[str, ...] = ("sms",)
    calls: dict[str, str] = field(default_factory=dict)
    about: str | None = None
    now: float = 100.0

    def known(self, *request_ids: str, answered_after_s: float = 0.01) -> Examined:
        """For each a call of the client that was accepted with that request_id."""
        for request_id in request_ids:
            case = self._case(Kind.INVOKE, Request("POST", f"{BASE}/n/{len(self.cases):x}/api/v2/sms", (), b"{}"))
            self.calls[request_id] = case.id
            self._say(case.id, Direction.TO, {"cmd": "invoke", "id": case.id}, self.now)
            envelope = {"status_code": 200, "description": "Operation successful", "request_id": request_id}
            answer = Response(200, (JSON_TYPE,), json.dumps(envelope).encode())
            self._exchange(case, Request("POST", f"/n/{len(self.cases):x}/api/v2/sms"), answer, None, answered_after_s)
            self._say(case.id, Direction.FROM, {"id": case.id, **ACCEPTED, "request_id": request_id}, self.now)
            self.now += 1
        return self

    def sent(
        self,
        *contents: dict[str, Any] | bytes,
        status: int | None = 204,
        took_s: float = 0.01,
        failure: str | None = None,
        method: str = "POST",
        headers: Headers = (JSON_TYPE,),
    ) -> Examined:
        """All of these at the same moment, each answered in the same way."""
        for content in contents:
            body = content if isinstance(content, bytes) else json.dumps(content).encode()
            request = Request(method, URL, headers, body)
            case = self._case(Kind.DELIVER, request, earlier=self.about)
            answer = None if status is None else Response(status)
            self._exchange(case, request, answer, None if answer else failure or "connection refused", took_s)
        self.now += 1
        return self

    def claimed(self, request_id: str, content: dict[str, Any], status: int, method: str = "POST") -> Examined:
        """What is no notification, and carries the id of a known request."""
        self.about = self.calls[request_id]
        self.sent(content, status=status, method=method)
        self.about = None
        return self

    def told(self, request_id: str, state: str, text: str | None = None, applied: int | None = 1) -> Examined:
        """The client was asked what became of that request."""
        case = self.cases[-1]
        name = f"q{len(self.messages)}"
        self._say(case.id, Direction.TO, {"cmd": "result", "id": name, "request_id": request_id}, self.now)
        answer = {"id": name, "state": state, "result_desc": text, "applied": applied}
        self._say(case.id, Direction.FROM, answer, self.now)
        self.now += 1
        return self

    def taken(self, request_id: str, code: str = "200", *, applied: int | None = 1) -> Examined:
        """A notification that was answered with 204 and understood."""
        content = notification(request_id, code)
        state = "succeeded" if code == "200" else "failed"
        return self.known(request_id).sent(content).told(request_id, state, content["result_desc"], applied)

    def died(self) -> Examined:
        """The driver failed, and was started again."""
        self._note("death", self.now, case=self.cases[-1].id, how="crash", detail="it did crash")
        self.now += 1
        return self

    def receiver_died(self, case_id: str) -> Examined:
        """It was found that there was no receiver any more after that case."""
        self._note("receiver-died", self.now, case=case_id, commands=["sms"])
        self.now += 1
        return self

    def left_alone(self, why: str) -> Examined:
        """Nothing more was sent to it."""
        self._note("left-alone", self.now, command="sms", why=why)
        return self

    def _case(self, kind: Kind, request: Request, earlier: str | None = None) -> Case:
        name = f"{kind.value}-{len(self.cases)}"
        self.cases.append(Case(name, "sms", kind, "x", name, request, earlier=earlier))
        return self.cases[-1]

    def _exchange(
        self, case: Case, request: Request, response: Response | None, failure: str | None, took_s: float
    ) -> None:
        number, ended = len(self.exchanges) + 1, self.now + took_s
        self.exchanges.append(Exchange(number, case.id, 1, request, self.now, self.now, response, failure, ended))

    def record(self) -> Record:
        """What the journal of it would hold."""
        seen = {"driver": "made", "callback_url": None} if self.driver else {"driver": None, "callback_url": URL}
        hello = {"commands": [*self.commands], "features": [*self.features], "callback_urls": {"sms": URL}}
        settled = Note(999, "settled", {"at": SETTLED_AT, "waited_s": None}, 0.0, 0.0)
        return self._record({**seen, "commands": ["sms"]}, hello if self.driver else None, settled)
