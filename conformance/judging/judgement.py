"""Judgements, the results of a check, and the three types of checks.

An AnswerCheck judges one answer at a time, in full, and a NoticeCheck one notification; the rule of both is a generator
that yields nothing if the requirement held. A RunCheck judges the whole run by its summaries: a function of the
evidence and a command. So one pass through a run serves all checks (`conformance.judging.single_pass`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Generic, TypeVar

from conformance.judging.evidence import Evidence
from conformance.judging.reading import Answer
from conformance.judging.summaries import Notice, NotificationSummary, ResponseSummary
from conformance.judging.terms import Terms

# The longest value in a finding; more would drown the message, the journal has it whole.
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
    """Requirements, by their ids, that fail for one cause, and the number of exchanges with it."""

    requirements: tuple[str, ...]
    exchanges: int


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
        cls, answer: Answer | ResponseSummary, message: str, *, pointer: str | None = None, value: Any = None
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
