"""How a client understands the answers, by its reports (RDG), and what it sends again after them, and when (RTY).

A report is compared with the last answer that the client got. A rule is judged only where those before it hold: an
error that is reported as accepted breaks RDG-05 and no rule about its details.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from email.utils import parsedate_to_datetime
from itertools import pairwise
from operator import attrgetter
from typing import Any

from conformance.client.rules.calls import (
    OUTLASTED,
    Call,
    ClientReport,
    SentRequest,
    accepted_as_usual,
    refused,
    unusable,
    usual_content,
    usual_http,
    usual_id,
)
from conformance.client.rules.evidence import UNHEARD, ClientCheck, ClientEvidence, ClientRule, failed, one_of, passed
from conformance.client.rules.sending import sends_again_later, waits_for_ever
from conformance.judging.judgement import Inconclusive, Judgement, Reason, shown
from conformance.judging.messages import TOO_MANY_REQUESTS
from conformance.model.traffic import header

# A client that has waited for nothing else goes on within this time.
PROMPT_S = 1.0

ReportRule = Callable[[Call, ClientReport, SentRequest], Iterator[str]]
Condition = Callable[[SentRequest], bool]


def each_answer(condition: Condition, rule: ReportRule, *, beside_usual: bool = False) -> ClientCheck:
    """A check of `rule` on the report of each last answer that meets the condition; it yields messages of findings.

    `beside_usual`: judge only a client that understands the usual answer, which RDG-01 is about.
    """

    def check(evidence: ClientEvidence, command: str | None) -> Iterator[Judgement]:
        understands = not beside_usual or understands_the_usual(evidence, command)
        for call in evidence.of_command(command):
            last = call.last
            if last is None or not condition(last):
                continue
            if not understands:
                yield Inconclusive(Reason.PRECONDITION, "no usual answer was reported as accepted", last.number)
            elif call.report is None:
                yield Inconclusive(Reason.PRECONDITION, "the client did not say what became of the call", last.number)
            elif came_too_late(evidence, call, call.report, last):
                yield Inconclusive(Reason.ENVIRONMENT, "the suite answered after the client's time-out", last.number)
            else:
                words = next(rule(call, call.report, last), None)
                yield passed(last) if words is None else failed(call, words, last)

    return check


def came_too_late(evidence: ClientEvidence, call: Call, report: ClientReport, last: SentRequest) -> bool:
    """Whether the client may have given up on an answer before the suite, on a busy machine, had written it."""
    ended = last.exchange.answered_at
    if report.error != "network" or last.exchange.response is None or ended is None or call.asked_at is None:
        return False
    before = [sent.exchange.answered_at for sent in call.sent[:-1]]
    since = max((at for at in before if at is not None), default=call.asked_at)
    return ended - since >= (call.timeout_s or evidence.terms.timeout_s)


def understands_the_usual(evidence: ClientEvidence, command: str | None) -> bool:
    """Whether the client ever reported an answer like the seed's sample as accepted."""
    return any(
        call.report is not None and call.report.accepted and call.last is not None and accepted_as_usual(call.last)
        for call in evidence.of_command(command)
    )


# --- Rules on reports


def said_accepted(_: Call, report: ClientReport, __: SentRequest) -> Iterator[str]:
    """RDG-01, RDG-09, RDG-10, RDG-11."""
    if not report.accepted:
        yield f"the gateway accepted the request, the client says {report.in_words}"


def not_said_accepted(_: Call, report: ClientReport, sent: SentRequest) -> Iterator[str]:
    """RDG-05, RDG-06, RDG-07, RDG-13."""
    if report.accepted:
        yield f"{_in_words(sent)}, and the client says accepted"


def _in_words(sent: SentRequest) -> str:
    if sent.lost:
        return str(sent.exchange.failure)
    if sent.agreed is not None:
        return f"the gateway answered {sent.agreed}"
    if sent.usable:
        return f"the HTTP status is {sent.http_status}, {sent.roles.code} is {shown(sent.code)}"
    return f"the answer is not an envelope ({sent.answer.content.error or shown(sent.answer.content.value)})"


def same_request_id(call: Call, report: ClientReport, sent: SentRequest) -> Iterator[str]:
    """RDG-02: any id of the call will do; SND-09 judges a call with several requests."""
    given = {each.answer.request_id for each in call.here if each.accepts}
    if report.accepted and report.request_id not in given:
        yield f"{sent.roles.id} is {shown(sent.answer.request_id)}, the client hands back {shown(report.request_id)}"


