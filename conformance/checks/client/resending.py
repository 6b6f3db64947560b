"""RTY: what a client sends again by itself, told by the requests that reached the witness and when."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise

from conformance.checks.client.evidence import Call, ClientEvidence, Seen
from conformance.checks.client.judging import ClientCheck, broken, kept
from conformance.checks.judgement import Judgement, Reason, Unobserved
from conformance.checks.reading import TOO_MANY_REQUESTS
from conformance.traffic import header

FINAL = frozenset({400, 401, 402, 403, 422})
"""After these nothing is sent again (contract, "Responses")."""

# Timers end a little early, and the suite's clock is read after the answer was written.
TOLERANCE_S = 0.05

# A gateway that says "slow down" expects to be asked a few times more, not to be asked until it gives in.
MOST_ATTEMPTS = 6

# Without Retry-After: sooner than this nobody has waited at all.
LEAST_GAP_S = 0.05

# Gaps that are to grow may be cut short by chance (jitter); at least one has to be longer than the first by so much.
GROWTH = 1.2
GAPS_TO_COMPARE = 2


def final_is_final(evidence: ClientEvidence, command: str | None) -> Iterator[Judgement]:
    """RTY-01."""
    for call in evidence.of_command(command):
        for seen, following in _with_following(call):
            if seen.agreed in FINAL:
                words = f"the request was answered {seen.agreed} and sent again"
                yield _watched(evidence, seen) if following is None else broken(call, words, following)


def waits_as_told(evidence: ClientEvidence, command: str | None) -> Iterator[Judgement]:
    """RTY-02."""
    for call in evidence.of_command(command):
        for seen, following in _with_following(call):
            told = _retry_after(seen)
            if told is None:
                continue
            gap = None if following is None else _gap(seen, following)
            if following is not None and gap is not None and gap < told - TOLERANCE_S:
                words = f"Retry-After was {told:g} s, and the request came again after {gap:.2f} s"
                yield broken(call, words, following)
            else:
                yield kept(seen)


def is_not_hammered(evidence: ClientEvidence, command: str | None) -> Iterator[Judgement]:
    """RTY-03: few attempts; and, where the gateway does not say how long to wait, gaps that grow."""
    for call in evidence.of_command(command):
        slowed = [seen for seen in call.here if seen.http_status == TOO_MANY_REQUESTS]
        if not slowed:
            continue
        words = _hammering(call, slowed)
        yield _watched(evidence, slowed[-1]) if words is None else broken(call, words, slowed[-1])


def _hammering(call: Call, slowed: list[Seen]) -> str | None:
    if len(call.here) > MOST_ATTEMPTS:
        return f"a request that is answered 429 was sent {len(call.here)} times"
    if any(_retry_after(seen) is not None for seen in slowed):
        return None  # RTY-02
    gaps = [_gap(one, other) for one, other in pairwise(call.here)]
    if any(gap < LEAST_GAP_S for gap in gaps):
        return f"a request that was answered 429 came again after {min(gaps):.2f} s"
    if len(gaps) >= GAPS_TO_COMPARE and max(gaps[1:]) < gaps[0] * GROWTH:
        told = ", ".join(f"{gap:.2f} s" for gap in gaps)
        return f"a request that is answered 429 came again and again, the gaps do not grow: {told}"
    return None


def not_at_once(condition: Callable[[Seen], bool], what: str) -> ClientCheck:
    """RTY-04, RTY-05: nothing follows within the window of the run; what comes later was waited with."""

    def check(evidence: ClientEvidence, command: str | None) -> Iterator[Judgement]:
        window = evidence.terms.resend_window_s
        for call in evidence.of_command(command):
            for seen, following in _with_following(call):
                if not condition(seen):
                    continue
                gap = window if following is None else _gap(seen, following)
                if following is None:
                    yield _watched(evidence, seen)
                elif gap < window:
                    yield broken(call, f"{what}, and the request came again after {max(gap, 0):.2f} s", following)
                else:
                    yield kept(seen)

    return check


def _answered_5xx(seen: Seen) -> bool:
    return seen.http_status is not None and seen.http_status >= 500


def _lost(seen: Seen) -> bool:
    return seen.lost


def _with_following(call: Call) -> Iterator[tuple[Seen, Seen | None]]:
    """Each request of a call with the one that came after it."""
    here = call.here
    yield from zip(here, (*here[1:], None), strict=False)  # no pair where there is no request


def _watched(evidence: ClientEvidence, seen: Seen) -> Judgement:
    """Nothing followed, for as long as it was looked."""
    settled, ended = evidence.terms.settled_at, seen.exchange.answered_at
    if settled is None or ended is None or settled - ended < evidence.terms.resend_window_s:
        return Unobserved(Reason.INTERRUPTED, "the run ended before it could be seen that nothing follows", seen.number)
    return kept(seen)


def _gap(seen: Seen, following: Seen) -> float:
    """Seconds from the end of an exchange to the next request; one that has no end was overtaken."""
    ended = seen.exchange.answered_at
    return 0.0 if ended is None else following.exchange.sent_at - ended


def _retry_after(seen: Seen) -> float | None:
    """Seconds that a 429 tells to wait, None for any other answer."""
    response = seen.exchange.response
    if response is None or response.status != TOO_MANY_REQUESTS:
        return None
    value = header(response.headers, "retry-after")
    return float(value) if value is not None and value.isdecimal() else None


CHECKS: dict[str, ClientCheck] = {
    "RTY-01": final_is_final,
    "RTY-02": waits_as_told,
    "RTY-03": is_not_hammered,
    "RTY-04": not_at_once(_answered_5xx, "the request was answered with a 5xx"),
    "RTY-05": not_at_once(_lost, "the answer was lost"),
}
