"""NTF: each accepted request is followed by one outcome, at the right callback, in time, in the documented form.

Absence is judged once, after the run has listened to its end. A notification that cannot be read explains one that
seems to be missing, an answer whose request_id cannot be read explains one that nobody seems to have asked for: each
fault breaks its own requirement, not those that depend on it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

from conformance.callbacks.receiver import MAX_BODY
from conformance.checks.envelope import JSON_MEDIA_TYPE
from conformance.checks.evidence import Arrival, Evidence, Notice, Outcome, Terms, is_number
from conformance.checks.judgement import (
    KEPT,
    Check,
    Finding,
    Judgement,
    Kept,
    NoticeCheck,
    NoticeRule,
    Reason,
    Unobserved,
    notices_where,
    shown,
    verdict_of,
)
from conformance.checks.missing import (
    CUT_OFF,
    NETWORK_HOLDS_S,
    held_up,
    in_an_outage,
    lost_on_its_way,
    obstacle_to,
    sent_once_more,
    what_came_instead,
)
from conformance.contract.contract import Contract
from conformance.traffic import Kind, header, normalized

RESULT_CODE = re.compile(r"(200|4[0-9]{2}|5[0-9]{2})\Z")
# Clocks are read at both ends of one process: an answer is dated when it was read, a notification when its head came
# in. Under load either may be late by this much without the gateway being late.
LATENESS_GRACE_S = 0.25


def follows_each_accepted_request(evidence: Evidence, command: str | None) -> Iterator[Judgement]:
    """NTF-01. A run that was cut off has seen some come, and cannot say that each does.

    Nor can one whose callback path was lost on the way, or for a while: there, what is missing may have been sent.
    """
    product = evidence.contract.product_of(command)
    missing: list[Outcome] = []
    kept: list[Outcome] = []
    for answer in evidence.owed(command):
        if evidence.terms.settled_at is None:
            yield replace(CUT_OFF, exchange=answer.number)
        elif evidence.first_about(answer) is not None:
            kept.append(answer)
        elif (obstacle := obstacle_to(evidence, answer)) is not None:
            yield obstacle
        else:
            missing.append(answer)
    yield from _of_missing(evidence, product or "", missing, kept)


def _of_missing(
    evidence: Evidence, product: str, missing: Sequence[Outcome], kept: Sequence[Outcome]
) -> Iterator[Judgement]:
    """What those say whose notification was waited for in vain, beside those that were `kept`."""
    terms, callback = evidence.terms, evidence.terms.callback_of(product)
    explained = evidence.unreadable_notices[callback or None]
    if explained:
        explained += terms.left_out.get(callback, 0)  # of these no more were kept
    meanwhile = [] if product in terms.ways_lost else list(filter(None, (in_an_outage(terms, a) for a in missing)))
    of_outages = {obstacle.exchange for obstacle in meanwhile}
    left = [answer for answer in missing if answer.number not in of_outages]
    gone = max(0, len(left) - explained)
    if gone and (lost := lost_on_its_way(terms, product, gone, gone + _outside_of_outages(terms, kept))) is not None:
        yield from (Unobserved(Reason.ENVIRONMENT, lost, answer.number) for answer in missing)
        return
    yield from meanwhile
    if gone or not meanwhile:
        yield from (Kept(answer.number) for answer in kept)
    if gone:
        # Which of them the unreadable ones belong to is unknown; that more are missing than that is certain.
        said = f"no notification within {terms.notify_within_s:g} s of the accepted request"
        said += what_came_instead(evidence, callback)
        for answer in left[explained:]:
            yield Finding.in_answer(answer, said)
    for answer in left[:explained]:
        yield Unobserved(
            Reason.PRECONDITION,
            "a notification came that cannot be attributed; see NTF-04, NTF-06, NTF-14",
            answer.number,
        )


def _outside_of_outages(terms: Terms, answers: Sequence[Outcome]) -> int:
    return sum(in_an_outage(terms, answer) is None for answer in answers) if terms.watch.outages else len(answers)


def comes_in_time(evidence: Evidence, command: str | None) -> Iterator[Judgement]:
    """NTF-02, for those that came at all: counted from the moment when the answer was read.

    A network may have held one for a while: what came that little too late says nothing. It may also have lost one, and
    a gateway that sent it once more is not late.
    """
    within = evidence.terms.notify_within_s
    late: list[tuple[Outcome, Arrival, float]] = []
    in_time = 0
    for answer in evidence.owed(command):
        first = evidence.first_about(answer)
        if first is None or answer.answered_at is None:
            continue
        took = first.received_at - answer.answered_at
        if took <= within + LATENESS_GRACE_S:
            in_time += 1
            yield Kept(answer.number)
        elif (obstacle := held_up(evidence, answer)) is not None:
            yield obstacle
        elif evidence.terms.network_back and took <= within + NETWORK_HOLDS_S:
            detail = f"a notification came {took:.2f} s after the answer, allowed are {within:g} s; networks hold up"
            yield Unobserved(Reason.ENVIRONMENT, detail, answer.number)
        else:
            late.append((answer, first, took))
    product = evidence.contract.product_of(command)
    lost = sent_once_more(evidence.terms, product or "", len(late), in_time + len(late)) if late else None
    for answer, first, took in late:
        if lost is not None:
            yield Unobserved(Reason.ENVIRONMENT, lost, answer.number)
        else:
            yield Finding.in_notice(
                first, f"the notification came {took:.2f} s after the answer, allowed are {within:g} s"
            )


def is_post(notice: Notice) -> Iterator[Finding]:
    """NTF-03. Only what carries a known id is judged, be it in a query: anybody may call a public address."""
    method = notice.notification.request.method
    if method != "POST":
        yield Finding.in_notice(notice, f"the notification is a {method}, not a POST")


def is_json(notice: Notice) -> Iterator[Finding | Unobserved]:
    """NTF-04. Of what is longer than the receiver reads the rest may be as JSON has it."""
    if notice.content.error is not None and len(notice.notification.request.body) >= MAX_BODY:
        words = f"it is longer than {MAX_BODY:,} bytes, of which the receiver reads no more"
        yield Unobserved(Reason.ENVIRONMENT, words, notice.answer.number if notice.answer else None)
    elif notice.content.error is not None:
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


def names_members_once(notice: Notice) -> Iterator[Finding]:
    """NTF-24, as ENC-05."""
    if notice.content.repeated is not None:
        yield Finding.in_notice(
            notice,
            f"the member {shown(notice.content.repeated)} is there more than once",
            pointer="",
            value=notice.notification.request.body,
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
    code = notice.outcome
    if code is not None and not RESULT_CODE.match(code):
        yield Finding.in_notice(
            notice, "result_code is neither 200 nor a 4xx or 5xx of three digits", pointer="/result_code", value=code
        )


def description_not_empty(notice: Notice) -> Iterator[Finding]:
    """NTF-12, NTF-13."""
    value = (notice.content.members or {})["result_desc"]
    if isinstance(value, str) and not value.strip():
        yield Finding.in_notice(
            notice, f"result_desc is empty at result_code {notice.outcome}", pointer="/result_desc", value=value
        )


def carries_the_exact_id(notice: Notice) -> Iterator[Finding]:
    """NTF-16."""
    if notice.altered and notice.answer is not None:
        yield Finding.in_notice(
            notice,
            f"request_id is {shown(notice.request_id)}, the invocation returned {shown(notice.answer.request_id)}",
            pointer="/request_id",
            value=notice.request_id,
        )


def goes_to_its_own_callback(notice: Notice) -> Iterator[Finding]:
    """NTF-17: judged where the path is that of some product."""
    if notice.product not in notice.owners:
        meant = ", ".join(sorted({owner or "no product" for owner in notice.owners}))
        yield Finding.in_notice(notice, f"a notification of {meant} came to the callback of {notice.product}")


def goes_to_the_url_as_registered(terms: Terms) -> NoticeRule:
    """NTF-18: path and query are those of a registered callback URL, or written as RFC 3986 calls equivalent."""
    registered_targets = {normalized(target) for target in terms.targets.values()}

    def rule(notice: Notice) -> Iterator[Finding]:
        target = notice.notification.request.url
        if normalized(target) not in registered_targets:
            product = notice.product or (notice.answer.product if notice.answer else None)
            registered = terms.targets.get(product or "")
            # The query may hold the integrator's token, so its value is not shown.
            yield Finding.in_notice(
                notice, f"the notification came to {_without_query(target)}, registered is {_without_query(registered)}"
            )

    return rule


def _without_query(target: str | None) -> str:
    path, mark, _ = (target or "nothing").partition("?")
    return f"{path} with a query" if mark else f"{path} without a query"


def outcomes_do_not_contradict(evidence: Evidence, command: str | None) -> Iterator[Judgement]:
    """NTF-19. Among requests that share an id it cannot be said whose outcome is whose; that is RID-01's fault."""
    for answer in evidence.owed(command):
        if evidence.shares_id(answer):
            continue
        told = [arrival for arrival in evidence.arrivals_about(answer) if arrival.outcome is not None]
        if (found := _another_code(told) or _another_transaction(evidence, answer)) is not None:
            yield found
        elif told:
            yield Kept(answer.number)


