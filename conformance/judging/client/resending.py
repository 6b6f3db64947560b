"""RTY: what a client sends again by itself, told by the requests that reached the witness and when."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from email.utils import parsedate_to_datetime
from itertools import pairwise

from conformance.judging.client.evidence import Call, ClientEvidence, Seen
from conformance.judging.client.judging import ClientCheck, Rule, broken, kept, one_of
from conformance.judging.judgement import Judgement, Reason, Unobserved
from conformance.judging.reading import TOO_MANY_REQUESTS
from conformance.model.traffic import header

# Timers end a little early, and the suite's clock is read after the answer was written.
TOLERANCE_S = 0.05

# A date has no parts of a second, and a clock that is read in whole seconds is up to one second off.
DATE_TOLERANCE_S = 1.0

# Of several seconds that were waited: the suite sees the end of a connection later than the client does.
DELAY_TOLERANCE_S = 0.25

# A gateway that says "slow down" expects to be asked a few times more, not to be asked until it gives in.
MOST_ATTEMPTS = 6

# Without Retry-After: so many attempts take longer than this. Full jitter from one second on draws three gaps that are
# shorter in sum less than once in a thousand times.
BURST, BURST_S = 4, 0.3

# Where gaps take less than this in the mean, nothing was waited for. Full jitter draws a single one so short, but not
# two: those of all calls are looked at together.
LEAST_MEAN_GAP_S = 0.03
LEAST_GAPS = 2


def final_is_final(*, codes: Collection[int]) -> ClientCheck:
    """Nothing is sent again after an answer with one of these codes; where HTTP says success, the envelope counts."""

    def check(evidence: ClientEvidence, command: str | None) -> Iterator[Judgement]:
        window = evidence.terms.resend_window_s
        for call in evidence.of_command(command):
            for seen, following in _with_following(call):
                status = seen.says if seen.succeeded else seen.agreed
                if status in codes:
                    words = f"the request was answered {status:g} and sent again"
                    yield _watched(evidence, seen, window) if following is None else broken(call, words, following)

    return check


def waits_as_told(evidence: ClientEvidence, command: str | None) -> Iterator[Judgement]:
    """RTY-02: in both forms of Retry-After."""
    for call in evidence.of_command(command):
        for seen, following in _with_following(call):
            told = _retry_after(seen)
            if told is None:
                continue
            told_s, tolerance_s, words = told
            gap = None if following is None else _gap(evidence, call, seen, following)
            if following is not None and gap is not None and gap < told_s - tolerance_s:
                yield broken(call, f"Retry-After was {words}, and the request came again after {gap:.2f} s", following)
            else:
                yield kept(seen)


def is_not_hammered(evidence: ClientEvidence, command: str | None) -> Iterator[Judgement]:
    """RTY-03: few attempts; and, where the gateway does not say how long to wait, time between them."""
    hurried = _hurries(evidence)
    for call in evidence.of_command(command):
        slowed = [seen for seen in call.here if seen.http_status == TOO_MANY_REQUESTS]
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
    """How long the client has waited after each 429 that does not tell how long (RTY-02 is about the others)."""
    return [
        max(_gap(evidence, call, seen, following), 0.0)
        for seen, following in pairwise(call.here)
        if seen.http_status == TOO_MANY_REQUESTS and _retry_after(seen) is None
    ]


Failure = Callable[[Seen], str | None]
"""In words, what went wrong with a request; None if it is not what a check is about."""


def not_at_once(*, after: str) -> ClientCheck:
    """Nothing follows such a failure within the window of the run; what comes later was waited with."""
    failure = one_of(_FAILURES, "after", after)

    def check(evidence: ClientEvidence, command: str | None) -> Iterator[Judgement]:
        window = evidence.terms.resend_window_s
        for call, seen, following, words in _failed(evidence, command, failure):
            if seen.reused is False:
                yield Unobserved(Reason.PRECONDITION, NO_CONNECTION_KEPT, seen.number)
            if following is None:
                yield _watched(evidence, seen, window)
            elif (gap := _gap(evidence, call, seen, following)) < window:
                yield broken(call, f"{words}, and the request came again after {max(gap, 0):.2f} s", following)
            else:
                yield kept(seen)

    return check


def waits_as_advised(evidence: ClientEvidence, command: str | None) -> Iterator[Judgement]:
    """RTY-07: what came again at once is for the others."""
    window, delay = evidence.terms.resend_window_s, evidence.terms.advised_delay_s
    for call, seen, following, words in _failed(evidence, command, lambda one: answered_5xx(one) or lost(one)):
        if following is None:
            yield _watched(evidence, seen, delay)
            continue
        gap = _gap(evidence, call, seen, following)
        if gap >= delay - DELAY_TOLERANCE_S:
            yield kept(seen)
        elif gap >= window:
            yield broken(call, f"{words}, and the request came again after {gap:.1f} s", following)


def _failed(
    evidence: ClientEvidence, command: str | None, failure: Failure
) -> Iterator[tuple[Call, Seen, Seen | None, str]]:
    """Each request that has met the failure, with the one that came after it, and the failure in words."""
    for call in evidence.of_command(command):
        for seen, following in _with_following(call):
            words = failure(seen)
            if words is not None:
                yield call, seen, following, words


NO_CONNECTION_KEPT = "the client opened a new connection for each request"


def answered_5xx(seen: Seen) -> str | None:
    """The gateway has failed, by the HTTP status or, where that says success, by status_code."""
    if seen.http_status is not None and seen.http_status >= 500:
        return "the request was answered with a 5xx"
    if seen.succeeded and seen.says is not None and 500 <= seen.says <= 599:
        return f"the request was answered with HTTP {seen.http_status} and {seen.roles.code} {seen.says:g}"
    return None


def lost(seen: Seen) -> str | None:
    """The answer did not get through, or success was answered in a body that cannot be read."""
    if seen.lost:
        return "the kept-alive connection died under the request" if seen.reused else "the answer was lost"
    return "the request was answered with a 200 that cannot be read" if seen.in_doubt else None


def _with_following(call: Call) -> Iterator[tuple[Seen, Seen | None]]:
    """Each request of a call with the one that came after it."""
    here = call.here
    yield from zip(here, (*here[1:], None), strict=False)  # no pair where there is no request


def _watched(evidence: ClientEvidence, seen: Seen, within_s: float) -> Judgement:
    """Nothing followed, for as long as it was looked."""
    settled, ended = evidence.terms.settled_at, seen.exchange.answered_at
    if settled is None or ended is None or settled - ended < within_s:
        return Unobserved(Reason.INTERRUPTED, "the run ended before it could be seen that nothing follows", seen.number)
    return kept(seen)


def _gap(evidence: ClientEvidence, call: Call, seen: Seen, following: Seen) -> float:
    """Seconds from the end of an exchange to the next request.

    A client that has given up on an answer may leave the connection open. Then its time-out is the end, as far as that
    is not later than the next request.
    """
    ended, again_at = seen.exchange.answered_at, following.exchange.sent_at
    if seen.unanswered and (ended is None or ended > again_at):
        ended = min(seen.exchange.sent_at + (call.timeout_s or evidence.terms.timeout_s), again_at)
    return 0.0 if ended is None else again_at - ended


def _retry_after(seen: Seen) -> tuple[float, float, str] | None:
    """Seconds that a 429 tells to wait, how exactly, and in words; None for any other answer."""
    exchange = seen.exchange
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
    told_s = date.timestamp() - (exchange.sent_wall + exchange.answered_at - exchange.sent_at)
    return told_s, DATE_TOLERANCE_S, f"{value}, {told_s:.1f} s later"


_FAILURES: Mapping[str, Failure] = {"5xx": answered_5xx, "lost": lost}

RULES: Mapping[str, Rule] = {
    "final-is-final": Rule(final_is_final),
    "waits-as-told": Rule.plain(waits_as_told),
    "is-not-hammered": Rule.plain(is_not_hammered),
    "not-again-at-once": Rule(not_at_once),
    "waits-as-advised": Rule.plain(waits_as_advised),
}
