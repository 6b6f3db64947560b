"""The contract as a state machine without I/O: a request and the time go in, the answer and its notifications come out.

Each of `STEPS` checks one of the `rules`; `account` has the effects of an accepted request. A refused request
changes nothing but the count of requests.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from conformance.contract.command import Command
from conformance.mock.account import (
    Account,
    Transaction,
    TransactionOutcome,
    failures,
    number_row,
    price,
    result,
    shape_of_ids,
    success_reason,
)
from conformance.mock.behaviour import Arrivals, Behaviour, Callback, Moment, Reply
from conformance.mock.changes import on_number
from conformance.mock.rules import (
    CRASH,
    METHOD,
    TAGS,
    UNAUTHORIZED,
    UNKNOWN_COMMAND,
    VALIDATION_STATUS,
    BrokenRule,
    RefusalAnswer,
    challenge,
    content_type_breach,
    credential_breaches,
    member_breaches,
    read_body,
    refusal_of,
    taken,
)
from conformance.model.traffic import JSON_MEDIA_TYPE, Request

# The answer to a recipient that is refused by no rule of the contract, before its row changes it.
CHOSEN = RefusalAnswer(400, "This recipient is refused")

JSON_HEADER = ("Content-Type", JSON_MEDIA_TYPE)


@dataclass(frozen=True, slots=True)
class Reaction:
    """The reply to a request, the notifications that it leads to, and the moment that both were made from."""

    reply: Reply
    deliveries: tuple[Callback, ...] = ()
    moment: Moment | None = None


@dataclass(slots=True)
class Visit:
    """A request on its way through the steps.

    `payload` is the body as an object, None before it is read. `excused`: a rule was waived, without which the rules
    about body and members do not apply. `excused_members`: those that break a waived rule.
    """

    request: Request
    now: float
    command: Command | None = None
    payload: Mapping[str, Any] | None = None
    excused: bool = False
    excused_members: set[str] = field(default_factory=set)

    @property
    def members(self) -> Mapping[str, Any]:
        """The payload's members, if there is a payload."""
        return self.payload or {}


