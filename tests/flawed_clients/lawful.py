"""Clients that do what the contract allows, each in another way."""

from __future__ import annotations

import contextlib
import itertools
import json
import random
import re
import sys
import threading
import time
from email.utils import parsedate_to_datetime
from http.client import HTTPConnection, HTTPException
from urllib.parse import urlsplit

from flawed_clients.client import ALL, Answer, Asked, Client, Outgoing, Told

FEW = ("sms", "airtime")
BOTH = ("callback", "results")


def until(retry_after: str) -> float:
    """The seconds of a Retry-After, in either form."""
    if retry_after.isdigit():
        return float(retry_after)
    return max(parsedate_to_datetime(retry_after).timestamp() - time.time(), 0.0)


class Lawful(Client):
    """Everything, the ordinary way."""

    features = BOTH


class NoCallback(Client):
    """Has no receiver."""


class OnlySms(Client):
    """Knows one command."""

    commands = ("sms",)


class OnlyDetails(Client):
    """Knows the one command that costs nothing and leads to no notification."""

    commands = ("account-details",)


class Unsupported(Client):
    """Declares all commands and supports two."""

    commands = FEW

    def hello(self) -> Told:
        return {**super().hello(), "commands": list(ALL)}


class PoliteRetry(Client):
    """Sends again after a 429, when it may and ever later."""

    commands = FEW

    def again(self, asked: Asked, attempt: int, answer: Answer | str) -> float | None:
        if isinstance(answer, str) or answer.status != 429:
            return None
        if "retry-after" in answer.headers:
            return until(answer.headers["retry-after"]) + 0.1 if attempt == 1 else None
        return 0.1 * 5 ** (attempt - 1) if attempt < 3 else None


class RejectsBadInput(Client):
    """Sends nothing that the gateway would refuse for its form."""

    def refusal(self, asked: Asked) -> str | None:
        if not re.fullmatch(r"254[17]\d{8}", asked.params.get("phone_number", "254712345678")):
            return "phone_number"
        if not re.fullmatch(r"[1-9]\d*", asked.params.get("amount", "1")):
            return "amount"
        return None


class WithoutTheReference(Client):
    """Does not offer the optional bill_ref_number, and says so."""

    commands = ("mpesa/online",)
    lacks = ("bill_ref_number",)

    def refusal(self, asked: Asked) -> str | None:
        return "there is no such parameter" if "bill_ref_number" in asked.params else None


class CircuitBreaker(Client):
    """Sends nothing for half a minute once five requests in a row have failed."""

    failures = 0
    opened_at = 0.0

    def call(self, asked: Asked) -> Told:
        if self.is_open():
            return {"outcome": "error", "error": "network", "description": "the circuit breaker is open"}
        return super().call(asked)

    def is_open(self) -> bool:
        """Whether nothing is sent now."""
        return self.failures >= 5 and time.monotonic() < self.opened_at + 30.0

    def attempt(self, asked: Asked) -> Answer | str:
        answer = super().attempt(asked)
        self.count(failed=isinstance(answer, str) or answer.status >= 500)
        return answer

    def count(self, *, failed: bool) -> None:
        """One request more."""
        self.failures = self.failures + 1 if failed else 0
        self.opened_at = time.monotonic()


class RollingBreaker(CircuitBreaker):
    """Sends nothing for two seconds once three of its last eight requests have failed."""

    commands = ("account-details",)

    def __init__(self) -> None:
        super().__init__()
        self.last: list[bool] = []

    def is_open(self) -> bool:
        if sum(self.last) < 3:
            return False
        if time.monotonic() < self.opened_at + 2.0:
            return True
        self.last.clear()
        return False

    def count(self, *, failed: bool) -> None:
        self.last = [*self.last[-7:], failed]
        self.opened_at = time.monotonic()


