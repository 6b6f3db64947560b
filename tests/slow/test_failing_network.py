"""Runs through a network that fails: what it loses is held against nobody, and what a gateway does is found out."""

from __future__ import annotations

from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from campaigns import settings, shortfalls
from failing_network import FAIR, PHONE_NUMBERS, UNLIMITED, Cut, FailingNetwork, Weather, held_through, told
from seeded import fault

from conformance.contract.contract import statum
from conformance.gateway import campaign, listening, preflight
from conformance.gateway.plan import Plan
from conformance.gateway.recovery import Replacements, lost_of, windows_of
from conformance.gateway.settings import Settings
from conformance.journal import read_journal
from conformance.judging.excuses import BY_CHANCE, chance_of_as_many
from conformance.judging.judgement import Reason
from conformance.judging.verdicts import Conclusion, Verdict
from conformance.mock.behaviour import BUILT_IN
from conformance.model.errors import UsageError
from conformance.model.traffic import Case, Kind
from conformance.reports.result import judge
from conformance.wire import pacing

SMS = {"products": ("sms",)}
# Everything at once, and often.
STORM = Weather(
    dropped=0.04, unanswered=0.04, cut=0.04, cut_request=0.04, bad_gateway=0.04, reset=0.5, delayed=0.2, delay_s=0.05
)
HERE = "http://127.0.0.1:9/api/v2"


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was lost on loopback is not waited for at length."""
    monkeypatch.setattr(preflight, "CANARY_TIMEOUT_S", 0.5)
    monkeypatch.setattr(pacing, "FIRST_PAUSE_S", 0.01)
    monkeypatch.setattr(listening, "NETWORK_HOLDS_S", 1.0)


@pytest.fixture
def without_heartbeat(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two canaries in a row that are lost by chance would be an outage, for which tests/slow/test_outages.py is."""
    monkeypatch.setattr(preflight, "SOONEST_HEARTBEAT_S", 60.0)
    monkeypatch.setattr(preflight, "HEARTBEAT_S", 60.0)


# --- Whole runs


@pytest.mark.parametrize("name", ["lawful", "accepts-a-wrong-secret"])
def test_losses_of_a_network_do_not_change_the_verdicts(name: str, tmp_path: Path) -> None:
    """In a storm the same verdicts as in fair weather, whatever gateway stands behind it; `make chaos` has many."""
    behaviour = BUILT_IN if name == "lawful" else fault(name).change(BUILT_IN)
    fair = judge(read_journal(held_through(tmp_path / "fair", behaviour=behaviour, **SMS).journal))
    held = held_through(tmp_path / "storm", STORM, Weather(repeated=0.2), behaviour, **SMS)
    judgement = judge(read_journal(held.journal))

    assert sum(held.there.values()) - held.there["well"] - held.there["delayed"] > 10
    assert held.back["repeated"] > 3
    assert told(fair) == told(judgement), shortfalls(judgement)
    assert fair.conclusion == judgement.conclusion


def test_no_request_that_may_have_arrived_is_sent_again(tmp_path: Path) -> None:
    """What stands in for it has a payload of its own; sent again are looks at the account, and nothing else."""
    record = read_journal(held_through(tmp_path, Weather(unanswered=0.2), products=("airtime",)).journal)
    lost = {exchange.case_id: exchange for exchange in record.exchanges if exchange.response is None}
    rounds = [note.detail["stands_for"] for note in record.notes if note.kind == "planned-anew"]
    cases = {case.id: case for case in record.cases}

    assert len(lost) > 10
    assert {cases[e.case_id].command for e in record.exchanges if e.attempt > 1} <= {"account-details"}
    assert set(chain.from_iterable(rounds)) <= set(cases)
    assert {old for stands_for in rounds for old in stands_for.values()} <= set(cases)
    asked_for_money = [case.request.body for case in cases.values() if _pays(case)]
    at_first = [case for case in cases.values() if _pays(case) and not case.id.startswith("anew-")]
    assert len(asked_for_money) == len(set(asked_for_money)) > len(at_first) > 10
    assert len(windows_of(statum(), filter(_pays, cases.values()))) == len(asked_for_money)


