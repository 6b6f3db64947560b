"""The seed's own samples as the first case of every run: what judges the gateway must find nothing wrong with them.

The sample request is sent like any other case. The sample response and the sample notification are the gateway's to
send, so they are judged before anything goes out: a suite that found fault with them would have no business judging.
"""

from __future__ import annotations

import json
from typing import Any

from conformance.contract.schemas import schema
from conformance.errors import SuiteError
from conformance.journal import Note, Record
from conformance.traffic import Case, Exchange, Headers, Kind, Notification, Request, Response
from conformance.verdicts import Verdict, judge

JSON: Headers = (("Content-Type", "application/json"),)
TARGET = "/callbacks/sms"


def sample_record() -> Record:
    """A run in which the seed's sample request was answered and notified as the seed shows it."""
    request = Request("POST", "http://gateway.invalid/api/v2/sms", JSON, _sample("sms/request"))
    case = Case("sms/valid/sample/1", "sms", Kind.VALID, "sample", "sms/valid/sample/1", request)
    response = Response(200, JSON, _sample("response.success"))
    exchange = Exchange(1, case.id, 1, request, 1.0, 1.0, response, None, 1.1)
    notification = Notification(1, "sms", Request("POST", TARGET, JSON, _sample("sms/notification")), 1.2, 1.2)
    settings: dict[str, Any] = {
        "commands": ["sms"],
        "notify_within_s": 1.0,
        "exclusive_account": True,
        "callback_targets": {"sms": TARGET},
        "loopback": True,
    }
    return Record(settings, (case,), (exchange,), (notification,), (Note(1, "settled", {"at": 3.0}, 3.0, 3.0),))


def _sample(name: str) -> bytes:
    return json.dumps(schema(name)["examples"][0]).encode()


def check_samples() -> int:
    """Judge the seed's samples; the number of requirements that they were seen to keep.

    Raises SuiteError if a requirement is broken by them, or if hardly any bears on them.
    """
    judged = judge(sample_record())
    broken = [v for v in judged.verdicts if v.verdict in (Verdict.FAIL, Verdict.WARN)]
    if broken:
        first = broken[0]
        raise SuiteError(f"the seed's own samples break {first.requirement.id}: {first.findings[0].message}")
    passed = len(judged.by(Verdict.PASS))
    if not passed:
        raise SuiteError("the seed's own samples were judged by nothing")
    return passed
