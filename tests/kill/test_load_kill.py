"""Faults that show under load alone: a run does not meet them, and where they show they break what their row says.

The rows of behaviours.toml count in thousands. Here the same rows count in dozens, so that some hundred requests are a
load: a fault that is found so is found by `load` at the rate of its row.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from campaigns import shortfalls
from run_records import failed_requirements
from seeded import LOAD_FAULTS, LOAD_VARIANTS, ON_LOAD
from test_kill_matrix import judged

from conformance.contract.contract import statum
from conformance.contract.tables import Change
from conformance.gateway.plan import Plan
from conformance.gateway.settings import Settings
from conformance.judging.verdicts import Verdict
from conformance.mock.account import Account
from conformance.mock.behaviour import BUILT_IN, Effect
from conformance.mock.faults import changed_by
from conformance.mock.gateway import Gateway
from conformance.model.traffic import Request

ROWS = {row.name: row for row in statum().behaviours.rows if row.under_load}

# Busy means more than so many requests within ten seconds, and each so many-th message meets a fault that is rare.
BUSY = [100, 10]
RARE = 40
# Two requests to a gateway that shares its processor with their sender.
MOMENT_S = 0.05


def scaled(name: str) -> Effect:
    """The row with small numbers."""

    def smaller(values: dict[str, Any]) -> dict[str, Any]:
        small = {"busy": BUSY, "every": min(values.get("every", 1), RARE), "within_s": MOMENT_S}
        return {word: small.get(word, value) for word, value in values.items()}

    def change(each: Change) -> Change:
        which = replace(each.which, every=min(each.which.every, RARE))
        which = replace(which, busy=tuple(BUSY)) if which.busy else which
        actions = {**each.actions, **({"with": smaller(each.actions["with"])} if "with" in each.actions else {})}
        return Change(which, actions)

    return changed_by(change(each) for each in ROWS[name].changes)


@cache
def requests_of_a_run() -> tuple[Request, ...]:
    """All requests of a run with default settings, to the address of the mock gateway."""
    settings = Settings("SampleKey", "SampleSecret", seed=7)
    plan = Plan.of(settings, "http://gateway.invalid/api/v2")
    cases = [case for group in (*plan.groups, *plan.alone) for case in group]
    return tuple(replace(case.request, url=case.request.url.removeprefix("http://gateway.invalid")) for case in cases)


@pytest.mark.parametrize("name", sorted(ROWS))
def test_a_run_does_not_meet_it(name: str) -> None:
    """However fast its requests come, all answers and notifications are those of a lawful gateway."""
    account = Account(
        "SampleKey",
        "SampleSecret",
        statum().members.registered,
        callbacks=dict.fromkeys(statum().products, "http://127.0.0.1:9/callbacks"),
    )
    changed, lawful = (
        Gateway(account, behaviour, seed=1)
        for behaviour in ((LOAD_FAULTS | LOAD_VARIANTS)[name].change(BUILT_IN), BUILT_IN)
    )
    for place, request in enumerate(requests_of_a_run()):
        now = place / 10_000
        one, other = changed.answer(request, now), lawful.answer(request, now)
        assert (other.reply, other.deliveries) == (one.reply, one.deliveries)
    assert changed.accepted > 100


@pytest.mark.parametrize("name", sorted(name for name, fault in LOAD_FAULTS.items() if not ON_LOAD & {*fault.breaks}))
def test_a_fault_that_is_met_breaks_exactly_what_it_says(
    name: str, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """By the requirements that a run judges as well."""
    judgement = judged(tmp_path, scaled(name)(BUILT_IN))
    found = failed_requirements(judgement)
    record_property("load kill", {"name": name, "found": sorted(found)})
    assert {*LOAD_FAULTS[name].breaks} == found, shortfalls(judgement)


@pytest.mark.parametrize("name", sorted(LOAD_VARIANTS))
def test_a_lawful_variant_that_is_met_breaks_nothing(name: str, tmp_path: Path) -> None:
    """Refusals that ask to wait, slower answers and later notifications are lawful."""
    judgement = judged(tmp_path, scaled(name)(BUILT_IN))
    assert [] == judgement.by(Verdict.FAIL), shortfalls(judgement)
    assert set() == failed_requirements(judgement), shortfalls(judgement)
