"""Judgements, the three types of checks that yield them, and their tallies.

An AnswerCheck judges one answer at a time, in full, and a NoticeCheck one notification; the rule of both is a generator
that yields nothing if the requirement held. A RunCheck judges the whole run by its summaries: a function of the
evidence and a command.
"""

from __future__ import annotations

import json
from bisect import insort
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from operator import itemgetter
from typing import Any, Generic, TypeVar

from conformance.judging.evidence import Evidence
from conformance.judging.load_facts import Exemplar
from conformance.judging.messages import Answer, Notice, NotificationSummary, ResponseSummary
from conformance.judging.terms import Terms

# The longest value in a finding: the message has to stay readable, and the journal has the whole value.
SHOWN = 120
# The longest request_id in a finding: longer than any in use.
SHOWN_ID = 200


class Reason(StrEnum):
    """A reason why a requirement could not be judged, the weightiest last."""

    NO_TRAFFIC = "no-traffic"
    PRECONDITION = "precondition"
    ENVIRONMENT = "environment"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True, slots=True)
class Passed:
    """The requirement held in one observation; `exchange` is its number in the journal."""

    exchange: int | None = None


@dataclass(frozen=True, slots=True)
class Inconclusive:
    """One observation that proves nothing, for this reason; `exchange` as in `Passed`.

    `unsettled`: it may be the gateway's fault, so that passed observations do not make up for it.
    """

    reason: Reason
    detail: str
    exchange: int | None = None
    unsettled: bool = False


@dataclass(frozen=True, slots=True)
class Minimal:
    """The simplest known request that fails in the same way.

    `differs` holds its members that differ from those of a passing payload (None: it leaves the member out).
    `finished` is False if there may be a simpler one. `exchange` is the number of its exchange.
    """

    case: str
    differs: Mapping[str, Any]
    finished: bool = True
    exchange: int | None = None


class Dependence(StrEnum):
    """The kind of cause that a failure depends on."""

    ALWAYS = "always"
    FROM_NTH = "from-nth"
    EVERY_NTH = "every-nth"
    INTERMITTENT = "intermittent"
    PAYLOAD = "payload"
    UNTOLD = "untold"


@dataclass(frozen=True, slots=True)
class Pattern:
    """The cause of a failure, by its kind, and in words with its numbers.

    `open`: more requests could show more. `claim`: the trait of the run by which failures differ, in words.
    """

    kind: Dependence
    text: str
    open: bool = False
    claim: str = ""


@dataclass(frozen=True, slots=True)
class OneCause:
    """Requirements, by their ids, that fail for one cause, and the number of exchanges with it.

    `sentence`: the cause in words, where it is more than the failures; "" else.
    """

    requirements: tuple[str, ...]
    exchanges: int
    sentence: str = field(default="", metadata={"optional": True})


@dataclass(frozen=True, slots=True)
class Finding:
    """One observation that breaks a requirement.

    `pointer` is the JSON pointer into the body of the answer or notification (None if the fault is not in it), `value`
    the value there, shortened. `exchange` and `notification` are numbers in the journal. The first of several findings
    with one cause, or with similar answers, represents all: `count` is their number, `others` are the cases of the
    others, `pattern` is their own cause, if it is known.
    """

    message: str
    case: str | None = None
    exchange: int | None = None
    notification: int | None = None
    request_id: str | None = None
    pointer: str | None = None
    value: str | None = None
    count: int = 1
    others: tuple[str, ...] = ()
    minimal: Minimal | None = None
    pattern: str | None = None

    @classmethod
    def in_answer(
        cls, answer: Answer | ResponseSummary | Exemplar, message: str, *, pointer: str | None = None, value: Any = None
    ) -> Finding:
        """A finding about an answer, at `pointer` of its body."""
        about = (answer.case_id, answer.number, None)
        return cls(message, *about, _shortened(answer.request_id), pointer, _shown_at(pointer, value))

    @classmethod
    def in_notice(
        cls, notice: Notice | NotificationSummary, message: str, *, pointer: str | None = None, value: Any = None
    ) -> Finding:
        """A finding about a notification, at `pointer` of its body."""
        answer = notice.answer
        about = (answer.case_id if answer else None, answer.number if answer else None, notice.number)
        return cls(message, *about, _shortened(notice.request_id), pointer, _shown_at(pointer, value))


def _shown_at(pointer: str | None, value: Any) -> str | None:
    return None if pointer is None and value is None else shown(value)


def _shortened(request_id: str | None) -> str | None:
    return request_id if request_id is None or len(request_id) <= SHOWN_ID else f"{request_id[:SHOWN_ID]}…"


Judgement = Passed | Finding | Inconclusive
PASSED = Passed()

Subject = TypeVar("Subject", Answer, Notice)
# A rule yields nothing for a subject that meets the requirement.
Rule = Callable[[Subject], Iterator[Finding | Inconclusive]]
AnswerRule = Callable[[Answer], Iterator[Finding | Inconclusive]]
NoticeRule = Callable[[Notice], Iterator[Finding | Inconclusive]]


@dataclass(frozen=True, slots=True)
class SubjectCheck(Generic[Subject]):
    """Judges each subject that meets all `conditions` by a rule, which is made for the terms of the run.

    Checks share conditions if they have the same functions in the same order. `of_form`: the requirement, if the rule
    depends only on the form of the message: then `SinglePass` validates each message once for all requirements.
    """

    conditions: tuple[Callable[[Subject], bool], ...]
    rule_under: Callable[[Terms], Rule[Subject]]
    of_form: str | None = None


class AnswerCheck(SubjectCheck[Answer]):
    """Of each answer of a command, repeated attempts included."""

    __slots__ = ()


