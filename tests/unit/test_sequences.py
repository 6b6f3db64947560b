"""The planner of sequences: the same for the same seed, forecasts that hold, and what each run is sure to exercise."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from campaigns import settings

from conformance.contract.command import History, Outcome, Rule
from conformance.contract.contract import statum
from conformance.gateway.command_plan import CommandPlan, Group, repeats
from conformance.gateway.plan import Plan
from conformance.gateway.rules.answers import EQUAL
from conformance.gateway.selection import has_to_be_refused
from conformance.gateway.sequences import UNAFFORDABLE, across, asked, balance
from conformance.gateway.sequences import sequences as sequences_of
from conformance.gateway.settings import RunLimits
from conformance.judging.evidence import BALANCE
from conformance.mock.account import Account
from conformance.mock.behaviour import BUILT_IN
from conformance.mock.gateway import Gateway
from conformance.model.traffic import Case, Kind
from conformance.model.untrusted import parse_json

COMMANDS = statum().commands
PRODUCTS = statum().products
SCHEMAS = statum().schemas

BASE = "http://gateway.example/api/v2"
GIVEN = ("254712000001", "254112000002")
SEQUENCES = (Kind.REPEAT, Kind.BURST)
POSTS = ("sms", "airtime", "mpesa/online", "mpesa-wallet")
# Accepted requests that sequences and bursts add to a run of all products: each may cost money.
MOST_ACCEPTED = 40


@cache
def planned(**changes: Any) -> Plan:
    """The plan of a run."""
    return Plan.of(settings(Path("reports"), **changes), BASE)


def sequences(plan: Plan) -> list[Group]:
    """The groups whose history matters."""
    return [g for g in (*plan.alone, *plan.groups) if any(c.kind in SEQUENCES or c.aspect == BALANCE for c in g)]


def gateway(**account: Any) -> Gateway:
    """The built-in mock gateway with the account of a run's settings."""
    given = settings(Path("reports"))
    registered = replace(
        Account.sample({product: f"http://callback.example/{product}" for product in PRODUCTS}),
        consumer_key=given.consumer_key,
        consumer_secret=given.consumer_secret,
        **account,
    )
    return Gateway(registered, BUILT_IN)


def members_of(case: Case) -> dict[str, Any]:
    """The members of a case's body."""
    members = parse_json(case.request.body)
    assert isinstance(members, dict)
    return members


def drawn(seed: int, numbers: tuple[str, ...]) -> list[Group]:
    """The sequences of a run with that seed, without the rest of its plan, which takes longer."""
    told = settings(Path("reports"), seed=seed, phone_numbers=numbers)
    plans = [CommandPlan(COMMANDS[name], told, BASE, {}) for name in told.commands]
    each = [group for plan in plans for area in (repeats, sequences_of) for group in area(plan)]
    return [*each, *across(plans), *balance(plans)]


# Not @given: payloads are drawn by Hypothesis, and one within the other takes ten times as long.
SEEDS = (0, 20261122)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("numbers", [(), GIVEN, GIVEN[:1]])
def test_every_forecast_is_what_the_gateway_does(seed: int, numbers: tuple[str, ...]) -> None:
    """Step by step: outcome, label, ids; and the balance stands still while nothing is accepted."""
    one, history = gateway(), History(statum().commands)
    for case in (case for group in drawn(seed, numbers) for case in group):
        balance_before = one.balance
        answer = one.answer(replace(case.request, url=case.request.url.removeprefix("http://gateway.example")), 0.0)
        accepted = answer.reply.status == 200
        forecast = history.forecast(asked(case), 0.0)

        if case.kind is Kind.OPEN:
            assert 402 == answer.reply.status or numbers
        elif COMMANDS[case.command or ""].product and forecast.outcome is not Outcome.OPEN:
            assert accepted == (forecast.outcome is Outcome.ACCEPTED), (case.id, forecast)
        if case.kind is Kind.REPEAT:
            assert _outcome_of(Rule(case.aspect)) == _outcome_of(forecast.rule), (case.id, forecast)
        assert history.answered(asked(case), 0.0, accepted=accepted, request_id=answer.reply.content["request_id"]), (
            case.id
        )
        assert accepted or balance_before == one.balance, case.id


def _outcome_of(rule: Rule) -> Outcome:
    """What follows from a rule; in the whole of a run another one may come first than in its own group."""
    return Outcome.REFUSED if rule is Rule.WINDOW else Outcome.ACCEPTED