def code_is_told(_: Call, report: ClientReport, sent: SentRequest) -> Iterator[str]:
    """RDG-03, of reported errors."""
    return _is_reported(sent.roles.code, report.status_code, report, sent)


def reason_is_told(_: Call, report: ClientReport, sent: SentRequest) -> Iterator[str]:
    """RDG-04, of reported errors."""
    return _is_reported(sent.roles.reason, report.description, report, sent)


def _is_reported(member: str, reported: Any, report: ClientReport, sent: SentRequest) -> Iterator[str]:
    if not report.accepted and reported != sent.members.get(member):
        yield f"{member} is {shown(sent.members.get(member))}, the client reports {shown(reported)}"


def gives_up(evidence: ClientEvidence, command: str | None) -> Iterator[Judgement]:
    """RDG-08: the client gives up on an answer that never ends, or never begins."""
    for call in evidence.of_command(command):
        if not any(sent.unanswered for sent in call.sent):
            continue
        endless = [death for death in call.deaths if waits_for_ever(call, death)]
        outlasting = next((sent for sent in call.sent if (sent.exchange.failure or "").endswith(OUTLASTED)), None)
        if endless:
            failure = next(sent.exchange.failure for sent in call.sent if sent.unanswered)
            yield failed(call, f"{failure}, and the client waits: {endless[0]['detail']}")
        elif outlasting is not None and _goes_on_with(call, outlasting):
            open_s = (outlasting.exchange.answered_at or 0.0) - outlasting.exchange.sent_at
            yield failed(call, f"{outlasting.exchange.failure}, after {open_s:.1f} s", outlasting)
        elif call.report is None and not any(sends_again_later(call, death) for death in call.deaths):
            yield _still_waiting(evidence, call)
        else:
            yield passed(call.sent[0])


def _still_waiting(evidence: ClientEvidence, call: Call) -> Inconclusive:
    """Why nobody knows whether a client would have given up."""
    late = evidence.terms.out_of_time
    waited = [s.exchange.answered_at - s.exchange.sent_at for s in call.sent if s.unanswered and s.exchange.answered_at]
    if late is None or not waited or call.deaths:
        return Inconclusive(Reason.PRECONDITION, "the client did not say what became of the call")
    return Inconclusive(
        Reason.INTERRUPTED, f"the client had waited for {max(waited):.0f} s, and had not given up, when {late}"
    )


def _goes_on_with(call: Call, sent: SentRequest) -> bool:
    """Whether the client did nothing until the suite closed the connection, and then went on.

    A client that gives up on an answer may leave its connection open, but then it reports or sends again before that,
    or goes on after its own pause.
    """
    ended = sent.exchange.answered_at
    later = [each.exchange.sent_at for each in call.sent if each.number > sent.number]
    later += [] if call.report is None else [call.report.at]
    return ended is not None and bool(later) and 0.0 <= min(later) - ended < PROMPT_S


_ACCEPTANCES: Mapping[str, Condition] = {
    "usual": accepted_as_usual,
    "other-content": lambda sent: sent.accepts and not usual_content(sent),
    "other-id": lambda sent: sent.accepts and not usual_id(sent),
    "other-http": lambda sent: sent.accepts and not usual_http(sent.exchange),
}
_OTHERS: Mapping[str, Condition] = {
    "error": refused,
    "unusable": unusable,
    "success-that-says-otherwise": lambda sent: sent.succeeded and sent.says not in {None, sent.http_status},
    "error-that-says-success": lambda sent: (sent.http_status or 0) >= 400 and sent.says == sent.roles.success,
}


def told_as_accepted(*, answer: str) -> ClientCheck:
    """An accepted request is reported as accepted where its answer is of that kind."""
    condition = one_of(_ACCEPTANCES, "answer", answer)
    return each_answer(condition, said_accepted, beside_usual=condition is not accepted_as_usual)


def never_told_as_accepted(*, answer: str) -> ClientCheck:
    """A request with such an answer is not reported as accepted."""
    return each_answer(one_of(_OTHERS, "answer", answer), not_said_accepted, beside_usual=True)


# --- Requests that are sent again

# Timers end a little early, and the suite's clock is read after the answer was written.
TOLERANCE_S = 0.05

# A date has no parts of a second, and a clock that is read in whole seconds is up to one second off.
DATE_TOLERANCE_S = 1.0

# For waits of several seconds: the suite sees the end of a connection later than the client does.
DELAY_TOLERANCE_S = 0.25

# A gateway that says "slow down" expects a few more requests, not an endless series.
MOST_ATTEMPTS = 6

