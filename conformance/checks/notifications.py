"""NTF: each accepted request is followed by one outcome, at the right callback, in time, in the documented form.

Absence is judged once, after the run has listened to its end. A notification that cannot be read explains one that
seems to be missing, an answer whose request_id cannot be read explains one that nobody seems to have asked for: each
fault breaks its own requirement, not those that depend on it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from conformance.checks.envelope import JSON_MEDIA_TYPE
from conformance.checks.evidence import PRODUCTS, Answer, Evidence, Notice, is_number
from conformance.checks.judgement import (
    KEPT,
    Check,
    Finding,
    Judgement,
    NoticeRule,
    Reason,
    Unobserved,
    notices_where,
    shown,
    verdict_of,
)
from conformance.contract.commands import COMMANDS
from conformance.contract.schemas import schema
from conformance.traffic import Kind, header

RESULT_CODE = re.compile(r"(200|4[0-9]{2}|5[0-9]{2})\Z")
SUCCESS = "200"
# Clocks are read at both ends of one process: an answer is dated when it was read, a notification when its head came
# in. Under load either may be late by this much without the gateway being late.
LATENESS_GRACE_S = 0.25

CUT_OFF = Unobserved(Reason.INTERRUPTED, "the run ended before it had listened for notifications")


def follows_each_accepted_request(evidence: Evidence, command: str | None) -> Iterator[Judgement]:
    """NTF-01. A run that was cut off has seen some come, and cannot say that each does."""
    missing: list[Answer] = []
    for answer in evidence.owed(command):
        if evidence.terms.settled_at is None:
            yield CUT_OFF
        elif evidence.notices_about(answer):
            yield KEPT
        elif (obstacle := _not_listened_out(evidence, answer)) is not None:
            yield obstacle
        else:
            missing.append(answer)
    product = COMMANDS[command].product if command else None
    explained = evidence.unreadable_notices(product)
    if len(missing) > explained:
        # Which of them the unreadable ones belong to is unknown; that more are missing than that is certain.
        said = f"no notification within {evidence.terms.notify_within_s:g} s of the accepted request"
        if not any(notice.product == product for notice in evidence.notices):
            said += f"; none at all came to the callback of {product}: is it registered?"
        for answer in missing[explained:]:
            yield Finding.in_answer(answer, said)
    for _ in missing[:explained]:
        yield Unobserved(
            Reason.PRECONDITION, "a notification came that cannot be attributed; see NTF-04, NTF-06, NTF-14"
        )


def _not_listened_out(evidence: Evidence, answer: Answer) -> Unobserved | None:
    settled, since = evidence.terms.settled_at, answer.exchange.answered_at
    if settled is not None and since is not None and settled < since + evidence.terms.notify_within_s:
        return Unobserved(Reason.INTERRUPTED, "the run stopped listening before the time for the notification was over")
    return None


def comes_in_time(evidence: Evidence, command: str | None) -> Iterator[Judgement]:
    """NTF-02, for those that came at all: counted from the moment when the answer was read."""
    within = evidence.terms.notify_within_s
    for answer in evidence.owed(command):
        notices = evidence.notices_about(answer)
        if not notices or answer.exchange.answered_at is None:
            continue
        first = min(notices, key=lambda n: n.notification.received_at)
        took = first.notification.received_at - answer.exchange.answered_at
        if took > within + LATENESS_GRACE_S:
            yield Finding.in_notice(
                first, f"the notification came {took:.2f} s after the answer, allowed are {within:g} s"
            )
        else:
            yield KEPT


def is_post(notice: Notice) -> Iterator[Finding]:
    """NTF-03. Only what carries a known id is judged: anybody may call a public address with any method."""
    method = notice.notification.request.method
    if method != "POST":
        yield Finding.in_notice(notice, f"the notification is a {method}, not a POST")


def is_json(notice: Notice) -> Iterator[Finding]:
    """NTF-04."""
    if notice.content.error is not None:
        yield Finding.in_notice(
            notice,
            f"the body is unreadable: {notice.content.error}",
            pointer="",
            value=notice.notification.request.body,
        )


def declared_as_json(notice: Notice) -> Iterator[Finding]:
    """NTF-05."""
    declared = header(notice.notification.request.headers, "content-type")
    if declared is None or declared.partition(";")[0].strip().lower() != JSON_MEDIA_TYPE:
        yield Finding.in_notice(
            notice, f"Content-Type is {shown(declared) if declared else 'absent'}, not {JSON_MEDIA_TYPE}"
        )


def is_object(notice: Notice) -> Iterator[Finding]:
    """NTF-06."""
    if notice.content.members is None:
        yield Finding.in_notice(notice, "the notification is no JSON object", pointer="", value=notice.content.value)


def has(field: str) -> NoticeRule:
    """The notification holds `field`."""

    def rule(notice: Notice) -> Iterator[Finding]:
        members = notice.content.members or {}
        if field not in members:
            yield Finding.in_notice(notice, f"{field} is missing", pointer="", value=dict(members))

    return rule


def is_string(field: str) -> NoticeRule:
    """`field` is a JSON string."""

    def rule(notice: Notice) -> Iterator[Finding]:
        value = (notice.content.members or {})[field]
        if not isinstance(value, str):
            yield Finding.in_notice(notice, f"{field} is no string", pointer=f"/{field}", value=value)

    return rule


def code_in_range(notice: Notice) -> Iterator[Finding]:
    """NTF-09: 200, or a 4xx or 5xx of three digits; judged on the text, whatever its type."""
    code = notice.result_code
    if code is not None and not RESULT_CODE.match(code):
        yield Finding.in_notice(
            notice, "result_code is neither 200 nor a 4xx or 5xx of three digits", pointer="/result_code", value=code
        )


def description_not_empty(notice: Notice) -> Iterator[Finding]:
    """NTF-12, NTF-13."""
    value = (notice.content.members or {})["result_desc"]
    if isinstance(value, str) and not value.strip():
        yield Finding.in_notice(
            notice, f"result_desc is empty at result_code {notice.result_code}", pointer="/result_desc", value=value
        )


def carries_the_exact_id(notice: Notice) -> Iterator[Finding]:
    """NTF-16."""
    if notice.altered is not None:
        yield Finding.in_notice(
            notice,
            f"request_id is {shown(notice.request_id)}, the invocation returned {shown(notice.altered.request_id)}",
            pointer="/request_id",
            value=notice.request_id,
        )


def goes_to_its_own_callback(notice: Notice) -> Iterator[Finding]:
    """NTF-17: judged where the path is that of some product."""
    owners = {answer.product for answer in notice.answers or (notice.answer,) if answer}
    if notice.product not in owners:
        meant = ", ".join(sorted(owner or "no product" for owner in owners))
        yield Finding.in_notice(notice, f"a notification of {meant} came to the callback of {notice.product}")


def goes_to_the_url_as_registered(evidence: Evidence, command: str | None) -> Iterator[Judgement]:
    """NTF-18: path and query are those of a registered callback URL, byte for byte."""
    targets = evidence.terms.targets
    for notice in evidence.notices_for(command):
        target = notice.notification.request.url
        if notice.answer is None:
            continue
        if target in targets.values():
            yield KEPT
        else:
            registered = targets.get(notice.product or notice.answer.product or "")
            # The query may hold the integrator's token, so its value is not shown.
            yield Finding.in_notice(
                notice, f"the notification came to {_without_query(target)}, registered is {_without_query(registered)}"
            )


def _without_query(target: str | None) -> str:
    path, mark, _ = (target or "nothing").partition("?")
    return f"{path} with a query" if mark else f"{path} without a query"


def outcomes_do_not_contradict(evidence: Evidence, command: str | None) -> Iterator[Judgement]:
    """NTF-19. Among requests that share an id it cannot be said whose outcome is whose; that is RID-01's fault."""
    for answer in evidence.owed(command):
        notices = [n for n in evidence.notices_about(answer) if n.result_code is not None]
        if not notices or evidence.shares_id(answer):
            continue
        notices.sort(key=lambda n: n.notification.number)
        first = notices[0]
        later = next((n for n in notices[1:] if n.result_code != first.result_code), None)
        if later is None:
            yield KEPT
        else:
            yield Finding.in_notice(
                later,
                f"result_code {shown(later.result_code)} contradicts {shown(first.result_code)}, sent before",
                pointer="/result_code",
                value=later.result_code,
            )