def _another_code(told: Sequence[Arrival]) -> Finding | None:
    later = next((arrival for arrival in told if arrival.outcome != told[0].outcome), None)
    if later is None:
        return None
    return Finding.in_notice(
        later,
        f"result_code {shown(later.outcome)} contradicts {shown(told[0].outcome)}, sent before",
        pointer="/result_code",
        value=later.outcome,
    )


def _another_transaction(evidence: Evidence, answer: Outcome) -> Finding | None:
    found = evidence.contradictions.get(answer.case_id)
    if found is None:
        return None
    return Finding.in_notice(
        found.arrival,
        f"{found.member} {shown(found.value)} contradicts {shown(found.before)}, sent before",
        pointer=f"/{found.member}",
        value=found.value,
    )


def none_for_a_rejected_request(evidence: Evidence, command: str | None) -> Iterator[Judgement]:
    """NTF-20: 4xx answers; those to credential probes are AUT-10's."""
    for answer in evidence.final_of(command):
        if not answer.rejected or answer.request_id is None or answer.kind is Kind.CREDENTIAL:
            continue
        if evidence.shares_id(answer):
            continue
        yield from verdict_of(
            answer,
            (
                Finding.in_notice(arrival, f"a request rejected with {answer.status} was followed by a notification")
                for arrival in evidence.arrivals_about(answer)
            ),
        )


