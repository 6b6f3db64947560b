"""A recorded certification, correlated once for all rules on clients and receivers."""

from __future__ import annotations

import inspect
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self, TypeVar

from conformance.client.rules.calls import (
    EXTRA,
    STRAY,
    UNREADABLE,
    Call,
    ClientReport,
    ReceiverCase,
    SentRequest,
    StateReport,
    speaks_of_a_call,
)
from conformance.contract.contract import Contract, statum
from conformance.contract.requirements import Offer
from conformance.contract.schemas import FORMATS
from conformance.journal import Note, Record
from conformance.judging.judgement import Finding, Judgement, Passed
from conformance.judging.messages import Answer
from conformance.judging.reading import Content, is_number
from conformance.model.traffic import Case, Direction, Exchange, Kind

# A client that is only observed offers neither of these.
_NOT_OBSERVED = frozenset({Offer.DRIVER, Offer.CALLBACK})

_LACKING_WITHOUT_DRIVER = {
    Offer.INVOCATIONS: "there is no driver to make calls with",
    Offer.CALLBACK: "no callback URL is given",
    Offer.RESULTS: "there is no driver to ask what became of a request",
    Offer.APPLIED: "there is no driver to ask what became of a request",
}

_LACKING = {
    Offer.DRIVER: "there is no driver to judge",
    Offer.INVOCATIONS: "the client declares no command",
    Offer.CALLBACK: "the client does not declare the feature callback",
    Offer.RESULTS: "the client does not declare the feature results",
    Offer.APPLIED: "the client does not declare the feature results",
    Offer.ERROR_DETAILS: "the client's API does not expose the details of an error",
    Offer.REQUEST_ID: "the client's API does not expose the id of a request",
}

_OF_RESULTS = frozenset({Offer.RESULTS, Offer.APPLIED})


@dataclass(frozen=True, slots=True)
class ClientTerms:
    """The basis of verdicts besides the traffic: the settings of the certification, and the features of the client.

    `key`, `secret`: the credential of the client. `offered`: its declared features; `callbacks`: the commands whose
    notifications it receives, and `unsolicited`: those without an invocation. `settled_at`: the end of the witness's
    watch, None when the run was cut off. `gave_up`: why the driver was not started again. `obstacle`: why the run was
    not held. `observed`: the client was watched, not driven. `greeted`: a driver said hello. `lacks`: what its API does
    not expose. `proxies`: variables of its environment that name one. `out_of_time`: why the plan was not completed.
    """

    commands: tuple[str, ...] = ()
    declared: frozenset[str] = frozenset()
    callbacks: frozenset[str] = frozenset()
    offered: frozenset[Offer] = frozenset()
    key: str = ""
    secret: str = ""
    timeout_s: float = 0.0
    resend_window_s: float = 0.0
    advised_delay_s: float = 0.0
    settled_at: float | None = None
    gave_up: str | None = None
    obstacle: str | None = None
    observed: bool = False
    greeted: bool = False
    lacks: frozenset[str] = frozenset()
    proxies: tuple[str, ...] = ()
    out_of_time: str | None = None
    contract: Contract = field(default_factory=statum)
    unsolicited: tuple[str, ...] = ()

    @classmethod
    def of(cls, record: Record, contract: Contract) -> Self:
        """Read them off a recorded run, to be judged by `contract`."""
        settings = record.settings
        notes = {note.kind: note.detail for note in record.notes}
        hello = notes.get("hello", {})
        credential = settings.get("credential", {})
        own = settings["products"] if settings.get("callback_url") else ()
        products = {*hello.get("callback_urls", {}), *own}
        unsolicited = tuple(each.name for each in contract.unsolicited_among(settings["products"], products))
        return cls(
            commands=tuple(settings["commands"]),
            unsolicited=unsolicited,
            declared=frozenset(hello.get("commands", ())),
            callbacks=frozenset((*(c.name for c in contract.commands_of(products) if c.product), *unsolicited)),
            offered=_offered(settings, hello),
            key=credential.get("key", ""),
            secret=credential.get("secret", ""),
            timeout_s=float(settings.get("timeout_s", 0.0)),
            resend_window_s=float(settings.get("resend_window_s", 0.0)),
            advised_delay_s=float(settings.get("advised_delay_s", 0.0)),
            settled_at=notes.get("settled", {}).get("at"),
            gave_up=notes.get("gave-up", {}).get("detail"),
            obstacle=notes.get("obstacle", {}).get("message"),
            greeted="hello" in notes,
            observed=bool(settings.get("observe")),
            lacks=frozenset(hello.get("lacks", ())),
            proxies=tuple(notes.get("environment", {}).get("proxies", ())),
            out_of_time=notes.get("out-of-time", {}).get("detail"),
            contract=contract,
        )

    def lacking(self, offer: Offer, command: str | None) -> str | None:
        """Why the client does not declare an offer for `command`, in words; None if it does."""
        if self.observed and offer not in _NOT_OBSERVED:
            return None  # inconclusive rather than missing
        if offer not in self.offered and Offer.DRIVER not in self.offered:
            return _LACKING_WITHOUT_DRIVER.get(offer, _LACKING[offer])
        if offer is Offer.INVOCATIONS and command is not None and command not in self.declared:
            return f"the client does not declare {command}"
        if offer is Offer.CALLBACK and command is not None and command not in self.callbacks:
            return f"the client declares no callback for {command}"
        return None if offer in self.offered else _LACKING[offer]


