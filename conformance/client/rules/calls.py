"""The record of a certification, by call of the client and by case of the receiver.

Verdicts come from the traffic: no rule asks for the name of a scenario.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Self
from urllib.parse import quote, unquote, urlsplit

from conformance.contract.contract import AnswerRoles, Contract
from conformance.contract.requirements import ACCEPTED
from conformance.judging.judgement import shown
from conformance.judging.messages import Answer
from conformance.judging.reading import Content, is_number
from conformance.model.traffic import JSON_MEDIA_TYPE, Case, Exchange, Request, header, media_type

STRAY = "stray"
"""The case of requests to the witness under none of its base URLs."""

OBSERVED = "observed"
"""The aspect of the requests of a client that is run by hand."""

EXTRA = "extra-call"
"""The kind of the notes on calls that were made because of another one: `case`, `of` and `why`."""

IN_PLACE, ASKED_AGAIN, PROBE = "in place", "asked again", "probe"
"""Why: with parameters that the client has sent before; the same call once more; to see whether it sends anything."""

UNREADABLE = "unreadable"
"""The kind of the notes on bytes that are not HTTP: where they arrived, the error, and their beginning."""

AFTER = "the connection was closed after the answer's body, before the mark of its end"
NEVER = "the request was never answered"
STALLED = "the answer stopped in the middle of its body, and the connection stayed open"
DRIPPING = "the answer came a byte at a time, without an end"
"""The failure in the journal of an exchange that the witness left without an answer, or without its end."""

OUTLASTED = ", and the client was still waiting when the suite closed the connection"
"""Follows there if the client did not give up."""

REUSED = ", on a connection that had carried an answer before"
UNUSED = ", on a new connection, though one was kept open at the base URL"
"""Follow there if the client used a connection again, and if it did not, although it could."""

OPEN = frozenset({"pending", "unknown"})
"""The states of a request of whose result the client does not know."""

# Shorter values are part of anything.
SHORTEST_TRACE = 6

# Every base URL begins with this and a nonce, which nobody guesses.
_BASE_URL = "/n/"


@dataclass(frozen=True, slots=True)
class ClientReport:
    """The client's report to its caller, as its driver passes it on; `at`: when (monotonic seconds)."""

    outcome: str | None
    error: str | None
    status_code: int | None
    description: str | None
    request_id: str | float | None
    at: float

    @classmethod
    def of(cls, answer: Mapping[str, Any], at: float) -> Self:
        """Read a valid answer of the driver."""
        code, description = answer.get("status_code"), answer.get("description")
        return cls(answer.get("outcome"), answer.get("error"), code, description, answer.get("request_id"), at)

    @property
    def accepted(self) -> bool:
        """Whether it reports that the request was accepted."""
        return self.outcome == "accepted"

    @property
    def in_words(self) -> str:
        """As a finding shows it."""
        if self.accepted:
            return "accepted"
        return f"an error ({self.error}{'' if self.status_code is None else f', {self.status_code}'})"

    @property
    def in_its_words(self) -> str:
        """The same with the description that the client gave."""
        return self.in_words if not self.description else f"{self.in_words}: {shown(self.description)}"


