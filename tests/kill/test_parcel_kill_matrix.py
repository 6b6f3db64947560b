"""The kill matrix of the invented courier: whatever its folder derives or lists breaks exactly what it says.

Faults are derived from how its requirements are judged, and none is written in Python.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
from campaigns import shortfalls
from other_contracts import parcel
from run_records import failed_requirements

from conformance.gateway import campaign
from conformance.gateway.settings import Settings
from conformance.journal import read_journal
from conformance.judging.verdicts import Judged
from conformance.mock.behaviour import BUILT_IN, Behaviour
from conformance.mock.faults import faults, variants
from conformance.reports.result import judge

KEY, SECRET = "SampleKey", "SampleSecret"
SEED = 20261129
NOTIFY_WITHIN_S = 2.0


def judged(directory: Path, behaviour: Behaviour) -> Judged:
    """A whole run against the built-in mock gateway with that behaviour, judged from its journal."""
    settings = Settings(
        consumer_key=KEY,
        consumer_secret=SECRET,
        contract=parcel(),
        registered=dict(parcel().members.registered),
        notify_within_s=NOTIFY_WITHIN_S,
        seed=SEED,
        max_examples=2,
        shrink_requests=0,
        report_dir=directory,
    )
    return judge(read_journal(campaign.run(settings, behaviour=behaviour)), contract=parcel())


@cache
def lawful() -> tuple[str, ...]:
    """The built-in behaviour, and whatever the folder lists beside it."""
    return ("lawful", *variants(parcel()))


@pytest.mark.parametrize("name", faults(parcel()))
def test_a_fault_breaks_exactly_what_it_says(name: str, tmp_path: Path) -> None:
    """The requirements that fall short are those of the fault."""
    fault = faults(parcel())[name]

    judgement = judged(tmp_path, fault.change(BUILT_IN))

    assert set(fault.breaks) == failed_requirements(judgement), shortfalls(judgement)


@pytest.mark.parametrize("name", lawful())
def test_a_lawful_behaviour_breaks_nothing(name: str, tmp_path: Path) -> None:
    """Whatever the courier's guide allows leaves nothing to fall short."""
    behaviour = variants(parcel())[name].change(BUILT_IN) if name != "lawful" else BUILT_IN

    judgement = judged(tmp_path, behaviour)

    assert set() == failed_requirements(judgement), shortfalls(judgement)
