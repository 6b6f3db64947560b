"""`make bench`: what things cost, as ratios measured side by side in one run on one machine.

rates        `benchmarks.rates`             judged cases per second, beside schemathesis, Hypothesis and httpx
waiting      `benchmarks.campaigns`         one wait for all notifications, beside waiting for each
receivers    `benchmarks.receiver_rates`    notifications per second of both engines, and of the receivers of `load`
mock         `benchmarks.mock_rates`        requests per second of the mock gateway, alone and from two processes
load         `benchmarks.load_rates`        requests per second of one and of two workers of `load`
faults       `benchmarks.detection`         seconds to find each seeded fault
merging      `benchmarks.merge_rates`       rows per second of the merge behind a load run, and its memory
scale        `benchmarks.scale`             time and memory of 1,000 to 100,000 cases
judging      `benchmarks.judging`           rate and memory of judging up to 1,000,000 exchanges: a quarter of an hour
detection    `benchmarks.detection`         each seeded fault and lawful variant with 20 seeds: most of an hour
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Mapping

from benchmarks import (
    campaigns,
    detection,
    judging,
    load_rates,
    merge_rates,
    mock_rates,
    rates,
    receiver_processes,
    receiver_rates,
    scale,
)

Options = argparse.Namespace

MEASUREMENTS: Mapping[str, Callable[[Options], None]] = {
    "rates": lambda _: rates.rates(),
    "waiting": lambda _: campaigns.waiting(),
    "receivers": lambda _: _receivers(),
    "mock": lambda _: mock_rates.main(),
    "load": lambda _: load_rates.main(),
    "merging": lambda options: merge_rates.main(options.sizes or merge_rates.SIZES),
    "faults": lambda _: detection.faults(),
    "scale": lambda options: scale.main(options.sizes or scale.SIZES),
    "judging": lambda options: judging.main(options.sizes or judging.SIZES),
    "detection": lambda options: detection.detection(options.seeds, options.workers),
}


def _receivers() -> None:
    receiver_rates.main()
    receiver_processes.main()


def _sizes(text: str) -> list[int]:
    return [int(size) for size in text.split(",")]


def main() -> int:
    """Run the measurements that are named, or all."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="what to measure (default: all)")
    parser.add_argument("--seeds", type=int, default=detection.SEEDS, help="of detection (%(default)s; 0: none)")
    parser.add_argument("--workers", type=int, default=detection.WORKERS, help="of detection, at a time (%(default)s)")
    parser.add_argument("--sizes", type=_sizes, help="of scale and judging: cases, as in 1000,10000")
    options = parser.parse_args()
    names = options.names or [name for name in MEASUREMENTS if name != "detection" or options.seeds]
    unknown = [name for name in names if name not in MEASUREMENTS]
    if unknown:
        parser.error(f"{', '.join(unknown)}: expected {', '.join(MEASUREMENTS)}")
    for name in names:
        began = time.perf_counter()
        MEASUREMENTS[name](options)
        print(f"{name:<12}measured in {time.perf_counter() - began:.0f} s\n", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
