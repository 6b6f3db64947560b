"""RCV: how a receiver answers valid notifications and inquiries.

`results` judges their effect, and malformed ones. A receiver may answer 4xx to a request_id that its client cannot
know; where it takes one, it has to take each valid form of a notification.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache

from conformance.client.rules.calls import ReceiverCase
from conformance.client.rules.evidence import ClientCheck, ClientEvidence, ClientRule
from conformance.client.rules.inbox import CROWD, FEW, NONE_TAKEN, THRONG, Fate, Inbox, ReceiverRequest
from conformance.client.rules.results import (
    check_of,
    equal_ones,
    failed,
    inconclusive,
    is_mixed_up,
    of_inbox,
    passed,
    reports_on_first,
    understood,
)
from conformance.contract.command import Inquiry
from conformance.contract.contract import Contract
from conformance.contract.requirements import ByRule
from conformance.judging.judgement import Finding, Inconclusive, Judgement, Reason, shown
from conformance.judging.reading import Content
from conformance.model.traffic import header

# The wait for an answer to a notification where no requirement has a limit.
WITHIN_S = 30.0

# A receiver that lets each of its senders wait for longer than this has no workers left.
QUICKLY_S = 5.0

ANSWERED_WITHIN = "answered-within"

UNKNOWN = "a receiver may turn away a request that it does not know, and there was no call that made one known"

# Answers by which HTTP lets a server refuse a way of writing a request, by the header of that way.
_REFUSALS_OF_HTTP = {"transfer-encoding": 411, "upgrade": 101}


def valid_are_taken(inbox: Inbox) -> Iterator[Judgement]:
    """RCV-01, of notifications that offer no upgrade."""
    for fate, first in inbox.firsts():
        if not first.usual or first.offers_upgrade or not (inbox.countable(fate) or first.fatal):
            continue
        if first.taken:
            yield passed(first)
        elif first.timed_out:
            yield inconclusive(first, f"a notification was {first.answer_in_words}")  # RCV-02
        elif first.refused and not fate.known and not inbox.takes_unknown():
            yield inconclusive(first, f"a notification was answered {first.status}; {UNKNOWN}")
        elif _may_be_refused(first):
            yield inconclusive(first, f"a notification{first.special} was answered {first.status}, as a server may")
        else:
            yield failed(first, f"a valid notification{first.special} was {first.answer_in_words}")


def offers_are_passed_over(inbox: Inbox) -> Iterator[Judgement]:
    """RCV-27, where notifications without an offer are taken."""
    for fate, first in inbox.firsts():
        if not (first.usual and first.offers_upgrade) or not (inbox.countable(fate) or first.fatal):
            continue
        if first.taken:
            yield passed(first)
        elif not inbox.understands():
            yield inconclusive(first, NONE_TAKEN)
        elif first.timed_out or _may_be_refused(first):
            yield inconclusive(first, f"a notification{first.special} was {first.answer_in_words}")
        else:
            yield failed(first, f"a valid notification{first.special} was {first.answer_in_words}")


def _may_be_refused(request: ReceiverRequest) -> bool:
    """Whether HTTP allows this answer to a request in this form."""
    headers = request.exchange.request.headers
    return any(request.status == status and header(headers, name) for name, status in _REFUSALS_OF_HTTP.items())


def answered_within(*, seconds: float, at_most: float | None = None) -> ClientCheck:
    """Each notification is answered in that time; `at_most`: answers after that do not count."""

    def rule(inbox: Inbox) -> Iterator[Judgement]:
        for request in _timed(inbox):
            if at_most is not None and request.took_s > at_most:
                yield inconclusive(request, _late(request, at_most))
            elif request.took_s > seconds:
                yield failed(request, _late(request, seconds))
            elif request.status is not None:
                yield passed(request)
            elif at_most is None:
                yield inconclusive(
                    request, f"a notification was {request.answer_in_words}; it was not waited for any longer"
                )

    return check_of(rule)


@cache
def waited_s(contract: Contract) -> float:
    """The wait for an answer that is long enough to judge every requirement on its time."""
    rules = [each.judge for each in contract.catalogue.requirements if isinstance(each.judge, ByRule)]
    return max((each.parameters["seconds"] for each in rules if each.rule == ANSWERED_WITHIN), default=WITHIN_S)


def _timed(inbox: Inbox) -> Iterator[ReceiverRequest]:
    """The notifications among few others that came while their client was not waiting for an answer itself."""
    for fate in inbox.fates:
        for request in fate.notifications:
            waiting = fate.early and request is fate.first
            if request.beside <= FEW and not waiting and (request.status is not None or request.timed_out):
                yield request


def _late(request: ReceiverRequest, limit_s: float) -> str:
    if request.status is None:
        return f"a notification was {request.answer_in_words}"
    return f"a notification was answered after {request.took_s:.1f} s, not within {limit_s:g} s"


def unusual_are_taken(inbox: Inbox) -> Iterator[Judgement]:
    """RCV-03: answered with a 2xx and, where the client can be asked, understood."""
    states = understood(inbox)
    for fate, first in inbox.firsts():
        if first.usual or not (inbox.countable(fate) or first.fatal):
            continue
        extra = sorted(name for name in first.members if name.startswith("x_"))
        what = f"the extra field {extra[0]}" if extra else f"the text {shown(first.text)}"
        own = [report for report in reports_on_first(inbox, fate) if inbox.is_own(fate, report)]
        wrong = (report for report in own if report.state != first.state and not is_mixed_up(inbox, report))
        if not inbox.understands():
            yield inconclusive(first, NONE_TAKEN)
        elif not first.taken:
            yield failed(first, f"a notification with {what} was {first.answer_in_words}")
        elif first.state in states and (report := next(wrong, None)) is not None:
            words = f"a notification with {what} reported {first.state}, and the client says {report.state}"
            yield failed(first, words)
        else:
            yield passed(first)


def repeats_are_taken(inbox: Inbox) -> Iterator[Judgement]:
    """RCV-06, after a first one that was taken; RCV-21 is about failures of the receiver."""
    for request, words in _repeats(inbox):
        if request.taken:
            yield passed(request)
        else:
            yield inconclusive(request, words) if request.fails else failed(request, words)


def repeats_are_survived(inbox: Inbox) -> Iterator[Judgement]:
    """RCV-21: no repeat is answered with a 5xx, or kills the receiver."""
    for request, words in _repeats(inbox):
        if request.fails:
            yield failed(request, words)
        else:
            yield passed(request) if request.status is not None else inconclusive(request, words)


def _repeats(inbox: Inbox) -> Iterator[tuple[ReceiverRequest, str]]:
    """The notifications that came again after one that was taken, or at the same moment, and their answers in words."""
    for fate in inbox.fates:
        for same in equal_ones(fate.notifications):
            if len(same) == 1 or any(n.in_crowd or inbox.after_junk(n) for n in same) or fate.early:
                continue
            taken = next((each for each in same if each.taken), None)
            if taken is not None:
                again = [each for each in same if each is not taken and each.sent_at >= taken.sent_at]
                yield from ((each, f"a notification that came again was {each.answer_in_words}") for each in again)


def unknown_are_answered(inbox: Inbox) -> Iterator[Judgement]:
    """RCV-12."""
    for fate, first in inbox.firsts():
        if fate.known or not first.usual:
            continue
        if first.taken or first.refused:
            yield passed(first)
        elif first.timed_out or not inbox.understands():
            yield inconclusive(first, NONE_TAKEN)
        elif inbox.countable(fate) or first.fatal:
            yield inconclusive(first, f"a notification was {first.answer_in_words}")  # RCV-01
        else:
            yield failed(first, f"a notification with an unknown {inbox.roles.id} was {first.answer_in_words}")


# --- Many at once


def crowds_are_taken(inbox: Inbox) -> Iterator[Judgement]:
    """RCV-19."""
    yield from _crowds(inbox, range(CROWD, THRONG))


def throngs_are_taken(inbox: Inbox) -> Iterator[Judgement]:
    """RCV-26, of a receiver that takes crowds; no throng is sent where it would take long."""
    notifications = [each for fate in inbox.fates for each in fate.notifications]
    crowd = [each for each in notifications if CROWD <= each.beside < THRONG]
    throng = any(each.beside >= THRONG for each in notifications)
    if any(isinstance(each, Finding) for each in crowds_are_taken(inbox)):
        yield Inconclusive(Reason.PRECONDITION, f"{CROWD} at once are too many already")
    elif crowd and not throng:
        took_s = max(each.took_s for each in crowd)
        words = f"{CROWD} at once were answered within {took_s:.1f} s, so {THRONG} would have taken too long to be sent"
        yield Inconclusive(Reason.PRECONDITION, words)
    else:
        yield from _crowds(inbox, range(THRONG, 10 * THRONG))


def _crowds(inbox: Inbox, sizes: range) -> Iterator[Judgement]:
    """Each is answered like one by itself, and, by the client's reports, none is lost."""
    alone: dict[bool, ReceiverRequest] = {}
    for fate, first in inbox.firsts():
        if first.usual and (first.taken or fate.known not in alone):
            alone[fate.known] = first
    knows_results = bool(understood(inbox))
    for fate in inbox.fates:
        for request in fate.notifications:
            if request.beside not in sizes:
                continue
            twin = alone.get(fate.known)
            if not inbox.understands():
                yield inconclusive(request, NONE_TAKEN)
            elif twin is not None and (twin.taken or twin.refused):
                yield _in_crowd(inbox, fate, request, twin, knows_results=knows_results)


