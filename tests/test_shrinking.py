"""Failures looked into, against mock gateways with faults of the test's own: minimal payloads, patterns, the budget."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from conformance.checks.follow_ups import is_follow_up, run_proper
from conformance.contract.commands import COMMANDS
from conformance.contract.schemas import violations
from conformance.gateway_under_test import campaign, shrinking
from conformance.gateway_under_test.keeping import kept_files
from conformance.gateway_under_test.replaying import judged_alone
from conformance.gateway_under_test.settings import DEFAULT_SHRINK_REQUESTS
from conformance.generation.labels import Label, members_of
from conformance.journal import Record, read_journal
from conformance.mock_gateway.behaviour import Behaviour, Delivery, Moment, Reply
from conformance.mock_gateway.fault_admission import member
from conformance.mock_gateway.fault_changes import UNEXCUSED, refuses
from conformance.mock_gateway.faults import FAULTS
from conformance.mock_gateway.variants import BUILT_IN
from conformance.reporting.result import Result
from conformance.traffic import Exchange, Kind
from conformance.verdicts import Verdict
from tests.campaigns import held, settings

SMS: dict[str, Any] = {"products": ("sms",)}
AIRTIME: dict[str, Any] = {"products": ("airtime",), "max_examples": 8}
WALLET: dict[str, Any] = {"products": ("mpesa-wallet",), "max_examples": 8}

Refuses = Callable[[Moment], bool]
Entries = dict[tuple[str, str | None], Mapping[str, Any]]


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """What takes a second elsewhere takes a part of one here; the mock gateway notifies within milliseconds."""
    monkeypatch.setattr(shrinking, "LEAST_PATIENCE_S", 0.3)
    monkeypatch.setattr(campaign, "LATE_S", 0.2)


def looked_into(directory: Path, behaviour: Behaviour, **changes: Any) -> Result:
    """The result of a run against a gateway with that behaviour."""
    return Result.of(read_journal(held(directory, behaviour, notify_within_s=1.0, **changes)))


def refusing(which: Refuses, every: int = 1) -> Behaviour:
    """A gateway that refuses requests that it should accept."""
    return refuses(which, every=every)(BUILT_IN)


def fell_short(result: Result) -> Entries:
    """What failed or warns, by requirement and command."""
    entries = result.document["requirements"]
    return {(e["id"], e["command"]): e for e in entries if e["verdict"] in ("FAIL", "WARN")}


def follow_ups(record: Record) -> list[Mapping[str, Any]]:
    """The payloads that were sent after the run."""
    return [json.loads(e.request.body) for e in record.exchanges if is_follow_up(e.case_id)]


def amount(moment: Moment) -> int:
    """The amount of a payload, 0 without."""
    return int(member(moment, "amount") or 0)


# --- What depends on the payload


PAYLOADS: list[tuple[str, dict[str, Any], Refuses, tuple[str, str], dict[str, Any]]] = [
    (
        "astral characters",
        SMS,
        lambda m: any(ord(character) > 0xFFFF for character in member(m, "message")),
        ("ACC-03", "sms"),
        {"message": "👋"},
    ),
    ("long messages", SMS, lambda m: len(member(m, "message")) > 160, ("ACC-04", "sms"), {"message": "a" * 161}),
    (
        "an operator range",
        WALLET,
        lambda m: member(m, "phone_number").startswith("2541"),
        ("ACC-02", "mpesa-wallet"),
        {"phone_number": "254100000000"},
    ),
    ("large amounts", AIRTIME, lambda m: amount(m) >= 5000, ("ACC-02", "airtime"), {"amount": "5000"}),
    (
        "large amounts in an operator range",
        WALLET,
        lambda m: amount(m) >= 500 and member(m, "phone_number").startswith("2541"),
        ("ACC-02", "mpesa-wallet"),
        {"phone_number": "254100000000", "amount": "500"},
    ),
    ("line breaks", SMS, lambda m: "\n" in member(m, "message"), ("ACC-05", "sms"), {"message": "a\n"}),
]


@pytest.mark.parametrize(
    ("changes", "which", "place", "minimal"), [p[1:] for p in PAYLOADS], ids=[p[0] for p in PAYLOADS]
)
def test_a_payload_that_fails_is_brought_down_to_what_matters(
    tmp_path: Path, changes: dict[str, Any], which: Refuses, place: tuple[str, str], minimal: dict[str, Any]
) -> None:
    """One character where one will do; the whole payload is in the report, with the case that showed it."""
    result = looked_into(tmp_path, refusing(which), **changes)
    entry = fell_short(result)[place]

    found = entry["findings"][0]["minimal"]
    assert ("payload", minimal, True) == (entry["depends_on"], found["differs"], found["finished"])
    assert "sent again, the failing payload 5 of 5, a plain one 0 of 5" in entry["pattern"]
    sent = next(case for case in result.record.cases if case.id == found["case"])
    assert json.loads(found["body"]) == json.loads(sent.request.body)
    assert minimal.items() <= json.loads(found["body"]).items()
    assert [] == violations(f"{COMMANDS[place[1]].folder}/request", json.loads(found["body"]))
    assert result.document["shrinking"]["requests"] <= DEFAULT_SHRINK_REQUESTS


def test_cases_of_one_cause_are_one_finding(tmp_path: Path) -> None:
    """With their number, and the others by id."""
    astral = looked_into(tmp_path, refusing(PAYLOADS[0][2]), **SMS)
    entry = fell_short(astral)["ACC-03", "sms"]

    (finding,) = entry["findings"]
    assert entry["failed"] == finding["count"] > 5
    assert finding["count"] - 1 == len(finding["others"])
    assert finding["case"] not in finding["others"]


def test_two_causes_in_one_requirement_are_two_findings(tmp_path: Path) -> None:
    """Each with its own minimal payload."""
    which: Refuses = lambda m: any(c > "\uffff" or "\u0600" <= c <= "\u06ff" for c in member(m, "message"))  # noqa: E731
    result = looked_into(
        tmp_path, refusing(lambda m: which(m) or member(m, "phone_number").startswith("2541")), max_examples=30, **SMS
    )
    entry = fell_short(result)["ACC-03", "sms"]

    differs = [finding["minimal"]["differs"] for finding in entry["findings"] if finding["minimal"]]
    assert {"phone_number": "254100000000"} in differs
    assert {"message": "👋"} in differs


def test_a_lost_notification_is_waited_for(tmp_path: Path) -> None:
    """All candidates of a round share one wait, so a dozen lost notifications cost a few seconds."""

    def lose(sent: tuple[Delivery, ...], moment: Moment) -> tuple[Delivery, ...]:
        return () if any(ord(character) >= 0x1F300 for character in member(moment, "message")) else sent

    result = looked_into(tmp_path, replace(BUILT_IN, deliveries=(lose,)), **SMS)
    entry = fell_short(result)["NTF-01", "sms"]

    assert {("NTF-01", "sms")} == set(fell_short(result))
    assert {"message": "👋"} == entry["findings"][0]["minimal"]["differs"]
    assert result.document["shrinking"]["rounds"] < result.document["shrinking"]["requests"] / 3


def test_a_broken_payload_that_is_accepted_is_brought_down_too(tmp_path: Path) -> None:
    """It stays broken in the same member and by such a keyword."""

    def accept(reply: Reply, moment: Moment) -> Reply:
        number = member(moment, "phone_number")
        if moment.refusal != "pattern" or not (number[:-1].isdigit() and number.endswith("x")):
            return reply
        return replace(reply, status=200, content={**reply.content, "status_code": 200, "description": "OK"})

    result = looked_into(tmp_path, replace(BUILT_IN, reply=(accept,)), max_examples=30, **SMS)
    entry = fell_short(result)["VAL-05", "sms"]

    assert "payload" == entry["depends_on"]
    minimal = entry["findings"][0]["minimal"]
    assert "0x" == minimal["differs"]["phone_number"]
    case = next(case for case in result.record.cases if case.id == minimal["case"])
    assert (Kind.BROKEN, "phone_number") == (case.kind, case.member)
    assert Label.of(case) is not None


def test_a_payload_that_the_contract_leaves_open_is_brought_down_too(tmp_path: Path) -> None:
    """It stays open in the same place: the plus sign stays, and the number behind it is plain."""
    result = looked_into(tmp_path, FAULTS["crashes-on-a-plus-sign"].change(BUILT_IN), **WALLET)

    (finding,) = fell_short(result)["OPN-01", "mpesa-wallet"]["findings"]
    assert {"phone_number": "+254700000000"} == finding["minimal"]["differs"]


def test_every_follow_up_proves_its_label(tmp_path: Path) -> None:
    """On the bytes that were sent."""
    result = looked_into(tmp_path, refusing(lambda m: amount(m) >= 700), products=("airtime", "mpesa-online"))
    cases = [case for case in result.record.cases if is_follow_up(case.id)]

    assert len(cases) > 30
    assert [] == [case.id for case in cases if Label.of(case) is None]


def test_similar_airtime_requests_are_kept_apart(tmp_path: Path) -> None:
    """No pair of phone number and amount goes out twice, so none is refused for being a repeat."""
    result = looked_into(tmp_path, refusing(lambda m: amount(m) >= 5000), **AIRTIME)
    proper = run_proper(result.record)
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
    result = looked_into(tmp_path, refusing(lambda m: amount(m) >= 5000), phone_numbers=numbers, seed=8, **AIRTIME)

    assert {"amount": "5000"} == fell_short(result)["ACC-02", "airtime"]["findings"][0]["minimal"]["differs"]
    assert set(numbers) >= {payload["phone_number"] for payload in follow_ups(result.record)}


# --- What does not


def test_every_tenth_is_told_as_such(tmp_path: Path) -> None:
    """Whatever the payload, in requests sent one after the other."""
    result = looked_into(tmp_path, refusing(lambda m: m.command == "sms", every=10), max_examples=20, **SMS)

    told = {entry["pattern"].partition(":")[0] for entry in fell_short(result).values() if entry["observations"] > 5}
    assert told & {"every 10th"}
    assert not any(finding["minimal"] for entry in fell_short(result).values() for finding in entry["findings"])


def test_from_the_fifteenth_on_is_told_as_such(tmp_path: Path) -> None:
    """By the journal, or by the requests that were sent again."""
    numbers = count(1)

    def exhausted(_: Moment) -> str | None:
        return UNEXCUSED if next(numbers) >= 15 else None

    behaviour = replace(BUILT_IN, additional_refusals=(exhausted,))
    result = looked_into(tmp_path, behaviour, products=("mpesa-wallet",), max_examples=20)

    entry = fell_short(result)["ACC-02", "mpesa-wallet"]
    assert "from-nth" == entry["depends_on"], entry["pattern"]
    assert "since then, none of " in entry["pattern"]
    assert [entry["failed"]] == [finding["count"] for finding in entry["findings"]]


def test_always_is_told_by_the_journal_alone(tmp_path: Path) -> None:
    """Nothing is sent for it."""

    def as_text(reply: Reply, _: Moment) -> Reply:
        return replace(reply, content={**reply.content, "status_code": str(reply.status)})

    result = looked_into(tmp_path, replace(BUILT_IN, reply=(as_text,)), **SMS)
    entry = fell_short(result)["RSP-03", "sms"]

    total = entry["observations"]
    assert ("always", f"always: {total} of {total}") == (entry["depends_on"], entry["pattern"])
    assert [total] == [finding["count"] for finding in entry["findings"]]
    assert 0 == result.document["shrinking"]["requests"]


def test_now_and_then_is_told_with_its_numbers(tmp_path: Path) -> None:
    """No rule fits: neither a payload nor a distance."""
    fails = {3, 4, 9, 17, 29, 30, 44, 50, 63, 64, 71, 78, 90, 91, 99, 104, 117, 123, 131, 132, 140}
    numbers = count(1)

    def chance(moment: Moment) -> str | None:
        return UNEXCUSED if moment.command == "mpesa-wallet" and next(numbers) in fails else None

    behaviour = replace(BUILT_IN, additional_refusals=(chance,))
    result = looked_into(tmp_path, behaviour, products=("mpesa-wallet",), max_examples=30)
    entry = fell_short(result)["ACC-02", "mpesa-wallet"]

    assert "now-and-then" == entry["depends_on"], entry["pattern"]
    assert f"; {entry['failed']} of {entry['observations']} in the run" in entry["pattern"]
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
    behaviour, reached = counted(PAYLOADS[0][2])
    result = looked_into(tmp_path, behaviour, shrink_requests=budget, **SMS)
    proper = len(run_proper(result.record).exchanges)

    assert 1 + proper + budget == len(reached)
    assert {"budget": budget, "requests": budget}.items() <= result.document["shrinking"].items()
    assert proper == result.document["counts"]["exchanges"]


def test_what_the_budget_left_unfinished_is_told(tmp_path: Path) -> None:
    """The simplest so far, and that there may be a simpler one."""
    entry = fell_short(looked_into(tmp_path, refusing(PAYLOADS[1][2]), shrink_requests=12, **SMS))["ACC-04", "sms"]

    assert not entry["findings"][0]["minimal"]["finished"]
    assert entry["pattern"].endswith("; the budget was used up before the simplest was found")


def test_the_time_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No round begins once the seconds are used up."""
    monkeypatch.setattr(shrinking, "BUDGET_S", 0.0)

    assert 0 == looked_into(tmp_path, refusing(PAYLOADS[0][2]), **SMS).document["shrinking"]["requests"]


