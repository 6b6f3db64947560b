"""A client of the gateway that keeps the contract, cut into methods that a flaw can do otherwise.

Asked       what the driver protocol asks for in an `invoke`
Outgoing    a request before it is sent
Answer      what came back
Client      invoke → attempt → request, exchange; understood → told; again decides on sending once more
"""

from __future__ import annotations

import base64
import json
import socket
import threading
import time
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from typing import Any
from urllib.parse import urlsplit

from flawed_clients.inbox import Inbox, Subject, Told

ALL = ("sms", "airtime", "mpesa/online", "mpesa-wallet", "account-details")
MONEY = frozenset({"airtime", "mpesa/online", "mpesa-wallet"})

# So long after a time-out in which no byte has come, an answer of which bytes still come is given up.
OVERTIME_S = 0.5


@dataclass(frozen=True)
class Asked:
    """What the driver protocol asks for in an `invoke`; `number` counts the calls from 1."""

    number: int
    command: str
    base_url: str
    consumer_key: str
    consumer_secret: str
    timeout_s: float
    params: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Outgoing:
    """A request before it is sent; `url` is absolute."""

    method: str
    url: str
    headers: dict[str, str]
    body: bytes | None


@dataclass(frozen=True)
class Answer:
    """What came back; header names in lower case, the body without chunks but compressed as it came."""

    status: int
    headers: dict[str, str]
    body: bytes
    version: int = 11

    @property
    def media_type(self) -> str:
        """Without parameters."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()


class Unusable(Exception):
    """An answer that is not the gateway's envelope."""


