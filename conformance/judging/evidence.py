"""The evidence of a gateway's run, correlated once for all checks.

A run may have hundreds of thousands of exchanges, so their bodies are read once and dropped (`answers`, `notices`);
each summary has a fixed size. Correlation is linear, even if a gateway gives one request_id to all requests: it uses
dictionaries, and all answers with one id share one list.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict, deque
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from hashlib import blake2b
from heapq import merge
from itertools import chain, islice, takewhile
from operator import attrgetter
from typing import Any, Self

from conformance.contract.command import Flow
from conformance.contract.contract import Contract
from conformance.journal import Record
from conformance.judging.facts import WHOLE_RUN, RunFacts, Share, TwinReply
from conformance.judging.messages import (
    ABSENT,
    SOONEST,
    TOO_MANY_REQUESTS,
    Answer,
    Contradiction,
    Earlier,
    Notice,
    NotificationSummary,
    Purpose,
    ResponseSummary,
    SharedId,
    as_over_a_network,
)
from conformance.judging.reading import AlteredIds, Content, carried_id
from conformance.judging.terms import Terms
from conformance.judging.transactions import AccountUse, Echo, Payer, contradiction, details_of, telling_of
from conformance.model.traffic import Kind, Notification, Request

# The bytes of the digest of a request: enough to distinguish all requests of a run.
IDENTITY = 16

# Statuses that may be about the account; the summary keeps the account use of those requests.
OF_THE_ACCOUNT = frozenset({402, 403})

# The aspect of a request for the balance; the summary keeps the whole answer.
BALANCE = "balance"


class Evidence:
    """A run, correlated. `outcomes` are those of all attempts, in the order in which they were sent.

    `final`: for each case the outcome that counts. By product, `unreadable_answers` counts the requests that may have
    been accepted under an unreadable id, `unreadable_notices` the notifications to its callback without a known
    request, `without_content` the requests to it that are not notifications, `of_anybody` those without an id of the
    run, to an address that anybody may know. `said_of_success`: the reasons in answers to accepted requests.
    `contradictions`: by case, contradicting notifications of its request. `payers`: for each command with an accepted
    request, their use of the account; `paid_in`: whether the account may have got money during the run.

    `of` fills it, or a pass through `answers` and then `notices`. It may be of a part of a run, by its `share`; `facts`
    are those of the whole run.
    """

    def __init__(self, terms: Terms, share: Share = WHOLE_RUN) -> None:
        self.terms = terms
        self.share = share
        self.facts = RunFacts()
        self.contract = terms.contract
        self.outcomes: list[ResponseSummary] = []
        self.arrivals: list[NotificationSummary] = []
        self.final: dict[str, ResponseSummary] = {}
        self.by_request_id: dict[str, ResponseSummary] = {}
        self.unreadable_answers: Counter[str | None] = Counter(terms.unseen if share.leads else ())
        self.unreadable_notices: Counter[str | None] = Counter()
        self.without_content: Counter[str | None] = Counter()
        self.of_anybody: Counter[str | None] = Counter()
        self.said_of_success: set[str] = set()
        self.contradictions: dict[str, Contradiction] = {}
        self.payers: dict[str | None, Payer] = {}
        self.paid_in = False
        self._by_command: dict[str | None, list[ResponseSummary]] = defaultdict(list)
        self._by_kind: dict[tuple[str | None, Kind], list[ResponseSummary]] = defaultdict(list)
        # The attempts at each case that was sent more than once.
        self._attempts: dict[str, list[ResponseSummary]] = {}
        self._alike: dict[Any, Any] = {}
        # By name and id of notifications without a request.
        self._unsolicited: dict[tuple[str, str], Earlier] = {}

    @classmethod
    def of(cls, record: Record, contract: Contract) -> Self:
        """Correlate a recorded run."""
        evidence = cls(Terms.of(record, contract))
        deque(chain(evidence.answers(record), evidence.notices(record)), maxlen=0)
        return evidence

    # --- Going through the record

    def answers(self, record: Record) -> Iterator[Answer]:
        """Yield each answer of the record in full, after adding its summary."""
        for case, exchange, final in record.attempts():
            received = exchange if self.terms.loopback else as_over_a_network(exchange)
            answer = Answer.of(case, received, self.contract, final=final)
            self._remember(answer)
            yield answer
        if self.terms.load is not None:
            self._blame_the_load()
        self._attempts = {outcome.case_id: [] for outcome in self.outcomes if not outcome.final}
        for outcome in self.outcomes if self._attempts else ():
            if outcome.case_id in self._attempts:
                self._attempts[outcome.case_id].append(outcome)

    def _blame_the_load(self) -> None:
        """Mark the answers of 5xx under load to requests of which others, of the same kind and aspect, had none."""
        well = (each.class_of_request for each in self.outcomes if each.status is not None and not each.crashed)
        served = set(well) if self.share.served is None else self.share.served
        for each in self.outcomes:
            each.overloaded = each.load_sent_at is not None and each.crashed and each.class_of_request in served

    def notices(self, record: Record) -> Iterator[Notice]:
        """Yield each notification of the record in full; after the answers, for it belongs to one of them.

        Three kinds come last, because they depend on the others. Those with an unknown id: it may be an altered form of
        an id that no notification has exactly. Those without a body: they are notifications if nothing else comes to
        the callback. Those without an id that anybody may have sent: they are notifications if some are missing.
        """
        unknown: dict[int, str] = {}
        empty: dict[int, str] = {}
        of_anybody: set[int] = set()
        readable: set[str | None] = set()
        for notification in record.notifications:
            content = Content.of_notification(notification.request, self.contract)
            if content is None:
                self.without_content[notification.product] += 1
                by_the_method = notification.request.method == self.contract.notification.method
                if by_the_method and notification.product is not None:
                    empty[notification.number] = notification.product
                continue
            carried = carried_id(content, notification.request.body, self.contract)
            answer = None if carried is None else self.by_request_id.get(carried)
            if carried is None and is_of_anybody(notification, self.terms):
                of_anybody.add(notification.number)
                continue
            readable.add(notification.product)
            if carried is None or answer is not None:
                yield self._noticed(notification, content, carried, answer)
            else:
                unknown[notification.number] = carried
        certain = readable if self.share.readable is None else self.share.readable
        only = {n for n, product in empty.items() if product not in certain}
        yield from self._noticed_late(record, unknown, only)
        if of_anybody:
            yield from self._instead_of_missing(record, of_anybody)
        self.arrivals.sort(key=attrgetter("number"))
        self._contradict(record)

    def _instead_of_missing(self, record: Record, of_anybody: Collection[int]) -> Iterator[Notice]:
        """Take requests that anybody may have sent for notifications, as many as are missing."""
        missing = self.missing() if self.share.missing is None else Counter(self.share.missing)
        for notification, content in self._read(record, of_anybody):
            if missing[notification.product] < 1:
                self.of_anybody[notification.product] += 1
            else:
                missing[notification.product] -= 1
                yield self._noticed(notification, content, None, None)

    def missing(self) -> Counter[str | None]:
        """By callback, how many notifications did not come, if these can have been without an id.

        None if a network lies between, which may have lost them, unless nobody else uses the account.
        """
        if self.terms.settled_at is None or (self.terms.network_back and not self.terms.alone):
            return Counter()
        owed = (answer for command in self.terms.commands for answer in self.owed(command))
        return Counter(self.terms.callback_of(a.product or "") for a in owed if self._is_missing(a))

    def _is_missing(self, answer: ResponseSummary) -> bool:
        """Whether its notification did not come, and the suite listened for it until its time was over."""
        since, settled = answer.answered_at, self.terms.settled_at
        if since is None or settled is None or self.first_about(answer) is not None:
            return False
        due = since + self.terms.notify_within_s
        return due <= settled and self.terms.listened_between(since, due) and self.terms.refusal(since, due) is None

    def _noticed_late(self, record: Record, unknown: Mapping[int, str], empty: Collection[int]) -> Iterator[Notice]:
        if not unknown and not empty:
            return
        unnotified = (each for each in self.final.values() if each.accepted and not each.first.arrivals)
        altered = AlteredIds(((each.request_id, each) for each in unnotified), unknown.values())
        for notification, content in self._read(record, {*unknown, *empty}):
            if (carried := unknown.get(notification.number)) is not None:
                yield self._noticed(notification, content, carried, altered.meant_by(carried), altered=True)
            else:
                self.without_content[notification.product] -= 1
                yield self._noticed(notification, content, None, None)

    def _read(self, record: Record, numbers: Collection[int]) -> Iterator[tuple[Notification, Content]]:
        """Read the notifications with these numbers again."""
        for notification in record.notifications:
            if notification.number in numbers:
                content = Content.of_notification(notification.request, self.contract)
                yield notification, content or Content.with_repeats(notification.request.body)

    def _contradict(self, record: Record) -> None:
        """Find the requests whose notifications contradict each other; read those that differ again."""
        several = {
            outcome.case_id: arrivals
            for outcome in self.final.values()
            if not self.shares_id(outcome) and len(arrivals := self.arrivals_about(outcome)) > 1
            if len({arrival.telling for arrival in arrivals} - {None}) > 1
        }
        if not several:
            return
        wanted = {arrival.number for arrivals in several.values() for arrival in arrivals}
        details = {
            notification.number: telling_of(content.members or {}, self.contract)
            for notification, content in self._read(record, wanted)
        }
        for case_id, arrivals in several.items():
            known: dict[str, Any] = {}
            for arrival in arrivals:
                own = details[arrival.number]
                member = contradiction(own, known, self.contract)
                if member is not None:
                    self.contradictions[case_id] = Contradiction(arrival, member, own[member], known[member])
                    break
                known = {**own, **known}

    def _remember(self, answer: Answer) -> None:
        case, response, members = answer.case, answer.response, answer.content.members or {}
        roles = self.contract.answer
        asked = None
        if answer.accepted or answer.status in OF_THE_ACCOUNT:
            asked = Content.of(answer.exchange.request.body).members
        outcome = ResponseSummary(
            case.id,
            self._once(answer.purpose),
            answer.number,
            answer.status,
            answer.request_id,
            answer.accepted,
            answer.final,
            response.status if response else None,
            self._once(members.get(roles.code, ABSENT)),
            self._once(members.get(roles.reason, ABSENT)),
            self._once(answer.exchange.failure),
            answer.exchange.answered_at,
            identity_of(case.command, answer.exchange.request),
            answer if answer.is_probe_of_path or case.aspect == BALANCE else None,
            details_of(case.command, asked, self.contract) if answer.accepted else None,
            self._account(answer, asked),
            load_sent_at=self._under_load(answer.exchange.sent_at),
        )
        self.outcomes.append(outcome)
        self._by_command[case.command].append(outcome)
        self._by_kind[case.command, case.kind].append(outcome)
        if answer.final:
            self.final[case.id] = outcome
        if outcome.accepted and outcome.said and outcome.said.strip() and not outcome.is_probe_of_path:
            self.said_of_success.add(outcome.said)
        if answer.request_id is not None:
            first = self.by_request_id.setdefault(answer.request_id, outcome)
            if first is not outcome:
                first.shared = first.shared or SharedId(first, {first.product})
                first.shared.add(outcome)
        elif answer.accepted or answer.status is None or answer.content.members is None:
            self.unreadable_answers[answer.product] += 1

    def _under_load(self, sent_at: float) -> float | None:
        return sent_at if self.terms.load is not None and self.terms.load.covers(sent_at) else None

    def _account(self, answer: Answer, asked: Mapping[str, Any] | None) -> AccountUse | None:
        """The use of the account by a request whose answer may be about it; accepted ones join the payers."""
        if not answer.accepted and answer.status not in OF_THE_ACCOUNT:
            return None
        use = AccountUse.by(answer.command, asked, self.contract)
        if not answer.accepted:
            return use
        self.payers.setdefault(answer.command, Payer()).add(use, answer.exchange.sent_at)
        money = self.contract.money_of(answer.command)
        self.paid_in = self.paid_in or (money is not None and money.flow is Flow.IN)
        return None

    def _noticed(
        self,
        notification: Notification,
        content: Content,
        request_id: str | None,
        answer: ResponseSummary | None,
        *,
        altered: bool = False,
    ) -> Notice:
        notification = self._at_its_own(notification, answer)
        members = content.members or {}
        code = members.get(self.contract.notification.outcome)
        outcome = None if code is None else self._once(str(code))
        arrival = NotificationSummary(
            notification.number,
            self._once(notification.product),
            request_id if answer is None or altered else answer.request_id,
            notification.received_at,
            outcome,
            answer,
            None
            if altered or answer is None or answer.details is None or content.members is None
            else Echo.of(answer.command, answer.details, members, self.contract),
            None if answer is None else self._fingerprint(members),
        )
        self.arrivals.append(arrival)
        failed = outcome not in (None, self.contract.notification.success)
        self.paid_in = self.paid_in or failed  # what failed is paid back
        earlier = None
        if answer is None and (row := self.contract.unsolicited_at(notification.product)) is not None:
            self.paid_in = self.paid_in or (row.money is not None and row.money.flow is Flow.IN)
            if request_id is not None and self.terms.knows_the_sender(notification.product, notification.request.url):
                earlier = self._said_earlier((row.name, request_id), outcome, content)
        if request_id is None:
            self.unreadable_notices[notification.product] += 1
        if answer is not None:
            answer.add(arrival, altered=altered)
        altered = altered and answer is not None
        return Notice(notification, content, request_id, outcome, answer, altered, self.contract, earlier)

    def _said_earlier(self, of: tuple[str, str], outcome: str | None, content: Content) -> Earlier | None:
        """The details of earlier unsolicited notifications under that name and id; adds those of this one."""
        if content.members is None:
            return None
        earlier = self._unsolicited.get(of)
        first, details = earlier or (outcome, {})
        self._unsolicited[of] = first, {**telling_of(content.members, self.contract), **details}
        return earlier

    def _fingerprint(self, members: Mapping[str, Any]) -> int | None:
        """Equal for notifications with the same details of their transaction; None without any."""
        details = telling_of(members, self.contract)
        return hash(repr(sorted(details.items()))) if details else None

    def _at_its_own(self, notification: Notification, answer: ResponseSummary | None) -> Notification:
        """The notification, moved to its own product if that is registered at another's callback."""
        if not self.terms.callback_paths or answer is None:
            return notification
        owners = answer.shared.products if answer.shared else (answer.product,)
        own = (each for each in owners if each and self.terms.callback_of(each) == notification.product)
        product = next(own, notification.product)
        return notification if product == notification.product else replace(notification, product=product)

    def _once(self, value: Any) -> Any:
        """The value, or an equal one from before, so that summaries share it."""
        return self._alike.setdefault(value, value) if type(value) in _REMEMBERED_ONCE else value

    # --- Asking

    def holds(self, number: int) -> bool:
        """Whether the exchange with that number is in this part of the run."""
        return any(outcome.number == number for outcome in self.outcomes)

    @property
    def commands(self) -> Collection[str | None]:
        """The commands that requests were sent for; None for all others."""
        return self._by_command.keys()

    def of_command(self, command: str | None, *kinds: Kind) -> Iterable[ResponseSummary]:
        """All outcomes of a command's requests, in the order in which they were sent; only of `kinds`, if given."""
        if not kinds:
            return self._by_command.get(command, ())
        one, *more = (self._by_kind.get((command, kind), []) for kind in kinds)
        return merge(one, *more, key=attrgetter("number")) if more else one

    def final_of(self, command: str | None, *kinds: Kind) -> Iterator[ResponseSummary]:
        """The outcomes that count, one a case."""
        return (outcome for outcome in self.of_command(command, *kinds) if outcome.final)

    def arrivals_about(self, outcome: ResponseSummary) -> Sequence[NotificationSummary]:
        """The notifications of all attempts at a case, in the order in which they came."""
        attempts = self._attempts.get(outcome.case_id)
        if attempts is None:
            return outcome.notifications()
        arrivals = chain.from_iterable(attempt.notifications() for attempt in attempts)
        return sorted(arrivals, key=attrgetter("number"))

    def first_about(self, outcome: ResponseSummary) -> NotificationSummary | None:
        """The first of these notifications; None if there is none."""
        attempts = self._attempts.get(outcome.case_id)
        if attempts is None:
            return outcome.earliest()
        return min(filter(None, (attempt.earliest() for attempt in attempts)), key=SOONEST, default=None)

    def shares_id(self, outcome: ResponseSummary) -> bool:
        """Whether the gateway gave the answer's request_id to another case, too."""
        return outcome.shared is not None and outcome.shared.several

    def twin_of(self, outcome: ResponseSummary) -> ResponseSummary | TwinReply | None:
        """The reply to the case's positive twin, or of its replacement if the answer got lost.

        A repeat has no replacement: its twin belongs to the same sequence.
        """
        twin = outcome.purpose.twin or ""
        if outcome.kind is Kind.REPEAT:
            return self._reply_to(twin)
        replies = map(self._reply_to, self._stand_ins(twin))
        return next(filter(_answered, replies), self._reply_to(twin))

    def _reply_to(self, case_id: str) -> ResponseSummary | TwinReply | None:
        return self.final.get(case_id) or self.facts.replies.get(case_id)

    def _stand_ins(self, case_id: str) -> Iterator[str]:
        """The case, its replacements, and theirs."""
        yield case_id
        for stand_in in self.terms.stand_ins.get(case_id, ()):
            yield from self._stand_ins(stand_in)

    def earlier_of(self, outcome: ResponseSummary) -> ResponseSummary | None:
        """The outcome of the case that this one repeats."""
        return self.final.get(outcome.purpose.earlier or "")

    def sent_between(self, one: ResponseSummary, other: ResponseSummary) -> Iterator[ResponseSummary]:
        """The outcomes of everything that was sent between the two, of all commands."""
        start = bisect_right(self.outcomes, one.number, key=attrgetter("number"))
        return takewhile(lambda outcome: outcome.number < other.number, islice(self.outcomes, start, None))

    def owed(self, command: str | None) -> Iterator[ResponseSummary]:
        """The accepted requests of a command that a notification with a known id must follow."""
        return (outcome for outcome in self.final_of(command) if outcome.owes_notification)


# Types whose equal values look alike in a report: 200 and 200.0 do not, nor do 1 and true.
_REMEMBERED_ONCE = frozenset({str, int, Purpose})


def is_of_anybody(notification: Notification, terms: Terms) -> bool:
    """Whether anybody may have sent a request without an id, because its address can be guessed."""
    product = notification.product
    return product is not None and not terms.is_known_only_to_the_gateway(product, notification.request.url)


def _answered(outcome: ResponseSummary | TwinReply | None) -> bool:
    return outcome is not None and outcome.status not in (None, TOO_MANY_REQUESTS)


def identity_of(command: str | None, request: Request) -> bytes:
    """Equal for equal requests of a command, whatever their headers."""
    return blake2b(_addressed(command, request.method, request.url) + request.body, digest_size=IDENTITY).digest()


@lru_cache
def _addressed(command: str | None, method: str, url: str) -> bytes:
    return repr((command, method, url)).encode()
