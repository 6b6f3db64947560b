"""`make chaos`: runs through networks that fail, runs that are killed, floods of junk; what came of it, as a table.

lossy       one connection in ten lost, one request in five held up by 2 s, one notification in twenty repeated
storms      everything else that networks do
outages     the way back is cut for a while, and works again before the run ends
capped      gateways that accept too much, behind a storm
killed      `kill -9`, and going on
junk        a flood of junk to the receiver
signalled   SIGINT and SIGTERM at random moments of five commands
strangers   plans with given phone numbers, in which nobody else is found; 10,000 take an hour: --seeds 100
secrets     every command, and a gateway that says all secrets back
writers     secrets of any characters, spelled by every kind of program, one within the other
crowded     1,000 connections of strangers to a process that may open 256 files
posted      junk to the callbacks themselves, at an address that anybody may know
noisy       a driver that floods its standard error and leaves a process behind
forged      journals and certificates that somebody changed, or made to keep a reader busy
by-turns    a gateway that is hostile in every way, one after the other
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

# What the tests are made of, runs are made of here, too.
sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "support"))

from benchmarks.chaos import (
    by_turns,
    forging,
    junk,
    killing,
    network,
    secrets,
    signalling,
    strangers,
    strangers_at_the_door,
)
from benchmarks.chaos.figures import Figures

POINTS = 8
SPELLED = 10_000
PLANS = 100
SIGNALS = 50
PARTS: Mapping[str, Callable[[Figures, int], None]] = {
    "lossy": network.lossy,
    "storms": network.storms,
    "outages": network.outages,
    "capped": network.capped,
    "killed": lambda figures, seeds: killing.killed(figures, POINTS * seeds),
    "junk": junk.junk,
    "signalled": lambda figures, seeds: signalling.signalled(figures, SIGNALS * seeds),
    "strangers": lambda figures, seeds: strangers.strangers(figures, PLANS * seeds),
    "secrets": secrets.planted_everywhere,
    "writers": lambda figures, seeds: secrets.spelled(figures, SPELLED * seeds),
    "crowded": strangers_at_the_door.crowded,
    "posted": strangers_at_the_door.posted,
    "noisy": strangers_at_the_door.noisy,
    "forged": forging.forged,
    "by-turns": by_turns.by_turns,
}


def main() -> int:
    """Hold the parts that are named, or all; 1 if something went wrong."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.chaos", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(PARTS))
    parser.add_argument("--seeds", type=int, default=1, help="how often each of them is held (default: 1)")
    given = parser.parse_args()
    if unknown := [name for name in given.names if name not in PARTS]:
        parser.error(f"{', '.join(unknown)}: expected {', '.join(PARTS)}")
    figures = Figures()
    try:
        for name in given.names or PARTS:
            begun = time.monotonic()
            PARTS[name](figures, given.seeds)
            print(f"{name}: {time.monotonic() - begun:.0f} s", flush=True)
    finally:
        print("\n".join(("", *figures.table())))
        for told in figures.told:
            print(f"\n{told}", file=sys.stderr)
    return 1 if figures.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
