"""One case of a journal, sent again and judged by itself."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from conformance.contract.command import Key, Window
from conformance.contract.contract import Contract
from conformance.diagnosis.follow_ups import is_follow_up, run_proper
from conformance.gateway.face import GatewayFace
from conformance.gateway.rules.checks import asks_for_acceptance, checks_of
from conformance.journal import Record
from conformance.judging.evidence import Evidence
from conformance.judging.judgement import (
    AnswerCheck,
    Check,
    Finding,
    Inconclusive,
    Judgement,
    NoticeCheck,
    Reason,
    SubjectCheck,
)
from conformance.judging.reading import Answer
from conformance.judging.summaries import ABSENT, ResponseSummary
from conformance.judging.verdicts import RequirementVerdict, judge_as
from conformance.model.traffic import Case, Kind
from conformance.model.untrusted import json_object

# Kinds of cases that have to be accepted.
LAWFUL = frozenset({Kind.VALID, Kind.HEADERS, Kind.REPEAT, Kind.BURST})


def history(record: Record, case: Case) -> tuple[Case, ...]:
    """The case with those that have to go before it for it to mean the same, in the order of the plan."""
    by_id = {each.id: each for each in record.cases}
    needed: set[str] = set()
    asked = [case]
    while asked:
        one = asked.pop()
        if one.id not in needed:
            needed.add(one.id)
            asked += [by_id[name] for name in (one.twin, one.earlier) if name in by_id]
            asked += _before_in_group(record, one)
    return (*(each for each in record.cases if each.id in needed and each.id != case.id), case)


def _before_in_group(record: Record, case: Case) -> Iterator[Case]:
    """The cases of its group before it; of a burst, which goes out at once, all."""
    for each in record.cases:
        if each.id == case.id and case.kind is not Kind.BURST:
            return
        if each.group == case.group and each.id != case.id:
            yield each


def judged_alone(
    contract: Contract, record: Record, case_id: str, window: WindowExcuse | None = None
) -> tuple[RequirementVerdict, ...]:
    """The verdicts to which one case of a record contributes; its answer is compared with the others all the same.

    With a `window`, the refusal of a request that should be accepted is an unmet precondition, not a failure.
    """
    checks = {id_: _about(case_id, check) for id_, check in checks_of(contract).items()}
    scope = (lambda whole, _: whole) if is_follow_up(case_id) else run_proper
    if window is not None:
        checks |= {id_: _excused(checks[id_], window) for id_ in checks if asks_for_acceptance(contract.catalogue[id_])}
    judged = judge_as(GatewayFace(lambda _: checks, scope), record, contract=contract)
    return tuple(v for v in judged.verdicts if v.observations or v.unobserved)


def _about(case_id: str, check: Check) -> Check:
    """The check of one case alone."""
    if isinstance(check, AnswerCheck):
        return AnswerCheck((lambda answer: answer.case_id == case_id, *check.conditions), check.rule_under)
    if isinstance(check, NoticeCheck):
        conditions = (lambda notice: notice.answer is not None and notice.answer.case_id == case_id, *check.conditions)
        return NoticeCheck(conditions, check.rule_under)

    def about(evidence: Evidence, command: str | None) -> Iterator[Judgement]:
        own = {outcome.number for outcome in evidence.outcomes if outcome.case_id == case_id}
        return (judgement for judgement in check(evidence, command) if judgement.exchange in own)

    return about


def _excused(check: Check, window: WindowExcuse) -> Check:
    if isinstance(check, SubjectCheck):
        return check  # judges how an answer is made, not whether it is a refusal

    def excused(evidence: Evidence, command: str | None) -> Iterator[Judgement]:
        final = {outcome.number: outcome for outcome in evidence.final.values()}
        for judgement in check(evidence, command):
            answer = final.get(judgement.exchange or 0) if isinstance(judgement, Finding) else None
            if answer is not None and window.excuses(answer):
                yield Inconclusive(Reason.PRECONDITION, window.in_words, answer.number)
            else:
                yield judgement

    return excused


# --- Windows


@dataclass(frozen=True, slots=True)
class WindowExcuse:
    """Why a refusal may be lawful: a similar request was accepted `ago_s` seconds before, or refused in `words`.

    `words`: status and description with which the gateway has refused a repeated request; None if it has not.
    """

    command: str
    window: Window
    ago_s: float | None
    words: tuple[int | None, Any] | None

    @property
    def in_words(self) -> str:
        """One line for people."""
        if self.ago_s is None:
            return (
                f"{self.command}: refused in the words for a request that is repeated within {self.window.seconds:g} s"
            )
        names = " and ".join(name.replace("_", " ") for name in self.window.members)
        return (
            f"{self.command}: the same {names} were accepted {self.ago_s:.0f} s ago, and within "
            f"{self.window.seconds:g} s a gateway refuses them lawfully; wait, or run with another seed"
        )

    def excuses(self, answer: ResponseSummary) -> bool:
        """Whether the answer is a refusal that the window explains."""
        if not answer.rejected or answer.command != self.command:
            return False
        reason = None if answer.reason is ABSENT else answer.reason
        return self.ago_s is not None or (self.words is not None and (answer.status, reason) == self.words)


def window_of(contract: Contract, case: Case, cases: Iterable[Case], records: Iterable[Record]) -> WindowExcuse | None:
    """The window that may have `case` refused if `cases` are sent now, judging by earlier `records`.

    None for a command without one. `case` is the one that is replayed; any of the others may be similar to an earlier
    request, too, since its history has to be accepted for it to mean the same.
    """
    command = contract.commands.get(case.command or "")
    if command is None or (window := command.window) is None:
        return None
    # A negative case is refused anyway.
    lawful = (case for case in cases if case.command == command.name and case.kind in LAWFUL)
    wanted = {_key(case, window) for case in lawful}
    ago_s: float | None = None
    words: tuple[int | None, Any] | None = None
    now = time.time()
    for record in records:
        for answer in _answers(record, command.name, contract):
            seconds = now - answer.exchange.sent_wall
            if answer.accepted and _key(answer.case, window) in wanted and 0 <= seconds < window.seconds:
                ago_s = seconds if ago_s is None else min(ago_s, seconds)
            if answer.case.kind is Kind.REPEAT and answer.case.aspect == "window" and answer.rejected:
                words = answer.status, (answer.content.members or {}).get(contract.answer.reason)
    return WindowExcuse(command.name, window, ago_s, words)


def _answers(record: Record, command: str, contract: Contract) -> Iterator[Answer]:
    cases = {case.id: case for case in record.cases if case.command == command}
    for exchange in record.exchanges:
        if exchange.case_id in cases:
            yield Answer.of(cases[exchange.case_id], exchange, contract)


def _key(case: Case, window: Window) -> Key | None:
    members = json_object(case.request.body)
    return None if members is None else window.key(members)
