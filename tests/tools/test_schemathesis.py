"""Schemathesis (PyPI), run by the OpenAPI document against the mock gateway, finds nothing that the contract forbids.

It takes what the document says for all there is: what is outside a schema must be refused, what is inside accepted. The
contract is more patient (what it leaves open, names that are not registered, similar requests), so what schemathesis
calls wrong is judged once more, by the schemas. `make test-schemathesis` installs it; without it these tests are
skipped.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from mock_rig import ACCOUNT, RIGHT
from seeded import FAULTS

from benchmarks.schemathesis_rate import is_installed, run_schemathesis, schemathesis_rate, write_document
from conformance.contract.command import Command
from conformance.contract.contract import statum
from conformance.mock.behaviour import Behaviour
from conformance.mock.serving import serve_mock
from conformance.model.errors import SuiteError
from conformance.model.untrusted import parse_json

pytestmark = pytest.mark.skipif(
    not is_installed(), reason="schemathesis is not installed (hint: make test-schemathesis)"
)

CREDENTIAL = (ACCOUNT.consumer_key, ACCOUNT.consumer_secret)

# Findings of these two are judged once more; those of any other are wrong as they stand.
IMPATIENT = {"RejectedPositiveData", "AcceptedNegativeData"}
# What says something about the account, not about the request.
ACCOUNTS_AFFAIR = {402, 403, 429}


@dataclass(frozen=True)
class Exchanged:
    """A request of schemathesis for a command, and the status of its answer."""

    command: Command
    authorization: str | None
    content_type: str | None
    body: bytes
    status: int

    @property
    def payload(self) -> Any:
        """The body as JSON; None if it is none."""
        try:
            return parse_json(self.body)
        except ValueError:
            return None

    @property
    def is_declared(self) -> bool:
        """Whether the body is declared as JSON."""
        return (self.content_type or "").partition(";")[0] == "application/json"

    def is_within(self, bound: str) -> bool:
        """Whether the body keeps that schema of the command."""
        return self.payload is not None and not statum().schemas.violations(
            f"{self.command.folder}/{bound}", self.payload
        )


def exchanged(events: Path) -> Iterator[Exchanged]:
    """Those that were sent with the method of the command that their path names, in the order in which they were."""
    recorders = [
        event["ScenarioFinished"]["recorder"]
        for event in map(json.loads, events.read_text(encoding="utf-8").splitlines())
        if "ScenarioFinished" in event
    ]
    interactions = [each for recorder in recorders for each in recorder.get("interactions", {}).values()]
    for interaction in sorted(interactions, key=lambda each: each["timestamp"]):
        request, response = interaction["request"], interaction["response"]
        command = statum().commands.get(request["uri"].partition("?")[0].partition("/api/v2/")[2])
        if command is None or command.method != request["method"]:
            continue
        headers = {name.lower(): values[0] for name, values in request["headers"].items()}
        body = base64.b64decode((request.get("body") or {}).get("$base64", ""))
        yield Exchanged(
            command, headers.get("authorization"), headers.get("content-type"), body, response["status_code"]
        )


def forbidden(exchanges: Iterator[Exchanged]) -> Iterator[str]:
    """What it forbids: accepting what is outside the tolerated schema, refusing what is inside the strict one."""
    accepted: set[str] = set()
    for each in exchanges:
        if each.authorization != RIGHT:
            lawful = each.status == 401
        elif each.command.method == "GET":
            lawful = each.status == 200
        elif each.status == 200:
            lawful = each.is_declared and each.is_within("request.tolerated")
            accepted.add(similar(each))
        else:
            repeated = each.command.window_s is not None and similar(each) in accepted
            due = each.is_declared and each.is_within("request") and not repeated
            lawful = not due or each.status in ACCOUNTS_AFFAIR
        if not lawful:
            yield f"{each.command.name} {each.authorization} {each.content_type} {each.body!r}: {each.status}"


def similar(each: Exchanged) -> str:
    """What makes two requests similar, where that counts."""
    payload = each.payload if isinstance(each.payload, dict) else {}
    return json.dumps([each.command.name, str(payload.get("phone_number")).lstrip("+"), payload.get("amount")])


@dataclass(frozen=True)
class Found:
    """A run: how many exchanges, what schemathesis says that no patience excuses, and what the contract forbids."""

    exchanges: int
    said: set[str]
    forbidden: list[str]


def found(directory: Path, behaviour: Behaviour) -> Found:
    """What a run of schemathesis with every check finds, at a mock gateway that behaves so."""
    events = directory / "events.ndjson"
    with serve_mock(ACCOUNT, behaviour) as server:
        document = write_document(directory, server.url)
        options = ("--max-examples", "30", "--seed", "7")
        report = run_schemathesis(server.url, document, options, credential=CREDENTIAL, events=events)
    said = {failure["type"] for failure in report["failures"]} - IMPATIENT
    return Found(len(list(exchanged(events))), said, list(forbidden(exchanged(events))))


def test_it_finds_nothing_that_the_contract_forbids(tmp_path: Path) -> None:
    """With all its checks, in hundreds of requests."""
    result = found(tmp_path, Behaviour())

    assert (set(), []) == (result.said, result.forbidden)
    assert result.exchanges > 150


@pytest.mark.parametrize(
    ("fault", "said", "told"),
    [
        ("request-id-as-number", {"JsonSchemaError"}, False),
        ("crashes-on-null", {"ServerError"}, False),
        ("accepts-a-missing-field", set(), True),
        ("needs-a-reference", set(), True),
    ],
)
def test_it_would_find_what_is_wrong(tmp_path: Path, fault: str, said: set[str], *, told: bool) -> None:
    """The document says enough for that: in answers by itself, in requests judged once more."""
    result = found(tmp_path, FAULTS[fault].change(Behaviour()))

    assert said == result.said
    assert told == bool(result.forbidden)


def test_its_rate_is_measured(tmp_path: Path) -> None:
    """Cases and seconds, for `make bench`."""
    with serve_mock(ACCOUNT) as server:
        rate = schemathesis_rate(server.url, write_document(tmp_path, server.url), credential=CREDENTIAL, examples=5)
        answered = server.requests

    # One request of its own asks what the server can take.
    assert rate.cases + 1 == answered
    assert rate.per_second == rate.cases / rate.seconds > 0


def test_a_gateway_that_it_finds_fault_with_is_not_measured(tmp_path: Path) -> None:
    """It would be measured at shrinking and reporting."""
    with (
        serve_mock(ACCOUNT, FAULTS["request-id-as-number"].change(Behaviour())) as server,
        pytest.raises(SuiteError, match="schemathesis found fault with the gateway: "),
    ):
        schemathesis_rate(server.url, write_document(tmp_path, server.url), credential=CREDENTIAL, examples=5)
