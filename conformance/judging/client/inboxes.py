"""What a check of a receiver says of a notice, and how it is made a check of a client.

check_of        a check of a rule on what was sent to the receiver of a command
of_inbox        the rule by which a requirement may be judged so
kept, broken, untold    what a rule says of one notice
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from conformance.judging.client.evidence import ClientEvidence
from conformance.judging.client.judging import ClientCheck, Rule
from conformance.judging.client.kinds import What
from conformance.judging.client.notices import Inbox, Notice, inbox_of
from conformance.judging.judgement import Finding, Judgement, Kept, Reason, Unobserved

InboxCheck = Callable[[Inbox], Iterator[Judgement]]

NONE_TAKEN = "no usual notification was answered with a 2xx"
GONE = "the receiver was no longer there: another request had it end"


def of_inbox(rule: InboxCheck) -> Rule:
    """`rule` as a written rule without parameters."""
    return Rule.plain(check_of(rule))


def check_of(rule: InboxCheck) -> ClientCheck:
    """A check of `rule` on what was sent to the receiver of a command; one that has died is not blamed for silence."""

    def check(evidence: ClientEvidence, command: str | None) -> Iterator[Judgement]:
        inbox = inbox_of(evidence, command)
        gone = inbox.gone_numbers()
        judgements = list(rule(inbox))
        for each in judgements:
            blamed = isinstance(each, Finding) and each.exchange in gone
            yield Unobserved(Reason.PRECONDITION, GONE, each.exchange) if blamed else each
        if not judgements and inbox.left_alone is not None:
            yield Unobserved(Reason.PRECONDITION, inbox.left_alone)

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
