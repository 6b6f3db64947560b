"""All requests that were sent to one receiver, and its client's reports on them: the evidence of RCV.

ReceiverRequest     a request, read off its bytes: a notification, or junk of some kind
Fate                the notifications of one request_id, and the client's reports on it
Inbox               the requests to the receiver of one command
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache, partial
from typing import Any, Self

from conformance.client.rules.calls import Call, ReceiverCase, StateReport
from conformance.client.rules.evidence import ClientEvidence
from conformance.contract.command import Notified
from conformance.contract.contract import Contract, NotificationRoles
from conformance.judging.reading import Content
from conformance.model.traffic import JSON_MEDIA_TYPE, Case, Exchange, Request, header, media_type
from conformance.payloads.probes import documented, is_complete

# A notification has less than a hundredth of this.
HUGE = 1 << 19

# The time of an answer is measured where at most this number are sent at the same moment.
FEW = 4

# Every receiver takes a crowd at the same moment; a throng, ten times as many, may be too much.
CROWD = 20
THRONG = 200

# A text that any system takes: printable ASCII, no longer than an SMS.
USUAL_TEXT = 160

SERVER_ERROR = 500

# The beginnings of failures without a connection (`conformance.wire.connection`).
UNREACHED = ("connection refused", "no connection", "host name not found", "no TLS connection", "the proxy did not")


class RequestKind(StrEnum):
    """The kinds of requests to a receiver; the first that applies."""

    METHOD = "another method"
    EMPTY = "an empty body"
    HUGE = "a body of a mebibyte"
    NO_JSON = "a body that is not JSON"
    INCOMPLETE = "JSON that is not a notification"
    OTHER_CODE = "a notification with an unknown outcome"
    OPEN = "a request that the contract does not mention"
    VALID = "a notification"


def kind_of(request: Request, content: Content, command: Notified, contract: Contract) -> RequestKind:
    """The kind of a request, by its bytes."""
    declared = media_type(request.headers)
    outcome = f"/{contract.notification.outcome}"
    wrong = cache(partial(contract.schemas.violations, command.notification_schema, content.value))
    signs: tuple[tuple[RequestKind, Callable[[], bool]], ...] = (
        (RequestKind.METHOD, lambda: request.method != contract.notification.method),
        (RequestKind.EMPTY, lambda: not request.body.strip()),
        (RequestKind.HUGE, lambda: len(request.body) >= HUGE),
        (RequestKind.OPEN, lambda: declared != JSON_MEDIA_TYPE),
        (RequestKind.NO_JSON, lambda: content.error is not None),
        (RequestKind.INCOMPLETE, lambda: not is_complete(contract, command, wrong())),
        (RequestKind.OTHER_CODE, lambda: outcome in {violation.pointer for violation in wrong()}),
        (RequestKind.OPEN, lambda: bool(wrong())),
    )
    return next((kind for kind, shows in signs if shows()), RequestKind.VALID)


@dataclass(frozen=True, slots=True)
class ReceiverRequest:
    """A request to a receiver with its answer.

    `usual`: it has documented members only, and a text that any system takes. `beside`: how many requests were sent at
    that moment, including this one. `fatal`: the receiver died of it.
    """

    case: Case
    exchange: Exchange
    kind: RequestKind
    members: Mapping[str, Any]
    usual: bool
    beside: int
    roles: NotificationRoles
    fatal: bool = False

    @classmethod
    def of(cls, case: Case, exchange: Exchange, contract: Contract, beside: int, *, fatal: bool = False) -> Self:
        """Read it."""
        command, roles = contract.notified(case.command or ""), contract.notification
        content = Content.of(exchange.request.body)
        kind = kind_of(exchange.request, content, command, contract)
        members = content.members if kind is RequestKind.VALID and content.members else {}
        text = str(members.get(roles.reason, ""))
        plain = text.isascii() and text.isprintable() and len(text) <= USUAL_TEXT
        usual = plain and members.keys() <= documented(contract, command)
        return cls(case, exchange, kind, members, usual, beside, roles, fatal)

    @property
    def number(self) -> int:
        """Its number in the journal."""
        return self.exchange.number

    @property
    def sent_at(self) -> float:
        """When it was sent (monotonic seconds), equal for all requests of one round."""
        return self.exchange.sent_at

    @property
    def request_id(self) -> str:
        """The request_id of a notification."""
        return str(self.members[self.roles.id])

    @property
    def text(self) -> str:
        """Its reason, or text of success."""
        return str(self.members[self.roles.reason])

    @property
    def succeeded(self) -> bool:
        """Whether it reports success."""
        return bool(self.members[self.roles.outcome] == self.roles.success)

    @property
    def state(self) -> str:
        """The state that the client has to report after it."""
        return "succeeded" if self.succeeded else "failed"

    @property
    def status(self) -> int | None:
        """The status of the answer, None if there was none."""
        return self.exchange.response.status if self.exchange.response else None

    @property
    def taken(self) -> bool:
        """Whether it was answered with a 2xx."""
        return self.status is not None and 200 <= self.status <= 299

    @property
    def refused(self) -> bool:
        """Whether it was answered with a 4xx."""
        return self.status is not None and 400 <= self.status <= 499

    @property
    def timed_out(self) -> bool:
        """Whether the answer did not come in time; other failures have other words."""
        return self.status is None and "within" in (self.exchange.failure or "")

    @property
    def unreached(self) -> bool:
        """Whether there was no connection."""
        return self.status is None and (self.exchange.failure or "").startswith(UNREACHED)

    @property
    def fails(self) -> bool:
        """Whether it was answered with a 5xx, or with the end of the connection."""
        return self.status >= SERVER_ERROR if self.status is not None else not self.timed_out

    @property
    def offers_upgrade(self) -> bool:
        """Whether it offers to go on in another protocol."""
        return header(self.exchange.request.headers, "upgrade") is not None

    @property
    def took_s(self) -> float:
        """Seconds until it was answered or given up; 0 where the run was cut off before."""
        ended = self.exchange.answered_at
        return 0.0 if ended is None else ended - self.sent_at

    @property
    def answer_in_words(self) -> str:
        """As a finding shows it."""
        if self.status is not None:
            return f"answered {self.status}"
        died = ", and the receiver was no longer there afterwards" if self.fatal else ""
        return f"not answered: {self.exchange.failure}{died}"

    @property
    def special(self) -> str:
        """Its speciality in brackets, to follow a noun."""
        return f" ({self.case.keyword})" if self.case.keyword else ""

    @property
    def in_crowd(self) -> bool:
        """Whether it came with many others."""
        return self.beside >= CROWD


# For journals that do not say why.
LEFT_ALONE = "the receiver was slow to answer its first notifications, so it was left alone"
NONE_TAKEN = "no usual notification was answered with a 2xx"


@dataclass(eq=False, slots=True)
class Fate:
    """The notifications of one request_id, in the order in which they were sent, and the reports on it.

    `call`: the accepted call with that id; None for an id that the client cannot know. `answered_at`: when the gateway
    had answered it. `stored`: its client makes no calls, keeps results, and took the notification.
    """

    request_id: str
    command: str | None
    call: Call | None = None
    answered_at: float | None = None
    stored: bool = False
    notifications: list[ReceiverRequest] = field(default_factory=list)
    reports: list[StateReport] = field(default_factory=list)

    @property
    def known(self) -> bool:
        """Whether the client was given that request_id."""
        return self.call is not None

    @property
    def answerable(self) -> bool:
        """Whether the client should know of it."""
        return self.known or self.stored

    @property
    def first(self) -> ReceiverRequest:
        """The first notification of it."""
        return self.notifications[0]

    @property
    def early(self) -> bool:
        """Whether the first one was sent before the request was answered."""
        return self.answered_at is not None and self.first.sent_at < self.answered_at

    @property
    def alone(self) -> bool:
        """Whether the first one came without another of this request at the same moment, and without a crowd."""
        return not self.first.in_crowd and not any(n.sent_at == self.first.sent_at for n in self.notifications[1:])

    def until(self, at: float) -> list[ReceiverRequest]:
        """The notifications that were sent before that time."""
        return [each for each in self.notifications if each.sent_at < at]


@dataclass(slots=True)
class Inbox:
    """The requests to the receiver of one command: `fates` of request ids in the order of their first notification.

    `junk`: the malformed requests, in order. `junk_at`: when the first of them was sent. `deaths`: when the driver
    failed, with which its client loses its memory. `died_at`: when the suite noticed that the receiver had died.
    `left_alone`: why nothing more was sent to it. `forgets`: the client makes no calls, and never knew of a result.
    `asked`: by case, the request of the question. `owners`: by text, the request whose notification had it, also of
    other receivers. `unsolicited`: its notifications follow no request.
    """

    roles: NotificationRoles
    fates: list[Fate] = field(default_factory=list)
    junk: list[ReceiverRequest] = field(default_factory=list)
    junk_at: float | None = None
    deaths: tuple[float, ...] = ()
    died_at: tuple[float, ...] = ()
    left_alone: str | None = None
    forgets: bool = False
    asked: dict[str, Fate] = field(default_factory=dict)
    owners: Mapping[str, Fate] = field(default_factory=dict)
    unsolicited: bool = False

    def after_junk(self, request: ReceiverRequest) -> bool:
        """Whether junk was sent before it."""
        return self.junk_at is not None and request.sent_at > self.junk_at

    def unreached_numbers(self) -> frozenset[int]:
        """The numbers of the requests that reached no receiver, because it had died of another one.

        Requests that were under way when it died cannot be distinguished from the one that killed it.
        """
        requests = [*self.junk, *(each for fate in self.fates for each in fate.notifications)]
        unreached = (each for each in requests if each.unreached and not each.fatal)
        return frozenset(each.number for each in unreached if any(each.sent_at < died for died in self.died_at))

    def died_since_junk(self, request: ReceiverRequest) -> bool:
        """Whether the receiver was started again between the junk and this request."""
        return self.junk_at is not None and any(self.junk_at < died < request.sent_at for died in self.died_at)

    def takes_unknown(self) -> bool:
        """Whether the receiver takes any request_id: it took an unknown one, or no request precedes notifications."""
        return self.unsolicited or any(first.usual and first.taken and not fate.known for fate, first in self.firsts())

    def firsts(self) -> Iterator[tuple[Fate, ReceiverRequest]]:
        """Each first notification that came by itself, before any junk, and after the answer."""
        for fate in self.fates:
            if fate.notifications and fate.alone and not fate.early and not self.after_junk(fate.first):
                yield fate, fate.first

    def countable(self, fate: Fate) -> bool:
        """Whether the answer to its notification counts: the client knows the id, or no id at all.

        A client that was started again since its call has forgotten it.
        """
        if fate.call is None:
            return not any(known.known for known in self.fates)
        called_at = fate.call.asked_at or 0.0
        return not any(called_at < died < fate.first.sent_at for died in self.deaths)

    def understands(self) -> bool:
        """Whether a usual notification was taken, which RCV-01 is about."""
        return any(first.usual and first.taken for _, first in self.firsts())

    def remembers(self, fate: Fate, report: StateReport) -> bool:
        """Whether the client was not started again between the notification and the report."""
        notified_at = fate.first.sent_at if fate.notifications else report.at
        since = fate.call.asked_at if fate.call and fate.call.asked_at is not None else notified_at
        return not any(since < died < report.at for died in self.deaths)

    def owner(self, report: StateReport) -> Fate | None:
        """The request whose notification had the text of a report; None for a text that was never sent."""
        return self.owners.get(report.text) if report.text else None

    def is_own(self, fate: Fate, report: StateReport) -> bool:
        """Whether a report on this request has the text of its own notification, or one that was never sent."""
        return self.owner(report) in {None, fate}

    def reports(self) -> Iterator[tuple[Fate, StateReport, list[ReceiverRequest]]]:
        """The reports on each known request after a notification, with the notifications until then."""
        for fate in self.fates:
            for report in fate.reports:
                notifications = fate.until(report.at)
                if fate.answerable and notifications and self.remembers(fate, report):
                    yield fate, report, notifications


def inbox_of(evidence: ClientEvidence, command: str | None) -> Inbox:
    """The inbox of a command."""
    if "inboxes" not in evidence.memo:
        evidence.memo["inboxes"] = _inboxes(evidence)
    inboxes: dict[str | None, Inbox] = evidence.memo["inboxes"]
    return inboxes.get(command) or Inbox(evidence.terms.contract.notification)


def _inboxes(evidence: ClientEvidence) -> dict[str | None, Inbox]:
    fates, contract = _known(evidence), evidence.terms.contract
    died = [note for note in evidence.notes if note.kind == "receiver-died"]
    fatal = {note.detail["case"] for note in died}
    deaths = tuple(note.noted_at for note in evidence.notes if note.kind in {"death", "receiver-died"})
    left_alone = {
        n.detail["command"]: n.detail.get("why") or LEFT_ALONE for n in evidence.notes if n.kind == "left-alone"
    }
    cases = [each for each in evidence.receiver_cases if each.case.command not in contract.inquiries]
    inboxes: dict[str | None, Inbox] = {
        command: Inbox(
            contract.notification,
            deaths=deaths,
            died_at=tuple(note.noted_at for note in died if command in note.detail["commands"]),
            left_alone=left_alone.get(command or ""),
            unsolicited=command in contract.unsolicited,
        )
        for command in dict.fromkeys([*left_alone, *(each.case.command for each in cases)])
    }
    moments = Counter(exchange.sent_at for each in evidence.receiver_cases for exchange in each.exchanges[:1])
    for each in cases:
        for exchange in each.exchanges[-1:]:  # before it the connection may have been closed
            beside = moments[each.exchanges[0].sent_at]
            request = ReceiverRequest.of(each.case, exchange, contract, beside, fatal=each.case.id in fatal)
            inbox = inboxes[each.case.command]
            if request.kind is RequestKind.VALID:
                fate = fates.setdefault(request.request_id, Fate(request.request_id, each.case.command))
                fate.notifications.append(request)
            elif request.kind is not RequestKind.OPEN:
                inbox.junk.append(request)
                inbox.junk_at = min(request.sent_at, inbox.junk_at or request.sent_at)
    owners = {each.text: fate for fate in fates.values() for each in fate.notifications}
    for inbox in inboxes.values():
        inbox.owners = owners
    without_calls = inboxes.keys() - evidence.terms.declared
    _add_reports(cases, inboxes, without_calls, fates)
    for fate in fates.values():
        fate.notifications.sort(key=lambda each: (each.sent_at, each.number))
        if fate.command in inboxes:
            inboxes[fate.command].fates.append(fate)
    for name in without_calls:
        _mark_stored(inboxes[name])
    return inboxes


def _known(evidence: ClientEvidence) -> dict[str, Fate]:
    """The fates of all requests whose acceptance the client knows."""
    fates: dict[str, Fate] = {}
    for call in evidence.calls:
        last = call.last
        if last is None or not last.accepts or call.report is None or not call.report.accepted:
            continue
        request_id = last.answer.request_id
        if request_id is not None and call.report.request_id in {None, request_id}:
            fates[request_id] = Fate(request_id, call.case.command, call, last.exchange.answered_at)
    return fates


def _add_reports(
    cases: Iterable[ReceiverCase],
    inboxes: Mapping[str | None, Inbox],
    without_calls: set[str | None],
    fates: dict[str, Fate],
) -> None:
    """Add the client's reports on each request; a client `without_calls` is asked about any."""
    for each in cases:
        name = each.case.command
        for report in each.reports:
            if name in without_calls:
                fates.setdefault(report.request_id, Fate(report.request_id, name))
                inboxes[name].asked[each.case.id] = fates[report.request_id]
            # The suite asked again while it was open: a receiver may process a notification after it has answered.
            asked_again = any(o.request_id == report.request_id and o.at > report.at for o in each.reports)
            if (fate := fates.get(report.request_id)) is not None and not (report.open and asked_again):
                fate.reports.append(report)


def _mark_stored(inbox: Inbox) -> None:
    """Judge a client that makes no calls by the requests that it was notified of, if it keeps any result."""
    reports = [report for fate in inbox.fates if fate.notifications for report in fate.reports]
    inbox.forgets = bool(reports) and all(report.open for report in reports)
    for fate in inbox.fates if reports and not inbox.forgets else ():
        fate.stored = not fate.notifications or any(each.taken for each in fate.notifications)