def _offered(settings: Mapping[str, Any], hello: Mapping[str, Any]) -> frozenset[Offer]:
    features, lacks = hello.get("features", ()), hello.get("lacks", ())
    offers = {
        Offer.DRIVER: bool(settings.get("driver")),
        Offer.INVOCATIONS: bool(hello.get("commands")),
        Offer.CALLBACK: bool(hello.get("callback_urls") or settings.get("callback_url")),
        Offer.RESULTS: "results" in features,
        Offer.APPLIED: "results" in features,
        Offer.ERROR_DETAILS: "error-details" not in lacks,
        Offer.REQUEST_ID: "request-id" not in lacks,
    }
    return frozenset(offer for offer, there in offers.items() if there)


@dataclass(slots=True)
class ClientEvidence:
    """A certification, correlated. `calls` in the order of the plan; `strays` with the call that each belongs to.

    `malformed`: by call, the notes on unreadable bytes that arrived during it. `memo`: results that rules share.
    """

    terms: ClientTerms
    calls: list[Call] = field(default_factory=list)
    receiver_cases: list[ReceiverCase] = field(default_factory=list)
    strays: list[tuple[SentRequest, Call | None]] = field(default_factory=list)
    notes: tuple[Note, ...] = ()
    malformed: Mapping[str, list[Mapping[str, Any]]] = field(default_factory=dict)
    memo: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def of(cls, record: Record, contract: Contract) -> Self:
        """Correlate a recorded run, to be judged by `contract`."""
        terms = ClientTerms.of(record, contract)
        sent: dict[str, list[SentRequest]] = defaultdict(list)
        cases: dict[str, Case] = {case.id: case for case in record.cases}
        sharing: dict[str, list[Case]] = defaultdict(list)
        for case in cases.values():
            if case.kind is Kind.INVOKE:
                sharing[case.request.url].append(case)
        for case, exchange, final in record.attempts():
            answer = Answer.of(case, exchange, contract, final=final)
            owner = _owner(case, exchange, sharing[case.request.url])
            sent[owner.id].append(SentRequest(exchange, answer, exchange.request.url.startswith("http")))
        talk = _Talk.of(record)
        evidence = cls(terms, notes=record.notes, malformed=talk.malformed(record.notes))
        strays: list[tuple[SentRequest, str | None]] = []
        for stray in sent[STRAY]:
            current = cases.get(talk.current(stray.exchange.sent_at) or "")
            values = () if current is None else (Content.of(current.request.body).members or {}).values()
            request, texts = stray.exchange.request, map(str, values)
            is_of_call = speaks_of_a_call(request, contract, terms.key, terms.secret, texts)
            strays.append((stray, current.id if current is not None and is_of_call else None))
        astray = {case_id for _, case_id in strays}
        for case in cases.values():
            if case.kind is Kind.INVOKE and case.id != STRAY:
                evidence.calls.append(talk.call(case, tuple(sent[case.id]), astray=case.id in astray))
            elif case.kind is Kind.DELIVER:
                exchanges = tuple(each.exchange for each in sent[case.id])
                evidence.receiver_cases.append(ReceiverCase(case, exchanges, tuple(talk.states[case.id])))
        by_id = {call.case.id: call for call in evidence.calls}
        evidence.strays = [(stray, by_id.get(case_id or "")) for stray, case_id in strays]
        return evidence

    @property
    def deaths_of_no_call(self) -> Iterator[Mapping[str, Any]]:
        """The notes on deaths of the driver that belong to no call: on `stop`, or asked for a result."""
        calls = {call.case.id for call in self.calls}
        return (n.detail for n in self.notes if n.kind == "death" and n.detail["case"] not in calls)

    def lacking(self, offer: Offer, command: str | None) -> str | None:
        """Why an offer that a requirement needs is missing for `command`, in words; None if it is there."""
        if offer is Offer.INVOCATIONS and command is not None and self.unsupported(command):
            return f"the client says that it does not support {command}"
        reports = [report for each in self.cases_of(command) for report in each.reports]
        if offer is Offer.APPLIED and reports and all(report.applied is None for report in reports):
            return "the client does not report how often a result was applied"
        if offer in _OF_RESULTS and command in self.terms.unsolicited:
            product = self.terms.contract.notified(command or "").product
            reports = [report for each in self.cases_of(product) for report in each.reports]
            if reports and all(report.open for report in reports):
                return "asked about notifications that no request of its own preceded, the client knew of no result"
        return self.terms.lacking(offer, command)

    def unsupported(self, command: str) -> bool:
        """Whether the client declares the command and then reports of each call that it does not support it."""
        calls = list(self.of_command(command))
        return any(call.unsupported for call in calls) and not any(call.report for call in calls)

    def of_command(self, command: str | None) -> Iterator[Call]:
        """The calls of a command; None: all."""
        return (call for call in self.calls if command is None or call.case.command == command)

    def cases_of(self, command: str | None) -> Iterator[ReceiverCase]:
        """The cases that were sent to the receiver of a command's notifications."""
        return (each for each in self.receiver_cases if each.case.command == command)


