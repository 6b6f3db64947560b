"""RCV: the effect of notifications, by the client's reports, and of junk.

A rule is judged only where those before it hold: a client that knows of no result breaks RCV-10 and no rule about the
contents of a result.

Each kind of junk has two rules. A 4xx is a SHOULD: many receivers accept everything, so that nothing is sent again.
Survival without a 5xx is a MUST. Only the request that killed the receiver is blamed for that.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping

from conformance.client.rules.calls import StateReport
from conformance.client.rules.evidence import ClientCheck, ClientEvidence, ClientRule, one_of
from conformance.client.rules.inbox import NONE_TAKEN, Fate, Inbox, ReceiverRequest, RequestKind, inbox_of
from conformance.judging.judgement import Finding, Inconclusive, Judgement, Passed, Reason, shown

NONE_KEPT = "the client makes no calls, and when it was asked about its notifications, it knew no result"

NOT_IMPLEMENTED = 501
"""A server that does not know a method, such as Python's http.server, answers this by itself, which is lawful."""

CUT_OFF = "the connection was closed before the body was read, as a server may"

GONE = "the receiver was no longer there: another request had it end"

_WIDER = {RequestKind.EMPTY: RequestKind.NO_JSON, RequestKind.HUGE: RequestKind.INCOMPLETE}
"""An empty body is not JSON either, and the large one lacks the members of a notification."""

_KINDS: Mapping[str, RequestKind] = {
    "no-json": RequestKind.NO_JSON,
    "incomplete": RequestKind.INCOMPLETE,
    "empty": RequestKind.EMPTY,
    "huge": RequestKind.HUGE,
}


# --- Rules on an inbox

InboxCheck = Callable[[Inbox], Iterator[Judgement]]


def check_of(rule: InboxCheck) -> ClientCheck:
    """A check of `rule` on the inbox of a command; it does not blame a dead receiver for silence."""

    def check(evidence: ClientEvidence, command: str | None) -> Iterator[Judgement]:
        inbox = inbox_of(evidence, command)
        unreached = inbox.unreached_numbers()
        judgements = list(rule(inbox))
        for each in judgements:
            blamed = isinstance(each, Finding) and each.exchange in unreached
            yield Inconclusive(Reason.PRECONDITION, GONE, each.exchange) if blamed else each
        if not judgements and inbox.left_alone is not None:
            yield Inconclusive(Reason.PRECONDITION, inbox.left_alone)

    return check


def of_inbox(rule: InboxCheck) -> ClientRule:
    """`rule` as a written rule without parameters."""
    return ClientRule.plain(check_of(rule))


def passed(request: ReceiverRequest) -> Passed:
    """The requirement held for this request."""
    return Passed(request.number)


def failed(request: ReceiverRequest, message: str) -> Finding:
    """The requirement did not hold for this request."""
    request_id = request.request_id if request.kind is RequestKind.VALID else None
    return Finding(message, case=request.case.id, exchange=request.number, request_id=request_id)


def inconclusive(request: ReceiverRequest, why: str) -> Inconclusive:
    """The request does not show whether the requirement holds."""
    return Inconclusive(Reason.PRECONDITION, why, request.number)


# --- The effect of notifications


def understood(inbox: Inbox) -> frozenset[str]:
    """The states that the client has always reported rightly after the first usual notification of a request."""
    right, wrong = set[str](), set[str]()
    for fate, first in inbox.firsts():
        for report in reports_on_first(inbox, fate) if first.usual else ():
            if not report.open and inbox.is_own(fate, report):
                (right if report.state == first.state else wrong).add(first.state)
    return frozenset(right - wrong)


def reports_on_first(inbox: Inbox, fate: Fate) -> list[StateReport]:
    """The reports on a request after its first notification and before any other."""
    return [
        report
        for report in fate.reports
        if fate.answerable and fate.until(report.at) == [fate.first] and inbox.remembers(fate, report)
    ]


def only_success_is_success(inbox: Inbox) -> Iterator[Judgement]:
    """RCV-04."""
    for fate, first in inbox.firsts():
        if not first.usual:
            continue  # RCV-03
        for report in reports_on_first(inbox, fate):
            code = first.members[inbox.roles.outcome]
            if report.open or not inbox.is_own(fate, report):
                yield inconclusive(first, "the client does not know of the result")  # RCV-10
            elif report.state == first.state:
                yield passed(first)
            else:
                yield failed(first, f"{inbox.roles.outcome} is {shown(code)}, and the client says {report.state}")
    yield from (each for each in _claims(inbox, {RequestKind.OTHER_CODE}) if isinstance(each, Finding))


