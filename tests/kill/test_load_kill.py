"""The kill matrix of load: `load` finds exactly what each fault breaks that shows there alone, and `run` meets none.

The rows of behaviours.toml count in thousands. Here the same rows count in dozens, so that some hundred requests are a
load. Each is a whole load by Locust's processes over HTTP, as a user's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from campaigns import shortfalls
from load_in_process import ThreadedEngine
from run_records import failed_requirements
from seeded import LOAD_FAULTS, LOAD_VARIANTS, ON_LOAD
from test_kill_matrix import KEY, MAX_EXAMPLES, SECRET, SEED

from conformance.contract.contract import statum
from conformance.contract.tables import Change
from conformance.gateway.plan import Plan
from conformance.gateway.settings import Settings
from conformance.journal import read_journal
from conformance.judging.verdicts import Judged
from conformance.load.campaign import WORK, run_load
from conformance.load.engine import LoadEngine
from conformance.load.settings import LoadSettings
from conformance.mock.account import Account
from conformance.mock.behaviour import BUILT_IN, Behaviour, Effect
from conformance.mock.faults import changed_by
from conformance.mock.gateway import Gateway
from conformance.model.process import Silent
from conformance.model.traffic import Request
from conformance.reports.result import judge

ROWS = {row.name: row for row in statum().behaviours.rows if row.under_load}

# Busy means more than so many requests within ten seconds, and each so many-th message meets a fault that is rare.
BUSY = (100, 10)
RARE = 40
# Instead of a millisecond: two payments of a command among some hundred requests.
MOMENT_S = 0.05

# A pace that two cores bear with all processes of a load, as long as the least plan of a load takes.
RATE_PER_S, FOR_S = 60.0, 3.0
# The mock gateway notifies within milliseconds, a variant a second later.
NOTIFY_WITHIN_S = 3.0


def scaled(name: str) -> Effect:
    """The row with small numbers."""

    def smaller(values: dict[str, Any]) -> dict[str, Any]:
        small = {"busy": list(BUSY), "every": min(values.get("every", 1), RARE), "within_s": MOMENT_S}
        return {word: small.get(word, value) for word, value in values.items()}

    def change(each: Change) -> Change:
        which = replace(each.which, every=min(each.which.every, RARE))
        which = replace(which, busy=BUSY) if which.busy else which
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
        KEY,
        SECRET,
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


@pytest.fixture
def judged_under_load(tmp_path: Path) -> Callable[..., Judged]:
    """A load on the built-in mock gateway by Locust's processes, judged from its journal."""

    def judged(behaviour: Behaviour) -> Judged:
        settings = Settings(
            KEY, SECRET, notify_within_s=NOTIFY_WITHIN_S, seed=SEED, max_examples=MAX_EXAMPLES, report_dir=tmp_path
        )
        load = LoadSettings(RATE_PER_S, FOR_S, workers=1)
        with LoadEngine(load, settings, tmp_path / WORK, Silent()) as engine:
            judged = judge(read_journal(run_load(settings, load, engine, behaviour=behaviour)))
            assert judged.conclusion.exit_code == engine.conclude(judged.conclusion.exit_code)
        return judged

    return judged


@pytest.mark.parametrize("name", sorted(LOAD_FAULTS))
def test_load_finds_exactly_what_a_fault_breaks(
    name: str, judged_under_load: Callable[..., Judged], record_property: Callable[[str, object], None]
) -> None:
    """The requirements of its row, and no other."""
    judgement = judged_under_load(scaled(name)(BUILT_IN))
    found = failed_requirements(judgement)
    record_property("load kill", {"name": name, "found": sorted(found)})
    assert {*LOAD_FAULTS[name].breaks} == found, shortfalls(judgement)


@pytest.mark.parametrize("name", ["lawful", *sorted(LOAD_VARIANTS)])
def test_load_fails_nothing_of_a_lawful_variant(name: str, judged_under_load: Callable[..., Judged]) -> None:
    """Refusals that ask to wait, slower answers and later notifications are lawful."""
    judgement = judged_under_load(scaled(name)(BUILT_IN) if name in ROWS else BUILT_IN)
    assert set() == failed_requirements(judgement), shortfalls(judgement)


@dataclass(frozen=True, slots=True)
class LoadWithObjectives(LoadSettings):
    """Load that is judged by figures as `--slo` has them."""

    objectives: Mapping[str, float] | None = None

    def recorded(self) -> dict[str, Any]:
        """See `LoadSettings`."""
        return {**LoadSettings.recorded(self), "slo": self.objectives}


@pytest.mark.parametrize(
    ("name", "objectives", "broken"),
    [
        ("slower-when-busy", {"answer-p50": 0.3}, {"LOD-03"}),
        ("notifies-later-when-busy", {"notification-p50": 0.6}, {"LOD-04"}),
        ("crashes-when-busy", {"errors": 0.01}, {"LOD-01", "LOD-05"}),
    ],
)
def test_figures_are_judged_where_a_user_gives_them(
    name: str, objectives: Mapping[str, float], broken: set[str], tmp_path: Path
) -> None:
    """How fast is fast enough is for the user to say. The senders are threads, which are never late."""
    settings = Settings(
        KEY,
        SECRET,
        products=("sms",),
        max_examples=MAX_EXAMPLES,
        notify_within_s=NOTIFY_WITHIN_S,
        seed=SEED,
        report_dir=tmp_path,
    )
    load = LoadWithObjectives(RATE_PER_S, FOR_S, objectives=objectives)
    path = run_load(settings, load, ThreadedEngine(settings), behaviour=scaled(name)(BUILT_IN))
    judgement = judge(read_journal(path))
    assert broken == failed_requirements(judgement), shortfalls(judgement)


def test_each_requirement_on_load_is_killed() -> None:
    """By a fault, or by the figures of a user."""
    broken = {id_ for fault in LOAD_FAULTS.values() for id_ in fault.breaks if len(fault.breaks) == 1}
    assert ON_LOAD == (broken & ON_LOAD) | {"LOD-03", "LOD-04", "LOD-05"}
