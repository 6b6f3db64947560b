"""A right call of a client beside a wrong one, for each requirement on its calls.

Neither is written: a specimen of a call is changed in one respect at a time, until the rule of the requirement passes
the one and fails the other. The words about the wrong one are those of the rule.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace

from conformance.client.face import client_checks
from conformance.client.needed_calls import ADVISED_DELAY_S, RESEND_WINDOW_S, specimens
from conformance.client.rules.calls import OUTLASTED, Call, ClientReport, SentRequest
from conformance.client.rules.evidence import ClientEvidence
from conformance.client.rules.unsent import REJECTED
from conformance.client.witness import SENDING
from conformance.contract.contract import Contract
from conformance.contract.requirements import Requirement
from conformance.contract.tables import ScenarioRow
from conformance.judging.judgement import Finding, Passed
from conformance.model.traffic import Request

# Seconds after an answer at which a client sends again that does not wait.
AT_ONCE_S = 0.01
# Requests of a client that does not stop.
MANY = 8


@dataclass(frozen=True, slots=True)
class CallExample:
    """A call in a scenario as it should be, a call that breaks the requirement, and the words of the rule on that."""

    scenario: ScenarioRow
    right: Call
    wrong: Call
    message: str


def example_of(requirement: Requirement, contract: Contract) -> CallExample | None:
    """The first pair that the rule of a requirement on a client tells apart; None if there is none."""
    commands = [name or next(iter(contract.commands)) for name in requirement.commands]
    check = client_checks(contract).get(requirement.id)
    if check is None or not commands:
        return None
    command = commands[0]

    usual_call = replace(_reported(specimens(contract, command, SENDING, attempts=1)[0].calls[0])[0], extra="usual")

    def judged(evidence: ClientEvidence, call: Call) -> tuple[bool, str | None]:
        """Whether a call passes beside the usual one, and the words on how it fails."""
        alone, beside = (
            list(check(replace(evidence, calls=calls, memo={}), command if requirement.commands[0] else None))
            for calls in ([usual_call], [usual_call, call])
        )
        failed = next((each.message for each in beside if isinstance(each, Finding)), None)
        passed = [sum(isinstance(each, Passed) for each in judgements) for judgements in (alone, beside)]
        return failed is None and passed[1] > passed[0], failed

    for row in (SENDING, *contract.behaviours.scenarios):
        for evidence in specimens(contract, command, row, attempts=1)[:1]:
            usual = _reported(evidence.calls[0])
            right = next((call for call in usual if judged(evidence, call)[0]), None)
            for wrong in _changed(right) if right is not None else ():
                if (message := judged(evidence, wrong)[1]) is not None and right is not None:
                    return CallExample(row, right, wrong, message)
    return None


def _reported(call: Call) -> list[Call]:
    """The call with each report that a client may make on its last answer, the lawful one first."""
    last = call.sent[-1]
    at = call.report.at if call.report is not None else 0.0
    code, description = last.http_status, last.members.get(last.roles.reason)
    reports = [
        ClientReport("accepted", None, None, None, last.answer.request_id, at),
        ClientReport("error", "http", code, description if isinstance(description, str) else None, None, at),
        ClientReport("error", "network", None, None, None, at),
        ClientReport("error", "protocol", None, None, None, at),
        ClientReport("error", "http", None, None, None, at),
        ClientReport("accepted", None, None, None, "1", at),
        ClientReport("error", REJECTED, None, None, None, at),
    ]
    accepted, other_id = reports[0], reports[5]
    errors = [*reports[1:5], reports[6]]
    if last.http_status is None:
        errors.sort(key=lambda each: each.error != "network")
    ordered = [accepted, other_id, *errors] if last.accepts else [*errors, accepted]
    return [replace(call, report=report) for report in ordered]


def _changed(right: Call) -> Iterator[Call]:
    """The call with one mistake each: in its request, in a second one, in its report."""
    (sent,) = right.sent
    for request in _requests(sent.exchange.request):
        yield replace(right, sent=(replace(sent, exchange=replace(sent.exchange, request=request)),))
    for count, gap_s in ((2, AT_ONCE_S), (MANY, AT_ONCE_S), (2, (RESEND_WINDOW_S + ADVISED_DELAY_S) / 2)):
        yield replace(right, sent=tuple(_series(sent, count, gap_s)))
    yield replace(right, sent=(sent, replace(list(_series(sent, 2, AT_ONCE_S))[1], elsewhere=True)))
    if sent.unanswered and right.report is not None:
        outlasted = f"{sent.exchange.failure}{OUTLASTED}"
        waits = replace(sent.exchange, failure=outlasted, answered_at=right.report.at - AT_ONCE_S)
        yield replace(right, sent=(replace(sent, exchange=waits),))
    yield replace(right, report=None, deaths=({"how": "exit", "detail": "it ended before its answer"},))
    yield from _reported(right)
    yield from (replace(each, sent=()) for each in _reported(right))


def _series(sent: SentRequest, count: int, gap_s: float) -> Iterator[SentRequest]:
    """The request so many times, each so long after the answer to the one before."""
    at, took_s = sent.exchange.sent_at, (sent.exchange.answered_at or 0.0) - sent.exchange.sent_at
    for number in range(count):
        sent_at = at + number * (took_s + gap_s)
        again = replace(sent.exchange, number=sent.number + number, attempt=1 + number)
        yield replace(sent, exchange=replace(again, sent_at=sent_at, answered_at=sent_at + took_s))


def _requests(request: Request) -> Iterator[Request]:
    """The request with one mistake each."""
    yield replace(request, method="GET" if request.method == "POST" else "POST")
    yield replace(request, url=request.url.replace("/v2/", "/", 1))
    for name, value in request.headers:
        others = tuple(pair for pair in request.headers if pair[0] != name)
        yield replace(request, headers=others)
        yield replace(request, headers=(*others, (name, "text/plain")))
        yield replace(request, headers=(*request.headers, ("X-Debug", value)))
    if request.body:
        members = json.loads(request.body)
        yield replace(request, body=json.dumps(members)[:-1].encode())
        numbers = {name: int(value) if value.isdecimal() else value for name, value in members.items()}
        yield replace(request, body=json.dumps(numbers).encode())
        yield replace(request, body=json.dumps(dict(list(members.items())[:-1])).encode())
