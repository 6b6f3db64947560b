"""The contract's own samples as the first case of every run: what judges the gateway must find nothing wrong with them.

The sample request is sent like any other case. The sample response and the sample notification are the gateway's to
send, so they are judged before anything goes out: a suite that found fault with them would have no business judging.
"""

from __future__ import annotations

import json
from typing import Any

from conformance.contract.contract import Contract
from conformance.gateway.face import GATEWAY
from conformance.journal import Note, Record
from conformance.judging.verdicts import Verdict, judge_as
from conformance.model.errors import SuiteError
from conformance.model.traffic import Case, Exchange, Headers, Kind, Notification, Request, Response

JSON: Headers = (("Content-Type", "application/json"),)


def sample_record(contract: Contract) -> Record:
    """A run in which the sample request of the first product was answered and notified as the contract shows it."""

    def sample(name: str) -> bytes:
        return json.dumps(contract.schemas.schema(name)["examples"][0]).encode()

    product = contract.products[0]
    command = contract.commands[contract.command_of(product) or ""]
    target, case_id = f"/callbacks/{product}", f"{command.folder}/valid/sample/1"
    url = f"http://gateway.invalid/{command.name}"
    request = Request(command.method, url, JSON, sample(command.request_schema))
    case = Case(case_id, command.name, Kind.VALID, "sample", case_id, request)
    response = Response(contract.answer.success, JSON, sample("response.success"))
    exchange = Exchange(1, case.id, 1, request, 1.0, 1.0, response, None, 1.1)
    told = Request(contract.notification.method, target, JSON, sample(command.notification_schema))
    settings: dict[str, Any] = {
        "commands": [command.name],
        "notify_within_s": 1.0,
        "exclusive_account": True,
        "callback_targets": {product: target},
        "loopback": True,
    }
    settled = Note(1, "settled", {"at": 3.0}, 3.0, 3.0)
    return Record(settings, (case,), (exchange,), (Notification(1, product, told, 1.2, 1.2),), (settled,))


def check_samples(contract: Contract) -> int:
    """Judge the samples of a contract; the number of requirements that they were seen to keep.

    Raises SuiteError if a requirement is broken by them, or if hardly any bears on them.
    """
    judged = judge_as(GATEWAY, sample_record(contract), contract=contract)
    broken = [v for v in judged.verdicts if v.verdict in (Verdict.FAIL, Verdict.WARN)]
    if broken:
        first = broken[0]
        raise SuiteError(f"the contract's own samples break {first.requirement.id}: {first.findings[0].message}")
    passed = len(judged.by(Verdict.PASS))
    if not passed:
        raise SuiteError("the contract's own samples were judged by nothing")
    return passed
