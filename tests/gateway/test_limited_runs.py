"""Whole runs within limits: what reaches the gateway, what is concluded, and what the user is told."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from campaigns import KEY, SECRET, held, registered, settings, shortfalls
from command_line import call
from sockets import RawServer

from conformance.gateway import campaign, listening
from conformance.gateway.plan import Plan
from conformance.gateway.settings import DEFAULT_MAX_ACCEPTED, RunLimits, Settings
from conformance.journal import read_journal
from conformance.judging.verdicts import Conclusion, Verdict
from conformance.mock.behaviour import BUILT_IN
from conformance.model.errors import UsageError
from conformance.model.process import Silent
from conformance.model.traffic import Kind
from conformance.payloads.addressees import GIVEN_BY
from conformance.reports.result import Result, judge
from conformance.wire.allowance import ACCEPTED, SPEND
from conformance.wire.sender import CONCURRENCY

GIVEN = ("254712345678",)
BEYOND = {"gateway": "https://sandbox.example/api/v2", "phone_numbers": GIVEN}
BODY = b'{"status_code": 200, "description": "Accepted", "request_id": "r", "organization": {}}'
ACCEPT = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(BODY), BODY)


@pytest.fixture
def accepting() -> Any:
    """A gateway that accepts everything, and what a run is told about it."""
    with RawServer(lambda *_: ACCEPT) as server:
        yield server, registered(lambda _: f"{server.url}/api/v2")


def test_a_gateway_that_accepts_everything_is_asked_no_more_than_it_may_accept(
    accepting: tuple[RawServer, dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wrong credentials and broken requests among them; what is found is found with those."""
    monkeypatch.setattr(listening, "LATE_S", 0.0)
    server, told = accepting
    journal = held(tmp_path, **told, phone_numbers=GIVEN, notify_within_s=0.05, limits=RunLimits(30, 900))
    record = read_journal(journal)
    limits = Result.of(record).document["limits"]

    # Before the run account-details was asked for, once to see whether the credential is accepted.
    assert 30 == len(record.exchanges) == len(server.requests) - 1
    assert 30 == limits["accepted_at_most"]
    assert limits["spent_at_most"] <= 900
    assert limits["withheld"][ACCEPTED] > 100
    assert Conclusion.NON_CONFORMANT == judge(record).conclusion


def test_the_default_cap_suffices_for_messages(tmp_path: Path) -> None:
    """Of a gateway that keeps the contract every MUST is exercised, and no more is accepted than may be."""
    limits = RunLimits(DEFAULT_MAX_ACCEPTED)
    record = read_journal(held(tmp_path, products=("sms",), phone_numbers=GIVEN, limits=limits))
    judged = judge(record)

    assert Conclusion.CONFORMANT == judged.conclusion, shortfalls(judged)
    assert judged.accepted <= DEFAULT_MAX_ACCEPTED


def test_the_default_cap_exercises_most_of_all_products(tmp_path: Path) -> None:
    """Nine requirements of ten; the others are inconclusive, and so is the run. What was not sent is told."""
    limits = RunLimits(DEFAULT_MAX_ACCEPTED, 500)
    record = read_journal(held(tmp_path, phone_numbers=GIVEN, limits=limits))
    result = Result.of(record)

    assert Conclusion.INCONCLUSIVE == result.conclusion, shortfalls(result.judged)
    applicable = [each for each in result.judged.verdicts if each.verdict is not Verdict.NOT_APPLICABLE]
    assert sum(verdict.observations > 0 for verdict in applicable) > 0.9 * len(applicable)
    assert result.judged.accepted <= DEFAULT_MAX_ACCEPTED
    assert result.document["limits"]["spent_at_most"] <= 500
    assert {ACCEPTED, SPEND, GIVEN_BY} == set(result.document["limits"]["not_planned"])
    assert {} == result.document["limits"]["withheld"]


# --- How many notifications are awaited at a time


class Counting(Silent):
    """Keeps the most notifications that were awaited at a time, as far as arrivals show it."""

    most = 0

    def notified(self, arrived: int, outstanding: int) -> None:  # noqa: ARG002 - the interface's
        """Called at each arrival."""
        self.most = max(self.most, outstanding)