def _pays(case: Case) -> bool:
    """Those of one burst are equal on purpose: one of them is to be accepted."""
    paying = case.command == "airtime" and case.kind in (Kind.VALID, Kind.HEADERS, Kind.BURST)
    return paying and case.aspect != "equal"


@pytest.mark.usefixtures("without_heartbeat")
def test_notifications_lost_on_the_way_back_fail_nobody(tmp_path: Path) -> None:
    """Nobody sends them again: that they are missing is told, with what else got lost, and all else is judged."""
    # The gateway tries each notification three times: of two in ten that are dropped, all may come in the end.
    held = held_through(tmp_path, back=Weather(dropped=0.5, reset=0.5), notify_within_s=1.0, **SMS)
    judgement = judge(read_journal(held.journal))
    missing = next(v for v in judgement.verdicts if (v.requirement.id, v.command) == ("NTF-01", "sms"))

    assert [] == judgement.by(Verdict.FAIL), shortfalls(judgement)
    assert (Verdict.INCONCLUSIVE, Reason.ENVIRONMENT) == (missing.verdict, missing.reason)
    assert "canaries on the same way" in (missing.detail or "")
    assert Conclusion.INCONCLUSIVE == judgement.conclusion


@pytest.mark.usefixtures("without_heartbeat")
def test_a_gateway_without_notifications_fails_over_a_lossy_network(tmp_path: Path) -> None:
    """That so many are missing is no chance: canaries come through."""
    behaviour = fault("no-notifications").change(BUILT_IN)
    held = held_through(tmp_path, back=Weather(dropped=0.1), behaviour=behaviour, notify_within_s=0.5, **SMS)
    judgement = judge(read_journal(held.journal))

    assert [("NTF-01", "sms")] == [(v.requirement.id, v.command) for v in judgement.by(Verdict.FAIL)]


def test_a_network_that_goes_down_ends_the_run_early(tmp_path: Path) -> None:
    """It is no use to go on, and nobody is to blame; nor is anything planned anew."""

    def held(given: Settings, there: FailingNetwork, _: FailingNetwork) -> Path:
        return campaign.run(given, Cut(there, 20, 1_000_000))

    record = read_journal(held_through(tmp_path, hold=held, **SMS).journal)
    judgement = judge(record)

    (obstacle,) = (note.detail["message"] for note in record.notes if note.kind == "obstacle")
    assert "the gateway answers no more: 32 requests in a row are without an answer" in obstacle
    assert len(record.exchanges) < len(record.cases)
    assert [] == judgement.by(Verdict.FAIL), shortfalls(judgement)
    assert Conclusion.INCONCLUSIVE == judgement.conclusion
    assert [] == [note for note in record.notes if note.kind == "planned-anew"]


# --- Settings


def test_a_tunnel_that_begins_here_is_no_gateway_on_this_machine(tmp_path: Path) -> None:
    """With --over-network what is at its end is taken for a real one: numbers have to be named, and limits hold."""
    with pytest.raises(UsageError, match="--phone-number is missing"):
        settings(tmp_path, gateway=HERE, over_network=True)
    given = settings(tmp_path, gateway=HERE, over_network=True, phone_numbers=PHONE_NUMBERS[:1], products=("sms",))
    assert 25 == given.bounds.max_accepted
    assert (True, True) == (given.network_there, given.network_back)


NETWORKS: tuple[tuple[dict[str, object], tuple[bool, bool]], ...] = (
    ({}, (False, False)),
    ({"callback_url": "https://hooks.example"}, (False, True)),
    ({"gateway": "https://sandbox.example/api/v2"}, (True, True)),
    ({"gateway": "https://sandbox.example/api/v2", "over_network": False}, (False, False)),
    ({"over_network": True}, (True, True)),
)


def test_whether_a_network_lies_between_follows_from_the_urls(tmp_path: Path) -> None:
    """There and back, unless it is said."""
    common = {"gateway": HERE, "phone_numbers": PHONE_NUMBERS, "limits": UNLIMITED}
    found = [(changes, settings(tmp_path, **{**common, **changes})) for changes, _ in NETWORKS]

    assert list(NETWORKS) == [(changes, (given.network_there, given.network_back)) for changes, given in found]


