"""Hand-made records of examined receivers, for tests of what judges them: no receiver, no clock.

notification    the content of one
Examined        collects calls, what was sent to the receiver and what the client said, and gives a `Record`
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from client_runs import BASE, JSON_TYPE, SETTLED_AT

from conformance.journal import Note, Record
from conformance.model.traffic import Case, Direction, DriverLine, Exchange, Headers, Kind, Request, Response

URL = "http://127.0.0.1:8080/hooks/sms?token=s3cret"


def notification(request_id: str, code: str = "200", text: str | None = None, **extra: Any) -> dict[str, Any]:
    """The content of one; its text is its own unless it is given."""
    return {"result_code": code, "result_desc": text or f"{code} of {request_id}", "request_id": request_id, **extra}


@dataclass
class Examined:
    """A receiver under examination; a second passes with each call. Without `driver` it is seen from outside."""

    driver: bool = True
    features: tuple[str, ...] = ("callback", "results")
    commands: tuple[str, ...] = ("sms",)
    cases: list[Case] = field(default_factory=list)
    exchanges: list[Exchange] = field(default_factory=list)
    messages: list[DriverLine] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    calls: dict[str, str] = field(default_factory=dict)
    about: str | None = None
    now: float = 100.0

    def known(self, *request_ids: str, answered_after_s: float = 0.01) -> Examined:
        """For each a call of the client that was accepted with that request_id."""
        for request_id in request_ids:
            case = self._case(Kind.INVOKE, Request("POST", f"{BASE}/n/{len(self.cases):x}/api/v2/sms", (), b"{}"))
            self.calls[request_id] = case.id
            self._say(case, Direction.TO, {"cmd": "invoke", "id": case.id})
            envelope = {"status_code": 200, "description": "Operation successful", "request_id": request_id}
            answer = Response(200, (JSON_TYPE,), json.dumps(envelope).encode())
            self._exchange(case, Request("POST", f"/n/{len(self.cases):x}/api/v2/sms"), answer, None, answered_after_s)
            self._say(case, Direction.FROM, {"id": case.id, "outcome": "accepted", "request_id": request_id})
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
        self._say(case, Direction.TO, {"cmd": "result", "id": name, "request_id": request_id})
        answer = {"id": name, "state": state, "result_desc": text, "applied": applied}
        self._say(case, Direction.FROM, answer)
        self.now += 1
        return self

    def taken(self, request_id: str, code: str = "200", *, applied: int | None = 1) -> Examined:
        """A notification that was answered with 204 and understood."""
        content = notification(request_id, code)
        state = "succeeded" if code == "200" else "failed"
        return self.known(request_id).sent(content).told(request_id, state, content["result_desc"], applied)

    def died(self) -> Examined:
        """The driver failed, and was started again."""
        detail = {"case": self.cases[-1].id, "how": "crash", "detail": "it did crash"}
        self.notes.append(Note(len(self.notes) + 1, "death", detail, self.now, self.now))
        self.now += 1
        return self

    def receiver_died(self, case_id: str) -> Examined:
        """It was found that there was no receiver any more after that case."""
        detail = {"case": case_id, "commands": ["sms"]}
        self.notes.append(Note(len(self.notes) + 1, "receiver-died", detail, self.now, self.now))
        self.now += 1
        return self

    def left_alone(self, why: str) -> Examined:
        """Nothing more was sent to it."""
        detail = {"command": "sms", "why": why}
        self.notes.append(Note(len(self.notes) + 1, "left-alone", detail, self.now, self.now))
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

    def _say(self, case: Case, direction: Direction, message: dict[str, Any]) -> None:
        line = json.dumps(message)
        self.messages.append(DriverLine(len(self.messages) + 1, case.id, direction, line, self.now, self.now))

    def record(self) -> Record:
        """What the journal of it would hold."""
        settings = {
            "subject_kind": "client",
            "subject_name": "made 1.0",
            "driver": "made" if self.driver else None,
            "callback_url": None if self.driver else URL,
            "products": ["sms"],
            "commands": ["sms"],
            "seed": 7,
        }
        hello = {
            "implementation": {"name": "made", "version": "1.0", "language": None},
            "commands": list(self.commands),
            "features": list(self.features),
            "callback_urls": {"sms": URL},
            "lacks": [],
        }
        notes = [Note(0, "hello", hello, 0.0, 0.0)] if self.driver else []
        notes += [*self.notes, Note(999, "settled", {"at": SETTLED_AT, "waited_s": None}, 0.0, 0.0)]
        return Record(
            settings, tuple(self.cases), tuple(self.exchanges), (), tuple(notes), messages=tuple(self.messages)
        )
