"""Failures looked into, against mock gateways with faults of the test's own: minimal payloads, patterns, the budget."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
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
from conformance.gateway.settings import DEFAULT_SHRINK_REQUESTS, RunLimits
from conformance.journal import Record
from conformance.judging.expectations import Expectations
from conformance.judging.verdicts import Face
from conformance.mock.behaviour import BUILT_IN, UNEXCUSED, Behaviour, Callback, Moment, Reply
from conformance.mock.changes import member
from conformance.model.traffic import Exchange, Kind
from conformance.payloads.members import Label, members_of
from conformance.reports.result import Result, judge

AIRTIME: dict[str, Any] = {"products": ("airtime",), "max_examples": 8}
WALLET: dict[str, Any] = {"products": ("mpesa-wallet",), "max_examples": 8}


@pytest.fixture(autouse=True)
def in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """What takes a second elsewhere takes a part of one here."""
    with_short_waits(monkeypatch)


def follow_ups(record: Record) -> list[Mapping[str, Any]]:
    """The payloads that were sent after the run."""
    return [json.loads(e.request.body) for e in record.exchanges if is_follow_up(e.case_id)]


def amount(moment: Moment) -> int:
    """The amount of a payload, 0 without."""
    return int(member(moment, "amount") or 0)


# --- What depends on the payload


# Each round may have to wait for notifications.
MOST_ROUNDS = 6


def long(moment: Moment) -> bool:
    """A message of more than 160 characters."""
    return len(member(moment, "message")) > 160


def in_range(moment: Moment) -> bool:
    """To a phone number of one of the ranges."""
    return member(moment, "phone_number").startswith("2541")


SEEDED: dict[str, tuple[dict[str, Any], Behaviour, tuple[str, str], dict[str, Any]]] = {
    "emoji": (SMS, FAULTS["refuses-emoji"].change(BUILT_IN), ("ACC-03", "sms"), {"message": "👋"}),
    "long messages": (
        SMS,
        FAULTS["refuses-long-messages"].change(BUILT_IN),
        ("ACC-04", "sms"),
        {"message": "a" * 161},
    ),
    # So few follow-ups do not show what the account may use; the run has.
    "emoji, as if the account were to blame": (
        SMS,
        FAULTS["denies-emoji"].change(BUILT_IN),
        ("ACC-03", "sms"),
        {"message": "👋"},
    ),
    # Of no requirement alone, so it is not in the mock's list: each kind of request goes to either range.
    "an operator range": (WALLET, refusing(in_range), ("ACC-02", "mpesa-wallet"), {"phone_number": "254100000000"}),
}

OTHERS: dict[str, tuple[dict[str, Any], Refuses, tuple[str, str], dict[str, Any]]] = {
    "large amounts": (AIRTIME, lambda m: amount(m) >= 5000, ("ACC-02", "airtime"), {"amount": "5000"}),
    "large amounts in an operator range": (
        WALLET,
        lambda m: amount(m) >= 500 and in_range(m),
        ("ACC-02", "mpesa-wallet"),
        {"phone_number": "254100000000", "amount": "500"},
    ),
    "line breaks": (SMS, lambda m: "\n" in member(m, "message"), ("ACC-05", "sms"), {"message": "a\n"}),
}


@pytest.mark.parametrize("fault", SEEDED)
def test_a_seeded_fault_is_brought_down_to_one_character(tmp_path: Path, fault: str) -> None:
    """Or to one more than 160, or to one digit: in few rounds, which change nothing of what the run has shown."""
    changes, behaviour, place, minimal = SEEDED[fault]
    result = result_of_run(tmp_path, behaviour, **changes)

    assert_minimal(result, place, minimal)
    (finding,) = failures(result)[place]["findings"]
    assert failures(result)[place]["failed"] == finding["count"]
    assert 0 < result.document["shrinking"]["rounds"] <= MOST_ROUNDS
    assert_nothing_changed(result)


@pytest.mark.parametrize("name", OTHERS)
def test_a_payload_that_fails_is_brought_down_to_what_matters(tmp_path: Path, name: str) -> None:
    """Whatever it is, also where two members matter together."""
    changes, which, place, minimal = OTHERS[name]

    assert_minimal(result_of_run(tmp_path, refusing(which), **changes), place, minimal)


def assert_minimal(result: Result, place: tuple[str, str], minimal: Mapping[str, Any]) -> None:
    """The whole payload is in the report, with the case that showed it; its bytes prove that it is valid."""
    entry = failures(result)[place]
    found = entry["findings"][0]["minimal"]
    assert ("payload", minimal, True) == (entry["depends_on"], found["differs"], found["finished"])
    assert "sent again, the failing payload 5 of 5, a plain one 0 of 5" in entry["pattern"]
    sent = next(case for case in result.record.cases if case.id == found["case"])
    assert json.loads(found["body"]) == json.loads(sent.request.body)
    assert minimal.items() <= json.loads(found["body"]).items()
    assert [] == statum().schemas.violations(f"{statum().commands[place[1]].folder}/request", json.loads(found["body"]))
    assert result.document["shrinking"]["requests"] <= DEFAULT_SHRINK_REQUESTS


def assert_nothing_changed(result: Result) -> None:
    """Verdicts, counts and coverage are those of the run as it was before anything was looked into."""
    record = result.record
    begun = next(note for note in record.notes if note.kind == BEGINNING)
    before = Record(
        record.settings,
        *(tuple(rows)[: begun.detail[name]] for name, rows in rows_of(record).items()),
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


def rows_of(record: Record) -> dict[str, Sequence[Any]]:
    """What a record has, by kind."""
    return {"cases": record.cases, "exchanges": record.exchanges, "notifications": record.notifications}


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


def test_a_lost_notification_is_waited_for(tmp_path: Path) -> None:
    """All candidates of a round share one wait, so a dozen lost notifications cost a few seconds."""

    def lose(sent: tuple[Callback, ...], moment: Moment) -> tuple[Callback, ...]:
        return () if any(ord(character) >= 0x1F300 for character in member(moment, "message")) else sent

    result = result_of_run(tmp_path, replace(BUILT_IN, deliveries=(lose,)), **SMS)
    entry = failures(result)["NTF-01", "sms"]

    assert {("NTF-01", "sms")} == set(failures(result))
    assert {"message": "👋"} == entry["findings"][0]["minimal"]["differs"]
    assert 0 < result.document["shrinking"]["rounds"] <= MOST_ROUNDS
    assert_nothing_changed(result)


def test_a_broken_payload_that_is_accepted_is_brought_down_too(tmp_path: Path) -> None:
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


def test_a_payload_that_the_contract_leaves_open_is_brought_down_too(tmp_path: Path) -> None:
    """It stays open in the same place: the plus sign stays, and the number behind it is plain."""
    result = result_of_run(tmp_path, FAULTS["crashes-on-a-plus-sign"].change(BUILT_IN), **WALLET)

    (finding,) = failures(result)["OPN-01", "mpesa-wallet"]["findings"]
    assert {"phone_number": "+254700000000"} == finding["minimal"]["differs"]


def test_every_follow_up_proves_its_label(tmp_path: Path) -> None:
    """On the bytes that were sent."""
    result = result_of_run(tmp_path, refusing(lambda m: amount(m) >= 700), products=("airtime", "mpesa-online"))
    cases = [case for case in result.record.cases if is_follow_up(case.id)]

    assert len(cases) > 30
    assert [] == [case.id for case in cases if Label.of(case, statum()) is None]


def test_similar_airtime_requests_are_kept_apart(tmp_path: Path) -> None:
    """No pair of phone number and amount goes out twice, so none is refused for being a repeat."""
    result = result_of_run(tmp_path, refusing(lambda m: amount(m) >= 5000), **AIRTIME)
    proper = run_proper(result.record, statum())
    before = {(p.get("phone_number"), p.get("amount")) for p in map(_payload, proper.exchanges)}
    after = [(p["phone_number"], p["amount"]) for p in follow_ups(result.record)]

    assert len(after) == len(set(after)) > 20
    assert not before & set(after)


def _payload(exchange: Exchange) -> Mapping[str, Any]:
    """The members that a gateway took; none if it took nothing."""
    accepted = exchange.response is not None and exchange.response.status == 200
    return (members_of(exchange.request.body) or {}) if accepted else {}


def test_only_given_phone_numbers_are_called(tmp_path: Path) -> None:
    """However plain another one would be."""
    numbers = ("254711000001", "254122000002")
    result = result_of_run(tmp_path, refusing(lambda m: amount(m) >= 5000), phone_numbers=numbers, seed=8, **AIRTIME)

    assert {"amount": "5000"} == failures(result)["ACC-02", "airtime"]["findings"][0]["minimal"]["differs"]
    assert set(numbers) >= {payload["phone_number"] for payload in follow_ups(result.record)}


# --- What does not


def test_every_tenth_is_told_as_such(tmp_path: Path) -> None:
    """Whatever the payload, in requests sent one after the other."""
    result = result_of_run(tmp_path, refusing(lambda m: m.command == "sms", every=10), max_examples=20, **SMS)

    told = {entry["pattern"].partition(":")[0] for entry in failures(result).values() if entry["observations"] > 5}
    assert told & {"every 10th"}
    assert not any(finding["minimal"] for entry in failures(result).values() for finding in entry["findings"])


def test_every_command_is_asked_about(tmp_path: Path) -> None:
    """Also those after one that does not depend on the payload."""
    each = (refuses(lambda m, name=name: m.command == name, every=4) for name in ("mpesa/online", "mpesa-wallet"))
    result = result_of_run(tmp_path, together(*each)(BUILT_IN), products=("mpesa-online", "mpesa-wallet"))

    asked = {exchange.case_id.split("/")[0] for exchange in result.record.exchanges if is_follow_up(exchange.case_id)}
    assert {"mpesa-online", "mpesa-wallet"} == asked
    assert "every-nth" in {entry["depends_on"] for entry in failures(result).values()}


def test_from_the_fifteenth_on_is_told_as_such(tmp_path: Path) -> None:
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


def test_always_is_told_by_the_journal_alone(tmp_path: Path) -> None:
    """Nothing is sent for it."""

    def as_text(reply: Reply, _: Moment) -> Reply:
        return replace(reply, content={**reply.content, "status_code": str(reply.status)})

    result = result_of_run(tmp_path, replace(BUILT_IN, reply=(as_text,)), **SMS)
    entry = failures(result)["RSP-03", "sms"]

    total = entry["observations"]
    assert ("always", f"always: {total} of {total}") == (entry["depends_on"], entry["pattern"])
    assert [total] == [finding["count"] for finding in entry["findings"]]
    assert 0 == result.document["shrinking"]["requests"]


def test_what_is_intermittent_is_told_with_its_numbers(tmp_path: Path) -> None:
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


def counted(which: Refuses) -> tuple[Behaviour, list[int]]:
    """A gateway that refuses, and how many requests reached it."""
    reached: list[int] = []

    def note(reply: Reply, moment: Moment) -> Reply:
        reached.append(moment.count)
        return reply

    return replace(refusing(which), reply=(note,)), reached


@pytest.mark.parametrize("budget", [0, 1, 5, 17])
def test_the_budget_is_kept(tmp_path: Path, budget: int) -> None:
    """To the request, as counted at the gateway: the preflight's one, the run's, and these."""
    behaviour, reached = counted(astral)
    result = result_of_run(tmp_path, behaviour, shrink_requests=budget, **SMS)
    proper = len(run_proper(result.record, statum()).exchanges)

    assert 1 + proper + budget == len(reached)
    assert {"budget": budget, "requests": budget}.items() <= result.document["shrinking"].items()
    assert proper == result.document["counts"]["exchanges"]


def test_the_limits_of_the_run_hold_for_these_requests_too(tmp_path: Path) -> None:
    """No more is accepted than the run may cause; what is withheld was not sent, and shows nothing."""
    free = result_of_run(tmp_path / "free", refusing(astral), **SMS)
    proper = free.document["counts"]["accepted"]
    result = result_of_run(tmp_path / "limited", refusing(astral), limits=RunLimits(max_accepted=proper + 3), **SMS)
    accepted = [e for e in result.record.exchanges if e.response is not None and e.response.status == 200]

    assert len([e for e in accepted if e.request.method == "POST"]) <= proper + 3
    assert any(is_follow_up(e.case_id) for e in free.record.exchanges)
    assert not any(f["minimal"] and f["minimal"]["finished"] for f in failures(result)["ACC-03", "sms"]["findings"])


def test_what_the_budget_left_unfinished_is_told(tmp_path: Path) -> None:
    """The simplest so far, and that there may be a simpler one."""
    entry = failures(result_of_run(tmp_path, refusing(long), shrink_requests=12, **SMS))["ACC-04", "sms"]

    assert not entry["findings"][0]["minimal"]["finished"]
    assert entry["pattern"].endswith("; the budget was used up before the simplest was found")


def test_the_time_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No round begins once the seconds are used up."""
    monkeypatch.setattr(search, "BUDGET_S", 0.0)

    assert 0 == result_of_run(tmp_path, refusing(astral), **SMS).document["shrinking"]["requests"]


