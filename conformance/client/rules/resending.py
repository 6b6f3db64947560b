"""RTY: the requests that a client sends again by itself, and when."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from email.utils import parsedate_to_datetime
from itertools import pairwise

from conformance.client.rules.calls import Call, SentRequest
from conformance.client.rules.evidence import ClientCheck, ClientEvidence, ClientRule, broken, kept, one_of
from conformance.judging.judgement import Inconclusive, Judgement, Reason
from conformance.judging.reading import TOO_MANY_REQUESTS
from conformance.model.traffic import header

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
        for call in evidence.of_command(command):
            for sent, following in _with_following(call):
                status = sent.says if sent.succeeded else sent.agreed
                if status in codes:
                    words = f"the request was answered {status:g} and sent again"
                    yield _watched(evidence, sent, window) if following is None else broken(call, words, following)

    return check


def waits_as_told(evidence: ClientEvidence, command: str | None) -> Iterator[Judgement]:
    """RTY-02, for both forms of Retry-After."""
    for call in evidence.of_command(command):
        for sent, following in _with_following(call):
            stated = _retry_after(sent)
            if stated is None:
                continue
            stated_s, tolerance_s, words = stated
            gap = None if following is None else _gap(evidence, call, sent, following)
            if following is not None and gap is not None and gap < stated_s - tolerance_s:
                yield broken(call, f"Retry-After was {words}, and the request came again after {gap:.2f} s", following)
            else:
                yield kept(sent)


def is_not_hammered(evidence: ClientEvidence, command: str | None) -> Iterator[Judgement]:
    """RTY-03: few attempts; and, without Retry-After, time between them."""
    hurried = _hurries(evidence)
    for call in evidence.of_command(command):
        slowed = [sent for sent in call.here if sent.http_status == TOO_MANY_REQUESTS]
        if not slowed:
            continue
        words = _hammering(evidence, call, hurried=hurried)
        if words is None:
            yield _watched(evidence, slowed[-1], evidence.terms.resend_window_s)
        else:
            yield broken(call, words, slowed[-1])


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


Failure = Callable[[SentRequest], str | None]
"""The failure of a request in words; None if the check is not about it."""


def not_at_once(*, after: str) -> ClientCheck:
    """Nothing follows such a failure within the window of the run."""
    failure = one_of(_FAILURES, "after", after)

    def check(evidence: ClientEvidence, command: str | None) -> Iterator[Judgement]:
        window = evidence.terms.resend_window_s
        for call, sent, following, words in _failed(evidence, command, failure):
            if sent.reused is False:
                yield Inconclusive(Reason.PRECONDITION, NO_CONNECTION_KEPT, sent.number)
            if following is None:
                yield _watched(evidence, sent, window)
            elif (gap := _gap(evidence, call, sent, following)) < window:
                yield broken(call, f"{words}, and the request came again after {max(gap, 0):.2f} s", following)
            else:
                yield kept(sent)

    return check


def waits_as_advised(evidence: ClientEvidence, command: str | None) -> Iterator[Judgement]:
    """RTY-07; the other rules judge requests that came again at once."""
    window, delay = evidence.terms.resend_window_s, evidence.terms.advised_delay_s
    for call, sent, following, words in _failed(evidence, command, lambda one: answered_5xx(one) or lost(one)):
        if following is None:
            yield _watched(evidence, sent, delay)
            continue
        gap = _gap(evidence, call, sent, following)
        if gap >= delay - DELAY_TOLERANCE_S:
            yield kept(sent)
        elif gap >= window:
            yield broken(call, f"{words}, and the request came again after {gap:.1f} s", following)


def _failed(
    evidence: ClientEvidence, command: str | None, failure: Failure
) -> Iterator[tuple[Call, SentRequest, SentRequest | None, str]]:
    """Each request that failed so, with the one that came after it, and the failure in words."""
    for call in evidence.of_command(command):
        for sent, following in _with_following(call):
            words = failure(sent)
            if words is not None:
                yield call, sent, following, words


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


def _with_following(call: Call) -> Iterator[tuple[SentRequest, SentRequest | None]]:
    """Each request of a call with the one that came after it."""
    here = call.here
    yield from zip(here, (*here[1:], None), strict=False)  # no pair where there is no request


def _watched(evidence: ClientEvidence, sent: SentRequest, within_s: float) -> Judgement:
    """Passed, if the run was watched for long enough to see that nothing follows."""
    settled, ended = evidence.terms.settled_at, sent.exchange.answered_at
    if settled is None or ended is None or settled - ended < within_s:
        return Inconclusive(
            Reason.INTERRUPTED, "the run ended before it could be seen that nothing follows", sent.number
        )
    return kept(sent)


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


_FAILURES: Mapping[str, Failure] = {"5xx": answered_5xx, "lost": lost}

RULES: Mapping[str, ClientRule] = {
    "final-is-final": ClientRule(final_is_final),
    "waits-as-told": ClientRule.plain(waits_as_told),
    "is-not-hammered": ClientRule.plain(is_not_hammered),
    "not-again-at-once": ClientRule(not_at_once),
    "waits-as-advised": ClientRule.plain(waits_as_advised),
}