def test_the_built_in_gateway_is_over_no_network(tmp_path: Path) -> None:
    """So nobody can say that it is."""
    with pytest.raises(UsageError, match="without --gateway"):
        settings(tmp_path, over_network=True)


# --- What is planned anew


def plans(tmp_path: Path, **given: Any) -> tuple[Plan, Plan]:
    """A plan, and one with another seed around it."""
    first = Plan.of(settings(tmp_path, seed=1, gateway=HERE, **given), HERE)
    if numbers := given.pop("phone_numbers", None):
        given["phone_numbers"] = numbers[10:] + numbers[:10]
    return first, Plan.of(settings(tmp_path, seed=2, gateway=HERE, **given), HERE, windows_of(statum(), first.cases))


@pytest.mark.parametrize(
    ("given", "left"), [({}, 2), ({"phone_numbers": PHONE_NUMBERS}, 0), ({"phone_numbers": PHONE_NUMBERS[:1]}, 20)]
)
def test_each_case_can_be_replaced(given: dict[str, Any], left: int, tmp_path: Path) -> None:
    """But for what would be the same once more: samples, and airtime to the only number that may be called.

    One case of each command, kind and aspect is lost in turn.
    """
    first, second = plans(tmp_path, **given)
    groups = (*first.alone, *first.groups, *first.last)
    ids = {case.id for case in first.cases}
    without: dict[str, str | None] = {}
    for case in {(case.command, case.kind, case.aspect): case for case in first.cases}.values():
        lost = lost_of(groups, {case.id})
        anew = Replacements(lost, second, "anew-1", first.cases, ids - {one.id for one in lost})
        without |= {one.id: one.command for one in lost if one.id not in anew.stands_for.values()}
        assert set(anew.stands_for) <= {one.id for one in anew.cases}
        assert not ids & {one.id for one in anew.cases}
        known = ids | {one.id for one in anew.cases}
        assert {one.twin for one in anew.cases} | {one.earlier for one in anew.cases} <= known | {None}

    assert len(without) <= left, without


def test_cases_that_depend_on_a_lost_one_are_replaced_with_it(tmp_path: Path) -> None:
    """A repeat shows nothing without what it repeats."""
    first, second = plans(tmp_path)
    repeat = next(case for case in first.cases if case.kind is Kind.REPEAT and case.command == "airtime")
    lost = lost_of((*first.groups, *first.last), {repeat.earlier or ""})
    anew = Replacements(lost, second, "anew-1", first.cases, ())

    assert repeat in lost
    (again,) = (case for case in anew.cases if anew.stands_for.get(case.id) == repeat.id)
    (earlier,) = (case for case in anew.cases if case.id == again.earlier)
    assert earlier.request.body not in {case.request.body for case in first.cases}


# --- Chance


# How many of how many notifications are missing, how many of how many canaries got lost, and whether it may be chance.
CHANCES = (
    (8, 8, 0, 200, False),
    (1, 50, 0, 200, True),
    (8, 50, 0, 200, True),
    (12, 50, 0, 200, False),
    (5, 50, 20, 200, True),
    (50, 50, 20, 200, False),
    (5, 5, 200, 200, True),
    (3, 10, 0, 0, True),
)


def test_missing_notifications_may_be_chance_if_as_many_canaries_got_lost() -> None:
    """Where no canary was sent, they always may be."""
    assert CHANCES == tuple(
        (*row[:4], chance_of_as_many(row[0], row[1], row[0] + row[2], row[1] + row[3]) > BY_CHANCE) for row in CHANCES
    )


def test_fair_weather_is_the_same_as_no_network(tmp_path: Path) -> None:
    """Nothing is planned anew, no canary is sent but those before the run."""
    record = read_journal(held_through(tmp_path, FAIR, FAIR, **SMS).journal)
    assert {"planned-anew", "way-back", "obstacle"}.isdisjoint(note.kind for note in record.notes)
    assert Conclusion.CONFORMANT == judge(record).conclusion
