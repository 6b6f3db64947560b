"""What is remembered of each answer and notification once its body was gone through: little, and of a fixed size.

    Purpose         what a case is there to show
    Outcome         what is remembered of an answer
    Shared          a request_id that was given more than once
    Arrival         what is remembered of a notification
    Contradiction   two notifications of one request that tell of different transactions

None of these is frozen: there are as many as a run has exchanges, and they come to know each other as it is read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, NamedTuple

from conformance.contract.contract import Contract
from conformance.judging.details import Details, Echo
from conformance.judging.payers import Asked
from conformance.judging.reading import Answer, Answered
from conformance.model.traffic import Kind


class Purpose(NamedTuple):
    """What a case is there to show, by which contract: the members of `Case` that many cases have in common."""

    contract: Contract
    command: str | None
    kind: Kind
    aspect: str
    member: str | None
    keyword: str | None
    twin: str | None
    earlier: str | None


class Absent:
    """Stands where an answer has no such member; null is a value."""


ABSENT = Absent()


@dataclass(slots=True, eq=False)
class Outcome(Answered):
    """What is remembered of an answer (see `Answer`), for whatever needs more than one to be judged.

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
    account: Asked | None = None
    shared: Shared | None = None
    arrivals: list[Arrival] | None = None
    altered: list[Arrival] | None = None

    @property
    def command(self) -> str | None:
        """The command that was asked for; None for what is no command."""
        return self.purpose.command

    @property
    def contract(self) -> Contract:
        """The contract that it is read by."""
        return self.purpose.contract

    @property
    def kind(self) -> Kind:
        """What the request is there to show."""
        return self.purpose.kind

    @property
    def aspect(self) -> str:
        """What in particular it is there to show."""
        return self.purpose.aspect

    @property
    def said(self) -> str | None:
        """Its reason, if that is a string."""
        return self.reason if isinstance(self.reason, str) else None

    @property
    def first(self) -> Outcome:
        """The first outcome with the same request_id."""
        return self.shared.first if self.shared else self

    def heard(self) -> Sequence[Arrival]:
        """The notifications that belong to it."""
        exact = self.first.arrivals or ()
        return [*exact, *self.altered] if self.altered else exact

    def earliest(self) -> Arrival | None:
        """The one of them that came first."""
        if self.shared is None:
            heard = self.heard()
            return min(heard, key=SOONEST) if len(heard) > 1 else heard[0] if heard else None
        return min(filter(None, (self.shared.earliest, *(self.altered or ()))), key=SOONEST, default=None)

    def keep(self, arrival: Arrival, *, altered: bool) -> None:
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
class Shared:
    """A request_id that was given more than once: to `first`, and so on.

    `other`: the first whose request is not equal to that of `first`. `several`: whether it was given to several cases,
    not only to several attempts at one. `products`: those of all. `earliest`: of the notifications with it, if any.
    """

    first: Outcome
    products: set[str | None]
    other: Outcome | None = None
    several: bool = False
    earliest: Arrival | None = None

    def add(self, outcome: Outcome) -> None:
        """Another outcome with this request_id."""
        outcome.shared = self
        self.products.add(outcome.product)
        self.several = self.several or outcome.case_id != self.first.case_id
        if self.other is None and outcome.identity != self.first.identity:
            self.other = outcome

    def hear(self, arrival: Arrival) -> None:
        """Another notification with this request_id."""
        self.earliest = arrival if self.earliest is None else min(self.earliest, arrival, key=SOONEST)


@dataclass(slots=True, eq=False)
class Arrival:
    """What is remembered of a notification (see `Notice`). `echo`: what it tells of its transaction, if anything.

    `telling`: equal for those that tell the same of it, letter by letter; None for one that tells nothing.
    """

    number: int
    product: str | None
    request_id: str | None
    received_at: float
    outcome: str | None
    answer: Outcome | None
    echo: Echo | None = None
    telling: int | None = None

    @property
    def orphan(self) -> bool:
        """Whether it carries an id that no answer of the run gave."""
        return self.request_id is not None and self.answer is None


class Contradiction(NamedTuple):
    """A notification that tells of another transaction than those before it: `member` is `value`, and was `before`."""

    arrival: Arrival
    member: str
    value: Any
    before: Any


SOONEST = attrgetter("received_at", "number")
