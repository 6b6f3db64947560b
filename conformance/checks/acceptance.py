"""HDR, GET, ACC, LEN, OPN, IDM, REP, ACT: what the contract allows is accepted, and answered as documented.

Each valid case is judged by one requirement, so that one misbehaviour breaks one: by the one that names its aspect
where that applies to the command, otherwise by ACC-02.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from conformance.checks.envelope import SUCCESS, is_json_object
from conformance.checks.evidence import ABSENT, Answer, Evidence, Outcome, is_number
from conformance.checks.excuses import Excuses, unjudgeable
from conformance.checks.judgement import (
    Check,
    Finding,
    Judgement,
    Reason,
    RunCheck,
    Unobserved,
    answers_where,
    shown,
    verdict_of,
)
from conformance.checks.request_ids import EQUAL, burst_of
from conformance.contract.contract import Contract
from conformance.traffic import Kind

ASPECTS: Mapping[str, str] = {
    "sample": "ACC-01",
    "unicode": "ACC-03",
    "long": "ACC-04",
    "line-breaks": "ACC-05",
    "boundary": "ACC-06",
    "optional": "ACC-07",
}


@cache
def judged_by(aspect: str, command: str | None, contract: Contract) -> str:
    """The requirement that a valid request of this aspect is judged by."""
    own = ASPECTS.get(aspect)
    return own if own is not None and command in contract.catalogue[own].commands else "ACC-02"


def accepted(answer: Outcome) -> Iterator[Finding]:
    """The gateway took the request on."""
    if not answer.accepted:
        said = f": {shown(answer.said)}" if answer.said is not None else ""
        yield Finding.in_answer(
            answer,
            f"a valid request ({answer.aspect}) was answered {answer.status}{said}",
            pointer="" if answer.code is ABSENT else "/status_code",
            value=answer.status if answer.code is ABSENT else answer.code,
        )


def must_be_accepted(
    kind: Kind,
    select: Callable[[Outcome, Contract], bool],
    further: Callable[[Evidence, Outcome], Unobserved | None] = lambda *_: None,
) -> RunCheck:
    """A check that the selected cases of a kind are accepted, but for what has an excuse, be it a `further` one."""

    def check(evidence: Evidence, command: str | None) -> Iterator[Judgement]:
        excuses = Excuses(evidence, command)
        for answer in evidence.final_of(command, kind):
            if not select(answer, evidence.contract):
                continue
            if (obstacle := excuses.of(answer) or further(evidence, answer)) is not None:
                yield obstacle
            else:
                yield from verdict_of(answer, accepted(answer))

    return check


def _valid(requirement: str) -> Check:
    return must_be_accepted(Kind.VALID, lambda a, contract: judged_by(a.aspect, a.command, contract) == requirement)


def _of(kind: Kind, *aspects: str) -> Check:
    return must_be_accepted(kind, lambda a, _: a.aspect in aspects)


def is_no_5xx(answer: Answer) -> Iterator[Finding]:
    """LEN-01, OPN-01: what the gateway does with it is its own affair, but it does not fall over."""
    if answer.status is not None and answer.status >= 500:
        yield Finding.in_answer(
            answer,
            f"a payload that the contract leaves open ({answer.case.keyword or answer.case.aspect}) was answered "
            f"{answer.status}",
            pointer="/status_code",
            value=answer.status,
        )


def _open(*aspects: str) -> Callable[[Answer], bool]:
    return lambda a: a.final and a.status is not None and a.case.kind is Kind.OPEN and a.case.aspect in aspects


def repeat_in_window_is_refused(evidence: Evidence, command: str | None) -> Iterator[Judgement]:
    """IDM-01, where the request that is repeated was accepted; and of equal ones at the same moment, one at most is."""
    bursts = equal_bursts(evidence, command)
    for answer in evidence.final_of(command, Kind.REPEAT):
        if answer.aspect != "window":
            continue
        first = evidence.earlier_of(answer)
        before = () if first is None else bursts.get(first.case_id, (first,))
        if not any(one.accepted for one in before):
            yield Unobserved(Reason.PRECONDITION, "the request that it repeats was not accepted", answer.number)
        elif (obstacle := unjudgeable(answer)) is not None:
            yield obstacle
        else:
            yield from verdict_of(answer, _refused_as_repeat(answer))
    for burst in bursts.values():
        yield from _one_is_accepted_at_most(burst)


def equal_bursts(evidence: Evidence, command: str | None) -> Mapping[str, Sequence[Outcome]]:
    """The equal requests that were made at the same moment, by the id of the first of each burst."""
    bursts: dict[str, list[Outcome]] = defaultdict(list)
    for answer in evidence.final_of(command, Kind.BURST):
        if answer.aspect == EQUAL:
            bursts[burst_of(answer)].append(answer)
    return bursts


def _one_is_accepted_at_most(burst: Sequence[Outcome]) -> Iterator[Judgement]:
    """All but the one that is accepted are refused; which one that is, is the gateway's affair."""
    accepted_ones = [answer for answer in burst if answer.accepted]
    if not accepted_ones:
        yield Unobserved(Reason.PRECONDITION, "none of the equal requests was accepted", burst[0].number)
        return
    for answer in burst:
        if answer is accepted_ones[0]:
            continue
        if answer.accepted:
            told = f"{len(accepted_ones)} of {len(burst)} equal requests at the same moment were accepted"
            yield Finding.in_answer(answer, told, pointer="/status_code", value=answer.status)
        elif (obstacle := unjudgeable(answer)) is not None:
            yield obstacle
        else:
            yield from verdict_of(answer, _refused_as_repeat(answer))


