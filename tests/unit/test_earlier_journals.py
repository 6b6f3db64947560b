"""A journal that an earlier version recorded is judged as that version judged it.

`data/earlier/` holds three, each with the verdicts of the version that recorded it (commit a672a6e, 29 November 2026,
when requirements were judged by rules written for each): a run against a gateway with eight faults, and certifications
of a client that pays twice and of a receiver that takes each result for a success.
"""

from __future__ import annotations

import json
import lzma
from pathlib import Path

import pytest

from conformance.journal import read_journal
from conformance.reports.result import judge

EARLIER = Path(__file__).parents[1] / "data" / "earlier"


@pytest.mark.parametrize("name", ["gateway", "client", "receiver"])
def test_an_earlier_journal_is_judged_as_it_was(name: str, tmp_path: Path) -> None:
    """For each requirement that there was: one that was added since may say something else."""
    journal = tmp_path / "journal.sqlite"
    journal.write_bytes(lzma.decompress((EARLIER / f"{name}.sqlite.xz").read_bytes()))
    then = json.loads((EARLIER / f"{name}.json").read_text(encoding="utf-8"))

    now = judge(read_journal(journal))

    verdicts = {f"{v.requirement.id} {v.command or '-'}": v.verdict.value for v in now.verdicts}
    judged_then = {pair: verdict for verdict, pairs in then["verdicts"].items() for pair in pairs}
    assert judged_then == {pair: verdict for pair, verdict in verdicts.items() if pair in judged_then}
    assert then["conclusion"] == now.conclusion.value