@pytest.mark.parametrize("seed", range(3))
def test_every_run_exercises_each_sequence(seed: int) -> None:
    """The named ones, whatever the walks come to; a gateway has to accept few of them, and may charge for those."""
    groups = sequences(planned(seed=seed))
    shown = Counter((case.command, case.aspect) for group in groups for case in group if case.kind in SEQUENCES)
    at_least = {
        **dict.fromkeys((("airtime", "other-phone"),), 2),
        **dict.fromkeys((("airtime", "window"), ("sms", "equal")), 3),
        **dict.fromkeys((("airtime", "other-amount"), ("airtime", "after-rejection")), 1),
        **{(command, "other-product"): 1 for command in ("airtime", "mpesa/online", "mpesa-wallet")},
    }
    bursts = {(command, "same-product"): 2 for command in POSTS} | {(command, "all-products"): 1 for command in POSTS}
    added = [case for group in groups if len(group) > 2 or group[0].kind is Kind.BURST for case in group]
    paid = [c for c in added if c.kind in (Kind.VALID, *SEQUENCES) and c.command != "account-details"]

    assert [] == [each for each, count in at_least.items() if shown[each] < count]
    assert bursts == {each: shown[each] for each in bursts}
    assert len([case for case in paid if not has_to_be_refused(case)]) <= MOST_ACCEPTED
    assert max(map(len, groups)) <= 9, "a limit can drop any of them whole"


def test_one_shilling_apart_is_one_shilling() -> None:
    """And to the same phone number."""
    (group,) = (g for g in sequences(planned()) if any(c.aspect == "after-rejection" for c in g) and len(g) == 7)
    first, apart, *others = group

    assert members_of(first)["phone_number"] == members_of(apart)["phone_number"]
    assert 1 == abs(int(members_of(first)["amount"]) - int(members_of(apart)["amount"]))
    hidden, shown = (members_of(case)["phone_number"] for case in others[:2])
    number = members_of(first)["phone_number"]
    assert (number[:4], number[-3:]) == (hidden[:4], hidden[-3:])
    assert number[:-1] == shown[:-1]


def test_a_burst_is_a_group_of_its_own_to_one_phone_number() -> None:
    """Within a window to any number, for there a burst shall not be a repeat in part."""
    bursts = [g for g in planned().groups if g[0].kind is Kind.BURST and g[0].aspect != EQUAL]

    assert 5 == len(bursts)
    for group in bursts:
        assert {Kind.BURST} == {case.kind for case in group}
        assert [None, *[group[0].id] * (len(group) - 1)] == [case.earlier for case in group]
        numbers = {members_of(case)["phone_number"] for case in group}
        commands = {case.command for case in group}
        assert len(numbers) == (2 if commands == {"airtime"} else 1)
        assert len(group) == len({case.request.body for case in group})


@pytest.mark.parametrize(
    ("changes", "bursts", "at_once"),
    [({}, 2, 4), ({"limits": RunLimits(max_spend=100_000)}, 1, 2), ({"limits": RunLimits(max_accepted=1_000)}, 1, 2)],
)
def test_equal_requests_of_which_one_is_accepted_go_out_at_once(
    changes: dict[str, Any], bursts: int, at_once: int
) -> None:
    """And once more after them, to be refused in any case; only the first of them is counted as paid for."""
    plan = planned(**changes)
    groups = [g for g in (*plan.groups, *plan.last) if g[0].kind is Kind.BURST and g[0].aspect == EQUAL]

    assert bursts == len(groups)
    for group in groups:
        assert [*["burst"] * at_once, "repeat"] == [case.kind for case in group]
        assert {group[0].request.body} == {case.request.body for case in group}
        assert [None, *[group[0].id] * at_once] == [case.earlier for case in group]
        assert [False, *[True] * at_once] == [has_to_be_refused(case) for case in group]
        assert "airtime" == group[0].command


@pytest.mark.parametrize(
    ("changes", "looks", "unaffordable"),
    [
        ({}, 3, 1),
        ({"gateway": "http://127.0.0.1:1/api/v2"}, 0, 0),
        ({"gateway": "http://127.0.0.1:1/api/v2", "exclusive_account": True}, 3, 1),
        ({"exclusive_account": True, "phone_numbers": GIVEN}, 2, 0),
        ({"products": ("sms",)}, 2, 0),
    ],
)
def test_the_balance_is_read_only_where_it_is_conclusive(
    changes: dict[str, Any], looks: int, unaffordable: int
) -> None:
    """On an account of the run's own; and no real phone number is offered more than anybody has."""
    plan = planned(**changes)
    alone = [case for group in plan.alone for case in group]

    assert looks == sum(case.aspect == BALANCE for case in alone)
    assert unaffordable == sum(UNAFFORDABLE.encode() in case.request.body for case in alone)
    assert not any(UNAFFORDABLE.encode() in case.request.body for group in plan.groups for case in group)


def test_nothing_between_two_looks_has_to_be_accepted() -> None:
    """Else the balance might change lawfully."""
    (group,) = planned().alone

    assert {Kind.VALID, Kind.MALFORMED, Kind.OPEN} == {case.kind for case in group}
    assert {"account-details"} == {case.command for case in group if case.kind is Kind.VALID}
    for case in group:
        if case.kind is Kind.OPEN:
            folder = COMMANDS[case.command or ""].folder
            assert [] != SCHEMAS.violations(f"{folder}/request", members_of(case))
            assert [] == SCHEMAS.violations(f"{folder}/request.tolerated", members_of(case))


def test_one_product_has_no_sequences_with_others() -> None:
    """Its own are the same as ever."""
    for product in PRODUCTS:
        aspects = {case.aspect for group in planned(products=(product,)).groups for case in group}
        assert aspects.isdisjoint({"all-products", "other-product"}), product
