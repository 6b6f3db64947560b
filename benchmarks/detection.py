"""Whether each seeded fault is found, whatever the seed, and how long that takes; and that nothing lawful is found.

    python -m benchmarks faults                   each fault once: the seconds until it is found
    python -m benchmarks detection --seeds 20     each fault and each lawful variant with so many seeds

Whole runs at default settings against the built-in mock gateway, as `statum-conformance run` holds them: from planning
to written reports, the start of the interpreter (half a second) left out. A fault counts as found if exactly the
requirements of its row fell short.

What `detection` found is kept in `reports/detection.jsonl`, run by run: one that was interrupted goes on where it was.
Rows of other code than is there now are passed over.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from statistics import median

from conformance.contract.contract import statum
from conformance.gateway import campaign
from conformance.gateway.settings import Settings
from conformance.journal import read_journal
from conformance.judging.verdicts import Conclusion, Verdict
from conformance.mock.behaviour import BUILT_IN
from conformance.mock.faults import faults as seeded
from conformance.mock.faults import variants
from conformance.reports.files import write_reports
from conformance.reports.result import Result

FAULTS = {name: each for name, each in seeded(statum()).items() if not each.under_load}
VARIANTS = {name: each for name, each in variants(statum()).items() if not each.under_load}

CHECKOUT = Path(__file__).parents[1]
KEPT = CHECKOUT / "reports" / "detection.jsonl"
TABLE = CHECKOUT / "reports" / "detection.md"

SEEDS = 20
LAWFUL = "lawful"
# A run keeps a core busy for half of its time, and waits for the rest.
WORKERS = 1 + (os.cpu_count() or 1)
# Seconds that a run takes with all cores at work, to say beforehand how long it will be.
EXPECTED_S = 3.0


@dataclass(frozen=True, slots=True)
class Trial:
    """One run: against the gateway with that fault or lawful variant, with that seed."""

    kind: str
    name: str
    seed: int

    @property
    def expected(self) -> list[str]:
        """The requirements that have to fall short."""
        return sorted(FAULTS[self.name].breaks) if self.kind == "fault" else []


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it: which requirements failed or warned, what was concluded, and the seconds that it took."""

    kind: str
    name: str
    seed: int
    found: list[str]
    failed: list[str]
    conclusion: str
    seconds: float
    code: str

    @property
    def trial(self) -> Trial:
        """What it is the outcome of."""
        return Trial(self.kind, self.name, self.seed)

    @property
    def right(self) -> bool:
        """A fault: exactly what it breaks fell short. A lawful variant: nothing failed, and it is conformant."""
        if self.kind == "fault":
            return self.found == self.trial.expected
        return not self.failed and self.conclusion == Conclusion.CONFORMANT