def _in_crowd(
    inbox: Inbox, fate: Fate, request: ReceiverRequest, twin: ReceiverRequest, *, knows_results: bool
) -> Judgement:
    how = f"of {request.beside} notifications at the same time one was"
    if not request.taken and not (twin.refused and request.refused):
        return failed(request, f"{how} {request.answer_in_words}, which by itself is answered {twin.status}")
    later = [r for r in fate.reports if knows_results and fate.answerable and r.at > request.sent_at]
    lost = next((r for r in later if r.open and inbox.remembers(fate, r) and not is_mixed_up(inbox, r)), None)
    if lost is None:
        return passed(request)
    return failed(
        request, f"{how} taken and lost: {lost.at - request.sent_at:.0f} s later the client says {lost.state}"
    )


# --- Inquiries, whose answer decides whether something goes through; the form of that answer is not public

InquiryRule = Callable[[ReceiverRequest, ReceiverCase, Inquiry], Iterator[Judgement]]


def of_inquiries(rule: InquiryRule) -> ClientRule:
    """The rule on each inquiry that was sent to the receiver."""

    def check(evidence: ClientEvidence, command: str | None) -> Iterator[Judgement]:
        contract = evidence.terms.contract
        inquiry = contract.notified(command or "")
        for sent in evidence.cases_of(command):
            for exchange in sent.exchanges[-1:]:
                if isinstance(inquiry, Inquiry):
                    yield from rule(ReceiverRequest.of(sent.case, exchange, contract, 1), sent, inquiry)

    return ClientRule.plain(check)


