"""Rules of acceptance: lawful requests are accepted, alone, in sequences and at the same time; and repeats are not.

The cases of sequences are planned so that the contract gives each its outcome, if those before it went as planned
(`conformance.contract.command`). So each rule looks first at its precondition: the earlier request was accepted, or
rejected; nothing was accepted between two looks at the balance. Where that is not met, nothing is concluded.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence

from conformance.contract.contract import Contract
from conformance.contract.schemas import value_at
from conformance.gateway.rules.answers import EQUAL, burst_of
from conformance.gateway.rules.refusals import reply, twin_obstacle
from conformance.judging.evidence import BALANCE, Evidence
from conformance.judging.excuses import INSUFFICIENT_FUNDS, Excuses, unjudgeable
from conformance.judging.facts import Amounts, AskedFor
from conformance.judging.gathering import echoes
from conformance.judging.judgement import (
    Check,
    Finding,
    Inconclusive,
    Judgement,
    Passed,
    Reason,
    RunCheck,
    verdict_of,
)
from conformance.judging.messages import ABSENT, NotificationSummary, ResponseSummary
from conformance.judging.reading import is_number
from conformance.judging.transactions import amount_in, comparable, compared
from conformance.model.traffic import Kind

# Kinds of cases that have to be accepted.
LAWFUL = frozenset({Kind.VALID, Kind.HEADERS, Kind.REPEAT, Kind.BURST})


def accepted(answer: ResponseSummary) -> Iterator[Finding]:
    """The gateway accepted the request."""
    if not answer.accepted:
        pointer, value = ("", answer.status) if answer.code is ABSENT else (answer.code_pointer, answer.code)
        words = f"a valid request ({answer.aspect}) was {reply(answer)}"
        yield Finding.in_answer(answer, words, pointer=pointer, value=value)


def must_be_accepted(kind: Kind, select: Callable[[ResponseSummary], bool]) -> RunCheck:
    """A check that the selected cases of a kind are accepted, unless there is an excuse."""

    def check(evidence: Evidence, command: str | None) -> Iterator[Judgement]:
        excuses = Excuses(evidence, command)
        for answer in evidence.final_of(command, kind):
            if select(answer):
                yield from verdict_of(answer, accepted(answer), excuses.of(answer))

    return check


def repeat_in_window_is_refused(evidence: Evidence, command: str | None) -> Iterator[Judgement]:
    """Refused if the first request was accepted; and of equal ones at the same moment, at most one is accepted."""
    bursts = equal_bursts(evidence, command)
    for answer in evidence.final_of(command, Kind.REPEAT):
        if answer.aspect != "window":
            continue
        first = evidence.earlier_of(answer)
        before = () if first is None else bursts.get(first.case_id, (first,))
        if not any(one.accepted for one in before):
            yield Inconclusive(Reason.PRECONDITION, "the request that it repeats was not accepted", answer.number)
        else:
            yield from verdict_of(answer, _refused_as_repeat(answer), unjudgeable(answer))
    for burst in bursts.values():
        yield from _one_is_accepted_at_most(burst)


def equal_bursts(evidence: Evidence, command: str | None) -> Mapping[str, Sequence[ResponseSummary]]:
    """The equal requests that were made at the same moment, by the id of the first of each burst."""
    bursts: dict[str, list[ResponseSummary]] = defaultdict(list)
    for answer in evidence.final_of(command, Kind.BURST):
        if answer.aspect == EQUAL:
            bursts[burst_of(answer)].append(answer)
    return bursts


def _one_is_accepted_at_most(burst: Sequence[ResponseSummary]) -> Iterator[Judgement]:
    """All but one are refused; which one is accepted is up to the gateway."""
    accepted_ones = [answer for answer in burst if answer.accepted]
    if not accepted_ones:
        yield Inconclusive(Reason.PRECONDITION, "none of the equal requests was accepted", burst[0].number)
        return
    for answer in burst:
        if answer is accepted_ones[0]:
            continue
        if answer.accepted:
            words = f"{len(accepted_ones)} of {len(burst)} equal requests at the same moment were accepted"
            yield Finding.in_answer(answer, words, pointer=answer.code_pointer, value=answer.status)
        else:
            yield from verdict_of(answer, _refused_as_repeat(answer), unjudgeable(answer))


def _refused_as_repeat(answer: ResponseSummary) -> Iterator[Finding]:
    if not answer.rejected:
        seconds = answer.contract.commands[answer.command or ""].window_s or 0.0
        words = f"a similar request within {seconds:g} s of an accepted one was answered {answer.status}"
        yield Finding.in_answer(answer, words, pointer=answer.code_pointer, value=answer.status)


def similar_in_part_is_accepted(evidence: Evidence, command: str | None) -> Iterator[Judgement]:
    """Judged if the similar request was accepted: so no earlier run is to blame for a refusal."""
    excuses = Excuses(evidence, command)
    for answer in evidence.final_of(command, Kind.REPEAT):
        if answer.aspect not in ("other-amount", "other-phone"):
            continue
        first = evidence.earlier_of(answer)
        if first is None or not first.accepted:
            yield Inconclusive(Reason.PRECONDITION, "the request that it is similar to was not accepted", answer.number)
        else:
            yield from verdict_of(answer, accepted(answer), excuses.of_account(answer))


def accepted_after(aspect: str, met: Callable[[ResponseSummary], bool], unmet: str) -> RunCheck:
    """A check that steps of that aspect are accepted if the earlier case is as it should be (`met`)."""

    def check(evidence: Evidence, command: str | None) -> Iterator[Judgement]:
        excuses = Excuses(evidence, command)
        for answer in evidence.final_of(command, Kind.REPEAT):
            if answer.aspect != aspect:
                continue
            earlier = evidence.earlier_of(answer)
            if earlier is None or not met(earlier):
                yield Inconclusive(Reason.PRECONDITION, unmet, answer.number)
            else:
                obstacle = unjudgeable(answer) or twin_obstacle(evidence, answer) or excuses.of_account(answer)
                yield from verdict_of(answer, accepted(answer), obstacle)

    return check


# A step after a rejection has a twin, which shows that no earlier run is to blame for a refusal.
after_rejection_is_accepted = accepted_after(
    "after-rejection", lambda earlier: earlier.rejected, "the similar request before it was not rejected"
)
other_product_is_accepted = accepted_after(
    "other-product", lambda earlier: earlier.accepted, "the other product's request was not accepted"
)


# --- The balance of the account


def refusals_spend_nothing(*, for_funds: bool = False) -> RunCheck:
    """The balance before and after requests of which none was accepted; `for_funds`: one of them for lack of funds."""

    def check(evidence: Evidence, command: str | None) -> Iterator[Judgement]:
        for after in evidence.final_of(command, Kind.VALID):
            before = evidence.earlier_of(after) if after.aspect == BALANCE else None
            if before is None:
                continue
            between = list(evidence.sent_between(before, after))
            if between and for_funds == any(one.status == INSUFFICIENT_FUNDS for one in between):
                yield from _compared(evidence, before, after, between)

    return check


def _compared(
    evidence: Evidence, before: ResponseSummary, after: ResponseSummary, between: Sequence[ResponseSummary]
) -> Iterator[Judgement]:
    pointer = evidence.contract.account.balance if evidence.contract.account else None
    had, has = _balance(before, pointer), _balance(after, pointer)
    taken = next((one for one in between if not one.rejected), None)
    if not evidence.terms.alone:
        yield Inconclusive(Reason.NO_TRAFFIC, "others use the account, too; see --exclusive-account", after.number)
    elif taken is not None:
        yield Inconclusive(Reason.PRECONDITION, f"{taken.case_id} was not refused between two balances", after.number)
    elif had is None or has is None:
        yield Inconclusive(Reason.PRECONDITION, f"{after.command} shows no balance", after.number)
    elif has < had:  # a higher balance is lawful: somebody may have paid in
        names = ", ".join(one.case_id for one in between)
        words = f"the balance went from {had} to {has} while nothing was accepted, only refused: {names}"
        yield Finding.in_answer(after, words, pointer=pointer, value=has)
    else:
        yield Passed(after.number)


def _balance(answer: ResponseSummary, pointer: str | None) -> float | None:
    if pointer is None or answer.whole is None or not answer.accepted:
        return None
    try:
        balance = value_at(answer.whole.content.value, pointer)
    except (KeyError, IndexError, TypeError, ValueError):
        return None
    return balance if is_number(balance) else None


# --- At once


def accepted_at_once(evidence: Evidence, command: str | None) -> Iterator[Judgement]:
    """Of different requests at the same moment all, of equal ones within a window one.

    All of a burst go to one phone number, which may be refused by whomever it is asked for. So where no request of a
    burst was accepted, a refusal that ordinary requests meet as well is excused.
    """
    excuses = Excuses(evidence, command)
    requests = list(evidence.final_of(command, Kind.BURST))
    served = {burst_of(answer) for answer in requests if answer.accepted}
    for answer in requests:
        if answer.aspect != EQUAL:
            excuse = excuses.of(answer)
            if excuse is None and burst_of(answer) not in served:
                excuse = excuses.as_ordinary_ones(answer)
            yield from verdict_of(answer, accepted(answer), excuse)
    for burst in equal_bursts(evidence, command).values():
        taken = next((answer for answer in burst if answer.accepted), None)
        excused = (excuses.of_account(answer) or excuses.as_ordinary_ones(answer) for answer in burst)
        if taken is not None:
            yield Passed(taken.number)
        elif (obstacle := next(filter(None, excused), None)) is not None:
            yield obstacle
        else:
            words = f"none of {len(burst)} equal requests at the same moment was accepted"
            yield Finding.in_answer(burst[-1], words, pointer=burst[-1].code_pointer, value=burst[-1].status)


# --- Whose notification it is


# So many equal members are neither chance nor a fee.
BEYOND_CHANCE = 2


def tells_of_its_own_request(evidence: Evidence, command: str | None) -> Iterator[Judgement]:
    """No notification repeats the values of another request.

    A difference from its own request is not enough, for the form of the members is open: an amount may be less a fee.
    So another request has to fit instead; and either more than one member agrees with that one, or most of the other
    notifications agree with their own.
    """
    facts, others = evidence.facts.of(command), evidence.facts.amounts.get(command, {})
    for arrival in echoes(evidence, command):
        if arrival.echo is None or arrival.answer is None:
            continue
        if not arrival.echo.contradicting:
            yield Passed(arrival.answer.number)
            continue
        other = _meant(arrival, command, others, evidence.contract)
        if other and (arrival.echo.contradicting >= BEYOND_CHANCE or facts.faithful > facts.contradicting):
            names = comparable(command, evidence.contract)
            shows = {name: value for name, value in zip(names, arrival.echo.values, strict=True) if value is not None}
            words = f"the notification tells what {other.case_id} asked for, not its own request"
            yield Finding.in_notice(arrival, words, pointer="", value=shows)


def _meant(
    arrival: NotificationSummary,
    command: str | None,
    by_amount: Amounts,
    contract: Contract,
) -> AskedFor | None:
    """Another request that asked for all that the notification tells; None if there is none."""
    told = arrival.echo.values if arrival.echo else ()
    amount = amount_in(command, told, contract) if told else None
    for other in by_amount.get(amount, ()) if amount is not None else ():
        if arrival.answer is not None and other.number != arrival.answer.number:
            agreeing, contradicting = compared(command, told, other.details, contract)
            if agreeing and not contradicting:
                return other
    return None


RULES: Mapping[str, Callable[..., Check]] = {
    "repeat-within-the-window-is-refused": lambda: repeat_in_window_is_refused,
    "similar-in-part-is-accepted": lambda: similar_in_part_is_accepted,
    "accepted-after-a-rejection": lambda: after_rejection_is_accepted,
    "accepted-beside-another-product": lambda: other_product_is_accepted,
    "accepted-at-once": lambda: accepted_at_once,
    "refusals-spend-nothing": refusals_spend_nothing,
    "tells-of-its-own-request": lambda: tells_of_its_own_request,
}

# The rules that the refusal of a lawful request breaks, or that only judge such refusals.
OF_ACCEPTANCE = frozenset({"repeat-within-the-window-is-refused", "similar-in-part-is-accepted"})
