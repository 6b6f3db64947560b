"""The suite judged by itself: each seeded fault breaks exactly what it says, each lawful variant breaks nothing.

Every run goes over real HTTP, through the same `campaign.run` and `judge` as a user's. What was found is written as a
table to `reports/kill-matrix.md` when the tests end (`tests/conftest.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
from campaigns import shortfalls
from run_records import failed_requirements
from seeded import FAULTS, ON_LOAD, VARIANTS

from conformance.contract.contract import statum
from conformance.contract.requirements import Actor
from conformance.gateway import campaign
from conformance.gateway.plan import Plan
from conformance.gateway.settings import Settings
from conformance.journal import read_journal
from conformance.judging.verdicts import Conclusion, Judged, Verdict
from conformance.mock.behaviour import BUILT_IN, Behaviour, Callback, Moment
from conformance.model.traffic import Case
from conformance.reports.result import Result

KEY, SECRET = "SampleKey", "SampleSecret"
SEED = 20261122
# Fewer than a run has by default, so that each fault is killed with less; `make bench` has it with all, over 20 seeds.
MAX_EXAMPLES = 4
# A small run in so many parts has nearly every group and every id apart from all others.
PARTS = 64
NOWHERE = "http://gateway.invalid/api/v2"
# Short, for each fault that loses a notification makes its run wait so long; still a hundred times what the mock needs.
NOTIFY_WITHIN_S = 2.0
# Where nothing touches notifications all arrive, so the run waits no longer; and a busy machine is not at fault.
UNTOUCHED_WITHIN_S = 10.0


def sooner(sent: tuple[Callback, ...], _: Moment) -> tuple[Callback, ...]:
    """What is late is so by the time that is allowed here: later, and heard all the same."""
    return tuple(replace(delivery, after_s=min(delivery.after_s, NOTIFY_WITHIN_S + 1.0)) for delivery in sent)


def judged(directory: Path, behaviour: Behaviour) -> Judged:
    """A run against the built-in mock gateway with that behaviour, judged from its journal, whole and in parts."""
    settings = Settings(
        consumer_key=KEY,
        consumer_secret=SECRET,
        notify_within_s=UNTOUCHED_WITHIN_S if behaviour.deliveries == BUILT_IN.deliveries else NOTIFY_WITHIN_S,
        seed=SEED,
        max_examples=MAX_EXAMPLES,
        shrink_requests=0,  # what is sent after the run does not change its verdicts: tests/gateway/test_shrinking.py
        report_dir=directory,
    )
    behaviour = replace(behaviour, deliveries=(*behaviour.deliveries, sooner))
    record = read_journal(campaign.run(settings, behaviour=behaviour, planned=planned))
    whole = Result.of(record)
    assert whole.document == Result.of(record, parts=PARTS).document, "in parts it is judged otherwise"
    return whole.judged


def planned(settings: Settings, base_url: str) -> Plan:
    """The plan of that run, which but for the address is the same for all: making it is a third of what a run costs."""
    plan = plan_for(settings.max_examples)
    groups, alone = (
        tuple(tuple(moved(case, base_url) for case in group) for group in part) for part in (plan.groups, plan.alone)
    )
    return replace(plan, groups=groups, alone=alone)


@cache
def plan_for(max_examples: int) -> Plan:
    """The plan against NOWHERE."""
    settings = Settings(KEY, SECRET, notify_within_s=NOTIFY_WITHIN_S, seed=SEED, max_examples=max_examples)
    return Plan.of(settings, NOWHERE)


def moved(case: Case, base_url: str) -> Case:
    """The case, sent to `base_url`."""
    url = base_url + case.request.url.removeprefix(NOWHERE)
    return replace(case, request=replace(case.request, url=url))


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_breaks_exactly_what_it_says(
    name: str, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """The requirements that fall short are those of the fault's row; the exit code follows from their levels."""
    fault = FAULTS[name]
    judgement = judged(tmp_path, fault.change(BUILT_IN))
    found = failed_requirements(judgement)
    exit_code = judgement.conclusion.exit_code
    record_property("kill", {"name": name, "kind": "fault", "found": sorted(found), "exit": exit_code})
    levels = {statum().catalogue[id_].level_for(exclusive_account=False) for id_ in fault.breaks}
    ending = Conclusion.NON_CONFORMANT if any(level.value == "MUST" for level in levels) else Conclusion.CONFORMANT
    assert set(fault.breaks) == found, shortfalls(judgement)
    assert ending == judgement.conclusion, shortfalls(judgement)


@pytest.mark.parametrize("name", ["lawful", *VARIANTS])
def test_a_lawful_variant_breaks_nothing(
    name: str, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """Whatever the contract allows is conformant, without a single failure."""
    behaviour = VARIANTS[name].change(BUILT_IN) if name in VARIANTS else BUILT_IN
    judgement = judged(tmp_path, behaviour)
    found, exit_code = sorted(failed_requirements(judgement)), judgement.conclusion.exit_code
    record_property("kill", {"name": name, "kind": "variant", "found": found, "exit": exit_code})
    assert [] == judgement.by(Verdict.FAIL), shortfalls(judgement)
    assert Conclusion.CONFORMANT == judgement.conclusion, shortfalls(judgement)


def test_every_judged_requirement_is_killed_by_a_fault_of_its_own() -> None:
    """For each requirement there is a fault that breaks it and nothing else; those on load need one of `load`."""
    alone = {fault.breaks[0] for fault in FAULTS.values() if len(fault.breaks) == 1}
    wanted = {r.id for r in statum().catalogue.requirements if r.actor is Actor.GATEWAY and r.excluded is None}
    assert set() == wanted - alone - ON_LOAD


def test_a_plan_that_was_moved_is_the_plan_for_that_address(tmp_path: Path) -> None:
    """To the byte: what the rows above send is what a user's run would."""
    settings = Settings(
        KEY, SECRET, notify_within_s=NOTIFY_WITHIN_S, seed=SEED, max_examples=MAX_EXAMPLES, report_dir=tmp_path
    )
    there = "http://127.0.0.1:8080/api/v2"
    assert Plan.of(settings, there) == planned(settings, there)