class Gateway:
    """The mock gateway for one `account`, behaving as `behaviour` says. Not thread-safe: one event loop uses it.

    `seed` settles ids and chance failures. `epoch` is the date at time 0 of the clock that `answer` is given.
    """

    def __init__(
        self,
        account: Account,
        behaviour: Behaviour | None = None,
        seed: int = 0,
        epoch: datetime = datetime(2024, 1, 1, tzinfo=UTC),
    ) -> None:
        self.account = account
        self.contract = account.contract
        self.behaviour = behaviour or Behaviour()
        self.balance = account.balance
        self.count = 0
        self.accepted = 0
        self._epoch = epoch
        self._base = f"{self.contract.base_path}/"
        self._shape = shape_of_ids(self.contract)
        self._id_random = Random(f"{seed}/ids")
        self._result_random = Random(f"{seed}/results")
        self._rate = Rate(self.behaviour.rate_per_s) if self.behaviour.rate_per_s else None
        self._recent = RecentRequests()
        self._slowed: set[str] = set()
        self._arrivals = Arrivals()

    def answer(self, request: Request, now: float) -> Reaction:
        """The answer to `request`, whose `url` is the target with its query, at `now` (seconds of a monotonic clock).

        No request makes it raise. SuiteError if the behaviour refuses with an unknown tag.
        """
        self.count += 1
        self._arrivals.add(now)
        visit = Visit(request, now)
        breach = self._first_breach(visit) or self._additional_breach(visit)
        if breach is None:
            self.accepted += 1
        moment = self._moment(visit, breach.tag if breach else None)
        new_id = self.behaviour.new_id
        request_id = new_id(moment, self._id_random) if new_id else self._shape.draw(self._id_random)
        moment = replace(moment, request_id=request_id)
        if breach is None:
            reply, deliveries = self._accept(visit, moment)
        else:
            reply, deliveries = self._refuse(breach, moment), ()
        if breach is None or breach.refusal is CHOSEN:
            row = number_row(self.contract, self._recipient(visit))
            reply, deliveries = on_number(row.changes if row else (), moment, reply, deliveries)
        for change in self.behaviour.reply:
            reply = change(reply, moment)
        for alter in self.behaviour.deliveries:
            deliveries = alter(deliveries, moment)
        return Reaction(reply, deliveries, moment)

    # --- The steps, in the order of STEPS: each yields the rules that the request breaks

    def rate(self, visit: Visit) -> Iterator[BrokenRule]:
        """No more requests than `behaviour.rate_per_s`."""
        if self._rate and not self._rate.take(visit.now):
            yield BrokenRule("rate")

    def known_command(self, visit: Visit) -> Iterator[BrokenRule]:
        """The path is that of a command."""
        path = visit.request.url.partition("?")[0]
        if path.startswith(self._base):
            visit.command = self.contract.commands.get(path[len(self._base) :])
        if visit.command is None:
            yield BrokenRule(UNKNOWN_COMMAND)

    def method(self, visit: Visit) -> Iterator[BrokenRule]:
        """The method is the command's."""
        if visit.command and visit.request.method != visit.command.method:
            yield BrokenRule(METHOD)
            visit.excused = True

    def credential(self, visit: Visit) -> Iterator[BrokenRule]:
        """The credential is the account's."""
        yield from map(BrokenRule, credential_breaches(visit.request.headers, self.account))

    def content_type(self, visit: Visit) -> Iterator[BrokenRule]:
        """A body is declared as JSON."""
        tag = content_type_breach(visit.request.headers, visit.request.body)
        if tag and _has_body(visit) and not visit.excused:
            yield BrokenRule(tag)

    def body(self, visit: Visit) -> Iterator[BrokenRule]:
        """The body is a JSON object."""
        if not _has_body(visit):
            return
        tag, payload = read_body(visit.request.body)
        if tag and not visit.excused:
            yield BrokenRule(tag)
            visit.excused = True
        visit.payload = taken(payload, self.behaviour)

    def members(self, visit: Visit) -> Iterator[BrokenRule]:
        """The members are the command's, each of its form."""
        if visit.excused or not visit.command or not _has_body(visit):
            return
        first: str | None = None
        errors: dict[str, list[str]] = {}
        for found in member_breaches(self.contract, visit.command, visit.members, self.behaviour):
            if found.tag in self.behaviour.waived:
                visit.excused_members.add(found.member)
            else:
                first = first or found.tag
                errors.setdefault(found.member, []).append(found.message)
        if first:
            yield BrokenRule(first, errors)

    def window(self, visit: Visit) -> Iterator[BrokenRule]:
        """No similar request was accepted within the command's window."""
        if self._recent.holds(self._similar(visit), visit.now, _window_s(visit)):
            yield BrokenRule("window")

    def names(self, visit: Visit) -> Iterator[BrokenRule]:
        """Values that have to be registered to the account are."""
        if visit.excused:
            return
        for member, value in visit.members.items():
            registered = self.account.registered.get(member)
            if registered is not None and member not in visit.excused_members and value not in registered:
                yield BrokenRule("unregistered")

    def chosen_number(self, visit: Visit) -> Iterator[BrokenRule]:
        """The recipient's number does not ask for a refusal (`[[number]]` of the contract)."""
        number = self._recipient(visit)
        row = number_row(self.contract, number)
        if row and row.refuse and number not in self._slowed:
            if row.once:
                self._slowed.add(str(number))
            yield BrokenRule(row.refuse, refusal=None if row.refuse in TAGS else CHOSEN)

    def funds(self, visit: Visit) -> Iterator[BrokenRule]:
        """The balance covers the price."""
        if visit.command and price(visit.command, visit.members) > self.balance:
            yield BrokenRule("funds")

    # --- Deciding

    def _first_breach(self, visit: Visit) -> BrokenRule | None:
        """The first broken rule that is not waived. Steps have effects after a breach, so it draws them one by one."""
        for step in STEPS:
            for breach in step(self, visit):
                if breach.tag not in self.behaviour.waived:
                    return breach
        return None

    def _additional_breach(self, visit: Visit) -> BrokenRule | None:
        if not self.behaviour.additional_refusals:
            return None
        moment = replace(self._moment(visit, None), accepted=self.accepted + 1)
        tags = (refuses(moment) for refuses in self.behaviour.additional_refusals)
        return next((BrokenRule(tag) for tag in tags if tag is not None), None)

    def _moment(self, visit: Visit, refusal: str | None) -> Moment:
        command = visit.command.name if visit.command else None
        return Moment(
            self.count,
            self.accepted,
            visit.request,
            command,
            refusal,
            visit.payload,
            request_id="",
            now=visit.now,
            callbacks=self.account.callbacks,
            contract=self.contract,
            arrivals=self._arrivals,
        )

    # --- Answering

    def _refuse(self, breach: BrokenRule, moment: Moment) -> Reply:
        crashes = breach.tag in self.behaviour.crashes
        refusal = CRASH if crashes else breach.refusal or refusal_of(self.contract, breach.tag)
        status = self.behaviour.validation_status if refusal.status == VALIDATION_STATUS else refusal.status
        headers = (JSON_HEADER, *refusal.headers)
        if status == UNAUTHORIZED:
            headers += (challenge(self.contract),)
        if breach.tag == METHOD and not crashes and moment.command:
            headers += (("Allow", self.contract.commands[moment.command].method),)
        content = self._envelope(status, refusal.description, moment.request_id)
        if status == VALIDATION_STATUS and breach.errors and self.contract.answer.errors:
            content[self.contract.answer.errors] = dict(breach.errors)
        return Reply(status, headers, content)

    def _accept(self, visit: Visit, moment: Moment) -> tuple[Reply, tuple[Callback, ...]]:
        command = visit.command
        success = self.contract.answer.success
        content = self._envelope(success, success_reason(self.contract), moment.request_id)
        if command and self.contract.account and command.name == self.contract.account.command:
            content |= self.account.details(self.balance)
        reply = Reply(success, (JSON_HEADER,), content)
        if command is None or command.product is None:
            return reply, ()
        transaction = self._settle(command, visit, moment)
        url = self.account.callbacks.get(command.product)
        if url is None:
            return reply, ()
        notification = result(self.contract, transaction, self._result_random)
        method, after_s = self.contract.notification.method, self.behaviour.notify_after_s
        return reply, (Callback(command.product, url, notification, method, after_s=after_s),)

    def _settle(self, command: Command, visit: Visit, moment: Moment) -> Transaction:
        """Carries the transaction out: the window opens, and if it succeeds the account pays or is paid."""
        if similar := self._similar(visit):
            self._recent.add(similar, visit.now, _window_s(visit))
        outcome = self._outcome(command, visit)
        charge = price(command, visit.members) if outcome.succeeded else 0
        self.balance -= charge
        at = self._epoch + timedelta(seconds=visit.now)
        return Transaction(command, visit.members, moment.request_id, outcome, charge, self.balance, at)

    def _outcome(self, command: Command, visit: Visit) -> TransactionOutcome:
        success, ways = TransactionOutcome.success(self.contract), failures(self.contract, command)
        row = number_row(self.contract, self._recipient(visit))
        if row:
            return next((failure for failure in ways if failure.code == row.outcome), success)
        if self._result_random.random() < self.behaviour.failure_rate and ways:
            return self._result_random.choice(ways)
        return success

    # --- By role

    def _recipient(self, visit: Visit) -> Any:
        return visit.members.get(self.contract.members.recipient or "")

    def _envelope(self, status: int, reason: str, request_id: str) -> dict[str, Any]:
        roles = self.contract.answer
        return {roles.code: status, roles.reason: reason, roles.id: request_id}

    def _similar(self, visit: Visit) -> tuple[str, ...] | None:
        """The key of similar requests; None where the command has no window, or the members to compare are missing."""
        command = visit.command
        key = command.window.key(visit.members) if command and command.window else None
        if command is None or command.window is None or key is None:
            return None
        # A number is the same with a plus sign before it.
        plain = (
            text.lstrip("+") if member == self.contract.members.recipient else text
            for member, text in zip(command.window.members, key, strict=True)
        )
        return command.name, *plain


