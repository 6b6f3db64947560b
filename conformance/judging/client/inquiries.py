"""RCV: how a receiver answers an inquiry, which decides whether what it is about goes through.

The form of the deciding answer is not public, so nothing is made of what it says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from conformance.contract.command import Inquiry
from conformance.judging.client.evidence import ClientEvidence, Delivery
from conformance.judging.client.inboxes import broken, kept, untold
from conformance.judging.client.judging import Rule
from conformance.judging.client.notices import Notice
from conformance.judging.judgement import Judgement
from conformance.judging.reading import Content

InquiryRule = Callable[[Notice, Delivery, Inquiry], Iterator[Judgement]]


def of_inquiries(rule: InquiryRule) -> Rule:
    """The rule on each inquiry that was sent to the receiver."""

    def check(evidence: ClientEvidence, command: str | None) -> Iterator[Judgement]:
        contract = evidence.terms.contract
        inquiry = contract.notified(command or "")
        for delivery in evidence.deliveries_of(command):
            for exchange in delivery.exchanges[-1:]:
                if isinstance(inquiry, Inquiry):
                    yield from rule(Notice.of(delivery.case, exchange, contract, 1), delivery, inquiry)

    return Rule.plain(check)


def is_taken(notice: Notice, _: Delivery, __: Inquiry) -> Iterator[Judgement]:
    """RCV-28."""
    if notice.taken:
        yield kept(notice)
    elif notice.timed_out:
        yield untold(notice, f"an inquiry was {notice.answer_in_words}")  # RCV-30
    else:
        yield broken(notice, f"an inquiry was {notice.answer_in_words}")


def is_answered_in_json(notice: Notice, _: Delivery, __: Inquiry) -> Iterator[Judgement]:
    """RCV-29: where it is taken."""
    if not notice.taken or notice.exchange.response is None:
        yield untold(notice, f"an inquiry was {notice.answer_in_words}")
        return
    content = Content.of(notice.exchange.response.body)
    if content.error is None:
        yield kept(notice)
    else:
        yield broken(notice, f"an inquiry was answered with what is no JSON: {content.error}")


def is_answered_in_time(notice: Notice, _: Delivery, inquiry: Inquiry) -> Iterator[Judgement]:
    """RCV-30."""
    if notice.took_s > inquiry.seconds:
        words = "was not answered" if notice.status is None else "was answered"
        yield broken(notice, f"an inquiry {words} after {notice.took_s:.1f} s, not within {inquiry.seconds:g} s")
    elif notice.status is not None:
        yield kept(notice)
    else:
        yield untold(notice, f"an inquiry was {notice.answer_in_words}")


def is_not_applied(notice: Notice, delivery: Delivery, _: Inquiry) -> Iterator[Judgement]:
    """RCV-31: asked before the notification has come, the client does not say that it has happened."""
    for told in delivery.results:
        state = told.answer.get("state")
        if state == "succeeded":
            yield broken(notice, f"an inquiry was {notice.answer_in_words}, and the client says {state}")
        else:
            yield kept(notice)


RULES: Mapping[str, Rule] = {
    "inquiries-are-taken": of_inquiries(is_taken),
    "inquiries-are-answered-in-json": of_inquiries(is_answered_in_json),
    "inquiries-are-answered-in-time": of_inquiries(is_answered_in_time),
    "inquiries-are-not-applied": of_inquiries(is_not_applied),
}
