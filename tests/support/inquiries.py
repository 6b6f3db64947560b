"""Runs whose failures are looked into, as tests hold them: in a hurry, against mock gateways with faults.

with_short_waits  what takes a second elsewhere takes a part of one
result_of_run     the result of such a run
refusing          a gateway that refuses what it should accept; astral: such a choice
failures          what failed or warns, by requirement and command
verdict_numbers   the verdicts, with their numbers
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from campaigns import held
from seeded import refuses

from conformance.diagnosis import search
from conformance.gateway import campaign
from conformance.journal import read_journal
from conformance.judging.verdicts import Judged
from conformance.mock.behaviour import BUILT_IN, Behaviour, Moment
from conformance.mock.changes import member
from conformance.reports.result import Result

SMS: dict[str, Any] = {"products": ("sms",)}

Refuses = Callable[[Moment], bool]
Entries = dict[tuple[str, str | None], Mapping[str, Any]]


def with_short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """What takes a second elsewhere takes a part of one here; the mock gateway notifies within milliseconds."""
    monkeypatch.setattr(search, "LEAST_PATIENCE_S", 0.3)
    monkeypatch.setattr(campaign, "LATE_S", 0.2)


def result_of_run(directory: Path, behaviour: Behaviour, **changes: Any) -> Result:
    """The result of a run against a gateway with that behaviour."""
    return Result.of(read_journal(held(directory, behaviour, **({"notify_within_s": 1.0} | changes))))


def refusing(which: Refuses, every: int = 1) -> Behaviour:
    """A gateway that refuses requests that it should accept."""
    return refuses(which, every=every)(BUILT_IN)


def failures(result: Result) -> Entries:
    """What failed or warns, by requirement and command."""
    entries = result.document["requirements"]
    return {(e["id"], e["command"]): e for e in entries if e["verdict"] in ("FAIL", "WARN")}


def astral(moment: Moment) -> bool:
    """A message with a character above U+FFFF."""
    return any(ord(character) > 0xFFFF for character in member(moment, "message"))


def verdict_numbers(judged: Judged) -> list[tuple[Any, ...]]:
    """The verdicts, with their numbers."""
    return [(v.requirement.id, v.command, v.verdict, v.observations, v.failed, v.unobserved) for v in judged.verdicts]