class NoticeCheck(SubjectCheck[Notice]):
    """Of each notification of a command."""

    __slots__ = ()


RunCheck = Callable[[Evidence, str | None], Iterator[Judgement]]
Check = AnswerCheck | NoticeCheck | RunCheck


def answers_where(*conditions: Callable[[Answer], bool], rule: AnswerRule) -> AnswerCheck:
    """A check of `rule` on each answer of the command that meets the conditions, repeated attempts included."""
    return AnswerCheck(conditions, lambda _: rule)


def notices_where(*conditions: Callable[[Notice], bool], rule: NoticeRule) -> NoticeCheck:
    """A check of `rule` on each notification of the command that meets the conditions."""
    return NoticeCheck(conditions, lambda _: rule)


def shown(value: Any) -> str:
    """A value in a finding: JSON or the text of bytes, shortened to SHOWN characters."""
    if isinstance(value, bytes):
        text = value.decode("utf-8", "backslashreplace")
    else:
        text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}…"


def verdict_of(
    answer: ResponseSummary, findings: Iterable[Finding], obstacle: Inconclusive | None = None
) -> Iterator[Judgement]:
    """The findings on one answer, or Passed if there are none; only the `obstacle` if there is one."""
    if obstacle is not None:
        yield obstacle
        return
    found = False
    for finding in findings:
        found = True
        yield finding
    if not found:
        yield Passed(answer.number)


# The most findings of one verdict; `failed` is the number of all, the journal has the evidence.
KEPT_FINDINGS = 10

_WEIGHTS = {reason: weight for weight, reason in enumerate(Reason)}


@dataclass(slots=True)
class Tally:
    """How many observations of one check on one command `passed`, `failed`, and were inconclusive (`unobserved`).

    `passed_in`: the lowest number of an exchange that passed, where one is known. `weightiest`: the inconclusive one
    with the weightiest reason; `unsettled`: one that no passed observation makes up for; of several the one with the
    lowest number. `listed` are beginnings of expected messages: `beginnings` are those of them that were seen, `others`
    counts the findings that begin with none.

    All orders are by number, so tallies of the parts of a run add up to that of the whole, in whatever order.
    """

    listed: tuple[str, ...] = ()
    passed: int = 0
    failed: int = 0
    unobserved: int = 0
    passed_in: int | None = None
    beginnings: set[str] = field(default_factory=set)
    others: int = 0
    _findings: list[tuple[_Place, Finding]] = field(default_factory=list)
    _weightiest: tuple[_Place, Inconclusive] | None = None
    _unsettled: tuple[_Place, Inconclusive] | None = None

    @property
    def observations(self) -> int:
        """How many observations could be judged."""
        return self.passed + self.failed

    @property
    def findings(self) -> tuple[Finding, ...]:
        """The first KEPT_FINDINGS, by the numbers of notification and exchange; unlisted ones come first."""
        return tuple(finding for _, finding in self._findings)

    @property
    def weightiest(self) -> Inconclusive | None:
        """The inconclusive observation with the weightiest reason."""
        return self._weightiest[1] if self._weightiest else None

    @property
    def unsettled(self) -> Inconclusive | None:
        """The first inconclusive observation that no passed one makes up for."""
        return self._unsettled[1] if self._unsettled else None

    def add(self, judgement: Judgement, subject: int = 0) -> None:
        """Count one judgement; `subject`: the number of the message that was judged."""
        if isinstance(judgement, Passed):
            self.add_passed(judgement.exchange)
        elif isinstance(judgement, Finding):
            self.failed += 1
            place = (self._is_listed(judgement), *numbered(judgement))
            insort(self._findings, (place, judgement), key=itemgetter(0))
            del self._findings[KEPT_FINDINGS:]
        else:
            self.unobserved += 1
            number = judgement.exchange or 0
            if judgement.unsettled:
                self._unsettled = _first(self._unsettled, ((number, subject), judgement))
            weight = -_WEIGHTS[judgement.reason]
            self._weightiest = _first(self._weightiest, ((weight, number, subject), judgement))

    def add_passed(self, exchange: int | None) -> None:
        """Count an observation that passed, in the exchange with this number."""
        self.passed += 1
        if self.passed_in is None or (exchange is not None and exchange < self.passed_in):
            self.passed_in = exchange

    def _is_listed(self, finding: Finding) -> bool:
        seen = [beginning for beginning in self.listed if finding.message.startswith(beginning)]
        self.beginnings.update(seen)
        self.others += not seen
        return bool(seen)

    def add_all(self, judgements: Iterable[Judgement]) -> None:
        """Count all judgements of a check."""
        for judgement in judgements:
            self.add(judgement)

    def add_tally(self, other: Tally) -> None:
        """Count all that another tally of the same check counted, of other observations."""
        self.passed += other.passed
        self.failed += other.failed
        self.unobserved += other.unobserved
        self.passed_in = min((n for n in (self.passed_in, other.passed_in) if n is not None), default=None)
        self.beginnings |= other.beginnings
        self.others += other.others
        self._findings = sorted([*self._findings, *other._findings], key=itemgetter(0))[:KEPT_FINDINGS]
        self._weightiest = _first(self._weightiest, other._weightiest)
        self._unsettled = _first(self._unsettled, other._unsettled)


_Place = tuple[int, ...]
_Placed = tuple[_Place, Inconclusive]


def numbered(finding: Finding) -> tuple[int, int]:
    """The place of a finding among those of its check: the numbers of its notification and of its exchange."""
    return finding.notification or 0, finding.exchange or 0


def _first(one: _Placed | None, other: _Placed | None) -> _Placed | None:
    return min(filter(None, (one, other)), key=itemgetter(0), default=None)
