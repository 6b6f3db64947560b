"""When the way of notifications was cut while a run went on, read off the canaries that were sent on it meanwhile.

    HEARTBEAT       the kind of their notes: `sent_at` (seconds of the journal's clock), `arrived`
    Outage          from when until when none arrived
    Watch           .of(notes, …): the outages, and how many canaries were lost beside them

A network that now and then loses something loses a canary, too, and is not cut for that: only so many in a row that it
is no chance are an outage.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from math import inf
from typing import Self

from conformance.journal import Note

HEARTBEAT = "heartbeat"

# Less likely than this, losses in a row are no chance. Taken for an outage without need, nobody is blamed for what was
# missing then; taken for chance without need, somebody may be. So one in fifty is enough.
IN_A_ROW_BY_CHANCE = 0.02


@dataclass(frozen=True, slots=True)
class Outage:
    """A time in which the way was cut, and how many canaries were `lost` then.

    `since`: when the last one before it was sent that arrived; `until`: the first after it. Infinite if there is none.
    """

    since: float
    until: float
    lost: int


@dataclass(frozen=True, slots=True)
class Watch:
    """`outages`, and of all other canaries how many were `sent`, and `lost`."""

    outages: tuple[Outage, ...] = ()
    sent: int = 0
    lost: int = 0

    @classmethod
    def of(cls, notes: Iterable[Note], sent: int = 0, lost: int = 0) -> Self:
        """What the heartbeats among `notes` tell. Of so many canaries `sent` after the run so many were `lost`."""
        beats = sorted((note.detail["sent_at"], note.detail["arrived"]) for note in notes if note.kind == HEARTBEAT)
        usual = (lost + 1) / (sent + 1) if sent else 0.0
        outages, before = [], -inf
        rows = [(arrived, [at for at, _ in row]) for arrived, row in groupby(beats, lambda beat: beat[1])]
        for number, (arrived, times) in enumerate(rows):
            if arrived:
                before = times[-1]
            elif usual ** len(times) <= IN_A_ROW_BY_CHANCE:
                until = rows[number + 1][1][0] if number + 1 < len(rows) else inf
                outages.append(Outage(before, until, len(times)))
        cut = sum(outage.lost for outage in outages)
        all_lost = sum(not arrived for _, arrived in beats)
        return cls(tuple(outages), len(beats) - cut, all_lost - cut)

    def outage_between(self, begin: float, end: float) -> Outage | None:
        """The first outage in that time, in part at least."""
        return next((outage for outage in self.outages if outage.since < end and begin < outage.until), None)
