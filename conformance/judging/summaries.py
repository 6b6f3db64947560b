"""Summaries of responses and notifications: what is kept of each once its body was gone through, of a fixed size.

    Purpose                 what a case is there to show
    ResponseSummary         of an answer
    SharedId                a request_id that was given more than once
    NotificationSummary     of a notification
    Contradiction           two notifications of one request that tell of different transactions
    Notice                  a notification at hand in full, and the answer that it belongs to
    AlteredIds              finds the answer whose request_id a notification evidently means

The summaries are not frozen: there are as many as a run has exchanges, and they come to know each other as it is read.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any, NamedTuple

from conformance.contract.contract import Contract
from conformance.judging.form import NOTHING, FormResult, notice_form
from conformance.judging.reading import Answer, Answered, Content
from conformance.judging.transactions import AccountUse, Details, Echo
from conformance.model.traffic import Case, Kind, Notification


class Purpose(NamedTuple):
    """What a case is there to show: the members of `Case` that many cases have in common, and the contract."""

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


class Absent:
    """The value of a member that an answer lacks; null is a value."""


ABSENT = Absent()


@dataclass(slots=True, eq=False)
class ResponseSummary(Answered):
    """Summary of an answer (see `Answer`), for rules that look at more than one.

    `code` and `reason`: the members of these roles as they stand in the envelope, or ABSENT. `failure`: why there is no
    answer. `identity`: equal for equal requests, whatever their headers. `whole`: the answer itself, for the few probes
    of paths and methods and the looks at the balance. `details`: what an accepted request asked for, of that which its
    notifications may tell again. `account`: what a request asked of the account that was answered 402 or 403. `shared`:
    what it has in common with the others of the same request_id, None if there are none.
    `arrivals`: the notifications with its request_id, kept by the first that was given it. `altered`: those that
    evidently mean it, though their request_id is another.
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
        """The contract that it is read by."""
        return self.purpose.contract

    @property
    def said(self) -> str | None:
        """Its reason, if that is a string."""
        return self.reason if isinstance(self.reason, str) else None

    @property
    def first(self) -> ResponseSummary:
        """The first outcome with the same request_id."""
        return self.shared.first if self.shared else self

    def heard(self) -> Sequence[NotificationSummary]:
        """The notifications that belong to it."""
        exact = self.first.arrivals or ()
        return [*exact, *self.altered] if self.altered else exact

    def earliest(self) -> NotificationSummary | None:
        """The one of them that came first."""
        if self.shared is None:
            heard = self.heard()
            return min(heard, key=SOONEST) if len(heard) > 1 else heard[0] if heard else None
        return min(filter(None, (self.shared.earliest, *(self.altered or ()))), key=SOONEST, default=None)

    def keep(self, arrival: NotificationSummary, *, altered: bool) -> None:
        """A notification that carries its request_id, which it was the first to be given, or an altered one."""
        if altered:
            self.altered = self.altered or []
            self.altered.append(arrival)
            return
        self.arrivals = self.arrivals or []
        self.arrivals.append(arrival)
        if self.shared:
            self.shared.hear(arrival)


@dataclass(slots=True, eq=False)
class SharedId:
    """A request_id that was given more than once: to `first`, and so on.

    `other`: the first whose request is not equal to that of `first`. `several`: whether it was given to several cases,
    not only to several attempts at one. `products`: those of all. `earliest`: of the notifications with it, if any.
    """

    first: ResponseSummary
    products: set[str | None]
    other: ResponseSummary | None = None
    several: bool = False
    earliest: NotificationSummary | None = None

    def add(self, outcome: ResponseSummary) -> None:
        """Another outcome with this request_id."""
        outcome.shared = self
        self.products.add(outcome.product)
        self.several = self.several or outcome.case_id != self.first.case_id
        if self.other is None and outcome.identity != self.first.identity:
            self.other = outcome

    def hear(self, arrival: NotificationSummary) -> None:
        """Another notification with this request_id."""
        self.earliest = arrival if self.earliest is None else min(self.earliest, arrival, key=SOONEST)


@dataclass(slots=True, eq=False)
class NotificationSummary:
    """Summary of a notification (see `Notice`). `echo`: what it repeats of its request, if anything.

    `telling`: equal for those that tell the same of it, letter by letter; None for one that tells nothing.
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
        """Whether it carries an id that no answer of the run gave."""
        return self.request_id is not None and self.answer is None


class Contradiction(NamedTuple):
    """A notification that tells of another transaction than those before it: `member` is `value`, and was `before`."""

    arrival: NotificationSummary
    member: str
    value: Any
    before: Any


SOONEST = attrgetter("received_at", "number")


# The first outcome that was told under an id, and the members that tell of its transaction.
Earlier = tuple[str | None, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Notice:
    """A notification as the contract reads it.

    `outcome`: what became of the request, as text. `answer`: the one that it belongs to, None for an orphan: the first
    whose request_id it carries exactly, or if `altered` the one whose request_id it evidently means. `earlier`: what
    those before it said under its id, where no request precedes it and its sender is known.
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
        """The result of its validation, found once."""
        if self._form is None:
            content, form = self.content, NOTHING
            if content.error is None or content.in_query:
                form = notice_form(self.contract, self.command, content.value, self.outcome, typed=not content.in_query)
            object.__setattr__(self, "_form", form)
            return form
        return self._form

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
        """The command that it is judged under: its request's, or the one whose callback it came to.

        What no request precedes is judged under its product. The callback counts also where requests of several
        commands got one request_id, for that is another fault.
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


# An altered request_id is recognised only if so much of it is left that chance is ruled out: 12 characters of an
# alphabet of 10 or more. Ids of one length that merely look alike (counters) are never taken for altered ones.
RECOGNISABLE = 12
# How many characters may have been cut off an id, or added, for it to be recognised still.
CUT = 4


# What is longer is looked for as it is: ids in use have some thirty characters.
LONGEST = 1_000


def _bare(request_id: str) -> str:
    if len(request_id) > LONGEST:
        return request_id
    return "".join(character for character in request_id.casefold() if character.isalnum())


class AlteredIds:
    """Finds the accepted answer that an unknown id evidently means: same letters, or a little cut off or added.

    `untold`: the answers whose request_id no notification carries exactly. `unknown`: the ids that are asked for.
    """

    def __init__(self, untold: Iterable[ResponseSummary], unknown: Iterable[str]) -> None:
        self._exactly: dict[str, ResponseSummary] = {}
        for outcome in untold:
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
