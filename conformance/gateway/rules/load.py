"""Rules of `load`: what a gateway owes when requests come at a rate, and the figures that `--slo` asks for.

They judge the requests that were sent while the load lasted. All other rules judge these as well: ids, envelopes,
notifications and refusals have no less to be right under load, so nothing is said of them here. An answer of 5xx that
only the load explains is judged here alone (`ResponseSummary.overloaded`).

A time above a figure is counted as such, so that verdicts do not depend on how percentiles are approximated.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from conformance.contract.requirements import ByRule, Requirement
from conformance.judging.evidence import Evidence
from conformance.judging.excuses import CUT_OFF, OVERLOAD
from conformance.judging.judgement import Check, Finding, Inconclusive, Judgement, Passed, Reason, verdict_of
from conformance.judging.load_facts import TimesUnderLoad
from conformance.judging.messages import TOO_MANY_REQUESTS, NotificationSummary, ResponseSummary
from conformance.judging.objectives import SLO, Timed, in_percent, in_time
from conformance.judging.terms import Terms

# A load generator that is later than this with a request has more to do than it can: shorter pauses are those of its
# garbage collector and of the operating system.
BEHIND_S = 0.5


def behind(behind_s: float) -> str | None:
    """The words for a load generator that was the limit itself; None if it kept up."""
    if behind_s <= BEHIND_S:
        return None
    return f"requests went out up to {behind_s:.1f} s late: this machine is the limit, not the gateway"


def too_much_is_refused(evidence: Evidence, command: str | None) -> Iterator[Judgement]:
    """Judged where the gateway does not take a request for the load; an unanswered one breaks another requirement.

    A 5xx to a request that was carried out all the same is no refusal, and breaks `failed_have_no_effect`.
    """
    for answer in evidence.of_command(command):
        if answer.load_sent_at is None:
            continue
        if answer.status == TOO_MANY_REQUESTS:
            yield Passed(answer.number)
        elif answer.overloaded and _carried_out(evidence, answer) is None:
            words = f"under load, a request was answered {answer.status}, not refused with {TOO_MANY_REQUESTS}"
            yield Finding.in_answer(answer, words, pointer=answer.code_pointer, value=answer.status)


def failed_have_no_effect(evidence: Evidence, command: str | None) -> Iterator[Judgement]:
    """A notification of success shows that a request was carried out; one of a failure is lawful after a 5xx."""
    for answer in evidence.of_command(command):
        if answer.load_sent_at is None or not answer.crashed or answer.request_id is None:
            continue
        if evidence.shares_id(answer):
            continue
        arrival = _carried_out(evidence, answer)
        if arrival is None and evidence.terms.settled_at is None:
            yield CUT_OFF
            continue
        words = f"under load, a request was answered {answer.status}, and a notification says that it succeeded"
        yield from verdict_of(answer, [] if arrival is None else [Finding.in_notice(arrival, words)])


def _carried_out(evidence: Evidence, answer: ResponseSummary) -> NotificationSummary | None:
    """The notification of success that follows an answer of 5xx; None if there is none."""
    if evidence.shares_id(answer):
        return None
    success = evidence.contract.notification.success
    return next((arrival for arrival in evidence.arrivals_about(answer) if arrival.outcome == success), None)


# --- Service-level objectives


def answers_meet(evidence: Evidence, _: str | None) -> Iterator[Judgement]:
    """All answers to requests under load, refusals included, from the moment when the request was sent."""
    yield from _met(Timed.ANSWER, evidence.facts.load.answers, evidence)


def notifications_meet(evidence: Evidence, _: str | None) -> Iterator[Judgement]:
    """The first notification of each accepted request, from its answer on; another rule judges missing ones."""
    yield from _met(Timed.NOTIFICATION, evidence.facts.load.notifications, evidence)


def _met(of: Timed, times: TimesUnderLoad, evidence: Evidence) -> Iterator[Judgement]:
    """Whether each objective is met; not held against the gateway if the load generator was behind.

    Judged once, in the part of the run that holds the slowest.
    """
    load = evidence.terms.load
    if load is None or times.slowest is None or not evidence.holds(times.slowest[2].number):
        return
    slowest, _, answer = times.slowest
    late = behind(load.behind_s)
    for objective in load.slo.of_timed(of):
        over = times.over[objective.name]
        if objective.is_met(over, times.count):
            yield Passed(answer.number)
        elif late is not None:
            yield Inconclusive(Reason.ENVIRONMENT, late, answer.number)
        else:
            allowed = (
                f"allowed are {in_percent(1 - objective.share)} (--slo {objective.name}={in_time(objective.within_s)})"
            )
            words = f"{over:,} of {times.count:,} {objective.of}s took longer than {in_time(objective.within_s)}"
            yield Finding.in_answer(answer, f"{words}, the slowest {slowest:.2f} s; {allowed}")


def failures_are_few(evidence: Evidence, _: str | None) -> Iterator[Judgement]:
    """Failed: answered 429, with a 5xx, or not at all. A connection that was closed when used again is nobody's fault.

    Requests whose answer was not waited for are not counted.
    """
    facts = evidence.facts.load
    if evidence.terms.load is None or (allowed := evidence.terms.load.slo.errors) is None or not facts.requests:
        return
    if facts.first_failed is None or facts.failed <= allowed * facts.requests:
        if evidence.share.leads:
            yield Passed()
    elif evidence.holds(facts.first_failed[1].number):
        words = f"{facts.failed:,} of {facts.requests:,} requests failed, allowed are {in_percent(allowed)}"
        yield Finding.in_answer(facts.first_failed[1], f"{words} (--slo errors)")


RULES: Mapping[str, Callable[..., Check]] = {
    OVERLOAD.rule: lambda: too_much_is_refused,
    "failed-requests-have-no-effect": lambda: failed_have_no_effect,
    "answers-meet-the-objectives": lambda: answers_meet,
    "notifications-meet-the-objectives": lambda: notifications_meet,
    "failures-meet-the-objective": lambda: failures_are_few,
}

# Rule → whether `--slo` asks for it, and what it lacks if not.
_OBJECTIVES: Mapping[str, tuple[Callable[[SLO], object], str]] = {
    "answers-meet-the-objectives": (lambda slo: slo.of_timed(Timed.ANSWER), "--slo has no figure for answers"),
    "notifications-meet-the-objectives": (
        lambda slo: slo.of_timed(Timed.NOTIFICATION),
        "--slo has no figure for notifications",
    ),
    "failures-meet-the-objective": (lambda slo: slo.errors is not None, "--slo has no share of errors"),
}


def not_applicable(requirement: Requirement, terms: Terms) -> str | None:
    """Why a requirement on behaviour under load does not apply to a run; None for one that does, and for any other."""
    judge = requirement.judge
    if not isinstance(judge, ByRule) or judge.rule not in RULES:
        return None
    if terms.load is None:
        return "judged by `load`"
    asks, lacking = _OBJECTIVES.get(judge.rule, (lambda _: True, ""))
    return None if asks(terms.load.slo) else lacking