def none_that_nobody_asked_for(evidence: Evidence, _: str | None) -> Iterator[Judgement]:
    """NTF-21. Answers whose request_id cannot be read explain as many notifications with an unknown one."""
    if evidence.terms.settled_at is None:
        yield CUT_OFF
        return
    for product in (*evidence.contract.products, None):
        orphans = [arrival for arrival in evidence.arrivals if arrival.product == product and arrival.orphan]
        unexplained = orphans[evidence.unreadable_answers[product] :]
        for arrival in unexplained:
            yield Finding.in_notice(
                arrival,
                f"a notification with a request_id that nobody was given came to {product or 'no known path'}",
                pointer="/request_id",
                value=arrival.request_id,
            )
    attributed = any(arrival.answer is not None for arrival in evidence.arrivals)
    if attributed:
        yield KEPT


@cache
def _typed_extras(product: str | None, contract: Contract) -> Mapping[str, str]:
    """The documented extra members of a product's notification: name → JSON type."""
    if product is None:
        return {}
    properties: Mapping[str, Mapping[str, Any]] = contract.schemas.schema(f"{product}/notification").get(
        "properties", {}
    )
    return {name: s["type"] for name, s in properties.items() if isinstance(s.get("type"), str)}


TYPES: Mapping[str, Callable[[Any], bool]] = {"string": lambda v: isinstance(v, str), "number": is_number}


