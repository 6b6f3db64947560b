"""Reasons for a missing or late notification that are not the gateway's fault."""

from __future__ import annotations

from collections import Counter
from math import comb

from conformance.judging.evidence import Evidence
from conformance.judging.judgement import Inconclusive, Reason
from conformance.judging.summaries import ResponseSummary
from conformance.judging.terms import Terms

# The longest delay of a notification, or of the answer before it, in a network: TCP sends a lost segment again after
# 1 s and then after 2 s more, and tunnels queue for a while.
NETWORK_HOLDS_S = 5.0
# A chance of one in a million counts as none.
BY_CHANCE = 1e-6

CUT_OFF = Inconclusive(Reason.INTERRUPTED, "the run ended before it had listened for notifications")


def lost_on_its_way(terms: Terms, product: str, missing: int, owed: int) -> str | None:
    """The words for notifications that the network may have lost; None if only the gateway can be to blame.

    Canaries show how often a network on the way loses something: the gateway is to blame if the chance of so many
    missing notifications is at most one in a million.
    """
    if not terms.network_back:
        way_lost = terms.ways_lost.get(product)
        return None if way_lost is None else f"{missing} notifications are missing, and {way_lost}"
    sent, lost = terms.canaries.get(product, (0, 0))
    if chance_of_as_many(missing, owed, lost, sent) <= BY_CHANCE:
        return None
    return (
        f"{missing} of {owed} notifications are missing, and of {sent} canaries on the same way {lost}: it may have "
        "been the network"
    )


def sent_once_more(terms: Terms, product: str, late: int, owed: int) -> str | None:
    """The words for late notifications whose first try may have got lost; None if chance does not explain it."""
    sent, lost = terms.canaries.get(product, (0, 0))
    sent, lost = sent + terms.watch.sent, lost + terms.watch.lost
    if not terms.network_back or chance_of_as_many(late, owed, lost, sent) <= BY_CHANCE:
        return None
    return (
        f"{late} of {owed} notifications came late, and of {sent} canaries on the same way {lost} were lost: each may "
        "have been a second try"
    )


def chance_of_as_many(missing: int, owed: int, lost: int, sent: int) -> float:
    """The chance that `missing` of `owed` or more get lost, at the same rate as the `lost` of the `sent`.

    Fisher's exact test, one-sided.
    """
    all_lost, most = missing + lost, min(owed, missing + lost)
    ways = sum(comb(owed, k) * comb(sent, all_lost - k) for k in range(missing, most + 1))
    return ways / comb(owed + sent, all_lost)


def in_an_outage(terms: Terms, answer: ResponseSummary) -> Inconclusive | None:
    """The outage in which its notification may have got lost; None if the way back was open all the time.

    With a margin for delays: the gateway may have sent the notification a while before the answer was read, and the
    network may have delivered it a while after it was due.
    """
    since = answer.answered_at
    if since is None:
        return None
    due = since + terms.notify_within_s
    outage = terms.watch.outage_between(since - NETWORK_HOLDS_S, due + NETWORK_HOLDS_S)
    if outage is None:
        return None
    lost = "a canary" if outage.lost == 1 else f"{outage.lost} canaries in a row"
    detail = f"the way back was cut while a notification was due: {lost} got lost on it"
    return Inconclusive(Reason.ENVIRONMENT, detail, answer.number)


def in_a_gap(evidence: Evidence, answer: ResponseSummary) -> Inconclusive | None:
    """The gap in which its notification may have come while nobody listened; None without one."""
    since = answer.answered_at
    if since is None or evidence.terms.listened_between(since, since + evidence.terms.notify_within_s):
        return None
    return Inconclusive(
        Reason.INTERRUPTED, "the run was cut off before it went on; meanwhile nobody took notifications", answer.number
    )


def refused_here(evidence: Evidence, answer: ResponseSummary) -> Inconclusive | None:
    """The reason for which the suite may have refused its notification; None if it took everything at the time."""
    terms, since = evidence.terms, answer.answered_at
    if terms.left_out_with_id:
        detail = f"{terms.left_out_with_id:,} requests with ids that nobody had given yet were too many to be kept"
        return Inconclusive(Reason.ENVIRONMENT, detail, answer.number)
    if since is None:
        return None
    refusal = terms.refusal(since - NETWORK_HOLDS_S, since + terms.notify_within_s + NETWORK_HOLDS_S)
    if refusal is None:
        return None
    detail = f"the suite's own receiver did not take everything while a notification was due: {refusal.why}"
    return Inconclusive(Reason.ENVIRONMENT, detail, answer.number)


def not_listened_out(evidence: Evidence, answer: ResponseSummary) -> Inconclusive | None:
    """The interruption after which its notification may still have come; None if its time was over."""
    settled, since = evidence.terms.settled_at, answer.answered_at
    if settled is not None and since is not None and settled < since + evidence.terms.notify_within_s:
        return Inconclusive(
            Reason.INTERRUPTED, "the run stopped listening before the time for the notification was over", answer.number
        )
    return None


def obstacle_to(evidence: Evidence, answer: ResponseSummary) -> Inconclusive | None:
    """The reason why the notification may have been sent, other than losses by chance in a network."""
    return not_listened_out(evidence, answer) or in_a_gap(evidence, answer) or refused_here(evidence, answer)


def held_up(evidence: Evidence, answer: ResponseSummary) -> Inconclusive | None:
    """The reason why a late notification may have been sent in time, other than delays by chance in a network."""
    terms = evidence.terms
    return in_a_gap(evidence, answer) or in_an_outage(terms, answer) or refused_here(evidence, answer)


def what_came_instead(evidence: Evidence, product: str) -> str:
    """Describe the other requests to the callback."""
    if (refused := _refused_on_arrival(evidence.terms, product)) is not None:
        return f"; {refused}"
    others, of_anybody = evidence.without_content[product], evidence.of_anybody[product]
    text = f"; {others} requests without a body came to its callback, which are no notifications" if others else ""
    if of_anybody:
        text += f"; {of_anybody} came there that carry no id and may be anybody's, for its address has no token"
    elif not others and not any(arrival.product == product for arrival in evidence.arrivals):
        text = f"; none at all came to the callback of {product}: is it registered?"
    return text


# The most reasons to list for unreadable requests: usually there is one.
MOST_REASONS = 3


def _refused_on_arrival(terms: Terms, product: str) -> str | None:
    """Describe the unreadable requests to the receiver that name this product, or none; None if there are none."""
    reasons = Counter(error for meant_for, error in terms.unread if meant_for in (product, None))
    if not reasons:
        return None
    count = reasons.total()
    listed = ", ".join(
        error if len(reasons) == 1 else f"{error} ({times})" for error, times in reasons.most_common(MOST_REASONS)
    )
    more = f", and {len(reasons) - MOST_REASONS} other reasons" if len(reasons) > MOST_REASONS else ""
    what = "1 request to the callback receiver" if count == 1 else f"{count} requests to the callback receiver"
    return f"{what} could not be read: {listed}{more}"
