"""The values between the engine that drives the load and the campaign that judges it: `WorkerShard` and `Driven`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class WorkerShard:
    """The file in which one worker recorded its requests and their answers.

    SQLite with the tables of `journal.rows`, numbered from 1. `offset_s` seconds are added to its times, so that they
    are those of the journal's clock, within `within_s` seconds. `lost_since`: the last sign of life of a worker that
    was lost, in the journal's clock; None if it ended as it should. `handed_out`: how many cases of each product it
    may have sent without a row that says so. A file on this machine has a row for each, so it is empty there.
    """

    name: str
    path: Path
    offset_s: float = 0.0
    within_s: float = 0.0
    lost_since: float | None = None
    handed_out: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Driven:
    """The outcome of a drive: the files of all workers, and how it went.

    `began` and `ended` are seconds of the journal's clock. `behind_s`: the most that a request went out after its due
    time. `withheld`: how many cases which option kept from being sent, as in the note `allowance`.
    """

    shards: tuple[WorkerShard, ...]
    began: float
    ended: float
    behind_s: float = 0.0
    withheld: Mapping[str, int] = field(default_factory=dict)
