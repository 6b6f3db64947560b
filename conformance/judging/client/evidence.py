"""What happened in a certification, correlated once, for all checks of clients and receivers.

    Seen            a request that reached the witness, and what it was answered
    Said            what the client told its caller
    Call            a call that the client was asked for: what was seen of it, what it said
    Delivery        what was sent to a receiver, and what it answered
    ClientEvidence  all of that

Verdicts come from the traffic: a scenario's name is never asked for.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import urlsplit

from conformance.contract.contract import AnswerRoles, Contract
from conformance.contract.requirements import Offer
from conformance.contract.schema_set import FORMATS
from conformance.journal import Note, Record
from conformance.judging.client.belonging import speaks_of_a_call
from conformance.judging.client.terms import ClientTerms
from conformance.judging.judgement import shown
from conformance.judging.reading import Answer, Content, is_number
from conformance.model.traffic import Case, Direction, DriverLine, Exchange, Kind, header

STRAY = "stray"
"""The case of what reached the witness under none of its base URLs."""


EXTRA = "extra-call"
"""The kind of the notes on calls that were made because of another one: `case`, `of` which call, and `why`."""

IN_PLACE, ASKED_AGAIN, PROBE = "in place", "asked again", "probe"
"""Why: with parameters that the client was seen to send; the same call once more; to see whether it sends anything."""

UNREADABLE = "unreadable"
"""The kind of the notes on what arrived and is no HTTP: where, the error, and the head of it."""

AFTER = "the connection was closed after the answer's body, before the mark of its end"
NEVER = "the request was never answered"
STALLED = "the answer stopped in the middle of its body, and the connection stayed open"
DRIPPING = "the answer came a byte at a time, without an end"
"""What the journal has as the failure of an exchange that the witness left without an answer, or without its end."""

OUTLASTED = ", and the client was still waiting when the suite closed the connection"
"""What follows there if the client did not give up."""

REUSED = ", on a connection that had carried an answer before"
UNUSED = ", on a new connection, though one was kept open at the base URL"
"""What follows there if the client has used a connection again, and if it has not, although it could."""


@dataclass(frozen=True, slots=True)
class Said:
    """What the client told its caller, as its driver reports it; `at`: when (monotonic seconds)."""

    outcome: str | None
    error: str | None
    status_code: int | None
    description: str | None
    request_id: str | float | None
    at: float

    @classmethod
    def of(cls, answer: Mapping[str, Any], at: float) -> Self:
        """Read a valid answer."""
        code, description = answer.get("status_code"), answer.get("description")
        return cls(answer.get("outcome"), answer.get("error"), code, description, answer.get("request_id"), at)

    @property
    def accepted(self) -> bool:
        """Whether the caller was told that the request was accepted."""
        return self.outcome == "accepted"

    @property
    def in_words(self) -> str:
        """As a finding tells it."""
        if self.accepted:
            return "accepted"
        return f"an error ({self.error}{'' if self.status_code is None else f', {self.status_code}'})"

    @property
    def in_its_words(self) -> str:
        """The same with the description that the client gave."""
        return self.in_words if not self.description else f"{self.in_words}: {shown(self.description)}"


@dataclass(frozen=True, slots=True)
class Seen:
    """A request that reached the witness. `elsewhere`: the other host, which a redirect leads to."""

    exchange: Exchange
    answer: Answer
    elsewhere: bool

    @property
    def number(self) -> int:
        """Its number in the journal."""
        return self.exchange.number

    @property
    def http_status(self) -> int | None:
        """Of the answer, if there was one."""
        return self.exchange.response.status if self.exchange.response else None

    @property
    def members(self) -> Mapping[str, Any]:
        """Those of the answer's envelope."""
        return self.answer.content.members or {}

    @property
    def contract(self) -> Contract:
        """What the answer is read by."""
        return self.answer.contract

    @property
    def roles(self) -> AnswerRoles:
        """The members of an answer by what they are for."""
        return self.answer.contract.answer

    @property
    def code(self) -> Any:
        """What the envelope has as its code; None if it has none."""
        return self.members.get(self.roles.code)

    @property
    def accepts(self) -> bool:
        """Whether it says in the envelope that the request was accepted."""
        return self.agreed == self.roles.success

    @property
    def agreed(self) -> int | None:
        """The status that status line and envelope agree on; None for an answer out of the envelope, or lost."""
        code, response = self.code, self.exchange.response
        if response is None or not is_number(code) or code != response.status or not is_json(self.exchange):
            return None
        if not isinstance(self.members.get(self.roles.reason), str) or self.answer.request_id is None:
            return None
        return response.status

    @property
    def usable(self) -> bool:
        """Whether the answer is an envelope by which success can be told, whatever it is declared as."""
        return self.exchange.response is not None and is_number(self.code)

    @property
    def says(self) -> int | float | None:
        """The code of an envelope that is declared as JSON; None for any other answer."""
        return self.code if self.usable and is_json(self.exchange) else None

    @property
    def succeeded(self) -> bool:
        """Whether the HTTP status says so, whatever the body says."""
        return self.http_status is not None and 200 <= self.http_status <= 299

    @property
    def in_doubt(self) -> bool:
        """Whether it cannot be told if the gateway has taken the request on: an answer lost, or read by nobody."""
        return self.lost or (self.succeeded and self.says is None)

    @property
    def lost(self) -> bool:
        """Whether the answer was lost on purpose."""
        return self.exchange.response is None and self.exchange.failure is not None

    @property
    def unanswered(self) -> bool:
        """Whether the witness left it without an answer, or in the middle of one, and the connection open."""
        return self.lost and (self.exchange.failure or "").startswith((NEVER, STALLED, DRIPPING))

    @property
    def outlasted(self) -> bool:
        """Whether the connection was open until the witness closed it, which waits for longer than a client should."""
        return (self.exchange.failure or "").endswith(OUTLASTED)

    @property
    def reused(self) -> bool | None:
        """Whether it came on a connection that was used before; None for a new one where there was none to use."""
        failure = self.exchange.failure or ""
        return failure.endswith(REUSED) if failure.endswith((REUSED, UNUSED)) else None

    @property
    def whole_body(self) -> bool:
        """Whether all of the answer's body was sent before it was lost: some clients can tell that it is whole."""
        return self.lost and (self.exchange.failure or "").startswith(AFTER)

    @property
    def redirects(self) -> bool:
        """Whether the client was sent to another address."""
        response = self.exchange.response
        return response is not None and 300 <= response.status <= 399 and bool(header(response.headers, "location"))