def test_no_more_notifications_are_awaited_than_the_receiver_can_take(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Requests are held back meanwhile; what is under way with the other senders comes on top."""
    monkeypatch.setattr(listening, "MOST_AWAITED", 20)
    monkeypatch.setattr(listening, "MOST_AWAITED_PER_S", 1)
    counting = Counting()
    journal = campaign.run(settings(tmp_path, products=("sms",)), counting, replace(BUILT_IN, notify_after_s=0.1))
    assert 0 < counting.most < 20 + CONCURRENCY
    assert Conclusion.CONFORMANT == judge(read_journal(journal)).conclusion


def test_a_default_run_waits_once() -> None:
    """However slow the gateway: it is never held back for notifications, as it asks for fewer."""
    plan = Plan.of(Settings(KEY, SECRET, seed=7), "http://gateway.example/api/v2")
    accepted = [case for case in plan.cases if case.kind in (Kind.VALID, Kind.HEADERS, Kind.REPEAT)]
    assert len(accepted) < listening.MOST_AWAITED


# --- Limits as they are given


UNUSABLE: tuple[tuple[dict[str, Any], str], ...] = (
    ({"max_accepted": 0}, "--max-accepted is 0; expected 1 or more"),
    ({"max_spend": -1}, "--max-spend is -1"),
    ({"rate_per_s": 0.0}, "--rate is 0"),
    ({"rate_per_s": float("nan")}, "--rate is nan"),
    ({"rate_per_s": 1e-300}, "--rate is 1e-300; expected from 0.001 to 100,000 requests per second"),
    ({"rate_per_s": float("inf")}, "--rate is inf; expected from 0.001 to 100,000"),
    ({"connect_timeout_s": 1e-300}, "--connect-timeout is 1e-300; expected a millisecond (0.001) or more"),
    ({"concurrency": 0}, "--concurrency is 0; expected 1 to 256"),
    ({"concurrency": 257}, "--concurrency is 257"),
    ({"read_timeout_s": 3601.0}, "--read-timeout is 3601; expected more than 0 and at most an hour"),
    ({"read_timeout_s": float("nan")}, "--read-timeout is nan"),
)


def refusal(given: dict[str, Any]) -> str:
    """The error of these limits; "" for none."""
    try:
        RunLimits(**given)
    except UsageError as error:
        return str(error)
    return ""


def test_unusable_limits_are_refused_in_one_line() -> None:
    """With the option, its value and what is expected."""
    found = [(refusal(given), words) for given, words in UNUSABLE]

    assert [] == [(error, words) for error, words in found if words not in error or "\n" in error]


def test_default_limits_hold_beyond_this_machine() -> None:
    """On it there are none; limits that are given hold everywhere."""
    beyond = settings(Path("reports"), **BEYOND, products=("sms",))
    here = settings(Path("reports"))
    limited = settings(Path("reports"), **BEYOND, limits=RunLimits(7, 100, 50.0))

    bounds = [each.bounds for each in (beyond, here, limited)]
    assert [(25, None, 5.0), (None, None, None), (7, 100, 50.0)] == [
        (each.max_accepted, each.max_spend, each.rate_per_s) for each in bounds
    ]
    assert (True, True) == (beyond.beyond, beyond.network_there)
    assert (False, False) == (here.beyond, here.network_there)


# --- `run --plan`

SANDBOX = ("--gateway", BEYOND["gateway"], "--consumer-key", "k", "--phone-number", GIVEN[0])


@pytest.fixture
def secret(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """In the environment; nothing of the current directory counts."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STATUM_CONFORMANCE_CONSUMER_SECRET", "canary-5ecret")
    return "canary-5ecret"


def test_a_plan_shows_the_requests_and_sends_none(
    capsys: pytest.CaptureFixture[str], secret: str, tmp_path: Path
) -> None:
    """To a gateway that nobody could reach; nothing is written either."""
    shown = call(capsys, "run", "--plan", *SANDBOX, "--max-spend", "500", "--seed", "7")

    assert (0, "") == (shown.code, shown.err)
    assert [] == list(tmp_path.iterdir())
    assert secret not in shown.out
    assert "limits: --max-accepted 25, --max-spend 500, --rate 5" in shown.out
    assert f"phone numbers: {GIVEN[0]}" in shown.out
    assert "at most 25 for KES 500, whatever the gateway does · seed 7 · nothing was sent" in shown.out.splitlines()[-1]


def test_a_plan_as_json_has_every_request_that_the_run_then_sends(
    capsys: pytest.CaptureFixture[str], secret: str, tmp_path: Path
) -> None:
    """The same bytes, and the sums of them."""
    options = ("--product", "sms", "--max-accepted", "5", "--phone-number", GIVEN[0], "--seed", "7")
    shown = call(capsys, "run", "--plan", "--format", "json", *options)
    plan = json.loads(shown.out)
    ran = call(capsys, "run", *options)

    assert secret not in shown.out
    assert (0, 3) == (shown.code, ran.code)
    assert 5 == plan["accepted_as_planned"] == plan["accepted_at_most"]
    assert plan["requests"] == len(plan["cases"]) == sum(each["requests"] for each in plan["commands"])
    cases = read_journal(tmp_path / "reports" / campaign.JOURNAL).cases
    assert [(case["id"], case["body"]) for case in plan["cases"]] == [
        (case.id, case.request.body.decode("utf-8", "backslashreplace")) for case in cases
    ]
    assert "accepted at most: 5 requests, KES 0 · " in ran.out
    assert "not sent for --max-accepted 5" in ran.out
