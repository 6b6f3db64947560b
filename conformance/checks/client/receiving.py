"""RCV: what a receiver of notifications does with them.

Answers are judged by themselves; what became of a notification by what the client says when it is asked. A request_id
that the client cannot know may be turned away with a 4xx, so answers to such are held against answers of the same kind.
Where it is not driven, no request_id is known to it: then a 2xx to one of them is what the others are held against.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from conformance.checks.client.evidence import ClientEvidence
from conformance.checks.client.judging import ClientCheck
from conformance.checks.client.notices import Fate, Inbox, Notice, Telling, What, inbox_of, tellings
from conformance.checks.judgement import Finding, Judgement, Kept, Reason, Unobserved, shown

# The contract says "quickly"; a gateway that waits longer than this for each of its integrators has no workers left.
WITHIN_S = 5.0

InboxCheck = Callable[[Inbox], Iterator[Judgement]]


def of_inbox(rule: InboxCheck) -> ClientCheck:
    """A check of `rule` on what was sent to the receiver of a command."""

    def check(evidence: ClientEvidence, command: str | None) -> Iterator[Judgement]:
        inbox = inbox_of(evidence, command)
        judgements = [*rule(inbox)]
        yield from judgements
        if not judgements and inbox.left_alone:
            yield Unobserved(Reason.PRECONDITION, LEFT_ALONE)

    return check


def kept(notice: Notice) -> Kept:
    """It held for this notification."""
    return Kept(notice.number)


def broken(notice: Notice, message: str) -> Finding:
    """It did not hold for this one."""
    request_id = notice.request_id if notice.what is What.VALID else None
    return Finding(message, case=notice.case.id, exchange=notice.number, request_id=request_id)


def untold(notice: Notice, why: str) -> Unobserved:
    """It could not be told from this one."""
    return Unobserved(Reason.PRECONDITION, why, notice.number)


LEFT_ALONE = f"the receiver was not seen to answer a notification within {WITHIN_S:g} s, so it was left alone"
NONE_TAKEN = "no usual notification was answered with a 2xx"
UNKNOWN = "a receiver may turn away a request_id that it does not know, and there was no call that made one known"


# --- Answers to valid notifications


def valid_are_taken(inbox: Inbox) -> Iterator[Judgement]:
    """RCV-01."""
    for fate, notice in inbox.firsts():
        if not notice.usual or not inbox.countable(fate):
            continue
        if notice.taken:
            yield kept(notice)
        elif notice.timed_out:
            yield untold(notice, f"a notification was {notice.answer_in_words}")  # RCV-02
        elif notice.refused and not fate.known:
            yield untold(notice, f"a notification was answered {notice.status}; {UNKNOWN}")
        else:
            yield broken(notice, f"a valid notification was {notice.answer_in_words}")


def answered_in_time(inbox: Inbox) -> Iterator[Judgement]:
    """RCV-02: where the receiver is left in peace, and its client is not waiting for an answer itself."""
    for fate in inbox.fates:
        for notice in fate.notices:
            ended = notice.exchange.answered_at
            if notice.in_crowd or (fate.early and notice is fate.first) or ended is None:
                continue
            took = ended - notice.sent_at
            if notice.timed_out:
                yield broken(notice, f"a notification was {notice.answer_in_words}")
            elif notice.status is not None and took > WITHIN_S:
                yield broken(notice, f"a notification was answered after {took:.1f} s, not within {WITHIN_S:g} s")
            elif notice.status is not None:
                yield kept(notice)


def unusual_are_taken(inbox: Inbox) -> Iterator[Judgement]:
    """RCV-03: answered with a 2xx, and, where it can be asked for, understood."""
    states = understood(inbox)
    for fate, notice in inbox.firsts():
        if notice.usual or not inbox.countable(fate):
            continue
        what = _unusual(notice)
        if not inbox.understands():
            yield untold(notice, NONE_TAKEN)
        elif not notice.taken:
            yield broken(notice, f"a notification with {what} was {notice.answer_in_words}")
        else:
            wrong = [
                t for t in _simple(inbox, fate) if fate.mine(t) and t.state != notice.state and not _mixed(inbox, t)
            ]
            if wrong and notice.state in states:
                words = f"a notification with {what} told of {notice.state}, and the client says {wrong[0].state}"
                yield broken(notice, words)
            else:
                yield kept(notice)


def _mixed(inbox: Inbox, telling: Telling) -> bool:
    """Whether a result that is missing may have gone to another request: that is for RCV-10 and RCV-13."""
    return telling.open and any(
        each.owner is not None and each.owner is not fate for fate in inbox.fates for each in fate.tellings
    )


def _unusual(notice: Notice) -> str:
    unknown = sorted(notice.members.keys() - {"request_id", "result_code", "result_desc"})
    extra = [name for name in unknown if name.startswith("x_")]
    return f"the extra field {extra[0]}" if extra else f"the text {shown(notice.text)}"


def repeats_are_taken(inbox: Inbox) -> Iterator[Judgement]:
    """RCV-06: where the first one was."""
    for fate in inbox.fates:
        for alike in _alike(fate.notices):
            if len(alike) == 1 or any(n.in_crowd or inbox.after_junk(n) for n in alike) or fate.early:
                continue
            taken = next((notice for notice in alike if notice.taken), None)
            for notice in alike:
                if notice is taken:
                    continue
                if taken is None or taken.sent_at > notice.sent_at:
                    yield untold(notice, "the first notification was not answered with a 2xx")
                elif notice.taken:
                    yield kept(notice)
                else:
                    yield broken(notice, f"a notification that came again was {notice.answer_in_words}")


def _alike(notices: list[Notice]) -> list[list[Notice]]:
    """The notifications of a request, those with the same content together."""
    groups: dict[bytes, list[Notice]] = {}
    for notice in notices:
        groups.setdefault(notice.exchange.request.body, []).append(notice)
    return list(groups.values())


def unknown_are_answered(inbox: Inbox) -> Iterator[Judgement]:
    """RCV-12."""
    for fate, notice in inbox.firsts():
        if fate.known or not notice.usual:
            continue
        if notice.taken or notice.refused:
            yield kept(notice)
        elif notice.timed_out or not inbox.understands():
            yield untold(notice, NONE_TAKEN)
        else:
            yield broken(notice, f"a notification with an unknown request_id was {notice.answer_in_words}")


# --- What became of them


def understood(inbox: Inbox) -> frozenset[str]:
    """The states that usual notifications, the first of known requests, have always rightly led to."""
    right, wrong = set[str](), set[str]()
    for fate, notice in inbox.firsts():
        for telling in _simple(inbox, fate) if notice.usual else ():
            if not telling.open and fate.mine(telling):
                (right if telling.state == notice.state else wrong).add(notice.state)
    return frozenset(right - wrong)


def _simple(inbox: Inbox, fate: Fate) -> list[Telling]:
    """What was said of a request after one notification, while there was no other one."""
    return [
        telling
        for telling in fate.tellings
        if fate.known and fate.until(telling.told.at) == [fate.first] and inbox.remembers(fate, telling)
    ]


def only_200_is_success(inbox: Inbox) -> Iterator[Judgement]:
    """RCV-04."""
    for fate, notice in inbox.firsts():
        if not notice.usual:
            continue  # RCV-03
        for telling in _simple(inbox, fate):
            code = notice.members["result_code"]
            if telling.open or not fate.mine(telling):
                yield untold(notice, "the client does not know of the result")  # RCV-10
            elif telling.state == notice.state:
                yield kept(notice)
            else:
                yield broken(notice, f"result_code is {shown(code)}, and the client says {telling.state}")


def failures_have_reasons(inbox: Inbox) -> Iterator[Judgement]:
    """RCV-05."""
    for fate, notice in inbox.firsts():
        if notice.succeeded or not notice.usual:
            continue
        for telling in _simple(inbox, fate):
            if telling.state != "failed" or not fate.mine(telling):
                yield untold(notice, "the client does not know of the failure")  # RCV-04, RCV-10
            elif telling.text == notice.text:
                yield kept(notice)
            else:
                yield broken(notice, f"the reason is {shown(notice.text)}, the client tells {shown(telling.text)}")


def repeats_are_applied_once(inbox: Inbox) -> Iterator[Judgement]:
    """RCV-07: of those that come one after the other."""
    for fate, telling, notices in tellings(inbox):
        if len(notices) < 2 or len(_alike(notices)) > 1 or len({n.sent_at for n in notices}) < len(notices):
            continue
        if not fate.early and not fate.first.in_crowd:
            yield _applied_once(fate, telling, notices)


def moments_are_applied_once(inbox: Inbox) -> Iterator[Judgement]:
    """RCV-08: where those that come one after the other are."""
    one_by_one = not any(isinstance(each, Finding) for each in repeats_are_applied_once(inbox))
    for fate, telling, notices in tellings(inbox):
        if len(notices) < 2 or len(_alike(notices)) > 1 or len({n.sent_at for n in notices}) > 1:
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
            if owner.known:
                words = f"the client says {shown(telling.text)} of it, which is the result of {owner.request_id}"
                yield broken(notices[0], words)
        elif telling.open:
            if fate.first.taken and fate.first.usual and not fate.early and not fate.first.in_crowd:
                words = f"the client was notified of {fate.first.state}, and says {telling.state}"
                yield untold(notices[0], words) if inbox.after_junk(fate.first) else broken(notices[0], words)
        elif _overtook(inbox, fate):
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


def early_are_not_lost(inbox: Inbox) -> Iterator[Judgement]:
    """RCV-11."""
    states = understood(inbox)
    for fate, telling, notices in tellings(inbox):
        if not fate.early or len(notices) > 1:
            continue
        if not states or _mixed(inbox, telling):
            yield untold(notices[0], "no result that came after the answer is known to the client")
        elif telling.open:
            words = f"a result came before the answer was read (it was {notices[0].answer_in_words})"
            yield broken(notices[0], f"{words}, and the client says {telling.state}")
        elif not fate.mine(telling):
            yield untold(notices[0], "the client says something else of it")
        else:
            yield kept(notices[0])


def unknown_are_nobodys(inbox: Inbox) -> Iterator[Judgement]:
    """RCV-13: kept where a request that was open then is still open, or has got its own result."""
    unknown = [fate.first for fate in inbox.fates if not fate.known and fate.notices]
    for fate in inbox.fates:
        for telling in fate.tellings:
            before = [notice for notice in unknown if notice.sent_at < telling.told.at]
            if not fate.known or not before or (fate.notices and fate.first.sent_at < before[0].sent_at):
                continue
            owner = telling.owner
            if owner is not None and not owner.known:
                words = f"the client says {shown(telling.text)} of {fate.request_id}, which it was notified of for "
                yield broken(owner.first, f"{words}the unknown {owner.request_id}")
            elif telling.open or owner is fate:
                yield kept(before[-1])


# --- What is no notification


def junk_is_refused(*kinds: What) -> InboxCheck:
    """RCV-14 … RCV-17: a rule about these kinds of junk. One that is gone is blamed for what it died of alone."""

    def rule(inbox: Inbox) -> Iterator[Judgement]:
        for notice in inbox.junk:
            if notice.what not in kinds:
                continue
            if not inbox.understands():
                yield untold(notice, NONE_TAKEN)
            elif notice.refused:
                yield kept(notice)
            elif notice.status is not None:
                yield broken(notice, f"{notice.what}{_more(notice)} was {notice.answer_in_words}, not with a 4xx")
            elif any(other.status is None and other.sent_at < notice.sent_at for other in inbox.junk):
                yield untold(notice, "the receiver was no longer there")
            elif notice.what is What.HUGE and not notice.timed_out:
                yield untold(notice, "the connection was closed before the body was read, as a server may")
            else:
                yield broken(notice, f"{notice.what}{_more(notice)} was {notice.answer_in_words}")

    return rule


def _more(notice: Notice) -> str:
    return f" ({notice.case.keyword})" if notice.case.keyword else ""


def alive_after_junk(inbox: Inbox) -> Iterator[Judgement]:
    """RCV-18: held against the same before the junk."""
    before = {fate.known: notice for fate, notice in inbox.firsts() if notice.usual and notice.taken}
    for fate in inbox.fates:
        if not fate.notices or fate.first.in_crowd or not fate.first.usual or not inbox.after_junk(fate.first):
            continue
        if fate.known not in before:
            if inbox.countable(fate):
                yield untold(fate.first, NONE_TAKEN)
        elif fate.first.taken:
            yield kept(fate.first)
        else:
            yield broken(fate.first, f"after what is no notification, a valid one was {fate.first.answer_in_words}")


# --- Many at once


def crowds_are_taken(inbox: Inbox) -> Iterator[Judgement]:
    """RCV-19: each is answered as one by itself is, and, where the client can be asked, none is lost."""
    alone = {fate.known: notice for fate, notice in inbox.firsts() if notice.usual}
    knows_results = bool(understood(inbox))
    for fate in inbox.fates:
        for notice in fate.notices:
            if not notice.in_crowd:
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
    told = [telling for telling in fate.tellings if fate.known and telling.told.at > notice.sent_at]
    lost = [t for t in told if t.open and inbox.remembers(fate, t) and not _mixed(inbox, t)] if knows_results else []
    return broken(notice, f"{how} taken and lost: the client says {lost[0].state}") if lost else kept(notice)


CHECKS: dict[str, ClientCheck] = {
    name: of_inbox(rule)
    for name, rule in {
        "RCV-01": valid_are_taken,
        "RCV-02": answered_in_time,
        "RCV-03": unusual_are_taken,
        "RCV-04": only_200_is_success,
        "RCV-05": failures_have_reasons,
        "RCV-06": repeats_are_taken,
        "RCV-07": repeats_are_applied_once,
        "RCV-08": moments_are_applied_once,
        "RCV-09": first_one_stands,
        "RCV-10": each_to_its_own,
        "RCV-11": early_are_not_lost,
        "RCV-12": unknown_are_answered,
        "RCV-13": unknown_are_nobodys,
        "RCV-14": junk_is_refused(What.NO_JSON),
        "RCV-15": junk_is_refused(What.INCOMPLETE),
        "RCV-16": junk_is_refused(What.EMPTY, What.HUGE, What.MEDIA_TYPE),
        "RCV-17": junk_is_refused(What.METHOD),
        "RCV-18": alive_after_junk,
        "RCV-19": crowds_are_taken,
    }.items()
}
