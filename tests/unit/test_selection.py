"""Under a cap the cases that exercise most are sent, each with what it needs, and always the same ones."""

from __future__ import annotations

from functools import cache
from itertools import chain
from pathlib import Path

import hypothesis
import pytest
from campaigns import settings
from hypothesis import given
from hypothesis import strategies as st
from other_contracts import parcel

from conformance.contract.contract import statum
from conformance.gateway.plan import Plan
from conformance.gateway.selection import areas_of, has_to_be_refused, selected
from conformance.gateway.settings import RunLimits
from conformance.model.traffic import Case, Kind
from conformance.wire.allowance import amount_of

PRODUCTS = statum().products

URL = "http://127.0.0.1:1/api/v2"
GIVEN = ("254712345678",)


# Of both kinds: with a window and without. Each example is a choice among some four hundred cases.
TWO = ("sms", "airtime")


@cache
def whole(products: tuple[str, ...]) -> Plan:
    """A plan that was told how much may be spent, so that it asks for next to nothing, and is not short of anything."""
    told = settings(
        Path("reports"),
        products=products,
        phone_numbers=GIVEN,
        limits=RunLimits(max_spend=10**40),
        exclusive_account=True,
    )
    return Plan.of(told, URL)


@cache
def capped(accepted: int | None, spend: int | None = None, products: tuple[str, ...] = PRODUCTS) -> Plan:
    """What is left of it under a cap."""
    plan = whole(products)
    chosen = selected(statum(), plan.alone, (*plan.groups, *plan.last), RunLimits(accepted, spend))
    return Plan(statum(), chosen.groups, {}, chosen.alone, chosen.last, chosen.left_out)


def paid(cases: tuple[Case, ...]) -> list[Case]:
    """Those that a gateway that keeps the contract accepts."""
    return [case for case in cases if not has_to_be_refused(case)]


@hypothesis.settings(max_examples=10)
@given(accepted=st.integers(1, 80), spend=st.none() | st.integers(0, 2000))
def test_a_plan_keeps_within_its_limits_and_sends_what_each_case_needs_before_it(
    accepted: int, spend: int | None
) -> None:
    """If all goes as planned; what has to be refused has room while it is sent, so that all can be sent."""
    plan, everything = capped(accepted, spend, TWO), whole(TWO)
    first = tuple(chain.from_iterable((*plan.alone, *plan.groups)))

    assert len(paid(plan.cases)) <= accepted
    if any(map(has_to_be_refused, first)):
        assert len(paid(first)) < accepted
    assert not any(map(has_to_be_refused, chain.from_iterable(plan.last)))
    if spend is not None:
        assert sum(amount_of(case.request, statum()) for case in paid(plan.cases)) <= spend
    _sends_what_each_case_needs(plan, everything)


def _sends_what_each_case_needs(plan: Plan, everything: Plan) -> None:
    """Its twin, and what it repeats; nothing is sent twice, nothing invented, and nothing cut out of the middle."""
    ids = [case.id for case in plan.cases]
    known = {case.id: case for case in everything.cases}
    before = {group[0].id: [case.id for case in group] for group in (*everything.groups, *everything.last)}

    assert len(ids) == len(set(ids))
    for group in (*plan.alone, *plan.groups, *plan.last):
        sent = [case.id for case in group]
        for case in group:
            assert known[case.id].request is case.request
            assert case.twin is None or case.twin in ids
            if case.earlier is not None:
                assert case.earlier in sent[: sent.index(case.id)] or case.kind is Kind.BURST
        if any(case.earlier for case in group) and group not in plan.alone:
            assert before[known[group[0].id].group][: len(sent)] == sent
    bursts = [case for case in everything.cases if case.kind is Kind.BURST]
    for burst in bursts:
        together = {case.id for case in bursts if case.group == burst.group}
        assert together <= set(ids) or not together & set(ids)