class Client(Subject):
    """Keeps the contract. One instance serves a whole process.

    `refused`: the error of a certification that cannot even begin. `dies`: it ends before all was seen. `notified`: the
    commands whose notifications it receives, if not those of its `commands`.
    """

    dies = False
    refused: str | None = None
    commands: tuple[str, ...] = ALL
    features: tuple[str, ...] = ()
    notified: tuple[str, ...] = ()
    lacks: tuple[str, ...] = ()
    inbox: type[Inbox] = Inbox

    def __init__(self) -> None:
        self.calls = 0
        self.receiver = self.inbox() if "callback" in self.features else None

    # --- the driver protocol

    def started(self) -> None:
        """Before the first message is read."""

    def hello(self) -> Told:
        """The description of the client."""
        about: Told = {
            "protocol": 1,
            "implementation": {"name": "reference", "version": "1.0.0", "language": "python"},
            "commands": list(self.commands),
            "features": list(self.features),
        }
        if self.lacks:
            about["lacks"] = list(self.lacks)
        if self.receiver:
            about["callback_urls"] = self.receiver.urls(self.notified or self.commands)
        return about

    def invoke(self, message: Told) -> Told:
        """Make the call and report on it."""
        if message["command"] not in self.commands:
            return {"unsupported": True}
        self.calls += 1
        wanted = ("command", "base_url", "consumer_key", "consumer_secret", "timeout_s", "params")
        asked = Asked(self.calls, **{name: message[name] for name in wanted if name in message})
        if self.receiver:
            self.receiver.calling()
        told = self.call(asked)
        if self.receiver:
            self.receiver.called(told.get("request_id") if told["outcome"] == "accepted" else None)
        return told

    def result(self, message: Told) -> Told:
        """The report on the result of a request."""
        assert self.receiver is not None
        return self.receiver.result(message["request_id"])

    def lines(self, message: Told, answer: Told) -> list[bytes]:
        """The lines on standard output that answer a message."""
        return [json.dumps({"id": message["id"], **answer} if "id" in message else answer).encode()]

    def stopped(self) -> int:
        """When told to stop: the exit code."""
        return 0

    # --- the call

    def call(self, asked: Asked) -> Told:
        """Reject the call, or send it and report on it."""
        refusal = self.refusal(asked)
        if refusal:
            return {"outcome": "error", "error": "rejected-locally", "description": refusal}
        attempt = 1
        while True:
            answer = self.attempt(asked)
            wait_s = self.again(asked, attempt, answer)
            if wait_s is None:
                return self.told(asked, answer)
            time.sleep(wait_s)
            attempt += 1

    def refusal(self, asked: Asked) -> str | None:
        """Why nothing is sent, if so."""
        return None

    def again(self, asked: Asked, attempt: int, answer: Answer | str) -> float | None:
        """Seconds until the request is sent again; None for not at all. `answer` is a word where there was none."""
        return None

    def attempt(self, asked: Asked) -> Answer | str:
        """The answer to one request, or why there is none."""
        try:
            return self.answered(asked, self.request(asked))
        except TimeoutError:
            return "timeout"
        except (OSError, HTTPException):
            return "lost"

    def answered(self, asked: Asked, request: Outgoing) -> Answer:
        """The answer to that request; redirects are not followed."""
        return self.exchange(request, self.patience_s(asked))

    def patience_s(self, asked: Asked) -> float | None:
        """Seconds that the gateway may be silent."""
        return asked.timeout_s

    # --- the request

    def request(self, asked: Asked) -> Outgoing:
        """All of it."""
        method, body = self.method(asked), None
        if asked.command != "account-details":
            body = self.body(asked)
        return Outgoing(method, self.url(asked), self.headers(asked, body), body)

    def method(self, asked: Asked) -> str:
        """The command's."""
        return "GET" if asked.command == "account-details" else "POST"

    def url(self, asked: Asked) -> str:
        """The base URL and the command."""
        return f"{asked.base_url}/{asked.command}"

    def headers(self, asked: Asked, body: bytes | None) -> dict[str, str]:
        """Those of the contract."""
        headers = {"Authorization": self.credential(asked), "Accept": "application/json"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        return headers

    def credential(self, asked: Asked) -> str:
        """Basic authentication."""
        pair = f"{asked.consumer_key}:{asked.consumer_secret}"
        return "Basic " + base64.b64encode(pair.encode()).decode()

    def body(self, asked: Asked) -> bytes:
        """The members as JSON."""
        return json.dumps(self.members(asked), ensure_ascii=False).encode()

    def members(self, asked: Asked) -> Any:
        """The parameters of the call."""
        return asked.params

    def exchange(self, request: Outgoing, patience_s: float | None) -> Answer:
        """One request and its answer, on a new connection."""
        connection = HTTPConnection(urlsplit(request.url).netloc, timeout=patience_s)
        try:
            return self.exchanged(connection, request)
        finally:
            connection.close()

    def exchanged(self, connection: HTTPConnection, request: Outgoing) -> Answer:
        """One request and its answer on that connection, whose time-out bounds each read and, a little later, all."""
        if connection.timeout is None:
            return self.written_and_read(connection, request)
        late = threading.Event()
        watchdog = threading.Timer(connection.timeout + OVERTIME_S, self.cut_off, (connection, late))
        watchdog.daemon = True
        watchdog.start()
        try:
            return self.written_and_read(connection, request)
        except (OSError, HTTPException) as failure:
            raise TimeoutError if late.is_set() else failure from failure
        finally:
            watchdog.cancel()

    def cut_off(self, connection: HTTPConnection, late: threading.Event) -> None:
        """End an exchange in which each read is in time, and the whole is not."""
        late.set()
        if connection.sock is not None:
            connection.sock.shutdown(socket.SHUT_RDWR)

    def written_and_read(self, connection: HTTPConnection, request: Outgoing) -> Answer:
        """One request and its answer on that connection."""
        parts = urlsplit(request.url)
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        connection.putrequest(request.method, target, skip_accept_encoding=True)
        for name, value in request.headers.items():
            connection.putheader(name, value)
        if request.body is not None:
            connection.putheader("Content-Length", str(len(request.body)))
        connection.endheaders(request.body)
        response = connection.getresponse()
        self.head_read(connection)
        headers = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, headers, response.read(), response.version)

    def head_read(self, connection: HTTPConnection) -> None:
        """Between the head of an answer and its body."""

    # --- the answer

    def told(self, asked: Asked, answer: Answer | str) -> Told:
        """The report to the caller."""
        if isinstance(answer, str):
            return {"outcome": "error", "error": "network", "description": answer}
        try:
            return self.understood(asked, answer)
        except Unusable as confusion:
            return {"outcome": "error", "error": "protocol", "description": str(confusion)}

    def understood(self, asked: Asked, answer: Answer) -> Told:
        """The report on an answer. Raises Unusable if it is no envelope."""
        envelope = self.envelope(answer)
        said = {n: envelope[n] for n in ("status_code", "description", "request_id") if n in envelope}
        if self.accepted(answer, envelope):
            return {"outcome": "accepted", **said}
        return {"outcome": "error", "error": "http", **said}

    def accepted(self, answer: Answer, envelope: Told) -> bool:
        """Whether it is the answer to a request that was accepted."""
        return answer.status == envelope.get("status_code") == 200

    def envelope(self, answer: Answer) -> Told:
        """The answer as an object; Unusable if it is none."""
        if answer.media_type != "application/json":
            raise Unusable(f"{answer.status} of type {answer.media_type}")
        envelope = self.parsed(answer)
        if not isinstance(envelope, dict):
            raise Unusable("no object")
        return envelope

    def parsed(self, answer: Answer) -> Any:
        """The body as JSON; Unusable if it is none."""
        try:
            return json.loads(answer.body.decode())
        except (ValueError, RecursionError) as reason:
            raise Unusable("no JSON") from reason
