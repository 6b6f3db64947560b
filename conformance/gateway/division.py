"""A large journal judged in parts: which journals are cut, and who judges the parts.

divided         the division of a run for as long as it is judged; None for a small one, which needs none
InProcess       judges one part after the other in this process
InProcesses     judges the parts in other processes, which read the journal themselves
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from queue import SimpleQueue

from conformance.contract.contract import Contract
from conformance.diagnosis.follow_ups import run_proper
from conformance.gateway.cutting import cut
from conformance.gateway.judging_process import JudgingProcess
from conformance.journal import Record
from conformance.judging.parts import Division, Outcome, Part, PartTask
from conformance.judging.terms import Terms

# Runs with fewer exchanges are judged in one pass: it takes a few seconds, and less memory than further processes.
LARGE = 30_000
# Exchanges of a part. Its summaries take some 15 MB.
PART_SIZE = 10_000
# More processes wait for the one that cuts and adds.
MOST_PROCESSES = 16


@dataclass(frozen=True, slots=True)
class InProcess:
    """Judges the parts of a record one after the other."""

    record: Record
    terms: Terms
    parts: tuple[Part, ...]

    @property
    def leading(self) -> Part:
        """As Division has it."""
        return self.parts[-1]

    @property
    def others(self) -> Sequence[Part]:
        """As Division has it."""
        return self.parts[:-1]

    def each(self, tasks: Iterable[tuple[Part, PartTask[Outcome]]]) -> Iterator[Outcome]:
        """As Division has it."""
        for part, task in tasks:
            yield task(self.record.part(part.exchanges, part.notifications), self.terms, part.share)


@dataclass(frozen=True, slots=True)
class InProcesses:
    """Judges the parts of a journal in as many other processes as there are `idle` ones at first."""

    parts: tuple[Part, ...]
    processes: int
    idle: SimpleQueue[JudgingProcess] = field(repr=False)
    threads: ThreadPoolExecutor = field(repr=False)

    @property
    def leading(self) -> Part:
        """As Division has it."""
        return self.parts[-1]

    @property
    def others(self) -> Sequence[Part]:
        """As Division has it."""
        return self.parts[:-1]

    def each(self, tasks: Iterable[tuple[Part, PartTask[Outcome]]]) -> Iterator[Outcome]:
        """As Division has it. Results wait in memory, so there are never many more of them than processes."""
        waiting: deque[Future[Outcome]] = deque()
        for part, task in tasks:
            waiting.append(self.threads.submit(self._ask, part, task))
            if len(waiting) > self.processes:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()

    def _ask(self, part: Part, task: PartTask[Outcome]) -> Outcome:
        process = self.idle.get()
        try:
            return process.ask(part, task)
        finally:
            self.idle.put(process)


@contextmanager
def divided(
    record: Record, contract: Contract, parts: int | None = None, processes: int | None = None
) -> Iterator[Division | None]:
    """The division of the run of a gateway into so many `parts`, by default by its size; None for one part.

    `processes`: how many others judge the parts; 0: this one does. By default as many as there are processors, or 0 for
    a small run and for a record without a file. Raises EnvironmentFailure if a process ends before its work is done.
    """
    proper = run_proper(record, contract)
    sent = len(proper.exchanges)
    if parts is None:
        parts = 1 if sent < LARGE else -(-sent // PART_SIZE)
    if parts < 2:  # noqa: PLR2004 - one is the whole
        yield None
        return
    if processes is None:
        processes = 0 if sent < LARGE or record.path is None else min(_processors(), MOST_PROCESSES)
    terms = Terms.of(proper, contract)
    pieces = cut(proper, terms, parts)
    if not processes or record.path is None:
        yield InProcess(proper, terms, pieces)
        return
    with ExitStack() as until:
        yield _begun(record.path, terms, pieces, min(processes, len(pieces)), until)


def _begun(path: Path, terms: Terms, parts: tuple[Part, ...], processes: int, until: ExitStack) -> InProcesses:
    """So many processes that judge the journal at `path` until the end."""
    idle: SimpleQueue[JudgingProcess] = SimpleQueue()
    # Ended last: after an interruption its threads wait until the processes have ended.
    threads = until.enter_context(ThreadPoolExecutor(processes, "judging"))
    for _ in range(processes):
        idle.put(until.enter_context(JudgingProcess(path, terms)))
    return InProcesses(parts, processes, idle, threads)


def _processors() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