def test_a_run_that_fell_short_of_nothing_sends_nothing_more(tmp_path: Path) -> None:
    """There is nothing to look into."""
    record = result_of_run(tmp_path, BUILT_IN, **SMS).record

    assert record == run_proper(record, statum())


def test_what_comes_after_a_run_was_found_well_is_looked_into(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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
    result = result_of_run(tmp_path, BUILT_IN, callback_listen=callbacks, **SMS)

    assert [False] == found
    assert [("NTF-19", "sms")] == list(failures(result))
    assert SEARCH in {note.kind for note in result.record.notes}


@pytest.mark.parametrize(
    ("gateway", "budget"),
    [
        ("http://127.0.0.1:9000/api/v2", DEFAULT_SHRINK_REQUESTS),
        ("http://localhost:9000/api/v2", DEFAULT_SHRINK_REQUESTS),
        ("https://api.statum.co.ke/api/v2", 0),
        ("http://10.0.0.7/api/v2", 0),
    ],
)
def test_a_gateway_that_may_cost_money_is_left_alone(tmp_path: Path, gateway: str, budget: int) -> None:
    """Unless it is said how many requests may be sent."""
    assert budget == settings(tmp_path).shrink_budget(gateway)
    assert 7 == settings(tmp_path, shrink_requests=7).shrink_budget(gateway)
