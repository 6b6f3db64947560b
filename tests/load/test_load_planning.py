"""More cases than an ordinary plan has: fresh, valid, within the limits, the same for the same seed."""

from __future__ import annotations

import tracemalloc
from collections import Counter, deque
from dataclasses import replace
from itertools import chain, islice

import pytest
from load_rig import ordinary_plan, settings_for

from conformance.contract.contract import statum
from conformance.gateway.command_plan import NEGATIVE
from conformance.gateway.request_templates import RequestTemplate, mislabelled
from conformance.gateway.selection import has_to_be_refused
from conformance.gateway.settings import RunLimits, Settings
from conformance.load.planning import further_groups
from conformance.model.traffic import Case, Kind
from conformance.model.untrusted import json_object
from conformance.wire.allowance import amount_of

URL = "http://127.0.0.1:9/api/v2"


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Those of a small run."""
    return settings_for(URL, tmp_path_factory.mktemp("planning"))


def further(settings: Settings, accepted: int) -> list[Case]:
    """The cases behind the ordinary plan."""
    groups = chain.from_iterable(further_groups(settings, ordinary_plan(settings), accepted))
    return [case for group in groups for case in group]


def accepted_of(cases: list[Case]) -> int:
    """How many of them a conformant gateway accepts."""
    return sum(not has_to_be_refused(case) for case in cases)


def test_as_many_are_to_be_accepted_as_are_wanted(settings: Settings) -> None:
    """With the ordinary plan together; between them are refused ones of every kind, each beside a twin of its own."""
    plan = list(ordinary_plan(settings).cases)
    cases = further(settings, 3_000)

    assert 3_000 == accepted_of(plan) + accepted_of(cases)
    assert {*NEGATIVE} - {Kind.UNKNOWN_COMMAND} == {case.kind for case in cases if case.kind in NEGATIVE}
    ids = {case.id: case for case in cases}
    assert all(ids[case.twin or ""].group == case.group for case in cases if case.kind in NEGATIVE)
    assert set(settings.commands) == {case.command for case in cases}


def test_every_id_and_every_similar_request_comes_once(settings: Settings) -> None:
    """Over the ordinary plan and all that is behind it, except for what has to be refused."""
    cases = [*ordinary_plan(settings).cases, *further(settings, 4_000)]
    contract = statum()

    assert 1 == max(Counter(case.id for case in cases).values())
    keys = Counter(
        (case.command, window.key(json_object(case.request.body) or {}))
        for case in cases
        if case.kind is Kind.VALID and (window := contract.commands[case.command or ""].window) is not None
    )
    assert 500 < len(keys)
    assert 1 == max(keys.values())


def test_every_label_is_proved(settings: Settings) -> None:
    """As a case that somebody wrote by hand: valid ones are valid, broken ones broken in one place."""
    contract = statum()
    templates = (RequestTemplate.of(contract, case, URL) for case in further(settings, 2_000))

    assert [] == [template for template in templates if mislabelled(contract, template) is not None]


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(settings: Settings) -> None:
    """Like every plan."""
    once, again = further(settings, 1_000), further(settings, 1_000)
    other = further(replace(settings, seed=8), 1_000)

    assert once == again
    numbers = [{case.request.body for case in cases if case.kind is Kind.VALID} for cases in (once, other)]
    assert numbers[0] != numbers[1]


def test_limits_hold(settings: Settings) -> None:
    """As many as may be accepted and no more money than may move."""
    limited = replace(settings, limits=RunLimits(max_accepted=400, max_spend=3_000))
    cases = [*ordinary_plan(limited).cases, *further(limited, 5_000)]
    accepted = [case for case in cases if not has_to_be_refused(case)]

    assert 300 < len(accepted) <= 400
    assert sum(amount_of(case.request, statum()) for case in accepted) <= 3_000


def test_only_given_numbers_are_called(settings: Settings) -> None:
    """And a window never sees the same request twice."""
    given = replace(settings, phone_numbers=("254712345678", "254712345679"))
    cases = [case for case in further(given, 600) if case.kind is Kind.VALID and case.request.body]

    numbers = {(json_object(case.request.body) or {}).get("phone_number") for case in cases}
    assert {"254712345678", "254712345679"} >= numbers
    airtime = [case.request.body for case in cases if case.command == "airtime"]
    assert len(airtime) == len(set(airtime))


def test_memory_does_not_grow_with_the_load(settings: Settings) -> None:
    """Ten batches take no more of it than one."""
    batches = further_groups(settings, ordinary_plan(settings), 100_000)
    next(batches)
    tracemalloc.start()
    next(batches)
    _, one = tracemalloc.get_traced_memory()
    deque(islice(batches, 4), maxlen=0)
    _, several = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert several < 2 * one