def _owner(case: Case, exchange: Exchange, sharing: Sequence[Case]) -> Case:
    """The call that a request belongs to: of several at one base URL the one whose parameters it holds."""
    members = Content.of(exchange.request.body).members if len(sharing) > 1 else None
    if members is None or members == Content.of(case.request.body).members:
        return case
    return next((each for each in sharing if Content.of(each.request.body).members == members), case)


@dataclass(slots=True)
class _Talk:
    """The messages between suite and driver, by case. `asked`: when a call was asked for, and the client's time-out."""

    asked: dict[str, tuple[float, float | None]] = field(default_factory=dict)
    answers: dict[str, tuple[Mapping[str, Any], float]] = field(default_factory=dict)
    states: dict[str, list[StateReport]] = field(default_factory=lambda: defaultdict(list))
    extras: dict[str, tuple[str, str | None]] = field(default_factory=dict)
    deaths: dict[str | None, list[Mapping[str, Any]]] = field(default_factory=lambda: defaultdict(list))

    @classmethod
    def of(cls, record: Record) -> Self:
        """Assign each valid answer to the case of its question."""
        talk = cls()
        questions: dict[str, tuple[Mapping[str, Any], str, float]] = {}
        for message in record.messages:
            members = Content.of(message.line.encode()).members or {}
            name = members.get("id")
            if not isinstance(name, str):
                continue
            if message.direction is Direction.TO and message.case_id is not None:
                questions[name] = (members, message.case_id, message.at)
                if members.get("cmd") == "invoke":
                    timeout_s = members.get("timeout_s")
                    talk.asked[message.case_id] = (message.at, timeout_s if is_number(timeout_s) else None)
            elif message.direction is Direction.FROM and name in questions:
                talk._take(*questions.pop(name), members, message.at)
        for note in record.notes:
            if note.kind == "death":
                talk.deaths[note.detail["case"]].append(note.detail)
            elif note.kind == EXTRA:
                talk.extras[note.detail["case"]] = (note.detail["why"], note.detail["of"])
        return talk

    def _take(
        self, question: Mapping[str, Any], case_id: str, asked_at: float, answer: Mapping[str, Any], at: float
    ) -> None:
        cmd = question.get("cmd")
        if FORMATS.violation(f"driver/{cmd}.answer", dict(answer)):
            return
        if cmd == "invoke":
            self.answers[case_id] = (answer, at)
        elif cmd == "result":
            self.states[case_id].append(StateReport.of(str(question["request_id"]), answer, asked_at))

    def call(self, case: Case, sent: tuple[SentRequest, ...], *, astray: bool) -> Call:
        """A call with its report and its notes."""
        answer, at = self.answers.get(case.id, ({}, 0.0))
        unsupported = answer.get("unsupported") is True
        asked_at, timeout_s = self.asked.get(case.id, (None, None))
        extra, of = self.extras.get(case.id, (None, None))
        return Call(
            case,
            sent,
            ClientReport.of(answer, at) if answer and not unsupported else None,
            unsupported,
            tuple(self.deaths[case.id]),
            asked_at,
            timeout_s,
            extra,
            of,
            astray,
        )

    def malformed(self, notes: Iterable[Note]) -> dict[str, list[Mapping[str, Any]]]:
        """The notes on unreadable bytes, by the call that was under way."""
        found: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
        for note in notes:
            if note.kind == UNREADABLE and (case_id := self.current(note.noted_at)) is not None:
                found[case_id].append(note.detail)
        return found

    def current(self, at: float) -> str | None:
        """The case that the client was last asked for at that time."""
        before = [(asked_at, case_id) for case_id, (asked_at, _) in self.asked.items() if asked_at <= at]
        return max(before)[1] if before else None


