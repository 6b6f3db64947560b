"""RCV: what became of notifications, by what the client says when it is asked.

A rule is judged only where those before it hold: a client that knows of no result breaks RCV-10 and no rule about what
a result says.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from conformance.judging.client.inboxes import InboxCheck, broken, kept, of_inbox, untold
from conformance.judging.client.judging import Rule
from conformance.judging.client.kinds import What
from conformance.judging.client.notices import Fate, Inbox, Notice, Telling, tellings
from conformance.judging.judgement import Finding, Judgement, Reason, Unobserved, shown

NONE_KEPT = "the client makes no calls, and of what it was notified of it knew no result when it was asked"


def understood(inbox: Inbox) -> frozenset[str]:
    """The states that usual notifications, the first of known requests, have always rightly led to."""
    right, wrong = set[str](), set[str]()
    for fate, notice in inbox.firsts():
        for telling in simple(inbox, fate) if notice.usual else ():
            if not telling.open and fate.mine(telling):
                (right if telling.state == notice.state else wrong).add(notice.state)
    return frozenset(right - wrong)


def simple(inbox: Inbox, fate: Fate) -> list[Telling]:
    """What was said of a request after one notification, while there was no other one."""
    return [
        telling
        for telling in fate.tellings
        if fate.answerable and fate.until(telling.told.at) == [fate.first] and inbox.remembers(fate, telling)
    ]


def only_success_is_success(inbox: Inbox) -> Iterator[Judgement]:
    """RCV-04."""
    for fate, notice in inbox.firsts():
        if not notice.usual:
            continue  # RCV-03
        for telling in simple(inbox, fate):
            code = notice.members[inbox.roles.outcome]
            if telling.open or not fate.mine(telling):
                yield untold(notice, "the client does not know of the result")  # RCV-10
            elif telling.state == notice.state:
                yield kept(notice)
            else:
                yield broken(notice, f"{inbox.roles.outcome} is {shown(code)}, and the client says {telling.state}")
    yield from (each for each in _claims(inbox, frozenset({What.OTHER_CODE})) if isinstance(each, Finding))


def failures_have_reasons(inbox: Inbox) -> Iterator[Judgement]:
    """RCV-05."""
    for fate, notice in inbox.firsts():
        if notice.succeeded or not notice.usual:
            continue
        for telling in simple(inbox, fate):
            if telling.state != "failed" or not fate.mine(telling):
                yield untold(notice, "the client does not know of the failure")  # RCV-04, RCV-10
            elif telling.text == notice.text:
                yield kept(notice)
            else:
                yield broken(notice, f"the reason is {shown(notice.text)}, the client tells {shown(telling.text)}")


def repeats_are_applied_once(inbox: Inbox) -> Iterator[Judgement]:
    """RCV-07: of those that come one after the other."""
    for fate, telling, notices in tellings(inbox):
        if len(notices) < 2 or len(alike(notices)) > 1 or len({n.sent_at for n in notices}) < len(notices):
            continue
        if not fate.early and not fate.first.in_crowd:
            yield _applied_once(fate, telling, notices)


def moments_are_applied_once(inbox: Inbox) -> Iterator[Judgement]:
    """RCV-08: where those that come one after the other are."""
    one_by_one = not any(isinstance(each, Finding) for each in repeats_are_applied_once(inbox))
    for fate, telling, notices in tellings(inbox):
        if len(notices) < 2 or len(alike(notices)) > 1 or len({n.sent_at for n in notices}) > 1:
            continue
        if one_by_one:
            yield _applied_once(fate, telling, notices)
        else:
            yield untold(fate.first, "what comes again is applied again also at another moment")


def _applied_once(fate: Fate, telling: Telling, notices: list[Notice]) -> Judgement:
    if telling.applied is None:
        return untold(fate.first, "the client does not tell how often a result was applied")
    if telling.open or not fate.mine(telling):
        return untold(fate.first, "the client does not know of the result")
    if telling.applied == 1:
        return kept(notices[-1])
    return broken(notices[-1], f"{len(notices)} equal notifications were applied {telling.applied} times")


def first_one_stands(inbox: Inbox) -> Iterator[Judgement]:
    """RCV-09: of a client that tells success from failure at all, and one request from the other (RCV-10)."""
    strays = any(isinstance(judgement, Finding) for judgement in each_to_its_own(inbox))
    tells_apart = {"succeeded", "failed"} <= understood(inbox) and not strays
    for fate, telling, notices in tellings(inbox):
        first, last = notices[0], notices[-1]
        if len(notices) != 2 or first.succeeded == last.succeeded or first.sent_at == last.sent_at:
            continue
        if telling.open or not fate.mine(telling) or not tells_apart:
            yield untold(last, "the client does not know of the results, or does not tell them apart")
        elif telling.state == first.state:
            yield kept(last)
        else:
            yield broken(last, f"the first notification told of {first.state}, and a later one changed that")


def each_to_its_own(inbox: Inbox) -> Iterator[Judgement]:
    """RCV-10: a result at another request, or at none; kept where the order was another than that of the calls."""
    for fate, telling, notices in tellings(inbox):
        owner = telling.owner
        if owner is not None and owner is not fate:
            if owner.answerable:
                words = f"the client says {shown(telling.text)} of it, which is the result of {owner.request_id}"
                yield broken(notices[0], words)
        elif telling.open:
            if fate.first.taken and fate.first.usual and not fate.early and not fate.first.in_crowd:
                words = f"the client was notified of {fate.first.state}, and says {telling.state}"
                yield untold(notices[0], words) if inbox.after_junk(fate.first) else broken(notices[0], words)
        elif _overtook(inbox, fate) or (fate.stored and _among_others(inbox, fate, telling)):
            yield kept(notices[0])


def _overtook(inbox: Inbox, fate: Fate) -> bool:
    """Whether a request that was called for later was notified of sooner."""
    return any(
        other.call is not None
        and fate.call is not None
        and (other.call.asked_at or 0.0) > (fate.call.asked_at or 0.0)
        and other.first.sent_at < fate.first.sent_at
        for other in inbox.fates
        if other.known and other.notices
    )


def _among_others(inbox: Inbox, fate: Fate, telling: Telling) -> bool:
    """Whether the client had been notified of something else after this, when it was asked."""
    return any(
        other is not fate and other.notices and fate.first.number < other.first.number and other.until(telling.told.at)
        for other in inbox.fates
    )


def early_are_not_lost(inbox: Inbox) -> Iterator[Judgement]:
    """RCV-11."""
    states = understood(inbox)
    for fate, telling, notices in tellings(inbox):
        if not fate.early or len(notices) > 1:
            continue
        if not states or is_mixed_up(inbox, telling):
            yield untold(notices[0], "no result that came after the answer is known to the client")
        elif telling.open:
            words = f"a result came before the answer was read (it was {notices[0].answer_in_words})"
            yield broken(notices[0], f"{words}, and the client says {telling.state}")
        elif not fate.mine(telling):
            yield untold(notices[0], "the client says something else of it")
        else:
            yield kept(notices[0])


def unknown_are_nobodys(inbox: Inbox) -> Iterator[Judgement]:
    """RCV-13: kept where a request that was open then is still open, or has got its own result.

    Of a client that makes no calls this is asked of requests that it was not notified of; the others are for RCV-10.
    """
    unknown = [fate.first for fate in inbox.fates if not fate.known and fate.notices]
    for fate in inbox.fates:
        for telling in fate.tellings:
            before = [notice for notice in unknown if notice.sent_at < telling.told.at]
            if not fate.answerable or not before or (fate.stored and fate.notices):
                continue
            if fate.notices and fate.first.sent_at < before[0].sent_at:
                continue
            owner = telling.owner
            if owner is not None and not owner.known:
                words = f"the client says {shown(telling.text)} of {fate.request_id}, which it was notified of for "
                yield broken(owner.first, f"{words}the unknown {owner.request_id}")
            elif telling.open or owner is fate:
                yield kept(before[-1])


def malformed_are_not_applied(inbox: Inbox) -> Iterator[Judgement]:
    """RCV-25: asked for a request that only what is no notification has spoken of, the client knows of no success.

    A client that takes such a request for failed has applied something, too; the contract's word for a failure is any
    other result_code, so that is not held against it.
    """
    yield from _claims(inbox, frozenset({What.NO_JSON, What.INCOMPLETE}))


def other_methods_are_not_applied(inbox: Inbox) -> Iterator[Judgement]:
    """RCV-17, where the client can be asked."""
    yield from _claims(inbox, frozenset({What.METHOD}))


def _claims(inbox: Inbox, kinds: frozenset[What]) -> Iterator[Judgement]:
    for notice in inbox.junk:
        if notice.what not in kinds:
            continue
        fate = inbox.fate_of_call(notice.case.earlier) or inbox.asked.get(notice.case.id)
        if fate is None or fate.notices or not fate.answerable:
            continue
        for telling in fate.tellings:
            if telling.told.at < notice.sent_at or not inbox.remembers(fate, telling):
                continue
            if telling.open:
                yield kept(notice)
            elif telling.state == "succeeded" and (telling.owner is None or telling.owner is fate):
                words = f"{notice.what}{notice.special} was {notice.answer_in_words}, and the client says succeeded"
                yield broken(notice, words)
            else:
                yield untold(notice, "the client takes the request for failed")


def is_mixed_up(inbox: Inbox, telling: Telling) -> bool:
    """Whether a result that is missing may have gone to another request: that is for RCV-10 and RCV-13."""
    return telling.open and any(
        each.owner is not None and each.owner is not fate for fate in inbox.fates for each in fate.tellings
    )


def alike(notices: list[Notice]) -> list[list[Notice]]:
    """The notifications of a request, those with the same content together."""
    groups: dict[bytes, list[Notice]] = {}
    for notice in notices:
        groups.setdefault(notice.exchange.request.body, []).append(notice)
    return list(groups.values())


def _if_it_keeps_any(rule: InboxCheck) -> InboxCheck:
    """The rule, of a client that knows of results at all."""

    def of_kept(inbox: Inbox) -> Iterator[Judgement]:
        if inbox.forgets:
            yield Unobserved(Reason.PRECONDITION, NONE_KEPT)
        else:
            yield from rule(inbox)

    return of_kept


RULES: Mapping[str, Rule] = {
    name: of_inbox(_if_it_keeps_any(rule))
    for name, rule in {
        "only-success-is-success": only_success_is_success,
        "failures-have-reasons": failures_have_reasons,
        "repeats-are-applied-once": repeats_are_applied_once,
        "moments-are-applied-once": moments_are_applied_once,
        "first-one-stands": first_one_stands,
        "each-to-its-own": each_to_its_own,
        "early-are-not-lost": early_are_not_lost,
        "unknown-are-nobodys": unknown_are_nobodys,
        "malformed-are-not-applied": malformed_are_not_applied,
    }.items()
}