# Without Retry-After, this number of attempts takes longer than this. Full jitter from one second on draws three gaps
# that are shorter in sum less than once in a thousand times.
BURST, BURST_S = 4, 0.3

# Gaps of less than this on average mean that the client did not wait. Full jitter draws a single one so short, but not
# two, so the gaps of all calls are taken together.
LEAST_MEAN_GAP_S = 0.03
LEAST_GAPS = 2


def final_is_final(*, codes: Collection[int]) -> ClientCheck:
    """Nothing is sent again after an answer with one of these codes; under a successful status the envelope counts."""

    def check(evidence: ClientEvidence, command: str | None) -> Iterator[Judgement]:
        window = evidence.terms.resend_window_s
        for call, sent, following in _with_following(evidence, command):
            status = sent.says if sent.succeeded else sent.agreed
            if status in codes:
                words = f"the request was answered {status:g} and sent again"
                yield _watched(evidence, sent, window) if following is None else failed(call, words, following)

    return check


def waits_as_told(evidence: ClientEvidence, command: str | None) -> Iterator[Judgement]:
    """RTY-02, for both forms of Retry-After."""
    for call, sent, following in _with_following(evidence, command):
        stated = _retry_after(sent)
        if stated is None:
            continue
        stated_s, tolerance_s, words = stated
        if following is None or (gap := _gap(evidence, call, sent, following)) >= stated_s - tolerance_s:
            yield passed(sent)
        else:
            yield failed(call, f"Retry-After was {words}, and the request came again after {gap:.2f} s", following)


def is_not_hammered(evidence: ClientEvidence, command: str | None) -> Iterator[Judgement]:
    """RTY-03: few attempts; and, without Retry-After, time between them."""
    hurried = _hurries(evidence)
    for call in evidence.of_command(command):
        slowed = [sent for sent in call.here if sent.http_status == TOO_MANY_REQUESTS]
        if slowed and (words := _hammering(evidence, call, hurried=hurried)) is not None:
            yield failed(call, words, slowed[-1])
        elif slowed:
            yield _watched(evidence, slowed[-1], evidence.terms.resend_window_s)


def _hammering(evidence: ClientEvidence, call: Call, *, hurried: bool) -> str | None:
    if len(call.here) > MOST_ATTEMPTS:
        return f"a request that is answered 429 was sent {len(call.here)} times"
    gaps = _own_gaps(evidence, call)
    if len(gaps) + 1 >= BURST and sum(gaps) < BURST_S:
        return f"a request that is answered 429 was sent {len(gaps) + 1} times within {sum(gaps):.2f} s"
    if gaps and hurried:
        return f"a request that was answered 429 came again after {min(gaps):.2f} s, as those of other calls do"
    return None


def _hurries(evidence: ClientEvidence) -> bool:
    """Whether the client does not wait before it sends again, over all of its calls."""
    gaps = [gap for call in evidence.calls for gap in _own_gaps(evidence, call)]
    return len(gaps) >= LEAST_GAPS and sum(gaps) / len(gaps) < LEAST_MEAN_GAP_S


def _own_gaps(evidence: ClientEvidence, call: Call) -> list[float]:
    """How long the client waited after each 429 without Retry-After (RTY-02 is about the others)."""
    return [
        max(_gap(evidence, call, sent, following), 0.0)
        for sent, following in pairwise(call.here)
        if sent.http_status == TOO_MANY_REQUESTS and _retry_after(sent) is None
    ]


def not_at_once(*, after: str) -> ClientCheck:
    """Nothing follows such a failure within the window of the run."""
    failure = one_of({"5xx": answered_5xx, "lost": lost}, "after", after)

    def check(evidence: ClientEvidence, command: str | None) -> Iterator[Judgement]:
        window = evidence.terms.resend_window_s
        for call, sent, following in _with_following(evidence, command):
            words = failure(sent)
            if words is None:
                continue
            if sent.reused is False:
                yield Inconclusive(Reason.PRECONDITION, NO_CONNECTION_KEPT, sent.number)
            if following is None:
                yield _watched(evidence, sent, window)
            elif (gap := _gap(evidence, call, sent, following)) < window:
                yield failed(call, f"{words}, and the request came again after {max(gap, 0):.2f} s", following)
            else:
                yield passed(sent)

    return check


