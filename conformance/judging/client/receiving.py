"""RCV: how a receiver of notifications answers valid ones.

What became of a notification is for `conformance.judging.client.results`, what is no notification for
`conformance.judging.client.malformed`. A request_id that the client cannot know may be turned away with a 4xx; where
one is taken, each valid form of a notification has to be.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache

from conformance.contract.contract import Contract
from conformance.contract.requirements import ByRule
from conformance.judging.client.inboxes import NONE_TAKEN, broken, check_of, kept, of_inbox, untold
from conformance.judging.client.judging import ClientCheck, Rule
from conformance.judging.client.notices import CROWD, FEW, THRONG, Fate, Inbox, Notice
from conformance.judging.client.results import alike, is_mixed_up, simple, understood
from conformance.judging.judgement import Finding, Judgement, Reason, Unobserved, shown
from conformance.model.traffic import header

# How long an answer to a notification is waited for where no requirement says how soon it has to come.
WITHIN_S = 30.0

# One that waits longer than this for each of its integrators has no workers left.
QUICKLY_S = 5.0

ANSWERED_WITHIN = "answered-within"

UNKNOWN = "a receiver may turn away a request that it does not know, and there was no call that made one known"

# Answers by which HTTP lets a server refuse a way of writing a request, by the header that stands for it.
_REFUSALS_OF_HTTP = {"transfer-encoding": 411, "upgrade": 101}


def valid_are_taken(inbox: Inbox) -> Iterator[Judgement]:
    """RCV-01, but for those that offer an upgrade."""
    for fate, notice in inbox.firsts():
        if not notice.usual or notice.offers_upgrade or not (inbox.countable(fate) or notice.fatal):
            continue
        if notice.taken:
            yield kept(notice)
        elif notice.timed_out:
            yield untold(notice, f"a notification was {notice.answer_in_words}")  # RCV-02
        elif notice.refused and not fate.known and not inbox.takes_unknown():
            yield untold(notice, f"a notification was answered {notice.status}; {UNKNOWN}")
        elif _may_be_refused(notice):
            yield untold(notice, f"a notification{notice.special} was answered {notice.status}, as a server may")
        else:
            yield broken(notice, f"a valid notification{notice.special} was {notice.answer_in_words}")


def offers_are_passed_over(inbox: Inbox) -> Iterator[Judgement]:
    """RCV-27, where notifications without an offer are taken."""
    for fate, notice in inbox.firsts():
        if not (notice.usual and notice.offers_upgrade) or not (inbox.countable(fate) or notice.fatal):
            continue
        if notice.taken:
            yield kept(notice)
        elif not inbox.understands():
            yield untold(notice, NONE_TAKEN)
        elif notice.timed_out or _may_be_refused(notice):
            yield untold(notice, f"a notification{notice.special} was {notice.answer_in_words}")
        else:
            yield broken(notice, f"a valid notification{notice.special} was {notice.answer_in_words}")


def _may_be_refused(notice: Notice) -> bool:
    """Whether HTTP allows this answer to a request that is written in this way."""
    headers = notice.exchange.request.headers
    return any(notice.status == status and header(headers, name) for name, status in _REFUSALS_OF_HTTP.items())


def answered_within(*, seconds: float, at_most: float | None = None) -> ClientCheck:
    """Each is answered in that time; with `at_most`, of those alone that are not later than that, either."""

    def rule(inbox: Inbox) -> Iterator[Judgement]:
        for notice in _timed(inbox):
            if at_most is not None and notice.took_s > at_most:
                yield untold(notice, _late(notice, at_most))
            elif notice.took_s > seconds:
                yield broken(notice, _late(notice, seconds))
            elif notice.status is not None:
                yield kept(notice)
            elif at_most is None:
                yield untold(notice, f"a notification was {notice.answer_in_words}; it was not waited for any longer")

    return check_of(rule)


@cache
def waited_s(contract: Contract) -> float:
    """How long an answer has to be waited for, so that every requirement on how soon it comes can be judged."""
    rules = [each.judge for each in contract.catalogue.requirements if isinstance(each.judge, ByRule)]
    return max((each.parameters["seconds"] for each in rules if each.rule == ANSWERED_WITHIN), default=WITHIN_S)


def _timed(inbox: Inbox) -> Iterator[Notice]:
    """Those that came with few others, were answered or waited for, and whose client was not waiting itself."""
    for fate in inbox.fates:
        for notice in fate.notices:
            waiting = fate.early and notice is fate.first
            if notice.beside <= FEW and not waiting and (notice.status is not None or notice.timed_out):
                yield notice


def _late(notice: Notice, limit_s: float) -> str:
    if notice.status is None:
        return f"a notification was {notice.answer_in_words}"
    return f"a notification was answered after {notice.took_s:.1f} s, not within {limit_s:g} s"


def unusual_are_taken(inbox: Inbox) -> Iterator[Judgement]:
    """RCV-03: answered with a 2xx, and, where it can be asked for, understood."""
    states = understood(inbox)
    for fate, notice in inbox.firsts():
        if notice.usual or not (inbox.countable(fate) or notice.fatal):
            continue
        what = _unusual(notice)
        if not inbox.understands():
            yield untold(notice, NONE_TAKEN)
        elif not notice.taken:
            yield broken(notice, f"a notification with {what} was {notice.answer_in_words}")
        else:
            wrong = [
                t for t in simple(inbox, fate) if fate.mine(t) and t.state != notice.state and not is_mixed_up(inbox, t)
            ]
            if wrong and notice.state in states:
                words = f"a notification with {what} told of {notice.state}, and the client says {wrong[0].state}"
                yield broken(notice, words)
            else:
                yield kept(notice)


def _unusual(notice: Notice) -> str:
    extra = sorted(name for name in notice.members if name.startswith("x_"))
    return f"the extra field {extra[0]}" if extra else f"the text {shown(notice.text)}"


def repeats_are_taken(inbox: Inbox) -> Iterator[Judgement]:
    """RCV-06: where the first one was, and the answer is no failure of the receiver, for which RCV-21 is."""
    for notice in _repeats(inbox):
        if notice.taken:
            yield kept(notice)
        elif notice.fails:
            yield untold(notice, f"a notification that came again was {notice.answer_in_words}")
        else:
            yield broken(notice, f"a notification that came again was {notice.answer_in_words}")


def repeats_are_survived(inbox: Inbox) -> Iterator[Judgement]:
    """RCV-21: a repeat is never answered with a 5xx, and nothing breaks over it."""
    for notice in _repeats(inbox):
        if notice.fails:
            yield broken(notice, f"a notification that came again was {notice.answer_in_words}")
        elif notice.status is not None:
            yield kept(notice)
        else:
            yield untold(notice, f"a notification that came again was {notice.answer_in_words}")


def _repeats(inbox: Inbox) -> Iterator[Notice]:
    """Those that came again after one that was taken, or at the same moment, if they were alone with each other."""
    for fate in inbox.fates:
        for same in alike(fate.notices):
            if len(same) == 1 or any(n.in_crowd or inbox.after_junk(n) for n in same) or fate.early:
                continue
            taken = next((notice for notice in same if notice.taken), None)
            if taken is not None:
                yield from (n for n in same if n is not taken and n.sent_at >= taken.sent_at)


def unknown_are_answered(inbox: Inbox) -> Iterator[Judgement]:
    """RCV-12."""
    for fate, notice in inbox.firsts():
        if fate.known or not notice.usual:
            continue
        if notice.taken or notice.refused:
            yield kept(notice)
        elif notice.timed_out or not inbox.understands():
            yield untold(notice, NONE_TAKEN)
        elif inbox.countable(fate) or notice.fatal:
            yield untold(notice, f"a notification was {notice.answer_in_words}")  # RCV-01
        else:
            yield broken(notice, f"a notification with an unknown {inbox.roles.id} was {notice.answer_in_words}")


# --- Many at once


def crowds_are_taken(inbox: Inbox) -> Iterator[Judgement]:
    """RCV-19."""
    yield from _crowds(inbox, range(CROWD, THRONG))


def throngs_are_taken(inbox: Inbox) -> Iterator[Judgement]:
    """RCV-26: where crowds are, and a throng was sent, which it is not where it would take long."""
    crowd = [notice for fate in inbox.fates for notice in fate.notices if notice.in_crowd and not notice.in_throng]
    throng = any(notice.in_throng for fate in inbox.fates for notice in fate.notices)
    if any(isinstance(each, Finding) for each in crowds_are_taken(inbox)):
        yield Unobserved(Reason.PRECONDITION, f"{CROWD} at once are too many already")
    elif crowd and not throng:
        took = max((notice.took_s or 0.0 for notice in crowd), default=0.0)
        words = f"{CROWD} at once were answered within {took:.1f} s, so {THRONG} would have taken too long to be sent"
        yield Unobserved(Reason.PRECONDITION, words)
    else:
        yield from _crowds(inbox, range(THRONG, 10 * THRONG))


def _crowds(inbox: Inbox, sizes: range) -> Iterator[Judgement]:
    """Each is answered as one by itself is, and, where the client can be asked, none is lost."""
    alone: dict[bool, Notice] = {}
    for fate, notice in inbox.firsts():
        if notice.usual and (notice.taken or fate.known not in alone):
            alone[fate.known] = notice
    knows_results = bool(understood(inbox))
    for fate in inbox.fates:
        for notice in fate.notices:
            if notice.beside not in sizes:
                continue
            twin = alone.get(fate.known)
            if not inbox.understands():
                yield untold(notice, NONE_TAKEN)
            elif twin is not None and (twin.taken or twin.refused):
                yield _in_crowd(inbox, fate, notice, twin, knows_results=knows_results)


def _in_crowd(inbox: Inbox, fate: Fate, notice: Notice, twin: Notice, *, knows_results: bool) -> Judgement:
    how = f"of {notice.beside} notifications at the same time one was"
    if not notice.taken and not (twin.refused and notice.refused):
        return broken(notice, f"{how} {notice.answer_in_words}, which by itself is answered {twin.status}")
    told = [telling for telling in fate.tellings if fate.answerable and telling.told.at > notice.sent_at]
    lost = (
        [t for t in told if t.open and inbox.remembers(fate, t) and not is_mixed_up(inbox, t)] if knows_results else []
    )
    if not lost:
        return kept(notice)
    after_s = lost[0].told.at - notice.sent_at
    return broken(notice, f"{how} taken and lost: {after_s:.0f} s later the client says {lost[0].state}")


RULES: Mapping[str, Rule] = {
    "valid-are-taken": of_inbox(valid_are_taken),
    ANSWERED_WITHIN: Rule(answered_within),
    "unusual-are-taken": of_inbox(unusual_are_taken),
    "repeats-are-taken": of_inbox(repeats_are_taken),
    "repeats-are-survived": of_inbox(repeats_are_survived),
    "unknown-are-answered": of_inbox(unknown_are_answered),
    "crowds-are-taken": of_inbox(crowds_are_taken),
    "throngs-are-taken": of_inbox(throngs_are_taken),
    "offers-are-passed-over": of_inbox(offers_are_passed_over),
}
