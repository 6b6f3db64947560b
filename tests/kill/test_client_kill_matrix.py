"""The suite judged from the other side: each flawed client breaks exactly what it says, each lawful one nothing.

Every certification is a whole one: a process that speaks the driver protocol, a witness over real HTTP, the same
`certify` and `judge` as a user's. What was found is written as a table to `reports/client-kill-matrix.md` when the
tests end (`tests/conftest.py`).
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from campaigns import shortfalls
from flawed_clients.table import FLAWS, LAWFUL, VARIETIES, Variety
from run_records import failed_requirements

from conformance.client import certification
from conformance.client.driver import Driver
from conformance.client.settings import ClientSettings
from conformance.contract.contract import statum
from conformance.contract.requirements import Actor, Level
from conformance.journal import read_journal
from conformance.judging.verdicts import Conclusion
from conformance.model.errors import ConformanceError
from conformance.reports.result import judge

SEED = 20261122
DRIVER = Path(__file__).parents[1] / "flawed_clients" / "driver.py"

# Short, for whatever has to be waited for is waited for in every row; still a hundred times what these clients need.
START_WITHIN_S = 3.0
TIMEOUT_S = 0.5
RESEND_WINDOW_S = 0.4
ADVISED_DELAY_S = 1.2
PATIENCE_S = 3.0

JUDGED = [name for name, variety in FLAWS.items() if variety.client.refused is None]
REFUSED = [name for name, variety in FLAWS.items() if variety.client.refused is not None]


def held(variety: Variety, directory: Path) -> Path:
    """A whole certification of that variety; the path of its journal."""
    settings = ClientSettings(
        driver=shlex.join((sys.executable, "-S", "-E", str(DRIVER), variety.name)),
        seed=SEED,
        max_examples=0,
        report_dir=directory,
        timeout_s=TIMEOUT_S,
        resend_window_s=RESEND_WINDOW_S,
        advised_delay_s=ADVISED_DELAY_S,
        patience_s=PATIENCE_S,
    )
    return certification.certify(settings)


@pytest.mark.parametrize("name", JUDGED)
def test_a_flaw_breaks_exactly_what_it_says(
    name: str, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """The requirements that fall short are those of the flaw; the exit code follows from their levels."""
    flaw = FLAWS[name]
    judgement = judge(read_journal(held(flaw, tmp_path)))
    found = failed_requirements(judgement)
    exit_code = judgement.conclusion.exit_code
    record_property("kill", {"name": name, "kind": "flawed client", "found": sorted(found), "exit": exit_code})
    assert set(flaw.breaks) == found, shortfalls(judgement)
    assert ending(flaw) == judgement.conclusion, shortfalls(judgement)


def ending(flaw: Variety) -> Conclusion:
    """How the certification of a flawed client ends."""
    if flaw.client.dies:
        return Conclusion.INCONCLUSIVE
    failed = any(statum().catalogue[id_].level is Level.MUST for id_ in flaw.breaks)
    return Conclusion.NON_CONFORMANT if failed else Conclusion.CONFORMANT


@pytest.mark.parametrize("name", REFUSED)
def test_a_driver_that_offers_nothing_to_judge_is_refused(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, record_property: Callable[[str, object], None]
) -> None:
    """Nothing is judged, nothing is left behind; the error says what is wrong, with its exit code."""
    monkeypatch.setattr(certification, "Driver", partial(Driver, start_within_s=START_WITHIN_S))

    with pytest.raises(ConformanceError, match=str(FLAWS[name].client.refused)) as refused:
        held(FLAWS[name], tmp_path)
    record_property("kill", {"name": name, "kind": "flawed client", "found": [], "exit": refused.value.exit_code})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", LAWFUL)
def test_a_lawful_client_breaks_nothing(
    name: str, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """Whatever the contract allows is conformant, without a single failure or warning."""
    judgement = judge(read_journal(held(LAWFUL[name], tmp_path)))
    found, exit_code = sorted(failed_requirements(judgement)), judgement.conclusion.exit_code
    record_property("kill", {"name": name, "kind": "lawful client", "found": found, "exit": exit_code})
    assert [] == found, shortfalls(judgement)
    assert Conclusion.CONFORMANT == judgement.conclusion, shortfalls(judgement)


@pytest.mark.parametrize("actor", [Actor.CLIENT, Actor.RECEIVER])
def test_every_judged_requirement_is_killed_by_a_flaw_of_its_own(actor: Actor) -> None:
    """For each requirement there is a flawed client that breaks it and nothing else."""
    alone = {flaw.breaks[0] for flaw in FLAWS.values() if len(flaw.breaks) == 1}
    wanted = {r.id for r in statum().catalogue.requirements if r.actor is actor and r.excluded is None}
    assert set() == wanted - alone


def test_every_variety_says_in_a_sentence_what_it_does() -> None:
    """The names are told apart, and each has its summary."""
    assert len(VARIETIES) == len(FLAWS) + len(LAWFUL)
    assert [] == [variety.name for variety in VARIETIES.values() if not variety.summary.endswith(".")]