class OtherSpelling(Client):
    """Spells header names in lower case and adds parameters and wildcards."""

    commands = ("sms",)

    def headers(self, asked: Asked, body: bytes | None) -> dict[str, str]:
        headers = {name.lower(): value for name, value in super().headers(asked, body).items()}
        headers["accept"] = "application/json, */*;q=0.5"
        if body is not None:
            headers["content-type"] = "application/json; charset=utf-8"
        return {**headers, "user-agent": "reference/1.0"}


class FormsOfHttp(Client):
    """Offers to upgrade with each request, and sends every other one in another form that HTTP allows."""

    commands = FEW

    def __init__(self) -> None:
        super().__init__()
        self.requests = itertools.count()

    def written_and_read(self, connection: HTTPConnection, request: Outgoing) -> Answer:
        form = ("length", "chunks", "expect", "whole url", "escaped")[next(self.requests) % 5]
        parts = urlsplit(request.url)
        target = {"whole url": request.url, "escaped": f"{parts.path[:-1]}%{ord(parts.path[-1]):02x}"}
        offer = {"Connection": "Upgrade, HTTP2-Settings", "Upgrade": "h2c", "HTTP2-Settings": "AAEAAEAAAAIAAAAA"}
        connection.putrequest(request.method, target.get(form, parts.path), skip_accept_encoding=True)
        for name, value in {**request.headers, **offer}.items():
            connection.putheader(name, value)
        if form == "expect":
            connection.putheader("Expect", "100-continue")
        if request.body is not None:
            chunked = form == "chunks"
            length = ("Transfer-Encoding", "chunked") if chunked else ("Content-Length", str(len(request.body)))
            connection.putheader(*length)
            connection.endheaders([request.body] if chunked else request.body, encode_chunked=chunked)
        else:
            connection.endheaders()
        response = connection.getresponse()
        headers = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, headers, response.read(), response.version)


class NoAccept(Client):
    """Leaves Accept out."""

    commands = ("sms",)

    def headers(self, asked: Asked, body: bytes | None) -> dict[str, str]:
        headers = super().headers(asked, body)
        del headers["Accept"]
        return headers


class EscapedJson(Client):
    """Writes JSON in ASCII, spread over lines, its members in another order, slashes escaped."""

    commands = ("sms", "mpesa/online")

    def body(self, asked: Asked) -> bytes:
        members = dict(reversed(asked.params.items()))
        return json.dumps(members, indent=2).replace("/", "\\/").encode("ascii")


class SlowStart(Client):
    """Takes a second to start."""

    commands = ("sms",)

    def started(self) -> None:
        time.sleep(1.0)


class NoisyStderr(Client):
    """Writes a lot to standard error, and not always UTF-8."""

    commands = ("sms",)

    def started(self) -> None:
        self.complain()

    def call(self, asked: Asked) -> Told:
        self.complain()
        return super().call(asked)

    def complain(self) -> None:
        """More than a pipe holds."""
        sys.stderr.buffer.write(b"DEBUG \xff\xfe " + b"x" * 100 + b"\n" + b"y" * 100_000 + b"\n")
        sys.stderr.buffer.flush()


class ResendsSms(Client):
    """Sends a message once more, after a delay, when the gateway failed."""

    commands = FEW

    def again(self, asked: Asked, attempt: int, answer: Answer | str) -> float | None:
        failed = isinstance(answer, Answer) and answer.status == 500
        return 0.5 if asked.command == "sms" and failed and attempt == 1 else None


class AdvisedDelay(Client):
    """Sends airtime once more after the delay that is advised, when the gateway failed or was silent."""

    commands = ("airtime",)

    def again(self, asked: Asked, attempt: int, answer: Answer | str) -> float | None:
        failed = answer == "timeout" or (isinstance(answer, Answer) and answer.status == 503)
        return 1.3 if failed and attempt == 1 else None


class FullJitter(Client):
    """Backs off from a 429 for a random time from a range that doubles, or for the time of a Retry-After."""

    commands = ("sms",)

    def again(self, asked: Asked, attempt: int, answer: Answer | str) -> float | None:
        if isinstance(answer, str) or answer.status != 429 or attempt == 3:
            return None
        told = answer.headers.get("retry-after")
        return until(told) if told else random.uniform(0.0, 0.5 * 2**attempt)