Step = Callable[[Gateway, Visit], Iterator[BrokenRule]]

STEPS: tuple[Step, ...] = (
    Gateway.rate,
    Gateway.known_command,
    Gateway.method,
    Gateway.credential,
    Gateway.content_type,
    Gateway.body,
    Gateway.members,
    Gateway.window,
    Gateway.names,
    Gateway.chosen_number,
    Gateway.funds,
)
"""The rules in the order of checking; `behaviour.additional_refusals` come after them."""


def _window_s(visit: Visit) -> float:
    return visit.command.window.seconds if visit.command and visit.command.window else 0.0


def _has_body(visit: Visit) -> bool:
    """Whether the command takes its parameters from the body (contract: those of a GET travel in the URL)."""
    return visit.command is not None and visit.command.method != "GET"


class Rate:
    """A second's worth of requests at once, and `per_s` per second after that."""

    def __init__(self, per_s: float) -> None:
        self._per_s = per_s
        self._most = max(1.0, per_s)
        self._tokens = self._most
        self._filled_at = float("-inf")

    def take(self, now: float) -> bool:
        """Whether a request at `now` is within the rate; it is counted only if so."""
        since = max(0.0, now - self._filled_at)
        self._tokens = min(self._most, self._tokens + since * self._per_s)
        self._filled_at = now
        within = self._tokens >= 1.0
        self._tokens -= within
        return within


class RecentRequests:
    """The keys of the requests that were accepted lately."""

    def __init__(self) -> None:
        self._accepted_at: dict[Hashable, float] = {}

    def holds(self, similar: Hashable, now: float, length_s: float) -> bool:
        """Whether a similar request was accepted less than `length_s` before `now`."""
        at = self._accepted_at.get(similar)
        return at is not None and now - at < length_s

    def add(self, similar: Hashable, now: float, length_s: float) -> None:
        """A request was accepted at `now`; forgets those that were accepted `length_s` before."""
        self._accepted_at.pop(similar, None)
        self._accepted_at[similar] = now
        # In order of acceptance, so the oldest are at the front: a mock that runs for days remembers five minutes.
        while now - self._accepted_at[oldest := next(iter(self._accepted_at))] >= length_s:
            del self._accepted_at[oldest]
