"""Summaries of responses and notifications, of a fixed size, without their bodies.

They are not frozen: a run has one for each exchange, and links them while it is read.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any, NamedTuple

from conformance.contract.contract import Contract
from conformance.judging.reading import NOTHING, Answer, Answered, Content, FormResult, notice_form
from conformance.judging.transactions import AccountUse, Details, Echo
from conformance.model.traffic import Case, Kind, Notification


class Purpose(NamedTuple):
    """The purpose of a case: the members of `Case` that many cases have in common, and the contract."""

    contract: Contract
    command: str | None
    kind: Kind
    aspect: str
    member: str | None
    keyword: str | None
    twin: str | None
    earlier: str | None

    @classmethod
    def of(cls, case: Case, contract: Contract) -> Purpose:
        """Of a case."""
        about = (case.command, case.kind, case.aspect, case.member, case.keyword, case.twin, case.earlier)
        return cls(contract, *about)


ABSENT = object()
"""The value of a member that an answer lacks; null is a value."""


@dataclass(slots=True, eq=False)
class ResponseSummary(Answered):
    """Summary of an answer (see `Answer`), for rules about more than one.

    `code` and `reason`: the members of these roles in the envelope, or ABSENT. `failure`: why there is no answer.
    `identity`: equal for equal requests, whatever their headers. `whole`: the answer itself, for the few probes of
    paths and methods and the requests for the balance. `details`: those of an accepted request that its notifications
    may repeat. `account`: the use of the account by a request that was answered 402 or 403. `shared`: the group of
    answers with the same request_id, None without others. `arrivals`: the notifications with its request_id, if it is
    the first answer with it. `altered`: notifications with an altered form of its request_id.
    """

    case_id: str
    purpose: Purpose
    number: int
    status: int | None
    request_id: str | None
    accepted: bool
    final: bool
    http_status: int | None
    code: Any
    reason: Any
    failure: str | None
    answered_at: float | None
    identity: bytes
    whole: Answer | None
    details: Details | None = None
    account: AccountUse | None = None
    shared: SharedId | None = None
    arrivals: list[NotificationSummary] | None = None
    altered: list[NotificationSummary] | None = None

    @property
    def contract(self) -> Contract:
        """The contract."""
        return self.purpose.contract

    @property
    def said(self) -> str | None:
        """Its reason, if it is a string."""
        return self.reason if isinstance(self.reason, str) else None

    @property
    def first(self) -> ResponseSummary:
        """The first outcome with the same request_id."""
        return self.shared.first if self.shared else self

    def notifications(self) -> Sequence[NotificationSummary]:
        """The notifications that belong to it."""
        exact = self.first.arrivals or ()
        return [*exact, *self.altered] if self.altered else exact

    def earliest(self) -> NotificationSummary | None:
        """The first of these notifications."""
        if self.shared is None:
            return min(self.notifications(), key=SOONEST, default=None)
        return min(filter(None, (self.shared.earliest, *(self.altered or ()))), key=SOONEST, default=None)

    def add(self, arrival: NotificationSummary, *, altered: bool) -> None:
        """Add a notification with its request_id, or with an altered form of it."""
        if altered:
            self.altered = self.altered or []
            self.altered.append(arrival)
            return
        self.arrivals = self.arrivals or []
        self.arrivals.append(arrival)
        if self.shared:
            self.shared.earliest = min(filter(None, (self.shared.earliest, arrival)), key=SOONEST)


@dataclass(slots=True, eq=False)
class SharedId:
    """A request_id that several answers have, first of all `first`.

    `other`: the first answer whose request is not equal to that of `first`. `several`: whether they belong to several
    cases, not only to several attempts at one. `products`: those of all answers. `earliest`: the first notification.
    """

    first: ResponseSummary
    products: set[str | None]
    other: ResponseSummary | None = None
    several: bool = False
    earliest: NotificationSummary | None = None

    def add(self, outcome: ResponseSummary) -> None:
        """Add an answer with this request_id."""
        outcome.shared = self
        self.products.add(outcome.product)
        self.several = self.several or outcome.case_id != self.first.case_id
        if self.other is None and outcome.identity != self.first.identity:
            self.other = outcome


@dataclass(slots=True, eq=False)
class NotificationSummary:
    """Summary of a notification (see `Notice`). `echo`: the details of its request that it repeats, if any.

    `telling`: equal for notifications with exactly the same details; None without any.
    """

    number: int
    product: str | None
    request_id: str | None
    received_at: float
    outcome: str | None
    answer: ResponseSummary | None
    echo: Echo | None = None
    telling: int | None = None

    @property
    def orphan(self) -> bool:
        """Whether it has an id that no answer of the run has."""
        return self.request_id is not None and self.answer is None


class Contradiction(NamedTuple):
    """A notification that contradicts those before it: `member` is `value`, and was `before`."""

    arrival: NotificationSummary
    member: str
    value: Any
    before: Any


SOONEST = attrgetter("received_at", "number")


# The first outcome under an id, and the details of its transaction.
Earlier = tuple[str | None, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Notice:
    """A notification as the contract reads it.

    `outcome`: of the transaction, as text. `answer`: the one that it belongs to, None for an orphan: the first with
    exactly its request_id, or if `altered` the one whose request_id it evidently means. `earlier`: the details of
    earlier notifications with its id, if it has no request and its sender is known.
    """

    notification: Notification
    content: Content
    request_id: str | None
    outcome: str | None
    answer: ResponseSummary | None
    altered: bool
    contract: Contract
    earlier: Earlier | None = None
    _form: FormResult | None = field(default=None, init=False, repr=False, compare=False)

    @property
    def form(self) -> FormResult:
        """The cached result of its validation."""
        if self._form is None:
            content, form = self.content, NOTHING
            if content.error is None or content.in_query:
                form = notice_form(self.contract, self.command, content.value, self.outcome, typed=not content.in_query)
            object.__setattr__(self, "_form", form)
        return self._form or NOTHING

    @property
    def number(self) -> int:
        """Its number in the journal."""
        return self.notification.number

    @property
    def product(self) -> str | None:
        """The product at whose callback it arrived."""
        return self.notification.product

    @property
    def command(self) -> str | None:
        """The command that it is judged under: its request's, or the one of the callback.

        A notification without a request is judged under its product. The callback also decides if requests of several
        commands got one request_id, which is another fault.
        """
        if self.answer is None and (row := self.contract.unsolicited_at(self.product)) is not None:
            return row.name
        if self.answer is None or self.product in self.owners:
            return self.contract.command_of(self.product)
        return self.answer.command

    @property
    def owners(self) -> Collection[str | None]:
        """The products of all answers that it may belong to."""
        if self.answer is None:
            return ()
        shared = None if self.altered else self.answer.shared
        return shared.products if shared else (self.answer.product,)


# An altered request_id must keep enough characters, 12 of an alphabet of 10 or more, to rule out chance. Similar ids
# of one length (counters) are never taken for altered ones.
RECOGNISABLE = 12
# The most characters that may be cut off an id, or added.
CUT = 4
# Longer ids are compared unchanged: ids in use have some thirty characters.
LONGEST = 1_000


class AlteredIds:
    """Finds the accepted answer that an unknown id evidently means: same letters, or a few cut off or added.

    `unnotified`: the answers without a notification with exactly their request_id. `unknown`: the ids to find.
    """

    def __init__(self, unnotified: Iterable[ResponseSummary], unknown: Iterable[str]) -> None:
        self._exactly: dict[str, ResponseSummary] = {}
        for outcome in unnotified:
            if outcome.request_id is not None:
                self._exactly.setdefault(_bare(outcome.request_id), outcome)
        wanted = {_bare(request_id) for request_id in unknown}
        self._cut: dict[str, ResponseSummary] = {}
        for bare, outcome in self._exactly.items():
            for part in _cuts(bare):
                if part in wanted:
                    self._cut.setdefault(part, outcome)

    def meant_by(self, request_id: str) -> ResponseSummary | None:
        """The answer that one of the `unknown` ids means; None if there is none."""
        bare = _bare(request_id)
        found = self._exactly.get(bare) or self._cut.get(bare)
        return found or next((self._exactly[part] for part in _cuts(bare) if part in self._exactly), None)


def _cuts(bare: str) -> Iterator[str]:
    for length in range(1, CUT + 1):
        if RECOGNISABLE <= len(bare) - length < LONGEST:
            yield bare[:-length]
            yield bare[length:]


def _bare(request_id: str) -> str:
    """The letters and digits of an id, in lower case."""
    if len(request_id) > LONGEST:
        return request_id
    return "".join(character for character in request_id.casefold() if character.isalnum())