def none_for_a_rejected_request(evidence: Evidence, command: str | None) -> Iterator[Judgement]:
    """NTF-20: 4xx answers; those to credential probes are AUT-10's."""
    for answer in evidence.final_of(command):
        if not answer.rejected or answer.request_id is None or answer.case.kind is Kind.CREDENTIAL:
            continue
        if evidence.shares_id(answer):
            continue
        yield from verdict_of(
            Finding.in_notice(notice, f"a request rejected with {answer.status} was followed by a notification")
            for notice in evidence.notices_about(answer)
        )


def none_that_nobody_asked_for(evidence: Evidence, _: str | None) -> Iterator[Judgement]:
    """NTF-21. Answers whose request_id cannot be read explain as many notifications with an unknown one."""
    if evidence.terms.settled_at is None:
        yield CUT_OFF
        return
    for product in (*PRODUCTS, None):
        orphans = [n for n in evidence.notices if n.product == product and n.orphan]
        unexplained = orphans[evidence.unreadable_answers(product) :]
        for notice in unexplained:
            yield Finding.in_notice(
                notice,
                f"a notification with a request_id that nobody was given came to {product or 'no known path'}",
                pointer="/request_id",
                value=notice.request_id,
            )
    attributed = any(notice.answer is not None for notice in evidence.notices)
    if attributed:
        yield KEPT


