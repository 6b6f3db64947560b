"""What a check says of each thing that it looks at, and the few shapes that checks are built of.

A check is a function of the evidence and a command that yields one judgement per observation:

    Kept          the requirement held
    Finding       it did not; the finding shows where and how
    Unobserved    it could not be told, and why

The rule inside is a generator over one answer or notice that yields findings; yielding none means that it was kept.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from conformance.checks.evidence import Answer, Evidence, Notice

# How much of an offending value a finding shows; more would drown the message, the journal has it whole.
SHOWN = 120


class Reason(StrEnum):
    """Why a requirement could not be judged, the weightiest last."""

    NO_TRAFFIC = "no-traffic"
    PRECONDITION = "precondition"
    ENVIRONMENT = "environment"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True, slots=True)
class Kept:
    """The requirement held in one observation."""


@dataclass(frozen=True, slots=True)
class Unobserved:
    """One observation that says nothing, for this reason."""

    reason: Reason
    detail: str


@dataclass(frozen=True, slots=True)
class Minimal:
    """The simplest request that was seen to fall short in the same way.

    `body` is as it was sent, `differs` holds its members that a payload which went well does not have like that (None:
    it leaves the member out). `finished` is False where there may be a simpler one. `exchange` is its number.
    """

    case: str
    body: bytes
    differs: Mapping[str, Any]
    finished: bool = True
    exchange: int | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """One observation that breaks a requirement.

    `pointer` is the JSON pointer into the answer's or notification's body (None where the fault is not in it), `value`
    what stands there, shortened. `exchange` and `notification` are numbers in the journal. Findings of one
    cause are shown as the first of them: `count` is how many there are, `others` are the cases of the others.
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

    @classmethod
    def in_answer(cls, answer: Answer, message: str, *, pointer: str | None = None, value: Any = None) -> Finding:
        """A finding about an answer, at `pointer` of its body."""
        return cls(
            message,
            case=answer.case.id,
            exchange=answer.exchange.number,
            request_id=answer.request_id,
            pointer=pointer,
            value=None if pointer is None and value is None else shown(value),
        )

    @classmethod
    def in_notice(cls, notice: Notice, message: str, *, pointer: str | None = None, value: Any = None) -> Finding:
        """A finding about a notification, at `pointer` of its body."""
        answer = notice.answer
        return cls(
            message,
            case=answer.case.id if answer else None,
            exchange=answer.exchange.number if answer else None,
            notification=notice.notification.number,
            request_id=notice.request_id,
            pointer=pointer,
            value=None if pointer is None and value is None else shown(value),
        )


Judgement = Kept | Finding | Unobserved
Check = Callable[[Evidence, str | None], Iterator[Judgement]]
AnswerRule = Callable[[Answer], Iterator[Finding]]
NoticeRule = Callable[[Notice], Iterator[Finding]]

KEPT = Kept()


def shown(value: Any) -> str:
    """A value as a finding shows it: JSON where it is JSON, shortened to SHOWN characters."""
    if isinstance(value, bytes):
        text = value.decode("utf-8", "backslashreplace")
    else:
        text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}…"


def verdict_of(findings: Iterable[Finding]) -> Iterator[Judgement]:
    """The findings of one observation, or Kept if there are none."""
    found = False
    for finding in findings:
        found = True
        yield finding
    if not found:
        yield KEPT


def answers_where(select: Callable[[Answer], bool], rule: AnswerRule) -> Check:
    """A check of `rule` on each answer of the command that `select` takes, repeated attempts included."""

    def check(evidence: Evidence, command: str | None) -> Iterator[Judgement]:
        for answer in evidence.of_command(command):
            if select(answer):
                yield from verdict_of(rule(answer))

    return check


def notices_where(select: Callable[[Notice], bool], rule: NoticeRule) -> Check:
    """A check of `rule` on each notification of the command that `select` takes."""

    def check(evidence: Evidence, command: str | None) -> Iterator[Judgement]:
        for notice in evidence.notices_for(command):
            if select(notice):
                yield from verdict_of(rule(notice))

    return check