def is_taken(request: ReceiverRequest, _: ReceiverCase, __: Inquiry) -> Iterator[Judgement]:
    """RCV-28."""
    words = f"an inquiry was {request.answer_in_words}"
    if request.taken:
        yield passed(request)
    else:
        yield inconclusive(request, words) if request.timed_out else failed(request, words)  # RCV-30


def is_answered_in_json(request: ReceiverRequest, _: ReceiverCase, __: Inquiry) -> Iterator[Judgement]:
    """RCV-29, if it is taken."""
    if not request.taken or request.exchange.response is None:
        yield inconclusive(request, f"an inquiry was {request.answer_in_words}")
        return
    content = Content.of(request.exchange.response.body)
    words = f"the answer to an inquiry is not JSON: {content.error}"
    yield passed(request) if content.error is None else failed(request, words)


def is_answered_in_time(request: ReceiverRequest, _: ReceiverCase, inquiry: Inquiry) -> Iterator[Judgement]:
    """RCV-30."""
    if request.took_s > inquiry.seconds:
        words = "was not answered" if request.status is None else "was answered"
        yield failed(request, f"an inquiry {words} after {request.took_s:.1f} s, not within {inquiry.seconds:g} s")
    elif request.status is not None:
        yield passed(request)
    else:
        yield inconclusive(request, f"an inquiry was {request.answer_in_words}")


def is_not_applied(request: ReceiverRequest, sent: ReceiverCase, _: Inquiry) -> Iterator[Judgement]:
    """RCV-31: before the notification, the client does not report a success."""
    for report in sent.reports:
        words = f"an inquiry was {request.answer_in_words}, and the client says {report.state}"
        yield failed(request, words) if report.state == "succeeded" else passed(request)


RULES: Mapping[str, ClientRule] = {
    "valid-are-taken": of_inbox(valid_are_taken),
    ANSWERED_WITHIN: ClientRule(answered_within),
    "unusual-are-taken": of_inbox(unusual_are_taken),
    "repeats-are-taken": of_inbox(repeats_are_taken),
    "repeats-are-survived": of_inbox(repeats_are_survived),
    "unknown-are-answered": of_inbox(unknown_are_answered),
    "crowds-are-taken": of_inbox(crowds_are_taken),
    "throngs-are-taken": of_inbox(throngs_are_taken),
    "offers-are-passed-over": of_inbox(offers_are_passed_over),
    "inquiries-are-taken": of_inquiries(is_taken),
    "inquiries-are-answered-in-json": of_inquiries(is_answered_in_json),
    "inquiries-are-answered-in-time": of_inquiries(is_answered_in_time),
    "inquiries-are-not-applied": of_inquiries(is_not_applied),
}