def is_json(exchange: Exchange) -> bool:
    """Whether the answer is declared as JSON."""
    value = header(exchange.response.headers, "content-type") if exchange.response else None
    return value is not None and value.partition(";")[0].strip().lower() == "application/json"


@dataclass(frozen=True, slots=True)
class Call:
    """A call that the client was asked for.

    `seen`: the requests that came of it, in order. `said`: None where the driver did not answer, or has no such call
    (`unsupported`). `deaths`: the notes on what the driver did instead. `asked_at`: monotonic seconds. `timeout_s`: the
    time-out that the client was given. `extra`: why the call was made because of another one, `of` that one.
    """

    case: Case
    seen: tuple[Seen, ...] = ()
    said: Said | None = None
    unsupported: bool = False
    deaths: tuple[Mapping[str, Any], ...] = ()
    asked_at: float | None = None
    timeout_s: float | None = None
    extra: str | None = None
    of: str | None = None

    @property
    def here(self) -> tuple[Seen, ...]:
        """The requests at the base URL that was given."""
        return tuple(seen for seen in self.seen if not seen.elsewhere)

    @property
    def last(self) -> Seen | None:
        """The request whose answer the client can tell of; None if there was none, or it went elsewhere.

        What it sends after it has told its caller is not what it has told of.
        """
        before = [seen for seen in self.seen if self.said is None or seen.exchange.sent_at <= self.said.at]
        return before[-1] if before and not before[-1].elsewhere else None

    @property
    def params(self) -> Mapping[str, Any]:
        """The parameters that were asked for."""
        return Content.of(self.case.request.body).members or {}

    @property
    def target(self) -> str:
        """The path that a request has to go to."""
        return urlsplit(self.case.request.url).path


@dataclass(frozen=True, slots=True)
class ToldResult:
    """What a driver answered when it was asked what became of a request, at that time (monotonic seconds)."""

    request_id: str
    answer: Mapping[str, Any]
    at: float


@dataclass(frozen=True, slots=True)
class Delivery:
    """What was sent to a receiver under a case, and what it answered; `results`: what its driver said afterwards."""

    case: Case
    exchanges: tuple[Exchange, ...] = ()
    results: tuple[ToldResult, ...] = ()