def _extras(notice: Notice) -> Mapping[str, str]:
    return _typed_extras(notice.contract.product_of(notice.command), notice.contract)


def _with_extras(notice: Notice) -> bool:
    return not _extras(notice).keys().isdisjoint(notice.content.members or {})


def extras_have_their_types(notice: Notice) -> Iterator[Finding]:
    """NTF-22: a documented extra may be absent; where it is there, it has its type."""
    members = notice.content.members or {}
    for name, kind in _extras(notice).items():
        if name in members and not TYPES[kind](members[name]):
            yield Finding.in_notice(notice, f"{name} is no {kind}", pointer=f"/{name}", value=members[name])


def _ours(notice: Notice) -> bool:
    return notice.answer is not None


def _to_a_product(notice: Notice) -> bool:
    return notice.product is not None


def _with_body(notice: Notice) -> bool:
    return not notice.content.in_query


def _of_some_form(notice: Notice) -> bool:
    return not notice.content.in_query or notice.content.error is not None


def _json(notice: Notice) -> bool:
    return notice.content.error is None


def _members(notice: Notice) -> bool:
    return notice.content.members is not None


def _object(notice: Notice) -> bool:
    return notice.content.members is not None and (notice.answer is not None or notice.request_id is None)


@cache  # one and the same condition for all checks that have it
def _having(field: str) -> Callable[[Notice], bool]:
    return lambda notice: field in (notice.content.members or {})


def _of_success(notice: Notice) -> bool:
    return notice.outcome == notice.contract.notification.success


def _of_failure(notice: Notice) -> bool:
    return notice.outcome not in (notice.contract.notification.success, None)


CHECKS: dict[str, Check] = {
    "NTF-01": follows_each_accepted_request,
    "NTF-02": comes_in_time,
    "NTF-03": notices_where(_ours, rule=is_post),
    "NTF-04": notices_where(_to_a_product, _of_some_form, rule=is_json),
    "NTF-05": notices_where(_ours, _with_body, rule=declared_as_json),
    "NTF-06": notices_where(_to_a_product, _with_body, _json, rule=is_object),
    "NTF-07": notices_where(_object, rule=has("result_code")),
    "NTF-08": notices_where(_object, _having("result_code"), rule=is_string("result_code")),
    "NTF-09": notices_where(_object, _having("result_code"), rule=code_in_range),
    "NTF-10": notices_where(_object, rule=has("result_desc")),
    "NTF-11": notices_where(_object, _having("result_desc"), rule=is_string("result_desc")),
    "NTF-12": notices_where(_object, _having("result_desc"), _of_success, rule=description_not_empty),
    "NTF-13": notices_where(_object, _having("result_desc"), _of_failure, rule=description_not_empty),
    "NTF-14": notices_where(_to_a_product, _with_body, _members, rule=has("request_id")),
    "NTF-15": notices_where(_object, _having("request_id"), rule=is_string("request_id")),
    "NTF-16": notices_where(_ours, rule=carries_the_exact_id),
    "NTF-17": notices_where(_ours, _to_a_product, rule=goes_to_its_own_callback),
    "NTF-18": NoticeCheck((_ours, _with_body), goes_to_the_url_as_registered),
    "NTF-19": outcomes_do_not_contradict,
    "NTF-20": none_for_a_rejected_request,
    "NTF-21": none_that_nobody_asked_for,
    "NTF-22": notices_where(_ours, _with_body, _with_extras, rule=extras_have_their_types),
    "NTF-24": notices_where(_object, rule=names_members_once),
}
