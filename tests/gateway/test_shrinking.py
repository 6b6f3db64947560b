"""Investigated failures of mock gateways with faults: minimal payloads, patterns, the budget."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest
from campaigns import (
    SMS,
    Refuses,
    astral,
    failures,
    free_address,
    refusing,
    result_of_run,
    settings,
    verdict_numbers,
    with_short_waits,
)
from seeded import FAULTS, refuses, together

from conformance.contract.contract import Contract, statum
from conformance.diagnosis import search
from conformance.diagnosis.follow_ups import BEGINNING, SEARCH, is_follow_up, run_proper
from conformance.diagnosis.search import is_called_for
from conformance.gateway import campaign
from conformance.gateway.case_files import failing_cases
from conformance.gateway.settings import DEFAULT_SHRINK_REQUESTS
from conformance.journal import Record
from conformance.judging.expectations import Expectations
from conformance.judging.verdicts import Face
from conformance.mock.behaviour import BUILT_IN, UNEXCUSED, Behaviour, Callback, Moment, Reply
from conformance.mock.changes import member
from conformance.model.traffic import Kind
from conformance.payloads.members import Label, members_of
from conformance.reports.result import Result, judge

WALLET: dict[str, Any] = {"products": ("mpesa-wallet",), "max_examples": 8}
GIVEN = ("254711000001", "254122000002")


@pytest.fixture(autouse=True)
def in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """What takes a second elsewhere takes a part of one here."""
    with_short_waits(monkeypatch)


# --- What depends on the payload


# Each round may have to wait for notifications.
MOST_ROUNDS = 6


def in_range(moment: Moment) -> bool:
    """To a phone number of one of the ranges."""
    return member(moment, "phone_number").startswith("2541")


FAILING: dict[str, tuple[dict[str, Any], Behaviour, tuple[str, str], dict[str, Any]]] = {
    # So few follow-ups do not show what the account may use; the run has.
    "emoji, as if the account were to blame": (
        SMS,
        FAULTS["denies-emoji"].change(BUILT_IN),
        ("ACC-03", "sms"),
        {"message": "👋"},
    ),
    "large amounts in an operator range": (
        WALLET,
        refusing(lambda moment: int(member(moment, "amount") or 0) >= 500 and in_range(moment)),
        ("ACC-02", "mpesa-wallet"),
        {"phone_number": "254100000000", "amount": "500"},
    ),
}


@pytest.mark.parametrize("name", FAILING)
def test_a_failing_payload_is_reduced_to_the_members_and_characters_that_matter(tmp_path: Path, name: str) -> None:
    """With payloads that prove their label, and without a change to the verdicts of the run."""
    changes, behaviour, place, minimal = FAILING[name]
    result = result_of_run(tmp_path, behaviour, **changes)
    follow_ups = [case for case in result.record.cases if is_follow_up(case.id)]

    entry = failures(result)[place]
    found = entry["findings"][0]["minimal"]
    assert ("payload", minimal, True) == (entry["depends_on"], found["differs"], found["finished"])
    assert "sent again, the failing payload 5 of 5, a plain one 0 of 5" in entry["pattern"]
    assert entry["failed"] == sum(finding["count"] for finding in entry["findings"])
    sent = next(case for case in follow_ups if case.id == found["case"])
    assert json.loads(found["body"]) == json.loads(sent.request.body)
    assert minimal.items() <= json.loads(found["body"]).items()
    assert [] == [case.id for case in follow_ups if Label.of(case, statum()) is None]
    assert result.document["shrinking"]["requests"] <= DEFAULT_SHRINK_REQUESTS
    assert_nothing_changed(result)


def test_airtime_goes_to_given_numbers_and_never_twice_in_one_amount(tmp_path: Path) -> None:
    """However plain another number would be; the gateway would refuse the second of two equal requests."""
    which: Refuses = lambda moment: int(member(moment, "amount") or 0) >= 5000  # noqa: E731
    result = result_of_run(tmp_path, refusing(which), products=("airtime",), max_examples=8, phone_numbers=GIVEN)
    record = result.record
    accepted = {e.case_id for e in record.exchanges if e.response is not None and e.response.status == 200}
    pairs: dict[bool, list[tuple[str, str]]] = {True: [], False: []}
    for case in record.cases:
        members = members_of(case.request.body) or {}
        if is_follow_up(case.id) or case.id in accepted:
            pairs[is_follow_up(case.id)].append((members.get("phone_number", ""), members.get("amount", "")))

    assert {"amount": "5000"} == failures(result)["ACC-02", "airtime"]["findings"][0]["minimal"]["differs"]
    assert len(pairs[True]) == len(set(pairs[True])) > 20
    assert not set(pairs[False]) & set(pairs[True])
    assert {number for number, _ in pairs[True]} <= set(GIVEN)


def assert_nothing_changed(result: Result) -> None:
    """Verdicts, counts and coverage are those of the run before its failures were investigated."""
    record = result.record
    begun = next(note for note in record.notes if note.kind == BEGINNING)
    rows = {"cases": record.cases, "exchanges": record.exchanges, "notifications": record.notifications}
    before = Record(
        record.settings,
        *(tuple(row)[: begun.detail[name]] for name, row in rows.items()),
        notes=record.notes[: record.notes.index(begun)],
    )
    alone = judge(before)
    assert len(before.cases) < len(record.cases)
    assert verdict_numbers(alone) == verdict_numbers(result.judged)
    assert (alone.conclusion, alone.accepted, alone.coverage) == (
        result.judged.conclusion,
        result.judged.accepted,
        result.judged.coverage,
    )


def test_two_causes_in_one_requirement_are_two_findings(tmp_path: Path) -> None:
    """Each with its own minimal payload."""
    which: Refuses = lambda m: any(c > "\uffff" or "\u0600" <= c <= "\u06ff" for c in member(m, "message"))  # noqa: E731
    result = result_of_run(tmp_path, refusing(lambda m: which(m) or in_range(m)), max_examples=30, **SMS)
    entry = failures(result)["ACC-03", "sms"]

    differs = [finding["minimal"]["differs"] for finding in entry["findings"] if finding["minimal"]]
    assert {"phone_number": "254100000000"} in differs
    assert {"message": "👋"} in differs
    kept = [json.loads(file.step.body) for file in failing_cases(result.record, result.judged, statum())]
    assert all(any(payload | each == payload for payload in kept) for each in differs)


def test_lost_notifications_of_a_round_share_one_wait(tmp_path: Path) -> None:
    """All candidates of a round share one wait, so a dozen lost notifications cost a few seconds."""

    def lose(sent: tuple[Callback, ...], moment: Moment) -> tuple[Callback, ...]:
        return () if any(ord(character) >= 0x1F300 for character in member(moment, "message")) else sent

    result = result_of_run(tmp_path, replace(BUILT_IN, deliveries=(lose,)), **SMS)
    entry = failures(result)["NTF-01", "sms"]

    assert {("NTF-01", "sms")} == set(failures(result))
    assert {"message": "👋"} == entry["findings"][0]["minimal"]["differs"]
    assert 0 < result.document["shrinking"]["rounds"] <= MOST_ROUNDS
    assert_nothing_changed(result)


def test_a_broken_payload_that_is_accepted_is_reduced_too(tmp_path: Path) -> None:
    """It stays broken in the same member and by such a keyword."""

    def accept(reply: Reply, moment: Moment) -> Reply:
        number = member(moment, "phone_number")
        if moment.refusal != "broken.pattern" or not (number[:-1].isdigit() and number.endswith("x")):
            return reply
        return replace(reply, status=200, content={**reply.content, "status_code": 200, "description": "OK"})

    result = result_of_run(tmp_path, replace(BUILT_IN, reply=(accept,)), max_examples=30, **SMS)
    entry = failures(result)["VAL-05", "sms"]

    assert "payload" == entry["depends_on"]
    minimal = entry["findings"][0]["minimal"]
    assert "0x" == minimal["differs"]["phone_number"]
    case = next(case for case in result.record.cases if case.id == minimal["case"])
    assert (Kind.BROKEN, "phone_number") == (case.kind, case.member)
    assert Label.of(case, statum()) is not None


def test_a_payload_that_the_contract_leaves_open_is_reduced_too(tmp_path: Path) -> None:
    """It stays open in the same place: the plus sign stays, and the number behind it is plain."""
    result = result_of_run(tmp_path, FAULTS["crashes-on-a-plus-sign"].change(BUILT_IN), **WALLET)

    (finding,) = failures(result)["OPN-01", "mpesa-wallet"]["findings"]
    assert {"phone_number": "+254700000000"} == finding["minimal"]["differs"]


# --- What does not


def test_each_nth_failure_of_every_command_is_described_as_such(tmp_path: Path) -> None:
    """Whatever the payload, also for commands after one that does not depend on it."""
    each = (refuses(lambda m, name=name: m.command == name, every=4) for name in ("mpesa/online", "mpesa-wallet"))
    result = result_of_run(tmp_path, together(*each)(BUILT_IN), products=("mpesa-online", "mpesa-wallet"))

    asked = {exchange.case_id.split("/")[0] for exchange in result.record.exchanges if is_follow_up(exchange.case_id)}
    assert {"mpesa-online", "mpesa-wallet"} == asked
    entries = failures(result).values()
    assert "every 4th" in {entry["pattern"].partition(":")[0] for entry in entries if entry["observations"] > 5}
    assert not any(finding["minimal"] for entry in entries for finding in entry["findings"])


def test_failures_from_the_fifteenth_request_on_are_described_as_such(tmp_path: Path) -> None:
    """By the journal, or by the requests that were sent again."""
    numbers = count(1)

    def exhausted(_: Moment) -> str | None:
        return UNEXCUSED if next(numbers) >= 15 else None

    behaviour = replace(BUILT_IN, additional_refusals=(exhausted,))
    result = result_of_run(tmp_path, behaviour, products=("mpesa-wallet",), max_examples=20)

    entry = failures(result)["ACC-02", "mpesa-wallet"]
    assert "from-nth" == entry["depends_on"], entry["pattern"]
    assert "since then, none of " in entry["pattern"]
    assert [entry["failed"]] == [finding["count"] for finding in entry["findings"]]


def test_intermittent_failures_are_described_with_their_numbers(tmp_path: Path) -> None:
    """No rule fits: neither a payload nor a distance."""
    fails = {3, 4, 9, 17, 29, 30, 44, 50, 63, 64, 69, 80, 90, 91, 99, 104, 117, 123, 131, 132, 140}
    numbers = count(1)

    def chance(moment: Moment) -> str | None:
        return UNEXCUSED if moment.command == "mpesa-wallet" and next(numbers) in fails else None

    behaviour = replace(BUILT_IN, additional_refusals=(chance,))
    result = result_of_run(tmp_path, behaviour, products=("mpesa-wallet",), max_examples=30)
    entry = failures(result)["ACC-02", "mpesa-wallet"]

    assert "intermittent" == entry["depends_on"], entry["pattern"]
    assert f": {entry['failed']} of {entry['observations']} in the run" in entry["pattern"]
    assert "sent again, the failing payload " in entry["pattern"]


# --- What it may cost, and what it must not change


@pytest.mark.parametrize("budget", [0, 12])
def test_no_more_requests_are_sent_than_the_budget_allows(tmp_path: Path, budget: int) -> None:
    """As the gateway counts them, beside the preflight's one and the run's; an unfinished search says so."""
    reached: list[int] = []

    def note(reply: Reply, moment: Moment) -> Reply:
        reached.append(moment.count)
        return reply

    behaviour = replace(refusing(lambda moment: len(member(moment, "message")) > 160), reply=(note,))
    result = result_of_run(tmp_path, behaviour, shrink_requests=budget, **SMS)
    proper = len(run_proper(result.record, statum()).exchanges)

    assert 1 + proper + budget == len(reached)
    assert {"budget": budget, "requests": budget}.items() <= result.document["shrinking"].items()
    assert proper == result.document["counts"]["exchanges"]
    if budget:
        entry = failures(result)["ACC-04", "sms"]
        assert not entry["findings"][0]["minimal"]["finished"]
        assert entry["pattern"].endswith("; the budget was used up before the simplest was found")


def test_no_round_begins_after_the_time_is_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The budget in seconds is 0."""
    monkeypatch.setattr(search, "BUDGET_S", 0.0)

    assert 0 == result_of_run(tmp_path, refusing(astral), **SMS).document["shrinking"]["requests"]