def _typed_extras(product: str | None) -> Mapping[str, str]:
    """The documented extra members of a product's notification: name → JSON type."""
    if product is None:
        return {}
    properties: Mapping[str, Mapping[str, Any]] = schema(f"{product}/notification").get("properties", {})
    return {name: s["type"] for name, s in properties.items() if isinstance(s.get("type"), str)}


TYPES: Mapping[str, Callable[[Any], bool]] = {"string": lambda v: isinstance(v, str), "number": is_number}


def extras_have_their_types(evidence: Evidence, command: str | None) -> Iterator[Judgement]:
    """NTF-22: a documented extra may be absent; where it is there, it has its type."""
    extras = _typed_extras(COMMANDS[command].product if command else None)
    for notice in evidence.notices_for(command):
        members = notice.content.members or {}
        present = [name for name in extras if name in members]
        if notice.answer is None or not present:
            continue
        yield from verdict_of(
            Finding.in_notice(notice, f"{name} is no {extras[name]}", pointer=f"/{name}", value=members[name])
            for name in present
            if not TYPES[extras[name]](members[name])
        )


def _posted(notice: Notice) -> bool:
    return notice.notification.request.method == "POST" and notice.product is not None


def _ours(notice: Notice) -> bool:
    return notice.answer is not None


def _object(notice: Notice) -> bool:
    return notice.content.members is not None and (_ours(notice) or notice.request_id is None)


def _having(field: str) -> Callable[[Notice], bool]:
    return lambda notice: _object(notice) and field in (notice.content.members or {})


def _described(*, success: bool) -> Callable[[Notice], bool]:
    def select(notice: Notice) -> bool:
        return (
            _having("result_desc")(notice)
            and notice.result_code is not None
            and (notice.result_code == SUCCESS) == success
        )

    return select


CHECKS: dict[str, Check] = {
    "NTF-01": follows_each_accepted_request,
    "NTF-02": comes_in_time,
    "NTF-03": notices_where(_ours, is_post),
    "NTF-04": notices_where(_posted, is_json),
    "NTF-05": notices_where(_ours, declared_as_json),
    "NTF-06": notices_where(lambda n: _posted(n) and n.content.error is None, is_object),
    "NTF-07": notices_where(_object, has("result_code")),
    "NTF-08": notices_where(_having("result_code"), is_string("result_code")),
    "NTF-09": notices_where(_having("result_code"), code_in_range),
    "NTF-10": notices_where(_object, has("result_desc")),
    "NTF-11": notices_where(_having("result_desc"), is_string("result_desc")),
    "NTF-12": notices_where(_described(success=True), description_not_empty),
    "NTF-13": notices_where(_described(success=False), description_not_empty),
    "NTF-14": notices_where(lambda n: _posted(n) and n.content.members is not None, has("request_id")),
    "NTF-15": notices_where(_having("request_id"), is_string("request_id")),
    "NTF-16": notices_where(_ours, carries_the_exact_id),
    "NTF-17": notices_where(lambda n: _ours(n) and n.product is not None, goes_to_its_own_callback),
    "NTF-18": goes_to_the_url_as_registered,
    "NTF-19": outcomes_do_not_contradict,
    "NTF-20": none_for_a_rejected_request,
    "NTF-21": none_that_nobody_asked_for,
    "NTF-22": extras_have_their_types,
}
