"""`make bench`: what things cost, as ratios measured side by side in one run on one machine.

overhead, waiting    `benchmarks.campaigns`
receivers            `benchmarks.receiver_rates`
scale                `benchmarks.scale`
"""

from __future__ import annotations

import argparse
import sys

from benchmarks import campaigns, receiver_rates, scale

MEASUREMENTS = {
    "overhead": campaigns.overhead,
    "waiting": campaigns.waiting,
    "receivers": receiver_rates.main,
    "scale": scale.main,
}


def main() -> int:
    """Run the measurements that are named, or all."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(MEASUREMENTS))
    names = parser.parse_args().names or list(MEASUREMENTS)
    unknown = [name for name in names if name not in MEASUREMENTS]
    if unknown:
        parser.error(f"{', '.join(unknown)}: expected {', '.join(MEASUREMENTS)}")
    for name in names:
        MEASUREMENTS[name]()
    return 0


if __name__ == "__main__":
    sys.exit(main())