class LeavesConnections(Client):
    """Gives up in time and leaves the connection open; sends a message once more, later."""

    commands = ("sms",)

    def exchange(self, request: Outgoing, patience_s: float | None) -> Answer:
        answers: list[Answer] = []
        thread = threading.Thread(target=self.put_into, args=(answers, request), daemon=True)
        thread.start()
        thread.join(patience_s)
        if thread.is_alive():
            raise TimeoutError
        if not answers:
            raise ConnectionError
        return answers[0]

    def put_into(self, answers: list[Answer], request: Outgoing) -> None:
        """The answer, however long it takes."""
        with contextlib.suppress(OSError, HTTPException):
            answers.append(super().exchange(request, None))

    def again(self, asked: Asked, attempt: int, answer: Answer | str) -> float | None:
        return 0.6 if answer == "timeout" and attempt == 1 else None


class ReadsAnyMediaType(Client):
    """Reads an envelope whatever it is declared as."""

    commands = FEW

    def envelope(self, answer: Answer) -> Told:
        return super().envelope(Answer(answer.status, {"content-type": "application/json"}, answer.body))


class HidesErrorDetails(Client):
    """Reports that a request failed, and no details; and declares that it lacks these."""

    commands = FEW
    lacks = ("error-details",)

    def understood(self, asked: Asked, answer: Answer) -> Told:
        told = super().understood(asked, answer)
        return told if told["outcome"] == "accepted" else {"outcome": "error", "error": "http"}


class HidesRequestId(Client):
    """Reports that a request was accepted, but not its id; and declares that it lacks this."""

    commands = FEW
    lacks = ("request-id",)

    def understood(self, asked: Asked, answer: Answer) -> Told:
        told = super().understood(asked, answer)
        told.pop("request_id", None)
        return told


class OwnTimeOut(Client):
    """Has a fixed time-out, and declares so."""

    commands = ("airtime",)
    lacks = ("timeout",)

    def patience_s(self, asked: Asked) -> float | None:
        return 1.0


class FollowsBare(Client):
    """Follows redirects, without the credential."""

    commands = FEW

    def answered(self, asked: Asked, request: Outgoing) -> Answer:
        answer = super().answered(asked, request)
        if 300 <= answer.status < 400 and "location" in answer.headers:
            headers = {name: value for name, value in request.headers.items() if name != "Authorization"}
            there = Outgoing(request.method, answer.headers["location"], headers, request.body)
            return self.exchange(there, self.patience_s(asked))
        return answer


class KeepsConnections(Client):
    """Uses one connection for all calls, as long as the gateway lets it."""

    commands: tuple[str, ...] = ("sms", "airtime", "account-details")

    def __init__(self) -> None:
        super().__init__()
        self.connections: dict[str, HTTPConnection] = {}

    def shared_by(self, url: str) -> str:
        """The part of URLs that one connection is kept for."""
        return urlsplit(url).netloc

    def exchange(self, request: Outgoing, patience_s: float | None) -> Answer:
        part = self.shared_by(request.url)
        connection = self.connections.pop(part, None)
        connection = connection or HTTPConnection(urlsplit(request.url).netloc, timeout=patience_s)
        answer = self.exchanged(connection, request)
        if answer.version > 10 and answer.headers.get("connection") != "close":
            self.connections[part] = connection
        return answer


class KeepsOnePerBase(KeepsConnections):
    """Keeps a connection for each base URL, as an HTTP client that is made for one does."""

    commands = ("mpesa/online", "account-details")

    def shared_by(self, url: str) -> str:
        return url.partition("/api/")[0]


class Threads(Client):
    """Makes each call in another thread."""

    commands = ("sms",)

    def call(self, asked: Asked) -> Told:
        told: list[Told] = []
        thread = threading.Thread(target=lambda: told.append(super(Threads, self).call(asked)))
        thread.start()
        thread.join()
        return told[0]
