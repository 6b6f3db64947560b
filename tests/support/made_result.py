"""A result made by hand, with every verdict in it that a run can have: what the reports are tested with."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import date
from typing import Any
from unittest.mock import patch

from other_contracts import parcel

from conformance.contract.contract import Contract, statum
from conformance.contract.requirements import Level
from conformance.journal import Record
from conformance.judging.expectations import Expectation, Expectations, Stale
from conformance.judging.judgement import Finding, Reason
from conformance.judging.verdicts import Judged, RequirementVerdict, Verdict, conclude
from conformance.model.traffic import Case, Exchange, Kind, Request, Response
from conformance.reports.result import Result

URL = "http://127.0.0.1:9000/api/v2/sms"
HEADERS = (("Authorization", "Basic $STATUM_AUTHORIZATION"), ("Content-Type", "application/json"))
REQUEST = Request("POST", URL, HEADERS, b'{"message": "Habari"}')
CASE = Case("sms/valid/random/1", "sms", Kind.VALID, "random", "sms/valid/random/1", REQUEST)
ANSWER = Response(200, (("Content-Type", "application/json"),), b'{"status_code": "200"}')

SETTINGS: dict[str, Any] = {
    "gateway": "http://127.0.0.1:9000/api/v2",
    "subject_name": "http://127.0.0.1:9000/api/v2",
    "consumer_key": "key",
    "started_at": "2024-07-27T14:05:09.000+00:00",
    "products": ["sms", "airtime", "mpesa-online", "mpesa-wallet"],
    "commands": ["sms", "airtime", "mpesa/online", "mpesa-wallet", "account-details"],
    "sender_ids": ["Statum"],
    "short_codes": ["174379"],
    "phone_numbers": [],
    "notify_within_s": 10.0,
    "max_examples": 40,
    "seed": 4711,
    "exclusive_account": False,
    "loopback": True,
    "callback_targets": {},
}

RECORD = Record(SETTINGS, (CASE,), (Exchange(1, CASE.id, 1, REQUEST, 1.0, 1.0, ANSWER, None, 1.1),), (), ())

WRONG_TYPE = Finding(
    'status_code is the text "200"',
    case=CASE.id,
    exchange=1,
    request_id="9V7NcW1QMvWkQcceMnn3MKfmczdBeE1a",
    pointer="/status_code",
    value='"200"',
)
LOST = Finding("no notification came within 10 s", case=CASE.id, exchange=1, request_id="R-1")
UNCHALLENGED = Finding("the 401 carries no WWW-Authenticate", case=CASE.id, exchange=1)


def verdict(
    requirement_id: str, command: str | None, kind: Verdict, *findings: Finding, **known: Any
) -> RequirementVerdict:
    """A verdict on a requirement of the catalogue; 20 observations unless `known` says otherwise."""
    requirement = statum().catalogue[requirement_id]
    known = {"observations": 20, "failed": len(findings), "findings": findings, **known}
    return RequirementVerdict(requirement, command, known.pop("level", requirement.level), kind, **known)


def unexercised(requirement_id: str, command: str | None, reason: Reason, detail: str) -> RequirementVerdict:
    """An INCONCLUSIVE one."""
    return verdict(requirement_id, command, Verdict.INCONCLUSIVE, observations=0, reason=reason, detail=detail)


LISTED = Expectation(
    number=1,
    requirement="ACC-05",
    verdict="FAIL",
    issue="https://github.com/example/gateway/issues/17",
    owner="messaging team",
    expires=date(2024, 8, 31),
    command="sms",
)
NOT_SENT = "its positive twin was not sent"
PASSED = (verdict("ENC-01", "sms", Verdict.PASS), verdict("CMD-01", None, Verdict.PASS))
VERDICTS = (
    verdict("ENC-01", "sms", Verdict.PASS),
    verdict("RSP-03", "sms", Verdict.FAIL, replace(WRONG_TYPE, count=2), failed=2, observations=1200),
    verdict("RSP-03", "mpesa/online", Verdict.FAIL, WRONG_TYPE),
    unexercised("AUT-02", "sms", Reason.PRECONDITION, NOT_SENT),
    unexercised("AUT-03", "sms", Reason.PRECONDITION, NOT_SENT),
    verdict("AUT-11", "sms", Verdict.WARN, UNCHALLENGED),
    verdict("CMD-01", None, Verdict.PASS),
    verdict("NTF-01", "sms", Verdict.FAIL, LOST),
    unexercised("NTF-13", "sms", Reason.NO_TRAFFIC, "applies where a transaction of the run fails; none did"),
    unexercised("NTF-05", "sms", Reason.NO_TRAFFIC, "nothing in the run's traffic bears on it"),
    verdict("ACC-04", "sms", Verdict.NOT_APPLICABLE, observations=0),
    verdict("ACC-05", "sms", Verdict.KNOWN, LOST, expected=(LISTED,)),
)


def result_of(
    verdicts: Iterable[RequirementVerdict] = VERDICTS,
    record: Record = RECORD,
    expectations: Expectations | None = None,
    stale: tuple[Stale, ...] = (),
    contract: Contract | None = None,
) -> Result:
    """The result of a run that was judged so."""
    verdicts = tuple(verdicts)
    judged = Judged(verdicts, conclude(verdicts), accepted=1, expectations=expectations or Expectations(), stale=stale)
    with patch("conformance.reports.result.judge_as", lambda *_, **__: judged):
        return Result.of(record, contract=contract)


def parcel_result() -> Result:
    """One requirement of the invented contract, broken."""
    broken = RequirementVerdict(
        parcel().catalogue["GOT-01"], "parcels", Level.MUST, Verdict.FAIL, 20, failed=1, findings=(LOST,)
    )
    settings = {**SETTINGS, "products": ["parcel"], "commands": ["parcels"], "contract": parcel().recorded()}
    return result_of([broken], Record(settings, (), (), (), ()), contract=parcel())