def test_the_choice_is_always_the_same() -> None:
    """Nothing in it is drawn."""
    plan = whole(PRODUCTS)
    again = selected(statum(), plan.alone, (*plan.groups, *plan.last), RunLimits(25, 500))

    assert (capped(25, 500).groups, capped(25, 500).last) == (again.groups, again.last)


def test_the_twin_of_all_refusals_of_a_command_is_one_request() -> None:
    """So that the accepted requests are left for what has to be accepted; it goes before what needs it."""
    plan = capped(25)
    twins = {case.twin for case in plan.cases if case.twin is not None and case.earlier is None}
    firsts = [group[0].id for group in plan.groups[: len(twins)]]

    assert len(statum().commands) == len(twins)
    assert twins == set(firsts)


@pytest.mark.parametrize("accepted", [6, 12, 25, 60])
def test_cases_that_exercise_most_are_chosen(accepted: int) -> None:
    """No area that is left out could have been exercised in place of a case that exercises nothing by itself."""
    plan, everything = capped(accepted), whole(PRODUCTS)
    areas = {case.id: set(areas_of(statum(), case)) for case in everything.cases}
    exercised = set().union(*(areas[case.id] for case in plan.cases))
    groups = (*everything.groups, *everything.last)
    singles = [group[0] for group in groups if len(group) == 1 and not has_to_be_refused(group[0])]
    idle = [
        c
        for c in plan.last
        if not any(areas[c[0].id] - set().union(*(areas[o.id] for o in plan.cases if o is not c[0])))
    ]
    missed = [case for case in singles if areas[case.id] - exercised]

    assert not (idle and missed), (idle[0][0].id, missed[0].id)


def test_more_room_exercises_no_less() -> None:
    """From one accepted request to all."""

    def exercised(plan: Plan) -> int:
        return len({area for case in plan.cases for area in areas_of(statum(), case)})

    counts = [exercised(capped(n)) for n in (1, 2, 6, 12, 25, 60, 400)]

    assert sorted(counts) == counts
    assert counts[-1] == exercised(whole(PRODUCTS))


def test_without_a_cap_everything_is_sent_as_it_was_planned() -> None:
    """Also where the cap is above what is to be accepted."""
    plan = whole(("sms",))
    groups = (*plan.groups, *plan.last)
    chosen = selected(statum(), plan.alone, groups, RunLimits(max_accepted=10_000))

    assert (groups, plan.alone, (), {}) == (chosen.groups, chosen.alone, chosen.last, chosen.left_out)


def test_left_out_cases_are_counted_by_option() -> None:
    """Nothing vanishes without being told."""
    plan = capped(25, 500)

    assert len(whole(PRODUCTS).cases) == len(plan.cases) + sum(plan.beyond_limits.values())
    assert {"--max-accepted", "--max-spend"} == set(plan.beyond_limits)
    assert "--max-spend" not in capped(25).beyond_limits


def test_where_money_is_limited_requests_ask_for_next_to_nothing() -> None:
    """But for those whose amount is what they show."""
    ordinary = [case for case in whole(PRODUCTS).cases if case.kind in (Kind.HEADERS, Kind.CREDENTIAL, Kind.METHOD)]

    assert max(amount_of(case.request, statum()) for case in ordinary) < 500


@pytest.mark.parametrize("limits", [RunLimits(12), RunLimits(40, 300), RunLimits(max_spend=90)], ids=str)
def test_another_contract_can_be_limited_too(limits: RunLimits) -> None:
    """What a case exercises is read off the catalogue, whose ids are the contract's own."""
    account = {"consumer_key": "key", "consumer_secret": "secret-of-parcels"}
    plan = Plan.of(settings(Path("reports"), contract=parcel(), max_examples=2, limits=limits, **account), URL)
    named = {area for case in plan.cases for area, _ in areas_of(parcel(), case) if area in parcel().catalogue.by_id}

    assert limits.max_accepted is None or len(paid(plan.cases)) <= limits.max_accepted
    assert plan.beyond_limits
    assert {"window", "equal"} & {case.aspect for case in plan.cases if case.kind is Kind.REPEAT}
    assert len(named) > 5