def test_a_failure_after_the_first_judgement_is_investigated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is judged while it is still listened; here a notification is repeated, otherwise, right after that."""
    callbacks, found = free_address(), []

    def judged_and_then(
        face: Face, contract: Contract, expectations: Expectations | None, record: Record, settled_at: float
    ) -> bool:
        found.append(is_called_for(face, contract, expectations, record, settled_at))
        first = record.notifications[0].request
        other = {**json.loads(first.body), "result_code": "500", "result_desc": "Failed"}
        headers = {"Content-Type": "application/json"}
        assert httpx.post(f"{callbacks.url}{first.url}", json=other, headers=headers).is_success
        return found[-1]

    monkeypatch.setattr(campaign, "is_called_for", judged_and_then)
    result = result_of_run(tmp_path, BUILT_IN, callback_listen=callbacks, notify_within_s=10.0, **SMS)

    assert [False] == found
    assert [("NTF-19", "sms")] == list(failures(result))
    assert SEARCH in {note.kind for note in result.record.notes}


def test_a_gateway_that_may_cost_money_gets_no_follow_ups(tmp_path: Path) -> None:
    """Unless it is said how many requests may be sent."""
    budgets = {
        "http://127.0.0.1:9000/api/v2": DEFAULT_SHRINK_REQUESTS,
        "http://localhost:9000/api/v2": DEFAULT_SHRINK_REQUESTS,
        "https://api.statum.co.ke/api/v2": 0,
        "http://10.0.0.7/api/v2": 0,
    }

    assert budgets == {gateway: settings(tmp_path).shrink_budget(gateway) for gateway in budgets}
    assert {7} == {settings(tmp_path, shrink_requests=7).shrink_budget(gateway) for gateway in budgets}
