"""What must be accepted is accepted, and a similar request within a command's window is not."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence

from conformance.gateway.rules.request_ids import EQUAL, burst_of
from conformance.judging.evidence import ABSENT, Evidence, Outcome
from conformance.judging.excuses import Excuses, unjudgeable
from conformance.judging.judgement import (
    Check,
    Finding,
    Judgement,
    Reason,
    RunCheck,
    Unobserved,
    shown,
    verdict_of,
)
from conformance.model.traffic import Kind


def accepted(answer: Outcome) -> Iterator[Finding]:
    """The gateway took the request on."""
    if not answer.accepted:
        said = f": {shown(answer.said)}" if answer.said is not None else ""
        yield Finding.in_answer(
            answer,
            f"a valid request ({answer.aspect}) was answered {answer.status}{said}",
            pointer="" if answer.code is ABSENT else answer.code_pointer,
            value=answer.status if answer.code is ABSENT else answer.code,
        )


def must_be_accepted(
    kind: Kind,
    select: Callable[[Outcome], bool],
    further: Callable[[Evidence, Outcome], Unobserved | None] = lambda *_: None,
) -> RunCheck:
    """A check that the selected cases of a kind are accepted, but for what has an excuse, be it a `further` one."""

    def check(evidence: Evidence, command: str | None) -> Iterator[Judgement]:
        excuses = Excuses(evidence, command)
        for answer in evidence.final_of(command, kind):
            if not select(answer):
                continue
            if (obstacle := excuses.of(answer) or further(evidence, answer)) is not None:
                yield obstacle
            else:
                yield from verdict_of(answer, accepted(answer))

    return check


def repeat_in_window_is_refused(evidence: Evidence, command: str | None) -> Iterator[Judgement]:
    """Where the request that is repeated was accepted; and of equal ones at the same moment, one at most is."""
    bursts = equal_bursts(evidence, command)
    for answer in evidence.final_of(command, Kind.REPEAT):
        if answer.aspect != "window":
            continue
        first = evidence.earlier_of(answer)
        before = () if first is None else bursts.get(first.case_id, (first,))
        if not any(one.accepted for one in before):
            yield Unobserved(Reason.PRECONDITION, "the request that it repeats was not accepted", answer.number)
        elif (obstacle := unjudgeable(answer)) is not None:
            yield obstacle
        else:
            yield from verdict_of(answer, _refused_as_repeat(answer))
    for burst in bursts.values():
        yield from _one_is_accepted_at_most(burst)


def equal_bursts(evidence: Evidence, command: str | None) -> Mapping[str, Sequence[Outcome]]:
    """The equal requests that were made at the same moment, by the id of the first of each burst."""
    bursts: dict[str, list[Outcome]] = defaultdict(list)
    for answer in evidence.final_of(command, Kind.BURST):
        if answer.aspect == EQUAL:
            bursts[burst_of(answer)].append(answer)
    return bursts


def _one_is_accepted_at_most(burst: Sequence[Outcome]) -> Iterator[Judgement]:
    """All but the one that is accepted are refused; which one that is, is the gateway's affair."""
    accepted_ones = [answer for answer in burst if answer.accepted]
    if not accepted_ones:
        yield Unobserved(Reason.PRECONDITION, "none of the equal requests was accepted", burst[0].number)
        return
    for answer in burst:
        if answer is accepted_ones[0]:
            continue
        if answer.accepted:
            told = f"{len(accepted_ones)} of {len(burst)} equal requests at the same moment were accepted"
            yield Finding.in_answer(answer, told, pointer=answer.code_pointer, value=answer.status)
        elif (obstacle := unjudgeable(answer)) is not None:
            yield obstacle
        else:
            yield from verdict_of(answer, _refused_as_repeat(answer))


def _refused_as_repeat(answer: Outcome) -> Iterator[Finding]:
    if not answer.rejected:
        seconds = answer.contract.commands[answer.command or ""].window_s or 0.0
        told = f"a similar request within {seconds:g} s of an accepted one was answered {answer.status}"
        yield Finding.in_answer(answer, told, pointer=answer.code_pointer, value=answer.status)


def similar_in_part_is_accepted(evidence: Evidence, command: str | None) -> Iterator[Judgement]:
    """Where the request that it is similar to was accepted: so no earlier run is to blame for a refusal."""
    excuses = Excuses(evidence, command)
    for answer in evidence.final_of(command, Kind.REPEAT):
        if answer.aspect not in ("other-amount", "other-phone"):
            continue
        first = evidence.earlier_of(answer)
        if first is None or not first.accepted:
            yield Unobserved(Reason.PRECONDITION, "the request that it is similar to was not accepted", answer.number)
        elif obstacle := excuses.of_account(answer):
            yield obstacle
        else:
            yield from verdict_of(answer, accepted(answer))


RULES: Mapping[str, Callable[..., Check]] = {
    "repeat-within-the-window-is-refused": lambda: repeat_in_window_is_refused,
    "similar-in-part-is-accepted": lambda: similar_in_part_is_accepted,
}