_OF_RESULTS = frozenset({Offer.RESULTS, Offer.APPLIED})


@dataclass(slots=True)
class ClientEvidence:
    """A certification, correlated. `calls` in the order of the plan; `strays` with the call that they evidently are of.

    `malformed`: by call, what arrived while it was at hand and could not be read. `memo` is for what checks have worked
    out of it and use again.
    """

    terms: ClientTerms
    calls: list[Call] = field(default_factory=list)
    deliveries: list[Delivery] = field(default_factory=list)
    strays: list[tuple[Seen, Call | None]] = field(default_factory=list)
    notes: tuple[Note, ...] = ()
    malformed: Mapping[str, list[Mapping[str, Any]]] = field(default_factory=dict)
    memo: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def of(cls, record: Record, contract: Contract) -> Self:
        """Correlate a recorded run, to be judged by `contract`."""
        terms = ClientTerms.of(record, contract)
        seen: dict[str, list[Seen]] = defaultdict(list)
        cases: dict[str, Case] = {case.id: case for case in record.cases}
        sharing = _sharing(cases.values())
        for case, exchange, final in record.attempts():
            answer = Answer.of(case, exchange, contract, final=final)
            owner = _owner(case, exchange, sharing)
            elsewhere = exchange.request.url.startswith("http")
            seen[owner.id].append(Seen(exchange, answer, elsewhere))
        talk = _Talk.of(record)
        evidence = cls(terms, notes=record.notes)
        for case in cases.values():
            if case.kind is Kind.INVOKE and case.id != STRAY:
                evidence.calls.append(talk.call(case, tuple(seen[case.id])))
            elif case.kind is Kind.DELIVER:
                exchanges = tuple(each.exchange for each in seen[case.id])
                evidence.deliveries.append(Delivery(case, exchanges, tuple(talk.results[case.id])))
        by_id = {call.case.id: call for call in evidence.calls}
        for each in seen[STRAY]:
            call = by_id.get(talk.at_hand(each.exchange.sent_at) or "")
            evidence.strays.append((each, call if call is not None and _is_of(call, each, terms) else None))
        evidence.malformed = talk.malformed(record.notes)
        return evidence

    @property
    def deaths_of_no_call(self) -> Iterator[Mapping[str, Any]]:
        """The notes on deaths of the driver that belong to no call: on `stop`, or asked for a result."""
        calls = {call.case.id for call in self.calls}
        return (n.detail for n in self.notes if n.kind == "death" and n.detail["case"] not in calls)

    def lacking(self, offer: Offer, command: str | None) -> str | None:
        """In words, why an offer that a requirement needs is not there for `command`; None if it is."""
        if offer is Offer.INVOCATIONS and command is not None and self.unsupported(command):
            return f"the client says that it does not support {command}"
        if offer is Offer.APPLIED and self._never_counts(command):
            return "the client does not tell how often a result was applied"
        if offer in _OF_RESULTS and command in self.terms.unsolicited and self._knows_of_none(command or ""):
            return "the client, asked for what it was notified of without having made a request, knew of nothing"
        return self.terms.lacking(offer, command)

    def _knows_of_none(self, name: str) -> bool:
        """Whether the client, asked for what no request of its own precedes, or for an inquiry, has never known any."""
        product = self.terms.contract.notified(name).product
        states = [result.answer.get("state") for each in self.deliveries_of(product) for result in each.results]
        return bool(states) and all(state in {"pending", "unknown"} for state in states)

    def _never_counts(self, command: str | None) -> bool:
        """Whether the client, asked what became of requests, has never told how often that took effect."""
        told = [result for each in self.deliveries_of(command) for result in each.results]
        return bool(told) and all(result.answer.get("applied") is None for result in told)

    def unsupported(self, command: str) -> bool:
        """Whether the client, which declares the command, says so of each call of it."""
        calls = list(self.of_command(command))
        return any(call.unsupported for call in calls) and not any(call.said for call in calls)

    def of_command(self, command: str | None) -> Iterator[Call]:
        """The calls of a command; None: all."""
        return (call for call in self.calls if command is None or call.case.command == command)

    def deliveries_of(self, command: str | None) -> Iterator[Delivery]:
        """What was sent to the receiver of a command's notifications."""
        return (each for each in self.deliveries if each.case.command == command)