def failures_have_reasons(inbox: Inbox) -> Iterator[Judgement]:
    """RCV-05."""
    for fate, first in inbox.firsts():
        if first.succeeded or not first.usual:
            continue
        for report in reports_on_first(inbox, fate):
            if report.state != "failed" or not inbox.is_own(fate, report):
                yield inconclusive(first, "the client does not know of the failure")  # RCV-04, RCV-10
            elif report.text == first.text:
                yield passed(first)
            else:
                yield failed(first, f"the reason is {shown(first.text)}, the client reports {shown(report.text)}")


def repeats_are_applied_once(inbox: Inbox) -> Iterator[Judgement]:
    """RCV-07, of notifications one after the other."""
    for fate, report, notifications in inbox.reports():
        one_by_one = len({each.sent_at for each in notifications}) == len(notifications) > 1
        if one_by_one and len(equal_ones(notifications)) == 1 and not fate.early and not fate.first.in_crowd:
            yield _applied_once(inbox, fate, report, notifications)


def moments_are_applied_once(inbox: Inbox) -> Iterator[Judgement]:
    """RCV-08, of a client that keeps RCV-07."""
    one_by_one = not any(isinstance(each, Finding) for each in repeats_are_applied_once(inbox))
    for fate, report, notifications in inbox.reports():
        at_once = len({each.sent_at for each in notifications}) == 1 < len(notifications)
        if not at_once or len(equal_ones(notifications)) > 1:
            continue
        if one_by_one:
            yield _applied_once(inbox, fate, report, notifications)
        else:
            yield inconclusive(fate.first, "what comes again is applied again also at another moment")


def _applied_once(inbox: Inbox, fate: Fate, report: StateReport, notifications: list[ReceiverRequest]) -> Judgement:
    if report.applied is None:
        return inconclusive(fate.first, "the client does not report how often a result was applied")
    if report.open or not inbox.is_own(fate, report):
        return inconclusive(fate.first, "the client does not know of the result")
    if report.applied == 1:
        return passed(notifications[-1])
    return failed(notifications[-1], f"{len(notifications)} equal notifications were applied {report.applied} times")


def first_one_stands(inbox: Inbox) -> Iterator[Judgement]:
    """RCV-09, of a client that distinguishes success from failure, and one request from another (RCV-10)."""
    mixes_up = any(isinstance(judgement, Finding) for judgement in each_to_its_own(inbox))
    tells_apart = {"succeeded", "failed"} <= understood(inbox) and not mixes_up
    for fate, report, notifications in inbox.reports():
        first, last = notifications[0], notifications[-1]
        if len(notifications) != 2 or first.succeeded == last.succeeded or first.sent_at == last.sent_at:
            continue
        if report.open or not inbox.is_own(fate, report) or not tells_apart:
            yield inconclusive(last, "the client does not know of the results, or mixes them up")
        elif report.state == first.state:
            yield passed(last)
        else:
            yield failed(last, f"the first notification reported {first.state}, and a later one changed that")


def each_to_its_own(inbox: Inbox) -> Iterator[Judgement]:
    """RCV-10: a result at another request, or at none; passed where the order differs from that of the calls."""
    for fate, report, notifications in inbox.reports():
        first, owner = notifications[0], inbox.owner(report)
        if owner is not None and owner is not fate:
            if owner.answerable:
                words = f"the client says {shown(report.text)} of it, which is the result of {owner.request_id}"
                yield failed(first, words)
        elif report.open:
            if fate.first.taken and fate.first.usual and not fate.early and not fate.first.in_crowd:
                words = f"the client was notified of {fate.first.state}, and says {report.state}"
                yield inconclusive(first, words) if inbox.after_junk(fate.first) else failed(first, words)
        elif _overtook(inbox, fate) or (fate.stored and _among_others(inbox, fate, report)):
            yield passed(first)


def _overtook(inbox: Inbox, fate: Fate) -> bool:
    """Whether the notification of a later call came sooner."""
    return any(
        other.call is not None
        and fate.call is not None
        and (other.call.asked_at or 0.0) > (fate.call.asked_at or 0.0)
        and other.first.sent_at < fate.first.sent_at
        for other in inbox.fates
        if other.known and other.notifications
    )