# --- Rules

UNHEARD = "the client's reports to its caller cannot be seen without a driver"
ClientCheck = Callable[[ClientEvidence, str | None], Iterator[Judgement]]

T = TypeVar("T")


def passed(sent: SentRequest) -> Passed:
    """The requirement held for this request."""
    return Passed(sent.number)


def failed(call: Call, message: str, sent: SentRequest | None = None) -> Finding:
    """The requirement did not hold for this call; `sent` shows it, else the last request of the call."""
    shows = sent or (call.sent[-1] if call.sent else None)
    return Finding(
        message,
        case=call.case.id,
        exchange=shows.number if shows else None,
        request_id=shows.answer.request_id if shows else None,
    )


@dataclass(frozen=True, slots=True)
class ClientRule:
    """A written rule: `make` makes its check of the parameters in a requirement.

    `unseen`: why it cannot judge a client that is observed, and not driven; None if it can. `whole`: anything in a
    certification may decide it, so no part of the calls will do.
    """

    make: Callable[..., ClientCheck]
    unseen: str | None = None
    whole: bool = False

    @classmethod
    def plain(cls, check: ClientCheck, unseen: str | None = None, *, whole: bool = False) -> ClientRule:
        """A rule that is one check, without parameters."""
        return cls(lambda: check, unseen, whole)

    def check(self, parameters: Mapping[str, Any]) -> ClientCheck:
        """Its check with these parameters. Raises ValueError for an unknown one, or an unknown value of one."""
        signature = inspect.signature(self.make)
        try:
            signature.bind(**parameters)
        except TypeError as error:
            raise ValueError(f"{error}; expected {', '.join(signature.parameters) or 'none'}") from error
        return self.make(**parameters)


def one_of(values: Mapping[str, T], name: str, chosen: str) -> T:
    """The value of a parameter by its name. Raises ValueError, with those that there are, for another one."""
    if chosen not in values:
        raise ValueError(f"{name} is {chosen!r}; expected one of {', '.join(values)}")
    return values[chosen]