def _is_of(call: Call, seen: Seen, terms: ClientTerms) -> bool:
    """Whether what came to no base URL while a call was at hand came of it."""
    return speaks_of_a_call(
        seen.exchange.request, terms.contract, terms.key, terms.secret, map(str, call.params.values())
    )


def _sharing(cases: Iterable[Case]) -> dict[str, list[Case]]:
    """The calls at one base URL, where there are several, by their URL."""
    found: dict[str, list[Case]] = defaultdict(list)
    for case in cases:
        if case.kind is Kind.INVOKE:
            found[case.request.url].append(case)
    return {url: several for url, several in found.items() if len(several) > 1}


def _owner(case: Case, exchange: Exchange, sharing: Mapping[str, Sequence[Case]]) -> Case:
    """The call that a request is of: of several at one base URL the one with what is in it, wherever it came late."""
    several = sharing.get(case.request.url, ())
    members = Content.of(exchange.request.body).members if several else None
    if members is None or members == Content.of(case.request.body).members:
        return case
    return next((each for each in several if Content.of(each.request.body).members == members), case)


@dataclass(slots=True)
class _Talk:
    """What was said between suite and driver, by case."""

    said: dict[str, tuple[dict[str, Any], float]] = field(default_factory=dict)
    asked: dict[str, float] = field(default_factory=dict)
    timeouts: dict[str, float] = field(default_factory=dict)
    extras: dict[str, tuple[str, str | None]] = field(default_factory=dict)
    results: dict[str, list[ToldResult]] = field(default_factory=lambda: defaultdict(list))
    deaths: dict[str | None, list[Mapping[str, Any]]] = field(default_factory=lambda: defaultdict(list))

    @classmethod
    def of(cls, record: Record) -> Self:
        """Answers go to the case in which their message was asked; those that are not valid go nowhere."""
        talk = cls()
        questions: dict[str, DriverLine] = {}
        for message in record.messages:
            members = Content.of(message.line.encode()).members or {}
            name = members.get("id")
            if message.direction is Direction.TO and isinstance(name, str):
                questions[name] = message
                if members.get("cmd") == "invoke" and message.case_id is not None:
                    talk.asked[message.case_id] = message.at
                    if is_number(members.get("timeout_s")):
                        talk.timeouts[message.case_id] = members["timeout_s"]
            elif message.direction is Direction.FROM and isinstance(name, str) and name in questions:
                talk._hear(questions.pop(name), members, message.at)
        for note in record.notes:
            if note.kind == "death":
                talk.deaths[note.detail["case"]].append(note.detail)
            elif note.kind == EXTRA:
                talk.extras[note.detail["case"]] = (note.detail["why"], note.detail["of"])
        return talk

    def _hear(self, question: DriverLine, members: Mapping[str, Any], at: float) -> None:
        asked = Content.of(question.line.encode()).members or {}
        cmd = asked.get("cmd")
        if question.case_id is None or FORMATS.violation(f"driver/{cmd}.answer", dict(members)):
            return
        if cmd == "invoke":
            self.said[question.case_id] = (dict(members), at)
        elif cmd == "result":
            self.results[question.case_id].append(ToldResult(str(asked["request_id"]), dict(members), question.at))

    def call(self, case: Case, seen: tuple[Seen, ...]) -> Call:
        answer, at = self.said.get(case.id, ({}, 0.0))
        unsupported = answer.get("unsupported") is True
        said = Said.of(answer, at) if answer and not unsupported else None
        extra, of = self.extras.get(case.id, (None, None))
        return Call(
            case,
            seen,
            said,
            unsupported,
            tuple(self.deaths[case.id]),
            self.asked.get(case.id),
            self.timeouts.get(case.id),
            extra,
            of,
        )

    def malformed(self, notes: Iterable[Note]) -> dict[str, list[Mapping[str, Any]]]:
        """What arrived and could not be read, by the call that was at hand."""
        found: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
        for note in notes:
            if note.kind == UNREADABLE and (case_id := self.at_hand(note.noted_at)) is not None:
                found[case_id].append(note.detail)
        return found

    def at_hand(self, at: float) -> str | None:
        """The case that the client was last asked for at that time."""
        before = [(asked, case_id) for case_id, asked in self.asked.items() if asked <= at]
        return max(before)[1] if before else None