def _among_others(inbox: Inbox, fate: Fate, report: StateReport) -> bool:
    """Whether a notification of another request came between this one and the report."""
    return any(
        other is not fate and other.notifications and fate.first.number < other.first.number and other.until(report.at)
        for other in inbox.fates
    )


def early_are_not_lost(inbox: Inbox) -> Iterator[Judgement]:
    """RCV-11."""
    states = understood(inbox)
    for fate, report, notifications in inbox.reports():
        if not fate.early or len(notifications) > 1:
            continue
        first = notifications[0]
        if not states or is_mixed_up(inbox, report):
            yield inconclusive(first, "no result that came after the answer is known to the client")
        elif report.open:
            words = f"a result came before the answer was read (it was {first.answer_in_words})"
            yield failed(first, f"{words}, and the client says {report.state}")
        elif not inbox.is_own(fate, report):
            yield inconclusive(first, "the client says something else of it")
        else:
            yield passed(first)


def unknown_are_nobodys(inbox: Inbox) -> Iterator[Judgement]:
    """RCV-13: passed where a request that was open then is still open, or has its own result.

    Of a client that makes no calls, requests without a notification are judged; RCV-10 is about the others.
    """
    unknown = [fate.first for fate in inbox.fates if not fate.known and fate.notifications]
    for fate in inbox.fates:
        for report in fate.reports:
            before = [each for each in unknown if each.sent_at < report.at]
            if not fate.answerable or not before or (fate.stored and fate.notifications):
                continue
            if fate.notifications and fate.first.sent_at < before[0].sent_at:
                continue
            owner = inbox.owner(report)
            if owner is not None and not owner.known:
                words = f"the client says {shown(report.text)} of {fate.request_id}, which it was notified of for "
                yield failed(owner.first, f"{words}the unknown {owner.request_id}")
            elif report.open or owner is fate:
                yield passed(before[-1])


def malformed_are_not_applied(inbox: Inbox) -> Iterator[Judgement]:
    """RCV-25: after nothing but malformed requests about it, the client does not report a success.

    To report a failure is lawful: by the contract any other result_code is one.
    """
    yield from _claims(inbox, {RequestKind.NO_JSON, RequestKind.INCOMPLETE})


def _claims(inbox: Inbox, kinds: Collection[RequestKind]) -> Iterator[Judgement]:
    """Judge the reports on requests that only junk of these kinds was about."""
    for request in inbox.junk:
        if request.kind not in kinds:
            continue
        called = (each for each in inbox.fates if each.call and each.call.case.id == request.case.earlier)
        fate = next(called, None) or inbox.asked.get(request.case.id)
        if fate is None or fate.notifications or not fate.answerable:
            continue
        for report in fate.reports:
            if report.at < request.sent_at or not inbox.remembers(fate, report):
                continue
            if report.open:
                yield passed(request)
            elif report.state == "succeeded" and inbox.is_own(fate, report):
                yield failed(request, f"{_in_words(request)}, and the client says succeeded")
            else:
                yield inconclusive(request, "the client takes the request for failed")


def is_mixed_up(inbox: Inbox, report: StateReport) -> bool:
    """Whether a missing result may be at another request, which RCV-10 and RCV-13 are about."""
    return report.open and any(not inbox.is_own(fate, each) for fate in inbox.fates for each in fate.reports)


def equal_ones(notifications: list[ReceiverRequest]) -> list[list[ReceiverRequest]]:
    """The notifications of a request in groups of the same content."""
    groups: dict[bytes, list[ReceiverRequest]] = {}
    for each in notifications:
        groups.setdefault(each.exchange.request.body, []).append(each)
    return list(groups.values())


# --- Junk


def junk_is_refused(*, kinds: Collection[str]) -> ClientCheck:
    """Junk of these kinds is answered with a 4xx."""

    def refused(request: ReceiverRequest, _: Inbox) -> Judgement:
        if request.refused:
            return passed(request)
        if request.fails:
            return inconclusive(request, f"{_in_words(request)}, which breaks another requirement")
        return failed(request, f"{_in_words(request)}, not with a 4xx")

    return _each_junk(refused, kinds)