def fingerprint() -> str:
    """A digest of all that runs depend on in this checkout: the package, but for what was measured of it."""
    digest = hashlib.sha256()
    files = (path for folder in ("conformance", "schemas") for path in (CHECKOUT / folder).rglob("*"))
    for path in sorted(
        path for path in files if path.suffix in (".py", ".json", ".toml") and path.name != "kill-matrix.json"
    ):
        digest.update(path.relative_to(CHECKOUT).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def held(trial: Trial, code: str) -> Outcome:
    """Holds the run of a trial."""
    rows = FAULTS if trial.kind == "fault" else VARIANTS
    behaviour = BUILT_IN if trial.name == LAWFUL else rows[trial.name].change(BUILT_IN)
    with tempfile.TemporaryDirectory() as directory:
        settings = Settings("SampleKey", "SampleSecret", seed=trial.seed, report_dir=Path(directory))
        begun = time.perf_counter()
        result = Result.of(read_journal(campaign.run(settings, behaviour=behaviour)))
        write_reports(result, settings.report_dir)
        took = time.perf_counter() - begun
    verdicts = result.judged.verdicts
    failed = sorted({v.requirement.id for v in verdicts if v.verdict is Verdict.FAIL})
    short = sorted({v.requirement.id for v in verdicts if v.verdict in (Verdict.FAIL, Verdict.WARN)})
    return Outcome(trial.kind, trial.name, trial.seed, short, failed, str(result.conclusion), round(took, 3), code)


def outcomes(trials: Sequence[Trial], workers: int) -> Iterator[Outcome]:
    """Holds all of them, so many at a time; as they come."""
    code = fingerprint()
    with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
        pending: list[Future[Outcome]] = [pool.submit(held, trial, code) for trial in trials]
        try:
            for future in as_completed(pending):
                yield future.result()
        finally:
            pool.shutdown(cancel_futures=True)


# --- Seconds to find each fault


def faults() -> None:
    """Prints how long it takes until a fault is found: median, worst, and which that is."""
    trials = [Trial("fault", name, 1) for name in FAULTS]
    began = time.perf_counter()
    found = sorted(outcomes(trials, WORKERS), key=lambda outcome: outcome.seconds)
    middle, worst = median(outcome.seconds for outcome in found), found[-1]
    print(
        f"faults      {sum(outcome.right for outcome in found)} of {len(trials)} seeded faults found by one default "
        f"run each ({WORKERS} at a time, {time.perf_counter() - began:.0f} s)"
    )
    print(
        f"faults      seconds to the verdict: median {middle:.1f} ({_nearest(found, middle)}), "
        f"worst {worst.seconds:.1f} ({worst.name}); {sum(outcome.seconds > 2 * middle for outcome in found)} took more "
        "than twice the median"
    )
    _tell_wrong(found)


def _nearest(found: Sequence[Outcome], seconds: float) -> str:
    return min(found, key=lambda outcome: abs(outcome.seconds - seconds)).name


def _tell_wrong(found: Iterable[Outcome]) -> None:
    for outcome in found:
        if not outcome.right:
            print(
                f"            {outcome.kind} {outcome.name}, seed {outcome.seed}: expected "
                f"{', '.join(outcome.trial.expected) or 'nothing'}, found {', '.join(outcome.found) or 'nothing'}, "
                f"{outcome.conclusion}"
            )


# --- Found with every seed


def detection(seeds: int = SEEDS, workers: int = WORKERS) -> None:
    """Holds what is not there yet of the trials, and prints and writes the table. SystemExit if one came out wrong."""
    names = [("fault", name) for name in FAULTS] + [("variant", name) for name in (LAWFUL, *VARIANTS)]
    wanted = [Trial(kind, name, seed) for seed in range(1, seeds + 1) for kind, name in names]
    known = _kept(wanted)
    rest = [trial for trial in wanted if trial not in known]
    print(
        f"detection   {len(FAULTS)} faults and {1 + len(VARIANTS)} lawful behaviours × {seeds} seeds: {len(wanted):,} "
        f"runs, of which {len(known):,} are there; the rest takes some "
        f"{len(rest) * EXPECTED_S / workers / 60:.0f} minutes ({workers} at a time, Ctrl-C is safe)",
        flush=True,
    )
    KEPT.parent.mkdir(exist_ok=True)
    with KEPT.open("a", encoding="utf-8") as kept:
        for outcome in outcomes(rest, workers):
            kept.write(json.dumps(asdict(outcome)) + "\n")
            kept.flush()
            known[outcome.trial] = outcome
    _tell(list(known.values()), seeds)


def _kept(wanted: Sequence[Trial]) -> dict[Trial, Outcome]:
    """What is there of these, from this very code; a line that was cut off is passed over."""
    code, asked = fingerprint(), set(wanted)
    known: dict[Trial, Outcome] = {}
    for line in KEPT.read_text(encoding="utf-8").splitlines() if KEPT.exists() else ():
        try:
            outcome = Outcome(**json.loads(line))
        except (ValueError, TypeError):
            continue
        if outcome.code == code and outcome.trial in asked:
            known[outcome.trial] = outcome
    return known


def _tell(found: Sequence[Outcome], seeds: int) -> None:
    by_name: dict[tuple[str, str], list[Outcome]] = {}
    for outcome in found:
        by_name.setdefault((outcome.kind, outcome.name), []).append(outcome)
    lines = ["# Detection", "", f"Written by `make bench`: whole default runs with {seeds} seeds each.", ""]
    lines += ["| | breaks | right in | median s | worst s |", "|---|---|---|---|---|"]
    for (kind, name), its in sorted(by_name.items()):
        times = [outcome.seconds for outcome in its]
        right = sum(outcome.right for outcome in its)
        breaks = ", ".join(its[0].trial.expected) or "–"
        lines.append(f"| {kind} {name} | {breaks} | {right} of {len(its)} | {median(times):.1f} | {max(times):.1f} |")
    TABLE.write_text("\n".join(lines) + "\n", encoding="utf-8")
    for kind, said in (("fault", "seeded faults found exactly"), ("variant", "lawful behaviours without a failure")):
        its = [all(outcome.right for outcome in by_name[key]) for key in by_name if key[0] == kind]
        print(f"detection   {sum(its)} of {len(its)} {said} in {seeds} of {seeds} runs")
    _tell_wrong(found)
    print(f"detection   the table is in {TABLE.relative_to(CHECKOUT)}")
    if not all(outcome.right for outcome in found):
        raise SystemExit("not everything was detected, or something lawful was")
