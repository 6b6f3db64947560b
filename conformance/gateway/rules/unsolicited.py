"""Rules of what no request precedes, and the inquiry before it, at the callbacks that the contract has for it.

Nobody asked for it, so it is judged only if its sender was told the address, or nobody else uses the account: anybody
may post something to a public one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from conformance.contract.command import Unsolicited
from conformance.contract.schema_set import Violation
from conformance.judging.judgement import Check, Finding, Inconclusive, NoticeCheck, NoticeRule, Reason
from conformance.judging.summaries import Notice
from conformance.judging.terms import Terms
from conformance.judging.transactions import contradiction, telling_of
from conformance.wire.receiver import MAX_BODY


def has_what_all_have(terms: Terms) -> NoticeRule:
    """By the method of notifications, a JSON object, with the members of every notification."""

    def rule(notice: Notice) -> Iterator[Finding | Inconclusive]:
        roles, request, content = notice.contract.notification, notice.notification.request, notice.content
        if request.method != roles.method:
            yield Finding.in_notice(notice, f"the notification is a {request.method}, not a {roles.method}")
        elif content.error is not None and len(request.body) >= MAX_BODY:
            yield Inconclusive(Reason.ENVIRONMENT, f"it is longer than {MAX_BODY:,} bytes; the receiver reads no more")
        elif content.error is not None:
            yield Finding.in_notice(notice, f"the body is unreadable: {content.error}", pointer="", value=request.body)
        elif content.members is None:
            yield Finding.in_notice(notice, "the notification is no JSON object", pointer="", value=content.value)
        else:
            for violation in _violations(notice):
                if _is_of_all(notice, violation):
                    yield _in(notice, violation)

    return _known_to(terms, rule)


def has_what_is_documented(terms: Terms) -> NoticeRule:
    """The members that it is documented to have, of their types."""

    def rule(notice: Notice) -> Iterator[Finding | Inconclusive]:
        if notice.content.members is None:
            yield Inconclusive(Reason.PRECONDITION, "a notification came that is no JSON object")
            return
        for violation in _violations(notice):
            if not _is_of_all(notice, violation):
                yield _in(notice, violation)

    return _known_to(terms, rule)


def does_not_contradict(terms: Terms) -> NoticeRule:
    """Of each id what was told first is remembered, for the length of one run."""
    before: dict[str, tuple[str | None, Mapping[str, Any]]] = {}

    def rule(notice: Notice) -> Iterator[Finding | Inconclusive]:
        roles, members = notice.contract.notification, notice.content.members
        if notice.request_id is None or members is None:
            yield Inconclusive(Reason.PRECONDITION, "a notification came whose id cannot be read")
            return
        tells = telling_of(members, notice.contract)
        outcome, told = before.get(notice.request_id, (notice.outcome, {}))
        before[notice.request_id] = (outcome, {**tells, **told})
        member = contradiction(tells, told, notice.contract)
        if outcome != notice.outcome:
            words = f"{roles.outcome} is {notice.outcome!r}, and was {outcome!r} under this {roles.id} before"
            yield Finding.in_notice(notice, words, pointer=f"/{roles.outcome}", value=notice.outcome)
        elif member is not None:
            words = f"{member} is {tells[member]!r}, and was {told[member]!r} under this {roles.id} before"
            yield Finding.in_notice(notice, words, pointer=f"/{member}", value=tells[member])

    return _known_to(terms, rule)


def _known_to(terms: Terms, rule: NoticeRule) -> NoticeRule:
    """The rule, of what was sent by whoever was told the address."""

    def told(notice: Notice) -> Iterator[Finding | Inconclusive]:
        target = notice.notification.request.url
        if terms.alone or terms.is_known_only_to_the_gateway(notice.product or "", target):
            yield from rule(notice)
        else:
            words = "anybody may have sent it: nothing in the callback URL is known to the gateway alone"
            yield Inconclusive(Reason.NO_TRAFFIC, words)

    return told


def _row(notice: Notice) -> Unsolicited:
    return notice.contract.unsolicited[notice.command or ""]


def _violations(notice: Notice) -> list[Violation]:
    return notice.contract.schemas.violations(_row(notice).schema_at(notice.product or ""), notice.content.members)


def _is_of_all(notice: Notice, violation: Violation) -> bool:
    """Whether it is in a member that every notification has."""
    roles = notice.contract.notification
    return violation.pointer.removeprefix("/") in {roles.id, roles.outcome, roles.reason}


def _in(notice: Notice, violation: Violation) -> Finding:
    value = (notice.content.members or {}).get(violation.pointer.removeprefix("/"))
    return Finding.in_notice(notice, violation.message, pointer=violation.pointer, value=value)


def _is_unsolicited(notice: Notice) -> bool:
    return notice.command in notice.contract.unsolicited


RULES: Mapping[str, Callable[..., Check]] = {
    "has-what-all-have": lambda: NoticeCheck((_is_unsolicited,), has_what_all_have),
    "has-what-is-documented": lambda: NoticeCheck((_is_unsolicited,), has_what_is_documented),
    "does-not-contradict-itself": lambda: NoticeCheck((_is_unsolicited,), does_not_contradict),
}