def _refused_as_repeat(answer: Outcome) -> Iterator[Finding]:
    if not answer.rejected:
        yield Finding.in_answer(
            answer,
            f"a similar request within five minutes of an accepted one was answered {answer.status}",
            pointer="/status_code",
            value=answer.status,
        )


def similar_in_part_is_accepted(evidence: Evidence, command: str | None) -> Iterator[Judgement]:
    """IDM-02, where the request that it is similar to was accepted: so no earlier run is to blame for a refusal."""
    excuses = Excuses(evidence, command)
    for answer in evidence.final_of(command, Kind.REPEAT):
        if answer.aspect not in ("other-amount", "other-phone"):
            continue
        first = evidence.earlier_of(answer)
        if first is None or not first.accepted:
            yield Unobserved(Reason.PRECONDITION, "the request that it is similar to was not accepted", answer.number)
        elif obstacle := excuses.of_account(answer):
            yield obstacle
        else:
            yield from verdict_of(answer, accepted(answer))


DETAILS = ("location", "website", "office_email", "office_mobile", "mpesa_account_top_up_code")
ACCOUNT = ("account", "service_name")


def _organization(answer: Answer) -> Any:
    return (answer.content.members or {}).get("organization")


def _details(answer: Answer) -> Any:
    organization = _organization(answer)
    return organization.get("details") if isinstance(organization, dict) else None


def has_named_organization(answer: Answer) -> Iterator[Finding]:
    """ACT-01."""
    organization = _organization(answer)
    if not isinstance(organization, dict):
        yield Finding.in_answer(answer, "organization is no object", pointer="/organization", value=organization)
    elif not isinstance(organization.get("name"), str):
        yield Finding.in_answer(
            answer, "the organization's name is no string", pointer="/organization/name", value=organization.get("name")
        )


def has_details(answer: Answer) -> Iterator[Finding]:
    """ACT-02."""
    details = _details(answer)
    if not isinstance(details, dict):
        yield Finding.in_answer(answer, "details is no object", pointer="/organization/details", value=details)
        return
    for field in DETAILS:
        if not isinstance(details.get(field), str):
            yield Finding.in_answer(
                answer, f"{field} is no string", pointer=f"/organization/details/{field}", value=details.get(field)
            )


def has_balance(answer: Answer) -> Iterator[Finding]:
    """ACT-03."""
    details = _details(answer)
    balance = details.get("available_balance") if isinstance(details, dict) else None
    if not is_number(balance):
        yield Finding.in_answer(
            answer, "available_balance is no number", pointer="/organization/details/available_balance", value=balance
        )


def has_accounts(answer: Answer) -> Iterator[Finding]:
    """ACT-04: in the organization, or in its details (the contract names it beside both)."""
    organization = _organization(answer)
    holder = organization if isinstance(organization, dict) and "accounts" in organization else _details(answer)
    accounts = holder.get("accounts") if isinstance(holder, dict) else None
    if not isinstance(accounts, list):
        yield Finding.in_answer(answer, "accounts is no array", pointer="/organization/accounts", value=accounts)
        return
    for index, account in enumerate(accounts):
        if not (isinstance(account, dict) and all(isinstance(account.get(field), str) for field in ACCOUNT)):
            yield Finding.in_answer(
                answer,
                "an account lacks account or service_name",
                pointer=f"/organization/accounts/{index}",
                value=account,
            )


def _with_organization(answer: Answer) -> bool:
    return isinstance(_organization(answer), dict)


def _with_details(answer: Answer) -> bool:
    return isinstance(_details(answer), dict)


DETAILED = (*SUCCESS, is_json_object)
WITH_ORGANIZATION = (*DETAILED, _with_organization)
WITH_DETAILS = (*WITH_ORGANIZATION, _with_details)

CHECKS: dict[str, Check] = {
    "HDR-01": _of(Kind.HEADERS, "no-accept"),
    "HDR-02": _of(Kind.HEADERS, "any-accept"),
    "HDR-03": _of(Kind.HEADERS, "json-accept"),
    "GET-01": _of(Kind.HEADERS, "bare-get"),
    "ACC-01": _valid("ACC-01"),
    "ACC-02": _valid("ACC-02"),
    "ACC-03": _valid("ACC-03"),
    "ACC-04": _valid("ACC-04"),
    "ACC-05": _valid("ACC-05"),
    "ACC-06": _valid("ACC-06"),
    "ACC-07": _valid("ACC-07"),
    "LEN-01": answers_where(_open("over-long"), rule=is_no_5xx),
    "OPN-01": answers_where(_open("open"), rule=is_no_5xx),
    "IDM-01": repeat_in_window_is_refused,
    "IDM-02": similar_in_part_is_accepted,
    "REP-01": _of(Kind.REPEAT, "equal"),
    "ACT-01": answers_where(*DETAILED, rule=has_named_organization),
    "ACT-02": answers_where(*WITH_ORGANIZATION, rule=has_details),
    "ACT-03": answers_where(*WITH_DETAILS, rule=has_balance),
    "ACT-04": answers_where(*WITH_ORGANIZATION, rule=has_accounts),
}
