"""RCV: what a receiver does with what is no notification, and whether it is still there afterwards.

Each kind has two rules. That it is refused with a 4xx is a SHOULD: many receivers thank for everything, to have nothing
sent again. That it is not answered with a 5xx and kills nobody is a MUST. What the receiver died of is blamed alone.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from conformance.judging.client.inboxes import NONE_TAKEN, broken, check_of, kept, of_inbox, untold
from conformance.judging.client.judging import ClientCheck, Rule, one_of
from conformance.judging.client.kinds import What
from conformance.judging.client.notices import Inbox, Notice
from conformance.judging.client.results import other_methods_are_not_applied
from conformance.judging.judgement import Judgement

NOT_IMPLEMENTED = 501
"""Says that a server does not know a method, as Python's http.server does by itself: no failure."""

_WIDER = {What.EMPTY: What.NO_JSON, What.HUGE: What.INCOMPLETE}
"""What these are, too: an empty body is no JSON, and the large one lacks the members of a notification."""


_KINDS: Mapping[str, What] = {
    "no-json": What.NO_JSON,
    "incomplete": What.INCOMPLETE,
    "empty": What.EMPTY,
    "huge": What.HUGE,
}


def _of(kinds: Collection[str]) -> frozenset[What]:
    return frozenset(one_of(_KINDS, "kinds", kind) for kind in kinds)


def junk_is_refused(*, kinds: Collection[str]) -> ClientCheck:
    """Junk of these kinds is answered with a 4xx."""
    chosen = _of(kinds)

    def rule(inbox: Inbox) -> Iterator[Judgement]:
        for notice in inbox.junk:
            if notice.what not in chosen:
                continue
            if not inbox.understands():
                yield untold(notice, NONE_TAKEN)
            elif notice.refused:
                yield kept(notice)
            elif notice.fails:
                yield untold(notice, f"{_in_words(notice)}, which breaks another requirement")
            elif _is_cut_off(notice):
                yield untold(notice, "the connection was closed before the body was read, as a server may")
            else:
                yield broken(notice, f"{_in_words(notice)}, not with a 4xx")

    return check_of(rule)


def junk_is_survived(*, kinds: Collection[str]) -> ClientCheck:
    """Junk of these kinds is not answered with a 5xx, and the receiver does not die of it."""
    chosen = _of(kinds)

    def rule(inbox: Inbox) -> Iterator[Judgement]:
        failing = {notice.what for notice in inbox.junk if notice.fails and not _is_cut_off(notice)}
        for notice in inbox.junk:
            if notice.what not in chosen:
                continue
            wider = _WIDER.get(notice.what)
            if not inbox.understands():
                yield untold(notice, NONE_TAKEN)
            elif notice.fails and wider in failing:
                yield untold(notice, f"{_in_words(notice)}, and so was {wider}, which breaks another requirement")
            elif _is_cut_off(notice):
                yield untold(notice, "the connection was closed before the body was read, as a server may")
            elif notice.fails:
                yield broken(notice, _in_words(notice))
            elif notice.status is not None:
                yield kept(notice)
            else:
                yield untold(notice, _in_words(notice))  # it took too long

    return check_of(rule)


def other_methods_do_nothing(inbox: Inbox) -> Iterator[Judgement]:
    """RCV-17."""
    for notice in inbox.junk:
        if notice.what is not What.METHOD:
            continue
        if not inbox.understands():
            yield untold(notice, NONE_TAKEN)
        elif notice.fails and notice.status != NOT_IMPLEMENTED:
            yield broken(notice, _in_words(notice))
        elif notice.status is not None:
            yield kept(notice)
        else:
            yield untold(notice, _in_words(notice))
    yield from other_methods_are_not_applied(inbox)


def alive_after_junk(inbox: Inbox) -> Iterator[Judgement]:
    """RCV-18: held against the same before the junk."""
    before = {fate.known: notice for fate, notice in inbox.firsts() if notice.usual and notice.taken}
    for fate in inbox.fates:
        if not fate.notices or fate.first.in_crowd or not fate.first.usual or not inbox.after_junk(fate.first):
            continue
        if fate.known not in before:
            if inbox.countable(fate):
                yield untold(fate.first, NONE_TAKEN)
        elif inbox.died_since_junk(fate.first):
            yield untold(fate.first, "the receiver had died of what is no notification, and was started again")
        elif fate.first.taken:
            yield kept(fate.first)
        else:
            yield broken(fate.first, f"after what is no notification, a valid one was {fate.first.answer_in_words}")


def _in_words(notice: Notice) -> str:
    return f"{notice.what}{notice.special} was {notice.answer_in_words}"


def _is_cut_off(notice: Notice) -> bool:
    """Whether a body so large was not taken in: a server need not read what it is going to refuse."""
    return notice.what is What.HUGE and notice.status is None and not notice.timed_out and not notice.fatal


RULES: Mapping[str, Rule] = {
    "junk-is-refused": Rule(junk_is_refused),
    "junk-is-survived": Rule(junk_is_survived),
    "other-methods-do-nothing": of_inbox(other_methods_do_nothing),
    "alive-after-junk": of_inbox(alive_after_junk),
}