@dataclass(frozen=True, slots=True)
class SentRequest:
    """A request that reached the witness; `elsewhere`: at the other host, to which a redirect leads."""

    exchange: Exchange
    answer: Answer
    elsewhere: bool

    @property
    def number(self) -> int:
        """Its number in the journal."""
        return self.exchange.number

    @property
    def http_status(self) -> int | None:
        """The status of the answer, if there was one."""
        return self.exchange.response.status if self.exchange.response else None

    @property
    def members(self) -> Mapping[str, Any]:
        """The members of the answer's envelope."""
        return self.answer.content.members or {}

    @property
    def roles(self) -> AnswerRoles:
        """The names of an answer's members by role."""
        return self.answer.contract.answer

    @property
    def code(self) -> Any:
        """The code in the envelope; None if it has none."""
        return self.members.get(self.roles.code)

    @property
    def accepts(self) -> bool:
        """Whether the envelope says that the request was accepted."""
        return self.agreed == self.roles.success

    @property
    def agreed(self) -> int | None:
        """The status that status line and envelope agree on; None for a lost answer, or one without an envelope."""
        code, response = self.code, self.exchange.response
        if response is None or not is_number(code) or code != response.status or not is_json(self.exchange):
            return None
        if not isinstance(self.members.get(self.roles.reason), str) or self.answer.request_id is None:
            return None
        return response.status

    @property
    def usable(self) -> bool:
        """Whether the answer is an envelope with a code, under any media type."""
        return self.exchange.response is not None and is_number(self.code)

    @property
    def says(self) -> int | float | None:
        """The code of an envelope that is declared as JSON; None for any other answer."""
        return self.code if self.usable and is_json(self.exchange) else None

    @property
    def succeeded(self) -> bool:
        """Whether the HTTP status is a success."""
        return self.http_status is not None and 200 <= self.http_status <= 299

    @property
    def lost(self) -> bool:
        """Whether the answer was lost on purpose."""
        return self.exchange.response is None and self.exchange.failure is not None

    @property
    def unanswered(self) -> bool:
        """Whether the witness did not answer, or not to the end, and left the connection open."""
        return self.lost and (self.exchange.failure or "").startswith((NEVER, STALLED, DRIPPING))

    @property
    def reused(self) -> bool | None:
        """Whether it came on a used connection; None for a new one where there was none to use."""
        failure = self.exchange.failure or ""
        return failure.endswith(REUSED) if failure.endswith((REUSED, UNUSED)) else None

    @property
    def redirects(self) -> bool:
        """Whether the answer sends the client to another address."""
        response = self.exchange.response
        return response is not None and 300 <= response.status <= 399 and bool(header(response.headers, "location"))


def is_json(exchange: Exchange) -> bool:
    """Whether the answer is declared as JSON."""
    return exchange.response is not None and media_type(exchange.response.headers) == JSON_MEDIA_TYPE


# --- Kinds of answers


@dataclass(frozen=True, slots=True)
class _Usual:
    """The usual answer of a contract: documented members, and an id and a reason as in the examples."""

    members: frozenset[str]
    reasons: frozenset[str]
    ids: re.Pattern[str]

    @classmethod
    @cache
    def of(cls, contract: Contract) -> Self:
        """Read it off the schemas of the answers."""
        roles, schemas = contract.answer, contract.schemas
        names = [name for name in schemas.names if name == ACCEPTED or name.endswith("/response")]
        answers = [schemas.resolved(name) for name in names]
        stated = [example for each in answers for example in each.get("examples", ())]
        member = schemas.resolved(ACCEPTED).get("properties", {}).get(roles.id, {})
        ids = {*member.get("examples", ()), *(example[roles.id] for example in stated if roles.id in example)}
        return cls(
            frozenset(name for each in answers for name in each.get("properties", ())),
            frozenset(example[roles.reason] for example in stated if roles.reason in example),
            re.compile("|".join(sorted(map(_like, ids)))),
        )


def _like(example: str) -> str:
    """An expression for ids of the length of an example, with the kinds of characters that it has."""
    kinds = {"0-9": str.isdigit, "A-Z": str.isupper, "a-z": str.islower}
    ranges = "".join(kind for kind, has in kinds.items() if any(map(has, example)))
    others = {character for character in example if not any(has(character) for has in kinds.values())}
    return f"[{ranges}{re.escape(''.join(sorted(others)))}]{{{len(example)}}}"


def usual_id(sent: SentRequest) -> bool:
    """Whether the id in an answer looks like those in the examples."""
    return _Usual.of(sent.answer.contract).ids.fullmatch(sent.answer.request_id or "") is not None


def usual_content(sent: SentRequest) -> bool:
    """Whether an answer has documented members only, and a reason of the examples."""
    usual = _Usual.of(sent.answer.contract)
    return sent.members.keys() <= usual.members and sent.members.get(sent.roles.reason) in usual.reasons


def usual_http(exchange: Exchange) -> bool:
    """Whether an answer is HTTP/1.1 that even a simple client understands."""
    response = exchange.response
    if response is None:
        return False
    rare = ("transfer-encoding", "content-encoding", "connection", "upgrade")
    plain = response.http_version == "HTTP/1.1" and not any(header(response.headers, name) for name in rare)
    return plain and ";" not in (header(response.headers, "content-type") or "")


