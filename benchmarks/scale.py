"""What a case costs in a small run and in a large one: seconds of the suite's process, and the memory that it takes.

    python -m benchmarks scale

Whole runs (plan, send, listen, judge, write the reports), each in a process of its own, so that its memory is its own;
the mock gateway is in another. What a run costs before its first case and after its last is measured by a run without
random payloads and taken off: what is left, by case, should not depend on how many there are.
"""

from __future__ import annotations

import resource
import tempfile
import time
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

from benchmarks.campaigns import KEY, SECRET, callbacks_at, free_address, gateway
from conformance.gateway import campaign
from conformance.gateway.settings import Settings
from conformance.journal import read_journal
from conformance.judging.verdicts import Conclusion
from conformance.mock.behaviour import Behaviour
from conformance.model.errors import SuiteError
from conformance.model.process import Silent
from conformance.reports.files import write_reports
from conformance.reports.result import Result

SIZES = (1_000, 10_000, 100_000)
# Each random valid payload of a command brings half a broken one with it.
CASES_PER_EXAMPLE = 1.5
# How much more a case may cost in the largest run than in the smallest, and how much memory the largest may take.
MOST_GROWTH = 0.2
MOST_MEMORY_MB = 300


@dataclass(frozen=True)
class Run:
    """A whole run: what it sent and heard, seconds by phase (processor time, but `took_s`), and its memory in MB."""

    cases: int
    notifications: int
    took_s: float
    plan_s: float
    send_s: float
    judge_s: float
    memory_mb: float

    @property
    def used_s(self) -> float:
        """Processor time of all phases."""
        return self.plan_s + self.send_s + self.judge_s


class _Phases(Silent):
    """Keeps the processor time at which each phase began."""

    def __init__(self) -> None:
        self.began: dict[str, float] = {}

    def phase(self, name: str, detail: str = "") -> None:  # noqa: ARG002 - the interface's
        """A phase begins."""
        self.began[name] = time.process_time()


def _held(examples: int) -> Run:
    """Runs in a process of its own: a run over sms with so many random payloads, judged and reported."""
    address = free_address()
    phases = _Phases()
    with tempfile.TemporaryDirectory() as directory, gateway(callbacks_at(address), Behaviour()) as url:
        settings = Settings(
            KEY,
            SECRET,
            gateway=url,
            callback_listen=address,
            products=("sms",),
            max_examples=examples,
            seed=7,
            report_dir=Path(directory),
        )
        begun = time.perf_counter()
        journal = campaign.run(settings, phases)
        sent = time.process_time()
        result = Result.of(read_journal(journal))
        write_reports(result, settings.report_dir)
        judged, took = time.process_time(), time.perf_counter() - begun
    if result.conclusion is not Conclusion.CONFORMANT:
        raise SuiteError(f"the lawful mock gateway was found {result.conclusion}")
    return Run(
        cases=len(result.record.exchanges),
        notifications=len(result.record.notifications),
        took_s=took,
        plan_s=phases.began["send"] - phases.began["preflight"],
        send_s=sent - phases.began["send"],
        judge_s=judged - sent,
        memory_mb=most_memory_mb(),
    )


def most_memory_mb() -> float:
    """The most memory that this process has had at a time, in MB."""
    with suppress(OSError):
        for line in Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    # Elsewhere than on Linux, where this counts that of the process that began this one, too.
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20)


def held(examples: int) -> Run:
    """The same, in a process that is begun for it."""
    with ProcessPoolExecutor(1, get_context("spawn")) as process:
        return process.submit(_held, examples).result()


def growth(costs: Iterable[float]) -> float:
    """By how much the largest of some costs is above the smallest, as a part of it."""
    costs = list(costs)
    return max(costs) / min(costs) - 1


def main(sizes: Iterable[int] = SIZES) -> None:
    """Prints a line for each size, and whether the cost of a case is flat."""
    fixed = held(0)
    per_case = []
    memory = 0.0
    print(
        f"scale       start and end: {fixed.cases} cases, {fixed.took_s:.1f} s, "
        f"{fixed.used_s:.1f} s of processor time, {fixed.memory_mb:.0f} MB"
    )
    for size in sizes:
        run = held(round((size - fixed.cases) / CASES_PER_EXAMPLE))
        more = run.cases - fixed.cases
        plan, send, judge = (
            1e6 * (getattr(run, phase) - getattr(fixed, phase)) / more for phase in ("plan_s", "send_s", "judge_s")
        )
        per_case.append(plan + send + judge)
        memory = max(memory, run.memory_mb)
        print(
            f"scale       {run.cases:7,} cases, {run.notifications:7,} notifications: {run.took_s:6.1f} s · "
            f"µs of processor time for a case more: {per_case[-1]:5.0f} (plan {plan:.0f}, send {send:.0f}, "
            f"judge {judge:.0f}) · {run.memory_mb:.0f} MB"
        )
    print(
        f"scale       a case costs {growth(per_case):.0%} more where it costs most (aim: {MOST_GROWTH:.0%} at most) · "
        f"{memory:.0f} MB at most (aim: less than {MOST_MEMORY_MB})"
    )
