"""Rules of notifications without a request, and of inquiries before one, at their callbacks.

No answer announces them, so they are judged only if the sender was given the address, or nobody else uses the account:
anybody may post to a public address.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import chain

from conformance.gateway.rules.notifications import is_by_the_method, is_json
from conformance.judging.judgement import Check, Finding, Inconclusive, NoticeCheck, NoticeRule, Reason
from conformance.judging.summaries import Notice
from conformance.judging.terms import Terms
from conformance.judging.transactions import contradiction, telling_of


def has_what_all_have(notice: Notice) -> Iterator[Finding | Inconclusive]:
    """By the method of notifications, a JSON object, with the members of every notification."""
    unreadable = next(chain(is_by_the_method(notice), is_json(notice)), None)
    if unreadable is not None:
        yield unreadable
    elif notice.content.members is None:
        yield Finding.in_notice(notice, "the notification is no JSON object", pointer="", value=notice.content.value)
    else:
        yield from _violations(notice, of_all=True)


def has_what_is_documented(notice: Notice) -> Iterator[Finding | Inconclusive]:
    """The members that it is documented to have, of their types."""
    if notice.content.members is None:
        yield Inconclusive(Reason.PRECONDITION, "a notification came that is no JSON object")
    else:
        yield from _violations(notice, of_all=False)


def _violations(notice: Notice, *, of_all: bool) -> Iterator[Finding]:
    """How it breaks its schema in members that every notification has (`of_all`), or in others."""
    contract, members = notice.contract, notice.content.members or {}
    roles = contract.notification
    schema = contract.unsolicited[notice.command or ""].schema_at(notice.product or "")
    for violation in contract.schemas.violations(schema, members):
        member = violation.pointer.removeprefix("/")
        if of_all == (member in {roles.id, roles.outcome, roles.reason}):
            yield Finding.in_notice(notice, violation.message, pointer=violation.pointer, value=members.get(member))


def does_not_contradict(notice: Notice) -> Iterator[Finding | Inconclusive]:
    """It does not contradict an earlier one of the same id."""
    roles, members = notice.contract.notification, notice.content.members
    if notice.request_id is None or members is None:
        yield Inconclusive(Reason.PRECONDITION, "a notification came whose id cannot be read")
    elif notice.earlier is not None:
        outcome, earlier = notice.earlier
        member = contradiction(tells := telling_of(members, notice.contract), earlier, notice.contract)
        if outcome != notice.outcome:
            words = f"{roles.outcome} is {notice.outcome!r}, and was {outcome!r} under this {roles.id} before"
            yield Finding.in_notice(notice, words, pointer=f"/{roles.outcome}", value=notice.outcome)
        elif member is not None:
            words = f"{member} is {tells[member]!r}, and was {earlier[member]!r} under this {roles.id} before"
            yield Finding.in_notice(notice, words, pointer=f"/{member}", value=tells[member])


def _by_a_known_sender(rule: NoticeRule) -> Check:
    """A check of notifications whose sender was given the address; others are inconclusive."""

    def under(terms: Terms) -> NoticeRule:
        def judged(notice: Notice) -> Iterator[Finding | Inconclusive]:
            if terms.knows_the_sender(notice.product, notice.notification.request.url):
                yield from rule(notice)
            else:
                words = "anybody may have sent it: nothing in the callback URL is known to the gateway alone"
                yield Inconclusive(Reason.NO_TRAFFIC, words)

        return judged

    return NoticeCheck((lambda notice: notice.command in notice.contract.unsolicited,), under)


RULES: Mapping[str, Callable[..., Check]] = {
    "has-what-all-have": lambda: _by_a_known_sender(has_what_all_have),
    "has-what-is-documented": lambda: _by_a_known_sender(has_what_is_documented),
    "does-not-contradict-itself": lambda: _by_a_known_sender(does_not_contradict),
}