def junk_is_survived(*, kinds: Collection[str]) -> ClientCheck:
    """Junk of these kinds is not answered with a 5xx, and the receiver does not die of it."""

    def survived(request: ReceiverRequest, inbox: Inbox) -> Judgement:
        wider = _WIDER.get(request.kind)
        if request.fails and any(each.kind is wider and each.fails and not _is_cut_off(each) for each in inbox.junk):
            return inconclusive(request, f"{_in_words(request)}, and so was {wider}, which breaks another requirement")
        return inconclusive(request, CUT_OFF) if _is_cut_off(request) else _survived(request)

    return _each_junk(survived, kinds)


def _each_junk(judge: Callable[[ReceiverRequest, Inbox], Judgement], kinds: Collection[str]) -> ClientCheck:
    """A check of the junk of these kinds, sent to a receiver that takes usual notifications."""
    chosen = {one_of(_KINDS, "kinds", kind) for kind in kinds}

    def rule(inbox: Inbox) -> Iterator[Judgement]:
        for request in inbox.junk:
            if request.kind in chosen:
                yield judge(request, inbox) if inbox.understands() else inconclusive(request, NONE_TAKEN)

    return check_of(rule)


def _survived(request: ReceiverRequest) -> Judgement:
    if request.fails:
        return failed(request, _in_words(request))
    return (
        passed(request) if request.status is not None else inconclusive(request, _in_words(request))
    )  # it took too long


def other_methods_do_nothing(inbox: Inbox) -> Iterator[Judgement]:
    """RCV-17, by the answer and, where the client can be asked, by its report."""
    for request in inbox.junk:
        if request.kind is RequestKind.METHOD and not inbox.understands():
            yield inconclusive(request, NONE_TAKEN)
        elif request.kind is RequestKind.METHOD:
            yield passed(request) if request.status == NOT_IMPLEMENTED else _survived(request)
    yield from _claims(inbox, {RequestKind.METHOD})


def alive_after_junk(inbox: Inbox) -> Iterator[Judgement]:
    """RCV-18, compared with the answers before the junk."""
    before = {fate.known for fate, first in inbox.firsts() if first.usual and first.taken}
    for fate in inbox.fates:
        if not fate.notifications or fate.first.in_crowd or not fate.first.usual or not inbox.after_junk(fate.first):
            continue
        if fate.known not in before:
            if inbox.countable(fate):
                yield inconclusive(fate.first, NONE_TAKEN)
        elif inbox.died_since_junk(fate.first):
            yield inconclusive(fate.first, "the receiver had died of a malformed request, and was started again")
        elif fate.first.taken:
            yield passed(fate.first)
        else:
            yield failed(fate.first, f"after malformed requests, a valid notification was {fate.first.answer_in_words}")


def _in_words(request: ReceiverRequest) -> str:
    return f"{request.kind}{request.special} was {request.answer_in_words}"


def _is_cut_off(request: ReceiverRequest) -> bool:
    """Whether the server closed the connection on a large body, which it need not read."""
    return request.kind is RequestKind.HUGE and request.status is None and not request.timed_out and not request.fatal


def _of_results(rule: InboxCheck) -> ClientRule:
    """`rule` on a client that knows of any results."""

    def on_results(inbox: Inbox) -> Iterator[Judgement]:
        if inbox.forgets:
            yield Inconclusive(Reason.PRECONDITION, NONE_KEPT)
        else:
            yield from rule(inbox)

    return of_inbox(on_results)


RULES: Mapping[str, ClientRule] = {
    "only-success-is-success": _of_results(only_success_is_success),
    "failures-have-reasons": _of_results(failures_have_reasons),
    "repeats-are-applied-once": _of_results(repeats_are_applied_once),
    "moments-are-applied-once": _of_results(moments_are_applied_once),
    "first-one-stands": _of_results(first_one_stands),
    "each-to-its-own": _of_results(each_to_its_own),
    "early-are-not-lost": _of_results(early_are_not_lost),
    "unknown-are-nobodys": _of_results(unknown_are_nobodys),
    "malformed-are-not-applied": _of_results(malformed_are_not_applied),
    "junk-is-refused": ClientRule(junk_is_refused),
    "junk-is-survived": ClientRule(junk_is_survived),
    "other-methods-do-nothing": of_inbox(other_methods_do_nothing),
    "alive-after-junk": of_inbox(alive_after_junk),
}