def waits_as_advised(evidence: ClientEvidence, command: str | None) -> Iterator[Judgement]:
    """RTY-07; the other rules judge requests that came again at once."""
    window, delay = evidence.terms.resend_window_s, evidence.terms.advised_delay_s
    for call, sent, following in _with_following(evidence, command):
        words = answered_5xx(sent) or lost(sent)
        if words is None:
            continue
        if following is None:
            yield _watched(evidence, sent, delay)
        elif (gap := _gap(evidence, call, sent, following)) >= delay - DELAY_TOLERANCE_S:
            yield passed(sent)
        elif gap >= window:
            yield failed(call, f"{words}, and the request came again after {gap:.1f} s", following)


NO_CONNECTION_KEPT = "the client opened a new connection for each request"


def answered_5xx(sent: SentRequest) -> str | None:
    """The gateway failed, by the HTTP status or, where that is a success, by status_code."""
    if sent.http_status is not None and sent.http_status >= 500:
        return "the request was answered with a 5xx"
    if sent.succeeded and sent.says is not None and 500 <= sent.says <= 599:
        return f"the request was answered with HTTP {sent.http_status} and {sent.roles.code} {sent.says:g}"
    return None


def lost(sent: SentRequest) -> str | None:
    """The answer did not get through, or success was answered in a body that cannot be read."""
    if sent.lost:
        return "the kept-alive connection died under the request" if sent.reused else "the answer was lost"
    unreadable = sent.succeeded and sent.says is None
    return "the request was answered with a 200 that cannot be read" if unreadable else None


def _with_following(
    evidence: ClientEvidence, command: str | None
) -> Iterator[tuple[Call, SentRequest, SentRequest | None]]:
    """Each request at a base URL, with the next one of its call, if any."""
    for call in evidence.of_command(command):
        for number, sent in enumerate(call.here, start=1):
            yield call, sent, next(iter(call.here[number:]), None)


def _watched(evidence: ClientEvidence, sent: SentRequest, within_s: float) -> Judgement:
    """Passed, if the run was watched for long enough to see that nothing follows."""
    settled, ended = evidence.terms.settled_at, sent.exchange.answered_at
    if settled is None or ended is None or settled - ended < within_s:
        return Inconclusive(
            Reason.INTERRUPTED, "the run ended before it could be seen that nothing follows", sent.number
        )
    return passed(sent)


def _gap(evidence: ClientEvidence, call: Call, sent: SentRequest, following: SentRequest) -> float:
    """Seconds from the end of an exchange to the next request.

    A client that gave up on an answer may leave the connection open. Then its time-out is the end, unless the next
    request came sooner.
    """
    ended, again_at = sent.exchange.answered_at, following.exchange.sent_at
    if sent.unanswered and (ended is None or ended > again_at):
        ended = min(sent.exchange.sent_at + (call.timeout_s or evidence.terms.timeout_s), again_at)
    return 0.0 if ended is None else again_at - ended


def _retry_after(sent: SentRequest) -> tuple[float, float, str] | None:
    """The seconds of a 429's Retry-After, their tolerance, and both in words; None for any other answer."""
    exchange = sent.exchange
    response = exchange.response
    if response is None or response.status != TOO_MANY_REQUESTS or exchange.answered_at is None:
        return None
    value = header(response.headers, "retry-after")
    if value is None:
        return None
    if value.isdecimal():
        return float(value), TOLERANCE_S, f"{float(value):g} s"
    try:
        date = parsedate_to_datetime(value)
    except ValueError:
        return None
    stated_s = date.timestamp() - (exchange.sent_wall + exchange.answered_at - exchange.sent_at)
    return stated_s, DATE_TOLERANCE_S, f"{value}, {stated_s:.1f} s later"


RULES: Mapping[str, ClientRule] = {
    "told-as-accepted": ClientRule(told_as_accepted, UNHEARD),
    "never-told-as-accepted": ClientRule(never_told_as_accepted, UNHEARD),
    "id-is-handed-back": ClientRule.plain(each_answer(attrgetter("accepts"), same_request_id), UNHEARD),
    "code-of-an-error-is-told": ClientRule.plain(each_answer(refused, code_is_told), UNHEARD),
    "reason-of-an-error-is-told": ClientRule.plain(each_answer(refused, reason_is_told), UNHEARD),
    "gives-up": ClientRule.plain(gives_up, UNHEARD),
    "final-is-final": ClientRule(final_is_final),
    "waits-as-told": ClientRule.plain(waits_as_told),
    "is-not-hammered": ClientRule.plain(is_not_hammered),
    "not-again-at-once": ClientRule(not_at_once),
    "waits-as-advised": ClientRule.plain(waits_as_advised),
}