def accepted_as_usual(sent: SentRequest) -> bool:
    """Accepted, like the seed's sample in every way."""
    return sent.accepts and usual_id(sent) and usual_content(sent) and usual_http(sent.exchange)


def refused(sent: SentRequest) -> bool:
    """An error in the envelope."""
    return sent.agreed is not None and sent.agreed >= 400


def unusable(sent: SentRequest) -> bool:
    """An answer that was lost before its end, or has no envelope.

    Redirects do not count, nor do envelopes with another media type: some clients read them, some do not. Some clients
    can tell, too, that the body was whole.
    """
    if sent.lost:
        return not (sent.exchange.failure or "").startswith(AFTER)
    return sent.exchange.response is not None and not sent.redirects and not sent.usable


@dataclass(frozen=True, slots=True)
class Call:
    """A call that the driver was asked for.

    `sent`: its requests, in order. `report`: None where the driver did not answer, or has no such call (`unsupported`).
    `deaths`: the notes on how the driver failed instead. `asked_at`: monotonic seconds. `timeout_s`: the time-out of
    the client. `extra`: why the call was made because of another one, `of`. `astray`: it led to a request to none of
    the witness's addresses.
    """

    case: Case
    sent: tuple[SentRequest, ...] = ()
    report: ClientReport | None = None
    unsupported: bool = False
    deaths: tuple[Mapping[str, Any], ...] = ()
    asked_at: float | None = None
    timeout_s: float | None = None
    extra: str | None = None
    of: str | None = None
    astray: bool = False

    @property
    def arrived(self) -> bool:
        """Whether it led to a request, at any address."""
        return bool(self.sent) or self.astray

    @property
    def here(self) -> tuple[SentRequest, ...]:
        """The requests at the base URL that the client was given."""
        return tuple(sent for sent in self.sent if not sent.elsewhere)

    @property
    def last(self) -> SentRequest | None:
        """The request whose answer the client reports; None if there was none, or it went elsewhere.

        Requests after the report do not count.
        """
        before = [sent for sent in self.sent if self.report is None or sent.exchange.sent_at <= self.report.at]
        return before[-1] if before and not before[-1].elsewhere else None

    @property
    def params(self) -> Mapping[str, Any]:
        """The parameters that the driver was given."""
        return Content.of(self.case.request.body).members or {}

    @property
    def target(self) -> str:
        """The path that a request has to go to."""
        return urlsplit(self.case.request.url).path


@dataclass(frozen=True, slots=True)
class StateReport:
    """The client's report on a request, asked for at that time (monotonic seconds).

    `text`: the description of its result, if any. `applied`: how often the result was applied, None if the client does
    not count.
    """

    request_id: str
    state: str
    text: str | None
    applied: int | None
    at: float

    @classmethod
    def of(cls, request_id: str, answer: Mapping[str, Any], at: float) -> Self:
        """Read a valid answer of the driver."""
        return cls(request_id, str(answer.get("state")), answer.get("result_desc"), answer.get("applied"), at)

    @property
    def open(self) -> bool:
        """Whether the client knows of no result."""
        return self.state in OPEN


@dataclass(frozen=True, slots=True)
class ReceiverCase:
    """A case that was sent to a receiver, and its answers; `reports`: what the client was asked about it afterwards."""

    case: Case
    exchanges: tuple[Exchange, ...] = ()
    reports: tuple[StateReport, ...] = ()


def speaks_of_a_call(request: Request, contract: Contract, key: str, secret: str, params: Iterable[str] = ()) -> bool:
    """Whether a request comes from the client: it holds the credential or a value, or names a command or a base URL.

    Anybody may send to an open port, but a scanner asks for none of these.
    """
    path = unquote(request.url.partition("?")[0]).rstrip("/").lower()
    if _BASE_URL in path or any(path.endswith(f"/{name.lower()}") for name in contract.commands):
        return True
    pair = b64encode(f"{key}:{secret}".encode()).decode().rstrip("=")
    traces = {each for each in (key, secret, pair, *params) if len(each) >= SHORTEST_TRACE}
    traces |= {quote(each, safe="") for each in traces}
    headers = "\n".join(value for _, value in request.headers)
    return any(each in request.url or each in headers or each.encode() in request.body for each in traces)