def test_a_run_that_fell_short_of_nothing_sends_nothing_more(tmp_path: Path) -> None:
    """There is nothing to look into."""
    record = looked_into(tmp_path, BUILT_IN, **SMS).record

    assert record == run_proper(record)


def test_verdicts_and_counts_are_those_of_the_run(tmp_path: Path) -> None:
    """The same, whether failures were looked into or not."""

    def told(budget: int) -> list[tuple[Any, ...]]:
        result = looked_into(tmp_path / str(budget), refusing(PAYLOADS[0][2]), shrink_requests=budget, **SMS)
        return [
            (e["id"], e["command"], e["verdict"], e["observations"], e["failed"])
            for e in result.document["requirements"]
        ]

    assert told(0) == told(60)


def test_the_same_journal_gives_the_same_report(tmp_path: Path) -> None:
    """Offline, and as often as one likes."""
    journal = held(tmp_path, refusing(PAYLOADS[0][2]), **SMS)

    first, second = (Result.of(read_journal(journal)).document for _ in range(2))

    assert first == second
    assert [] == violations("report", first)


def test_follow_ups_are_known_by_their_ids(tmp_path: Path) -> None:
    """They name command and requirement, and are numbered."""
    record = looked_into(tmp_path, refusing(PAYLOADS[0][2]), **SMS).record
    ids = [case.id for case in record.cases if is_follow_up(case.id)]

    assert {"sms/shrink/ACC-03/1", "sms/shrink/ACC-04/1"} <= set(ids)
    assert len(ids) == len(set(ids))
    assert {case.kind for case in record.cases if is_follow_up(case.id)} == {Kind.VALID}


def test_the_simplest_case_is_what_a_corpus_keeps_and_a_replay_shows(tmp_path: Path) -> None:
    """It is in the journal like any other case, and judged like one when it is sent again."""
    result = looked_into(tmp_path, refusing(PAYLOADS[0][2]), **SMS)
    minimal = fell_short(result)["ACC-03", "sms"]["findings"][0]["minimal"]["case"]

    (kept,) = kept_files(result.record, result.judged)
    alone = judged_alone(result.record, minimal)

    assert "👋" == json.loads(kept.step.body)["message"]
    assert "unicode" == kept.step.aspect
    assert {("ACC-03", 1)} == {(v.requirement.id, v.failed) for v in alone if v.verdict is Verdict.FAIL}


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
