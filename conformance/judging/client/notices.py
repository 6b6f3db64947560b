"""What was sent to a receiver, read off the bytes, and what the client made of it afterwards: what RCV is judged by.

    Notice      one such request, with its answer
    Telling     what the client said of a request_id when it was asked
    Fate        all notifications that carry one request_id, and all that was said of it
    Inbox       the fates of one command's requests, and the rest that was sent to its receiver

Requests of one round are sent at the same moment: their `sent_at` is the same number.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from conformance.contract.contract import Contract, NotificationRoles
from conformance.judging.client.evidence import Call, ClientEvidence, Delivery, ToldResult
from conformance.judging.client.kinds import What, what_is
from conformance.judging.reading import Content
from conformance.model.traffic import Case, Exchange, header
from conformance.payloads.notifications import documented

# How long a receiver takes is measured where no more than so many are sent at the same moment.
FEW = 4

# So many at the same moment are a crowd, which every receiver takes; ten times as many are more than every one can.
CROWD = 20
THRONG = 200

# A text that any system takes: printable ASCII, no longer than an SMS.
USUAL_TEXT = 160

SERVER_ERROR = 500

# How the reasons begin for which there was no connection (`conformance.wire.failures`).
UNREACHED = ("connection refused", "no connection", "host name not found", "no TLS connection", "the proxy did not")


@dataclass(frozen=True, slots=True)
class Notice:
    """A request to a receiver with its answer.

    `usual`: it has documented members only, and a text that any system takes. `beside`: how many requests were sent at
    that moment, it included. `fatal`: after it the receiver was no longer there.
    """

    case: Case
    exchange: Exchange
    what: What
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
        what = what_is(exchange.request, content, command, contract)
        members = content.members if what is What.VALID and content.members else {}
        text = str(members.get(roles.reason, ""))
        plain = text.isascii() and text.isprintable() and len(text) <= USUAL_TEXT
        usual = plain and members.keys() <= documented(contract, command)
        return cls(case, exchange, what, members, usual, beside, roles, fatal)

    @property
    def number(self) -> int:
        """Its number in the journal."""
        return self.exchange.number

    @property
    def sent_at(self) -> float:
        """When (monotonic seconds)."""
        return self.exchange.sent_at

    @property
    def request_id(self) -> str:
        """Of a notification."""
        return str(self.members[self.roles.id])

    @property
    def text(self) -> str:
        """Its reason, or text of success."""
        return str(self.members[self.roles.reason])

    @property
    def succeeded(self) -> bool:
        """Whether it tells of success."""
        return bool(self.members[self.roles.outcome] == self.roles.success)

    @property
    def state(self) -> str:
        """What the client has to say after it."""
        return "succeeded" if self.succeeded else "failed"

    @property
    def status(self) -> int | None:
        """Of the answer, None if there was none."""
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
        """Whether the answer was waited for in vain; any other failure is told from it by its words."""
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
        """Seconds until it was answered, or its answer given up; 0 where the run was cut off before."""
        ended = self.exchange.answered_at
        return 0.0 if ended is None else ended - self.sent_at

    @property
    def answer_in_words(self) -> str:
        """As a finding tells it."""
        if self.status is not None:
            return f"answered {self.status}"
        died = ", and the receiver was no longer there afterwards" if self.fatal else ""
        return f"not answered: {self.exchange.failure}{died}"

    @property
    def special(self) -> str:
        """What is special about it, in brackets, behind a noun."""
        return f" ({self.case.keyword})" if self.case.keyword else ""

    @property
    def in_crowd(self) -> bool:
        """Whether it came with many others."""
        return self.beside >= CROWD

    @property
    def in_throng(self) -> bool:
        """Whether it came with very many others."""
        return self.beside >= THRONG


@dataclass(frozen=True, slots=True)
class Telling:
    """What the client said of a request: `text` None where it told no result_desc, `applied` where it does not count.

    `owner`: the fate that its text was notified for, None for a text that was never sent.
    """

    told: ToldResult
    state: str
    text: str | None
    applied: int | None
    owner: Fate | None

    @property
    def open(self) -> bool:
        """Whether it knows of no result."""
        return self.state in {"pending", "unknown"}


@dataclass(eq=False, slots=True)
class Fate:
    """All that happened to one request_id. `notices` in the order in which they were sent.

    `call`: the accepted call whose request_id it is; None for an id that the client cannot know. `answered_at`: when
    the gateway had answered it. `stored`: its client makes no calls, keeps any results, and took what it got for this.
    """

    request_id: str
    command: str | None
    call: Call | None = None
    answered_at: float | None = None
    stored: bool = False
    notices: list[Notice] = field(default_factory=list)
    tellings: list[Telling] = field(default_factory=list)

    @property
    def known(self) -> bool:
        """Whether the client has been told that request_id."""
        return self.call is not None

    @property
    def answerable(self) -> bool:
        """Whether the client can be expected to say what became of it."""
        return self.known or self.stored

    @property
    def first(self) -> Notice:
        """The first notification of it."""
        return self.notices[0]

    @property
    def early(self) -> bool:
        """Whether the first one was sent before the request was answered."""
        return self.answered_at is not None and self.first.sent_at < self.answered_at

    @property
    def alone(self) -> bool:
        """Whether the first one came without another of this request at the same moment, and without a crowd."""
        return not self.first.in_crowd and not any(n.sent_at == self.first.sent_at for n in self.notices[1:])

    def until(self, at: float) -> list[Notice]:
        """The notifications that were sent before that time."""
        return [notice for notice in self.notices if notice.sent_at < at]

    def mine(self, telling: Telling) -> bool:
        """Whether what was told is of this request: its text, or one that nobody was notified of."""
        return telling.owner is None or telling.owner is self


@dataclass(slots=True)
class Inbox:
    """What was sent to the receiver of one command: `fates` of request ids in the order of their first notification.

    `junk` is what is no notification, in order. `junk_at`: when the first of it was sent. `deaths`: when the driver
    failed, for what its client knew by then is forgotten. `died_at`: when the receiver was found to be no longer there.
    `left_alone`: why nothing more was sent to it. `forgets`: the client makes no calls, and never knew of a result.
    `asked`: by case, of which request it was asked. `unsolicited`: no request precedes what comes to it.
    """

    command: str | None
    roles: NotificationRoles
    fates: list[Fate] = field(default_factory=list)
    junk: list[Notice] = field(default_factory=list)
    junk_at: float | None = None
    deaths: tuple[float, ...] = ()
    died_at: tuple[float, ...] = ()
    left_alone: str | None = None
    forgets: bool = False
    asked: dict[str, Fate] = field(default_factory=dict)
    unsolicited: bool = False

    def after_junk(self, notice: Notice) -> bool:
        """Whether something else than a notification had been sent before it."""
        return self.junk_at is not None and notice.sent_at > self.junk_at

    def gone(self, notice: Notice) -> bool:
        """Whether nobody was there to take it: the receiver had died of another request of the same moment, or before.

        Those that were under way when it died are not told apart from the one that it died of.
        """
        return notice.unreached and any(notice.sent_at < died for died in self.died_at) and not notice.fatal

    def gone_numbers(self) -> frozenset[int]:
        """The numbers of all that nobody was there to take."""
        sent = [*self.junk, *(notice for fate in self.fates for notice in fate.notices)]
        return frozenset(notice.number for notice in sent if self.gone(notice))

    def died_since_junk(self, notice: Notice) -> bool:
        """Whether another process may have taken it than the one that met the junk."""
        return self.junk_at is not None and any(self.junk_at < died < notice.sent_at for died in self.died_at)

    def takes_unknown(self) -> bool:
        """Whether a request_id that the client cannot know was taken: then no valid form of one may be turned away.

        Nor may any where no request precedes them.
        """
        taken = (notice.usual and notice.taken and not fate.known for fate, notice in self.firsts())
        return self.unsolicited or any(taken)

    def firsts(self) -> Iterator[tuple[Fate, Notice]]:
        """Each first notification that came by itself, before any junk, and after the answer."""
        for fate in self.fates:
            if fate.notices and fate.alone and not fate.early and not self.after_junk(fate.first):
                yield fate, fate.first

    def countable(self, fate: Fate) -> bool:
        """Whether an answer to its notification tells something: the client knows the id, or there are none to know.

        A client that was started again since its call has forgotten it.
        """
        if fate.call is None:
            return not any(known.known for known in self.fates)
        called_at = fate.call.asked_at or 0.0
        return not any(called_at < died < fate.first.sent_at for died in self.deaths)

    def fate_of_call(self, case_id: str | None) -> Fate | None:
        """The fate of the request that was called for under that case."""
        return next((f for f in self.fates if f.call is not None and f.call.case.id == case_id), None)

    def understands(self) -> bool:
        """Whether a usual notification was taken, for which RCV-01 is."""
        return any(notice.usual and notice.taken for _, notice in self.firsts())

    def remembers(self, fate: Fate, telling: Telling) -> bool:
        """Whether the client that was asked is still the one that was notified."""
        notified_at = fate.first.sent_at if fate.notices else telling.told.at
        since = fate.call.asked_at if fate.call and fate.call.asked_at is not None else notified_at
        return not any(since < died < telling.told.at for died in self.deaths)


# Said of journals that do not say why.
LEFT_ALONE = "the receiver was slow to answer its first notifications, so it was left alone"


def inbox_of(evidence: ClientEvidence, command: str | None) -> Inbox:
    """The inbox of a command, worked out once."""
    if "inboxes" not in evidence.memo:
        evidence.memo["inboxes"] = _inboxes(evidence)
    inboxes: dict[str | None, Inbox] = evidence.memo["inboxes"]
    return inboxes.get(command) or Inbox(command, evidence.terms.contract.notification)


def _inboxes(evidence: ClientEvidence) -> dict[str | None, Inbox]:
    fates, contract = _known(evidence), evidence.terms.contract
    died = [note for note in evidence.notes if note.kind == "receiver-died"]
    fatal = {note.detail["case"] for note in died}
    deaths = tuple(note.noted_at for note in evidence.notes if note.kind in {"death", "receiver-died"})
    given_up = [note.detail for note in evidence.notes if note.kind == "left-alone"]
    left_alone = {detail["command"]: detail.get("why", LEFT_ALONE) for detail in given_up}

    def empty(command: str | None) -> Inbox:
        died_at = tuple(note.noted_at for note in died if command in note.detail["commands"])
        return Inbox(
            command,
            contract.notification,
            deaths=deaths,
            died_at=died_at,
            left_alone=left_alone.get(command or ""),
            unsolicited=command in contract.unsolicited,
        )

    inboxes: dict[str | None, Inbox] = {command: empty(command) for command in left_alone}
    moments = Counter(exchange.sent_at for each in evidence.deliveries for exchange in each.exchanges[:1])
    notified = [each for each in evidence.deliveries if each.case.command not in contract.inquiries]
    for delivery in notified:
        command = delivery.case.command
        if command not in inboxes:
            inboxes[command] = empty(command)
        for exchange in delivery.exchanges[-1:]:  # the connection of one before it was closed
            beside = moments[delivery.exchanges[0].sent_at]
            kills = delivery.case.id in fatal
            notice = Notice.of(delivery.case, exchange, contract, beside, fatal=kills)
            _sort_in(notice, inboxes[command], fates)
    alone = inboxes.keys() - evidence.terms.declared
    _hear(notified, inboxes, alone, fates)
    for fate in fates.values():
        fate.notices.sort(key=lambda notice: (notice.sent_at, notice.number))
        if fate.command in inboxes:
            inboxes[fate.command].fates.append(fate)
    for name in alone:
        _store(inboxes[name])
    return inboxes


def _hear(
    deliveries: Iterable[Delivery], inboxes: dict[str | None, Inbox], alone: set[str | None], fates: dict[str, Fate]
) -> None:
    """What the client said of each request; of those that it has not made, too, if it makes none (`alone`)."""
    owners = {notice.text: fate for fate in fates.values() for notice in fate.notices}
    for delivery in deliveries:
        name = delivery.case.command
        for told in delivery.results:
            if name in alone:
                fates.setdefault(told.request_id, Fate(told.request_id, name))
                inboxes[name].asked[delivery.case.id] = fates[told.request_id]
            asked_again = any(other.request_id == told.request_id and other.at > told.at for other in delivery.results)
            telling = _telling(told, owners)
            # It was asked again because it was open: it may be dealt with a little later than the thanks for it.
            if (fate := fates.get(told.request_id)) is not None and not (telling.open and asked_again):
                fate.tellings.append(telling)


def _store(inbox: Inbox) -> None:
    """Judge a client that makes no calls by the requests that it has been notified of, if it keeps any result."""
    told = [telling for fate in inbox.fates if fate.notices for telling in fate.tellings]
    inbox.forgets = bool(told) and all(telling.open for telling in told)
    for fate in inbox.fates if told and not inbox.forgets else ():
        fate.stored = not fate.notices or any(notice.taken for notice in fate.notices)


def _known(evidence: ClientEvidence) -> dict[str, Fate]:
    """The fates of all requests that the client was told to be accepted."""
    fates: dict[str, Fate] = {}
    for call in evidence.calls:
        last = call.last
        if last is None or not last.accepts or call.said is None or not call.said.accepted:
            continue
        request_id = last.answer.request_id
        if request_id is not None and call.said.request_id in {None, request_id}:
            fates[request_id] = Fate(request_id, call.case.command, call, last.exchange.answered_at)
    return fates


def _sort_in(notice: Notice, inbox: Inbox, fates: dict[str, Fate]) -> None:
    if notice.what is What.VALID:
        fate = fates.setdefault(notice.request_id, Fate(notice.request_id, inbox.command))
        fate.notices.append(notice)
    elif notice.what is not What.OPEN:
        inbox.junk.append(notice)
        inbox.junk_at = min(notice.sent_at, inbox.junk_at or notice.sent_at)


def _telling(told: ToldResult, owners: Mapping[str, Fate]) -> Telling:
    answer: Mapping[str, Any] = told.answer
    text, applied = answer.get("result_desc"), answer.get("applied")
    return Telling(told, str(answer.get("state")), text, applied, owners.get(text) if text else None)


def tellings(inbox: Inbox) -> Iterator[tuple[Fate, Telling, list[Notice]]]:
    """What was said of each known request after it was notified of, with the notifications until then."""
    for fate in inbox.fates:
        for telling in fate.tellings:
            notices = fate.until(telling.told.at)
            if fate.answerable and notices and inbox.remembers(fate, telling):
                yield fate, telling, notices
